//! `acceptutils passwd FILE USER`: a user's password in a users file of
//! `checkpassword-file`.
//!
//! What the file looks like afterwards is `proto::passwd_file::edit`'s; that it
//! appears whole is `unix::locked_file`'s.

use crate::new_user::{New, NoIdentity, SIGNS};
use crate::outcome::Outcome;
use crate::terminal::Quiet;
use crate::way;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use clap::Args;
use proto::checkpassword::Record;
use proto::escape::Escaped;
use proto::passwd_file::edit::{BadUser, Change, NewFields, check_user, with_hash};
use proto::passwd_file::entries;
use proto::secret::Secret;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::identity::runs_as_root;
use unix::locked_file::{LockedFile, Unreplaced};
use unix::log::Reason;
use unix::login_controls::login_names;
use unix::process::keep_out_of_core_files;

/// Set a user's password in a users file
///
/// Adds the user if the file has none of that name, and creates the file if there is
/// none. In an existing entry only the hash changes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The users file
    file: PathBuf,
    /// The login name
    user: OsString,
    /// Read the password from standard input, as one line
    #[arg(long)]
    stdin: bool,
    #[command(flatten)]
    new: New,
}

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The user has this password, whether or not there was an entry.
    Either,
    /// A new user.
    Added,
    /// Another password for a user who is there.
    Changed,
}

/// Why the file is as it was, or may be again.
#[derive(Debug)]
pub(crate) enum Error {
    /// This cannot be a user's name in such a file.
    User(OsString, BadUser),
    /// The password could not be read.
    NoPassword(io::Error),
    /// The two are not the same.
    Mismatch,
    /// It is empty, or has a control character in it that no client sends.
    Unusable,
    /// User and password are more than checkpassword reads.
    TooLong,
    /// The hash could not be computed.
    Hash(argon2::password_hash::Error),
    /// The file could not be read, not be trusted, or not be written.
    File(PathBuf, io::Error),
    /// It has been written, and might not survive a crash.
    MayNotStay(PathBuf, io::Error),
    /// The file could not be read, or not be trusted, where it was only to be read.
    Unread(PathBuf, io::Error),
    /// Options name nobody whom a new user could run as.
    Identity(NoIdentity),
    /// A new user of root's file, and nobody to become.
    NoIdentity(OsString),
    /// The user is there, and only the password of such a one changes.
    NotNew(OsString),
    /// The user is there already.
    There(OsString),
    /// There is none of that name.
    NoUser(OsString),
    /// It is locked already, or is not.
    Already(OsString, &'static str),
    /// There is no hash to go back to.
    NoHash(OsString),
}

impl Error {
    /// How the task ends: what it cannot change is as it was, but where it says otherwise.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Unread(..) | Self::MayNotStay(..) => Outcome::Errors,
            _ => Outcome::Warnings,
        }
    }
}

/// What a POP3 server's timestamp may take of what checkpassword reads, so that no
/// password works for SMTP only.
const TIMESTAMP: [u8; 128] = [b'x'; 128];

/// Sets the password; says what was done.
pub(crate) fn run(options: &Options) -> Result<String, Error> {
    set(&options.file, &options.user, &options.new, options.stdin, Wanted::Either)
}

/// The same, of a file, a user and what is to become of them.
pub(crate) fn set(
    path: &Path,
    user: &OsString,
    new: &New,
    stdin: bool,
    wanted: Wanted,
) -> Result<String, Error> {
    keep_out_of_core_files();
    let name = user.as_bytes();
    check_user(name).map_err(|why| Error::User(user.clone(), why))?;
    let asked = new.resolve().map_err(Error::Identity)?;
    let file_error = |error| Error::File(path.to_owned(), error);
    let may_be = |old: &[u8]| match (entries(old).any(|entry| entry.user == name), wanted) {
        (true, Wanted::Added) => Err(Error::There(user.clone())),
        (true, _) if !asked.is_empty() => Err(Error::NotNew(user.clone())),
        (false, Wanted::Changed) => Err(Error::NoUser(user.clone())),
        (false, _) if asked.ids.is_none() && runs_as_root() => Err(Error::NoIdentity(user.clone())),
        _ => Ok(()),
    };
    // Before anybody types a password, look whether it is of any use.
    may_be(&lock(path)?.read().map_err(file_error)?.unwrap_or_default())?;
    let password = if stdin { read_line(io::stdin().lock())? } else { ask_twice(name)? };
    check(name, password.expose())?;
    let home = asked.home();
    let fields = NewFields { ids: asked.ids, home: home.as_os_str().as_bytes() };
    let (change, was_locked) = write(path, name, password.expose(), fields, may_be)?;
    let mut said = said(path, name, change, fields);
    if was_locked {
        said += &format!("; {} is no longer locked", Escaped(name));
    }
    let warning = (change == Change::Added).then(|| warning(path, name)).flatten();
    Ok(said + &warning.unwrap_or_default())
}

