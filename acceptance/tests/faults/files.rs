//! The programs write no file: a disk that is full, or takes nothing, is none of theirs.

use std::fs;

use acceptance::chain::ROOT;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};

use crate::figures::{Kind, count};
use crate::session::{First, Place};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("no_file_is_opened_for_writing", &["strace"], nothing_is_written),
    ("a_session_where_nothing_can_be_written", &[ROOT, "unshare"], read_only),
];

/// What a call that changes a file or a folder has in it.
const WRITES: [&str; 5] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];

fn nothing_is_written(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    for first in [First::Authup, First::Fixsmtpio] {
        let file = place.chain.name(&format!("client/{first:?}.trace"));
        let wrap = ["strace", "-f", "-b", "execve", "-e", "trace=%file,ftruncate", "-o", &file];
        let outcome = place.play(&wrap, first)?;
        ensure!(outcome.verdict(first, false)? == Verdict::Completed, "{outcome:?}");
        let trace = fs::read_to_string(&file)?;
        // The names stay hidden from a tracer that is not root.
        ensure!(trace.contains("chdir(") && trace.contains("openat("), "not traced: {trace}");
        // Without /var/empty the parser makes its root folder, and removes it at once.
        let own = |call: &str| trace.lines().filter(|line| is_own_folder(line, call)).count();
        ensure!(own("mkdir") == own("rmdir"), "a folder is left: {trace}");
        for line in trace
            .lines()
            .filter(|line| !["mkdir", "rmdir"].iter().any(|call| is_own_folder(line, call)))
        {
            let call = line.split_once('(').map_or("", |(call, _)| call);
            let call = call.rsplit(' ').next().unwrap_or_default();
            let reads = ["open", "openat", "access", "stat", "statx", "newfstatat", "readlink"];
            let others = ["execve", "chdir", "chroot", "getcwd", "", "-", "faccessat2"];
            let changes = !reads.contains(&call) && !others.contains(&call);
            ensure!(!changes && !WRITES.iter().any(|flag| line.contains(flag)), "{line}");
        }
        count(Kind::Files, Verdict::Completed);
    }
    Ok(())
}

/// Whether this makes or removes an empty folder under a name nobody else has.
fn is_own_folder(line: &str, call: &str) -> bool {
    line.contains(&format!(" {call}(\"")) && line.contains("/empty.")
}

/// All but the server's own folder can only be read, /tmp too.
fn read_only(programs: &Programs) -> Result<()> {
    let place = Place::new(programs)?;
    let spool = place.chain.name("spool");
    let script = format!(
        "set -e; mount --make-rprivate /; mount --bind {spool} {spool}
         # Without an empty folder the parser would have to make one.
         mount -t tmpfs none /var; mkdir -m 755 /var/empty
         for point in $(sed 's/^[^ ]* \\([^ ]*\\) .*/\\1/' /proc/mounts); do
             case $point in /proc*|/sys*|/dev*|{spool}) ;; *)
             # Another test's may be gone by now, with its folder.
             mount -o remount,bind,ro $point || ! mountpoint -q $point;; esac
         done
         ! touch {spool}/../nothing /tmp/nothing /var/empty/nothing 2>/dev/null
         exec \"$0\" \"$@\""
    );
    for first in [First::Authup, First::Fixsmtpio] {
        let outcome = place.play(&["unshare", "-m", "sh", "-c", &script], first)?;
        let verdict = outcome.verdict(first, false).context("nothing can be written")?;
        ensure!(verdict == Verdict::Completed, "{outcome:?}");
        count(Kind::Files, verdict);
    }
    Ok(())
}
