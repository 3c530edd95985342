//! Every normalisation as one of four dimensions, of which statistics are shared over some and weights over others.

use crate::backend::{NormArgs, NormKind, NormOut, Saved};
use crate::{Result, Tensor};

/// The normalised elements, and 1 / √(variance + eps).
#[derive(Debug)]
pub struct Normalised {
    elements: Tensor,
    scale: Tensor,
}

/// The operand's shape in four dimensions, and those of its statistics and weights, which broadcast to it.
struct Shapes {
    x: [usize; 4],
    statistics: [usize; 4],
    weight: [usize; 4],
}

impl Shapes {
    fn new(args: &NormArgs) -> Self {
        let shape = args.x.shape();
        let count = |dims: &[usize]| dims.iter().product::<usize>();
        match args.kind {
            NormKind::Batch => {
                let channels = [1, shape[1], 1, 1];
                let x = [shape[0], shape[1], 1, count(&shape[2..])];
                Shapes { x, statistics: channels, weight: channels }
            }
            NormKind::Layer { dims } => {
                let (before, last) = shape.split_at(shape.len() - dims);
                let (rows, cols) = (count(before), count(last));
                Shapes { x: [rows, 1, 1, cols], statistics: [rows, 1, 1, 1], weight: [1, 1, 1, cols] }
            }
            NormKind::Group { groups } => {
                let (batch, channels) = (shape[0], shape[1] / groups);
                Shapes {
                    x: [batch, groups, channels, count(&shape[2..])],
                    statistics: [batch, groups, 1, 1],
                    weight: [1, groups, channels, 1],
                }
            }
        }
    }

    /// The mean over what shares statistics.
    fn mean(&self, x: &Tensor) -> Result<Tensor> {
        let number = |shape: &[usize; 4]| shape.iter().product::<usize>().max(1) as f64;
        sum_to(x, &self.statistics)?.mul_scalar(number(&self.statistics) / number(&self.x))
    }
}

/// The sum over the dimensions in which `shape` has size 1.
fn sum_to(x: &Tensor, shape: &[usize; 4]) -> Result<Tensor> {
    let axes: Vec<usize> = (0..4).filter(|&d| shape[d] == 1).collect();
    x.sum(&axes, true)
}

/// The shape in which statistics are given and returned.
fn outer_shape(args: &NormArgs) -> Vec<usize> {
    let shape = args.x.shape();
    match args.kind {
        NormKind::Batch => vec![shape[1]],
        NormKind::Layer { dims } => shape[..shape.len() - dims].to_vec(),
        NormKind::Group { groups } => vec![shape[0], groups],
    }
}

pub fn forward(args: &NormArgs, keep: bool) -> Result<(NormOut, Option<Saved>)> {
    let shapes = Shapes::new(args);
    let x = args.x.reshape(&shapes.x)?;
    let mean = match &args.given {
        Some([mean, _]) => mean.reshape(&shapes.statistics)?,
        None => shapes.mean(&x)?,
    };
    let centred = (&x - &mean)?;
    let variance = match &args.given {
        Some([_, variance]) => variance.reshape(&shapes.statistics)?,
        // From the distances, not from the mean of squares: that cancels where the mean is large.
        None => shapes.mean(&centred.square()?)?,
    };
    let scale = variance.add_scalar(args.eps)?.rsqrt()?;
    let elements = (&centred * &scale)?;
    let mut y = elements.clone();
    if let Some(weight) = &args.weight {
        y = (&y * &weight.reshape(&shapes.weight)?)?;
    }
    if let Some(bias) = &args.bias {
        y = (&y + &bias.reshape(&shapes.weight)?)?;
    }
    let outer = outer_shape(args);
    let out = NormOut {
        y: y.reshape(args.x.shape())?,
        mean: mean.reshape(&outer)?,
        variance: variance.reshape(&outer)?,
    };
    let bytes = (elements.count() + scale.count()) * elements.dtype().size();
    Ok((out, keep.then(|| Saved::new(Normalised { elements, scale }, bytes))))
}

pub fn backward(
    args: &NormArgs,
    Normalised { elements, scale }: Normalised,
    grad: Tensor,
    needs: &[bool; 3],
) -> Result<[Option<Tensor>; 3]> {
    let shapes = Shapes::new(args);
    let grad = grad.reshape(&shapes.x)?;
    let to_weight = |per_element: &Tensor, like: &Option<Tensor>| {
        let shape = like.as_ref().map_or(&[][..], |w| w.shape());
        sum_to(per_element, &shapes.weight)?.reshape(shape)
    };
    let d_weight = if needs[1] { Some(to_weight(&(&grad * &elements)?, &args.weight)?) } else { None };
    let d_bias = if needs[2] { Some(to_weight(&grad, &args.bias)?) } else { None };
    if !needs[0] {
        return Ok([None, d_weight, d_bias]);
    }
    let mut g = match &args.weight {
        Some(weight) => (&grad * &weight.reshape(&shapes.weight)?)?,
        None => grad,
    };
    if args.given.is_none() {
        // The normalised elements have mean 0 and mean square 1, so their gradient loses its parts along 1 and them.
        let along = shapes.mean(&(&g * &elements)?)?;
        g = ((&g - &shapes.mean(&g)?)? - (&elements * &along)?)?;
    }
    Ok([Some((&g * &scale)?.reshape(args.x.shape())?), d_weight, d_bias])
}
