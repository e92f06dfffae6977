//! How a session ends, and what the client is told then: it closes, or the server does.

use super::pending::{Kind, Reply};
use super::requests::BARE_NEWLINE;
use super::{Client, Event, Phase, Relay, Seen, Watch};
use crate::other_protocol::OtherProtocol;

/// What the client is told where there is no server that could tell it anything.
pub const NOT_STARTED: &[u8] = b"421 unable to start the mail server (#4.3.0)\r\n";

/// The same where the control files cannot be used.
pub const NO_CONTROLS: &[u8] = b"421 unable to read controls (#4.3.0)\r\n";

/// The same where the server has ended without a goodbye.
pub const ENDED: &[u8] = b"421 the mail server has ended (#4.3.0)\r\n";

/// The same where the relay itself cannot go on.
pub const CANNOT_RELAY: &[u8] = b"421 unable to relay (#4.3.0)\r\n";

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the server's own exit code.
    Server,
    /// With this exit code, which a rule has asked for.
    Code(u8),
    /// The server has ended before it was ready for the client, who is told so.
    NotStarted,
    /// The server has turned the client away at the door, who is told so.
    TurnedAway,
    /// A line of the server's was too long, and the client is told so.
    LineTooLong,
    /// The client speaks this, and is told so if it can be.
    OtherProtocol(OtherProtocol),
}

impl<W: Watch> Relay<W> {
    /// The client has closed its sending side, with this much left in its window
    /// that cannot be taken. Replies that are still to come are delivered.
    pub fn client_closed(&mut self, left: &[u8]) {
        if matches!(self.client, Client::Refused(_)) {
            self.turn_away(BARE_NEWLINE);
        }
        if !self.client_has_closed() {
            let rules = self.config.rules.of(self.config.rules.group(&Event::ClientEof));
            for rule in rules.iter().filter(|rule| rule.applies_to(left)) {
                self.exit_at_eof = rule.exit.or(self.exit_at_eof);
                self.watch.ruled(rule, Some(left), Some(left));
            }
            self.client = Client::Closed;
            let is_idle = self.pending.is_empty() && self.reply.is_none();
            if let Some(said) = self.unwelcome.take_if(|_| is_idle) {
                // Nobody is left to be told.
                self.phase = Phase::Ended(said.end);
            }
        }
    }

    /// The client is gone: nothing can be sent to it any more. How the session has ended
    /// before that stays.
    pub fn client_gone(&mut self) {
        self.client_closed(&[]);
        self.to_client.clear();
        if !matches!(self.phase, Phase::Ended(_)) {
            self.phase = Phase::Ended(End::Server);
        }
    }

    /// The server has closed, with this much left in its window.
    pub fn server_closed(&mut self, left: &[u8]) {
        // What no line feed ends may be a good word cut short.
        if !left.is_empty() {
            self.watch.saw(Seen::Reply, left);
        }
        let exit = self.reply.take().and_then(|reply| self.cut_off(reply));
        match self.pending.front().map(|pending| pending.kind) {
            Some(Kind::Greeting) => return self.end_without_greeting(),
            Some(Kind::FreshGreeting | Kind::Introduction) => self.server_is_missing(),
            _ => {}
        }
        // What it said instead of a good word is still to be told.
        let is_unwelcome = self.unwelcome.as_ref().is_some_and(|said| !said.answer.is_empty());
        let tells = is_unwelcome && !self.client_has_closed();
        if !tells && !matches!(self.phase, Phase::Ended(_)) {
            self.part();
            self.phase = Phase::Ended(exit.map_or(End::Server, End::Code));
        }
    }

    /// A reply that ends before its last line is none, and still due; a notice that nobody
    /// waits for may be short. What a rule asked for stays.
    fn cut_off(&mut self, reply: Reply) -> Option<u8> {
        let exit = reply.exit;
        if self.has_parted {
            self.finish(reply, &[]);
        } else {
            self.held.clear();
            self.pending.push_front(reply.pending);
        }
        exit
    }

    /// Who waits for a reply, or will at the end of a message, is told that there will be none.
    /// Behind a login authup does it where the exit code tells of a crash.
    fn part(&mut self) {
        let in_message =
            matches!(self.client, Client::Data(_) | Client::Refused(_) | Client::Chunk { .. });
        let is_due = in_message || !self.pending.is_empty();
        match is_due && !self.has_parted {
            true if self.config.logged_in => self.owes_reply = true,
            true => self.tell_client(ENDED),
            false => {}
        }
    }

    /// Whether the server has ended while a reply was due, and the client is still to be told
    /// so ([`ENDED`]), unless the server has crashed.
    pub const fn owes_reply(&self) -> bool {
        self.owes_reply
    }

    /// The client waits for a word, and there will be none.
    fn end_without_greeting(&mut self) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.held.clear();
            self.tell_client(NOT_STARTED);
            self.phase = Phase::Ended(End::NotStarted);
        }
    }
}
