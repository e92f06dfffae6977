//! The programs from what holds the dialog on: authup, or tlsserver; and before it, where it
//! matters for who is let in.

use super::findings::{Findings, Place};
use super::identity;
use super::pam;
use super::service::Service;
use super::who::Who;
use crate::run_script::{Link, Role};
use proto::names::Variable;
use std::path::Path;

/// Looks at them; the first of those behind holds the dialog.
pub(super) fn check(
    service: &Service,
    before: &[Link<'_>],
    behind: &[Link<'_>],
    home: Option<&Path>,
    findings: &mut Findings,
) {
    check_dialog(service, before, behind, findings);
    let until: Vec<_> = before.iter().chain(behind.first()).copied().collect();
    let is_root = identity::behind(service, &until) == Who::Starter;
    check_order(service, behind, is_root, findings);
    if is_root {
        check_root(service, behind, findings);
    }
    if let Some(at) = behind.iter().position(|link| link.role() == Role::Login)
        && let Some((between, login)) = behind.get(..at).zip(behind.get(at))
    {
        let until: Vec<_> = before.iter().chain(between).copied().collect();
        check_identity(service, &until, login, findings);
        match login.name() {
            "checkpassword-file" => check_file(service, login, findings),
            "checkpassword-pam" => pam::check(service, &until, login, findings),
            "vchkpw" => check_vchkpw(service, behind, login, findings),
            _ => {}
        }
    }
    if let Some(home) = home {
        check_home(service, behind, home, findings);
    }
}

/// tlsserver's own dialog leaves nothing for authup to ask, and has options of its own.
fn check_dialog(
    service: &Service,
    before: &[Link<'_>],
    behind: &[Link<'_>],
    findings: &mut Findings,
) {
    let path = &service.path;
    let Some(authup) = behind.first().filter(|link| link.role() == Role::Dialog) else { return };
    let Some(server) = before.iter().find(|link| link.name() == "tlsserver") else { return };
    if let Some(spoken) = server.login() {
        let text = format!("--login {spoken}: authup behind it would ask once more: leave it out");
        findings.error(Place::line(path, authup.program.line), text);
    }
}

/// What stands between the dialog and the program that checks passwords runs as root, and a
/// row without one lets anybody in.
fn check_order(service: &Service, behind: &[Link<'_>], is_root: bool, findings: &mut Findings) {
    let path = &service.path;
    let checks = |link: &&Link<'_>| matches!(link.role(), Role::Login | Role::Other);
    let is_checked = behind.iter().any(|link| link.role() == Role::Login);
    for link in behind.iter().skip(1).take_while(|link| !checks(link)) {
        let (name, place) = (link.name(), Place::line(path, link.program.line));
        match link.role() {
            Role::Guard if is_root => {
                let text = format!(
                    "{name}: nobody can log in: it refuses root, and nothing before it becomes \
                     the user"
                );
                findings.error(place, text);
            }
            Role::Relay if is_checked && is_root => {
                let text = format!("{name}: runs as root: put it behind what checks the password");
                findings.warning(place, text);
            }
            Role::Relay if !is_checked => {
                let text = format!("{name}: stands where the password must be checked");
                findings.error(place, text);
            }
            _ => {}
        }
    }
}

/// Who is refused to be root, by whatever program.
fn check_root(service: &Service, behind: &[Link<'_>], findings: &mut Findings) {
    let refuses_root = |link: &Link<'_>| {
        matches!(link.name(), "checkpassword-file" | "checkpassword-pam" | "checknotroot")
    };
    if behind.iter().any(refuses_root) {
        return;
    }
    let checks = behind.iter().find(|link| link.role() == Role::Login);
    // One that is not known to check passwords, and is where one should be.
    let stands_there = || {
        let mut rest = behind.iter().skip(1).filter(|link| link.role() != Role::Wrapper);
        rest.next().filter(|link| link.role() == Role::Other)
    };
    let Some(link) = checks.or_else(stands_there).or(behind.first()) else { return };
    let text = format!("no checknotroot behind {}: root may log in", link.name());
    findings.warning(Place::line(&service.path, link.program.line), text);
}

/// What checks passwords, as an ordinary user, who cannot become another one.
fn check_identity(
    service: &Service,
    until: &[Link<'_>],
    login: &Link<'_>,
    findings: &mut Findings,
) {
    let needs_root = matches!(login.name(), "checkpassword" | "checkpassword-pam");
    // Of a users file each entry is looked at.
    let Who::User(user) = identity::behind(service, until) else { return };
    if needs_root && user.uid != 0 {
        let name = login.name();
        let text = format!("{}: {name} cannot become the users: nobody can log in", user.how);
        findings.error(Place::line(&service.path, login.program.line), text);
    }
}

fn check_file(service: &Service, login: &Link<'_>, findings: &mut Findings) {
    let place = Place::line(&service.path, login.program.line);
    if let Some((letter, _)) = login.options().into_iter().find(|(letter, _)| *letter != 'f') {
        findings.error(place, format!("checkpassword-file: no option -{letter}"));
    }
    if login.option('f').is_none_or(str::is_empty) {
        findings.error(place, "checkpassword-file: no -f FILE: nobody can log in");
    }
}

fn check_vchkpw(service: &Service, behind: &[Link<'_>], login: &Link<'_>, findings: &mut Findings) {
    let is_smtp = service.login().as_deref() == Some("smtp");
    if is_smtp && !is_told_another_port(behind, login) {
        let text = "vchkpw stays root on ports 25, 465 and 587, so that checknotroot refuses good \
                    passwords: put env TCPLOCALPORT=110 before it";
        findings.error(Place::line(&service.path, login.program.line), text);
    }
}

/// Whether the dialog and fixsmtpio read this home's control files.
fn check_home(service: &Service, links: &[Link<'_>], home: &Path, findings: &mut Findings) {
    let Service { path, script, .. } = service;
    let Some(front) = links.first() else { return };
    let (line, name) = (front.program.line, front.name());
    let is_set = script.variable(Variable::QmailHome.name()).is_some();
    // Which home it is, what another program reads says.
    if !is_set && script.hides(Variable::QmailHome.name()) {
        return;
    }
    let said = script.home();
    if let Some(said) = said.filter(|said| !is_same(said, home)) {
        findings.warning(path, format!("QMAILHOME is {said}: {name} reads other control files"));
    }
    // It keeps the variable to itself.
    let Some(fixsmtpio) = links.iter().position(|link| link.name() == "fixsmtpio") else { return };
    let before = links.get(..fixsmtpio).unwrap_or_default();
    if before.iter().any(Link::hides_variables) {
        return;
    }
    let setting = before.iter().filter(|link| link.name() == "env");
    let mut words = setting.flat_map(|link| link.arguments);
    let passed_on = words.rfind(|word| word.text.starts_with("QMAILHOME="));
    if passed_on.is_some_and(|word| word.is_computed) {
        return;
    }
    let passed_on = passed_on.and_then(|word| word.text.strip_prefix("QMAILHOME="));
    let passed_on = passed_on.filter(|said| !said.is_empty());
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
    let sets = |link: &Link<'_>| {
        let mut words = link.arguments.iter().filter(|_| link.name() == "env");
        link.hides_variables() || words.any(|word| word.text.starts_with("TCPLOCALPORT="))
    };
    before.into_iter().any(sets)
}

/// Whether a script means this folder, by whatever links.
fn is_same(said: &str, home: &Path) -> bool {
    let said = Path::new(said);
    said == home
        || said.canonicalize().is_ok_and(|said| home.canonicalize().is_ok_and(|home| said == home))
}
