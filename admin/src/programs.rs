//! Which programs this machine has.

use crate::command::CommandLine;
use crate::run_script::RunScript;
use proto::names::Variable;
use std::path::{Path, PathBuf};
use unix::environment::inherited;
use unix::search_path;

/// Where programs are besides their usual places.
const QMAIL: &str = "/var/qmail/bin";
/// Where programs usually are.
pub(crate) const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where they are for supervisors of some systems, besides: s6-overlay's and daemontools' own
/// folder, and pkgsrc's.
const SUPERVISORS: &str = "/command:/usr/pkg/sbin:/usr/pkg/bin";

/// Where programs may be for a script that does not say so: the supervisor does.
pub(crate) fn supervisors_path() -> String {
    let usual = format!("{USUAL}:{SUPERVISORS}");
    // An empty one would be the folder that the script is in.
    match inherited(Variable::Path).filter(|here| !here.is_empty()) {
        Some(here) => format!("{usual}:{}", here.to_string_lossy()),
        None => usual,
    }
}

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

// Of several, the first that works is taken.

/// The SMTP servers for users that are installed.
pub(crate) fn submission_servers() -> Vec<CommandLine> {
    installed(&["ofmipd", "sendmail -bs", "smtpfront-qmail"])
}

/// Those for incoming mail. Not sendmail: it takes who comes by a pipe for a user of this
/// machine, and relays.
pub(crate) fn incoming_servers() -> Vec<CommandLine> {
    installed(&["qmail-smtpd", "smtpfront-qmail"])
}

/// The POP3 servers.
pub(crate) fn pop3_servers() -> Vec<CommandLine> {
    let mut servers = installed(&["qmail-pop3d Maildir", "pop3front-maildir Maildir"]);
    servers.extend(with_dovecot("pop3", |folder| vec![dovecot_pop3(folder)]));
    servers
}

/// Where Dovecot's servers are: Debian's, Fedora's and Alpine's, FreeBSD's place for them.
const DOVECOT: [&str; 3] =
    ["/usr/lib/dovecot", "/usr/libexec/dovecot", "/usr/local/libexec/dovecot"];

/// Maildirs in the users' homes, as Debian would have Dovecot look into /var/mail. What only
/// 2.3 or only 2.4 knows the other passes over; 2.4 expands nothing that stands behind -o. The
/// last has no session look for the socket of Dovecot's statistics, which users may not open.
const MAILDIR: &str = "-o \"mail_location=maildir:~/Maildir\" -o mail_driver=maildir \
     -o \"mail_home=$HOME\" -o \"mail_path=~/Maildir\" -o \"mail_inbox_path=~/Maildir\" \
     -o stats_writer_socket_path=";

/// Dovecot's POP3 server in this folder. It says nothing by itself when it begins, and 2.4
/// keeps only the variables that are named.
fn dovecot_pop3(folder: &str) -> String {
    format!(
        "sh -c 'printf \"+OK\\r\\n\"; DOVECOT_PRESERVE_ENVS=\"USER HOME\" \
         exec {folder}/pop3 {MAILDIR}'"
    )
}

/// Its IMAP server. -k: it keeps what it is told of the login.
pub(crate) fn dovecot_imap(folder: &str) -> String {
    format!("sh -c 'exec {folder}/imap -k {MAILDIR} -o log_path=/dev/stderr'")
}

/// The IMAP servers that are installed. From 2.4.2 on Dovecot's can only greet.
pub(crate) fn imap_servers() -> Vec<CommandLine> {
    with_dovecot("imap", |folder| {
        let command = dovecot_imap(folder);
        let relayed = format!("fiximapio {command}");
        vec![command, relayed]
    })
}

/// Commands for where Dovecot has this program.
fn with_dovecot(program: &str, commands: impl Fn(&str) -> Vec<String>) -> Vec<CommandLine> {
    let is_there = |folder: &&&str| search_path::is_program(&Path::new(folder).join(program));
    let commands = DOVECOT.iter().filter(is_there).flat_map(|folder| commands(folder));
    commands.filter_map(|command| CommandLine::parse(&command).ok()).collect()
}

/// Those of these commands that are installed, with their whole paths.
fn installed(commands: &[&str]) -> Vec<CommandLine> {
    let path = format!("{QMAIL}:{USUAL}");
    let commands = commands.iter().filter_map(|command| CommandLine::parse(command).ok());
    let installed = commands.filter_map(|command| {
        let found = find(command.words().first()?, &path)?;
        Some(command.with_program(found.display().to_string()))
    });
    installed.collect()
}

/// Whether this is sendmail's interface to who submits mail on this machine, which
/// trusts them: it relays for whoever speaks to it. A shell is what its script becomes.
pub(crate) fn is_sendmail(name: &str, arguments: &[&str]) -> bool {
    let becomes = |script: &str| {
        let script = RunScript::parse(script);
        script.links().last().is_some_and(|last| {
            let arguments: Vec<_> = last.arguments.iter().map(|word| word.text.as_str()).collect();
            is_sendmail(last.name(), &arguments)
        })
    };
    let is_shells = match arguments {
        ["-c", script, ..] => becomes(script) || becomes(&format!("exec {script}")),
        _ => false,
    };
    is_shells || name == "sendmail" || arguments.contains(&"-bs")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The command of a section of docs/switching.md.
    fn recipe(section: &str) -> String {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/switching.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, section) = page.split_once(&format!("\n## {section}\n")).unwrap();
        let (_, command) = section.split_once("    sh -c ").unwrap();
        let (command, _) = command.split_once("\n```").unwrap();
        let words = command.split_whitespace().filter(|word| *word != "\\");
        format!("sh -c {}", words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_found_is_what_the_page_says() {
        let (pop3, imap) =
            (recipe("In front of Dovecot's POP3"), recipe("In front of Dovecot's IMAP"));
        assert_eq!(dovecot_pop3("/usr/lib/dovecot"), pop3);
        assert_eq!(dovecot_imap("/usr/lib/dovecot"), imap);
        for command in [pop3, imap] {
            assert_eq!(CommandLine::parse(&command).unwrap().words().len(), 3);
        }
    }
}
