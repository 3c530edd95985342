//! Tensors: immutable values over shared storage.

mod display;

use crate::autograd::Track;
use crate::backend::{Arg, Memory, Shared};
use crate::layout::{Dims, Layout};
use crate::storage::Storage;
use crate::{DType, Device, Element, Error, ErrorKind, Host, Result};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An n-dimensional array of numbers on a device.
///
/// A tensor is an immutable value: cloning shares the storage, and views (slices, permutations, expansions) share it
/// too. Element type, shape and device are run-time values. Arithmetic gives `Result<Tensor>`; the operators work on
/// `&Tensor` and on `Result<Tensor>`, so an expression needs one `?`.
///
/// ```
/// use forge_core::Tensor;
/// let a = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let b = (&a * &a + &a)?;
/// assert_eq!(b.to_vec::<f32>()?, [2.0, 6.0, 12.0, 20.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// use forge_core::{DType, Device, Host, Tensor};
/// let cpu = Device::cpu();
/// let x = Tensor::from_vec(vec![1i64, 2, 3, 4, 5, 6], &[2, 3], &cpu)?;
/// assert_eq!((x.shape(), x.rank(), x.count(), x.dtype(), x.device()), (&[2, 3][..], 2, 6, DType::I64, &cpu));
/// assert_eq!(x.permute(&[1, 0])?.layout().strides(), [1, 3]); // a view: the same elements, read in another order
/// let y = x.to_dtype(DType::F64)?.to_device(&cpu)?;
/// assert_eq!(y.sum_all()?.item()?, 21.0);
/// assert_eq!(y.host()?, Host::F64(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
/// assert_eq!(Tensor::from_host(y.host()?, &[6], &cpu)?.to_f64_vec()?, y.to_f64_vec()?);
/// let half = Tensor::full(0.5, &[2, 1], DType::F64, &cpu)?;
/// assert_eq!((&Tensor::zeros(&[1, 2], DType::F64, &cpu)? + &half)?.to_vec::<f64>()?, [0.5; 4]);
/// assert_eq!(Tensor::scalar_like(2.0, &half)?.arg().layout.count(), 1); // as a backend's primitive reads it
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    storage: Shared<Storage>,
    layout: Layout,
    track: Option<Track>,
}

impl Tensor {
    /// Elements in row-major order, on the CPU.
    ///
    /// # Errors
    /// When the number of elements is not the product of `shape`, or the shape has too many dimensions.
    pub fn new<T: Element>(elements: &[T], shape: &[usize]) -> Result<Self> {
        Self::from_vec(elements.to_vec(), shape, &Device::cpu())
    }

    /// Elements in row-major order, on a device. Takes the vector without a copy where the device can.
    ///
    /// # Errors
    /// As [`Tensor::new`]; when the device does not hold this element type, or has no room.
    pub fn from_vec<T: Element>(elements: Vec<T>, shape: &[usize], device: &Device) -> Result<Self> {
        Self::from_host(T::wrap(elements), shape, device)
    }

    /// Elements of a run-time type in row-major order, on a device.
    ///
    /// # Errors
    /// As [`Tensor::from_vec`].
    pub fn from_host(host: Host, shape: &[usize], device: &Device) -> Result<Self> {
        let dims = Dims::new("tensor", shape)?;
        if host.len() != dims.count() {
            return Err(Error::shape(
                "tensor",
                format!(
                    "{} elements do not fill the shape {shape:?}, which has {}",
                    host.len(),
                    dims.count()
                ),
            ));
        }
        if !device.supports(host.dtype()) {
            return Err(unsupported(host.dtype()));
        }
        let storage = Storage::new(device.upload(host)?, device.clone()).share();
        Ok(Tensor { storage, layout: Layout::contiguous(dims), track: None })
    }

    /// A tensor of equal elements.
    ///
    /// # Errors
    /// When the shape has too many dimensions or elements, or the device does not hold this element type.
    pub fn full(value: f64, shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let dims = Dims::new("full", shape)?;
        Self::build(device, dtype, dims, |out| device.fill(out, value))
    }

