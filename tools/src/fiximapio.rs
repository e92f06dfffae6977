//! fiximapio: stands before an IMAP server that can only greet a client as one that is
//! logged in already, and makes of that greeting the answer to the client's login.
//!
//! What the server's first lines come to is decided by `proto::imap::preauth`; after them
//! octets go both ways as they are.

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

/// Seconds to wait for a client that is told something.
const LAST_WORDS: u64 = 60;

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
        Ok(Ok(())) if relay.from_server.octets().is_empty() => {
            relay.from_server = Window::new(PIECE, 1);
        }
        Ok(Ok(())) => {}
        Ok(Err(why)) => return relay.turn_away(program, why, tag),
        Err(reason) => return cannot_relay(&reason),
    }
    // Only now, for a server without a session is ended by a signal; up to here nothing
    // of the client's has been read.
    if let Some(what) = jail::lacks(Profile::Relay) {
        log(NAME, format_args!("incomplete jail: {what}"));
    }
    if let Err(failure) = jail::enter(Profile::Relay, None) {
        log(NAME, format_args!("unable to jail: {failure}"));
        return send_last_words(preauth::BYE);
    }
    match relay.run() {
        Ok(()) => relay.finish(),
        Err(reason) => cannot_relay(&reason),
    }
}

/// The client and the server, and what is on its way between them.
struct Relay {
    server: Piped,
    from_client: Window,
    from_server: Window,
    client_is_at_end: bool,
    server_is_at_end: bool,
}

impl Relay {
    fn new(server: Piped) -> Self {
        Self {
            server,
            from_client: Window::new(PIECE, 1),
            from_server: Window::new(preauth::LONGEST, 1),
            client_is_at_end: false,
            server_is_at_end: false,
        }
    }

    /// Passes the server's first lines on, up to the one that answers the login; says
    /// why the client is not logged in, if it is not.
    fn open(&mut self, tag: &[u8]) -> io::Result<Result<(), NotReady>> {
        loop {
            let held = self.from_server.octets();
            let feed = held.iter().take(preauth::LONGEST).position(|&octet| octet == b'\n');
            if let Some(feed) = feed {
                let (length, line) = (feed + 1, &held[..=feed]);
                match preauth::opening(line, tag) {
                    Opening::Passed => client::write(line, LAST_WORDS)?,
                    Opening::LoggedIn(answer) => {
                        self.from_server.take(length);
                        return client::write(&answer, LAST_WORDS).map(Ok);
                    }
                    Opening::NotReady(why) => return Ok(Err(why)),
                }
                self.from_server.take(length);
            } else if held.len() >= preauth::LONGEST {
                return Ok(Err(NotReady::LineTooLong));
            } else if self.server_is_at_end {
                return Ok(Err(NotReady::Ended));
            } else {
                wait_for(self.server.output(), Event::IN, Deadline::NEVER)?;
                self.read_server();
            }
        }
    }

    /// Octets both ways, until the server has said all; a client that says no more is
    /// still answered.
    fn run(&mut self) -> io::Result<()> {
        while !(self.server_is_at_end && self.from_server.octets().is_empty()) {
            let [client_speaks, server_speaks, client_takes, server_takes] =
                wait_for_any(self.wanted(), Deadline::NEVER)?.unwrap_or_default();
            if client_speaks {
                self.read_client();
            }
            if server_speaks {
                self.read_server();
            }
            if client_takes || server_speaks {
                match client::write_ready(self.from_server.octets()) {
                    Ok(count) => self.from_server.take(count),
                    // Nobody is there to hear it.
                    Err(_) => return Ok(()),
                }
            }
            if server_takes || client_speaks {
                self.write_to_server()?;
            }
        }
        Ok(())
    }

    /// To read from the client and the server, to write to the client and the server.
    fn wanted(&self) -> [Option<(std::os::fd::BorrowedFd<'_>, Event)>; 4] {
        let input = self.server.input();
        let reads_client = !self.client_is_at_end && !self.from_client.is_full() && input.is_some();
        let reads_server = !self.server_is_at_end && !self.from_server.is_full();
        let writes_client = !self.from_server.octets().is_empty();
        let writes_server = !self.from_client.octets().is_empty();
        [
            reads_client.then(|| (client::input(), Event::IN)),
            reads_server.then(|| (self.server.output(), Event::IN)),
            writes_client.then(|| (client::output(), Event::OUT)),
            input.filter(|_| writes_server).map(|input| (input, Event::OUT)),
        ]
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
        let code = send_last_words(&preauth::not_ready(tag));
        client::let_go();
        let name = program.name().display();
        match self.server.end() {
            Ok(Some(code)) => log(NAME, format_args!("{name}: {why}: exit code {code}")),
            Ok(None) => log(NAME, format_args!("{name}: {why}: a signal ended it")),
            Err(reason) => return cannot_wait(&reason),
        }
        code
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

fn cannot_relay(reason: &io::Error) -> u8 {
    fail(NAME, format_args!("unable to relay: {}", Reason(reason)))
}

fn cannot_wait(reason: &io::Error) -> u8 {
    fail(NAME, format_args!("unable to wait for child: {}", Reason(reason)))
}

fn cannot_exec(program: &Argv, reason: &io::Error, words: &[u8]) -> u8 {
    let name = program.name().display();
    log(NAME, format_args!("unable to exec: {name}: {}", Reason(reason)));
    send_last_words(words)
}

/// Tells the client, who is not left without a word, and says so to whoever waits for us.
fn send_last_words(words: &[u8]) -> u8 {
    // Who is gone need not be told.
    let _gone = client::write(words, LAST_WORDS);
    exit_code::TOLD
}
