//! The operations of programs, each as the tensor's own and as naive loops.

use forge_core::backend::reference::{self as oracle, Array};
use forge_core::backend::{Binary, Scalar, Unary, UnaryKind};
use forge_core::ops::PadMode;
use forge_core::{Result, Tensor};

/// An operation with its settings.
#[derive(Clone, Debug)]
pub enum Op {
    Unary(Unary),
    Binary(Binary),
    Matmul,
    Permute(Vec<usize>),
    Reshape(Vec<usize>),
    Slice { axis: usize, start: usize, len: usize, step: usize },
    Flip(usize),
    Roll(usize, isize),
    Concat(usize),
    Stack(usize),
    Pad(Vec<(usize, usize)>),
    Sum(usize, bool),
    Var(usize),
    Cumsum(usize),
    Prod(usize),
    Max(usize),
    Softmax(usize),
    LogSoftmax(usize),
    Logsumexp(usize),
    Expand(Vec<usize>),
    Repeat(Vec<usize>),
    Unfold { axis: usize, size: usize },
    Gather(usize, Vec<usize>),
    ScatterAdd(usize),
    IndexSelect(usize, Vec<usize>),
}

/// Distance to a kink, below which rounding might cross it.
const NEAR: f64 = 1e-6;

impl Op {
    /// Every kind.
    pub const NAMES: [&str; 46] = [
        "neg",
        "square",
        "tanh",
        "sigmoid",
        "sin",
        "cos",
        "exp",
        "erf",
        "silu",
        "gelu",
        "gelu_tanh",
        "softplus",
        "relu",
        "leaky_relu",
        "elu",
        "abs",
        "sqrt",
        "log",
        "log1p",
        "reciprocal",
        "mul_scalar",
        "add",
        "sub",
        "mul",
        "div",
        "maximum",
        "matmul",
        "permute",
        "reshape",
        "slice",
        "flip",
        "roll",
        "concat",
        "stack",
        "pad",
        "sum",
        "var",
        "cumsum",
        "prod",
        "max",
        "softmax",
        "log_softmax",
        "expand",
        "repeat",
        "unfold",
        "gather",
    ];

