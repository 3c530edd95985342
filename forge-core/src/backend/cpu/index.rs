//! Gather and scatter along one dimension.

use crate::backend::Scalar;
use crate::layout::{Layout, Runs};
use crate::{Element, Error, Result};

/// The positions with the dimension they count in.
pub struct Positions<'a> {
    pub op: &'static str,
    pub axis: usize,
    pub index: &'a [i64],
    pub layout: &'a Layout,
}

impl Positions<'_> {
    /// That every position lies in a dimension of `size`; repeated ones are looked at once.
    fn check(&self, size: usize) -> Result<()> {
        let runs = Runs::new([&self.layout.without_repeats()]);
        let (mut count, mut outside) = (0, None);
        runs.each(|[at]| {
            for i in 0..runs.n {
                let position = self.index[at + i * runs.strides[0]];
                if outside.is_none() && usize::try_from(position).map_or(true, |p| p >= size) {
                    outside = Some((position, count));
                }
                count += 1;
            }
        });
        let Some((position, at)) = outside else { return Ok(()) };
        let (op, axis) = (self.op, self.axis);
        Err(Error::argument(
            op,
            format!("index {position} at position {at} is outside dimension {axis}, which has {size}"),
        ))
    }
}

/// `out[…] = x[… index[…] …]`
pub fn gather<T: Element>(x: &[T], layout: &Layout, along: &Positions, out: &mut [T]) -> Result<()> {
    let axis = along.axis;
    along.check(layout.shape()[axis])?;
    let stride = layout.strides()[axis];
    let start = layout.repeated(axis, along.layout.shape()[axis]);
    let runs = Runs::new([along.layout, &start]);
    let ([step, s], n) = (runs.strides, runs.n);
    let mut out = out.chunks_exact_mut(n.max(1));
    runs.each(|[at, from]| {
        let Some(out) = out.next() else { return };
        let position = |i: usize| along.index[at + i * step] as usize * stride;
        if [step, s] == [0, 1] {
            let from = from + position(0);
            out.copy_from_slice(&x[from..from + n]);
        } else {
            for (i, o) in out.iter_mut().enumerate() {
                *o = x[from + i * s + position(i)];
            }
        }
    });
    Ok(())
}

/// `out[… index[…] …] += x[…]`, in row-major order of the index.
pub fn scatter_add<T: Scalar>(
    x: &[T],
    layout: &Layout,
    along: &Positions,
    out: &mut [T],
    to: &Layout,
) -> Result<()> {
    let axis = along.axis;
    along.check(to.shape()[axis])?;
    let stride = to.strides()[axis];
    let start = to.repeated(axis, along.layout.shape()[axis]);
    let runs = Runs::new([along.layout, layout, &start]);
    let ([step, s, t], n) = (runs.strides, runs.n);
    runs.each(|[at, from, into]| {
        let position = |i: usize| along.index[at + i * step] as usize * stride;
        if [step, s, t] == [0, 1, 1] {
            let into = into + position(0);
            for (o, &v) in out[into..into + n].iter_mut().zip(&x[from..from + n]) {
                *o = *o + v;
            }
        } else {
            for i in 0..n {
                let o = &mut out[into + i * t + position(i)];
                *o = *o + x[from + i * s];
            }
        }
    });
    Ok(())
}
