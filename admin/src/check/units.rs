//! systemd's units beside the run scripts: what they run, and where.

use super::findings::{Findings, Place};
use super::real_path;
use super::service::Service;
use crate::programs;
use std::path::{Path, PathBuf};
use unix::regular_file::read_to_string;

/// Looks at those of a folder; of a template, at what its instances run.
pub(super) fn check(folder: &Path, services: &[Service], findings: &mut Findings) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Ok(text) = read_to_string(&path) else { continue };
        let says_where = settings(&text, "WorkingDirectory").any(|(_, folder)| !folder.is_empty());
        for (line, command) in settings(&text, "ExecStart") {
            // Nothing is what takes back an earlier one; and signs before it say how it runs.
            let Some(program) = command.split_whitespace().next() else { continue };
            let program = program.trim_start_matches(['-', '@', ':', '+', '!', '|']);
            let runs: Vec<_> = services.iter().filter_map(|one| instance(program, one)).collect();
            let place = Place::line(&path, line);
            if runs.is_empty() {
                findings.error(place, format!("{program}: not a program, or not there"));
            } else if !says_where {
                check_folder(place, &runs, services, findings);
            }
        }
    }
}

/// The lines that set this, and to what.
fn settings<'a>(text: &'a str, wanted: &str) -> impl Iterator<Item = (usize, &'a str)> {
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let (name, value) = line.split_once('=')?;
        (name.trim_end() == wanted).then(|| (number, value.trim()))
    })
}

/// What the unit runs as this service's instance, if it is there.
fn instance(program: &str, service: &Service) -> Option<PathBuf> {
    let name = service.path.parent()?.file_name()?.to_str()?;
    programs::find(&program.replace("%i", name), programs::USUAL)
}

/// The scripts are started in `/`, and not where other supervisors start them.
fn check_folder(place: Place<'_>, runs: &[PathBuf], services: &[Service], findings: &mut Findings) {
    let is_run = |service: &&Service| {
        runs.iter().any(|script| real_path(script) == real_path(&service.path))
    };
    let mut moved = services.iter().filter(is_run);
    let found = moved.find_map(|service| Some((&service.path, service.file_from_its_folder()?)));
    if let Some((script, file)) = found {
        let (script, file) = (script.display(), file.display());
        let text = format!("no WorkingDirectory: systemd looks for {file} of {script} in /");
        findings.warning(place, text);
    }
}
