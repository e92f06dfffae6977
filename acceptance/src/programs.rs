//! Where the built programs are.
//!
//! Cargo builds them before the tests run (`make test`). `ACCEPTANCE_PROGRAMS` names another folder
//! of programs with the same names: an installed package's, or the C originals'. They are copied to
//! a place that every user may read, since some tests become an ordinary user.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use test_support::folder::{copy_program, public};
use test_support::service;

/// The programs under test.
pub const UNDER_TEST: [&str; 5] =
    ["authup", "fiximapio", "fixsmtpio", "checknotroot", "qmail-qfilter-addtlsheader"];

/// Programs that the chains need beside them, from the same folder where they are there.
const COMPANIONS: [&str; 3] = ["acceptutils", "checkpassword-file", "tlsserver"];

/// The names under which the stand-in is found.
pub const STAND_INS: [&str; 3] = ["checkpassword", "prog", "server"];

/// A folder holding the programs under test and the stand-ins; it lasts as long as this.
#[derive(Debug)]
pub struct Programs {
    folder: TempDir,
}

impl Programs {
    /// Gathers the programs; `built_here` are this package's own, the stand-in among them.
    pub fn gather(built_here: &[&Path]) -> Result<Self> {
        let named = std::env::var_os("ACCEPTANCE_PROGRAMS");
        let built = named.map_or_else(service::programs, PathBuf::from);
        let folder = public();
        for name in UNDER_TEST {
            let program = built.join(name);
            if !program.exists() {
                bail!("{}: build it first (cargo build --workspace)", program.display());
            }
            copy_program(&program, &folder.path().join(name));
        }
        for name in COMPANIONS {
            if built.join(name).exists() {
                copy_program(&built.join(name), &folder.path().join(name));
            }
        }
        for program in built_here {
            let name = program.file_name().context("a program without a name")?;
            copy_program(program, &folder.path().join(name));
        }
        for name in STAND_INS {
            symlink("stand-in", folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    /// The folder, for PATH.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
