//! Finds the run scripts, and has each looked at. What a script says is
//! `service`'s; what is wrong with it is found by the modules beside this one, a kind each.

use super::findings::{Findings, Place};
use super::permissions::{Readers, check_permissions};
use super::service::Service;
use super::who::Who;
use super::{behind_login, command_line, folder, memory, row, shell, start, tls_offer, writers};
use crate::run_script::{Link, Role, RunScript};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use unix::log::Reason;

/// The scripts under `service/`.
pub(super) fn in_folder(home: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    let folder = home.join("service");
    let Some(entries) = folder::entries(&folder, findings) else {
        let text = "no run scripts here: only control files are looked at, unless they are named";
        findings.note(&folder, text);
        return Vec::new();
    };
    // What supervisors pass over: folders of their own, and what is none.
    let mut is_service = |path: &PathBuf| {
        let is_hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        !is_hidden && folder::found(path, findings).is_some_and(|found| found.is_dir())
    };
    let folders = entries.into_iter().filter(|path| is_service(path));
    let mut scripts: Vec<_> = folders.map(|folder| folder.join("run")).collect();
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

/// What supervisors run as they do the script: what writes the log, and what follows the end.
const BESIDE: [&str; 3] = ["log/run", "finish", "log/finish"];

fn check_executable(path: &Path, findings: &mut Findings) {
    let found = folder::found(path, findings);
    if found.is_some_and(|found| found.permissions().mode() & 0o100 == 0) {
        findings.error(path, "not executable: the supervisor cannot run it");
    }
}

fn read(path: PathBuf, findings: &mut Findings) -> Option<Service> {
    if !check_permissions(&path, Readers::Whoever, findings) {
        return None;
    }
    check_executable(&path, findings);
    for beside in BESIDE.map(|name| path.with_file_name(name)) {
        let is_there = folder::found(&beside, findings).is_some();
        if is_there && check_permissions(&beside, Readers::Whoever, findings) {
            check_executable(&beside, findings);
        }
    }
    let octets = unix::regular_file::read(&path);
    let octets = octets.map_err(|error| findings.unusable(&path, &error)).ok()?;
    // A comment may be in any encoding.
    let text = String::from_utf8_lossy(&octets);
    start::check(&path, &text, findings);
    // What rc.subr makes of the variables of a script of BSD's is not to be guessed.
    let is_of_rc = text.lines().any(|line| line.trim_start().starts_with("run_rc_command "));
    let script = RunScript::read(&text).filter(|_| !is_of_rc);
    if script.is_none() {
        let text = match is_of_rc {
            true => "a script of rc.d, which rc.subr runs: not checked",
            false => "neither a shell script nor an execline script without blocks: not checked",
        };
        findings.note(&path, text);
    }
    let mut service = Service { script: script?, path, starter: Who::Starter, sockets: Vec::new() };
    learn_folders(&mut service, findings);
    Some(service)
}

/// Reads the folders of variables (envdir's). One that may not be read here stays unknown.
fn learn_folders(service: &mut Service, findings: &mut Findings) {
    for folder in service.script.env_folders() {
        let Some(place) = service.file(&folder.name) else { continue };
        writers::check_all(&place, findings);
        if let Err(error) = service.script.learn(&folder, &place)
            && error.kind() != ErrorKind::PermissionDenied
        {
            let text = format!("{}: {}", folder.name, Reason(&error));
            findings.error(Place::line(&service.path, folder.line), text);
        }
    }
}

fn check_one(service: &Service, home: Option<&Path>, findings: &mut Findings) {
    let links = service.script.links();
    let Some(first) = links.first() else {
        return findings.error(&service.path, "no exec in it, and no server that is known here");
    };
    let server = links.iter().find(|link| link.role() == Role::Server).unwrap_or(first);
    shell::check(service, server, findings);
    if !service.row_is_known() {
        return;
    }
    row::check(service, &links, findings);
    memory::check(service, &links, findings);
    command_line::check(service, &links, findings);
    tls_offer::check(service, &links, findings);
    if let Some(at) = links.iter().rposition(Link::has_dialog) {
        let (before, behind) = links.split_at(at);
        behind_login::check(service, before, behind, home, findings);
    } else {
        row::check_incoming(service, &links, findings);
    }
}
