//! Linear operations are their own test: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for the gradient Aᵀ y that the tape gives, over shapes and
//! settings that chance comes upon. Convolutions and their transposes are in `convolution.rs`.

#![allow(clippy::unwrap_used)]

use forge_core::ops::{PadMode, PoolOptions};
use forge_core::rng::Stream;
use forge_core::{Cx, Result, Tensor};
use proptest::prelude::*;

fn random(shape: &[usize], name: &str) -> Tensor {
    let stream = Stream::new(17, name);
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| 2.0 * stream.uniform(i) - 1.0).collect();
    Tensor::new(&values, shape).unwrap()
}

/// ⟨a, b⟩ and the sum of its terms' sizes.
fn inner(a: &Tensor, b: &Tensor) -> (f64, f64) {
    let (a, b) = (a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap());
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).fold((0.0, 0.0), |(sum, size), (x, y)| (sum + x * y, size + (x * y).abs()))
}

/// Checks one map of several operands that is linear in all of them together.
fn adjoint(what: &str, operands: &[Tensor], map: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) {
    let cx = Cx::train(0, 0);
    let leaves: Vec<Tensor> = operands.iter().map(|t| cx.track(t).unwrap()).collect();
    let results = map(&leaves).unwrap();
    let (mut left, mut size, mut loss) = (0.0, 0.0, None::<Tensor>);
    for (k, ax) in results.iter().enumerate() {
        let y = random(ax.shape(), &format!("y{k}"));
        let (sum, terms) = inner(ax, &y);
        (left, size) = (left + sum, size + terms);
        let share = (ax * &y).unwrap().sum_all().unwrap();
        loss = Some(loss.map_or(share.clone(), |total| (&total + &share).unwrap()));
    }
    let grads = loss.unwrap().backward(cx).unwrap();
    let right: f64 =
        leaves.iter().zip(operands).map(|(leaf, x)| grads.wrt(leaf).map_or(0.0, |g| inner(x, g).0)).sum();
    assert!((left - right).abs() <= 1e-13 * size.max(1e-3), "{what}: ⟨Ax, y⟩ is {left}, ⟨x, Aᵀy⟩ is {right}");
}

/// Positions below `size`, some of them several times.
fn positions(shape: &[usize], size: usize, salt: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let list: Vec<i64> = (0..count).map(|i| ((i * (3 + salt) + i / 2 + salt) % size) as i64).collect();
    Tensor::new(&list, shape).unwrap()
}

