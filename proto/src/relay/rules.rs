//! The rules of fixsmtpio: their grammar, and which of them hold when.
//!
//! `[env]:event:[request-prepend]:response-line-glob:[exitcode]:[response]`, one a
//! line; the sixth field is the rest of the line, colons included. A rule that is
//! wrong makes the whole file unusable: half a filter is none. A line `request GLOB` before
//! a rule has it look at the request ([`selection`]).

pub mod lint;
mod selection;

use super::glob;
use super::request::begins_like_bdat;
use crate::control;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
pub use selection::Selection;
use selection::request_line;

/// What a reply answers, or what happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The server's first reply.
    Greeting,
    /// The reply after a message's end.
    InData,
    /// A reply that answers no request.
    Timeout,
    /// The client closed. Not a reply.
    ClientEof,
    /// The reply to a request with this verb, in lower case.
    Verb(Box<[u8]>),
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

/// A response that is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixup {
    /// `220 GREETING ESMTP`.
    Greeting,
    /// `250 GREETING`.
    Helo,
    /// The first line is `250 GREETING`; a STARTTLS line of the server's goes.
    Ehlo,
    /// `221 GREETING`.
    Quit,
    /// A line about this program is put before it.
    Help,
}

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// It is removed.
    Remove,
    /// It is left as it is.
    Keep,
    /// It is computed.
    Fixup(Fixup),
    /// It is replaced.
    Text(Box<[u8]>),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The line of the file that it stands in, from 1.
    pub line: usize,
    env: Box<[u8]>,
    /// The pattern for requests, where it looks at them.
    request: Option<Box<[u8]>>,
    /// What to put before the request.
    pub prepend: Box<[u8]>,
    glob: Box<[u8]>,
    /// The exit code to end with after the reply.
    pub exit: Option<u8>,
    /// What becomes of the line.
    pub response: Response,
    holds: bool,
}

impl Rule {
    /// Whether the rule holds in this environment and its pattern matches this
    /// line, line ending included.
    #[must_use]
    pub fn applies_to(&self, line: &[u8]) -> bool {
        self.holds && glob::matches(&self.glob, line)
    }

    /// Whether the rule holds in this environment.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.holds
    }
}

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

/// All rules of a file, by event, each event's in the order written.
#[derive(Debug, Default)]
pub struct Rules(Vec<(Event, Vec<Rule>)>);

/// One event's rules within [`Rules`], to be found again without a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(Option<usize>);

impl Rules {
    /// Reads the rules file. No rule holds until [`Rules::set_environment`].
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(contents: &[u8]) -> Result<Self, RuleError> {
        let mut rules = Self::default();
        for read in read(contents) {
            let (event, rule) = read?;
            match rules.0.binary_search_by(|(known, _)| known.cmp(&event)) {
                Ok(at) => rules.0.get_mut(at).map(|(_, group)| group.push(rule)),
                Err(at) => {
                    rules.0.insert(at, (event, Vec::from([rule])));
                    None
                }
            };
        }
        Ok(rules)
    }

    /// Finds out which rules hold; to be told again when the environment changes.
    pub fn set_environment(&mut self, is_set: impl Fn(&[u8]) -> bool) {
        for rule in self.0.iter_mut().flat_map(|(_, group)| group) {
            rule.holds = rule.env.is_empty() || is_set(&rule.env);
        }
    }

    /// The rules for an event.
    #[must_use]
    pub fn group(&self, event: &Event) -> Group {
        Group(self.0.binary_search_by(|(known, _)| known.cmp(event)).ok())
    }

    /// The rules for the reply to a request with this verb, whatever its case.
    #[must_use]
    pub fn group_for_verb(&self, verb: &[u8]) -> Group {
        // Compared as `Event`'s derived order has it: verbs last, octet by octet.
        let lower = |octet: &u8| octet.to_ascii_lowercase();
        Group(
            self.0
                .binary_search_by(|(known, _)| match known {
                    Event::Verb(known) => known.iter().copied().cmp(verb.iter().map(lower)),
                    _ => core::cmp::Ordering::Less,
                })
                .ok(),
        )
    }

    /// The rules of a group, in the order written.
    #[must_use]
    pub fn of(&self, group: Group) -> &[Rule] {
        group.0.and_then(|at| self.0.get(at)).map_or(&[], |(_, rules)| rules)
    }
}

