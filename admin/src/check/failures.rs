//! `control/loginfailures`, and the file that it names.

use super::findings::{Findings, Place};
use super::identity;
use super::permissions::{Readers, check_permissions, check_permissions_for};
use super::service::Service;
use super::who::{User, Who};
use crate::run_script::Link;
use proto::control::list;
use proto::failures::Settings;
use proto::names::ControlFile;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use unix::control::control_file;
use unix::failures::file::{File, Trouble};
use unix::failures::path;
use unix::identity::own_uid;
use unix::regular_file::read_to_string;

/// Where fail2ban is told what to do, besides what it comes with.
const FAIL2BAN: &str = "/etc/fail2ban";

/// Looks; nothing is said where there is no such control file, as then nothing is
/// remembered.
pub(super) fn check(home: &Path, services: &[Service], findings: &mut Findings) {
    let control = control_file(home, ControlFile::LoginFailures);
    let contents = match unix::control::contents(&control) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return findings.unusable(&control, &error),
    };
    check_permissions(&control, Readers::Whoever, findings);
    let settings = match Settings::parse(&contents) {
        Ok(settings) => settings,
        Err(wrong) => {
            let place = Place::line(&control, wrong.line);
            return findings.error(place, wrong.what.to_string());
        }
    };
    let networks = list(&contents).filter(|(_, line)| line.starts_with(b"exempt"));
    for ((line, _), exempt) in networks.zip(&settings.exempt) {
        if exempt.is_everybody() {
            let text = "everybody is exempt: nobody is ever refused for too many failures";
            findings.warning(Place::line(&control, line), text);
        }
    }
    for who in users(services) {
        memory(path(&settings), &who, findings);
    }
    if is_watched_by_fail2ban(Path::new(FAIL2BAN)) {
        let text = "fail2ban watches these logins, too: it bans an address for failures that count \
                    for nobody here, as those of a phone with an old password";
        findings.note(&control, text);
    }
}

/// As whom the file is used: by whatever holds a dialog. Without one, by whoever runs scripts.
fn users(services: &[Service]) -> Vec<Who> {
    let dialogs = services.iter().filter_map(|service| {
        let links = service.script.links();
        let at = links.iter().rposition(Link::has_dialog)?;
        Some(identity::behind(service, links.get(..=at)?))
    });
    let mut users: Vec<_> = dialogs.collect();
    users.sort();
    users.dedup();
    if users.is_empty() { vec![Who::Starter] } else { users }
}

/// The file itself. Where it cannot be used, logins go on.
fn memory(file: &Path, who: &Who, findings: &mut Findings) {
    let owner = file.metadata().map_or(own_uid(), |found| found.uid());
    let uid = match who {
        Who::Starter => own_uid(),
        Who::User(user) if user.can_read(file) => user.uid,
        Who::User(User { how, uid, .. }) => {
            let text = format!("{how}: user {uid} cannot open it: no failures are remembered");
            return findings.error(file, text);
        }
        Who::Unknown => owner,
    };
    match File::open_as(file, uid) {
        Ok(_) => {
            check_permissions_for(file, Readers::Whoever, who, findings);
        }
        // Whoever looks need not be who runs the service.
        Err(Trouble::System(error)) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(Trouble::System(error)) if error.kind() == io::ErrorKind::NotFound => {
            let text = "No such file: no failures are remembered; acceptutils failures --create \
                        makes it";
            findings.warning(file, text);
        }
        Err(trouble) => {
            findings.error(file, format!("{trouble}: no failures are remembered"));
        }
    }
}

/// Whether some jail has the filter from `contrib/fail2ban`.
fn is_watched_by_fail2ban(folder: &Path) -> bool {
    let jails = std::fs::read_dir(folder.join("jail.d")).into_iter().flatten();
    let jails = jails.filter_map(Result::ok).map(|entry| entry.path());
    let read = jails.chain([folder.join("jail.local")]).map(|file| read_to_string(&file));
    read.filter_map(Result::ok).any(|text| has_our_filter(&text))
}

fn has_our_filter(jail: &str) -> bool {
    jail.lines().any(|line| {
        let setting = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        setting.is_some_and(|(name, value)| name == "filter" && value.starts_with("acceptutils"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jails_with_our_filter() {
        let ours = include_str!("../../../contrib/fail2ban/jail.d/acceptutils.conf");
        assert!(has_our_filter(ours));
        assert!(!has_our_filter("[sshd]\nfilter = sshd\n#filter = acceptutils\n"));
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_watched_by_fail2ban(folder.path()));
        std::fs::create_dir(folder.path().join("jail.d")).unwrap();
        std::fs::write(folder.path().join("jail.d/mail.conf"), ours).unwrap();
        assert!(is_watched_by_fail2ban(folder.path()));
    }
}
