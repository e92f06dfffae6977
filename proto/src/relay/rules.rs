//! The rules of fixsmtpio: what they are ([`grammar`]), and which of them hold when
//! ([`selection`]).

mod grammar;
pub mod lint;
mod selection;

use super::glob;
use alloc::boxed::Box;
use alloc::vec::Vec;
use grammar::read;
pub use grammar::{Fault, RuleError};
pub use selection::Selection;

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

#[cfg(test)]
mod tests {
    use super::*;

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
