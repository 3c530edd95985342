//! Layers and losses over sequences and classes against PyTorch: its state dicts go in, the same outputs and gradients
//! come out. The files in `golden/` hold what `sequences.py` computed.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{Unary, UnaryKind};
use forge_core::nn::{
    Activation, DLinear, Embedding, Gru, Init, Lstm, Module, MovingAverage, MultiHeadAttention, NLinear,
    PositionalEncoding, RevIn, TransformerEncoder, TransformerEncoderLayer,
};
use forge_core::ops::{Attend, ClassLoss, attention};
use forge_core::{Cx, DType, Device, Parameters, Result, Tensor, checkpoint};
use std::path::Path;

struct Golden(Vec<(String, Tensor)>);

impl Golden {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        Golden(checkpoint::load(&folder.join(format!("{name}.safetensors"))).unwrap().tensors)
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.0.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no golden tensor {name}")).1.clone()
    }

    /// As the element type of the pass; integers stay.
    fn input(&self, name: &str, dtype: DType) -> Tensor {
        let tensor = self.tensor(name);
        if tensor.dtype() == DType::I64 { tensor } else { tensor.to_dtype(dtype).unwrap() }
    }

    /// Loads the state dict of a layer, converted.
    fn load_into<L: Parameters>(&self, name: &str, mut layer: L, dtype: DType) -> L {
        let prefix = format!("{name}.state.");
        let state = self.0.iter().filter_map(|(n, t)| Some((n.strip_prefix(&prefix)?.to_owned(), t.clone())));
        layer.convert(dtype, &Device::cpu()).unwrap();
        layer.load_values(&state.collect::<Vec<_>>()).unwrap();
        layer
    }
}

/// f32 within 1e-5 of PyTorch's f64, f64 to rounding.
fn assert_close(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape(), "{what}");
    let wanted = wanted.to_f64_vec().unwrap();
    let limit = if found.dtype() == DType::F64 { 1e-13 } else { 1e-5 };
    let top = wanted.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.to_f64_vec().unwrap().iter().zip(&wanted).enumerate() {
        assert!((a - b).abs() <= limit * top, "{what}, {}: element {i} is {a}, not {b}", found.dtype());
    }
}

fn each_dtype(check: impl Fn(DType)) {
    [DType::F64, DType::F32].into_iter().for_each(check);
}

#[test]
fn recurrent_layers_take_pytorchs_state_dicts_lengths_and_states() {
    let golden = Golden::load("layers");
    each_dtype(|dtype| {
        let cx = Cx::infer();
        let lengths: Vec<usize> =
            golden.tensor("lstm.lengths").to_f64_vec().unwrap().iter().map(|&l| l as usize).collect();
        let at = |name: &str| golden.input(name, dtype);

        let lstm = golden.load_into("lstm", Lstm::bidirectional(&Init::new(1), 3, 5, 2, 0.0).unwrap(), dtype);
        let x = at("lstm.x");
        assert_close("lstm", &lstm.forward(&cx, &x).unwrap(), &at("lstm.whole"));
        let first = (&at("lstm.first.0"), &at("lstm.first.1"));
        let out = lstm.sequences(&cx, &x, Some(&lengths), Some(first)).unwrap();
        for (found, name) in [(&out.y, "y"), (&out.h_n, "last.0"), (&out.c_n, "last.1")] {
            assert_close(name, found, &golden.tensor(&format!("lstm.{name}")));
        }

        let gru = golden.load_into("gru", Gru::bidirectional(&Init::new(1), 3, 5, 2, 0.0).unwrap(), dtype);
        assert_close("gru", &gru.forward(&cx, &x).unwrap(), &at("gru.whole"));
        let out = gru.sequences(&cx, &x, Some(&lengths), Some(&at("gru.first.0"))).unwrap();
        for (found, name) in [(&out.y, "y"), (&out.h_n, "last.0")] {
            assert_close(name, found, &golden.tensor(&format!("gru.{name}")));
        }
    });
}

