//! The process that may run checkpassword: it does what the parser asks, as far as an
//! honest parser could ask it, and says in the log what happened.

use super::Limits;
use super::chain::{self, Chain};
use super::counted::{self, Counted};
use super::report::Report;
use crate::last_words;
use crate::tls::{self, Offer};
use proto::checkpassword::Record;
use proto::escape::Escaped;
use proto::exit_code;
use proto::failures::Answer;
use proto::login::Attempt;
use proto::login::handoff::{Handoff, Name};
use proto::login::monitor::{Guard, LONGEST, Request};
use proto::login::names::LoginNames;
use proto::login::outcome::{Heard, Outcome};
use proto::login::protocol::Protocol;
use proto::login::reply::Refusal;
use proto::other_protocol::OtherProtocol;
use proto::sasl::Mechanism;
use proto::ucspi_tls::Fact;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use unix::deadline::{Deadline, Event, wait_for};
use unix::descriptor_passing::{receive_octets, send};
use unix::environment::Environment;
use unix::failures::Memory;
use unix::fork::Companion;
use unix::login_program::{Failed, Place};
use unix::process::Argv;
use unix::shortage::overcome;
use unix::summary::Timed;
use unix::ucspi_tls::HANDSHAKE;
use zeroize::Zeroize;

pub(super) struct Monitor {
    pub(super) protocol: Protocol,
    pub(super) parser: Companion,
    pub(super) channel: OwnedFd,
    pub(super) guard: Guard,
    pub(super) limits: Limits,
    pub(super) names: LoginNames,
    /// Where the program finds its record.
    pub(super) place: Place,
    pub(super) program: Argv,
    pub(super) environment: Environment,
    pub(super) offer: Offer,
    pub(super) report: Report,
    /// Of refused logins, where they are remembered.
    pub(super) memory: Option<Memory>,
    /// What is said when a login and when the session is over, where that is asked for.
    pub(super) summary: Option<Timed>,
    /// What the client may have heard of the programs behind the last login.
    pub(super) heard: Heard,
}

/// That of a login before its session is over.
const GOOD: Outcome = Outcome::Completed(0);

/// What an honest parser does not do.
enum Broken {
    /// It has ended without a word.
    Crashed,
    /// It said what is no message, or what it may not say now.
    OutOfTurn,
    /// It was silent for longer than it lets a client be.
    Silent,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crashed => "aack, parser crashed",
            Self::OutOfTurn => "aack, parser spoke out of turn",
            Self::Silent => "aack, parser silent for too long",
        })
    }
}

impl Monitor {
    /// Answers one request after another, up to the end of the session; no process
    /// is left behind.
    pub(super) fn run(mut self) -> u8 {
        let code = loop {
            match self.next() {
                Ok(request) => {
                    if let Some(code) = self.act(request) {
                        break code;
                    }
                }
                Err(broken) => break self.give_up(&broken),
            }
        };
        self.parser.end();
        counted::settle(self.memory.as_mut(), &self.report);
        if let Some(summary) = &self.summary {
            self.report.line(format_args!("{}", summary.session_ends(code)));
        }
        unix::log::catch_up();
        code
    }

    /// When an honest parser has given up its client: the time for a login is over, and
    /// that of a handshake and of a last reply.
    fn patience(&self) -> Deadline {
        let Limits { io_timeout, login_deadline } = self.limits;
        let last_reply = Deadline::after_seconds(io_timeout);
        login_deadline.later_by_seconds(io_timeout.saturating_add(HANDSHAKE)).or_later(last_reply)
    }

    fn next(&self) -> Result<Request, Broken> {
        let waited = wait_for(self.channel.as_fd(), Event::IN, self.patience());
        waited.map_err(|_| Broken::Silent)?;
        let received = receive_octets(&self.channel, LONGEST);
        let mut message = received.map_err(|_| Broken::OutOfTurn)?;
        if message.is_empty() {
            return Err(Broken::Crashed);
        }
        let request = Request::decode(&message);
        // All that was written to, not all that there was room for.
        message.as_mut_slice().zeroize();
        request.filter(|request| self.guard.admits(request)).ok_or(Broken::OutOfTurn)
    }

    /// Does what is asked; the exit code, where the session is over.
    fn act(&mut self, request: Request) -> Option<u8> {
        let report = &self.report;
        match request {
            Request::Login(attempt) => return self.log_in(attempt),
            Request::TlsUnavailable(why) => {
                report.line(format_args!("TLS temporarily not available: {}", Escaped(&why)));
                self.guard.tls_is_unavailable();
            }
            Request::Facts(facts) => {
                self.guard.heard(&facts);
                tls::report(&facts, &mut self.environment);
            }
            Request::TlsOn(facts) => return self.tls_on(&facts),
            Request::TlsFailed(why) => {
                report.line(format_args!("unable to start TLS: {}", Escaped(&why)));
                return Some(exit_code::FAILED);
            }
            Request::NotJailed(why) => {
                report.line(format_args!("unable to jail parser: {}", Escaped(&why)));
                self.tell_client(Refusal::Fork);
                return Some(exit_code::FAILED);
            }
            Request::OtherProtocol(spoken) => {
                report.line_about_client(format_args!("{spoken}"));
                return Some(OtherProtocol::EXIT_CODE);
            }
            Request::Over(code) => return Some(code),
        }
        None
    }

