use crate::nn::{Gain, Init, Initial, Linear, Module};
use crate::ops::{Attend, attention};
use crate::{Cx, Error, Mode, Param, Result, Tensor, parameters};

/// Attention with several heads, each on its own projection of queries, keys and values.
///
/// Names and first weights are PyTorch's `MultiheadAttention`: `in_proj_weight` `[3 dim, dim]` (queries, keys, values; of
/// Glorot's uniform distribution), `in_proj_bias` `[3 dim]`, `out_proj.weight` `[dim, dim]`, `out_proj.bias` `[dim]`.
///
/// softmax(q kᵀ / √(dim / heads)) v of each head, side by side, times `out_proj`: `[batch, time, dim]` → the same. Vaswani
/// and others, NeurIPS 2017.
///
/// ```
/// use forge_core::{nn::{Init, Module, MultiHeadAttention}, Cx, DType, Device, Tensor};
/// let layer = MultiHeadAttention::new(&Init::new(0), 16, 4, 0.0)?;
/// let x = Tensor::zeros(&[2, 10, 16], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [2, 10, 16]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiHeadAttention {
    in_proj_weight: Param,
    in_proj_bias: Param,
    out_proj: Linear,
    heads: usize,
    dropout: f64,
}

parameters!(MultiHeadAttention { in_proj_weight, in_proj_bias } layers { out_proj });

impl MultiHeadAttention {
    /// `heads` heads of `dim / heads` each, with dropout on the weights of the keys.
    ///
    /// # Errors
    /// When `dim` is not a multiple of `heads`, a size is 0, or the dropout rate is not in [0, 1).
    pub fn new(init: &Init, dim: usize, heads: usize, dropout: f64) -> Result<Self> {
        if dim == 0 || heads == 0 || !dim.is_multiple_of(heads) {
            return Err(Error::argument(
                "multi_head_attention",
                format!("dim {dim} must be a multiple of heads {heads}, and both at least 1"),
            ));
        }
        if !(0.0..1.0).contains(&dropout) {
            let why = format!("dropout {dropout} is not in [0, 1)");
            return Err(Error::argument("multi_head_attention", why));
        }
        let glorot = Initial::XavierUniform { gain: Gain::Linear };
        Ok(MultiHeadAttention {
            in_proj_weight: init.draw("in_proj_weight", &[3 * dim, dim], &glorot)?,
            in_proj_bias: init.draw("in_proj_bias", &[3 * dim], &Initial::Zeros)?,
            out_proj: Linear::without_first_bias(&init.within("out_proj"), dim, dim)?,
            heads,
            dropout,
        })
    }

    /// `query` `[batch, time, dim]` attends to `key` and `value`, `[batch, source, dim]`: `[batch, time, dim]`.
    ///
    /// `mask` is as of [`Attend::mask`], of a shape that broadcasts to `[batch, heads, time, source]`: to hide the padding
    /// of a batch, `[batch, 1, 1, source]`. With `causal`, step t sees the keys 0 to t.
    ///
    /// ```
    /// use forge_core::{nn::{Init, MultiHeadAttention}, Cx, DType, Device, Tensor};
    /// let layer = MultiHeadAttention::new(&Init::new(0), 16, 4, 0.0)?;
    /// let x = Tensor::zeros(&[2, 10, 16], DType::F32, &Device::cpu())?;
    /// let memory = Tensor::zeros(&[2, 3, 16], DType::F32, &Device::cpu())?;
    /// let there = Tensor::new(&[1i64, 1, 1, 1, 0, 0], &[2, 1, 1, 3])?;
    /// let y = layer.attend(&Cx::infer(), &x, &memory, &memory, Some(&there), false)?;
    /// assert_eq!(y.shape(), [2, 10, 16]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn attend(
        &self,
        cx: &Cx,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: Option<&Tensor>,
        causal: bool,
    ) -> Result<Tensor> {
        let [q, k, v] =
            [self.project(cx, query, 0, 1)?, self.project(cx, key, 1, 1)?, self.project(cx, value, 2, 1)?];
        self.heads_of(cx, [q, k, v], mask, causal)
    }

    /// `x` attends to itself: as [`MultiHeadAttention::attend`] with `x` three times, in one product.
    ///
    /// ```
    /// use forge_core::{nn::{Init, MultiHeadAttention}, Cx, DType, Device, Tensor};
    /// let layer = MultiHeadAttention::new(&Init::new(0), 8, 2, 0.0)?;
    /// let x = Tensor::full(1.0, &[1, 3, 8], DType::F32, &Device::cpu())?;
    /// let y = layer.attend_self(&Cx::infer(), &x, None, true)?;
    /// let thrice = layer.attend(&Cx::infer(), &x, &x, &x, None, true)?;
    /// assert!((y - thrice)?.abs()?.max_all()?.item()? < 1e-6);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn attend_self(&self, cx: &Cx, x: &Tensor, mask: Option<&Tensor>, causal: bool) -> Result<Tensor> {
        let (dim, all) = (self.dim(), self.project(cx, x, 0, 3)?);
        let part = |i: usize| all.narrow(2, i * dim, dim);
        self.heads_of(cx, [part(0)?, part(1)?, part(2)?], mask, causal)
    }

    fn dim(&self) -> usize {
        self.in_proj_weight.shape()[1]
    }

    /// `count` of the three projections from number `first`, `[batch, time, count dim]`.
    fn project(&self, cx: &Cx, x: &Tensor, first: usize, count: usize) -> Result<Tensor> {
        let dim = self.dim();
        if x.rank() != 3 || x.shape()[2] != dim {
            return Err(Error::shape(
                "multi_head_attention",
                format!("{:?} is not [batch, time, {dim}]", x.shape()),
            ));
        }
        let (mut weight, mut bias) = (cx.param(&self.in_proj_weight), cx.param(&self.in_proj_bias));
        if count < 3 {
            weight = weight.narrow(0, first * dim, count * dim)?;
            bias = bias.narrow(0, first * dim, count * dim)?;
        }
        x.matmul(&weight.transpose()?)? + &bias
    }

    /// Attention of each head on its part of the projections, and the output's projection.
    fn heads_of(
        &self,
        cx: &Cx,
        projections: [Tensor; 3],
        mask: Option<&Tensor>,
        causal: bool,
    ) -> Result<Tensor> {
        let dim = self.dim();
        let [q, k, v] = projections.map(|x| {
            let [batch, time] = [x.shape()[0], x.shape()[1]];
            x.reshape(&[batch, time, self.heads, dim / self.heads])?.permute(&[0, 2, 1, 3])
        });
        let dropout = (cx.mode() == Mode::Train).then(|| (self.dropout, cx.stream()));
        let how = Attend { mask: mask.cloned(), causal, scale: None, dropout };
        let y = attention(&q?, &k?, &v?, &how)?.permute(&[0, 2, 1, 3])?;
        let y = y.reshape(&[y.shape()[0], y.shape()[1], dim])?;
        cx.within("out_proj", |cx| self.out_proj.forward(cx, &y))
    }
}

impl Module for MultiHeadAttention {
    /// `[batch, time, dim]` to the same shape: every step attends to all.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        self.attend_self(cx, x, None, false)
    }

    fn describe(&self) -> String {
        format!("attention({}, heads {}, dropout {})", self.dim(), self.heads, self.dropout)
    }
}
