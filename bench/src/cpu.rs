//! What the servers cost in processor time, which unlike rates does not depend on
//! what else the machine does.

use std::fs;
use std::io;
use std::time::Duration;

/// Clock ticks in a second, as /proc has them on every Linux there is.
const TICKS: f64 = 100.0;

/// The processor time of all children that have ended, and of theirs.
pub(crate) fn of_ended_children() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything, cutime and cstime are the 14th and
    // 15th of proc(5)'s fields from the third on.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
}
