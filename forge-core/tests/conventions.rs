//! Values and gradients at kinks, ties and extremes against PyTorch's in f64: `golden/operations.safetensors` holds what
//! its script `operations.py` computed.

#![allow(clippy::unwrap_used)]

use forge_core::ops::PadMode;
use forge_core::{Cx, Result, Tensor, checkpoint};
use std::collections::HashMap;
use std::path::Path;

type Call = fn(&[Tensor]) -> Result<Tensor>;

struct Golden(HashMap<String, Tensor>);

impl Golden {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/operations.safetensors");
        Golden(checkpoint::load(&path).unwrap().tensors.into_iter().collect())
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }

    /// Value and gradients for the seed 1, 2, 3, …, as the script takes them.
    fn check(&self, name: &str, operands: &[&str], call: impl Fn(&[Tensor]) -> Result<Tensor>) {
        let cx = Cx::train(0, 0);
        let leaves: Vec<Tensor> = operands.iter().map(|o| cx.track(self.tensor(o)).unwrap()).collect();
        let y = call(&leaves).unwrap();
        self.compare(name, &y, 0.0);
        let seed: Vec<f64> = (1..=y.count()).map(|i| i as f64).collect();
        let grads = y.backward_from(Tensor::new(&seed, y.shape()).unwrap(), cx).unwrap();
        for (i, leaf) in leaves.iter().enumerate() {
            // A derivative such as 1 - y² cancels, so its rounding is that of a seed.
            self.compare(
                &format!("{name}.grad{i}"),
                grads.wrt(leaf).unwrap(),
                seed.len() as f64 * f64::EPSILON,
            );
        }
    }

    fn compare(&self, name: &str, found: &Tensor, floor: f64) {
        let wanted = self.tensor(name);
        assert_eq!(found.shape(), wanted.shape(), "{name}");
        let pairs = found.to_f64_vec().unwrap().into_iter().zip(wanted.to_f64_vec().unwrap());
        for (i, (f, w)) in pairs.enumerate() {
            let same = f == w || (f.is_nan() && w.is_nan());
            assert!(
                same || (f - w).abs() <= 1e-14 * w.abs() + floor,
                "{name}, element {i}: {f} for PyTorch's {w}"
            );
        }
    }
}

#[test]
fn elementwise_functions_are_pytorchs() {
    let calls: [(&str, Call); 32] = [
        ("abs", |x| x[0].abs()),
        ("clamp", |x| x[0].clamp(-0.6, 0.8)),
        ("cos", |x| x[0].cos()),
        ("elu", |x| x[0].elu(0.7)),
        ("erf", |x| x[0].erf()),
        ("exp", |x| x[0].exp()),
        ("expm1", |x| x[0].expm1()),
        ("floor", |x| x[0].floor()),
        ("gelu", |x| x[0].gelu()),
        ("hardtanh", |x| x[0].hardtanh(-0.5, 0.7)),
        ("leaky_relu", |x| x[0].leaky_relu(0.7)),
        ("log", |x| x[0].log()),
        ("log1p", |x| x[0].log1p()),
        ("pow_0", |x| x[0].pow_scalar(0.0)),
        ("pow_1", |x| x[0].pow_scalar(1.0)),
        ("pow_1.5", |x| x[0].pow_scalar(1.5)),
        ("pow_2", |x| x[0].pow_scalar(2.0)),
        ("pow_3", |x| x[0].pow_scalar(3.0)),
        ("pow_-0.5", |x| x[0].pow_scalar(-0.5)),
        ("pow_-1", |x| x[0].pow_scalar(-1.0)),
        ("reciprocal", |x| x[0].reciprocal()),
        ("relu", |x| x[0].relu()),
        ("round", |x| x[0].round()),
        ("rsqrt", |x| x[0].rsqrt()),
        ("sigmoid", |x| x[0].sigmoid()),
        ("sign", |x| x[0].sign()),
        ("silu", |x| x[0].silu()),
        ("sin", |x| x[0].sin()),
        ("softplus", |x| x[0].softplus(1.0, 20.0)),
        ("softplus_2_1", |x| x[0].softplus(2.0, 1.0)),
        ("sqrt", |x| x[0].sqrt()),
        ("tanh", |x| x[0].tanh()),
    ];
    let golden = Golden::load();
    for (name, call) in calls {
        golden.check(name, &["x"], call);
    }
    golden.check("gelu_tanh", &["near"], |x| x[0].gelu_tanh());
}

#[test]
fn binary_functions_are_pytorchs_at_ties_infinities_and_nan() {
    let calls: [(&str, Call); 6] = [
        ("pow", |x| x[0].pow(&x[1])),
        ("maximum", |x| x[0].maximum(&x[1])),
        ("minimum", |x| x[0].minimum(&x[1])),
        ("add", |x| &x[0] + &x[1]),
        ("mul", |x| &x[0] * &x[1]),
        ("div", |x| &x[0] / &x[1]),
    ];
    let golden = Golden::load();
    for (name, call) in calls {
        golden.check(name, &["a", "b"], call);
    }
}

#[test]
fn comparisons_are_pytorchs_and_no_tape_records_them() {
    let calls: [(&str, Call); 6] = [
        ("eq", |x| x[0].eq(&x[1])),
        ("ne", |x| x[0].ne(&x[1])),
        ("lt", |x| x[0].lt(&x[1])),
        ("le", |x| x[0].le(&x[1])),
        ("gt", |x| x[0].gt(&x[1])),
        ("ge", |x| x[0].ge(&x[1])),
    ];
    let golden = Golden::load();
    let cx = Cx::train(0, 0);
    let operands = ["a", "b"].map(|name| cx.track(golden.tensor(name)).unwrap());
    for (name, call) in calls {
        let y = call(&operands).unwrap();
        assert!(!y.is_tracked(), "{name}");
        golden.compare(name, &y, 0.0);
    }
}

