//! What the operation table cannot say: that its rows are right where the CPU has code of its own for them, which results share storage, what integers do, that the fused softmax is the
//! composed one, and in which order a large embedding adds.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{Composed, Dual, Keep, Softmax, UnaryKind};
use forge_core::ops::PadMode;
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Tensor};

fn numbers(shape: &[usize]) -> Tensor {
    let stream = Stream::new(5, "numbers");
    let count = shape.iter().product();
    Tensor::new(&(0..count).map(|i| stream.normal(i)).collect::<Vec<f64>>(), shape).unwrap()
}

/// A row's derivative is that of its value, also of the functions for which the CPU reads no row.
#[test]
fn each_row_has_the_derivative_of_its_value() {
    use UnaryKind::{
        Cos, Erf, Exp, Expm1, Gelu, GeluTanh, Log1p, Sigmoid, Silu, Sin, Softplus, Square, Tanh,
    };
    let smooth_at_0 =
        [Cos, Erf, Exp, Expm1, Gelu, GeluTanh, Log1p, Sigmoid, Silu, Sin, Softplus, Square, Tanh];
    // Factors, exponents, slopes and bounds that no point below comes upon.
    let constants = [0.7, 50.0];
    for &kind in UnaryKind::ALL {
        let (low, high) = kind.domain();
        let inside = [0.05, 0.35, 0.62, 0.95].map(|t| low + t * (high - low));
        let zero = smooth_at_0.contains(&kind).then_some(0.0);
        for x in inside.into_iter().chain(zero) {
            let y =
                kind.value(Dual { value: x, slope: 1.0 }, constants.map(|value| Dual { value, slope: 0.0 }));
            let kept = if kind.keep() == Keep::Output { y.value } else { x };
            let found = kind.derivative(kept, constants);
            let close = (found - y.slope).abs() <= 1e-13 * (1.0 + y.slope.abs());
            assert!(close, "{} at {x}: {found} for {}", kind.name(), y.slope);
        }
    }
}

#[test]
fn views_copy_nothing() {
    let x = numbers(&[3, 1, 4]);
    let mut views = vec![
        ("unfold", x.unfold(2, 2, 1).unwrap()),
        ("squeeze", x.squeeze(1).unwrap()),
        ("unsqueeze", x.unsqueeze(0).unwrap()),
        ("unsqueeze a turned one", x.permute(&[2, 1, 0]).unwrap().unsqueeze(3).unwrap()),
    ];
    views.extend(x.split(2, &[1, 3]).unwrap().into_iter().map(|piece| ("split", piece)));
    views.extend(x.chunk(0, 2).unwrap().into_iter().map(|piece| ("chunk", piece)));
    for (name, view) in views {
        assert!(std::ptr::eq(view.arg().memory, x.arg().memory), "{name} copied");
    }
}

#[test]
fn integers_stay_integers() {
    // Beyond what an f64 holds exactly.
    let large = (1i64 << 60) + 1;
    let x = Tensor::new(&[large, -2, 3, 4, 0, large], &[2, 3]).unwrap();
    let vec = |t: Tensor| t.to_vec::<i64>().unwrap();
    assert_eq!(vec(x.sum(&[1], false).unwrap()), [large + 1, large + 4]);
    assert_eq!(vec(x.cumsum(1).unwrap()), [large, large - 2, large + 1, 4, 4, large + 4]);
    assert_eq!(vec(x.max(1, false).unwrap().0), [large, large]);
    assert_eq!(vec(x.argmin(1, false).unwrap()), [1, 1]);
    assert_eq!(vec(x.narrow(1, 1, 1).unwrap().prod(0, false).unwrap()), [0]);
    let mask = Tensor::new(&[0.25f32, 0.0, 0.0], &[3]).unwrap();
    assert_eq!(vec(mask.where_(&x, &Tensor::new(&[7i64], &[1]).unwrap()).unwrap()), [large, 7, 7, 4, 7, 7]);
    assert_eq!(vec(x.pad(&[(0, 0), (0, 1)], PadMode::Constant(9.0)).unwrap())[3], 9);
    let index = Tensor::new(&[2i64, 0], &[2, 1]).unwrap();
    assert_eq!(vec(x.gather(1, &index).unwrap()), [3, 4]);
    // They wrap around, whatever the build.
    let top = Tensor::new(&[i64::MAX, 1], &[2]).unwrap();
    assert_eq!(vec(top.sum_all().unwrap()), [i64::MIN]);
}

