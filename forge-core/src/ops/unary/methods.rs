//! The methods of elementwise operations without constants.

use crate::backend::{Unary, UnaryKind};
use crate::{Result, Tensor};

/// A method for each row of the table without constants.
macro_rules! methods {
    ($($(#[$doc:meta])* pub fn $fn:ident = $name:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            pub fn $fn(&self) -> Result<Tensor> {
                self.unary(Unary::new(UnaryKind::$name))
            })*
        }
    };
}
methods! {
    /// `x²`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[3.0f64, -2.0], &[2])?.square()?.to_vec::<f64>()?;
    /// assert_eq!(y, [9.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn square = Square;

    /// `y = |x|`, elementwise; the shape stays. The derivative at 0 is 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[3.0f64, -2.0], &[2])?.abs()?.to_vec::<f64>()?;
    /// assert_eq!(y, [3.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn abs = Abs;

    /// `√x`, elementwise; the shape stays. NaN below 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[9.0f64, 0.25], &[2])?.sqrt()?.to_vec::<f64>()?;
    /// assert_eq!(y, [3.0, 0.5]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn sqrt = Sqrt;

    /// `eˣ`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 1.0], &[2])?.exp()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([1.0, std::f64::consts::E]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn exp = Exp;

    /// `y = ln x`, elementwise; the shape stays. NaN below 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[1.0f64, 0.0], &[2])?.log()?.to_vec::<f64>()?;
    /// assert_eq!(y, [0.0, f64::NEG_INFINITY]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn log = Log;

    /// `tanh x = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, -1000.0], &[2])?.tanh()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, -1.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn tanh = Tanh;

    /// `1 / (1 + e⁻ˣ)`, elementwise; the shape stays. No x overflows.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0, 3f64.ln()], &[2])?.sigmoid()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.5, 0.75]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn sigmoid = Sigmoid;

    /// `y = max(x, 0)`, elementwise; the shape stays. The derivative at 0 is 0. Nair and Hinton, ICML 2010.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[3.0f64, -2.0], &[2])?.relu()?.to_vec::<f64>()?;
    /// assert_eq!(y, [3.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn relu = Relu;

    /// `1 / x`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[4.0f64, -0.5], &[2])?.reciprocal()?.to_vec::<f64>()?;
    /// assert_eq!(y, [0.25, -2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn reciprocal = Reciprocal;

    /// `1 / √x`, elementwise; the shape stays. NaN below 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[4.0f64, 0.25], &[2])?.rsqrt()?.to_vec::<f64>()?;
    /// assert_eq!(y, [0.5, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn rsqrt = Rsqrt;

    /// `ln(1 + x)`, elementwise; the shape stays. Exact near 0, where 1 + x would lose x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 1e-20], &[2])?.log1p()?.to_vec::<f64>()?;
    /// assert_eq!(y, [0.0, 1e-20]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn log1p = Log1p;

    /// `eˣ - 1`, elementwise; the shape stays. Exact near 0, where eˣ would lose x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 1e-20], &[2])?.expm1()?.to_vec::<f64>()?;
    /// assert_eq!(y, [0.0, 1e-20]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn expm1 = Expm1;

    /// `y = sin x`, elementwise; the shape stays. Of x in radians.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0, std::f64::consts::FRAC_PI_2], &[2])?.sin()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, 1.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn sin = Sin;

    /// `y = cos x`, elementwise; the shape stays. Of x in radians.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0, std::f64::consts::PI], &[2])?.cos()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([1.0, -1.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn cos = Cos;

    /// `2/√π ∫₀ˣ e^(-t²) dt`, elementwise; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 10.0], &[2])?.erf()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, 1.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn erf = Erf;

    /// `1 where x > 0, -1 where x < 0, else 0`, elementwise; the shape stays. The derivative is 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[3.0f64, -0.5], &[2])?.sign()?.to_vec::<f64>()?;
    /// assert_eq!(y, [1.0, -1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn sign = Sign;

    /// `the greatest integer ≤ x`, elementwise; the shape stays. The derivative is 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[2.7f64, -2.1], &[2])?.floor()?.to_vec::<f64>()?;
    /// assert_eq!(y, [2.0, -3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn floor = Floor;

    /// `the integer n with the least |x - n|, of two the even one`, elementwise; the shape stays. The derivative is 0.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[2.5f64, -2.6], &[2])?.round()?.to_vec::<f64>()?;
    /// assert_eq!(y, [2.0, -3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn round = Round;

    /// `x / (1 + e⁻ˣ)`, elementwise; the shape stays. Also called swish. Elfwing and others, Neural Networks 2018.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0, 3f64.ln()], &[2])?.silu()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, 0.75 * 3f64.ln()]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn silu = Silu;

    /// `½ x (1 + erf(x / √2))`, elementwise; the shape stays. Hendrycks and Gimpel, 2016.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 10.0], &[2])?.gelu()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, 10.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn gelu = Gelu;

    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`, elementwise; the shape stays. The approximation of
    /// [`Tensor::gelu`] in the same paper, 2016.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let y = Tensor::new(&[0.0f64, 10.0], &[2])?.gelu_tanh()?.to_vec::<f64>()?;
    /// assert!(y.iter().zip([0.0, 10.0]).all(|(y, wanted)| (y - wanted).abs() < 1e-15));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When elements are integers.
    pub fn gelu_tanh = GeluTanh;
}
