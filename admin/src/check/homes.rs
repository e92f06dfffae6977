//! The home folders of the users in a users file: the login program has become the user when it
//! goes there, and lets nobody in where it cannot.

use super::findings::{Findings, Place};
use super::who::User;
use proto::escape::Escaped;
use proto::passwd_file::Account;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use unix::log::Reason;

/// A user, by the entry of a users file.
#[derive(Debug)]
pub(super) struct Owner<'a> {
    /// The login name.
    pub(super) name: &'a [u8],
    /// What the entry says.
    pub(super) account: &'a Account<'a>,
    /// As whom one without ids runs.
    pub(super) own: &'a User,
}

/// Looks at a user's home, and at the Maildir in it where mail is fetched from one.
pub(super) fn check(
    owner: &Owner<'_>,
    maildir: Option<&str>,
    place: Place<'_>,
    findings: &mut Findings,
) {
    let Owner { name, account, own } = owner;
    let (name, home) = (Escaped(name), Path::new(OsStr::from_bytes(account.home)));
    let shown = home.display();
    let of_entry = account.ids.map(|(uid, gid)| User::of_entry(uid, Some(gid)));
    let runs_as = of_entry.as_ref().unwrap_or(own);
    let uid = runs_as.uid;
    let found = match home.metadata() {
        Ok(found) if found.is_dir() => found,
        wrong => {
            let error = wrong.err().unwrap_or_else(|| Errno::NOTDIR.into());
            let text = format!("{name}: home folder: {shown}: {}", Reason(&error));
            return findings.error(place, text);
        }
    };
    if let Some(barred) = runs_as.barred_at(home) {
        let barred = barred.display();
        let text = format!("{name}: home folder: {shown}: user {uid} cannot enter {barred}");
        return findings.error(place, text);
    }
    let owner = found.uid();
    if account.ids.is_some() && uid != owner && home != Path::new("/") {
        findings.warning(place, format!("{name}: {shown} belongs to user {owner}"));
    }
    let Some(maildir) = maildir.map(|maildir| home.join(maildir)) else { return };
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if maildir.join("cur").metadata().err().as_ref().is_some_and(is_missing) {
        let maildir = maildir.display();
        let text = format!("{name}: {maildir}: no Maildir: there is no mail to fetch");
        findings.warning(place, text);
    }
}
