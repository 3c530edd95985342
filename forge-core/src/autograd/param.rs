//! Parameters: the weights of a model, which only an optimizer writes and only a context reads.

use crate::optim::no_match;
use crate::pattern::matches;
use crate::{DType, Device, Error, Result, Tensor};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Identity of a parameter while the program runs.
///
/// Unlike a name, which a model gives, it belongs to the parameter itself, wherever it is moved.
///
/// ```
/// use forge_core::{Param, ParamId, Tensor};
/// fn ordered<T: Ord + std::hash::Hash>() {}
/// ordered::<ParamId>(); // a key of maps
/// # assert!(Param::new(Tensor::new(&[0.0f32], &[1])?).count() == 1);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(u64);

/// A trainable tensor.
///
/// It is not a [`Tensor`] and does not turn into one by itself: a forward pass gets its value from
/// [`Cx::param`](super::Cx::param), which records it. So a weight that bypasses the tape does not compile.
///
/// ```compile_fail
/// use forge_core::{Param, Tensor};
/// fn forward(x: &Tensor, weight: &Param) -> forge_core::Result<Tensor> {
///     x.matmul(weight)
/// }
/// ```
///
/// A [buffer](Param::buffer) is kept and loaded with the parameters but not trained, such as the running mean of a
/// batch norm: a forward pass asks for a new value by [`Cx::update`](super::Cx::update), and the optimizer's step
/// writes it.
///
/// ```
/// use forge_core::{Cx, DType, Device, Param, Tensor};
/// let mut weight = Param::new(Tensor::new(&[1.0f32, 2.0], &[2])?);
/// let mean = Param::buffer(Tensor::new(&[0.0f32], &[1])?);
/// assert_eq!((weight.shape(), weight.count()), (&[2][..], 2));
/// weight.set(&Tensor::new(&[3.0f64, 4.0], &[2])?)?; // converted to the parameter's type
/// assert_eq!(weight.snapshot().to_vec::<f32>()?, [3.0, 4.0]);
/// weight.convert(DType::F64, &Device::cpu())?;
/// weight.freeze(true);
/// assert!(weight.is_frozen() && !weight.is_buffer() && mean.is_frozen() && mean.is_buffer());
/// assert!(!Cx::train(0, 0).param(&weight).is_tracked());
/// assert!(weight.set(&Tensor::new(&[3.0f64], &[1])?).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Param {
    id: ParamId,
    value: Tensor,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Weight,
    Frozen,
    Buffer,
}

impl Param {
    /// A parameter with a first value.
    pub fn new(value: Tensor) -> Self {
        Self::of(value, Role::Weight)
    }

    /// A value that is saved and loaded with the parameters and that no gradient reaches.
    pub fn buffer(value: Tensor) -> Self {
        Self::of(value, Role::Buffer)
    }

