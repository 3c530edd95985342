//! `assert`: claims about results, tried at the end of a run.

use crate::spec::{Diagnostic, Spec};
use forge_core::history::AssertOutcome;
use std::collections::BTreeMap;

/// Tries every claim.
pub fn outcomes(spec: &Spec, results: &BTreeMap<String, Option<f64>>) -> Vec<AssertOutcome> {
    let outcome = |claim: &crate::spec::Claim| {
        let value = results.get(&claim.address.to_string()).copied().flatten();
        AssertOutcome {
            claim: claim.text.clone(),
            held: value.is_some_and(|v| claim.holds(v)),
            found: value.map_or("undefined".to_string(), |v| format!("{v:.6}")),
        }
    };
    spec.claims.iter().map(outcome).collect()
}

/// What to tell about the claims that did not hold.
pub fn findings(spec: &Spec, outcomes: &[AssertOutcome]) -> Vec<Diagnostic> {
    let broken = spec.claims.iter().zip(outcomes).filter(|(_, outcome)| !outcome.held);
    let finding = |(claim, outcome): (&crate::spec::Claim, &AssertOutcome)| {
        Diagnostic::error("E0601", format!("the claim `{}` does not hold", claim.text))
            .at(claim.place.clone(), format!("found {}", outcome.found))
            .help("the run itself is complete: its report shows every result")
    };
    broken.map(finding).collect()
}
