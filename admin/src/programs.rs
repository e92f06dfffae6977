//! Which programs this machine has.

use crate::command::CommandLine;
use std::path::PathBuf;
use unix::search_path;

/// Where programs are besides their usual places.
const QMAIL: &str = "/var/qmail/bin";
/// Where programs usually are.
pub(crate) const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs behind the front door; of each that there is not, why.
#[derive(Debug, Clone)]
pub(crate) struct MailPrograms {
    /// Takes messages from users who are logged in; speaks SMTP.
    pub(crate) submission: Result<CommandLine, String>,
    /// Takes messages from strangers; speaks SMTP.
    pub(crate) incoming: Result<CommandLine, String>,
    /// Gives users their messages; speaks POP3 from behind the login on.
    pub(crate) pop3: Result<CommandLine, String>,
    /// Shows users their messages; speaks IMAP from behind the login on.
    pub(crate) imap: Result<CommandLine, String>,
}

/// Of several, the first that works is taken.
pub(crate) const SUBMISSION: [&str; 3] = ["ofmipd", "sendmail -bs", "smtpfront-qmail"];
// Not sendmail: it takes who comes by a pipe for a user of this machine, and relays.
pub(crate) const INCOMING: [&str; 2] = ["qmail-smtpd", "smtpfront-qmail"];
pub(crate) const POP3: [&str; 2] = ["qmail-pop3d Maildir", "pop3front-maildir Maildir"];
// With -k Dovecot's server keeps what it is told of the login. Debian's would look for mail in
// /var/mail.
pub(crate) const IMAP: [&str; 2] = [
    "/usr/lib/dovecot/imap -k -o 'mail_location=maildir:~/Maildir' -o log_path=/dev/stderr",
    "/usr/libexec/dovecot/imap -k -o 'mail_location=maildir:~/Maildir' -o log_path=/dev/stderr",
];

/// Those of these commands that are installed, with their whole paths.
pub(crate) fn installed(commands: &[&str]) -> Vec<CommandLine> {
    let path = format!("{QMAIL}:{USUAL}");
    let commands = commands.iter().filter_map(|command| CommandLine::parse(command).ok());
    let installed = commands.filter_map(|command| {
        let found = find(command.words().first()?, &path)?;
        Some(command.with_program(found.display().to_string()))
    });
    installed.collect()
}

/// Whether this is sendmail's interface to who submits mail on this machine, which
/// trusts them: it relays for whoever speaks to it.
pub(crate) fn is_sendmail<'a>(name: &str, mut arguments: impl Iterator<Item = &'a str>) -> bool {
    name == "sendmail" || arguments.any(|argument| argument == "-bs")
}

/// Finds a program as the system does: by its path, or in these folders.
pub(crate) fn find(name: &str, path: &str) -> Option<PathBuf> {
    search_path::find(name.as_ref(), Some(path.as_ref()))
}

/// Where the programs of this project are: beside this one, if they are there.
pub(crate) fn own_folder() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    search_path::is_program(&folder.join("authup")).then_some(folder)
}
