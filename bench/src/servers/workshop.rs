//! A folder with what the servers need: certificate, key, control files, users.

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use std::fs;
use std::io;
use std::path::PathBuf;
use tempfile::TempDir;
use test_support::certificate::Pem;
use test_support::folder::{public, write_secret};

use crate::service::{PASSWORD, USER};

/// The user of what runs behind a login: Debian's nobody.
pub(crate) const NOBODY: u32 = 65534;

/// The rules that the repository gives to administrators.
pub(crate) const RULES: &str = include_str!("../../../contrib/control/fixsmtpio");

/// The folder; gone with this.
pub(crate) struct Workshop {
    directory: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> io::Result<Self> {
        // Dovecot's mail programs are nobody.
        let workshop = Self { directory: public() };
        workshop.write_certificate()?;
        fs::create_dir(workshop.path("control"))?;
        workshop.write("control/me", "localhost\n")?;
        workshop.write("control/smtpcapabilities", "PIPELINING\n8BITMIME\n")?;
        workshop.write("control/pop3capabilities", "UIDL\n")?;
        workshop.write("control/imapcapabilities", "IDLE\n")?;
        workshop.write("control/fixsmtpio", RULES)?;
        write_secret(&workshop.path("users"), &users()?);
        Ok(workshop)
    }

    fn write_certificate(&self) -> io::Result<()> {
        let Pem { certificate, key } = Pem::of(&["localhost"]);
        self.write("cert.pem", &certificate)?;
        write_secret(&self.path("key.pem"), &key);
        write_secret(&self.path("both.pem"), &format!("{key}{certificate}"));
        Ok(())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
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
