//! The workloads of `../workloads.rs` in burn: `peer-burn NAME FOLDER [--threads N] [--steps N] [--infer]`, where FOLDER
//! holds what `workload NAME --save FOLDER` wrote. Data are those of the folder; weights are burn's own initial ones, as
//! its recurrent layers are parted otherwise. Prints one line of JSON for `compare.py`.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::pool::{AvgPool1d, AvgPool1dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{Gru, GruConfig, Linear, LinearConfig, Lstm, LstmConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::{TensorData, activation::relu};
use safetensors::SafeTensors;
use std::time::Instant;

const WARM: usize = 5;

/// Every model of the workloads; parts that a workload lacks are empty.
#[derive(Module, Debug)]
struct Network {
    lstm: Vec<Lstm>,
    gru: Option<Gru>,
    conv: Vec<Conv2d>,
    pool: MaxPool2d,
    average: AvgPool1d,
    dense: Vec<Linear>,
    convolutions_before_pool: usize,
}

impl Network {
    fn new(name: &str, device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let conv = |from, to| {
            let config = Conv2dConfig::new([from, to], [3, 3]);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        let lstm = |from, to| LstmConfig::new(from, to, true).init(device);
        let mut made = Network {
            lstm: vec![],
            gru: None,
            conv: vec![],
            pool: MaxPool2dConfig::new([2, 2]).init(),
            average: AvgPool1dConfig::new(25).with_stride(1).init(),
            dense: vec![],
            convolutions_before_pool: 1,
        };
        match name {
            "w1" => (made.lstm, made.dense) = (vec![lstm(1, 50)], vec![linear(50, 1)]),
            "w1b" => (made.lstm, made.dense) = (vec![lstm(5, 64)], vec![linear(64, 1)]),
            "w1g" => (made.gru, made.dense) = (Some(GruConfig::new(5, 64, true).init(device)), vec![linear(64, 1)]),
            "w2" => (made.lstm, made.dense) = (vec![lstm(8, 128), lstm(128, 128)], vec![linear(128, 1)]),
            "w3" => {
                made.conv = vec![conv(1, 32), conv(32, 64)];
                made.dense = vec![linear(3136, 128), linear(128, 10)];
            }
            "w4" => {
                let sizes = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)];
                made.conv = sizes.map(|(from, to)| conv(from, to)).into();
                made.dense = vec![linear(4096, 10)];
                made.convolutions_before_pool = 2;
            }
            _ => made.dense = vec![linear(336, 96), linear(336, 96)],
        }
        made
    }

    fn series(&self, x: Tensor<3>) -> Tensor<2> {
        let mut x = x;
        for layer in &self.lstm {
            x = layer.forward(x, None).0;
        }
        if let Some(layer) = &self.gru {
            x = layer.forward(x, None);
        }
        let [batch, time, hidden] = x.dims();
        let last = x.slice([0..batch, time - 1..time, 0..hidden]);
        self.dense[0].forward(last.reshape([batch, hidden]))
    }

    fn images(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = x;
        for (at, layer) in self.conv.iter().enumerate() {
            x = relu(layer.forward(x));
            if (at + 1) % self.convolutions_before_pool == 0 {
                x = self.pool.forward(x);
            }
        }
        let mut y: Tensor<2> = x.flatten(1, 3);
        for (at, layer) in self.dense.iter().enumerate() {
            y = layer.forward(if at > 0 { relu(y) } else { y });
        }
        y
    }

    fn decomposed(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.swap_dims(1, 2);
        let [batch, channels, length] = x.dims();
        let edge = |at: usize| x.clone().slice([0..batch, 0..channels, at..at + 1]).repeat_dim(2, 12);
        let trend = self.average.forward(Tensor::cat(vec![edge(0), x.clone(), edge(length - 1)], 2));
        let season = self.dense[0].forward(x - trend.clone());
        (season + self.dense[1].forward(trend)).swap_dims(1, 2)
    }
}

/// A tensor of the file: its numbers and its shape.
struct Array<T> {
    values: Vec<T>,
    shape: Vec<usize>,
}

impl<T: Copy> Array<T> {
    fn of(file: &SafeTensors, name: &str, read: impl Fn(&[u8]) -> T) -> Self {
        let view = file.tensor(name).expect("the folder's data have x and y");
        let values = view.data().chunks_exact(size_of::<T>()).map(read).collect();
        Array { values, shape: view.shape().to_vec() }
    }

