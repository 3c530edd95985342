//! Counter-based random numbers: every number is a function of (seed, stream, step, element), so there is no state
//! to save, threads cannot disturb each other, and every device draws the same.
//!
//! Philox 4x32 with 10 rounds: Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*,
//! SC 2011. The known answers of their library are in the tests.

/// One block of Philox 4x32-10.
///
/// Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011.
///
/// ```
/// // The known answer of the paper's library.
/// let zeros = forge_core::rng::philox([0; 4], [0; 2]);
/// assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
/// ```
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let (mut c, mut k) = (counter, key);
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
        }
        let p0 = MULTIPLIERS[0] * u64::from(c[0]);
        let p1 = MULTIPLIERS[1] * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

/// A stream of random numbers: element `i` of it is the same whoever asks, in whatever order.
///
/// ```
/// use forge_core::rng::{Stream, philox};
/// let stream = Stream::new(7, "dropout").at(2);
/// assert_eq!(stream.word(5), stream.block(1)[1]); // a block holds four words
/// assert_eq!(stream.uniform(5), f64::from(stream.word(5) >> 8) / 16_777_216.0);
/// assert!((0..100).all(|i| stream.normal(i).abs() < 6.0));
/// let mut order = stream.permutation(10);
/// assert_ne!(order, Stream::new(7, "dropout").at(3).permutation(10)); // another epoch, another order
/// order.sort();
/// assert_eq!(order, (0..10).collect::<Vec<_>>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    seed: u64,
    name: u32,
    step: u64,
}

impl Stream {
    /// The stream called `name` of a seed, at step 0.
    pub fn new(seed: u64, name: &str) -> Self {
        Stream { seed, name: fnv1a(name), step: 0 }
    }

    /// The same stream at another step (of training, or epoch).
    pub fn at(self, step: u64) -> Self {
        Stream { step, ..self }
    }

    /// Four random words.
    pub fn block(&self, index: u32) -> [u32; 4] {
        let counter = [index, self.name, self.step as u32, (self.step >> 32) as u32];
        philox(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// Word `i` of the stream.
    pub fn word(&self, i: usize) -> u32 {
        self.block((i / 4) as u32)[i % 4]
    }

    /// Number `i` of the stream, uniform in [0, 1), a multiple of 2⁻²⁴ so that it is exact in f32.
    pub fn uniform(&self, i: usize) -> f64 {
        f64::from(self.word(i) >> 8) / f64::from(1u32 << 24)
    }

    /// Numbers `2 i` and `2 i + 1` made into a standard normal by the Box–Muller transform.
    pub fn normal(&self, i: usize) -> f64 {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform(2 * i)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * i + 1)).cos()
    }

    /// A permutation of `0..n` by the Fisher–Yates shuffle.
    pub fn permutation(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            // The product's high word is uniform to within n / 2³².
            let j = (u64::from(self.word(i)) * (i as u64 + 1)) >> 32;
            order.swap(i, j as usize);
        }
        order
    }
}

/// The 32-bit FNV-1a hash: the name of a layer as a number that no version of Rust changes.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let s = Stream::new(7, "moments");
        let n = 100_000;
        let uniform: Vec<f64> = (0..n).map(|i| s.uniform(i)).collect();
        let mean = uniform.iter().sum::<f64>() / n as f64;
        // Five standard errors: 5 / sqrt(12 n).
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * n as f64).sqrt(), "{mean}");
        let normal: Vec<f64> = (0..n).map(|i| s.normal(i)).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let var = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!((var - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{var}");
    }

    #[test]
    fn uniform_passes_kolmogorov_smirnov() {
        let s = Stream::new(11, "ks");
        let n = 20_000;
        let mut u: Vec<f64> = (0..n).map(|i| s.uniform(i)).collect();
        u.sort_by(f64::total_cmp);
        let d = u
            .iter()
            .enumerate()
            .map(|(i, x)| (x - i as f64 / n as f64).abs().max(((i + 1) as f64 / n as f64 - x).abs()))
            .fold(0.0, f64::max);
        // 1.95 / sqrt(n) is the 0.1 % point.
        assert!(d < 1.95 / (n as f64).sqrt(), "{d}");
    }

    #[test]
    fn streams_differ_and_a_permutation_is_one() {
        let order = Stream::new(1, "shuffle").at(3).permutation(1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(order, Stream::new(1, "shuffle").at(4).permutation(1000));
        assert_ne!(order, Stream::new(2, "shuffle").at(3).permutation(1000));
        assert_ne!(order, Stream::new(1, "dropout").at(3).permutation(1000));
    }
}
