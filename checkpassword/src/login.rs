//! The end of a good login, the same for both programs: take on the identity, go
//! home, and become the next program. And its beginning: descriptor 3.

use crate::failure::{Failure, Refusal};
use proto::checkpassword::LIMIT;
use proto::checkpassword::reader::Credentials;
use proto::names::Variable;
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use unix::environment::Environment;
use unix::identity::Identity;
use unix::process::{Argv, keep_out_of_core_files};
use unix::ready::{self, READY};

/// The octets of descriptor 3, wiped when dropped.
pub(crate) struct Record(unix::password_fd::Octets);

impl Record {
    /// Reads descriptor 3. Must come before the process opens anything.
    pub(crate) fn read() -> Result<Self, Failure> {
        keep_out_of_core_files();
        unix::password_fd::read_password_fd(LIMIT).map(Self).map_err(Failure::NoRecord)
    }

    /// User and password, neither of them empty: an empty password may be right for
    /// PAM, and is for nobody who comes over a network.
    pub(crate) fn credentials(&self) -> Result<Credentials<'_>, Failure> {
        let credentials = Credentials::decode(&self.0).map_err(Failure::BrokenRecord)?;
        if credentials.user.is_empty() || credentials.password.is_empty() {
            return Err(Failure::Refused(credentials.user.to_vec(), Refusal::Empty));
        }
        Ok(credentials)
    }
}

/// A user who is let in.
#[derive(Debug)]
pub(crate) struct Login {
    /// For `USER`.
    pub(crate) user: OsString,
    /// For `HOME`, and where the next program starts.
    pub(crate) home: PathBuf,
    /// For `SHELL`.
    pub(crate) shell: OsString,
}

impl Login {
    /// Becomes `next` as this user, once whoever waits has been told that the login is
    /// good; returns only if that fails. `None` for the identity: stay who we are, which is
    /// not root.
    pub(crate) fn enter(
        &self,
        identity: Option<Identity<'_>>,
        mut environment: Environment,
        next: &Argv,
    ) -> Result<Infallible, Failure> {
        if let Some(identity) = identity {
            let user = || self.user.clone().into_encoded_bytes();
            identity.assume().map_err(|error| Failure::Identity(user(), error))?;
        }
        std::env::set_current_dir(&self.home)
            .map_err(|error| Failure::Home(self.home.clone(), error))?;
        for (variable, value) in [
            (Variable::User, self.user.as_os_str()),
            (Variable::Home, self.home.as_os_str()),
            (Variable::Shell, self.shell.as_os_str()),
        ] {
            environment.set(variable, Some(value.as_bytes()));
        }
        // Nobody is root here, so there is nothing that is left to be refused.
        let waiting = environment.take(READY);
        if let Some(number) = &waiting {
            ready::notify(number);
        }
        let error = next.become_it(&environment);
        let told = waiting.is_some();
        Err(Failure::Exec { program: next.name().clone(), error, told })
    }
}
