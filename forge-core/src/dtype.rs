//! Element types.

use std::fmt;

/// The type of a tensor's elements.
///
/// ```
/// use forge_core::DType;
/// assert_eq!([DType::F32, DType::F64, DType::I64].map(DType::size), [4, 8, 8]);
/// assert!(DType::F32.is_float() && !DType::I64.is_float());
/// assert_eq!(DType::I64.to_string(), "i64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit float: the working type.
    F32,
    /// 64-bit float: everything runs in it on the CPU, for verification.
    F64,
    /// 64-bit integer: classes and indices.
    I64,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F64 | DType::I64 => 8,
        }
    }

    /// Whether gradients exist in this type.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I64 => "i64",
        })
    }
}

/// Elements in host memory.
///
/// ```
/// use forge_core::{DType, Host};
/// let zeros = Host::zeros(DType::I64, 3);
/// assert_eq!((zeros.len(), zeros.is_empty(), zeros.dtype()), (3, false, DType::I64));
/// assert_eq!(zeros, Host::I64(vec![0, 0, 0]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Host {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
}

impl Host {
    /// `len` zeros.
    pub fn zeros(dtype: DType, len: usize) -> Self {
        match dtype {
            DType::F32 => Host::F32(vec![0.0; len]),
            DType::F64 => Host::F64(vec![0.0; len]),
            DType::I64 => Host::I64(vec![0; len]),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Host::F32(v) => v.len(),
            Host::F64(v) => v.len(),
            Host::I64(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Host::F32(_) => DType::F32,
            Host::F64(_) => DType::F64,
            Host::I64(_) => DType::I64,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
}

/// A Rust type that tensors hold.
///
/// ```
/// use forge_core::{DType, Element, Host};
/// fn doubled<T: Element>(host: &mut Host) -> Option<&[T]> {
///     T::slice_mut(host)?.iter_mut().for_each(|x| *x = T::from_f64(2.0 * x.to_f64()));
///     T::slice(host)
/// }
/// let mut host = f32::wrap(vec![1.5, 2.0]);
/// assert_eq!(doubled::<f32>(&mut host), Some(&[3.0f32, 4.0][..]));
/// assert_eq!(doubled::<i64>(&mut host), None); // another type
/// assert_eq!(f32::DTYPE, DType::F32);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + fmt::Debug + 'static {
    /// Its run-time name.
    const DTYPE: DType;
    /// Elements into host memory.
    fn wrap(values: Vec<Self>) -> Host;
    /// The elements, if they are of this type.
    fn slice(host: &Host) -> Option<&[Self]>;
    /// The elements, if they are of this type.
    fn slice_mut(host: &mut Host) -> Option<&mut [Self]>;
    /// Nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// As f64: exact for floats, and for integers up to 2⁵³.
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const DTYPE: DType = DType::$variant;
            fn wrap(values: Vec<Self>) -> Host {
                Host::$variant(values)
            }
            fn slice(host: &Host) -> Option<&[Self]> {
                match host {
                    Host::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn slice_mut(host: &mut Host) -> Option<&mut [Self]> {
                match host {
                    Host::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    };
}
element!(f32, F32);
element!(f64, F64);
element!(i64, I64);
