//! The CPU's own normalisation, cross entropy and attention against the composed ones: results and gradients, over sizes
//! that meet every block, tile and tail, in both element types and in every order that operands lie in.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{
    Attention, AttentionArgs, Composed, CrossEntropyArgs, Loss, Norm, NormArgs, NormKind, Targets,
};
use forge_core::rng::Stream;
use forge_core::{DType, Device, Tensor};

const BOTH: [DType; 2] = [DType::F64, DType::F32];

fn random(shape: &[usize], dtype: DType, name: &str) -> Tensor {
    let stream = Stream::new(7, name);
    let values: Vec<f64> = (0..shape.iter().product()).map(|i| 2.0 * stream.uniform(i) - 1.0).collect();
    Tensor::new(&values, shape).unwrap().to_dtype(dtype).unwrap()
}

/// Relative to the largest finite element, or to the size of the terms that it is the sum of where they cancel; NaN and
/// infinities must stand where they should.
fn assert_near(what: &str, found: &Tensor, wanted: &Tensor, terms: f64) {
    assert_eq!(found.shape(), wanted.shape(), "{what}: shape");
    let (f, w) = (found.to_f64_vec().unwrap(), wanted.to_f64_vec().unwrap());
    let top = w.iter().filter(|v| v.is_finite()).fold(terms, |m: f64, v| m.max(v.abs()));
    let limit = top * if found.dtype() == DType::F32 { 2e-5 } else { 1e-12 };
    for (i, (a, b)) in f.iter().zip(&w).enumerate() {
        let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= limit;
        assert!(same, "{what}, element {i}: {a} for {b} (limit {limit:e})");
    }
}

fn assert_close(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_near(what, found, wanted, 1e-3);
}

fn all_close<const N: usize>(
    what: &str,
    found: [Option<Tensor>; N],
    wanted: [Option<Tensor>; N],
    needs: [bool; N],
) {
    for (i, (f, w)) in found.iter().zip(&wanted).enumerate().filter(|(i, _)| needs[*i]) {
        match (f, w) {
            (Some(f), Some(w)) => assert_close(&format!("{what}, gradient {i}"), f, w),
            (f, w) => assert_eq!(f.is_some(), w.is_some(), "{what}, gradient {i}"),
        }
    }
}

fn same_bits(what: &str, a: &Tensor, b: &Tensor) {
    let bits = |t: &Tensor| t.to_f64_vec().unwrap().into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(a), bits(b), "{what}");
}

/// The ways in which `[batch, channels, …]` may lie: in order, channels last, and neither.
fn turned(shape: &[usize], dtype: DType, name: &str, way: usize) -> Tensor {
    let rank = shape.len();
    let order: Vec<usize> = match way {
        0 => (0..rank).collect(),
        1 => [0].into_iter().chain(2..rank).chain([1]).collect(),
        _ => (0..rank).rev().collect(),
    };
    let stored: Vec<usize> = order.iter().map(|&d| shape[d]).collect();
    let mut back = order.clone();
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    random(&stored, dtype, name).permute(&back).unwrap()
}

/// Shape, kind, shape of the weights.
fn norms() -> Vec<(Vec<usize>, NormKind, Vec<usize>)> {
    let group = |groups| NormKind::Group { groups };
    let layer = |dims| NormKind::Layer { dims };
    vec![
        (vec![3, 1], NormKind::Batch, vec![1]),
        (vec![300, 5], NormKind::Batch, vec![5]),
        (vec![7, 130], NormKind::Batch, vec![130]),
        (vec![5, 33, 7], NormKind::Batch, vec![33]),
        (vec![9, 17, 31, 33], NormKind::Batch, vec![17]),
        // A plane of more than one piece.
        (vec![2, 3, 70, 67], NormKind::Batch, vec![3]),
        (vec![2, 66], group(11), vec![66]),
        (vec![3, 20, 9, 15], group(4), vec![20]),
        (vec![2, 6, 67, 65], group(1), vec![6]),
        (vec![2, 9, 13], group(9), vec![9]),
        (vec![1, 1], layer(1), vec![1]),
        (vec![5, 9, 37], layer(1), vec![37]),
        (vec![70, 128], layer(1), vec![128]),
        (vec![300, 3, 67], layer(2), vec![3, 67]),
        (vec![2, 5000], layer(2), vec![2, 5000]),
    ]
}

