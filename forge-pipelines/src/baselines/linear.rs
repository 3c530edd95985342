use super::Baseline;
use crate::prepare::PreparedColumn;
use crate::windows::Windows;
use forge_core::history::Part;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `linear`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = LinearParams { ridge: Ridge::Fixed(0.000001) })]
pub struct LinearParams {
    /// Penalty on the squares of the weights, as a multiple of the mean square of an input; `val` takes the one of
    /// 0.000001, 0.00001, …, 1 that has the least squared error on validation.
    pub ridge: Ridge,
}

/// The penalty of a linear baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ridge {
    /// This one.
    Fixed(#[schemars(extend("exclusiveMinimum" = 0.0))] f64),
    /// The best on validation.
    Chosen(Chosen),
}

/// How a penalty is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// By the validation part.
    Val,
}

impl Default for Ridge {
    fn default() -> Self {
        Ridge::Chosen(Chosen::Val)
    }
}

/// Penalties that `val` chooses from. Without validation rows it is the middle one.
const PENALTIES: [f64; 7] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// `ŷ[T + h] = y[T] + b_h + Σ w_hj (y[T - j] - y[T])`, j from 1 to below the lookback: one least-squares fit a step ahead,
/// all at once, on the train windows of the target's own past (NLinear: Zeng and others, AAAI 2023; here in closed form).
pub struct Linear {
    lookback: usize,
    /// `[input, step]` row-major.
    weights: Vec<f64>,
    /// By step.
    intercepts: Vec<f64>,
}

impl Linear {
    /// Fits on the train windows; windows with a missing target are left out.
    pub fn fit(params: LinearParams, column: &PreparedColumn, windows: &Windows) -> Self {
        let moments = Moments::of(column, windows);
        let ridge = match params.ridge {
            Ridge::Fixed(ridge) => ridge,
            Ridge::Chosen(Chosen::Val) => {
                let error = |ridge: f64| moments.solve(ridge).square_error(column, windows, Part::Val);
                let best = PENALTIES.into_iter().map(|ridge| (error(ridge), ridge));
                let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(error, _)| *error > 0.0);
                best.map_or(PENALTIES[PENALTIES.len() / 2], |(_, ridge)| ridge)
            }
        };
        moments.solve(ridge)
    }

    fn square_error(&self, column: &PreparedColumn, windows: &Windows, part: Part) -> f64 {
        let mut path = vec![0.0; self.intercepts.len()];
        let mut sum = 0.0;
        for origin in windows.origins(part) {
            self.forecast(&column.filled[..=*origin], &[], &mut path);
            let actual = &column.raw[origin + 1..];
            sum += path.iter().zip(actual).map(|(f, y)| (f - y).powi(2)).filter(|e| !e.is_nan()).sum::<f64>();
        }
        sum
    }
}

impl Baseline for Linear {
    fn forecast(&self, history: &[f64], _ahead: &[Timestamp], path: &mut [f64]) {
        let window = history.len().checked_sub(self.lookback).map(|start| &history[start..]);
        let Some((last, earlier)) = window.and_then(<[f64]>::split_last) else {
            path.fill(f64::NAN);
            return;
        };
        let steps = self.intercepts.len();
        for (step, value) in path.iter_mut().enumerate() {
            let weights = self.weights.iter().skip(step).step_by(steps);
            let sum: f64 = earlier.iter().zip(weights).map(|(y, w)| w * (y - last)).sum();
            *value = last + self.intercepts.get(step).map_or(f64::NAN, |b| b + sum);
        }
    }
}

/// Centred second moments of inputs and targets over the train windows.
struct Moments {
    lookback: usize,
    inputs: usize,
    steps: usize,
    /// `[input, input]`, upper triangle.
    gram: Vec<f64>,
    /// `[input, step]`.
    cross: Vec<f64>,
    input_means: Vec<f64>,
    step_means: Vec<f64>,
}

