//! Which rows of the list of differences have a test.
//!
//! A test names the rows it is for at the start of its name: `d04-stls-injection` a
//! case, `fn d16_...` a Rust test; `d01-d27-...` is for both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// The numbers of the list's rows.
fn listed() -> Result<Vec<u32>> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences-from-c.md");
    let list = fs::read_to_string(list)?;
    let cells = list.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    Ok(cells.filter_map(|cell| cell.parse().ok()).collect())
}

/// The rows at the start of a test's name.
#[must_use]
pub fn named(name: &str) -> BTreeSet<u32> {
    name.split(['-', '_']).map_while(|word| word.strip_prefix('d')?.parse().ok()).collect()
}

/// The rows that no case in `cases` (a folder of folders) and no test function in one of the
/// folders `tests` names.
pub fn untested(cases: &Path, tests: &[PathBuf]) -> Result<BTreeSet<u32>> {
    let mut tested = BTreeSet::new();
    for program in fs::read_dir(cases)? {
        for case in fs::read_dir(program?.path())? {
            tested.extend(named(&case?.file_name().to_string_lossy()));
        }
    }
    let mut waiting = tests.to_vec();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                waiting.push(entry?.path());
            }
        } else {
            for line in fs::read_to_string(path)?.lines() {
                if let Some(function) = line.trim_start().strip_prefix("fn ") {
                    tested.extend(named(function.split('(').next().unwrap_or_default()));
                }
            }
        }
    }
    let rows = listed()?;
    let in_order = rows.first() == Some(&1) && rows.is_sorted_by(|one, next| one < next);
    anyhow::ensure!(in_order, "the rows are not in order, or one is there twice");
    Ok(rows.into_iter().filter(|row| !tested.contains(row)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_the_start_of_a_name() {
        assert_eq!(named("d01-d27-auth.case"), BTreeSet::from([1, 27]));
        assert_eq!(named("d16_both_pipes_full"), BTreeSet::from([16]));
        assert_eq!(named("greeting-d01"), BTreeSet::new());
        assert_eq!(named("data"), BTreeSet::new());
    }
}
