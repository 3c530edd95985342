use crate::{Error, Param, Parameters, Result, Tensor};

/// An exponential moving average of a model's weights, which often does better on new data than the weights themselves.
/// Polyak and Juditsky, *Acceleration of stochastic approximation by averaging*, 1992; the form is PyTorch's
/// `AveragedModel` with `get_ema_multi_avg_fn`: the first update copies, later ones give `decay · average + (1 - decay) · w`.
/// Buffers, such as the statistics of a batch norm, are the model's own.
///
/// ```
/// use forge_core::{nn::{Init, Linear, Module}, optim::{Ema, Optimizer, Sgd}, Cx, Parameters, Tensor};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let (mut sgd, mut ema) = (Sgd::new(0.1), Ema::new(0.9)?);
/// let (x, y) = (Tensor::new(&[1.0f32], &[1, 1])?, Tensor::new(&[3.0f32], &[1, 1])?);
/// for step in 0..20 {
///     let cx = Cx::train(0, step);
///     let grads = model.forward(&cx, &x)?.mse(&y)?.backward(cx)?;
///     sgd.step(&mut model, &grads)?;
///     ema.update(&model)?;
/// }
/// ema.swap(&mut model)?; // the average is in the model: evaluate it,
/// let averaged = model.forward(&Cx::infer(), &x)?.item()?;
/// ema.swap(&mut model)?; // and put the weights back to train on.
/// assert_ne!(model.forward(&Cx::infer(), &x)?.item()?, averaged);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{nn::{Init, Linear}, optim::Ema, Parameters};
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let mut ema = Ema::new(0.9)?;
/// assert!(ema.state().is_empty());
/// ema.update(&model)?;
/// let mut resumed = Ema::new(0.9)?;
/// resumed.load_state(&ema.state(), &model)?; // and on from there
/// assert_eq!(resumed.state()[0].1.item()?, model.named_values()[0].1.item()?);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    /// In the order of the model's walk; empty before the first update.
    average: Vec<(String, Tensor)>,
}

impl Ema {
    /// With this share of the average in the next one, from 0 to below 1; 0.999 is usual.
    ///
    /// # Errors
    /// When `decay` is not in [0, 1).
    pub fn new(decay: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::argument("ema", format!("decay {decay} is not in [0, 1)")));
        }
        Ok(Ema { decay, average: Vec::new() })
    }

    /// Takes the model's weights into the average: to be called after every step of the optimizer.
    ///
    /// # Errors
    /// When the model is not the one of earlier updates.
    pub fn update(&mut self, model: &dyn Parameters) -> Result<()> {
        let mut weights = Vec::with_capacity(self.average.len());
        model.visit(&mut String::new(), &mut |name, param| {
            if !param.is_buffer() {
                // Names are kept from the first update on; no text is copied for the later ones.
                let name = if self.average.is_empty() { name.to_owned() } else { String::new() };
                weights.push((name, param));
            }
        });
        if self.average.is_empty() {
            // Shares the storage: the optimizer writes elsewhere while someone holds it.
            self.average = weights.into_iter().map(|(name, param)| (name, param.snapshot())).collect();
            return Ok(());
        }
        self.same_model(weights.iter().map(|(_, param)| *param))?;
        for ((_, average), (_, param)) in self.average.iter_mut().zip(weights) {
            let device = average.device().clone();
            device.optim().average(average, &param.snapshot(), self.decay)?;
        }
        Ok(())
    }

    /// Exchanges the model's weights and the average. Before the first update nothing is exchanged.
    ///
    /// # Errors
    /// When the model is not the one of the updates.
    pub fn swap(&mut self, model: &mut dyn Parameters) -> Result<()> {
        if self.average.is_empty() {
            return Ok(());
        }
        let mut weights = Vec::with_capacity(self.average.len());
        model.visit_mut(&mut String::new(), &mut |_, param| {
            if !param.is_buffer() {
                weights.push(param);
            }
            Ok(())
        })?;
        self.same_model(weights.iter().map(|param| &**param))?;
        for ((_, average), param) in self.average.iter_mut().zip(weights) {
            std::mem::swap(average, param.value_mut());
        }
        Ok(())
    }

    fn same_model<'a>(&self, weights: impl Iterator<Item = &'a Param>) -> Result<()> {
        if weights.map(Param::shape).eq(self.average.iter().map(|(_, average)| average.shape())) {
            return Ok(());
        }
        Err(Error::argument("ema", "the model's weights are not those that were averaged; use a new average"))
    }

    /// The average by name, for a checkpoint; empty before the first update.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.average.clone()
    }

    /// Takes over what [`Ema::state`] gave, for this model.
    ///
    /// # Errors
    /// When the names or shapes are not those of the model's weights.
    pub fn load_state(&mut self, state: &[(String, Tensor)], model: &dyn Parameters) -> Result<()> {
        let mut average = Vec::with_capacity(state.len());
        let mut missing = Vec::new();
        model.visit(&mut String::new(), &mut |name, param| {
            let saved = || state.iter().find(|(n, t)| n == name && t.shape() == param.shape());
            match (param.is_buffer(), saved()) {
                (true, _) => {}
                (false, Some(saved)) => average.push(saved.clone()),
                (false, None) => missing.push(format!("`{name}` {:?}", param.shape())),
            }
        });
        if !state.is_empty() && (!missing.is_empty() || average.len() != state.len()) {
            return Err(Error::argument(
                "ema",
                format!(
                    "{} tensors are not the averages of this model; it lacks {}",
                    state.len(),
                    missing.join(", ")
                ),
            ));
        }
        self.average = if state.is_empty() { Vec::new() } else { average };
        Ok(())
    }
}
