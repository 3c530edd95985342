use crate::backend::reference::{self, Array};
use crate::backend::{Dual, Scalar};
use crate::{Result, Tensor};

/// One operation as the harness sees it.
///
/// See [`registry`](super::registry).
pub struct Operation {
    /// The method's or function's name.
    pub name: &'static str,
    /// What it computes.
    pub formula: &'static str,
    /// Calls that must be right.
    pub samples: fn() -> Vec<Sample>,
    /// Calls that must fail, with their messages.
    pub errors: fn() -> Vec<ErrorSample>,
}

/// A random operand.
///
/// ```
/// use forge_core::ops::Input;
/// assert_eq!(Input::new(&[2, 3]).domain, (-2.0, 2.0));
/// let logarithm = Input::within(&[4], (0.1, 2.0));
/// assert!(!logarithm.mirrored && Input::mirrored(&[4], (0.1, 2.0)).mirrored);
/// assert_eq!(Input::given(&[2], &[f64::NAN, 1.0]).given.unwrap().len(), 2); // what no random number would be
/// ```
#[derive(Clone, Debug)]
pub struct Input {
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// Interval of the values, in which the operation is smooth.
    pub domain: (f64, f64),
    /// Whether the mirror image of the domain is drawn from, too.
    pub mirrored: bool,
    /// These values instead of random ones.
    pub given: Option<Vec<f64>>,
}

impl Input {
    /// Values between -2 and 2.
    pub fn new(shape: &[usize]) -> Self {
        Self::within(shape, (-2.0, 2.0))
    }

    /// Values in an interval.
    pub fn within(shape: &[usize], domain: (f64, f64)) -> Self {
        Input { shape: shape.to_vec(), domain, mirrored: false, given: None }
    }

    /// Values in an interval or its mirror image.
    pub fn mirrored(shape: &[usize], domain: (f64, f64)) -> Self {
        Input { mirrored: true, ..Self::within(shape, domain) }
    }

    /// Exactly these values, such as ties and extremes.
    pub fn given(shape: &[usize], values: &[f64]) -> Self {
        Input { given: Some(values.to_vec()), ..Self::new(shape) }
    }
}

type Run<X> = Box<dyn Fn(&[X]) -> Result<Vec<X>>>;

/// What the harness checks of a sample.
///
/// See [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Values and derivatives, with an operand repeated as well.
    All,
    /// As `All`, but never the same tensor as two operands: there the operation has a kink.
    NoRepeats,
    /// Values only: the operation has no derivative at these operands, or none at all.
    Values,
}

/// A call of an operation with random operands, and the oracle's version of it.
///
/// ```
/// use forge_core::ops::{Checks, registry};
/// let sample = |name| (registry().into_iter().find(|op| op.name == name).unwrap().samples)().remove(4);
/// assert_eq!(sample("exp").checks, Checks::All);
/// assert_eq!(sample("exp").values_only().checks, Checks::Values);
/// assert_eq!(sample("exp").without_repeats().checks, Checks::NoRepeats);
/// let x = forge_core::Tensor::new(&[0.0f64; 60], &[3, 4, 5])?;
/// assert_eq!((sample("exp").turned().run)(&[x])?[0].shape(), [5, 4, 3]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct Sample {
    /// What is special about it.
    pub name: String,
    /// The operands.
    pub inputs: Vec<Input>,
    /// What of it is checked.
    pub checks: Checks,
    /// The operation itself.
    pub run: Run<Tensor>,
    /// The oracle's values.
    pub values: Run<Array<f64>>,
    /// The oracle's exact derivatives.
    pub duals: Run<Array<Dual>>,
    /// The oracle's loops in f32: how much rounding a plain loop shows on the same data.
    pub naive: Run<Array<f32>>,
}

impl Sample {
    /// The same call, of which only values are checked.
    pub fn values_only(self) -> Self {
        Sample { checks: Checks::Values, ..self }
    }

    /// The same call, never with one tensor as two operands.
    pub fn without_repeats(self) -> Self {
        Sample { checks: Checks::NoRepeats, ..self }
    }

    /// The same call with the dimensions of its results reversed, so that the gradients that arrive are strided.
    pub fn turned(self) -> Self {
        fn reversed(rank: usize) -> Vec<usize> {
            (0..rank).rev().collect()
        }
        fn oracle<S: Scalar + 'static>(run: Run<Array<S>>) -> Run<Array<S>> {
            let turn = |y: &Array<S>| reference::permute(y, &reversed(y.shape.len()));
            Box::new(move |x| Ok(run(x)?.iter().map(turn).collect()))
        }
        let run = self.run;
        Sample {
            name: format!("{}, turned", self.name),
            run: Box::new(move |x| run(x)?.iter().map(|y| y.permute(&reversed(y.rank()))).collect()),
            values: oracle(self.values),
            duals: oracle(self.duals),
            naive: oracle(self.naive),
            ..self
        }
    }
}

/// A call that must fail with exactly this message.
///
/// ```
/// use forge_core::{Tensor, ops::ErrorSample};
/// let sample = ErrorSample::new("reshape: [2] has 2 elements, [3] has 3", || Tensor::new(&[0f32; 2], &[2])?.reshape(&[3]));
/// assert_eq!((sample.run)().unwrap_err().to_string(), sample.message);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub struct ErrorSample {
    /// The call.
    pub run: Box<dyn Fn() -> Result<Tensor>>,
    /// The message.
    pub message: &'static str,
}

impl ErrorSample {
    /// A call and its message.
    pub fn new(message: &'static str, run: impl Fn() -> Result<Tensor> + 'static) -> Self {
        ErrorSample { run: Box::new(run), message }
    }
}

/// A sample whose oracle is one expression, generic over the number:
/// `sample!("name", inputs, |x| tensor result, |r| oracle)`. Both closures get a slice of operands.
macro_rules! sample {
    ($name:expr, $inputs:expr, |$x:ident| $run:expr, |$r:ident| $oracle:expr) => {
        $crate::ops::Sample {
            name: $name.to_string(),
            inputs: $inputs,
            checks: $crate::ops::Checks::All,
            run: Box::new(move |$x: &[$crate::Tensor]| Ok(vec![$run])),
            values: Box::new(move |$r: &[$crate::backend::reference::Array<f64>]| Ok(vec![$oracle])),
            naive: Box::new(move |$r: &[$crate::backend::reference::Array<f32>]| Ok(vec![$oracle])),
            duals: Box::new(move |$r: &[$crate::backend::reference::Array<$crate::backend::Dual>]| {
                Ok(vec![$oracle])
            }),
        }
    };
}
pub(crate) use sample;
