//! The mail server that is installed, as it is, for the demonstration alone: it delivers to a
//! user that only it knows of, and its queue, mailboxes and log are folders in memory.
//!
//! Knows Exim and Postfix. That nobody else sees any of it is [`unix::private_mounts`]'s.

use crate::outcome::Error;
use crate::programs::{self, USUAL};
use crate::running::Scene;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::ffi::OsStr;
use std::fs::{File, Permissions, set_permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use unix::deadline::{Deadline, Event, wait_for_any};
use unix::identity::runs_as_root;
use unix::log::Reason;
use unix::private_mounts::PrivateMounts;

/// Where the system's users are.
const USERS: &str = "/etc/passwd";
/// Where system logs go.
const LOG_SOCKET: &str = "/dev/log";
/// The name of the log in the demonstration's folder.
pub(super) const LOG: &str = "mail-server";
/// Seconds within which it delivers.
const DELIVERY: u64 = 60;

/// The mail server, its folders hidden.
#[derive(Debug)]
pub(super) struct Installed {
    kind: Kind,
    sendmail: PathBuf,
    /// Where its log is, if it writes one itself.
    log: Option<PathBuf>,
    mounts: PrivateMounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Delivers by itself whatever its sendmail is given.
    Exim,
    /// Has other processes deliver.
    Postfix,
}

impl Installed {
    /// Looks for one, and hides what it writes to. Before there are any threads.
    ///
    /// # Errors
    /// Why there is none for a demonstration.
    pub(super) fn find() -> Result<Self, String> {
        let sendmail = programs::find("sendmail", USUAL);
        let found = sendmail.and_then(|sendmail| Some((Kind::of(&sendmail)?, sendmail)));
        let (kind, sendmail) = found.ok_or("neither Exim nor Postfix is installed")?;
        if !runs_as_root() {
            return Err(format!("for {} this has to be run as root", kind.name()));
        }
        if let Some(missing) =
            kind.needs().iter().find(|name| programs::find(name, USUAL).is_none())
        {
            return Err(format!("{} needs {missing}, which is not installed", kind.name()));
        }
        let folders = kind.folders(&sendmail)?;
        let mounts = PrivateMounts::begin()
            .map_err(|error| format!("unable to have mounts of its own: {}", Reason(&error)))?;
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            mounts.hide(folder).map_err(|error| {
                format!("unable to hide: {}: {}", folder.display(), Reason(&error))
            })?;
        }
        let log = (kind == Kind::Exim).then(|| Path::new(EXIM_LOGS).join("mainlog"));
        Ok(Self { kind, sendmail, log, mounts })
    }

    /// What it is called.
    pub(super) const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The command that speaks SMTP to a user of this machine.
    pub(super) fn submission(&self) -> String {
        format!("{} -bs", self.sendmail.display())
    }

    /// Starts what delivers, to a user of this name as well.
    pub(super) fn start(self, scene: &Scene, user: &str, home: &Path) -> Result<Delivery, Error> {
        let user = self.add_user(user, home, scene.folder())?;
        let Self { kind, log, mounts, .. } = self;
        if kind == Kind::Postfix {
            let file = scene.folder().join(LOG);
            catch_log(&mounts, &scene.folder().join("log-socket"), &file)
                .map_err(|error| Error::file("unable to take", Path::new(LOG_SOCKET), &error))?;
            // It makes the folders of the queue.
            run(command("postfix").arg("check")).map_err(Error::new)?;
            // In a network of its own, where port 25 is free.
            let mut master = command("unshare");
            master.args(["--net", "sh", "-c", "ip link set lo up && exec postfix start-fg"]);
            scene.run(master, LOG)?;
        }
        scene.end_with(mounts)?;
        Ok(Delivery { name: kind.name(), user, log })
    }

    /// Makes a user of the system, as far as the demonstration sees; returns its number,
    /// which is its group's, too.
    fn add_user(&self, name: &str, home: &Path, folder: &Path) -> Result<u32, Error> {
        let users = Path::new(USERS);
        let known = std::fs::read_to_string(users).map_err(|error| Error::read(users, error))?;
        let taken: Vec<_> = known.lines().filter_map(|line| line.split(':').nth(2)).collect();
        let is_free = |number: &u32| !taken.contains(&number.to_string().as_str());
        let number = (60_000..60_500)
            .find(is_free)
            .ok_or_else(|| Error::new(format!("{USERS}: no number free for another user")))?;
        let file = folder.join("passwd");
        let line = format!("{name}:x:{number}:{number}::{}:/bin/sh\n", home.display());
        std::fs::write(&file, line + &known)
            .and_then(|()| set_permissions(&file, Permissions::from_mode(0o644)))
            .and_then(|()| self.mounts.put_over(&file, users))
            .map_err(|error| Error::file("unable to replace", users, &error))?;
        Ok(number)
    }
}

