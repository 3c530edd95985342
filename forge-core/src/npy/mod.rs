//! NumPy's files: `.npy`, one array, and `.npz`, a zip archive of them, compressed or not.
//!
//! Floats of 16 and 32 bits become f32, of 64 bits f64; booleans and integers become i64. The format is that of NumPy
//! Enhancement Proposal 1, versions 1 to 3.
//!
//! ```no_run
//! let x = forge_core::npy::read("x.npy".as_ref())?;
//! for (name, array) in forge_core::npy::read_npz("data.npz".as_ref())? {
//!     println!("{name}: {array:?}");
//! }
//! # Ok::<(), forge_core::Error>(())
//! ```

mod elements;
mod header;
mod zip;

use crate::{Device, Error, ErrorKind, Result, Tensor};
use header::Header;
use std::path::Path;

/// Reads a `.npy` file, on the CPU.
///
/// ```
/// // An array of two f64, as NumPy writes it.
/// let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
/// let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
/// bytes.extend(format!("{header:<117}\n").bytes());
/// bytes.extend([1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()));
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("x.npy");
/// std::fs::write(&path, &bytes).unwrap();
/// let x = forge_core::npy::read(&path)?;
/// assert_eq!((x.shape(), x.to_vec::<f64>()?), (&[2][..], vec![1.5, -2.0]));
/// assert!(forge_core::npy::read(&folder.path().join("y.npy")).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the file is missing or torn, or holds elements that tensors do not have.
pub fn read(path: &Path) -> Result<Tensor> {
    parse(path, &bytes(path)?)
}

/// Reads a `.npz` file, on the CPU: the arrays by name, in the order of the archive.
///
/// ```
/// # let arrays = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/arrays.npz");
/// let archive = forge_core::npy::read_npz(arrays.as_ref())?;
/// assert!(archive.len() > 1 && archive.iter().all(|(name, _)| !name.ends_with(".npy")));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the file is missing or torn, or an array in it cannot be read as [`read`] would.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>> {
    parse_npz(path, &bytes(path)?)
}

/// What [`read`] does, of a file that is in memory. Messages call it `path`.
///
/// ```
/// use forge_core::npy::parse;
/// let error = parse("x.npy".as_ref(), b"\x93NUMPY\x01\x00").unwrap_err();
/// assert!(error.to_string().starts_with("x.npy: "), "{error}");
/// ```
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Tensor> {
    array(bytes).map_err(|message| wrong(path, message))
}

/// What [`read_npz`] does, of a file that is in memory. Messages call it `path`.
///
/// ```
/// # let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/arrays.npz"));
/// let bytes = std::fs::read(path).unwrap();
/// assert_eq!(forge_core::npy::parse_npz(path, &bytes)?.len(), forge_core::npy::read_npz(path)?.len());
/// assert!(forge_core::npy::parse_npz(path, &bytes[..bytes.len() / 2]).is_err()); // torn
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// As [`read_npz`].
pub fn parse_npz(path: &Path, bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let members = zip::Archive::open(bytes).map_err(|message| wrong(path, message))?;
    let mut arrays = Vec::new();
    for member in &members.0 {
        let name = member.name.strip_suffix(".npy").unwrap_or(&member.name);
        let tensor = member.contents(bytes).and_then(|contents| array(&contents));
        let tensor = tensor.map_err(|message| wrong(path, format!("array `{name}` {message}")))?;
        arrays.push((name.to_owned(), tensor));
    }
    Ok(arrays)
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io("read", path, e))
}

fn wrong(path: &Path, message: String) -> Error {
    ErrorKind::File { path: path.into(), message }.into()
}

fn array(bytes: &[u8]) -> std::result::Result<Tensor, String> {
    let (Header { descr, fortran_order, mut shape }, data) = Header::split(bytes)?;
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    let elements = elements::read(&descr, data, count.ok_or("has more elements than there can be")?)?;
    // Column-major elements are those of the reversed shape in row-major order.
    if fortran_order {
        shape.reverse();
    }
    let tensor = Tensor::from_host(elements, &shape, &Device::cpu()).map_err(|e| e.to_string())?;
    if !fortran_order {
        return Ok(tensor);
    }
    let axes: Vec<usize> = (0..shape.len()).rev().collect();
    tensor.permute(&axes).map_err(|e| e.to_string())
}
