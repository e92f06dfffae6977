//! What clients are offered before their login, against what there is behind it: each
//! service's mail program is run, with fixsmtpio and its rules where they stand before it.

use super::findings::{Findings, Place};
use super::services::Service;
use crate::mail_server::{MailServer, POP3_OWN, Protocol, may_be_listed, word};
use crate::programs;
use proto::control::list;
use std::path::Path;

/// Runs them all, the same one once.
pub(super) fn check(services: &[Service], home: &Path, findings: &mut Findings) {
    let mut seen = Vec::new();
    for service in services {
        let words: Vec<_> = service.mail_program().iter().map(|word| word.text.as_str()).collect();
        let is_login = service.login().is_some();
        if words.is_empty() || seen.contains(&(words.clone(), is_login)) {
            continue;
        }
        check_one(service, words.clone(), home, findings);
        seen.push((words, is_login));
    }
}

fn check_one(service: &Service, words: Vec<&str>, home: &Path, findings: &mut Findings) {
    let last =
        service.script.links().last().map(|link| (link.program.line, link.program.text.clone()));
    let Some((line, program)) = last else { return };
    let place = Place::line(&service.path, line);
    let protocol = match service.login().as_deref() {
        Some("pop3") => Protocol::Pop3,
        Some("smtp") => Protocol::Smtp,
        // Whatever it speaks.
        None if !words.iter().any(|word| word.ends_with("fixsmtpio")) => return,
        None => Protocol::Smtp,
        Some(_) => return,
    };
    let used = service.script.variables.iter().chain(service.mail_program());
    if used.into_iter().any(|word| word.is_computed) {
        return findings.note(place, format!("{program}: not tried, as only a shell can run it"));
    }
    let is_login = service.login().is_some();
    let offered = server(service, words, protocol, is_login).offers();
    match offered {
        Err(why) => findings.error(place, format!("{program}: it does not serve: {why}")),
        Ok(_) if !is_login => {}
        Ok(None) => {
            findings.note(place, format!("{program}: it knows no CAPA to compare with"));
        }
        Ok(Some(offers)) => compare(&offers, protocol, home, findings),
    }
}

/// The mail program with what it finds in a session.
fn server<'a>(
    service: &'a Service,
    words: Vec<&'a str>,
    protocol: Protocol,
    is_login: bool,
) -> MailServer<'a> {
    let set = service.script.variables.iter().filter_map(|word| word.text.split_once('='));
    let mut variables: Vec<_> =
        set.filter(|(name, _)| !is_the_servers_own(name, is_login)).collect();
    variables.extend([("PROTO", "TCP"), ("TCPREMOTEIP", "127.0.0.1"), ("TCPREMOTEPORT", "65535")]);
    variables.extend([("TCPLOCALIP", "127.0.0.1"), ("TCPLOCALPORT", "25")]);
    if is_login {
        variables.push(("AUTHUP_USER", "nobody"));
    }
    let options = service.tlsserver().and_then(Result::ok).filter(|_| !is_login);
    let ids = options.and_then(|options| options.user.zip(options.group));
    let path = service.script.variable("PATH").map_or(programs::USUAL, |(path, _)| path);
    MailServer { words, path, variables, protocol, ids }
}

/// Whether a variable ends with the TLS server or, where it runs, authup.
fn is_the_servers_own(name: &str, is_login: bool) -> bool {
    name.starts_with("CERTFILE")
        || name.starts_with("KEYFILE")
        || name.starts_with("SSL_")
        || name.starts_with("TLS_")
        || name.starts_with("AUTHUP_")
        || matches!(name, "UCSPITLS" | "DISABLETLS")
        || (is_login && name == "QMAILHOME")
}

fn compare(offers: &[String], protocol: Protocol, home: &Path, findings: &mut Findings) {
    let (name, own): (_, &[&str]) = match protocol {
        Protocol::Smtp => ("smtpcapabilities", &[]),
        Protocol::Pop3 => ("pop3capabilities", &POP3_OWN),
    };
    let path = home.join("control").join(name);
    let Ok(contents) = std::fs::read(&path) else { return };
    let find =
        |wanted: &str| offers.iter().find(|offer| word(offer).eq_ignore_ascii_case(word(wanted)));
    let mut listed = Vec::new();
    for (line, entry) in list(&contents) {
        let entry = String::from_utf8_lossy(entry).into_owned();
        let place = Place::line(&path, line);
        let is_own = own.iter().any(|own| own.eq_ignore_ascii_case(word(&entry)));
        match find(&entry) {
            None if !is_own => {
                let text = format!("{}: the server behind does not offer it", word(&entry));
                findings.error(place, text);
            }
            Some(offer) if size(&entry) > size(offer) => {
                findings.warning(place, format!("{entry}: the server behind says {offer}"));
            }
            _ => {}
        }
        listed.push(word(&entry).to_ascii_uppercase());
    }
    let fit = offers.iter().filter(|offer| may_be_listed(protocol, offer));
    let missing = fit.filter(|offer| !listed.contains(&word(offer).to_ascii_uppercase()));
    for offer in missing {
        findings.note(&path, format!("{offer}: the server behind offers it; it is not listed"));
    }
}

/// Octets of a message at most; of what is no SIZE, or has no bound, more than any.
fn size(capability: &str) -> u64 {
    let number = capability.strip_prefix("SIZE ").and_then(|number| number.trim().parse().ok());
    number.filter(|&number| number > 0).unwrap_or(u64::MAX)
}
