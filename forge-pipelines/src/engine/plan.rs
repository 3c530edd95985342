//! Checks that need no data: does every cell have its input, does every reference name a result.

use super::{Refusal, size};
use crate::cells::{CellKind, Plan, missing};
use crate::failure::Exit;
use crate::registry::Registry;
use crate::spec::{Allowance, CellSpec, Diagnostic, Place, Spec};
use crate::value::ValueKind;
use std::cell::RefCell;

/// A spec that can run.
#[derive(Debug)]
pub struct Planned {
    /// The spec.
    pub spec: Spec,
    /// Whether fits are left that no cell evaluates: they are then evaluated at the end, so that none goes without its
    /// baselines.
    pub evaluate_rest: bool,
    /// Whether no cell shows figures: the usual ones are then shown at the end.
    pub show_usual: bool,
}

/// Plans a spec.
///
/// # Errors
/// Cells without their input, figures without their data, claims about results that nothing computes; all at once.
pub fn plan(spec: Spec, registry: &Registry) -> Result<Planned, Refusal> {
    let mut plan = Plan {
        spec: &spec,
        registry,
        findings: Vec::new(),
        available: Vec::new(),
        fits: Vec::new(),
        quantile_fits: Vec::new(),
        baselines: Vec::new(),
        evaluated: Vec::new(),
        results: Vec::new(),
        allowed: Vec::new(),
    };
    for cell in &spec.cells {
        for kind in registry.kinds_of(cell) {
            if let Some(needed) = kind.takes() {
                let from = |id: &String| cell.from.is_empty() || cell.from.contains(id);
                if !plan.available.iter().any(|(id, kind)| from(id) && *kind == needed) {
                    plan.findings.push(without_input(cell, kind, needed, &plan));
                }
            }
            kind.plan(cell, &mut plan);
            plan.available.extend(kind.gives().map(|kind| (cell.id.clone(), kind)));
        }
        let unknown = unknown_in_prose(&spec, cell, &plan.results);
        plan.findings.extend(unknown);
    }
    for claim in &spec.claims {
        let address = claim.address.to_string();
        if !plan.results.contains(&address) {
            plan.findings.push(
                unknown_result(&address, &plan.results).at(claim.place.clone(), "nothing computes this"),
            );
        }
    }
    let in_vain = spec.allow.iter().filter(|allowance| !plan.allowed.contains(&allowance.code));
    plan.findings.extend(in_vain.map(nothing_to_allow));
    let (fits, evaluated, findings) = (plan.fits, plan.evaluated, plan.findings);
    let has = |name: &str| spec.cells.iter().any(|cell| cell.action(name).is_some());
    let (evaluate_rest, show_usual) = (fits.iter().any(|id| !evaluated.contains(id)), !has("show"));
    // Only of a spec that could run otherwise.
    let large = if findings.is_empty() { size::too_large(&spec, registry) } else { Vec::new() };
    let exit = match (large.is_empty(), findings.iter().any(|f| f.code.starts_with('L'))) {
        (false, _) => Exit::Resource,
        (_, true) => Exit::Leak,
        _ => Exit::Spec,
    };
    let findings = spec.document().diagnostics([findings, large].concat());
    if findings.has_errors() {
        return Err(Refusal { exit, findings });
    }
    Ok(Planned { spec, evaluate_rest, show_usual })
}

/// The complaint about a guard that is switched off where nothing comes to it.
fn nothing_to_allow(allowance: &Allowance) -> Diagnostic {
    let code = &allowance.code;
    Diagnostic::error(
        "E0174",
        format!("`allow` switches guard {code} off, and no cell of this spec comes to it"),
    )
    .at(allowance.place.clone(), "does nothing")
    .help("take it out")
}

fn without_input(cell: &CellSpec, kind: &dyn CellKind, needed: ValueKind, plan: &Plan<'_>) -> Diagnostic {
    let place = place_of(cell, kind, plan);
    let has_data = plan.available.iter().any(|(_, kind)| *kind == ValueKind::Frame);
    if needed == ValueKind::Split && has_data {
        return Diagnostic::error(
            "L01",
            "a transform is fitted before the data is split: it would see the test part",
        )
        .at(place, "needs a split")
        .cell(&cell.id)
        .help("put a cell with `split: {by: time, train: 70%, val: 10%, test: 20%}` above this one");
    }
    missing(needed, &cell.id).at(place, format!("needs {needed}")).cell(&cell.id)
}

fn place_of(cell: &CellSpec, kind: &dyn CellKind, plan: &Plan<'_>) -> Place {
    let names = kind.actions(plan.registry);
    let action = cell.actions.iter().find(|a| names.iter().any(|(name, _)| *name == a.name));
    let path = action.or(cell.actions.first()).map(|a| a.path.clone()).unwrap_or_default();
    plan.spec.document().key_place_of(&path)
}

/// Placeholders for results that no cell so far computes: found now, not after the training.
fn unknown_in_prose(spec: &Spec, cell: &CellSpec, known: &[String]) -> Vec<Diagnostic> {
    let unknown = RefCell::new(Vec::new());
    let lookup = |address: &str| {
        let is_known = known.iter().any(|name| name == address);
        if !is_known {
            unknown.borrow_mut().push(nearest_result(address, known));
        }
        is_known.then_some(0.0)
    };
    match spec.prose(cell, lookup) {
        Ok(_) => Vec::new(),
        Err(findings) => {
            findings.items().iter().zip(unknown.into_inner()).map(|(f, near)| f.clone().help(near)).collect()
        }
    }
}

fn unknown_result(address: &str, known: &[String]) -> Diagnostic {
    Diagnostic::error("E0173", format!("no cell computes `{address}`")).help(nearest_result(address, known))
}

fn nearest_result(address: &str, known: &[String]) -> String {
    match known.iter().min_by_key(|name| strsim::damerau_levenshtein(name, address)) {
        Some(near) => format!("the nearest result is `{near}`"),
        None => "results come from cells with `train` or `evaluate`".to_string(),
    }
}
