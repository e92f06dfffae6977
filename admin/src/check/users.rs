//! The users file of `checkpassword-file`.

use super::findings::{Findings, Place};
use super::permissions::{Readers, look};
use proto::escape::Escaped;
use proto::passwd_file::{Account, Entry, RunsAs, entries};
use proto::password_hash::{HashError, PasswordHash};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use unix::identity::{own_uid, runs_as_root};
use unix::trusted_file::read_trusted;

/// Looks at the file as the program would that runs as we do.
///
/// `jails` are the user ids of the processes that talk to strangers.
pub(super) fn check(path: &Path, maildir: Option<&str>, jails: &[u32], findings: &mut Findings) {
    look(path, Readers::OwnerOnly, findings);
    let contents = match read_trusted(path) {
        Ok(contents) => contents,
        Err(error) => return findings.unusable(path, &error),
    };
    let mut lines = BTreeMap::new();
    for (number, line) in (1..).zip(contents.split(|&octet| octet == b'\n')) {
        let place = Place::line(path, number);
        match entries(line).next() {
            Some(entry) => {
                if let Some(first) = lines.get(entry.user) {
                    let text = format!(
                        "{}: not used: line {first} has the same user, and the first counts",
                        Escaped(entry.user)
                    );
                    findings.warning(place, text);
                } else {
                    lines.insert(entry.user, number);
                }
                check_entry(&entry, maildir, jails, place, findings);
            }
            None if line.starts_with(b":") => findings.warning(place, "no user name"),
            None => {}
        }
    }
    if lines.is_empty() {
        findings.warning(path, "nobody can log in: add one with acceptutils user add");
    }
}

fn check_entry(
    entry: &Entry<'_>,
    maildir: Option<&str>,
    jails: &[u32],
    place: Place<'_>,
    findings: &mut Findings,
) {
    let user = Escaped(entry.user);
    match PasswordHash::parse(entry.hash) {
        Ok(_) => {}
        // What the administrator meant.
        Err(HashError::Locked) => findings.note(place, format!("{user}: locked: cannot log in")),
        Err(HashError::Unknown) => {
            findings.error(place, format!("{user}: its kind of hash is not known"));
        }
        Err(HashError::Malformed) => {
            findings.error(place, format!("{user}: its hash is cut off or mistyped"));
        }
    }
    let runs_as = if runs_as_root() { RunsAs::Root } else { RunsAs::User { uid: own_uid() } };
    match entry.account(runs_as) {
        Ok(account) => {
            if let Some((uid, _)) = account.ids.filter(|(uid, _)| jails.contains(uid)) {
                let text = format!(
                    "{user}: uid {uid} is that of the processes that talk to strangers, which \
                     could stop the user's mail program"
                );
                findings.error(place, text);
            }
            check_home(entry.user, &account, place, findings);
            if let Some(maildir) = maildir {
                check_maildir(entry.user, &account, maildir, place, findings);
            }
        }
        Err(error) => findings.error(place, format!("{user}: {error}")),
    }
}

fn check_home(user: &[u8], account: &Account<'_>, place: Place<'_>, findings: &mut Findings) {
    let (user, home) = (Escaped(user), Path::new(OsStr::from_bytes(account.home)));
    match home.metadata() {
        Err(error) => {
            let (home, reason) = (home.display(), unix::log::Reason(&error));
            findings.error(place, format!("{user}: home folder: {home}: {reason}"));
        }
        Ok(found) => {
            let owner = found.uid();
            if account.ids.is_some_and(|(uid, _)| uid != owner) && home != Path::new("/") {
                let home = home.display();
                findings.warning(place, format!("{user}: {home} belongs to user {owner}"));
            }
        }
    }
}

fn check_maildir(
    user: &[u8],
    account: &Account<'_>,
    maildir: &str,
    place: Place<'_>,
    findings: &mut Findings,
) {
    let maildir = Path::new(OsStr::from_bytes(account.home)).join(maildir);
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if maildir.join("cur").metadata().err().as_ref().is_some_and(is_missing) {
        let (user, maildir) = (Escaped(user), maildir.display());
        findings
            .warning(place, format!("{user}: {maildir}: no Maildir: there is no mail to fetch"));
    }
}
