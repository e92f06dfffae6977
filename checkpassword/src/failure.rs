//! Why a login did not happen: the exit code, and the line for the administrator.
//!
//! One rule stands behind the codes. Until the password is proven right, whatever is
//! wrong with one user's account is answered like a wrong password (1), and costs the
//! same time, or the answer tells who has an account. After that, and for trouble
//! that meets every user alike, 111 says that it may pass. A wrong command line meets them
//! all, too: taken for a refusal, it would have whoever watches the log ban every user.

use proto::checkpassword::reader::RecordError;
use proto::escape::Escaped;
use proto::exit_code;
use proto::passwd_file::EntryError;
use proto::password_hash::HashError;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use unix::log::Reason;
use unix::password_fd::is_missing;

/// Everything that keeps a login from happening.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: how it should be, and what is wrong with it.
    Usage(&'static str, lexopt::Error),
    /// Descriptor 3 cannot be read.
    NoRecord(io::Error),
    /// What descriptor 3 holds is no record.
    BrokenRecord(RecordError),
    /// This user is not let in.
    Refused(Vec<u8>, Refusal),
    /// The users file cannot be read, or not be trusted.
    UsersFile(PathBuf, io::Error),
    /// There is no memory to compute a hash.
    Memory,
    /// The password is right, and the entry is a mistake.
    BrokenEntry(Vec<u8>, EntryError),
    /// PAM could not come to an answer: what was asked, for whom, PAM's words. Text,
    /// so that `checkpassword-file` is not linked to PAM for the sake of an error.
    Pam(&'static str, Vec<u8>, String),
    /// The system's user database could not be asked for this user.
    UserDatabase(Vec<u8>, io::Error),
    /// The user's identity could not be taken on.
    Identity(Vec<u8>, io::Error),
    /// The user's home folder could not be entered.
    Home(PathBuf, io::Error),
    /// The next program could not be run.
    Exec {
        /// Which.
        program: OsString,
        /// Why not.
        error: io::Error,
        /// Whoever waits knows that the login is good, and is there to tell the client.
        told: bool,
    },
}

/// Why a user is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// User or password is empty.
    Empty,
    /// There is no such user.
    Unknown,
    /// The password is wrong.
    Password,
    /// There is no hash to check it with.
    Hash(HashError),
    /// There is one, and its parameters are not taken.
    Parameters,
    /// The entry does not let this user in.
    Entry(EntryError),
    /// Uid 0 or gid 0.
    Root,
    /// PAM says no, in its words.
    Pam(String),
    /// PAM asked for something that is not the password, and ended in its words.
    PamAsked(String),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(..) => exit_code::FAILED,
            Self::NoRecord(reason) if is_missing(reason) => exit_code::MISUSED,
            Self::BrokenRecord(_) => exit_code::MISUSED,
            Self::NoRecord(_)
            | Self::Usage(..)
            | Self::UsersFile(..)
            | Self::Memory
            | Self::BrokenEntry(..)
            | Self::Pam(..)
            | Self::UserDatabase(..)
            | Self::Identity(..)
            | Self::Home(..)
            | Self::Exec { told: false, .. } => exit_code::TEMPORARY,
            Self::Exec { told: true, .. } => exit_code::NOT_STARTED,
        }
    }

    /// Tells the administrator and gives the exit code. Standard error may be gone;
    /// the answer to the caller stays the same.
    pub(crate) fn report(&self, program: &str) -> u8 {
        unix::log::line(format_args!("{program}: "), format_args!("{self}"));
        self.exit_code()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(usage, error) => {
                let error = error.to_string();
                write!(f, "{usage}: {}", Escaped(error.as_bytes()))
            }
            Self::NoRecord(error) => {
                write!(f, "unable to read user and password: fd 3: {}", Reason(error))
            }
            Self::BrokenRecord(error) => write!(f, "broken input: fd 3: {error}"),
            Self::Refused(user, refusal) => {
                write!(f, "login refused: {}: {refusal}", Escaped(user))
            }
            Self::UsersFile(path, error) => {
                let path = Escaped(path.as_os_str().as_bytes());
                write!(f, "unable to use users file: {path}: {}", Reason(error))
            }
            Self::Memory => f.write_str("not enough memory to check a password"),
            Self::BrokenEntry(user, error) => {
                write!(f, "unable to use entry: {}: {error}", Escaped(user))
            }
            Self::Pam(asked, user, reason) => {
                write!(f, "PAM failed in {asked}: {}: {reason}", Escaped(user))
            }
            Self::UserDatabase(user, error) => {
                write!(f, "unable to look up user: {}: {}", Escaped(user), Reason(error))
            }
            Self::Identity(user, error) => {
                write!(f, "unable to take on identity: {}: {}", Escaped(user), Reason(error))
            }
            Self::Home(path, error) => {
                let path = Escaped(path.as_os_str().as_bytes());
                write!(f, "unable to enter home folder: {path}: {}", Reason(error))
            }
            Self::Exec { program, error, .. } => {
                write!(f, "unable to exec: {}: {}", Escaped(program.as_bytes()), Reason(error))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty user or password"),
            Self::Unknown => f.write_str("unknown user"),
            Self::Password => f.write_str("wrong password"),
            Self::Hash(HashError::Locked) => f.write_str("the entry is locked"),
            Self::Hash(HashError::Unknown) => {
                f.write_str("the entry's hash is of a kind not supported")
            }
            Self::Hash(HashError::Malformed) | Self::Parameters => {
                f.write_str("the entry's hash is malformed")
            }
            Self::Entry(error) => error.fmt(f),
            Self::Root => EntryError::Root.fmt(f),
            Self::Pam(reason) => f.write_str(reason),
            Self::PamAsked(reason) => {
                write!(f, "PAM asked for something other than the password: {reason}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_forge_a_log_line() {
        let refused = Failure::Refused(b"a\ncheckpassword-pam: \\".to_vec(), Refusal::Unknown);
        assert_eq!(
            refused.to_string(),
            "login refused: a\\x0acheckpassword-pam: \\x5c: unknown user"
        );
    }
}
