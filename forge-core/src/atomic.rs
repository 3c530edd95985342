//! Files that are never half-written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Replaces or creates a file so that a reader, and a crash at any moment, finds the old bytes or the new ones.
///
/// The bytes go to a temporary file in the same folder, which is forced to disk and renamed over `path`; then the
/// folder is forced to disk. On failure `path` is as it was and the temporary file is gone. Only a process killed
/// in the middle leaves one, named `.<file name>.<process>.<number>.tmp`, which every reader ignores.
///
/// # Errors
/// When the folder is missing, full, or not writable.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.json");
/// forge_core::write_atomic(&path, b"{}")?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let written = write_to_disk(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report; the temporary file may not even exist.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(path)
}

fn write_to_disk(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name no other thread or process uses at the same time.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(temporary))
}

/// Makes a rename in the folder of `path` survive a power cut. Only Unix lets a folder be opened and forced to disk.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let (draft, path) = (folder.path().join("draft"), folder.path().join("model.json"));
/// std::fs::write(&draft, "{}")?;
/// std::fs::rename(&draft, &path)?;
/// forge_core::sync_folder(&path)?; // now a power cut finds the new name
/// assert!(path.exists() && !draft.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the folder cannot be opened or forced to disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in the place of the file makes the rename fail.
        let path = folder.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), "kept").unwrap();
        assert!(write_atomic(&path, b"new").is_err());
        assert_eq!(std::fs::read(path.join("inside")).unwrap(), b"kept");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
