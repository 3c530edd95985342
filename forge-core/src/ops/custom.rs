//! Operations of outside code.

use crate::autograd::{Backward, record};
use crate::{Error, Result, Tensor};

/// An operation of one's own with a derivative of one's own: `y = value(x…)`, whose gradients `derivative(x…, y)` sends
/// back. One that is only composed of others needs none of this: its derivative is that of its parts.
///
/// `value` gets the operands, of any shapes, untracked; `derivative` gets the operands and the value, keeps what it needs,
/// and must send each operand that [wants](crate::Outgoing::wants) one a gradient of the operand's shape. It is not called
/// where no operand is tracked. `name` stands in messages.
///
/// ```
/// use forge_core::{Backward, Cx, Incoming, Outgoing, Result, Tensor, ops};
/// /// Forward the sign, backward as if it were x: the straight-through estimator of Bengio and others, 2013.
/// struct Through;
/// impl Backward for Through {
///     fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
///         outgoing.send(0, incoming.one()?)
///     }
/// }
/// let cx = Cx::train(0, 0);
/// let x = cx.track(&Tensor::new(&[0.3f64, -2.0], &[2])?)?;
/// let y = ops::custom("binarize", &[&x], |x| x[0].sign(), |_, _| Through)?;
/// assert_eq!(y.to_vec::<f64>()?, [1.0, -1.0]);
/// assert_eq!((&y * 5.0)?.sum_all()?.backward(cx)?.wrt(&x).unwrap().to_vec::<f64>()?, [5.0, 5.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// Those of `value`; when its result is tracked, because it was not computed from the operands that it was given; when the
/// operands belong to two contexts.
pub fn custom<B: Backward>(
    name: &'static str,
    operands: &[&Tensor],
    value: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    derivative: impl FnOnce(&[Tensor], &Tensor) -> B,
) -> Result<Tensor> {
    let untracked: Vec<Tensor> = operands.iter().map(|x| x.detach()).collect();
    let out = value(&untracked)?;
    if out.is_tracked() {
        return Err(Error::argument(
            name,
            "its value is tracked already; compute it from the operands that the closure is given",
        ));
    }
    let kept = out.clone();
    let [out] = record(name, operands, [out], |_| derivative(&untracked, &kept))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::custom;
    use crate::{Backward, Cx, Incoming, Outgoing, Result, Tensor};

    /// y = a b, kept: both.
    struct Product(Tensor, Tensor);

    impl Backward for Product {
        fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
            let g = incoming.one()?;
            outgoing.send(0, (&g * &self.1)?)?;
            outgoing.send(1, (&g * &self.0)?)
        }
    }

    fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        custom("product", &[a, b], |x| &x[0] * &x[1], |x, _| Product(x[0].clone(), x[1].clone()))
    }

    #[test]
    fn gradients_are_those_of_the_derivative_and_a_repeated_operand_gets_both() {
        let cx = Cx::train(0, 0);
        let a = cx.track(&Tensor::new(&[2.0, -3.0], &[2]).unwrap()).unwrap();
        let b = cx.track(&Tensor::new(&[5.0, 7.0], &[2]).unwrap()).unwrap();
        let y = (product(&a, &b).unwrap() + product(&a, &a).unwrap()).unwrap();
        assert_eq!(y.to_vec::<f64>().unwrap(), [14.0, -12.0]);
        let grads = y.sum_all().unwrap().backward(cx).unwrap();
        assert_eq!(grads.wrt(&a).unwrap().to_vec::<f64>().unwrap(), [9.0, 1.0]);
        assert_eq!(grads.wrt(&b).unwrap().to_vec::<f64>().unwrap(), [2.0, -3.0]);
    }

    #[test]
    fn without_a_tape_nothing_is_recorded_and_a_tracked_value_is_an_error() {
        let a = Tensor::new(&[2.0, -3.0], &[2]).unwrap();
        assert!(!product(&a, &a).unwrap().is_tracked());
        let cx = Cx::train(0, 0);
        let a = cx.track(&a).unwrap();
        let wrong = custom("own", &[&a], |_| a.exp(), |_, y| Product(y.clone(), y.clone()));
        let message =
            "own: its value is tracked already; compute it from the operands that the closure is given";
        assert_eq!(wrong.unwrap_err().to_string(), message);
    }
}
