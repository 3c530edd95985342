//! The workloads of `../workloads.rs` in candle: `peer-candle NAME FOLDER [--threads N] [--steps N] [--infer]`, where
//! FOLDER holds what `workload NAME --save FOLDER` wrote. Prints one line of JSON for `compare.py`.

use candle_core::{DType, Device, Error, Module, Result, Tensor, Var, safetensors};
use candle_nn::rnn::{GRUConfig, LSTMConfig, RNN};
use candle_nn::{AdamW, Conv2dConfig, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss};
use std::time::Instant;

const WARM: usize = 5;
const COMPARED: usize = 10;

type Network = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// The network and its batch size.
fn network(name: &str, weights: VarBuilder) -> Result<(Network, usize)> {
    let lstm = |features: usize, hidden: usize, layers: usize| -> Result<Network> {
        let stack = (0..layers)
            .map(|layer_idx| {
                let inputs = if layer_idx == 0 { features } else { hidden };
                let config = LSTMConfig { layer_idx, ..LSTMConfig::default() };
                candle_nn::lstm(inputs, hidden, config, weights.pp("lstm"))
            })
            .collect::<Result<Vec<_>>>()?;
        let head = candle_nn::linear(hidden, 1, weights.pp("head"))?;
        Ok(Box::new(move |x| {
            let mut x = x.clone();
            let mut last = None;
            for (at, layer) in stack.iter().enumerate() {
                let states = layer.seq(&x)?;
                last = states.last().map(|s| s.h().clone());
                if at + 1 < stack.len() {
                    x = layer.states_to_tensor(&states)?;
                }
            }
            head.forward(&last.ok_or_else(|| Error::msg("no step"))?)
        }))
    };
    let around = Conv2dConfig { padding: 1, ..Default::default() };
    let conv = |name: &str, from: usize, to: usize| candle_nn::conv2d(from, to, 3, around, weights.pp(name));
    Ok(match name {
        "w1" => (lstm(1, 50, 1)?, 32),
        "w1b" => (lstm(5, 64, 1)?, 32),
        "w1g" => {
            let layer = candle_nn::gru(5, 64, GRUConfig::default(), weights.pp("gru"))?;
            let head = candle_nn::linear(64, 1, weights.pp("head"))?;
            let run = move |x: &Tensor| match layer.seq(x)?.last() {
                Some(state) => head.forward(state.h()),
                None => Err(Error::msg("no step")),
            };
            (Box::new(run), 32)
        }
        "w2" => (lstm(8, 128, 2)?, 64),
        "w3" => {
            let (c1, c2) = (conv("c1", 1, 32)?, conv("c2", 32, 64)?);
            let f1 = candle_nn::linear(3136, 128, weights.pp("f1"))?;
            let f2 = candle_nn::linear(128, 10, weights.pp("f2"))?;
            let run = move |x: &Tensor| {
                let x = c1.forward(x)?.relu()?.max_pool2d(2)?;
                let x = c2.forward(&x)?.relu()?.max_pool2d(2)?;
                f2.forward(&f1.forward(&x.flatten_from(1)?)?.relu()?)
            };
            (Box::new(run), 64)
        }
        "w4" => {
            let mut layers = Vec::new();
            for (from, to) in [(3, 64), (64, 128), (128, 256)] {
                layers.push((conv(&format!("a{to}"), from, to)?, conv(&format!("b{to}"), to, to)?));
            }
            let head = candle_nn::linear(4096, 10, weights.pp("head"))?;
            let run = move |x: &Tensor| {
                let mut x = x.clone();
                for (a, b) in &layers {
                    x = b.forward(&a.forward(&x)?.relu()?)?.relu()?.max_pool2d(2)?;
                }
                head.forward(&x.flatten_from(1)?)
            };
            (Box::new(run), 128)
        }
        _ => return Err(Error::msg(format!("no workload {name} here"))),
    })
}

/// A thousand tracked additions, forward and backward.
fn additions(x: &Tensor, y: &Tensor) -> Result<f64> {
    let x = Var::from_tensor(x)?;
    let mut sum = x.as_tensor().clone();
    for _ in 0..1000 {
        sum = (sum + y)?;
    }
    let total = sum.sum_all()?;
    total.backward()?;
    Ok(total.to_scalar::<f32>()?.into())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |flag: &str| arguments.get(arguments.iter().position(|a| a == flag)? + 1);
    let after = |flag: &str| word(flag)?.parse::<usize>().ok();
    let [name, folder, ..] = &arguments[..] else {
        return Err(Error::msg("peer-candle NAME FOLDER [--threads N] [--steps N] [--infer]"));
    };
    let steps = after("--steps").unwrap_or(100);
    let infer = arguments.iter().any(|a| a == "--infer");
    let idle = resident();

    let device = Device::Cpu;
    let data = safetensors::load(format!("{folder}/data.safetensors"), &device)?;
    let (x, y) = (&data["x"], &data["y"]);
    let mut variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let mut step: Box<dyn FnMut(usize) -> Result<f64>> = if name == "w6" {
        Box::new(|number| {
            let start = number % 4 * 32;
            additions(&x.narrow(0, start, 32)?, &y.narrow(0, start, 32)?)
        })
    } else {
        let (network, batch) = network(name, builder)?;
        variables.load(format!("{folder}/weights.safetensors"))?;
        let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
        let mut adam = AdamW::new(variables.all_vars(), settings)?;
        Box::new(move |number| {
            if infer {
                let sample = x.narrow(0, number % x.dim(0)?, 1)?;
                return Ok(network(&sample)?.flatten_all()?.get(0)?.to_scalar::<f32>()?.into());
            }
            let start = number % 4 * batch;
            let (x, y) = (x.narrow(0, start, batch)?, y.narrow(0, start, batch)?);
            let output = network(&x)?;
            let loss = match y.dtype() {
                DType::I64 => loss::cross_entropy(&output, &y)?,
                _ => loss::mse(&output, &y)?,
            };
            adam.backward_step(&loss)?;
            Ok(loss.to_scalar::<f32>()?.into())
        })
    };

    let (mut times, mut values) = (Vec::new(), Vec::new());
    for number in 0..steps + WARM {
        let clock = Instant::now();
        let value = step(number)?;
        let time = clock.elapsed().as_secs_f64() * 1e3;
        if number >= WARM {
            times.push(time);
        }
        if number < COMPARED {
            values.push(format!("{value:.9e}"));
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{{\"ms_median\": {:.5}, \"ms_min\": {:.5}, \"mb\": {:.1}, \"values\": [{}]}}",
        times[times.len() / 2],
        times[0],
        resident() - idle,
        values.join(", ")
    );
    Ok(())
}

/// Peak resident memory in MB, where the system tells.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
