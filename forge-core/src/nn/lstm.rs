use super::{Init, Module};
use crate::backend::LstmArgs;
use crate::{Cx, Error, Param, Parameters, Result, Tensor, ops};

/// Stacked long short-term memory layers over a sequence.
///
/// Names, gate order, both biases and first weights are PyTorch's: `weight_ih_l0` `[4 hidden, features]`,
/// `weight_hh_l0` `[4 hidden, hidden]`, `bias_ih_l0` and `bias_hh_l0` `[4 hidden]`, then `…_l1`.
///
/// ```
/// use forge_core::{nn::{Init, Lstm, Module}, Cx, DType, Device, Tensor};
/// let layer = Lstm::new(&Init::new(0), 3, 16, 2, 0.1)?;
/// let x = Tensor::zeros(&[8, 20, 3], DType::F32, &Device::cpu())?;
/// assert_eq!(layer.forward(&Cx::infer(), &x)?.shape(), [8, 20, 16]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Lstm {
    layers: Vec<Layer>,
    hidden_size: usize,
    dropout: f64,
}

#[derive(Debug)]
struct Layer {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
}

impl Lstm {
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
        if features == 0 || hidden_size == 0 || layers == 0 {
            return Err(Error::argument(
                "lstm",
                format!(
                    "features {features}, hidden_size {hidden_size} and layers {layers} must all be at least 1"
                ),
            ));
        }
        if !(0.0..1.0).contains(&dropout) {
            return Err(Error::argument("lstm", format!("dropout {dropout} is not in [0, 1)")));
        }
        let bound = 1.0 / (hidden_size as f64).sqrt();
        // A size beyond all memory is for `Init` to refuse.
        let gates = hidden_size.saturating_mul(4);
        let layer = |k: usize| -> Result<Layer> {
            let width = if k == 0 { features } else { hidden_size };
            let param = |name: &str, shape: &[usize]| init.uniform(&format!("{name}_l{k}"), shape, bound);
            Ok(Layer {
                weight_ih: param("weight_ih", &[gates, width])?,
                weight_hh: param("weight_hh", &[gates, hidden_size])?,
                bias_ih: param("bias_ih", &[gates])?,
                bias_hh: param("bias_hh", &[gates])?,
            })
        };
        Ok(Lstm { layers: (0..layers).map(layer).collect::<Result<_>>()?, hidden_size, dropout })
    }
}

impl Parameters for Lstm {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        let depth = path.len();
        for (k, layer) in self.layers.iter().enumerate() {
            let Layer { weight_ih, weight_hh, bias_ih, bias_hh } = layer;
            for (name, param) in NAMES.iter().zip([weight_ih, weight_hh, bias_ih, bias_hh]) {
                path.push_str(&format!("{name}_l{k}"));
                each(path, param);
                path.truncate(depth);
            }
        }
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        let depth = path.len();
        for (k, layer) in self.layers.iter_mut().enumerate() {
            let Layer { weight_ih, weight_hh, bias_ih, bias_hh } = layer;
            for (name, param) in NAMES.iter().zip([weight_ih, weight_hh, bias_ih, bias_hh]) {
                path.push_str(&format!("{name}_l{k}"));
                each(path, param)?;
                path.truncate(depth);
            }
        }
        Ok(())
    }
}

const NAMES: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];

impl Module for Lstm {
    /// `[batch, time, features] → [batch, time, hidden_size]`, from zero states.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let state = [x.shape().first().copied().unwrap_or(0), self.hidden_size];
        let zeros = Tensor::zeros(&state, x.dtype(), x.device())?;
        let mut y = x.clone();
        for (k, layer) in self.layers.iter().enumerate() {
            if k > 0 && matches!(cx.mode(), crate::Mode::Train) {
                y = y.dropout(self.dropout, cx.stream())?;
            }
            let args = LstmArgs {
                x: y,
                h0: zeros.clone(),
                c0: zeros.clone(),
                w_ih: cx.param(&layer.weight_ih),
                w_hh: cx.param(&layer.weight_hh),
                b_ih: cx.param(&layer.bias_ih),
                b_hh: cx.param(&layer.bias_hh),
                lengths: None,
                reverse: false,
            };
            y = ops::lstm(&args)?.y;
        }
        Ok(y)
    }

    fn describe(&self) -> String {
        format!("lstm(hidden {}, layers {}, dropout {})", self.hidden_size, self.layers.len(), self.dropout)
    }
}
