//! fiximapio: stands before an IMAP server that can only greet a client as one that is
//! logged in already, and makes of that greeting the answer to the client's login.
//!
//! What the server's first lines come to is decided by `proto::imap::preauth`; after them
//! octets go both ways as they are.

use crate::behind::log_that_it_cannot_run;
use crate::last_words::say_that_there_is_none;
use crate::{fail, log};
use proto::exit_code;
use proto::imap::command::is_tag;
use proto::imap::preauth::{self, NotReady, Opening};
use proto::names::Variable;
use std::ffi::OsString;
use std::io;
use unix::client;
use unix::deadline::{Deadline, Event, wait_for, wait_for_any};
use unix::environment::Environment;
use unix::jail::{self, Profile};
use unix::log::Reason;
use unix::piped::Piped;
use unix::process::Argv;
use unix::window::Window;

const NAME: &str = "fiximapio";
/// How it is called.
pub const USAGE: &str = "usage: fiximapio prog [ arg ... ]";

/// Octets that are read in one piece.
const PIECE: usize = 16 * 1024;

/// Seconds that a client has for its next octets, where there is no server, or none any more,
/// that would wait for it no longer.
const TO_READ_ON: u64 = 60;

/// Runs the program.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Some(program) = Argv::new(words) else {
        return fail(NAME, format_args!("{USAGE}"));
    };
    let mut environment = Environment::inherited();
    let Some(tag) = environment.take(Variable::ImapLoginTag) else {
        return cannot_exec(&program, &program.become_it(&environment), preauth::BYE);
    };
    if !is_tag(&tag) {
        return fail(NAME, format_args!("IMAPLOGINTAG: not a tag"));
    }
    let server = Piped::spawn(&program, &environment);
    // Its memory is there for what follows, in each of many idle sessions.
    drop(environment);
    match server {
        Ok(server) => run(server, &program, &tag),
        Err(reason) => cannot_exec(&program, &reason, &preauth::not_ready(&tag)),
    }
}

fn run(server: Piped, program: &Argv, tag: &[u8]) -> u8 {
    let mut relay = Relay::new(server);
    match relay.open(tag) {
        // Behind the answer to a login there is rarely anything yet, and what a jail needs for
        // a moment can lie where the window was.
        Ok(Opened::LoggedIn) if relay.from_server.octets().is_empty() => {
            relay.from_server = Window::new(PIECE, 1);
        }
        Ok(Opened::LoggedIn) => {}
        Ok(Opened::NotReady(why)) => return relay.turn_away(program, why, tag),
        Ok(Opened::Left(left)) => return relay.finish_without(left),
        Err(reason) => {
            log(NAME, format_args!("unable to relay: {}", Reason(&reason)));
            return say_that_there_is_none(&preauth::not_ready(tag));
        }
    }
    // Only now, for a server without a session is ended by a signal; up to here nothing
    // of the client's has been read.
    if let Some(what) = jail::lacks(Profile::Relay, false) {
        log(NAME, format_args!("incomplete jail: {what}"));
    }
    if let Err(failure) = jail::enter(Profile::Relay, None) {
        log(NAME, format_args!("unable to jail: {failure}"));
        return say_that_there_is_none(preauth::BYE);
    }
    match relay.run() {
        Ok(None) => relay.finish(),
        Ok(Some(left)) => relay.finish_without(left),
        Err(reason) => {
            log(NAME, format_args!("unable to relay: {}", Reason(&reason)));
            // Not a word, as it might come within a message.
            exit_code::TOLD
        }
    }
}

/// What has come of the server's first lines.
enum Opened {
    /// The client has heard that it is logged in.
    LoggedIn,
    /// The server has no session for it.
    NotReady(NotReady),
    /// It has heard nothing, or not all.
    Left(Left),
}

/// How a client has left that is owed something.
#[derive(Clone, Copy)]
enum Left {
    /// It is gone, which is no failure of a login.
    Gone,
    /// It reads nothing.
    TimedOut,
}

impl Left {
    /// An error that is none of the client's side is the system's.
    fn by(reason: io::Error) -> io::Result<Self> {
        match reason.kind() {
            io::ErrorKind::TimedOut => Ok(Self::TimedOut),
            _ if client::is_gone(&reason) => Ok(Self::Gone),
            _ => Err(reason),
        }
    }
}

/// The client and the server, and what is on its way between them.
struct Relay {
    server: Piped,
    from_client: Window,
    from_server: Window,
    client_is_at_end: bool,
    server_is_at_end: bool,
    /// The server has closed its output, of which there may be more.
    server_has_closed: bool,
}

impl Relay {
    fn new(server: Piped) -> Self {
        Self {
            server,
            from_client: Window::new(PIECE, 1),
            from_server: Window::new(preauth::LONGEST, 1),
            client_is_at_end: false,
            server_is_at_end: false,
            server_has_closed: false,
        }
    }

    /// Passes the server's first lines on, up to the one that answers the login.
    fn open(&mut self, tag: &[u8]) -> io::Result<Opened> {
        loop {
            let held = self.from_server.octets();
            let feed = held.iter().take(preauth::LONGEST).position(|&octet| octet == b'\n');
            if let Some(feed) = feed {
                let (length, line) = (feed + 1, &held[..=feed]);
                let (written, is_open) = match preauth::opening(line, tag) {
                    Opening::Passed => (client::write(line, TO_READ_ON), false),
                    Opening::LoggedIn(answer) => (client::write(&answer, TO_READ_ON), true),
                    Opening::NotReady(why) => return Ok(Opened::NotReady(why)),
                };
                if let Err(reason) = written {
                    return Ok(Opened::Left(Left::by(reason)?));
                }
                self.from_server.take(length);
                if is_open {
                    return Ok(Opened::LoggedIn);
                }
            } else if held.len() >= preauth::LONGEST {
                return Ok(Opened::NotReady(NotReady::LineTooLong));
            } else if self.server_is_at_end {
                return Ok(Opened::NotReady(NotReady::Ended));
            } else {
                wait_for(self.server.output(), Event::IN, Deadline::NEVER)?;
                self.read_server();
            }
        }
    }