#[test]
fn attention_layers_take_pytorchs_state_dicts_and_masks() {
    let golden = Golden::load("layers");
    each_dtype(|dtype| {
        let cx = Cx::infer();
        let at = |name: &str| golden.input(name, dtype);
        let layer = MultiHeadAttention::new(&Init::new(1), 8, 2, 0.0).unwrap();
        let layer = golden.load_into("attention", layer, dtype);
        let (x, memory) = (at("attention.x"), at("attention.memory"));
        let there = golden.tensor("attention.there").reshape(&[2, 1, 1, 4]).unwrap();
        let y = layer.attend(&cx, &x, &memory, &memory, Some(&there), false).unwrap();
        assert_close("attention", &y, &at("attention.y"));
        let causal = at("attention.causal");
        assert_close("causal", &layer.attend_self(&cx, &x, None, true).unwrap(), &causal);
        assert_close("causal", &layer.attend(&cx, &x, &x, &x, None, true).unwrap(), &causal);

        for (name, first) in [("encoder_post", false), ("encoder_pre", true)] {
            let gelu = || Activation::of(Unary::new(UnaryKind::Gelu));
            let layer = |init: &Init| {
                let layer = TransformerEncoderLayer::new(init, 8, 2, 12, 0.0)?.norm_first(first);
                Ok(if first { layer.activation(gelu()) } else { layer })
            };
            let init = Init::new(1);
            let encoder = TransformerEncoder::new(&init, 2, layer).unwrap().with_norm(&init, 8).unwrap();
            let encoder = golden.load_into(name, encoder, dtype);
            assert_close(name, &encoder.forward(&cx, &x).unwrap(), &at(&format!("{name}.y")));
            let causal = encoder.encode(&cx, &x, None, true).unwrap();
            assert_close(name, &causal, &at(&format!("{name}.causal")));
        }

        let zeros = Tensor::zeros(&[1, 9, 6], dtype, &Device::cpu()).unwrap();
        let table = PositionalEncoding::new(6, 20, 0.0).unwrap().forward(&cx, &zeros).unwrap();
        assert_close("positions", &table.reshape(&[9, 6]).unwrap(), &at("positions"));
    });
}

#[test]
fn an_embedding_trains_all_rows_but_the_padding_as_pytorch_does() {
    let golden = Golden::load("layers");
    each_dtype(|dtype| {
        let layer = Embedding::new(&Init::new(1), 7, 4).unwrap().padding(2).unwrap();
        let fresh = layer.forward(&Cx::infer(), &Tensor::new(&[2i64], &[1]).unwrap()).unwrap();
        assert_eq!(fresh.to_f64_vec().unwrap(), [0.0; 4], "the padding starts as 0");
        let layer = golden.load_into("embedding", layer, dtype);
        let cx = Cx::train(0, 0);
        let y = layer.forward(&cx, &golden.tensor("embedding.x")).unwrap();
        assert_close("embedding", &y.detach(), &golden.tensor("embedding.y"));
        let grads = y.square().unwrap().sum_all().unwrap().backward(cx).unwrap();
        layer.visit(&mut String::new(), &mut |_, weight| {
            assert_close("gradient", grads.of(weight).unwrap(), &golden.tensor("embedding.grad"));
        });
    });
    assert_eq!(
        Embedding::new(&Init::new(1), 7, 4).unwrap().padding(7).unwrap_err().to_string(),
        "embedding: the padding row 7 is outside the 7 rows"
    );
}

#[test]
fn losses_over_classes_are_pytorchs_with_their_gradients() {
    let golden = Golden::load("class_losses");
    type Loss<'a> = Box<dyn Fn(&[Tensor]) -> Result<Tensor> + 'a>;
    each_dtype(|dtype| {
        let at = |name: &str| golden.input(name, dtype);
        let how = |smoothing: f64| ClassLoss { weight: Some(at("weight")), smoothing, ignore: Some(-100) };
        let (target, image) = (golden.tensor("target"), golden.tensor("image_target"));
        let mut checks: Vec<(String, Vec<&str>, Loss)> = vec![
            ("nll".into(), vec!["z"], Box::new(|x| x[0].nll(&target, &how(0.0)))),
            ("cross_entropy.image".into(), vec!["image"], Box::new(|x| x[0].cross_entropy(&image))),
            ("kl".into(), vec!["z"], Box::new(|x| x[0].kl_divergence(&at("p"), false))),
            ("kl.log".into(), vec!["z", "p"], Box::new(|x| x[0].kl_divergence(&x[1], true))),
            ("bce".into(), vec!["z"], Box::new(|x| x[0].bce_with_logits(&at("p"), Some(&at("weight"))))),
        ];
        for smoothing in [0.0, 0.2] {
            let name = format!("cross_entropy.{smoothing:.1}");
            let [how, shares_how] = [how(smoothing), how(smoothing)];
            let target = &target;
            let classes: Loss = Box::new(move |x| x[0].cross_entropy_with(target, &how));
            checks.push((name.clone(), vec!["z"], classes));
            let shares: Loss = Box::new(move |x| x[0].cross_entropy_with(&x[1], &shares_how));
            checks.push((format!("{name}.shares"), vec!["z", "shares"], shares));
        }
        for (name, inputs, loss) in &checks {
            let cx = Cx::train(0, 0);
            let leaves: Vec<Tensor> = inputs.iter().map(|n| cx.track(&at(n)).unwrap()).collect();
            let value = loss(&leaves).unwrap();
            assert_close(name, &value.detach(), &golden.tensor(name));
            let grads = value.backward(cx).unwrap();
            for (i, leaf) in leaves.iter().enumerate() {
                let wanted = golden.tensor(&format!("{name}.grad.{i}"));
                assert_close(&format!("{name}, gradient {i}"), grads.wrt(leaf).unwrap(), &wanted);
            }
        }
    });
}