    /// Zeros.
    ///
    /// # Errors
    /// As [`Tensor::full`].
    pub fn zeros(shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        Self::full(0.0, shape, dtype, device)
    }

    /// One number, without dimensions, of the type and on the device of `like`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn scalar_like(value: f64, like: &Tensor) -> Result<Self> {
        Self::full(value, &[], like.dtype(), like.device())
    }

    /// A new tensor whose elements `write` fills in.
    #[inline]
    pub(crate) fn build(
        device: &Device,
        dtype: DType,
        shape: Dims,
        write: impl FnOnce(&mut Memory) -> Result<()>,
    ) -> Result<Self> {
        Self::build_in(device, dtype, Layout::contiguous(shape), write)
    }

    /// The same over a layout whose elements lie side by side.
    #[inline]
    fn build_in(
        device: &Device,
        dtype: DType,
        layout: Layout,
        write: impl FnOnce(&mut Memory) -> Result<()>,
    ) -> Result<Self> {
        if !device.supports(dtype) {
            return Err(unsupported(dtype));
        }
        let mut storage = Storage::fresh(device, dtype, layout.count())?;
        write(storage.memory_mut().0)?;
        Ok(Tensor { storage: storage.share(), layout, track: None })
    }

    /// A new tensor of the operands' shape whose elements `write` makes one by one from theirs. It lies in memory as the
    /// first operand does whose elements lie side by side, so that images with channels last keep them there; with none,
    /// row-major.
    #[inline]
    pub(crate) fn elementwise<const N: usize>(
        device: &Device,
        dtype: DType,
        operands: [Arg; N],
        write: impl FnOnce([Arg; N], &mut Memory) -> Result<()>,
    ) -> Result<Self> {
        match operands.first() {
            Some(first) if first.layout.is_contiguous() => {
                Self::build_in(device, dtype, first.layout.at_start(), |out| write(operands, out))
            }
            _ => Self::elementwise_turned(device, dtype, operands, write),
        }
    }

    /// The same of operands of which the first is not row-major.
    #[inline(never)]
    fn elementwise_turned<const N: usize>(
        device: &Device,
        dtype: DType,
        operands: [Arg; N],
        write: impl FnOnce([Arg; N], &mut Memory) -> Result<()>,
    ) -> Result<Self> {
        const OP: &str = "elementwise";
        let Some(first) = operands.first() else { return Err(Error::argument(OP, "there is no operand")) };
        let order = operands.iter().find_map(|x| x.layout.dense_order());
        let Some(order) = order.filter(|order| !order.is_sorted()) else {
            return Self::build(device, dtype, *first.layout.shape(), |out| write(operands, out));
        };
        let mut layouts = operands.map(|x| *x.layout);
        for layout in &mut layouts {
            *layout = layout.permute(OP, &order)?;
        }
        let turned = std::array::from_fn(|k| Arg { memory: operands[k].memory, layout: &layouts[k] });
        let out = Self::build(device, dtype, *layouts[0].shape(), |out| write(turned, out))?;
        let mut back = order;
        order.iter().enumerate().for_each(|(to, &from)| back.as_mut()[from] = to);
        Ok(out.view(out.layout().permute(OP, &back)?))
    }

    /// The same storage seen through another layout; untracked.
    pub(crate) fn view(&self, layout: Layout) -> Self {
        Tensor { storage: self.storage.clone(), layout, track: None }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    pub(crate) fn dims(&self) -> &Dims {
        self.layout.shape()
    }

    /// Shape, strides and offset.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.layout.count()
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.storage.memory().dtype()
    }

    /// The device it lives on.
    pub fn device(&self) -> &Device {
        self.storage.device()
    }

    /// The tensor as an operand of a backend's primitive.
    pub fn arg(&self) -> Arg<'_> {
        Arg { memory: self.storage.memory(), layout: &self.layout }
    }

    pub(crate) fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    pub(crate) fn with_track(mut self, track: Option<Track>) -> Self {
        self.track = track;
        self
    }

    pub(crate) fn set_track(&mut self, track: Track) {
        self.track = Some(track);
    }

    /// Whether a tape records what is done with this value. See [`Cx::track`](crate::Cx::track).
    pub fn is_tracked(&self) -> bool {
        self.track.is_some()
    }

    /// Whether both are views of one storage.
    pub(crate) fn is_view_of(&self, other: &Tensor) -> bool {
        Shared::same(&self.storage, &other.storage)
    }

    /// The same value, unknown to any tape: gradients stop here.
    ///
    /// See [`Cx::track`](crate::Cx::track).
    pub fn detach(&self) -> Self {
        Tensor { storage: self.storage.clone(), layout: self.layout, track: None }
    }

    /// The memory for writing, if this tensor alone holds it and covers all of it.
    pub(crate) fn memory_mut(&mut self) -> Option<(&mut Memory, Device)> {
        let all = self.layout.contiguous_range()? == (0..self.storage.memory().len());
        let (memory, device) = self.storage.get_mut()?.memory_mut();
        all.then(|| (memory, device.clone()))
    }

    /// The memory for writing; of values that others hold too, a copy is made first.
    pub(crate) fn memory_alone(&mut self) -> Result<&mut Memory> {
        if self.memory_mut().is_none() {
            *self = self.converted(self.dtype(), self.device())?;
        }
        match self.memory_mut() {
            Some((memory, _)) => Ok(memory),
            None => Err(Error::other("a copy of a tensor is held by someone else")),
        }
    }

    /// What `make` makes of these weights for a kernel to read, such as packed panels. It is kept with the storage of the
    /// first until someone writes to one of them; one value at a time, so that the type stands for one kernel's layout.
    pub(crate) fn panels<P: Any + Send + Sync, const N: usize>(
        weights: [&Tensor; N],
        make: impl FnOnce() -> Result<P>,
    ) -> Result<Arc<P>> {
        // A part of a storage is not told from another part of it.
        let whole = weights.iter().all(|w| w.layout.contiguous_range() == Some(0..w.storage.memory().len()));
        let Some(first) = weights.first().filter(|_| whole) else { return make().map(Arc::new) };
        let of = weights.map(|w| (&*w.storage, w.dims()));
        if let Some(kept) = first.storage.kept(of) {
            return Ok(kept);
        }
        let made = Arc::new(make()?);
        first.storage.keep(of, made.clone());
        Ok(made)
    }

    /// Row-major over storage of its own size; itself where that is so already. Untracked.
    pub(crate) fn packed(&self) -> Result<Self> {
        if self.layout.contiguous_range() == Some(0..self.storage.memory().len()) {
            return Ok(self.detach());
        }
        self.converted(self.dtype(), self.device())
    }

    fn converted(&self, dtype: DType, device: &Device) -> Result<Self> {
        let to = Layout::contiguous(*self.dims());
        Self::build(device, dtype, *self.dims(), |out| device.copy(self.arg(), out, &to))
    }

    /// The same values as another element type. Tracked values must be detached first.
    ///
    /// # Errors
    /// When the value is tracked, or its device does not hold the other type.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        self.untracked("to_dtype")?;
        if dtype == self.dtype() { Ok(self.clone()) } else { self.converted(dtype, self.device()) }
    }

    /// The same values on another device. Tracked values must be detached first.
    ///
    /// # Errors
    /// When the value is tracked, or the other device does not hold its type.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        self.untracked("to_device")?;
        if device == self.device() {
            return Ok(self.clone());
        }
        Self::from_host(self.host()?, self.shape(), device)
    }

    fn untracked(&self, op: &'static str) -> Result<()> {
        if self.is_tracked() {
            return Err(Error::argument(op, "conversions are not differentiated; call `.detach()` first"));
        }
        Ok(())
    }

    /// The elements in row-major order, in host memory.
    ///
    /// # Errors
    /// When the device fails.
    pub fn host(&self) -> Result<Host> {
        let packed = self.packed()?;
        self.device().download(packed.storage.memory())
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// When `T` is not the element type: convert with [`Tensor::to_dtype`] first.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let host = self.host()?;
        match T::slice(&host) {
            Some(elements) => Ok(elements.to_vec()),
            None => Err(ErrorKind::DTypes { op: "to_vec", left: self.dtype(), right: T::DTYPE }.into()),
        }
    }

    /// The elements in row-major order, as f64.
    ///
    /// # Errors
    /// When the device fails.
    pub fn to_f64_vec(&self) -> Result<Vec<f64>> {
        self.detach().to_dtype(DType::F64)?.to_vec()
    }

    /// The one element of a tensor that has one.
    ///
    /// # Errors
    /// When it has no element, or more than one.
    pub fn item(&self) -> Result<f64> {
        if self.count() != 1 {
            return Err(Error::shape(
                "item",
                format!("{:?} has {} elements, not one", self.shape(), self.count()),
            ));
        }
        let at = self.layout.offset();
        let host = |value: Option<f64>| value.ok_or_else(|| Error::other("item: the element is not there"));
        match self.storage.memory() {
            Memory::Host(Host::F32(v)) => host(v.get(at).map(|v| f64::from(*v))),
            Memory::Host(Host::F64(v)) => host(v.get(at).copied()),
            Memory::Host(Host::I64(v)) => host(v.get(at).map(|v| *v as f64)),
            Memory::Aligned(elements) => host(match elements.dtype() {
                DType::F32 => elements.slice::<f32>().and_then(|v| Some(f64::from(*v.get(at)?))),
                DType::F64 => elements.slice::<f64>().and_then(|v| v.get(at).copied()),
                DType::I64 => elements.slice::<i64>().and_then(|v| Some(*v.get(at)? as f64)),
            }),
            Memory::Device(_) => host(self.to_f64_vec()?.first().copied()),
        }
    }

    /// From an `ndarray` array of any layout, on the CPU.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let array = ndarray::arr2(&[[1.0f64, 2.0], [3.0, 4.0]]).into_dyn();
    /// let tensor = Tensor::from_ndarray(array.view())?;
    /// assert_eq!(tensor.to_ndarray::<f64>()?, array);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the array has more than [`MAX_RANK`](crate::MAX_RANK) dimensions.
    pub fn from_ndarray<T: Element>(array: ArrayViewD<'_, T>) -> Result<Self> {
        Self::from_vec(array.iter().copied().collect(), array.shape(), &Device::cpu())
    }

    /// As an `ndarray` array.
    ///
    /// See [`Tensor::from_ndarray`].
    ///
    /// # Errors
    /// As [`Tensor::to_vec`].
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(self.shape()), self.to_vec()?)
            .map_err(|e| Error::shape("to_ndarray", e.to_string()))
    }
}

fn unsupported(dtype: DType) -> Error {
    ErrorKind::DType { op: "tensor", dtype, hint: "this device has no such element type; use f32" }.into()
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracked = if self.is_tracked() { ", tracked" } else { "" };
        write!(f, "Tensor({:?}, {}, {}{tracked})", self.shape(), self.dtype(), self.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ndarray_of_any_layout_goes_both_ways() {
        let array = ndarray::arr2(&[[1i64, 2, 3], [4, 5, 6]]).into_dyn();
        let turned = array.view().reversed_axes();
        let tensor = Tensor::from_ndarray(turned.view()).unwrap();
        assert_eq!(tensor.shape(), [3, 2]);
        assert_eq!(tensor.to_vec::<i64>().unwrap(), [1, 4, 2, 5, 3, 6]);
        assert_eq!(tensor.to_ndarray::<i64>().unwrap(), turned);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_an_error() {
        let error = Tensor::new(&[1.0f32; 5], &[2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "tensor: 5 elements do not fill the shape [2, 3], which has 6");
        let error = Tensor::new(&[1.0f32; 6], &[2, 3]).unwrap().to_vec::<f64>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "to_vec: f32 and f64 do not mix; convert one of them with `.to_dtype(...)`"
        );
    }
}
