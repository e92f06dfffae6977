//! What IMAP answers before a login: its greeting and list of capabilities, refusals and the
//! end. `protocol` says them by the same names as the others' lines,
//! `imap` lists capabilities.

use super::reply::{Condition, Refusal};
use crate::imap::capability::ALWAYS;
use crate::sasl::Mechanism;
use crate::ucspi_tls::Tls;
use alloc::string::String;
use alloc::vec::Vec;

/// The greeting (RFC 9051, section 7.1). Never PREAUTH, which shuts STARTTLS out.
pub(super) fn greeting(text: &[u8], tls: Tls, listed: &[Vec<u8>]) -> Vec<u8> {
    let list = capabilities(tls, listed);
    [b"* OK [CAPABILITY ", &list[..], b"] ", text, b"\r\n"].concat()
}

/// What there is by now, and what the administrator has listed.
pub(super) fn capabilities(tls: Tls, listed: &[Vec<u8>]) -> Vec<u8> {
    let mut list = ALWAYS.as_bytes().to_vec();
    let mut add = |word: &[u8]| {
        list.push(b' ');
        list.extend_from_slice(word);
    };
    if tls.is_offered() {
        add(b"STARTTLS");
    }
    // RFC 9051, section 11.7: no mechanism where it would be refused.
    if tls == Tls::Required {
        add(b"LOGINDISABLED");
    } else {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            add(&[b"AUTH=", mechanism.name().as_bytes()].concat());
        }
    }
    listed.iter().for_each(|line| add(line));
    list
}

/// The answer to a command, or to what is none.
pub(super) fn refusal(why: Refusal, tag: &[u8]) -> Vec<u8> {
    let row = why.row();
    let (tag, condition) = match row.imap {
        Condition::Bad if tag.is_empty() => (&b"*"[..], "BAD"),
        Condition::Bad => (tag, "BAD"),
        _ if tag.is_empty() => return bye(why),
        _ => (tag, "NO"),
    };
    let text = why.text(|texts| texts.imap);
    let line = [" ", condition, " ", &row.imap.code(), &text, "\r\n"].concat();
    [tag, line.as_bytes()].concat()
}

/// The end of a session.
pub(super) fn bye(why: Refusal) -> Vec<u8> {
    let why = if why == Refusal::Failed { Refusal::TooManyFailures } else { why };
    let code = match why.row().imap {
        Condition::Bye(_) => why.row().imap.code(),
        _ => String::new(),
    };
    ["* BYE ", &code, &why.text(|texts| texts.imap), "\r\n"].concat().into()
}
