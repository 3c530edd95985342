//! LSTM and GRU over a whole sequence.
//!
//! The batch is cut into shards, and a shard into groups of samples that go through the whole sequence one after the
//! other: products of input and state with packed weights run in one register tile, and the gates' arithmetic follows
//! while they are in the nearest cache. What backward needs is written once and read once, in the order of the steps, so
//! that its cost grows as the work does. Sequences with lengths are left to the composed family.

mod backward;
mod cell;
mod forward;
mod pack;
mod shape;
mod thin;

use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Float, lanes};
use super::sums::AddShards;
use super::threads::{Shared, parallel};
use super::{elements, elements_mut};
use crate::backend::{Composed, GruArgs, GruOut, LstmArgs, LstmOut, Rnn, Saved};
use crate::layout::Dims;
use crate::{DType, Error, Result, Tensor};
use backward::Backward;
use cell::{Cell, GruCell, LstmCell};
use forward::{Forward, Kept, Order};
use shape::Shape;
use std::marker::PhantomData;
use std::sync::Arc;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuRnn {
    memory: Arc<FreeList>,
}

impl CpuRnn {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuRnn { memory: memory.clone() }
    }
}

/// The operands of either cell; a GRU has no `c0`.
struct Operands<'a> {
    x: &'a Tensor,
    h0: &'a Tensor,
    c0: Option<&'a Tensor>,
    w_ih: &'a Tensor,
    w_hh: &'a Tensor,
    b_ih: &'a Tensor,
    b_hh: &'a Tensor,
    reverse: bool,
}

impl<'a> From<&'a LstmArgs> for Operands<'a> {
    fn from(a: &'a LstmArgs) -> Self {
        let LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse, .. } = a;
        Operands { x, h0, c0: Some(c0), w_ih, w_hh, b_ih, b_hh, reverse: *reverse }
    }
}

impl<'a> From<&'a GruArgs> for Operands<'a> {
    fn from(a: &'a GruArgs) -> Self {
        let GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, reverse, .. } = a;
        Operands { x, h0, c0: None, w_ih, w_hh, b_ih, b_hh, reverse: *reverse }
    }
}

/// What forward keeps for backward.
#[derive(Debug)]
struct State<T: Float> {
    y: Tensor,
    kept: Scratch<T>,
}

/// All weights of a cell as [`pack::forward`] lays them out.
struct Weights<T: Float, C> {
    all: Scratch<T>,
    cell: PhantomData<C>,
}

/// Gradients of x, h0, c0, w_ih, w_hh, b_ih, b_hh.
type Gradients = [Option<Tensor>; 7];

/// Whether the kernels take a call; others go to the composed family.
fn taken(x: &Tensor, h0: &Tensor, lengths: &Option<Arc<[usize]>>) -> bool {
    lengths.is_none() && h0.count() > 0 && x.dtype().is_float()
}

/// The elements of a packed tensor.
fn read<T: Float>(tensor: &Tensor) -> Result<&[T]> {
    elements("rnn", tensor.arg().memory)
}

/// The elements of a tensor that was just built.
fn write<T: Float>(tensor: &mut Tensor) -> Result<*mut T> {
    Ok(elements_mut::<T>("rnn", tensor.memory_alone()?)?.as_mut_ptr())
}

/// A tensor for a kernel to fill, and where it lies.
fn output<T: Float>(like: &Tensor, shape: &[usize]) -> Result<(Tensor, *mut T)> {
    let device = like.device().clone();
    let mut tensor = Tensor::build(&device, T::DTYPE, Dims::new("rnn", shape)?, |_| Ok(()))?;
    let at = write::<T>(&mut tensor)?;
    Ok((tensor, at))
}

