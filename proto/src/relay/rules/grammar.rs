//! The grammar of rules: `[env]:event:[request-prepend]:response-line-glob:[exitcode]:[response]`,
//! one a line; the sixth field is the rest of the line, colons included. A rule that is
//! wrong makes the whole file unusable: half a filter is none. A line `request GLOB` before
//! a rule has it look at the request.

use super::selection::request_line;
use super::{Event, Fixup, Response, Rule};
use crate::control;
use crate::relay::request::begins_like_bdat;
use core::fmt;

/// What is wrong with a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fewer than six fields.
    Fields,
    /// No event.
    Event,
    /// No pattern.
    Glob,
    /// An exit code that is not 0 to 255.
    ExitCode,
    /// A response to `clienteof`, which nobody would hear.
    ClientEofResponse,
    /// `&fixsmtpio_fixup` for an event that has none.
    NoFixup,
    /// Another word that begins with `&fixsmtpio`.
    UnknownResponse,
    /// A text to go before BDAT, or one that makes BDAT of a request: what the server takes
    /// for a chunk, and what the client sends as one, would not be the same.
    BdatPrepend,
    /// A line that looks at the request, and no rule for a request's verb behind it.
    RequestLine,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fields => "fewer than six fields",
            Self::Event => "event is empty",
            Self::Glob => "response line glob is empty",
            Self::ExitCode => "exit code is not a number from 0 to 255",
            Self::ClientEofResponse => "clienteof takes no response",
            Self::NoFixup => "no &fixsmtpio_fixup for this event",
            Self::UnknownResponse => "unknown response beginning with &fixsmtpio",
            Self::BdatPrepend => "bdat takes no request-prepend",
            Self::RequestLine => "no rule for a verb follows the request line",
        })
    }
}

/// Where the fault is: the line, from 1, and what is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleError {
    /// The line of the file.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// Each rule of a file, or what is wrong with it.
pub(super) fn read(contents: &[u8]) -> impl Iterator<Item = Result<(Event, Rule), RuleError>> {
    let mut lines = control::list(contents);
    core::iter::from_fn(move || {
        let (line, text) = lines.next()?;
        let Some(request) = request_line(text) else {
            return Some(parse(line, text).map_err(|fault| RuleError { line, fault }));
        };
        let alone = Err(RuleError { line, fault: Fault::RequestLine });
        // It belongs to the next line, and goes wrong with it.
        let Some((line, text)) = lines.next() else { return Some(alone) };
        if request_line(text).is_some() {
            return Some(alone);
        }
        Some(match parse(line, text) {
            Ok((event @ Event::Verb(_), rule)) => {
                Ok((event, Rule { request: Some(request), ..rule }))
            }
            Ok(_) => alone,
            Err(fault) => Err(RuleError { line, fault }),
        })
    })
}

fn parse(line: usize, text: &[u8]) -> Result<(Event, Rule), Fault> {
    let mut fields = text.splitn(6, |&octet| octet == b':');
    let mut field = || fields.next().ok_or(Fault::Fields);
    let (env, event, prepend, glob, exit, response) =
        (field()?, field()?, field()?, field()?, field()?, field()?);
    if event.is_empty() {
        return Err(Fault::Event);
    }
    if glob.is_empty() {
        return Err(Fault::Glob);
    }
    let event = Event::named(event);
    if !prepend.is_empty() && (event.is_bdat() || begins_like_bdat(prepend)) {
        return Err(Fault::BdatPrepend);
    }
    let rule = Rule {
        line,
        env: env.into(),
        request: None,
        prepend: prepend.into(),
        glob: glob.into(),
        exit: exit_code(exit)?,
        response: parse_response(&event, response)?,
        holds: false,
    };
    Ok((event, rule))
}

fn exit_code(field: &[u8]) -> Result<Option<u8>, Fault> {
    if field.is_empty() {
        return Ok(None);
    }
    let digits = field.iter().all(u8::is_ascii_digit).then_some(field).ok_or(Fault::ExitCode)?;
    let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(Fault::ExitCode)
}

fn parse_response(event: &Event, field: &[u8]) -> Result<Response, Fault> {
    match (event, field) {
        (_, b"") => Ok(Response::Remove),
        (Event::ClientEof, _) => Err(Fault::ClientEofResponse),
        (_, b"&fixsmtpio_noop") => Ok(Response::Keep),
        (_, b"&fixsmtpio_fixup") => event.fixup().map(Response::Fixup).ok_or(Fault::NoFixup),
        (_, text) if text.starts_with(b"&fixsmtpio") => Err(Fault::UnknownResponse),
        (_, text) => Ok(Response::Text(text.into())),
    }
}

impl Event {
    fn named(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"greeting" => Self::Greeting,
            b"in_data" => Self::InData,
            b"timeout" => Self::Timeout,
            b"clienteof" => Self::ClientEof,
            verb => Self::Verb(verb.into()),
        }
    }

    fn is_bdat(&self) -> bool {
        matches!(self, Self::Verb(verb) if **verb == *b"bdat")
    }

    fn fixup(&self) -> Option<Fixup> {
        match self {
            Self::Greeting => Some(Fixup::Greeting),
            Self::Verb(verb) => match &**verb {
                b"helo" => Some(Fixup::Helo),
                b"ehlo" => Some(Fixup::Ehlo),
                b"quit" => Some(Fixup::Quit),
                b"help" => Some(Fixup::Help),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;
    use std::format;

    #[test]
    fn d18_a_fault_says_where_it_is() {
        for (text, fault) in [
            (":ehlo::250*:", Fault::Fields),
            ("ehlo", Fault::Fields),
            ("::::::", Fault::Event),
            (":ehlo::::x", Fault::Glob),
            (":ehlo::*:256:x", Fault::ExitCode),
            (":ehlo::*:-1:x", Fault::ExitCode),
            (":ehlo::*:+1:x", Fault::ExitCode),
            (":ehlo::*:one:x", Fault::ExitCode),
            (":clienteof::*:0:bye", Fault::ClientEofResponse),
            (":clienteof::*:0:&fixsmtpio_noop", Fault::ClientEofResponse),
            (":mail::*::&fixsmtpio_fixup", Fault::NoFixup),
            (":timeout::*::&fixsmtpio_fixup", Fault::NoFixup),
            (":ehlo::*::&fixsmtpio_fix", Fault::UnknownResponse),
            (":ehlo::*::&fixsmtpio", Fault::UnknownResponse),
            (":BDAT:NOOP :*::502 no", Fault::BdatPrepend),
            (":x:bdat 5 :*::502 no", Fault::BdatPrepend),
        ] {
            let file = format!("# head\n\n:noop::*::250 fine\n{text}\n");
            let error = Rules::parse(file.as_bytes()).unwrap_err();
            assert_eq!(error, RuleError { line: 4, fault }, "{text}");
        }
    }

    #[test]
    fn other_ampersands_are_text() {
        let rules = Rules::parse(b":noop::*::&c\n").unwrap();
        let rule = rules.of(rules.group_for_verb(b"noop")).first().unwrap();
        assert_eq!(rule.response, Response::Text((*b"&c").into()));
    }
}
