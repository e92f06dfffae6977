//! The run scripts: what they set, and the programs that they run. What is wrong with those
//! is found by the modules beside this one, a kind each.

use super::findings::{Findings, Place};
use super::identity::{self, Who};
use super::permissions::{Readers, look};
use super::{behind_login, command_line, row, tls_offer};
use crate::client::Begin;
use crate::programs;
use crate::run_script::{Link, Role, RunScript, Stays, Word};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tlsserver::options::{Mode, Options};

/// Who is jailed where nobody else is named.
const NOBODY: u32 = unix::jail::Identity::NOBODY.user;

/// A run script that could be read.
#[derive(Debug)]
pub(super) struct Service {
    /// The script.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) script: RunScript,
}

impl Service {
    /// Whether each word of the row is a known one: of `$OPTIONS` nobody knows how many
    /// words it is, and so not which word behind it is a program. The last program's own
    /// words may be any number.
    pub(super) fn row_is_known(&self) -> bool {
        let links = self.script.links();
        let (last, before) =
            links.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
        let is_one = |word: &Word| !word.may_be_many;
        last.is_none_or(|last| is_one(last.program))
            && before.iter().all(|link| is_one(link.program) && link.arguments.iter().all(is_one))
    }

    /// What is spoken here before a login, if there is one.
    pub(super) fn login(&self) -> Option<String> {
        let links = self.script.links();
        let spoken = links.iter().find_map(|link| match link.role() {
            Role::Dialog => Some(link.arguments.last()?.text.as_str()),
            _ => link.login(),
        });
        Some(spoken?.to_ascii_lowercase())
    }

    /// The certificate's and the key's file, where they are known; from where the server is
    /// started, as supervisors do in the script's folder.
    pub(super) fn certificate(&self) -> Option<(PathBuf, PathBuf)> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let known = |(path, word): (&str, &Word)| (!word.is_computed).then(|| folder.join(path));
        let certificate = known(self.certificate_variable()?)?;
        let key = self.file("KEYFILE").map_or_else(|| Some(certificate.clone()), known)?;
        Some((certificate, key))
    }

    /// What names the certificate's file, as tlsserver has it.
    pub(super) fn certificate_variable(&self) -> Option<(&str, &Word)> {
        self.file("CERTCHAINFILE").or(self.file("CERTFILE"))
    }

    /// A variable that names a file, which an empty one does not.
    fn file(&self, variable: &str) -> Option<(&str, &Word)> {
        self.script.variable(variable).filter(|(path, _)| !path.is_empty())
    }

    /// When TLS begins by the programs of the row, whatever variables say; none where that
    /// is not known.
    pub(super) fn offers_tls(&self) -> Option<Begin> {
        let links = self.script.links();
        let at = links.iter().position(|link| link.role() == Role::Server)?;
        let server = links.get(at)?;
        let delayed = |is_delayed| if is_delayed { Begin::OnRequest } else { Begin::AtOnce };
        let behind = links.iter().skip(at + 1);
        match server.name() {
            "tlsserver" => Some(delayed(match self.tlsserver() {
                Some(Ok(options)) => options.mode == Mode::Delayed,
                _ => server.option('n').is_some(),
            })),
            "sslserver" => Some(delayed(server.option('n').is_some())),
            "s6-tlsserver" => Some(Begin::AtOnce),
            _ => {
                let begins = behind.clone().find_map(|link| match link.name() {
                    "s6-tlsd" => Some(Begin::AtOnce),
                    "s6-ucspitlsd" => Some(Begin::OnRequest),
                    _ => None,
                });
                let mut front = behind.take_while(|link| link.role() != Role::Dialog);
                begins.or_else(|| front.all(|link| link.is_known).then_some(Begin::Never))
            }
        }
    }

    /// When TLS begins, if it does.
    pub(super) fn begins_tls(&self) -> Begin {
        let disabled = self.script.variable("DISABLETLS").is_some();
        let level = self.script.variable("UCSPITLS").map(|(level, _)| level);
        match (self.offers_tls().unwrap_or(Begin::AtOnce), level) {
            (Begin::OnRequest, None) if self.script.hides_variables() => Begin::OnRequest,
            (Begin::OnRequest, None | Some("-")) => Begin::Never,
            _ if disabled => Begin::Never,
            (begins, _) => begins,
        }
    }

    /// What it has tlsserver do, as tlsserver itself reads it; none where another server
    /// runs. Its errors are the whole script's.
    pub(super) fn tlsserver(&self) -> Option<Result<Options, String>> {
        let links = self.script.links();
        let server = links.iter().find(|link| link.name() == "tlsserver")?;
        let words = self.script.behind(server.program).iter();
        let words = words.map(|word| OsString::from(&word.text));
        Some(Options::parse(words).map_err(|error| error.to_string()))
    }

    /// What runs behind the last program that checks a login, or, without one, behind
    /// the server.
    pub(super) fn mail_program(&self) -> &[Word] {
        let links = self.script.links();
        let server = links.iter().position(|link| link.role() == Role::Server);
        let login = links
            .iter()
            .rposition(|link| matches!(link.role(), Role::Dialog | Role::Login | Role::Guard));
        let first = login.or(server).and_then(|at| links.get(at + 1));
        first.map_or(&[], |link| self.script.from(link.program))
    }

    /// Whether something that the mail program needs before it stands before the program that
    /// checks passwords.
    pub(super) fn relays_before_login(&self) -> bool {
        let links = self.script.links();
        let relay = links.iter().position(|link| link.role() == Role::Relay);
        let login = links.iter().position(|link| link.role() == Role::Login);
        relay.zip(login).is_some_and(|(relay, login)| relay < login)
    }

    /// The user ids of the processes that talk to strangers here.
    pub(super) fn jails(&self) -> Vec<u32> {
        let number = |names: &[&str]| {
            let said = names.iter().find_map(|name| self.script.variable(name));
            let default = Some(NOBODY).filter(|_| !self.script.hides_variables());
            said.map_or(default, |(number, _)| number.parse().ok())
        };
        let links = self.script.links();
        let authup = links.iter().find(|link| link.role() == Role::Dialog);
        let authup = authup.map(|_| number(&["AUTHUP_UID"]));
        [Some(number(&["SSL_UID", "TLS_UID"])), authup].into_iter().flatten().flatten().collect()
    }

    /// Where its POP3 or IMAP server looks for mail under a user's home folder, and makes
    /// none.
    pub(super) fn maildir(&self) -> Option<String> {
        let links = self.script.links();
        let fetches = matches!(self.login().as_deref(), Some("pop3" | "imap"));
        let last = links.last().filter(|_| fetches)?;
        let said = last.arguments.last()?.text.trim_start_matches("./").trim_end_matches('/');
        (said == "Maildir").then(|| said.to_owned())
    }

    /// The users files that are asked, and as whom; from the qmail home, where whatever holds
    /// the dialog is.
    pub(super) fn users_files(&self) -> Vec<(PathBuf, Who)> {
        let links = self.script.links();
        let asking = links.iter().enumerate().filter(|(_, link)| {
            let is_computed = link.arguments.iter().any(|word| word.is_computed);
            link.name() == "checkpassword-file" && !is_computed
        });
        let files = asking.filter_map(|(at, link)| {
            let who = identity::behind(self, links.get(..at).unwrap_or_default());
            let file = Path::new(link.option('f').filter(|file| !file.is_empty())?);
            let home = match self.script.variable("QMAILHOME") {
                Some((_, word)) if word.is_computed => None,
                Some((home, _)) => Some(home),
                None => Some(unix::control::HOME),
            };
            let file =
                if file.is_absolute() { file.to_owned() } else { Path::new(home?).join(file) };
            Some((file, who))
        });
        files.collect()
    }
}

