//! A machine of its own to install on, with Debian's systemd (`machine.sh` makes it):
//! what runs there, and what has changed there since.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{Metadata, read, read_dir, read_link, symlink_metadata};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use test_support::log::Log;
use test_support::needs::{is_installed, is_root};
use test_support::run::{OwnChild, output, stdout};
use test_support::talking::Talking;
use test_support::wait::{for_end, is_gone, until};

/// What the machine needs of the one that it is made on.
const NEEDED: [&str; 11] = [
    "/lib/systemd/systemd",
    "/usr/bin/dpkg",
    "make",
    "nsenter",
    "openssl",
    "script",
    "setpriv",
    "ss",
    "swaks",
    "unshare",
    "update-exim4.conf",
];

/// The machine. It is gone when this is dropped.
pub(crate) struct Machine {
    outside: OwnChild,
    pid: String,
    folder: TempDir,
}

/// A file: type and permissions, owner, and what is in it.
type File = (u32, u32, u32, Vec<u8>);

impl Machine {
    /// Starts the machine. In it these folders are as they are here.
    ///
    /// # Errors
    /// Why this machine cannot have another in it.
    pub(crate) fn boot(seen: &[&Path]) -> Result<Self, String> {
        if !is_root() {
            return Err("needs root".into());
        }
        if let Some(missing) = NEEDED.iter().find(|program| !is_installed(program)) {
            return Err(format!("needs {missing}, see packages"));
        }
        let folder = TempDir::new().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/package/machine.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", script]).arg(folder.path()).args(seen);
        let mut outside = Talking::start(command.stderr(Stdio::piped()));
        let line = outside.line();
        let Some(pid) = line.trim_end().strip_prefix("machine ") else {
            let said = Log::of(outside.child.stderr.take().unwrap()).end().join("\n");
            return Err(format!("needs to mount and to make control groups: {said}"));
        };
        let mut machine = Self { outside: outside.child, pid: pid.to_owned(), folder };
        let patience = Instant::now() + Duration::from_secs(300);
        while !machine.has_booted() {
            let ended = machine.outside.try_wait().unwrap();
            assert!(ended.is_none(), "systemd has ended: {ended:?}");
            let state = || machine.run("systemctl is-active machine.target; systemctl list-jobs");
            assert!(Instant::now() < patience, "it does not come up: {:?}", state());
        }
        Ok(machine)
    }

    fn has_booted(&self) -> bool {
        self.run("systemctl is-active --quiet machine.target").status.success()
    }

    /// A command of the shell there, as root; ended where it goes on for a quarter of an hour,
    /// as some wait for what may never come.
    fn command(&self, command: &str) -> Vec<String> {
        const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let enter = ["timeout", "--foreground", "900", "nsenter", "--all", "--target", &self.pid];
        let command = format!("cd && {command}");
        let shell = ["env", "-i", PATH, "HOME=/root", "sh", "-c", &command];
        enter.iter().chain(&shell).map(|&word| word.to_owned()).collect()
    }

    /// Runs a command there.
    pub(crate) fn run(&self, command: &str) -> Output {
        self.hears(command, b"")
    }

    /// The same with this on its standard input.
    fn hears(&self, command: &str, input: &[u8]) -> Output {
        let words = self.command(command);
        output(Command::new(&words[0]).args(&words[1..]), input)
    }

    /// Starts a command there, to talk with.
    pub(crate) fn start(&self, command: &str) -> Talking {
        let words = self.command(command);
        Talking::start(Command::new(&words[0]).args(&words[1..]))
    }

    /// Runs a command there that has to succeed; returns what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until a command there succeeds; what it printed then.
    #[track_caller]
    pub(crate) fn awaits(&self, command: &str) -> String {
        stdout(&until(command, || self.run(command), |output| output.status.success()))
    }

    /// Puts a file into root's home there.
    pub(crate) fn put(&self, file: &Path) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let written = self.hears(&format!("cat >{name}"), &read(file).unwrap());
        assert!(written.status.success(), "{written:?}");
    }

    /// Types a command at a terminal there, and an answer whenever it asks; it has to
    /// succeed. Returns what was shown.
    #[track_caller]
    pub(crate) fn types(&self, command: &str, answers: &[(&str, &str)]) -> String {
        let quoted = self.command(command).into_iter();
        let quoted = quoted.map(|word| format!("'{}'", word.replace('\'', "'\\''")));
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &quoted.collect::<Vec<_>>().join(" "), "/dev/null"]);
        let Talking { mut child, mut input, output } = Talking::start(&mut script);
        let mut shown = Vec::new();
        for octet in output.bytes() {
            shown.push(octet.unwrap());
            let asked = answers.iter().find(|(prompt, _)| shown.ends_with(prompt.as_bytes()));
            if let Some((_, answer)) = asked {
                writeln!(input, "{answer}").unwrap();
            }
        }
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(for_end(&mut child).success(), "{command}: {shown}");
        shown
    }

    /// Every file that has been changed or made there since it began, and those that
    /// went, as the layer of changes has them.
    pub(crate) fn changes(&self) -> BTreeMap<PathBuf, File> {
        // The layer is mounted for that process only.
        let outside = PathBuf::from(format!("/proc/{}/root", self.outside.id()));
        let folder = self.folder.path().strip_prefix("/").unwrap();
        let layer = outside.join(folder).join("changes");
        let (mut changes, mut waiting) = (BTreeMap::new(), vec![layer.clone()]);
        while let Some(path) = waiting.pop() {
            // The machine goes on meanwhile: what was there may be gone, with all that is in it.
            for entry in read_dir(path).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = Path::new("/").join(path.strip_prefix(&layer).unwrap());
                let Some(found) = file(&path) else { continue };
                changes.insert(name, found);
                if symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                    waiting.push(path);
                }
            }
        }
        assert!(!changes.is_empty(), "{} cannot be looked into", layer.display());
        changes
    }
}

/// A file as it is; `None` where there is none, or none any more.
pub(crate) fn file(path: &Path) -> Option<File> {
    let found: Metadata = symlink_metadata(path).ok()?;
    let contents = if found.is_symlink() {
        read_link(path).ok()?.into_os_string().into_encoded_bytes()
    } else if found.is_file() {
        read(path).ok()?
    } else {
        Vec::new()
    };
    Some((found.mode(), found.uid(), found.gid(), contents))
}

impl Drop for Machine {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.pid.parse().unwrap()).unwrap();
        let _already_gone = kill_process(pid, Signal::KILL);
        let _in_time = is_gone(self.outside.id());
    }
}
