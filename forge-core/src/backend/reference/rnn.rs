use super::Array;
use crate::backend::Scalar;

/// The time steps that a sample has, in the order in which they are taken.
fn steps(time: usize, lengths: Option<&[usize]>, reverse: bool, sample: usize) -> Vec<usize> {
    let own = 0..lengths.map_or(time, |l| l[sample]);
    if reverse { own.rev().collect() } else { own.collect() }
}

/// Σ over the last dimension of `w` of v · w[row]
fn share<S: Scalar>(w: &Array<S>, row: usize, v: &[S]) -> S {
    Array::total(v.iter().enumerate().map(|(k, &v)| v * w.at(&[row, k])))
}

/// An LSTM over a sequence, straight from its equations: Hochreiter and Schmidhuber, *Long short-term memory*, Neural
/// Computation 1997, with the forget gate of Gers, Schmidhuber and Cummins (2000) and PyTorch's order and biases.
///
/// `x` is x, h0, c0, w_ih, w_hh, b_ih, b_hh; the results are y, h_n, c_n. One sample after the other.
pub fn lstm<S: Scalar>(x: &[Array<S>], lengths: Option<&[usize]>, reverse: bool) -> Vec<Array<S>> {
    let [input, h0, c0, w_ih, w_hh, b_ih, b_hh] = x else { return Vec::new() };
    let (batch, time, features) = (input.shape[0], input.shape[1], input.shape[2]);
    let hidden = h0.shape[1];
    let mut y = Array::build(&[batch, time, hidden], |_| S::zero());
    let (mut h_n, mut c_n) = (h0.clone(), c0.clone());
    for b in 0..batch {
        let mut h: Vec<S> = (0..hidden).map(|j| h0.at(&[b, j])).collect();
        let mut c: Vec<S> = (0..hidden).map(|j| c0.at(&[b, j])).collect();
        for t in steps(time, lengths, reverse, b) {
            let now: Vec<S> = (0..features).map(|f| input.at(&[b, t, f])).collect();
            let gate = |k: usize, j: usize| {
                let row = k * hidden + j;
                share(w_ih, row, &now) + share(w_hh, row, &h) + b_ih.at(&[row]) + b_hh.at(&[row])
            };
            let next: Vec<(S, S)> = (0..hidden)
                .map(|j| {
                    let (i, f) = (gate(0, j).sigmoid(), gate(1, j).sigmoid());
                    let (g, o) = (gate(2, j).tanh(), gate(3, j).sigmoid());
                    let c = f * c[j] + i * g;
                    (o * c.tanh(), c)
                })
                .collect();
            (h, c) = next.into_iter().unzip();
            y.data[(b * time + t) * hidden..][..hidden].copy_from_slice(&h);
        }
        h_n.data[b * hidden..][..hidden].copy_from_slice(&h);
        c_n.data[b * hidden..][..hidden].copy_from_slice(&c);
    }
    vec![y, h_n, c_n]
}

/// A GRU over a sequence: Cho and others, *Learning phrase representations using RNN encoder–decoder*, EMNLP 2014, in
/// the form with the reset gate after the product, and PyTorch's order and biases.
///
/// `x` is x, h0, w_ih, w_hh, b_ih, b_hh; the results are y, h_n. One sample after the other.
pub fn gru<S: Scalar>(x: &[Array<S>], lengths: Option<&[usize]>, reverse: bool) -> Vec<Array<S>> {
    let [input, h0, w_ih, w_hh, b_ih, b_hh] = x else { return Vec::new() };
    let (batch, time, features) = (input.shape[0], input.shape[1], input.shape[2]);
    let hidden = h0.shape[1];
    let mut y = Array::build(&[batch, time, hidden], |_| S::zero());
    let mut h_n = h0.clone();
    for b in 0..batch {
        let mut h: Vec<S> = (0..hidden).map(|j| h0.at(&[b, j])).collect();
        for t in steps(time, lengths, reverse, b) {
            let now: Vec<S> = (0..features).map(|f| input.at(&[b, t, f])).collect();
            let from_input = |row: usize| share(w_ih, row, &now) + b_ih.at(&[row]);
            let from_state = |row: usize| share(w_hh, row, &h) + b_hh.at(&[row]);
            let next = (0..hidden)
                .map(|j| {
                    let r = (from_input(j) + from_state(j)).sigmoid();
                    let z = (from_input(hidden + j) + from_state(hidden + j)).sigmoid();
                    let n = (from_input(2 * hidden + j) + r * from_state(2 * hidden + j)).tanh();
                    (S::one() - z) * n + z * h[j]
                })
                .collect();
            h = next;
            y.data[(b * time + t) * hidden..][..hidden].copy_from_slice(&h);
        }
        h_n.data[b * hidden..][..hidden].copy_from_slice(&h);
    }
    vec![y, h_n]
}
