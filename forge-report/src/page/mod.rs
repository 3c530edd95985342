//! The page: a notebook as HTML, from templates.

mod markdown;
mod profile;
mod skill;
mod spec_text;
mod view;

use crate::{ReportError, html};
use forge_core::history::Notebook;
use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

const TEMPLATES: [(&str, &str); 8] = [
    ("page.html", include_str!("templates/page.html")),
    ("header.html", include_str!("templates/header.html")),
    ("cell.html", include_str!("templates/cell.html")),
    ("output.html", include_str!("templates/output.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("skill.html", include_str!("templates/skill.html")),
    ("profile.html", include_str!("templates/profile.html")),
    ("footer.html", include_str!("templates/footer.html")),
];

/// The whole page as one text.
pub(crate) fn render(notebook: &Notebook, now: Timestamp) -> Result<String, ReportError> {
    let mut templates = Environment::new();
    for (name, text) in TEMPLATES {
        templates.add_template(name, text)?;
    }
    let page = view::page(notebook, now)?;
    let library = if page.draws() { html::library()? } else { "" };
    let context = context! {
        page => Value::from(Serde(&page)),
        library,
        style => include_str!("style.css"),
        script => include_str!("page.js"),
        version => env!("CARGO_PKG_VERSION"),
    };
    Ok(templates.get_template("page.html")?.render(context)?)
}
