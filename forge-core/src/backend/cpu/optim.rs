//! Parameter updates in one pass over each parameter, in place.
//!
//! The arithmetic is that of the composed family, operation by operation, so both give the same bits.

mod rule;

use super::ranges::ranges;
use super::simd::{Elementary, Float, Kernel};
use super::{elements, elements_mut};
use crate::backend::{AdamStep, LionStep, Memory, Optim, RmsPropStep, Scalar, SgdStep, Slot};
use crate::{DType, Element, Error, Result, Tensor};
use rule::Rule;

/// The family in loops of its own.
#[derive(Clone, Copy, Debug)]
pub struct CpuOptim;

impl Optim for CpuOptim {
    fn adam(&self, slots: &mut [Slot], step: AdamStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, _, [first, second]) = slot.parts("adam")?;
            let written = [value.memory_alone()?, first.memory_alone()?, second.memory_alone()?];
            float!("adam", grad.dtype(), T => in_one_pass("adam", rule::Adam::<T>::new(step), written, &grad))
        })
    }

    fn sgd(&self, slots: &mut [Slot], step: SgdStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            if step.momentum == 0.0 {
                let written = [slot.value.memory_alone()?];
                return float!("sgd", grad.dtype(), T => in_one_pass("sgd", rule::Sgd::<T>::new(step), written, &grad));
            }
            let (value, _, [velocity]) = slot.parts("sgd")?;
            let written = [value.memory_alone()?, velocity.memory_alone()?];
            float!("sgd", grad.dtype(), T => in_one_pass("sgd", rule::Sgd::<T>::new(step), written, &grad))
        })
    }

    fn rmsprop(&self, slots: &mut [Slot], step: RmsPropStep) -> Result<()> {
        const OP: &str = "rmsprop";
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (square, velocity, mean) = step.split(slot.moments)?;
            let (value, square) = (slot.value.memory_alone()?, square.memory_alone()?);
            float!("rmsprop", grad.dtype(), T => {
                let rule = rule::RmsProp::<T>::new(step);
                match (velocity, mean) {
                    (None, None) => in_one_pass(OP, rule::Plain(rule), [value, square], &grad),
                    (Some(velocity), None) => {
                        in_one_pass(OP, rule::Moving(rule), [value, square, velocity.memory_alone()?], &grad)
                    }
                    (None, Some(mean)) => {
                        in_one_pass(OP, rule::Centered(rule), [value, square, mean.memory_alone()?], &grad)
                    }
                    (Some(velocity), Some(mean)) => {
                        let written = [value, square, velocity.memory_alone()?, mean.memory_alone()?];
                        in_one_pass(OP, rule::MovingCentered(rule), written, &grad)
                    }
                }
            })
        })
    }

    fn lion(&self, slots: &mut [Slot], step: LionStep) -> Result<()> {
        slots.iter_mut().try_for_each(|slot| {
            let grad = slot.grad.packed()?;
            let (value, _, [momentum]) = slot.parts("lion")?;
            let written = [value.memory_alone()?, momentum.memory_alone()?];
            float!("lion", grad.dtype(), T => in_one_pass("lion", rule::Lion::<T>::new(step), written, &grad))
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
            same_size("average", &[average.len(), x.len()])?;
            let (keep, add) = (<T as Scalar>::from_f64(keep), <T as Scalar>::from_f64(1.0 - keep));
            average.iter_mut().zip(x).for_each(|(a, &x)| *a = *a * keep + x * add);
            Ok(())
        })
    }

    fn sum_of_squares(&self, tensors: &mut dyn Iterator<Item = &Tensor>) -> Result<f64> {
        let mut total = 0.0;
        for tensor in tensors {
            let tensor = tensor.packed()?;
            let part: Result<f64> = float!("sum_of_squares", tensor.dtype(), T => {
                Ok(squares::<T>(elements("sum_of_squares", tensor.arg().memory)?))
            });
            total += part?;
        }
        Ok(total)
    }
}

/// In pairs of halves, as sums are everywhere, so that the error grows with log n.
fn squares<T: Element>(x: &[T]) -> f64 {
    if x.len() > 128 {
        let half = (x.len() / 2).next_multiple_of(8);
        return squares(&x[..half]) + squares(&x[half..]);
    }
    let mut lanes = [0.0; 8];
    for chunk in x.chunks(8) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane += v.to_f64() * v.to_f64());
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

fn map_in_place<T: Element>(op: &'static str, x: &mut Tensor, value: impl Fn(T) -> T) -> Result<()> {
    elements_mut::<T>(op, x.memory_alone()?)?.iter_mut().for_each(|v| *v = value(*v));
    Ok(())
}

fn same_size(op: &'static str, sizes: &[usize]) -> Result<()> {
    if sizes.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(Error::shape(op, "a parameter, its gradient and its moments differ in size"))
}

/// Applies a rule at the widest registers, to ranges that threads take where the parameter is large.
fn in_one_pass<T: Float, R: Rule<T, W>, const W: usize>(
    op: &'static str,
    rule: R,
    written: [&mut Memory; W],
    grad: &Tensor,
) -> Result<()> {
    let grad = elements::<T>(op, grad.arg().memory)?;
    let mut slices: [&mut [T]; W] = std::array::from_fn(|_| &mut [][..]);
    for (slice, memory) in slices.iter_mut().zip(written) {
        *slice = elements_mut::<T>(op, memory)?;
        same_size(op, &[grad.len(), slice.len()])?;
    }
    ranges(slices, [grad], |written, [grad]| T::dispatch(Apply { rule, written, grad }));
    Ok(())
}

struct Apply<'a, T, R, const W: usize> {
    rule: R,
    written: [&'a mut [T]; W],
    grad: &'a [T],
}

impl<T: Float, R: Rule<T, W>, const W: usize> Kernel<T> for Apply<'_, T, R, W> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        self.rule.apply(self.written, self.grad);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::backend::Composed;
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
