//! What the administrator says about logins, beside what is said to the client before one
//! ([`crate::before_login`]): control files that whoever runs login programs reads, authup or
//! tlsserver's monitor.

use crate::control::{Folder, Unreadable};
use crate::failures;
use proto::failures::Settings;
use proto::logfmt::Format;
use proto::login::names::LoginNames;
use proto::names::ControlFile;
use std::path::Path;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginControls {
    /// What is made of the names that clients give.
    pub names: LoginNames,
    /// How refused logins are remembered, if they are.
    pub failures: Option<Settings>,
    /// Whether lines that say all are asked for.
    pub format: Option<Format>,
}

impl LoginControls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first that is there and cannot be used, with the line where it is one's fault.
    pub fn read(control: &Folder) -> Result<Self, Unreadable> {
        let failures = failures::settings(control)?;
        let names = names(control)?;
        let format = control.parse(ControlFile::LogFormat, Format::parse)?;
        Ok(Self { names, failures, format })
    }
}

fn names(control: &Folder) -> Result<LoginNames, Unreadable> {
    let names = control.read(ControlFile::LoginNames)?.unwrap_or_default();
    LoginNames::parse(&names).map_err(|fault| {
        let why = "neither lower-case nor strip-domain";
        control.unfit_line(ControlFile::LoginNames, fault.line, why)
    })
}

/// What is made of the names that clients give, by the control file in this qmail home.
///
/// # Errors
/// It is there and cannot be used, with the line where it is one's fault.
pub fn login_names(home: &Path) -> Result<LoginNames, Unreadable> {
    names(&Folder::of(Some(home.as_os_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        let home = tempfile::tempdir().unwrap();
        let control = home.path().join("control");
        std::fs::create_dir(&control).unwrap();
        let read = || LoginControls::read(&Folder::of(Some(home.path().as_os_str())));
        let nothing = LoginControls { names: LoginNames::default(), failures: None, format: None };
        assert_eq!(read().unwrap(), nothing);
        std::fs::write(control.join("loginnames"), "# names\nlower-case\n").unwrap();
        assert_eq!(read().unwrap().names.apply(b"Bob"), b"bob");
        std::fs::write(control.join("loginnames"), "lower-case\nupper-case\n").unwrap();
        let why = read().unwrap_err().to_string();
        let expected = "/control/loginnames:2: neither lower-case nor strip-domain";
        assert_eq!(why, format!("{}{expected}", home.path().display()));
    }
}
