//! Limits on memory that a row sets, and what the programs behind them need, as far as that was
//! measured.

use super::findings::{Findings, Place};
use super::service::Service;
use super::users;
use crate::run_script::{Link, Role};
use proto::passwd_file::entries;
use proto::password_hash::PasswordHash;
use std::path::Path;
use unix::regular_file::read_secret;

/// Octets that a program of a connection needs, linked as sparingly as it can be.
const LEAST: u64 = 1_500_000;
/// Octets that checkpassword-file needs beside those for a hash, linked in that way.
const BESIDE_HASHES: u64 = 1_650_000;

/// Looks at limits, which hold for all that stands behind them.
pub(super) fn check(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let mut limit = service.script.memory.map(|(octets, _)| (octets, "ulimit".to_owned()));
    for link in links {
        for (octets, letter) in limits(link) {
            if limit.as_ref().is_none_or(|(least, _)| octets < *least) {
                limit = Some((octets, format!("{} -{letter}", link.name())));
            }
        }
        let Some((octets, what)) = &limit else { continue };
        let needed = match (link.name(), link.role()) {
            ("tlsserver", _) => tlsserver::listener::LEAST_MEMORY,
            ("checkpassword-file", _) | (_, Role::Dialog | Role::Guard | Role::Relay) => LEAST,
            _ => continue,
        };
        let (name, place) = (link.name(), Place::line(&service.path, link.program.line));
        if *octets < needed {
            let text =
                format!("{what} {octets}: {name} cannot start: it needs at least {needed} octets");
            findings.error(place, text);
            continue;
        }
        let file = users::file(service, link).filter(|_| name == "checkpassword-file");
        let Some(file) = file else { continue };
        let needed = BESIDE_HASHES + for_hashes(&file);
        if *octets < needed {
            let text = format!(
                "{what} {octets}: logins fail: for the hashes in {} {name} needs at least {needed} \
                 octets",
                file.display()
            );
            findings.error(place, text);
        }
    }
}

/// Those that a program sets, and by which option.
fn limits(link: &Link<'_>) -> impl Iterator<Item = (u64, char)> {
    let letters: &[char] = match link.name() {
        "softlimit" | "s6-softlimit" => &['m', 'a', 'd'],
        "chpst" => &['m', 'd'],
        _ => &[],
    };
    letters.iter().filter_map(|letter| Some((link.option(*letter)?.parse().ok()?, *letter)))
}

/// Octets for the largest hash of a users file, each of which may be computed; where there is
/// none yet, for those that are written into it.
fn for_hashes(file: &Path) -> u64 {
    let written = u64::from(argon2::Params::DEFAULT_M_COST) * 1024;
    let Ok((users, _)) = read_secret(file) else { return written };
    let hashes = entries(&users).filter_map(|entry| PasswordHash::parse(entry.hash).ok()?.memory());
    hashes.max().unwrap_or(written)
}
