//! Operands of two element types or on two devices, and of integers, are refused by every operation of the registry that
//! computes with them: never converted, read as something else, or left to a kernel.

#![allow(clippy::unwrap_used)]

use forge_core::backend::Cpu;
use forge_core::ops::{Input, Operation, Sample, registry};
use forge_core::{DType, Device, Tensor};

/// An operand of 0.5s, or of the values that the sample gives.
fn operand(input: &Input, dtype: DType, device: &Device) -> Tensor {
    let values = input.given.clone().unwrap_or_else(|| vec![0.5; input.shape.iter().product()]);
    Tensor::from_vec(values, &input.shape, device).unwrap().to_dtype(dtype).unwrap()
}

/// The largest number of operands that a sample of an operation has.
fn widest(operation: &Operation) -> Sample {
    (operation.samples)().into_iter().rev().max_by_key(|sample| sample.inputs.len()).unwrap()
}

/// The message of a call, each of whose operands has a type and a device.
fn message(operation: &Operation, place: impl Fn(usize) -> (DType, Device)) -> Option<String> {
    let sample = widest(operation);
    let operands: Vec<Tensor> = sample
        .inputs
        .iter()
        .enumerate()
        .map(|(k, input)| {
            let (dtype, device) = place(k);
            operand(input, dtype, &device)
        })
        .collect();
    (sample.run)(&operands).err().map(|error| error.to_string())
}

#[test]
fn operands_of_two_types_or_devices_are_refused() {
    let (here, there) = (Device::cpu(), Device::new(Cpu::new()));
    let mut refused = 0;
    for operation in registry() {
        for odd in 1..widest(&operation).inputs.len() {
            let what = format!("{}, operand {odd}", operation.name);
            let dtype = |k| if k == odd { DType::F32 } else { DType::F64 };
            let types = message(&operation, |k| (dtype(k), here.clone())).unwrap_or_default();
            assert!(types.contains(" do not mix; convert one of them"), "{what} of another type: {types:?}");
            let device = |k| if k == odd { there.clone() } else { here.clone() };
            let devices = message(&operation, |k| (DType::F64, device(k))).unwrap_or_default();
            assert!(devices.contains(": operands are on "), "{what} on another device: {devices:?}");
            refused += 1;
        }
    }
    assert!(refused >= 55, "only {refused} operands were tried");
}

/// Those that move, choose, count or add elements; all others have results between whole numbers.
const OF_INTEGERS: [&str; 24] = [
    "max",
    "min",
    "argmax",
    "argmin",
    "flip",
    "split",
    "chunk",
    "unsqueeze",
    "squeeze",
    "where_",
    "masked_fill",
    "cumsum",
    "embedding",
    "expand",
    "gather",
    "index_select",
    "pad",
    "permute",
    "prod",
    "repeat",
    "reshape",
    "slice",
    "sum",
    "unfold",
];

#[test]
fn integers_are_refused_where_numbers_are_computed() {
    for operation in registry() {
        let name = operation.name;
        let said = message(&operation, |_| (DType::I64, Device::cpu()));
        match said {
            None => assert!(OF_INTEGERS.contains(&name), "{name} takes integers"),
            Some(said) => {
                assert!(!OF_INTEGERS.contains(&name), "{said}");
                assert!(
                    said.ends_with(": not defined for i64; convert with `.to_dtype(DType::F32)`"),
                    "{name}: {said}"
                );
            }
        }
    }
}
