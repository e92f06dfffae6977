//! What clients are offered before their login, against what there is behind it: each
//! service's mail program is run, with fixsmtpio and its rules where they stand before it.

use super::findings::{Findings, Place};
use super::identity;
use super::service::Service;
use super::who::Who;
use crate::mail_server::{
    MailServer, Offers, POP3_OWN, is_same, is_size, limit, may_be_listed, word,
};
use crate::programs;
use crate::run_script::{Link, Role};
use proto::control::list;
use proto::login::protocol::Protocol;
use std::path::Path;
use unix::before_login::capabilities;
use unix::control::control_file;
use unix::jail::Identity;

/// Runs them all, the same one once.
pub(super) fn check(services: &[Service], home: Option<&Path>, findings: &mut Findings) {
    let mut seen = Vec::new();
    for service in services {
        let words: Vec<_> = service.mail_program().iter().map(|word| word.text.as_str()).collect();
        let is_login = service.login().is_some();
        if words.is_empty() || seen.contains(&(words.clone(), is_login)) {
            continue;
        }
        check_one(service, home, findings);
        seen.push((words, is_login));
    }
}

fn check_one(service: &Service, home: Option<&Path>, findings: &mut Findings) {
    let last =
        service.script.links().last().map(|link| (link.program.line, link.program.text.clone()));
    let Some((line, program)) = last else { return };
    let place = Place::line(&service.path, line);
    let is_login = service.login().is_some();
    let protocol = match service.login().as_deref() {
        Some(spoken) => Protocol::named(spoken.as_bytes()),
        // Whatever it speaks.
        None if !service.mail_program().iter().any(|word| word.text.ends_with("fixsmtpio")) => None,
        None => Some(Protocol::Smtp),
    };
    let Some(protocol) = protocol else { return };
    if let Some(why) = untried(service, is_login) {
        return findings.note(place, format!("{program}: not tried, as {why}"));
    }
    let Some(mut server) = server(service, protocol, is_login) else {
        let text = format!("{program}: not tried, as it is not known as whom it runs");
        return findings.note(place, text);
    };
    server.exceeds_size = is_login && home.is_some_and(lists_size);
    let is_there = |name: &&str| programs::find(name, &server.path).is_some();
    if service.script.variable("PATH").is_none() && !server.words.first().is_some_and(is_there) {
        // Said already.
        return;
    }
    match server.offers() {
        Err(why) => findings.error(place, format!("{program}: it {why}")),
        Ok(_) if !is_login => {}
        Ok(None) => {
            findings.note(place, format!("{program}: it knows no CAPA to compare with"));
        }
        Ok(Some(offers)) => {
            if let Some(home) = home {
                compare(&offers, protocol, home, findings);
            }
        }
    }
}

/// Why it cannot be run here as it would be in a session.
fn untried(service: &Service, is_login: bool) -> Option<String> {
    if service.relays_before_login() {
        return Some("others stand before the password's check".to_owned());
    }
    let script = &service.script;
    let mut used = script.variables.iter().chain(service.mail_program());
    let mut doubtful = script.doubtful.iter().filter_map(|word| word.text.split_once('='));
    if !service.row_is_known()
        || used.any(|word| word.is_computed)
        || doubtful.any(|(name, _)| !is_the_servers_own(name, is_login))
    {
        return Some("only a shell can run it".to_owned());
    }
    // What is taken for it begins with what checks passwords.
    let links = script.links();
    let behind = links.iter().skip_while(|link| !link.has_dialog()).skip(1);
    let mut behind = behind.filter(|link| link.role() != Role::Wrapper).filter(|_| is_login);
    let unknown = behind.next().filter(|first| first.role() == Role::Other)?;
    let is_checked = behind.any(|link| matches!(link.role(), Role::Login | Role::Guard));
    (!is_checked).then(|| format!("{} is not known here", unknown.name()))
}

