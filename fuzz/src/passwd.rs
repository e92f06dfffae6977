//! The users file (`proto::passwd_file`): entries are those of a model; nobody is served
//! as root, restricted or by half an id; a failed login costs the same for every user,
//! known or not; a new password changes nothing else; and no hash is shown.

use crate::choices::Choices;
use proto::passwd_file::edit::{NewFields, check_user, is_field, with_hash};
use proto::passwd_file::{Entry, EntryError, Lookup, RunsAs, entries};
use proto::password_hash::{Cost, PasswordHash};

/// A user's name; then the file.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let user = choices.part();
    let file = choices.rest();
    let lines = lines(file);
    let read: Vec<Entry<'_>> = entries(file).collect();
    assert_eq!(read.len(), lines.len());
    for (entry, fields) in read.iter().zip(&lines) {
        assert_eq!((entry.user, entry.hash), (fields[0], fields[1]));
        account(entry, fields);
    }
    let mut costs: Vec<Cost<'_>> = Vec::new();
    for hash in read.iter().filter_map(|entry| PasswordHash::parse(entry.hash).ok()) {
        if !costs.contains(&hash.cost()) {
            costs.push(hash.cost());
        }
    }
    for user in read.iter().map(|entry| entry.user).take(8).chain([user]) {
        lookup(file, user, &read, &costs);
    }
    if check_user(user).is_ok() {
        edit(file, user, &read);
    }
}

/// The fields of each line that holds an entry, at least eight of them.
fn lines(file: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut lines: Vec<&[u8]> = file.split(|&octet| octet == b'\n').collect();
    let last = lines.len() - 1;
    for (at, line) in lines.iter_mut().enumerate() {
        // A carriage return belongs to the line's end, also to the file's.
        *line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(at <= last);
    }
    lines.retain(|line| !line.is_empty() && line[0] != b'#' && line[0] != b':');
    lines
        .iter()
        .map(|line| {
            let mut fields: Vec<&[u8]> = line.splitn(8, |&octet| octet == b':').collect();
            fields.resize(8, b"");
            fields
        })
        .collect()
}

fn account(entry: &Entry<'_>, fields: &[&[u8]]) {
    for runs_as in [RunsAs::Root, RunsAs::User { uid: 1000 }] {
        let account = entry.account(runs_as);
        let is_restricted = fields[7].split(|octet| b" \t".contains(octet)).any(|extra| {
            extra.starts_with(b"allow_") || extra == b"nologin" || extra.starts_with(b"nologin=")
        });
        assert_eq!(is_restricted, account == Err(EntryError::Restricted));
        let Ok(account) = account else { continue };
        let id = |field: &[u8]| String::from_utf8_lossy(field).parse::<u32>().ok();
        match account.ids {
            Some((uid, gid)) => {
                assert_eq!((Some(uid), Some(gid)), (id(fields[2]), id(fields[3])));
                assert!(uid != 0 && gid != 0 && uid != u32::MAX && gid != u32::MAX);
                assert!(runs_as == RunsAs::Root || uid == 1000);
            }
            None => {
                assert!(runs_as != RunsAs::Root && fields[2].is_empty() && fields[3].is_empty())
            }
        }
        assert!(account.home.starts_with(b"/") && !account.home.contains(&0));
        assert!(account.home == fields[5] || fields[5].is_empty());
        assert!(!account.shell.is_empty() && !account.shell.contains(&0));
    }
}

fn lookup(file: &[u8], user: &[u8], read: &[Entry<'_>], costs: &[Cost<'_>]) {
    let lookup = Lookup::new(file, user);
    let first = read.iter().find(|entry| entry.user == user);
    assert_eq!(lookup.found.as_ref().map(|(entry, _)| entry), first);
    let failure: Vec<Cost<'_>> = lookup.costs_of_failure().collect();
    assert_eq!(failure.len(), costs.len(), "a failed login tells by its time who is known");
    assert!(costs.iter().all(|cost| failure.contains(cost)));
}

fn edit(file: &[u8], user: &[u8], read: &[Entry<'_>]) {
    let new = NewFields { ids: Some((1000, 100)), home: b"/home/new" };
    assert!(is_field(b"NEW"));
    let (edited, _) = with_hash(file, user, b"NEW", new);
    let again: Vec<Entry<'_>> = entries(&edited).collect();
    let at = read.iter().position(|entry| entry.user == user);
    let found = again.iter().position(|entry| entry.user == user);
    assert_eq!(found, Some(at.unwrap_or(read.len())));
    for (at, entry) in again.iter().enumerate() {
        let before = read.get(at);
        if Some(at) == found {
            assert_eq!(entry.hash, b"NEW");
            let others = |entry: &Entry<'_>| entry.account(RunsAs::Root).map(|_| ()).err();
            assert!(before.is_none_or(|before| others(before) == others(entry)));
            // Only the hash differs, so what is shown may not.
            assert!(before.is_none_or(|before| format!("{before:?}") == format!("{entry:?}")));
        } else {
            assert_eq!(Some(entry), before);
        }
    }
}
