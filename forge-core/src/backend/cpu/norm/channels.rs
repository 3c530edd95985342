//! Batch and group normalisation, and with them instance normalisation: weights and biases are of channels.

use super::planes::{Apply, Factors, Moments, Planes, Products};
use super::rows::scale_of;
use super::{Kept, OP, affine};
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, narrow, wide};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::backend::cpu::{elements, elements_mut};
use crate::backend::{NormArgs, NormKind, NormOut};
use crate::layout::{Dims, MAX_RANK};
use crate::{Result, Tensor};
use std::sync::Arc;

/// An operand `[batch, channels, …]` whose elements lie side by side, in one of the two orders.
pub struct Channels<'a> {
    args: &'a NormArgs,
    x: Tensor,
    planes: Planes,
    /// Parts of the channels that share statistics, in one element of the batch; of batch normalisation, none.
    groups: Option<usize>,
}

/// The dimensions in the order batch, space, channels.
fn channels_last(rank: usize) -> Dims {
    let mut order = [0; MAX_RANK];
    (1..rank - 1).for_each(|d| order[d] = d + 1);
    order[rank - 1] = 1;
    Dims::filled(&order[..rank])
}

impl<'a> Channels<'a> {
    pub fn of(args: &'a NormArgs) -> Result<Self> {
        let shape = args.x.shape();
        let (channels, count) = (shape[1], args.x.count());
        let turned = args.x.layout().permute(OP, &channels_last(shape.len()))?;
        // Where there is nothing but channels, both orders are one.
        let last = turned.is_contiguous();
        let x = if last || args.x.layout().is_contiguous() { args.x.clone() } else { args.x.packed()? };
        let groups = match args.kind {
            NormKind::Group { groups } => Some(groups),
            _ => None,
        };
        // Of all rows together there is one mean, so they need not be told apart by batch.
        let batch = if last && groups.is_none() { 1 } else { shape[0] };
        Ok(Channels {
            args,
            x,
            planes: Planes { batch, channels, space: count / channels / batch, last },
            groups,
        })
    }

    /// The elements of a tensor of the operand's shape in the operand's order, of one that lies so.
    fn elements<T: Float>(tensor: &Tensor) -> Result<&[T]> {
        let from = tensor.layout().offset();
        Ok(&elements::<T>(OP, tensor.arg().memory)?[from..from + tensor.count()])
    }

    /// A new tensor of the operand's shape and order.
    fn build<T: Float>(&self, write: impl FnOnce(&mut [T])) -> Result<Tensor> {
        let order = channels_last(self.x.rank());
        let mut shape = *self.x.dims();
        if self.planes.last {
            order.iter().enumerate().for_each(|(to, &from)| shape.as_mut()[to] = self.x.shape()[from]);
        }
        let stored = Tensor::build(self.x.device(), T::DTYPE, shape, |out| {
            write(elements_mut(OP, out)?);
            Ok(())
        })?;
        if !self.planes.last {
            return Ok(stored);
        }
        let mut back = order;
        order.iter().enumerate().for_each(|(to, &from)| back.as_mut()[from] = to);
        Ok(stored.view(stored.layout().permute(OP, &back)?))
    }

    /// Numbers that share statistics: all elements of a channel, or of a group in one element of the batch.
    fn parts(&self) -> usize {
        self.groups.map_or(self.planes.channels, |groups| self.planes.batch * groups)
    }

    /// The part that a channel belongs to.
    fn part(&self, batch: usize, channel: usize) -> usize {
        match self.groups {
            Some(groups) => batch * groups + channel / (self.planes.channels / groups),
            None => channel,
        }
    }

    /// Elements of a part.
    fn each(&self) -> f64 {
        self.x.count() as f64 / self.parts() as f64
    }

    /// Rows of factors: one for all of a batch, or one for each of its elements.
    fn factor_rows(&self) -> usize {
        if self.groups.is_some() { self.planes.batch } else { 1 }
    }