    /// The operation of a kind with these operands, and whether it reads both; none where it is not defined or not
    /// smooth there.
    pub fn choose(kind: u8, a: &Array<f64>, b: &Array<f64>, setting: usize) -> Option<(Op, bool)> {
        use UnaryKind::*;
        let rank = a.shape.len();
        let all = |f: &dyn Fn(f64) -> bool| a.data.iter().all(|&v| f(v));
        let unary =
            |kind: UnaryKind, constants: [f64; 2]| Some((Op::Unary(Unary { kind, constants }), false));
        let plain = |kind: UnaryKind| unary(kind, [0.0; 2]);
        let when = |fact: bool, kind: UnaryKind, p: f64| if fact { unary(kind, [p, 0.0]) } else { None };
        let off_zero = all(&|v| v.abs() > NEAR);
        let both = |kind: Binary| broadcast(a, b).then_some((Op::Binary(kind), true));
        let one = |op: Op| Some((op, false));
        // Along a dimension, if there is one.
        let axis = (rank > 0).then(|| setting % rank.max(1));
        let along = |f: &dyn Fn(usize) -> Option<Op>| axis.and_then(f).map(|op| (op, false));
        let alike = |d: usize| b.shape.len() == rank && (0..rank).all(|k| k == d || a.shape[k] == b.shape[k]);
        match kind % 51 {
            0 => plain(Neg),
            1 => plain(Square),
            2 => plain(Tanh),
            3 => plain(Sigmoid),
            4 => plain(Sin),
            5 => plain(Cos),
            6 => when(all(&|v| v < 3.0), Exp, 0.0),
            7 => plain(Erf),
            8 => plain(Silu),
            9 => plain(Gelu),
            10 => plain(GeluTanh),
            11 => unary(Softplus, [1.3, 20.0]),
            12 => when(off_zero, Relu, 0.0),
            13 => when(off_zero, LeakyRelu, 0.2),
            14 => when(off_zero, Elu, 0.7),
            15 => when(off_zero, Abs, 0.0),
            16 => when(all(&|v| v > 0.1), Sqrt, 0.0),
            17 => when(all(&|v| v > 0.1), Log, 0.0),
            18 => when(all(&|v| v > -0.8), Log1p, 0.0),
            19 => when(all(&|v| v.abs() > 0.2), Reciprocal, 0.0),
            20 => unary(MulScalar, [0.1 * setting as f64 / 16.0 - 0.9, 0.0]),
            21 | 46 => both(Binary::Add),
            22 => both(Binary::Sub),
            23 | 47 => both(Binary::Mul),
            24 => {
                if b.data.iter().all(|v| v.abs() > 0.2) {
                    both(Binary::Div)
                } else {
                    None
                }
            }
            25 => {
                let apart =
                    broadcast(a, b) && oracle::binary(Binary::Sub, a, b).data.iter().all(|v| v.abs() > NEAR);
                if apart {
                    both(if setting.is_multiple_of(2) { Binary::Maximum } else { Binary::Minimum })
                } else {
                    None
                }
            }
            26 | 48 => {
                let rb = b.shape.len();
                let fits = rank >= 2 && rb >= 2 && a.shape[rank - 1] == b.shape[rb - 2];
                let lead = |x: &Array<f64>| Array::<f64>::build(&x.shape[..x.shape.len() - 2], |_| 0.0);
                (fits && broadcast(&lead(a), &lead(b))).then_some((Op::Matmul, true))
            }
            27 => {
                let mut order: Vec<usize> = (0..rank).collect();
                order.rotate_left(setting % rank.max(1));
                if setting.is_multiple_of(2) {
                    order.reverse();
                }
                one(Op::Permute(order))
            }
            28 => {
                let count = a.data.len();
                let shape = match setting % 3 {
                    0 => vec![count],
                    1 if count.is_multiple_of(2) => vec![2, count / 2],
                    _ => vec![count, 1],
                };
                one(Op::Reshape(shape))
            }
            29 => along(&|axis| {
                let size = a.shape[axis];
                let (start, step) = (setting / 4 % size, 1 + setting / 16 % 2);
                let len = (size - start).div_ceil(step);
                Some(Op::Slice { axis, start, len, step })
            }),
            30 => along(&|axis| Some(Op::Flip(axis))),
            31 => along(&|axis| Some(Op::Roll(axis, setting as isize % 5 - 2))),
            32 | 49 => match axis {
                Some(axis) if alike(axis) => Some((Op::Concat(axis), true)),
                _ => None,
            },
            33 => (a.shape == b.shape).then_some((Op::Stack(setting % (rank + 1)), true)),
            34 => one(Op::Pad((0..rank).map(|d| ((setting + d) % 2, (setting / 2 + d) % 2)).collect())),
            35 => along(&|axis| Some(Op::Sum(axis, (setting / 8).is_multiple_of(2)))),
            // A root of it follows, often: not of 0.
            36 => along(&|axis| (a.shape[axis] > 1).then_some(Op::Var(axis))),
            37 => along(&|axis| Some(Op::Cumsum(axis))),
            38 => along(&|axis| Some(Op::Prod(axis))),
            39 => along(&|axis| {
                let chosen = oracle::extreme(a, axis, true, true).0;
                let gaps = oracle::binary(Binary::Sub, &chosen, a);
                let near = gaps.data.iter().filter(|g| g.abs() < NEAR).count();
                (near == chosen.data.len()).then_some(Op::Max(axis))
            }),
            40 => along(&|axis| Some(Op::Softmax(axis))),
            41 => along(&|axis| Some(Op::LogSoftmax(axis))),
            42 => {
                let shape: Vec<usize> =
                    a.shape.iter().map(|&n| if n == 1 { 2 + setting % 2 } else { n }).collect();
                let lead = if setting.is_multiple_of(3) { vec![2] } else { vec![] };
                one(Op::Expand([lead, shape].concat()))
            }
            43 => one(Op::Repeat((0..rank).map(|d| 1 + (setting + d) % 2).collect())),
            44 => along(&|axis| {
                let size = 1 + setting / 4 % a.shape[axis];
                Some(Op::Unfold { axis, size })
            }),
            45 => along(&|axis| {
                let mut shape = a.shape.clone();
                shape[axis] = 1 + setting / 4 % 4;
                Some(Op::Gather(axis, shape))
            }),
            50 => match axis {
                Some(axis) if setting.is_multiple_of(3) => one(Op::IndexSelect(axis, list(4, a.shape[axis]))),
                Some(axis) if setting % 3 == 1 => one(Op::Logsumexp(axis)),
                Some(axis) if alike(axis) => Some((Op::ScatterAdd(axis), true)),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Op::Unary(u) => u.kind.name(),
            Op::Binary(Binary::Minimum) => "maximum",
            Op::Binary(b) => b.name(),
            Op::Matmul => "matmul",
            Op::Permute(_) => "permute",
            Op::Reshape(_) => "reshape",
            Op::Slice { .. } => "slice",
            Op::Flip(_) => "flip",
            Op::Roll(..) => "roll",
            Op::Concat(_) => "concat",
            Op::Stack(_) => "stack",
            Op::Pad(_) => "pad",
            Op::Sum(..) => "sum",
            Op::Var(_) => "var",
            Op::Cumsum(_) => "cumsum",
            Op::Prod(_) => "prod",
            Op::Max(_) => "max",
            Op::Softmax(_) => "softmax",
            Op::LogSoftmax(_) => "log_softmax",
            Op::Logsumexp(_) => "logsumexp",
            Op::Expand(_) => "expand",
            Op::Repeat(_) => "repeat",
            Op::Unfold { .. } => "unfold",
            Op::Gather(..) => "gather",
            Op::ScatterAdd(_) => "scatter_add",
            Op::IndexSelect(..) => "index_select",
        }
    }

    /// The tensor's own operation.
    pub fn tensor(&self, x: &[&Tensor]) -> Result<Tensor> {
        let a = x[0];
        match self {
            Op::Unary(u) => a.unary(*u),
            Op::Binary(b) => a.binary(*b, x[1]),
            Op::Matmul => a.matmul(x[1]),
            Op::Permute(order) => a.permute(order),
            Op::Reshape(shape) => a.reshape(shape),
            Op::Slice { axis, start, len, step } => a.slice(*axis, *start, *len, *step),
            Op::Flip(axis) => a.flip(&[*axis]),
            Op::Roll(axis, shift) => a.roll(*axis, *shift),
            Op::Concat(axis) => Tensor::concat(&[a, x[1]], *axis),
            Op::Stack(axis) => Tensor::stack(&[a, x[1]], *axis),
            Op::Pad(room) => a.pad(room, PadMode::Constant(0.5)),
            Op::Sum(axis, keep) => a.sum(&[*axis], *keep),
            Op::Var(axis) => a.var(&[*axis], 1, false),
            Op::Cumsum(axis) => a.cumsum(*axis),
            Op::Prod(axis) => a.prod(*axis, false),
            Op::Max(axis) => Ok(a.max(*axis, false)?.0),
            Op::Softmax(axis) => a.softmax(*axis),
            Op::LogSoftmax(axis) => a.log_softmax(*axis),
            Op::Logsumexp(axis) => a.logsumexp(&[*axis], false),
            Op::Expand(shape) => a.expand(shape),
            Op::Repeat(times) => a.repeat(times),
            Op::Unfold { axis, size } => a.unfold(*axis, *size, 1),
            Op::Gather(axis, shape) => a.gather(*axis, &positions(shape, a.shape()[*axis])?),
            Op::ScatterAdd(axis) => a.scatter_add(*axis, &positions(x[1].shape(), a.shape()[*axis])?, x[1]),
            Op::IndexSelect(axis, list) => {
                let list: Vec<i64> = list.iter().map(|&i| i as i64).collect();
                a.index_select(*axis, &Tensor::new(&list, &[list.len()])?)
            }
        }
    }

    /// Naive loops.
    pub fn oracle<S: Scalar>(&self, x: &[Array<S>]) -> Array<S> {
        let a = &x[0];
        match self {
            Op::Unary(u) => oracle::unary(*u, a),
            Op::Binary(b) => oracle::binary(*b, a, &x[1]),
            Op::Matmul => oracle::matmul(a, &x[1]),
            Op::Permute(order) => oracle::permute(a, order),
            Op::Reshape(shape) => oracle::reshape(a, shape),
            Op::Slice { axis, start, len, step } => oracle::slice(a, *axis, *start, *len, *step),
            Op::Flip(axis) => oracle::flip(a, &[*axis]),
            Op::Roll(axis, shift) => oracle::roll(a, *axis, *shift),
            Op::Concat(axis) => oracle::concat(x, *axis),
            Op::Stack(axis) => oracle::stack(x, *axis),
            Op::Pad(room) => oracle::pad(a, room, 0.5, |_, _| None),
            Op::Sum(axis, keep) => oracle::sum(a, &[*axis], *keep),
            Op::Var(axis) => oracle::var(a, &[*axis], 1, false),
            Op::Cumsum(axis) => oracle::cumsum(a, *axis),
            Op::Prod(axis) => oracle::prod(a, *axis, false),
            Op::Max(axis) => oracle::extreme(a, *axis, true, false).0,
            Op::Softmax(axis) => oracle::softmax(a, *axis),
            Op::LogSoftmax(axis) => oracle::log_softmax(a, *axis),
            Op::Logsumexp(axis) => oracle::logsumexp(a, &[*axis], false),
            Op::Expand(shape) => oracle::expand(a, shape),
            Op::Repeat(times) => oracle::repeat(a, times),
            Op::Unfold { axis, size } => oracle::unfold(a, *axis, *size, 1),
            Op::Gather(axis, shape) => oracle::gather(a, *axis, &named(shape, a.shape[*axis])),
            Op::ScatterAdd(axis) => oracle::scatter_add(a, *axis, &named(&x[1].shape, a.shape[*axis]), &x[1]),
            Op::IndexSelect(axis, list) => oracle::index_select(a, *axis, list),
        }
    }
}

fn broadcast(a: &Array<f64>, b: &Array<f64>) -> bool {
    a.shape.iter().rev().zip(b.shape.iter().rev()).all(|(x, y)| x == y || *x == 1 || *y == 1)
}

/// Positions below `size`, some of them twice.
fn list(count: usize, size: usize) -> Vec<usize> {
    (0..count).map(|i| (5 * i + i / 3) % size).collect()
}

fn positions(shape: &[usize], size: usize) -> Result<Tensor> {
    let list: Vec<i64> = list(shape.iter().product(), size).into_iter().map(|i| i as i64).collect();
    Tensor::new(&list, shape)
}

fn named(shape: &[usize], size: usize) -> Array<f64> {
    let data = list(shape.iter().product(), size).into_iter().map(|i| i as f64).collect();
    Array { shape: shape.to_vec(), data }
}
