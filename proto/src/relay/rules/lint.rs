//! What is allowed in a rules file and yet cannot be meant: rules that never apply,
//! change nothing, or are undone by a later one. For those who look a file over;
//! fixsmtpio itself does not ask.

use super::{Event, Fault, Fixup, Response, Rule, RuleError, read};
use crate::control;
use crate::exit_code;
use crate::relay::glob::reach::Pattern;
use alloc::vec::Vec;
use core::fmt;

/// A place in the file, and what is odd there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oddity {
    /// The line of the file, from 1.
    pub line: usize,
    /// The column that the field at hand begins in, from 1.
    pub column: usize,
    /// What is odd.
    pub kind: Kind,
}

/// What is odd about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The variable is taken out of the environment before rules are looked at, or
    /// its name is not one.
    NeverSet,
    /// The name has characters in it that no variable's has.
    NotAName,
    /// No request has such a verb.
    NoSuchVerb,
    /// No SMTP server is known to have a command of this name.
    UnknownVerb,
    /// Clients would see a line without a reply code.
    NoCode,
    /// Behind authup it reads as a refused login.
    ReadsAsRefusal,
    /// No rule changes the answer to STARTTLS.
    StartTls,
    /// No request goes with this event.
    NothingToPrepend,
    /// The pattern matches no line of a reply.
    NoMatch,
    /// As above; it would if it went on to the line's end.
    NoLineEnding,
    /// It leaves everything as it is.
    NoEffect,
    /// Whatever it makes of a line, this later rule makes something else of it.
    UndoneBy(usize),
    /// As above, but its exit code or what it puts before a request counts.
    ResponseUndoneBy(usize),
    /// The client hears a refusal of what the server has accepted.
    RefusedInWords,
    /// The request that it looks for has another verb.
    NoSuchRequest,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverSet => f.write_str("never true: fixsmtpio removes this variable"),
            Self::NotAName => f.write_str("never true: not the name of a variable"),
            Self::UnknownVerb => f.write_str("no event, and no SMTP command that is known"),
            Self::NoCode => f.write_str("clients would see a line without a reply code"),
            Self::ReadsAsRefusal => f.write_str(
                "behind authup this exit code is a refused login: take another, as 14 or 15",
            ),
            Self::NoSuchVerb => f.write_str("never applies: a verb has no white space in it"),
            Self::StartTls => f.write_str("never applies: rules do not touch STARTTLS"),
            Self::NothingToPrepend => f.write_str("goes before no request: this event has none"),
            Self::NoMatch => f.write_str("matches no line of a reply: they begin with a code"),
            Self::NoLineEnding => f.write_str(
                "matches no line of a reply: its line ending counts, so end the pattern with *",
            ),
            Self::NoEffect => f.write_str("changes nothing"),
            Self::UndoneBy(line) => write!(f, "has no effect: undone by line {line}"),
            Self::RefusedInWords => f.write_str(
                "refuses what the server has accepted and goes on with: put NOOP before the request",
            ),
            Self::NoSuchRequest => {
                f.write_str("never applies: its request line looks for another verb")
            }
            Self::ResponseUndoneBy(line) => {
                write!(f, "its response has no effect: undone by line {line}")
            }
        }
    }
}

/// Where a field begins, in columns from 1; fields are counted from 0.
fn column(text: &[u8], field: usize) -> usize {
    let before = text.splitn(6, |&octet| octet == b':').take(field);
    before.map(|before| before.len() + 1).sum::<usize>() + 1
}

impl Fault {
    /// The column, from 1, of the field that is at fault in this line.
    #[must_use]
    pub fn column(self, text: &[u8]) -> usize {
        let field = match self {
            Self::Fields => return text.len() + 1,
            Self::RequestLine => return 1,
            Self::Event => 1,
            Self::BdatPrepend => 2,
            Self::Glob => 3,
            Self::ExitCode => 4,
            Self::ClientEofResponse | Self::NoFixup | Self::UnknownResponse => 5,
        };
        column(text, field)
    }
}

