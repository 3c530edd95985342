use std::fs;
use std::process::Command;

/// Bytes of memory that this process may use: the machine's, or what its container leaves it. None where the system does
/// not say.
pub fn memory() -> Option<u64> {
    let machine = match std::env::consts::OS {
        "macos" => sysctl("hw.memsize"),
        _ => meminfo(&fs::read_to_string("/proc/meminfo").ok()?),
    }?;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit =
        limits.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()).min();
    Some(machine.min(limit.unwrap_or(u64::MAX)))
}

/// `MemTotal` of `/proc/meminfo`, which counts in KiB.
fn meminfo(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn sysctl(name: &str) -> Option<u64> {
    let output = Command::new("sysctl").args(["-n", name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Bytes as people read them: `1.5 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if unit > 0 && value < 9.95 { 1 } else { 0 };
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_and_nothing_is_made_up() {
        let text = "MemTotal:       24689404 kB\nMemFree:         1234 kB\n";
        assert_eq!(meminfo(text), Some(24_689_404 * 1024));
        for text in ["", "MemTotal: many kB", "MemTotal: 12", "MemFree: 12 kB"] {
            assert_eq!(meminfo(text), None, "{text}");
        }
        if cfg!(target_os = "linux") {
            assert!(memory().is_some_and(|bytes| bytes > 1 << 26));
        }
    }

    #[test]
    fn sizes_are_rounded_as_people_do() {
        let shown = [0, 999, 1000, 1_540_000, 25_300_000_000, 999_600_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "25 GB", "1.0 GB", "18 EB"]);
    }
}
