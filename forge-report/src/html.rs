//! What makes one file of a page: the drawing library and the figures' data, compressed and written as text.

use crate::ReportError;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::sync::LazyLock;

/// The text of plotly.js, gzipped, as base64: 1.9 MB instead of 4.7. Made once a process.
pub(crate) fn library() -> Result<&'static str, ReportError> {
    static PACKED: LazyLock<Result<String, String>> = LazyLock::new(|| {
        let scripts = plotly::Plot::offline_js_sources();
        let text = first_script(&scripts)?;
        packed(text.as_bytes()).map_err(|e| e.to_string())
    });
    PACKED.as_deref().map_err(|e| ReportError::Library(e.clone()))
}

/// The `plotly` crate gives its library and MathJax as two `script` elements in one text; the first is wanted.
fn first_script(scripts: &str) -> Result<&str, String> {
    let start = scripts.find('>').ok_or("its text has no `script` element")? + 1;
    let end = scripts[start..].find("</script>").ok_or("its first `script` element has no end")?;
    let text = &scripts[start..start + end];
    if text.contains("plotly.js v") { Ok(text) } else { Err("its first script is not plotly.js".to_owned()) }
}

/// Compressing the library is most of what a short run does: of the levels, this one takes less than half the time of the
/// best for 2 % more bytes.
const LEVEL: Compression = Compression::new(4);

/// Gzip, then base64: letters, digits, `+`, `/` and `=` only, so that nothing in it can end a `script` element.
pub(crate) fn packed(bytes: &[u8]) -> Result<String, ReportError> {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    encoder.write_all(bytes).map_err(ReportError::Compress)?;
    Ok(STANDARD.encode(encoder.finish().map_err(ReportError::Compress)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_plotly_alone() {
        let scripts = plotly::Plot::offline_js_sources();
        let text = first_script(&scripts).unwrap();
        assert!(text.len() > 4_000_000 && text.len() < 5_000_000, "{} bytes", text.len());
        assert!(!text.contains("MathJax SVG"));
        assert!(library().unwrap().len() < 2_000_000, "{} bytes", library().unwrap().len());
        assert!(first_script("<p>no").is_err());
    }
}
