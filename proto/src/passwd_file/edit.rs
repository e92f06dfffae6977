//! A users file with one password more, or another one.
//!
//! Everything else stays as it stands there, to the octet: comments, order, fields
//! that are not ours. Called by `acceptutils passwd` and `acceptutils user`.

use super::{Entry, content, entries};
use alloc::vec::Vec;

/// What a new entry holds besides user and hash.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewFields<'a> {
    /// User and group id; without them only an ordinary user serves the entry.
    pub ids: Option<(u32, u32)>,
    /// The home folder; empty for none.
    pub home: &'a [u8],
}

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new entry stands at its end.
    Added,
    /// The hash of the entry that was there is another.
    Changed,
}

/// Why a field cannot stand in a users file as the first of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUser {
    /// It is empty.
    Empty,
    /// It begins with `#`: the line would be a comment.
    Comment,
    /// It is not a [field](is_field).
    NoField,
}

/// Looks whether `field` can stand in a users file as the first of a line.
///
/// # Errors
/// Why not; also for what the file's other readers would trip over.
pub fn check_user(field: &[u8]) -> Result<(), BadUser> {
    match field {
        [] => Err(BadUser::Empty),
        [b'#', ..] => Err(BadUser::Comment),
        field if is_field(field) => Ok(()),
        _ => Err(BadUser::NoField),
    }
}

/// Whether `field` can stand in a users file.
#[must_use]
pub fn is_field(field: &[u8]) -> bool {
    !field.iter().any(|&octet| octet == b':' || octet.is_ascii_control())
}

/// The file with `hash` for `user`: in the first entry of that name, which is the
/// one that counts, else in a new one. `new` is used for a new one only.
///
/// The caller has asked [`check_user`] and [`is_field`] about what it passes.
#[must_use]
pub fn with_hash(file: &[u8], user: &[u8], hash: &[u8], new: NewFields<'_>) -> (Vec<u8>, Change) {
    let mut edited = Vec::with_capacity(file.len() + user.len() + hash.len() + 64);
    let mut lines = lines(file);
    for line in lines.by_ref() {
        if Entry::in_line(line).is_none_or(|entry| entry.user != user) {
            edited.extend_from_slice(line);
            continue;
        }
        edited.extend_from_slice(user);
        edited.push(b':');
        edited.extend_from_slice(hash);
        edited.extend_from_slice(after_hash(line));
        lines.for_each(|line| edited.extend_from_slice(line));
        return (edited, Change::Changed);
    }
    if edited.last().is_some_and(|&last| last != b'\n') {
        edited.push(b'\n');
    }
    push_entry(&mut edited, user, hash, new);
    (edited, Change::Added)
}

/// The file without the entries of `user`, all of them, or else the next one of the name
/// would count; none where there is none.
#[must_use]
pub fn without(file: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    let is_other = |line: &&[u8]| Entry::in_line(line).is_none_or(|entry| entry.user != user);
    let kept: Vec<u8> = lines(file).filter(is_other).flatten().copied().collect();
    (kept.len() < file.len()).then_some(kept)
}

/// Whether an entry has a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// No password fits, and the hash is kept.
    Locked,
    /// The hash that was kept counts again.
    Unlocked,
}

/// Why an entry is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// There is no entry of that name.
    NoUser,
    /// It is so already.
    Already,
    /// No hash was kept.
    NoHash,
}

/// The file with the first entry of `user` locked, by a `!` before its hash, or unlocked.
///
/// # Errors
/// See [`Unchanged`].
pub fn with_lock(file: &[u8], user: &[u8], lock: Lock) -> Result<Vec<u8>, Unchanged> {
    let found = entries(file).find(|entry| entry.user == user).ok_or(Unchanged::NoUser)?;
    let hash = match (lock, found.is_locked()) {
        (Lock::Locked, true) | (Lock::Unlocked, false) => return Err(Unchanged::Already),
        (Lock::Locked, false) => [b"!", found.hash].concat(),
        (Lock::Unlocked, true) => found.kept_hash().ok_or(Unchanged::NoHash)?.to_vec(),
    };
    Ok(with_hash(file, user, &hash, NewFields::default()).0)
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split_inclusive(|&octet| octet == b'\n')
}

/// The rest of a line, from the colon or the line end that ends the hash.
fn after_hash(line: &[u8]) -> &[u8] {
    let from = memchr::memchr_iter(b':', line).nth(1).unwrap_or(content(line).len());
    line.get(from..).unwrap_or_default()
}