/// The scripts under `service/`.
pub(super) fn in_folder(home: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let folder = home.join("service");
    let Ok(entries) = folder.read_dir() else {
        let text = "no run scripts here: only control files are looked at, unless they are named";
        findings.note(&folder, text);
        return Vec::new();
    };
    let mut scripts: Vec<_> = entries.flatten().map(|entry| entry.path().join("run")).collect();
    scripts.sort();
    scripts
}

/// Reads these scripts.
pub(super) fn read_all(scripts: Vec<PathBuf>, findings: &mut Findings) -> Vec<Service> {
    scripts.into_iter().filter_map(|path| read(path, findings)).collect()
}

/// Looks at each; the home is none where only a shell knows it.
pub(super) fn check(services: &[Service], home: Option<&Path>, findings: &mut Findings) {
    for service in services {
        check_one(service, home, findings);
    }
}

fn read(path: PathBuf, findings: &mut Findings) -> Option<Service> {
    if !look(&path, Readers::Whoever, findings) {
        return None;
    }
    if path.metadata().is_ok_and(|found| found.permissions().mode() & 0o100 == 0) {
        findings.error(&path, "not executable: the supervisor cannot run it");
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(Service { script: RunScript::parse(&text), path }),
        Err(error) => {
            findings.unusable(&path, &error);
            None
        }
    }
}

fn check_one(service: &Service, home: Option<&Path>, findings: &mut Findings) {
    let Service { path, script } = service;
    let links = script.links();
    let Some(first) = links.first() else {
        return findings.error(path, "no exec in it, and no server that is known here");
    };
    let server = links.iter().find(|link| link.role() == Role::Server).unwrap_or(first);
    if let Some(stays) = script.shell_stays {
        let why = match stays {
            Stays::NoExec => "run without exec",
            Stays::Beside => "run beside the shell, in a pipeline or in the background",
        };
        let text = format!(
            "{}: {why}: the supervisor's SIGTERM and SIGHUP reach the shell, and not it",
            server.name()
        );
        findings.warning(Place::line(path, server.program.line), text);
    }
    for word in script.command.iter().chain(&script.variables).filter(|word| word.is_computed) {
        let text = format!("{}: uses shell expansion, not checked", word.text);
        findings.warning(Place::line(path, word.line), text);
    }
    if !service.row_is_known() {
        return;
    }
    row::check(service, &links, findings);
    command_line::check(service, &links, findings);
    tls_offer::check(service, &links, findings);
    if let Some(at) = links.iter().rposition(Link::has_dialog) {
        let (before, behind) = links.split_at(at);
        behind_login::check(service, before, behind, home, findings);
    } else {
        row::check_incoming(service, &links, findings);
    }
}

/// Looks at systemd's units; of a template, at what its instances run.
pub(super) fn check_units(folder: &Path, services: &[Service], findings: &mut Findings) {
    let names = services.iter().filter_map(|service| service.path.parent()?.file_name()?.to_str());
    let names: Vec<_> = names.collect();
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            let Some(program) = line.strip_prefix("ExecStart=") else { continue };
            let program = program.split_whitespace().next().unwrap_or_default();
            let is_there = |name: &&str| {
                programs::find(&program.replace("%i", name), programs::USUAL).is_some()
            };
            if !names.iter().any(is_there) {
                let text = format!("{program}: not a program, or not there");
                findings.error(Place::line(&path, number), text);
            }
        }
    }
}
