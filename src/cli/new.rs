use super::{Cli, failed, terminal};
use crate::pipelines::sources::{CheckParams, CsvParams, Source};
use crate::pipelines::{Exit, Failure, Registry, engine, starter};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// `forge new --from FILE.csv`: a commented spec for a file, beside which nothing is overwritten.
pub fn new(spec: Option<&Path>, data: &Path, cli: &Cli, registry: &Registry) -> Exit {
    let path = match spec {
        Some(path) => path.to_path_buf(),
        None => PathBuf::from(data.file_stem().unwrap_or("spec".as_ref())).with_extension("yaml"),
    };
    let loaded = match CsvParams::new(data.display().to_string()).read(Path::new("")) {
        Ok(loaded) => loaded,
        Err(error) => return failed(&Failure::from(error), &data.display().to_string()),
    };
    let Some(text) = starter::spec(&location(data, &path), &loaded) else {
        terminal::error(&format!(
            "error: {}: no column can be forecast: each holds text, missing values or one value only",
            data.display()
        ));
        return Exit::Data;
    };
    let written = std::fs::File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        let (help, exit) = match error.kind() {
            ErrorKind::AlreadyExists => ("name another file: `forge new OTHER.yaml --from …`", Exit::Spec),
            _ => ("check the folder", Exit::Resource),
        };
        terminal::error(&format!("error: cannot write {}: {error}; {help}", path.display()));
        return exit;
    }
    for notice in &loaded.notices {
        terminal::error(&notice.text);
    }
    if let Err(refusal) = engine::check(&path, &[], registry) {
        terminal::findings(&refusal.findings);
        return refusal.exit;
    }
    // What only the data shows, such as repeated times, is better known now than at the first run.
    if let Err(error) = CheckParams::default().check(&loaded.frame) {
        terminal::error(&format!("warning: as it is, the data will be refused: {error}"));
        error.hint().iter().for_each(|hint| terminal::error(&format!("         {hint}")));
    }
    if cli.json {
        terminal::line(&serde_json::json!({"spec": path}).to_string());
    } else {
        terminal::line(&format!("{}: ready; `forge run {}` runs it", path.display(), path.display()));
    }
    Exit::Ok
}

/// The data's path from the folder of the spec: as given where the spec is in the current folder, otherwise whole.
fn location(data: &Path, spec: &Path) -> String {
    let beside = spec.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let whole = || std::path::absolute(data).unwrap_or(data.to_path_buf());
    if beside { data.display().to_string() } else { whole().display().to_string() }
}