fn push_entry(file: &mut Vec<u8>, user: &[u8], hash: &[u8], new: NewFields<'_>) {
    file.extend_from_slice(user);
    file.push(b':');
    file.extend_from_slice(hash);
    if new.ids.is_some() || !new.home.is_empty() {
        let ids = new.ids.map(|(uid, gid)| alloc::format!("{uid}:{gid}"));
        file.push(b':');
        file.extend_from_slice(ids.as_deref().unwrap_or(":").as_bytes());
        file.extend_from_slice(b"::");
        file.extend_from_slice(new.home);
        file.push(b':');
    }
    file.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwd_file::{Lookup, RunsAs};
    use proptest::prelude::*;

    fn edited(file: &str, user: &str) -> (std::string::String, Change) {
        let (file, change) =
            with_hash(file.as_bytes(), user.as_bytes(), b"HASH", NewFields::default());
        (std::string::String::from_utf8(file).unwrap(), change)
    }

    #[test]
    fn only_the_hash_changes() {
        for (before, after) in [
            (
                "bob:old:1:2:Bob:/home/bob:/bin/sh:x=y:z\n",
                "bob:HASH:1:2:Bob:/home/bob:/bin/sh:x=y:z\n",
            ),
            ("# bob:x\r\nal:a\r\nbob:old\r\n", "# bob:x\r\nal:a\r\nbob:HASH\r\n"),
            ("bob:old:\nbob:older:\n", "bob:HASH:\nbob:older:\n"),
            ("bob", "bob:HASH"),
            ("bob\r\n\n", "bob:HASH\r\n\n"),
            ("bob:\nal:a", "bob:HASH\nal:a"),
            ("bob:stray\rreturn\n", "bob:HASH\n"),
        ] {
            assert_eq!(edited(before, "bob"), (after.into(), Change::Changed));
        }
    }

    #[test]
    fn a_new_user_comes_last() {
        for (before, after) in [
            ("", "bob:HASH\n"),
            ("al:a\n", "al:a\nbob:HASH\n"),
            ("al:a", "al:a\nbob:HASH\n"),
            ("#bob:x\n:bob\nbobby:x\n", "#bob:x\n:bob\nbobby:x\nbob:HASH\n"),
        ] {
            assert_eq!(edited(before, "bob"), (after.into(), Change::Added));
        }
    }

    #[test]
    fn a_new_entry_can_be_served() {
        let new = NewFields { ids: Some((1000, 100)), home: b"/home/bob" };
        let (file, _) = with_hash(b"", b"bob", b"HASH", new);
        assert_eq!(file, b"bob:HASH:1000:100::/home/bob:\n");
        let account = entries(&file).next().unwrap().account(RunsAs::Root).unwrap();
        assert_eq!((account.ids, account.home), (new.ids, new.home));
        let (file, _) = with_hash(b"", b"bob", b"HASH", NewFields { ids: None, home: b"/h" });
        let account = entries(&file).next().unwrap().account(RunsAs::User { uid: 1 }).unwrap();
        assert_eq!((account.ids, account.home), (None, &b"/h"[..]));
    }

    #[test]
    fn a_user_goes_with_every_entry() {
        let file = b"# bob\nbob:a\nal:b\nbob:c";
        assert_eq!(without(file, b"bob").unwrap(), b"# bob\nal:b\n");
        assert_eq!(without(file, b"carl"), None);
    }

    #[test]
    fn a_lock_keeps_the_hash() {
        let file = b"al:HASH:1:2::/:\nbob:!\n";
        let locked = with_lock(file, b"al", Lock::Locked).unwrap();
        assert_eq!(locked, b"al:!HASH:1:2::/:\nbob:!\n");
        assert_eq!(with_lock(&locked, b"al", Lock::Unlocked).unwrap(), file);
        assert_eq!(with_lock(&locked, b"al", Lock::Locked), Err(Unchanged::Already));
        assert_eq!(with_lock(file, b"al", Lock::Unlocked), Err(Unchanged::Already));
        assert_eq!(with_lock(file, b"bob", Lock::Unlocked), Err(Unchanged::NoHash));
        assert_eq!(with_lock(file, b"carl", Lock::Locked), Err(Unchanged::NoUser));
    }

    #[test]
    fn what_is_locked_without_a_hash_stays_so() {
        for hash in ["", "*", "!", "!!", "!*", "!!*"] {
            let file = std::format!("bob:{hash}:1:2::/:\n");
            let changed = |lock| with_lock(file.as_bytes(), b"bob", lock);
            assert_eq!(changed(Lock::Locked), Err(Unchanged::Already), "{hash}");
            assert_eq!(changed(Lock::Unlocked), Err(Unchanged::NoHash), "{hash}");
        }
        assert_eq!(with_lock(b"bob:!!HASH\n", b"bob", Lock::Unlocked).unwrap(), b"bob:HASH\n");
    }

    #[test]
    fn what_can_be_a_user() {
        for user in ["bob", "bob@example.org", "b\u{f6}b", "a b"] {
            assert_eq!(check_user(user.as_bytes()), Ok(()), "{user}");
        }
        for user in ["a:b", "#a:b", "a\nb", "a\rb", "a\0b", "a\x7f"] {
            assert!(check_user(user.as_bytes()).is_err(), "{user:?}");
        }
        let [empty, comment] = ["", "#bob"].map(|user| check_user(user.as_bytes()));
        assert_eq!((empty, comment), (Err(BadUser::Empty), Err(BadUser::Comment)));
    }

    proptest! {
        /// Whatever the file, the user has the new hash and nobody else's changed.
        #[test]
        fn the_hash_is_found_again(file in "[ab:#\r\n]{0,40}", user in "[ab]{1,2}") {
            let (edited, _) =
                with_hash(file.as_bytes(), user.as_bytes(), b"HASH", NewFields::default());
            let lookup = Lookup::new(&edited, user.as_bytes());
            prop_assert_eq!(lookup.found.unwrap().0.hash, b"HASH");
            let others = |file| -> Vec<_> {
                entries(file).filter(|entry| entry.user != user.as_bytes()).collect()
            };
            prop_assert_eq!(others(file.as_bytes()), others(&edited));
        }
    }
}
