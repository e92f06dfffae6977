//! What engines are to say to clients until they want to log in (`--until-login`):
//! what authup would, so it is put together from where authup has it.

use proto::login::reply::Face;
use proto::login::timestamp;
use proto::ucspi_rules;
use proto::ucspi_tls::Tls;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};
use unix::control::Folder;

use crate::environment::{Variables, value};
use crate::messages::{ConnectionId, Dialog, LIMIT, ToEngine};
use crate::options::Mode;

/// Tells authup that the client has been greeted, and with which timestamp.
pub(super) const GREETED: &str = "AUTHUP_GREETED";

const HOME: &str = "QMAILHOME";
const LEVEL: &str = "UCSPITLS";
const DISABLE: &str = "DISABLETLS";
const AUTH_EQUALS: &str = "AUTHUP_SASL_BROKEN_CLIENTS";

/// Where the words come from. They are read anew with the certificates.
#[derive(Debug)]
pub(super) struct Source {
    face: Face,
    tls_at_once: bool,
    auth_equals: bool,
    control: Folder,
}

impl Source {
    /// By what the program's environment will say.
    ///
    /// # Errors
    /// When clients could log in without TLS: then it is the program's to talk to them.
    pub(super) fn new(face: Face, mode: Mode, variables: &Variables) -> Result<Self, String> {
        let level = value(variables, LEVEL).map(OsStr::as_bytes);
        let disabled = value(variables, DISABLE).is_some();
        let tls_at_once = mode == Mode::Immediate;
        if !tls_at_once && Tls::from_environment(disabled, level, false) != Tls::Required {
            return Err("--until-login: with -n, UCSPITLS must be '!'".into());
        }
        let auth_equals = value(variables, AUTH_EQUALS).is_some();
        let control = Folder::of(value(variables, HOME));
        Ok(Self { face, tls_at_once, auth_equals, control })
    }

    /// Reads the control files.
    ///
    /// # Errors
    /// The first one that authup could not use either.
    pub(super) fn read(&self) -> Result<Dialog, String> {
        let before_login = self.control.before_login(self.face).map_err(|why| why.to_string())?;
        let Self { face, tls_at_once, auth_equals, .. } = *self;
        let dialog = Dialog { face, tls_at_once, auth_equals, before_login };
        if ToEngine::Dialog(dialog.clone()).encode().len() > LIMIT {
            return Err(format!("control/{}capabilities: too long", face.name()));
        }
        Ok(dialog)
    }
}

/// Whether the dialog is right for a client about whom the rules say this: where they
/// change what authup makes of its environment, authup talks to it from the start.
pub(super) fn serves(added: &ucspi_rules::Variables) -> bool {
    !added.iter().any(|(name, _)| {
        [HOME, LEVEL, DISABLE, AUTH_EQUALS].iter().any(|read| name == read.as_bytes())
    })
}

/// The session's timestamp, which both its greeting and checkpassword have.
pub(super) fn session(dialog: &Dialog, id: ConnectionId) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let session = format_args!("{}.{id}", std::process::id()).to_string();
    timestamp(dialog.face, session, now.as_secs(), &dialog.before_login.greeting)
}
