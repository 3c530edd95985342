//! Tensors as text.

use crate::{DType, Tensor};
use std::fmt;

/// Values in nested brackets, then shape, type and device. Long dimensions show three elements at either end.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.to_f64_vec().map_err(|_| fmt::Error)?;
        let digits = f.precision().unwrap_or(4);
        let format = |v: f64| match self.dtype() {
            DType::I64 => format!("{v}"),
            _ if v != 0.0 && v.is_finite() && !(1e-3..1e6).contains(&v.abs()) => format!("{v:.digits$e}"),
            _ => format!("{v:.digits$}"),
        };
        nested(f, &values, self.shape(), 0, &format)?;
        write!(f, "  {:?} {} {}", self.shape(), self.dtype(), self.device())
    }
}

fn nested(
    f: &mut fmt::Formatter<'_>,
    values: &[f64],
    shape: &[usize],
    depth: usize,
    format: &impl Fn(f64) -> String,
) -> fmt::Result {
    const EDGE: usize = 3;
    let Some((&size, rest)) = shape.split_first() else {
        return f.write_str(&values.first().map_or(String::new(), |v| format(*v)));
    };
    let block: usize = rest.iter().product();
    f.write_str("[")?;
    let shown = |i: &usize| size <= 2 * EDGE || *i <= EDGE || *i >= size - EDGE;
    for i in (0..size).filter(shown) {
        match (i, rest.is_empty()) {
            (0, _) => {}
            (_, true) => f.write_str(", ")?,
            (_, false) => write!(f, ",\n{}", " ".repeat(depth + 1))?,
        }
        if size > 2 * EDGE && i == EDGE {
            f.write_str("…")?;
        } else {
            nested(f, &values[i * block..(i + 1) * block], rest, depth + 1, format)?;
        }
    }
    f.write_str("]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_readable() {
        let t = Tensor::new(&[1.0f32, -2.5, 1e-9, 4.0], &[2, 2]).unwrap();
        assert_eq!(t.to_string(), "[[1.0000, -2.5000],\n [1.0000e-9, 4.0000]]  [2, 2] f32 cpu");
        let long = Tensor::new(&(0..10).collect::<Vec<i64>>(), &[10]).unwrap();
        assert_eq!(long.to_string(), "[0, 1, 2, …, 7, 8, 9]  [10] i64 cpu");
        assert_eq!(Tensor::scalar_like(0.5, &t).unwrap().to_string(), "0.5000  [] f32 cpu");
    }
}
