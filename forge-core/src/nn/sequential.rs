use super::Module;
use crate::{Cx, Param, Parameters, Result, Tensor};

/// Layers one after the other, each with a name that its parameters and errors carry.
///
/// y = fₙ(… f₂(f₁(x))); the parameters of the layer `hidden` are `hidden.weight` and so on, as PyTorch's of an `OrderedDict`.
///
/// The shapes are those of the layers: each takes the result of the one before.
///
/// ```
/// use forge_core::{nn::{Activation, Init, Linear, Module, Sequential}, Parameters};
/// let init = Init::new(0);
/// let model = Sequential::new()
///     .with("hidden", Linear::new(&init.within("hidden"), 4, 8)?)
///     .with("act", Activation::relu())
///     .with("head", Linear::new(&init.within("head"), 8, 1)?);
/// assert_eq!(model.parameter_count(), 4 * 8 + 8 + 8 + 1);
/// assert_eq!(model.named_values()[2].0, "head.weight");
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<(String, Box<dyn Module>)>,
}

impl Sequential {
    /// No layer: the output is the input.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more layer. A name that is already there gets a number: `linear`, `linear_2`.
    ///
    /// An activation, a max-pooling, and the choice of the last time step become part of the layer before them where that
    /// can do both in one pass over memory: see [`Module::fuse`].
    pub fn with(mut self, name: &str, layer: impl Module + 'static) -> Self {
        if let (Some(tail), Some((_, before))) = (layer.tail(), self.layers.last_mut())
            && before.fuse(tail)
        {
            return self;
        }
        let taken = |wanted: &str| self.layers.iter().any(|(n, _)| n == wanted);
        let mut unique = name.to_owned();
        let mut number = 1;
        while taken(&unique) {
            number += 1;
            unique = format!("{name}_{number}");
        }
        self.layers.push((unique, Box::new(layer)));
        self
    }
}

impl Parameters for Sequential {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        let depth = path.len();
        for (name, layer) in &self.layers {
            path.push_str(name);
            path.push('.');
            layer.visit(path, each);
            path.truncate(depth);
        }
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        let depth = path.len();
        for (name, layer) in &mut self.layers {
            path.push_str(name);
            path.push('.');
            layer.visit_mut(path, each)?;
            path.truncate(depth);
        }
        Ok(())
    }
}

impl Module for Sequential {
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let mut y = x.clone();
        for (name, layer) in &self.layers {
            y = cx.within(name, |cx| layer.forward(cx, &y))?;
        }
        Ok(y)
    }

    fn describe(&self) -> String {
        self.layers.iter().map(|(_, l)| l.describe()).collect::<Vec<_>>().join(" → ")
    }
}
