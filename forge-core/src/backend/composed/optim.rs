use crate::Result;
use crate::backend::{AdamStep, SgdStep, Slot};

/// θ ← θ - lr λ θ (AdamW's decay), then
/// m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², θ ← θ - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
pub fn adam(slot: &mut Slot, step: AdamStep) -> Result<()> {
    let AdamStep { lr, beta1, beta2, eps, decay, step } = step;
    if decay != 0.0 {
        *slot.value = (&*slot.value * (1.0 - lr * decay))?;
    }
    *slot.first = ((&*slot.first * beta1)? + (slot.grad * (1.0 - beta1))?)?;
    *slot.second = ((&*slot.second * beta2)? + (&slot.grad.square()? * (1.0 - beta2))?)?;
    let correction1 = 1.0 - beta1.powf(step as f64);
    let correction2 = (1.0 - beta2.powf(step as f64)).sqrt();
    let denominator = (&slot.second.sqrt()? * (1.0 / correction2))?.add_scalar(eps)?;
    let update = (&*slot.first / &denominator)?;
    *slot.value = (&*slot.value - (&update * (lr / correction1))?)?;
    Ok(())
}

/// g ← g + λ θ, u ← μ u + g (u ← g at the first step), θ ← θ - lr · u, or lr · (g + μ u) with Nesterov's look-ahead.
pub fn sgd(slot: &mut Slot, step: SgdStep) -> Result<()> {
    let SgdStep { lr, momentum, nesterov, decay, step } = step;
    let mut update = slot.grad.clone();
    if decay != 0.0 {
        update = (&update + (&*slot.value * decay)?)?;
    }
    if momentum != 0.0 {
        *slot.first = if step == 1 { update.clone() } else { ((&*slot.first * momentum)? + &update)? };
        update = if nesterov { (&update + (&*slot.first * momentum)?)? } else { slot.first.clone() };
    }
    *slot.value = (&*slot.value - (&update * lr)?)?;
    Ok(())
}