/// A rule that can be read.
struct Read<'a> {
    text: &'a [u8],
    event: Event,
    rule: Rule,
    pattern: Option<Pattern>,
}

/// Reads every line: all faults, and what is odd about the rules without one.
#[must_use]
pub fn look_over(contents: &[u8]) -> (Vec<(usize, RuleError)>, Vec<Oddity>) {
    let (mut faults, mut rules) = (Vec::new(), Vec::new());
    let text_of = |line| {
        let mut lines = control::list(contents);
        lines.find(|(number, _)| *number == line).map_or(&b""[..], |(_, text)| text)
    };
    for read in read(contents) {
        match read {
            Ok((event, rule)) => {
                let (text, pattern) = (text_of(rule.line), Pattern::new(&rule.glob));
                rules.push(Read { text, event, rule, pattern });
            }
            Err(error) => faults.push((error.fault.column(text_of(error.line)), error)),
        }
    }
    let mut oddities: Vec<Oddity> = rules.iter().flat_map(alone).collect();
    for (at, read) in rules.iter().enumerate() {
        let later = rules.get(at + 1..).unwrap_or_default();
        if refuses_in_words(read, &rules) {
            let column = column(read.text, 5);
            oddities.push(Oddity { line: read.rule.line, column, kind: Kind::RefusedInWords });
        }
        let seen = oddities.iter().any(|oddity| oddity.line == read.rule.line);
        if !seen && let Some(kind) = undone(read, later) {
            oddities.push(Oddity { line: read.rule.line, column: 1, kind });
        }
    }
    oddities.sort_by_key(|oddity| (oddity.line, oddity.column));
    (faults, oddities)
}

/// What is odd about a rule by itself.
fn alone(read: &Read<'_>) -> Vec<Oddity> {
    const TAKEN_OUT: [&[u8]; 4] = [b"UCSPITLS", b"DISABLETLS", b"QMAILHOME", b"AUTHUP_HELO"];
    let Read { text, event, rule, pattern } = read;
    let mut oddities = Vec::new();
    let mut odd = |field, kind| {
        oddities.push(Oddity { line: rule.line, column: column(text, field), kind });
    };
    let in_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
    if TAKEN_OUT.contains(&&*rule.env) {
        odd(0, Kind::NeverSet);
    } else if !rule.env.iter().all(in_name) || rule.env.first().is_some_and(u8::is_ascii_digit) {
        odd(0, Kind::NotAName);
    }
    match event {
        Event::Verb(verb) if &**verb == b"starttls" => odd(1, Kind::StartTls),
        Event::Verb(verb) if verb.iter().any(u8::is_ascii_whitespace) => odd(1, Kind::NoSuchVerb),
        Event::Verb(verb) if !is_known(verb) => odd(1, Kind::UnknownVerb),
        Event::Verb(verb) if looks_for_another(rule, verb) => odd(1, Kind::NoSuchRequest),
        Event::Verb(_) => {}
        _ if !rule.prepend.is_empty() => odd(2, Kind::NothingToPrepend),
        _ => {}
    }
    // What a client leaves behind is no reply.
    let is_reply = *event != Event::ClientEof;
    let matches = pattern.as_ref().is_some_and(Pattern::matches_some_line);
    if is_reply && !matches {
        let longer = Pattern::new(&[&*rule.glob, b"*"].concat());
        let ends_early = longer.as_ref().is_some_and(Pattern::matches_some_line);
        odd(3, if ends_early { Kind::NoLineEnding } else { Kind::NoMatch });
    }
    if reads_as_refusal(rule) {
        odd(4, Kind::ReadsAsRefusal);
    }
    if let Response::Text(text) = &rule.response
        && !has_code(text)
    {
        odd(5, Kind::NoCode);
    }
    let keeps = rule.response == Response::Keep || !is_reply;
    if keeps && rule.exit.is_none() && rule.prepend.is_empty() {
        odd(5, Kind::NoEffect);
    }
    oddities
}

