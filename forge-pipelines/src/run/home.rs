use super::active::{ActiveRun, NewRun};
use super::{RunDir, RunError, RunRecord};
use jiff::Timestamp;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder that holds all runs, `.forge` by default: one directory a run under `runs/`, each written by one
/// process and understood without the others, so that copying and removing them needs no tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// A run as a list shows it.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Name of the run directory.
    pub id: String,
    /// What `run.json` says, with the state `lost` when the process is gone; or why it cannot be read.
    pub record: Result<RunRecord, String>,
}

impl RunSummary {
    /// When the run began: from its record, else from its id.
    pub fn started(&self) -> Option<Timestamp> {
        let from_id = || {
            let time = self.id.get(..15)?;
            jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", time)
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        };
        self.record.as_ref().map(|record| record.started).ok().or_else(from_id)
    }
}

impl Home {
    /// The home at `path`. Nothing is made before the first run.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Home { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder with one directory a run.
    pub fn runs_folder(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// Makes a run directory with its `spec.yaml`, `run.json` and lease, and begins its logs.
    ///
    /// The id is the UTC time, a slug of the title and four random characters, such as
    /// `20261123-021455-msft-k3f9`. The directory appears under its name only when it is complete, and never twice,
    /// however many processes make runs at once.
    ///
    /// # Errors
    /// [`RunError::Io`] when the folder cannot be made or written.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// use forge_pipelines::run::{Home, NewRun, Outcome, RunState};
    /// let home = Home::new(folder.path().join(".forge"));
    /// let spec = NewRun { title: "MSFT", task: "forecast", spec: b"forge: 1\n", overrides: &[], tags: &[], parent: None };
    /// let run = home.create_run(&spec, "2026-11-23T02:14:55Z".parse()?)?;
    /// assert!(run.dir().id().starts_with("20261123-021455-msft-"));
    /// run.finish(Outcome::new(RunState::Finished, 0))?;
    /// assert_eq!(home.find("latest")?.record()?.state, RunState::Finished);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_run(&self, new: &NewRun<'_>, now: Timestamp) -> Result<ActiveRun, RunError> {
        let runs = self.runs_folder();
        fs::create_dir_all(&runs).map_err(|e| RunError::io("create the folder", &runs, e))?;
        let spec_hash = new.spec_hash();
        let parent = match new.parent {
            Some(parent) => Some(parent.to_string()),
            None => self.previous_of(&spec_hash)?,
        };
        let now = now.round(jiff::Unit::Millisecond).unwrap_or(now);
        loop {
            let record = new.record(new_id(new.title, now), now, spec_hash.clone(), parent.clone());
            let place = runs.join(&record.id);
            // Readers pass over names that begin with a dot.
            let making = runs.join(format!(".new-{}", record.id));
            match fs::create_dir(&making) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(|e| RunError::io("create the folder", &making, e))?,
            }
            let dir = RunDir::at(making.clone(), record.id.clone());
            let moved = new.fill(&dir, &record).and_then(|lease| match place.exists() {
                true => Ok(None),
                false => match fs::rename(&making, &place) {
                    Ok(()) => Ok(Some(lease)),
                    // Another process was quicker with the same name: a directory that is not empty is not replaced.
                    Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => {
                        Ok(None)
                    }
                    Err(e) => Err(RunError::io("create the folder", &place, e)),
                },
            });
            match moved {
                Ok(Some(lease)) => {
                    forge_core::sync_folder(&place).map_err(|e| RunError::io("write", &place, e))?;
                    return ActiveRun::begin(RunDir::at(place, record.id.clone()), record, lease);
                }
                not_made => {
                    let _ = fs::remove_dir_all(&making);
                    not_made?;
                }
            }
        }
    }

    /// All runs, newest first. A directory that cannot be understood is listed with the reason.
    ///
    /// # Errors
    /// [`RunError::Io`] when the folder itself cannot be read; a home that does not exist has no runs.
    pub fn runs(&self) -> Result<Vec<RunSummary>, RunError> {
        let folder = self.runs_folder();
        let failed = |e| RunError::io("read the folder", &folder, e);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let id = entry.file_name().to_string_lossy().into_owned();
            if id.starts_with('.') || !entry.path().is_dir() {
                continue;
            }
            let record = RunDir::at(entry.path(), id.clone()).record().map_err(|e| e.to_string());
            runs.push(RunSummary { id, record });
        }
        runs.sort_by_cached_key(|run| std::cmp::Reverse((run.started(), run.id.clone())));
        Ok(runs)
    }

    /// The run that `name` means: `latest` (the newest that can be read, and is not one of the seeds of another), an id, a beginning that only one id has,
    /// or the four characters at its end.
    ///
    /// # Errors
    /// [`RunError::NoRuns`], [`RunError::NoSuchRun`] with the ids that look alike, [`RunError::Ambiguous`].
    pub fn find(&self, name: &str) -> Result<RunDir, RunError> {
        let runs = self.runs()?;
        let no_runs = || RunError::NoRuns { home: self.path.clone() };
        let open = |run: &RunSummary| RunDir::at(self.runs_folder().join(&run.id), run.id.clone());
        if runs.is_empty() {
            return Err(no_runs());
        }
        if name == "latest" {
            let whole = |run: &&RunSummary| run.record.as_ref().is_ok_and(|record| !record.is_child());
            return runs.iter().find(whole).map(open).ok_or_else(no_runs);
        }
        if let Some(run) = runs.iter().find(|run| run.id == name) {
            return Ok(open(run));
        }
        let that = |fits: &dyn Fn(&str) -> bool| runs.iter().filter(|run| fits(&run.id)).collect::<Vec<_>>();
        let mut fitting = that(&|id| !name.is_empty() && id.starts_with(name));
        if fitting.is_empty() {
            fitting = that(&|id| name.len() == SUFFIX && id.ends_with(&format!("-{name}")));
        }
        match fitting[..] {
            [run] => Ok(open(run)),
            [] => Err(RunError::NoSuchRun {
                asked: name.into(),
                home: self.path.clone(),
                nearest: nearest(name, &runs),
            }),
            _ => Err(RunError::Ambiguous {
                asked: name.into(),
                candidates: fitting.iter().map(|run| run.id.clone()).collect(),
            }),
        }
    }

    fn previous_of(&self, spec_hash: &str) -> Result<Option<String>, RunError> {
        let same = |run: &RunSummary| {
            let fits = |record: &RunRecord| record.spec_hash == spec_hash && record.is_comparable();
            run.record.as_ref().is_ok_and(fits)
        };
        Ok(self.runs()?.into_iter().find(same).map(|run| run.id))
    }
}