    /// `N` numbers of each channel of each block, as `work(blocks, their numbers)` finds them.
    fn numbers<T: Float, const N: usize>(
        &self,
        memory: &Arc<FreeList>,
        work: impl Fn(std::ops::Range<usize>, [&mut [T]; N]) + Sync,
    ) -> [Scratch<T>; N] {
        let (planes, each) = (self.planes, self.planes.per_block());
        let mut all: [Scratch<T>; N] = std::array::from_fn(|_| Scratch::new(memory, planes.blocks() * each));
        let shared = all.each_mut().map(|s| Shared::new(s.as_mut()));
        parallel_if(4 * self.x.count(), planes.shards(), |shard| {
            let blocks = planes.shard(shard);
            // SAFETY: the numbers of the shard's own blocks.
            let out = shared.map(|s| unsafe { s.part(blocks.start * each, blocks.len() * each) });
            work(blocks, out);
        });
        all
    }

    pub fn forward<T: Float>(&self, memory: &Arc<FreeList>) -> Result<NormOut> {
        let planes = self.planes;
        let x = Self::elements::<T>(&self.x)?;
        let (mean, variance) = match &self.args.given {
            Some([mean, variance]) => (mean.packed()?, variance.packed()?),
            None => self.statistics(memory, x)?,
        };
        let (of_mean, of_variance) =
            (elements::<T>(OP, mean.arg().memory)?, elements::<T>(OP, variance.arg().memory)?);
        let affine = affine::<T>(memory, self.args, planes.channels)?;
        let (weight, bias) = affine.as_ref().split_at(planes.channels);
        let factors = self.factors(memory, |batch, channel| {
            let part = self.part(batch, channel);
            let scale = scale_of(of_variance[part], self.args.eps);
            [of_mean[part], narrow(wide(weight[channel]) * scale), bias[channel]]
        });
        let y = self.apply(x, &[], factors.as_ref())?;
        Ok(NormOut { y, mean, variance })
    }

    /// `[kinds, rows, channels]` of numbers that `of(batch, channel)` gives.
    fn factors<T: Float, const F: usize>(
        &self,
        memory: &Arc<FreeList>,
        of: impl Fn(usize, usize) -> [T; F],
    ) -> Scratch<T> {
        let (rows, channels) = (self.factor_rows(), self.planes.channels);
        let mut all = Scratch::<T>::new(memory, F * rows * channels);
        let out = all.as_mut();
        for at in 0..rows * channels {
            for (kind, factor) in of(at / channels, at % channels).into_iter().enumerate() {
                out[kind * rows * channels + at] = factor;
            }
        }
        all
    }

    fn apply<T: Float>(&self, x: &[T], g: &[T], factors: &[T]) -> Result<Tensor> {
        let planes = self.planes;
        let factors = Factors { all: factors, per_batch: self.groups.is_some() };
        self.build::<T>(|out| {
            let out = Shared::new(out);
            parallel_if(4 * x.len(), planes.shards(), |shard| {
                let blocks = planes.shard(shard);
                let range = planes.elements_of(&blocks);
                // SAFETY: the elements of the shard's own blocks.
                let out = unsafe { out.part(range.start, range.len()) };
                T::dispatch(Apply { planes, blocks, x, g, factors, out });
            });
        })
    }

    /// Mean and variance of each part: those of its blocks put together, which cancels nowhere (Chan, Golub and LeVeque,
    /// 1983).
    fn statistics<T: Float>(&self, memory: &Arc<FreeList>, x: &[T]) -> Result<(Tensor, Tensor)> {
        let planes = self.planes;
        let found =
            self.numbers::<T, 3>(memory, |blocks, out| T::dispatch(Moments { planes, blocks, x, out }));
        let [mean, left, variance] = found.each_ref().map(Scratch::as_ref);
        let mean = |at: usize| wide(mean[at]) + wide(left[at]);
        let mut middles = Scratch::<f64>::zeros(memory, self.parts());
        let mut spreads = Scratch::<f64>::zeros(memory, self.parts());
        let (middles, spreads) = (middles.as_mut(), spreads.as_mut());
        self.each_block(|part, at, share| middles[part] += share * mean(at));
        self.each_block(|part, at, share| {
            let apart = mean(at) - middles[part];
            spreads[part] += share * (wide(variance[at]) + apart * apart);
        });
        let shape = match self.groups {
            Some(groups) => Dims::filled(&[planes.batch, groups]),
            None => Dims::filled(&[planes.channels]),
        };
        let tensor = |of: &[f64]| {
            Tensor::build(self.x.device(), T::DTYPE, shape, |out| {
                let out = elements_mut::<T>(OP, out)?;
                out.iter_mut().zip(of).for_each(|(o, &v)| *o = narrow(v));
                Ok(())
            })
        };
        Ok((tensor(middles)?, tensor(spreads)?))
    }

