use super::MultiHeadAttention;
use crate::nn::{Activation, Dropout, Init, LayerNorm, Linear, Module};
use crate::{Cx, Error, Param, Parameters, Result, Tensor, parameters};

/// Attention and two linear maps, each with a shortcut, a layer norm and dropout.
///
/// Names and first weights are PyTorch's `TransformerEncoderLayer`: `self_attn.…`, `linear1.…`, `linear2.…`, `norm1.…`,
/// `norm2.…`.
///
/// `[batch, time, dim]` → the same: x = norm1(x + attention(x)), y = norm2(x + linear2(relu(linear1(x)))). Vaswani and
/// others, NeurIPS 2017.
///
/// ```
/// use forge_core::{nn::{Init, Module, TransformerEncoderLayer}, Cx, DType, Device, Tensor};
/// let layer = TransformerEncoderLayer::new(&Init::new(0), 16, 4, 64, 0.1)?.norm_first(true);
/// let x = Tensor::zeros(&[2, 10, 16], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [2, 10, 16]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{backend::{Unary, UnaryKind}, nn::{Activation, Init, TransformerEncoderLayer}};
/// use forge_core::{Cx, DType, Device, Tensor};
/// let layer = TransformerEncoderLayer::new(&Init::new(0), 16, 4, 64, 0.0)?;
/// let layer = layer.activation(Activation::of(Unary::new(UnaryKind::Gelu)));
/// let x = Tensor::full(1.0, &[1, 10, 16], DType::F32, &Device::cpu())?;
/// let ends = |x: &Tensor| layer.encode(&Cx::infer(), x, None, true)?.narrow(1, 0, 9)?.to_vec::<f32>();
/// let last = Tensor::concat(&[&x.narrow(1, 0, 9)?, &Tensor::zeros(&[1, 1, 16], DType::F32, &Device::cpu())?], 1)?;
/// assert_eq!(ends(&x)?, ends(&last)?); // causal: no step sees the last
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformerEncoderLayer {
    self_attn: MultiHeadAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    activation: Activation,
    dropout: Dropout,
    norm_first: bool,
}

parameters!(TransformerEncoderLayer {} layers { self_attn, linear1, linear2, norm1, norm2 });

impl TransformerEncoderLayer {
    /// `dim` features, `heads` heads, `feedforward` features between the linear maps with ReLU on them, and dropout on the
    /// weights of the keys, on those features, and on what is added to each shortcut. The norms come after the shortcuts.
    ///
    /// # Errors
    /// When `dim` is not a multiple of `heads`, a size is 0, or the dropout rate is not in [0, 1).
    pub fn new(init: &Init, dim: usize, heads: usize, feedforward: usize, dropout: f64) -> Result<Self> {
        if feedforward == 0 {
            return Err(Error::argument("transformer_encoder", "feedforward 0; it must be at least 1"));
        }
        Ok(TransformerEncoderLayer {
            self_attn: MultiHeadAttention::new(&init.within("self_attn"), dim, heads, dropout)?,
            linear1: Linear::new(&init.within("linear1"), dim, feedforward)?,
            linear2: Linear::new(&init.within("linear2"), feedforward, dim)?,
            norm1: LayerNorm::new(&init.within("norm1"), &[dim])?,
            norm2: LayerNorm::new(&init.within("norm2"), &[dim])?,
            activation: Activation::relu(),
            dropout: Dropout::new(dropout)?,
            norm_first: false,
        })
    }

    /// Whether the norms come before the attention and the linear maps, inside the shortcuts: Xiong and others, *On layer
    /// normalization in the transformer architecture*, ICML 2020.
    pub fn norm_first(mut self, first: bool) -> Self {
        self.norm_first = first;
        self
    }

    /// Another function between the linear maps, such as GELU.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// As [`MultiHeadAttention::attend_self`]: with a mask, `[batch, time, dim]` to the same shape.
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn encode(&self, cx: &Cx, x: &Tensor, mask: Option<&Tensor>, causal: bool) -> Result<Tensor> {
        let attend = |x: &Tensor| {
            let y = cx.within("self_attn", |cx| self.self_attn.attend_self(cx, x, mask, causal))?;
            self.dropout.forward(cx, &y)
        };
        let map = |x: &Tensor| {
            let hidden = cx.within("linear1", |cx| self.linear1.forward(cx, x))?;
            let hidden = self.dropout.forward(cx, &self.activation.forward(cx, &hidden)?)?;
            let y = cx.within("linear2", |cx| self.linear2.forward(cx, &hidden))?;
            self.dropout.forward(cx, &y)
        };
        let norm1 = |x: &Tensor| cx.within("norm1", |cx| self.norm1.forward(cx, x));
        let norm2 = |x: &Tensor| cx.within("norm2", |cx| self.norm2.forward(cx, x));
        if self.norm_first {
            let x = (x + attend(&norm1(x)?)?)?;
            &x + map(&norm2(&x)?)?
        } else {
            let x = norm1(&(x + attend(x)?)?)?;
            norm2(&(&x + map(&x)?)?)
        }
    }
}

