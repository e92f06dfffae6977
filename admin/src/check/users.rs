//! The users file of `checkpassword-file`, as the user sees it that the program runs as.

use super::findings::{Findings, Place};
use super::identity::{self, User, Who};
use super::permissions::{Readers, check_permissions};
use super::service::Service;
use proto::escape::Escaped;
use proto::passwd_file::{Account, Entry, RunsAs, entries};
use proto::password_hash::{HashError, PasswordHash};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use unix::identity::{own_uid, runs_as_root};
use unix::regular_file::read_secret;
use unix::trusted_file::read_trusted;
use zeroize::Zeroizing;

/// The users files that are asked, and as whom; from the qmail home, where whatever holds
/// the dialog is.
pub(super) fn asked_by(service: &Service) -> Vec<(PathBuf, Who)> {
    let links = service.script.links();
    let asking = links.iter().enumerate().filter(|(_, link)| {
        let is_computed = link.arguments.iter().any(|word| word.is_computed);
        link.name() == "checkpassword-file" && !is_computed
    });
    let files = asking.filter_map(|(at, link)| {
        let who = identity::behind(service, links.get(..at).unwrap_or_default());
        let file = Path::new(link.option('f').filter(|file| !file.is_empty())?);
        let home = || service.script.home().map(Path::new);
        let file = if file.is_absolute() { file.to_owned() } else { home()?.join(file) };
        Some((file, who))
    });
    files.collect()
}

/// What an entry is looked at with.
struct Eyes<'a> {
    /// As whom the program reads it.
    runs_as: RunsAs,
    /// Where mail is fetched from, in a user's home.
    maildir: Option<&'a str>,
    /// Users of processes that talk to strangers.
    jails: &'a [u32],
}

/// Looks at the file as the program would.
///
/// `jails` are the user ids of the processes that talk to strangers.
pub(super) fn check(
    path: &Path,
    who: &Who,
    maildir: Option<&str>,
    jails: &[u32],
    findings: &mut Findings,
) {
    check_permissions(path, Readers::OwnerOnly, findings);
    let user = match who {
        Who::User(user) if user.uid != 0 => Some(user),
        _ => None,
    };
    if let Some(User { uid, how, .. }) = user.filter(|user| !user.can_read(path)) {
        let text = format!(
            "{how}: checkpassword-file runs as user {uid}, who cannot read it: nobody can log in"
        );
        return findings.error(path, text);
    }
    let runs_as = match user {
        Some(user) => RunsAs::User { uid: user.uid },
        None if runs_as_root() => RunsAs::Root,
        None => RunsAs::User { uid: own_uid() },
    };
    let eyes = Eyes { runs_as, maildir, jails };
    let contents = match read(path, runs_as) {
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
                check_entry(&entry, &eyes, place, findings);
            }
            None if line.starts_with(b":") => findings.warning(place, "no user name"),
            None => {}
        }
    }
    if lines.is_empty() {
        findings.warning(path, "nobody can log in: add one with acceptutils user add");
    }
}

/// Reads it as its reader would: who trusts root, and itself.
fn read(path: &Path, runs_as: RunsAs) -> io::Result<Zeroizing<Vec<u8>>> {
    let owner = path.metadata()?.uid();
    match runs_as {
        RunsAs::User { uid } if uid == owner && uid != own_uid() => {
            read_secret(path).map(|(contents, _)| contents)
        }
        _ => read_trusted(path),
    }
}

fn check_entry(entry: &Entry<'_>, eyes: &Eyes<'_>, place: Place<'_>, findings: &mut Findings) {
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
    match entry.account(eyes.runs_as) {
        Ok(account) => {
            if let Some((uid, _)) = account.ids.filter(|(uid, _)| eyes.jails.contains(uid)) {
                let text = format!(
                    "{user}: uid {uid} is that of the processes that talk to strangers, which \
                     could stop the user's mail program"
                );
                findings.error(place, text);
            }
            check_home(entry.user, &account, place, findings);
            if let Some(maildir) = eyes.maildir {
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
