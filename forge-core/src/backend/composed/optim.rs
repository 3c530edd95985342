use crate::backend::{AdamStep, LionStep, RmsPropStep, SgdStep, Slot, Unary, UnaryKind};
use crate::{Result, Tensor};

/// θ ← θ - lr λ θ (AdamW's decay), then
/// m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², θ ← θ - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
pub fn adam(slot: &mut Slot, step: AdamStep) -> Result<()> {
    let AdamStep { lr, beta1, beta2, eps, decay, step } = step;
    let (value, grad, [first, second]) = slot.parts("adam")?;
    if decay != 0.0 {
        *value = (&*value * (1.0 - lr * decay))?;
    }
    *first = ((&*first * beta1)? + (grad * (1.0 - beta1))?)?;
    *second = ((&*second * beta2)? + (&grad.square()? * (1.0 - beta2))?)?;
    let correction1 = 1.0 - beta1.powf(step as f64);
    let correction2 = (1.0 - beta2.powf(step as f64)).sqrt();
    let denominator = (&second.sqrt()? * (1.0 / correction2))?.add_scalar(eps)?;
    let update = (&*first / &denominator)?;
    *value = (&*value - (&update * (lr / correction1))?)?;
    Ok(())
}

/// g ← g + λ θ, u ← μ u + g (u ← g at the first step), θ ← θ - lr · u, or lr · (g + μ u) with Nesterov's look-ahead.
pub fn sgd(slot: &mut Slot, step: SgdStep) -> Result<()> {
    let SgdStep { lr, momentum, nesterov, decay, step } = step;
    let mut update = penalized(slot, decay)?;
    if momentum != 0.0 {
        let (_, _, [velocity]) = slot.parts("sgd")?;
        *velocity = if step == 1 { update.clone() } else { ((&*velocity * momentum)? + &update)? };
        update = if nesterov { (&update + (&*velocity * momentum)?)? } else { velocity.clone() };
    }
    *slot.value = (&*slot.value - (&update * lr)?)?;
    Ok(())
}

/// g ← g + λ θ, v ← α v + (1 - α) g², then with a = √v, or when centered m ← α m + (1 - α) g and a = √max(v - m², 0):
/// θ ← θ - lr · g / (a + ε), or with momentum u ← μ u + g / (a + ε), θ ← θ - lr · u.
pub fn rmsprop(slot: &mut Slot, step: RmsPropStep) -> Result<()> {
    let RmsPropStep { lr, alpha, eps, momentum, centered: _, decay } = step;
    let grad = penalized(slot, decay)?;
    let (square, velocity, mean) = step.split(slot.moments)?;
    *square = ((&*square * alpha)? + (&grad.square()? * (1.0 - alpha))?)?;
    let variance = match mean {
        Some(mean) => {
            *mean = ((&*mean * alpha)? + (&grad * (1.0 - alpha))?)?;
            (&*square - mean.square()?)?.relu()?
        }
        None => square.clone(),
    };
    let mut update = (&grad / &variance.sqrt()?.add_scalar(eps)?)?;
    if let Some(velocity) = velocity {
        *velocity = ((&*velocity * momentum)? + &update)?;
        update = velocity.clone();
    }
    *slot.value = (&*slot.value - (&update * lr)?)?;
    Ok(())
}

/// θ ← θ - lr λ θ, θ ← θ - lr · sign(β₁ m + (1 - β₁) g), then m ← β₂ m + (1 - β₂) g
pub fn lion(slot: &mut Slot, step: LionStep) -> Result<()> {
    let LionStep { lr, beta1, beta2, decay } = step;
    let (value, grad, [momentum]) = slot.parts("lion")?;
    if decay != 0.0 {
        *value = (&*value * (1.0 - lr * decay))?;
    }
    let direction = ((&*momentum * beta1)? + (grad * (1.0 - beta1))?)?;
    *momentum = ((&*momentum * beta2)? + (grad * (1.0 - beta2))?)?;
    // The derivative of |x| is the sign of x, 0 at 0.
    let sign = derivative(Unary::new(UnaryKind::Abs), &direction)?;
    *value = (&*value - (&sign * lr)?)?;
    Ok(())
}

/// min(max(x, -limit), limit): the derivative of Huber's penalty.
pub fn clamp(x: &Tensor, limit: f64) -> Result<Tensor> {
    derivative(Unary::with(UnaryKind::HuberPenalty, limit), x)
}

/// g + λ θ
fn penalized(slot: &Slot, decay: f64) -> Result<Tensor> {
    if decay == 0.0 { Ok(slot.grad.clone()) } else { slot.grad + (&*slot.value * decay)? }
}

fn derivative(op: Unary, x: &Tensor) -> Result<Tensor> {
    let one = Tensor::full(1.0, &[], x.dtype(), x.device())?.expand(x.shape())?;
    Tensor::build(x.device(), x.dtype(), *x.dims(), |out| x.device().unary_grad(op, x.arg(), one.arg(), out))
}
