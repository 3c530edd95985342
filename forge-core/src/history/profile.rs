use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// What one direction of an operation has cost.
///
/// FLOPs and bytes are those of the definition: a multiplication and an addition count two, each operand is read once and
/// each result written once. A kernel that computes something twice, or reads from a cache, is slower or faster by that,
/// and not better or worse at counting.
///
/// ```
/// use forge_core::history::Cost;
/// let mut cost = Cost { calls: 1, seconds: 0.5, flops: 3e9, bytes: 0.0 };
/// cost += Cost { calls: 2, seconds: 0.5, flops: 1e9, bytes: 0.0 };
/// assert_eq!((cost.calls, cost.gflops(), cost.gigabytes()), (3, Some(4.0), None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// How often it ran.
    pub calls: u64,
    /// Wall-clock seconds, without those of operations inside it that have rows of their own.
    pub seconds: f64,
    /// Floating-point operations of matrix products, convolutions, recurrent layers and attention; 0 of all that is
    /// bound by memory.
    pub flops: f64,
    /// Bytes of operands and results; 0 of a view.
    pub bytes: f64,
}

impl Cost {
    /// 10⁹ floating-point operations a second, of an operation that counts them.
    pub fn gflops(&self) -> Option<f64> {
        rate(self.flops, self.seconds)
    }

    /// 10⁹ bytes a second, of an operation that moves any.
    pub fn gigabytes(&self) -> Option<f64> {
        rate(self.bytes, self.seconds)
    }
}

fn rate(amount: f64, seconds: f64) -> Option<f64> {
    (amount > 0.0 && seconds > 0.0).then(|| amount / seconds / 1e9)
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.calls += other.calls;
        self.seconds += other.seconds;
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

/// The cost of one operation in one layer in one stage.
///
/// See [`Profile`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileRow {
    /// What the program was at: `data`, `optimizer`, `gradients`, `callbacks`, `validation`, `callbacks/prediction` …;
    /// empty in the forward and backward pass of training.
    pub stage: String,
    /// Path of the layer, such as `encoder.0.attention`; empty outside layers.
    pub layer: String,
    /// The operation, such as `lstm`, with what was fused into it, such as `linear + relu`; empty for the time of the
    /// stage or layer itself, between its operations.
    pub operation: String,
    /// In the forward pass. A stage has this direction only.
    pub forward: Cost,
    /// In the backward pass.
    pub backward: Cost,
    /// Bytes of memory that it asked the device for, in both directions.
    pub allocated_bytes: u64,
    /// The most bytes that were held on the device at any moment while it ran, by tensors and by what waits for backward,
    /// more than when the profile began.
    pub peak_bytes: u64,
}

impl ProfileRow {
    /// Both directions together.
    ///
    /// See [`Profile`].
    pub fn total(&self) -> Cost {
        let mut all = self.forward;
        all += self.backward;
        all
    }
}

/// Where the time of a piece of work went: what a [`Profiler`](crate::profile::Profiler) recorded.
///
/// ```
/// use forge_core::history::{Cost, Profile, ProfileRow};
/// let cost = |seconds| Cost { calls: 1, seconds, flops: 0.0, bytes: 0.0 };
/// let row = |layer: &str, operation: &str, forward, backward| ProfileRow {
///     layer: layer.into(),
///     operation: operation.into(),
///     forward: cost(forward),
///     backward: cost(backward),
///     ..ProfileRow::default()
/// };
/// let rows = vec![row("head", "linear", 0.25, 0.5), row("head", "tanh", 0.125, 0.0), row("", "mse", 0.0, 1.0)];
/// let profile = Profile { seconds: 2.0, rows, ..Profile::default() };
/// assert_eq!(profile.by_time()[0].operation, "mse");
/// assert_eq!(profile.layers()[0].total().seconds, 0.875); // of the head, both directions
/// assert_eq!(profile.unexplained(), 0.125);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Wall-clock seconds of all of it.
    pub seconds: f64,
    /// Bytes of memory that it asked devices for.
    pub allocated_bytes: u64,
    /// The most bytes that were held on devices at any moment, more than when the profiler began.
    pub peak_bytes: u64,
    /// In the order in which stages, layers and operations were first met, those inside after those around.
    pub rows: Vec<ProfileRow>,
}

