use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The shortest value that is read as `params`: what has its default is left out. A value that cannot be written down at
/// all, which no type of the language has, is null, and refused by the check.
pub(super) fn shortest<T: Serialize + DeserializeOwned>(params: &T) -> Value {
    let whole = serde_json::to_value(params).unwrap_or(Value::Null);
    let same = |value: &Value| {
        let read: Option<T> = serde_json::from_value(value.clone()).ok();
        read.and_then(|params| serde_json::to_value(params).ok()).is_some_and(|again| again == whole)
    };
    let mut short = whole.clone();
    shorten(&mut short, &mut Vec::new(), &same);
    short
}

/// Leaves out each key below `path` that makes no difference, from the outside in.
fn shorten(whole: &mut Value, path: &mut Vec<Step>, same: &impl Fn(&Value) -> bool) {
    let steps: Vec<Step> = match at(whole, path) {
        Some(Value::Object(map)) => map.keys().cloned().map(Step::Key).collect(),
        Some(Value::Array(items)) => (0..items.len()).map(Step::Item).collect(),
        _ => return,
    };
    for step in steps {
        if let Step::Key(key) = &step {
            let mut without = whole.clone();
            if let Some(Value::Object(map)) = at(&mut without, path) {
                map.shift_remove(key);
            }
            if same(&without) {
                *whole = without;
                continue;
            }
        }
        path.push(step);
        shorten(whole, path, same);
        path.pop();
    }
}

enum Step {
    Key(String),
    Item(usize),
}

fn at<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Item(n) => value.get_mut(n),
    })
}

#[cfg(test)]
mod tests {
    use super::shortest;
    use crate::baselines::BaselineParam;
    use crate::cells::{AdamParams, OptimizerKind, OptimizerParam, StopParams, TrainParams};
    use serde_json::json;
    use std::num::NonZeroUsize;

    #[test]
    fn only_what_differs_from_the_default_is_written() {
        assert_eq!(shortest(&TrainParams::default()), json!({}));
        let adam = AdamParams { lr: 0.01, ..AdamParams::default() };
        let params = TrainParams {
            optimizer: OptimizerParam::Kind(OptimizerKind::Adam(adam)),
            stop: Some(StopParams::default()),
            ..TrainParams::default()
        };
        assert_eq!(shortest(&params), json!({"optimizer": {"adam": {"lr": 0.01}}, "stop": {}}));
        let seasonal = BaselineParam::Seasonal(NonZeroUsize::MIN);
        assert_eq!(shortest(&vec![BaselineParam::Last, seasonal]), json!(["last", {"seasonal": 1}]));
    }
}
