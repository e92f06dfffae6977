//! From the server to the client: replies, as the rules have them.

use super::outbox::{HIGH_WATER, append};
use super::rules::{Event, Fixup, Response, Rule};
use super::{Client, End, Kind, NOT_STARTED, Pending, Phase, Relay, Reply, Seen, WINDOW, Watch};
use crate::smtp::data::Framing;
use crate::smtp::reply::{has_class, is_last, offers, split_ending};
use alloc::borrow::Cow;

const DISAGREE: &[u8] = b"421 rules and server disagree (#4.3.0)\r\n";
const LINE_TOO_LONG: &[u8] = b"421 reply line too long (#4.3.0)\r\n";
const MUST_START_TLS: &[u8] = b"530 Must start TLS first (#5.7.0)\r\n";
const HELP: &[u8] = b" fixsmtpio, of acceptutils: see its manual page, fixsmtpio(8)\r\n";
const STARTTLS: &[u8] = b"STARTTLS";

/// What the rules make of a line.
struct Edited<'a> {
    /// Whether our own line of help goes before it.
    help: bool,
    line: Option<Cow<'a, [u8]>>,
}

impl<W: Watch> Relay<W> {
    /// Takes one line from the server's window, if there is one and room for it;
    /// returns how much was taken. A line that does not end within [`WINDOW`] is no
    /// SMTP, and ends the session.
    pub fn from_server(&mut self, window: &[u8]) -> usize {
        if self.phase != Phase::Relaying || !self.to_client.has_room() {
            return 0;
        }
        match memchr::memchr(b'\n', window).and_then(|feed| window.get(..=feed)) {
            Some(line) => {
                self.reply_line(line);
                line.len()
            }
            None => {
                if window.len() >= WINDOW {
                    self.held.clear();
                    self.tell_client(LINE_TOO_LONG);
                    self.phase = Phase::Ended(End::LineTooLong);
                }
                0
            }
        }
    }

    pub(super) fn reply_line(&mut self, line: &[u8]) {
        self.watch.saw(Seen::Reply, line);
        let mut reply = self.reply.take().unwrap_or_else(|| self.begin_reply());
        if self.is_known_already(&reply, line) {
            reply.pending.kind = Kind::Known;
        }
        match reply.pending.kind {
            Kind::Greeting => self.edit_greeting(&mut reply, line),
            Kind::Ehlo => self.edit_ehlo(&mut reply, line),
            Kind::Introduction => self.receive_introduction(&mut reply, line),
            Kind::TlsFirst if reply.is_first => self.edit(&mut reply, MUST_START_TLS),
            Kind::TlsFirst | Kind::Fixed(_) | Kind::FixedInExchange(_) => {}
            Kind::StartTls | Kind::Known => {}
            _ => self.edit(&mut reply, line),
        }
        if is_last(line) {
            self.finish(reply, line);
        } else {
            reply.is_first = false;
            self.reply = Some(reply);
        }
    }

    fn begin_reply(&mut self) -> Reply {
        let timeout = || {
            let rules = self.config.rules.select(&Event::Timeout);
            Pending { kind: Kind::Plain, rules, is_changed: false }
        };
        self.has_parted |= self.pending.is_empty();
        Reply::to(self.pending.pop_front().unwrap_or_else(timeout))
    }

    fn edit(&mut self, reply: &mut Reply, line: &[u8]) {
        self.edit_from(reply, line, Some(line));
    }

