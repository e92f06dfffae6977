//! As whom the programs of a row run, by what the row says.

use super::service::Service;
use super::who::Who;
use crate::run_script::{Link, Role};

/// As whom whatever stands behind these links runs.
pub(super) fn behind(service: &Service, links: &[Link<'_>]) -> Who {
    let mut who = service.starter.clone();
    // `$UID` and `$GID`, which another program may make its own.
    let mut of_environment = Who::Unknown;
    for link in links {
        match (link.name(), link.role()) {
            ("setuidgid", _) => who = account(link, last_word(link)),
            // With all groups that the account is in.
            ("s6-setuidgid", _) => who = account(link, last_word(link)).in_others(),
            ("envuidgid" | "s6-envuidgid", _) => of_environment = account(link, last_word(link)),
            ("chpst", _) => {
                if let Some(said) = link.option('u') {
                    who = account(link, said);
                }
                if let Some(said) = link.option('U') {
                    of_environment = account(link, said);
                }
            }
            ("tlsserver", _) => match service.tlsserver() {
                Some(Ok(options)) if options.identity_from_environment => {
                    who = of_environment.clone()
                }
                Some(Ok(options)) => {
                    if let Some(uid) = options.user {
                        let how = format!("-u {uid}");
                        who = Who::numbered(uid, options.group, how);
                    }
                }
                // What is wrong with the options is said elsewhere; a number that the shell
                // computes is nobody's here.
                _ => who = Who::Unknown,
            },
            ("s6-applyuidgid", _) | (_, Role::Server) => {
                if let Some(said) = link.option('u') {
                    let said = number(said, link.option('g'));
                    who = if link.option('G').is_some() { said.in_others() } else { said };
                } else if link.option('U').is_some() {
                    who = of_environment.clone().in_others();
                }
            }
            _ if !link.is_known => who = Who::Unknown,
            _ => {}
        }
    }
    who
}

/// Whether it is there to run what is behind it as another user.
pub(super) fn changes(link: &Link<'_>) -> bool {
    match link.name() {
        "setuidgid" | "s6-setuidgid" | "envuidgid" | "s6-envuidgid" | "s6-applyuidgid" => true,
        "chpst" => link.option('u').is_some(),
        _ => false,
    }
}

/// As whom tlsserver itself runs, or whatever server stands in its place.
pub(super) fn of_server(service: &Service) -> Who {
    let links = service.script.links();
    let at = links.iter().position(|link| link.role() == Role::Server).unwrap_or_default();
    behind(service, links.get(..at).unwrap_or_default())
}

fn last_word<'a>(link: &Link<'a>) -> &'a str {
    link.arguments.last().map_or("", |word| word.text.as_str())
}

fn number(uid: &str, gid: Option<&str>) -> Who {
    let how = format!("-u {uid}");
    let gid = gid.and_then(|gid| gid.parse().ok());
    uid.parse().map_or(Who::Unknown, |uid| Who::numbered(uid, gid, how))
}

/// The account that it is told.
fn account(link: &Link<'_>, said: &str) -> Who {
    Who::named(said, format!("{} {said}", link.name()))
}