/// Each rule of a file, or what is wrong with it.
fn read(contents: &[u8]) -> impl Iterator<Item = Result<(Event, Rule), RuleError>> {
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

#[cfg(test)]
mod tests {
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
    fn the_last_field_is_the_rest() {
        let mut rules = Rules::parse(b":MAIL:NOOP :250*:7:see: http://x/ \n").unwrap();
        let rule = rules.of(rules.group_for_verb(b"Mail")).first().unwrap().clone();
        assert_eq!(rule.response, Response::Text((*b"see: http://x/").into()));
        assert_eq!((&*rule.prepend, rule.exit), (&b"NOOP "[..], Some(7)));
        assert!(!rule.applies_to(b"250 ok\r\n"), "not before the environment is known");
        rules.set_environment(|_| false);
        let rule = rules.of(rules.group_for_verb(b"mail")).first().unwrap();
        assert!(rule.applies_to(b"250 ok\r\n") && !rule.applies_to(b"550 no\r\n"));
    }

    #[test]
    fn d46_a_rule_may_look_at_the_request() {
        let file = b"# c\nrequest MAIL boss@*\n\nA:mail:NOOP :*::553 no\n:mail::2*::250 yes\n";
        let mut rules = Rules::parse(file).unwrap();
        assert!(!rules.look_at(b"MAIL"), "not in this environment");
        rules.set_environment(|_| true);
        assert!(rules.look_at(b"MAIL") && !rules.look_at(b"RCPT"));
        let lines = |shown: Option<&[u8]>| -> Vec<usize> {
            let selection = rules.select_for(b"Mail", || shown.map(<[u8]>::to_vec));
            rules.selected(&selection).map(|rule| rule.line).collect()
        };
        assert_eq!(lines(Some(b"mail boss@example.org")), [4, 5]);
        assert_eq!(lines(Some(b"mail eve@example.org")), [5]);
        assert_eq!(lines(None), [5]);
        // Enough colons: what has always been a rule still is.
        let rules = Rules::parse(b"request x:mail::*::y\n").unwrap();
        assert!(rules.of(rules.group_for_verb(b"mail")).iter().all(|rule| rule.request.is_none()));
        for (file, line) in [
            ("request mail x", 1),
            ("request mail x\n# c\n:greeting::*::x", 1),
            ("request mail x\nrequest mail y\n:mail::*::x", 1),
            (":mail::*::x\nrequest mail y", 2),
        ] {
            let error = Rules::parse(file.as_bytes()).unwrap_err();
            assert_eq!(error, RuleError { line, fault: Fault::RequestLine }, "{file}");
        }
        let error = Rules::parse(b"request mail x\nnonsense").unwrap_err();
        assert_eq!(error, RuleError { line: 2, fault: Fault::Fields });
    }

    #[test]
    fn d64_cr_lf_ends_a_rule() {
        let file = b"# head\r\n\r\nrequest MAIL x\r\n:mail::*::553 no\r\n:noop::*::\r\n";
        let mut rules = Rules::parse(file).unwrap();
        rules.set_environment(|_| true);
        let mail = rules.of(rules.group_for_verb(b"mail")).first().unwrap();
        assert_eq!(mail.response, Response::Text((*b"553 no").into()));
        let selection = rules.select_for(b"mail", || Some(b"mail x".to_vec()));
        assert_eq!(rules.selected(&selection).count(), 1);
        let noop = rules.of(rules.group_for_verb(b"noop")).first().unwrap();
        assert_eq!((noop.line, &noop.response), (5, &Response::Remove));
    }

    #[test]
    fn other_ampersands_are_text() {
        let rules = Rules::parse(b":noop::*::&c\n").unwrap();
        let rule = rules.of(rules.group_for_verb(b"noop")).first().unwrap();
        assert_eq!(rule.response, Response::Text((*b"&c").into()));
    }

    #[test]
    fn rules_hold_by_environment() {
        let mut rules = Rules::parse(b"A:noop::*::x\n:noop::*::y\nB:noop::*::z\n").unwrap();
        rules.set_environment(|name| name == b"B");
        let holds = |rules: &Rules| -> Vec<bool> {
            rules.of(rules.group_for_verb(b"noop")).iter().map(Rule::holds).collect()
        };
        assert_eq!(holds(&rules), [false, true, true]);
        rules.set_environment(|name| name == b"A");
        assert_eq!(holds(&rules), [true, true, false]);
    }

    #[test]
    fn a_verb_is_never_one_of_the_other_events() {
        let file =
            b":greeting::*::x\n:clienteof::*:3:\n:timeout::*::y\n:in_data::*::z\n:aaa::*::a\n";
        let rules = Rules::parse(file).unwrap();
        for verb in [&b"greeting"[..], b"clienteof", b"timeout", b"in_data", b"zzz", b""] {
            assert!(rules.of(rules.group_for_verb(verb)).is_empty());
        }
        assert_eq!(rules.of(rules.group_for_verb(b"AAA")).len(), 1);
        for event in [Event::Greeting, Event::ClientEof, Event::Timeout, Event::InData] {
            assert_eq!(rules.of(rules.group(&event)).len(), 1, "{event:?}");
        }
    }
}
