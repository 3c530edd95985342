//! A folder of its own for each test, and the real program run in it.

use azuraforge::pipelines::run::{Home, RunDir};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The root of the repository: the folder of `examples/`.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// `forge ARGS` in a working directory, not yet started.
pub fn forge(folder: &Path, home: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forge"));
    command.args(args.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    command.env("FORGE_HOME", home).env_remove("NO_COLOR");
    command
}

/// A temporary folder: working directory of the program, with the runs in `home`.
pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// An empty folder.
    pub fn new() -> Self {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with this text as `spec.yaml`, and thirteen years of daily prices as `msft.csv`.
    pub fn with_prices(spec: &str) -> Self {
        let bench = Bench::new();
        std::fs::copy(Path::new(ROOT).join("examples/data/msft_daily.csv"), bench.path("msft.csv")).unwrap();
        bench.write("spec.yaml", spec);
        bench
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `forge ARGS` with the runs in `home`, not yet started. Words are split at spaces.
    pub fn command(&self, args: &str) -> Command {
        forge(self.folder.path(), Path::new("home"), args)
    }

    /// Runs `forge ARGS` to its end.
    pub fn forge(&self, args: &str) -> Ended {
        Ended::from(self.command(args).output().unwrap())
    }

    /// Where the runs are.
    pub fn home(&self) -> Home {
        Home::new(self.path("home"))
    }

    /// The newest run.
    pub fn latest(&self) -> RunDir {
        self.home().find("latest").unwrap()
    }

    /// The only run there is.
    pub fn run(&self) -> RunDir {
        let runs = self.home().runs().unwrap();
        assert_eq!(runs.len(), 1, "{runs:?}");
        self.home().find(&runs[0].id).unwrap()
    }
}

/// What came of the program.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Results.
    pub stdout: String,
    /// Progress and errors.
    pub stderr: String,
}

impl From<Output> for Ended {
    /// Whatever else happens, the program never panics.
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ended =
            Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }
}

impl Ended {
    /// Insists on an exit code.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
