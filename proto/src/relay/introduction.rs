//! Behind a login the server has not heard the client's EHLO: the login's dialog has
//! answered it. So it is said again, behind the server's good greeting, and until the
//! reply is there the client is not read, as EHLO ends a group of requests (RFC 2920).
//!
//! The reply is nobody's but ours: what the server offers, and the answer to the
//! client's own EHLO where the server wants no second one.

use super::outbox::HIGH_WATER;
use super::request::Request;
use super::{Client, End, Kind, NOT_STARTED, Offers, Pending, Relay, Reply, Unwelcome, Watch};
use crate::smtp::hello::{Hello, Verb};
use crate::smtp::reply::has_class;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What the server is told of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// What the client has said.
    pub hello: Hello,
    /// The client's address as a literal, for a server that refuses the name.
    pub literal: Option<Vec<u8>>,
}

impl Introduction {
    /// What is said until the server takes one.
    fn lines(&self) -> VecDeque<Vec<u8>> {
        let say = |verb: Verb, name: &[u8]| [verb.word().as_bytes(), b" ", name].concat();
        let name = self.hello.name().unwrap_or_default();
        let literal = self.literal.as_deref().filter(|literal| *literal != name);
        let mut lines = VecDeque::from([say(self.hello.verb(), name)]);
        lines.extend(literal.map(|literal| say(self.hello.verb(), literal)));
        if self.hello.verb() == Verb::Ehlo {
            lines.push_back(say(Verb::Helo, name));
        }
        lines
    }
}

/// How far the server knows the client.
#[derive(Debug)]
pub(super) enum Acquaintance {
    /// It is the client's own business.
    ByItself,
    /// One of these is to be said, or the one before is not answered yet.
    Due(VecDeque<Vec<u8>>),
    /// All of them were refused.
    Refused,
    /// The server has taken one, with this reply.
    Made(Vec<u8>),
}

impl Acquaintance {
    pub(super) fn new(introduction: Option<&Introduction>) -> Self {
        introduction.map_or(Self::ByItself, |introduction| Self::Due(introduction.lines()))
    }
}

impl<W: Watch> Relay<W> {
    /// Says the next greeting, if there is one; otherwise the client goes on without.
    pub(super) fn introduce(&mut self) {
        let Acquaintance::Due(lines) = &mut self.acquaintance else { return };
        match lines.pop_front() {
            Some(line) => {
                self.send(&Request::parse((&line, b"\r\n"), false), Kind::Introduction);
            }
            None => {
                self.acquaintance = Acquaintance::Refused;
                self.stop_holding();
            }
        }
    }

    /// The client need not wait any more.
    pub(super) fn stop_holding(&mut self) {
        if matches!(self.client, Client::Held) {
            self.client = Client::Request;
        }
    }

    /// A line of the reply to what was said for the client.
    pub(super) fn receive_introduction(&mut self, reply: &mut Reply, line: &[u8]) {
        reply.offers.receive(line, reply.is_first);
        if reply.heard.len() + line.len() <= HIGH_WATER {
            reply.heard.extend_from_slice(line);
        }
    }

    /// The reply to it is there, with this as its last line.
    pub(super) fn finish_introduction(&mut self, reply: Reply, line: &[u8]) {
        if line.starts_with(b"421") {
            self.unwelcome = Some(Unwelcome::over(reply.heard, End::TurnedAway));
            self.stop_holding();
        } else if has_class(line, b'2') {
            // What rules put before it may have made another request of it.
            if reply.pending.is_changed {
                self.acquaintance = Acquaintance::Refused;
            } else {
                self.offers = reply.offers;
                self.acquaintance = Acquaintance::Made(reply.heard);
            }
            self.stop_holding();
        } else {
            self.introduce();
        }
    }

    /// The server has ended before it was ready for the client, who has heard a good word
    /// already: the next request is answered.
    pub(super) fn server_is_missing(&mut self) {
        self.pending.clear();
        if self.unwelcome.as_ref().is_none_or(|said| said.answer.is_empty()) {
            self.unwelcome = Some(Unwelcome::over(NOT_STARTED.to_vec(), End::NotStarted));
        }
        self.stop_holding();
    }

    /// The server has heard an EHLO already, and wants no second one: the reply to the
    /// first is the answer to this one, too.
    pub(super) fn send_what_is_known(&mut self, pending: Pending) {
        let Acquaintance::Made(known) = &self.acquaintance else { return };
        let known = known.clone();
        let pending = Pending { kind: Kind::Ehlo, is_changed: false, ..pending };
        let mut reply = Reply::to(pending);
        let mut last: &[u8] = &[];
        for line in known.split_inclusive(|&octet| octet == b'\n') {
            self.edit_ehlo(&mut reply, line);
            reply.is_first = false;
            last = line;
        }
        self.finish(reply, last);
    }

    /// Whether this line says that the server has heard enough.
    pub(super) fn is_known_already(&self, reply: &Reply, line: &[u8]) -> bool {
        reply.pending.kind == Kind::Ehlo
            && reply.is_first
            && line.starts_with(b"503")
            && matches!(self.acquaintance, Acquaintance::Made(_))
    }

    /// Whether the server is to be spared MAIL's AUTH parameter (RFC 4954, section 5): the
    /// login was by AUTH, which the server does not offer, whoever has asked it.
    pub(super) const fn spares_auth(&self) -> bool {
        self.config.logged_in && !self.offers.auth
    }
}

impl Offers {
    /// Takes in one line of a reply to EHLO.
    pub(super) fn receive(&mut self, line: &[u8], is_first: bool) {
        use crate::smtp::reply::offers;
        if has_class(line, b'2') && !is_first {
            self.chunking |= offers(line, b"CHUNKING");
            self.auth |= offers(line, b"AUTH");
        }
    }
}
