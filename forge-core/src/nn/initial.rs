use crate::rng::Stream;
use crate::{Error, Result};
use std::str::FromStr;

/// By how much an activation shrinks what passes it: the factor that first weights before it get. PyTorch's
/// `calculate_gain`.
///
/// ```
/// use forge_core::nn::Gain;
/// assert_eq!([Gain::Linear, Gain::Tanh, Gain::Selu, Gain::Of(2.0)].map(Gain::factor), [1.0, 5.0 / 3.0, 0.75, 2.0]);
/// assert_eq!(Gain::LeakyRelu(1.0).factor(), 1.0); // the identity
/// assert_eq!(Gain::Relu.factor(), 2f64.sqrt());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gain {
    /// 1, also before a sigmoid.
    Linear,
    /// 5/3
    Tanh,
    /// √2
    Relu,
    /// √(2 / (1 + slope²)), for the slope of the negative side.
    LeakyRelu(f64),
    /// 3/4
    Selu,
    /// This number.
    Of(f64),
}

impl Gain {
    /// The factor.
    pub fn factor(self) -> f64 {
        match self {
            Gain::Linear => 1.0,
            Gain::Tanh => 5.0 / 3.0,
            Gain::Relu => std::f64::consts::SQRT_2,
            Gain::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Gain::Selu => 0.75,
            Gain::Of(factor) => factor,
        }
    }
}

/// Which side of a weight keeps its variance.
///
/// See [`Initial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The inputs of one output: values keep their variance forward.
    In,
    /// The outputs of one input: gradients keep theirs backward.
    Out,
}

/// How first weights are drawn. Of a weight `[out, in, kernel…]`, fan-in is in · kernel and fan-out is out · kernel.
///
/// By name, with PyTorch's defaults: `zeros`, `ones`, `uniform`, `normal`, `truncated_normal`, `xavier_uniform`,
/// `xavier_normal` (or `glorot_…`), `kaiming_uniform`, `kaiming_normal` (or `he_…`), `orthogonal`.
///
/// ```
/// use forge_core::nn::{Fan, Gain, Initial};
/// let named: Initial = "he_normal".parse()?;
/// assert_eq!(named, Initial::KaimingNormal { fan: Fan::In, gain: Gain::Relu });
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Fan, Gain, Initial}, rng::Stream};
/// // He's uniform distribution: ±gain √(3 / fan), here with the fan-in 3 · 2.
/// let rule = Initial::KaimingUniform { fan: Fan::In, gain: Gain::Relu };
/// let weights = rule.draw(&[4, 3, 2], &Stream::new(0, "weight"))?;
/// assert!(weights.len() == 24 && weights.iter().all(|w| w.abs() <= 1.0)); // √2 · √(3 / 6)
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// 0
    Zeros,
    /// 1
    Ones,
    /// Uniform from `low` to before `high`; by name 0 and 1.
    Uniform {
        /// Least value.
        low: f64,
        /// Limit that is not reached.
        high: f64,
    },
    /// By name mean 0, deviation 1.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// A normal of which only values from `low` to `high` are taken; by name mean 0, deviation 1, from -2 to 2.
    TruncatedNormal {
        /// Mean before the cut.
        mean: f64,
        /// Standard deviation before the cut.
        std: f64,
        /// Least value.
        low: f64,
        /// Greatest value.
        high: f64,
    },
    /// Uniform in ±gain √(6 / (fan-in + fan-out)). Glorot and Bengio, AISTATS 2010.
    XavierUniform {
        /// By name `Linear`.
        gain: Gain,
    },
    /// Normal with deviation gain √(2 / (fan-in + fan-out)).
    XavierNormal {
        /// By name `Linear`.
        gain: Gain,
    },
    /// Uniform in ±gain √(3 / fan). He and others, ICCV 2015.
    KaimingUniform {
        /// By name `In`.
        fan: Fan,
        /// By name `Relu`.
        gain: Gain,
    },
    /// Normal with deviation gain / √fan.
    KaimingNormal {
        /// By name `In`.
        fan: Fan,
        /// By name `Relu`.
        gain: Gain,
    },
    /// Orthonormal rows or columns of `[out, the others]`, whichever are fewer, times the gain. Saxe, McClelland and
    /// Ganguli, ICLR 2014, uniform by Mezzadri, *How to generate random matrices from the classical compact groups*, 2007.
    Orthogonal {
        /// By name `Linear`.
        gain: Gain,
    },
}

