//! `--help` and `--version`, of each program that has a manual page.

use crate::support::{beside, ends_with, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn every_program_says_how_it_is_called_and_its_version() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    let mut count = 0;
    for page in pages.read_dir().unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        let Some(name) = page.strip_suffix(".8") else { continue };
        let ask = |word: &str| {
            // Nothing that it would need is there.
            let mut program = Command::new(beside(name));
            program.arg(word).env_clear().stdin(Stdio::null()).output().unwrap()
        };
        let (help, version) = (ask("--help"), ask("--version"));
        ends_with(&help, 0);
        assert!(stdout(&help).to_lowercase().contains(&format!("usage: {name}")), "{help:?}");
        assert_eq!(help.stderr, b"", "{name}");
        ends_with(&version, 0);
        assert_eq!(stdout(&version), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