#[test]
fn positions_carry_no_gradient_and_ties_go_to_the_first() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[2f64, 5.0, 5.0], &[3]).unwrap()).unwrap();
    let (value, position) = x.max(0, true).unwrap();
    assert!(value.is_tracked() && !position.is_tracked());
    assert_eq!((position.shape(), position.dtype()), (&[1][..], DType::I64));
    assert_eq!(position.to_vec::<i64>().unwrap(), [1]);
}

/// The fused loops against the family in terms of primitives, values and gradients, along every dimension.
#[test]
fn the_fused_softmax_is_the_composed_one() {
    for shape in [&[3, 17, 4][..], &[1, 1, 1], &[2, 0, 3], &[1, 1000, 1]] {
        let (x, g) = (numbers(shape), numbers(shape).cos().unwrap());
        let fused = x.device().softmax();
        for (axis, log) in [(0, false), (0, true), (1, false), (1, true), (2, false), (2, true)] {
            let (a, b) = (fused.softmax(&x, axis, log).unwrap(), Composed.softmax(&x, axis, log).unwrap());
            let same = |a: &Tensor, b: &Tensor| {
                assert_eq!(a.shape(), b.shape());
                let pairs = a.to_f64_vec().unwrap().into_iter().zip(b.to_f64_vec().unwrap());
                pairs.for_each(|(a, b)| {
                    assert!((a - b).abs() <= 1e-14 * (1.0 + b.abs()), "{shape:?}: {a}, {b}")
                });
            };
            same(&a, &b);
            let back = |family: &dyn Softmax| family.softmax_backward(&b, &g, axis, log).unwrap();
            same(&back(fused), &back(&Composed));
        }
    }
}

/// Rows by number and the gradient's way back, on several threads: each element the sum in the order of the index, to the
/// bit, whether the table lies in rows or in columns.
#[test]
fn an_embedding_adds_in_the_order_of_its_index() {
    for (rows, width, count) in [(1, 1, 1), (5, 64, 9), (50, 130, 9000)] {
        let index: Vec<i64> = (0..count).map(|i| (i * i + 3 * i) % rows).collect();
        let (rows, count) = (rows as usize, count as usize);
        let positions = Tensor::new(&index, &[count]).unwrap();
        let (table, grad) = (
            numbers(&[rows, width]).to_dtype(DType::F32).unwrap(),
            numbers(&[count, width]).to_dtype(DType::F32).unwrap(),
        );
        let (values, from) = (table.to_vec::<f32>().unwrap(), grad.to_vec::<f32>().unwrap());
        let picked: Vec<f32> = index
            .iter()
            .flat_map(|&i| &values[i as usize * width..(i as usize + 1) * width])
            .copied()
            .collect();
        let mut sums = vec![0f32; rows * width];
        for (&i, from) in index.iter().zip(from.chunks(width)) {
            sums[i as usize * width..].iter_mut().zip(from).for_each(|(sum, v)| *sum += v);
        }
        let columns = table.transpose().unwrap();
        let columns =
            Tensor::new(&columns.to_vec::<f32>().unwrap(), &[width, rows]).unwrap().transpose().unwrap();
        for threads in [1, 2, 8] {
            forge_core::set_threads(threads);
            for table in [&table, &columns] {
                let cx = Cx::train(0, 0);
                let table = cx.track(table).unwrap();
                let y = table.embedding(&positions, None).unwrap();
                assert_eq!(y.detach().to_vec::<f32>().unwrap(), picked);
                let grads = y.backward_from(grad.clone(), cx).unwrap();
                assert_eq!(grads.wrt(&table).unwrap().to_vec::<f32>().unwrap(), sums);
            }
        }
    }
}
