//! The users file, in the format that Dovecot calls passwd-file:
//! `user:hash:uid:gid:gecos:home:shell:extra`, fields after the hash optional.
//!
//! Finds a user's entry, says which hashes a login must compute, and decides whether
//! the entry may be served. Called by `checkpassword-file`, which reads the file,
//! computes the hashes and takes on the identity.

pub mod edit;

use crate::password_hash::{Cost, HashError, PasswordHash};
use alloc::vec::Vec;

/// One line of the file. Every field is as it stands there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The user's name, compared octet by octet.
    pub user: &'a [u8],
    /// The hash, for [`PasswordHash::parse`].
    pub hash: &'a [u8],
    /// Whether there is a field for it, and the line so is an entry's.
    pub has_hash: bool,
    uid: &'a [u8],
    gid: &'a [u8],
    home: &'a [u8],
    shell: &'a [u8],
    extra: &'a [u8],
}

/// Shows the name only: the rest holds the hash.
impl core::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The entries of a file, in order. Blank lines, comments (`#`) and lines without a
/// user are skipped.
pub fn entries(file: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    file.split_inclusive(|&byte| byte == b'\n').filter_map(Entry::in_line)
}

/// A line without what ends it: CRLF, LF or the file's end.
fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<'a> Entry<'a> {
    /// The entry in a line, if it holds one.
    fn in_line(line: &'a [u8]) -> Option<Self> {
        let line = content(line);
        let holds_one = !matches!(line.first(), None | Some(b'#' | b':'));
        holds_one.then(|| Self::parse(line))
    }

    fn parse(line: &'a [u8]) -> Self {
        let mut fields = line.splitn(8, |&byte| byte == b':');
        let mut next = || fields.next().unwrap_or_default();
        let (user, hash, uid, gid, _gecos) = (next(), next(), next(), next(), next());
        let (home, shell, extra) = (next(), next(), next());
        let has_hash = line.len() > user.len();
        Self { user, hash, has_hash, uid, gid, home, shell, extra }
    }

    /// Whether no password fits, whatever is kept.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        PasswordHash::parse(self.hash) == Err(HashError::Locked)
    }

    /// The hash that a lock keeps, behind the `!` that makes it none; some programs write two.
    fn kept_hash(&self) -> Option<&'a [u8]> {
        let start = self.hash.iter().take_while(|&&octet| octet == b'!').count();
        let kept = self.hash.get(start..)?;
        (PasswordHash::parse(kept) != Err(HashError::Locked)).then_some(kept)
    }

    /// Whether and as whom a user with the right password is served.
    ///
    /// # Errors
    /// See [`EntryError`]; [`EntryError::is_fault`] tells the mistakes from what is meant.
    pub fn account(&self, runs_as: RunsAs) -> Result<Account<'a>, EntryError> {
        if restricts(self.extra) {
            return Err(EntryError::Restricted);
        }
        let become_ids = match (self.uid, self.gid, runs_as) {
            (b"", b"", RunsAs::Root) => return Err(EntryError::NoUid),
            (b"", b"", RunsAs::User { .. }) => None,
            (uid, gid, runs_as) => Some(ids(uid, gid, runs_as)?),
        };
        let home = if self.home.is_empty() { b"/" } else { self.home };
        if !home.starts_with(b"/") || memchr::memchr(0, home).is_some() {
            return Err(EntryError::Home);
        }
        if memchr::memchr(0, self.shell).is_some() {
            return Err(EntryError::Shell);
        }
        let shell = if self.shell.is_empty() { b"/bin/sh" } else { self.shell };
        Ok(Account { ids: become_ids, home, shell })
    }
}

/// As whom `checkpassword-file` runs, which decides whom it can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// Root, who can become anybody.
    Root,
    /// An ordinary user, who can only stay what it is.
    User {
        /// The user's own id.
        uid: u32,
    },
}

/// What a user becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// User and group id to take on; `None`: stay what we are.
    pub ids: Option<(u32, u32)>,
    /// An absolute path; `/` where the entry names none.
    pub home: &'a [u8],
    /// `/bin/sh` where the entry names none, as passwd(5) has it.
    pub shell: &'a [u8],
}

