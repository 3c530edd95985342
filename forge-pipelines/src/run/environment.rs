use forge_core::history::Fact;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Longest `git.diff` that a run keeps, in bytes.
const DIFF_LIMIT: usize = 1_000_000;

/// The content of `env.json`: what the numbers of a run may depend on besides its spec and data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// 1.
    pub schema: u32,
    /// Version of this program.
    pub version: String,
    /// The repository around the working folder, if there is one.
    pub git: Option<GitState>,
    /// Operating system, its release and architecture.
    pub os: String,
    /// Processor model.
    pub cpu: String,
    /// Instruction set level, such as `x86-64-v4`.
    pub simd: String,
    /// Vector instruction sets that were found.
    pub cpu_features: Vec<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Device the run computes on, such as `cpu`.
    pub device: String,
    /// Threads the run computes with.
    pub threads: usize,
    /// Seeds of the run.
    pub seeds: Vec<u64>,
}

/// State of a git repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// The commit that is checked out, hexadecimal.
    pub sha: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

impl Environment {
    /// Looks at the machine and at the repository around the current folder. What cannot be found out is left empty.
    pub fn capture(device: &str, threads: usize, seeds: &[u64]) -> Self {
        let cpu_features = cpu_features();
        Environment {
            schema: 1,
            version: env!("CARGO_PKG_VERSION").into(),
            git: git_state(Path::new(".")),
            os: os(),
            cpu: cpu_model(),
            simd: simd_level(&cpu_features),
            cpu_features: cpu_features.into_iter().map(Into::into).collect(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            device: device.into(),
            threads,
            seeds: seeds.to_vec(),
        }
    }

    /// The same as labelled values, as a report's provenance shows them.
    pub fn facts(&self) -> Vec<Fact> {
        let git = self.git.as_ref().map_or("not in a git repository".into(), |git| {
            let dirty = if git.dirty { ", with changes (git.diff)" } else { "" };
            format!("{}{dirty}", git.sha.get(..12).unwrap_or(&git.sha))
        });
        let seeds = self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        vec![
            Fact::new("version", &self.version),
            Fact::new("git", git),
            Fact::new("system", &self.os),
            Fact::new("processor", &self.cpu).detail(self.cpu_features.join(" ")),
            Fact::new("SIMD", &self.simd),
            Fact::new("cores", self.cores.to_string()),
            Fact::new("device", &self.device),
            Fact::new("threads", self.threads.to_string()),
            Fact::new("seeds", seeds),
        ]
    }
}

/// The changes of tracked files around the current folder, for `git.diff`: `None` without any, or without git.
/// A diff above 1 MB is cut, and says so in its last line.
pub fn git_diff() -> Option<Vec<u8>> {
    diff_in(Path::new("."))
}

fn git_state(folder: &Path) -> Option<GitState> {
    let sha =
        String::from_utf8(git(folder, &["rev-parse", "--verify", "HEAD"], 1000)?).ok()?.trim().to_owned();
    let changes = git(folder, &["status", "--porcelain", "--untracked-files=no"], 1)?;
    Some(GitState { sha, dirty: !changes.is_empty() })
}

fn diff_in(folder: &Path) -> Option<Vec<u8>> {
    let arguments = [
        "diff",
        "HEAD",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    let mut diff = git(folder, &arguments, DIFF_LIMIT + 1)?;
    if diff.len() > DIFF_LIMIT {
        let end = diff[..DIFF_LIMIT].iter().rposition(|&b| b == b'\n').map_or(DIFF_LIMIT, |at| at + 1);
        diff.truncate(end);
        diff.extend_from_slice(
            format!("# cut at {DIFF_LIMIT} bytes: the whole diff was longer\n").as_bytes(),
        );
    }
    (!diff.is_empty()).then_some(diff)
}

/// The first `limit` bytes that git prints: nothing if there is no git, no repository, or git refuses it.
fn git(folder: &Path, arguments: &[&str], limit: usize) -> Option<Vec<u8>> {
    let mut child = Command::new("git")
        // A repository may name programs to run; looking at its state must not start them.
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotepath=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        // Set inside a git hook, where they would point to another repository than the folder's.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut output = Vec::new();
    let read = child.stdout.take().map(|pipe| pipe.take(limit as u64).read_to_end(&mut output));
    // With the limit reached the pipe is closed and git ends by itself, without success.
    let status = child.wait().ok()?;
    (read?.is_ok() && (status.success() || output.len() == limit)).then_some(output)
}

fn os() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/etc/os-release");
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    let kernel = read("/proc/sys/kernel/osrelease");
    [name, kernel.trim(), std::env::consts::ARCH]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn cpu_model() -> String {
    let from_proc = || {
        let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let from_sysctl = || {
        let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    from_proc()
        .or_else(|| if cfg!(target_os = "macos") { from_sysctl() } else { None })
        .filter(|model| !model.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.into())
}

macro_rules! detected {
    ($detect:ident: $($feature:tt)*) => {
        [$(($feature, std::arch::$detect!($feature))),*]
            .into_iter().filter(|(_, found)| *found).map(|(name, _)| name).collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected:
        "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "bmi1" "bmi2" "f16c" "lzcnt" "movbe"
        "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vnni" "avx512bf16" "avx512fp16")
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon" "dotprod" "fp16" "bf16" "i8mm" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

/// The levels of the x86-64 psABI; elsewhere the widest vector set.
fn simd_level(features: &[&str]) -> String {
    const V2: &[&str] = &["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"];
    const V3: &[&str] = &["avx", "avx2", "fma", "bmi1", "bmi2", "f16c", "lzcnt", "movbe"];
    const V4: &[&str] = &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];
    if !cfg!(target_arch = "x86_64") {
        let widest = ["sve2", "sve", "neon"].into_iter().find(|set| features.contains(set));
        return widest.unwrap_or("scalar").into();
    }
    let level = [V2, V3, V4].iter().take_while(|set| set.iter().all(|f| features.contains(f))).count();
    format!("x86-64-v{}", level + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_git(folder: &Path, arguments: &[&str]) {
        let author = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"];
        let mut command = Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        let output = command.args(author).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_repository_is_seen_with_its_commit_and_its_changes() {
        if Command::new("git").arg("--version").output().is_err() {
            let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == "git"), "git is required and not installed");
            eprintln!("SKIPPED: the state of a repository is not tested, git is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(git_state(path), None, "no repository");
        run_git(path, &["init", "--quiet"]);
        assert_eq!(git_state(path), None, "no commit yet");
        std::fs::write(path.join("a.txt"), "one\n").unwrap();
        run_git(path, &["add", "a.txt"]);
        run_git(path, &["commit", "--quiet", "-m", "first"]);
        let clean = git_state(path).unwrap();
        assert!(clean.sha.len() >= 40 && clean.sha.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!clean.dirty);
        assert_eq!(diff_in(path), None);

        std::fs::write(path.join("new.txt"), "not tracked\n").unwrap();
        assert_eq!(git_state(path), Some(clean.clone()), "an untracked file, such as a run, is no change");
        std::fs::write(path.join("a.txt"), "two\n").unwrap();
        assert_eq!(git_state(path), Some(GitState { dirty: true, ..clean }));
        let diff = String::from_utf8(diff_in(path).unwrap()).unwrap();
        assert!(diff.starts_with("diff --git a/a.txt b/a.txt\n") && diff.ends_with("-one\n+two\n"), "{diff}");

        std::fs::write(path.join("a.txt"), "a line of thirty-two characters\n".repeat(100_000)).unwrap();
        let long = diff_in(path).unwrap();
        assert!(long.len() < DIFF_LIMIT + 100, "{}", long.len());
        assert!(long.ends_with(b"characters\n# cut at 1000000 bytes: the whole diff was longer\n"));
    }

    #[test]
    fn levels_need_every_instruction_set_below_them() {
        if !cfg!(target_arch = "x86_64") {
            return assert_eq!(simd_level(&["neon"]), "neon");
        }
        let v2 = ["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt"];
        let v3 = ["avx", "avx2", "fma", "bmi1", "bmi2", "f16c", "lzcnt", "movbe"];
        let v4 = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];
        assert_eq!(simd_level(&[]), "x86-64-v1");
        assert_eq!(simd_level(&v2), "x86-64-v2");
        assert_eq!(simd_level(&[&v2[..], &v3].concat()), "x86-64-v3");
        assert_eq!(simd_level(&[&v2[..], &v3, &v4].concat()), "x86-64-v4");
        assert_eq!(simd_level(&[&v2[..], &v4].concat()), "x86-64-v2", "512 bits without AVX2 is not v4");
    }

    #[test]
    fn what_was_captured_is_written_and_read_back() {
        let env = Environment::capture("cpu", 2, &[7, u64::MAX]);
        let json = serde_json::to_string(&env).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&json).unwrap(), env);
        assert!(!env.cpu.is_empty() && !env.os.is_empty() && env.cores > 0);
        let seeds = env.facts().into_iter().find(|f| f.label == "seeds").unwrap();
        assert_eq!(seeds.value, "7, 18446744073709551615");
    }
}
