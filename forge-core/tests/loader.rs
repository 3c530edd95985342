//! Batches gathered ahead: the same batches in the same order as one by one, whatever the threads do.

#![allow(clippy::unwrap_used)]

use forge_core::data::{Batch, Dataset, Loader, TensorDataset};
use forge_core::history::StopReason;
use forge_core::learn::{Learner, predict};
use forge_core::nn::{Activation, Dropout, Init, Linear, Sequential};
use forge_core::optim::Adam;
use forge_core::rng::Stream;
use forge_core::{Device, Error, Parameters, Result, Tensor};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Samples that are their own number. Early batches take longest, so that threads overtake each other.
struct Numbers {
    len: usize,
    slow: bool,
    fails_at: Option<usize>,
    panics_at: Option<usize>,
    gathered: AtomicUsize,
    taken: AtomicUsize,
    /// The furthest that a batch was begun ahead of those taken.
    ahead: AtomicUsize,
    threads: Mutex<HashSet<std::thread::ThreadId>>,
}

impl Numbers {
    fn new(len: usize) -> Self {
        Numbers {
            len,
            slow: false,
            fails_at: None,
            panics_at: None,
            gathered: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            ahead: AtomicUsize::new(0),
            threads: Mutex::default(),
        }
    }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch> {
        self.threads.lock().unwrap().insert(std::thread::current().id());
        self.gathered.fetch_add(1, SeqCst);
        let number = indices[0] / indices.len().max(1);
        self.ahead.fetch_max(number.saturating_sub(self.taken.load(SeqCst)), SeqCst);
        if self.slow {
            std::thread::sleep(Duration::from_micros(300 * (7 - indices[0] as u64 % 7)));
        }
        if self.fails_at.is_some_and(|at| indices.contains(&at)) {
            return Err(Error::other("sample is torn"));
        }
        if self.panics_at.is_some_and(|at| indices.contains(&at)) {
            panic!("index out of bounds");
        }
        let x: Vec<f32> = indices.iter().map(|i| *i as f32).collect();
        let x = Tensor::from_vec(x, &[indices.len(), 1], device)?;
        Ok(Batch::new(x.clone(), x))
    }
}

fn numbers(batch: Result<Batch>) -> Result<Vec<i64>> {
    Ok(batch?.x.to_vec::<f32>()?.iter().map(|v| *v as i64).collect())
}

#[test]
fn the_order_is_the_same_for_any_number_of_threads() {
    let mut data = Numbers::new(50);
    data.slow = true;
    let run = |threads: usize| {
        let loader = Loader::new(&data, 4).unwrap().shuffled(9, 3).prefetch(threads);
        assert_eq!(loader.len(), 13);
        loader.run(|batches| batches.map(|b| numbers(b).unwrap()).collect::<Vec<_>>())
    };
    let order: Vec<i64> = run(0).concat();
    let expected = Stream::new(9, "order").at(3).permutation(50);
    assert_eq!(order, expected.iter().map(|i| *i as i64).collect::<Vec<_>>());
    for threads in [1, 2, 3, 8, 100] {
        assert_eq!(run(threads).concat(), order, "{threads} threads");
        assert_eq!(run(threads).iter().map(Vec::len).collect::<Vec<_>>(), [vec![4; 12], vec![2]].concat());
    }
    let loader = Loader::new(&data, 4).unwrap().limit(3).prefetch(2);
    let first = loader.run(|batches| batches.map(|b| numbers(b).unwrap()).collect::<Vec<_>>());
    assert_eq!(first.concat(), (0..12).collect::<Vec<i64>>());
}

#[test]
fn no_more_is_gathered_than_two_batches_a_thread() {
    for threads in [1, 2, 4] {
        let data = Numbers::new(300);
        Loader::new(&data, 3).unwrap().prefetch(threads).run(|batches| {
            for batch in batches {
                batch.unwrap();
                data.taken.fetch_add(1, SeqCst);
            }
        });
        assert_eq!((data.taken.load(SeqCst), data.gathered.load(SeqCst)), (100, 100));
        // One more, that the consumer has taken and not yet counted.
        assert!(data.ahead.load(SeqCst) <= 2 * threads, "{threads}: {:?} ahead", data.ahead);
        assert!(!data.threads.lock().unwrap().contains(&std::thread::current().id()), "nothing was ahead");
    }
}

#[test]
fn an_error_arrives_at_its_place_and_ends_the_batches() {
    for threads in [0, 1, 3] {
        let mut data = Numbers::new(40);
        (data.slow, data.fails_at) = (true, Some(17));
        let seen: Vec<Result<Vec<i64>>> =
            Loader::new(&data, 4).unwrap().prefetch(threads).run(|batches| batches.map(numbers).collect());
        assert_eq!(seen.len(), 5, "{threads} threads");
        assert!(seen[..4].iter().all(Result::is_ok));
        assert_eq!(seen[4].as_ref().unwrap_err().to_string(), "sample is torn");
    }
}

#[test]
fn a_panic_of_the_dataset_is_an_error_and_training_says_so() {
    for threads in [0, 1, 3] {
        let mut data = Numbers::new(40);
        data.panics_at = Some(9);
        let loader = Loader::new(&data, 4).unwrap().prefetch(threads);
        let last = loader.run(|batches| batches.map(numbers).last()).unwrap().unwrap_err().to_string();
        assert_eq!(last, "the dataset panicked while it gathered batch 2: index out of bounds");
        let mut model = Linear::new(&Init::new(0), 1, 1).unwrap();
        let learner = Learner::new("panics").batch_size(4).prefetch(threads);
        let error = learner.fit(&mut model, &mut Adam::new(0.1), &data, None).unwrap_err().to_string();
        assert!(error.starts_with("the dataset panicked while it gathered batch"), "{error}");
    }
}

