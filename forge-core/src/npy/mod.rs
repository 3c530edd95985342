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
/// # Errors
/// When the file is missing or torn, or holds elements that tensors do not have.
pub fn read(path: &Path) -> Result<Tensor> {
    parse(path, &bytes(path)?)
}

/// Reads a `.npz` file, on the CPU: the arrays by name, in the order of the archive.
///
/// # Errors
/// When the file is missing or torn, or an array in it cannot be read as [`read`] would.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>> {
    parse_npz(path, &bytes(path)?)
}

/// What [`read`] does, of a file that is in memory. Messages call it `path`.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Tensor> {
    array(bytes).map_err(|message| wrong(path, message))
}

/// What [`read_npz`] does, of a file that is in memory. Messages call it `path`.
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
