//! The login dialog as SMTP speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says that reads the client's lines at
//! leisure. So replies are paired, none holds an octet of the client's (nor, therefore, of
//! a password), and nothing is tried that was not asked for.

use crate::login::{self, Event, Scene};
use crate::octets::Octets;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::ucspi_tls::Tls;

/// See [`login::check`].
pub fn check(input: &[u8]) {
    login::check(input, Protocol::Smtp, |scene, says| {
        let mut model = Model::new(scene);
        model.read(says);
        model.events
    });
}

/// What the next line is.
enum Next {
    Command,
    Plain,
    User,
    Password(Vec<u8>),
}

struct Model<'a> {
    scene: Scene<'a>,
    tls: Tls,
    next: Next,
    /// What is handed on: EHLO or HELO, and the name.
    hello: Option<String>,
    refused: u32,
    turn: usize,
    events: Vec<Event>,
}

const MALFORMED: &str = "501 authup malformed auth input (#5.5.4)";

impl<'a> Model<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let events = Vec::new();
        let (tls, next, hello) = (scene.tls, Next::Command, None);
        let mut model = Self { scene, tls, next, hello, refused: 0, turn: 0, events };
        model.say("220 mx.example ESMTP");
        model
    }

    fn say(&mut self, lines: &str) {
        let reply = format!("{}\r\n", lines.replace('/', "\r\n"));
        self.events.push(Event::Reply(Octets(reply.into_bytes())));
    }

    fn read(&mut self, says: &[u8]) {
        for line in says.split_inclusive(|&octet| octet == b'\n') {
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
                _ if line == b"*" => self.say("501 authup auth exchange cancelled (#5.0.0)"),
                mechanism => self.response(mechanism, line),
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
            "AUTH" => {
                let words: Vec<&[u8]> = line[4..]
                    .split(|&octet| octet == b' ')
                    .filter(|word| !word.is_empty())
                    .collect();
                self.auth(&words);
            }
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

    fn auth(&mut self, words: &[&[u8]]) {
        if self.tls == Tls::Required {
            return self.say("530 authup Must start TLS first (#5.7.0)");
        }
        let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let (mechanism, ask) = match name.as_slice() {
            b"PLAIN" => (Next::Plain, "334 "),
            b"LOGIN" => (Next::User, "334 VXNlcm5hbWU6"),
            _ => return self.say("504 authup auth type unimplemented (#5.5.1)"),
        };
        match words {
            [_] => {
                self.say(ask);
                self.next = mechanism;
            }
            [_, response] => self.response(mechanism, response),
            // No base64 has a space in it.
            _ => self.say(MALFORMED),
        }
    }

    fn response(&mut self, mechanism: Next, response: &[u8]) {
        let Some(decoded) = base64(response).filter(|decoded| !decoded.is_empty()) else {
            return self.say(MALFORMED);
        };
        match mechanism {
            Next::User => {
                self.say("334 UGFzc3dvcmQ6");
                self.next = Next::Password(decoded);
            }
            Next::Password(user) => self.attempt(&user, &decoded, true),
            Next::Plain | Next::Command => {
                let parts: Vec<&[u8]> = decoded.splitn(3, |&octet| octet == 0).collect();
                match parts.as_slice() {
                    [other, user, password] => {
                        self.attempt(user, password, other.is_empty() || other == user);
                    }
                    _ => self.say(MALFORMED),
                }
            }
        }
    }

    fn attempt(&mut self, user: &[u8], password: &[u8], for_oneself: bool) {
        let record = [user, b"\0", password, b"\0\0"].concat();
        let nuls = record.iter().filter(|&&octet| octet == 0).count();
        if user.is_empty() || password.is_empty() || nuls != 3 || record.len() > 512 {
            return self.say(MALFORMED);
        }
        let record = for_oneself.then_some(Octets(record));
        if let Some(hello) = self.hello.as_ref().filter(|_| for_oneself) {
            let variable = format!("AUTHUP_HELO={hello}");
            self.events.push(Event::HandsOn(Octets(variable.into_bytes())));
        }
        self.events.push(Event::Attempt(user.into(), record));
        let outcome = self.scene.outcome(self.turn);
        self.turn += 1;
        if let Some(code) = answer(outcome, self) {
            self.events.push(Event::End(code));
        }
    }
}

/// Answers an attempt, and returns the exit code where the session is over.
fn answer(outcome: Outcome, model: &mut Model<'_>) -> Option<u8> {
    let text = match outcome {
        Outcome::Completed(code) => return Some(code),
        Outcome::Refused => "535 authup authorization failed (#5.7.0)",
        Outcome::Temporary => "454 authup temporary authentication failure (#4.7.0)",
        Outcome::TimedOut => "451 authup timeout (#4.4.2)",
        Outcome::Controls => "421 authup unable to read controls (#4.3.0)",
        Outcome::Crashed => "454 authup aack, child crashed (#4.3.0)",
        Outcome::CannotOpenPipe => "454 authup unable to open pipe (#4.3.0)",
        Outcome::CannotWritePipe => "454 authup unable to write pipe (#4.3.0)",
        Outcome::CannotRun => "454 authup unable to fork (#4.3.0)",
        Outcome::CannotWait => "454 authup unable to wait for child (#4.3.0)",
    };
    model.say(text);
    model.refused += 1;
    let goes_on = matches!(outcome, Outcome::Refused | Outcome::Temporary);
    (!goes_on || model.refused >= model.scene.tries).then_some(1)
}

/// RFC 4648, section 4, and nothing beside it: what is decoded must encode to the text.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u8> = text.iter().copied().take_while(|&octet| octet != b'=').collect();
    let mut bits = String::new();
    for octet in &digits {
        let value = ALPHABET.iter().position(|known| known == octet)?;
        bits.push_str(&format!("{value:06b}"));
    }
    let octets: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|eight| eight.iter().fold(0, |value, &bit| value * 2 + (bit - b'0')))
        .collect();
    let padding = (4 - digits.len() % 4) % 4;
    let left_over = &bits[octets.len() * 8..];
    let is_whole = text.len() == digits.len() + padding
        && text[digits.len()..].iter().all(|&octet| octet == b'=');
    let is_strict = padding < 3 && left_over.len() < 6 && !left_over.contains('1');
    (is_whole && is_strict).then_some(octets)
}