    fn of(value: Tensor, role: Role) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Param { id: ParamId(NEXT.fetch_add(1, Ordering::Relaxed)), value: value.detach(), role }
    }

    pub(crate) fn id(&self) -> ParamId {
        self.id
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// Number of scalars.
    pub fn count(&self) -> usize {
        self.value.count()
    }

    /// The value, for saving and inspection. What is computed from it is not tracked.
    pub fn snapshot(&self) -> Tensor {
        self.value.clone()
    }

    pub(super) fn value(&self) -> &Tensor {
        &self.value
    }

    pub(crate) fn value_mut(&mut self) -> &mut Tensor {
        &mut self.value
    }

    /// Replaces the value by one of the same shape, converted to the same element type and device.
    ///
    /// # Errors
    /// When the shapes differ, or the device does not hold the type.
    pub fn set(&mut self, value: &Tensor) -> Result<()> {
        if value.shape() != self.shape() {
            return Err(self.mismatch(value));
        }
        self.value = value.detach().to_dtype(self.value.dtype())?.to_device(self.value.device())?;
        Ok(())
    }

    fn mismatch(&self, value: &Tensor) -> Error {
        Error::shape("set", format!("a value of {:?} for a parameter of {:?}", value.shape(), self.shape()))
    }

    /// Converts a float value to another element type, and moves it. Integers (a buffer that counts) are only moved.
    ///
    /// # Errors
    /// When the device does not hold the type.
    pub fn convert(&mut self, dtype: DType, device: &Device) -> Result<()> {
        let dtype = if self.value.dtype().is_float() { dtype } else { self.value.dtype() };
        self.value = self.value.to_dtype(dtype)?.to_device(device)?;
        Ok(())
    }

    /// Whether no gradient is taken for it: it is frozen, or a buffer.
    pub fn is_frozen(&self) -> bool {
        self.role != Role::Weight
    }

    /// Whether it is a buffer.
    pub fn is_buffer(&self) -> bool {
        self.role == Role::Buffer
    }

    /// Makes optimizers leave a weight alone, or not. A buffer stays what it is.
    pub fn freeze(&mut self, frozen: bool) {
        if self.role != Role::Buffer {
            self.role = if frozen { Role::Frozen } else { Role::Weight };
        }
    }
}

/// Something that has parameters: one walk gives the optimizer, checkpoints, counting and device moves what they need.
///
/// The names are paths, such as `lstm.weight_ih_l0`, and the order is fixed.
///
/// A struct gets it from [`parameters!`](crate::parameters).
///
/// ```
/// use forge_core::{nn::{Init, Linear}, DType, Device, Parameters};
/// let mut model = Linear::new(&Init::new(0), 3, 2)?;
/// assert_eq!(model.parameter_count(), 3 * 2 + 2);
/// let mut names = Vec::new();
/// model.visit(&mut "head.".to_owned(), &mut |name, param| names.push(format!("{name} {:?}", param.shape())));
/// assert_eq!(names, ["head.weight [2, 3]", "head.bias [2]"]);
/// let before = model.named_values();
/// model.visit_mut(&mut String::new(), &mut |_, param| param.set(&param.snapshot().mul_scalar(0.0)?))?;
/// assert_eq!(model.named_values()[1].1.to_vec::<f32>()?, [0.0, 0.0]);
/// model.load_values(&before)?; // as they were
/// model.convert(DType::F64, &Device::cpu())?;
/// assert_eq!(model.named_values()[0].1.dtype(), DType::F64);
/// let error = model.load_values(&before[..1]).unwrap_err();
/// assert_eq!(error.to_string(), "no value for the parameters bias");
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Parameters {
    /// Calls `each` with the path and every parameter. `path` is what to put before the names: empty, or `lstm.`.
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param));

    /// The same, for writing.
    ///
    /// # Errors
    /// The first of `each`, after which the walk ends.
    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()>;

    /// Every parameter with its path.
    fn named_values(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        self.visit(&mut String::new(), &mut |name, param| all.push((name.to_owned(), param.snapshot())));
        all
    }

    /// Number of trainable scalars.
    fn parameter_count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut String::new(), &mut |_, param| {
            count += if param.is_frozen() { 0 } else { param.count() }
        });
        count
    }

    /// Converts every parameter to an element type and moves it to a device.
    ///
    /// # Errors
    /// When the device does not hold the type.
    fn convert(&mut self, dtype: DType, device: &Device) -> Result<()> {
        self.visit_mut(&mut String::new(), &mut |name, param| {
            param.convert(dtype, device).map_err(|e| e.within(name))
        })
    }

    /// Freezes the weights whose names fit `pattern`, in which `*` stands for any characters, or thaws them, and gives
    /// their number. The gradient of a frozen weight is not even computed.
    ///
    /// # Errors
    /// When the pattern fits no weight.
    ///
    /// ```
    /// use forge_core::{nn::{Init, Linear, Sequential}, Parameters};
    /// let init = Init::new(0);
    /// let mut model = Sequential::new().with("body", Linear::new(&init, 8, 4)?).with("head", Linear::new(&init, 4, 1)?);
    /// assert_eq!(model.freeze("body.*", true)?, 2);
    /// assert_eq!(model.parameter_count(), 5);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    fn freeze(&mut self, pattern: &str, frozen: bool) -> Result<usize> {
        let (mut count, mut names) = (0, Vec::new());
        self.visit_mut(&mut String::new(), &mut |name, param| {
            if !param.is_buffer() {
                names.push(name.to_owned());
                if matches(pattern, name) {
                    param.freeze(frozen);
                    count += 1;
                }
            }
            Ok(())
        })?;
        if count == 0 {
            return Err(no_match("freeze", pattern, names.iter().map(String::as_str)));
        }
        Ok(count)
    }

    /// Replaces every value by the one of the same name.
    ///
    /// # Errors
    /// When names do not match one to one, or shapes differ; nothing is then replaced.
    fn load_values(&mut self, values: &[(String, Tensor)]) -> Result<()> {
        let found = compare(self, values)?;
        let mut wrong = Vec::new();
        if !found.missing.is_empty() {
            wrong.push(format!("no value for the parameters {}", found.missing.join(", ")));
        }
        if !found.unexpected.is_empty() {
            wrong.push(format!("values that no parameter takes: {}", found.unexpected.join(", ")));
        }
        if !wrong.is_empty() {
            return Err(Error::other(wrong.join("; ")));
        }
        replace(self, values)
    }

    /// Replaces the values of those parameters for which there is one of the same name, and says what did not match:
    /// for a body that was trained under another head.
    ///
    /// # Errors
    /// When shapes of equal names differ; nothing is then replaced.
    ///
    /// ```
    /// use forge_core::{nn::{Init, Linear, Sequential}, Parameters};
    /// let init = Init::new(0);
    /// let body = || Linear::new(&init, 8, 4);
    /// let trained = Sequential::new().with("body", body()?).with("classes", Linear::new(&init, 4, 10)?);
    /// let mut model = Sequential::new().with("body", body()?).with("head", Linear::new(&init, 4, 1)?);
    /// let found = model.load_matching(&trained.named_values())?;
    /// assert_eq!(found.missing, ["head.weight", "head.bias"]);
    /// assert_eq!(found.unexpected, ["classes.weight", "classes.bias"]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    fn load_matching(&mut self, values: &[(String, Tensor)]) -> Result<Unmatched> {
        let found = compare(self, values)?;
        replace(self, values)?;
        Ok(found)
    }
}

