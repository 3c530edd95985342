//! Parameter updates in one pass over each parameter, in place.
//!
//! The arithmetic is that of the composed family, operation by operation, so both give the same bits.

use super::{elements, elements_mut};
use crate::backend::{AdamStep, Composed, LionStep, Memory, Optim, RmsPropStep, Scalar, SgdStep, Slot};
use crate::{DType, Element, Error, Result, Tensor};

/// The family in loops of its own.
#[derive(Clone, Copy, Debug)]
pub struct CpuOptim;

impl Optim for CpuOptim {
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, _, [first, second]) = slot.parts("adam")?;
            let (value, first, second) =
                (value.memory_alone()?, first.memory_alone()?, second.memory_alone()?);
            float!("adam", grad.dtype(), T => adam::<T>(value, grad.arg().memory, first, second, step))
        })
    }

    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, velocity) = if step.momentum == 0.0 {
                (&mut *slot.value, None)
            } else {
                let (value, _, [velocity]) = slot.parts("sgd")?;
                (value, Some(velocity.memory_alone()?))
            };
            let value = value.memory_alone()?;
            float!("sgd", grad.dtype(), T => sgd::<T>(value, grad.arg().memory, velocity, step))
        })
    }

    fn rmsprop(&self, slots: &mut [Slot], step: RmsPropStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (square, velocity, mean) = step.split(slot.moments)?;
            let velocity = velocity.map(Tensor::memory_alone).transpose()?;
            let mean = mean.map(Tensor::memory_alone).transpose()?;
            let (value, square) = (slot.value.memory_alone()?, square.memory_alone()?);
            float!("rmsprop", grad.dtype(), T => {
                rmsprop::<T>(value, grad.arg().memory, (square, velocity, mean), step)
            })
        })
    }

    fn lion(&self, slots: &mut [Slot], step: LionStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, _, [momentum]) = slot.parts("lion")?;
            let (value, momentum) = (value.memory_alone()?, momentum.memory_alone()?);
            float!("lion", grad.dtype(), T => lion::<T>(value, grad.arg().memory, momentum, step))
        })
    }

    fn scale(&self, x: &mut Tensor, factor: f64) -> Result<()> {
        float!("scale", x.dtype(), T => {
            let factor = <T as Scalar>::from_f64(factor);
            map_in_place::<T>("scale", x, |v| v * factor)
        })
    }

    fn clamp(&self, x: &mut Tensor, limit: f64) -> Result<()> {
        float!("clamp", x.dtype(), T => {
            let limit = <T as Scalar>::from_f64(limit);
            map_in_place::<T>("clamp", x, |v| if v > limit { limit } else if v < -limit { -limit } else { v })
        })
    }

    fn average(&self, average: &mut Tensor, x: &Tensor, keep: f64) -> Result<()> {
        let x = x.packed()?;
        let average = average.memory_alone()?;
        float!("average", x.dtype(), T => {
            let (average, x) = (elements_mut::<T>("average", average)?, elements::<T>("average", x.arg().memory)?);
            same_size("average", average.len(), [x.len()])?;
            let (keep, add) = (<T as Scalar>::from_f64(keep), <T as Scalar>::from_f64(1.0 - keep));
            average.iter_mut().zip(x).for_each(|(a, &x)| *a = *a * keep + x * add);
            Ok(())
        })
    }

    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64> {
        Composed.sum_of_squares(tensors)
    }
}

fn map_in_place<T: Element>(op: &'static str, x: &mut Tensor, value: impl Fn(T) -> T) -> Result<()> {
    elements_mut::<T>(op, x.memory_alone()?)?.iter_mut().for_each(|v| *v = value(*v));
    Ok(())
}

fn same_size<const N: usize>(op: &'static str, value: usize, others: [usize; N]) -> Result<()> {
    if others == [value; N] {
        return Ok(());
    }
    Err(Error::shape(op, "a parameter, its gradient and its moments differ in size"))
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
    same_size("adam", value.len(), [grad.len(), first.len(), second.len()])?;
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
    same_size("sgd", value.len(), [grad.len()])?;
    let Some(velocity) = velocity else {
        for (w, &g) in value.iter_mut().zip(grad) {
            *w = *w - descent(*w, g) * lr;
        }
        return Ok(());
    };
    let velocity = elements_mut::<T>("sgd", velocity)?;
    same_size("sgd", value.len(), [velocity.len()])?;
    for ((w, &g), u) in value.iter_mut().zip(grad).zip(velocity) {
        let g = descent(*w, g);
        *u = if step == 1 { g } else { *u * momentum + g };
        let update = if nesterov { g + *u * momentum } else { *u };
        *w = *w - update * lr;
    }
    Ok(())
}