impl CpuRnn {
    fn forward<T: Float, C: Cell>(
        &self,
        args: &Operands,
        keep: bool,
    ) -> Result<(LstmOut<Option<Tensor>>, Option<Saved>)> {
        let call = Call::of::<T>(args);
        let shape = call.shape;
        let [x, h0, w_ih, w_hh] = [args.x, args.h0, args.w_ih, args.w_hh].map(Tensor::packed);
        let (x, h0, w_ih, w_hh) = (x?, h0?, w_ih?, w_hh?);
        let (b_ih, b_hh) = (args.b_ih.packed()?, args.b_hh.packed()?);
        let c0 = args.c0.map(Tensor::packed).transpose()?;
        let pack = || -> Result<Weights<T, C>> {
            let mut all = Scratch::<T>::new(&self.memory, shape.weight_rows() * shape.gates());
            let (w, b) = ((read(&w_ih)?, read(&w_hh)?), (read(&b_ih)?, read(&b_hh)?));
            pack::forward::<T, C>(&shape, w, b, all.as_mut());
            Ok(Weights { all, cell: PhantomData })
        };
        // In training weights change before they would serve again.
        let (own, kept);
        let weights: &Weights<T, C> = match keep {
            true => {
                own = pack()?;
                &own
            }
            false => {
                kept = Tensor::panels([args.w_hh, args.w_ih, args.b_ih, args.b_hh], pack)?;
                &kept
            }
        };
        let each = if keep { Kept::<T>::size(&shape, C::SECOND_STATE) } else { 0 };
        let mut kept = Scratch::<T>::new(&self.memory, shape.batch * each);
        let (y, y_at) = output::<T>(args.x, &[shape.batch, shape.time, shape.hidden])?;
        let (h_n, h_n_at) = output::<T>(args.x, args.h0.shape())?;
        let (c_n, c_n_at) = match C::SECOND_STATE {
            true => output::<T>(args.x, args.h0.shape()).map(|(t, at)| (Some(t), at))?,
            false => (None, std::ptr::null_mut()),
        };
        let to = forward::Pointers {
            x: read(&x)?.as_ptr(),
            h0: read(&h0)?.as_ptr(),
            c0: c0.as_ref().map_or(Ok(std::ptr::null()), |c| read(c).map(<[T]>::as_ptr))?,
            weights: weights.all.as_ref().as_ptr(),
            y: y_at,
            h_n: h_n_at,
            c_n: c_n_at,
        };
        let work_each = shape.forward_work();
        let mut work = Scratch::<T>::new(&self.memory, shape.shards() * work_each);
        let (all, work) = (Shared::new(kept.as_mut()), Shared::new(work.as_mut()));
        parallel(shape.shards(), |s| {
            let work = work.get().wrapping_add(s * work_each);
            for rows in shape.groups(s) {
                let kept = keep.then(|| Kept::new(&shape, all.get(), rows, C::SECOND_STATE));
                let order = call.order;
                T::dispatch(Forward::<T, C> { shape, order, rows, to, kept, work, cell: PhantomData });
            }
        });
        let bytes = kept.as_ref().len() * T::DTYPE.size();
        let saved = keep.then(|| Saved::new(State { y: y.clone(), kept }, bytes));
        Ok((LstmOut { y: Some(y), h_n: Some(h_n), c_n }, saved))
    }

    fn backward<T: Float, C: Cell>(
        &self,
        args: &Operands,
        mut state: State<T>,
        incoming: LstmOut<Option<Tensor>>,
        needs: &[bool; 7],
    ) -> Result<Gradients> {
        let call = Call::of::<T>(args);
        let shape = call.shape;
        let [need_x, need_h0, need_c0, weights_needed @ ..] = *needs;
        let (x, h0) = (args.x.packed()?, args.h0.packed()?);
        let arriving = [incoming.y, incoming.h_n, incoming.c_n].map(|g| g.map(|g| g.packed()).transpose());
        let [dy, dh_n, dc_n] = arriving;
        let (dy, dh_n, dc_n) = (dy?, dh_n?, dc_n?);
        let pointer =
            |g: &Option<Tensor>| g.as_ref().map_or(Ok(std::ptr::null()), |g| read::<T>(g).map(<[T]>::as_ptr));
        let w_hh = self.packed_backward::<T, C>(&shape, args.w_hh, shape.hidden, C::STATE, C::STATE_SLOTS)?;
        let w_ih = match need_x {
            true => {
                self.packed_backward::<T, C>(&shape, args.w_ih, shape.features, C::INPUT, C::INPUT_SLOTS)?
            }
            false => Scratch::new(&self.memory, 0),
        };
        let wanted = |needed: bool, like: &Tensor| match needed {
            true => output::<T>(args.x, like.shape()).map(|(t, at)| (Some(t), at)),
            false => Ok((None, std::ptr::null_mut())),
        };
        let (dx, dx_at) = wanted(need_x, args.x)?;
        let (dh0, dh0_at) = wanted(need_h0, args.h0)?;
        let (dc0, dc0_at) = wanted(need_c0 && C::SECOND_STATE, args.h0)?;
        let train = weights_needed.contains(&true);
        let each = shape.weight_rows() * shape.gates();
        let mut weights = Scratch::<T>::zeros(&self.memory, if train { shape.shards() * each } else { 0 });
        let work_each = shape.backward_work();
        let mut work = Scratch::<T>::new(&self.memory, shape.shards() * work_each);
        let to = backward::Pointers {
            x: read(&x)?.as_ptr(),
            h0: read(&h0)?.as_ptr(),
            y: read(&state.y)?.as_ptr(),
            w_hh: w_hh.as_ref().as_ptr(),
            w_ih: w_ih.as_ref().as_ptr(),
            dy: pointer(&dy)?,
            dh_n: pointer(&dh_n)?,
            dc_n: pointer(&dc_n)?,
            dx: dx_at,
            dh0: dh0_at,
            dc0: dc0_at,
        };
        let (kept, gradients, work) =
            (Shared::new(state.kept.as_mut()), Shared::new(weights.as_mut()), Shared::new(work.as_mut()));
        parallel(shape.shards(), |s| {
            let own = backward::Own {
                weights: if train { gradients.get().wrapping_add(s * each) } else { std::ptr::null_mut() },
                work: work.get().wrapping_add(s * work_each),
            };
            for rows in shape.groups(s) {
                let kept = Kept::new(&shape, kept.get(), rows, C::SECOND_STATE);
                let order = call.order;
                T::dispatch(Backward::<T, C> { shape, order, rows, to, own, kept, cell: PhantomData });
            }
        });
        let [need_w_ih, need_w_hh, need_b_ih, need_b_hh] = weights_needed;
        let mut out = [
            wanted(need_w_ih, args.w_ih)?.0,
            wanted(need_w_hh, args.w_hh)?.0,
            wanted(need_b_ih, args.b_ih)?.0,
            wanted(need_b_hh, args.b_hh)?.0,
        ];
        if train {
            T::dispatch(AddShards { all: weights.as_mut(), each });
            let [w_ih, w_hh, b_ih, b_hh] = out.each_mut().map(|tensor| match tensor {
                Some(tensor) => elements_mut::<T>("rnn", tensor.memory_alone()?).map(Some),
                None => Ok(None),
            });
            let to = pack::Gradients { w_ih: w_ih?, w_hh: w_hh?, b_ih: b_ih?, b_hh: b_hh? };
            pack::unpack::<T, C>(&shape, &weights.as_ref()[..each], to);
        }
        let [dw_ih, dw_hh, db_ih, db_hh] = out;
        Ok([dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh])
    }