/// Names that [`Parameters::load_matching`] found on one side only.
///
/// ```
/// use forge_core::{nn::{Init, Linear}, Parameters, Unmatched};
/// let mut model = Linear::new(&Init::new(0), 3, 2)?;
/// let values = model.named_values();
/// assert_eq!(model.load_matching(&values)?, Unmatched::default());
/// assert_eq!(model.load_matching(&values[..1])?.missing, ["bias"]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// Parameters that there was no value for: they are as before.
    pub missing: Vec<String>,
    /// Values that no parameter took.
    pub unexpected: Vec<String>,
}

/// Names on one side only; shapes that differ are an error.
fn compare<P: Parameters + ?Sized>(model: &P, values: &[(String, Tensor)]) -> Result<Unmatched> {
    let mut missing = Vec::new();
    let mut unexpected: BTreeMap<&str, (usize, &Tensor)> =
        values.iter().enumerate().map(|(i, (name, value))| (name.as_str(), (i, value))).collect();
    let mut wrong = None;
    model.visit(&mut String::new(), &mut |name, param| match unexpected.remove(name) {
        None => missing.push(name.to_owned()),
        Some((_, value)) if value.shape() != param.shape() => {
            wrong.get_or_insert_with(|| param.mismatch(value).within(name));
        }
        Some(_) => {}
    });
    if let Some(error) = wrong {
        return Err(error);
    }
    let mut left: Vec<(usize, &str)> = unexpected.into_iter().map(|(name, (i, _))| (i, name)).collect();
    left.sort_unstable();
    Ok(Unmatched { missing, unexpected: left.into_iter().map(|(_, name)| name.to_owned()).collect() })
}