    /// Calls `each(part, place, share of the part's elements)` for the number of each channel of each block.
    fn each_block(&self, mut each: impl FnMut(usize, usize, f64)) {
        let (planes, all) = (self.planes, self.each());
        for batch in 0..planes.batch {
            for piece in 0..planes.pieces() {
                let share = planes.piece(piece).len() as f64 / all;
                for channel in 0..planes.channels {
                    each(self.part(batch, channel), planes.at(batch, piece, channel), share);
                }
            }
        }
    }

    pub fn backward<T: Float>(
        &self,
        memory: &Arc<FreeList>,
        kept: &Kept,
        grad: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let (planes, channels) = (self.planes, self.planes.channels);
        let grad = match planes.last {
            true => {
                let order = channels_last(grad.rank());
                grad.view(grad.layout().permute(OP, &order)?).packed()?
            }
            false => grad.packed()?,
        };
        let (x, g) = (Self::elements::<T>(&self.x)?, Self::elements::<T>(&grad)?);
        let mean = elements::<T>(OP, kept.mean.arg().memory)?;
        let variance = elements::<T>(OP, kept.variance.arg().memory)?;
        let middles = self.factors(memory, |batch, channel| [mean[self.part(batch, channel)]]);
        let middles = Factors { all: middles.as_ref(), per_batch: self.groups.is_some() };
        let [sums, products] = self.numbers::<T, 2>(memory, |blocks, [sums, products]| {
            T::dispatch(Products { planes, blocks, x, g, mean: middles, sums, products });
        });
        let (sums, products) = (sums.as_ref(), products.as_ref());
        let affine = affine::<T>(memory, self.args, channels)?;
        let weight = &affine.as_ref()[..channels];
        // Of each part `Σ w g` and `Σ w g (x - mean)`; of each channel the gradients of weight and bias.
        let [mut along, mut level] = [0, 1].map(|_| Scratch::<f64>::zeros(memory, self.parts()));
        let [mut of_weight, mut of_bias] = [0, 1].map(|_| Scratch::<f64>::zeros(memory, channels));
        let scale = |part: usize| scale_of(variance[part], self.args.eps);
        {
            let (along, level) = (along.as_mut(), level.as_mut());
            let (of_weight, of_bias) = (of_weight.as_mut(), of_bias.as_mut());
            for batch in 0..planes.batch {
                for channel in 0..channels {
                    let (part, weight) = (self.part(batch, channel), wide(weight[channel]));
                    let (mut sum, mut product) = (0.0, 0.0);
                    for piece in 0..planes.pieces() {
                        let at = planes.at(batch, piece, channel);
                        sum += wide(sums[at]);
                        product += wide(products[at]);
                    }
                    level[part] += weight * sum;
                    along[part] += weight * product;
                    of_weight[channel] += product * scale(part);
                    of_bias[channel] += sum;
                }
            }
        }
        let (along, level, each) = (along.as_ref(), level.as_ref(), self.each());
        let dx = if self.args.given.is_some() {
            let factors = self.factors(memory, |batch, channel| {
                let factor = wide(weight[channel]) * scale(self.part(batch, channel));
                [T::default(), narrow(factor), T::default()]
            });
            self.apply(g, &[], factors.as_ref())?
        } else {
            // The normalised elements have mean 0 and mean square 1, so their gradient loses its parts along 1 and them.
            let factors = self.factors(memory, |batch, channel| {
                let part = self.part(batch, channel);
                let scale = scale(part);
                let (along, level) = (along[part] / each, level[part] / each);
                let factor = narrow(wide(weight[channel]) * scale);
                [mean[part], factor, narrow(-level * scale), narrow(-along * scale * scale * scale)]
            });
            self.apply(x, g, factors.as_ref())?
        };
        let tensor = |of: &[f64]| {
            Tensor::build(self.x.device(), T::DTYPE, Dims::filled(&[channels]), |out| {
                let out = elements_mut::<T>(OP, out)?;
                out.iter_mut().zip(of).for_each(|(o, &v)| *o = narrow(v));
                Ok(())
            })
        };
        Ok([dx, tensor(of_weight.as_ref())?, tensor(of_bias.as_ref())?])
    }
}