/// Whether SMTP has such a command, in lower case: RFC 5321, and those that extensions
/// add (RFC 1845, 1985, 2645, 3030, 4468, 4954) or servers have (LHLO, XCLIENT, ...).
fn is_known(verb: &[u8]) -> bool {
    const KNOWN: [&[u8]; 24] = [
        b"helo", b"ehlo", b"lhlo", b"mail", b"rcpt", b"data", b"bdat", b"burl", b"rset", b"noop",
        b"quit", b"vrfy", b"expn", b"help", b"auth", b"etrn", b"atrn", b"turn", b"send", b"soml",
        b"saml", b"verb", b"onex", b"ckpt",
    ];
    verb.starts_with(b"x") || KNOWN.contains(&verb)
}

/// Whether authup, which may stand before fixsmtpio wherever the rule holds, would take the
/// rule's exit code for its login's.
fn reads_as_refusal(rule: &Rule) -> bool {
    let holds_there = rule.env.is_empty() || &*rule.env == b"AUTHUP_USER";
    holds_there
        && matches!(rule.exit, Some(exit_code::FAILED | exit_code::MISUSED | exit_code::TEMPORARY))
}

/// `250 ok`, `250-ok` or `250`; a line that begins so begins a reply.
fn has_code(text: &[u8]) -> bool {
    let (code, rest) = text.split_at(text.len().min(3));
    code.len() == 3
        && code.iter().all(u8::is_ascii_digit)
        && matches!(code.first(), Some(b'2'..=b'5'))
        && matches!(rest.first(), None | Some(b' ' | b'-'))
}

/// Whether the request that a rule looks for cannot begin with this verb.
fn looks_for_another(rule: &Rule, verb: &[u8]) -> bool {
    rule.request.as_ref().is_some_and(|pattern| {
        let plain = pattern.iter().take_while(|octet| !b"*?[\\".contains(octet));
        !plain.zip(verb.iter().chain(b" ")).all(|(one, other)| one == other)
    })
}

/// Whether a rule's words refuse what the server takes for agreed, and no rule keeps the
/// request from it.
fn refuses_in_words(read: &Read<'_>, all: &[Read<'_>]) -> bool {
    let others: &[u8] = match &read.event {
        Event::Verb(verb) if matches!(&**verb, b"mail" | b"rcpt") => b"[!2]*",
        Event::Verb(verb) if **verb == *b"data" => b"[!3]*",
        Event::InData => b"[!2]*",
        _ => return false,
    };
    let refuses = matches!(&read.rule.response, Response::Text(text) if matches!(text.first(), Some(b'4' | b'5')));
    let accepted = Pattern::new(others).zip(read.pattern.as_ref());
    let matches_it =
        accepted.is_some_and(|(others, pattern)| others.covers(pattern) == Some(false));
    let is_kept_back = all.iter().any(|by| {
        by.event == read.event
            && !by.rule.prepend.is_empty()
            && holds_wherever(&by.rule, &read.rule)
    });
    refuses && matches_it && !is_kept_back
}

/// Whether one rule holds wherever another does, their patterns for replies apart.
fn holds_wherever(by: &Rule, rule: &Rule) -> bool {
    (by.env.is_empty() || by.env == rule.env)
        && (by.request.is_none() || by.request == rule.request)
}