    /// Octets both ways, until the server has said all; a client that says no more is
    /// still answered. A server waits for its client as long as it likes, but one that has
    /// closed waits no longer. How the client has left, if it did not hear all.
    fn run(&mut self) -> io::Result<Option<Left>> {
        let mut until = Deadline::NEVER;
        while !(self.server_is_at_end && self.from_server.octets().is_empty()) {
            let ready = wait_for_any(self.wanted(), until)?;
            let Some([client_speaks, server_speaks, client_takes, server_takes]) =
                ready.filter(|_| !until.has_passed())
            else {
                return Ok(Some(Left::TimedOut));
            };
            if client_speaks {
                self.read_client();
            }
            let mut waits_anew = server_speaks && self.read_server_or_its_end();
            if client_takes || server_speaks {
                match client::write_ready(self.from_server.octets()) {
                    Ok(count) => {
                        self.from_server.take(count);
                        waits_anew |= self.server_has_closed && count > 0;
                    }
                    Err(reason) => return Left::by(reason).map(Some),
                }
            }
            if waits_anew {
                until = Deadline::after_seconds(TO_READ_ON);
            }
            if server_takes || client_speaks {
                self.write_to_server()?;
            }
        }
        Ok(None)
    }

    /// To read from the client and the server, to write to the client and the server.
    fn wanted(&self) -> [Option<(std::os::fd::BorrowedFd<'_>, Event)>; 4] {
        let input = self.server.input();
        let reads_client = !self.client_is_at_end && !self.from_client.is_full() && input.is_some();
        // Of a server that there is no room for, its end is all that is told, unasked.
        let from_server = if self.from_server.is_full() { Event::empty() } else { Event::IN };
        let is_awaited =
            !(self.server_is_at_end || self.from_server.is_full() && self.server_has_closed);
        let writes_client = !self.from_server.octets().is_empty();
        let writes_server = !self.from_client.octets().is_empty();
        [
            reads_client.then(|| (client::input(), Event::IN)),
            is_awaited.then(|| (self.server.output(), from_server)),
            writes_client.then(|| (client::output(), Event::OUT)),
            input.filter(|_| writes_server).map(|input| (input, Event::OUT)),
        ]
    }

    /// Reads what the server says, if there is room for it; whether it turns out to have closed.
    fn read_server_or_its_end(&mut self) -> bool {
        let had_closed = self.server_has_closed;
        if self.from_server.is_full() {
            self.server_has_closed = true;
        } else {
            self.read_server();
            self.server_has_closed |= self.server_is_at_end;
        }
        self.server_has_closed && !had_closed
    }

    fn write_to_server(&mut self) -> io::Result<()> {
        let count = self.server.write(self.from_client.octets())?;
        self.from_client.take(count);
        if self.server.input().is_none() {
            self.from_client.clear();
        } else if self.client_is_at_end && self.from_client.octets().is_empty() {
            self.server.close_input();
        }
        Ok(())
    }

    fn read_client(&mut self) {
        self.client_is_at_end = is_end(self.from_client.read(client::input()));
    }

    fn read_server(&mut self) {
        self.server_is_at_end = is_end(self.from_server.read(self.server.output()));
    }

    /// The server has no session for this client, who is told so.
    fn turn_away(self, program: &Argv, why: NotReady, tag: &[u8]) -> u8 {
        let code = say_that_there_is_none(&preauth::not_ready(tag));
        client::let_go();
        let name = program.name().display();
        match self.server.end() {
            Ok(Some(code)) => log(NAME, format_args!("{name}: {why}: exit code {code}")),
            Ok(None) => log(NAME, format_args!("{name}: {why}: a signal ended it")),
            Err(reason) => return cannot_wait(&reason),
        }
        code
    }

    /// [`Self::finish`] with a client that has left; of one that reads nothing the exit code tells.
    fn finish_without(self, left: Left) -> u8 {
        let code = self.finish();
        match left {
            Left::Gone => code,
            Left::TimedOut => exit_code::TIMED_OUT,
        }
    }

    /// Waits for the server; the client need not. The exit code is the server's own.
    fn finish(self) -> u8 {
        client::let_go();
        match self.server.finish() {
            Ok(Some(code)) => code,
            Ok(None) => {
                log(NAME, format_args!("aack, child crashed"));
                exit_code::CRASHED
            }
            Err(reason) => cannot_wait(&reason),
        }
    }
}

/// Whether nothing more will be read.
fn is_end(read: io::Result<usize>) -> bool {
    match read {
        Ok(count) => count == 0,
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        }
    }
}

fn cannot_wait(reason: &io::Error) -> u8 {
    fail(NAME, format_args!("unable to wait for child: {}", Reason(reason)))
}

fn cannot_exec(program: &Argv, reason: &io::Error, words: &[u8]) -> u8 {
    log_that_it_cannot_run(NAME, program, reason);
    say_that_there_is_none(words)
}