    fn tls_on(&mut self, facts: &[Fact]) -> Option<u8> {
        if let Err(reason) = self.offer.follow() {
            let reason = unix::log::Reason(&reason);
            self.report.line(format_args!("unable to start TLS: {reason}"));
            return Some(exit_code::FAILED);
        }
        tls::report(facts, &mut self.environment);
        if let Some(summary) = &mut self.summary {
            summary.negotiated(|name| self.environment.named(name.as_bytes()));
        }
        self.guard.tls_started();
        self.report.line(format_args!("negotiated TLS"));
        None
    }

    /// Tries a login, and tells the parser what came of it.
    fn log_in(&mut self, attempt: Attempt) -> Option<u8> {
        self.heard = Heard::Nothing;
        let outcome = match attempt {
            Attempt::Check(record, handoff) => self.check(record, &handoff),
            Attempt::SomebodyElse(user) => self.refuse_somebody_else(&user),
        };
        self.report.login_ended(&mut self.summary, outcome);
        let told = outcome.still_to_tell(self.protocol, self.heard);
        let told_so = told.encode();
        let sent = overcome(|| send(&self.channel, &told_so, &[]));
        if let Outcome::Completed(code) = told {
            // The session is over, and nobody has anything left to say.
            return Some(code);
        }
        // A parser that cannot be told waits in vain.
        sent.err().map(|_| self.give_up(&Broken::Crashed))
    }

    /// Nobody is asked, and it counts: once for each user, however often it is tried.
    fn refuse_somebody_else(&mut self, user: &[u8]) -> Outcome {
        let counted = self.names.apply(user);
        self.begins(&counted, Some(Mechanism::Plain));
        match Counted::begin(self.memory.as_mut(), &self.report, (&counted, b"")) {
            Ok(mut counted) => {
                counted.decided(Answer::Refused);
                self.guard.tried(Outcome::Refused);
                self.report.not_oneself(user, self.guard.remaining());
                Outcome::Refused
            }
            Err(outcome) => {
                self.guard.tried(outcome);
                outcome
            }
        }
    }

    fn check(&mut self, record: Record, handoff: &Handoff) -> Outcome {
        let given = record.user().to_vec();
        let user = self.names.apply(&given);
        // It is no longer than the one given, so there is room for it.
        let record = record.with_user(&user).unwrap_or(record);
        self.hand_on(handoff, &user);
        self.begins(&user, handoff.mechanism());
        self.run_chain(record, &user, &given).unwrap_or_else(|failed| {
            self.guard.tried(failed.outcome);
            self.report.failed(&failed, &self.program);
            failed.outcome
        })
    }

    fn begins(&mut self, user: &[u8], mechanism: Option<Mechanism>) {
        if let Some(summary) = &mut self.summary {
            summary.login_begins(user, mechanism);
        }
    }

    /// Puts into the environment what the programs behind the login must know.
    fn hand_on(&mut self, handoff: &Handoff, user: &[u8]) {
        for name in Name::ALL {
            self.environment.set(name.variable(), None);
        }
        for (name, value) in handoff.variables(user, self.report.address()) {
            self.environment.set(name, Some(&value));
        }
    }

    /// Runs the chain to its end, unless there have been too many failures, and says in
    /// the log what happens.
    fn run_chain(&mut self, record: Record, user: &[u8], given: &[u8]) -> Result<Outcome, Failed> {
        let Self { environment, report, limits, guard, memory, summary, heard, .. } = self;
        let wanted = (user, record.password());
        let mut counted = match Counted::begin(memory.as_mut(), report, wanted) {
            Ok(counted) => counted,
            Err(outcome) => {
                guard.tried(outcome);
                return Ok(outcome);
            }
        };
        let mut chain = Chain::start(
            record,
            &mut self.place,
            &self.program,
            environment,
            limits.login_deadline,
        )?;
        report.attempt(chain.id(), user, given);
        loop {
            let event = chain.next();
            *heard = chain.heard();
            match event? {
                chain::Event::LoggedIn => {
                    counted.decided(Answer::Good);
                    report.logged_in(user);
                    report.login_ended(summary, GOOD);
                }
                chain::Event::BecameUser => {
                    counted.decided(Answer::Good);
                    report.login_ended(summary, GOOD);
                }
                // Nothing has been learnt of the password.
                chain::Event::Unsaid => counted.decided(Answer::Trouble),
                chain::Event::Hung => {
                    guard.tried(Outcome::TimedOut);
                    report.hung(chain.id(), user);
                    return Ok(Outcome::TimedOut);
                }
                chain::Event::Ended(outcome, answer) => {
                    counted.decided(answer);
                    guard.tried(outcome);
                    report.ended(&chain, outcome, user, guard.remaining());
                    return Ok(outcome);
                }
            }
        }
    }

    fn give_up(&self, broken: &Broken) -> u8 {
        self.report.line_about_client(format_args!("{broken}"));
        let crashed = Outcome::Crashed;
        if crashed.still_to_tell(self.protocol, self.heard) == crashed {
            self.tell_client(Refusal::Crashed);
        }
        exit_code::FAILED
    }

    /// Says it in the parser's place, unless a TLS server may have the connection.
    fn tell_client(&self, why: Refusal) {
        if !self.guard.tls_may_have_started() {
            last_words::say(&self.protocol.last_words(why));
        }
    }
}
