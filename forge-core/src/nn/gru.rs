use super::recurrent::{Sizes, Stack, parameters_of_stack, stack_states};
use super::{Init, Module, Tail};
use crate::backend::{GruArgs, GruOut};
use crate::{Cx, Result, Tensor, ops};

/// Stacked gated recurrent units over a sequence.
///
/// Names, gate order, both biases and first weights are PyTorch's: `weight_ih_l0` `[3 hidden, features]`,
/// `weight_hh_l0` `[3 hidden, hidden]`, `bias_ih_l0` and `bias_hh_l0` `[3 hidden]`, then `…_l1`; of a second direction
/// `…_l0_reverse`.
///
/// `[batch, time, features]` → `[batch, time, hidden]`. Cho and others, EMNLP 2014; the formula is that of
/// [`ops::gru`](crate::ops::gru).
///
/// ```
/// use forge_core::{nn::{Gru, Init, Module}, Cx, DType, Device, Tensor};
/// let layer = Gru::new(&Init::new(0), 3, 16, 2, 0.1)?;
/// let x = Tensor::zeros(&[8, 20, 3], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [8, 20, 16]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Gru(Stack);

parameters_of_stack!(Gru);

impl Gru {
    /// `features` inputs a time step, `hidden_size` outputs, `layers` on top of each other with dropout between them.
    /// First weights are uniform in ±1/√hidden_size.
    ///
    /// # Errors
    /// When a size is 0 or the dropout rate is not in [0, 1).
    pub fn new(
        init: &Init,
        features: usize,
        hidden_size: usize,
        layers: usize,
        dropout: f64,
    ) -> Result<Self> {
        let sizes = Sizes { features, hidden: hidden_size, layers, gates: 3, bidirectional: false };
        Ok(Gru(Stack::new("gru", init, sizes, dropout)?))
    }

    /// The same with a second set of weights in each layer that takes the sequence from its end to its start: `2
    /// hidden_size` outputs a time step, the forward direction's first.
    ///
    /// ```
    /// use forge_core::{nn::{Gru, Init, Module}, Cx, DType, Device, Tensor};
    /// let layer = Gru::bidirectional(&Init::new(0), 3, 16, 1, 0.0)?;
    /// let x = Tensor::zeros(&[8, 20, 3], DType::F32, &Device::cpu())?;
    /// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [8, 20, 32]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Gru::new`].
    pub fn bidirectional(
        init: &Init,
        features: usize,
        hidden_size: usize,
        layers: usize,
        dropout: f64,
    ) -> Result<Self> {
        let sizes = Sizes { features, hidden: hidden_size, layers, gates: 3, bidirectional: true };
        Ok(Gru(Stack::new("gru", init, sizes, dropout)?))
    }

    /// Runs sequences of `lengths` time steps each (all of `x` where it is `None`) from the states `first`,
    /// `[layers directions, batch, hidden_size]` (zeros where it is `None`).
    ///
    /// The outputs are `[batch, time, directions hidden_size]`, 0 after a sample's end; `h_n` are the states at its end,
    /// of the shape of `first`: PyTorch's packed sequences.
    ///
    /// ```
    /// use forge_core::{nn::{Gru, Init}, Cx, DType, Device, Tensor};
    /// let layer = Gru::new(&Init::new(0), 3, 16, 2, 0.0)?;
    /// let x = Tensor::full(1.0, &[2, 20, 3], DType::F32, &Device::cpu())?;
    /// let out = layer.sequences(&Cx::infer(), &x, Some(&[20, 7]), None)?;
    /// assert_eq!(out.h_n.shape(), [2, 2, 16]);
    /// assert_eq!(out.y.select(0, 1)?.narrow(0, 7, 13)?.square()?.sum_all()?.item()?, 0.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a shape or a length does not fit.
    pub fn sequences(
        &self,
        cx: &Cx,
        x: &Tensor,
        lengths: Option<&[usize]>,
        first: Option<&Tensor>,
    ) -> Result<GruOut> {
        let mut h = Vec::new();
        let y = self.run(cx, x, lengths, first, |h_n| h.push(h_n))?;
        Ok(GruOut { y, h_n: stack_states(&h)? })
    }

    /// The outputs. `last` is given the last state of each layer and direction, in their order.
    fn run(
        &self,
        cx: &Cx,
        x: &Tensor,
        lengths: Option<&[usize]>,
        first: Option<&Tensor>,
        mut last: impl FnMut(Tensor),
    ) -> Result<Tensor> {
        self.0.run(cx, x, |k, cell, x, reverse| {
            let out = ops::gru(&GruArgs {
                x: x.clone(),
                h0: self.0.state("gru", x, first, k)?,
                w_ih: cx.param(&cell.weight_ih),
                w_hh: cx.param(&cell.weight_hh),
                b_ih: cx.param(&cell.bias_ih),
                b_hh: cx.param(&cell.bias_hh),
                lengths: lengths.map(Into::into),
                reverse,
            })?;
            last(out.h_n);
            Ok(out.y)
        })
    }
}

impl Module for Gru {
    /// `[batch, time, features] → [batch, time, directions hidden_size]`, from zero states; `[batch, hidden_size]` where
    /// the last step is all that is used.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let mut last = None;
        let y = self.run(cx, x, None, None, |h_n| last = Some(h_n))?;
        Ok(last.filter(|_| self.0.last_step).unwrap_or(y))
    }

    fn fuse(&mut self, tail: Tail) -> bool {
        self.0.fuse(tail)
    }

    fn describe(&self) -> String {
        self.0.describe("gru")
    }
}
