//! Which programs this machine has.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are besides their usual places.
const QMAIL: &str = "/var/qmail/bin";
/// Where programs usually are.
pub(crate) const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs behind the front door, each with its arguments; none where this
/// machine has none.
#[derive(Debug, Clone)]
pub(crate) struct MailPrograms {
    /// Takes messages from users who are logged in; speaks SMTP.
    pub(crate) submission: Option<String>,
    /// Takes messages from strangers; speaks SMTP.
    pub(crate) incoming: Option<String>,
    /// Gives users their messages; speaks POP3 from behind the login on.
    pub(crate) pop3: Option<String>,
}

const SUBMISSION: [&str; 3] = ["ofmipd", "sendmail -bs", "smtpfront-qmail"];
// Not sendmail: it takes who comes by a pipe for a user of this machine, and relays.
const INCOMING: [&str; 2] = ["qmail-smtpd", "smtpfront-qmail"];
const POP3: [&str; 2] = ["qmail-pop3d Maildir", "pop3front-maildir Maildir"];

impl MailPrograms {
    /// Those that are installed; of several, the first that is known to fit best.
    pub(crate) fn installed() -> Self {
        Self {
            submission: first_installed(&SUBMISSION),
            incoming: first_installed(&INCOMING),
            pop3: first_installed(&POP3),
        }
    }
}

/// With its whole path.
fn first_installed(commands: &[&str]) -> Option<String> {
    let path = format!("{QMAIL}:{USUAL}");
    commands.iter().find_map(|command| {
        let name = command.split(' ').next()?;
        let found = find(name, &path)?;
        Some(format!("{}{}", found.display(), command.strip_prefix(name)?))
    })
}

/// Finds a program as the system does: by its path, or in these folders.
pub(crate) fn find(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|file| is_program(file));
    }
    path.split(':').map(|folder| Path::new(folder).join(name)).find(|file| is_program(file))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Where the programs of this project are: beside this one, if they are there.
pub(crate) fn own_folder() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    is_program(&folder.join("authup")).then_some(folder)
}
