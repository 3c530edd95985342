//! The arithmetic of each rule on one range of a parameter. The compiler makes registers of the loops; without fused
//! multiply-adds, so that they round as the composed family does.

use crate::backend::{AdamStep, LionStep, RmsPropStep, Scalar, SgdStep};

/// A rule that writes `W` slices, the first of them the parameter's values. All are as long as the gradient.
pub trait Rule<T, const W: usize>: Copy + Send + Sync {
    /// One step. Must be `#[inline(always)]`, so that it is compiled for each instruction set.
    fn apply(self, written: [&mut [T]; W], grad: &[T]);
}

/// As `composed::optim::adam`.
#[derive(Clone, Copy)]
pub struct Adam<T> {
    keep: [T; 2],
    add: [T; 2],
    scale: T,
    root: T,
    shrink: T,
    eps: T,
}

impl<T: Scalar> Adam<T> {
    pub fn new(step: AdamStep) -> Self {
        let AdamStep { lr, beta1, beta2, eps, decay, step } = step;
        Adam {
            keep: [beta1, beta2].map(T::from_f64),
            add: [1.0 - beta1, 1.0 - beta2].map(T::from_f64),
            scale: T::from_f64(lr / (1.0 - beta1.powf(step as f64))),
            root: T::from_f64(1.0 / (1.0 - beta2.powf(step as f64)).sqrt()),
            shrink: T::from_f64(1.0 - lr * decay),
            eps: T::from_f64(eps),
        }
    }
}

impl<T: Scalar + Send + Sync> Rule<T, 3> for Adam<T> {
    #[inline(always)]
    fn apply(self, [value, first, second]: [&mut [T]; 3], grad: &[T]) {
        let Adam { keep, add, scale, root, shrink, eps } = self;
        for (((w, &g), m), v) in value.iter_mut().zip(grad).zip(first).zip(second) {
            *m = *m * keep[0] + g * add[0];
            *v = *v * keep[1] + g * g * add[1];
            *w = *w * shrink - *m / (v.sqrt() * root + eps) * scale;
        }
    }
}

/// As `composed::optim::sgd`; without momentum there is no velocity.
#[derive(Clone, Copy)]
pub struct Sgd<T> {
    lr: T,
    momentum: T,
    decay: T,
    nesterov: bool,
    first: bool,
}

impl<T: Scalar> Sgd<T> {
    pub fn new(step: SgdStep) -> Self {
        let SgdStep { lr, momentum, nesterov, decay, step } = step;
        let [lr, momentum, decay] = [lr, momentum, decay].map(T::from_f64);
        Sgd { lr, momentum, decay, nesterov, first: step == 1 }
    }
}

/// The gradient with that of the penalty; without one not even a product with 0, which an infinite weight makes NaN.
#[inline(always)]
fn penalized<T: Scalar>(g: T, w: T, decay: T) -> T {
    if decay == T::zero() { g } else { g + w * decay }
}

impl<T: Scalar + Send + Sync> Rule<T, 1> for Sgd<T> {
    #[inline(always)]
    fn apply(self, [value]: [&mut [T]; 1], grad: &[T]) {
        for (w, &g) in value.iter_mut().zip(grad) {
            *w = *w - penalized(g, *w, self.decay) * self.lr;
        }
    }
}

impl<T: Scalar + Send + Sync> Rule<T, 2> for Sgd<T> {
    #[inline(always)]
    fn apply(self, [value, velocity]: [&mut [T]; 2], grad: &[T]) {
        for ((w, &g), u) in value.iter_mut().zip(grad).zip(velocity) {
            let g = penalized(g, *w, self.decay);
            *u = if self.first { g } else { *u * self.momentum + g };
            let update = if self.nesterov { g + *u * self.momentum } else { *u };
            *w = *w - update * self.lr;
        }
    }
}

/// As `composed::optim::rmsprop`.
#[derive(Clone, Copy)]
pub struct RmsProp<T> {
    lr: T,
    eps: T,
    momentum: T,
    decay: T,
    keep: T,
    add: T,
}

impl<T: Scalar> RmsProp<T> {
    pub fn new(step: RmsPropStep) -> Self {
        let RmsPropStep { lr, alpha, eps, momentum, centered: _, decay } = step;
        let [lr, eps, momentum, decay, keep, add] =
            [lr, eps, momentum, decay, alpha, 1.0 - alpha].map(T::from_f64);
        RmsProp { lr, eps, momentum, decay, keep, add }
    }

