//! One run's stage: a qmail home, descriptors, and the program under test on it.
//!
//! Builds what the head of a case asks for and keeps our ends of everything.
//! Called by `play`.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;
use test_support::folder::{Folder, public};
use test_support::run::OwnChild;
use test_support::service::{self, NOBODY, write_controls};

use crate::case::{Case, Control, Transport, User};
use crate::channel::Channel;
use crate::programs::Programs;
use crate::stand_in::SOCKET_VARIABLE;
use crate::text::Names;

/// The control files that are there unless a case says otherwise.
const USUAL_CONTROL: [(&str, &str); 4] = [
    ("me", "mail.example.org\n"),
    ("smtpcapabilities", "PIPELINING\n8BITMIME\n"),
    ("pop3capabilities", "TOP\nUIDL\n"),
    ("imapcapabilities", "IDLE NAMESPACE\n"),
];

/// The descriptors that UCSPI-TLS adds, as the program sees them.
const CONTROL_DESCRIPTOR: i32 = 10;
const READ_DESCRIPTOR: i32 = 11;
const WRITE_DESCRIPTOR: i32 = 12;

/// Our ends of what a UCSPI-TLS server holds.
#[derive(Debug)]
pub struct TlsEnds {
    /// The control socket.
    pub control: Channel,
    /// What the client says and sees once TLS is on.
    pub data: Channel,
    /// The network connection as the server sees it.
    pub network: Option<OwnedFd>,
}

/// A running program under test and all that surrounds it.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    /// The program.
    pub child: OwnChild,
    /// Readable once the program has ended.
    pub pidfd: OwnedFd,
    /// Where stand-ins connect.
    pub listener: UnixListener,
    /// The client's connection.
    pub client: Channel,
    /// The program's standard error.
    pub log: Channel,
    /// The UCSPI-TLS server's ends.
    pub tls: Option<TlsEnds>,
}

impl Stage {
    /// Sets the stage and starts the program.
    pub fn set(case: &Case, transport: Transport, programs: &Programs) -> Result<Self> {
        let folder = public();
        write_control_files(case, folder.path())?;
        let socket = folder.path().join("player");
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o777))?;

        let mut command = command(case, programs, &home(folder.path()))?;
        command.env(SOCKET_VARIABLE, &socket).env("QMAILHOME", home(folder.path()));
        let tls = case.head.tls.then(|| TlsEnds::lay(&mut command, transport)).transpose()?;
        set_environment(&mut command, case)?;
        let (client, input, output) = connect(transport)?;
        let network = case.head.tls.then(|| input.try_clone()).transpose()?;
        let (log, error) = pipe_with(PipeFlags::CLOEXEC)?;
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(error));

        let child = command.spawn().with_context(|| format!("{:?}", command.get_program()))?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let tls = tls.map(|ends| TlsEnds { network, ..ends });
        Ok(Self {
            folder,
            child: OwnChild(child),
            pidfd,
            listener,
            client,
            log: Channel::eager(Some(log), None),
            tls,
        })
    }

    /// The qmail home of this run.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        home(self.folder.path())
    }
}

impl TlsEnds {
    /// Makes the three connections and passes the program's ends to it.
    fn lay(command: &mut Command, transport: Transport) -> Result<Self> {
        let (control, control_theirs) = UnixStream::pair()?;
        let mut mappings = vec![mapping(control_theirs, CONTROL_DESCRIPTOR)];
        let mut write_descriptor = WRITE_DESCRIPTOR;
        let data = match transport {
            Transport::Tcp => {
                let (ours_in, theirs_out) = UnixStream::pair()?;
                let (ours_out, theirs_in) = UnixStream::pair()?;
                mappings.push(mapping(theirs_in, READ_DESCRIPTOR));
                mappings.push(mapping(theirs_out, WRITE_DESCRIPTOR));
                Channel::eager(Some(ours_in.into()), Some(ours_out.into()))
            }
            Transport::Pipes => {
                let (ours_in, theirs_out) = pipe_with(PipeFlags::CLOEXEC)?;
                let (theirs_in, ours_out) = pipe_with(PipeFlags::CLOEXEC)?;
                mappings.push(mapping(theirs_in, READ_DESCRIPTOR));
                mappings.push(mapping(theirs_out, WRITE_DESCRIPTOR));
                Channel::eager(Some(ours_in), Some(ours_out))
            }
            Transport::Octets => {
                let (ours, theirs) = UnixStream::pair()?;
                mappings.push(mapping(theirs, READ_DESCRIPTOR));
                write_descriptor = READ_DESCRIPTOR;
                Channel::eager(Some(ours.try_clone()?.into()), Some(ours.into()))
            }
        };
        command.fd_mappings(mappings)?;
        command.env("SSLCTLFD", CONTROL_DESCRIPTOR.to_string());
        command.env("SSLREADFD", READ_DESCRIPTOR.to_string());
        command.env("SSLWRITEFD", write_descriptor.to_string());
        let control = Channel::eager(Some(control.try_clone()?.into()), Some(control.into()));
        Ok(Self { control, data, network: None })
    }
}