impl Module for TransformerEncoderLayer {
    /// `[batch, time, dim]` to the same shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        self.encode(cx, x, None, false)
    }

    fn describe(&self) -> String {
        let order = if self.norm_first { ", norm first" } else { "" };
        format!("encoder({}, {}{order})", self.self_attn.describe(), self.linear1.describe())
    }
}

/// Encoder layers on top of each other, with a norm at the end if there is one.
///
/// Names are PyTorch's `TransformerEncoder`: `layers.0.…`, `layers.1.…`, `norm.…`.
///
/// `[batch, time, dim]` → the same. Vaswani and others, NeurIPS 2017.
///
/// ```
/// use forge_core::{nn::{Init, Module, TransformerEncoder, TransformerEncoderLayer}, Cx, DType, Device, Tensor};
/// let layer = |init: &Init| Ok(TransformerEncoderLayer::new(init, 16, 4, 64, 0.1)?.norm_first(true));
/// let encoder = TransformerEncoder::new(&Init::new(0), 3, layer)?.with_norm(&Init::new(0), 16)?;
/// let x = Tensor::zeros(&[2, 10, 16], DType::F32, &Device::cpu())?;
/// assert_eq!(encoder.forward(&Cx::infer(), &x)?.shape(), [2, 10, 16]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Init, TransformerEncoder, TransformerEncoderLayer}, Cx, DType, Device, Tensor};
/// let encoder = TransformerEncoder::new(&Init::new(0), 2, |init| TransformerEncoderLayer::new(init, 8, 2, 16, 0.0))?;
/// let x = Tensor::full(1.0, &[1, 3, 8], DType::F32, &Device::cpu())?;
/// let there = Tensor::new(&[1i64, 1, 0], &[1, 1, 1, 3])?; // the last step is padding
/// let y = encoder.encode(&Cx::infer(), &x, Some(&there), false)?;
/// let without = encoder.encode(&Cx::infer(), &x.narrow(1, 0, 2)?, None, false)?;
/// assert!((y.narrow(1, 0, 2)? - without)?.abs()?.max_all()?.item()? < 1e-5);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerEncoderLayer>,
    norm: Option<LayerNorm>,
}

impl TransformerEncoder {
    /// `layers` layers, each made by `layer`.
    ///
    /// # Errors
    /// Those of `layer`.
    pub fn new(
        init: &Init,
        layers: usize,
        layer: impl Fn(&Init) -> Result<TransformerEncoderLayer>,
    ) -> Result<Self> {
        let layers =
            (0..layers).map(|k| layer(&init.within(&format!("layers.{k}")))).collect::<Result<_>>()?;
        Ok(TransformerEncoder { layers, norm: None })
    }

    /// The same with a layer norm of `dim` features at the end, as goes with [`TransformerEncoderLayer::norm_first`].
    ///
    /// # Errors
    /// When `dim` is 0.
    pub fn with_norm(mut self, init: &Init, dim: usize) -> Result<Self> {
        self.norm = Some(LayerNorm::new(&init.within("norm"), &[dim])?);
        Ok(self)
    }

    /// As [`TransformerEncoderLayer::encode`], all layers with one mask.
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn encode(&self, cx: &Cx, x: &Tensor, mask: Option<&Tensor>, causal: bool) -> Result<Tensor> {
        let mut y = x.clone();
        for (k, layer) in self.layers.iter().enumerate() {
            y = cx.within(&format!("layers.{k}"), |cx| layer.encode(cx, &y, mask, causal))?;
        }
        match &self.norm {
            Some(norm) => cx.within("norm", |cx| norm.forward(cx, &y)),
            None => Ok(y),
        }
    }
}

impl Parameters for TransformerEncoder {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        let depth = path.len();
        for (k, layer) in self.layers.iter().enumerate() {
            path.push_str(&format!("layers.{k}."));
            layer.visit(path, each);
            path.truncate(depth);
        }
        path.push_str("norm.");
        self.norm.visit(path, each);
        path.truncate(depth);
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        let depth = path.len();
        for (k, layer) in self.layers.iter_mut().enumerate() {
            path.push_str(&format!("layers.{k}."));
            layer.visit_mut(path, each)?;
            path.truncate(depth);
        }
        path.push_str("norm.");
        self.norm.visit_mut(path, each)?;
        path.truncate(depth);
        Ok(())
    }
}

impl Module for TransformerEncoder {
    /// `[batch, time, dim]` to the same shape: every step attends to all.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        self.encode(cx, x, None, false)
    }

    fn describe(&self) -> String {
        let layer = self.layers.first().map_or_else(String::new, Module::describe);
        format!("{} layers of {layer}", self.layers.len())
    }
}
