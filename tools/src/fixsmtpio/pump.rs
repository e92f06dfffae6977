//! Moves octets between the client, the relay dialog and the server, and waits for
//! none of them while another has work.
//!
//! It decides nothing: what is read, passed and written is `proto::relay`'s word.

use super::transcript::Transcript;
use proto::relay::{End, Relay, Take, Turn, WINDOW};
use std::io;
use std::os::fd::BorrowedFd;
use unix::client;
use unix::deadline::{Deadline, Event, wait_for_any};
use unix::piped::Piped;
use unix::window::Window;

/// Octets that are read from the client in one piece: message data goes on in
/// pieces of this size.
const CLIENT_WINDOW: usize = 256 * 1024;

/// Why the pump stopped.
pub(super) enum Stop {
    /// To find out whether TLS can start.
    CheckTls,
    /// To start TLS.
    StartTls,
    /// For good.
    End(End),
    /// The client did nothing for too long.
    TimedOut,
}

/// The connection.
pub(super) struct Pump {
    pub(super) relay: Relay<Transcript>,
    server: Piped,
    /// From the client.
    requests: Window,
    /// How much of `requests` goes to the server as it is.
    passing: usize,
    /// Whether large data has come, and the way to the server has been widened.
    is_wide: bool,
    client_is_at_end: bool,
    /// From the server.
    replies: Window,
    server_is_at_end: bool,
    /// Whether the relay knows that the server is at its end.
    server_is_closed: bool,
    /// Seconds that the client may do nothing while all wait for it.
    seconds: u64,
    patience: Deadline,
}

impl Pump {
    pub(super) fn new(relay: Relay<Transcript>, server: Piped, seconds: u64) -> Self {
        Self {
            relay,
            server,
            requests: Window::new(CLIENT_WINDOW, CLIENT_WINDOW / 2),
            passing: 0,
            is_wide: false,
            client_is_at_end: false,
            replies: Window::new(WINDOW, 1),
            server_is_at_end: false,
            server_is_closed: false,
            seconds,
            patience: Deadline::after_seconds(seconds),
        }
    }

    /// TLS is on and this server takes over: what was at hand counts for nothing.
    /// Returns the server that it replaces.
    pub(super) fn replace_server(&mut self, server: Piped) -> Piped {
        self.requests.clear();
        self.replies.clear();
        (self.passing, self.is_wide) = (0, false);
        (self.server_is_at_end, self.server_is_closed) = (false, false);
        std::mem::replace(&mut self.server, server)
    }

    /// The server, to be waited for.
    pub(super) fn into_server(self) -> Piped {
        self.server
    }

    /// Goes on until there is something else to do.
    pub(super) fn run(&mut self) -> io::Result<Stop> {
        loop {
            while self.step()? {}
            match self.relay.turn() {
                Turn::Relay => {}
                Turn::CheckTls => return Ok(Stop::CheckTls),
                Turn::StartTls => return Ok(Stop::StartTls),
                Turn::End(end) => return Ok(Stop::End(end)),
            }
            if !self.wait()? {
                return Ok(Stop::TimedOut);
            }
        }
    }

    /// Does what can be done without waiting; says whether anything was. All that is
    /// whole is taken before any is written: a write for each line would cost far more
    /// than the line.
    fn step(&mut self) -> io::Result<bool> {
        let mut taken = false;
        while self.take_requests() | self.take_replies() {
            taken = true;
        }
        Ok(taken | self.write_to_server()? | self.write_to_client()?)
    }

    fn take_requests(&mut self) -> bool {
        if self.passing > 0 {
            return false;
        }
        match self.relay.from_client(self.requests.octets()) {
            Take::Took(count) => self.requests.take(count),
            Take::Pass(count) => {
                self.passing = count;
                if count == CLIENT_WINDOW && !self.is_wide {
                    self.is_wide = true;
                    self.server.widen_input();
                }
            }
            Take::NeedInput if self.client_is_at_end => {
                self.relay.client_closed(self.requests.octets());
                self.requests.clear();
            }
            Take::NeedInput | Take::Blocked => return false,
        }
        true
    }

