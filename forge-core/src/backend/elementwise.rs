//! The table of elementwise operations. A row is all there is to say about one: its value, its derivative, what the
//! derivative needs, and where it is smooth. CPU loops, gradients, tests and documentation are made from it.

use super::Scalar;

/// What the derivative of a unary operation is computed from, and hence what the tape keeps.
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
/// `p` is up to two constants, such as the slope of a leaky ReLU.
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
        }
    };
}
pub(crate) use for_each_unary;

/// Calls a macro with every binary row: `Name(rust_name), formula, |a, b| value, |a, b| d/da, |a, b| d/db, domain of b`.
macro_rules! for_each_binary {
    ($apply:ident) => {
        $apply! {
            Add(add), "a + b", |a, b| a + b, |_a, _b| S::one(), |_a, _b| S::one(), (-3.0, 3.0);
            Sub(sub), "a - b", |a, b| a - b, |_a, _b| S::one(), |_a, _b| -S::one(), (-3.0, 3.0);
            Mul(mul), "a b", |a, b| a * b, |_a, b| b, |a, _b| a, (-3.0, 3.0);
            Div(div), "a / b", |a, b| a / b, |_a, b| S::one() / b, |a, b| -(a / b) / b, (0.3, 3.0);
        }
    };
}
pub(crate) use for_each_binary;

macro_rules! define_unary {
    ($($name:ident($fn:ident), $formula:literal, |$x:ident, $p:ident| $value:expr, $keep:ident,
       |$k:ident, $q:ident| $derivative:expr, ($lo:literal, $hi:literal);)*) => {
        /// A unary elementwise operation.
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

/// A unary operation with its constants.
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