const NAMES: [(&str, Initial); 14] = {
    let (xavier_uniform, xavier_normal) =
        (Initial::XavierUniform { gain: Gain::Linear }, Initial::XavierNormal { gain: Gain::Linear });
    let (kaiming_uniform, kaiming_normal) = (
        Initial::KaimingUniform { fan: Fan::In, gain: Gain::Relu },
        Initial::KaimingNormal { fan: Fan::In, gain: Gain::Relu },
    );
    [
        ("zeros", Initial::Zeros),
        ("ones", Initial::Ones),
        ("uniform", Initial::Uniform { low: 0.0, high: 1.0 }),
        ("normal", Initial::Normal { mean: 0.0, std: 1.0 }),
        ("truncated_normal", Initial::TruncatedNormal { mean: 0.0, std: 1.0, low: -2.0, high: 2.0 }),
        ("xavier_uniform", xavier_uniform),
        ("glorot_uniform", xavier_uniform),
        ("xavier_normal", xavier_normal),
        ("glorot_normal", xavier_normal),
        ("kaiming_uniform", kaiming_uniform),
        ("he_uniform", kaiming_uniform),
        ("kaiming_normal", kaiming_normal),
        ("he_normal", kaiming_normal),
        ("orthogonal", Initial::Orthogonal { gain: Gain::Linear }),
    ]
};

impl FromStr for Initial {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, initial)| *initial).ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            Error::argument(
                "init",
                format!("no initialisation is called `{name}`; there are {}", known.join(", ")),
            )
        })
    }
}

impl Initial {
    /// Elements of a weight in row-major order.
    ///
    /// # Errors
    /// When the rule needs fans and the shape has fewer than two dimensions, or an interval is empty.
    pub fn draw(&self, shape: &[usize], stream: &Stream) -> Result<Vec<f64>> {
        let count: usize = shape.iter().product();
        let all = |of: &dyn Fn(usize) -> f64| (0..count).map(of).collect();
        let within = |half: f64, middle: f64| all(&|i| middle + half * (2.0 * stream.uniform(i) - 1.0));
        let normal = |mean: f64, std: f64| all(&|i| mean + std * stream.normal(i));
        Ok(match *self {
            Initial::Zeros => vec![0.0; count],
            Initial::Ones => vec![1.0; count],
            Initial::Uniform { low, high } => within(0.5 * (high - low), 0.5 * (high + low)),
            Initial::Normal { mean, std } => normal(mean, std),
            Initial::TruncatedNormal { mean, std, low, high } => {
                let cut = Cut::new(mean, std, low, high)?;
                all(&|i| cut.draw(stream, i))
            }
            Initial::XavierUniform { gain } => within(gain.factor() * (6.0 / both(shape)?).sqrt(), 0.0),
            Initial::XavierNormal { gain } => normal(0.0, gain.factor() * (2.0 / both(shape)?).sqrt()),
            Initial::KaimingUniform { fan, gain } => {
                within(gain.factor() * (3.0 / one(shape, fan)?).sqrt(), 0.0)
            }
            Initial::KaimingNormal { fan, gain } => normal(0.0, gain.factor() / one(shape, fan)?.sqrt()),
            Initial::Orthogonal { gain } => orthogonal(shape, gain.factor(), stream)?,
        })
    }
}

