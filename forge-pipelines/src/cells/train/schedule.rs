//! `schedule`: how the learning rate moves.

use forge_core::optim::{Optimizer, Plateau, Schedule, Scheduled};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A schedule of the learning rate: a name, or a one-key map with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = ScheduleParam::Name(ScheduleName::Cosine))]
pub enum ScheduleParam {
    /// With its defaults.
    Name(ScheduleName),
    /// With parameters.
    Kind(ScheduleKind),
}

/// A schedule with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// As the optimizer has it.
    Constant,
    /// Down along half a cosine.
    Cosine,
    /// Up to it and down again (Smith and Topin, 2019).
    OneCycle,
    /// Lower when the monitored metric no longer falls.
    Plateau,
}

/// A schedule with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Lower after every so many epochs.
    Step(StepParams),
    /// Down along half a cosine, after a way up if one is asked for.
    Cosine(CosineParams),
    /// Lower when the monitored metric no longer falls.
    Plateau(PlateauParams),
}

/// Parameters of `step`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = StepParams { every: 20, factor: tenth() })]
pub struct StepParams {
    /// Epochs at one learning rate.
    #[schemars(range(min = 1), example = 20)]
    pub every: u64,
    /// What the learning rate is multiplied by then.
    #[serde(default = "tenth")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub factor: f64,
}

fn tenth() -> f64 {
    0.1
}

/// Parameters of `cosine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CosineParams {
    /// The way up to the learning rate: a percentage of all steps or a number of steps.
    pub warmup: Warmup,
    /// The share of the learning rate that is left at the end.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub floor: f64,
}

impl Default for CosineParams {
    fn default() -> Self {
        CosineParams { warmup: Warmup::Steps(0), floor: 0.0 }
    }
}

/// The length of a way up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Warmup {
    /// So many steps.
    Steps(u64),
    /// Of all steps.
    Share(Percent),
}

/// A percentage such as `5%`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-9]{1,2}(\\.[0-9]+)?%$"), example = "5%")]
pub struct Percent(f64);

impl TryFrom<String> for Percent {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number
            .filter(|percent| (0.0..100.0).contains(percent))
            .map(Percent)
            .ok_or_else(|| format!("`{text}` is not a percentage below 100 such as `5%`"))
    }
}

impl From<Percent> for String {
    fn from(Percent(percent): Percent) -> String {
        format!("{percent}%")
    }
}

impl Warmup {
    fn steps(&self, total: u64) -> u64 {
        match self {
            Warmup::Steps(steps) => *steps,
            Warmup::Share(Percent(percent)) => (percent / 100.0 * total as f64).round() as u64,
        }
    }
}

/// Parameters of `plateau`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauParams {
    /// Epochs without a smaller metric that are waited for; one more, and the learning rate falls.
    #[schemars(range(min = 0))]
    pub patience: usize,
    /// What the learning rate is multiplied by then.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
}

impl Default for PlateauParams {
    fn default() -> Self {
        PlateauParams { patience: 10, factor: 0.1 }
    }
}

impl ScheduleParam {
    /// The optimizer with its learning rate scheduled, in a training of `epochs` times `steps` steps.
    pub(super) fn apply(&self, optimizer: Box<dyn Optimizer>, epochs: u64, steps: u64) -> Box<dyn Optimizer> {
        let total = epochs.saturating_mul(steps);
        let cosine =
            |p: &CosineParams| Schedule::Cosine { total, warmup: p.warmup.steps(total), floor: p.floor };
        let schedule = match self {
            ScheduleParam::Name(ScheduleName::Constant | ScheduleName::Plateau)
            | ScheduleParam::Kind(ScheduleKind::Plateau(_)) => return optimizer,
            ScheduleParam::Name(ScheduleName::Cosine) => cosine(&CosineParams::default()),
            ScheduleParam::Name(ScheduleName::OneCycle) => Schedule::OneCycle { total },
            ScheduleParam::Kind(ScheduleKind::Step(p)) => {
                Schedule::Step { every: p.every.saturating_mul(steps), factor: p.factor }
            }
            ScheduleParam::Kind(ScheduleKind::Cosine(p)) => cosine(p),
        };
        Box::new(Scheduled::new(optimizer, schedule))
    }

    /// The rule that looks at the monitored metric, if this is one.
    pub(super) fn plateau(&self) -> forge_core::Result<Option<Plateau>> {
        let params = match self {
            ScheduleParam::Name(ScheduleName::Plateau) => PlateauParams::default(),
            ScheduleParam::Kind(ScheduleKind::Plateau(params)) => params.clone(),
            _ => return Ok(None),
        };
        Plateau::new(params.patience, params.factor).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::optim::Sgd;

    /// The learning rate at a step of a training of 10 epochs of 20 steps.
    fn rate(schedule: &str, step: u64) -> f64 {
        let read = serde_yaml::Deserializer::from_str(schedule);
        let param: ScheduleParam = serde_yaml::with::singleton_map_recursive::deserialize(read).unwrap();
        let again = serde_json::to_string(&param).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleParam>(&again).unwrap(), param, "{again}");
        let mut optimizer = param.apply(Box::new(Sgd::new(1.0)), 10, 20);
        optimizer.load_state(&[], step).unwrap();
        optimizer.learning_rate()
    }

    #[test]
    fn a_spec_counts_in_epochs_shares_and_steps() {
        assert_eq!((rate("constant", 0), rate("constant", 199)), (1.0, 1.0));
        assert_eq!((rate("cosine", 0), rate("cosine", 100)), (1.0, 0.5));
        assert_eq!(rate("{step: {every: 3, factor: 0.5}}", 59), 1.0);
        assert_eq!(rate("{step: {every: 3, factor: 0.5}}", 60), 0.5);
        for warmup in ["5%", "10"] {
            let schedule = format!("{{cosine: {{warmup: {warmup}, floor: 0.25}}}}");
            assert_eq!((rate(&schedule, 0), rate(&schedule, 10)), (1.0 / 11.0, 1.0));
            assert_eq!(rate(&schedule, 200), 0.25);
        }
        assert_eq!(rate("one_cycle", 59), 1.0);
        assert_eq!(rate("{plateau: {patience: 2, factor: 0.5}}", 100), 1.0);
    }

    #[test]
    fn wrong_percentages_are_refused() {
        for text in ["5", "-1%", "100%", "x%", "NaN%"] {
            assert!(Percent::try_from(text.to_string()).is_err(), "{text}");
        }
    }
}