/// Where the control file beside the users file has clients who give this name log in with
/// another one. The user is added all the same: the file may serve others, too, and the
/// control file may be about to change.
fn warning(path: &Path, name: &[u8]) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let changed = login_names(path.parent()?).ok()?.apply(name);
    let (user, other) = (Escaped(name), Escaped(&changed));
    (changed != name).then(|| {
        format!(
            "\nwarning: control/loginnames makes {other} of this name: who gives {user} logs in as \
             {other}"
        )
    })
}

/// Adds a user, as `run` does, with a password that is known to be usable.
pub(crate) fn add(
    path: &Path,
    user: &str,
    password: &[u8],
    ids: Option<(u32, u32)>,
    home: &Path,
) -> Result<(), Error> {
    let new = NewFields { ids, home: home.as_os_str().as_bytes() };
    write(path, user.as_bytes(), password, new, |_| Ok(())).map(drop)
}

/// Puts the password's hash into the file, with the word before it by which Dovecot
/// knows its kind, if that may still be: others may have changed the file meanwhile. Says
/// whether the user was locked, too, and no longer is.
fn write(
    path: &Path,
    user: &[u8],
    password: &[u8],
    new: NewFields<'_>,
    may_be: impl FnOnce(&[u8]) -> Result<(), Error>,
) -> Result<(Change, bool), Error> {
    let hash = Argon2::default().hash_password(password).map_err(Error::Hash)?;
    let hash = format!("{{ARGON2ID}}{hash}");
    edit(path, |old| {
        may_be(old)?;
        let entry = entries(old).find(|entry| entry.user == user);
        let was_locked = entry.is_some_and(|entry| entry.is_locked());
        let (edited, change) = with_hash(old, user, hash.as_bytes(), new);
        Ok((edited, (change, was_locked)))
    })
}

/// Changes the file, which nobody else changes meanwhile.
pub(crate) fn edit<T>(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<(Vec<u8>, T), Error>,
) -> Result<T, Error> {
    let file_error = |error| Error::File(path.to_owned(), error);
    let file = lock(path)?;
    let old = file.read().map_err(file_error)?.unwrap_or_default();
    let (edited, done) = change(&old)?;
    file.replace(&edited).map_err(|why| match why {
        Unreplaced::AsItWas(error) => file_error(error),
        Unreplaced::MayNotStay(error) => Error::MayNotStay(path.to_owned(), error),
    })?;
    Ok(done)
}

/// Locks the file, where nobody else says which one that is.
fn lock(path: &Path) -> Result<LockedFile, Error> {
    let locked = way::is_ours(path).and_then(|()| LockedFile::lock(path));
    locked.map_err(|error| Error::File(path.to_owned(), error))
}

/// One line from a program; its end, LF or CRLF, is not part of the password.
pub(crate) fn read_line(input: impl BufRead) -> Result<Secret, Error> {
    let mut line = Secret::with_capacity(proto::checkpassword::LIMIT);
    for octet in input.bytes() {
        let octet = octet.map_err(Error::NoPassword)?;
        if octet == b'\n' {
            break;
        }
        if !line.append(&[octet]) {
            return Err(Error::TooLong);
        }
    }
    Ok(match line.expose().strip_suffix(b"\r") {
        Some(line) => Secret::from(line.to_vec()),
        None => line,
    })
}

/// From the terminal, without echo.
pub(crate) fn ask(prompt: &str) -> Result<Secret, Error> {
    ask_at(&Quiet::open().map_err(Error::NoPassword)?, prompt)
}

/// The next line that is typed there.
fn ask_at(terminal: &Quiet, prompt: &str) -> Result<Secret, Error> {
    let line = read_line(terminal.prompt(prompt).map_err(Error::NoPassword)?)?;
    // ^Z, or an arrow, which a program of more comfort would have heeded.
    if line.expose().iter().any(u8::is_ascii_control) {
        return Err(Error::Unusable);
    }
    Ok(line)
}

fn ask_twice(user: &[u8]) -> Result<Secret, Error> {
    let terminal = Quiet::open().map_err(Error::NoPassword)?;
    let first = ask_at(&terminal, &format!("New password for {}: ", Escaped(user)))?;
    check(user, first.expose())?;
    let second = ask_at(&terminal, "The same again: ")?;
    if first.expose() == second.expose() { Ok(first) } else { Err(Error::Mismatch) }
}

/// Whether a client can log in with it.
fn check(user: &[u8], password: &[u8]) -> Result<(), Error> {
    if password.is_empty() || password.iter().any(u8::is_ascii_control) {
        return Err(Error::Unusable);
    }
    Record::new(user, password, &TIMESTAMP).map(drop).ok_or(Error::TooLong)
}

