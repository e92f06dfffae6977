//! The login dialog as IMAP speaks it (`proto::login`): all that happens, replies to the
//! octet and logins to the record, is what a model says; see [`super::smtp`]. The model has
//! all octets at hand: it cuts them into commands with their literals, and has each
//! command's words from [`grammar`].

mod grammar;

use crate::auth::base64;
use crate::login::{self, Event, Scene, is_tls, other_protocol};
use crate::octets::Octets;
use grammar::{Mark, Token, announced, id_fits, is_atom, is_id, login_fits, tokens, words};
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;

/// A command with its literals, in octets.
const LONGEST: usize = 12_288;

/// See [`login::check`].
pub fn check(input: &[u8]) {
    login::check(input, Protocol::Imap, |scene, says| {
        let mut model = Model::new(scene);
        model.read(says);
        model.events
    });
}

/// What the next command is.
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
    tag: String,
    bad: u32,
    refused: u32,
    /// A temporary failure was told.
    impatient: bool,
    turn: usize,
    events: Vec<Event>,
}

/// Whether a command has come whole.
enum Cut {
    Whole(Vec<u8>),
    /// It was answered on the way.
    Answered,
    /// There is no more, or the session is over.
    End,
}

impl<'a> Model<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let (tls, tag) = (scene.tls, String::new());
        let (next, events) = (Next::Command, Vec::new());
        let (bad, refused, impatient, turn) = (0, 0, false, 0);
        let mut model = Self { scene, tls, next, tag, bad, refused, impatient, turn, events };
        let greeting = format!("* OK [CAPABILITY {}] mx.example", model.capabilities());
        model.say(&[&greeting]);
        model
    }

    fn capabilities(&self) -> String {
        let starttls = match self.tls {
            Tls::Available | Tls::Required => " STARTTLS",
            _ => "",
        };
        let login = match self.tls {
            Tls::Required => "LOGINDISABLED",
            _ => "AUTH=PLAIN AUTH=LOGIN",
        };
        format!("IMAP4rev1 LITERAL- SASL-IR ID{starttls} {login} CAP1 CAP2")
    }

    fn say(&mut self, lines: &[&str]) {
        let reply: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        self.events.push(Event::Reply(Octets(reply.into_bytes())));
    }

    fn bye(&mut self, lines: &[&str]) {
        self.say(lines);
        self.events.push(Event::End(1));
    }

    fn is_over(&self) -> bool {
        matches!(self.events.last(), Some(Event::End(_) | Event::OtherProtocol(_)))
    }

    fn bad(&mut self, text: &str) {
        let tag = if self.tag.is_empty() { "*" } else { &self.tag };
        let line = format!("{tag} BAD authup {text}");
        self.bad += 1;
        if self.bad == 10 {
            self.bye(&[&line, "* BYE authup too many bad commands"]);
        } else {
            self.say(&[&line]);
        }
    }

    fn no(&mut self, text: &str) {
        let line = format!("{} NO {text}", self.tag);
        self.say(&[&line]);
    }

    fn read(&mut self, says: &[u8]) {
        let mut rest = says;
        while !self.is_over() {
            match self.cut(&mut rest) {
                Cut::Whole(command) => self.whole(&command),
                Cut::Answered => {}
                Cut::End => return,
            }
        }
    }

    /// Takes a command from the front.
    fn cut(&mut self, rest: &mut &[u8]) -> Cut {
        let (mut held, mut line) = (Vec::new(), 0);
        if is_tls(rest) && matches!(self.next, Next::Command) {
            self.events.push(Event::OtherProtocol(OtherProtocol::Tls));
            return Cut::End;
        }
        loop {
            let Some(feed) = rest.iter().position(|&octet| octet == b'\n') else {
                return Cut::End;
            };
            held.extend_from_slice(&rest[..feed]);
            *rest = &rest[feed + 1..];
            // A literal's is none of the line's.
            if held.len() > line && held.last() == Some(&b'\r') {
                held.pop();
            }
            if held.len() > LONGEST {
                self.bye(&["* BYE authup line too long"]);
                return Cut::End;
            }
            let room = LONGEST.saturating_sub(held.len() + 2);
            let (octets, asked) = match announced(&held[line..]) {
                None => return Cut::Whole(held),
                Some(Mark::Asked(octets)) if self.asks(&held) => (octets, true),
                Some(Mark::Asked(_)) => return Cut::Whole(held),
                Some(Mark::Unasked(octets)) => (octets, false),
                Some(Mark::Unreadable) => {
                    if matches!(self.next, Next::Command) {
                        let _command = self.tagged(&held);
                    }
                    let tag = if self.tag.is_empty() { "*" } else { &self.tag };
                    let refusal = format!("{tag} BAD authup syntax error");
                    let bye = if self.bad == 9 { "too many bad commands" } else { "syntax error" };
                    self.bye(&[&refusal, &format!("* BYE authup {bye}")]);
                    return Cut::End;
                }
            };
            if asked && octets > room {
                let _command = self.tagged(&held);
                self.bad("line too long");
                return Cut::Answered;
            }
            if !asked && octets > room.min(4_096) {
                self.bye(&["* BYE [TOOBIG] authup line too long"]);
                return Cut::End;
            }
            if asked {
                self.say(&["+ OK"]);
            }
            if rest.len() < octets {
                return Cut::End;
            }
            held.extend_from_slice(b"\r\n");
            held.extend_from_slice(&rest[..octets]);
            *rest = &rest[octets..];
            line = held.len();
        }
    }

    /// Whether a literal is worth asking for.
    fn asks(&self, held: &[u8]) -> bool {
        let Some((_, Some((name, Some(arguments))))) = words(held) else { return false };
        let Some(tokens) = tokens(arguments) else { return false };
        let waits = tokens.last() == Some(&Token::Pending);
        let name = name.to_ascii_uppercase();
        matches!(self.next, Next::Command)
            && waits
            && ((name == b"LOGIN" && self.tls != Tls::Required && login_fits(&tokens))
                || (name == b"ID" && id_fits(&tokens)))
    }

    /// Notes the tag, and gives the name and the arguments.
    fn tagged<'b>(&mut self, held: &'b [u8]) -> Option<(&'b [u8], Option<&'b [u8]>)> {
        let found = words(held);
        self.tag = found.map(|(tag, _)| String::from_utf8_lossy(tag).into()).unwrap_or_default();
        found.and_then(|(_, command)| command)
    }

    fn whole(&mut self, held: &[u8]) {
        match std::mem::replace(&mut self.next, Next::Command) {
            Next::Command if other_protocol(&[held, b"\r\n"].concat(), LONGEST).is_some() => {
                self.say(&["* BYE authup HTTP is not spoken here"]);
                self.events.push(Event::OtherProtocol(OtherProtocol::Http));
            }
            Next::Command => self.command(held),
            _ if held == b"*" => self.bad("auth exchange cancelled"),
            next => self.response(next, held),
        }
    }

    fn command(&mut self, held: &[u8]) {
        let command = self.tagged(held);
        if held.contains(&0) {
            return self.bad("malformed input");
        }
        let Some((name, arguments)) = command else { return self.bad("syntax error") };
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        match (name.as_str(), arguments) {
            ("LOGIN" | "AUTHENTICATE", _) if self.tls == Tls::Required => {
                self.no("[PRIVACYREQUIRED] authup Must start TLS first");
            }
            ("CAPABILITY", None) => {
                let list = format!("* CAPABILITY {}", self.capabilities());
                self.done(&[&list], "CAPABILITY");
            }
            ("NOOP", None) => self.done(&[], "NOOP"),
            ("LOGOUT", None) => {
                self.done(&["* BYE mx.example"], "LOGOUT");
                self.events.push(Event::End(0));
            }
            ("STARTTLS", None) => self.starttls(),
            ("ID", Some(arguments)) if tokens(arguments).is_some_and(|list| is_id(&list)) => {
                self.done(&["* ID (\"name\" \"authup\")"], "ID");
            }
            ("LOGIN", Some(arguments)) => match tokens(arguments).as_deref() {
                Some([user, Token::Space, password]) => match (user.text(), password.text()) {
                    (Some(user), Some(password)) => self.attempt(user, password, true),
                    _ => self.bad("syntax error"),
                },
                _ => self.bad("syntax error"),
            },
            ("AUTHENTICATE", Some(arguments)) => self.authenticate(arguments),
            (
                "CAPABILITY" | "NOOP" | "LOGOUT" | "STARTTLS" | "ID" | "LOGIN" | "AUTHENTICATE",
                _,
            ) => {
                self.bad("syntax error");
            }
            _ => self.bad("authentication required"),
        }
    }

    fn done(&mut self, untagged: &[&str], name: &str) {
        let tagged = format!("{} OK {name} completed", self.tag);
        self.say(&[untagged, &[&tagged]].concat());
    }

    fn starttls(&mut self) {
        if matches!(self.tls, Tls::Absent | Tls::On) {
            return self.bad("STARTTLS not available");
        }
        self.events.push(Event::CheckTls);
        if self.scene.tls_can_start(self.turn) {
            let ready = format!("{} OK Begin TLS negotiation now", self.tag);
            self.say(&[&ready]);
            self.events.push(Event::StartTls);
            self.tls = Tls::On;
        } else {
            self.no("authup TLS temporarily not available");
        }
        self.turn += 1;
    }

    fn authenticate(&mut self, arguments: &[u8]) {
        let mut words = arguments.split(|&octet| octet == b' ');
        let name = words.next().unwrap_or_default();
        let (response, more) = (words.next(), words.next());
        let is_response = |word: &[u8]| {
            !word.is_empty() && word.iter().all(|&octet| octet > b' ' && octet != b'{')
        };
        if !is_atom(name) || more.is_some() || !response.is_none_or(is_response) {
            return self.bad("syntax error");
        }
        let (next, ask) = match name.to_ascii_uppercase().as_slice() {
            b"PLAIN" => (Next::Plain, "+ "),
            b"LOGIN" => (Next::User, "+ VXNlcm5hbWU6"),
            _ => return self.no("authup auth type unimplemented"),
        };
        match response {
            None => {
                self.say(&[ask]);
                self.next = next;
            }
            Some(b"=") => self.response(next, b""),
            Some(response) => self.response(next, response),
        }
    }

    fn response(&mut self, next: Next, response: &[u8]) {
        let Some(decoded) = base64(response) else { return self.bad("malformed auth input") };
        match next {
            Next::Plain | Next::Command => {
                let parts: Vec<&[u8]> = decoded.splitn(3, |&octet| octet == 0).collect();
                match parts.as_slice() {
                    [other, user, password] => {
                        self.attempt(user, password, other.is_empty() || other == user);
                    }
                    _ => self.bad("malformed auth input"),
                }
            }
            Next::User if decoded.is_empty() => self.refused(),
            Next::User => {
                self.say(&["+ UGFzc3dvcmQ6"]);
                self.next = Next::Password(decoded);
            }
            Next::Password(user) => self.attempt(&user, &decoded, true),
        }
    }

    fn attempt(&mut self, user: &[u8], password: &[u8], for_oneself: bool) {
        if user.is_empty() || password.is_empty() {
            return self.refused();
        }
        let record = [user, b"\0", password, b"\0\0"].concat();
        let nuls = record.iter().filter(|&&octet| octet == 0).count();
        if nuls != 3 || record.len() > 512 {
            return self.bad("malformed auth input");
        }
        if for_oneself {
            for (name, value) in [("IMAPLOGINTAG", self.tag.as_bytes()), ("AUTHENTICATED", user)] {
                let variable = [name.as_bytes(), b"=", value].concat();
                self.events.push(Event::HandsOn(Octets(variable)));
            }
        }
        let record = for_oneself.then_some(Octets(record));
        self.events.push(Event::Attempt(user.into(), record));
        let outcome = self.scene.outcome(self.turn);
        self.turn += 1;
        self.answer(outcome);
    }

    /// Nobody was asked.
    fn refused(&mut self) {
        self.answer(Outcome::Refused);
    }

    fn answer(&mut self, outcome: Outcome) {
        let (code, text) = match outcome {
            Outcome::Completed(code) => return self.events.push(Event::End(code)),
            Outcome::Refused => ("AUTHENTICATIONFAILED", "authorization failed"),
            Outcome::Temporary => ("UNAVAILABLE", "temporary authentication failure"),
            Outcome::TooManyFailures => ("UNAVAILABLE", "too many failures, try later"),
            Outcome::TimedOut => ("UNAVAILABLE", "timeout"),
            Outcome::Controls => ("UNAVAILABLE", "unable to read controls"),
            Outcome::Crashed => ("UNAVAILABLE", "aack, child crashed"),
            Outcome::CannotOpenPipe => ("UNAVAILABLE", "unable to open pipe"),
            Outcome::CannotWritePipe => ("UNAVAILABLE", "unable to write pipe"),
            Outcome::CannotRun => ("UNAVAILABLE", "unable to fork"),
            Outcome::NotStarted => ("UNAVAILABLE", "unable to start the mail server"),
            Outcome::CannotWait => ("UNAVAILABLE", "unable to wait for child"),
        };
        let refusal = format!("{} NO [{code}] authup {text}", self.tag);
        let goes_on = match outcome {
            Outcome::Refused => {
                self.refused += 1;
                self.refused < self.scene.tries
            }
            Outcome::Temporary => !std::mem::replace(&mut self.impatient, true),
            _ => false,
        };
        if goes_on {
            self.say(&[&refusal]);
        } else {
            let why = if outcome == Outcome::Refused { "too many failures" } else { text };
            self.bye(&[&refusal, &format!("* BYE authup {why}")]);
        }
    }
}
