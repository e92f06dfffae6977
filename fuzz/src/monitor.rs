//! What authup's jailed parser says to its monitor (`proto::login::monitor`), by a parser
//! that a stranger has taken over: nothing is read that an honest one could not have
//! said, and by no order of messages is a login tried before the TLS that must come
//! first, beyond the last try, or after a session.

use crate::choices::Choices;
use crate::memory;
use proto::checkpassword::LIMIT;
use proto::login::Attempt;
use proto::login::monitor::{Guard, LONGEST, Request};
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::ucspi_tls::{Tls, is_fact_name};

/// All facts together.
const FACTS: usize = 1024 * 1024;

/// The longest text about an error.
const TEXT: usize = 512;

/// Choices: TLS and the protocol, tries; how logins end; then messages, each up to 0xFF.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let all = [Tls::Absent, Tls::Available, Tls::Required, Tls::On];
    let situations = Protocol::ALL.map(|protocol| all.map(|tls| (protocol, tls)));
    let (protocol, tls) = choices.one_of(situations.as_flattened());
    let tries = choices.one_of(&[1, 2, 5]);
    let outcomes = choices.part();
    let guard = Guard::new(protocol, tls, tries);
    let mut session = Session {
        protocol,
        tls,
        tries,
        is_over: false,
        impatient: false,
        is_without_tls: false,
        facts: 0,
        guard,
    };
    let mut number = 0;
    while !choices.rest().is_empty() {
        let message = choices.part();
        let request = memory::at_most(64 * message.len() + LIMIT + 64, || Request::decode(message));
        let Some(request) = request else { continue };
        reads_back(message, &request);
        let outcome = outcomes.get(number % outcomes.len().max(1)).copied();
        session.hears(&request, outcome_of(outcome.unwrap_or(0)));
        number += 1;
    }
}

fn outcome_of(chosen: u8) -> Outcome {
    let outcome = match chosen {
        0..100 => Outcome::Refused,
        100..200 => Outcome::Temporary,
        200..220 => Outcome::Completed(chosen),
        220..240 => Outcome::Crashed,
        _ => Outcome::CannotRun,
    };
    assert_eq!(Outcome::decode(&outcome.encode()), Some(outcome));
    outcome
}

/// What is read is of the form that it is written in, and says no more than its octets.
fn reads_back(message: &[u8], request: &Request) {
    let written = request.encode();
    assert!(written.len() <= LONGEST && written.len() <= message.len() + 1);
    match request {
        Request::Login(Attempt::Check(record, handoff)) => {
            assert_eq!(*written, message);
            for (variable, value) in handoff.variables(record.user(), None) {
                let hello = value.strip_prefix(b"EHLO ").or(value.strip_prefix(b"HELO "));
                let (text, longest) = match (variable.name(), hello) {
                    ("AUTHUP_HELO", Some(name)) => (name, 255),
                    ("IMAPLOGINTAG", _) => (&value[..], 64),
                    ("AUTHENTICATED", _) => {
                        assert_eq!(value, record.user());
                        continue;
                    }
                    _ => panic!("{variable:?}: not to be handed on like this"),
                };
                assert!(
                    (1..=longest).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
                );
            }
            assert!(record.expose().len() <= LIMIT && !record.user().is_empty());
            assert!(record.expose().iter().filter(|&&octet| octet == 0).count() == 3);
            assert!(record.expose().starts_with(record.user()));
        }
        Request::Login(Attempt::SomebodyElse(user)) => {
            assert_eq!(*written, message);
            assert!(!user.is_empty() && !user.contains(&0) && user.len() < LIMIT);
        }
        Request::Facts(facts) | Request::TlsOn(facts) => {
            assert!(facts.iter().all(|fact| is_fact_name(&fact.name)));
            let values = facts.iter().filter_map(|fact| fact.value.as_deref());
            assert!(!values.flatten().any(|&octet| octet == 0), "a value that is two");
            let again = Request::decode(&written);
            let again = match again {
                Some(Request::Facts(again)) if message.starts_with(b"a") => again,
                Some(Request::TlsOn(again)) if message.starts_with(b"t") => again,
                other => panic!("{other:?}"),
            };
            assert_eq!(again, *facts);
        }
        Request::TlsUnavailable(why) | Request::TlsFailed(why) | Request::NotJailed(why) => {
            assert!(*written == message && why.len() <= TEXT);
        }
        Request::OtherProtocol(_) | Request::Over(_) => assert_eq!(*written, message),
    }
}

/// The session as it must be, beside the guard that is to see to it.
struct Session {
    protocol: Protocol,
    tls: Tls,
    tries: u32,
    is_over: bool,
    /// One more temporary failure is too many.
    impatient: bool,
    is_without_tls: bool,
    facts: usize,
    guard: Guard,
}

impl Session {
    fn hears(&mut self, request: &Request, outcome: Outcome) {
        let is_offered = matches!(self.tls, Tls::Available | Tls::Required);
        let length = match request {
            // Without the kind.
            Request::Facts(_) | Request::TlsOn(_) => request.encode().len() - 1,
            _ => 0,
        };
        let may = match request {
            Request::Login(attempt) => {
                let is_mine = match attempt {
                    Attempt::Check(record, handoff) => {
                        // A name for whoever gave none: so nothing is left out.
                        let mut names = handoff.variables(record.user(), Some(b"192.0.2.1"));
                        names.all(|(name, _)| match self.protocol {
                            Protocol::Smtp => name.name() == "AUTHUP_HELO",
                            Protocol::Pop3 => false,
                            Protocol::Imap => {
                                matches!(name.name(), "IMAPLOGINTAG" | "AUTHENTICATED")
                            }
                        })
                    }
                    Attempt::SomebodyElse(_) => true,
                };
                is_mine && self.tls != Tls::Required && self.tries > 0 && !self.is_over
            }
            Request::TlsFailed(_) => is_offered,
            Request::Facts(_) | Request::TlsOn(_) => is_offered && self.facts + length <= FACTS,
            // For the log, which nobody may fill: once.
            Request::TlsUnavailable(_) => is_offered && !self.is_without_tls,
            Request::NotJailed(_) | Request::OtherProtocol(_) | Request::Over(_) => true,
        };
        assert_eq!(self.guard.admits(request), may, "{request:?}");
        assert_eq!(self.guard.tls_may_have_started(), is_offered);
        match request {
            Request::Login(_) if may => {
                self.guard.tried(outcome);
                match outcome {
                    Outcome::Refused => self.tries -= 1,
                    Outcome::Temporary if !self.impatient => self.impatient = true,
                    _ => self.is_over = true,
                }
                let remaining = if self.is_over { 0 } else { self.tries };
                assert_eq!(self.guard.remaining(), remaining);
            }
            Request::Facts(facts) if may => {
                self.guard.heard(facts);
                self.facts += 1 + length;
            }
            Request::TlsUnavailable(_) if may => {
                self.guard.tls_is_unavailable();
                self.is_without_tls = true;
            }
            Request::TlsOn(_) if may => {
                self.guard.tls_started();
                self.tls = Tls::On;
            }
            _ => {}
        }
    }
}