/// As `composed::optim::rmsprop`.
fn rmsprop<T: Element + Scalar>(
    value: &mut Memory,
    grad: &Memory,
    (square, velocity, mean): (&mut Memory, Option<&mut Memory>, Option<&mut Memory>),
    step: RmsPropStep,
) -> Result<()> {
    let RmsPropStep { lr, alpha, eps, momentum, centered: _, decay } = step;
    let number = <T as Scalar>::from_f64;
    let (lr, eps, momentum, decay) = (number(lr), number(eps), number(momentum), number(decay));
    let (keep, add) = (number(alpha), number(1.0 - alpha));
    let (value, grad) = (elements_mut::<T>("rmsprop", value)?, elements::<T>("rmsprop", grad)?);
    let square = elements_mut::<T>("rmsprop", square)?;
    let mut velocity = velocity.map(|m| elements_mut::<T>("rmsprop", m)).transpose()?;
    let mut mean = mean.map(|m| elements_mut::<T>("rmsprop", m)).transpose()?;
    let size = |kept: &Option<&mut [T]>| kept.as_ref().map_or(grad.len(), |kept| kept.len());
    same_size("rmsprop", value.len(), [grad.len(), square.len(), size(&velocity), size(&mean)])?;
    let decayed = decay != T::zero();
    for (i, ((w, &g), v)) in value.iter_mut().zip(grad).zip(square).enumerate() {
        let g = if decayed { g + *w * decay } else { g };
        *v = *v * keep + g * g * add;
        let mut variance = *v;
        if let Some(m) = mean.as_mut().and_then(|mean| mean.get_mut(i)) {
            *m = *m * keep + g * add;
            variance = variance - *m * *m;
            if variance < T::zero() {
                variance = T::zero();
            }
        }
        let mut update = g / (variance.sqrt() + eps);
        if let Some(u) = velocity.as_mut().and_then(|velocity| velocity.get_mut(i)) {
            *u = *u * momentum + update;
            update = *u;
        }
        *w = *w - update * lr;
    }
    Ok(())
}

