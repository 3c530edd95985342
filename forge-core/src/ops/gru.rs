//! `gru`: a whole sequence as one node of the tape.

use super::recurrent::{Case, check, products};
use super::sample::{Checks, ErrorSample, Input, Operation, Sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{GruArgs, GruOut, Saved, reference};
use crate::profile::{self, Call};
use crate::{Error, Result, Tensor};

struct GruBackward {
    args: GruArgs,
    saved: Saved,
}

impl Backward for GruBackward {
    fn backward(self, mut incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grads = GruOut { y: incoming.take(0), h_n: incoming.take(1) };
        let needs = std::array::from_fn(|i| outgoing.wants(i));
        let device = self.args.x.device().clone();
        let out = device.rnn().gru_backward(&self.args, self.saved, grads, &needs)?;
        for (i, grad) in out.into_iter().enumerate() {
            if let (Some(grad), true) = (grad, needs[i]) {
                outgoing.send(i, grad)?;
            }
        }
        Ok(())
    }
}

/// A gated recurrent unit over a sequence.
///
/// Operands: x `[batch, time, features]`, h0 `[batch, hidden]`, w_ih `[3 hidden, features]`, w_hh `[3 hidden, hidden]`,
/// b_ih and b_hh `[3 hidden]`; gates in PyTorch's order reset, update, new.
///
/// r, z = σ(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h′ = (1 - z) n + z h. Cho and
/// others, EMNLP 2014, with the reset gate after the product, as cuDNN and PyTorch have it.
///
/// With `lengths`, outputs after a sample's end are 0 and `h_n` is its state at its end, as of PyTorch's packed
/// sequences; with `reverse`, each sample is taken from its own last step to its first.
///
/// ```
/// use forge_core::{DType, Device, Tensor, backend::GruArgs, ops};
/// let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::cpu());
/// let out = ops::gru(&GruArgs {
///     x: zeros(&[2, 5, 3])?,
///     h0: zeros(&[2, 4])?,
///     w_ih: zeros(&[12, 3])?,
///     w_hh: zeros(&[12, 4])?,
///     b_ih: zeros(&[12])?,
///     b_hh: zeros(&[12])?,
///     lengths: None,
///     reverse: true,
/// })?;
/// assert_eq!((out.y.shape(), out.h_n.shape()), (&[2, 5, 4][..], &[2, 4][..]));
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When a shape does not fit the others, the sequence is empty, or a length is more than the sequence's.
pub fn gru(operands: &GruArgs) -> Result<GruOut> {
    let _operation = profile::operation("gru", None);
    let GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse } = operands;
    let all = [x, h0, w_ih, w_hh, b_ih, b_hh];
    let names = ["x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"];
    check("gru", &std::array::from_fn::<_, 6, _>(|i| (names[i], all[i])), 1, 3, lengths.as_deref())?;
    let [x, h0, w_ih, w_hh, b_ih, b_hh] = all.map(Tensor::detach);
    let args = GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths: lengths.clone(), reverse: *reverse };
    let keep = all.iter().any(|t| t.is_tracked());
    let (GruOut { y, h_n }, saved) = args.x.device().rnn().gru(&args, keep)?;
    let Some(saved) = saved else {
        let results = [y, h_n];
        profile::done("gru", &all, &results);
        let [y, h_n] = results;
        return Ok(GruOut { y, h_n });
    };
    let [y, h_n] = record("gru", &all, [y, h_n], |_| GruBackward { args, saved })?;
    Ok(GruOut { y, h_n })
}

/// The products of a sequence, whose weights are operands 2 and 3.
pub fn flops(call: &Call) -> [f64; 2] {
    products(call, 2)
}

pub const OPERATION: Operation = Operation {
    name: "gru",
    formula: "r, z = σ(…), n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h′ = (1 - z) n + z h",
    samples,
    errors,
};

fn shapes([batch, time, features, hidden]: [usize; 4]) -> Vec<Vec<usize>> {
    vec![
        vec![batch, time, features],
        vec![batch, hidden],
        vec![3 * hidden, features],
        vec![3 * hidden, hidden],
        vec![3 * hidden],
        vec![3 * hidden],
    ]
}

fn call(t: &[Tensor], lengths: Option<&[usize]>, reverse: bool) -> Result<Vec<Tensor>> {
    let [x, h0, w_ih, w_hh, b_ih, b_hh] = t.to_vec().try_into().map_err(|_| Error::other("six operands"))?;
    let out = gru(&GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths: lengths.map(Into::into), reverse })?;
    Ok(vec![out.y, out.h_n])
}

fn samples() -> Vec<Sample> {
    let sample = |case: Case| {
        let (name, Case { sizes, lengths, reverse }) = (case.name(), case);
        Sample {
            name,
            inputs: shapes(sizes).iter().map(|s| Input::within(s, (-0.8, 0.8))).collect(),
            checks: Checks::All,
            run: Box::new(move |x| call(x, lengths, reverse)),
            values: Box::new(move |r| Ok(reference::gru(r, lengths, reverse))),
            duals: Box::new(move |r| Ok(reference::gru(r, lengths, reverse))),
            naive: Box::new(move |r| Ok(reference::gru(r, lengths, reverse))),
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
        ErrorSample::new("gru: x is [2, 12], not [batch, time, features]", with(0, &[2, 12], None)),
        ErrorSample::new("gru: h0 is [2, 4], not [2, 5]", with(1, &[2, 4], None)),
        ErrorSample::new("gru: w_hh is [20, 5], not [15, 5]", with(3, &[20, 5], None)),
        ErrorSample::new("gru: a sequence needs at least one time step", with(0, &[2, 0, 4], None)),
        ErrorSample::new(
            "gru: sample 0 has length 9, but x has 3 time steps",
            with(0, &[2, 3, 4], Some(&[9, 1])),
        ),
    ]
}
