//! What the administrator says: the command line, the environment, the control files.

use super::Limits;
use crate::qmail;
use crate::tls::Offer;
use proto::login::reply::Face;
use proto::login::{self, Settings};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};
use unix::before_login::BeforeLogin;
use unix::control::Unreadable;
use unix::deadline::Deadline;
use unix::environment::Environment;
use unix::jail::Identity;
use unix::process::Program;

/// Says that the TLS server has greeted the client, and with which timestamp.
const GREETED: &str = "AUTHUP_GREETED";

/// The command line.
pub(super) struct Usage {
    pub(super) face: Face,
    tries: u32,
    pub(super) program: Program,
}

impl Usage {
    /// Reads `[-t tries] smtp|pop3 prog [arg ...]`, the program's own name left out.
    pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut tries = 0;
        let face = loop {
            match parser.next().ok()?? {
                lexopt::Arg::Short('t') => tries = parser.value().ok()?.to_str()?.parse().ok()?,
                lexopt::Arg::Value(face) => break Face::named(face.as_bytes())?,
                _ => return None,
            }
        };
        let program = Program::new(parser.raw_args().ok()?)?;
        let tries = match (tries, face) {
            (0, Face::Smtp) => 5,
            (0, Face::Pop3) => 1,
            (tries, _) => tries,
        };
        Some(Self { face, tries, program })
    }
}

/// What the control files say, with the rest that the dialog is told.
pub(super) struct Controls {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    /// Who the parser becomes where this process is root.
    pub(super) jail: Identity,
}

/// What cannot be used.
pub(super) enum Wrong {
    /// A control file.
    Unreadable(Unreadable),
    /// A variable that is to hold a user's or group's number.
    NotANumber(&'static str),
}

impl From<Unreadable> for Wrong {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::NotANumber(name) => write!(f, "{name}: not a number"),
        }
    }
}

impl Controls {
    /// Reads the control files, under the qmail home, which becomes the working
    /// directory. The clock for the whole time before a good login starts here.
    pub(super) fn read(
        usage: &Usage,
        offer: &Offer,
        environment: &mut Environment,
    ) -> Result<Self, Wrong> {
        let Identity { user, group } = Identity::NOBODY;
        let jail = Identity {
            user: number("AUTHUP_UID", environment)?.unwrap_or(user),
            group: number("AUTHUP_GID", environment)?.unwrap_or(group),
        };
        let control = qmail::enter_home(environment)?;
        let BeforeLogin { greeting, capabilities, each, whole } =
            BeforeLogin::read(&control, usage.face)?;
        let whole = Deadline::after_seconds(whole);
        let greeted = environment.take(GREETED);
        let settings = Settings {
            face: usage.face,
            capabilities,
            tls: offer.level,
            tries: usage.tries,
            auth_equals: environment.has(b"AUTHUP_SASL_BROKEN_CLIENTS"),
            greeted: greeted.is_some(),
            timestamp: greeted.unwrap_or_else(|| timestamp(usage.face, &greeting)),
            greeting,
        };
        Ok(Self { settings, limits: Limits { each, whole }, jail })
    }
}

fn timestamp(face: Face, greeting: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    login::timestamp(face, std::process::id(), now.as_secs(), greeting)
}

fn number(name: &'static str, environment: &mut Environment) -> Result<Option<u32>, Wrong> {
    let Some(value) = environment.take(name) else { return Ok(None) };
    let number = std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(Wrong::NotANumber(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(line: &str) -> Option<(Face, u32)> {
        let words = line.split(' ').skip(1).map(OsString::from);
        Usage::parse(words).map(|usage| (usage.face, usage.tries))
    }

    #[test]
    fn command_lines() {
        for (line, parsed) in [
            ("authup smtp prog", Some((Face::Smtp, 5))),
            ("authup POP3 prog -t 9", Some((Face::Pop3, 1))),
            ("authup -t 3 smtp prog", Some((Face::Smtp, 3))),
            ("authup -t3 pop3 prog", Some((Face::Pop3, 3))),
            ("authup -t 0 smtp prog", Some((Face::Smtp, 5))),
            ("authup smtp", None),
            ("authup", None),
            ("authup imap prog", None),
            ("authup -t x smtp prog", None),
            ("authup -t -1 smtp prog", None),
            ("authup -x smtp prog", None),
            ("authup --help", None),
        ] {
            assert_eq!(tries(line), parsed, "{line}");
        }
    }
}
