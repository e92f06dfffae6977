//! A client's request, parsed once: what it asks for, and what may stand behind it.

use crate::line::verb_and_argument;
use crate::other_protocol::OtherProtocol;
use crate::smtp::bdat;
use crate::smtp::envelope::Argument;
use alloc::vec::Vec;

/// What is shown of AUTH and its responses, which may hold a password.
pub const SECRET: &[u8] = b"(not shown: part of AUTH)";
/// What is shown of a request that a client may have meant for a response.
pub const MAY_BE_SECRET: &[u8] = b"(not shown: may belong to AUTH)";

/// One line of the client's where a request, or a response to a challenge, may stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// The line without its ending.
    pub(super) text: &'a [u8],
    /// What stands before its first space, and behind it.
    pub(super) words: (&'a [u8], &'a [u8]),
    /// Its line ending.
    pub(super) ending: &'a [u8],
    /// What it asks for.
    pub(super) what: What<'a>,
    /// What is shown in its place, where what stands in it is for the server only.
    pub(super) shown_as: Option<&'static [u8]>,
}

/// What a line is, as far as that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// What the server asked for within an AUTH exchange. Whatever it looks like, it is
    /// no request, and nothing follows it.
    Response,
    /// The same, and servers may differ on where it ends.
    UnclearResponse,
    /// Servers may differ on what is asked.
    Unclear,
    /// The same, and some might take it for BDAT.
    UnclearChunk,
    /// BDAT, and a chunk of so many octets behind it; none: nobody knows of how many.
    Chunk(Option<u64>),
    /// AUTH.
    Auth,
    /// DATA.
    Data,
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// MAIL, with this argument; none: nobody knows how a server reads it.
    Mail(Option<Argument<'a>>),
    /// The same of RCPT.
    Rcpt(Option<Argument<'a>>),
    /// NOOP or QUIT, which are allowed at any time.
    AnyTime,
    /// STARTTLS, with this argument.
    StartTls(&'a [u8]),
    /// Any other verb.
    Other,
}

impl<'a> Request<'a> {
    /// Reads a line, as it is without its ending, and that.
    pub(super) fn parse((text, ending): (&'a [u8], &'a [u8]), is_response: bool) -> Self {
        let words = verb_and_argument(text);
        let what = match (is_response, is_unclear(text, words.0)) {
            (true, true) => What::UnclearResponse,
            (true, false) => What::Response,
            (false, true) if begins_like_bdat(text) => What::UnclearChunk,
            (false, true) => What::Unclear,
            (false, false) => What::of(text, words),
        };
        let is_secret = match what {
            What::Response | What::UnclearResponse | What::Auth => true,
            // It might be AUTH to some server.
            What::Unclear | What::UnclearChunk => {
                text.windows(4).any(|four| four.eq_ignore_ascii_case(b"auth"))
            }
            _ => false,
        };
        Self { text, words, ending, what, shown_as: is_secret.then_some(SECRET) }
    }

    /// The same behind an AUTH: where the server has refused that, a client that does not wait
    /// has sent its responses all the same, one word each.
    pub(super) fn behind_auth(self) -> Self {
        let is_word =
            !self.text.contains(&b' ') && matches!(self.what, What::Other | What::Unclear);
        let is_known =
            [&b"rset"[..], b"help"].iter().any(|verb| self.text.eq_ignore_ascii_case(verb));
        let may_be = (is_word && !is_known).then_some(MAY_BE_SECRET);
        Self { shown_as: self.shown_as.or(may_be), ..self }
    }

    /// The verb that rules for the reply go by.
    pub(super) fn verb(&self) -> &'a [u8] {
        if self.is_response() { b"auth" } else { self.words.0 }
    }

    /// The request as rules that look at it are shown it: in lower case, one space behind
    /// the verb, and of MAIL and RCPT who it is, however that is written. `None`: nobody
    /// knows how a server reads it.
    pub(super) fn shown(&self) -> Option<Vec<u8>> {
        let (verb, argument) = self.words;
        match self.what {
            What::Mail(argument) => Some([b"mail ", &*argument?.mailbox()?].concat()),
            What::Rcpt(argument) => Some([b"rcpt ", &*argument?.mailbox()?].concat()),
            // Not what is secret in it.
            What::Auth | What::Response | What::UnclearResponse => Some(b"auth".to_vec()),
            _ if argument.is_empty() => Some(verb.to_ascii_lowercase()),
            _ => Some([verb, b" ", argument.trim_ascii_end()].concat().to_ascii_lowercase()),
        }
    }

    /// What the client speaks, where this is no request of SMTP's.
    pub(super) fn other_protocol(&self) -> Option<OtherProtocol> {
        OtherProtocol::of_line(self.text).filter(|_| !self.is_response())
    }

    /// MAIL without its AUTH parameter, where it has one.
    pub(super) fn without_auth_parameter(&self) -> Option<Vec<u8>> {
        let What::Mail(Some(argument)) = self.what else { return None };
        let parameters = argument.parameters_without(b"AUTH")?;
        let before = self.text.len().checked_sub(argument.parameters.len())?;
        Some([self.text.get(..before)?, &parameters].concat())
    }

    /// Whether it is part of an exchange that goes on.
    pub(super) const fn is_response(&self) -> bool {
        matches!(self.what, What::Response | What::UnclearResponse)
    }
}

impl<'a> What<'a> {
    /// Of a line that is clear.
    fn of(text: &'a [u8], (verb, argument): (&'a [u8], &'a [u8])) -> Self {
        // A longer one is none of these.
        let mut lower = [0; 8];
        for (place, octet) in lower.iter_mut().zip(verb) {
            *place = octet.to_ascii_lowercase();
        }
        match lower.get(..verb.len()).unwrap_or_default() {
            b"auth" => Self::Auth,
            b"bdat" => {
                // What stands behind the one space that there must be.
                let strict = text.get(verb.len() + 1..).unwrap_or_default();
                Self::Chunk(bdat::size(strict))
            }
            b"data" => Self::Data,
            b"ehlo" => Self::Ehlo,
            b"helo" => Self::Helo,
            b"mail" => Self::Mail(Argument::parse(argument, b"FROM")),
            b"rcpt" => Self::Rcpt(Argument::parse(argument, b"TO")),
            b"noop" | b"quit" => Self::AnyTime,
            b"starttls" => Self::StartTls(argument),
            _ => Self::Other,
        }
    }
}

/// Whether servers may differ on what is asked. Some end a line at a NUL or a lone
/// carriage return, some skip white space before a verb, or end one at a tab; what they
/// take for DATA must be DATA here, and what a rule is for must not slip by it.
fn is_unclear(text: &[u8], verb: &[u8]) -> bool {
    memchr::memchr2(b'\0', b'\r', text).is_some()
        || text.starts_with(b" ")
        || verb.iter().any(u8::is_ascii_control)
}

/// Whether whoever sent this may have sent a chunk behind it.
pub(super) fn begins_like_bdat(text: &[u8]) -> bool {
    let is_blank = |octet: &u8| *octet == b' ' || octet.is_ascii_control();
    let blanks = text.iter().take_while(|octet| is_blank(octet)).count();
    let rest = text.get(blanks..).unwrap_or_default();
    let verb = rest.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"bdat"));
    verb && rest.get(4).is_none_or(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::split_ending;

    #[test]
    fn d40_what_may_have_a_chunk_behind_it_is_told_from_what_has_none() {
        for (line, what) in [
            ("BDAT 5\r\n", What::Chunk(Some(5))),
            ("bdat 0 last\n", What::Chunk(Some(0))),
            ("BDAT\r\n", What::Chunk(None)),
            ("BDAT  5\r\n", What::Chunk(None)),
            ("BDAT 5 \r\n", What::Chunk(None)),
            ("BDAT\t5\r\n", What::UnclearChunk),
            (" \tBDAT 5\r\n", What::UnclearChunk),
            ("BDAT 5\0\r\n", What::UnclearChunk),
            ("BDAT 9223372036854775808\r\n", What::Chunk(None)),
            ("BDATA 5\r\n", What::Other),
            ("NOOP\rBDAT 5\r\n", What::Unclear),
            ("BDA\r\n", What::Other),
        ] {
            let request = Request::parse(split_ending(line.as_bytes()), false);
            assert_eq!(request.what, what, "{line:?}");
        }
        let auth = Request::parse((b"BDAT 5\rAUTH PLAIN AGIAcA==", b"\r\n"), false);
        assert!(auth.shown_as.is_some(), "some server might end the line at the CR");
        assert_eq!(Request::parse((b"BDAT 5", b"\r\n"), true).what, What::Response);
    }
}
