//! The login dialog as SMTP speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says that reads the client's lines at
//! leisure. So replies are paired, none holds an octet of the client's (nor, therefore, of
//! a password), and nothing is tried that was not asked for.

use crate::auth::{self, Auth, Next, Try};
use crate::login::{self, Event, Scene, other_protocol};
use crate::octets::Octets;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;

/// See [`login::check`].
pub fn check(input: &[u8]) {
    login::check(input, Protocol::Smtp, |scene, says| {
        let mut model = Model::new(scene);
        model.read(says);
        model.events
    });
}

struct Model<'a> {
    scene: Scene<'a>,
    tls: Tls,
    next: Next,
    /// What is handed on: EHLO or HELO, and the name.
    hello: Option<String>,
    refused: u32,
    /// One more temporary failure is too many.
    impatient: bool,
    turn: usize,
    events: Vec<Event>,
}

const MALFORMED: &str = "501 authup malformed auth input (#5.5.4)";

impl<'a> Model<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let events = Vec::new();
        let (tls, next, hello) = (scene.tls, Next::Command, None);
        let mut model =
            Self { scene, tls, next, hello, refused: 0, impatient: false, turn: 0, events };
        model.say("220 mx.example ESMTP");
        model
    }

    fn say(&mut self, lines: &str) {
        let reply = format!("{}\r\n", lines.replace('/', "\r\n"));
        self.events.push(Event::Reply(Octets(reply.into_bytes())));
    }

    fn read(&mut self, says: &[u8]) {
        for line in says.split_inclusive(|&octet| octet == b'\n') {
            let is_command = matches!(self.next, Next::Command);
            if let Some(spoken) = other_protocol(line, 4_096).filter(|_| is_command) {
                if spoken == OtherProtocol::Http {
                    self.say("421 authup HTTP is not spoken here (#4.5.0)");
                }
                return self.events.push(Event::OtherProtocol(spoken));
            }
            let Some(line) = line.strip_suffix(b"\n") else { return };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let next = std::mem::replace(&mut self.next, Next::Command);
            let is_auth = line.len() > 4 && line[..5].eq_ignore_ascii_case(b"AUTH ");
            let is_short = matches!(next, Next::Command) && !is_auth;
            if line.len() > if is_short { 4_096 } else { 12_288 } {
                self.say("500 authup line too long (#5.5.2)");
                continue;
            }
            match next {
                Next::Command => self.command(line),
                next => self.auth(auth::go_on(next, line)),
            }
            if matches!(self.events.last(), Some(Event::End(_))) {
                return;
            }
        }
    }

    fn command(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let (verb, argument) = text.split_once(' ').unwrap_or((&text, ""));
        let is_argument = !argument.trim_start_matches(' ').is_empty();
        let verb = verb.to_ascii_uppercase();
        if matches!(verb.as_str(), "EHLO" | "HELO") {
            let name = argument.trim_start_matches(' ');
            let name = name.trim_end_matches(|letter: char| letter.is_ascii_whitespace());
            let is_word = !name.is_empty() && name.bytes().all(|octet| (33..127).contains(&octet));
            let name = if is_word && name.len() <= 255 { name } else { "[IPv6:2001:db8::1]" };
            self.hello = Some(format!("{verb} {name}"));
        }
        match verb.as_str() {
            "HELO" => self.say("250 mx.example"),
            "EHLO" => self.ehlo(),
            "STARTTLS" => self.starttls(is_argument),
            "AUTH" if self.tls == Tls::Required => {
                self.say("530 authup Must start TLS first (#5.7.0)");
            }
            "AUTH" => self.auth(auth::begin(&line[4..])),
            "HELP" => self.say("214 authup, of acceptutils: see its manual page, authup(8)"),
            "NOOP" | "RSET" => self.say("250 ok"),
            "QUIT" => {
                self.say("221 mx.example");
                self.events.push(Event::End(0));
            }
            _ => self.say("530 authup authentication required (#5.7.1)"),
        }
    }

    fn ehlo(&mut self) {
        let offers = |tls| matches!(tls, Tls::Available | Tls::Required);
        let starttls = if offers(self.tls) { "250-STARTTLS/" } else { "" };
        let auth = match (self.tls, self.scene.auth_equals) {
            (Tls::Required, _) => "",
            (_, false) => "250-AUTH LOGIN PLAIN/",
            (_, true) => "250-AUTH LOGIN PLAIN/250-AUTH=LOGIN PLAIN/",
        };
        self.say(&format!("250-mx.example/{starttls}{auth}250-CAP1/250 CAP2"));
    }

    fn starttls(&mut self, is_argument: bool) {
        if matches!(self.tls, Tls::Absent | Tls::On) {
            self.say("502 unimplemented (#5.5.1)");
        } else if is_argument {
            self.say("501 authup syntax error (#5.5.4)");
        } else {
            self.events.push(Event::CheckTls);
            if self.scene.tls_can_start(self.turn) {
                self.say("220 Ready to start TLS (#5.7.0)");
                self.events.push(Event::StartTls);
                self.tls = Tls::On;
                self.hello = None;
            } else {
                self.say("454 authup TLS temporarily not available (#4.7.0)");
            }
            self.turn += 1;
        }
    }

    fn auth(&mut self, auth: Auth) {
        match auth {
            Auth::Ask(challenge, next) => {
                self.say(&format!("334 {challenge}"));
                self.next = next;
            }
            Auth::Unknown => self.say("504 authup auth type unimplemented (#5.5.1)"),
            Auth::Cancelled => self.say("501 authup auth exchange cancelled (#5.0.0)"),
            Auth::Malformed => self.say(MALFORMED),
            Auth::Try(attempt) => self.attempt(&attempt),
        }
    }

    fn attempt(&mut self, attempt: &Try) {
        let Some(record) = attempt.record("") else { return self.say(MALFORMED) };
        let record = attempt.for_oneself.then_some(Octets(record));
        if let Some(hello) = self.hello.as_ref().filter(|_| attempt.for_oneself) {
            let variable = format!("AUTHUP_HELO={hello}");
            self.events.push(Event::HandsOn(Octets(variable.into_bytes())));
        }
        self.events.push(Event::Attempt(attempt.user[..].into(), record));
        let outcome = self.scene.outcome(self.turn);
        self.turn += 1;
        let again = outcome == Outcome::Temporary && std::mem::replace(&mut self.impatient, true);
        if let Some(code) = answer(outcome, again, self) {
            self.events.push(Event::End(code));
        }
    }
}

