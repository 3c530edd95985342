//! A model, a training loop and a report of one's own, without YAML.
//!
//! Forecasts tomorrow's log return of Microsoft from the last 20 with a gated linear model, and says what repeating
//! the last close scores on the same days.
//!
//!     cargo run --release --example custom_loop

use azuraforge::history::{EpochRecord, FitHistory, StopReason};
use azuraforge::prelude::*;
use azuraforge::report::Report;
use azuraforge::rng::Stream;
use azuraforge::{Mode, parameters};

const LOOKBACK: usize = 20;
const EPOCHS: usize = 15;
const BATCH: usize = 64;
const SEED: u64 = 7;

/// y = s (W₁ x + b₁) σ(W₂ x + b₂)
struct Gated {
    value: Linear,
    gate: Linear,
    scale: Param,
}

parameters!(Gated { scale } layers { value, gate });

impl Gated {
    fn new(init: &Init, inputs: usize) -> Result<Self> {
        Ok(Gated {
            value: Linear::new(&init.within("value"), inputs, 1)?,
            gate: Linear::new(&init.within("gate"), inputs, 1)?,
            scale: init.uniform("scale", &[1], 0.5)?,
        })
    }
}

impl Module for Gated {
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let value = cx.within("value", |cx| self.value.forward(cx, x))?;
        let gate = cx.within("gate", |cx| self.gate.forward(cx, x))?.sigmoid()?;
        // One `?` for the whole expression.
        &cx.param(&self.scale) * (value * &gate)
    }

    fn describe(&self) -> String {
        "gated linear".into()
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (train, val) = returns()?;
    let mut model = Gated::new(&Init::new(SEED), LOOKBACK)?;
    let mut adam = Adam::new(0.005);
    let mut epochs = Vec::new();
    for epoch in 0..EPOCHS {
        let mut total = 0.0;
        for indices in Stream::new(SEED, "order").at(epoch as u64).permutation(train.len()).chunks(BATCH) {
            let batch = train.batch(indices, &Device::cpu())?;
            let cx = Cx::train(SEED, adam.steps());
            assert_eq!(cx.mode(), Mode::Train);
            let loss = model.forward(&cx, &batch.x)?.mse(&batch.y)?;
            total += loss.item()? * indices.len() as f64;
            let grads = loss.backward(cx)?;
            adam.step(&mut model, &grads)?;
        }
        let metrics = vec![
            ("train.loss".to_string(), total / train.len() as f64),
            ("val.loss".to_string(), loss_of(&model, &val)?),
        ];
        println!("epoch {:2}  {:?}", epoch + 1, metrics);
        epochs.push(EpochRecord { epoch, step: adam.steps(), seconds: 0.0, learning_rate: 0.005, metrics });
    }
    // In units of the train part's deviation, a forecast of no change errs by the mean square of what happened.
    let everything: Vec<usize> = (0..val.len()).collect();
    let naive = val.batch(&everything, &Device::cpu())?.y.square()?.mean_all()?.item()?;
    let ours = loss_of(&model, &val)?;
    println!(
        "validation: {ours:.4}; repeating the last close: {naive:.4}; skill {:+.2} %",
        100.0 * (1.0 - ours / naive)
    );
    let history = FitHistory {
        name: "gated".into(),
        model: model.describe(),
        parameters: model.parameter_count(),
        epochs,
        monitor: None,
        best_epoch: None,
        stop: StopReason::Finished,
        seconds: 0.0,
    };
    let path = std::env::temp_dir().join("custom_loop.html");
    Report::from(&history).write(&path)?;
    println!("{}", path.display());
    Ok(())
}

fn loss_of(model: &Gated, data: &TensorDataset) -> Result<f64> {
    let all: Vec<usize> = (0..data.len()).collect();
    let batch = data.batch(&all, &Device::cpu())?;
    model.forward(&Cx::infer(), &batch.x)?.mse(&batch.y)?.item()
}

/// Windows of standardized log returns: the first 80 % to train on, what follows to validate with.
fn returns() -> std::result::Result<(TensorDataset, TensorDataset), Box<dyn std::error::Error>> {
    use azuraforge::pipelines::sources::{CheckParams, CsvParams, load};
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let loaded = load(&CsvParams::new("data/msft_daily.csv"), &folder, &CheckParams::default())?;
    let close = loaded.frame.numbers("Adj Close")?;
    let returns: Vec<f64> = close.windows(2).map(|w| (w[1] / w[0]).ln()).collect();
    let border = returns.len() * 8 / 10;
    let mean = returns[..border].iter().sum::<f64>() / border as f64;
    let deviation =
        (returns[..border].iter().map(|r| (r - mean).powi(2)).sum::<f64>() / border as f64).sqrt();
    let scaled: Vec<f32> = returns.iter().map(|r| (r / deviation) as f32).collect();
    let windows = |rows: std::ops::Range<usize>| -> Result<TensorDataset> {
        let x: Vec<f32> = rows.clone().flat_map(|row| scaled[row - LOOKBACK..row].to_vec()).collect();
        let y: Vec<f32> = rows.clone().map(|row| scaled[row]).collect();
        TensorDataset::new(Tensor::new(&x, &[rows.len(), LOOKBACK])?, Tensor::new(&y, &[rows.len(), 1])?)
    };
    Ok((windows(LOOKBACK..border)?, windows(border..scaled.len())?))
}
