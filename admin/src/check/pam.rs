//! What PAM has been told of checkpassword-pam: where its service is set up, and whether PAM
//! understands it (pam.conf(5)). What the modules then do is theirs.

use super::findings::{Findings, Place};
use super::service::Service;
use crate::run_script::Link;
use std::path::{Path, PathBuf};
use unix::regular_file::read_to_string;

/// Where services are set up; the first that there is counts.
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// The service of those that have no file of their own.
const OTHER: &str = "other";

/// Looks at the command line, and at the service that it names.
pub(super) fn check(service: &Service, login: &Link<'_>, findings: &mut Findings) {
    let place = Place::line(&service.path, login.program.line);
    if let Some((letter, _)) = login.options().into_iter().find(|(letter, _)| *letter != 's') {
        findings.error(place, format!("checkpassword-pam: no option -{letter}"));
    }
    let said = service.script.variable("PAM_SERVICE");
    let is_known = said.map_or(!service.script.hides_variables(), |(_, word)| !word.is_computed);
    if !is_known || login.arguments.iter().any(|word| word.is_computed) {
        return;
    }
    let name = login.option('s').or(said.map(|(name, _)| name)).filter(|name| !name.is_empty());
    check_service(&FOLDERS.map(Path::new), name.unwrap_or("checkpassword"), place, findings);
}

fn check_service(folders: &[&Path], name: &str, place: Place<'_>, findings: &mut Findings) {
    // As pam_start(3) has it.
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let missing = folders.first().map(|folder| folder.join(&name)).unwrap_or_default();
    let missing = missing.display();
    match (find(folders, &name), find(folders, OTHER)) {
        (Some(file), _) => check_file(folders, file, findings),
        (None, Some(other)) => {
            let text = format!("{missing}: not there: {} decides who is let in", other.display());
            findings.warning(place, text);
            check_file(folders, other, findings);
        }
        (None, None) => {
            let text = format!("{missing}: not there, nor {OTHER}: PAM lets nobody in");
            findings.error(place, text);
        }
    }
}

fn find(folders: &[&Path], name: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|file| file.exists())
}

/// Looks at a file and at those that it includes.
fn check_file(folders: &[&Path], file: PathBuf, findings: &mut Findings) {
    let mut files = vec![file];
    let mut at = 0;
    while let Some(file) = files.get(at).cloned() {
        at += 1;
        let text = match read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                findings.unusable(&file, &error);
                continue;
            }
        };
        for (number, line) in lines(&text) {
            let included = parse(&line).and_then(|name| {
                let file = |name: &str| find(folders, name).ok_or(format!("{name}: not there"));
                name.map(file).transpose()
            });
            let place = Place::line(&file, number);
            match included {
                // Nobody asks for these at a login.
                Err(fault) if matches!(kind(&line), "session" | "password") => {
                    findings.warning(place, format!("{fault}: not understood"));
                }
                Err(fault) => findings.error(place, format!("{fault}: PAM refuses every login")),
                Ok(Some(included)) if !files.contains(&included) => files.push(included),
                Ok(_) => {}
            }
        }
    }
}

/// Lines without comments, those that go on after a backslash as one, and their numbers.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let kept = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, before)) => *before += &format!(" {kept}"),
            None => lines.push((number, kept.to_owned())),
        }
        goes_on = kept.len() < line.len();
    }
    lines.retain(|(_, line)| !line.trim().is_empty());
    lines
}

/// Reads a line: type, control, module and what is the module's. Returns the file that it
/// includes, if it does.
fn parse(line: &str) -> Result<Option<&str>, String> {
    let is_among =
        |words: &[&str], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let (kind, rest) = (kind(line), word(line).1);
    if kind == "@include" {
        let (file, _) = word(rest);
        return if file.is_empty() { Err("@include: no file".into()) } else { Ok(Some(file)) };
    }
    if !is_among(&["auth", "account", "session", "password"], kind) {
        return Err(format!("{kind}: not auth, account, password or session"));
    }
    let (control, rest) = match rest.strip_prefix('[') {
        Some(values) => values.split_once(']').ok_or("no ] behind [")?,
        None => word(rest),
    };
    let includes = is_among(&["include", "substack"], control);
    let is_listed = control.contains('=');
    if !includes
        && !is_listed
        && !is_among(&["required", "requisite", "sufficient", "optional"], control)
    {
        return Err(format!(
            "{control}: not required, requisite, sufficient, optional, include, \
                            substack or [value=action]"
        ));
    }
    let (module, _) = word(rest);
    if module.is_empty() {
        return Err(format!("{kind} {control}: no module"));
    }
    Ok(includes.then_some(module))
}

/// What a line is about; a module that is missing is no matter behind a `-`.
fn kind(line: &str) -> &str {
    let (kind, _) = word(line);
    kind.strip_prefix('-').unwrap_or(kind)
}

/// The first word, and what stands behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

    #[test]
    fn a_line_is_read_as_pam_reads_it() {
        for (text, expected) in [
            ("auth required pam_unix.so", Ok(None)),
            ("-Auth \t [success=1 default=ignore]\tpam_unix.so nullok", Ok(None)),
            ("account include common-account", Ok(Some("common-account"))),
            ("@include common-auth", Ok(Some("common-auth"))),
            ("garbage line here", Err("garbage: not auth, account, password or session")),
            (
                "auth",
                Err(": not required, requisite, sufficient, optional, include, substack or \
                          [value=action]"),
            ),
            ("auth [success=1 pam_unix.so", Err("no ] behind [")),
            ("auth required", Err("auth required: no module")),
            ("@include", Err("@include: no file")),
        ] {
            assert_eq!(parse(text), expected.map_err(String::from), "{text}");
        }
        let text = "# all\nauth \\\n required x.so # more\n\naccount";
        let expected = [(2, "auth   required x.so".into()), (5, "account".into())];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn who_decides_where_and_whether_it_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let (etc, vendor) = (folder.path().join("etc"), folder.path().join("vendor"));
        for folder in [&etc, &vendor] {
            std::fs::create_dir(folder).unwrap();
        }
        let script = Path::new("/run");
        let found = |name: &str| {
            let mut findings = Findings::default();
            check_service(&[&etc, &vendor], name, Place::line(script, 3), &mut findings);
            findings.to_string().replace(folder.path().to_str().unwrap(), "")
        };
        assert_eq!(
            found("mail"),
            "error: /run:3: /etc/mail: not there, nor other: PAM lets nobody in\n"
        );
        write(vendor.join("other"), "@include sub\n").unwrap();
        write(etc.join("sub"), "@include sub\nauth required\n").unwrap();
        let of_sub = "error: /etc/sub:2: auth required: no module: PAM refuses every login\n";
        let of_other =
            "warning: /run:3: /etc/mail: not there: /vendor/other decides who is let in\n";
        assert_eq!(found("mail"), format!("{of_other}{of_sub}"));
        write(vendor.join("mail"), "auth substack sub\n\nx\n@include none\n-session x\n").unwrap();
        let of_mail = "error: /vendor/mail:3: x: not auth, account, password or session: PAM \
                       refuses every login\nerror: /vendor/mail:4: none: not there: PAM refuses \
                       every login\nwarning: /vendor/mail:5: x: not required, requisite, \
                       sufficient, optional, include, substack or [value=action]: not \
                       understood\n";
        assert_eq!(found("/any/Mail"), format!("{of_mail}{of_sub}"));
        write(etc.join("mail"), "auth required x.so\n").unwrap();
        assert_eq!(found("mail"), "");
    }
}
