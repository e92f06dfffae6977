//! The completions for shells, in the folder `completions`, are those of the options.

use crate::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::path::Path;

#[test]
#[expect(clippy::disallowed_methods, reason = "for who makes the files")]
fn completions_are_those_of_the_options() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../completions");
    for (shell, name) in [
        (Shell::Bash, "acceptutils.bash"),
        (Shell::Zsh, "_acceptutils"),
        (Shell::Fish, "acceptutils.fish"),
    ] {
        let mut expected = Vec::new();
        generate(shell, &mut Cli::command(), "acceptutils", &mut expected);
        let file = folder.join(name);
        if std::env::var_os("WRITE_COMPLETIONS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read(&file).unwrap_or_default();
        assert!(found == expected, "{}: not as the options are: make completions", file.display());
    }
}