    /// Behind a login the greeting is the answer to AUTH, where a 5 says that the password
    /// is wrong. What an administrator's rule makes of it stands.
    fn edit_greeting(&mut self, reply: &mut Reply, line: &[u8]) {
        let selected = &reply.pending.rules;
        let is_ruled = self.config.rules.selected(selected).any(|rule| rule.applies_to(line));
        if is_ruled || !self.config.logged_in || has_class(line, b'2') {
            return self.edit(reply, line);
        }
        reply.turns_away = true;
        if has_class(line, b'4') {
            self.put(line);
        } else if line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit)) {
            self.put(&[b"421", line.get(3..).unwrap_or_default()].concat());
        } else if reply.is_first {
            self.put(NOT_STARTED);
        }
    }

    pub(super) fn edit_ehlo(&mut self, reply: &mut Reply, line: &[u8]) {
        reply.offers.receive(line, reply.is_first);
        // TLS is our business or nobody's: the server's own offer could not be kept.
        let ours = offers(line, STARTTLS) && !reply.is_first;
        self.edit_from(reply, line, (!ours).then_some(line));
        // Neither the server nor a rule refuses it.
        let is_good =
            has_class(line, b'2') && (self.held.is_empty() || has_class(&self.held, b'2'));
        let advertise = self.config.tls.is_offered() && !self.config.logged_in;
        if is_good && reply.is_first && advertise {
            self.put(b"250-STARTTLS\r\n");
        }
    }

    /// Applies the rules to the server's line; what goes to the client begins as
    /// `goes`.
    fn edit_from(&mut self, reply: &mut Reply, line: &[u8], goes: Option<&[u8]>) {
        let mut edited = Edited { help: false, line: goes.map(Cow::Borrowed) };
        let rules = self.config.rules.selected(&reply.pending.rules);
        for rule in rules.filter(|rule| rule.applies_to(line)) {
            reply.exit = rule.exit.or(reply.exit);
            let before = edited.line.clone();
            edited.apply(rule, line, reply.is_first, &self.config.greeting);
            self.watch.ruled(rule, before.as_deref(), edited.line.as_deref());
        }
        if edited.help && !reply.has_help {
            reply.has_help = true;
            // All lines of a reply have one code (RFC 5321, section 4.2.1), be it a refusal.
            let code = edited.line.as_deref().unwrap_or(line).get(..3);
            let code = code.filter(|code| code.iter().all(u8::is_ascii_digit));
            self.put(&[code.unwrap_or(b"214"), HELP].concat());
        }
        if let Some(line) = edited.line {
            self.put(&line);
        }
    }

    /// Holds a line of the reply; the one held before has another behind it.
    fn put(&mut self, line: &[u8]) {
        self.let_go(b'-');
        append(&mut self.held, line);
        if !line.ends_with(b"\n") {
            self.held.extend_from_slice(b"\r\n");
        }
    }

    /// Sends the line that is held, if one is, with this as its fourth character.
    fn let_go(&mut self, fourth: u8) {
        if self.held.is_empty() {
            return;
        }
        let (text, _) = split_ending(&self.held);
        match text.len() {
            0..3 => {}
            3 => self.held.insert(3, fourth),
            _ => self.held.iter_mut().skip(3).take(1).for_each(|octet| *octet = fourth),
        }
        if let Some(said) = &mut self.unwelcome {
            // The last line ends it, however long it has been.
            if !said.is_over && (fourth == b' ' || said.answer.len() < HIGH_WATER) {
                said.answer.extend_from_slice(&self.held);
            }
        } else {
            self.has_parted |= [&b"221"[..], b"421"].iter().any(|code| self.held.starts_with(code));
            self.watch.saw(Seen::ReplyOn, &self.held);
            self.to_client.push(&self.held);
        }
        self.held.clear();
    }

    /// The reply is over, with this as the server's last line.
    pub(super) fn finish(&mut self, reply: Reply, line: &[u8]) {
        let told = Wants::of(&self.held);
        self.let_go(b' ');
        let Pending { kind, is_changed, .. } = reply.pending;
        match kind {
            Kind::FreshGreeting => {
                return self.finish_fresh_greeting(reply.exit, has_class(line, b'2'));
            }
            Kind::Introduction => return self.finish_introduction(reply, line),
            Kind::Known => return self.send_what_is_known(reply.pending),
            _ => {}
        }
        if let Some(code) = reply.exit {
            self.phase = Phase::Ended(End::Code(code));
            return;
        }
        match kind {
            Kind::Greeting if reply.turns_away => {
                self.phase = Phase::Ended(End::TurnedAway);
                return;
            }
            Kind::Greeting if has_class(line, b'2') => self.introduce(),
            Kind::Greeting => self.stop_holding(),
            Kind::Fixed(answer) | Kind::FixedInExchange(answer) => self.tell_client(answer),
            Kind::StartTls => self.phase = Phase::CheckTls,
            // What rules put before it may have made another request of it.
            Kind::Ehlo | Kind::Helo if !is_changed && has_class(line, b'2') => {
                self.offers = reply.offers;
            }
            _ => {}
        }
        self.go_on(reply.pending, Wants::of(line), told);
        self.send_last_words();
    }

    /// What follows is what the server wants, if the client was told the same. Where
    /// rules have told it something else, requests would be read as a message, or a
    /// message as requests.
    fn go_on(&mut self, answered: Pending, server: Wants, told: Wants) {
        let told = match answered.kind {
            // Whatever stands in for the reply.
            Kind::FixedInExchange(_) => server,
            _ => told,
        };
        let matters = answered.is_changed || matches!(answered.kind, Kind::Data | Kind::Exchange);
        if server != told && matters {
            return self.turn_away(DISAGREE);
        }
        if self.pending.is_empty() {
            self.decide(match (server, answered.kind) {
                (Wants::Message, Kind::Data) => {
                    Client::Data(Framing::new(self.config.bare_newline))
                }
                (Wants::Response, Kind::Exchange | Kind::FixedInExchange(_)) => Client::Response,
                _ => Client::Request,
            });
        }
    }

    /// Ends the session where it is to end, and no reply is due any more.
    pub(super) fn send_last_words(&mut self) {
        if self.pending.is_empty()
            && self.reply.is_none()
            && let Some((words, end)) = self.last_words.take()
        {
            if !words.is_empty() {
                self.tell_client(words);
            }
            self.phase = Phase::Ended(end);
        }
    }

    /// The client has its greeting already. A good one ends here; another is the
    /// answer to the client's next request.
    fn finish_fresh_greeting(&mut self, exit: Option<u8>, is_good: bool) {
        self.stop_holding();
        let end = exit.map_or(End::Server, End::Code);
        if is_good {
            self.unwelcome = None;
            if exit.is_some() {
                self.phase = Phase::Ended(end);
            }
        } else if let Some(said) = &mut self.unwelcome {
            (said.end, said.is_over) = (end, true);
        }
    }
}

