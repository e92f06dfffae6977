//! What a shell makes of a run script: that it stays where it should become the server, and what
//! only it can know, which is said rather than guessed.

use super::findings::{Findings, Place};
use super::service::Service;
use crate::run_script::{Link, Stays};
use proto::names::Variable;

/// Looks at the script of a service with this server.
pub(super) fn check(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    check_that_it_goes(service, server, findings);
    check_words(service, findings);
    check_doubtful(service, findings);
}

fn check_that_it_goes(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    let why = match service.script.shell_stays {
        None => return,
        Some(Stays::NoExec) => "run without exec",
        Some(Stays::Beside) => "run beside the shell, in a pipeline or in the background",
    };
    let text = format!(
        "{}: {why}: the supervisor's SIGTERM and SIGHUP reach the shell, and not it",
        server.name()
    );
    findings.warning(Place::line(&service.path, server.program.line), text);
}

/// Words that come to something other than what stands there.
fn check_words(service: &Service, findings: &mut Findings) {
    let script = &service.script;
    for word in &script.misnamed {
        let text = format!("{}: no variable's name to a shell: put it behind env", word.text);
        findings.error(service.place(word), text);
    }
    for word in script.command.iter().chain(&script.variables).filter(|word| word.is_computed) {
        let text = format!("{}: {}, not checked", word.text, word.why_computed());
        findings.warning(service.place(word), text);
    }
    for word in &script.elsewhere {
        let text = format!("{}: may set any variable, not looked at here", word.text);
        findings.note(service.place(word), text);
    }
}

/// What is looked at here, and here alone, and holds or not; each once.
fn check_doubtful(service: &Service, findings: &mut Findings) {
    let is_ours = |name: &str| {
        let name = name.split(':').next().unwrap_or_default();
        name != "PATH" && Variable::named(name.as_bytes()).is_some()
    };
    let mut names = Vec::new();
    for word in &service.script.doubtful {
        let Some((name, _)) = word.text.split_once('=') else { continue };
        if is_ours(name) && !names.contains(&name) {
            let text = format!("{}: only a shell knows whether it holds, not checked", word.text);
            findings.note(service.place(word), text);
            names.push(name);
        }
    }
}
