//! What the environment says to the server, and what of it goes on to its other processes and
//! to programs. It is read once by each process, at its start.

use proto::login::handoff::Name;
use proto::names::Variable;
pub use proto::variables::Variables;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use unix::jail::{Identity, NoIdentity};

/// What this process was started with. Of several of one name the first counts, as it does for
/// the C library.
#[must_use]
pub fn inherited() -> Variables {
    let mut inherited = Variables::new();
    for (name, value) in std::env::vars_os() {
        if inherited.iter().all(|(known, _)| known != name.as_bytes()) {
            inherited.push((name.into_vec(), value.into_vec()));
        }
    }
    inherited
}

/// The user and group of the jailed processes: `SSL_UID` and `SSL_GID`, or
/// `TLS_UID` and `TLS_GID`, or nobody.
///
/// # Errors
/// When one is not a number, or none for a jail.
pub fn jail_identity(variables: &Variables) -> Result<Identity, NoIdentity> {
    let number = |names: [Variable; 2], nobody| {
        let found = names.iter().find_map(|&one| Some((one.name(), value(variables, one)?)));
        found.map_or(Ok(nobody), |(name, text)| Identity::number(name, text.as_bytes()))
    };
    let Identity { user, group } = Identity::NOBODY;
    Ok(Identity {
        user: number([Variable::SslUid, Variable::TlsUid], user)?,
        group: number([Variable::SslGid, Variable::TlsGid], group)?,
    })
}

/// What sslserver reads and this server does not, and why that has no effect.
const WITHOUT_EFFECT: [(Variable, &str); 9] = [
    (Variable::Ciphers, "the cipher suites are fixed"),
    (Variable::DhFile, "there is no finite-field Diffie-Hellman"),
    (Variable::CaFile, "the chain is read from CERTFILE"),
    (Variable::CaDir, "the chain is read from CERTFILE"),
    (Variable::CcaFile, "client certificates are not requested"),
    (Variable::VerifyDepth, "client certificates are not requested"),
    (Variable::SslUser, "a number is read from SSL_UID"),
    (Variable::SslGroup, "a number is read from SSL_GID"),
    (Variable::SslChroot, "the jail has a folder of its own"),
];

/// Those of sslserver's variables that are set and have no effect, each with the reason.
pub fn without_effect(variables: &Variables) -> impl Iterator<Item = (Variable, &'static str)> {
    let is_set = |one| value(variables, one).is_some_and(|value| !value.is_empty());
    WITHOUT_EFFECT.into_iter().filter(move |(variable, _)| is_set(*variable))
}

/// The variables of the jailed processes: `only` as they are, nothing else.
#[must_use]
pub fn only(variables: &Variables, mut wanted: impl FnMut(&[u8]) -> bool) -> Variables {
    variables.iter().filter(|(name, _)| wanted(name)).cloned().collect()
}

/// Whether the keyholder reads the variable: certificates, keys, and its user.
#[must_use]
pub fn is_for_keyholder(name: &[u8]) -> bool {
    is_certificate(name) || is_identity(name)
}

/// Whether the variable says which user the jailed processes become.
#[must_use]
pub fn is_identity(name: &[u8]) -> bool {
    is_one_of(name, &[Variable::SslUid, Variable::SslGid, Variable::TlsUid, Variable::TlsGid])
}

fn is_one_of(name: &[u8], variables: &[Variable]) -> bool {
    variables.iter().any(|one| one.name().as_bytes() == name)
}

/// Whether the program may see the variable of the server's own environment. Not
/// what is said to the server, and not what would pass for its word: a stale
/// `SSL_PROTOCOL` would read as TLS that is on, a stale `TCPREMOTEIP` as a peer.
#[must_use]
pub fn is_for_program(name: &[u8]) -> bool {
    let server_s_own = is_certificate(name)
        || is_identity(name)
        || name.starts_with(b"SSL_")
        || is_one_of(name, &SERVER_S_OWN);
    !server_s_own
}

/// What is said to the dialog, or to authup.
const DIALOG_S: [Variable; 5] = [
    Variable::QmailHome,
    Variable::UcspiTls,
    Variable::DisableTls,
    Variable::AuthupUid,
    Variable::AuthupGid,
];

