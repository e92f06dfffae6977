//! Whether TLS is offered as clients of the port expect it, and before a password is said.

use super::findings::{Findings, Place};
use super::service::Service;
use crate::client::Begin;
use crate::run_script::{Link, Role};

/// Ports whose clients begin with TLS: submissions, imaps, pop3s.
const AT_ONCE: [u16; 3] = [465, 993, 995];
/// Ports whose clients wait for a greeting: smtp, submission, imap, pop3.
const GREETED: [u16; 4] = [25, 587, 143, 110];

/// Looks.
pub(super) fn check(service: &Service, links: &[Link<'_>], findings: &mut Findings) {
    let Some(server) = links.iter().find(|link| link.role() == Role::Server) else { return };
    let is_ours = links.iter().any(|link| {
        link.name() == "tlsserver" || matches!(link.role(), Role::Dialog | Role::Relay)
    });
    let Some(begins) = service.offers_tls().filter(|_| is_ours) else { return };
    check_certificate(service, server, findings);
    if server.name() == "sslserver" {
        check_sslserver(service, server, begins, findings);
    }
    check_port(service, server, begins, findings);
    match begins {
        Begin::AtOnce => {}
        Begin::OnRequest => check_level(service, server, findings),
        Begin::Never => check_clear(service, server, findings),
    }
    if let Some((_, word)) = service.script.variable("DISABLETLS") {
        findings.warning(service.place(word), "DISABLETLS is set: TLS is never offered");
    }
}

fn check_certificate(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    if server.name() != "tlsserver" {
        return;
    }
    let is_delayed = service.offers_tls() == Some(Begin::OnRequest);
    let script = &service.script;
    let is_disabled = script.variable("DISABLETLS").is_some() || script.is_doubtful("DISABLETLS");
    let needs_none = is_disabled && is_delayed && server.login().is_none();
    if !service.names_certificate() && !needs_none && !service.hides_certificates() {
        let place = Place::line(&service.path, server.program.line);
        findings.error(place, "tlsserver has no certificate: CERTFILE is not set");
    }
}

/// What sslserver tells the programs behind it only where it is asked to.
fn check_sslserver(service: &Service, server: &Link<'_>, begins: Begin, findings: &mut Findings) {
    let place = Place::line(&service.path, server.program.line);
    if !is_on(server, 'e', 'E') {
        let text = "sslserver without -e: the client's address is not known behind most versions: \
                    the log, limits and the mail program lack it";
        findings.warning(place, text);
    }
    // Where the client asks for TLS, its answer tells.
    if begins == Begin::AtOnce && !is_on(server, 's', 'S') {
        let text = "sslserver without -s: TLS's version and cipher are not known behind it: the \
                    log and the mail program lack them";
        findings.warning(place, text);
    }
}

/// Whether of two options that undo each other the last is the first of these.
fn is_on(server: &Link<'_>, on: char, off: char) -> bool {
    let options = server.options();
    let letters = options.iter().map(|(letter, _)| *letter);
    letters.rev().find(|letter| [on, off].contains(letter)) == Some(on)
}

/// Where the client asks for TLS. tlsserver's own dialog requires it unless told otherwise.
fn check_level(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    let path = &service.path;
    let is_login = service.login().is_some();
    match service.script.variable("UCSPITLS") {
        None if service.script.hides("UCSPITLS") || server.login().is_some() => {}
        level @ (None | Some(("-", _))) => {
            let how = if level.is_some() { "'-'" } else { "not set" };
            let text = format!("UCSPITLS is {how}: TLS is never offered");
            if is_login { findings.error(path, &text) } else { findings.warning(path, &text) }
        }
        Some(("!", _)) => {}
        Some((_, word)) if is_login && !word.is_computed => {
            let text = "UCSPITLS is not '!': passwords may come in the clear";
            findings.warning(service.place(word), text);
        }
        Some(_) => {}
    }
}

/// Where nothing in the row speaks TLS. On this machine alone nobody listens between.
fn check_clear(service: &Service, server: &Link<'_>, findings: &mut Findings) {
    let listens = service.listens(server);
    let is_here = listens.iter().all(|(address, _)| address.ip().is_loopback());
    if service.login().is_some() && (listens.is_empty() || !is_here) {
        let text = format!("{}: no TLS in this row: passwords come in the clear", server.name());
        findings.warning(Place::line(&service.path, server.program.line), text);
    }
}

/// By the port clients know which comes first, TLS or the greeting.
fn check_port(service: &Service, server: &Link<'_>, begins: Begin, findings: &mut Findings) {
    // Whoever stands before it may speak TLS with the clients.
    let options = service.tlsserver().and_then(Result::ok);
    if options.is_some_and(|options| options.proxy_protocol.is_some()) {
        return;
    }
    for (address, place) in service.listens(server) {
        if let Some(text) = against_port(server, begins, address.port()) {
            findings.warning(place, text);
        }
    }
}

fn against_port(server: &Link<'_>, begins: Begin, port: u16) -> Option<String> {
    let name = server.name();
    let takes_n = matches!(name, "tlsserver" | "sslserver");
    let advice = |advice| if takes_n { advice } else { "" };
    match begins {
        Begin::OnRequest | Begin::Never if AT_ONCE.contains(&port) => {
            let advice = advice(": leave out -n");
            Some(format!(
                "port {port}: clients begin with TLS, which {name} does not expect yet{advice}"
            ))
        }
        Begin::AtOnce if GREETED.contains(&port) => {
            let advice = advice(": -n is missing");
            Some(format!(
                "port {port}: clients wait for a greeting, and {name} for their TLS{advice}"
            ))
        }
        _ => None,
    }
}
