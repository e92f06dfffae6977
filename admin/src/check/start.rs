//! Whether the system can start a run script: supervisors run it by execve(2), which reads the
//! first line, and nothing but the first line. What the script says then is looked at by the
//! modules beside this one.

use super::findings::{Findings, Place};
use crate::programs;
use crate::run_script::{FirstLine, Language};
use std::path::Path;
use unix::search_path::is_program;

const BLANKS: [char; 2] = [' ', '\t'];

/// Looks at the script's text.
pub(super) fn check(path: &Path, text: &str, findings: &mut Findings) {
    let first = Place::line(path, 1);
    let Some(line) = FirstLine::of(text) else {
        if text.starts_with('\u{feff}') {
            findings.error(first, "a byte order mark before #!: the supervisor cannot run it");
        } else if Language::of(text) != Language::Other {
            findings.error(first, "does not begin with #!: the supervisor cannot run it");
        }
        return;
    };
    let ends_in_crlf = |line: &str| line.ends_with('\r');
    match text.split('\n').position(ends_in_crlf) {
        Some(0) => findings.error(first, "ends in CRLF: the supervisor cannot run it"),
        Some(before) => {
            let text = "ends in CRLF: the CR is taken for a part of the last word";
            findings.error(Place::line(path, before + 1), text);
        }
        None => {}
    }
    let goes_on = |line: &str| line.trim_end_matches(BLANKS).ends_with('\\');
    let is_cut = |line: &str| line.ends_with(BLANKS) && goes_on(line) && !line.starts_with('#');
    for (number, _) in (1..).zip(text.split('\n')).filter(|(_, line)| is_cut(line)) {
        let text = "a blank behind the backslash at its end: the command does not go on";
        findings.warning(Place::line(path, number), text);
    }
    // From where supervisors start it.
    let folder = path.parent().unwrap_or(Path::new("/"));
    let missing = if line.program.is_empty() || !is_program(&folder.join(line.program)) {
        Some(line.program)
    } else {
        let path = programs::supervisors_path();
        line.found_by_env().filter(|found| programs::find(found, &path).is_none())
    };
    if let Some(program) = missing {
        let text = format!("#!{program}: not a program, or not there: the script cannot start");
        findings.error(first, text);
    }
}
