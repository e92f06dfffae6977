//! The run scripts: what they set, and the programs that they run.

use super::command_line;
use super::findings::{Findings, Place};
use super::permissions::{Readers, look};
use crate::client::Begin;
use crate::programs;
use crate::run_script::{Link, RunScript, SERVERS, Word};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tlsserver::options::Options;
use unix::identity::SystemUser;

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
        let spoken = links.iter().find_map(|link| match link.name() {
            "authup" => Some(link.arguments.last()?.text.as_str()),
            "tlsserver" => link.login(),
            _ => None,
        });
        Some(spoken?.to_ascii_lowercase())
    }

    /// The certificate's and the key's file, where they are known.
    pub(super) fn certificate(&self) -> Option<(PathBuf, PathBuf)> {
        let known = |(path, word): (&str, &Word)| (!word.is_computed).then(|| PathBuf::from(path));
        let certificate = known(self.certificate_variable()?)?;
        let key = self.file("KEYFILE").map_or_else(|| Some(certificate.clone()), known)?;
        Some((certificate, key))
    }

    /// What names the certificate's file, as tlsserver has it.
    fn certificate_variable(&self) -> Option<(&str, &Word)> {
        self.file("CERTCHAINFILE").or(self.file("CERTFILE"))
    }

    /// A variable that names a file, which an empty one does not.
    fn file(&self, variable: &str) -> Option<(&str, &Word)> {
        self.script.variable(variable).filter(|(path, _)| !path.is_empty())
    }

    /// Whether TLS begins when the client asks for it.
    pub(super) fn starts_tls(&self) -> bool {
        self.script.links().first().is_some_and(|server| {
            let clusters = server.arguments.iter().filter_map(|word| word.text.strip_prefix('-'));
            clusters.into_iter().any(|cluster| !cluster.starts_with('-') && cluster.contains('n'))
        })
    }

    /// When TLS begins, if it does.
    pub(super) fn begins_tls(&self) -> Begin {
        let links = self.script.links();
        let is_tcpserver = links.first().is_some_and(|link| link.name() == "tcpserver");
        let disabled = self.script.variable("DISABLETLS").is_some();
        let level = self.script.variable("UCSPITLS").map(|(level, _)| level);
        match (is_tcpserver || disabled, self.starts_tls(), level) {
            (true, _, _) | (_, true, None | Some("-")) => Begin::Never,
            (_, true, _) => Begin::OnRequest,
            (_, false, _) => Begin::AtOnce,
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
        let server = links.iter().position(|link| SERVERS.contains(&link.name()));
        let login = links.iter().rposition(|link| {
            let name = link.name();
            name == "authup" || name.starts_with("check") || name == "vchkpw"
        });
        let first = login.or(server).and_then(|at| links.get(at + 1));
        first.map_or(&[], |link| self.script.from(link.program))
    }

    /// The user ids of the processes that talk to strangers here.
    pub(super) fn jails(&self) -> Vec<u32> {
        let number = |names: &[&str]| {
            let said = names.iter().find_map(|name| self.script.variable(name));
            said.map_or(Some(NOBODY), |(number, _)| number.parse().ok())
        };
        let links = self.script.links();
        let authup = links.iter().find(|link| link.name() == "authup");
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

    /// The users files that are asked.
    pub(super) fn users_files(&self) -> Vec<PathBuf> {
        let links = self.script.links();
        let asking = links.iter().filter(|link| link.name() == "checkpassword-file");
        let files = asking.filter_map(|link| link.arguments.last());
        files.filter(|file| !file.is_computed).map(|file| PathBuf::from(&file.text)).collect()
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
    if script.command.is_empty() {
        return findings.error(path, "runs nothing: no exec in it");
    }
    let links = script.links();
    for word in script.command.iter().chain(&script.variables).filter(|word| word.is_computed) {
        let text = format!("{}: uses shell expansion, not checked", word.text);
        findings.warning(Place::line(path, word.line), text);
    }
    if !service.row_is_known() {
        return;
    }
    check_programs(service, &links, findings);
    command_line::check(service, &links, findings);
    check_variables(service, &links, findings);
    let has_dialog = |link: &Link<'_>| link.name() == "authup" || link.login().is_some();
    if let Some(at) = links.iter().rposition(has_dialog) {
        let behind = links.get(at..).unwrap_or_default();
        check_login(service, behind, findings);
        if let Some(home) = home {
            check_home(service, behind, home, findings);
        }
    } else {
        check_incoming(service, &links, findings);
    }
}

/// Where nobody logs in.
fn check_incoming(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let path = &service.path;
    if let Some(last) = links.last() {
        let arguments = last.arguments.iter().map(|word| word.text.as_str());
        if programs::is_sendmail(last.name(), arguments) {
            let name = last.name();
            let text = format!("{name} treats remote clients as local users: open relay");
            findings.error(Place::line(path, last.program.line), text);
        }
    }
    let Some(server) = links.iter().find(|link| link.name() == "tlsserver") else { return };
    let place = Place::line(path, server.program.line);
    let Some((uid, how)) = mail_user(service, links) else {
        return findings.warning(place, "no -u: what talks to strangers here runs as root");
    };
    if service.jails().contains(&uid) {
        let text = format!(
            "{how}: its mail program has the uid of the processes that talk TLS with strangers, \
             {uid}, and could be stopped by them: name another user"
        );
        findings.error(place, text);
    }
}

/// Whom the mail program runs as, and what says so.
fn mail_user(service: &Service, links: &[Link<'_>]) -> Option<(u32, String)> {
    let setting = links.iter().find(|link| matches!(link.name(), "setuidgid" | "envuidgid"));
    let named = setting.and_then(|link| {
        let name = &link.arguments.last()?.text;
        let uid = SystemUser::named(name).ok()??.uid;
        Some((uid, format!("{} {name}", link.name())))
    });
    if setting.is_some() {
        return named.or(Some((0, String::new())));
    }
    match service.tlsserver()? {
        Ok(options) => options.user.map(|uid| (uid, format!("-u {uid}"))),
        // What is wrong with the options is said elsewhere; a number that the shell
        // computes is nobody's here.
        Err(_) => Some((0, String::new())),
    }
}

fn check_programs(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let said = service.script.variable("PATH");
    let path = said.map_or(programs::USUAL, |(path, _)| path);
    let is_known = said.is_none_or(|(_, word)| !word.is_computed);
    for link in links.iter().filter(|link| !link.program.is_computed) {
        let name = &link.program.text;
        if (is_known || name.contains('/')) && programs::find(name, path).is_none() {
            let text = if name.contains('/') {
                format!("{name}: not a program, or not there")
            } else {
                format!("{name}: not found in PATH ({path})")
            };
            findings.error(Place::line(&service.path, link.program.line), text);
        }
    }
    let is_complete = links.last().is_some_and(|last| !needs_another(last.name()));
    if let Some(last) = links.last().filter(|_| !is_complete) {
        let text = format!("{}: no program behind it", last.program.text);
        findings.error(Place::line(&service.path, last.program.line), text);
    }
}

fn needs_another(name: &str) -> bool {
    const ROW: [&str; 6] = ["tlsserver", "sslserver", "tcpserver", "authup", "fixsmtpio", "env"];
    ROW.contains(&name) || name.starts_with("check")
}

fn check_variables(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let Service { path, script } = service;
    let Some(server) = links.iter().find(|link| link.name() == "tlsserver") else { return };
    let disabled = script.variable("DISABLETLS");
    let needs_none = disabled.is_some() && service.starts_tls() && server.login().is_none();
    if service.certificate_variable().is_none() && !needs_none {
        let place = Place::line(path, server.program.line);
        findings.error(place, "tlsserver has no certificate: CERTFILE is not set");
    }
    check_dialog(service, server, findings);
    let is_login = service.login().is_some();
    let delayed = service.starts_tls();
    match script.variable("UCSPITLS") {
        _ if !delayed => {}
        None | Some(("-", _)) => {
            let text = "UCSPITLS is not set: TLS is never offered";
            if is_login { findings.error(path, text) } else { findings.warning(path, text) }
        }
        Some(("!", _)) => {}
        Some((_, word)) if is_login && !word.is_computed => {
            let text = "UCSPITLS is not '!': passwords may come in the clear";
            findings.warning(Place::line(path, word.line), text);
        }
        Some(_) => {}
    }
    if let Some((_, word)) = disabled {
        findings.warning(Place::line(path, word.line), "DISABLETLS is set: TLS is never offered");
    }
}

/// tlsserver's own dialog leaves nothing for authup to ask.
fn check_dialog(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    let Some(spoken) = server.login() else { return };
    let Service { path, script } = service;
    if let Some(authup) = script.links().iter().find(|link| link.name() == "authup") {
        let text = format!("--login {spoken}: authup behind it would ask once more: leave it out");
        findings.error(Place::line(path, authup.program.line), text);
    }
}

/// From what holds the dialog on: authup, or tlsserver.
fn check_login(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let path = &service.path;
    let Some(front) = links.first() else { return };
    let (line, name) = (front.program.line, front.name());
    if let Some(pam) = links.iter().find(|link| link.name() == "checkpassword-pam") {
        let service = pam.arguments.last();
        let is_known = service.is_none_or(|word| !word.is_computed);
        let service = service.map_or("checkpassword", |word| &word.text);
        let file = Path::new("/etc/pam.d").join(service.trim_start_matches("-s"));
        if is_known && !file.exists() {
            let text = format!("{}: not there, and PAM lets nobody in without it", file.display());
            findings.error(Place::line(path, pam.program.line), text);
        }
    }
    let at = |name: &str| links.iter().position(|link| link.name() == name);
    let refuses_root = ["checkpassword-file", "checkpassword-pam", "checknotroot"];
    if !refuses_root.into_iter().any(|one| at(one).is_some()) {
        let text = format!("no checknotroot behind {name}: root may log in");
        findings.warning(Place::line(path, line), text);
    }
    if service.login().as_deref() == Some("smtp")
        && let Some(vchkpw) = at("vchkpw").and_then(|at| links.get(at))
        && !is_told_another_port(links, vchkpw)
    {
        let text = "vchkpw stays root on ports 25, 465 and 587, so that checknotroot refuses good \
                    passwords: put env TCPLOCALPORT=110 before it";
        findings.error(Place::line(path, vchkpw.program.line), text);
    }
}

/// Whether the dialog and fixsmtpio read this home's control files.
fn check_home(service: &Service, links: &[Link<'_>], home: &Path, findings: &mut Findings) {
    let Service { path, script } = service;
    let Some(front) = links.first() else { return };
    let (line, name) = (front.program.line, front.name());
    let said = script.variable("QMAILHOME");
    let is_known = said.is_none_or(|(_, word)| !word.is_computed);
    let said = said.map_or(unix::control::HOME, |(home, _)| home);
    if is_known && !is_same(said, home) {
        findings.warning(path, format!("QMAILHOME is {said}: {name} reads other control files"));
    }
    // It keeps the variable to itself.
    let Some(fixsmtpio) = links.iter().position(|link| link.name() == "fixsmtpio") else { return };
    let setting = links.iter().take(fixsmtpio).filter(|link| link.name() == "env");
    let mut words = setting.flat_map(|link| link.arguments);
    let passed_on = words.rfind(|word| word.text.starts_with("QMAILHOME="));
    if passed_on.is_some_and(|word| word.is_computed) {
        return;
    }
    let passed_on = passed_on.and_then(|word| word.text.strip_prefix("QMAILHOME="));
    if !is_same(passed_on.unwrap_or(unix::control::HOME), home) {
        let line = links.get(fixsmtpio).map_or(line, |link| link.program.line);
        let text = format!(
            "fixsmtpio reads other control files: {name} does not pass QMAILHOME on, so put \
             env QMAILHOME={} before it",
            home.display()
        );
        findings.error(Place::line(path, line), text);
    }
}

/// Whether something sets the port anew for the program.
fn is_told_another_port(links: &[Link<'_>], program: &Link<'_>) -> bool {
    let before = links.iter().take_while(|link| !std::ptr::eq(link.program, program.program));
    let mut words = before.filter(|link| link.name() == "env").flat_map(|link| link.arguments);
    words.any(|word| word.text.starts_with("TCPLOCALPORT="))
}

/// Whether a script means this folder, by whatever links.
fn is_same(said: &str, home: &Path) -> bool {
    let said = Path::new(said);
    said == home
        || said.canonicalize().is_ok_and(|said| home.canonicalize().is_ok_and(|home| said == home))
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
