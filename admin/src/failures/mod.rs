//! `acceptutils failures`: who has been refused how often, and how to make it forgotten.
//!
//! The rules are `proto::failures`', the file is `unix::failures`'; what is shown of it is
//! [`listing`]'s.

mod listing;

use crate::home::usual_home;
use crate::outcome::{Error, Outcome, print_line};
use crate::way;
use clap::Args;
use listing::Names;
use proto::escape::Escaped;
use proto::failures::entry::Entry;
use proto::failures::{Prefix, Settings, UserHash};
use proto::names::ControlFile;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use unix::control::{Folder, control_file};
use unix::failures::file::{Created, File, Trouble, create};
use unix::failures::{path, settings};

/// Show or clear the memory of refused logins
///
/// Reads the file named in control/loginfailures. A login is refused without a check if one
/// more failure of its address, network or user would exceed a limit.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The qmail home [default: $QMAILHOME, /etc/acceptutils, /var/qmail]
    dir: Option<PathBuf>,
    /// Only this user, and the networks where the user is known
    #[arg(long, value_name = "USER", conflicts_with_all = ["clear", "create"])]
    user: Option<OsString>,
    /// Print as JSON
    #[arg(long, conflicts_with_all = ["clear", "create"])]
    json: bool,
    /// Forget the failures of an address, a network or a user
    #[arg(long, value_name = "ADDRESS|USER", num_args = 0..=1)]
    clear: Option<Option<OsString>>,
    /// With --clear: all of them
    #[arg(long, requires = "clear")]
    all: bool,
    /// Create the file if it does not exist
    #[arg(long, conflicts_with = "clear")]
    create: bool,
}

/// How long others may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what is asked.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let home = options.dir.clone().unwrap_or_else(usual_home);
    let said = settings(&Folder::of(Some(home.as_os_str())));
    let said = said.map_err(|wrong| Error::new(format!("unable to read {wrong}")))?;
    let Some(settings) = said else {
        let file = control_file(&home, ControlFile::LoginFailures);
        let why = "No such file or directory: failures are not remembered";
        return Err(Error::new(format!("unable to read {}: {why}", file.display())));
    };
    let file = path(&settings);
    if options.create {
        return make(file);
    }
    let opened = File::open(file).map_err(|trouble| unusable(file, &trouble))?;
    match &options.clear {
        None => listing::show(options, &home, &settings, &opened),
        Some(who) => clear(who.as_deref(), options.all, &opened),
    }
    .map_err(|trouble| match trouble {
        Wrong::File(trouble) => unusable(file, &trouble),
        Wrong::Said(error) => error,
    })
}

/// What can go wrong behind the file's opening.
enum Wrong {
    File(Trouble),
    Said(Error),
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Self::File(trouble)
    }
}

fn unusable(file: &Path, trouble: &Trouble) -> Error {
    let advice = match trouble {
        Trouble::System(reason) if reason.kind() == std::io::ErrorKind::NotFound => {
            ": make it with --create"
        }
        Trouble::OtherBoot => ": make it anew with --create",
        _ => "",
    };
    Error::new(format!("unusable file: {}: {trouble}{advice}", file.display()))
}

/// Nothing is said where there is nothing to do, as run scripts ask at each start.
fn make(file: &Path) -> Result<Outcome, Error> {
    let failed =
        |trouble: Trouble| Error::new(format!("unable to make: {}: {trouble}", file.display()));
    way::is_ours(file).map_err(|error| failed(error.into()))?;
    match create(file).map_err(failed)? {
        Created::Kept => {}
        Created::New => print_line(&format!("made {}", file.display())),
        Created::Replaced => print_line(&format!("made {} anew", file.display())),
    }
    Ok(Outcome::Clean)
}

fn clear(who: Option<&OsStr>, all: bool, file: &File) -> Result<Outcome, Wrong> {
    if all == who.is_some() {
        let text = "--clear: an address, a network or a user, or else --all";
        return Err(Wrong::Said(Error::new(text)));
    }
    let _lock = file.lock_within(PATIENCE)?.ok_or(Trouble::Locked)?;
    let network = who.and_then(OsStr::to_str).and_then(Prefix::parse);
    let user = who.map(|name| UserHash::of(file.key(), name.as_bytes()));
    let is_meant = |entry: &Entry| match network {
        _ if all => true,
        Some(network) => entry.about.prefix().is_some_and(|prefix| prefix.overlaps(network)),
        None => user.is_some() && entry.about.user() == user,
    };
    let mut cleared = 0;
    file.each_bucket(|bucket| {
        let here = bucket.clear(is_meant);
        cleared += here;
        here > 0
    })?;
    match who.filter(|_| cleared == 0) {
        Some(who) => {
            print_line(&format!("cleared 0: nothing is remembered of {}", Escaped(who.as_bytes())))
        }
        None => print_line(&format!("cleared {cleared}")),
    }
    Ok(Outcome::Clean)
}

/// The names that hashes are looked up by: those of the users file and of the system.
fn names(home: &Path, file: &File, asked: Option<&OsStr>) -> Names {
    let mut names = Names::default();
    let mut add =
        |name: &[u8]| names.add(UserHash::of(file.key(), name), Escaped(name).to_string());
    for path in [home.join("users"), PathBuf::from("/etc/passwd")] {
        let contents = unix::regular_file::read(&path).unwrap_or_default();
        for line in contents.split(|&octet| octet == b'\n') {
            let name = line.split(|&octet| octet == b':').next().unwrap_or_default();
            if !name.is_empty() {
                add(name);
            }
        }
    }
    if let Some(name) = asked {
        add(name.as_bytes());
    }
    names
}

/// What is remembered, and what it is held to.
fn entries(file: &File) -> Result<Vec<Entry>, Trouble> {
    let mut all = Vec::new();
    file.each_bucket(|bucket| {
        all.extend(bucket.entries());
        false
    })?;
    Ok(all)
}

/// The limit for an entry.
fn limit(settings: &Settings, entry: &Entry) -> u16 {
    settings.limit(entry.about.kind()).map_or(0, |limit| limit.count)
}
