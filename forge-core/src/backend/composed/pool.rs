//! Pooling one dimension after the other, by gathering the elements of the parts.

use crate::backend::{Along, Binary, PoolArgs, PoolKind, Saved, Span};
use crate::layout::{Dims, Layout};
use crate::{Device, Result, Tensor};

/// Index of the row and the column, as floats, in which each maximum stands: `[batch, channels, rows, columns]`.
#[derive(Debug)]
pub struct Positions(Option<[Tensor; 2]>);

pub fn forward(args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
    let (y, positions) = match args.kind {
        PoolKind::Max => {
            let (y, positions) = maxima(args)?;
            (y, Some(positions))
        }
        PoolKind::Average { .. } => {
            let mut sums = args.x.clone();
            for d in 0..2 {
                let pairs = Pairs::new(args, d)?;
                sums = pairs.add(&sums, &pairs.elements, &pairs.parts, args.parts.counts()[d])?;
            }
            ((&sums / &divisors(args)?)?, None)
        }
    };
    let bytes = positions.as_ref().map_or(0, |[rows, _]| 2 * rows.count() * rows.dtype().size());
    Ok((y, keep.then(|| Saved::new(Positions(positions), bytes))))
}

pub fn backward(args: &PoolArgs, Positions(positions): Positions, grad: Tensor) -> Result<Tensor> {
    if let Some(positions) = positions {
        return maxima_backward(&args.x, positions, grad);
    }
    let mut share = (&grad / &divisors(args)?)?;
    for d in 0..2 {
        let pairs = Pairs::new(args, d)?;
        share = pairs.add(&share, &pairs.parts, &pairs.elements, args.x.shape()[2 + d])?;
    }
    Ok(share)
}

/// Every pair of a part and an element in it, along one dimension.
struct Pairs {
    d: usize,
    parts: Tensor,
    elements: Tensor,
}

impl Pairs {
    fn new(args: &PoolArgs, d: usize) -> Result<Self> {
        let (mut parts, mut elements) = (Vec::new(), Vec::new());
        for (i, span) in args.parts.spans(d, args.x.shape()[2 + d]).enumerate() {
            for k in 0..span.len {
                parts.push(i as i64);
                elements.push((span.first + k * span.step) as i64);
            }
        }
        let (count, device) = (parts.len(), args.x.device());
        Ok(Pairs {
            d,
            parts: Tensor::from_vec(parts, &[count], device)?,
            elements: Tensor::from_vec(elements, &[count], device)?,
        })
    }

    /// The rows `from` of a dimension, each added to the row `to` of a result with `rows` of them.
    fn add(&self, x: &Tensor, from: &Tensor, to: &Tensor, rows: usize) -> Result<Tensor> {
        // Dimension 2 + d first, and back.
        let (there, back): (&[usize], &[usize]) = match self.d {
            0 => (&[2, 0, 1, 3], &[1, 2, 0, 3]),
            _ => (&[3, 0, 1, 2], &[1, 2, 3, 0]),
        };
        let gathered = x.permute(there)?.index_select(0, from)?;
        let to = to.reshape(&[to.count(), 1, 1, 1])?.expand(gathered.shape())?;
        let mut shape = *gathered.dims();
        shape.as_mut()[0] = rows;
        scattered(&gathered, &to, shape)?.permute(back)
    }
}

/// What the sums are divided by: `[rows, columns]`.
fn divisors(args: &PoolArgs) -> Result<Tensor> {
    let counts = |d: usize| -> Vec<f64> {
        let spans = args.parts.spans(d, args.x.shape()[2 + d]);
        let count = |span: &Span| match args.kind {
            PoolKind::Average { count_padding: true } => span.padded_len,
            _ => span.len,
        };
        spans.map(|span| count(&span) as f64).collect()
    };
    let (rows, cols) = (counts(0), counts(1));
    let products = rows.iter().flat_map(|r| cols.iter().map(move |c| r * c)).collect();
    let host = Tensor::from_vec::<f64>(products, &args.parts.counts(), &Device::cpu())?;
    host.to_dtype(args.x.dtype())?.to_device(args.x.device())
}