fn check_norm(what: &str, args: &NormArgs, grad: Tensor, needs: [bool; 3]) {
    let cpu = Device::cpu();
    let (out, saved) = cpu.norm().norm(args, true).unwrap();
    let (wanted, wanted_saved) = Composed.norm(args, true).unwrap();
    assert_close(&format!("{what} y"), &out.y, &wanted.y);
    assert_close(&format!("{what} mean"), &out.mean, &wanted.mean);
    assert_close(&format!("{what} variance"), &out.variance, &wanted.variance);
    let inferred = cpu.norm().norm(args, false).unwrap().0;
    same_bits(&format!("{what}: inference gives the same bits"), &inferred.y, &out.y);
    let found = cpu.norm().norm_backward(args, saved.unwrap(), grad.clone(), &needs).unwrap();
    let wanted = Composed.norm_backward(args, wanted_saved.unwrap(), grad, &needs).unwrap();
    all_close(what, found, wanted, needs);
}

#[test]
fn norms_are_the_composed_ones() {
    for dtype in BOTH {
        for (n, (shape, kind, affine)) in norms().into_iter().enumerate() {
            for way in 0..3 {
                let x = turned(&shape, dtype, "x", way);
                let weight = (n % 4 != 1).then(|| random(&affine, dtype, "weight"));
                let bias = (n % 4 != 2).then(|| random(&affine, dtype, "bias"));
                let needs = [n % 5 != 3, weight.is_some() && n % 3 != 2, bias.is_some()];
                let args = NormArgs { x, weight, bias, kind, eps: 1e-3, given: None };
                // Arrives in another order than the operand's.
                let grad = turned(&shape, dtype, "grad", (way + n) % 3);
                check_norm(&format!("{kind:?} of {shape:?}, {dtype}, way {way}"), &args, grad.clone(), needs);
                if kind == NormKind::Batch {
                    let given =
                        [random(&affine, dtype, "mean"), random(&affine, dtype, "v").square().unwrap()];
                    let args = NormArgs { given: Some(given), ..args };
                    check_norm(
                        &format!("given {kind:?} of {shape:?}, {dtype}, way {way}"),
                        &args,
                        grad,
                        needs,
                    );
                }
            }
        }
    }
}

#[test]
fn a_norm_keeps_the_order_of_its_operand() {
    for kind in [NormKind::Batch, NormKind::Group { groups: 2 }] {
        let x = turned(&[3, 6, 4, 5], DType::F32, "x", 1);
        let args = NormArgs { x: x.clone(), weight: None, bias: None, kind, eps: 1e-5, given: None };
        let cpu = Device::cpu();
        let (out, saved) = cpu.norm().norm(&args, true).unwrap();
        assert_eq!(out.y.layout().strides(), x.layout().strides());
        let grads = cpu.norm().norm_backward(&args, saved.unwrap(), out.y, &[true, false, false]).unwrap();
        assert_eq!(grads[0].as_ref().unwrap().layout().strides(), x.layout().strides());
    }
}

/// A mean a million deviations away, where the mean of squares less the square of the mean has no digit left.
#[test]
fn a_large_mean_cancels_nothing() {
    let (n, far) = (6000, 1e6);
    // Whole numbers around the mean, so that every f32 is exact: variance (10² - 1) / 12.
    let values: Vec<f32> = (0..2 * n).map(|i| (far + f64::from(i % 10)) as f32).collect();
    let variance = 99.0 / 12.0;
    for (shape, kind) in [
        ([1, 2, n as usize], NormKind::Batch),
        ([n as usize, 2, 1], NormKind::Batch),
        ([1, 2, n as usize], NormKind::Group { groups: 1 }),
        ([1, 2, n as usize], NormKind::Layer { dims: 1 }),
    ] {
        let x = Tensor::new(&values, &shape).unwrap();
        // Alternating channels see every second number: their variance is that of 0, 2, 4, 6, 8.
        let wanted = if shape[2] == 1 { 8.0 } else { variance };
        let args = NormArgs { x, weight: None, bias: None, kind, eps: 0.0, given: None };
        let (out, _) = Device::cpu().norm().norm(&args, false).unwrap();
        for v in out.variance.to_f64_vec().unwrap() {
            assert!((v - wanted).abs() < 1e-5 * wanted, "{kind:?}, {shape:?}: {v} for {wanted}");
        }
    }
}

