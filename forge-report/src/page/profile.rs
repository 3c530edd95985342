//! The section that says where the time went, of a run that was profiled.

use super::view::{Shown, figures};
use crate::figure::Drawn;
use crate::{ReportError, profile};
use forge_core::history::{RunProfile, Table};
use serde::Serialize;

/// Operations that are shown; the longest take nearly all of the time, and `profile.json` has them all.
const OPERATIONS: usize = 40;

#[derive(Serialize)]
pub(super) struct View<'a> {
    summary: String,
    pub figures: Vec<Shown<'a>>,
    cells: Table,
    operations: Table,
    layers: Table,
}

pub(super) fn view<'a>(profile: &RunProfile, drawn: Drawn) -> Result<View<'a>, ReportError> {
    Ok(View {
        summary: profile::profile_summary(profile),
        figures: figures(drawn)?,
        cells: profile::cells(profile),
        operations: profile::profile_table(profile, OPERATIONS),
        layers: profile::layers(profile),
    })
}