/// Up to three ids that look like `asked`, compared as wholes and by their beginnings of the same length.
fn nearest(asked: &str, runs: &[RunSummary]) -> Vec<String> {
    const ALIKE: f64 = 0.85;
    let likeness = |id: &str| {
        let beginning: String = id.chars().take(asked.chars().count()).collect();
        strsim::normalized_damerau_levenshtein(asked, id)
            .max(strsim::normalized_damerau_levenshtein(asked, &beginning))
    };
    let mut alike: Vec<(f64, &str)> = runs.iter().map(|run| (likeness(&run.id), run.id.as_str())).collect();
    alike.retain(|(likeness, _)| !asked.is_empty() && *likeness >= ALIKE);
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    alike.into_iter().take(3).map(|(_, id)| id.to_owned()).collect()
}

/// Random characters at the end of an id.
const SUFFIX: usize = 4;

fn new_id(title: &str, now: Timestamp) -> String {
    format!("{}-{}-{}", now.strftime("%Y%m%d-%H%M%S"), slug(title), random_suffix())
}

/// Seeded by the operating system for each call, so no two processes share a sequence.
fn random_suffix() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut bits = RandomState::new().build_hasher().finish();
    let mut draw = || {
        let letter = LETTERS[(bits % LETTERS.len() as u64) as usize];
        bits /= LETTERS.len() as u64;
        char::from(letter)
    };
    (0..SUFFIX).map(|_| draw()).collect()
}

/// A title as part of a file name: lower-case ASCII letters and digits, words joined by `-`, at most 24 long and
/// cut between words where it can be; `run` when nothing is left.
pub(super) fn slug(title: &str) -> String {
    const LONGEST: usize = 24;
    let mut slug = String::new();
    for word in title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let room = LONGEST.saturating_sub(slug.len() + usize::from(!slug.is_empty()));
        if slug.is_empty() {
            slug.push_str(&word[..word.len().min(room)]);
        } else if word.len() <= room {
            slug.push('-');
            slug.push_str(word);
        } else {
            break;
        }
    }
    if slug.is_empty() { "run".into() } else { slug.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_short_plain_file_names() {
        assert_eq!(slug("MSFT"), "msft");
        assert_eq!(slug("MSFT close, five sessions ahead"), "msft-close-five-sessions");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("Hisse fiyatı"), "hisse-fiyat");
        assert_eq!(slug("天気"), "run");
        assert_eq!(slug(&"x".repeat(100)), "x".repeat(24));
        assert_eq!(slug("a supercalifragilisticexpialidocious b"), "a");
    }

    #[test]
    fn suffixes_are_four_plain_characters_and_do_not_repeat_soon() {
        let drawn: std::collections::HashSet<String> = (0..200).map(|_| random_suffix()).collect();
        assert!(
            drawn
                .iter()
                .all(|s| s.len() == 4 && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        );
        // 200 draws of 36^4 repeat 0.012 times on average: three repeats mean that the draws are not random.
        assert!(drawn.len() > 197, "{} different ones of 200", drawn.len());
    }
}