#[test]
fn a_norm_lets_nan_and_infinity_through_to_what_shares_their_statistics() {
    for bad in [f64::NAN, f64::INFINITY] {
        for (kind, shape) in [
            (NormKind::Batch, [5, 3, 21]),
            (NormKind::Group { groups: 3 }, [5, 3, 21]),
            (NormKind::Layer { dims: 1 }, [5, 3, 21]),
        ] {
            for way in 0..2 {
                let mut values = random(&shape, DType::F64, "x").to_f64_vec().unwrap();
                values[21] = bad;
                let order = if way == 0 { [0, 1, 2] } else { [0, 2, 1] };
                let x = Tensor::new(&values, &shape).unwrap().permute(&order).unwrap();
                let x = Tensor::new(&x.to_f64_vec().unwrap(), x.shape()).unwrap().permute(&order).unwrap();
                let args = NormArgs { x, weight: None, bias: None, kind, eps: 1e-5, given: None };
                let what = format!("{kind:?} with {bad}, way {way}");
                check_norm(&what, &args, random(&shape, DType::F64, "grad"), [true, false, false]);
            }
        }
    }
}

fn check_loss(what: &str, args: &CrossEntropyArgs, needs: [bool; 2]) {
    let cpu = Device::cpu();
    let (loss, saved) = cpu.loss().cross_entropy(args, true).unwrap();
    let (wanted, wanted_saved) = Composed.cross_entropy(args, true).unwrap();
    assert_close(what, &loss, &wanted);
    same_bits(what, &cpu.loss().cross_entropy(args, false).unwrap().0, &loss);
    let grad = Tensor::full(1.7, &[], loss.dtype(), &cpu).unwrap();
    let found = cpu.loss().cross_entropy_backward(args, saved.unwrap(), grad.clone(), &needs).unwrap();
    let wanted = Composed.cross_entropy_backward(args, wanted_saved.unwrap(), grad, &needs).unwrap();
    // A share of the gradient less another; of one class they are the same.
    let terms = 1.7 / args.logits.shape()[0] as f64;
    for i in (0..2).filter(|&i| needs[i]) {
        let (Some(f), Some(w)) = (&found[i], &wanted[i]) else { panic!("{what}: no gradient {i}") };
        assert_near(&format!("{what}, gradient {i}"), f, w, terms);
    }
}

#[test]
fn cross_entropy_is_the_composed_one() {
    for dtype in BOTH {
        for (rows, classes) in
            [(1, 1), (3, 2), (5, 16), (7, 17), (64, 10), (300, 67), (33, 1000), (2, 20_000)]
        {
            let logits = random(&[classes, rows], dtype, "x").mul_scalar(5.0).unwrap().transpose().unwrap();
            let weight = random(&[classes], dtype, "w").abs().unwrap().add_scalar(0.1).unwrap();
            let index: Vec<i64> =
                (0..rows).map(|i| if i % 4 == 3 { -9 } else { (i * 7 % classes) as i64 }).collect();
            let classes_of =
                Targets::Classes { index: Tensor::new(&index, &[rows]).unwrap(), ignore: Some(-9) };
            let shares = Targets::Shares(random(&[rows, classes], dtype, "q").abs().unwrap());
            for (smoothing, weight) in [(0.0, None), (0.2, None), (0.0, Some(&weight)), (1.0, Some(&weight))]
            {
                for (targets, needs) in
                    [(&classes_of, [true, false]), (&shares, [true, true]), (&shares, [false, true])]
                {
                    let (logits, weight, targets) = (logits.clone(), weight.cloned(), targets.clone());
                    let what = format!("[{rows}, {classes}], {dtype}, smoothing {smoothing}, {needs:?}");
                    check_loss(&what, &CrossEntropyArgs { logits, targets, weight, smoothing }, needs);
                }
            }
        }
    }
}

/// An impossible class of share 0, one row of NaN, one of equal and one of far logits; whole registers and tails.
#[test]
fn cross_entropy_of_infinite_logits_is_the_composed_one() {
    let inf = f64::INFINITY;
    for dtype in BOTH {
        for classes in [3, 16, 35] {
            let rows = [(-inf, 0.0), (0.0, 0.0), (1e4, -1e4), (inf, 0.0), (f64::NAN, 1.0), (-inf, -inf)];
            for (first, others) in rows {
                let mut logits = vec![others; classes];
                logits[1] = first;
                let logits = Tensor::new(&logits, &[1, classes]).unwrap().to_dtype(dtype).unwrap();
                let mut shares = vec![1.0 / (classes - 1) as f64; classes];
                shares[1] = 0.0;
                let shares = Tensor::new(&shares, &[1, classes]).unwrap().to_dtype(dtype).unwrap();
                let index = |class: i64| Tensor::new(&[class], &[1]).unwrap();
                for targets in [
                    Targets::Shares(shares),
                    Targets::Classes { index: index(0), ignore: None },
                    Targets::Classes { index: index(1), ignore: None },
                ] {
                    let what = format!("{first} and {others} of {classes}, {dtype}, {targets:?}");
                    let args =
                        CrossEntropyArgs { logits: logits.clone(), targets, weight: None, smoothing: 0.0 };
                    check_loss(&what, &args, [true, false]);
                }
            }
        }
    }
}