fn mapping(parent_fd: impl Into<OwnedFd>, child_fd: i32) -> FdMapping {
    FdMapping { parent_fd: parent_fd.into(), child_fd }
}

/// A qmail home, and programs that are run with it by themselves: for the tests that are no
/// cases.
#[derive(Debug)]
pub struct Alone {
    programs: Programs,
    /// The home.
    pub home: Folder,
}

impl Alone {
    /// With a qmail home's usual control files and these.
    pub fn with(control: &[(&str, &str)]) -> Result<Self> {
        let home = Folder::make();
        write_controls(&home, &USUAL_CONTROL);
        write_controls(&home, control);
        Ok(Self { programs: Programs::gather(&[])?, home })
    }

    /// One of them, not started yet.
    #[must_use]
    pub fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = service::command(name, self.programs.folder());
        command.args(arguments).env("QMAILHOME", &*self.home);
        command
    }
}

fn home(folder: &Path) -> PathBuf {
    folder.join("home")
}

fn write_control_files(case: &Case, folder: &Path) -> Result<()> {
    let control = home(folder).join("control");
    write_controls(&home(folder), &USUAL_CONTROL);
    for (name, content) in &case.head.control {
        let path = control.join(name);
        match content {
            Control::Bytes(bytes) => fs::write(path, bytes)?,
            Control::Absent => fs::remove_file(path)?,
            Control::Folder => {
                // A usual file of that name makes way.
                let _not_there = fs::remove_file(&path);
                fs::create_dir(path)?;
            }
        }
    }
    Ok(())
}

/// The program with its arguments, in which `{home}` is the qmail home.
fn command(case: &Case, programs: &Programs, home: &Path) -> Result<Command> {
    let (name, arguments) = case.head.command.split_first().context("nothing to run")?;
    let built = programs.folder().join(name);
    let program = if built.exists() { built.as_os_str() } else { OsStr::new(name) };
    let mut command = service::command(program, programs.folder());
    let arguments =
        arguments.iter().map(|argument| argument.replace("{home}", &home.to_string_lossy()));
    command.arg0(name).args(arguments);
    if case.head.user == User::Ordinary && rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

fn set_environment(command: &mut Command, case: &Case) -> Result<()> {
    for (name, value) in &case.head.environment {
        match value {
            Some(text) => command.env(name, OsStr::from_bytes(&text.bytes(&Names::new())?)),
            None => command.env_remove(name),
        };
    }
    Ok(())
}

/// The client's channel, and the program's input and output.
fn connect(transport: Transport) -> Result<(Channel, OwnedFd, OwnedFd)> {
    let (ours, theirs): (OwnedFd, OwnedFd) = match transport {
        Transport::Pipes => {
            let (ours_in, theirs_out) = pipe_with(PipeFlags::CLOEXEC)?;
            let (theirs_in, ours_out) = pipe_with(PipeFlags::CLOEXEC)?;
            return Ok((Channel::eager(Some(ours_in), Some(ours_out)), theirs_in, theirs_out));
        }
        Transport::Tcp => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let ours = TcpStream::connect(listener.local_addr()?)?;
            ours.set_nodelay(true)?;
            (ours.into(), listener.accept()?.0.into())
        }
        Transport::Octets => {
            let (ours, theirs) = UnixStream::pair()?;
            (ours.into(), theirs.into())
        }
    };
    Ok((Channel::eager(Some(ours.try_clone()?), Some(ours)), theirs.try_clone()?, theirs))
}
