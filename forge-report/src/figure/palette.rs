//! Colours that stay apart for colour-blind readers, and the same colour for the same name in every figure.
//!
//! The colours are those of Okabe and Ito, *Color Universal Design* (2008), without the yellow that white paper
//! swallows. Figures are stored in their light form; the page replaces each by its partner of the dark theme
//! (`--light-NAME` and `--NAME` in `style.css`).

use forge_core::history::{ForecastKind, Notebook, Output};
use plotly::common::DashType;
use std::collections::HashMap;

/// What happened: observed values.
pub(crate) const INK: &str = "#1c2430";
/// Guides: borders, bands, lines of reference.
pub(crate) const MUTED: &str = "#667080";
pub(crate) const BLUE: &str = "#0072b2";
pub(crate) const VERMILLION: &str = "#d55e00";
pub(crate) const GREEN: &str = "#009e73";
pub(crate) const PURPLE: &str = "#cc79a7";
pub(crate) const ORANGE: &str = "#e69f00";
pub(crate) const SKY: &str = "#56b4e9";

const FITS: [&str; 6] = [BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE];
const BASELINES: [&str; 6] = [ORANGE, SKY, PURPLE, GREEN, VERMILLION, BLUE];
const DASHES: [DashType; 4] = [DashType::Dash, DashType::Dot, DashType::DashDot, DashType::LongDash];

/// How a fit or baseline is drawn.
#[derive(Clone)]
pub(crate) struct Style {
    pub color: &'static str,
    pub dash: DashType,
    pub width: f64,
}

/// The style of each fit and baseline of a notebook: solid lines for fits, broken ones for baselines.
pub(crate) struct Palette {
    styles: HashMap<String, Style>,
}

impl Palette {
    /// Styles in order of first appearance in the notebook.
    pub(crate) fn of(notebook: &Notebook) -> Self {
        let (mut fits, mut baselines): (Vec<&str>, Vec<&str>) = Default::default();
        let mut see = |name, kind| {
            let list = if kind == ForecastKind::Fit { &mut fits } else { &mut baselines };
            if !list.contains(&name) {
                list.push(name);
            }
        };
        for output in notebook.cells.iter().flat_map(|c| &c.outputs) {
            match output {
                Output::LearningCurves { fits } => fits.iter().for_each(|f| see(&f.name, ForecastKind::Fit)),
                Output::Forecast { forecasts, .. } | Output::Residuals { forecasts, .. } => {
                    forecasts.iter().for_each(|f| see(&f.name, f.kind))
                }
                Output::SkillTable { table } | Output::ErrorByHorizon { table } => {
                    table.scores.iter().for_each(|s| see(&s.name, s.kind))
                }
                _ => {}
            }
        }
        let baselines = baselines.into_iter().enumerate().map(|(i, n)| (n.to_owned(), baseline(i)));
        let fits = fits.into_iter().enumerate().map(|(i, n)| (n.to_owned(), fit(i)));
        Palette { styles: baselines.chain(fits).collect() }
    }

    /// The style of a name.
    pub(crate) fn style(&self, name: &str) -> Style {
        self.styles.get(name).cloned().unwrap_or_else(|| fit(0))
    }
}

fn fit(i: usize) -> Style {
    Style { color: FITS[i % FITS.len()], dash: DashType::Solid, width: 1.8 }
}

fn baseline(i: usize) -> Style {
    Style { color: BASELINES[i % BASELINES.len()], dash: DASHES[i % DASHES.len()].clone(), width: 1.4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_knows_every_colour() {
        let css = include_str!("../page/style.css");
        let named = [("ink", INK), ("muted", MUTED), ("blue", BLUE), ("vermillion", VERMILLION)];
        let rest = [("green", GREEN), ("purple", PURPLE), ("orange", ORANGE), ("sky", SKY)];
        for (name, hex) in named.into_iter().chain(rest) {
            assert!(
                css.contains(&format!("--light-{name}: {hex};")),
                "--light-{name}: {hex} is not in style.css"
            );
        }
    }
}
