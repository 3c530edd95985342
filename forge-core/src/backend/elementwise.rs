//! The table of elementwise operations. A row is all there is to say about one: its value, its derivative, what the
//! derivative needs, and where it is smooth. CPU loops, gradients, tests and documentation are made from it.

use super::Scalar;

/// What the derivative of a unary operation is computed from, and hence what the tape keeps.
///
/// ```
/// use forge_core::backend::{Keep, UnaryKind};
/// assert_eq!(UnaryKind::Sin.keep(), Keep::Input); // cos x
/// assert_eq!(UnaryKind::Tanh.keep(), Keep::Output); // 1 - y²
/// assert_eq!(UnaryKind::AddScalar.keep(), Keep::Nothing); // 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The operation's input.
    Input,
    /// The operation's output.
    Output,
    /// Nothing: the derivative is constant.
    Nothing,
}

/// Calls a macro with every unary row:
/// `Name(rust_name), formula, |x, p| value, Keep, |kept, p| derivative, smooth domain`.
/// `p` is up to two constants, such as the slope of a leaky ReLU. Where a function has a kink, its derivative there is
/// PyTorch's.
macro_rules! for_each_unary {
    ($apply:ident) => {
        $apply! {
            Neg(neg), "-x", |x, _p| -x, Nothing, |_k, _p| -S::one(), (-3.0, 3.0);
            AddScalar(add_scalar), "x + p", |x, p| x + p[0], Nothing, |_k, _p| S::one(), (-3.0, 3.0);
            MulScalar(mul_scalar), "p x", |x, p| x * p[0], Nothing, |_k, p| p[0], (-3.0, 3.0);
            Square(square), "x²", |x, _p| x * x, Input, |x, _p| x + x, (-3.0, 3.0);
            Abs(abs), "|x|, derivative 0 at 0", |x, _p| x.abs(), Input,
                |x, _p| if x > S::zero() { S::one() } else if x < S::zero() { -S::one() } else { x * S::zero() },
                (0.1, 3.0);
            Sqrt(sqrt), "√x", |x, _p| x.sqrt(), Output, |y, _p| S::from_f64(0.5) / y, (0.1, 9.0);
            Exp(exp), "eˣ", |x, _p| x.exp(), Output, |y, _p| y, (-5.0, 5.0);
            Log(log), "ln x", |x, _p| x.ln(), Input, |x, _p| S::one() / x, (0.05, 9.0);
            Tanh(tanh), "tanh x", |x, _p| x.tanh(), Output, |y, _p| S::one() - y * y, (-3.0, 3.0);
            Sigmoid(sigmoid), "1 / (1 + e⁻ˣ)", |x, _p| x.sigmoid(), Output, |y, _p| y * (S::one() - y), (-5.0, 5.0);
            Relu(relu), "max(x, 0), derivative 0 at 0", |x, _p| if x < S::zero() { S::zero() } else { x }, Output,
                |y, _p| if y > S::zero() { S::one() } else { y * S::zero() }, (0.1, 3.0);
            LeakyRelu(leaky_relu), "x where x > 0, else p x", |x, p| if x < S::zero() { x * p[0] } else { x }, Input,
                |x, p| if x > S::zero() { S::one() } else { p[0] }, (0.1, 3.0);
            HuberPenalty(huber_penalty), "½ x² where |x| ≤ p, else p (|x| - ½ p)",
                |x, p| if x.abs() > p[0] { p[0] * (x.abs() - S::from_f64(0.5) * p[0]) } else { S::from_f64(0.5) * x * x },
                Input, |x, p| if x > p[0] { p[0] } else if x < -p[0] { -p[0] } else { x }, (0.1, 3.0);
            PowScalar(pow_scalar), "xᵖ", |x, p| x.powf(p[0]), Input,
                |x, p| if p[0] == S::zero() { S::zero() } else { p[0] * x.powf(p[0] - S::one()) }, (0.1, 3.0);
            Reciprocal(reciprocal), "1 / x", |x, _p| S::one() / x, Output, |y, _p| -(y * y), (0.3, 3.0);
            Rsqrt(rsqrt), "1 / √x", |x, _p| S::one() / x.sqrt(), Output,
                |y, _p| S::from_f64(-0.5) * (y * y * y), (0.1, 9.0);
            Log1p(log1p), "ln(1 + x)", |x, _p| x.ln_1p(), Input, |x, _p| S::one() / (S::one() + x), (-0.9, 9.0);
            Expm1(expm1), "eˣ - 1", |x, _p| x.exp_m1(), Output, |y, _p| y + S::one(), (-5.0, 5.0);
            Sin(sin), "sin x", |x, _p| x.sin(), Input, |x, _p| x.cos(), (-3.0, 3.0);
            Cos(cos), "cos x", |x, _p| x.cos(), Input, |x, _p| -x.sin(), (-3.0, 3.0);
            Erf(erf), "2/√π ∫₀ˣ e^(-t²) dt", |x, _p| x.erf(), Input,
                |x, _p| S::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp(), (-3.0, 3.0);
            Sign(sign), "1 where x > 0, -1 where x < 0, else 0; derivative 0",
                |x, _p| if x > S::zero() { S::one() } else if x < S::zero() { -S::one() } else { S::zero() },
                Nothing, |_k, _p| S::zero(), (0.1, 3.0);
            Floor(floor), "greatest integer ≤ x; derivative 0", |x, _p| x.floor(), Nothing, |_k, _p| S::zero(), (2.1, 2.9);
            Round(round), "nearest integer, the even one of two; derivative 0", |x, _p| x.round(), Nothing,
                |_k, _p| S::zero(), (1.6, 2.4);
            Clamp(clamp), "min(max(x, p₀), p₁), derivative 1 at both bounds",
                |x, p| { let x = if x < p[0] { p[0] } else { x }; if x > p[1] { p[1] } else { x } }, Input,
                |x, p| if x >= p[0] && x <= p[1] { S::one() } else { S::zero() }, (0.1, 0.6);
            Hardtanh(hardtanh), "min(max(x, p₀), p₁), derivative 0 at both bounds",
                |x, p| { let x = if x < p[0] { p[0] } else { x }; if x > p[1] { p[1] } else { x } }, Input,
                |x, p| if x <= p[0] || x >= p[1] { S::zero() } else { S::one() }, (0.1, 0.6);
            Elu(elu), "x where x > 0, else p (eˣ - 1), derivative p at 0",
                |x, p| if x > S::zero() { x } else { p[0] * x.exp_m1() }, Input,
                |x, p| if x > S::zero() { S::one() } else { p[0] * x.exp() }, (0.1, 3.0);
            Softplus(softplus), "ln(1 + e^(p₀ x)) / p₀, and x where p₀ x > p₁",
                |x, p| {
                    let z = x * p[0];
                    // The first two so that e^z never overflows.
                    if z > p[1] { x } else if z > S::zero() { x + (-z).exp().ln_1p() / p[0] } else { z.exp().ln_1p() / p[0] }
                },
                Input, |x, p| { let z = x * p[0]; if z > p[1] { S::one() } else { z.sigmoid() } }, (-5.0, 5.0);
            Silu(silu), "x / (1 + e⁻ˣ)", |x, _p| x * x.sigmoid(), Input,
                |x, _p| { let s = x.sigmoid(); s + x * (s * (S::one() - s)) }, (-5.0, 5.0);
            Gelu(gelu), "x Φ(x) with the normal distribution Φ(x) = ½ (1 + erf(x / √2))", |x, _p| x * x.normal_below(),
                Input, |x, _p| x.normal_below() + x * x.normal_density(), (-4.0, 4.0);
            // ½ (1 + tanh u) = σ(2u), which does not cancel far below 0.
            GeluTanh(gelu_tanh), "½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))", |x, _p| x * x.normal_below_by_tanh(), Input,
                |x, _p| {
                    let s = x.normal_below_by_tanh();
                    let inner = S::root_2_over_pi() * (S::one() + S::from_f64(3.0 * 0.044715) * (x * x));
                    s + x * (s * (S::one() - s)) * (inner + inner)
                },
                (-4.0, 4.0);
        }
    };
}
pub(crate) use for_each_unary;

