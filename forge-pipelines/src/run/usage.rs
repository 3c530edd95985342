//! What this process has used of the machine, as far as the system says.

use std::fs;

/// Processor seconds of all threads since the process began.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

/// The most bytes of main memory that the process has held since the last [`forget_peak`].
pub fn resident_peak() -> Option<u64> {
    high_water(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Lets [`resident_peak`] begin again. Whether the system could: where it cannot, that is the peak of the whole process.
pub fn forget_peak() -> bool {
    // Documented in proc(5): 5 resets the "high water mark".
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// `VmHWM` of `/proc/self/status`, which counts in KiB.
fn high_water(text: &str) -> Option<u64> {
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_and_nothing_is_made_up() {
        assert_eq!(high_water("VmPeak:   999 kB\nVmHWM:\t  123456 kB\n"), Some(123_456 * 1024));
        for text in ["", "VmHWM: many kB", "VmHWM: 12", "VmPeak: 12 kB"] {
            assert_eq!(high_water(text), None, "{text}");
        }
    }

    #[test]
    fn work_takes_processor_time_and_memory_shows() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let before = cpu_seconds().unwrap();
        let block = vec![1u8; 64 << 20];
        let sum: u64 = std::hint::black_box(&block).iter().map(|&b| u64::from(b)).sum();
        assert_eq!(sum, 64 << 20);
        assert!(cpu_seconds().unwrap() > before);
        assert!(resident_peak().unwrap() > 64 << 20);
    }
}
