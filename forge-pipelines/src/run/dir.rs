use super::append::read_json_lines;
use super::{
    Environment, EventLine, LeaseRecord, RunError, RunRecord, RunState, home, read_predictions, write_atomic,
};
use forge_core::history::{Forecasts, MetricPoint, Notebook, RunProfile, SourceRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// A run directory: reads what a run left, at any moment of its life, and adds files to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Sources {
    schema: u32,
    sources: Vec<SourceRecord>,
}

impl RunDir {
    pub(super) fn at(path: PathBuf, id: String) -> Self {
        RunDir { path, id }
    }

    /// The run's id, which is the directory's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.json`, with the state `lost` when it says `running` but its process is gone.
    ///
    /// # Errors
    /// [`RunError::Broken`] when the file is missing, damaged or of a later version, [`RunError::Io`].
    pub fn record(&self) -> Result<RunRecord, RunError> {
        // The lease first: a run writes its last record before it gives the lease up, so a record read later is
        // never older than what the lease said.
        let alive = LeaseRecord::read(&self.path).is_some_and(|lease| lease.is_alive(Timestamp::now()));
        let mut record = RunRecord::read(&self.path.join("run.json"))?;
        if record.state == RunState::Running && !alive {
            record.state = RunState::Lost;
        }
        Ok(record)
    }

    /// The spec as given, byte for byte.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn spec(&self) -> Result<Vec<u8>, RunError> {
        let path = self.path.join("spec.yaml");
        std::fs::read(&path).map_err(|e| RunError::io("read", path, e))
    }

    /// The events so far. A torn last line is left out; kinds of later versions are [`RunEvent::Unknown`].
    ///
    /// [`RunEvent::Unknown`]: super::RunEvent::Unknown
    ///
    /// # Errors
    /// [`RunError::Io`], and [`RunError::Broken`] for a line that is no event.
    pub fn events(&self) -> Result<Vec<EventLine>, RunError> {
        read_json_lines(&self.path.join("events.jsonl"))
    }

    /// The training metrics so far, without a torn last line.
    ///
    /// # Errors
    /// [`RunError::Io`], and [`RunError::Broken`] for a line that is no metric.
    pub fn metrics(&self) -> Result<Vec<MetricPoint>, RunError> {
        read_json_lines(&self.path.join("metrics.jsonl"))
    }

    /// The forecasts of `predictions.parquet`.
    ///
    /// # Errors
    /// As [`read_predictions`].
    pub fn predictions(&self) -> Result<Vec<Forecasts>, RunError> {
        read_predictions(self.predictions_file())
    }

    /// Where [`write_predictions`](super::write_predictions) puts the forecasts of the run.
    pub fn predictions_file(&self) -> PathBuf {
        self.path.join("predictions.parquet")
    }

    /// Writes `env.json`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_environment(&self, environment: &Environment) -> Result<(), RunError> {
        self.write_json("env.json", environment)
    }

    /// Reads `env.json`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Broken`].
    pub fn environment(&self) -> Result<Environment, RunError> {
        self.read_json("env.json")
    }

    /// Writes `data.json`: the sources as they were read.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_sources(&self, sources: &[SourceRecord]) -> Result<(), RunError> {
        self.write_json("data.json", &Sources { schema: 1, sources: sources.to_vec() })
    }

    /// Reads `data.json`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Broken`].
    pub fn sources(&self) -> Result<Vec<SourceRecord>, RunError> {
        self.read_json::<Sources>("data.json").map(|file| file.sources)
    }

    /// Writes `profile.json`: where the time of a run with `--profile` went.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_profile(&self, profile: &RunProfile) -> Result<(), RunError> {
        self.write_json("profile.json", profile)
    }

    /// Reads `profile.json`; none of a run that was not profiled.
    ///
    /// # Errors
    /// [`RunError::Io`], and [`RunError::Broken`] when it is damaged or of a later version.
    pub fn profile(&self) -> Result<Option<RunProfile>, RunError> {
        let path = self.path.join("profile.json");
        if !path.exists() {
            return Ok(None);
        }
        let profile: RunProfile = self.read_json("profile.json")?;
        match profile.schema {
            RunProfile::SCHEMA => Ok(Some(profile)),
            later => {
                Err(RunError::broken(path, format!("has the form {later}, which this version does not know")))
            }
        }
    }

    /// Writes `notebook.json`: all that the report shows, so that it can be made again.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_notebook(&self, notebook: &Notebook) -> Result<(), RunError> {
        let path = self.path.join("notebook.json");
        // Not indented: it holds every row of every forecast.
        let text = serde_json::to_vec(notebook).map_err(|e| RunError::json(path, &e))?;
        self.write("notebook.json", &text)
    }

    /// Reads `notebook.json`.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Broken`].
    pub fn notebook(&self) -> Result<Notebook, RunError> {
        let path = self.path.join("notebook.json");
        if !path.exists() {
            let problem = "is missing: the run did not come to its report; the same command continues it";
            return Err(RunError::broken(path, problem));
        }
        self.read_json("notebook.json")
    }

    /// Writes `figures/NN-name.json`, the Plotly form of the figure that the report shows as number `number`.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn write_figure(
        &self,
        number: usize,
        name: &str,
        figure: &serde_json::Value,
    ) -> Result<(), RunError> {
        self.write_json(&format!("figures/{number:02}-{}.json", home::slug(name)), figure)
    }

    /// The folder of a fit cell, `fits/<id>`, made if it is not there.
    ///
    /// # Errors
    /// [`RunError::BadName`] when the id cannot be a folder's name, [`RunError::Io`].
    pub fn fit_folder(&self, id: &str) -> Result<PathBuf, RunError> {
        if !is_plain_name(id) {
            return Err(RunError::BadName { what: "fit", name: id.into() });
        }
        let folder = self.path.join("fits").join(id);
        make_folder(&folder)?;
        Ok(folder)
    }

    /// Writes a file of the directory, such as `report.html` or `fits/lstm/model.json`, atomically; its folder is
    /// made if it is not there.
    ///
    /// # Errors
    /// [`RunError::BadName`] when `file` is not a plain path inside the directory, [`RunError::Io`].
    pub fn write(&self, file: &str, bytes: &[u8]) -> Result<(), RunError> {
        if !file.split('/').all(is_plain_name) {
            return Err(RunError::BadName { what: "file", name: file.into() });
        }
        let path = self.path.join(file);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        write_atomic(path, bytes)
    }

    /// Writes a file of the directory as indented JSON; otherwise as [`RunDir::write`].
    ///
    /// # Errors
    /// As [`RunDir::write`], and [`RunError::Broken`] for a value that JSON cannot hold.
    pub fn write_json(&self, file: &str, value: &impl Serialize) -> Result<(), RunError> {
        let path = self.path.join(file);
        let mut text = serde_json::to_vec_pretty(value).map_err(|e| RunError::json(path, &e))?;
        text.push(b'\n');
        self.write(file, &text)
    }

    /// Reads a JSON file of the directory.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Broken`].
    pub fn read_json<T: DeserializeOwned>(&self, file: &str) -> Result<T, RunError> {
        let path = self.path.join(file);
        let bytes = std::fs::read(&path).map_err(|e| RunError::io("read", &path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| RunError::json(path, &e))
    }
}

fn make_folder(folder: &Path) -> Result<(), RunError> {
    std::fs::create_dir_all(folder).map_err(|e| RunError::io("create the folder", folder, e))
}

/// A name that means the same file on every system and cannot lead out of its folder. Letters of all languages may.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(char::is_alphanumeric) && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}
