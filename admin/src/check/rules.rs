//! The rules that tlsserver asks about each client (`-x`, a file of tcprules): whether it can
//! read them, whom they let in, and what they change for a login.
//!
//! The control files of a home that a rule names are for `controls` to look at.

use super::findings::Findings;
use super::identity;
use super::permissions::{Readers, check_permissions_for};
use super::service::Service;
use super::who::Who;
use crate::client::Begin;
use proto::cdb::records;
use proto::escape::Escaped;
use proto::names::Variable;
use proto::ucspi_rules::{Instructions, instructions, written};
use proto::variables::{Variables, named, value};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use unix::log::Reason;
use unix::regular_file;

/// What was written before the colon, and what the rule says.
type Rule = (String, Instructions);

/// Looks at those of all services; returns the homes that rules name.
pub(super) fn check(services: &[Service], findings: &mut Findings) -> Vec<PathBuf> {
    let mut homes = Vec::new();
    for service in services {
        let Some(Ok(options)) = service.tlsserver() else { continue };
        let Some(rules) = options.rules else { continue };
        if rules.as_os_str().as_bytes().contains(&b'$') {
            continue;
        }
        let Some(path) = service.file(rules) else { continue };
        let reader = identity::of_server(service);
        let may_be_missing = options.missing_rules_allow;
        let Some(file) = read(&path, may_be_missing, &reader, findings) else { continue };
        let Some(rules) = rules_of(&path, &file, findings) else { continue };
        check_who(&path, &rules, findings);
        for (clients, rule) in rules.iter().filter(|(_, rule)| !rule.refuse) {
            check_login(&path, clients, &rule.environment, service, findings);
            homes.extend(home(&rule.environment).and_then(|home| service.file(home)));
        }
    }
    homes.sort();
    homes.dedup();
    homes
}

fn read(
    path: &Path,
    may_be_missing: bool,
    reader: &Who,
    findings: &mut Findings,
) -> Option<Vec<u8>> {
    match regular_file::read(path) {
        Ok(file) => {
            check_permissions_for(path, Readers::Whoever, reader, findings);
            Some(file)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && may_be_missing => {
            findings.note(path, "No such file: everybody may connect (-X)");
            None
        }
        Err(error) => {
            findings.error(path, format!("{}: nobody may connect", Reason(&error)));
            None
        }
    }
}

/// The rules that are for somebody. tlsserver denies those whose rule is malformed.
fn rules_of(path: &Path, file: &[u8], findings: &mut Findings) -> Option<Vec<Rule>> {
    let Ok(records) = records(file) else {
        let is_text = !file.contains(&0);
        let hint = if is_text { "; give tcprules this text, and name what it makes" } else { "" };
        findings.error(path, format!("not a file of tcprules: nobody may connect{hint}"));
        return None;
    };
    let (mut rules, mut seen) = (Vec::new(), Vec::new());
    for (key, value) in records {
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let Some(clients) = written(key) else {
            findings.warning(path, format!("rule \"{}\": {}", Escaped(key), why_not(key)));
            continue;
        };
        let rule = instructions(value).unwrap_or_else(|_| {
            let of = of(&clients);
            findings.error(path, format!("{of}: malformed: its clients may not connect"));
            Instructions { refuse: true, environment: Vec::new() }
        });
        rules.push((clients, rule));
    }
    Some(rules)
}

/// Why a rule is never followed.
fn why_not(key: &[u8]) -> &'static str {
    let has = |octet| key.contains(&octet);
    if key.starts_with(b"=") || key.windows(2).any(|pair| pair == b"@=") {
        "never followed: names of clients are not looked up"
    } else if has(b'@') {
        "never followed: no ident server is asked"
    } else if has(b'/') {
        "never followed: this tcprules knows no networks in the form ADDRESS/BITS; \
         cut the address at a dot or colon instead"
    } else {
        "never followed: no address is written like this"
    }
}

/// Whoever has no rule may connect.
fn check_who(path: &Path, rules: &[Rule], findings: &mut Findings) {
    let refuses_the_rest = rules.iter().any(|(clients, rule)| clients.is_empty() && rule.refuse);
    if refuses_the_rest && rules.iter().all(|(_, rule)| rule.refuse) {
        findings.warning(path, "nobody may connect: every rule denies");
    }
}

/// Whether passwords still come in TLS. On this machine alone nobody listens between.
fn check_login(
    path: &Path,
    clients: &str,
    added: &Variables,
    service: &Service,
    findings: &mut Findings,
) {
    let is_here = clients.starts_with("127.") || clients == "::1";
    if service.login().is_none() || service.offers_tls() != Some(Begin::OnRequest) || is_here {
        return;
    }
    let of = of(clients);
    if named(added, "DISABLETLS").is_some() {
        findings.warning(path, format!("{of}: DISABLETLS is set: TLS is never offered"));
    }
    match named(added, "UCSPITLS") {
        None | Some(b"!") => {}
        Some(b"-") => {
            findings.warning(path, format!("{of}: UCSPITLS is '-': TLS is never offered"));
        }
        Some(_) => {
            let text = format!("{of}: UCSPITLS is not '!': passwords may come in the clear");
            findings.warning(path, text);
        }
    }
}

/// An empty one is none.
fn home(added: &Variables) -> Option<PathBuf> {
    let home = value(added, Variable::QmailHome).filter(|home| !home.is_empty())?;
    Some(OsStr::from_bytes(home).into())
}

/// A rule, by what tcprules had before the colon.
fn of(clients: &str) -> String {
    format!("rule \"{clients}\"")
}