/// What a row that does not count holds reaches neither the loss nor a gradient.
#[test]
fn an_ignored_row_of_nan_has_no_part() {
    let logits = Tensor::new(&[0.0, 1.0, f64::NAN, 2.0], &[2, 2]).unwrap();
    let targets = Targets::Classes { index: Tensor::new(&[1i64, -1], &[2]).unwrap(), ignore: Some(-1) };
    let args = CrossEntropyArgs { logits, targets, weight: None, smoothing: 0.0 };
    let cpu = Device::cpu();
    let (loss, saved) = cpu.loss().cross_entropy(&args, true).unwrap();
    assert!((loss.item().unwrap() - (1.0 + (-1f64).exp()).ln()).abs() < 1e-15);
    let one = Tensor::full(1.0, &[], DType::F64, &cpu).unwrap();
    let [grad, _] = cpu.loss().cross_entropy_backward(&args, saved.unwrap(), one, &[true, false]).unwrap();
    assert_eq!(grad.unwrap().to_f64_vec().unwrap()[2..], [0.0, 0.0]);
}

/// `[batch, heads, time, source, dim, width]`
const ATTENTIONS: [[usize; 6]; 8] = [
    [1, 1, 1, 1, 1, 1],
    [2, 3, 5, 7, 4, 6],
    [1, 2, 37, 40, 17, 33],
    [2, 1, 73, 73, 32, 16],
    [1, 4, 36, 130, 5, 70],
    [1, 1, 90, 11, 65, 3],
    [3, 2, 2, 260, 8, 8],
    [1, 1, 109, 109, 1, 130],
];

fn check_attention(what: &str, args: &AttentionArgs, grad: Tensor, needs: [bool; 4]) {
    let cpu = Device::cpu();
    let (y, saved) = cpu.attention().attention(args, true).unwrap();
    let (wanted, wanted_saved) = Composed.attention(args, true).unwrap();
    assert_close(what, &y, &wanted);
    same_bits(what, &cpu.attention().attention(args, false).unwrap().0, &y);
    let found = cpu.attention().attention_backward(args, saved.unwrap(), grad.clone(), &needs).unwrap();
    let wanted = Composed.attention_backward(args, wanted_saved.unwrap(), grad, &needs).unwrap();
    all_close(what, found, wanted, needs);
}

#[test]
fn attention_is_the_composed_one() {
    for dtype in BOTH {
        for (n, sizes) in ATTENTIONS.into_iter().enumerate() {
            let [batch, heads, time, source, dim, width] = sizes;
            for case in 0..4 {
                // Head after head, or the heads of a step side by side, as layers part them.
                let operand = |rows: usize, columns: usize, name: &str| {
                    if (n + case) % 2 == 0 {
                        return random(&[batch, heads, rows, columns], dtype, name);
                    }
                    random(&[batch, rows, heads, columns], dtype, name).permute(&[0, 2, 1, 3]).unwrap()
                };
                let mask = match case {
                    0 => None,
                    1 => Some(random(&[time, source], dtype, "mask")),
                    2 => Some(random(&[batch, 1, 1, source], dtype, "mask")),
                    // One number for all keys of a step, over strides of 0.
                    _ => Some(random(&[heads, time, 1], dtype, "mask")),
                };
                let needs = [
                    [true; 4],
                    [true, true, true, false],
                    [false, true, false, true],
                    [false, false, true, false],
                ][(n + case) % 4];
                let args = AttentionArgs {
                    q: operand(time, dim, "q").mul_scalar(2.0).unwrap(),
                    k: operand(source, dim, "k"),
                    v: operand(source, width, "v"),
                    mask,
                    causal: (n + case) % 3 == 0,
                    scale: 0.7,
                    dropout: (case == 1).then(|| (0.3, Stream::new(3, "dropout"))),
                };
                let grad =
                    random(&[batch, time, heads, width], dtype, "grad").permute(&[0, 2, 1, 3]).unwrap();
                check_attention(&format!("{sizes:?}, {dtype}, case {case}"), &args, grad, needs);
            }
        }
    }
}

