//! IMAP before a login: RFC 9051 and RFC 3501 (sections 6.1 and 6.2), RFC 7888 (LITERAL-),
//! RFC 4959 (SASL-IR), RFC 2971 (ID), RFC 5530 (response codes).

use super::dialog::{Dialog, State};
use super::imap_reply::capabilities;
use super::reply::Refusal;
use crate::imap::command::{Command, LONGEST_TAG, Malformed, Stop, authenticate, id, login};
use crate::imap::literal::{LONGEST_UNASKED, Literal, announced};
use crate::line::{LONGEST, Splitter};
use crate::sasl::Credential;
use alloc::vec::Vec;

/// Whether a line that has ended is all of its command.
pub(super) enum Whole {
    /// It is.
    Yes,
    /// So many octets are to follow, and another line.
    Not(usize),
    /// It has been answered already.
    Answered,
}

impl Dialog {
    /// Looks at what has come of a command, up to a line's end: whatever it says, the
    /// octets of a literal that is on its way belong to it.
    pub(super) fn imap_whole(&mut self, ended: &Splitter) -> Whole {
        let (command, room) = (ended.line(), ended.room());
        let octets = match announced(ended.last_line()) {
            Literal::None => None,
            Literal::Unasked(octets) if octets > room.min(LONGEST_UNASKED) => {
                self.give_up(Refusal::LiteralTooLong);
                return Whole::Answered;
            }
            Literal::Unasked(octets) => Some(octets),
            Literal::Unreadable => {
                // A response's first word is no tag.
                if matches!(self.state, State::Command) {
                    self.imap_tag(command);
                }
                self.imap_refuse_and_end(Refusal::Syntax);
                return Whole::Answered;
            }
            Literal::Asked(octets) if self.imap_asks_for_literal(command) => {
                if octets > room {
                    self.imap_tag(command);
                    self.refuse(Refusal::LineTooLong);
                    return Whole::Answered;
                }
                self.send(b"+ OK\r\n");
                Some(octets)
            }
            // It is refused without them, and so they will not come.
            Literal::Asked(_) => None,
        };
        octets.map_or(Whole::Yes, Whole::Not)
    }

    /// Whether a command goes on with a literal, so that it is worth asking for.
    fn imap_asks_for_literal(&self, command: &[u8]) -> bool {
        if matches!(self.state, State::Exchange(_)) {
            return false;
        }
        let Ok(Command { name, arguments: Some(arguments), .. }) = Command::parse(command) else {
            return false;
        };
        match name.to_ascii_lowercase().as_slice() {
            b"login" => !self.must_start_tls() && is_literal(login(arguments).map(drop)),
            b"id" => is_literal(id(arguments)),
            _ => false,
        }
    }

    /// Knows the tag of a line that may turn out to be too long, as nothing is left of it
    /// then. An exchange has that of its command.
    pub(super) fn imap_remember_tag(&mut self, begun: &[u8], input: &[u8]) {
        let may_be_too_long = begun.len() + input.len() > LONGEST;
        if may_be_too_long && matches!(self.state, State::Command) {
            let head = begun.iter().chain(input).take(LONGEST_TAG + 2);
            self.imap_tag(&head.copied().collect::<Vec<u8>>());
        }
    }

    /// A line was longer than any may be. A literal that it announced could be anywhere in
    /// what follows, so that nothing more is heard.
    pub(super) fn imap_too_long(&mut self) {
        self.imap_refuse_and_end(Refusal::LineTooLong);
    }

    /// The command is answered, and then the session ends.
    fn imap_refuse_and_end(&mut self, why: Refusal) {
        self.refuse(why);
        if !matches!(self.state, State::Ended(_)) {
            self.give_up(why);
        }
    }

    fn imap_tag(&mut self, command: &[u8]) {
        self.imap.tag = match Command::parse(command) {
            Ok(Command { tag, .. }) | Err(Malformed::Tagged(tag)) => tag.to_vec(),
            Err(Malformed::Untagged) => Vec::new(),
        };
    }

    pub(super) fn imap_command(&mut self, line: &[u8]) {
        self.imap_tag(line);
        if memchr::memchr(0, line).is_some() {
            return self.refuse(Refusal::MalformedInput);
        }
        let Ok(Command { name, arguments, .. }) = Command::parse(line) else {
            return self.refuse(Refusal::Syntax);
        };
        match (name.to_ascii_lowercase().as_slice(), arguments) {
            (b"capability", None) => {
                let list = [
                    b"* CAPABILITY ",
                    &capabilities(self.config.tls, &self.config.capabilities)[..],
                    b"\r\n",
                ]
                .concat();
                self.imap_done(&list, b"CAPABILITY");
            }
            (b"noop", None) => self.imap_done(b"", b"NOOP"),
            (b"logout", None) => {
                let bye = [b"* BYE ", &self.config.greeting[..], b"\r\n"].concat();
                self.imap_done(&bye, b"LOGOUT");
                self.state = State::Ended(0);
            }
            (b"starttls", None) => self.start_tls(b""),
            (b"id", Some(arguments)) if id(arguments).is_ok() => {
                self.imap_done(b"* ID (\"name\" \"authup\")\r\n", b"ID");
            }
            (b"login" | b"authenticate", _) if self.must_start_tls() => {
                self.refuse(Refusal::MustStartTls);
            }
            (b"login", Some(arguments)) => match login(arguments) {
                Ok((user, password)) => {
                    self.attempt(&Credential::of(user.expose(), password.expose()));
                }
                Err(_) => self.refuse(Refusal::Syntax),
            },
            (b"authenticate", Some(arguments)) => match authenticate(arguments) {
                Ok((mechanism, initial)) => self.authenticate(mechanism, initial),
                Err(_) => self.refuse(Refusal::Syntax),
            },
            (
                b"capability" | b"noop" | b"logout" | b"starttls" | b"id" | b"login"
                | b"authenticate",
                _,
            ) => self.refuse(Refusal::Syntax),
            _ => self.refuse(Refusal::AuthenticationRequired),
        }
    }

    fn imap_done(&mut self, untagged: &[u8], name: &[u8]) {
        let tag = core::mem::take(&mut self.imap.tag);
        self.send(&[untagged, &tag, b" OK ", name, b" completed\r\n"].concat());
    }
}

fn is_literal(read: Result<(), Stop>) -> bool {
    read == Err(Stop::Literal)
}
