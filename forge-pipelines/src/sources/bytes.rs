//! From a file to its text: digest, gzip, byte order mark, encoding.

use crate::data_error::{DataError, Problem, nearest};
use flate2::read::MultiGzDecoder;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// More unpacked text than this is taken for a decompression bomb.
const MAX_UNPACKED: u64 = 4 << 30;

/// First bytes of formats that people mistake for CSV.
const SIGNATURES: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet"),
    (b"PAR1", "a Parquet file"),
    (b"\xFF\xFE", "UTF-16 text"),
    (b"\xFE\xFF", "UTF-16 text"),
    (b"\x89PNG", "a PNG image"),
    (b"%PDF", "a PDF document"),
    (b"\x28\xB5\x2F\xFD", "zstd-compressed data"),
];

/// The text of a file and the identity of its bytes.
pub(super) struct FileText {
    pub text: String,
    pub digest: String,
    pub bytes: u64,
}

pub(super) fn read_file(path: &Path) -> Result<FileText, DataError> {
    let raw = std::fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => missing(path),
        _ if path.is_dir() => Problem::Unreadable { reason: "it is a folder".into() },
        _ => Problem::Unreadable { reason: e.to_string() },
    })?;
    let digest = blake3::hash(&raw).to_hex().to_string();
    let bytes = raw.len() as u64;
    Ok(FileText { text: decode(raw)?, digest, bytes })
}

/// Unpacks gzip, drops a byte order mark and insists on UTF-8 text.
pub(super) fn decode(raw: Vec<u8>) -> Result<String, Problem> {
    let mut raw = if raw.starts_with(&[0x1f, 0x8b]) { unpack(&raw)? } else { raw };
    if raw.starts_with(b"\xEF\xBB\xBF") {
        raw.drain(..3);
    }
    if let Some((_, seems)) = SIGNATURES.iter().find(|(magic, _)| raw.starts_with(magic)) {
        return Err(Problem::Binary { seems: (*seems).into() });
    }
    if raw.contains(&0) {
        return Err(Problem::Binary { seems: "binary data".into() });
    }
    if raw.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::Empty {});
    }
    String::from_utf8(raw).map_err(|e| Problem::NotUtf8 { byte: e.utf8_error().valid_up_to() })
}

fn unpack(raw: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(raw).take(MAX_UNPACKED).read_to_end(&mut out);
    match read {
        Err(e) => Err(Problem::BadGzip { reason: e.to_string() }),
        Ok(n) if n as u64 == MAX_UNPACKED => {
            Err(Problem::BadGzip { reason: format!("it holds more than {MAX_UNPACKED} bytes") })
        }
        Ok(_) => Ok(out),
    }
}

fn missing(path: &Path) -> Problem {
    let folder = path.parent().unwrap_or(Path::new(""));
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    Problem::FileMissing {
        folder: folder.to_string_lossy().into_owned(),
        nearest: nearest(&wanted, names.iter().map(String::as_str)),
    }
}
