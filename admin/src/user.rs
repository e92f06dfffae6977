//! `acceptutils user`: who is in a users file of `checkpassword-file`.
//!
//! Passwords and identities are [`crate::passwd`]'s; what the file looks like afterwards is
//! `proto::passwd_file::edit`'s.

use crate::home::{PACKAGED, inherited};
use crate::new_user::New;
use crate::passwd::{Error, Wanted, edit, set};
use clap::{Args, Subcommand};
use proto::escape::Escaped;
use proto::passwd_file::edit::{Lock, Unchanged, with_lock, without};
use proto::passwd_file::{Entry, RunsAs, entries};
use proto::password_hash::{HashError, PasswordHash};
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::identity::{own_uid, runs_as_root};
use unix::trusted_file::read_trusted;

/// Add, remove, list, lock and unlock users in a users file
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Add a user, with a password
    Add {
        #[command(flatten)]
        whose: Whose,
        /// Read the password from standard input, as one line
        #[arg(long)]
        stdin: bool,
        #[command(flatten)]
        new: New,
    },
    /// Remove a user
    Remove(Whose),
    /// List users, the accounts they run as, and whether they can log in
    List {
        #[command(flatten)]
        file: UsersFile,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Disable a user's logins, keeping the password
    Lock(Whose),
    /// Enable a user's logins again, with the same password
    Unlock(Whose),
    /// Change a user's password
    Passwd {
        #[command(flatten)]
        whose: Whose,
        /// Read the password from standard input, as one line
        #[arg(long)]
        stdin: bool,
    },
}

#[derive(Debug, Args)]
struct Whose {
    /// The login name
    user: OsString,
    #[command(flatten)]
    file: UsersFile,
}

#[derive(Debug, Args)]
struct UsersFile {
    /// The users file [default: users in $QMAILHOME or in /etc/acceptutils]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl UsersFile {
    fn path(&self) -> PathBuf {
        let home = || inherited().unwrap_or_else(|| PACKAGED.into()).join("users");
        self.file.clone().unwrap_or_else(home)
    }
}

/// Does it; says what was done.
pub(crate) fn run(options: &Options) -> Result<String, Error> {
    match &options.task {
        Task::Add { whose, stdin, new } => {
            set(&whose.file.path(), &whose.user, new, *stdin, Wanted::Added)
        }
        Task::Passwd { whose, stdin } => {
            set(&whose.file.path(), &whose.user, &New::default(), *stdin, Wanted::Changed)
        }
        Task::Remove(whose) => remove(whose),
        Task::Lock(whose) => lock(whose, Lock::Locked),
        Task::Unlock(whose) => lock(whose, Lock::Unlocked),
        Task::List { file, json } => list(&file.path(), *json),
    }
}

fn remove(whose: &Whose) -> Result<String, Error> {
    let (path, user) = (whose.file.path(), whose.user.as_bytes());
    edit(&path, |old| {
        let edited = without(old, user).ok_or_else(|| Error::NoUser(whose.user.clone()))?;
        Ok((edited, ()))
    })?;
    Ok(format!("removed {} from {}; the home folder stays", Escaped(user), path.display()))
}

fn lock(whose: &Whose, wanted: Lock) -> Result<String, Error> {
    let (path, user) = (whose.file.path(), whose.user.as_bytes());
    let state = if wanted == Lock::Locked { "locked" } else { "unlocked" };
    edit(&path, |old| {
        let edited = with_lock(old, user, wanted).map_err(|why| match why {
            Unchanged::NoUser => Error::NoUser(whose.user.clone()),
            Unchanged::Already => Error::Already(whose.user.clone(), state),
            Unchanged::NoHash => Error::NoHash(whose.user.clone()),
        })?;
        Ok((edited, ()))
    })?;
    Ok(format!("{state} {} in {}", Escaped(user), path.display()))
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed {
    user: String,
    uid: Option<u32>,
    gid: Option<u32>,
    home: Option<String>,
    /// `active`, `locked`, or why the user cannot log in.
    state: String,
}

impl Listed {
    fn new(entry: &Entry<'_>) -> Self {
        let runs_as = if runs_as_root() { RunsAs::Root } else { RunsAs::User { uid: own_uid() } };
        let account = entry.account(runs_as);
        let state = match (PasswordHash::parse(entry.hash), &account) {
            (Err(HashError::Locked), _) if !entry.has_hash => "no colon in its line".to_owned(),
            (Err(HashError::Locked), _) => "locked".to_owned(),
            (Err(HashError::Unknown), _) => "its kind of hash is not known".to_owned(),
            (Err(HashError::Malformed), _) => "its hash is cut off or mistyped".to_owned(),
            (Ok(_), Err(why)) => why.to_string(),
            (Ok(_), Ok(_)) => "active".to_owned(),
        };
        let account = account.ok();
        let ids = account.and_then(|account| account.ids);
        Self {
            user: Escaped(entry.user).to_string(),
            uid: ids.map(|(uid, _)| uid),
            gid: ids.map(|(_, gid)| gid),
            home: account.map(|account| Escaped(account.home).to_string()),
            state,
        }
    }
}

fn list(path: &Path, json: bool) -> Result<String, Error> {
    let unread = |error| Error::Unread(path.to_owned(), error);
    let contents = read_trusted(path).map_err(unread)?;
    let mut seen = Vec::new();
    let mut users = Vec::new();
    for entry in entries(&contents) {
        // The first of a name counts.
        if !seen.contains(&entry.user) {
            seen.push(entry.user);
            users.push(Listed::new(&entry));
        }
    }
    if json {
        return serde_json::to_string_pretty(&users).map_err(|error| unread(error.into()));
    }
    let width = users.iter().map(|user| user.user.len()).max().unwrap_or_default();
    let lines = users.iter().map(|user| {
        let id = |id: Option<u32>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let home = user.home.as_deref().unwrap_or("-");
        let (uid, gid) = (id(user.uid), id(user.gid));
        format!("{:width$}  {uid}:{gid}  {home}  {}", user.user, user.state)
    });
    let lines: Vec<_> = lines.collect();
    Ok(if lines.is_empty() { format!("{}: no users", path.display()) } else { lines.join("\n") })
}
