//! Folders for what a test makes.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, Permissions};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A new folder that every user may enter, as some tests become another; gone with this.
#[must_use]
pub fn public() -> TempDir {
    let folder = tempfile::Builder::new().prefix("acceptutils-test-").tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

/// A folder like that, whose files are called by their names in it.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Makes it.
    #[must_use]
    pub fn make() -> Self {
        Self(public())
    }

    /// Where this is in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file in it that everybody may read, whatever the umask.
    #[track_caller]
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        set_mode(&path, 0o644);
        path
    }

    /// What is in a file of it.
    #[track_caller]
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

/// Copies a program that is run then. Another process does it: a child that another thread
/// starts meanwhile would have what this one writes to open as well, and until it has become
/// its program the system would run no copy (`ETXTBSY`).
#[track_caller]
pub fn copy_program(from: &Path, to: &Path) {
    // With its permissions, whatever the umask.
    let copied = Command::new("cp").arg("-p").args([from, to]).status().unwrap();
    assert!(copied.success(), "{} to {}: {copied}", from.display(), to.display());
}

/// Writes a program that everybody may run. Another process does it, as [`copy_program`] says.
#[track_caller]
pub fn write_program(path: &Path, text: &str) {
    let write = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
    let written = Command::new("sh").args(["-c", write]).arg(path).arg(text).status().unwrap();
    assert!(written.success(), "{}: {written}", path.display());
}

/// Says who may do what with a file, whatever the umask.
#[track_caller]
pub fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// Makes a FIFO that everybody may use, whatever the umask.
#[track_caller]
pub fn make_fifo(file: &Path) {
    mknodat(CWD, file, FileType::Fifo, Mode::empty(), 0).unwrap();
    set_mode(file, 0o666);
}

/// Writes a file that nobody but its owner may read, as a key must be.
#[track_caller]
pub fn write_secret(file: &Path, contents: &str) {
    fs::write(file, contents).unwrap();
    set_mode(file, 0o600);
}
