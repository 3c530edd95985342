use crate::backend::{LstmArgs, LstmOut, Saved};
use crate::{Result, Tensor};

/// The activated gates and the states of one time step, each `[batch, hidden]`.
#[derive(Debug)]
pub struct Step {
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
    let (time, hidden) = (args.x.shape()[1], args.h0.shape()[1]);
    let bias = (&args.b_ih + &args.b_hh)?;
    // The inputs' share of all gates of all steps is one product.
    let from_input = (args.x.matmul(&args.w_ih.transpose()?)? + &bias)?;
    let w_hh = args.w_hh.transpose()?;
    let (mut h, mut c) = (args.h0.clone(), args.c0.clone());
    let (mut y, mut steps) = (Vec::with_capacity(time), Vec::new());
    for t in 0..time {
        let gates = (from_input.select(1, t)? + h.matmul(&w_hh)?)?;
        let gate = |k: usize| gates.narrow(1, k * hidden, hidden);
        let (i, f, g, o) = (gate(0)?.sigmoid()?, gate(1)?.sigmoid()?, gate(2)?.tanh()?, gate(3)?.sigmoid()?);
        let next_c = ((&f * &c)? + (&i * &g)?)?;
        let tanh_c = next_c.tanh()?;
        let next_h = (&o * &tanh_c)?;
        y.push(next_h.clone());
        let (h_before, c_before) = (std::mem::replace(&mut h, next_h), std::mem::replace(&mut c, next_c));
        if keep {
            steps.push(Step { i, f, g, o, tanh_c, h: h_before, c: c_before });
        }
    }
    let bytes = 7 * steps.len() * h.count() * h.dtype().size();
    let saved = keep.then(|| Saved::new(steps, bytes));
    Ok((LstmOut { y: stack_time(&y)?, h_n: h, c_n: c }, saved))
}

pub fn backward(
    args: &LstmArgs,
    mut steps: Vec<Step>,
    grads: LstmOut<Option<Tensor>>,
    needs: &[bool; 7],
) -> Result<[Option<Tensor>; 7]> {
    let [need_x, need_h0, need_c0, need_w_ih, need_w_hh, need_b_ih, need_b_hh] = *needs;
    let (time, four_hidden) = (args.x.shape()[1], args.w_hh.shape()[0]);
    let zero = || Tensor::zeros(args.h0.shape(), args.h0.dtype(), args.h0.device());
    let mut dh = grads.h_n.map_or_else(zero, Ok)?;
    let mut dc = grads.c_n.map_or_else(zero, Ok)?;
    // Gate gradients and states before each step, last step first.
    let (mut gates, mut states) = (Vec::with_capacity(time), Vec::with_capacity(time));
    for t in (0..time).rev() {
        let Some(Step { i, f, g, o, tanh_c, h, c }) = steps.pop() else { break };
        if let Some(dy) = &grads.y {
            dh = (&dh + dy.select(1, t)?)?;
        }
        let d_o = (&dh * &tanh_c)?;
        dc = (&dc + ((&dh * &o)? * one_minus_square(&tanh_c)?)?)?;
        // A closure over the kept outputs: σ′ = σ (1 - σ).
        let through_sigmoid = |d: Tensor, s: &Tensor| (d * s)? * s.mul_scalar(-1.0)?.add_scalar(1.0)?;
        let d_gates = [
            through_sigmoid((&dc * &g)?, &i)?,
            through_sigmoid((&dc * &c)?, &f)?,
            ((&dc * &i)? * one_minus_square(&g)?)?,
            through_sigmoid(d_o, &o)?,
        ];
        let d_gates = Tensor::concat(&d_gates.iter().collect::<Vec<_>>(), 1)?;
        dh = d_gates.matmul(&args.w_hh)?;
        dc = (&dc * &f)?;
        gates.push(d_gates);
        states.push(h);
    }
    gates.reverse();
    states.reverse();
    let d_gates = stack_time(&gates)?;
    let rows = |t: &Tensor| t.reshape(&[t.shape()[0] * t.shape()[1], t.shape()[2]]);
    let d_rows = rows(&d_gates)?;
    let weight = |wanted: bool, input: &Tensor| -> Result<Option<Tensor>> {
        if wanted { Ok(Some(d_rows.transpose()?.matmul(&rows(input)?)?)) } else { Ok(None) }
    };
    let d_bias = if need_b_ih || need_b_hh { Some(d_rows.sum(&[0], false)?) } else { None };
    debug_assert_eq!(d_gates.shape()[2], four_hidden);
    Ok([
        if need_x { Some(d_gates.matmul(&args.w_ih)?) } else { None },
        need_h0.then_some(dh),
        need_c0.then_some(dc),
        weight(need_w_ih, &args.x)?,
        if need_w_hh { weight(true, &stack_time(&states)?)? } else { None },
        d_bias.clone().filter(|_| need_b_ih),
        d_bias.filter(|_| need_b_hh),
    ])
}

/// Time steps `[batch, hidden]` as `[batch, time, hidden]`.
fn stack_time(steps: &[Tensor]) -> Result<Tensor> {
    let with_time: Result<Vec<Tensor>> =
        steps.iter().map(|s| s.reshape(&[s.shape()[0], 1, s.shape()[1]])).collect();
    Tensor::concat(&with_time?.iter().collect::<Vec<_>>(), 1)
}

fn one_minus_square(x: &Tensor) -> Result<Tensor> {
    x.square()?.mul_scalar(-1.0)?.add_scalar(1.0)
}
