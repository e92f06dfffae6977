//! What the administrator says: the command line, the environment, the control files.

use super::Limits;
use crate::qmail;
use crate::tls::Offer;
use proto::failures;
use proto::logfmt::Format;
use proto::login::DialogConfig;
use proto::login::names::LoginNames;
use proto::login::protocol::Protocol;
use proto::names::Variable;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use unix::before_login;
use unix::control::Unreadable;
use unix::deadline::Deadline;
use unix::environment::Environment;
use unix::jail::{Identity, NoIdentity};
use unix::login_controls::LoginControls;
use unix::process::Argv;

/// The command line.
pub(super) struct Usage {
    pub(super) protocol: Protocol,
    tries: u32,
    pub(super) program: Argv,
}

impl Usage {
    /// Reads `[-t tries] smtp|pop3|imap prog [arg ...]`, the program's own name left out.
    pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut tries = 0;
        let protocol = loop {
            match parser.next().ok()?? {
                lexopt::Arg::Short('t') => tries = parser.value().ok()?.to_str()?.parse().ok()?,
                lexopt::Arg::Value(name) => break Protocol::named(name.as_bytes())?,
                _ => return None,
            }
        };
        let program = Argv::new(parser.raw_args().ok()?)?;
        let tries = if tries == 0 { protocol.default_tries() } else { tries };
        Some(Self { protocol, tries, program })
    }
}

/// What the control files say, with the rest that the dialog is told.
pub(super) struct Controls {
    pub(super) dialog: DialogConfig,
    pub(super) limits: Limits,
    /// What is remembered of refused logins, if anything is.
    pub(super) failures: Option<failures::Settings>,
    /// Who the parser becomes where this process is root.
    pub(super) jail: Identity,
    /// What is made of the names that clients give.
    pub(super) names: LoginNames,
    /// Whether lines that say all are asked for.
    pub(super) format: Option<Format>,
}

/// What cannot be used.
pub(super) enum Wrong {
    /// A control file.
    Unreadable(Unreadable),
    /// A variable that is to say who the parser becomes.
    Identity(NoIdentity),
}

impl From<Unreadable> for Wrong {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<NoIdentity> for Wrong {
    fn from(fault: NoIdentity) -> Self {
        Self::Identity(fault)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::Identity(fault) => fault.fmt(f),
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
        let mut number = |one: Variable, otherwise| match environment.take(one) {
            Some(value) => Identity::number(one.name(), &value),
            None => Ok(otherwise),
        };
        let Identity { user, group } = Identity::NOBODY;
        let user = number(Variable::AuthupUid, user)?;
        let jail = Identity { user, group: number(Variable::AuthupGid, group)? };
        let control = qmail::enter_home(environment)?;
        let auth_equals = environment.has(Variable::SaslBrokenClients);
        let said = before_login::read(&control, usage.protocol, auth_equals)?;
        let limits = Limits {
            io_timeout: said.io_timeout,
            login_deadline: Deadline::after_seconds(said.login_timeout),
        };
        let LoginControls { names, failures, format } = LoginControls::read(&control)?;
        let timestamp = before_login::timestamp(&said, std::process::id());
        let dialog = said.config(offer.level, usage.tries, timestamp);
        Ok(Self { dialog, limits, failures, jail, names, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(line: &str) -> Option<(Protocol, u32)> {
        let words = line.split(' ').skip(1).map(OsString::from);
        Usage::parse(words).map(|usage| (usage.protocol, usage.tries))
    }

    #[test]
    fn command_lines() {
        for (line, parsed) in [
            ("authup smtp prog", Some((Protocol::Smtp, 5))),
            ("authup POP3 prog -t 9", Some((Protocol::Pop3, 1))),
            ("authup -t 3 smtp prog", Some((Protocol::Smtp, 3))),
            ("authup -t3 pop3 prog", Some((Protocol::Pop3, 3))),
            ("authup -t 0 smtp prog", Some((Protocol::Smtp, 5))),
            ("authup smtp", None),
            ("authup", None),
            ("authup imap prog", Some((Protocol::Imap, 5))),
            ("authup imaps prog", None),
            ("authup -t x smtp prog", None),
            ("authup -t -1 smtp prog", None),
            ("authup -x smtp prog", None),
            ("authup --help", None),
        ] {
            assert_eq!(tries(line), parsed, "{line}");
        }
    }
}
