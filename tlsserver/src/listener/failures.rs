//! Clients that are not heard, as too many logins from their address have been refused:
//! the reading half of the memory that authup's monitor writes.
//!
//! Only where somebody logs in: whoever brings mail to port 25 is not told by what other
//! people of his network have done. What a home says that a rule names is read when the first
//! client comes whom that rule is for, and again with the ordinary one's.

use proto::names::Variable;
use proto::variables;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use unix::control::{Folder, Unreadable};
use unix::failures::{Memory, settings};

use super::report::Event;
use crate::environment::{Variables, value};
use crate::log::Log;
use crate::options::Options;

/// Names of the program that lets people log in.
const LOGIN_PROGRAMS: [&str; 2] = ["authup", "qmail-authup"];

/// What the listener knows of refused logins; nothing, where nobody logs in.
#[derive(Debug)]
pub(super) struct Failures(Option<Homes>);

/// The homes of a service with a login.
#[derive(Debug)]
struct Homes {
    ordinary: Home,
    /// Those that rules have named.
    others: BTreeMap<OsString, Home>,
}

/// What is said in one home.
#[derive(Debug)]
struct Home {
    control: Folder,
    /// None where nothing is remembered.
    memory: Option<Memory>,
}

impl Failures {
    /// Reads what the administrator says.
    ///
    /// # Errors
    /// Why the control file cannot be used.
    pub(super) fn new(options: &Options, variables: &Variables) -> Result<Self, Unreadable> {
        if options.login.is_none() && !options.program.iter().any(is_login) {
            return Ok(Self(None));
        }
        let ordinary = Home::read(Folder::of(value(variables, Variable::QmailHome)))?;
        Ok(Self(Some(Homes { ordinary, others: BTreeMap::new() })))
    }

    /// Reads it anew. Another home than the ordinary one is read when it is needed again.
    ///
    /// # Errors
    /// As [`Self::new`]; then all stays as it was.
    pub(super) fn read(&mut self) -> Result<(), Unreadable> {
        let Some(homes) = &mut self.0 else { return Ok(()) };
        homes.ordinary.memory = settings(&homes.ordinary.control)?.map(Memory::new);
        homes.others.clear();
        Ok(())
    }

    /// Looks whether a client at this address, for which the rules add this, is not to be heard.
    pub(super) fn shut_out(&mut self, address: IpAddr, added: &Variables, log: Log) -> bool {
        let Some(homes) = &mut self.0 else { return false };
        let home = variables::value(added, Variable::QmailHome).map(OsStr::from_bytes);
        let Some(memory) = &mut homes.home(home, log).memory else { return false };
        let is_shut_out = memory.shuts_out(address);
        if let Some(why) = memory.trouble() {
            Event::FailuresNotRemembered(&why).log(log);
        }
        is_shut_out
    }
}

impl Homes {
    /// The one that a rule names, or the ordinary one.
    fn home(&mut self, named: Option<&OsStr>, log: Log) -> &mut Home {
        let Some(name) = named else { return &mut self.ordinary };
        if !self.others.contains_key(name) {
            self.others.insert(name.to_owned(), Home::of(name, log));
        }
        self.others.get_mut(name).unwrap_or(&mut self.ordinary)
    }
}

impl Home {
    fn read(control: Folder) -> Result<Self, Unreadable> {
        let memory = settings(&control)?.map(Memory::new);
        Ok(Self { control, memory })
    }

    /// One that a rule names. What cannot be used is said, and then nobody is shut out.
    fn of(name: &OsStr, log: Log) -> Self {
        Self::read(Folder::of(Some(name))).unwrap_or_else(|why| {
            Event::FailuresNotRemembered(&why.to_string()).log(log);
            Self { control: Folder::of(Some(name)), memory: None }
        })
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
        Failures::new(&options, &Variables::new()).unwrap().0.is_some()
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
