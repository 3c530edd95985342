//! Parameters of `train`.

use super::quantiles::Quantiles;
use super::schedule::{ScheduleName, ScheduleParam};
use forge_core::history::Part;
use forge_core::optim::{Adam, Optimizer, Sgd};
use forge_core::{Result, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = TrainParams { stop: Some(StopParams::default()), ..TrainParams::default() })]
pub struct TrainParams {
    /// How often the train windows are gone through.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Windows in a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// What updates the weights.
    pub optimizer: OptimizerParam,
    /// How the learning rate moves in training.
    pub schedule: ScheduleParam,
    /// What training makes small, in transformed space.
    pub loss: LossParam,
    /// How the steps of the horizon are forecast.
    pub strategy: Strategy,
    /// Largest norm of the gradient; longer ones are shortened to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 1.0)]
    pub clip: Option<f64>,
    /// When to end early. Without it, all epochs run and the last weights are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopParams>,
}

impl Default for TrainParams {
    fn default() -> Self {
        TrainParams {
            epochs: 50,
            batch: 32,
            optimizer: OptimizerParam::Kind(OptimizerKind::Adam(AdamParams::default())),
            schedule: ScheduleParam::Name(ScheduleName::Constant),
            loss: LossParam::Name(LossName::Mse),
            strategy: Strategy::Direct,
            clip: None,
            stop: None,
        }
    }
}

/// An optimizer: a name, or a one-key map with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = OptimizerParam::Kind(OptimizerKind::Adam(AdamParams::default())))]
pub enum OptimizerParam {
    /// With its defaults.
    Name(OptimizerName),
    /// With parameters.
    Kind(OptimizerKind),
}

/// An optimizer with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// Adam (Kingma and Ba, 2015).
    Adam,
    /// Adam with weight decay apart from the gradient (Loshchilov and Hutter, 2019).
    Adamw,
    /// Stochastic gradient descent.
    Sgd,
}

/// An optimizer with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015).
    Adam(AdamParams),
    /// Adam with weight decay apart from the gradient (Loshchilov and Hutter, 2019).
    Adamw(AdamwParams),
    /// Stochastic gradient descent.
    Sgd(SgdParams),
}

/// Parameters of Adam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamParams {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 0.001)]
    pub lr: f64,
    /// How much of the mean and of the mean square of past gradients a step keeps.
    #[schemars(inner(range(min = 0.0, max = 0.999999)))]
    pub betas: [f64; 2],
    /// Added to the root of the mean square, against division by 0.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub eps: f64,
}

impl Default for AdamParams {
    fn default() -> Self {
        AdamParams { lr: 0.001, betas: [0.9, 0.999], eps: 1e-8 }
    }
}

/// Parameters of AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamwParams {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 0.001)]
    pub lr: f64,
    /// Share of each weight that a step at a learning rate of 1 would take away.
    #[schemars(range(min = 0.0), example = 0.01)]
    pub decay: f64,
    /// How much of the mean and of the mean square of past gradients a step keeps.
    #[schemars(inner(range(min = 0.0, max = 0.999999)))]
    pub betas: [f64; 2],
    /// Added to the root of the mean square, against division by 0.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub eps: f64,
}

impl Default for AdamwParams {
    fn default() -> Self {
        AdamwParams { lr: 0.001, decay: 0.01, betas: [0.9, 0.999], eps: 1e-8 }
    }
}

/// Parameters of stochastic gradient descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdParams {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 0.01)]
    pub lr: f64,
    /// Share of the velocity that a step keeps.
    #[schemars(range(min = 0.0, max = 0.9999))]
    pub momentum: f64,
    /// Whether the gradient is taken ahead along the velocity.
    pub nesterov: bool,
    /// Times each weight is added to its gradient.
    #[schemars(range(min = 0.0))]
    pub decay: f64,
}

impl Default for SgdParams {
    fn default() -> Self {
        SgdParams { lr: 0.01, momentum: 0.0, nesterov: false, decay: 0.0 }
    }
}

impl From<AdamParams> for OptimizerParam {
    fn from(params: AdamParams) -> Self {
        OptimizerParam::Kind(OptimizerKind::Adam(params))
    }
}

impl From<AdamwParams> for OptimizerParam {
    fn from(params: AdamwParams) -> Self {
        OptimizerParam::Kind(OptimizerKind::Adamw(params))
    }
}

impl From<SgdParams> for OptimizerParam {
    fn from(params: SgdParams) -> Self {
        OptimizerParam::Kind(OptimizerKind::Sgd(params))
    }
}

impl OptimizerParam {
    /// Numbers that it keeps for each weight.
    pub(crate) fn moments(&self) -> u64 {
        match self {
            OptimizerParam::Name(OptimizerName::Sgd) => 0,
            OptimizerParam::Kind(OptimizerKind::Sgd(params)) => u64::from(params.momentum > 0.0),
            _ => 2,
        }
    }

