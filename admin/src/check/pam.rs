//! What PAM has been told of checkpassword-pam: where its service is set up, and whether PAM
//! understands it; the grammar is `proto::pam_service`'s. What the modules then do is theirs.

use super::findings::{Findings, Place};
use super::service::Service;
use crate::run_script::Link;
use proto::pam_service::{Does, FOLDERS, Line, OTHER, file_name, kind, lines};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use unix::regular_file::read_to_string;

/// Looks at the command line, and at the service that is named there, or by a variable, which the
/// programs before it may set.
pub(super) fn check(
    service: &Service,
    before: &[Link<'_>],
    login: &Link<'_>,
    findings: &mut Findings,
) {
    let place = Place::line(&service.path, login.program.line);
    if let Some((letter, _)) = login.options().into_iter().find(|(letter, _)| *letter != 's') {
        findings.error(place, format!("checkpassword-pam: no option -{letter}"));
    }
    let said = service.script.variable_behind(before, "PAM_SERVICE");
    let hides = service.script.hides("PAM_SERVICE") || before.iter().any(Link::hides_variables);
    let is_known = said.map_or(!hides, |(_, word)| !word.is_computed);
    if !is_known || login.arguments.iter().any(|word| word.is_computed) {
        return;
    }
    let name = login.option('s').or(said.map(|(name, _)| name)).filter(|name| !name.is_empty());
    check_service(&FOLDERS.map(Path::new), name.unwrap_or("checkpassword"), place, findings);
}

fn check_service(folders: &[&Path], name: &str, place: Place<'_>, findings: &mut Findings) {
    let name = OsString::from_vec(file_name(name.as_bytes()));
    let missing = folders.first().map(|folder| folder.join(&name)).unwrap_or_default();
    let missing = missing.display();
    match (find(folders, name.as_ref()), find(folders, OTHER.as_ref())) {
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

fn find(folders: &[&Path], name: &Path) -> Option<PathBuf> {
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
            let included = match Line::parse(&line) {
                Ok(Line { does: Does::Include(name), .. }) => {
                    let file = find(folders, name.as_ref());
                    file.map(Some).ok_or_else(|| format!("{name}: not there"))
                }
                Ok(_) => Ok(None),
                Err(fault) => Err(fault.to_string()),
            };
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

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
