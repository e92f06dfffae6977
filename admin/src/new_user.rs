//! Who a new user of a users file runs as, and where the home is, by options and by the
//! system's users. [`passwd`](crate::passwd) writes it down.

use clap::Args;
use proto::escape::Escaped;
use proto::passwd_file::edit::is_field;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::identity::{SystemUser, group_named, own_uid, runs_as_root};

/// What a field of the file cannot have in it.
pub(crate) const SIGNS: &str = "with a colon or a control character in it";

/// Why nobody is named.
#[derive(Debug)]
pub(crate) enum NoIdentity {
    /// What this option says names nobody who could be become, for this reason.
    Id(&'static str, String, &'static str),
    /// This cannot be a home folder in a users file.
    Home(PathBuf),
}

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(option, said, why) => {
                write!(f, "{option} {}: {why}", Escaped(said.as_bytes()))
            }
            Self::Home(home) => {
                let home = Escaped(home.as_os_str().as_bytes());
                write!(f, "unusable home folder: {home}: not an absolute path, or {SIGNS}")
            }
        }
    }
}

/// What an entry needs that is not there yet.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct New {
    /// For a new user: the system user to run as, a name or number
    #[arg(long, value_name = "USER")]
    uid: Option<String>,
    /// For a new user: the group to run as [default: the system user's]
    #[arg(long, value_name = "GROUP", requires = "uid")]
    gid: Option<String>,
    /// For a new user: the home directory, an absolute path [default: the system user's]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

/// An identity that can stand in a file.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// User and group id, where somebody was named.
    pub(crate) ids: Option<(u32, u32)>,
    /// Empty where neither options nor the system's user say.
    home: PathBuf,
}

impl Identity {
    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_none() && self.home.as_os_str().is_empty()
    }

    /// The home folder: what was asked for, and else an ordinary user's own, who can be
    /// nobody else; empty where there is none that could stand in a file.
    pub(crate) fn home(&self) -> PathBuf {
        let is_said = !self.home.as_os_str().is_empty();
        let is_others = self.ids.is_some_and(|(uid, _)| uid != own_uid());
        if is_said || is_others || runs_as_root() {
            return self.home.clone();
        }
        let own = SystemUser::own().ok().flatten().map(|own| own.home);
        own.filter(|home| is_home(home)).unwrap_or_default()
    }
}

impl New {
    /// Who that is.
    ///
    /// # Errors
    /// A name or number that nobody can be served as, or no home folder.
    pub(crate) fn resolve(&self) -> Result<Identity, NoIdentity> {
        let mut found = Identity::default();
        if let Some(said) = &self.uid {
            let system = match number(said) {
                Some(_) => None,
                None => SystemUser::named(said).ok().flatten(),
            };
            let uid = system.as_ref().map(|user| user.uid).or_else(|| number(said));
            let uid = usable("--uid", said, uid, "no user of the system's has this name")?;
            let gid = match (&self.gid, &system) {
                (Some(said), _) => {
                    let gid = number(said).or_else(|| group_named(said).ok().flatten());
                    usable("--gid", said, gid, "no group of the system's has this name")?
                }
                (None, Some(user)) => usable("--uid", said, Some(user.gid), "")?,
                (None, None) => {
                    return Err(NoIdentity::Id(
                        "--uid",
                        said.clone(),
                        "a number needs --gid beside it",
                    ));
                }
            };
            found.ids = Some((uid, gid));
            found.home = system.map(|user| user.home).unwrap_or_default();
        }
        if let Some(home) = &self.home {
            found.home.clone_from(home);
        }
        let home = &found.home;
        if !home.as_os_str().is_empty() && !is_home(home) {
            return Err(NoIdentity::Home(home.clone()));
        }
        Ok(found)
    }
}

fn number(said: &str) -> Option<u32> {
    said.parse().ok()
}

/// An id that somebody can be served as.
fn usable(
    option: &'static str,
    said: &str,
    id: Option<u32>,
    missing: &'static str,
) -> Result<u32, NoIdentity> {
    let why = match id {
        None => missing,
        Some(0) => "root is never served",
        Some(u32::MAX) => "nobody can have this number",
        Some(id) => return Ok(id),
    };
    Err(NoIdentity::Id(option, said.to_owned(), why))
}

/// Whether it can stand in a file as a home folder.
fn is_home(home: &Path) -> bool {
    home.is_absolute() && is_field(home.as_os_str().as_bytes())
}