    fn packed_backward<T: Float, C: Cell>(
        &self,
        shape: &Shape,
        weights: &Tensor,
        columns: usize,
        slots: (usize, usize),
        gate_slots: &[usize],
    ) -> Result<Scratch<T>> {
        let weights = weights.packed()?;
        let mut out = Scratch::<T>::new(&self.memory, shape.packed_backward(columns, slots));
        pack::backward::<T>(shape, columns, read(&weights)?, slots, gate_slots, out.as_mut());
        Ok(out)
    }
}

/// What is the same for a call's forward and backward.
struct Call {
    shape: Shape,
    order: Order,
}

impl Call {
    fn of<T: Float>(args: &Operands) -> Self {
        let s = args.x.shape();
        let (batch, time, features, hidden) = (s[0], s[1], s[2], args.h0.shape()[1]);
        let shape = Shape { batch, time, features, hidden, lanes: lanes::<T>() };
        Call { shape, order: Order { time, reverse: args.reverse } }
    }
}

impl Rnn for CpuRnn {
    fn lstm(&self, args: &LstmArgs, keep: bool) -> Result<(LstmOut, Option<Saved>)> {
        if !taken(&args.x, &args.h0, &args.lengths) {
            return Composed.lstm(args, keep);
        }
        let (out, saved) =
            float!("lstm", args.x.dtype(), T => self.forward::<T, LstmCell>(&args.into(), keep))?;
        match out {
            LstmOut { y: Some(y), h_n: Some(h_n), c_n: Some(c_n) } => Ok((LstmOut { y, h_n, c_n }, saved)),
            _ => Err(Error::other("lstm: a result is missing")),
        }
    }

    fn lstm_backward(
        &self,
        args: &LstmArgs,
        saved: Saved,
        grads: LstmOut<Option<Tensor>>,
        needs: &[bool; 7],
    ) -> Result<Gradients> {
        if !taken(&args.x, &args.h0, &args.lengths) {
            return Composed.lstm_backward(args, saved, grads, needs);
        }
        float!("lstm", args.x.dtype(), T => {
            self.backward::<T, LstmCell>(&args.into(), saved.take()?, grads, needs)
        })
    }

    fn gru(&self, args: &GruArgs, keep: bool) -> Result<(GruOut, Option<Saved>)> {
        if !taken(&args.x, &args.h0, &args.lengths) {
            return Composed.gru(args, keep);
        }
        let (out, saved) =
            float!("gru", args.x.dtype(), T => self.forward::<T, GruCell>(&args.into(), keep))?;
        match out {
            LstmOut { y: Some(y), h_n: Some(h_n), .. } => Ok((GruOut { y, h_n }, saved)),
            _ => Err(Error::other("gru: a result is missing")),
        }
    }

    fn gru_backward(
        &self,
        args: &GruArgs,
        saved: Saved,
        grads: GruOut<Option<Tensor>>,
        needs: &[bool; 6],
    ) -> Result<[Option<Tensor>; 6]> {
        if !taken(&args.x, &args.h0, &args.lengths) {
            return Composed.gru_backward(args, saved, grads, needs);
        }
        let [x, h0, w_ih, w_hh, b_ih, b_hh] = *needs;
        let needs = [x, h0, false, w_ih, w_hh, b_ih, b_hh];
        let grads = LstmOut { y: grads.y, h_n: grads.h_n, c_n: None };
        let [x, h0, _, w_ih, w_hh, b_ih, b_hh] = float!("gru", args.x.dtype(), T => {
            self.backward::<T, GruCell>(&args.into(), saved.take()?, grads, &needs)
        })?;
        Ok([x, h0, w_ih, w_hh, b_ih, b_hh])
    }
}
