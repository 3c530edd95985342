//! What an operation does, by its shapes.

use crate::Tensor;

/// Floating-point operations and bytes of one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    pub flops: f64,
    pub bytes: f64,
}

/// A call, as the rule of an operation sees it.
pub(crate) struct Call<'a> {
    pub operands: &'a [&'a Tensor],
    pub results: &'a [Tensor],
    /// Elements that were computed, where the results keep fewer.
    pub computed: Option<f64>,
}

/// The floating-point operations of a call, forward and backward: a rule that stands beside its operation. A
/// multiplication and an addition count two; of a backward pass that computes something again, only what the derivative
/// asks for counts.
pub(crate) type Flops = fn(&Call) -> [f64; 2];

impl Call<'_> {
    /// The shape of an operand; of one that is not there, that of a number.
    pub fn operand(&self, i: usize) -> &[usize] {
        self.operands.get(i).map_or(&[], |t| t.shape())
    }

    /// The shape of a result.
    pub fn result(&self, i: usize) -> &[usize] {
        self.results.get(i).map_or(&[], |t| t.shape())
    }

    /// How many elements were computed: those of the first result, unless it keeps fewer.
    pub fn computed(&self) -> f64 {
        self.computed.unwrap_or_else(|| count(self.result(0)))
    }

    /// 1 where an operand wants a gradient, else 0.
    pub fn wants(&self, i: usize) -> f64 {
        f64::from(self.operands.get(i).is_some_and(|t| t.is_tracked()))
    }

    /// Forward and backward. Forward, operands are read and results written; backward, the results' gradients and the
    /// operands are read and the wanted gradients written. Of a view nothing is.
    pub(super) fn work(&self, rule: Option<Flops>) -> [Work; 2] {
        let [forward, backward] = rule.map_or([0.0; 2], |rule| rule(self));
        let view = |result: &Tensor| self.operands.iter().any(|operand| result.is_view_of(operand));
        if self.results.iter().all(view) {
            return [Work::default(); 2];
        }
        let read: f64 = self.operands.iter().map(|t| bytes(t)).sum();
        let written: f64 = self.results.iter().map(bytes).sum();
        let wanted: f64 = self.operands.iter().filter(|t| t.is_tracked()).map(|t| bytes(t)).sum();
        let backward_bytes = if wanted > 0.0 { written + read + wanted } else { 0.0 };
        [Work { flops: forward, bytes: read + written }, Work { flops: backward, bytes: backward_bytes }]
    }
}

fn bytes(tensor: &Tensor) -> f64 {
    (tensor.count() * tensor.dtype().size()) as f64
}

/// The number of elements of a shape, as a count of work.
pub(crate) fn count(shape: &[usize]) -> f64 {
    shape.iter().map(|&size| size as f64).product()
}

/// `n` for a product of two operands, and as much for the gradient of each that wants one.
pub(crate) fn bilinear(call: &Call, n: f64) -> [f64; 2] {
    [n, n * (call.wants(0) + call.wants(1))]
}
