//! `lstm`: a whole sequence as one node of the tape.

use super::recurrent::{Case, check, products};
use super::sample::{Checks, ErrorSample, Input, Operation, Sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{LstmArgs, LstmOut, Saved, reference};
use crate::profile::{self, Call};
use crate::{Error, Result, Tensor};

struct LstmBackward {
    args: LstmArgs,
    saved: Saved,
}

impl Backward for LstmBackward {
    fn backward(self, mut incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grads = LstmOut { y: incoming.take(0), h_n: incoming.take(1), c_n: incoming.take(2) };
        let needs = std::array::from_fn(|i| outgoing.wants(i));
        let device = self.args.x.device().clone();
        let out = device.rnn().lstm_backward(&self.args, self.saved, grads, &needs)?;
        for (i, grad) in out.into_iter().enumerate() {
            if let (Some(grad), true) = (grad, needs[i]) {
                outgoing.send(i, grad)?;
            }
        }
        Ok(())
    }
}

/// A long short-term memory layer over a sequence.
///
/// Operands: x `[batch, time, features]`, h0 and c0 `[batch, hidden]`, w_ih `[4 hidden, features]`, w_hh
/// `[4 hidden, hidden]`, b_ih and b_hh `[4 hidden]`; gates in PyTorch's order input, forget, cell, output.
///
/// i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh), g = tanh(the same), c′ = f c + i g, h′ = o tanh c′. Hochreiter and
/// Schmidhuber, *Long short-term memory*, Neural Computation 1997; forget gate of Gers and others, 2000.
///
/// With `lengths`, outputs after a sample's end are 0 and `h_n`, `c_n` are its states at its end, as of PyTorch's packed
/// sequences; with `reverse`, each sample is taken from its own last step to its first.
///
/// ```
/// use forge_core::{DType, Device, Tensor, backend::LstmArgs, ops};
/// let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::cpu());
/// let out = ops::lstm(&LstmArgs {
///     x: zeros(&[2, 5, 3])?,
///     h0: zeros(&[2, 4])?,
///     c0: zeros(&[2, 4])?,
///     w_ih: zeros(&[16, 3])?,
///     w_hh: zeros(&[16, 4])?,
///     b_ih: zeros(&[16])?,
///     b_hh: zeros(&[16])?,
///     lengths: Some([5, 2].into()),
///     reverse: false,
/// })?;
/// assert_eq!((out.y.shape(), out.h_n.shape()), (&[2, 5, 4][..], &[2, 4][..]));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When a shape does not fit the others, the sequence is empty, or a length is more than the sequence's.
pub fn lstm(operands: &LstmArgs) -> Result<LstmOut> {
    let _operation = profile::operation("lstm", None);
    let LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse } = operands;
    let all = [x, h0, c0, w_ih, w_hh, b_ih, b_hh];
    let names = ["x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh"];
    check("lstm", &std::array::from_fn::<_, 7, _>(|i| (names[i], all[i])), 2, 4, lengths.as_deref())?;
    let [x, h0, c0, w_ih, w_hh, b_ih, b_hh] = all.map(Tensor::detach);
    let lengths = lengths.clone();
    let args = LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse: *reverse };
    let keep = all.iter().any(|t| t.is_tracked());
    let (LstmOut { y, h_n, c_n }, saved) = args.x.device().rnn().lstm(&args, keep)?;
    let Some(saved) = saved else {
        let results = [y, h_n, c_n];
        profile::done("lstm", &all, &results);
        let [y, h_n, c_n] = results;
        return Ok(LstmOut { y, h_n, c_n });
    };
    let [y, h_n, c_n] = record("lstm", &all, [y, h_n, c_n], |_| LstmBackward { args, saved })?;
    Ok(LstmOut { y, h_n, c_n })
}

/// The products of a sequence, whose weights are operands 3 and 4.
pub fn flops(call: &Call) -> [f64; 2] {
    products(call, 3)
}

pub const OPERATION: Operation = Operation {
    name: "lstm",
    formula: "i, f, o = σ(…), g = tanh(…), c′ = f c + i g, h′ = o tanh c′",
    samples,
    errors,
};

fn shapes([batch, time, features, hidden]: [usize; 4]) -> Vec<Vec<usize>> {
    vec![
        vec![batch, time, features],
        vec![batch, hidden],
        vec![batch, hidden],
        vec![4 * hidden, features],
        vec![4 * hidden, hidden],
        vec![4 * hidden],
        vec![4 * hidden],
    ]
}

fn call(t: &[Tensor], lengths: Option<&[usize]>, reverse: bool) -> Result<Vec<Tensor>> {
    let [x, h0, c0, w_ih, w_hh, b_ih, b_hh] =
        t.to_vec().try_into().map_err(|_| Error::other("seven operands"))?;
    let lengths = lengths.map(Into::into);
    let out = lstm(&LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse })?;
    Ok(vec![out.y, out.h_n, out.c_n])
}

fn samples() -> Vec<Sample> {
    let sample = |case: Case| {
        let (name, Case { sizes, lengths, reverse }) = (case.name(), case);
        Sample {
            name,
            inputs: shapes(sizes).iter().map(|s| Input::within(s, (-0.8, 0.8))).collect(),
            checks: Checks::All,
            run: Box::new(move |x| call(x, lengths, reverse)),
            values: Box::new(move |r| Ok(reference::lstm(r, lengths, reverse))),
            duals: Box::new(move |r| Ok(reference::lstm(r, lengths, reverse))),
            naive: Box::new(move |r| Ok(reference::lstm(r, lengths, reverse))),
        }
    };
    Case::ALL.into_iter().map(sample).collect()
}

fn errors() -> Vec<ErrorSample> {
    let with = |change: usize, shape: &'static [usize], lengths: Option<&'static [usize]>| {
        move || {
            let mut all = shapes([2, 3, 4, 5]);
            all[change] = shape.to_vec();
            let tensors: Result<Vec<Tensor>> =
                all.iter().map(|s| Tensor::zeros(s, crate::DType::F32, &crate::Device::cpu())).collect();
            Ok(call(&tensors?, lengths, false)?.remove(0))
        }
    };
    vec![
        ErrorSample::new("lstm: x is [2, 12], not [batch, time, features]", with(0, &[2, 12], None)),
        ErrorSample::new("lstm: c0 is [2, 4], not [2, 5]", with(2, &[2, 4], None)),
        ErrorSample::new("lstm: w_ih is [20, 3], not [20, 4]", with(3, &[20, 3], None)),
        ErrorSample::new("lstm: a sequence needs at least one time step", with(0, &[2, 0, 4], None)),
        ErrorSample::new("lstm: 1 lengths for 2 samples", with(0, &[2, 3, 4], Some(&[3]))),
        ErrorSample::new(
            "lstm: sample 1 has length 4, but x has 3 time steps",
            with(0, &[2, 3, 4], Some(&[3, 4])),
        ),
    ]
}
