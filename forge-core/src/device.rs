//! Devices: where tensors live and who computes on them.

use crate::backend::{Backend, Cpu};
use crate::storage::Storage;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A handle on a backend. Cloning it is cheap.
///
/// ```
/// use forge_core::{backend::Cpu, DType, Device, Tensor};
/// assert_eq!(Device::cpu(), Device::cpu());
/// let own = Device::new(Cpu::new()); // another device, although of the same kind
/// assert_ne!(own, Device::cpu());
/// assert_eq!(own.to_string(), "cpu");
/// let (here, there) = (Tensor::zeros(&[2], DType::F32, &own)?, Tensor::zeros(&[2], DType::F32, &Device::cpu())?);
/// assert!((&here + &there).is_err());
/// assert_eq!((&here + there.to_device(&own)?)?.to_vec::<f32>()?, [0.0, 0.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Device(Arc<dyn Backend>);

impl Device {
    /// A device run by `backend`.
    pub fn new(backend: impl Backend) -> Self {
        Device(Arc::new(backend))
    }

    /// The CPU. All handles that this gives are the same device.
    pub fn cpu() -> Self {
        static CPU: LazyLock<Device> = LazyLock::new(|| Device::new(Cpu::new()));
        CPU.clone()
    }

    /// Number of handles on this device: every clone is one, and each storage of tensors holds one. Where it is higher
    /// after a piece of work than before, tensors are still held. (A storage that another thread keeps for its next
    /// tensor counts until that thread ends.)
    ///
    /// ```
    /// use forge_core::{backend::Cpu, Device, Tensor};
    /// let device = Device::new(Cpu::new());
    /// let before = device.handles();
    /// let x = Tensor::from_vec(vec![1.0f32, 2.0], &[2], &device)?;
    /// let (view, copy) = (x.reshape(&[2, 1])?, (&x + &x)?);
    /// assert_eq!(device.handles(), before + 2); // a view has no storage of its own
    /// drop((x, view, copy));
    /// assert_eq!(device.handles(), before);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0) - Storage::kept_of(self)
    }
}

impl Deref for Device {
    type Target = dyn Backend;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Default for Device {
    fn default() -> Self {
        Device::cpu()
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
}
