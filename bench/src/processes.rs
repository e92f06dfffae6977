//! What the servers' processes cost: processor time, which unlike rates does not
//! depend on what else the machine does, and memory. All from proc(5).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;
use test_support::process::descendants;

/// The mail program in our chains, which is not ours.
pub(crate) const STAND_IN: &str = "bench-stand-in";

/// Clock ticks in a second, as /proc has them on every Linux there is.
const TICKS: f64 = 100.0;

/// The processor time of all children that have ended, and of theirs.
pub(crate) fn time_of_ended_children() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // cutime and cstime are the 16th and 17th of all fields.
    let (_, behind_the_name) = stat.rsplit_once(") ").unwrap_or_default();
    let fields = behind_the_name.split(' ').skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
}

/// The proportional set size, in kB, of these processes and all below them, by the
/// program's name.
pub(crate) fn memory(roots: &[u32]) -> io::Result<BTreeMap<String, f64>> {
    let mut sizes = BTreeMap::new();
    for pid in descendants(roots) {
        // One that has just ended holds nothing.
        let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let Ok(program) = fs::read_link(format!("/proc/{pid}/exe")) else { continue };
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let name = program.file_name().unwrap_or_default().display().to_string();
        *sizes.entry(name).or_default() += kilobytes.unwrap_or(0.0);
    }
    Ok(sizes)
}
