use super::RunError;
use std::path::Path;

/// [`forge_core::write_atomic`], with the error of this module.
///
/// # Errors
/// [`RunError::Io`] when the folder is missing, full, or not writable.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), RunError> {
    let path = path.as_ref();
    forge_core::write_atomic(path, bytes).map_err(|e| RunError::io("write", path, e))
}