/// What a reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// The next request.
    Request,
    /// The response to a challenge.
    Response,
    /// A message.
    Message,
}

impl Wants {
    /// By its last line.
    fn of(line: &[u8]) -> Self {
        match line.get(..3) {
            Some(b"354") => Self::Message,
            Some(b"334") => Self::Response,
            _ => Self::Request,
        }
    }
}

impl Edited<'_> {
    fn apply(&mut self, rule: &Rule, line: &[u8], is_first: bool, greeting: &[u8]) {
        let replace = |parts: &[&[u8]]| Some(Cow::Owned(parts.concat()));
        match &rule.response {
            Response::Keep => {}
            Response::Remove => self.line = None,
            Response::Text(text) => self.line = replace(&[text]),
            Response::Fixup(Fixup::Help) => self.help = true,
            Response::Fixup(Fixup::Greeting) => {
                self.line = replace(&[b"220 ", greeting, b" ESMTP"]);
            }
            Response::Fixup(Fixup::Quit) => self.line = replace(&[b"221 ", greeting]),
            Response::Fixup(Fixup::Helo) => self.line = replace(&[b"250 ", greeting]),
            Response::Fixup(Fixup::Ehlo) if is_first => self.line = replace(&[b"250 ", greeting]),
            Response::Fixup(Fixup::Ehlo) if offers(line, STARTTLS) => self.line = None,
            Response::Fixup(Fixup::Ehlo) => {}
        }
    }
}
