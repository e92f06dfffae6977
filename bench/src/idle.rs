//! What a connection costs that only waits.

use std::fs;
use std::io;

use crate::load::{client_config, start_tls};
use crate::peers::Peer;

/// Opens as many connections, secures them, and divides what the server's own
/// processes hold more than before; in kB.
pub(crate) fn memory_of_each(peer: &Peer, count: usize) -> io::Result<f64> {
    let config = client_config();
    let before = proportional_kilobytes(peer)?;
    let open: Vec<_> =
        (0..count).map(|_| start_tls(peer.port, &config)).collect::<Result<_, _>>()?;
    let held = proportional_kilobytes(peer)?;
    drop(open);
    println!("\nserver's own processes: {before} kB before, {held} kB with {count} connections");
    Ok(held as f64 / count as f64)
}

/// The proportional set size of the server and of those of its children that are
/// the server's own.
fn proportional_kilobytes(peer: &Peer) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == peer.pid() || is_workers(pid, peer.pid()) {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            sum += kilobytes.unwrap_or(0);
        }
    }
    Ok(sum)
}

fn is_workers(pid: u32, parent: u32) -> bool {
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let stat = read("stat");
    let its_parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    its_parent == Some(parent) && read("cmdline").starts_with("tlsserver-")
}
