//! Gather and scatter along the first dimension.

use crate::backend::Scalar;
use crate::layout::{Layout, Runs};
use crate::{Element, Error, Result};

/// Start of each indexed row, after checking the index.
fn rows(op: &'static str, (index, layout): (&[i64], &Layout), count: usize) -> Result<Vec<usize>> {
    let runs = Runs::new([layout]);
    let mut rows = Vec::with_capacity(layout.count());
    runs.each(|[at]| rows.extend((0..runs.n).map(|i| index[at + i * runs.strides[0]])));
    rows.into_iter()
        .enumerate()
        .map(|(i, row)| {
            usize::try_from(row).ok().filter(|&r| r < count).ok_or_else(|| {
                Error::argument(
                    op,
                    format!(
                        "index {row} at position {i} is outside the {count} rows (0 to {})",
                        count.saturating_sub(1)
                    ),
                )
            })
        })
        .collect()
}

pub fn gather<T: Element>(x: &[T], layout: &Layout, index: (&[i64], &Layout), out: &mut [T]) -> Result<()> {
    let rows = rows("index_select", index, layout.shape()[0])?;
    let row = layout.trailing(1);
    let runs = Runs::new([&row]);
    let width = row.count();
    for (to, &r) in rows.iter().enumerate() {
        let mut out = out[to * width..(to + 1) * width].iter_mut();
        let start = layout.offset() + r * layout.strides()[0];
        runs.each(|[at]| {
            for (i, o) in out.by_ref().take(runs.n).enumerate() {
                *o = x[start + at + i * runs.strides[0]];
            }
        });
    }
    Ok(())
}

pub fn scatter_add<T: Element + Scalar>(
    x: &[T],
    layout: &Layout,
    index: (&[i64], &Layout),
    count: usize,
    out: &mut [T],
) -> Result<()> {
    let rows = rows("scatter_add", index, count)?;
    let row = layout.trailing(1);
    let runs = Runs::new([&row]);
    let width = row.count();
    out.fill(T::default());
    for (from, &r) in rows.iter().enumerate() {
        let mut out = out[r * width..(r + 1) * width].iter_mut();
        let start = layout.offset() + from * layout.strides()[0];
        runs.each(|[at]| {
            for (i, o) in out.by_ref().take(runs.n).enumerate() {
                *o = *o + x[start + at + i * runs.strides[0]];
            }
        });
    }
    Ok(())
}
