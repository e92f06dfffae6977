//! What engines are to say to clients until they have logged in (`--login`): what authup
//! would, so it is put together from where authup has it.

use proto::channel::engine::{DialogId, DialogSetup, Talk as ToTalk, ToEngine};
use proto::channel::{ConnectionId, LONGEST};
use proto::login::protocol::Protocol;
use proto::names::Variable;
use proto::ucspi_tls::Tls;
use proto::variables;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;
use unix::before_login;
use unix::control::{Folder, Unreadable};

use crate::environment::{Variables, value};
use crate::options::Mode;
use crate::program::Peer;

/// The dialog where no rule names another home.
const ORDINARY: DialogId = 0;

/// Where the words come from. They are read anew with the certificates.
#[derive(Debug)]
pub(super) struct Source {
    protocol: Protocol,
    tries: u32,
    tls_at_once: bool,
    disabled: bool,
    level: Vec<u8>,
    auth_equals: bool,
    home: Option<OsString>,
}

/// All dialogs of a generation of engines: the ordinary one, and one for each home that a
/// rule has named.
#[derive(Debug, Clone)]
pub(super) struct Dialogs {
    by_id: BTreeMap<DialogId, DialogSetup>,
    homes: BTreeMap<OsString, DialogId>,
}

/// Why nothing can be said to a client.
#[derive(Debug)]
pub(super) enum NoDialog {
    /// A control file that authup could not use either.
    Control(Unreadable),
    /// None could say it.
    NoEngine,
}

impl fmt::Display for NoDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(why) => why.fmt(f),
            Self::NoEngine => f.write_str("the engine is gone"),
        }
    }
}

/// What is kept of a connection until its program is started, or its client has logged in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) peer: Peer,
    /// How an engine talks to it, where one does.
    pub(super) talk: Option<Talk>,
}

/// How one client is talked to.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) how: ToTalk,
    /// When its client must have logged in.
    pub(super) until: Option<Instant>,
    /// Its socket, where blocklistd is to be told.
    pub(super) socket: Option<OwnedFd>,
}

impl Source {
    /// By what the login program's environment would say.
    pub(super) fn new(protocol: Protocol, tries: u32, mode: Mode, variables: &Variables) -> Self {
        let value = |one| value(variables, one);
        Self {
            protocol,
            tries,
            tls_at_once: mode == Mode::Immediate,
            disabled: value(Variable::DisableTls).is_some(),
            // What authup takes for no TLS is here the safe of the two: nobody says so who
            // has a certificate.
            level: value(Variable::UcspiTls)
                .map_or(b"!".to_vec(), |value| value.as_bytes().to_vec()),
            auth_equals: value(Variable::SaslBrokenClients).is_some(),
            home: value(Variable::QmailHome).map(OsStr::to_owned),
        }
    }

    /// Reads the control files of the ordinary home, and those of others that are known.
    ///
    /// # Errors
    /// The first file of the ordinary home that authup could not use either. Another home
    /// is then not known any more.
    pub(super) fn read(&self, known: Option<&Dialogs>) -> Result<Dialogs, NoDialog> {
        let by_id = BTreeMap::from([(ORDINARY, self.dialog(self.home.as_deref())?)]);
        let mut dialogs = Dialogs { by_id, homes: BTreeMap::new() };
        for home in known.iter().flat_map(|known| known.homes.keys()) {
            if let Ok(dialog) = self.dialog(Some(home)) {
                dialogs.add(home, dialog);
            }
        }
        Ok(dialogs)
    }

    /// The dialog of a home.
    ///
    /// # Errors
    /// The first file that authup could not use either.
    pub(super) fn dialog(&self, home: Option<&OsStr>) -> Result<DialogSetup, NoDialog> {
        let Self { protocol, tries, auth_equals, .. } = *self;
        let control = Folder::of(home);
        let before_login = before_login::read(&control, protocol, auth_equals);
        let dialog = DialogSetup { tries, before_login: before_login.map_err(NoDialog::Control)? };
        // What is to be listed does not fit into a message to an engine.
        if ToEngine::Dialog(0, dialog.clone()).encode().len() > LONGEST {
            let file = before_login::capabilities(protocol);
            return Err(NoDialog::Control(control.unfit(file, "too large (limit 128 KiB)")));
        }
        Ok(dialog)
    }