    /// One element, given its velocity and mean if the rule keeps them.
    #[inline(always)]
    fn element(self, w: &mut T, g: T, v: &mut T, u: Option<&mut T>, m: Option<&mut T>) {
        let g = penalized(g, *w, self.decay);
        *v = *v * self.keep + g * g * self.add;
        let mut variance = *v;
        if let Some(m) = m {
            *m = *m * self.keep + g * self.add;
            variance = variance - *m * *m;
            if variance < T::zero() {
                variance = T::zero();
            }
        }
        let mut update = g / (variance.sqrt() + self.eps);
        if let Some(u) = u {
            *u = *u * self.momentum + update;
            update = *u;
        }
        *w = *w - update * self.lr;
    }
}

/// Without velocity and mean.
#[derive(Clone, Copy)]
pub struct Plain<T>(pub RmsProp<T>);

impl<T: Scalar + Send + Sync> Rule<T, 2> for Plain<T> {
    #[inline(always)]
    fn apply(self, [value, square]: [&mut [T]; 2], grad: &[T]) {
        for ((w, &g), v) in value.iter_mut().zip(grad).zip(square) {
            self.0.element(w, g, v, None, None);
        }
    }
}

/// With a velocity.
#[derive(Clone, Copy)]
pub struct Moving<T>(pub RmsProp<T>);

impl<T: Scalar + Send + Sync> Rule<T, 3> for Moving<T> {
    #[inline(always)]
    fn apply(self, [value, square, velocity]: [&mut [T]; 3], grad: &[T]) {
        for (((w, &g), v), u) in value.iter_mut().zip(grad).zip(square).zip(velocity) {
            self.0.element(w, g, v, Some(u), None);
        }
    }
}

/// With the mean of gradients.
#[derive(Clone, Copy)]
pub struct Centered<T>(pub RmsProp<T>);

impl<T: Scalar + Send + Sync> Rule<T, 3> for Centered<T> {
    #[inline(always)]
    fn apply(self, [value, square, mean]: [&mut [T]; 3], grad: &[T]) {
        for (((w, &g), v), m) in value.iter_mut().zip(grad).zip(square).zip(mean) {
            self.0.element(w, g, v, None, Some(m));
        }
    }
}

/// With both.
#[derive(Clone, Copy)]
pub struct MovingCentered<T>(pub RmsProp<T>);

impl<T: Scalar + Send + Sync> Rule<T, 4> for MovingCentered<T> {
    #[inline(always)]
    fn apply(self, [value, square, velocity, mean]: [&mut [T]; 4], grad: &[T]) {
        for ((((w, &g), v), u), m) in value.iter_mut().zip(grad).zip(square).zip(velocity).zip(mean) {
            self.0.element(w, g, v, Some(u), Some(m));
        }
    }
}

/// As `composed::optim::lion`.
#[derive(Clone, Copy)]
pub struct Lion<T> {
    keep: [T; 2],
    add: [T; 2],
    lr: T,
    shrink: T,
}

impl<T: Scalar> Lion<T> {
    pub fn new(step: LionStep) -> Self {
        let LionStep { lr, beta1, beta2, decay } = step;
        Lion {
            keep: [beta1, beta2].map(T::from_f64),
            add: [1.0 - beta1, 1.0 - beta2].map(T::from_f64),
            lr: T::from_f64(lr),
            shrink: T::from_f64(1.0 - lr * decay),
        }
    }
}

impl<T: Scalar + Send + Sync> Rule<T, 2> for Lion<T> {
    #[inline(always)]
    fn apply(self, [value, momentum]: [&mut [T]; 2], grad: &[T]) {
        let Lion { keep, add, lr, shrink } = self;
        for ((w, &g), m) in value.iter_mut().zip(grad).zip(momentum) {
            let direction = *m * keep[0] + g * add[0];
            *m = *m * keep[1] + g * add[1];
            let sign = if direction > T::zero() {
                T::one()
            } else if direction < T::zero() {
                -T::one()
            } else {
                direction * T::zero()
            };
            *w = *w * shrink - sign * lr;
        }
    }
}
