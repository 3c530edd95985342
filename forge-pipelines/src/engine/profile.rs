//! The profile of a run in the making, a cell at a time.

use crate::run::{cpu_seconds, forget_peak, resident_peak};
use crate::spec::CellSpec;
use forge_core::history::{CellProfile, RunProfile};
use forge_core::profile::Profiler;

/// Records the cells of a run.
pub(super) struct Cells {
    profiler: Profiler,
    cells: Vec<CellProfile>,
    /// Processor seconds when the cell began.
    cpu: Option<f64>,
    /// Whether the peak of memory is that of the cell alone.
    own_peak: bool,
}

impl Cells {
    /// Begins to record.
    ///
    /// # Errors
    /// When another run of this process is profiled.
    pub fn start() -> forge_core::Result<Self> {
        Ok(Cells { profiler: Profiler::start()?, cells: Vec::new(), cpu: None, own_peak: false })
    }

    /// A cell begins.
    pub fn begin(&mut self) {
        self.own_peak = forget_peak();
        self.cpu = cpu_seconds();
        self.profiler.lap();
    }

    /// The cell that began last has ended, well or not.
    pub fn end(&mut self, cell: &CellSpec) {
        let profile = self.profiler.lap();
        let seconds = |before: f64| Some(cpu_seconds()? - before);
        self.cells.push(CellProfile {
            id: cell.id.clone(),
            actions: cell.actions.iter().map(|a| a.name.clone()).collect(),
            cpu_seconds: self.cpu.and_then(seconds),
            resident_bytes: resident_peak().filter(|_| self.own_peak),
            profile,
        });
    }

    /// The profile of the run.
    pub fn finish(self) -> RunProfile {
        let mut profile = RunProfile::new(forge_core::threads(), self.cells);
        profile.resident_bytes = profile.resident_bytes.or_else(resident_peak);
        profile
    }
}