    /// The home that a rule names, if it is another.
    pub(super) fn other_home(&self, added: &Variables) -> Option<OsString> {
        let home =
            added_value(added, Variable::QmailHome).map(|home| OsStr::from_bytes(home).to_owned());
        home.filter(|home| Some(home) != self.home.as_ref())
    }

    /// How a client is talked to about whom the rules say this.
    pub(super) fn talk(
        &self,
        (dialog, said): (DialogId, &DialogSetup),
        added: &Variables,
        id: ConnectionId,
        now: Instant,
    ) -> Talk {
        let disabled = self.disabled || added_value(added, Variable::DisableTls).is_some();
        let level = added_value(added, Variable::UcspiTls).unwrap_or(&self.level);
        let timestamp = session(said, id);
        let how = ToTalk {
            dialog,
            tls: Tls::from_environment(disabled, Some(level), self.tls_at_once),
            auth_equals: self.auth_equals
                || added_value(added, Variable::SaslBrokenClients).is_some(),
            timestamp,
        };
        let login_timeout = std::time::Duration::from_secs(said.before_login.login_timeout);
        Talk { how, until: now.checked_add(login_timeout), socket: None }
    }
}

impl Talk {
    /// Milliseconds until its client must have logged in.
    pub(super) fn left(&self, now: Instant) -> u64 {
        // Longer than any service runs.
        const FOREVER: u64 = u32::MAX as u64 * 1000;
        let left = self.until.map(|until| until.saturating_duration_since(now).as_millis());
        left.and_then(|left| u64::try_from(left).ok()).map_or(FOREVER, |left| left.min(FOREVER))
    }
}

impl Dialogs {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (DialogId, &DialogSetup)> {
        self.by_id.iter().map(|(&id, dialog)| (id, dialog))
    }

    /// The dialog of a home that a rule has named, or the ordinary one.
    pub(super) fn find(&self, other: Option<&OsStr>) -> Option<(DialogId, &DialogSetup)> {
        let id = other.map_or(Some(ORDINARY), |home| self.homes.get(home).copied())?;
        Some((id, self.by_id.get(&id)?))
    }

    /// One more.
    pub(super) fn add(&mut self, home: &OsStr, dialog: DialogSetup) -> DialogId {
        let last = self.by_id.last_key_value().map_or(ORDINARY, |(&id, _)| id);
        self.by_id.insert(last + 1, dialog);
        self.homes.insert(home.to_owned(), last + 1);
        last + 1
    }
}

fn added_value(added: &Variables, variable: Variable) -> Option<&[u8]> {
    variables::value(added, variable)
}