/// Steps that see no key give 0 and no gradient; scores that are far apart or no numbers do as composed.
#[test]
fn attention_of_strange_scores_is_the_composed_one() {
    let inf = f64::INFINITY;
    for dtype in BOTH {
        for source in [3, 16, 35] {
            let row = |first: f64, others: f64| {
                let mut row = vec![others; source];
                row[1] = first;
                row
            };
            let rows = [
                row(-inf, -inf),
                row(0.0, -inf),
                row(-inf, 0.0),
                row(1e4, -1e4),
                row(f64::NAN, 0.0),
                row(inf, 0.0),
            ];
            let mask = Tensor::new(&rows.concat(), &[6, source]).unwrap().to_dtype(dtype).unwrap();
            let operand = |rows: usize, name: &str| random(&[1, 1, rows, 5], dtype, name);
            let args = AttentionArgs {
                q: operand(6, "q"),
                k: operand(source, "k"),
                v: operand(source, "v"),
                mask: Some(mask),
                causal: false,
                scale: 1.0,
                dropout: None,
            };
            check_attention(
                &format!("{source} keys, {dtype}"),
                &args,
                operand(6, "grad"),
                [true, false, false, true],
            );
            let y = Device::cpu().attention().attention(&args, false).unwrap().0.to_f64_vec().unwrap();
            assert_eq!(y[..5], [0.0; 5], "a step that sees no key");
        }
    }
}

/// What attention keeps grows with the steps, not with their square.
#[test]
fn attention_keeps_two_numbers_a_step() {
    let q = random(&[1, 2, 64, 8], DType::F32, "q");
    let args = AttentionArgs {
        q: q.clone(),
        k: q.clone(),
        v: q,
        mask: None,
        causal: true,
        scale: 1.0,
        dropout: None,
    };
    let saved = Device::cpu().attention().attention(&args, true).unwrap().1.unwrap();
    assert_eq!(saved.bytes(), 2 * 2 * 64 * 4);
}

/// Each family on 1, 2 and 8 threads, at sizes that are cut into several shards.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let cpu = Device::cpu();
    let run = || {
        let mut all: Vec<Tensor> = Vec::new();
        for way in 0..2 {
            for (kind, affine) in [
                (NormKind::Batch, 17),
                (NormKind::Group { groups: 1 }, 17),
                (NormKind::Layer { dims: 1 }, 67),
            ] {
                let x = turned(&[40, 17, 31, 67], DType::F32, "x", way);
                let weight = Some(random(&[affine], DType::F32, "w"));
                let args = NormArgs {
                    x: x.clone(),
                    weight: weight.clone(),
                    bias: weight,
                    kind,
                    eps: 1e-5,
                    given: None,
                };
                let (out, saved) = cpu.norm().norm(&args, true).unwrap();
                all.extend([out.y, out.mean, out.variance]);
                let grads = cpu.norm().norm_backward(&args, saved.unwrap(), x, &[true; 3]).unwrap();
                all.extend(grads.into_iter().flatten());
            }
        }
        let logits = random(&[700, 300], DType::F32, "x");
        let index = Tensor::new(&(0..700).map(|i| i % 300).collect::<Vec<i64>>(), &[700]).unwrap();
        let targets = Targets::Classes { index, ignore: None };
        let args = CrossEntropyArgs { logits, targets, weight: None, smoothing: 0.1 };
        let (loss, saved) = cpu.loss().cross_entropy(&args, true).unwrap();
        let one = Tensor::full(1.0, &[], DType::F32, &cpu).unwrap();
        let [grad, _] =
            cpu.loss().cross_entropy_backward(&args, saved.unwrap(), one, &[true, false]).unwrap();
        all.extend([Some(loss), grad].into_iter().flatten());
        let q = random(&[3, 4, 70, 20], DType::F32, "q");
        let (k, v) = (q.clone(), q.clone());
        let args = AttentionArgs { q: q.clone(), k, v, mask: None, causal: true, scale: 1.0, dropout: None };
        let (y, saved) = cpu.attention().attention(&args, true).unwrap();
        all.push(y);
        let needs = [true, true, true, false];
        let grads = cpu.attention().attention_backward(&args, saved.unwrap(), q, &needs).unwrap();
        all.extend(grads.into_iter().flatten());
        all
    };
    forge_core::set_threads(1);
    let wanted = run();
    for threads in [2, 8] {
        forge_core::set_threads(threads);
        for (i, (a, b)) in run().iter().zip(&wanted).enumerate() {
            same_bits(&format!("{threads} threads, result {i}"), a, b);
        }
    }
}
