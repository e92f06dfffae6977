//! The model of a login dialog by lines, as far as SMTP and POP3 have it in common: which
//! line is a command and which a response, what AUTH and TLS come to, what a login's end
//! means. Which words go with that, and what else there is, is the protocol's.

use crate::auth::{self, Auth, Next, Try};
use crate::login::{self, Event, Scene, other_protocol};
use crate::octets::Octets;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;

/// A protocol; and what it remembers, which is gone once TLS is on.
pub(crate) trait Spoken: Default {
    const PROTOCOL: Protocol;
    const GREETING: &'static str;
    const NO_HTTP: &'static str;
    const TOO_LONG: &'static str;
    const MALFORMED: &'static str;
    const UNKNOWN_MECHANISM: &'static str;
    const CANCELLED: &'static str;
    const BEGIN_TLS: &'static str;
    const NO_TLS: &'static str;
    /// What a challenge stands behind.
    const CHALLENGE: &'static str;
    /// What checkpassword is told as one.
    const TIMESTAMP: &'static str;

    /// What a command comes to.
    fn command(model: &mut Model<'_, Self>, line: &[u8]);

    /// What is said of an attempt that is not left to the programs behind. `again`: it is
    /// one more temporary failure than there may be.
    fn refusal(outcome: Outcome, again: bool) -> &'static str;

    /// What the programs behind a login find: `NAME=value`.
    fn hands_on(&self) -> Option<String> {
        None
    }
}

/// See [`login::check`].
pub(crate) fn check<P: Spoken>(input: &[u8]) {
    login::check(input, P::PROTOCOL, |scene, says| {
        let mut model = Model::<P>::new(scene);
        model.read(says);
        model.events
    });
}

pub(crate) struct Model<'a, P> {
    pub(crate) scene: Scene<'a>,
    pub(crate) tls: Tls,
    pub(crate) own: P,
    next: Next,
    refused: u32,
    /// One more temporary failure is too many.
    impatient: bool,
    turn: usize,
    events: Vec<Event>,
}

impl<'a, P: Spoken> Model<'a, P> {
    fn new(scene: Scene<'a>) -> Self {
        let (tls, own, next, events) = (scene.tls, P::default(), Next::Command, Vec::new());
        let mut model =
            Self { scene, tls, own, next, refused: 0, impatient: false, turn: 0, events };
        model.say(P::GREETING);
        model
    }

    /// Lines with `|` between them.
    pub(crate) fn say(&mut self, lines: &str) {
        let reply = format!("{}\r\n", lines.replace('|', "\r\n"));
        self.events.push(Event::Reply(Octets(reply.into_bytes())));
    }

    pub(crate) fn end(&mut self, code: u8) {
        self.events.push(Event::End(code));
    }

    /// Whether TLS is on offer.
    pub(crate) fn offers_tls(&self) -> bool {
        matches!(self.tls, Tls::Available | Tls::Required)
    }

    fn read(&mut self, says: &[u8]) {
        for line in says.split_inclusive(|&octet| octet == b'\n') {
            let is_command = self.next == Next::Command;
            if let Some(spoken) = other_protocol(line, 4_096).filter(|_| is_command) {
                if spoken == OtherProtocol::Http {
                    self.say(P::NO_HTTP);
                }
                return self.events.push(Event::OtherProtocol(spoken));
            }
            let Some(line) = line.strip_suffix(b"\n") else { return };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let is_auth = line.len() > 4 && line[..5].eq_ignore_ascii_case(b"AUTH ");
            let longest = if is_command && !is_auth { 4_096 } else { 12_288 };
            match std::mem::replace(&mut self.next, Next::Command) {
                _ if line.len() > longest => self.say(P::TOO_LONG),
                Next::Command => P::command(self, line),
                next => self.auth(auth::go_on(next, line)),
            }
            if matches!(self.events.last(), Some(Event::End(_))) {
                return;
            }
        }
    }

    pub(crate) fn start_tls(&mut self) {
        self.events.push(Event::CheckTls);
        if self.scene.tls_can_start(self.turn) {
            self.say(P::BEGIN_TLS);
            self.events.push(Event::StartTls);
            (self.tls, self.own) = (Tls::On, P::default());
        } else {
            self.say(P::NO_TLS);
        }
        self.turn += 1;
    }

    pub(crate) fn auth(&mut self, auth: Auth) {
        match auth {
            Auth::Ask(challenge, next) => {
                self.say(&format!("{}{challenge}", P::CHALLENGE));
                self.next = next;
            }
            Auth::Unknown => self.say(P::UNKNOWN_MECHANISM),
            Auth::Cancelled => self.say(P::CANCELLED),
            Auth::Malformed => self.say(P::MALFORMED),
            Auth::Try(attempt) => self.attempt(&attempt),
        }
    }

    pub(crate) fn attempt(&mut self, attempt: &Try) {
        let Some(record) = attempt.record(P::TIMESTAMP) else { return self.say(P::MALFORMED) };
        let record = attempt.for_oneself.then_some(Octets(record));
        if let Some(variable) = self.own.hands_on().filter(|_| attempt.for_oneself) {
            self.events.push(Event::HandsOn(Octets(variable.into_bytes())));
        }
        self.events.push(Event::Attempt(attempt.user[..].into(), record));
        let outcome = self.scene.outcome(self.turn);
        self.turn += 1;
        if let Outcome::Completed(code) = outcome {
            return self.end(code);
        }
        let again = outcome == Outcome::Temporary && std::mem::replace(&mut self.impatient, true);
        self.say(P::refusal(outcome, again));
        self.refused += u32::from(outcome == Outcome::Refused);
        let goes_on = matches!(outcome, Outcome::Refused | Outcome::Temporary) && !again;
        if !goes_on || self.refused >= self.scene.tries {
            self.end(1);
        }
    }
}