/// A shape, one of its dimensions, and some numbers to make settings of.
fn case() -> impl Strategy<Value = (Vec<usize>, usize, [usize; 4], bool)> {
    (prop::collection::vec(1usize..6, 1..5), 0usize..4, prop::array::uniform4(0usize..64), any::<bool>())
        .prop_map(|(shape, axis, numbers, turned)| {
            let axis = axis % shape.len();
            (shape, axis, numbers, turned)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn gradients_of_linear_operations_are_adjoint((shape, axis, [a, b, c, d], turned) in case()) {
        let rank = shape.len();
        let reversed: Vec<usize> = (0..rank).rev().collect();
        // Half of the operands lie in memory in another order.
        let operand = |shape: &[usize], name: &str| {
            let x = random(shape, name);
            if !turned || shape.len() != rank { return x; }
            let back: Vec<usize> = (0..rank).rev().map(|d| shape[d]).collect();
            random(&back, name).permute(&reversed).unwrap()
        };
        let with = |size: usize| { let mut s = shape.clone(); s[axis] = size; s };
        let size = shape[axis];
        let x = || operand(&shape, "x");

        // Any index shape that is no larger elsewhere.
        let mut small: Vec<usize> = shape.iter().enumerate().map(|(d, &n)| 1 + (b + d * c) % n).collect();
        small[axis] = 1 + d % 7;
        let index = positions(&small, size, a % 5);
        adjoint("gather", &[x()], |t| Ok(vec![t[0].gather(axis, &index)?]));
        let mut larger = small.clone();
        larger[axis] += c % 2;
        adjoint("scatter_add", &[x(), operand(&larger, "source")], |t| {
            Ok(vec![t[0].scatter_add(axis, &index, &t[1])?])
        });
        let list = positions(&[1 + a % 6], size, b % 5);
        adjoint("index_select", &[x()], |t| Ok(vec![t[0].index_select(axis, &list)?]));

        let start = a % size;
        let step = 1 + b % 3;
        let len = 1 + c % (size - start).div_ceil(step);
        adjoint("slice", &[x()], |t| Ok(vec![t[0].slice(axis, start, len, step)?]));
        let mut order: Vec<usize> = (0..rank).collect();
        order.rotate_left(a % rank);
        order.swap(0, b % rank);
        adjoint("permute", &[x()], |t| Ok(vec![t[0].permute(&order)?]));
        adjoint("reshape", &[x()], |t| Ok(vec![t[0].reshape(&[t[0].count()])?]));
        adjoint("flip", &[x()], |t| Ok(vec![t[0].flip(&[axis])?]));
        adjoint("roll", &[x()], |t| Ok(vec![t[0].roll(axis, a as isize - 30)?]));
        let times: Vec<usize> = (0..rank).map(|d| 1 + (a + b * d) % 3).collect();
        adjoint("repeat", &[x()], |t| Ok(vec![t[0].repeat(&times)?]));
        adjoint("expand", &[operand(&with(1), "x")], |t| Ok(vec![t[0].expand(&with(1 + a % 5))?]));
        adjoint("cumsum", &[x()], |t| Ok(vec![t[0].cumsum(axis)?]));
        adjoint("sum", &[x()], |t| Ok(vec![t[0].sum(&[axis], false)?, t[0].mean(&[axis], true)?]));
        let window = 1 + a % size;
        adjoint("unfold", &[x()], |t| Ok(vec![t[0].unfold(axis, window, 1 + b % 3)?]));

        let parts = [operand(&with(1 + a % 4), "p"), operand(&with(1 + b % 4), "q"), x()];
        adjoint("concat", &parts, |t| Ok(vec![Tensor::concat(&[&t[0], &t[1], &t[2], &t[1]], axis)?]));
        adjoint("stack", &[x(), operand(&shape, "q")], |t| {
            Ok(vec![Tensor::stack(&[&t[0], &t[1], &t[0]], axis)?])
        });
        let cut = a % (size + 1);
        // A piece that nothing depends on has the gradient 0.
        adjoint("split", &[x()], |t| Ok(t[0].split(axis, &[cut, size - cut])?.into_iter().take(1 + b % 2).collect()));

        let room: Vec<(usize, usize)> = (0..rank).map(|d| ((a + d) % 4, (b + d * c) % 4)).collect();
        adjoint("pad", &[x()], |t| Ok(vec![t[0].pad(&room, PadMode::Constant(0.0))?]));
        adjoint("pad by the edge", &[x()], |t| Ok(vec![t[0].pad(&room, PadMode::Replicate)?]));
        let mirrored: Vec<(usize, usize)> =
            room.iter().zip(&shape).map(|((p, q), n)| ((*p).min(n - 1), (*q).min(n - 1))).collect();
        adjoint("pad by reflection", &[x()], |t| Ok(vec![t[0].pad(&mirrored, PadMode::Reflect)?]));
    }

    #[test]
    fn gradients_of_averages_are_adjoint(
        size in prop::array::uniform4(1usize..7), kernel in prop::array::uniform2(1usize..4),
        stride in prop::array::uniform2(1usize..4), dilation in prop::array::uniform2(1usize..3),
        padding in prop::array::uniform4(0usize..3), parts in prop::array::uniform2(1usize..6),
        ceil in any::<bool>(), count_padding in any::<bool>(),
    ) {
        let extent = |d: usize| dilation[d] * (kernel[d] - 1) + 1;
        let half = |d: usize, p: usize| p.min(extent(d) / 2);
        let padding = [[half(0, padding[0]), half(0, padding[1])], [half(1, padding[2]), half(1, padding[3])]];
        let shape = [size[0], size[1], size[2] + extent(0) - 1, size[3] + extent(1) - 1];
        let options = PoolOptions { kernel, stride, padding, dilation, ceil, count_padding };
        let x = random(&shape, "x");
        adjoint("avg_pool2d", std::slice::from_ref(&x), |t| Ok(vec![t[0].avg_pool2d(&options)?]));
        adjoint("adaptive_avg_pool2d", std::slice::from_ref(&x), |t| Ok(vec![t[0].adaptive_avg_pool2d(parts)?]));
        let rows = x.reshape(&[shape[0], shape[1], shape[2] * shape[3]]).unwrap();
        let width = 1 + 2 * (kernel[0] % 2) + 2 * (stride[0] / 2);
        adjoint("moving_average", &[rows], |t| Ok(vec![t[0].moving_average(width)?]));
        let table = random(&[size[2], size[3]], "table");
        let index = positions(&[size[0], size[1]], size[2], kernel[0]);
        adjoint("embedding", &[table], |t| Ok(vec![t[0].embedding(&index, None)?]));
    }
}