/// Maxima with where they stand: first of every row of the image within the columns of each part, then of those.
fn maxima(args: &PoolArgs) -> Result<(Tensor, [Tensor; 2])> {
    let (y, cols, _) = maximum(args, 1, &args.x.permute(&[3, 0, 1, 2])?, None)?;
    // [columns, batch, channels, height] with the height first.
    let order = [3, 0, 1, 2];
    let (y, rows, cols) = maximum(args, 0, &y.permute(&order)?, Some(cols.permute(&order)?))?;
    // [rows, columns, batch, channels]
    let image = |t: Tensor| t.permute(&[2, 3, 0, 1]);
    Ok((image(y)?, [image(rows)?, image(cols)?]))
}

/// The largest of each part of the first dimension, its index there, and what `with` holds at that index.
fn maximum(args: &PoolArgs, d: usize, x: &Tensor, with: Option<Tensor>) -> Result<(Tensor, Tensor, Tensor)> {
    let spans: Vec<Span> = args.parts.spans(d, args.x.shape()[2 + d]).collect();
    let most = spans.iter().map(|s| s.len).max().unwrap_or(0);
    let element = |k: usize| {
        // A part that is through repeats its last element, which changes nothing any more.
        let at = |s: &Span| (s.first + k.min(s.len.saturating_sub(1)) * s.step) as i64;
        Tensor::from_vec(spans.iter().map(at).collect(), &[spans.len()], x.device())
    };
    let shape: [usize; 4] = std::array::from_fn(|i| if i == 0 { spans.len() } else { x.shape()[i] });
    let as_float =
        |index: &Tensor| index.to_dtype(x.dtype())?.reshape(&[spans.len(), 1, 1, 1])?.expand(&shape);
    let first = element(0)?;
    let mut best = x.index_select(0, &first)?;
    let mut at = as_float(&first)?;
    let mut carried = with.as_ref().map_or(Ok(at.clone()), |w| w.index_select(0, &first))?;
    for k in 1..most {
        let index = element(k)?;
        let next = x.index_select(0, &index)?;
        // Only a greater one replaces what stands; the first NaN is greater than all.
        let first_nan = (next.binary(Binary::Ne, &next)? * best.binary(Binary::Eq, &best)?)?;
        let wins = (next.binary(Binary::Gt, &best)? + first_nan)?;
        let replace = |old: &Tensor, new: Tensor| old + &(&wins * &(&new - old)?)?;
        at = replace(&at, as_float(&index)?)?;
        if let Some(with) = &with {
            carried = replace(&carried, with.index_select(0, &index)?)?;
        }
        best = best.binary(Binary::Maximum, &next)?;
    }
    Ok((best, at, carried))
}

/// Each gradient added where its maximum stands.
fn maxima_backward(x: &Tensor, [rows, cols]: [Tensor; 2], grad: Tensor) -> Result<Tensor> {
    let (device, shape) = (x.device().clone(), *x.dims());
    let (height, width) = (shape[2], shape[3]);
    let plane = (grad.shape()[2] * grad.shape()[3]).max(1);
    let (rows, cols) = (rows.to_f64_vec()?, cols.to_f64_vec()?);
    let flat = rows.iter().zip(&cols).enumerate();
    let flat = flat.map(|(i, (r, c))| ((i / plane * height + *r as usize) * width + *c as usize) as i64);
    let index = Tensor::from_vec(flat.collect(), &[grad.count()], &device)?;
    let grad = grad.reshape(&[grad.count()])?;
    scattered(&grad, &index, Dims::filled(&[shape.count()]))?.reshape(&shape)
}

/// Each element of `x` added where `index` says along the first dimension.
fn scattered(x: &Tensor, index: &Tensor, shape: Dims) -> Result<Tensor> {
    let device = x.device().clone();
    let along = Along { op: "pool", axis: 0, index: index.arg() };
    Tensor::build(&device, x.dtype(), shape, |out| {
        device.fill(out, 0.0)?;
        device.scatter_add(x.arg(), along, out, &Layout::contiguous(shape))
    })
}
