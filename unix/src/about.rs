//! What every program answers where its first word is `--help` or `--version`.
//!
//! Asked before anything else, as those programs start once for each connection; behind the
//! first word they are another program's.

use std::ffi::OsStr;

/// Answers on standard output; false where nothing of the kind was asked. `usage` begins
/// with `usage: ` and the program's name.
#[must_use]
pub fn answers(first: Option<&OsStr>, usage: &str, version: &str) -> bool {
    let Some(answer) = first.and_then(|word| answer(word, usage, version)) else { return false };
    // Nobody need be listening.
    let _ =
        rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), answer.as_bytes()));
    true
}

fn answer(word: &OsStr, usage: &str, version: &str) -> Option<String> {
    let name = usage.split(' ').nth(1).unwrap_or_default();
    if word == "--help" {
        Some(format!("{usage}\n"))
    } else if word == "--version" {
        Some(format!("{name} {version}\n"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_version() {
        let answer = |word: &str| answer(OsStr::new(word), "usage: prog [ -x ] next", "1.2");
        assert_eq!(answer("--help").unwrap(), "usage: prog [ -x ] next\n");
        assert_eq!(answer("--version").unwrap(), "prog 1.2\n");
        assert_eq!(answer("-h"), None);
    }
}
