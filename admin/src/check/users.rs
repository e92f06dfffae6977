//! The users file of `checkpassword-file`, as the user sees it that the program runs as.

use super::findings::{Findings, Place};
use super::homes::{self, Owner};
use super::identity;
use super::permissions::{Readers, check_permissions_for};
use super::service::Service;
use super::who::{User, Who};
use crate::run_script::Link;
use proto::escape::Escaped;
use proto::login::names::LoginNames;
use proto::passwd_file::{Entry, RunsAs, entries};
use proto::password_hash::{HashError, PasswordHash};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use unix::identity::own_uid;
use unix::regular_file::read_secret;
use unix::trusted_file::read_trusted;
use zeroize::Zeroizing;

/// The users files that are asked, and as whom; from the qmail home, where whatever holds
/// the dialog is.
pub(super) fn asked_by(service: &Service) -> Vec<(PathBuf, Who)> {
    let links = service.script.links();
    let asking = links.iter().enumerate().filter(|(_, link)| link.name() == "checkpassword-file");
    let files = asking.filter_map(|(at, link)| {
        let who = identity::behind(service, links.get(..at).unwrap_or_default());
        Some((file(service, link)?, who))
    });
    files.collect()
}

/// The file that is named to `checkpassword-file`; none where only a shell knows it.
pub(super) fn file(service: &Service, login: &Link<'_>) -> Option<PathBuf> {
    let is_known = login.arguments.iter().all(|word| !word.is_computed);
    let file = login.option('f').filter(|file| is_known && !file.is_empty()).map(Path::new)?;
    let home = || service.script.home().map(Path::new);
    Some(if file.is_absolute() { file.to_owned() } else { home()?.join(file) })
}

/// What entries are held against.
#[derive(Debug)]
pub(super) struct Against<'a> {
    /// Where mail is fetched from, in a user's home.
    pub(super) maildir: Option<&'a str>,
    /// The user ids of the processes that talk to strangers.
    pub(super) jails: &'a [u32],
    /// What is made of the names that clients give.
    pub(super) names: &'a LoginNames,
}

/// Looks at the file as the program would.
pub(super) fn check(path: &Path, who: &Who, against: &Against<'_>, findings: &mut Findings) {
    check_permissions_for(path, Readers::OwnerAndDovecot, who, findings);
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
    let own = user.cloned().unwrap_or_else(|| User::of_entry(own_uid(), None));
    let runs_as = match own.uid {
        0 => RunsAs::Root,
        uid => RunsAs::User { uid },
    };
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
                check_entry(&entry, (runs_as, &own), against, place, findings);
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

fn check_entry(
    entry: &Entry<'_>,
    (runs_as, own): (RunsAs, &User),
    against: &Against<'_>,
    place: Place<'_>,
    findings: &mut Findings,
) {
    check_name(entry.user, against.names, place, findings);
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
    match entry.account(runs_as) {
        Ok(account) => {
            if let Some((uid, _)) = account.ids.filter(|(uid, _)| against.jails.contains(uid)) {
                let text = format!(
                    "{user}: uid {uid} is that of the processes that talk to strangers, which \
                     could stop the user's mail program"
                );
                findings.error(place, text);
            }
            let owner = Owner { name: entry.user, account: &account, own };
            homes::check(&owner, against.maildir, place, findings);
        }
        Err(error) => findings.error(place, format!("{user}: {error}")),
    }
}

/// Whether a client can give this name.
fn check_name(name: &[u8], names: &LoginNames, place: Place<'_>, findings: &mut Findings) {
    // With a password of one octet, no timestamp, and what ends each of the three.
    const LONGEST: usize = proto::checkpassword::LIMIT - 4;
    if name.len() > LONGEST {
        let text = format!(
            "a name of {} octets: nobody can log in with one of more than {LONGEST}",
            name.len()
        );
        findings.error(place, text);
    }
    let changed = names.apply(name);
    if changed != name {
        let (user, other) = (Escaped(name), Escaped(&changed));
        let text = format!(
            "{user}: control/loginnames makes {other} of this name: who gives it logs in as {other}"
        );
        findings.warning(place, text);
    }
}
