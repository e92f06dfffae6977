//! The home folders of the users in a users file: the login program has become the user when it
//! goes there, and lets nobody in where it cannot.

use super::findings::{Findings, Place};
use super::identity::User;
use proto::escape::Escaped;
use proto::passwd_file::Account;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use unix::identity::own_uid;
use unix::log::Reason;

/// Looks at a user's home, and at the Maildir in it where mail is fetched from one.
pub(super) fn check(
    user: &[u8],
    account: &Account<'_>,
    maildir: Option<&str>,
    place: Place<'_>,
    findings: &mut Findings,
) {
    let (name, home) = (Escaped(user), Path::new(OsStr::from_bytes(account.home)));
    let shown = home.display();
    // An entry without ids is whose file it is.
    let (uid, gid) = account.ids.map_or((own_uid(), None), |(uid, gid)| (uid, Some(gid)));
    let found = match home.metadata() {
        Ok(found) if found.is_dir() => found,
        wrong => {
            let error = wrong.err().unwrap_or_else(|| Errno::NOTDIR.into());
            let text = format!("{name}: home folder: {shown}: {}", Reason(&error));
            return findings.error(place, text);
        }
    };
    if let Some(barred) = User::of_entry(uid, gid).barred_at(home) {
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