/// Answers an attempt, and returns the exit code where the session is over.
fn answer(outcome: Outcome, again: bool, model: &mut Model<'_>) -> Option<u8> {
    let text = match outcome {
        Outcome::Completed(code) => return Some(code),
        Outcome::Refused => "535 authup authorization failed (#5.7.0)",
        Outcome::Temporary if again => "421 authup temporary authentication failure (#4.7.0)",
        Outcome::Temporary => "454 authup temporary authentication failure (#4.7.0)",
        Outcome::TooManyFailures => "454 authup too many failures, try later (#4.7.0)",
        Outcome::TimedOut => "451 authup timeout (#4.4.2)",
        Outcome::Controls => "421 authup unable to read controls (#4.3.0)",
        Outcome::Crashed => "454 authup aack, child crashed (#4.3.0)",
        Outcome::NotStarted => "421 authup unable to start the mail server (#4.3.0)",
        Outcome::CannotOpenPipe => "454 authup unable to open pipe (#4.3.0)",
        Outcome::CannotWritePipe => "454 authup unable to write pipe (#4.3.0)",
        Outcome::CannotRun => "454 authup unable to fork (#4.3.0)",
        Outcome::CannotWait => "454 authup unable to wait for child (#4.3.0)",
    };
    model.say(text);
    model.refused += u32::from(outcome == Outcome::Refused);
    let goes_on = matches!(outcome, Outcome::Refused | Outcome::Temporary) && !again;
    (!goes_on || model.refused >= model.scene.tries).then_some(1)
}
