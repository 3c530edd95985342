use super::sequence::{Sequence, rows, through_sigmoid, through_tanh};
use crate::backend::{LstmArgs, LstmOut, Saved};
use crate::{Result, Tensor};

/// What backward needs.
#[derive(Debug)]
pub struct Kept {
    sequence: Sequence,
    /// First taken first.
    steps: Vec<Step>,
}

/// The activated gates and the states of one time step, each `[batch, hidden]`.
#[derive(Debug)]
struct Step {
    i: Tensor,
    f: Tensor,
    g: Tensor,
    o: Tensor,
    tanh_c: Tensor,
    /// States before the step.
    h: Tensor,
    c: Tensor,
}

pub fn forward(args: &LstmArgs, keep: bool) -> Result<(LstmOut, Option<Saved>)> {
    let sequence = Sequence::new(&args.x, args.lengths.as_deref(), args.reverse)?;
    let hidden = args.h0.shape()[1];
    let bias = (&args.b_ih + &args.b_hh)?;
    // The inputs' share of all gates of all steps is one product.
    let from_input = (sequence.x.matmul(&args.w_ih.transpose()?)? + &bias)?;
    let w_hh = args.w_hh.transpose()?;
    let (mut h, mut c) = (args.h0.clone(), args.c0.clone());
    let (mut y, mut steps) = (Vec::new(), Vec::new());
    for t in sequence.order() {
        let gates = (from_input.select(1, t)? + h.matmul(&w_hh)?)?;
        let gate = |k: usize| gates.narrow(1, k * hidden, hidden);
        let (i, f, g, o) = (gate(0)?.sigmoid()?, gate(1)?.sigmoid()?, gate(2)?.tanh()?, gate(3)?.sigmoid()?);
        let new_c = ((&f * &c)? + (&i * &g)?)?;
        let tanh_c = new_c.tanh()?;
        let out = sequence.within(t, (&o * &tanh_c)?)?;
        let next_h = sequence.or(t, out.clone(), &h)?;
        let next_c = sequence.or(t, sequence.within(t, new_c)?, &c)?;
        y.push(out);
        let (h_before, c_before) = (std::mem::replace(&mut h, next_h), std::mem::replace(&mut c, next_c));
        if keep {
            steps.push(Step { i, f, g, o, tanh_c, h: h_before, c: c_before });
        }
    }
    let y = sequence.stack(y)?;
    let bytes = 7 * steps.len() * h.count() * h.dtype().size() + sequence.bytes();
    let saved = keep.then(|| Saved::new(Kept { sequence, steps }, bytes));
    Ok((LstmOut { y, h_n: h, c_n: c }, saved))
}

pub fn backward(
    args: &LstmArgs,
    Kept { sequence, mut steps }: Kept,
    grads: LstmOut<Option<Tensor>>,
    needs: &[bool; 7],
) -> Result<[Option<Tensor>; 7]> {
    let [need_x, need_h0, need_c0, need_w_ih, need_w_hh, need_b_ih, need_b_hh] = *needs;
    let zero = || Tensor::zeros(args.h0.shape(), args.h0.dtype(), args.h0.device());
    let mut dh = grads.h_n.map_or_else(zero, Ok)?;
    let mut dc = grads.c_n.map_or_else(zero, Ok)?;
    // Gate gradients and states before each step, last taken first.
    let (mut gates, mut states) = (Vec::new(), Vec::new());
    for t in sequence.order().into_iter().rev() {
        let Some(Step { i, f, g, o, tanh_c, h, c }) = steps.pop() else { break };
        let out = match &grads.y {
            Some(dy) => (&dh + dy.select(1, t)?)?,
            None => dh.clone(),
        };
        // What reaches the new states; a sample that has no step t passes its states' gradients on.
        let new_h = sequence.within(t, out)?;
        let new_c = (sequence.within(t, dc.clone())? + through_tanh((&new_h * &o)?, &tanh_c)?)?;
        let d_gates = [
            through_sigmoid((&new_c * &g)?, &i)?,
            through_sigmoid((&new_c * &c)?, &f)?,
            through_tanh((&new_c * &i)?, &g)?,
            through_sigmoid((&new_h * &tanh_c)?, &o)?,
        ];
        let d_gates = Tensor::concat(&d_gates.iter().collect::<Vec<_>>(), 1)?;
        dh = sequence.or(t, d_gates.matmul(&args.w_hh)?, &dh)?;
        dc = sequence.or(t, (&new_c * &f)?, &dc)?;
        gates.push(d_gates);
        states.push(h);
    }
    gates.reverse();
    states.reverse();
    let d_gates = sequence.stack(gates)?;
    let d_rows = rows(&d_gates)?;
    let weight = |input: &Tensor| d_rows.transpose()?.matmul(&rows(input)?);
    let d_bias = if need_b_ih || need_b_hh { Some(d_rows.sum(&[0], false)?) } else { None };
    Ok([
        if need_x { Some(d_gates.matmul(&args.w_ih)?) } else { None },
        need_h0.then_some(dh),
        need_c0.then_some(dc),
        if need_w_ih { Some(weight(&sequence.x)?) } else { None },
        if need_w_hh { Some(weight(&sequence.stack(states)?)?) } else { None },
        d_bias.clone().filter(|_| need_b_ih),
        d_bias.filter(|_| need_b_hh),
    ])
}
