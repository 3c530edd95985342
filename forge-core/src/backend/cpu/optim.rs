//! Parameter updates in one pass over each parameter, in place.
//!
//! The arithmetic is that of the composed family, operation by operation, so both give the same bits.

use super::{elements, elements_mut};
use crate::backend::{AdamStep, Composed, Memory, Optim, Scalar, SgdStep, Slot};
use crate::{DType, Element, Error, Result, Tensor};

/// The family in loops of its own.
#[derive(Clone, Copy, Debug)]
pub struct CpuOptim;

impl Optim for CpuOptim {
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, first, second) =
                (slot.value.memory_alone()?, slot.first.memory_alone()?, slot.second.memory_alone()?);
            float!("adam", grad.dtype(), T => adam::<T>(value, grad.arg().memory, first, second, step))
        })
    }

    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let value = slot.value.memory_alone()?;
            let first = if step.momentum == 0.0 { None } else { Some(slot.first.memory_alone()?) };
            float!("sgd", grad.dtype(), T => sgd::<T>(value, grad.arg().memory, first, step))
        })
    }

    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64> {
        Composed.sum_of_squares(tensors)
    }
}

/// As `composed::optim::adam`.
fn adam<T: Element + Scalar>(
    value: &mut Memory,
    grad: &Memory,
    first: &mut Memory,
    second: &mut Memory,
    step: AdamStep,
) -> Result<()> {
    let AdamStep { lr, beta1, beta2, eps, decay, step } = step;
    let number = <T as Scalar>::from_f64;
    let (keep1, add1) = (number(beta1), number(1.0 - beta1));
    let (keep2, add2) = (number(beta2), number(1.0 - beta2));
    let scale = number(lr / (1.0 - beta1.powf(step as f64)));
    let root = number(1.0 / (1.0 - beta2.powf(step as f64)).sqrt());
    let (shrink, eps) = (number(1.0 - lr * decay), number(eps));
    let (value, grad) = (elements_mut::<T>("adam", value)?, elements::<T>("adam", grad)?);
    let (first, second) = (elements_mut::<T>("adam", first)?, elements_mut::<T>("adam", second)?);
    if [grad.len(), first.len(), second.len()] != [value.len(); 3] {
        return Err(Error::shape("adam", "a parameter, its gradient and its moments differ in size"));
    }
    for (((w, &g), m), v) in value.iter_mut().zip(grad).zip(first).zip(second) {
        *m = *m * keep1 + g * add1;
        *v = *v * keep2 + g * g * add2;
        *w = *w * shrink - *m / (v.sqrt() * root + eps) * scale;
    }
    Ok(())
}

/// As `composed::optim::sgd`; without momentum there is no velocity.
fn sgd<T: Element + Scalar>(
    value: &mut Memory,
    grad: &Memory,
    velocity: Option<&mut Memory>,
    step: SgdStep,
) -> Result<()> {
    let SgdStep { lr, momentum, nesterov, decay, step } = step;
    let number = <T as Scalar>::from_f64;
    let (lr, momentum, decay) = (number(lr), number(momentum), number(decay));
    let (value, grad) = (elements_mut::<T>("sgd", value)?, elements::<T>("sgd", grad)?);
    let decayed = decay != T::zero();
    let descent = |w: T, g: T| if decayed { g + w * decay } else { g };
    let wrong = || Err(Error::shape("sgd", "a parameter, its gradient and its velocity differ in size"));
    if grad.len() != value.len() {
        return wrong();
    }
    let Some(velocity) = velocity else {
        for (w, &g) in value.iter_mut().zip(grad) {
            *w = *w - descent(*w, g) * lr;
        }
        return Ok(());
    };
    let velocity = elements_mut::<T>("sgd", velocity)?;
    if velocity.len() != value.len() {
        return wrong();
    }
    for ((w, &g), u) in value.iter_mut().zip(grad).zip(velocity) {
        let g = descent(*w, g);
        *u = if step == 1 { g } else { *u * momentum + g };
        let update = if nesterov { g + *u * momentum } else { *u };
        *w = *w - update * lr;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::rng::Stream;

    fn random(name: &str, dtype: DType) -> Tensor {
        let stream = Stream::new(4, name);
        let values: Vec<f64> = (0..67 * 3).map(|i| stream.normal(i)).collect();
        Tensor::new(&values, &[67, 3]).unwrap().to_dtype(dtype).unwrap()
    }

    /// Runs 20 steps, the gradients of each seen through a transposed layout, and gives value and moments.
    fn trajectory(dtype: DType, update: impl Fn(&mut [Slot], u64)) -> Vec<crate::Host> {
        let mut value = random("value", dtype);
        let zeros = Tensor::zeros(value.shape(), dtype, &Device::cpu()).unwrap();
        // Shared at first, so the pass in place has to make room.
        let (mut first, mut second, held) = (zeros.clone(), zeros, value.clone());
        let before = held.host().unwrap();
        for step in 1..=20 {
            let grad = random(&format!("grad {step}"), dtype).reshape(&[3, 67]).unwrap().transpose().unwrap();
            let slot = Slot { value: &mut value, grad: &grad, first: &mut first, second: &mut second };
            update(&mut [slot], step);
        }
        assert_eq!(held.host().unwrap(), before, "someone else's values were written");
        [value, first, second].iter().map(|t| t.host().unwrap()).collect()
    }

    #[test]
    fn one_pass_gives_the_bits_of_the_composed_family() {
        for dtype in [DType::F32, DType::F64] {
            for decay in [0.0, 0.1] {
                let run = |family: &dyn Optim| {
                    trajectory(dtype, |slots, step| {
                        let step = AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay, step };
                        family.adam(slots, step).unwrap();
                    })
                };
                assert_eq!(run(&CpuOptim), run(&Composed), "adam, {dtype}, decay {decay}");
                for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
                    let run = |family: &dyn Optim| {
                        trajectory(dtype, |slots, step| {
                            let step = SgdStep { lr: 0.05, momentum, nesterov, decay, step };
                            family.sgd(slots, step).unwrap();
                        })
                    };
                    let what = format!("sgd, {dtype}, momentum {momentum}, {nesterov}, decay {decay}");
                    assert_eq!(run(&CpuOptim), run(&Composed), "{what}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_differ_are_an_error() {
        let (mut value, grad) = (random("value", DType::F32), Tensor::new(&[1.0f32], &[1]).unwrap());
        let (mut first, mut second) = (value.clone(), value.clone());
        let mut slots = [Slot { value: &mut value, grad: &grad, first: &mut first, second: &mut second }];
        let step = SgdStep { lr: 0.1, momentum: 0.0, nesterov: false, decay: 0.0, step: 1 };
        let error = CpuOptim.sgd(&mut slots, step).unwrap_err().to_string();
        assert_eq!(error, "sgd: a parameter, its gradient and its velocity differ in size");
    }
}
