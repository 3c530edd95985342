//! Gather and scatter along one dimension.

use super::simd::Float;
use super::threads::{Shared, parallel_if};
use crate::layout::{Layout, Runs};
use crate::{Element, Error, Result};

/// The positions with the dimension they count in.
pub struct Positions<'a> {
    pub op: &'static str,
    pub axis: usize,
    pub index: &'a [i64],
    pub layout: &'a Layout,
}

/// Rows that a shard copies, and parts of a table that shards add to.
const ROWS: usize = 256;
const PARTS: usize = 8;

/// Whole rows of a matrix that are asked for by number.
struct Table {
    start: usize,
    row: usize,
    width: usize,
}

impl Positions<'_> {
    /// The matrix that this asks for rows of, as an embedding does, with the distance of the positions.
    fn table(&self, of: &Layout) -> Option<(Table, usize)> {
        let (strides, index) = (of.strides(), self.layout.strides());
        let rows = self.axis == 0 && of.rank() == 2 && strides[1] == 1 && index[1] == 0;
        let width = of.shape().get(1).copied().filter(|&width| width > 0)?;
        let whole = self.layout.shape()[1] == width;
        (rows && whole).then(|| (Table { start: of.offset(), row: strides[0], width }, index[0]))
    }

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
    if let Some((table, step)) = along.table(layout) {
        let (width, out) = (table.width, Shared::new(out));
        let count = along.layout.shape()[0];
        parallel_if(count * width, count.div_ceil(ROWS), |shard| {
            let rows = shard * ROWS..count.min((shard + 1) * ROWS);
            // SAFETY: the shard's own rows.
            let out = unsafe { out.part(rows.start * width, rows.len() * width) };
            for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
                let from = table.start + along.index[along.layout.offset() + row * step] as usize * table.row;
                out.copy_from_slice(&x[from..from + width]);
            }
        });
        return Ok(());
    }
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
pub fn scatter_add<T: Float>(
    x: &[T],
    layout: &Layout,
    along: &Positions,
    out: &mut [T],
    to: &Layout,
) -> Result<()> {
    let axis = along.axis;
    along.check(to.shape()[axis])?;
    // Rows of the table that lie apart, each of which is added to as a whole.
    let apart = |(table, _): &(Table, usize)| layout.strides()[1] == 1 && table.row >= table.width;
    if let Some((table, step)) = along.table(to).filter(apart) {
        let (from, step_of_x) = (layout.offset(), layout.strides()[0]);
        let (width, out) = (table.width, Shared::new(out));
        let (count, rows) = (along.layout.shape()[0], to.shape()[0]);
        let each = rows.div_ceil(PARTS).max(1);
        // Each shard has rows of its own, so that every element is summed in the order of the index.
        parallel_if(count * width, rows.div_ceil(each), |shard| {
            let own = shard * each..(shard + 1) * each;
            for number in 0..count {
                let row = along.index[along.layout.offset() + number * step] as usize;
                if !own.contains(&row) {
                    continue;
                }
                let from = from + number * step_of_x;
                // SAFETY: a row of the table that no other shard has.
                let to = unsafe { out.part(table.start + row * table.row, width) };
                for (o, &v) in to.iter_mut().zip(&x[from..from + width]) {
                    *o = *o + v;
                }
            }
        });
        return Ok(());
    }
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
