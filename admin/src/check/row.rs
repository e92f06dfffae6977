//! The row of programs itself: whether they are there and are known; and those behind which
//! nobody logs in.

use super::findings::{Findings, Place};
use super::identity;
use super::service::Service;
use super::who::Who;
use crate::programs;
use crate::run_script::{Link, Role};
use unix::search_path::is_program;

/// Looks at it.
pub(super) fn check(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    check_programs(service, links, findings);
    check_identity(service, links, findings);
    let path = &service.path;
    for (link, next) in links.iter().zip(links.iter().skip(1)).filter(|(link, _)| !link.is_known) {
        let text = format!(
            "{}: not known here: what it does before it becomes {} is not looked at",
            link.program.text,
            next.name()
        );
        findings.note(Place::line(path, link.program.line), text);
    }
    if !links.iter().any(|link| link.role() != Role::Wrapper && link.role() != Role::Other)
        && let Some(last) = links.last()
    {
        let text = format!("{}: not known here, and not looked at", last.program.text);
        findings.note(Place::line(path, last.program.line), text);
    }
}

fn check_programs(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let path = service.script.variable("PATH");
    let (mut is_at_home, mut is_hidden) = (false, service.script.is_doubtful("PATH"));
    for link in links.iter().filter(|link| !link.program.is_computed) {
        let (name, place) = (&link.program.text, Place::line(&service.path, link.program.line));
        match path {
            _ if name.contains('/') => {
                // Behind a login it is a user's folder.
                let file = service.file(name).filter(|_| !is_at_home || name.starts_with('/'));
                if file.is_some_and(|file| !is_program(&file)) {
                    findings.error(place, format!("{name}: not a program, or not there"));
                }
            }
            Some((_, word)) if word.is_computed => {}
            Some((path, _)) if programs::find(name, path).is_none() => {
                findings.error(place, format!("{name}: not found in PATH ({path})"));
            }
            None if is_hidden => {}
            None if programs::find(name, &programs::supervisors_path()).is_none() => {
                let text = format!(
                    "{name}: not found in the usual folders: PATH is not set here, so the \
                     supervisor's must lead to it"
                );
                findings.warning(place, text);
            }
            _ => {}
        }
        is_at_home |= link.has_dialog();
        is_hidden |= link.hides_variables();
    }
    if let Some(last) = links.last().filter(|last| last.needs_another()) {
        let text = format!("{}: no program behind it", last.program.text);
        findings.error(Place::line(&service.path, last.program.line), text);
    }
}

/// tlsserver itself, as an ordinary user.
fn check_identity(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let Some(at) = links.iter().position(|link| link.name() == "tlsserver") else { return };
    let Some((front, server)) = links.get(..at).zip(links.get(at)) else { return };
    let Who::User(user) = identity::behind(service, front) else { return };
    for file in service.certificates().into_iter().flat_map(|files| [files.certificate, files.key])
    {
        if !user.can_read(&file) {
            let (how, uid, file) = (&user.how, user.uid, file.display());
            let text = format!("{how}: tlsserver cannot start: user {uid} cannot read {file}");
            findings.error(Place::line(&service.path, server.program.line), text);
        }
    }
}

/// Where nobody logs in.
pub(super) fn check_incoming(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let path = &service.path;
    let Some(at) = links.iter().position(|link| link.role() == Role::Server) else { return };
    let Some((server, last)) = links.get(at).zip(links.last()) else { return };
    let arguments: Vec<_> = last.arguments.iter().map(|word| word.text.as_str()).collect();
    if programs::is_sendmail(last.name(), &arguments) {
        let name = last.name();
        let text = format!("{name} treats remote clients as local users: open relay");
        findings.error(Place::line(path, last.program.line), text);
    }
    let is_ours = links.iter().any(|link| link.name() == "tlsserver" || link.role() == Role::Relay);
    let place = Place::line(path, server.program.line);
    let before = links.len().saturating_sub(1);
    match identity::behind(service, links.get(..before).unwrap_or_default()) {
        Who::Starter if is_ours => {
            findings.warning(place, "no -u: what talks to strangers here runs as root");
        }
        Who::User(user) if service.jails().contains(&user.uid) => {
            let text = format!(
                "{}: its mail program has the uid of the processes that talk TLS with strangers, \
                 {}, and could be stopped by them: name another user",
                user.how, user.uid
            );
            findings.error(place, text);
        }
        _ => {}
    }
}
