//! `lstm`: a whole sequence as one node of the tape.

use super::sample::{Checks, ErrorSample, Input, Operation, Sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{LstmArgs, LstmOut, Saved, reference};
use crate::{Error, Result, Tensor};

const NAMES: [&str; 7] = ["x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh"];

struct LstmBackward {
    args: LstmArgs,
    saved: Saved,
}

impl Backward for LstmBackward {
    fn backward(self: Box<Self>, mut incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
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
/// i, f, o = σ(…), g = tanh(…), c′ = f c + i g, h′ = o tanh c′.
///
/// # Errors
/// When a shape does not fit the others, or the sequence is empty.
pub fn lstm(operands: &LstmArgs) -> Result<LstmOut> {
    let LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh } = operands;
    let all = [x, h0, c0, w_ih, w_hh, b_ih, b_hh];
    all.iter().try_for_each(|t| x.check_alike("lstm", t))?;
    let &[batch, time, features] = x.shape() else {
        return Err(Error::shape("lstm", format!("x is {:?}, not [batch, time, features]", x.shape())));
    };
    let hidden = w_hh.shape().last().copied().unwrap_or(0);
    let wanted: [&[usize]; 7] = [
        &[batch, time, features],
        &[batch, hidden],
        &[batch, hidden],
        &[4 * hidden, features],
        &[4 * hidden, hidden],
        &[4 * hidden],
        &[4 * hidden],
    ];
    for ((tensor, shape), name) in all.iter().zip(wanted).zip(NAMES) {
        if tensor.shape() != shape {
            return Err(Error::shape("lstm", format!("{name} is {:?}, not {shape:?}", tensor.shape())));
        }
    }
    if time == 0 {
        return Err(Error::shape("lstm", "a sequence needs at least one time step"));
    }
    let args = LstmArgs {
        x: x.detach(),
        h0: h0.detach(),
        c0: c0.detach(),
        w_ih: w_ih.detach(),
        w_hh: w_hh.detach(),
        b_ih: b_ih.detach(),
        b_hh: b_hh.detach(),
    };
    let keep = all.iter().any(|t| t.is_tracked());
    let (LstmOut { y, h_n, c_n }, saved) = x.device().rnn().lstm(&args, keep)?;
    let Some(saved) = saved else { return Ok(LstmOut { y, h_n, c_n }) };
    let [y, h_n, c_n] = record("lstm", &all, [y, h_n, c_n], |_| Box::new(LstmBackward { args, saved }))?;
    Ok(LstmOut { y, h_n, c_n })
}

pub const OPERATION: Operation = Operation {
    name: "lstm",
    formula: "i, f, o = σ(…), g = tanh(…), c′ = f c + i g, h′ = o tanh c′",
    samples,
    errors,
};

/// `[batch, time, features, hidden]` as operands.
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

fn call(t: &[Tensor]) -> Result<Vec<Tensor>> {
    let [x, h0, c0, w_ih, w_hh, b_ih, b_hh] =
        t.to_vec().try_into().map_err(|_| Error::other("seven operands"))?;
    let out = lstm(&LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh })?;
    Ok(vec![out.y, out.h_n, out.c_n])
}

fn samples() -> Vec<Sample> {
    [[1, 1, 1, 1], [2, 3, 2, 3], [3, 5, 1, 4], [0, 2, 2, 2]]
        .into_iter()
        .map(|sizes| Sample {
            name: format!("[batch, time, features, hidden] = {sizes:?}"),
            inputs: shapes(sizes).iter().map(|s| Input::within(s, (-0.8, 0.8))).collect(),
            checks: Checks::All,
            run: Box::new(call),
            values: Box::new(|r| Ok(reference::lstm(r))),
            duals: Box::new(|r| Ok(reference::lstm(r))),
            naive: Box::new(|r| Ok(reference::lstm(r))),
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let with = |change: usize, shape: &'static [usize]| {
        move || {
            let mut all = shapes([2, 3, 4, 5]);
            all[change] = shape.to_vec();
            let tensors: Result<Vec<Tensor>> =
                all.iter().map(|s| Tensor::zeros(s, crate::DType::F32, &crate::Device::cpu())).collect();
            Ok(call(&tensors?)?.remove(0))
        }
    };
    vec![
        ErrorSample::new("lstm: x is [2, 12], not [batch, time, features]", with(0, &[2, 12])),
        ErrorSample::new("lstm: w_ih is [20, 3], not [20, 4]", with(3, &[20, 3])),
        ErrorSample::new("lstm: a sequence needs at least one time step", with(0, &[2, 0, 4])),
    ]
}
