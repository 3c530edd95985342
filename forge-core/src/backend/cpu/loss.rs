//! Softmax cross entropy by rows: nothing of the logits' size is kept but the logits, of each row its largest one and the
//! logarithm of the sum of powers.

use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Elementary, Float, Kernel, constant, load, narrow, store, wide};
use super::softmax::Behind;
use super::threads::{Shared, parallel_if};
use super::{elements, elements_mut};
use crate::backend::{Composed, CrossEntropyArgs, Loss, Saved, Targets};
use crate::layout::Dims;
use crate::{DType, Element as _, Result, Tensor};
use std::ops::Range;
use std::sync::Arc;

const OP: &str = "cross_entropy";
/// Logits of a shard.
const SHARD: usize = 1 << 14;
/// What an exponential costs beside a multiply-add.
const EXP: usize = 16;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuLoss {
    memory: Arc<FreeList>,
}

/// The largest logit of each row, then of each row the logarithm of Σ e^(x - largest).
#[derive(Debug)]
struct Kept<T: Float>(Scratch<T>);

/// What rows are compared with.
#[derive(Clone, Copy)]
enum Target<'a, T> {
    /// Every class is one of those that there are, or the one that is ignored.
    Classes {
        index: &'a [i64],
        ignore: Option<i64>,
    },
    Shares(&'a [T]),
}

/// All rows, with the numbers that the formula needs.
#[derive(Clone, Copy)]
struct Task<'a, T> {
    classes: usize,
    x: &'a [T],
    target: Target<'a, T>,
    /// Of each class.
    weight: &'a [T],
    /// Their sum.
    weights: f64,
    smoothing: f64,
    /// What the mean divides by.
    divisor: f64,
}

/// Runs `$body` with a [`Task`] over the operands.
macro_rules! with_task {
    ($self:ident, $args:ident, $T:ident, |$task:ident| $body:expr) => {{
        let (classes, logits) = ($args.logits.shape()[1], $args.logits.packed()?);
        let mut weight = Scratch::<$T>::new(&$self.memory, classes);
        match &$args.weight {
            Some(given) => weight.as_mut().copy_from_slice(elements(OP, given.packed()?.arg().memory)?),
            None => weight.as_mut().fill(1.0),
        }
        let targets = match &$args.targets {
            Targets::Classes { index, .. } => index.packed()?,
            Targets::Shares(shares) => shares.packed()?,
        };
        let mut $task = Task {
            classes,
            x: elements::<$T>(OP, logits.arg().memory)?,
            target: Target::Shares(&[]),
            weight: weight.as_ref(),
            weights: weight.as_ref().iter().map(|&w| wide(w)).sum(),
            smoothing: $args.smoothing,
            divisor: $args.logits.shape()[0] as f64,
        };
        match &$args.targets {
            Targets::Classes { ignore, .. } => {
                let (index, ignore) = (elements::<i64>(OP, targets.arg().memory)?, *ignore);
                $task.divisor = 0.0;
                for (row, &class) in index.iter().enumerate() {
                    $task.divisor += $args.class(row, class, ignore)?.map_or(0.0, |c| wide($task.weight[c]));
                }
                $task.divisor = $args.divisor($task.divisor)?;
                $task.target = Target::Classes { index, ignore };
            }
            Targets::Shares(_) => $task.target = Target::Shares(elements(OP, targets.arg().memory)?),
        }
        $body
    }};
}

fn taken(args: &CrossEntropyArgs) -> bool {
    args.logits.dtype().is_float() && args.logits.count() > 0
}

impl CpuLoss {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuLoss { memory: memory.clone() }
    }
}