impl Moments {
    fn of(column: &PreparedColumn, windows: &Windows) -> Self {
        let (lookback, steps) = (windows.params.lookback, windows.params.horizon);
        let inputs = lookback - 1;
        let known = |origin: &&usize| column.raw[*origin + 1..=*origin + steps].iter().all(|v| !v.is_nan());
        let origins: Vec<usize> = windows.origins(Part::Train).iter().filter(known).copied().collect();
        let x = |origin: usize, j: usize| column.filled[origin + 1 - lookback + j] - column.filled[origin];
        let y = |origin: usize, step: usize| column.raw[origin + 1 + step] - column.filled[origin];
        let n = origins.len().max(1) as f64;
        let mean = |of: &dyn Fn(usize) -> f64| origins.iter().map(|o| of(*o)).sum::<f64>() / n;
        let mut moments = Moments {
            lookback,
            inputs,
            steps,
            gram: vec![0.0; inputs * inputs],
            cross: vec![0.0; inputs * steps],
            input_means: (0..inputs).map(|j| mean(&|o| x(o, j))).collect(),
            step_means: (0..steps).map(|h| mean(&|o| y(o, h))).collect(),
        };
        let (mut row, mut ahead) = (vec![0.0; inputs], vec![0.0; steps]);
        for origin in origins {
            for (j, value) in row.iter_mut().enumerate() {
                *value = x(origin, j) - moments.input_means[j];
            }
            for (h, value) in ahead.iter_mut().enumerate() {
                *value = y(origin, h) - moments.step_means[h];
            }
            for (i, value) in row.iter().enumerate() {
                let gram = &mut moments.gram[i * inputs + i..(i + 1) * inputs];
                gram.iter_mut().zip(&row[i..]).for_each(|(sum, other)| *sum += value * other);
                let cross = &mut moments.cross[i * steps..(i + 1) * steps];
                cross.iter_mut().zip(&ahead).for_each(|(sum, y)| *sum += value * y);
            }
        }
        moments
    }

    /// `(XᵀX + λ m I) W = XᵀY` by Cholesky's factorisation, m the mean of the diagonal.
    fn solve(&self, ridge: f64) -> Linear {
        let (n, steps) = (self.inputs, self.steps);
        let diagonal = (0..n).map(|i| self.gram[i * n + i]).sum::<f64>() / n.max(1) as f64;
        // Upper triangle R with RᵀR = the matrix; a direction without any spread gets no weight.
        let mut r = self.gram.clone();
        let mut weights = self.cross.clone();
        for i in 0..n {
            let pivot = r[i * n + i] + ridge * diagonal;
            let root = if pivot > 0.0 { pivot.sqrt() } else { f64::INFINITY };
            let (head, tail) = r.split_at_mut((i + 1) * n);
            let row = &mut head[i * n..];
            row[i] = root;
            row[i + 1..].iter_mut().for_each(|v| *v /= root);
            let (solved, rest) = weights.split_at_mut((i + 1) * steps);
            let solved = &mut solved[i * steps..];
            solved.iter_mut().for_each(|v| *v /= root);
            for k in i + 1..n {
                let factor = row[k];
                let below = &mut tail[(k - i - 1) * n + k..(k - i) * n];
                below.iter_mut().zip(&row[k..]).for_each(|(v, above)| *v -= factor * above);
                let below = &mut rest[(k - i - 1) * steps..(k - i) * steps];
                below.iter_mut().zip(&*solved).for_each(|(v, above)| *v -= factor * above);
            }
        }
        for i in (0..n).rev() {
            let (head, solved) = weights.split_at_mut((i + 1) * steps);
            let current = &mut head[i * steps..];
            for k in i + 1..n {
                let factor = r[i * n + k];
                let later = &solved[(k - i - 1) * steps..(k - i) * steps];
                current.iter_mut().zip(later).for_each(|(v, later)| *v -= factor * later);
            }
            let root = r[i * n + i];
            current.iter_mut().for_each(|v| *v /= root);
        }
        let offset = |h: usize| (0..n).map(|j| weights[j * steps + h] * self.input_means[j]).sum::<f64>();
        let intercepts = (0..steps).map(|h| self.step_means[h] - offset(h)).collect();
        Linear { lookback: self.lookback, weights, intercepts }
    }
}
