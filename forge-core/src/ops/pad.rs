//! `pad`: room before and after dimensions.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::Layout;
use crate::{Error, Result, Tensor};

/// What stands in the room that padding makes.
///
/// See [`Tensor::pad`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// This value.
    Constant(f64),
    /// The elements mirrored at the edge, which is not repeated: `c b | a b c | b a`.
    Reflect,
    /// The element at the edge: `a a | a b c | c c`.
    Replicate,
}

struct PadBackward {
    room: Vec<(usize, usize)>,
}

impl Backward for PadBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let mut g = incoming.one()?;
        for (axis, (before, after)) in self.room.iter().enumerate() {
            g = g.narrow(axis, *before, g.shape()[axis] - before - after)?;
        }
        outgoing.send(0, g)
    }
}

impl Tensor {
    /// Room before and after each dimension: a pair for each, filled as `mode` says.
    ///
    /// `[n]` with a pair (a, b) → `[a + n + b]`, and so in each dimension.
    ///
    /// ```
    /// use forge_core::{Tensor, ops::PadMode};
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.pad(&[(1, 2)], PadMode::Constant(0.0))?.to_vec::<f32>()?, [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
    /// assert_eq!(x.pad(&[(2, 0)], PadMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is not a pair for each dimension, when a dimension has not more elements than are to be mirrored, or none
    /// to repeat.
    pub fn pad(&self, room: &[(usize, usize)], mode: PadMode) -> Result<Tensor> {
        if room.len() != self.rank() {
            return Err(Error::shape(
                "pad",
                format!("{} pairs for {:?}; one for each dimension", room.len(), self.shape()),
            ));
        }
        let mut shape = *self.dims();
        for (size, (before, after)) in shape.as_mut().iter_mut().zip(room) {
            *size = size.checked_add(*before).and_then(|n| n.checked_add(*after)).ok_or_else(|| {
                Error::shape("pad", format!("{room:?} around {:?} is too much", self.shape()))
            })?;
        }
        let PadMode::Constant(value) = mode else { return self.padded_from_itself(room, mode) };
        let mut to = Layout::contiguous(shape);
        for (axis, (before, _)) in room.iter().enumerate() {
            to = to.slice("pad", axis, *before, self.shape()[axis], 1)?;
        }
        let device = self.device();
        let out = Tensor::build(device, self.dtype(), shape, |out| {
            device.fill(out, value)?;
            device.copy(self.arg(), out, &to)
        })?;
        let [out] = record("pad", &[self], [out], |_| PadBackward { room: room.to_vec() })?;
        Ok(out)
    }

    /// A selection along each dimension that gets room.
    fn padded_from_itself(&self, room: &[(usize, usize)], mode: PadMode) -> Result<Tensor> {
        let mut out = self.clone();
        for (axis, &(before, after)) in room.iter().enumerate().filter(|(_, room)| **room != (0, 0)) {
            let size = self.shape()[axis];
            let most = if mode == PadMode::Reflect { size.saturating_sub(1) } else { usize::MAX };
            if size == 0 || before.max(after) > most {
                return Err(Error::shape(
                    "pad",
                    format!("dimension {axis} of {:?} is too short for ({before}, {after})", self.shape()),
                ));
            }
            let last = size as i64 - 1;
            let from = |i: i64| match mode {
                PadMode::Reflect if i < 0 => -i,
                PadMode::Reflect if i > last => 2 * last - i,
                _ => i.clamp(0, last),
            };
            let list: Vec<i64> = (-(before as i64)..(size + after) as i64).map(from).collect();
            let count = list.len();
            out = out.index_select(axis, &Tensor::from_vec(list, &[count], self.device())?)?;
        }
        Ok(out)
    }
}

pub const OPERATION: Operation = Operation {
    name: "pad",
    formula: "room around dimensions: a constant, mirrored or repeated elements",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    type Outside = fn(isize, isize) -> Option<isize>;
    let modes: [(PadMode, Outside); 3] = [
        (PadMode::Constant(-1.5), |_, _| None),
        (PadMode::Reflect, |at, size| Some(if at < 0 { -at } else { 2 * (size - 1) - at })),
        (PadMode::Replicate, |at, size| Some(if at < 0 { 0 } else { size - 1 })),
    ];
    type Case<'a> = (&'a [usize], &'a [(usize, usize)]);
    let cases: [Case; 5] = [
        (&[4], &[(0, 0)]),
        (&[4], &[(2, 1)]),
        (&[3, 4], &[(0, 1), (3, 0)]),
        (&[2, 3, 3], &[(1, 1), (0, 0), (2, 2)]),
        (&[0, 3], &[(0, 0), (1, 0)]),
    ];
    let mut all = Vec::new();
    for (mode, outside) in modes {
        for (shape, room) in cases {
            all.push(sample!(
                format!("{room:?} around {shape:?}, {mode:?}"),
                vec![Input::new(shape)],
                |x| x[0].pad(room, mode)?,
                |r| reference::pad(&r[0], room, -1.5, outside)
            ));
        }
    }
    all.push(sample!("no dimension", vec![Input::new(&[])], |x| x[0].pad(&[], PadMode::Reflect)?, |r| r[0]
        .clone()));
    all
}

fn errors() -> Vec<ErrorSample> {
    let pad = |shape: &'static [usize], room: &'static [(usize, usize)], mode: PadMode| {
        move || Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())?.pad(room, mode)
    };
    vec![
        ErrorSample::new(
            "pad: 1 pairs for [2, 3]; one for each dimension",
            pad(&[2, 3], &[(1, 1)], PadMode::Constant(0.0)),
        ),
        ErrorSample::new(
            "pad: [(18446744073709551615, 0)] around [3] is too much",
            pad(&[3], &[(usize::MAX, 0)], PadMode::Replicate),
        ),
        ErrorSample::new(
            "pad: dimension 0 of [3] is too short for (3, 0)",
            pad(&[3], &[(3, 0)], PadMode::Reflect),
        ),
        ErrorSample::new(
            "pad: dimension 0 of [0] is too short for (0, 1)",
            pad(&[0], &[(0, 1)], PadMode::Replicate),
        ),
    ]
}
