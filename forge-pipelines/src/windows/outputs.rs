//! A model's outputs, in transformed space, as forecasts in original units.

use super::Windows;
use crate::data_error::{DataError, Problem};
use crate::prepare::Prepared;
use crate::transforms::FittedChain;
use forge_core::history::{ForecastKind, Forecasts, Part, QuantileForecast};

/// How the outputs of one window lie: `[horizon, targets, levels]`, row-major; one level for point forecasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputShape<'a> {
    /// Steps ahead.
    pub horizon: usize,
    /// Target columns.
    pub targets: usize,
    /// Levels of the quantiles, ascending; empty for point forecasts.
    pub levels: &'a [f64],
}

impl OutputShape<'_> {
    /// Numbers that a model gives for each step and target.
    fn each(&self) -> usize {
        self.levels.len().max(1)
    }

    /// Numbers that a model gives for one window.
    pub fn count(&self) -> usize {
        self.horizon * self.targets * self.each()
    }

    /// The outputs of one window for a target, as a path in original units for each level. `history` are the target's
    /// values up to and including the origin.
    ///
    /// Quantiles that cross are put in order (Chernozhukov, Fernández-Val and Galichon, Quantile and probability curves
    /// without crossing, 2010). The inverse of every chain that lets quantiles pass is increasing at each step, so theirs
    /// are the quantiles of the original values.
    pub fn paths(
        &self,
        outputs: &[f32],
        target: usize,
        chain: &FittedChain,
        history: &[f64],
    ) -> Vec<Vec<f64>> {
        let each = self.each();
        let mut paths = vec![Vec::with_capacity(self.horizon); each];
        let mut ordered = vec![0.0; each];
        for step in 0..self.horizon {
            let from = (step * self.targets + target) * each;
            for (value, output) in ordered.iter_mut().zip(&outputs[from..from + each]) {
                *value = f64::from(*output);
            }
            ordered.sort_by(f64::total_cmp);
            paths.iter_mut().zip(&ordered).for_each(|(path, value)| path.push(*value));
        }
        paths.iter_mut().for_each(|path| chain.invert(path, history));
        paths
    }
}

/// Which of ascending levels stands for the point forecast: the median, or the one nearest to it, the lower of two.
pub(crate) fn median(levels: &[f64]) -> usize {
    let distance = |i: &usize| (levels[*i] - 0.5).abs();
    (0..levels.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

impl Windows {
    /// A model's outputs for all windows of a part, `[window, horizon, targets, levels]` in transformed space, as
    /// forecasts in original units beside what happened. `levels` are those of the quantiles, ascending, with the one
    /// nearest to 0.5 as the point forecast; none, and no such dimension, for a model of points.
    ///
    /// # Errors
    /// `E0364` when `outputs` has another size.
    pub fn forecasts(
        &self,
        prepared: &Prepared,
        part: Part,
        name: &str,
        levels: &[f64],
        outputs: &[f32],
    ) -> Result<Forecasts, DataError> {
        let mut forecasts = self.observed(prepared, part, name, ForecastKind::Fit);
        let shape = OutputShape { horizon: self.params.horizon, targets: self.targets, levels };
        let expected = forecasts.origins.len() * shape.count();
        if outputs.len() != expected {
            let reason = format!("the {} part needs {expected} outputs, not {}", part.name(), outputs.len());
            return Err(Problem::BatchShape { reason }.into());
        }
        fill(&mut forecasts, prepared, shape, outputs);
        Ok(forecasts)
    }

    /// A model's outputs for [`Windows::last_input`], `[horizon, targets, levels]` in transformed space, as a forecast in
    /// original units of the rows after the last known target. What happens there is NaN.
    ///
    /// # Errors
    /// `E0364` when `outputs` has another size.
    pub fn next_forecast(
        &self,
        prepared: &Prepared,
        name: &str,
        levels: &[f64],
        outputs: &[f32],
    ) -> Result<Forecasts, DataError> {
        let (horizon, targets) = (self.params.horizon, self.targets);
        let shape = OutputShape { horizon, targets, levels };
        let Some(origin) = self.target_end.checked_sub(1).filter(|_| outputs.len() == shape.count()) else {
            let reason = format!("{} outputs for {horizon} steps of {targets} targets", outputs.len());
            return Err(Problem::BatchShape { reason }.into());
        };
        let mut forecasts = Forecasts {
            name: name.to_string(),
            kind: ForecastKind::Fit,
            part: Part::Test,
            targets: prepared.targets().iter().map(|c| c.name.clone()).collect(),
            horizon,
            origins: vec![origin],
            actual: vec![f64::NAN; horizon * targets],
            predicted: vec![f64::NAN; horizon * targets],
            quantiles: Vec::new(),
            intervals: Vec::new(),
        };
        fill(&mut forecasts, prepared, shape, outputs);
        Ok(forecasts)
    }
}

/// Fills in the point forecasts and the quantiles.
fn fill(forecasts: &mut Forecasts, prepared: &Prepared, shape: OutputShape<'_>, outputs: &[f32]) {
    let count = forecasts.predicted.len();
    let quantile = |level: &f64| QuantileForecast { level: *level, values: vec![f64::NAN; count] };
    forecasts.quantiles = shape.levels.iter().map(quantile).collect();
    let point = median(shape.levels);
    let windows = outputs.chunks_exact(shape.count().max(1));
    for ((o, origin), outputs) in forecasts.origins.clone().into_iter().enumerate().zip(windows) {
        for (k, column) in prepared.targets().iter().enumerate() {
            let paths = shape.paths(outputs, k, &column.chain, &column.filled[..=origin]);
            for step in 0..shape.horizon {
                let i = forecasts.index(o, step, k);
                forecasts.predicted[i] = paths[point][step];
                for (quantile, path) in forecasts.quantiles.iter_mut().zip(&paths) {
                    quantile.values[i] = path[step];
                }
            }
        }
    }
}
