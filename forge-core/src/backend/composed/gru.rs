use super::sequence::{Sequence, rows, through_sigmoid, through_tanh};
use crate::backend::{GruArgs, GruOut, Saved};
use crate::{Result, Tensor};

/// What backward needs.
#[derive(Debug)]
pub struct Kept {
    sequence: Sequence,
    /// First taken first.
    steps: Vec<Step>,
}

/// The activated gates and the state of one time step, each `[batch, hidden]`.
#[derive(Debug)]
struct Step {
    r: Tensor,
    z: Tensor,
    n: Tensor,
    /// The hidden state's share of the new gate, W_hn h + b_hn, which the reset gate multiplies.
    inner: Tensor,
    /// State before the step.
    h: Tensor,
}

pub fn forward(args: &GruArgs, keep: bool) -> Result<(GruOut, Option<Saved>)> {
    let sequence = Sequence::new(&args.x, args.lengths.as_deref(), args.reverse)?;
    let hidden = args.h0.shape()[1];
    // The inputs' share of all gates of all steps is one product.
    let from_input = (sequence.x.matmul(&args.w_ih.transpose()?)? + &args.b_ih)?;
    let w_hh = args.w_hh.transpose()?;
    let mut h = args.h0.clone();
    let (mut y, mut steps) = (Vec::new(), Vec::new());
    for t in sequence.order() {
        let input = from_input.select(1, t)?;
        let state = (h.matmul(&w_hh)? + &args.b_hh)?;
        let part = |gates: &Tensor, k: usize| gates.narrow(1, k * hidden, hidden);
        let r = (part(&input, 0)? + part(&state, 0)?)?.sigmoid()?;
        let z = (part(&input, 1)? + part(&state, 1)?)?.sigmoid()?;
        let inner = part(&state, 2)?;
        let n = (part(&input, 2)? + (&r * &inner)?)?.tanh()?;
        // (1 - z) n + z h, with one product.
        let new_h = (&n + (&z * (&h - &n)?)?)?;
        let out = sequence.within(t, new_h)?;
        let next_h = sequence.or(t, out.clone(), &h)?;
        y.push(out);
        let before = std::mem::replace(&mut h, next_h);
        if keep {
            steps.push(Step { r, z, n, inner, h: before });
        }
    }
    let y = sequence.stack(y)?;
    // `inner` is a view of the shares of all three gates.
    let bytes = 7 * steps.len() * h.count() * h.dtype().size() + sequence.bytes();
    let saved = keep.then(|| Saved::new(Kept { sequence, steps }, bytes));
    Ok((GruOut { y, h_n: h }, saved))
}

pub fn backward(
    args: &GruArgs,
    Kept { sequence, mut steps }: Kept,
    grads: GruOut<Option<Tensor>>,
    needs: &[bool; 6],
) -> Result<[Option<Tensor>; 6]> {
    let [need_x, need_h0, need_w_ih, need_w_hh, need_b_ih, need_b_hh] = *needs;
    let zero = || Tensor::zeros(args.h0.shape(), args.h0.dtype(), args.h0.device());
    let mut dh = grads.h_n.map_or_else(zero, Ok)?;
    // Gate gradients on the side of the input and on that of the state, and states before each step, last taken first.
    let (mut inputs, mut hiddens, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for t in sequence.order().into_iter().rev() {
        let Some(Step { r, z, n, inner, h }) = steps.pop() else { break };
        let out = match &grads.y {
            Some(dy) => (&dh + dy.select(1, t)?)?,
            None => dh.clone(),
        };
        // What reaches the new state; a sample that has no step t passes its state's gradient on.
        let new_h = sequence.within(t, out)?;
        let through_z = (&new_h * &z)?;
        let d_n = through_tanh((&new_h - &through_z)?, &n)?;
        let d_z = through_sigmoid((&new_h * (&h - &n)?)?, &z)?;
        let d_r = through_sigmoid((&d_n * &inner)?, &r)?;
        let d_inner = (&d_n * &r)?;
        let d_hidden = Tensor::concat(&[&d_r, &d_z, &d_inner], 1)?;
        let d_h = (d_hidden.matmul(&args.w_hh)? + &through_z)?;
        dh = sequence.or(t, d_h, &dh)?;
        inputs.push(Tensor::concat(&[&d_r, &d_z, &d_n], 1)?);
        hiddens.push(d_hidden);
        states.push(h);
    }
    [&mut inputs, &mut hiddens, &mut states].into_iter().for_each(|steps| steps.reverse());
    let d_input = sequence.stack(inputs)?;
    let d_hidden = rows(&sequence.stack(hiddens)?)?;
    let d_rows = rows(&d_input)?;
    Ok([
        if need_x { Some(d_input.matmul(&args.w_ih)?) } else { None },
        need_h0.then_some(dh),
        if need_w_ih { Some(d_rows.transpose()?.matmul(&rows(&sequence.x)?)?) } else { None },
        if need_w_hh { Some(d_hidden.transpose()?.matmul(&rows(&sequence.stack(states)?)?)?) } else { None },
        if need_b_ih { Some(d_rows.sum(&[0], false)?) } else { None },
        if need_b_hh { Some(d_hidden.sum(&[0], false)?) } else { None },
    ])
}