/// The mail server at its work.
#[derive(Debug)]
pub(super) struct Delivery {
    /// What the mail server is called.
    pub(super) name: &'static str,
    /// The number of the user, and of the user's group.
    pub(super) user: u32,
    log: Option<PathBuf>,
}

impl Delivery {
    /// The mail server's log, if it is not in the demonstration's folder.
    pub(super) fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }
}

/// Tells when something comes into a folder.
#[derive(Debug)]
pub(super) struct Arrival {
    folder: PathBuf,
    changes: OwnedFd,
}

impl Arrival {
    /// Looks from now on.
    pub(super) fn new(folder: PathBuf) -> Result<Self, Error> {
        let failed =
            |error: rustix::io::Errno| Error::file("unable to watch", &folder, &error.into());
        let changes = inotify::init(CreateFlags::CLOEXEC).map_err(failed)?;
        inotify::add_watch(&changes, &folder, WatchFlags::CREATE | WatchFlags::MOVED_TO)
            .map_err(failed)?;
        Ok(Self { folder, changes })
    }

    /// Waits for it.
    pub(super) fn wait(&self) -> Result<(), Error> {
        use std::os::fd::AsFd;
        let changes = [Some((self.changes.as_fd(), Event::IN))];
        match wait_for_any(changes, Deadline::after_seconds(DELIVERY)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Error::new(format!(
                "{}: nothing was delivered within {DELIVERY} s",
                self.folder.display()
            ))),
            Err(error) => Err(Error::file("unable to watch", &self.folder, &error)),
        }
    }
}

/// Exim's folder for logs, as Debian has it.
const EXIM_LOGS: &str = "/var/log/exim4";

impl Kind {
    /// Whose sendmail this is.
    fn of(sendmail: &Path) -> Option<Self> {
        let program = sendmail.canonicalize().ok()?;
        if program.file_name()?.to_str()?.starts_with("exim") {
            return Some(Self::Exim);
        }
        let is_postfix = sendmail.with_file_name("postfix").exists()
            && Path::new("/etc/postfix/main.cf").exists();
        is_postfix.then_some(Self::Postfix)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Exim => "Exim",
            Self::Postfix => "Postfix",
        }
    }

    /// Programs besides its own.
    const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Exim => &[],
            Self::Postfix => &["unshare", "ip"],
        }
    }

    /// What it writes to: its queue, its log, and mailboxes.
    fn folders(self, sendmail: &Path) -> Result<Vec<PathBuf>, String> {
        let mut ask = match self {
            Self::Exim => {
                let mut exim = command(sendmail);
                exim.args(["-bP", "spool_directory"]);
                exim
            }
            Self::Postfix => {
                let mut postconf = command("postconf");
                postconf.args(["-h", "queue_directory", "data_directory"]);
                postconf
            }
        };
        let said = run(&mut ask)?;
        let named = said.lines().map(|line| line.rsplit(" = ").next().unwrap_or(line).trim());
        let others = ["/var/mail", EXIM_LOGS];
        Ok(named.chain(others).map(PathBuf::from).collect())
    }
}

/// One of its programs, which sees what the services see of the caller's variables: nothing.
/// `MAIL_CONFIG`, say, would be another Postfix's.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", USUAL);
    command
}

/// Runs one of its programs; returns what it says.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error| format!("unable to run: {name}: {}", Reason(&error));
    let Output { status, stdout, stderr } = command.output().map_err(failed)?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    Err(format!("{name}: {}", said.lines().last().unwrap_or("it fails without a word")))
}

/// Has what goes to the system's log go into a file.
fn catch_log(mounts: &PrivateMounts, socket: &Path, file: &Path) -> std::io::Result<()> {
    let log = Path::new(LOG_SOCKET);
    if !log.exists() {
        return Ok(());
    }
    let messages = UnixDatagram::bind(socket)?;
    set_permissions(socket, Permissions::from_mode(0o666))?;
    mounts.put_over(socket, log)?;
    let mut file = File::options().create(true).append(true).open(file)?;
    std::thread::Builder::new().spawn(move || {
        let mut message = [0; 8192];
        while let Ok(length) = messages.recv(&mut message) {
            let line = message.get(..length).unwrap_or_default().trim_ascii_end();
            let _ = file.write_all(&[line, b"\n"].concat());
        }
    })?;
    Ok(())
}