/// Why an entry is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// Uid 0 or gid 0.
    Root,
    /// We are an ordinary user and the entry is another's.
    Another,
    /// An extra field (`nologin`, `allow_nets`, ...) keeps some logins out, and we
    /// cannot tell which.
    Restricted,
    /// We are root and the entry does not say whom to become.
    NoUid,
    /// The uid is no number, or one that no user can have.
    Uid,
    /// The gid is missing beside a uid, no number, or one that no group can have.
    Gid,
    /// The home folder is not an absolute path.
    Home,
    /// The shell is no path.
    Shell,
}

impl EntryError {
    /// Whether it is the administrator's mistake: the answer is then "try again
    /// later", so that mail clients keep the password until it is mended.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::NoUid | Self::Uid | Self::Gid | Self::Home | Self::Shell)
    }
}

impl core::fmt::Display for EntryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Root => "uid 0 and gid 0 are never served",
            Self::Another => "not running as root, and the entry has another uid",
            Self::Restricted => "its extra fields restrict logins in a way not supported",
            Self::NoUid => "running as root, and the entry has no uid",
            Self::Uid => "its uid is not a number",
            Self::Gid => "its gid is not a number",
            Self::Home => "its home folder is not an absolute path",
            Self::Shell => "its shell is not a path",
        })
    }
}

fn ids(uid: &[u8], gid: &[u8], runs_as: RunsAs) -> Result<(u32, u32), EntryError> {
    let uid = id(uid).ok_or(EntryError::Uid)?;
    let gid = id(gid).ok_or(EntryError::Gid)?;
    match runs_as {
        _ if uid == 0 || gid == 0 => Err(EntryError::Root),
        RunsAs::User { uid: own } if own != uid => Err(EntryError::Another),
        RunsAs::User { .. } | RunsAs::Root => Ok((uid, gid)),
    }
}

/// A decimal number below 2^32-1, which the kernel reads as "leave it as it is".
fn id(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = core::str::from_utf8(digits).ok()?.parse().ok()?;
    (number != u32::MAX).then_some(number)
}

/// Whether Dovecot's extra fields keep some logins out. We do not evaluate them, so
/// letting everybody in would be more than the file says.
fn restricts(extra: &[u8]) -> bool {
    extra.split(|&byte| byte == b' ' || byte == b'\t').any(|field| {
        let name = field.split(|&byte| byte == b'=').next().unwrap_or_default();
        name == b"nologin" || name.starts_with(b"allow_")
    })
}

/// What a login of one user needs from the file.
///
/// An unknown user must cost the same time as a wrong password, or the time tells
/// who has an account. One hash does not do it where a file mixes kinds or costs,
/// as every file does in which old hashes are replaced one by one: whatever the
/// hash for the unknown is, some users differ from it. So each login that fails
/// computes one hash of *every* cost in the file: a known user's own one and
/// `others`, for an unknown user just `others`, which then has all. The hashes are
/// other users', so that they cost what they cost, and the results are thrown away.
/// A good login stops at its own hash.
#[derive(Debug)]
pub struct Lookup<'a> {
    /// The first entry of that name, and its hash.
    pub found: Option<(Entry<'a>, Result<PasswordHash<'a>, HashError>)>,
    /// One hash of every cost in the file that is not `found`'s own.
    pub others: Vec<PasswordHash<'a>>,
}

impl<'a> Lookup<'a> {
    /// Reads the whole file, whether or not the user is found early.
    #[must_use]
    pub fn new(file: &'a [u8], user: &[u8]) -> Self {
        let mut found = None;
        let mut others: Vec<PasswordHash<'a>> = Vec::new();
        for entry in entries(file) {
            let hash = PasswordHash::parse(entry.hash);
            if found.is_none() && entry.user == user {
                found = Some((entry, hash));
            }
            if let Ok(hash) = hash
                && !others.iter().any(|other| other.cost() == hash.cost())
            {
                others.push(hash);
            }
        }
        if let Some((_, Ok(own))) = &found {
            others.retain(|other| other.cost() != own.cost());
        }
        Self { found, others }
    }

    /// The costs of a login that fails, each once.
    pub fn costs_of_failure(&self) -> impl Iterator<Item = Cost<'a>> {
        let own = self.found.iter().filter_map(|(_, hash)| hash.ok());
        own.chain(self.others.iter().copied()).map(|hash| hash.cost())
    }
}

#[cfg(test)]
mod tests;
