//! The control files and the rules.

use super::findings::{Findings, Place};
use super::folder::is_missing;
use super::permissions::{Readers, check_permissions};
use proto::control::{list, one_line, seconds};
use proto::escape::Escaped;
use proto::imap::capability::{self, Unlisted};
use proto::logfmt::Format;
use proto::login::names::LoginNames;
use proto::login::protocol::Protocol;
use proto::relay::rules::lint::look_over;
use std::io;
use std::path::{Path, PathBuf};

/// Who reads the control files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// fixsmtpio runs here.
    pub(super) fixsmtpio: bool,
    /// authup smtp runs here.
    pub(super) smtp_login: bool,
    /// authup pop3 runs here.
    pub(super) pop3_login: bool,
    /// authup imap runs here.
    pub(super) imap_login: bool,
}

/// Looks at `control/`; returns the server's name.
pub(super) fn check(home: &Path, wanted: Wanted, findings: &mut Findings) -> Option<String> {
    let control = home.join("control");
    if !check_permissions(home, Readers::Anybody, findings)
        || !check_permissions(&control, Readers::Anybody, findings)
    {
        return None;
    }
    // Behind a login fixsmtpio reads, as the user. All others are read before one.
    let me = greeting(&control.join("me"), Readers::Anybody, findings);
    let smtp = greeting(&control.join("smtpgreeting"), Readers::Anybody, findings);
    let pop3 = greeting(&control.join("pop3greeting"), Readers::Whoever, findings);
    let imap = greeting(&control.join("imapgreeting"), Readers::Whoever, findings);
    let read = if imap.is_some() { (&imap, "imapgreeting") } else { (&me, "me") };
    let is_used = imap.is_some() || wanted.imap_login;
    if is_used && read.0.as_ref().is_some_and(|greeting| greeting.starts_with('[')) {
        let text = "begins with [, as a response code does: authup cannot start with it";
        findings.error(&control.join(read.1), text);
    }
    let lacks = |wanted: bool, found: &Option<String>| wanted && found.is_none();
    let is_smtp = wanted.fixsmtpio || wanted.smtp_login;
    // Nobody knows who reads where no script is.
    let is_anything = is_smtp || wanted.pop3_login || wanted.imap_login;
    if me.is_none()
        && (lacks(is_smtp || !is_anything, &smtp)
            || lacks(wanted.pop3_login, &pop3)
            || lacks(wanted.imap_login, &imap))
    {
        let text = "No such file or directory, and not every greeting has a file of its own";
        findings.error(&control.join("me"), text);
    }
    for (name, is_needed, protocol) in [
        ("smtpcapabilities", wanted.smtp_login, Protocol::Smtp),
        ("pop3capabilities", wanted.pop3_login, Protocol::Pop3),
    ] {
        capabilities(&control.join(name), is_needed, protocol, findings);
    }
    imap_capabilities(&control.join("imapcapabilities"), wanted.imap_login, findings);
    timeout(&control.join("timeoutsmtpd"), Readers::Anybody, findings);
    for name in ["timeoutpop3d", "timeoutimapd", "timeoutlogin"] {
        timeout(&control.join(name), Readers::Whoever, findings);
    }
    log_format(&control.join("logformat"), findings);
    login_names(&control.join("loginnames"), findings);
    rules(&control.join("fixsmtpio"), wanted.fixsmtpio, findings);
    smtp.or(me).filter(|name| !name.is_empty())
}

/// The file's contents, if it is there and can be read.
fn read(path: &Path, readers: Readers, findings: &mut Findings) -> Option<Vec<u8>> {
    match unix::control::contents(path) {
        Ok(contents) => {
            check_permissions(path, readers, findings);
            Some(contents)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            findings.unusable(path, &error);
            None
        }
    }
}

/// The name that a greeting begins with, as it can be printed.
fn greeting(path: &PathBuf, readers: Readers, findings: &mut Findings) -> Option<String> {
    let contents = read(path, readers, findings)?;
    let line = one_line(&contents);
    if line.is_empty() {
        findings.error(path, "its first line is empty: clients would see no name");
    } else if !line.iter().all(|octet| matches!(octet, b' '..=b'~')) {
        let line = Escaped(line);
        findings.error(path, format!("not printable ASCII: {line}"));
    }
    let name = line.split(|&octet| octet == b' ').next().unwrap_or_default();
    let name = Escaped(name).to_string();
    if !line.is_empty() && !name.contains('.') {
        let text = format!("begins with {name}, which is not the full name of a host");
        findings.warning(path, text);
    }
    Some(name)
}

