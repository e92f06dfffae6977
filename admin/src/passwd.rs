//! `acceptutils passwd FILE USER`: a user's password in a users file of
//! `checkpassword-file`.
//!
//! What the file looks like afterwards is `proto::passwd_file::edit`'s; that it
//! appears whole is `unix::locked_file`'s.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use clap::Args;
use proto::checkpassword::Record;
use proto::escape::Escaped;
use proto::passwd_file::edit::{Change, NewFields, is_field, is_user, with_hash};
use proto::secret::Secret;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::locked_file::LockedFile;
use unix::log::Reason;
use unix::process::keep_out_of_core_files;

/// Set a user's password in a users file of checkpassword-file
///
/// Adds the user if the file has none of that name, and makes the file if there is
/// none. Of an entry that is there only the hash changes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The users file
    file: PathBuf,
    /// The name to log in with
    user: OsString,
    /// Read the password from standard input, one line, instead of asking twice
    #[arg(long)]
    stdin: bool,
    /// For a new user: the user id to become
    #[arg(long, requires = "gid", value_parser = clap::value_parser!(u32).range(1..i64::from(u32::MAX)))]
    uid: Option<u32>,
    /// For a new user: the group id to become
    #[arg(long, requires = "uid", value_parser = clap::value_parser!(u32).range(1..i64::from(u32::MAX)))]
    gid: Option<u32>,
    /// For a new user: the home folder, an absolute path
    #[arg(long)]
    home: Option<PathBuf>,
}

/// Why the file is as it was.
#[derive(Debug)]
pub(crate) enum Error {
    /// This cannot be a user's name in such a file.
    User(OsString),
    /// This cannot be a home folder in such a file.
    Home(PathBuf),
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
}

/// What a POP3 server's timestamp may take of what checkpassword reads, so that no
/// password works for SMTP only.
const TIMESTAMP: [u8; 128] = [b'x'; 128];

/// Sets the password; says what was done.
pub(crate) fn run(options: &Options) -> Result<String, Error> {
    keep_out_of_core_files();
    let (path, user) = (options.file.as_path(), options.user.as_bytes());
    let new = new_fields(options)?;
    let file_error = |error| Error::File(path.to_owned(), error);
    // Before anybody types a password, look whether it is of any use.
    LockedFile::lock(path).and_then(|file| file.read()).map_err(file_error)?;
    let password = if options.stdin { read_line(io::stdin().lock())? } else { ask_twice(user)? };
    check(user, password.expose())?;
    let change = write(path, user, password.expose(), new)?;
    Ok(said(path, user, change, new))
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
    write(path, user.as_bytes(), password, new).map(drop)
}

/// Puts the password's hash into the file.
fn write(path: &Path, user: &[u8], password: &[u8], new: NewFields<'_>) -> Result<Change, Error> {
    let file_error = |error| Error::File(path.to_owned(), error);
    let hash = Argon2::default().hash_password(password).map_err(Error::Hash)?;
    let file = LockedFile::lock(path).map_err(file_error)?;
    let old = file.read().map_err(file_error)?.unwrap_or_default();
    let (edited, change) = with_hash(&old, user, hash.to_string().as_bytes(), new);
    file.replace(&edited).map_err(file_error)?;
    Ok(change)
}

fn new_fields(options: &Options) -> Result<NewFields<'_>, Error> {
    if !is_user(options.user.as_bytes()) {
        return Err(Error::User(options.user.clone()));
    }
    let home = options.home.as_deref();
    match home.filter(|home| !home.is_absolute() || !is_field(home.as_os_str().as_bytes())) {
        Some(home) => Err(Error::Home(home.to_owned())),
        None => Ok(NewFields {
            ids: options.uid.zip(options.gid),
            home: home.map_or(b"", |home| home.as_os_str().as_bytes()),
        }),
    }
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
    let typed = rpassword::prompt_password(prompt).map_err(Error::NoPassword)?;
    Ok(Secret::from(typed.into_bytes()))
}

fn ask_twice(user: &[u8]) -> Result<Secret, Error> {
    let first = ask(&format!("New password for {}: ", Escaped(user)))?;
    let second = ask("The same again: ")?;
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
            "added {user} to {path}, without a uid: only an ordinary user's \
             checkpassword-file serves the entry (see --uid)"
        ),
    }
}

/// What a field of the file cannot have in it.
const SIGNS: &str = "with a colon or a control character in it";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => {
                let user = Escaped(user.as_bytes());
                write!(f, "unusable user name: {user}: empty, begins with #, or {SIGNS}")
            }
            Self::Home(home) => {
                let home = Escaped(home.as_os_str().as_bytes());
                write!(f, "unusable home folder: {home}: not an absolute path, or {SIGNS}")
            }
            Self::NoPassword(error) => write!(f, "unable to read password: {}", Reason(error)),
            Self::Mismatch => f.write_str("nothing changed: the two passwords are not the same"),
            Self::Unusable => {
                f.write_str("unusable password: empty, or with a control character in it")
            }
            Self::TooLong => f.write_str("unusable password: too long together with the user name"),
            Self::Hash(error) => write!(f, "unable to compute hash: {error}"),
            Self::File(path, error) => {
                let path = Escaped(path.as_os_str().as_bytes());
                write!(f, "unable to change users file: {path}: {}", Reason(error))
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
