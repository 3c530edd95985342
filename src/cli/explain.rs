use super::terminal;
use crate::pipelines::Exit;
use crate::pipelines::spec::{CODES, explain_code};

/// `forge explain`: more about a code than a finding has room for.
pub fn explain(code: &str) -> Exit {
    match explain_code(code) {
        Some(row) => {
            terminal::line(&format!("{}: {}\n\n{}", row.code, row.title, row.text));
            Exit::Ok
        }
        None => {
            let known: Vec<&str> = CODES.iter().map(|row| row.code).collect();
            terminal::error(&format!("error: no code `{code}`; known codes: {}", known.join(", ")));
            Exit::Spec
        }
    }
}