/// What stands after a sample's end reaches nothing, be it NaN, and a step that sees no key is no NaN either.
#[test]
fn padding_reaches_no_result_and_no_gradient() {
    let values: Vec<f64> = (0..24).map(|i| f64::from(i % 7) * 0.1 - 0.3).collect();
    let dirty: Vec<f64> =
        values.iter().enumerate().map(|(i, &v)| if i >= 16 { f64::NAN } else { v }).collect();
    let run = |values: &[f64]| {
        let init = Init::new(3).dtype(DType::F64);
        let (lstm, gru) = (
            Lstm::bidirectional(&init, 2, 3, 1, 0.0).unwrap(),
            Gru::bidirectional(&init.within("gru"), 2, 3, 1, 0.0).unwrap(),
        );
        let cx = Cx::train(0, 0);
        let x = cx.track(&Tensor::new(values, &[2, 6, 2]).unwrap()).unwrap();
        let a = lstm.sequences(&cx, &x, Some(&[6, 2]), None).unwrap();
        let b = gru.sequences(&cx, &x, Some(&[6, 2]), None).unwrap();
        let total = |t: &Tensor| t.square().unwrap().sum_all().unwrap();
        let losses = [&a.y, &a.c_n, &b.y, &b.h_n].map(total);
        let loss = losses.iter().skip(1).fold(losses[0].clone(), |sum, l| (&sum + l).unwrap());
        let value = loss.item().unwrap();
        let grads = loss.backward(cx).unwrap();
        let mut all = grads.wrt(&x).unwrap().to_f64_vec().unwrap();
        for layer in [&lstm as &dyn Module, &gru] {
            layer.visit(&mut String::new(), &mut |_, p| {
                all.extend(grads.of(p).unwrap().to_f64_vec().unwrap())
            });
        }
        (value, all)
    };
    let (clean, dirty) = (run(&values), run(&dirty));
    assert!(clean.0 > 0.0 && clean.1[..16].iter().all(|g| *g != 0.0), "{clean:?}");
    assert_eq!(clean.1[16..24], [0.0; 8], "gradients of the padding");
    assert_eq!(clean, dirty);

    let cx = Cx::train(0, 0);
    let q = cx.track(&Tensor::new(&values[..6], &[1, 1, 3, 2]).unwrap()).unwrap();
    let mask = Some(Tensor::new(&[1i64, 0, 1, 0, 0, 0, 1, 1, 1], &[3, 3]).unwrap());
    let y = attention(&q, &q, &q, &Attend { mask, ..Attend::default() }).unwrap();
    assert_eq!(y.detach().to_f64_vec().unwrap()[2..4], [0.0, 0.0]);
    let grads = y.square().unwrap().sum_all().unwrap().backward(cx).unwrap();
    assert!(grads.wrt(&q).unwrap().to_f64_vec().unwrap().iter().all(|g| g.is_finite()));
}

#[test]
fn revin_brings_any_sequence_to_one_scale_and_exactly_back() {
    let init = Init::new(0).dtype(DType::F64);
    let mut layer = RevIn::new(&init, 2).unwrap();
    let values: Vec<f64> = (0..20).map(|i| 100.0 + 7.0 * f64::from((i * i) % 13)).collect();
    let x = Tensor::new(&values, &[2, 5, 2]).unwrap();
    let cx = Cx::infer();
    let (y, _) = layer.normalize(&cx, &x).unwrap();
    let mean = y.mean(&[1], false).unwrap().to_f64_vec().unwrap();
    let square = y.square().unwrap().mean(&[1], false).unwrap().to_f64_vec().unwrap();
    assert!(mean.iter().all(|m| m.abs() < 1e-14), "{mean:?}");
    assert!(square.iter().all(|s| (s - 1.0).abs() < 1e-6), "{square:?}");
    // The level and the scale of a sequence do not change what the model sees, but for the 1e-5 of the variance.
    let (moved, _) = layer.normalize(&cx, &(&x * 3.0).unwrap().add_scalar(50.0).unwrap()).unwrap();
    let pairs = moved.to_f64_vec().unwrap().into_iter().zip(y.to_f64_vec().unwrap());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    // With other weights than the first ones, too.
    let state = [("affine_weight", [0.3, -2.0]), ("affine_bias", [5.0, -1.0])]
        .map(|(name, v)| (name.to_owned(), Tensor::new(&v, &[2]).unwrap()));
    layer.load_values(&state).unwrap();
    let (y, statistics) = layer.normalize(&cx, &x).unwrap();
    let back = layer.restore(&cx, &y, &statistics).unwrap().to_f64_vec().unwrap();
    assert!(back.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-12 * b), "{back:?}");
    let error = layer.normalize(&cx, &x.narrow(2, 0, 1).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "revin: [2, 5, 1] is not [batch, time, 2]");
}

