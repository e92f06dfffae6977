//! Clients that are not heard, as too many logins from their address have been refused:
//! the reading half of the memory that authup's monitor writes.
//!
//! Only where somebody logs in: whoever brings mail to port 25 is not told by what other
//! people of his network have done.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::Path;
use unix::control::{Folder, Unreadable};
use unix::failures::{Memory, settings};

use super::report::Event;
use crate::environment::{Variables, value};
use crate::log::Log;
use crate::options::Options;

const HOME: &str = "QMAILHOME";

/// Names of the program that lets people log in.
const LOGIN_PROGRAMS: [&str; 2] = ["authup", "qmail-authup"];

/// What the listener knows of refused logins.
#[derive(Debug)]
pub(super) struct Failures {
    /// None where nobody logs in.
    control: Option<Folder>,
    /// None where nothing is remembered.
    memory: Option<Memory>,
}

impl Failures {
    /// Of no service with a login.
    pub(super) const fn of_nobody() -> Self {
        Self { control: None, memory: None }
    }

    /// Reads what the administrator says.
    ///
    /// # Errors
    /// Why the control file cannot be used.
    pub(super) fn new(options: &Options, variables: &Variables) -> Result<Self, Unreadable> {
        let has_login = options.login.is_some() || options.program.iter().any(is_login);
        let control = has_login.then(|| Folder::of(value(variables, HOME)));
        let mut failures = Self { control, memory: None };
        failures.read()?;
        Ok(failures)
    }

    /// Reads it anew.
    ///
    /// # Errors
    /// As [`Self::new`]; then all stays as it was.
    pub(super) fn read(&mut self) -> Result<(), Unreadable> {
        let Some(control) = &self.control else { return Ok(()) };
        self.memory = settings(control)?.map(Memory::new);
        Ok(())
    }

    /// Looks whether a client at this address is not to be heard.
    pub(super) fn shut_out(&mut self, address: IpAddr, log: Log) -> bool {
        let Some(memory) = &mut self.memory else { return false };
        let is_shut_out = memory.shuts_out(address);
        if let Some(why) = memory.trouble() {
            Event::FailuresNotRemembered(&why).log(log);
        }
        is_shut_out
    }
}

fn is_login(word: &OsString) -> bool {
    let name = Path::new(word).file_name();
    LOGIN_PROGRAMS.iter().any(|login| name == Some(OsStr::new(login)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(line: &str) -> bool {
        let words = line.split(' ').map(OsString::from);
        let options = Options::parse(words).unwrap();
        Failures::new(&options, &Variables::new()).unwrap().control.is_some()
    }

    #[test]
    fn d59_only_services_with_a_login_close_at_accept() {
        for (line, reads_it) in [
            ("0 587 authup smtp checkpassword prog", true),
            ("0 587 env -i /usr/local/bin/qmail-authup smtp checkpassword prog", true),
            ("--login pop3 0 995 prog", true),
            ("0 25 fixsmtpio qmail-smtpd", false),
            ("0 25 fixsmtpio /etc/authup/smtpd", false),
        ] {
            assert_eq!(reads(line), reads_it, "{line}");
        }
    }
}