/// What servers offer, by the lists of IANA and in the wild. What is not to be listed is
/// another matter.
const KNOWN: &str = "\
    8BITMIME ATRN AUTH-RESP-CODE BINARYMIME BURL CHECKPOINT CHUNKING CONNEG CONPERM \
    DELIVERBY DSN ENHANCEDSTATUSCODES ETRN EXPIRE EXPN FUTURERELEASE HELP IMPLEMENTATION \
    LANG LIMITS LOGIN-DELAY MT-PRIORITY MTRK NO-SOLICITING PIPELINING PRDR REQUIRETLS \
    RESP-CODES RRVS SASL SIZE SMTPUTF8 SUBMITTER TIME TOP UIDL UTF8 UTF8SMTP VERB VRFY \
    XCLIENT XFORWARD";
/// Those of them that mean nothing without a value.
const VALUED: &str = "EXPIRE FUTURERELEASE IMPLEMENTATION LIMITS LOGIN-DELAY SASL XCLIENT XFORWARD";

fn is_among(words: &str, word: &[u8]) -> bool {
    words.split(' ').any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// The contents of a list of capabilities, if it is there.
fn read_list(path: &PathBuf, is_needed: bool, findings: &mut Findings) -> Option<Vec<u8>> {
    let contents = read(path, Readers::Whoever, findings);
    match &contents {
        None if is_needed && is_missing(path) => {
            findings.error(path, "No such file or directory, and authup cannot start without it");
        }
        Some(contents) if list(contents).next().is_none() => {
            findings.warning(path, "lists nothing: say at least what the server behind can do");
        }
        _ => {}
    }
    contents
}

/// IMAP's are words, any number a line; which there are, only the server knows.
fn imap_capabilities(path: &PathBuf, is_needed: bool, findings: &mut Findings) {
    let contents = read_list(path, is_needed, findings).unwrap_or_default();
    for (line, entry) in list(&contents) {
        let words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for word in words {
            let (place, shown) = (Place::line(path, line), Escaped(word));
            match capability::check(word) {
                Err(Unlisted::NoAtom) => {
                    findings.error(place, format!("{shown}: not a capability"));
                }
                Err(Unlisted::Ours) => {
                    let text = format!("{shown}: authup lists it by itself, when it is time");
                    findings.error(place, text);
                }
                Ok(()) if capability::is_own(word) => {
                    findings.warning(place, format!("{shown}: authup lists it by itself"));
                }
                Ok(()) => {}
            }
        }
    }
}

fn capabilities(path: &PathBuf, is_needed: bool, protocol: Protocol, findings: &mut Findings) {
    let contents = read_list(path, is_needed, findings).unwrap_or_default();
    for (line, entry) in list(&contents) {
        let place = Place::line(path, line);
        let word = entry.split(|octet| matches!(octet, b' ' | b'=')).next().unwrap_or_default();
        if !entry.iter().all(|octet| matches!(octet, b' '..=b'~')) {
            findings.error(place, format!("not printable ASCII: {}", Escaped(entry)));
        } else if protocol.says_itself(entry) {
            let text = format!("{}: left out: authup lists it when it is time", Escaped(word));
            findings.warning(place, text);
        } else if entry.starts_with(b"250") {
            findings.error(place, "begins with a reply code: authup puts that before it");
        } else if !is_among(KNOWN, word) {
            findings.warning(place, format!("{}: no capability that is known", Escaped(word)));
        } else if is_among(VALUED, entry) {
            findings.error(place, format!("{}: it has no value", Escaped(word)));
        }
    }
}

fn timeout(path: &PathBuf, readers: Readers, findings: &mut Findings) {
    let Some(contents) = read(path, readers, findings) else { return };
    match seconds(&contents) {
        None => findings.warning(path, "not a number of seconds: the default holds"),
        Some(0) => findings.error(path, "0 seconds: every client is cut off at once"),
        Some(_) => {}
    }
}

fn log_format(path: &PathBuf, findings: &mut Findings) {
    let Some(contents) = read(path, Readers::Whoever, findings) else { return };
    if let Err(unknown) = Format::parse(&contents) {
        findings.error(path, format!("{unknown}: no service that logs in can start"));
    }
}

fn login_names(path: &Path, findings: &mut Findings) {
    let Some(contents) = read(path, Readers::Whoever, findings) else { return };
    if let Err(fault) = LoginNames::parse(&contents) {
        let text = "neither lower-case nor strip-domain: no service that logs in can start";
        findings.error(Place::line(path, fault.line), text);
    }
}

fn rules(path: &PathBuf, is_used: bool, findings: &mut Findings) {
    let Some(contents) = read(path, Readers::Anybody, findings) else {
        if is_used && is_missing(path) {
            findings.warning(path, "No such file or directory: fixsmtpio changes nothing");
        }
        return;
    };
    let (faults, oddities) = look_over(&contents);
    for (column, error) in faults {
        findings.error(Place::column(path, error.line, column), error.fault.to_string());
    }
    for oddity in oddities {
        let place = Place::column(path, oddity.line, oddity.column);
        findings.warning(place, oddity.kind.to_string());
    }
}
