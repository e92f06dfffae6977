//! Programs that run each other: what stands at the door, and what it starts for each
//! connection.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use test_support::folder::Folder;
use test_support::service::{built, with_certificate};

use super::{BACKLOG, LIMIT, Server};

/// What accepts connections.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// ucspi-tcp's tcpserver; no TLS.
    Tcpserver,
    /// Ours; no TLS.
    Tlsserver,
    /// Ours; TLS when the program asks for it, and it must.
    TlsserverDelayed,
    /// The same, and it has clients log in itself, so that authup is left out of the chain.
    TlsserverLogin,
    /// Ours; TLS from the first octet.
    TlsserverImmediate,
    /// tlswrapper under tcpserver, with its own STARTTLS.
    Tlswrapper,
}

/// What runs for each connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chain {
    /// The bare SMTP server.
    Smtp,
    /// fixsmtpio in front of it, with the repository's rules.
    Fixsmtpio,
    /// authup, and a checkpassword that says yes and is the server itself.
    AuthupYes,
    /// authup, checkpassword-file, fixsmtpio and the bare server; checknotroot where authup
    /// is the C one.
    Submission,
    /// mailfront's smtpfront-echo, a real server that delivers nothing.
    Mailfront,
    /// fixsmtpio in front of that.
    FixsmtpioMailfront,
    /// The bare POP3 server.
    Pop3,
    /// authup, and a checkpassword that says yes and is the server itself.
    AuthupYesPop3,
    /// authup, checkpassword-file and the bare server; checknotroot as above.
    AuthupPop3,
    /// The bare IMAP server, which takes a login itself.
    Imap,
    /// authup, checkpassword-file and the bare server, which answers the login.
    AuthupImap,
    /// The same with fiximapio before one that can only greet.
    AuthupFiximapio,
}

/// Whose authup, checknotroot and fixsmtpio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Programs {
    Ours,
    /// Those in the folder that `C_ACCEPTUTILS` names.
    C,
}

impl Programs {
    /// Whether they were given.
    pub(crate) fn are_here(self) -> bool {
        self == Self::Ours || std::env::var_os("C_ACCEPTUTILS").is_some()
    }

    fn path(self, name: &str) -> OsString {
        let path = match (self, std::env::var_os("C_ACCEPTUTILS")) {
            (Self::C, Some(folder)) => PathBuf::from(folder).join(name),
            _ => built(name),
        };
        path.into()
    }
}

impl Chain {
    const fn protocol(self) -> &'static str {
        match self {
            Self::Pop3 | Self::AuthupYesPop3 | Self::AuthupPop3 => "pop3",
            Self::Imap | Self::AuthupImap | Self::AuthupFiximapio => "imap",
            _ => "smtp",
        }
    }

    fn command(self, workshop: &Folder, door: Door, programs: Programs) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let server = OsString::from(built("bench-stand-in"));
        let asks_file = matches!(
            self,
            Self::Submission | Self::AuthupPop3 | Self::AuthupImap | Self::AuthupFiximapio
        );
        let has_login = asks_file || matches!(self, Self::AuthupYes | Self::AuthupYesPop3);
        if has_login && !matches!(door, Door::TlsserverLogin) {
            words.extend([programs.path("authup"), self.protocol().into()]);
        }
        if asks_file {
            words.extend([built("checkpassword-file").into(), "-f".into()]);
            words.push(workshop.path("users").into());
            // Ours has told by then that the login is good, and is not root.
            if programs == Programs::C {
                words.push(programs.path("checknotroot"));
            }
        }
        if matches!(self, Self::Fixsmtpio | Self::Submission | Self::FixsmtpioMailfront) {
            words.push(programs.path("fixsmtpio"));
        }
        if matches!(self, Self::AuthupFiximapio) {
            words.push(programs.path("fiximapio"));
        }
        words.extend(match self {
            Self::Mailfront | Self::FixsmtpioMailfront => vec!["smtpfront-echo".into()],
            Self::AuthupYes => vec![server, "yes-smtp".into()],
            Self::AuthupYesPop3 => vec![server, "yes-pop3".into()],
            Self::Pop3 | Self::AuthupPop3 => vec![server, "pop3".into()],
            Self::Smtp | Self::Fixsmtpio | Self::Submission => vec![server, "smtp".into()],
            Self::Imap | Self::AuthupImap => vec![server, "imap".into()],
            Self::AuthupFiximapio => vec![server, "preauth".into()],
        });
        words
    }
}

/// Starts it.
pub(super) fn start(
    workshop: &Folder,
    door: Door,
    chain: Chain,
    programs: Programs,
) -> io::Result<Server> {
    let mut command = match door {
        // It has a folder of its own in /var.
        Door::Tlswrapper => Command::new("env"),
        _ => with_qmail_home(workshop),
    };
    let address = ["127.0.0.1", "0"];
    if matches!(door, Door::Tcpserver | Door::Tlswrapper) {
        command.args(["tcpserver", "-1RHDl0", "-b", BACKLOG, "-c", LIMIT]).args(address);
    } else {
        with_certificate(&mut command, workshop).arg(built("tlsserver"));
        command.args(["-1", "-b", BACKLOG, "-c", LIMIT, "-C", LIMIT]);
        if !matches!(door, Door::TlsserverImmediate) {
            command.arg("-n");
        }
        if matches!(door, Door::TlsserverLogin) {
            command.args(["--login", chain.protocol()]);
        }
        command.args(address);
    }
    match door {
        Door::TlsserverDelayed | Door::TlsserverLogin => drop(command.env("UCSPITLS", "!")),
        Door::Tlswrapper => {
            command.args(["tlswrapper", "-n", "-f"]).arg(workshop.path("both.pem"));
            command.arg("tlswrapper-smtp");
        }
        _ => {}
    }
    command.args(chain.command(workshop, door, programs));
    Server::saying_its_port(&mut command)
}

/// Runs what follows where the workshop is /var/qmail, which is where the C programs
/// look, and ours when nobody says otherwise: a variable would cost one more program
/// in the chain, as authup does not pass it on. The jails' root folder is there, as where
/// services are installed.
fn with_qmail_home(workshop: &Folder) -> Command {
    const SCRIPT: &str = "mount -t tmpfs none /var && mkdir /var/qmail /var/empty && \
        mount --bind \"$0\" /var/qmail && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT]).arg(&**workshop);
    command
}

/// The bare server, for a proxy to stand before.
pub(super) fn bare(workshop: &Folder, chain: Chain) -> io::Result<Server> {
    start(workshop, Door::Tcpserver, chain, Programs::Ours)
}
