//! What the programs of a run script are told, read by the programs' own code: options,
//! hosts and ports, variables.

use super::address;
use super::findings::{Findings, Place};
use super::service::Service;
use crate::run_script::{Link, SERVERS};
use std::ffi::OsString;
use tlsserver::environment::{Variables, jail_identity, without_effect};
use unix::jail::Identity;

/// tlsserver's options that are for its own dialog and the logins there.
const LOGIN_ONLY: [&str; 3] = ["--tries", "--checks", "--linger"];

/// Looks at them all.
pub(super) fn check(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    for link in links {
        let words = service.script.behind(link.program);
        if link.arguments.iter().any(|word| word.is_computed) {
            continue;
        }
        let place = Place::line(&service.path, link.program.line);
        let words = words.iter().map(|word| OsString::from(&word.text));
        match link.name() {
            "tlsserver" => {
                if let Some(Err(why)) = service.tlsserver() {
                    findings.error(place, format!("tlsserver: {why}"));
                    continue;
                }
                variables(service, place, findings);
                let of_login = LOGIN_ONLY.iter().filter(|_| link.login().is_none());
                for name in of_login.filter(|name| link.long_option(name).is_some()) {
                    findings.warning(place, format!("{name}: no effect without --login"));
                }
            }
            "authup" if !tools::authup::understands(&mut words.into_iter()) => {
                let said: Vec<_> = link.arguments.iter().map(|word| word.text.as_str()).collect();
                let said = said.join(" ");
                findings
                    .error(place, format!("authup {said}: not [ -t tries ] smtp, pop3 or imap"));
            }
            _ => {}
        }
        if SERVERS.contains(&link.name())
            && let Some(Err(why)) = address::said(link)
        {
            findings.error(place, why);
        }
    }
}

fn variables(service: &Service, place: Place<'_>, findings: &mut Findings) {
    // The last one counts.
    let set = service.script.set().into_iter().rev().filter(|word| !word.is_computed);
    let set = set.filter_map(|word| word.text.split_once('='));
    let set: Variables = set.map(|(name, value)| (name.into(), value.into())).collect();
    if let Err(fault) = jail_identity(&set) {
        findings.error(place, fault.to_string());
    }
    for (variable, why) in without_effect(&set) {
        findings.warning(place, format!("{}: no effect: {why}", variable.name()));
    }
    for name in ["AUTHUP_UID", "AUTHUP_GID"] {
        let said = service.script.variable(name).filter(|(_, word)| !word.is_computed);
        if let Some(Err(fault)) = said.map(|(value, _)| Identity::number(name, value.as_bytes())) {
            findings.error(place, fault.to_string());
        }
    }
}