/// Where this library decides for itself: gradients at the bounds of `clamp` are 1, whatever PyTorch's release has.
#[test]
fn clamp_passes_gradients_on_its_bounds() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[-0.6, -0.5, 0.0, 0.75, 0.8], &[5]).unwrap()).unwrap();
    let grads = x.clamp(-0.5, 0.75).unwrap().sum_all().unwrap().backward(cx).unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_f64_vec().unwrap(), [0.0, 1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn reductions_are_pytorchs_at_ties_zeros_infinities_and_nan() {
    let golden = Golden::load();
    golden.check("max", &["rows"], |x| Ok(x[0].max(1, false)?.0));
    golden.check("min", &["rows"], |x| Ok(x[0].min(1, false)?.0));
    golden.compare("argmax", &golden.tensor("rows").argmax(1, false).unwrap(), 0.0);
    golden.compare("argmin", &golden.tensor("rows").argmin(1, false).unwrap(), 0.0);
    golden.check("prod", &["finite"], |x| x[0].prod(1, false));
    golden.check("cumsum", &["rows"], |x| x[0].cumsum(1));
    golden.check("logsumexp", &["rows"], |x| x[0].logsumexp(&[1], false));
    golden.check("softmax", &["rows"], |x| x[0].softmax(1));
    golden.check("log_softmax", &["finite"], |x| x[0].log_softmax(1));
    golden.check("var_0", &["finite"], |x| x[0].var(&[0, 1], 0, false));
    golden.check("var_1", &["finite"], |x| x[0].var(&[0, 1], 1, false));
    golden.check("std_0", &["finite"], |x| x[0].std(&[1], 0, false));
    golden.check("std_1", &["finite"], |x| x[0].std(&[1], 1, false));
}

#[test]
fn moved_and_chosen_elements_are_pytorchs() {
    let golden = Golden::load();
    let index = golden.tensor("index").clone();
    let column = index.select(1, 0).unwrap();
    golden.check("gather", &["finite"], |x| x[0].gather(1, &index));
    golden.check("scatter_add", &["finite", "source"], |x| x[0].scatter_add(1, &index, &x[1]));
    golden.check("index_select", &["finite"], |x| x[0].index_select(1, &column));
    golden.check("reflect", &["finite"], |x| x[0].pad(&[(0, 0), (3, 2)], PadMode::Reflect));
    golden.check("replicate", &["finite"], |x| x[0].pad(&[(0, 0), (3, 5)], PadMode::Replicate));
    golden.check("unfold", &["finite"], |x| x[0].unfold(1, 3, 1));
    golden.check("unfold_rows", &["finite"], |x| x[0].unfold(0, 2, 2));
    golden.check("roll", &["finite"], |x| x[0].roll(0, -3));
    golden.check("flip", &["finite"], |x| x[0].flip(&[0, 1]));
    golden.check("repeat", &["finite"], |x| x[0].repeat(&[2, 3]));
    golden.check("chunk", &["finite"], |x| {
        Tensor::concat(&x[0].chunk(0, 3)?.iter().rev().collect::<Vec<_>>(), 0)
    });
    let rows = golden.tensor("rows");
    let mask = rows.gt(&Tensor::scalar_like(1.0, rows).unwrap()).unwrap();
    golden.check("where", &["rows", "doubled"], |x| mask.where_(&x[0], &x[1]));
}

/// Where this library decides for itself: of equal extremes of all elements, the first has the gradient, as along a
/// dimension; PyTorch shares it out.
#[test]
fn the_first_of_equal_extremes_has_the_gradient() {
    let largest = |x: &Tensor| x.max_all();
    let smallest = |x: &Tensor| x.min_all();
    for (run, wanted) in [
        (&largest as &dyn Fn(&Tensor) -> Result<Tensor>, [0.0, 1.0, 0.0, 0.0]),
        (&smallest, [1.0, 0.0, 0.0, 0.0]),
    ] {
        let cx = Cx::train(0, 0);
        let x = cx.track(&Tensor::new(&[1.0, 3.0, 3.0, 1.0], &[2, 2]).unwrap()).unwrap();
        let grads = run(&x).unwrap().backward(cx).unwrap();
        assert_eq!(grads.wrt(&x).unwrap().to_f64_vec().unwrap(), wanted);
    }
}

/// A gradient that were multiplied by the mask would be 0 · NaN.
#[test]
fn what_where_does_not_choose_sends_no_nan_back() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[-1.0, 4.0], &[2]).unwrap()).unwrap();
    let broken = cx.track(&Tensor::new(&[f64::NAN, f64::INFINITY], &[2]).unwrap()).unwrap();
    let mask = Tensor::new(&[0.0, 0.0], &[2]).unwrap();
    let y = mask.where_(&(&broken * &broken).unwrap(), &x).unwrap();
    assert_eq!(y.to_f64_vec().unwrap(), [-1.0, 4.0]);
    let seed = Tensor::new(&[f64::INFINITY, 1.0], &[2]).unwrap();
    let grads = y.backward_from(seed, cx).unwrap();
    assert_eq!(grads.wrt(&x).unwrap().to_f64_vec().unwrap(), [f64::INFINITY, 1.0]);
}