#[test]
fn threads_end_when_the_consumer_does() {
    let data = Numbers::new(10_000);
    let loader = Loader::new(&data, 1).unwrap().prefetch(4);
    // Taken and left, left at once, kept while the body returns, leaked, and in a panic. That `run` returns is the test.
    loader.run(|mut batches| assert!(batches.next().is_some()));
    loader.run(|batches| drop(batches));
    loader.run(|mut batches| (batches.next().is_some(), drop(batches)));
    loader.run(|batches| std::mem::forget(batches));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        loader.run(|mut batches| {
            batches.next();
            panic!("the consumer's own");
        })
    }));
    assert!(panicked.is_err());
    assert!(data.gathered.load(SeqCst) < 200, "{:?} batches were gathered for nobody", data.gathered);
    assert!(Loader::new(&data, 0).is_err());
    let nothing = Numbers::new(0);
    let empty = Loader::new(&nothing, 3).unwrap().prefetch(2);
    assert!(empty.is_empty() && empty.run(|batches| batches.count()) == 0);
}

fn data(samples: usize) -> TensorDataset {
    let noise = Stream::new(1, "loader");
    let x: Vec<f32> = (0..samples * 3).map(|i| noise.normal(i) as f32).collect();
    let y: Vec<f32> = x.chunks(3).map(|x| x[0] - 2.0 * x[1]).collect();
    TensorDataset::new(Tensor::new(&x, &[samples, 3]).unwrap(), Tensor::new(&y, &[samples, 1]).unwrap())
        .unwrap()
}

fn model() -> Sequential {
    let init = Init::new(5);
    Sequential::new()
        .with("hidden", Linear::new(&init.within("hidden"), 3, 8).unwrap())
        .with("act", Activation::tanh())
        .with("dropout", Dropout::new(0.2).unwrap())
        .with("head", Linear::new(&init.within("head"), 8, 1).unwrap())
}

#[test]
fn a_training_with_prefetch_has_the_bits_of_one_without() {
    let (train, val) = (data(50), data(20));
    let run = |learner: Learner| {
        let (mut model, mut adam) = (model(), Adam::new(0.01));
        let learner = learner.epochs(3).batch_size(8).seed(4);
        let history = learner.fit(&mut model, &mut adam, &train, Some(&val)).unwrap();
        let output = predict(&model, &val, 7, &Device::cpu()).unwrap().to_vec::<f32>().unwrap();
        (history.curve("train.loss"), history.curve("val.loss"), output)
    };
    let plain = run(Learner::new("plain"));
    for threads in [1, 3] {
        assert_eq!(run(Learner::new("ahead").prefetch(threads)), plain);
    }
    let parts = run(Learner::new("parts").accumulate(3));
    assert_ne!(parts, plain);
    assert_eq!(run(Learner::new("parts ahead").accumulate(3).prefetch(2)), parts);
}

/// 48 samples in batches of 16, or in thrice as many of them; 10 more, so that the last step has fewer.
#[test]
fn accumulated_batches_train_as_one_large_batch_does() {
    for samples in [48, 58] {
        let train = data(samples);
        let run = |learner: Learner| {
            let init = Init::new(5).dtype(forge_core::DType::F64);
            let mut model = Linear::new(&init, 3, 1).unwrap();
            let double = |t: &Tensor| t.to_dtype(forge_core::DType::F64).unwrap();
            let all = train.batch(&(0..samples).collect::<Vec<_>>(), &Device::cpu()).unwrap();
            let train = TensorDataset::new(double(&all.x), double(&all.y)).unwrap();
            let mut adam = Adam::new(0.01);
            let history = learner.epochs(4).seed(4).fit(&mut model, &mut adam, &train, None).unwrap();
            assert_eq!(history.epochs[3].step, 4 * samples.div_ceil(48) as u64);
            let weights: Vec<f64> =
                model.named_values().iter().flat_map(|(_, t)| t.to_f64_vec().unwrap()).collect();
            (weights, history.curve("train.loss"))
        };
        let (whole, losses) = run(Learner::new("whole").batch_size(48));
        let (parts, again) = run(Learner::new("parts").batch_size(16).accumulate(3));
        for (a, b) in whole.iter().zip(&parts) {
            assert!((a - b).abs() < 1e-12, "{whole:?} {parts:?}");
        }
        for ((_, a), (_, b)) in losses.iter().zip(&again) {
            assert!((a / b - 1.0).abs() < 1e-12, "{losses:?} {again:?}");
        }
    }
    let learner = Learner::new("none").accumulate(0);
    let error = learner.fit(&mut model(), &mut Adam::new(0.1), &data(4), None).unwrap_err().to_string();
    assert!(error.contains("0 batches a step"), "{error}");
}

#[test]
fn an_interrupt_ends_a_training_that_gathers_ahead() {
    let flag = std::sync::Arc::new(AtomicBool::new(false));
    let raise = flag.clone();
    let learner = Learner::new("interrupted").batch_size(1).prefetch(2).interrupt(flag);
    let learner = learner.loss(move |p, y| {
        raise.store(true, SeqCst);
        p.mse(y)
    });
    let history = learner.fit(&mut model(), &mut Adam::new(0.1), &data(1000), None).unwrap();
    assert_eq!((history.stop, history.epochs.len()), (StopReason::Interrupted, 0));
}