/// The session's timestamp, which both its greeting and checkpassword have.
fn session(dialog: &DialogSetup, id: ConnectionId) -> Vec<u8> {
    before_login::timestamp(&dialog.before_login, format_args!("{}.{id}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(mode: Mode, variables: &[(&str, &str)]) -> Source {
        let variables = variables.iter().map(|&(name, value)| (name.into(), value.into()));
        Source::new(Protocol::Pop3, 1, mode, &variables.collect())
    }

    /// A home with these files.
    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("control")).unwrap();
        for (name, text) in files {
            std::fs::write(home.path().join("control").join(name), text).unwrap();
        }
        home
    }

    fn talked_to(mode: Mode, variables: &[(&str, &str)], added: &[(&str, &str)]) -> (Tls, bool) {
        let home = home(&[("me", "mail.example.org\n"), ("pop3capabilities", "TOP\n")]);
        let added: Variables =
            added.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        let source = source(mode, variables);
        let dialog = source.dialog(Some(home.path().as_os_str())).unwrap();
        let talk = source.talk((0, &dialog), &added, 7, Instant::now());
        (talk.how.tls, talk.how.auth_equals)
    }

    #[test]
    fn what_of_tls_there_is_for_whom() {
        const REQUIRED: &[(&str, &str)] = &[("UCSPITLS", "!")];
        for (variables, added, tls) in [
            (REQUIRED, &[][..], Tls::Required),
            (&[], &[], Tls::Required),
            (&[("UCSPITLS", "-")], &[], Tls::Absent),
            (&[], REQUIRED, Tls::Required),
            (REQUIRED, &[("UCSPITLS", "")], Tls::Available),
            (REQUIRED, &[("UCSPITLS", "-")], Tls::Absent),
            (REQUIRED, &[("DISABLETLS", "")], Tls::Absent),
            (&[("UCSPITLS", "!"), ("DISABLETLS", "")], REQUIRED, Tls::Absent),
        ] {
            assert_eq!(talked_to(Mode::Delayed, variables, added), (tls, false), "{added:?}");
            assert_eq!(talked_to(Mode::Immediate, variables, added).0, Tls::On);
        }
        const EQUALS: &[(&str, &str)] = &[("AUTHUP_SASL_BROKEN_CLIENTS", "")];
        assert!(talked_to(Mode::Delayed, EQUALS, &[]).1);
        assert!(talked_to(Mode::Delayed, &[], EQUALS).1);
    }

    #[test]
    fn what_authup_could_not_use_either_is_said() {
        let home = home(&[]);
        let path = home.path().to_str().unwrap();
        let control = home.path().join("control");
        let source = source(Mode::Immediate, &[("QMAILHOME", path)]);
        let said = |why: &str| format!("{path}/control/{why}");
        let missing = "No such file or directory";
        assert_eq!(source.read(None).unwrap_err().to_string(), said(&format!("me: {missing}")));
        std::fs::write(control.join("me"), "mail.example.org\n").unwrap();
        assert_eq!(
            source.read(None).unwrap_err().to_string(),
            said(&format!("pop3capabilities: {missing}"))
        );
        std::fs::write(control.join("pop3capabilities"), "TOP\n".repeat(LONGEST)).unwrap();
        let long = said("pop3capabilities: too large (limit 128 KiB)");
        assert_eq!(source.read(None).unwrap_err().to_string(), long);
        std::fs::write(control.join("pop3capabilities"), "TOP\n").unwrap();
        let dialogs = source.read(None).unwrap();
        let (_, dialog) = dialogs.find(None).unwrap();
        assert_eq!(dialog.before_login.capabilities, [b"TOP"]);
        assert!(session(dialog, 1).ends_with(b"@mail.example.org>"));
        assert_ne!(session(dialog, 1), session(dialog, 2));
    }

    #[test]
    fn a_rule_may_name_another_home() {
        let files = |me: &'static str| home(&[("me", me), ("pop3capabilities", "TOP\n")]);
        let (ordinary, other) = (files("one.example.org\n"), files("two.example.org\n"));
        let path = |home: &tempfile::TempDir| home.path().to_str().unwrap().to_owned();
        let source = source(Mode::Delayed, &[("QMAILHOME", &path(&ordinary))]);
        let added = |home: String| vec![(b"QMAILHOME".to_vec(), home.into_bytes())];
        assert_eq!(source.other_home(&added(path(&ordinary))), None);
        let named = source.other_home(&added(path(&other))).unwrap();
        let mut dialogs = source.read(None).unwrap();
        assert!(dialogs.find(Some(&named)).is_none());
        let id = dialogs.add(&named, source.dialog(Some(&named)).unwrap());
        let greeting = |dialogs: &Dialogs, home: Option<&OsStr>| {
            dialogs.find(home).map(|(id, dialog)| (id, dialog.before_login.greeting.clone()))
        };
        assert_eq!(greeting(&dialogs, Some(&named)), Some((id, b"two.example.org".to_vec())));
        assert_eq!(greeting(&dialogs, None), Some((0, b"one.example.org".to_vec())));
        // Read again with the others; what cannot be is not known.
        std::fs::write(other.path().join("control/me"), "three.example.org\n").unwrap();
        let again = source.read(Some(&dialogs)).unwrap();
        assert_eq!(greeting(&again, Some(&named)), Some((1, b"three.example.org".to_vec())));
        drop(other);
        assert!(source.read(Some(&again)).unwrap().find(Some(&named)).is_none());
    }
}
