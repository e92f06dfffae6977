//! A Dovecot of the test's own, with nothing but its login service; Debian's is left alone.

use crate::run::{Master, output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One that runs, until this is dropped.
#[derive(Debug)]
pub struct Dovecot {
    config: PathBuf,
    _master: Master,
}

impl Dovecot {
    /// Starts it in a folder, with its login service as this user and with these databases of
    /// passwords and users, and waits until it listens.
    #[must_use]
    pub fn start(folder: &Path, user: &str, databases: &str) -> Self {
        let (base, config) = (folder.display(), folder.join("dovecot.conf"));
        let text = format!(
            "base_dir = {base}/run\nstate_dir = {base}/state\nlog_path = /dev/stderr\nprotocols =\n\
             ssl = no\nfirst_valid_uid = 1\nauth_failure_delay = 0\n\
             service auth {{\n user = {user}\n}}\n\
             service anvil {{\n unix_listener anvil-auth-penalty {{\n  mode = 0\n }}\n}}\n{databases}"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("dovecot");
        command.args(["-F", "-c"]).arg(&config).stdin(Stdio::null());
        Self { config, _master: Master::start(&mut command, "starting up") }
    }

    /// `doveadm auth` by it: `test` or `login`, of a user with a password.
    #[must_use]
    pub fn auth(&self, how: &str, user: &str, password: &str) -> Output {
        let mut doveadm = Command::new("doveadm");
        output(doveadm.arg("-c").arg(&self.config).args(["auth", how, user, password]), b"")
    }
}