    fn take_replies(&mut self) -> bool {
        let count = self.relay.from_server(self.replies.octets());
        self.replies.take(count);
        // With nothing waiting for the client, it was the line that was missing.
        let closes = count == 0
            && self.server_is_at_end
            && !self.server_is_closed
            && self.relay.to_client().is_empty()
            && self.relay.turn() == Turn::Relay;
        if closes {
            self.server_is_closed = true;
            self.relay.server_closed(self.replies.octets());
        }
        count > 0 || closes
    }

    fn write_to_server(&mut self) -> io::Result<bool> {
        if self.server.input().is_none() {
            return Ok(self.discard());
        }
        let queue = self.relay.to_server();
        if !queue.is_empty() {
            let count = self.server.write(queue.unsent())?;
            queue.sent(count);
            return Ok(count > 0 || self.server.input().is_none());
        }
        if self.passing > 0 {
            let count = self.server.write(&self.requests.octets()[..self.passing])?;
            self.requests.take(count);
            self.passing -= count;
            return Ok(count > 0 || self.server.input().is_none());
        }
        let closes = self.relay.client_has_closed();
        if closes {
            self.server.close_input();
        }
        Ok(closes)
    }

    /// Drops what a server that does not read should have read.
    fn discard(&mut self) -> bool {
        let queued = self.relay.to_server().unsent().len();
        let dropped = queued + self.passing;
        self.relay.to_server().sent(queued);
        self.requests.take(self.passing);
        self.passing = 0;
        dropped > 0
    }

    fn write_to_client(&mut self) -> io::Result<bool> {
        let queue = self.relay.to_client();
        if queue.is_empty() {
            return Ok(false);
        }
        match client::write_ready(queue.unsent()) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                queue.sent(count);
                self.patience = Deadline::after_seconds(self.seconds);
            }
            Err(error) if client::is_gone(&error) => self.relay.client_gone(),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Waits until something can be read or written, and reads it. `false`: only
    /// the client could go on, and it has not.
    fn wait(&mut self) -> io::Result<bool> {
        let is_for_client = self.relay.waits_for_client(self.passing > 0);
        if !is_for_client {
            self.patience = Deadline::after_seconds(self.seconds);
        }
        let deadline = if is_for_client { self.patience } else { Deadline::NEVER };
        match wait_for_any(self.wanted(), deadline)? {
            None => return Ok(false),
            Some([client_speaks, server_speaks, _, _]) => {
                if client_speaks {
                    self.read_client();
                }
                if server_speaks {
                    self.read_server();
                }
            }
        }
        Ok(true)
    }

    /// To read from the client and the server, to write to the client and the server.
    fn wanted(&mut self) -> [Option<(BorrowedFd<'_>, Event)>; 4] {
        let reads_client = self.relay.reads_client() && !self.client_is_at_end;
        let writes_client = !self.relay.to_client().is_empty();
        let writes_server = !self.relay.to_server().is_empty() || self.passing > 0;
        let reads_client = reads_client && !self.requests.is_full();
        let reads_server = !self.server_is_at_end && !self.replies.is_full();
        [
            reads_client.then(|| (client::input(), Event::IN)),
            reads_server.then(|| (self.server.output(), Event::IN)),
            writes_client.then(|| (client::output(), Event::OUT)),
            self.server.input().filter(|_| writes_server).map(|input| (input, Event::OUT)),
        ]
    }

    fn read_client(&mut self) {
        match self.requests.read(client::input()) {
            Ok(0) => self.client_is_at_end = true,
            Ok(_) => self.patience = Deadline::after_seconds(self.seconds),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.relay.client_gone(),
        }
    }

    fn read_server(&mut self) {
        match self.replies.read(self.server.output()) {
            Ok(0) => self.server_is_at_end = true,
            Ok(_) => {}
            Err(error) if is_passing(&error) => {}
            Err(_) => self.server_is_at_end = true,
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
