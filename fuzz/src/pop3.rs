//! The login dialog as POP3 speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says; see [`super::smtp`].

use crate::auth::{self, Auth, Next, Try};
use crate::login::{self, Event, Scene, other_protocol};
use crate::octets::Octets;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;

/// See [`login::check`].
pub fn check(input: &[u8]) {
    login::check(input, Protocol::Pop3, |scene, says| {
        let mut model = Model::new(scene);
        model.read(says);
        model.events
    });
}

struct Model<'a> {
    scene: Scene<'a>,
    tls: Tls,
    user: Option<Vec<u8>>,
    next: Next,
    refused: u32,
    /// One more temporary failure is too many.
    impatient: bool,
    turn: usize,
    events: Vec<Event>,
}

const MALFORMED: &str = "-ERR authup malformed auth input";
const MUST_START_TLS: &str = "-ERR authup Must start TLS first";
const SYNTAX: &str = "-ERR authup syntax error";

impl<'a> Model<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let (tls, user, next, events) = (scene.tls, None, Next::Command, Vec::new());
        let mut model =
            Self { scene, tls, user, next, refused: 0, impatient: false, turn: 0, events };
        model.say("+OK mx.example");
        model
    }

    fn say(&mut self, lines: &str) {
        let reply = format!("{}\r\n", lines.replace('|', "\r\n"));
        self.events.push(Event::Reply(Octets(reply.into_bytes())));
    }

    fn read(&mut self, says: &[u8]) {
        for line in says.split_inclusive(|&octet| octet == b'\n') {
            let is_command = matches!(self.next, Next::Command);
            if let Some(spoken) = other_protocol(line, 4_096).filter(|_| is_command) {
                if spoken == OtherProtocol::Http {
                    self.say("-ERR authup HTTP is not spoken here");
                }
                return self.events.push(Event::OtherProtocol(spoken));
            }
            let Some(line) = line.strip_suffix(b"\n") else { return };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let next = std::mem::replace(&mut self.next, Next::Command);
            let is_auth = line.len() > 4 && line[..5].eq_ignore_ascii_case(b"AUTH ");
            let is_short = next == Next::Command && !is_auth;
            match next {
                _ if line.len() > if is_short { 4_096 } else { 12_288 } => {
                    self.say("-ERR authup line too long");
                }
                Next::Command => self.command(line),
                next => self.auth(auth::go_on(next, line)),
            }
            if matches!(self.events.last(), Some(Event::End(_))) {
                return;
            }
        }
    }

    fn command(&mut self, line: &[u8]) {
        let space = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
        let spaces = line[space..].iter().take_while(|&&octet| octet == b' ').count();
        let argument = &line[space + spaces..];
        let offers = matches!(self.tls, Tls::Available | Tls::Required);
        let verb = line[..space].to_ascii_uppercase();
        match (verb.as_slice(), self.user.clone()) {
            (b"CAPA", _) => {
                let stls = if offers { "STLS|" } else { "" };
                let login = if self.tls == Tls::Required { "" } else { "USER|SASL PLAIN LOGIN|" };
                self.say(&format!("+OK capability list follows|{stls}{login}CAP1|CAP2|."));
            }
            (b"STLS", _) if !offers => self.say("-ERR STLS not available"),
            (b"STLS", _) if !argument.is_empty() => self.say(SYNTAX),
            (b"STLS", _) => self.stls(),
            (b"USER" | b"AUTH", _) if self.tls == Tls::Required => self.say(MUST_START_TLS),
            (b"AUTH", _) => self.auth(auth::begin(argument)),
            (b"PASS", None) => self.say("-ERR authup USER first"),
            (b"USER" | b"PASS", _) if argument.is_empty() => self.say(SYNTAX),
            (b"USER", _) => {
                self.user = Some(argument.to_vec());
                self.say("+OK ");
            }
            (b"PASS", Some(user)) => {
                self.attempt(&Try { user, password: argument.to_vec(), for_oneself: true });
            }
            (b"NOOP", _) => self.say("+OK "),
            (b"QUIT", _) => {
                self.say("+OK ");
                self.events.push(Event::End(0));
            }
            _ => self.say("-ERR authup authorization first"),
        }
    }

    fn stls(&mut self) {
        self.events.push(Event::CheckTls);
        if self.scene.tls_can_start(self.turn) {
            self.say("+OK starting TLS negotiation");
            self.events.push(Event::StartTls);
            (self.tls, self.user) = (Tls::On, None);
        } else {
            self.say("-ERR authup TLS temporarily not available");
        }
        self.turn += 1;
    }

    fn auth(&mut self, auth: Auth) {
        match auth {
            Auth::Ask(challenge, next) => {
                self.say(&format!("+ {challenge}"));
                self.next = next;
            }
            Auth::Unknown => self.say("-ERR authup auth type unimplemented"),
            Auth::Cancelled => self.say("-ERR authup auth exchange cancelled"),
            Auth::Malformed => self.say(MALFORMED),
            Auth::Try(attempt) => self.attempt(&attempt),
        }
    }

    fn attempt(&mut self, attempt: &Try) {
        let Some(record) = attempt.record("<7.9@mx.example>") else { return self.say(MALFORMED) };
        let record = attempt.for_oneself.then_some(Octets(record));
        self.events.push(Event::Attempt(attempt.user[..].into(), record));
        let outcome = self.scene.outcome(self.turn);
        self.turn += 1;
        let again = outcome == Outcome::Temporary && std::mem::replace(&mut self.impatient, true);
        self.refused += u32::from(outcome == Outcome::Refused);
        if let Outcome::Completed(code) = outcome {
            return self.events.push(Event::End(code));
        }
        self.say(text(outcome));
        let goes_on = matches!(outcome, Outcome::Refused | Outcome::Temporary) && !again;
        if !goes_on || self.refused >= self.scene.tries {
            self.events.push(Event::End(1));
        }
    }
}

/// What is said of an attempt that is not left to the programs behind.
fn text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed(_) => "",
        Outcome::Refused => "-ERR [AUTH] authup authorization failed",
        Outcome::Temporary => "-ERR [SYS/TEMP] authup temporary authentication failure",
        Outcome::TooManyFailures => "-ERR [SYS/TEMP] authup too many failures, try later",
        Outcome::TimedOut => "-ERR authup timeout",
        Outcome::Controls => "-ERR authup unable to read controls",
        Outcome::Crashed => "-ERR authup aack, child crashed",
        Outcome::NotStarted => "-ERR [SYS/TEMP] authup unable to start the mail server",
        Outcome::CannotOpenPipe => "-ERR authup unable to open pipe",
        Outcome::CannotWritePipe => "-ERR authup unable to write pipe",
        Outcome::CannotRun => "-ERR authup unable to fork",
        Outcome::CannotWait => "-ERR authup unable to wait for child",
    }
}