/// As `composed::optim::lion`.
fn lion<T: Element + Scalar>(
    value: &mut Memory,
    grad: &Memory,
    momentum: &mut Memory,
    step: LionStep,
) -> Result<()> {
    let LionStep { lr, beta1, beta2, decay } = step;
    let number = <T as Scalar>::from_f64;
    let (keep1, add1) = (number(beta1), number(1.0 - beta1));
    let (keep2, add2) = (number(beta2), number(1.0 - beta2));
    let (lr, shrink) = (number(lr), number(1.0 - lr * decay));
    let (value, grad) = (elements_mut::<T>("lion", value)?, elements::<T>("lion", grad)?);
    let momentum = elements_mut::<T>("lion", momentum)?;
    same_size("lion", value.len(), [grad.len(), momentum.len()])?;
    for ((w, &g), m) in value.iter_mut().zip(grad).zip(momentum) {
        let direction = *m * keep1 + g * add1;
        *m = *m * keep2 + g * add2;
        let sign = if direction > T::zero() {
            T::one()
        } else if direction < T::zero() {
            -T::one()
        } else {
            direction * T::zero()
        };
        *w = *w * shrink - sign * lr;
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
    fn trajectory(dtype: DType, moments: usize, update: impl Fn(&mut [Slot], u64)) -> Vec<crate::Host> {
        let mut value = random("value", dtype);
        let zeros = Tensor::zeros(value.shape(), dtype, &Device::cpu()).unwrap();
        // Shared at first, so the pass in place has to make room.
        let (mut moments, held) = (vec![zeros; moments], value.clone());
        let before = held.host().unwrap();
        for step in 1..=20 {
            let grad = random(&format!("grad {step}"), dtype).reshape(&[3, 67]).unwrap().transpose().unwrap();
            update(&mut [Slot { value: &mut value, grad: &grad, moments: &mut moments }], step);
        }
        assert_eq!(held.host().unwrap(), before, "someone else's values were written");
        [value].iter().chain(&moments).map(|t| t.host().unwrap()).collect()
    }

    fn same_bits(what: &str, dtype: DType, moments: usize, update: impl Fn(&dyn Optim, &mut [Slot], u64)) {
        let run = |family: &dyn Optim| trajectory(dtype, moments, |slots, step| update(family, slots, step));
        assert_eq!(run(&CpuOptim), run(&Composed), "{what}, {dtype}");
    }

    #[test]
    fn one_pass_gives_the_bits_of_the_composed_family() {
        for dtype in [DType::F32, DType::F64] {
            for decay in [0.0, 0.1] {
                same_bits(&format!("adam, decay {decay}"), dtype, 2, |family, slots, step| {
                    let step = AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay, step };
                    family.adam(slots, step).unwrap();
                });
                same_bits(&format!("lion, decay {decay}"), dtype, 1, |family, slots, _| {
                    let step = LionStep { lr: 0.01, beta1: 0.9, beta2: 0.99, decay };
                    family.lion(slots, step).unwrap();
                });
                for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
                    let what = format!("sgd, momentum {momentum}, {nesterov}, decay {decay}");
                    same_bits(&what, dtype, usize::from(momentum != 0.0), |family, slots, step| {
                        let step = SgdStep { lr: 0.05, momentum, nesterov, decay, step };
                        family.sgd(slots, step).unwrap();
                    });
                }
                for (momentum, centered) in [(0.0, false), (0.9, false), (0.0, true), (0.9, true)] {
                    let step = RmsPropStep { lr: 0.01, alpha: 0.99, eps: 1e-8, momentum, centered, decay };
                    let what = format!("rmsprop, momentum {momentum}, {centered}, decay {decay}");
                    same_bits(&what, dtype, step.moments(), |family, slots, _| {
                        family.rmsprop(slots, step).unwrap();
                    });
                }
            }
        }
    }

    #[test]
    fn a_gradient_that_is_0_moves_nothing_under_lion_and_a_steady_one_no_nan_under_centered_rmsprop() {
        for family in [&CpuOptim as &dyn Optim, &Composed] {
            let tensor = |v: [f32; 3]| Tensor::new(&v, &[3]).unwrap();
            let (mut value, grad, mut moments) =
                (tensor([1.0; 3]), tensor([0.0, 0.3, -1e-4]), [tensor([0.0; 3])]);
            let mut slots = [Slot { value: &mut value, grad: &grad, moments: &mut moments }];
            family.lion(&mut slots, LionStep { lr: 0.5, beta1: 0.9, beta2: 0.99, decay: 0.0 }).unwrap();
            assert_eq!(value.to_vec::<f32>().unwrap(), [1.0, 0.5, 1.5]);

            let step =
                RmsPropStep { lr: 1e-4, alpha: 0.5, eps: 1e-8, momentum: 0.0, centered: true, decay: 0.0 };
            let mut moments = [tensor([0.0; 3]), tensor([0.0; 3])];
            for _ in 0..200 {
                let mut slots = [Slot { value: &mut value, grad: &grad, moments: &mut moments }];
                family.rmsprop(&mut slots, step).unwrap();
            }
            assert!(value.to_vec::<f32>().unwrap().iter().all(|v| v.is_finite()), "{value}");
        }
    }

    #[test]
    fn gradients_and_averages_in_place_are_those_of_the_composed_family() {
        for dtype in [DType::F32, DType::F64] {
            let turned = || random("x", dtype).reshape(&[3, 67]).unwrap().transpose().unwrap();
            let run = |family: &dyn Optim| {
                let (mut scaled, mut clamped, mut average) = (turned(), turned(), random("mean", dtype));
                let held = clamped.clone();
                family.scale(&mut scaled, 0.3).unwrap();
                family.clamp(&mut clamped, 0.5).unwrap();
                family.average(&mut average, &held, 0.99).unwrap();
                assert_eq!(
                    held.host().unwrap(),
                    turned().host().unwrap(),
                    "someone else's values were written"
                );
                [scaled, clamped, average].map(|t| t.host().unwrap())
            };
            assert_eq!(run(&CpuOptim), run(&Composed), "{dtype}");
        }
        let mut odd = Tensor::new(&[f64::NAN, 0.5, 0.6, -9.0, f64::NEG_INFINITY], &[5]).unwrap();
        CpuOptim.clamp(&mut odd, 0.5).unwrap();
        let odd = odd.to_vec::<f64>().unwrap();
        assert!(odd[0].is_nan() && odd[1..] == [0.5, 0.5, -0.5, -0.5], "{odd:?}");
    }

    #[test]
    fn sizes_that_differ_are_an_error() {
        let (mut value, grad) = (random("value", DType::F32), Tensor::new(&[1.0f32], &[1]).unwrap());
        let mut slots = [Slot { value: &mut value, grad: &grad, moments: &mut [] }];
        let step = SgdStep { lr: 0.1, momentum: 0.0, nesterov: false, decay: 0.0, step: 1 };
        let error = CpuOptim.sgd(&mut slots, step).unwrap_err().to_string();
        assert_eq!(error, "sgd: a parameter, its gradient and its moments differ in size");
        let step = SgdStep { momentum: 0.9, ..step };
        for family in [&CpuOptim as &dyn Optim, &Composed] {
            let error = family.sgd(&mut slots, step).unwrap_err().to_string();
            assert_eq!(error, "sgd: 0 moments for a parameter, not 1");
        }
    }
}
