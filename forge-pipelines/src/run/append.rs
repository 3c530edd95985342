use super::RunError;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that only grows, a whole line at a time: one `write` a line, so that a process killed at any moment
/// leaves whole lines and at most one torn line at the end.
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Length up to the last whole line.
    length: u64,
}

impl AppendFile {
    /// Opens or creates the file and cuts a torn last line off, which nobody could finish.
    pub fn open(path: PathBuf) -> Result<Self, RunError> {
        let failed = |e| RunError::io("open", &path, e);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let written = file.metadata().map_err(failed)?.len();
        let length = end_of_last_line(&mut file, written).map_err(failed)?;
        if length < written {
            file.set_len(length).map_err(failed)?;
        }
        Ok(AppendFile { path, file, length })
    }

    /// Appends `line` (without its line end).
    pub fn append(&mut self, line: &str) -> Result<(), RunError> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(|e| {
            // A full disk may have taken half a line: take it back, or the next line would be glued to it.
            let _ = self.file.set_len(self.length);
            RunError::io("append to", &self.path, e)
        })?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the whole content, in one piece, and goes on behind it.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<(), RunError> {
        super::write_atomic(&self.path, bytes)?;
        *self = AppendFile::open(self.path.clone())?;
        Ok(())
    }

    /// Forces everything to disk.
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(|e| RunError::io("write", &self.path, e))
    }
}

/// Offset behind the last line end, searched from the back so that a long file opens quickly.
fn end_of_last_line(file: &mut File, length: u64) -> std::io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|&b| b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The whole lines of a growing file; a torn last line is left out, a file that does not exist has none.
pub(super) fn whole_lines(path: &Path) -> Result<Vec<String>, RunError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunError::io("read", path, e)),
    };
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect())
}

/// Reads one JSON value a line.
pub(super) fn read_json_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let parse = |(number, line): (usize, String)| {
        serde_json::from_str(&line).map_err(|e| {
            RunError::broken(path, format!("line {}: {e}; the lines before it are sound", number + 1))
        })
    };
    whole_lines(path)?.into_iter().enumerate().map(parse).collect()
}