impl Loss for CpuLoss {
    fn cross_entropy(&self, args: &CrossEntropyArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.cross_entropy(args, keep);
        }
        float!(OP, args.logits.dtype(), T => with_task!(self, args, T, |task| {
            let rows = task.rows();
            let mut kept = Scratch::<T>::new(&self.memory, 2 * rows);
            let mut sums = Scratch::<f64>::new(&self.memory, task.shards());
            let (all, each) = (Shared::new(kept.as_mut()), Shared::new(sums.as_mut()));
            parallel_if(EXP * task.x.len(), task.shards(), |shard| {
                let range = task.shard(shard);
                // SAFETY: the shard's own rows, and its own sum.
                let (top, log_total, sum) = unsafe {
                    let part = |start: usize| all.part(start + range.start, range.len());
                    (part(0), part(rows), each.part(shard, 1))
                };
                sum[0] = T::dispatch(Forward { task, rows: range, top, log_total });
            });
            // In the order of the shards.
            let loss = sums.as_ref().iter().sum::<f64>() / task.divisor;
            let loss = Tensor::build(args.logits.device(), T::DTYPE, Dims::filled(&[]), |out| {
                elements_mut::<T>(OP, out)?.fill(narrow(loss));
                Ok(())
            })?;
            let bytes = 2 * rows * T::DTYPE.size();
            Ok((loss, keep.then(|| Saved::new(Kept(kept), bytes))))
        }))
    }

    fn cross_entropy_backward(
        &self,
        args: &CrossEntropyArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        if !taken(args) {
            return Composed.cross_entropy_backward(args, saved, grad, needs);
        }
        let grad = grad.packed()?;
        float!(OP, args.logits.dtype(), T => with_task!(self, args, T, |task| {
            let Kept::<T>(kept) = saved.take()?;
            let (top, log_total) = kept.as_ref().split_at(task.rows());
            let grad = elements::<T>(OP, grad.arg().memory)?.first().map_or(0.0, |&g| wide(g));
            let scale = grad / task.divisor;
            let tensor = |of_shares: bool| {
                Tensor::build(args.logits.device(), T::DTYPE, *args.logits.dims(), |out| {
                    let out = Shared::new(elements_mut::<T>(OP, out)?);
                    parallel_if(EXP * task.x.len(), task.shards(), |shard| {
                        let rows = task.shard(shard);
                        // SAFETY: the shard's own rows.
                        let out = unsafe { out.part(rows.start * task.classes, rows.len() * task.classes) };
                        T::dispatch(Backward { task, rows, top, log_total, scale, of_shares, out });
                    });
                    Ok(())
                })
            };
            Ok([
                if needs[0] { Some(tensor(false)?) } else { None },
                if needs[1] { Some(tensor(true)?) } else { None },
            ])
        }))
    }
}

impl<'a, T: Float> Task<'a, T> {
    fn rows(&self) -> usize {
        self.x.len() / self.classes
    }

    fn shard_rows(&self) -> usize {
        (SHARD / self.classes).max(1)
    }

    fn shards(&self) -> usize {
        self.rows().div_ceil(self.shard_rows())
    }

    fn shard(&self, shard: usize) -> Range<usize> {
        let size = self.shard_rows();
        shard * size..self.rows().min((shard + 1) * size)
    }

    fn row(&self, row: usize) -> &'a [T] {
        &self.x[row * self.classes..(row + 1) * self.classes]
    }

    /// What is added to each share before the weights.
    fn spread(&self) -> f64 {
        self.smoothing / self.classes as f64
    }
}

/// Gives the sum of the rows' losses.
struct Forward<'a, T> {
    task: Task<'a, T>,
    rows: Range<usize>,
    top: &'a mut [T],
    log_total: &'a mut [T],
}

impl<T: Float> Kernel<T> for Forward<'_, T> {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) -> f64 {
        let Forward { task, rows, top, log_total } = self;
        let mut sum = 0.0;
        // SAFETY: the caller's promise; registers are those of rows and of the two lists.
        unsafe {
            let behind = Behind::<V>::of(task.classes);
            for ((row, top), total) in rows.clone().zip(&mut *top).zip(&mut *log_total) {
                let x = task.row(row);
                *top = behind.top(x);
                *total = behind.total(x, V::splat(*top));
            }
            for at in (0..log_total.len()).step_by(V::N) {
                let (to, n) = (log_total.as_mut_ptr().add(at), log_total.len() - at);
                store(load::<V>(to, n).log(), to, n);
            }
            for ((row, &top), &log_total) in rows.zip(&*top).zip(&*log_total) {
                sum += task.loss::<V>(row, top, log_total);
            }
        }
        sum
    }
}

impl<T: Float> Task<'_, T> {
    /// The weighted loss of a row.
    #[inline(always)]
    unsafe fn loss<V: Elementary<Float = T>>(&self, row: usize, top: T, log_total: T) -> f64 {
        let (x, weight) = (self.row(row), self.weight);
        // SAFETY: the caller's promise; registers are those of rows.
        unsafe {
            let middle = V::splat(top);
            let mut sum = constant::<V>(0.0);
            match self.target {
                Target::Classes { index, ignore } => {
                    if Some(index[row]) == ignore {
                        return 0.0;
                    }
                    // From the largest logit: what is far below it keeps its digits.
                    let class = index[row] as usize;
                    let own = wide(log_total) - wide(x[class] - top);
                    let own = (1.0 - self.smoothing) * wide(weight[class]) * own;
                    if self.smoothing == 0.0 {
                        return own;
                    }
                    for at in (0..x.len()).step_by(V::N) {
                        let n = x.len() - at;
                        let below = load::<V>(x.as_ptr().add(at), n).sub(middle);
                        sum = below.mul_add(load(weight.as_ptr().add(at), n), sum);
                    }
                    own + self.spread() * (self.weights * wide(log_total) - wide(sum.sum()))
                }
                Target::Shares(shares) => {
                    let shares = &shares[row * self.classes..(row + 1) * self.classes];
                    let share = Share::<V>::of(self);
                    for at in (0..x.len()).step_by(V::N) {
                        let n = x.len() - at;
                        let below = load::<V>(x.as_ptr().add(at), n).sub(middle);
                        let log_p = share.finite(below.sub(V::splat(log_total)));
                        sum = share.weighted(shares, weight, at).mul_add(log_p, sum);
                    }
                    -wide(sum.sum())
                }
            }
        }
    }
}