fn said(path: &Path, user: &[u8], change: Change, new: NewFields<'_>) -> String {
    let (user, path) = (Escaped(user), Escaped(path.as_os_str().as_bytes()));
    match change {
        Change::Changed => format!("changed the password of {user} in {path}"),
        Change::Added if new.ids.is_some() => format!("added {user} to {path}"),
        Change::Added => format!(
            "added {user} to {path}, without a uid: only this user's own checkpassword-file \
             serves the entry"
        ),
    }
}

/// What to do about a folder that is not there.
fn hint(file: &Path) -> &'static str {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let lacks = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    let is_missing = folder.is_some_and(|folder| folder.metadata().is_err_and(lacks));
    if is_missing { ": its folder is missing: acceptutils init creates one" } else { "" }
}

/// `/dev/tty` is not there for who has no terminal: the system says that no such device
/// or address is.
fn is_no_terminal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

fn fmt_bad_user(f: &mut fmt::Formatter<'_>, user: &OsStr, why: BadUser) -> fmt::Result {
    let user = Escaped(user.as_bytes());
    f.write_str("unusable user name: ")?;
    match why {
        BadUser::Empty => f.write_str("empty"),
        BadUser::Comment => write!(f, "{user}: begins with #"),
        BadUser::NoField => write!(f, "{user}: {SIGNS}"),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user, why) => fmt_bad_user(f, user, *why),
            Self::Mismatch => f.write_str("nothing changed: the two passwords are not the same"),
            Self::Unusable => {
                f.write_str("unusable password: empty, or with a control character in it")
            }
            Self::TooLong => f.write_str("unusable password: too long together with the user name"),
            Self::Hash(error) => write!(f, "unable to compute hash: {error}"),
            Self::Identity(why) => why.fmt(f),
            Self::NoIdentity(user) => write!(
                f,
                "{}: a new user, who needs --uid: the name of a user of the system's, or a number \
                 with --gid",
                Escaped(user.as_bytes())
            ),
            Self::NotNew(user) => write!(
                f,
                "{}: there already, so --uid, --gid and --home would change nothing",
                Escaped(user.as_bytes())
            ),
            Self::There(user) => write!(
                f,
                "{}: there already: acceptutils user passwd sets another password",
                Escaped(user.as_bytes())
            ),
            Self::NoUser(user) => {
                write!(f, "{}: no user of this name in the file", Escaped(user.as_bytes()))
            }
            Self::Already(user, state) => {
                write!(f, "{}: {state} already", Escaped(user.as_bytes()))
            }
            Self::NoHash(user) => write!(
                f,
                "{}: has no password to go back to: acceptutils user passwd sets one",
                Escaped(user.as_bytes())
            ),
            Self::NoPassword(error) if is_no_terminal(error) => {
                f.write_str("unable to read password: no terminal to ask at: use --stdin")
            }
            Self::NoPassword(error) => write!(f, "unable to read password: {}", Reason(error)),
            Self::File(path, error) => {
                let (path, hint) = (Escaped(path.as_os_str().as_bytes()), hint(path));
                write!(f, "unable to change users file: {path}: {}{hint}", Reason(error))
            }
            Self::MayNotStay(path, error) => {
                let path = Escaped(path.as_os_str().as_bytes());
                let what = "users file changed, but the change may not survive a crash";
                write!(f, "{what}: {path}: {}", Reason(error))
            }
            Self::Unread(path, error) => {
                let (path, hint) = (Escaped(path.as_os_str().as_bytes()), hint(path));
                write!(f, "unable to read users file: {path}: {}{hint}", Reason(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_end() {
        for input in ["secret\n", "secret\r\n", "secret", "secret\nmore\n"] {
            assert_eq!(read_line(input.as_bytes()).unwrap().expose(), b"secret", "{input:?}");
        }
        assert_eq!(read_line(&b" a b \n"[..]).unwrap().expose(), b" a b ");
        assert!(matches!(read_line(&[b'x'; 600][..]), Err(Error::TooLong)));
    }

    #[test]
    fn a_password_that_no_client_could_send_is_not_taken() {
        assert!(check(b"bob", b"p\xc3\xa4ss word").is_ok());
        for password in [&b""[..], b"a\tb", b"a\0b", b"\x7f"] {
            assert!(matches!(check(b"bob", password), Err(Error::Unusable)), "{password:?}");
        }
        assert!(check(b"bob", &[b'x'; 512 - 128 - 3 - 3]).is_ok());
        assert!(matches!(check(b"bob", &[b'x'; 512 - 128 - 3 - 2]), Err(Error::TooLong)));
    }
}