/// Whether a later rule makes something else of all that this one matches.
fn undone(read: &Read<'_>, later: &[Read<'_>]) -> Option<Kind> {
    let overwrites = |rule: &Rule| match rule.response {
        Response::Remove | Response::Text(_) => true,
        Response::Fixup(fixup) => !matches!(fixup, Fixup::Ehlo | Fixup::Help),
        Response::Keep => false,
    };
    let is_visible = !matches!(read.rule.response, Response::Keep | Response::Fixup(Fixup::Help));
    let pattern = read.pattern.as_ref()?;
    if read.event == Event::ClientEof || !is_visible {
        return None;
    }
    let by = later.iter().find(|by| {
        by.event == read.event
            && holds_wherever(&by.rule, &read.rule)
            && overwrites(&by.rule)
            && by.pattern.as_ref().and_then(|by| by.covers(pattern)) == Some(true)
    })?;
    let exit_counts = read.rule.exit.is_some() && by.rule.exit.is_none();
    let line = by.rule.line;
    Some(if exit_counts || !read.rule.prepend.is_empty() {
        Kind::ResponseUndoneBy(line)
    } else {
        Kind::UndoneBy(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::{format, vec};

    fn oddities(file: &str) -> Vec<String> {
        let (faults, oddities) = look_over(file.as_bytes());
        let faults = faults
            .iter()
            .map(|(column, RuleError { line, fault })| format!("{line}:{column}: {fault}"));
        let odd = oddities.iter().map(|odd| format!("{}:{}: {}", odd.line, odd.column, odd.kind));
        faults.chain(odd).collect()
    }

    #[test]
    fn every_fault_and_its_column() {
        let file = "A:ehlo::*:1\n:::*::\nA:ehlo:::: \n# no\n\
                    :noop:N :*:300:x\nA:noop::*:7:&fixsmtpio\n:bdat:NOOP :*::x\nrequest x\n";
        assert_eq!(
            oddities(file),
            [
                "1:12: fewer than six fields",
                "2:2: event is empty",
                "3:9: response line glob is empty",
                "5:12: exit code is not a number from 0 to 255",
                "6:13: unknown response beginning with &fixsmtpio",
                "7:7: bdat takes no request-prepend",
                "8:1: no rule for a verb follows the request line",
            ]
        );
    }

    #[test]
    fn what_one_rule_cannot_mean() {
        for (rule, found) in [
            ("UCSPITLS:noop::*::250 x", Some((1, Kind::NeverSet))),
            (":rcpt to::*::250 x", Some((2, Kind::NoSuchVerb))),
            (":StartTLS::*::250 x", Some((2, Kind::StartTls))),
            (":greeting:NOOP :2*::250 x", Some((11, Kind::NothingToPrepend))),
            (":ehlo::AUTH*::", Some((8, Kind::NoMatch))),
            (":ehlo::[z-a]*::", Some((8, Kind::NoMatch))),
            (":ehlo::250 ok::250 x", Some((8, Kind::NoLineEnding))),
            (":noop::*::&fixsmtpio_noop", Some((11, Kind::NoEffect))),
            (":clienteof::*::", Some((16, Kind::NoEffect))),
            ("A=B:noop::*::250 x", Some((1, Kind::NotAName))),
            ("  :noop::*::250 x", Some((1, Kind::NotAName))),
            (" A:noop::*::250 x", Some((1, Kind::NotAName))),
            (": noop::*::250 x", Some((2, Kind::NoSuchVerb))),
            (":greting::2*::250 x", Some((2, Kind::UnknownVerb))),
            (":XCLIENT::2*::250 x", None),
            (":noop::*::ok", Some((11, Kind::NoCode))),
            (":noop::*::2500", Some((11, Kind::NoCode))),
            (":noop::*::250", None),
            (":noop::*::250-ok", None),
            (":greeting::5*:1:&fixsmtpio_noop", Some((15, Kind::ReadsAsRefusal))),
            ("AUTHUP_USER:clienteof::*:111:", Some((26, Kind::ReadsAsRefusal))),
            ("OTHER:clienteof::*:111:", None),
            (":clienteof::QUIT:0:", None),
            (":noop::*:3:&fixsmtpio_noop", None),
            (":noop:NOOP :*::&fixsmtpio_noop", None),
        ] {
            let (faults, oddities) = look_over(rule.as_bytes());
            assert!(faults.is_empty(), "{rule}");
            let found: Vec<_> = found.into_iter().collect();
            let seen: Vec<_> = oddities.iter().map(|odd| (odd.column, odd.kind)).collect();
            assert_eq!(seen, found, "{rule}");
        }
    }

    #[test]
    fn d46_a_refusal_that_the_server_does_not_hear_of() {
        for (file, found) in [
            (":mail::2*::550 no", vec![Kind::RefusedInWords]),
            (":mail::*::450 no", vec![Kind::RefusedInWords]),
            (":rcpt::250*::550 no", vec![Kind::RefusedInWords]),
            (":data::354*::550 no", vec![Kind::RefusedInWords]),
            (":in_data::2*::550 no", vec![Kind::RefusedInWords]),
            (":mail:NOOP :*::550 no", vec![]),
            (":mail:NOOP :5*::&fixsmtpio_noop\n:mail::2*::550 no", vec![]),
            ("A:mail:NOOP :5*::&fixsmtpio_noop\n:mail::2*::550 no", vec![Kind::RefusedInWords]),
            ("request mail a@*\n:mail:NOOP :*::550 no", vec![]),
            (
                "request mail a@*\n:mail:NOOP :*::550 no\n:mail::2*::550 no",
                vec![Kind::RefusedInWords],
            ),
            (":mail::5*::550 no", vec![]),
            (":data::2*::550 no", vec![]),
            (":mail::2*::250 no", vec![]),
            (":noop::2*::550 no", vec![]),
            ("request rcpt a@*\n:mail:NOOP :*::550 no", vec![Kind::NoSuchRequest]),
            ("request m* a@*\n:mail:NOOP :*::550 no", vec![]),
            ("request mail\n:mail:NOOP :*::550 no", vec![]),
            (
                "request mail a@*\n:mail:NOOP :*::550 a\n:mail:NOOP :*::550 b",
                vec![Kind::ResponseUndoneBy(3)],
            ),
            (":mail:NOOP :*::550 a\nrequest mail a@*\n:mail:NOOP :*::550 b", vec![]),
        ] {
            let kinds: Vec<_> = look_over(file.as_bytes()).1.iter().map(|odd| odd.kind).collect();
            assert_eq!(kinds, found, "{file}");
        }
    }

    #[test]
    fn what_a_later_rule_undoes() {
        for (file, found) in [
            (":noop::250*::250 a\n:NOOP::2*::250 b", vec![Kind::UndoneBy(2)]),
            ("A:noop::250*::250 a\n:noop::2*::", vec![Kind::UndoneBy(2)]),
            (":noop::2*:3:250 a\n:noop::2*::250 b", vec![Kind::ResponseUndoneBy(2)]),
            (":noop:NOOP :2*::250 a\n:noop::2*::250 b", vec![Kind::ResponseUndoneBy(2)]),
            (":noop::2*:3:250 a\n:noop::2*:4:250 b", vec![Kind::UndoneBy(2)]),
            (":noop::2*::250 a\nA:noop::2*::250 b", vec![]),
            (":noop::2*::250 a\n:noop::250*::250 b", vec![]),
            (":noop::2*::250 a\n:help::2*::250 b", vec![]),
            (":noop::2*::250 a\n:noop::2*:3:&fixsmtpio_noop", vec![]),
            (":help::*::&fixsmtpio_fixup\n:help::*::250 x", vec![]),
            (":ehlo::*::&fixsmtpio_fixup\n:ehlo::250?AUTH*::", vec![]),
        ] {
            let kinds: Vec<_> = look_over(file.as_bytes()).1.iter().map(|odd| odd.kind).collect();
            assert_eq!(kinds, found, "{file}");
        }
    }

    #[test]
    fn the_rules_that_we_ship_are_as_they_should_be() {
        let file = include_bytes!("../../../../contrib/control/fixsmtpio");
        let (faults, oddities) = look_over(file);
        assert_eq!((faults.len(), oddities), (0, vec![]));
    }
}