/// What else would pass for the server's word, is said to its own processes, or was said to it
/// by its supervisor.
const SERVER_S_OWN: [Variable; 23] = [
    Variable::HandshakeSeconds,
    Variable::Clients,
    Variable::NoCertificate,
    Variable::NoTickets,
    Variable::SslCtlFd,
    Variable::SslReadFd,
    Variable::SslWriteFd,
    Variable::ListenFds,
    Variable::ListenPid,
    Variable::ListenFdNames,
    Variable::NotifySocket,
    Variable::Proto,
    Variable::TcpRemoteInfo,
    Variable::TcpRemoteIp,
    Variable::TcpRemotePort,
    Variable::TcpRemoteHost,
    Variable::SslRemoteIp,
    Variable::SslRemotePort,
    Variable::SslLocalIp,
    Variable::SslLocalPort,
    Variable::TcpLocalIp,
    Variable::TcpLocalPort,
    Variable::TcpLocalHost,
];

/// Whether a login program may see it: what is said to the dialog is not for it either.
#[must_use]
pub fn is_for_login_program(name: &[u8]) -> bool {
    let ours = is_one_of(name, &DIALOG_S) || is_one_of(name, &Name::ALL.map(Name::variable));
    is_for_program(name) && !ours
}

/// A variable's value.
#[must_use]
pub fn value(variables: &Variables, variable: Variable) -> Option<&OsStr> {
    proto::variables::value(variables, variable).map(OsStr::from_bytes)
}

/// The value of a variable that names a file, which an empty one does not. Behind its name
/// stands `behind`: nothing, or a colon and a host's name.
#[must_use]
pub fn file<'a>(variables: &'a Variables, variable: Variable, behind: &str) -> Option<&'a OsStr> {
    let name = [variable.name(), behind].concat();
    let value = proto::variables::named(variables, &name).map(OsStr::from_bytes);
    value.filter(|value| !value.is_empty())
}

fn is_certificate(name: &[u8]) -> bool {
    name == Variable::CertChainFile.name().as_bytes()
        || [Variable::CertFile, Variable::KeyFile].iter().any(|kind| {
            let Some(rest) = name.strip_prefix(kind.name().as_bytes()) else { return false };
            let rest = rest.strip_prefix(b"2").unwrap_or(rest);
            rest.is_empty() || rest.starts_with(b":")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(settings: &[(&str, &str)]) -> Variables {
        settings.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_jails_user() {
        let identity = |settings| jail_identity(&variables(settings));
        let of = |user, group| Ok(Identity { user, group });
        assert_eq!(identity(&[]), Ok(Identity::NOBODY));
        assert_eq!(identity(&[("SSL_UID", "7"), ("SSL_GID", "8")]), of(7, 8));
        assert_eq!(identity(&[("TLS_UID", "7"), ("TLS_GID", "8")]), of(7, 8));
        assert_eq!(identity(&[("SSL_UID", "x")]), Err(NoIdentity::NotANumber("SSL_UID")));
        assert_eq!(identity(&[("TLS_GID", "-1")]), Err(NoIdentity::NotANumber("TLS_GID")));
    }

    #[test]
    fn nobody_in_a_jail_is_root() {
        for (name, number) in [
            ("SSL_UID", "0"),
            ("SSL_GID", "0"),
            ("TLS_UID", "4294967295"),
            ("TLS_GID", "4294967295"),
        ] {
            let refused = jail_identity(&variables(&[(name, number)]));
            assert_eq!(refused, Err(NoIdentity::LeavesRoot(name)));
        }
    }

    #[test]
    fn who_sees_which_variable() {
        for (name, keyholder, program) in [
            ("CERTFILE", true, false),
            ("KEYFILE:mail.example.org", true, false),
            ("CERTFILE2", true, false),
            ("KEYFILE2:mail.example.org", true, false),
            ("CERTCHAINFILE", true, false),
            ("CERTCHAINFILE:mail.example.org", false, true),
            ("CERTFILES", false, true),
            ("CERTFILE22", false, true),
            ("SSL_UID", true, false),
            ("SSL_PROTOCOL", false, false),
            ("SSLCTLFD", false, false),
            ("LISTEN_FDS", false, false),
            ("NOTIFY_SOCKET", false, false),
            ("TCPREMOTEIP", false, false),
            ("SSLREMOTEIP", false, false),
            ("CLIENTS", false, false),
            ("HANDSHAKE_SECONDS", false, false),
            ("NO_CERTIFICATE", false, false),
            ("NO_TICKETS", false, false),
            ("UCSPITLS", false, true),
            ("PATH", false, true),
        ] {
            assert_eq!(is_for_keyholder(name.as_bytes()), keyholder, "{name}");
            assert_eq!(is_for_program(name.as_bytes()), program, "{name}");
        }
    }
}