/// Shares with smoothing and weights.
#[derive(Clone, Copy)]
struct Share<V> {
    kept: V,
    spread: V,
    lowest: V,
}

impl<V: Elementary> Share<V> {
    #[inline(always)]
    unsafe fn of(task: &Task<V::Float>) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let (kept, spread) = (constant(1.0 - task.smoothing), constant(task.spread()));
            Share { kept, spread, lowest: constant(f64::from(f32::MIN)) }
        }
    }

    /// A class that a share of 0 says nothing about must not turn 0 · ln 0 into NaN.
    #[inline(always)]
    fn finite(self, log_p: V) -> V {
        self.lowest.max(log_p)
    }

    /// The register at `at` of a row, with 0 behind its end.
    #[inline(always)]
    unsafe fn weighted(self, shares: &[V::Float], weight: &[V::Float], at: usize) -> V {
        let n = shares.len() - at;
        // SAFETY: the lists are rows, and `at` lies within.
        unsafe {
            let share = load::<V>(shares.as_ptr().add(at), n).mul_add(self.kept, self.spread);
            share.mul(load(weight.as_ptr().add(at), n))
        }
    }
}

/// Writes the gradient of the logits, or of the shares.
struct Backward<'a, T> {
    task: Task<'a, T>,
    rows: Range<usize>,
    /// Of all rows.
    top: &'a [T],
    log_total: &'a [T],
    /// The gradient of the loss, over what the mean divides by.
    scale: f64,
    of_shares: bool,
    out: &'a mut [T],
}

impl<T: Float> Kernel<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Backward { task, rows, top, log_total, scale, of_shares, out } = self;
        for (row, out) in rows.zip(out.chunks_exact_mut(task.classes)) {
            // SAFETY: the caller's promise; `out` is as long as a row.
            unsafe {
                let from = [V::splat(top[row]), V::splat(log_total[row])];
                match task.target {
                    Target::Classes { index, ignore } if Some(index[row]) != ignore => {
                        task.of_class::<V>(row, index[row] as usize, from, scale, out);
                    }
                    Target::Classes { .. } => out.fill(T::default()),
                    Target::Shares(shares) => {
                        let shares = &shares[row * task.classes..(row + 1) * task.classes];
                        task.of_shares::<V>(row, shares, from, scale, of_shares, out);
                    }
                }
            }
        }
    }
}

impl<T: Float> Task<'_, T> {
    #[inline(always)]
    unsafe fn of_class<V: Elementary<Float = T>>(
        &self,
        row: usize,
        class: usize,
        [top, log_total]: [V; 2],
        scale: f64,
        out: &mut [T],
    ) {
        let (x, weight) = (self.row(row), self.weight);
        let own = (1.0 - self.smoothing) * wide(weight[class]);
        let all = own + self.spread() * self.weights;
        // SAFETY: the caller's promise; registers are those of rows.
        unsafe {
            let (all, spread) = (constant::<V>(all * scale), constant::<V>(self.spread() * scale));
            for at in (0..x.len()).step_by(V::N) {
                let n = x.len() - at;
                let p = load::<V>(x.as_ptr().add(at), n).sub(top).sub(log_total).exp();
                let mut d = p.mul(all);
                if self.smoothing > 0.0 {
                    d = load::<V>(weight.as_ptr().add(at), n).neg_mul_add(spread, d);
                }
                store(d, out.as_mut_ptr().add(at), n);
            }
        }
        out[class] = out[class] - narrow(own * scale);
    }

    #[inline(always)]
    unsafe fn of_shares<V: Elementary<Float = T>>(
        &self,
        row: usize,
        shares: &[T],
        [top, log_total]: [V; 2],
        scale: f64,
        of_shares: bool,
        out: &mut [T],
    ) {
        let (x, weight) = (self.row(row), self.weight);
        // SAFETY: the caller's promise; registers are those of rows.
        unsafe {
            let share = Share::<V>::of(self);
            let mut total = constant::<V>(0.0);
            for at in (0..x.len()).step_by(V::N) {
                total = total.add(share.weighted(shares, weight, at));
            }
            let (total, all) = (V::splat(total.sum()), constant::<V>(scale));
            let of_log_p = constant::<V>((self.smoothing - 1.0) * scale);
            for at in (0..x.len()).step_by(V::N) {
                let n = x.len() - at;
                let log_p = load::<V>(x.as_ptr().add(at), n).sub(top).sub(log_total);
                let d = if of_shares {
                    share.finite(log_p).mul(load(weight.as_ptr().add(at), n)).mul(of_log_p)
                } else {
                    log_p.exp().mul(total).sub(share.weighted(shares, weight, at)).mul(all)
                };
                store(d, out.as_mut_ptr().add(at), n);
            }
        }
    }
}
