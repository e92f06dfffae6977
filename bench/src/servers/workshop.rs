//! A folder with what the servers need: certificate, key, control files, users.

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use std::io;
use test_support::certificate::Pem;
use test_support::folder::{Folder, write_secret};
use test_support::service::{NOBODY, write_controls};

use crate::service::{PASSWORD, USER};

/// The rules that the repository gives to administrators.
pub(crate) const RULES: &str = include_str!("../../../contrib/control/fixsmtpio");

/// Makes it; Dovecot's mail programs, which read it, too, are nobody.
pub(crate) fn workshop() -> io::Result<Folder> {
    let folder = Folder::make();
    let pem = Pem::of(&["localhost"]);
    pem.write(&folder, "server");
    write_secret(&folder.path("both.pem"), &[pem.key, pem.certificate].concat());
    write_controls(
        &folder,
        &[
            ("me", "localhost\n"),
            ("smtpcapabilities", "PIPELINING\n8BITMIME\n"),
            ("pop3capabilities", "UIDL\n"),
            ("imapcapabilities", "IDLE\n"),
            ("fixsmtpio", RULES),
        ],
    );
    write_secret(&folder.path("users"), &users()?);
    Ok(folder)
}

/// A users file with the cheapest hash there is: what a hash costs is the
/// administrator's choice, and the other contestants check none.
fn users() -> io::Result<String> {
    let params = Params::new(8, 1, 1, None).map_err(io::Error::other)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(PASSWORD.as_bytes())
        .map_err(io::Error::other)?;
    Ok(format!("{USER}:{hash}:{NOBODY}:{NOBODY}::/:/bin/sh:\n"))
}
