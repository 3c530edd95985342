//! A panic is a fault of this program, never of a spec: it is caught where a cell or a report begins, so that the run ends
//! as failed, with its events and its report, instead of counting as lost.

use crate::failure::Failure;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` gives, or its panic as exit code 1. What `work` held by then is not used any more: a cell's values are
/// only taken over when it succeeds, and logs are written whole or not at all.
pub(super) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(fault(what, &*payload)))
}

fn fault(what: &str, payload: &(dyn Any + Send)) -> Failure {
    let said = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
    let words = said.or_else(|| payload.downcast_ref::<String>().cloned());
    let words = words.unwrap_or_else(|| "no message".to_string());
    let mut failure = Failure::fault(format!("a fault of this program in {what}: {words}"));
    failure
        .finding
        .notes
        .push("neither the spec nor the data is to blame; the run is whole up to here".into());
    failure
}
