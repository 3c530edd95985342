//! Weights in files: safetensors, written whole or not at all.

use crate::half::{bf16_to_f32, f16_to_f32};
use crate::{Device, Error, ErrorKind, Host, Result, Tensor, write_atomic};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// Saves named tensors with a map of text.
///
/// ```
/// use forge_core::{checkpoint, Tensor};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("weights.safetensors");
/// checkpoint::save(&path, &[("w".into(), Tensor::new(&[1.0f32, 2.0], &[2])?)], &[("epoch", "3".into())])?;
/// let file = checkpoint::load(&path)?;
/// assert_eq!(file.tensors[0].1.to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(file.notes["epoch"], "3");
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the file cannot be written, or two tensors have one name.
pub fn save(path: &Path, tensors: &[(String, Tensor)], notes: &[(&str, String)]) -> Result<()> {
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let (dtype, bytes) = match tensor.host()? {
                Host::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Host::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Host::I64(v) => (Dtype::I64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            };
            Ok((name.clone(), dtype, tensor.shape().to_vec(), bytes))
        })
        .collect::<Result<_>>()?;
    let wrong = |message: String| Error::from(ErrorKind::Checkpoint { path: path.into(), message });
    let views: Vec<(&str, TensorView)> = bytes
        .iter()
        .map(|(name, dtype, shape, data)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| wrong(e.to_string()))?;
    // One map of one key has no order to vary, so equal contents give equal bytes.
    let ordered: std::collections::BTreeMap<&str, &String> = notes.iter().map(|(k, v)| (*k, v)).collect();
    let notes = match ordered.is_empty() {
        true => None,
        false => {
            Some(HashMap::from([("notes".to_owned(), serde_json::to_string(&ordered).unwrap_or_default())]))
        }
    };
    let out = safetensors::serialize(views, notes).map_err(|e| wrong(e.to_string()))?;
    write_atomic(path, &out).map_err(|e| Error::io("write", path, e))
}

/// What a file of weights holds.
///
/// See [`save`].
///
/// ```
/// use forge_core::checkpoint::{Contents, parse};
/// let Contents { tensors, notes } = parse("empty.safetensors".as_ref(), b"\x02\0\0\0\0\0\0\0{}")?;
/// assert!(tensors.is_empty() && notes.is_empty());
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Contents {
    /// Tensors by name, in the order of their names.
    pub tensors: Vec<(String, Tensor)>,
    /// Text that was saved with them.
    pub notes: HashMap<String, String>,
}

/// Loads what [`save`] or another program wrote, on the CPU. Floats of 16 bits become f32, smaller integers and booleans i64.
///
/// ```
/// use forge_core::{checkpoint, nn::{Init, Linear}, Parameters};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("linear.safetensors");
/// let trained = Linear::new(&Init::new(0), 2, 1)?;
/// checkpoint::save(&path, &trained.named_values(), &[])?;
/// let mut model = Linear::new(&Init::new(1), 2, 1)?;
/// model.load_values(&checkpoint::load(&path)?.tensors)?;
/// assert_eq!(model.named_values()[0].1.to_vec::<f32>()?, trained.named_values()[0].1.to_vec::<f32>()?);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the file is missing or torn, or holds an element type that tensors do not have.
pub fn load(path: &Path) -> Result<Contents> {
    parse(path, &std::fs::read(path).map_err(|e| Error::io("read", path, e))?)
}

/// What [`load`] does, of a file that is in memory. Messages call it `path`.
///
/// ```
/// use forge_core::checkpoint;
/// let path = "empty.safetensors".as_ref();
/// assert!(checkpoint::parse(path, b"\x02\0\0\0\0\0\0\0{}")?.tensors.is_empty());
/// let error = checkpoint::parse(path, b"no weights").unwrap_err();
/// assert!(error.to_string().starts_with("empty.safetensors: "));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Contents> {
    let wrong = |message: String| Error::from(ErrorKind::Checkpoint { path: path.into(), message });
    let broken = |e: safetensors::SafeTensorError| wrong(format!("not a whole safetensors file ({e})"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let notes = header.metadata().as_ref().and_then(|m| m.get("notes"));
    let notes = notes.and_then(|n| serde_json::from_str(n).ok()).unwrap_or_default();
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let host = match view.dtype() {
            Dtype::F32 => Host::F32(elements(data, f32::from_le_bytes)),
            Dtype::F64 => Host::F64(elements(data, f64::from_le_bytes)),
            Dtype::F16 => Host::F32(elements(data, |b| f16_to_f32(u16::from_le_bytes(b)))),
            Dtype::BF16 => Host::F32(elements(data, |b| bf16_to_f32(u16::from_le_bytes(b)))),
            Dtype::I64 => Host::I64(elements(data, i64::from_le_bytes)),
            Dtype::I32 => Host::I64(elements(data, |b| i32::from_le_bytes(b).into())),
            Dtype::I16 => Host::I64(elements(data, |b| i16::from_le_bytes(b).into())),
            Dtype::I8 => Host::I64(elements(data, |b| i8::from_le_bytes(b).into())),
            Dtype::U8 | Dtype::BOOL => Host::I64(elements(data, |b| u8::from_le_bytes(b).into())),
            other => {
                let known = "F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL";
                return Err(wrong(format!("`{name}` holds {other:?}; known are {known}")));
            }
        };
        let tensor = Tensor::from_host(host, view.shape(), &Device::cpu());
        tensors.push((name.clone(), tensor.map_err(|e| wrong(format!("`{name}`: {e}")))?));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Contents { tensors, notes })
}

fn elements<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_give_equal_bytes_and_a_torn_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let tensors: Vec<(String, Tensor)> = ["w", "bias", "gain"]
            .iter()
            .map(|n| (n.to_string(), Tensor::new(&[1.5f64, -2.0], &[2]).unwrap()))
            .collect();
        let notes = [("one", "1".to_owned()), ("two", "2".to_owned()), ("three", "3".to_owned())];
        save(&a, &tensors, &notes).unwrap();
        save(&b, &tensors, &notes).unwrap();
        let bytes = std::fs::read(&a).unwrap();
        assert_eq!(bytes, std::fs::read(&b).unwrap());
        std::fs::write(&b, &bytes[..bytes.len() - 3]).unwrap();
        let error = load(&b).unwrap_err().to_string();
        assert!(error.contains("not a whole safetensors file"), "{error}");
    }
}
