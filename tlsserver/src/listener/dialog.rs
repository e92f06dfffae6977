//! What engines are to say to clients until they want to log in (`--until-login`):
//! what authup would, so it is put together from where authup has it.

use proto::login::protocol::Protocol;
use proto::ucspi_rules;
use proto::ucspi_tls::Tls;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use unix::before_login::{BeforeLogin, Variable};
use unix::control::Folder;

use crate::environment::{Variables, value};
use crate::messages::{ConnectionId, Dialog, LIMIT, ToEngine};
use crate::options::Mode;

/// Where the words come from. They are read anew with the certificates.
#[derive(Debug)]
pub(super) struct Source {
    protocol: Protocol,
    tls_at_once: bool,
    auth_equals: bool,
    control: Folder,
}

impl Source {
    /// By what the program's environment will say.
    ///
    /// # Errors
    /// When clients could log in without TLS: then it is the program's to talk to them.
    pub(super) fn new(
        protocol: Protocol,
        mode: Mode,
        variables: &Variables,
    ) -> Result<Self, String> {
        let value = |one: Variable| value(variables, one.name());
        let level = value(Variable::Tls).map(OsStr::as_bytes);
        let disabled = value(Variable::TlsDisabled).is_some();
        let tls_at_once = mode == Mode::Immediate;
        if !tls_at_once && Tls::from_environment(disabled, level, false) != Tls::Required {
            return Err("--until-login: with -n, UCSPITLS must be '!'".into());
        }
        let auth_equals = value(Variable::AuthEquals).is_some();
        let control = Folder::of(value(Variable::Home));
        Ok(Self { protocol, tls_at_once, auth_equals, control })
    }

    /// Reads the control files.
    ///
    /// # Errors
    /// The first one that authup could not use either.
    pub(super) fn read(&self) -> Result<Dialog, String> {
        let Self { protocol, tls_at_once, auth_equals, .. } = *self;
        let before_login = BeforeLogin::read(&self.control, protocol, auth_equals);
        let before_login = before_login.map_err(|why| why.to_string())?;
        let dialog = Dialog { tls_at_once, before_login };
        if ToEngine::Dialog(dialog.clone()).encode().len() > LIMIT {
            let (protocol, why) = (protocol.name(), "more than an engine takes");
            return Err(format!("control/{protocol}capabilities: {why}"));
        }
        Ok(dialog)
    }
}

/// Whether the dialog is right for a client about whom the rules say this: where they
/// change what authup makes of its environment, authup talks to it from the start.
pub(super) fn serves(added: &ucspi_rules::Variables) -> bool {
    !added.iter().any(|(name, _)| Variable::named(name).is_some())
}

/// The session's timestamp, which both its greeting and checkpassword have.
pub(super) fn session(dialog: &Dialog, id: ConnectionId) -> Vec<u8> {
    dialog.before_login.timestamp(format_args!("{}.{id}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(mode: Mode, variables: &[(&str, &str)]) -> Result<Source, String> {
        let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
        Source::new(Protocol::Pop3, mode, &variables.collect())
    }

    #[test]
    fn no_dialog_where_clients_may_log_in_without_tls() {
        for (variables, may) in [
            (&[("UCSPITLS", "!")][..], true),
            (&[("UCSPITLS", "!"), ("DISABLETLS", "")], false),
            (&[("UCSPITLS", "")], false),
            (&[], false),
        ] {
            assert_eq!(source(Mode::Delayed, variables).is_ok(), may, "{variables:?}");
            assert!(source(Mode::Immediate, variables).is_ok());
        }
    }

    #[test]
    fn the_rules_may_take_a_client_from_it() {
        let added = |name: &str| vec![(name.as_bytes().to_vec(), Vec::new())];
        assert!(serves(&Vec::new()));
        assert!(serves(&added("RELAYCLIENT")));
        for variable in Variable::ALL {
            assert!(!serves(&added(variable.name())), "{variable:?}");
        }
    }

    #[test]
    fn what_authup_could_not_use_either_is_said() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        let source = source(Mode::Immediate, &[("QMAILHOME", path)]).unwrap();
        let said = |why: &str| format!("{path}/control/{why}");
        let missing = "No such file or directory";
        assert_eq!(source.read().unwrap_err(), said(&format!("me: {missing}")));
        std::fs::write(control.join("me"), "mail.example.org\n").unwrap();
        assert_eq!(source.read().unwrap_err(), said(&format!("pop3capabilities: {missing}")));
        std::fs::write(control.join("pop3capabilities"), "TOP\n".repeat(LIMIT)).unwrap();
        let long = "control/pop3capabilities: more than an engine takes";
        assert_eq!(source.read().unwrap_err(), long);
        std::fs::write(control.join("pop3capabilities"), "TOP\n").unwrap();
        let dialog = source.read().unwrap();
        assert_eq!(dialog.before_login.capabilities, [b"TOP"]);
        assert!(session(&dialog, 1).ends_with(b"@mail.example.org>"));
        assert_ne!(session(&dialog, 1), session(&dialog, 2));
    }
}
