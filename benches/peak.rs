//! The machine's own limits, measured: multiply-adds in registers, and memory that no cache holds.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Accumulators that wait for nothing but themselves: enough to hide a latency of 5 cycles on two units.
const CHAINS: usize = 12;
const ROUNDS: usize = 4_000_000;

/// Billions of f32 operations a second, a multiply-add counted as two, over `threads` threads: the best of five runs at
/// the widest registers of this processor.
pub fn gflops(threads: usize) -> f64 {
    let (lanes, run) = widest();
    let operations = 2.0 * (lanes * CHAINS * ROUNDS * threads) as f64;
    operations / best(threads, || run(ROUNDS)).as_secs_f64() / 1e9
}

/// Billions of bytes a second through `a = b + s * c` on arrays of 64 MiB a thread, two read and one written: the best of
/// five runs.
pub fn gigabytes(threads: usize) -> f64 {
    const COUNT: usize = 16 << 20;
    let time = best_of(
        threads,
        || vec![vec![1.0f32; COUNT]; 3],
        |arrays| {
            let [a, b, c] = &mut arrays[..] else { return };
            let factor = black_box(3.0f32);
            for ((a, b), c) in a.iter_mut().zip(b.iter()).zip(c.iter()) {
                *a = b + factor * c;
            }
            black_box(&a[0]);
        },
    );
    (3 * 4 * COUNT * threads) as f64 / time.as_secs_f64() / 1e9
}

/// Both limits of one thread in a line, to read rates beside.
pub fn words() -> String {
    format!("one thread at its limit: {:.1} GFLOP/s, {:.1} GB/s", gflops(1), gigabytes(1))
}

fn best(threads: usize, run: impl Fn() -> f32 + Sync) -> Duration {
    best_of(
        threads,
        || (),
        |()| {
            black_box(run());
        },
    )
}

/// The shortest of five runs; a run ends with its slowest thread.
fn best_of<T>(threads: usize, make: impl Fn() -> T + Sync, run: impl Fn(&mut T) + Sync) -> Duration {
    let start = Barrier::new(threads);
    let times: Vec<Vec<Duration>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut own = make();
                    run(&mut own);
                    (0..5)
                        .map(|_| {
                            start.wait();
                            let clock = Instant::now();
                            run(&mut own);
                            clock.elapsed()
                        })
                        .collect()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("nothing in the loop panics")).collect()
    });
    let slowest = |round: usize| times.iter().map(|t| t[round]).max();
    (0..5).filter_map(slowest).min().unwrap_or(Duration::MAX)
}

/// The number of f32 lanes, and a loop that returns what it summed so that nothing is left out.
fn widest() -> (usize, fn(usize) -> f32) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512, as just asked.
            return (16, |rounds| unsafe { x86::avx512(rounds) });
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA, as just asked.
            return (8, |rounds| unsafe { x86::avx2(rounds) });
        }
    }
    (4, |rounds| {
        let mut sums = [[1.0f32; 4]; CHAINS];
        for _ in 0..rounds {
            for sum in sums.as_flattened_mut() {
                *sum = *sum * 0.999_999 + 1e-9;
            }
        }
        sums.as_flattened().iter().sum()
    })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::CHAINS;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub fn avx512(rounds: usize) -> f32 {
        let (factor, term) = (_mm512_set1_ps(0.999_999), _mm512_set1_ps(1e-9));
        let mut sums = [_mm512_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        sums.into_iter().map(|s| _mm512_reduce_add_ps(s)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(rounds: usize) -> f32 {
        let (factor, term) = (_mm256_set1_ps(0.999_999), _mm256_set1_ps(1e-9));
        let mut sums = [_mm256_set1_ps(1.0); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        sums.into_iter().map(|s| _mm256_cvtss_f32(_mm256_hadd_ps(s, s))).sum()
    }
}