fn replace<P: Parameters + ?Sized>(model: &mut P, values: &[(String, Tensor)]) -> Result<()> {
    let values: BTreeMap<&str, &Tensor> = values.iter().map(|(name, value)| (name.as_str(), value)).collect();
    model.visit_mut(&mut String::new(), &mut |name, param| match values.get(name) {
        Some(value) => param.set(value).map_err(|e| e.within(name)),
        None => Ok(()),
    })
}

/// The parameters of what is in the box, under the same names.
impl<P: Parameters + ?Sized> Parameters for Box<P> {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        (**self).visit(path, each);
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        (**self).visit_mut(path, each)
    }
}

/// A layer that may be left out has its parameters, or none.
impl<L: Parameters> Parameters for Option<L> {
    fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a Param)) {
        if let Some(layer) = self {
            layer.visit(path, each);
        }
    }

    fn visit_mut<'a>(
        &'a mut self,
        path: &mut String,
        each: &mut dyn FnMut(&str, &'a mut Param) -> Result<()>,
    ) -> Result<()> {
        self.as_mut().map_or(Ok(()), |layer| layer.visit_mut(path, each))
    }
}

/// Implements [`Parameters`] for a struct: its own parameters, then those that may be left out (`Option<Param>`), then the
/// layers in it, by field name.
///
/// ```
/// use forge_core::{nn::{Init, Linear}, parameters, Param, Parameters, Tensor};
/// struct Gate { scale: Param, shift: Option<Param>, inner: Linear }
/// parameters!(Gate { scale } optional { shift } layers { inner });
/// let gate = Gate {
///     scale: Param::new(Tensor::new(&[1.0f32], &[1])?),
///     shift: None,
///     inner: Linear::new(&Init::new(0), 3, 2)?,
/// };
/// let names: Vec<String> = gate.named_values().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["scale", "inner.weight", "inner.bias"]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[macro_export]
macro_rules! parameters {
    ($type:ty { $($param:ident),* $(,)? }
     $(optional { $($optional:ident),* $(,)? })? $(layers { $($layer:ident),* $(,)? })?) => {
        impl $crate::Parameters for $type {
            // A layer without parameters uses neither argument.
            #[allow(unused_variables)]
            fn visit<'a>(&'a self, path: &mut String, each: &mut dyn FnMut(&str, &'a $crate::Param)) {
                let depth = path.len();
                $(path.push_str(stringify!($param));
                  each(path, &self.$param);
                  path.truncate(depth);)*
                $($(if let Some(param) = &self.$optional {
                    path.push_str(stringify!($optional));
                    each(path, param);
                    path.truncate(depth);
                })*)?
                $($(path.push_str(concat!(stringify!($layer), "."));
                  $crate::Parameters::visit(&self.$layer, path, each);
                  path.truncate(depth);)*)?
            }

            #[allow(unused_variables)]
            fn visit_mut<'a>(
                &'a mut self,
                path: &mut String,
                each: &mut dyn FnMut(&str, &'a mut $crate::Param) -> $crate::Result<()>,
            ) -> $crate::Result<()> {
                let depth = path.len();
                $(path.push_str(stringify!($param));
                  each(path, &mut self.$param)?;
                  path.truncate(depth);)*
                $($(if let Some(param) = &mut self.$optional {
                    path.push_str(stringify!($optional));
                    each(path, param)?;
                    path.truncate(depth);
                })*)?
                $($(path.push_str(concat!(stringify!($layer), "."));
                  $crate::Parameters::visit_mut(&mut self.$layer, path, each)?;
                  path.truncate(depth);)*)?
                Ok(())
            }
        }
    };
}
