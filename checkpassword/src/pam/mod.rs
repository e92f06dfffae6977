//! `checkpassword-pam [-s service] prog [arg ...]`: the system's accounts, by PAM.
//!
//! PAM runs in this very process. Its modules need root, as this program has it until
//! it becomes the user; the password reaches them through memory; and nothing of them
//! survives becoming the next program. The conversation answers from memory and so
//! never waits for anybody.

mod conversation;
mod same_work;
mod service;

use crate::failure::{Failure, Refusal};
use crate::login::{Login, Record};
use crate::options;
use conversation::{Heard, PasswordOnly};
use lexopt::Parser;
use nonstick::items::{Items, ItemsMut};
use nonstick::{AuthnFlags, ErrorCode, PamShared, Transaction, TransactionBuilder};
use proto::checkpassword::reader::Credentials;
use proto::names::Variable;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;
use unix::environment::Environment;
use unix::identity::{Groups, Identity, SystemUser};
use unix::peer;

const NAME: &str = "checkpassword-pam";
const USAGE: &str = "usage: checkpassword-pam [-s service] prog [arg ...]";
const DEFAULT_SERVICE: &str = "checkpassword";

/// The whole program. Returns only if the login did not happen.
#[must_use]
pub fn main() -> ExitCode {
    unix::log::begin(NAME);
    if options::is_about_us(USAGE) {
        return ExitCode::SUCCESS;
    }
    let Err(failure) = run();
    failure.report(NAME).into()
}

fn run() -> Result<Infallible, Failure> {
    let usage = |error| Failure::Usage(USAGE, error);
    let (service, next) = options::parse(Parser::from_env(), 's').map_err(usage)?;
    let environment = Environment::copied();
    let service = service_name(service, &environment);
    let record = Record::read()?;
    let credentials = record.credentials()?;
    let user = admit(&service, &credentials, peer::address(&environment))?;
    drop(record);
    let known = look_up(&user)?;
    if known.as_ref().is_some_and(is_root) {
        return Err(Failure::Refused(user, Refusal::Root));
    }
    // PAM has let the user in, so this is no wrong password: glibc says the same of a database
    // that it cannot open.
    let unknown = || Failure::UserDatabase(user.clone(), io::Error::other("unknown user"));
    let known = known.ok_or_else(unknown)?;
    // PAM hands over a C string, so there is no NUL in it.
    let name = CString::new(user.clone()).map_err(|_| unknown())?;
    let login = Login {
        user: OsString::from_vec(user),
        home: known.home,
        shell: known.shell.into_os_string(),
    };
    let groups = Groups::OfUser(&name);
    login.enter(Some(Identity { uid: known.uid, gid: known.gid, groups }), environment, &next)
}

/// The option's, else the environment's, else our own.
fn service_name(option: Option<OsString>, environment: &Environment) -> OsString {
    let given =
        || environment.get(Variable::PamService).map(|name| OsStr::from_bytes(name).to_owned());
    option.or_else(given).filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT_SERVICE.into())
}

/// Lets the user in or not; gives the user that PAM settled on. Whoever is asked for, the
/// steps are the same: PAM is asked, and who is refused has had one hash of every cost on
/// this system computed for him. Root's password is not PAM's to say right of: PAM hears
/// another, so that nobody can guess at it, neither by the answer nor by its time.
fn admit(
    service: &OsStr,
    credentials: &Credentials<'_>,
    remote: Option<&[u8]>,
) -> Result<Vec<u8>, Failure> {
    let user = credentials.user;
    let is_root = look_up(user)?.as_ref().is_some_and(is_root);
    let wrong = same_work::wrong_password(credentials.password.len());
    let password = if is_root { &wrong[..] } else { credentials.password };
    let verdict = match authenticate(
        service,
        &Credentials { user, password, timestamp: credentials.timestamp },
        remote,
    ) {
        Ok(_) if is_root => Err(Failure::Refused(user.to_vec(), Refusal::Root)),
        Err(Failure::Refused(..)) if is_root => Err(Failure::Refused(user.to_vec(), Refusal::Root)),
        verdict => verdict,
    };
    if matches!(verdict, Err(Failure::Refused(..))) {
        same_work::compute_what_pam_did_not(service, credentials)?;
    }
    verdict
}

/// Looks the user up in the system's user database. A name that is not UTF-8 is nobody's.
fn look_up(user: &[u8]) -> Result<Option<SystemUser>, Failure> {
    let Ok(name) = std::str::from_utf8(user) else { return Ok(None) };
    SystemUser::named(name).map_err(|error| Failure::UserDatabase(user.to_vec(), error))
}