    pub(super) fn build(&self) -> Box<dyn Optimizer> {
        let adam = |p: &AdamParams| Adam::new(p.lr).betas(p.betas[0], p.betas[1]).eps(p.eps);
        let adamw = |p: &AdamwParams| {
            Box::new(Adam::new(p.lr).betas(p.betas[0], p.betas[1]).eps(p.eps).decay(p.decay))
        };
        let sgd =
            |p: &SgdParams| Box::new(Sgd::new(p.lr).momentum(p.momentum).nesterov(p.nesterov).decay(p.decay));
        match self {
            OptimizerParam::Name(OptimizerName::Adam) => Box::new(adam(&AdamParams::default())),
            OptimizerParam::Name(OptimizerName::Adamw) => adamw(&AdamwParams::default()),
            OptimizerParam::Name(OptimizerName::Sgd) => sgd(&SgdParams::default()),
            OptimizerParam::Kind(OptimizerKind::Adam(params)) => Box::new(adam(params)),
            OptimizerParam::Kind(OptimizerKind::Adamw(params)) => adamw(params),
            OptimizerParam::Kind(OptimizerKind::Sgd(params)) => sgd(params),
        }
    }
}

/// A loss: a name, or a one-key map with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = LossParam::Name(LossName::Mse))]
pub enum LossParam {
    /// With its defaults.
    Name(LossName),
    /// With parameters.
    Kind(LossKind),
}

/// A loss with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Huber's loss.
    Huber,
}

/// A loss with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Squares of small errors, absolute values of large ones.
    Huber(HuberParams),
    /// Pinball loss of several quantiles, such as `[0.1, 0.5, 0.9]`: the model forecasts each of them at every step.
    /// Quantiles that cross are put in order; the one nearest to 0.5 is the point forecast.
    Quantile(Quantiles),
}

/// Parameters of Huber's loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HuberParams {
    /// Where a large error begins, in transformed space.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 1.0)]
    pub delta: f64,
}

impl Default for HuberParams {
    fn default() -> Self {
        HuberParams { delta: 1.0 }
    }
}

impl LossParam {
    /// Levels of the quantiles that the model forecasts, ascending; none for a model of points.
    pub fn levels(&self) -> &[f64] {
        match self {
            LossParam::Kind(LossKind::Quantile(quantiles)) => quantiles.levels(),
            _ => &[],
        }
    }

    /// The loss of (prediction, target).
    pub(super) fn function(&self) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + 'static {
        let loss = self.clone();
        move |prediction, target| match &loss {
            LossParam::Name(LossName::Mse) => prediction.mse(target),
            LossParam::Name(LossName::Mae) => prediction.mae(target),
            LossParam::Name(LossName::Huber) => prediction.huber(target, HuberParams::default().delta),
            LossParam::Kind(LossKind::Huber(params)) => prediction.huber(target, params.delta),
            LossParam::Kind(LossKind::Quantile(quantiles)) => quantiles.loss(prediction, target),
        }
    }
}

/// How a horizon is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// One output for each step ahead, all at once.
    Direct,
}

/// Early stopping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = StopParams::default())]
pub struct StopParams {
    /// The metric that must get smaller. `val.mae`, `val.rmse` and `val.mase` are in original units.
    pub monitor: Monitor,
    /// Epochs to wait for it.
    #[schemars(range(min = 1))]
    pub patience: usize,
    /// Which weights are kept.
    pub restore: Restore,
}

impl Default for StopParams {
    fn default() -> Self {
        StopParams { monitor: Monitor::ValLoss, patience: 8, restore: Restore::Best }
    }
}

/// A metric of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Monitor {
    /// The loss on the train part.
    #[serde(rename = "train.loss")]
    TrainLoss,
    /// The loss on the validation part.
    #[serde(rename = "val.loss")]
    ValLoss,
    /// The mean absolute error on the validation part.
    #[serde(rename = "val.mae")]
    ValMae,
    /// The root of the mean squared error on the validation part.
    #[serde(rename = "val.rmse")]
    ValRmse,
    /// The mean absolute scaled error on the validation part.
    #[serde(rename = "val.mase")]
    ValMase,
    /// Of the test part, which is there to be scored: guard L06 stops the run.
    #[serde(rename = "test.mae")]
    TestMae,
    /// Of the test part, which is there to be scored: guard L06 stops the run.
    #[serde(rename = "test.rmse")]
    TestRmse,
    /// Of the test part, which is there to be scored: guard L06 stops the run.
    #[serde(rename = "test.mase")]
    TestMase,
}

impl Monitor {
    pub(super) fn name(self) -> &'static str {
        match self {
            Monitor::TrainLoss => "train.loss",
            Monitor::ValLoss => "val.loss",
            Monitor::ValMae => "val.mae",
            Monitor::ValRmse => "val.rmse",
            Monitor::ValMase => "val.mase",
            Monitor::TestMae => "test.mae",
            Monitor::TestRmse => "test.rmse",
            Monitor::TestMase => "test.mase",
        }
    }

    /// The part that it is measured on.
    pub(super) fn part(self) -> Part {
        match self {
            Monitor::TrainLoss => Part::Train,
            Monitor::ValLoss | Monitor::ValMae | Monitor::ValRmse | Monitor::ValMase => Part::Val,
            Monitor::TestMae | Monitor::TestRmse | Monitor::TestMase => Part::Test,
        }
    }
}

/// Which weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// Those of the epoch with the smallest monitored metric.
    Best,
    /// Those of the last epoch.
    Last,
}
