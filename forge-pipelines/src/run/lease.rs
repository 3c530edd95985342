use super::{RunError, write_atomic};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a live run renews its lease.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Where the process itself cannot be looked at, a lease this old counts as given up: a dozen missed beats.
const PATIENCE: Duration = Duration::from_secs(60);
const FILE: &str = "lease.json";

/// The content of `lease.json`: which process writes to the run directory, and when it last said so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// 1.
    pub schema: u32,
    /// Name of the machine.
    pub host: String,
    /// Boot of the machine and process namespace, within which `pid` means something; empty where unknown.
    pub boot: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, so that a reused id is not taken for it; 0 where unknown.
    pub ticks: u64,
    /// When the run took the lease.
    pub started: Timestamp,
    /// When the run last renewed it.
    pub heartbeat: Timestamp,
}

impl LeaseRecord {
    fn of_this_process(now: Timestamp) -> Self {
        let pid = std::process::id();
        let ticks = start_ticks(pid).unwrap_or(0);
        LeaseRecord { schema: 1, host: host(), boot: boot(), pid, ticks, started: now, heartbeat: now }
    }

    /// The lease of a run directory, if there is one that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Whether the run still has its process: looked up by id and start time on the same boot of the same Linux
    /// machine, judged by the age of the heartbeat (60 s) elsewhere.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        if !self.boot.is_empty() && self.host == host() && self.boot == boot() {
            return start_ticks(self.pid).is_some_and(|ticks| ticks == self.ticks);
        }
        now.duration_since(self.heartbeat).as_secs() < PATIENCE.as_secs() as i64
    }
}

/// Writes the first lease of a directory that this process is making.
pub(super) fn take(folder: &Path, now: Timestamp) -> Result<LeaseRecord, RunError> {
    let lease = LeaseRecord::of_this_process(now);
    write(folder, &lease)?;
    Ok(lease)
}

fn write(folder: &Path, lease: &LeaseRecord) -> Result<(), RunError> {
    let path = folder.join(FILE);
    let text = serde_json::to_vec_pretty(lease).map_err(|e| RunError::json(&path, &e))?;
    write_atomic(path, &text)
}

/// Keeps a lease fresh from a thread of its own until it is dropped, then removes it.
pub(super) struct LeaseKeeper {
    folder: PathBuf,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LeaseKeeper {
    pub fn start(folder: &Path, lease: LeaseRecord) -> Result<Self, RunError> {
        Self::start_with(folder, lease, HEARTBEAT)
    }

    fn start_with(folder: &Path, mut lease: LeaseRecord, every: Duration) -> Result<Self, RunError> {
        let (stop, stopped) = mpsc::channel();
        let place = folder.to_path_buf();
        let thread = std::thread::Builder::new()
            .name("forge-lease".into())
            .spawn(move || {
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    lease.heartbeat = Timestamp::now();
                    // A beat that cannot be written is made up for by the next; training must not stop for it.
                    let _ = write(&place, &lease);
                }
            })
            .map_err(|e| RunError::io("start the heartbeat of", folder, e))?;
        Ok(LeaseKeeper { folder: folder.to_path_buf(), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // If it stays, its process is soon gone and it says nothing any more.
        let _ = std::fs::remove_file(self.folder.join(FILE));
    }
}

fn host() -> String {
    let read = |path| std::fs::read_to_string(path).ok();
    read("/proc/sys/kernel/hostname")
        .or_else(|| read("/etc/hostname"))
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

/// Two containers may share a host name, and a machine comes back from a reboot with the same ids.
fn boot() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// Start time of a live process from `/proc/<pid>/stat`: field 22, the 20th behind the name, which is in brackets
/// and may hold anything. A process that is dead but not yet waited for (`Z`, `X`) does not count.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(heartbeat: Timestamp) -> LeaseRecord {
        LeaseRecord { host: "another machine".into(), heartbeat, ..LeaseRecord::of_this_process(heartbeat) }
    }

    #[test]
    fn a_lease_of_another_machine_is_judged_by_its_age() {
        let beat: Timestamp = "2026-11-23T02:14:55Z".parse().unwrap();
        let after = |seconds| beat + jiff::SignedDuration::from_secs(seconds);
        assert!(elsewhere(beat).is_alive(after(59)));
        assert!(!elsewhere(beat).is_alive(after(60)));
        assert!(elsewhere(beat).is_alive(after(-3600)), "a clock that runs ahead is not a dead run");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_lease_of_this_machine_is_judged_by_the_process_not_by_age() {
        let now = Timestamp::now();
        let mut lease = LeaseRecord::of_this_process(now - jiff::SignedDuration::from_hours(24));
        assert!(lease.is_alive(now), "this process lives, however old the heartbeat");
        lease.ticks += 1;
        assert!(!lease.is_alive(now), "the same id, but another process");

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        while start_ticks(pid).is_some() {
            std::thread::yield_now(); // until it is a zombie, which must not count as alive
        }
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        child.wait().unwrap();
    }

    #[test]
    fn the_heartbeat_moves_and_the_lease_goes_when_its_keeper_does() {
        let folder = tempfile::tempdir().unwrap();
        let begun: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        let lease = take(folder.path(), begun).unwrap();
        let keeper = LeaseKeeper::start_with(folder.path(), lease, Duration::from_millis(5)).unwrap();
        let waited = std::time::Instant::now();
        while LeaseRecord::read(folder.path()).unwrap().heartbeat == begun {
            assert!(waited.elapsed() < Duration::from_secs(10), "no heartbeat came");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(LeaseRecord::read(folder.path()).unwrap().started, begun);
        drop(keeper);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left");
    }
}
