//! `assert`: claims about results, tried at the end of a run.

use crate::spec::Spec;
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