/// Weights of 1 / lookback repeat the mean, and NLinear's weights of 0 the last value.
#[test]
fn linear_forecasts_are_those_of_their_formulas() {
    let x = Tensor::new(&[1.0, 10.0, 2.0, 20.0, 6.0, 60.0, 7.0, 30.0], &[1, 4, 2]).unwrap();
    let set = |model: &mut dyn Parameters, weight: f64| {
        let fill = |p: &mut forge_core::Param, v: f64| {
            let value = Tensor::full(v, p.shape(), DType::F64, &Device::cpu()).unwrap();
            p.set(&value)
        };
        model
            .visit_mut(&mut String::new(), &mut |name, p| {
                fill(p, if name.ends_with("bias") { 0.5 } else { weight })
            })
            .unwrap();
    };
    let init = Init::new(0).dtype(DType::F64);
    let mut dlinear = DLinear::new(&init, 4, 3, 3).unwrap();
    set(&mut dlinear, 0.25);
    let y = dlinear.forward(&Cx::infer(), &x).unwrap();
    // The same weights for trend and season: the mean of the whole, and both biases.
    assert_eq!(y.to_f64_vec().unwrap(), [5.0, 31.0, 5.0, 31.0, 5.0, 31.0]);
    let mut nlinear = NLinear::new(&init, 4, 2).unwrap();
    set(&mut nlinear, 0.0);
    let y = nlinear.forward(&Cx::infer(), &x).unwrap();
    assert_eq!(y.to_f64_vec().unwrap(), [7.5, 30.5, 7.5, 30.5]);
    let (trend, season) = MovingAverage::new(3).unwrap().decompose(&x).unwrap();
    let wanted = Tensor::new(&[4.0 / 3.0, 3.0, 5.0, 20.0 / 3.0], &[1, 4]).unwrap();
    assert_close("trend", &trend.select(2, 0).unwrap(), &wanted);
    let whole = (trend + season).unwrap().to_f64_vec().unwrap();
    assert!(whole.iter().zip(x.to_f64_vec().unwrap()).all(|(a, b)| (a - b).abs() < 1e-14));
}

#[test]
fn dropout_acts_in_training_only_and_sizes_are_checked() {
    let init = Init::new(0);
    let layer = TransformerEncoderLayer::new(&init, 8, 2, 16, 0.5).unwrap();
    let x = Tensor::full(0.3, &[1, 4, 8], DType::F32, &Device::cpu()).unwrap();
    let train = |step: u64| layer.forward(&Cx::train(1, step), &x).unwrap().detach().to_f64_vec().unwrap();
    let infer = || layer.forward(&Cx::infer(), &x).unwrap().to_f64_vec().unwrap();
    assert_eq!(infer(), infer());
    assert_eq!(train(0), train(0));
    assert_ne!(train(0), train(1));
    assert_ne!(train(0), infer());
    let message = |r: Result<MultiHeadAttention>| r.unwrap_err().to_string();
    assert_eq!(
        message(MultiHeadAttention::new(&init, 8, 3, 0.0)),
        "multi_head_attention: dim 8 must be a multiple of heads 3, and both at least 1"
    );
    let attend = MultiHeadAttention::new(&init, 8, 2, 0.0).unwrap();
    assert_eq!(
        attend.forward(&Cx::infer(), &x.narrow(2, 0, 4).unwrap()).unwrap_err().to_string(),
        "multi_head_attention: [1, 4, 4] is not [batch, time, 8]"
    );
    let positions = PositionalEncoding::new(8, 3, 0.0).unwrap();
    assert_eq!(
        positions.forward(&Cx::infer(), &x).unwrap_err().to_string(),
        "positional_encoding: [1, 4, 8] is not [batch, up to 3 steps, 8]"
    );
}
