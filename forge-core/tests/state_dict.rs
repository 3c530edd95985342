//! State dicts of PyTorch under PyTorch's names: weights in, the same output out. The file `golden/state_dicts.safetensors` is
//! made by `golden/make_state_dicts.py`.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{
    Activation, DLinear, Init, LastStep, Linear, Lstm, Module, NLinear, Normalized, Sequential,
};
use forge_core::{Cx, DType, Tensor, checkpoint};
use std::collections::BTreeSet;
use std::path::Path;

type Build = fn(&Init) -> Box<dyn Module>;

/// A layer for every state dict in the file.
const LAYERS: &[(&str, Build)] = &[
    ("bf16", |init| Box::new(Linear::new(init, 5, 3).unwrap())),
    ("dlinear", |init| Box::new(DLinear::new(init, 9, 4, 5).unwrap())),
    ("dlinear_even", |init| Box::new(DLinear::new(init, 9, 4, 4).unwrap())),
    ("f16", |init| Box::new(Linear::new(init, 5, 3).unwrap())),
    ("linear", |init| Box::new(Linear::new(init, 5, 3).unwrap())),
    ("lstm", |init| Box::new(Lstm::new(init, 3, 6, 1, 0.0).unwrap())),
    ("lstm_stacked", |init| Box::new(Lstm::new(init, 3, 6, 3, 0.0).unwrap())),
    ("nlinear", |init| Box::new(NLinear::new(init, 9, 4).unwrap())),
    ("normalized", |init| Box::new(Normalized::new(init, 3, NLinear::new(init, 9, 4).unwrap()).unwrap())),
    ("sequential", |init| {
        let layers = Sequential::new()
            .with("lstm", Lstm::new(init, 3, 6, 2, 0.0).unwrap())
            .with("last", LastStep)
            .with("hidden", Linear::new(init, 6, 8).unwrap())
            .with("act", Activation::relu())
            .with("head", Linear::new(init, 8, 2).unwrap());
        Box::new(layers)
    }),
];

fn file() -> Vec<(String, Tensor)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state_dicts.safetensors");
    checkpoint::load(&path).unwrap().tensors
}

#[test]
fn a_state_dict_gives_the_output_that_it_gave_in_pytorch() {
    let file = file();
    for (name, build) in LAYERS {
        let tensor = |what: &str| &file.iter().find(|(n, _)| *n == format!("{name}.{what}")).unwrap().1;
        let prefix = format!("{name}.state.");
        let strip = |(n, t): &(String, Tensor)| Some((n.strip_prefix(&prefix)?.to_owned(), t.clone()));
        let state: Vec<(String, Tensor)> = file.iter().filter_map(strip).collect();
        assert!(state.iter().all(|(_, t)| t.dtype() == DType::F32), "{name}");
        let mut layer = build(&Init::new(1));
        let before = layer.forward(&Cx::infer(), tensor("x")).unwrap().to_f64_vec().unwrap();
        layer.load_values(&state).unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = layer.forward(&Cx::infer(), tensor("x")).unwrap();
        assert_eq!(found.shape(), tensor("y").shape(), "{name}");
        let (found, wanted) = (found.to_f64_vec().unwrap(), tensor("y").to_f64_vec().unwrap());
        let apart = |a: &[f64]| a.iter().zip(&wanted).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(apart(&found) < 1e-5, "{name}: {:e}", apart(&found));
        assert!(apart(&before) > 1e-2, "{name}: the output does not depend on the weights");
    }
}

#[test]
fn every_state_dict_of_the_file_is_tried() {
    let there: BTreeSet<String> =
        file().iter().map(|(name, _)| name.split('.').next().unwrap().to_owned()).collect();
    let tried: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, tried);
}