/// The mail program with what it finds in a session, without the programs that have it run as
/// another user: it does so without them. None where nobody knows as whom.
fn server(service: &Service, protocol: Protocol, is_login: bool) -> Option<MailServer<'_>> {
    let set = service.script.set().into_iter().filter_map(|word| word.text.split_once('='));
    let mut variables: Vec<_> =
        set.filter(|(name, _)| !is_the_servers_own(name, is_login)).collect();
    if is_login {
        variables.push(("AUTHUP_USER", "nobody"));
    }
    let links = service.script.links();
    let first = service.mail_program().first()?;
    let at = links.iter().position(|link| std::ptr::eq(link.program, first))?;
    let own = links.get(at..)?;
    let (left_out, kept): (Vec<_>, Vec<_>) = own.iter().copied().partition(identity::changes);
    let ids = match identity::behind(service, if is_login { own } else { &links }) {
        _ if left_out.iter().any(Link::hides_variables) => return None,
        Who::Unknown if !left_out.is_empty() => return None,
        // One whose group is not known is in nobody's.
        Who::User(user) if user.uid != 0 => {
            Some((user.uid, user.gid.unwrap_or(Identity::NOBODY.group)))
        }
        _ => None,
    };
    let words =
        kept.into_iter().flat_map(|link| std::iter::once(link.program).chain(link.arguments));
    let words = words.map(|word| word.text.as_str()).collect();
    let path = service.script.variable("PATH");
    let path = path.map_or_else(programs::supervisors_path, |(path, _)| path.to_owned());
    let (is_behind_login, exceeds_size) = (is_login, false);
    Some(MailServer { words, path, variables, protocol, is_behind_login, exceeds_size, ids })
}

/// Whether a variable ends with the TLS server or, where it runs, authup.
fn is_the_servers_own(name: &str, is_login: bool) -> bool {
    name.starts_with("CERTFILE")
        || name == "CERTCHAINFILE"
        || name.starts_with("KEYFILE")
        || name.starts_with("SSL_")
        || name.starts_with("TLS_")
        || name.starts_with("AUTHUP_")
        || matches!(name, "UCSPITLS" | "DISABLETLS")
        || (is_login && name == "QMAILHOME")
}

fn compare(offers: &Offers, protocol: Protocol, home: &Path, findings: &mut Findings) {
    let Offers { capabilities: offers, ends_at_size } = offers;
    let own: &[&str] = if protocol == Protocol::Pop3 { &POP3_OWN } else { &[] };
    let path = control_file(home, capabilities(protocol));
    let Ok(contents) = unix::control::contents(&path) else { return };
    let mut listed = Vec::new();
    // What is left out is promised to nobody.
    let is_left_out = |entry: &str| protocol.says_itself(entry.as_bytes());
    let listed_lines = entries(&contents, protocol).into_iter();
    for (line, entry) in listed_lines.filter(|(_, entry)| !is_left_out(entry)) {
        let place = Place::line(&path, line);
        let is_own = own.iter().any(|own| is_same(protocol, own, &entry));
        match offers.iter().find(|offer| is_same(protocol, offer, &entry)) {
            None if !is_own => {
                let name = if protocol == Protocol::Imap { &entry } else { word(&entry) };
                findings.error(place, format!("{name}: the server behind does not offer it"));
            }
            Some(offer) if *ends_at_size && is_size(offer) => {
                let text = format!(
                    "{entry}: the server behind ends where a client announces a larger message, \
                     and the client tries again for days: leave SIZE out"
                );
                findings.warning(place, text);
            }
            Some(offer) if size(&entry) > size(offer) => {
                findings.warning(place, format!("{entry}: the server behind says {offer}"));
            }
            _ => {}
        }
        listed.push(entry);
    }
    let is_listed = |offer: &str| listed.iter().any(|entry| is_same(protocol, entry, offer));
    // SIZE may have been left out for what the server does then, which is not tried each time.
    let fit = offers.iter().filter(|offer| may_be_listed(protocol, offer) && !is_size(offer));
    for offer in fit.filter(|offer| !is_listed(offer)) {
        findings.note(&path, format!("{offer}: the server behind offers it; it is not listed"));
    }
}

/// Whether clients of SMTP are told of SIZE.
fn lists_size(home: &Path) -> bool {
    let path = control_file(home, capabilities(Protocol::Smtp));
    let contents = unix::control::contents(&path).unwrap_or_default();
    entries(&contents, Protocol::Smtp).iter().any(|(_, entry)| is_size(entry))
}

/// What is listed, with the numbers of the lines: IMAP has any number of words in each.
fn entries(contents: &[u8], protocol: Protocol) -> Vec<(usize, String)> {
    let lines = list(contents).map(|(line, entry)| (line, String::from_utf8_lossy(entry)));
    if protocol != Protocol::Imap {
        return lines.map(|(line, entry)| (line, entry.into_owned())).collect();
    }
    let mut words = Vec::new();
    for (line, entry) in lines {
        words.extend(entry.split_whitespace().map(|word| (line, word.to_owned())));
    }
    words
}

/// Octets of a message at most; of what is no SIZE, or has no bound, more than any.
fn size(capability: &str) -> u64 {
    limit(capability).unwrap_or(u64::MAX)
}