const fn is_root(user: &SystemUser) -> bool {
    user.uid == 0 || user.gid == 0
}

/// Asks PAM whether the password is right and the account open; gives the user that
/// PAM settled on, which need not be the one that was asked for.
fn authenticate(
    service: &OsStr,
    credentials: &Credentials<'_>,
    remote: Option<&[u8]>,
) -> Result<Vec<u8>, Failure> {
    let user = credentials.user;
    let failed =
        |asked| move |code: ErrorCode| Failure::Pam(asked, user.to_vec(), code.to_string());
    let conversation = PasswordOnly::new(credentials.password);
    let heard = conversation.heard();
    let mut transaction = TransactionBuilder::new_with_service(service)
        .username(OsStr::from_bytes(user))
        .build(conversation)
        .map_err(failed("start"))?;
    if let Some(address) = peer_address(remote) {
        transaction
            .items_mut()
            .set_remote_host(Some(&address))
            .map_err(failed("naming the remote host"))?;
    }
    transaction
        .authenticate(AuthnFlags::DISALLOW_NULL_AUTHTOK)
        .map_err(|code| answer(service, user, Step::AUTHENTICATE, code, &heard))?;
    heard.forget();
    transaction
        .account_management(AuthnFlags::DISALLOW_NULL_AUTHTOK)
        .map_err(|code| answer(service, user, Step::ACCOUNT, code, &heard))?;
    let settled = transaction.items().user().map_err(failed("settling on a user"))?;
    let settled = settled.ok_or_else(|| failed("settling on a user")(ErrorCode::UserUnknown))?;
    Ok(settled.into_vec())
}

/// What PAM is asked, and the type of the lines that answer.
struct Step {
    asked: &'static str,
    kind: &'static str,
}

impl Step {
    const AUTHENTICATE: Self = Self { asked: "authenticate", kind: "auth" };
    const ACCOUNT: Self = Self { asked: "account", kind: "account" };
}

/// PAM's "no" apart from PAM's trouble. The same code for everything that depends on
/// the user; trouble is what meets all users alike.
fn answer(service: &OsStr, user: &[u8], step: Step, code: ErrorCode, heard: &Heard) -> Failure {
    let why = heard.why(code);
    match code {
        // The second: kinds of questions that the binding refuses by itself.
        _ if heard.asked_more.get() || code == ErrorCode::ConversationError => {
            Failure::Refused(user.to_vec(), Refusal::PamAsked(why))
        }
        // So pam_exec says that its command refuses.
        ErrorCode::SystemError
            if service::read(service, step.kind).is_ok_and(|service| service.commands > 0) =>
        {
            Failure::Refused(user.to_vec(), Refusal::Pam(why))
        }
        ErrorCode::OpenError
        | ErrorCode::SymbolError
        | ErrorCode::ServiceError
        | ErrorCode::SystemError
        | ErrorCode::BufferError
        | ErrorCode::AuthInfoUnavailable
        | ErrorCode::TryAgain
        | ErrorCode::Abort => Failure::Pam(step.asked, user.to_vec(), why),
        _ => Failure::Refused(user.to_vec(), Refusal::Pam(why)),
    }
}

/// The client's address for `PAM_RHOST`. One that IPv6 merely wraps is the IPv4 one,
/// so that who counts by address counts it once.
fn peer_address(remote: Option<&[u8]>) -> Option<OsString> {
    let remote = remote.filter(|address| !address.is_empty())?;
    let address = str::from_utf8(remote).ok().and_then(|text| text.parse::<IpAddr>().ok());
    Some(match address {
        Some(address) => address.to_canonical().to_string().into(),
        None => OsStr::from_bytes(remote).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_address_as_those_who_count_it_want_it() {
        let shown = |address: &str| peer_address(Some(address.as_bytes()));
        assert_eq!(shown("192.0.2.1"), Some("192.0.2.1".into()));
        assert_eq!(shown("::ffff:192.0.2.1"), Some("192.0.2.1".into()));
        assert_eq!(shown("2001:db8::1"), Some("2001:db8::1".into()));
        assert_eq!(shown("fe80::1%eth0"), Some("fe80::1%eth0".into()));
        assert_eq!(shown(""), None);
        assert_eq!(peer_address(None), None);
    }

    #[test]
    fn who_is_root() {
        assert!(look_up(b"root").unwrap().as_ref().is_some_and(is_root));
        assert!(matches!(look_up(b"no such user"), Ok(None)));
        assert!(matches!(look_up(b"\xff"), Ok(None)));
    }
}
