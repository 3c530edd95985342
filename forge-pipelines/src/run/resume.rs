//! The same command again: taking over the directory of a run that was interrupted or killed.

use super::{ActiveRun, Home, NewRun, RunDir, RunError, RunRecord, RunState, lease};
use crate::failure::Exit;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

impl Home {
    /// Takes over the newest run of this spec, with these overrides and tags, if it was interrupted or killed, or
    /// failed for want of a resource such as room on the disk: in its own directory, under its own id. None if that run ended in another way, or there is none; a run that is at work
    /// is passed over.
    ///
    /// Its logs go on where they stopped. Its fits are for the caller to go on with.
    ///
    /// # Errors
    /// [`RunError::Io`] when the home cannot be read or the run's directory not be written.
    pub fn resume_run(&self, new: &NewRun<'_>) -> Result<Option<ActiveRun>, RunError> {
        if !self.runs_folder().is_dir() {
            return Ok(None);
        }
        // Until the lease below is written, another process could think that the same run is nobody's.
        let _claim = claim(&self.runs_folder().join(".resume.lock"))?;
        let hash = new.spec_hash();
        let same = |record: &RunRecord| {
            record.spec_hash == hash
                && record.overrides == new.overrides
                && record.tags == new.tags
                // A run of one seed goes on only within the run of them all.
                && new.parent.is_none_or(|parent| record.parent.as_deref() == Some(parent))
        };
        let newest = self
            .runs()?
            .into_iter()
            .filter_map(|run| run.record.ok())
            .find(|record| same(record) && record.state != RunState::Running);
        // What failed for want of room or rights can go on once there is some.
        let can_go_on = |r: &RunRecord| match r.state {
            RunState::Lost | RunState::Interrupted => true,
            RunState::Failed => r.exit_code == Some(Exit::Resource.code()),
            RunState::Running | RunState::Finished => false,
        };
        let Some(mut record) = newest.filter(can_go_on) else {
            return Ok(None);
        };
        let was = record.state;
        let dir = RunDir::at(self.runs_folder().join(&record.id), record.id.clone());
        let lease = lease::take(dir.path(), Timestamp::now())?;
        remove_leftovers(dir.path())?;
        record.state = RunState::Running;
        (record.ended, record.exit_code, record.seconds, record.verdict) = (None, None, None, None);
        record.metrics.clear();
        record.spread.clear();
        dir.write_json("run.json", &record)?;
        ActiveRun::resume(dir, record, lease, was).map(Some)
    }
}

/// A lock that is given up when it is dropped, or its process dies.
fn claim(path: &Path) -> Result<File, RunError> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|e| RunError::io("open", path, e))?;
    match file.lock() {
        // A file system without locks: two processes that resume one run at the same instant are then not told apart.
        Err(e) if e.kind() == ErrorKind::Unsupported => Ok(file),
        locked => locked.map(|()| file).map_err(|e| RunError::io("lock", path, e)),
    }
}

/// Removes what a killed process was in the middle of writing, and the figures, which are all drawn again.
fn remove_leftovers(folder: &Path) -> Result<(), RunError> {
    let failed = |e| RunError::io("clean up", folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        match is_folder {
            true if name == "figures" => fs::remove_dir_all(entry.path()).map_err(failed)?,
            true => remove_leftovers(&entry.path())?,
            false if name.starts_with('.') && name.ends_with(".tmp") => {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
            false => {}
        }
    }
    Ok(())
}
