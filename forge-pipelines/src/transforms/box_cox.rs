use super::{Fitted, Transform, scaled, train_values};
use crate::data_error::{DataError, Problem};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// `y = ((x / g)^λ - 1) / λ`, and `ln(x / g)` for λ = 0, with `g` the geometric mean of the train rows (Box and Cox,
/// An Analysis of Transformations, 1964). Dividing by `g` leaves the best λ as it is and keeps digits.
///
/// λ maximises the profile log-likelihood of normal values on the train rows,
/// `(λ - 1) Σ ln x - n/2 ln Var(y)`, by golden-section search in -2..2.
pub struct BoxCox;

/// Exponent and scale found on the train rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedBoxCox {
    /// The exponent λ, in -2..2.
    pub lambda: f64,
    /// Geometric mean of the train rows; above 0.
    pub scale: f64,
}

/// Exponents beyond these bend a series more than any use has asked for.
const LAMBDA: (f64, f64) = (-2.0, 2.0);

/// Golden-section steps: each narrows the search by 0.618, so 60 of them leave 1e-12.
const STEPS: usize = 60;

impl Transform for BoxCox {
    type Fitted = FittedBoxCox;

    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<FittedBoxCox, DataError> {
        if let Some(row) = series.iter().position(|v| *v <= 0.0) {
            let problem =
                Problem::OutOfDomain { transform: "box_cox", value: series[row], row, domain: "above 0" };
            return Err(problem.into());
        }
        let known = train_values("box_cox", series, train)?;
        let logs: Vec<f64> = known.iter().map(|v| v.ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let centred: Vec<f64> = logs.iter().map(|l| l - mean).collect();
        // Of the logarithms, since a spread of 1e-9 is noise beside a level of 1e8 and is none beside one of 1.
        scaled("box_cox", &[1.0], centred.iter().fold(0.0, |m: f64, c| m.max(c.abs())))
            .map_err(|_| Problem::Constant { transform: "box_cox", value: known[0] })?;
        // About their mean the logarithms sum to 0, and so does the first term of the likelihood.
        let variance = |lambda: f64| -> f64 {
            let values: Vec<f64> = centred.iter().map(|l| bend(*l, lambda)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|v| (v - mean).powi(2)).sum()
        };
        Ok(FittedBoxCox { lambda: smallest(variance, LAMBDA), scale: mean.exp() })
    }
}

/// `(e^(λ l) - 1) / λ` of a logarithm `l`, without losing digits near λ = 0.
fn bend(log: f64, lambda: f64) -> f64 {
    if lambda == 0.0 { log } else { (lambda * log).exp_m1() / lambda }
}

/// Where a function with one valley is smallest.
fn smallest(f: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut fa, mut fb) = (f(a), f(b));
    for _ in 0..STEPS {
        if fa <= fb {
            (high, b, fb) = (b, a, fa);
            a = high - ratio * (high - low);
            fa = f(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + ratio * (high - low);
            fb = f(b);
        }
    }
    (low + high) / 2.0
}

impl Fitted for FittedBoxCox {
    fn apply(&self, series: &mut [f64]) {
        for value in series {
            *value = if *value > 0.0 { bend((*value / self.scale).ln(), self.lambda) } else { f64::NAN };
        }
    }

    /// A value that no `x` has (λ y ≤ -1) becomes 0 where λ is above 0, and has no inverse where it is below.
    fn invert(&self, path: &mut [f64], _before: &[f64]) {
        for value in path {
            let log = match self.lambda {
                0.0 => *value,
                lambda if lambda * *value > -1.0 => (lambda * *value).ln_1p() / lambda,
                lambda if lambda > 0.0 && value.is_finite() => f64::NEG_INFINITY,
                _ => f64::NAN,
            };
            *value = self.scale * log.exp();
        }
    }

    fn detail(&self) -> Option<String> {
        Some(format!("{:.3}", self.lambda))
    }
}