    fn rows<const D: usize>(&self, start: usize, count: usize) -> (Vec<T>, [usize; D]) {
        let width: usize = self.shape[1..].iter().product();
        let mut shape = [count; D];
        shape[1..].copy_from_slice(&self.shape[1..]);
        (self.values[start * width..(start + count) * width].to_vec(), shape)
    }
}

fn number(tensor: Tensor<1>) -> f64 {
    tensor.into_data().try_to_vec::<f32>().expect("a float tensor")[0].into()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |flag: &str| arguments.get(arguments.iter().position(|a| a == flag)? + 1);
    let after = |flag: &str| word(flag)?.parse::<usize>().ok();
    let [name, folder, ..] = &arguments[..] else {
        panic!("peer-burn NAME FOLDER [--threads N] [--steps N] [--infer]");
    };
    let steps = after("--steps").unwrap_or(100);
    let infer = arguments.iter().any(|a| a == "--infer");
    let idle = resident();

    let bytes = std::fs::read(format!("{folder}/data.safetensors")).expect("a folder that `workload --save` filled");
    let file = SafeTensors::deserialize(&bytes).expect("a file of safetensors");
    let float = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("four bytes"));
    let x = Array::of(&file, "x", float);
    let images = matches!(name.as_str(), "w3" | "w4");
    let device = if infer { Device::flex() } else { Device::flex().autodiff() };
    let batch = match name.as_str() {
        "w2" | "w3" => 64,
        "w4" => 128,
        _ => 32,
    };
    let mut network = Network::new(name, &device);
    let mut adam = AdamConfig::new().init();
    let entropy = CrossEntropyLossConfig::new().init(&device);
    let (mut classes, mut targets) = (None, None);
    if images {
        classes = Some(Array::of(&file, "y", |b| i64::from_le_bytes(b.try_into().expect("eight bytes"))));
    } else {
        targets = Some(Array::of(&file, "y", float));
    }

    let mut times = Vec::new();
    for step in 0..steps + WARM {
        let clock = Instant::now();
        let (start, count) = if infer { (step % x.shape[0], 1) } else { (step % 4 * batch, batch) };
        if name == "w6" {
            let (values, shape) = x.rows::<3>(start, count);
            let terms = targets.as_ref().expect("w6 adds numbers").rows::<3>(start, count);
            let first = Tensor::<3>::from_data(TensorData::new(values, shape), &device).require_grad();
            let term = Tensor::<3>::from_data(TensorData::new(terms.0, terms.1), &device);
            let mut sum = first.clone();
            for _ in 0..1000 {
                sum = sum + term.clone();
            }
            let grads = sum.sum().backward();
            assert!(first.grad(&grads).is_some(), "the first term has a gradient");
        } else if infer {
            let output = if images {
                let (values, shape) = x.rows::<4>(start, count);
                network.images(Tensor::from_data(TensorData::new(values, shape), &device))
            } else {
                let (values, shape) = x.rows::<3>(start, count);
                network.series(Tensor::from_data(TensorData::new(values, shape), &device))
            };
            number(output.sum());
        } else {
            let loss = if let Some(y) = &classes {
                let ((values, shape), labels) = (x.rows::<4>(start, count), y.rows::<1>(start, count));
                let output = network.images(Tensor::from_data(TensorData::new(values, shape), &device));
                entropy.forward(output, Tensor::from_data(TensorData::new(labels.0, labels.1), &device))
            } else {
                let y = targets.as_ref().expect("numbers to forecast");
                let (values, shape) = x.rows::<3>(start, count);
                let input = Tensor::<3>::from_data(TensorData::new(values, shape), &device);
                if name == "w5" {
                    let (values, shape) = y.rows::<3>(start, count);
                    let truth = Tensor::from_data(TensorData::new(values, shape), &device);
                    MseLoss::new().forward(network.decomposed(input), truth, Reduction::Mean)
                } else {
                    let (values, shape) = y.rows::<2>(start, count);
                    let truth = Tensor::from_data(TensorData::new(values, shape), &device);
                    MseLoss::new().forward(network.series(input), truth, Reduction::Mean)
                }
            };
            let value = loss.clone();
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = adam.step(1e-3, network, grads);
            number(value);
        }
        if step >= WARM {
            times.push(clock.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{{\"ms_median\": {:.5}, \"ms_min\": {:.5}, \"mb\": {:.1}, \"values\": []}}",
        times[times.len() / 2],
        times[0],
        resident() - idle
    );
}

/// Peak resident memory in MB, where the system tells.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