/// Fan-in and fan-out.
fn fans(shape: &[usize]) -> Result<[f64; 2]> {
    let [out, inputs, kernel @ ..] = shape else {
        return Err(Error::shape(
            "init",
            format!("a weight of {shape:?} has no fans; this initialisation needs at least two dimensions"),
        ));
    };
    let kernel: usize = kernel.iter().product();
    Ok([(inputs * kernel) as f64, (out * kernel) as f64])
}

fn both(shape: &[usize]) -> Result<f64> {
    Ok(fans(shape)?.iter().sum::<f64>().max(1.0))
}

fn one(shape: &[usize], fan: Fan) -> Result<f64> {
    let [fan_in, fan_out] = fans(shape)?;
    Ok(if fan == Fan::In { fan_in } else { fan_out }.max(1.0))
}

/// A cut normal distribution, drawn by rejection.
struct Cut {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
    /// The point of the interval where the density is greatest, and ½ of its squared distance from the mean in deviations.
    mode: f64,
    peak: f64,
    /// Whether candidates are uniform in the interval rather than normal.
    uniform: bool,
}

impl Cut {
    /// Candidates that are tried before the mode is taken: of any interval that a weight can want, one is accepted long
    /// before.
    const TRIES: u64 = 1 << 16;

    fn new(mean: f64, std: f64, low: f64, high: f64) -> Result<Self> {
        if !(low < high && std > 0.0 && [mean, std, low, high].iter().all(|v| v.is_finite())) {
            return Err(Error::argument(
                "init",
                format!("a normal of mean {mean} and deviation {std} cannot be cut to {low}..{high}"),
            ));
        }
        let mode = mean.clamp(low, high);
        let peak = 0.5 * ((mode - mean) / std).powi(2);
        // Uniform candidates are accepted √(2π) e^peak / width times as often as normal ones.
        let uniform = std::f64::consts::TAU.sqrt() * peak.exp() > (high - low) / std;
        Ok(Cut { mean, std, low, high, mode, peak, uniform })
    }

    fn draw(&self, stream: &Stream, i: usize) -> f64 {
        for attempt in 0..Self::TRIES {
            let stream = stream.at(attempt);
            if self.uniform {
                let value = self.low + (self.high - self.low) * stream.uniform(2 * i);
                let density = self.peak - 0.5 * ((value - self.mean) / self.std).powi(2);
                if stream.uniform(2 * i + 1) < density.exp() {
                    return value;
                }
            } else {
                let value = self.mean + self.std * stream.normal(i);
                if (self.low..=self.high).contains(&value) {
                    return value;
                }
            }
        }
        self.mode
    }
}

/// Q of A = Q R for a normal A, with the diagonal of R positive, by Gram and Schmidt.
fn orthogonal(shape: &[usize], gain: f64, stream: &Stream) -> Result<Vec<f64>> {
    fans(shape)?;
    let (rows, count) = (shape[0], shape.iter().product::<usize>());
    let cols = count.checked_div(rows).unwrap_or(0);
    // Vectors of the longer side: columns of A, or rows where those are fewer.
    let (vectors, length) = (rows.min(cols), rows.max(cols));
    let place = |v: usize, k: usize| if rows < cols { v * cols + k } else { k * cols + v };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    for v in 0..vectors {
        let mut vector: Vec<f64> = (0..length).map(|k| stream.normal(place(v, k))).collect();
        // Twice is enough against the rounding of the first time (Kahan).
        for _ in 0..2 {
            for known in &basis {
                let along: f64 = known.iter().zip(&vector).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(known).for_each(|(x, q)| *x -= along * q);
            }
        }
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        basis.push(vector);
    }
    let mut out = vec![0.0; count];
    for (v, vector) in basis.iter().enumerate() {
        for (k, x) in vector.iter().enumerate() {
            out[place(v, k)] = gain * x;
        }
    }
    Ok(out)
}