/// Calls a macro with every binary row: `Name(rust_name), formula, |a, b| value, |a, b| d/da, |a, b| d/db, domain of b`.
/// Comparisons come last; they are never differentiated.
macro_rules! for_each_binary {
    ($apply:ident) => {
        $apply! {
            Add(add), "a + b", |a, b| a + b, |_a, _b| S::one(), |_a, _b| S::one(), (-3.0, 3.0);
            Sub(sub), "a - b", |a, b| a - b, |_a, _b| S::one(), |_a, _b| -S::one(), (-3.0, 3.0);
            Mul(mul), "a b", |a, b| a * b, |_a, b| b, |a, _b| a, (-3.0, 3.0);
            Div(div), "a / b", |a, b| a / b, |_a, b| S::one() / b, |a, b| -(a / b) / b, (0.3, 3.0);
            Pow(pow), "aᵇ", |a, b| a.powf(b),
                |a, b| if b == S::zero() { S::zero() } else { b * a.powf(b - S::one()) },
                |a, b| if a == S::zero() && b >= S::zero() { S::zero() } else { a.powf(b) * a.ln() }, (0.2, 2.0);
            Maximum(maximum), "max(a, b), NaN if either is; half of the derivative each where a = b",
                |a, b| if a > b || a.is_nan() { a } else { b },
                |a, b| if a == b { S::from_f64(0.5) } else if a < b { S::zero() } else { S::one() },
                |a, b| if a == b { S::from_f64(0.5) } else if b < a { S::zero() } else { S::one() }, (2.1, 3.0);
            Minimum(minimum), "min(a, b), NaN if either is; half of the derivative each where a = b",
                |a, b| if a < b || a.is_nan() { a } else { b },
                |a, b| if a == b { S::from_f64(0.5) } else if a > b { S::zero() } else { S::one() },
                |a, b| if a == b { S::from_f64(0.5) } else if b > a { S::zero() } else { S::one() }, (2.1, 3.0);
            Eq(eq), "1 where a = b, else 0", |a, b| S::truth(a == b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
            Ne(ne), "1 where a ≠ b, else 0", |a, b| S::truth(a != b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
            Lt(lt), "1 where a < b, else 0", |a, b| S::truth(a < b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
            Le(le), "1 where a ≤ b, else 0", |a, b| S::truth(a <= b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
            Gt(gt), "1 where a > b, else 0", |a, b| S::truth(a > b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
            Ge(ge), "1 where a ≥ b, else 0", |a, b| S::truth(a >= b), |_a, _b| S::zero(), |_a, _b| S::zero(), (2.1, 3.0);
        }
    };
}
pub(crate) use for_each_binary;

macro_rules! define_unary {
    ($($name:ident($fn:ident), $formula:literal, |$x:ident, $p:ident| $value:expr, $keep:ident,
       |$k:ident, $q:ident| $derivative:expr, ($lo:literal, $hi:literal);)*) => {
        /// A unary elementwise operation.
        ///
        /// See [`Tensor::unary`](crate::Tensor::unary).
        ///
        /// ```
        /// use forge_core::backend::{Keep, UnaryKind};
        /// let op = UnaryKind::LeakyRelu;
        /// assert_eq!((op.name(), op.formula(), op.keep()), ("leaky_relu", "x where x > 0, else p x", Keep::Input));
        /// assert_eq!((op.value(-2.0, [0.25, 0.0]), op.derivative(-2.0, [0.25, 0.0])), (-0.5, 0.25));
        /// assert!(UnaryKind::Log.domain().0 > 0.0); // smooth above 0
        /// assert!(UnaryKind::ALL.contains(&op));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum UnaryKind {
            $(#[doc = $formula] $name,)*
        }

        impl UnaryKind {
            /// Every row of the table.
            pub const ALL: &'static [UnaryKind] = &[$(UnaryKind::$name,)*];

            /// The method's name.
            pub fn name(self) -> &'static str {
                match self { $(UnaryKind::$name => stringify!($fn),)* }
            }

            /// The formula.
            pub fn formula(self) -> &'static str {
                match self { $(UnaryKind::$name => $formula,)* }
            }

            /// What the derivative is computed from.
            pub fn keep(self) -> Keep {
                match self { $(UnaryKind::$name => Keep::$keep,)* }
            }

            /// An interval in which the operation is smooth and well conditioned; its mirror image may be, too.
            pub fn domain(self) -> (f64, f64) {
                match self { $(UnaryKind::$name => ($lo, $hi),)* }
            }

            /// The value at `x`.
            pub fn value<S: Scalar>(self, x: S, p: [S; 2]) -> S {
                match self { $(UnaryKind::$name => { let ($x, $p) = (x, p); let _ = $p; $value })* }
            }

            /// The derivative, from the input or the output as [`UnaryKind::keep`] says.
            pub fn derivative<S: Scalar>(self, kept: S, p: [S; 2]) -> S {
                match self { $(UnaryKind::$name => { let ($k, $q) = (kept, p); let _ = ($k, $q); $derivative })* }
            }
        }
    };
}
for_each_unary!(define_unary);

macro_rules! define_binary {
    ($($name:ident($fn:ident), $formula:literal, |$a:ident, $b:ident| $value:expr, |$c:ident, $d:ident| $da:expr,
       |$e:ident, $f:ident| $db:expr, ($lo:literal, $hi:literal);)*) => {
        /// A binary elementwise operation.
        ///
        /// See [`Tensor::binary`](crate::Tensor::binary).
        ///
        /// ```
        /// use forge_core::backend::Binary;
        /// let op = Binary::Div;
        /// assert_eq!((op.name(), op.formula(), op.value(6.0, 2.0)), ("div", "a / b", 3.0));
        /// assert_eq!((op.derivative_left(6.0, 2.0), op.derivative_right(6.0, 2.0)), (0.5, -1.5));
        /// assert!(op.domain().0 > 0.0); // of the divisor
        /// let comparisons: Vec<&str> = Binary::ALL.iter().filter(|op| op.compares()).map(|op| op.name()).collect();
        /// assert_eq!(comparisons, ["eq", "ne", "lt", "le", "gt", "ge"]);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Binary {
            $(#[doc = $formula] $name,)*
        }

        impl Binary {
            /// Every row of the table.
            pub const ALL: &'static [Binary] = &[$(Binary::$name,)*];

            /// The method's name.
            pub fn name(self) -> &'static str {
                match self { $(Binary::$name => stringify!($fn),)* }
            }

            /// The formula.
            pub fn formula(self) -> &'static str {
                match self { $(Binary::$name => $formula,)* }
            }

            /// An interval for the right operand in which the operation is smooth and well conditioned.
            pub fn domain(self) -> (f64, f64) {
                match self { $(Binary::$name => ($lo, $hi),)* }
            }

            /// The value at `(a, b)`.
            pub fn value<S: Scalar>(self, a: S, b: S) -> S {
                match self { $(Binary::$name => { let ($a, $b) = (a, b); $value })* }
            }

            /// The derivative with respect to the left operand.
            pub fn derivative_left<S: Scalar>(self, a: S, b: S) -> S {
                match self { $(Binary::$name => { let ($c, $d) = (a, b); let _ = ($c, $d); $da })* }
            }

            /// The derivative with respect to the right operand.
            pub fn derivative_right<S: Scalar>(self, a: S, b: S) -> S {
                match self { $(Binary::$name => { let ($e, $f) = (a, b); let _ = ($e, $f); $db })* }
            }
        }
    };
}
for_each_binary!(define_binary);

impl Binary {
    /// Whether it is a comparison, whose result no tape records.
    pub fn compares(self) -> bool {
        matches!(self, Binary::Eq | Binary::Ne | Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge)
    }
}

/// A unary operation with its constants.
///
/// See [`Tensor::unary`](crate::Tensor::unary).
///
/// ```
/// use forge_core::backend::{Unary, UnaryKind};
/// let slope = Unary::with(UnaryKind::LeakyRelu, 0.25);
/// assert_eq!((slope.constants, Unary::new(UnaryKind::Exp).constants), ([0.25, 0.0], [0.0, 0.0]));
/// let bounds = Unary { kind: UnaryKind::Clamp, constants: [-1.0, 1.0] };
/// assert_eq!(bounds.kind.value(3.0, bounds.constants), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unary {
    /// Which operation.
    pub kind: UnaryKind,
    /// Its constants; unused ones are 0.
    pub constants: [f64; 2],
}

impl Unary {
    /// An operation without constants.
    pub fn new(kind: UnaryKind) -> Self {
        Unary { kind, constants: [0.0; 2] }
    }

    /// An operation with one constant.
    pub fn with(kind: UnaryKind, constant: f64) -> Self {
        Unary { kind, constants: [constant, 0.0] }
    }
}
