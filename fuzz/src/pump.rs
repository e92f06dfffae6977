//! What fixsmtpio does with the relay dialog, in memory: windows of the size that the
//! dialog asks for, and a network on each side that holds what does not fit them. It
//! checks with each step what the dialog promises to whoever drives it.

use proto::line::LONGEST;
use proto::relay::{End, Relay, RelayConfig, Take, Turn, WINDOW, Watch};
use std::collections::VecDeque;

/// What comes out, as it comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    ToClient,
    ToServer,
    /// TLS has started, and a fresh server.
    Fresh,
    /// The relay has ended.
    Ended(End),
}

/// The most that may wait for one side: [`proto::relay`] begins nothing new for a side
/// that has 16 KiB, and one step adds a line of each kind at most.
const WAITING: usize = 2 * WINDOW + LONGEST;

/// A side of the relay.
#[derive(Default)]
struct Side {
    /// On its way to us.
    network: VecDeque<u8>,
    /// At hand.
    window: Vec<u8>,
    /// No more will come.
    closed: bool,
    /// The relay has been told.
    told: bool,
}

impl Side {
    fn fill(&mut self) {
        let room = WINDOW - self.window.len();
        self.window.extend(self.network.drain(..room.min(self.network.len())));
    }

    fn clear(&mut self) {
        self.network.clear();
        self.window.clear();
    }
}

pub(crate) struct Pump<W, O> {
    pub(crate) relay: Relay<W>,
    client: Side,
    server: Side,
    /// What the rules may add to one line.
    rules: usize,
    /// Whether TLS can start when it is asked for.
    can_start: bool,
    /// The most that either side takes at once.
    reads: usize,
    out: O,
    pub(crate) ended: bool,
    /// How often TLS has started.
    pub(crate) fresh: usize,
    steps: usize,
    octets: usize,
}

impl<W: Watch, O: FnMut(Out, &[u8])> Pump<W, O> {
    /// `rules`: how long the rules are. `reads`: how much either side reads at once.
    pub(crate) fn new(config: RelayConfig, watch: W, rules: usize, reads: usize, out: O) -> Self {
        Self {
            relay: Relay::new(config, watch),
            client: Side::default(),
            server: Side::default(),
            rules,
            can_start: true,
            reads,
            out,
            ended: false,
            fresh: 0,
            steps: 0,
            octets: 0,
        }
    }

    pub(crate) fn tls_cannot_start(&mut self) {
        self.can_start = false;
    }

    pub(crate) fn client_says(&mut self, octets: &[u8]) {
        if !self.client.closed {
            self.octets += octets.len();
            self.client.network.extend(octets);
        }
    }

    pub(crate) fn server_says(&mut self, octets: &[u8]) {
        if !self.server.closed {
            self.octets += octets.len();
            self.server.network.extend(octets);
        }
    }

    pub(crate) fn client_closes(&mut self) {
        self.client.closed = true;
    }

    pub(crate) fn server_closes(&mut self) {
        self.server.closed = true;
    }

    /// Goes on until nothing moves.
    pub(crate) fn go(&mut self) {
        while !self.ended {
            let moved = self.take_request() | self.take_reply() | self.write() | self.turn();
            if !moved {
                return;
            }
        }
    }

    /// Goes on until nobody is made to wait. Who reads slowly has then not read all.
    pub(crate) fn go_as_far_as_needed(&mut self) {
        while !self.ended {
            let taken = self.take_request() | self.take_reply();
            let moved = self.write() | self.turn();
            let waits = self.client_waits() || self.server_waits();
            let goes_on = taken || (moved && waits);
            if !goes_on {
                return;
            }
        }
    }

    /// Whether the client has said more than is taken.
    pub(crate) fn client_waits(&self) -> bool {
        !self.client.network.is_empty()
    }

    /// Whether the server has said more than is taken.
    pub(crate) fn server_waits(&self) -> bool {
        !self.server.network.is_empty()
    }

    fn count_step(&mut self) {
        self.steps += 1;
        // An octet is taken once, and may have another put before it; the rest is for
        // beginnings, ends and turns.
        assert!(self.steps <= 3 * self.octets + 1000, "loops on nothing");
        let unsent = self.relay.to_client().unsent().len();
        assert!(unsent <= WAITING + self.rules, "{unsent} octets wait for the client");
        let unsent = self.relay.to_server().unsent().len();
        assert!(unsent <= WAITING + self.rules, "{unsent} octets wait for the server");
    }

    fn take_request(&mut self) -> bool {
        if !self.relay.reads_client() {
            return false;
        }
        self.client.fill();
        let waiting = self.waiting();
        let take = self.relay.from_client(&self.client.window);
        match take {
            Take::Took(count) => {
                assert!(count > 0 || self.waiting() > waiting, "takes and gives nothing");
                self.client.window.drain(..count);
            }
            Take::Pass(count) => {
                assert!(count > 0, "passes nothing");
                let queue = self.relay.to_server();
                (self.out)(Out::ToServer, queue.unsent());
                queue.sent(queue.unsent().len());
                (self.out)(Out::ToServer, &self.client.window[..count]);
                self.client.window.drain(..count);
            }
            Take::NeedInput => {
                assert!(self.client.window.len() < WINDOW, "wants more than a window holds");
                if !self.client.closed || self.client.told {
                    return false;
                }
                assert!(self.client.network.is_empty());
                self.client.told = true;
                self.relay.client_closed(&self.client.window);
                self.client.clear();
                assert!(!self.relay.reads_client(), "reads on from who has closed");
            }
            Take::Blocked => return false,
        }
        self.count_step();
        true
    }

    fn waiting(&mut self) -> usize {
        self.relay.to_client().unsent().len() + self.relay.to_server().unsent().len()
    }

    fn take_reply(&mut self) -> bool {
        self.server.fill();
        let count = self.relay.from_server(&self.server.window);
        let closes = count == 0
            && self.server.closed
            && !self.server.told
            && self.server.network.is_empty()
            && self.relay.to_client().is_empty()
            && self.relay.turn() == Turn::Relay;
        if closes {
            self.server.told = true;
            self.relay.server_closed(&self.server.window);
        }
        self.server.window.drain(..count);
        if count > 0 || closes {
            self.count_step();
        }
        count > 0 || closes
    }

    fn write(&mut self) -> bool {
        let to_client = {
            let queue = self.relay.to_client();
            let count = self.reads.min(queue.unsent().len());
            (self.out)(Out::ToClient, &queue.unsent()[..count]);
            queue.sent(count);
            count
        };
        let queue = self.relay.to_server();
        let count = self.reads.min(queue.unsent().len());
        (self.out)(Out::ToServer, &queue.unsent()[..count]);
        queue.sent(count);
        to_client + count > 0
    }

    fn turn(&mut self) -> bool {
        match self.relay.turn() {
            Turn::Relay => return false,
            Turn::CheckTls => self.relay.tls_checked(self.can_start),
            Turn::StartTls => {
                self.client.clear();
                self.server.clear();
                (self.server.closed, self.server.told) = (false, false);
                self.fresh += 1;
                (self.out)(Out::Fresh, b"");
                self.relay.tls_started(|name| name == b"FIXSMTPIOTLS");
            }
            Turn::End(end) => self.end(end),
        }
        self.count_step();
        true
    }

    fn end(&mut self, end: End) {
        if end == End::LineTooLong {
            assert!(self.server.window.len() == WINDOW && !self.server.window.contains(&b'\n'));
        }
        self.ended = true;
        (self.out)(Out::Ended(end), b"");
    }
}
