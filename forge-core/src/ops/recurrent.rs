//! What recurrent layers over a sequence ask of their operands.

use crate::profile::{Call, count};
use crate::{Error, Result, Tensor};

/// Checks the operands of `op` by name: x `[batch, time, features]`, then `states` of `[batch, hidden]`, then w_ih,
/// w_hh, b_ih and b_hh of `gates` gates each.
pub fn check(
    op: &'static str,
    operands: &[(&'static str, &Tensor)],
    states: usize,
    gates: usize,
    lengths: Option<&[usize]>,
) -> Result<()> {
    let fail = |message: String| Err(Error::shape(op, message));
    let Some((&(_, x), rest)) = operands.split_first() else { return fail("there is no x".into()) };
    rest.iter().try_for_each(|(_, t)| x.check_alike(op, t))?;
    let &[batch, time, features] = x.shape() else {
        return fail(format!("x is {:?}, not [batch, time, features]", x.shape()));
    };
    let hidden = rest.get(states + 1).and_then(|(_, w_hh)| w_hh.shape().last().copied()).unwrap_or(0);
    let rows = gates * hidden;
    let (state, wide, square, bias) = ([batch, hidden], [rows, features], [rows, hidden], [rows]);
    let of_states = std::iter::repeat_n(&state[..], states);
    let of_weights = [&wide[..], &square, &bias, &bias];
    for ((name, tensor), shape) in rest.iter().zip(of_states.chain(of_weights)) {
        if tensor.shape() != shape {
            return fail(format!("{name} is {:?}, not {shape:?}", tensor.shape()));
        }
    }
    if time == 0 {
        return fail("a sequence needs at least one time step".into());
    }
    if let Some(lengths) = lengths {
        if lengths.len() != batch {
            return fail(format!("{} lengths for {batch} samples", lengths.len()));
        }
        if let Some(sample) = lengths.iter().position(|&len| len > time) {
            return fail(format!(
                "sample {sample} has length {}, but x has {time} time steps",
                lengths[sample]
            ));
        }
    }
    Ok(())
}

/// Floating-point operations of a recurrent layer whose input weights are operand `w_ih`, the recurrent ones the next: two
/// for each weight, sample and time step. Backward, the state's gradient needs a product with the recurrent weights; each
/// operand that wants a gradient needs one more. Steps beyond a sample's length count.
pub fn products(call: &Call, w_ih: usize) -> [f64; 2] {
    let steps: f64 = call.operand(0).iter().take(2).map(|&n| n as f64).product();
    let [input, recurrent] = [w_ih, w_ih + 1].map(|i| 2.0 * steps * count(call.operand(i)));
    let of_weights = input * call.wants(w_ih) + recurrent * call.wants(w_ih + 1);
    [input + recurrent, input * call.wants(0) + recurrent + of_weights]
}

/// Sizes, lengths and direction of a sample.
pub struct Case {
    /// `[batch, time, features, hidden]`
    pub sizes: [usize; 4],
    pub lengths: Option<&'static [usize]>,
    pub reverse: bool,
}

impl Case {
    /// What every recurrent layer is checked with.
    pub const ALL: [Case; 8] = [
        Case { sizes: [1, 1, 1, 1], lengths: None, reverse: false },
        Case { sizes: [2, 3, 2, 3], lengths: None, reverse: false },
        Case { sizes: [3, 5, 1, 4], lengths: None, reverse: false },
        Case { sizes: [0, 2, 2, 2], lengths: None, reverse: false },
        Case { sizes: [2, 4, 2, 2], lengths: None, reverse: true },
        // One sample is whole, one is shorter, one has no step at all.
        Case { sizes: [3, 4, 2, 2], lengths: Some(&[2, 4, 0]), reverse: false },
        Case { sizes: [3, 3, 1, 2], lengths: Some(&[3, 1, 2]), reverse: true },
        Case { sizes: [0, 2, 2, 2], lengths: Some(&[]), reverse: true },
    ];

    pub fn name(&self) -> String {
        let Case { sizes, lengths, reverse } = self;
        let lengths = lengths.map_or(String::new(), |l| format!(", lengths {l:?}"));
        let reverse = if *reverse { ", reversed" } else { "" };
        format!("[batch, time, features, hidden] = {sizes:?}{lengths}{reverse}")
    }
}
