//! Which folder is meant: a qmail home, with control files, users and services in it.

use proto::names::Variable;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use unix::environment;

/// Where the Debian package's unit looks for run scripts, and what the files in
/// `contrib` name.
pub(crate) const PACKAGED: &str = "/etc/acceptutils";

/// The qmail home: as said, or else as the environment has it.
pub(crate) fn qmail_home(said: Option<&Path>) -> PathBuf {
    said.map(PathBuf::from).or_else(inherited).unwrap_or_else(|| unix::control::HOME.into())
}

/// The one that the environment has, where it has one.
pub(crate) fn inherited() -> Option<PathBuf> {
    environment::inherited(Variable::QmailHome).filter(|said| !said.is_empty()).map(PathBuf::from)
}

/// The folder that is meant where none is named.
pub(crate) fn usual_home() -> PathBuf {
    let packaged = Path::new(PACKAGED);
    if inherited().is_none() && packaged.join("control").is_dir() {
        return packaged.to_owned();
    }
    qmail_home(None)
}

/// Whether a server is called by its address.
pub(crate) fn is_ip_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// Whether it is a host's name (RFC 1123, section 2.1), as long as the system has them.
pub(crate) fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let fits = (1..=63).contains(&label.len()) && !label.starts_with('-');
        let is_of_it = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        fits && !label.ends_with('-') && label.bytes().all(is_of_it)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