impl Profile {
    /// Seconds that no row accounts for.
    pub fn unexplained(&self) -> f64 {
        (self.seconds - self.rows.iter().map(|row| row.total().seconds).sum::<f64>()).max(0.0)
    }

    /// The rows by time, the longest first.
    pub fn by_time(&self) -> Vec<&ProfileRow> {
        let mut rows: Vec<&ProfileRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| b.total().seconds.total_cmp(&a.total().seconds));
        rows
    }

    /// One row for each layer of each stage, with an empty operation: its operations together, without those of the layers
    /// in it. In order of first appearance.
    pub fn layers(&self) -> Vec<ProfileRow> {
        let mut layers: Vec<ProfileRow> = Vec::new();
        for row in &self.rows {
            let known =
                layers.iter_mut().find(|known| (&known.stage, &known.layer) == (&row.stage, &row.layer));
            match known {
                Some(known) => {
                    known.forward += row.forward;
                    known.backward += row.backward;
                    known.allocated_bytes += row.allocated_bytes;
                    known.peak_bytes = known.peak_bytes.max(row.peak_bytes);
                }
                None => layers.push(ProfileRow { operation: String::new(), ..row.clone() }),
            }
        }
        layers
    }
}

/// The profile of one cell of a run.
///
/// See [`RunProfile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellProfile {
    /// Id of the cell.
    pub id: String,
    /// Its actions.
    pub actions: Vec<String>,
    /// Processor seconds of all threads; none where the system does not say. Threads that wait for work for a moment spin,
    /// and count.
    pub cpu_seconds: Option<f64>,
    /// The most bytes of main memory that the process held while the cell ran; none where the system does not say.
    pub resident_bytes: Option<u64>,
    /// Its stages, layers and operations.
    #[serde(flatten)]
    pub profile: Profile,
}

/// The profile of a run: `profile.json`.
///
/// ```
/// use forge_core::history::{CellProfile, Profile, RunProfile};
/// let cell = |id: &str, seconds: f64, resident_bytes| CellProfile {
///     id: id.into(),
///     actions: vec!["train".into()],
///     cpu_seconds: Some(2.0 * seconds),
///     resident_bytes,
///     profile: Profile { seconds, ..Profile::default() },
/// };
/// let run = RunProfile::new(2, vec![cell("lstm", 1.5, Some(512)), cell("gru", 0.5, None)]);
/// assert_eq!((run.schema, run.seconds, run.cpu_seconds, run.resident_bytes), (RunProfile::SCHEMA, 2.0, Some(4.0), Some(512)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunProfile {
    /// Version of this form: 1.
    pub schema: u32,
    /// Threads that computed.
    pub threads: usize,
    /// Wall-clock seconds of all cells.
    pub seconds: f64,
    /// Processor seconds of all cells; none where the system does not say.
    pub cpu_seconds: Option<f64>,
    /// The most bytes of main memory that the process held; none where the system does not say.
    pub resident_bytes: Option<u64>,
    /// The most bytes that were held on devices at any moment.
    pub peak_bytes: u64,
    /// One a cell that ran, in order.
    pub cells: Vec<CellProfile>,
}

impl RunProfile {
    /// The version of the form that is written.
    pub const SCHEMA: u32 = 1;

    /// The profiles of cells together.
    pub fn new(threads: usize, cells: Vec<CellProfile>) -> Self {
        RunProfile {
            schema: Self::SCHEMA,
            threads,
            seconds: cells.iter().map(|cell| cell.profile.seconds).sum(),
            cpu_seconds: cells.iter().map(|cell| cell.cpu_seconds).sum(),
            resident_bytes: cells.iter().filter_map(|cell| cell.resident_bytes).max(),
            peak_bytes: cells.iter().map(|cell| cell.profile.peak_bytes).max().unwrap_or(0),
            cells,
        }
    }
}

/// The profile of one piece of work, such as a hand-written training loop, as that of a run with one cell.
impl From<Profile> for RunProfile {
    fn from(profile: Profile) -> Self {
        let (cpu_seconds, resident_bytes) = (None, None);
        let cell =
            CellProfile { id: "loop".into(), actions: Vec::new(), cpu_seconds, resident_bytes, profile };
        RunProfile::new(crate::threads(), vec![cell])
    }
}
