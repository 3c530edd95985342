use super::Composed;
use crate::backend::{CrossEntropyArgs, Loss, Saved, Targets};
use crate::{Device, Host, Result, Tensor};

impl Loss for Composed {
    fn cross_entropy(&self, args: &CrossEntropyArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        let log_p = args.logits.device().softmax().softmax(&args.logits, 1, true)?;
        let loss = match &args.targets {
            Targets::Classes { index, ignore } => {
                let rows = Rows::new(args, index, *ignore)?;
                let picked =
                    log_p.reshape(&[log_p.count()])?.index_select(0, &rows.picks(index.device())?)?;
                let mut total = (picked * rows.as_tensor(&rows.weights, &log_p)?)?.sum_all()?;
                total = total.mul_scalar(1.0 - args.smoothing)?;
                if args.smoothing > 0.0 {
                    let kept = log_p.index_select(0, &rows.kept(index.device())?)?;
                    let spread = (kept * rows.as_tensor(&rows.all, &log_p)?)?.sum_all()?;
                    total = (total + spread.mul_scalar(args.smoothing / rows.all.len() as f64)?)?;
                }
                total.mul_scalar(-1.0 / rows.total)?
            }
            Targets::Shares(shares) => {
                let target = smoothed(args, shares)?;
                (target * finite(&log_p)?)?.sum_all()?.mul_scalar(-1.0 / shares.shape()[0] as f64)?
            }
        };
        let bytes = log_p.count() * log_p.dtype().size();
        Ok((loss, keep.then(|| Saved::new(log_p, bytes))))
    }

    fn cross_entropy_backward(
        &self,
        args: &CrossEntropyArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let log_p: Tensor = saved.take()?;
        let (target, count) = match &args.targets {
            Targets::Classes { index, ignore } => {
                let rows = Rows::new(args, index, *ignore)?;
                (rows.target(args.smoothing, &log_p)?, rows.total)
            }
            Targets::Shares(shares) => (smoothed(args, shares)?, shares.shape()[0] as f64),
        };
        let grad = grad.mul_scalar(1.0 / count)?;
        let of_logits = || {
            let share = (log_p.exp()? * target.sum(&[1], true)?)?;
            (share - &target)? * &grad
        };
        let of_shares = || {
            let mut each = finite(&log_p)?.mul_scalar(args.smoothing - 1.0)?;
            if let Some(weight) = &args.weight {
                each = (each * weight)?;
            }
            each * &grad
        };
        Ok([
            if needs[0] { Some(of_logits()?) } else { None },
            if needs[1] { Some(of_shares()?) } else { None },
        ])
    }
}

/// A class that a share of 0 says nothing about must not turn 0 · ln 0 into NaN.
fn finite(log_p: &Tensor) -> Result<Tensor> {
    log_p.clamp(f64::from(f32::MIN), f64::INFINITY)
}

/// Shares with smoothing and weights.
fn smoothed(args: &CrossEntropyArgs, shares: &Tensor) -> Result<Tensor> {
    let (keep, classes) = (1.0 - args.smoothing, shares.shape()[1].max(1) as f64);
    let target = shares.mul_scalar(keep)?.add_scalar(args.smoothing / classes)?;
    match &args.weight {
        Some(weight) => target * weight,
        None => Ok(target),
    }
}

/// Classes as the host sees them.
struct Rows {
    count: usize,
    /// Rows that count, each with its class.
    classes: Vec<(usize, usize)>,
    /// The weight of each row's class.
    weights: Vec<f64>,
    /// The weight of each class.
    all: Vec<f64>,
    /// What the mean divides by.
    total: f64,
}

impl Rows {
    fn new(args: &CrossEntropyArgs, index: &Tensor, ignore: Option<i64>) -> Result<Self> {
        let index: Vec<i64> = index.to_vec()?;
        let classes = args.logits.shape()[1];
        let all = args.weight.as_ref().map_or_else(|| Ok(vec![1.0; classes]), Tensor::to_f64_vec)?;
        let mut kept = Vec::with_capacity(index.len());
        for (row, &class) in index.iter().enumerate() {
            kept.extend(args.class(row, class, ignore)?.map(|class| (row, class)));
        }
        let weights: Vec<f64> = kept.iter().map(|&(_, class)| all[class]).collect();
        let total = weights.iter().sum();
        let total = args.divisor(total)?;
        Ok(Rows { count: index.len(), classes: kept, weights, all, total })
    }

    /// Positions of the targets among all log probabilities.
    fn picks(&self, device: &Device) -> Result<Tensor> {
        let at = |&(row, class): &(usize, usize)| (row * self.all.len() + class) as i64;
        Tensor::from_vec(self.classes.iter().map(at).collect(), &[self.classes.len()], device)
    }

    /// Numbers of the rows that count.
    fn kept(&self, device: &Device) -> Result<Tensor> {
        let rows = self.classes.iter().map(|&(row, _)| row as i64).collect();
        Tensor::from_vec(rows, &[self.classes.len()], device)
    }

    fn as_tensor(&self, values: &[f64], like: &Tensor) -> Result<Tensor> {
        Tensor::from_host(Host::F64(values.to_vec()), &[values.len()], &Device::cpu())?
            .to_dtype(like.dtype())?
            .to_device(like.device())
    }

    /// The weighted share of each class in each row; 0 in rows that do not count.
    fn target(&self, smoothing: f64, like: &Tensor) -> Result<Tensor> {
        let classes = self.all.len();
        let mut target = vec![0.0; self.count * classes];
        for &(row, class) in &self.classes {
            let row = &mut target[row * classes..][..classes];
            row.iter_mut().zip(&self.all).for_each(|(t, w)| *t = smoothing / classes as f64 * w);
            row[class] += (1.0 - smoothing) * self.all[class];
        }
        self.as_tensor(&target, like)?.reshape(&[self.count, classes])
    }
}
