//! Lines without end, NULs, one octet at a time, and thousands of commands of which nobody
//! reads the replies: each command gets its one reply, in order, or the session ends.

use std::io::Write;
use std::os::fd::AsFd;
use std::thread;

use acceptance::chain::Chain;
use acceptance::processes::{of_group, settles};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use test_support::client::Stream;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Session;
use crate::{as_an_ordinary_user, as_run, login};

pub(crate) const TESTS: &[Test] = &[
    ("lines_without_end_are_skipped", &["smtpfront-echo"], lines_without_end),
    ("nuls_hide_nothing", &["smtpfront-echo"], nuls),
    ("one_octet_at_a_time_changes_nothing", &["smtpfront-echo"], octets),
    ("thousands_of_commands_get_their_replies", &["smtpfront-echo"], pipelined),
    ("whoever_never_reads_is_made_to_wait", &["smtpfront-echo"], never_read),
];

/// A dialog before any login: a line that is answered like this, and the one that ends it.
struct Front {
    door: Door,
    protocol: &'static str,
    command: Vec<String>,
    noop: (&'static str, &'static str),
    quit: (&'static str, &'static str),
    /// What still comes behind the answer to the latter.
    farewell: &'static str,
}

const SMTP: Words = (("NOOP", "250 ok"), ("QUIT", "221"), "");
const POP3: Words = (("NOOP", "+OK "), ("QUIT", "+OK "), "");
const IMAP: Words = (("n NOOP", "n OK "), ("q LOGOUT", "* BYE "), "q OK LOGOUT completed\r\n");

type Words = ((&'static str, &'static str), (&'static str, &'static str), &'static str);

impl Front {
    /// authup and who speaks its words, each in all protocols, and fixsmtpio.
    fn all(chain: &Chain<'_>) -> Vec<Self> {
        let echo = ["fixsmtpio", "smtpfront-echo"];
        let mut all = Vec::new();
        for door in [Door::Alone].into_iter().chain(Door::OF_AN_ENGINE) {
            let faces = [("smtp", &echo[..], SMTP), ("pop3", &["false"], POP3)];
            for (protocol, server, words) in [&faces[..], &[("imap", &["false"], IMAP)]].concat() {
                let command = login(chain, protocol, server);
                all.push(Self::of(door, protocol, command, words));
            }
        }
        let relay = echo.map(str::to_owned).into();
        all.push(Self::of(Door::Alone, "smtp", relay, (("NOOP", "250 "), SMTP.1, "")));
        all
    }

    fn of(door: Door, protocol: &'static str, command: Vec<String>, words: Words) -> Self {
        let (noop, quit, farewell) = words;
        Self { door, protocol, command, noop, quit, farewell }
    }

    fn is_imap(&self) -> bool {
        self.protocol == "imap"
    }

    /// The session goes on, and is ended by its last word.
    fn quits(&self, mut session: Session) -> Result<()> {
        session.peer.ask(self.quit.0, self.quit.1)?;
        let rest = session.peer.rest()?;
        ensure!(rest == self.farewell.as_bytes(), "{}", rest.escape_ascii());
        session.over().map(drop)
    }

    fn start(&self, chain: &Chain<'_>) -> Result<Session> {
        self.door.session(chain, self.protocol, &self.command)
    }
}

fn lines_without_end(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    for front in Front::all(&chain) {
        // With an end after all: one refusal, and the session goes on.
        let mut session = front.start(&chain)?;
        for (octet, size) in
            [(b'A', 12_289), (b' ', 20_000), (0, 65_536), (b'\r', 100_000), (0xff, 3 << 20)]
        {
            let peer = &mut session.peer;
            peer.say(vec![octet; size]);
            peer.say("\r\n");
            let answer = peer.reply()?;
            FIGURES.add(Kind::Line, 1, 0);
            if front.is_imap() {
                // A literal could have been in it: nothing that follows can be trusted.
                let rest = String::from_utf8_lossy(&peer.rest()?).into_owned();
                let told = ["* BAD authup line too long\r\n", "* BYE authup line too long\r\n"];
                ensure!([answer, rest] == told, "after {size} times {octet:#x}");
                session.over()?;
                session = front.start(&chain)?;
                continue;
            }
            let refused = answer.starts_with("500 ") || answer.starts_with("-ERR ");
            ensure!(refused, "{answer:?} after {size} times {octet:#x}");
            peer.ask(front.noop.0, front.noop.1)?;
        }
        front.quits(session)?;
        // Without one: the client leaves in the middle of it.
        let mut session = front.start(&chain)?;
        session.peer.say(vec![b'A'; 1 << 20]);
        session.over()?;
        FIGURES.add(Kind::Line, 1, 0);
    }
    Ok(())
}

/// A NUL within a command is not its end: what stands behind it is no command.
fn nuls(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    for front in Front::all(&chain) {
        let mut session = front.start(&chain)?;
        for line in [
            "\0",
            "\0\0\0",
            "\0NOOP",
            "NO\0OP",
            "\0QUIT",
            "QUIT\0",
            "QUIT\0\r",
            "STARTTLS\0",
            "STLS\0",
        ] {
            let peer = &mut session.peer;
            peer.say(format!("{line}\r\n"));
            let answer = peer.reply()?;
            let refused = ["5", "-ERR ", "* BAD "].iter().any(|no| answer.starts_with(no));
            ensure!(refused, "{answer:?} after {line:?}");
            peer.ask(front.noop.0, front.noop.1).with_context(|| format!("{line:?}"))?;
            FIGURES.add(Kind::Line, 1, 0);
        }
        front.quits(session)?;
    }
    Ok(())
}

/// The whole dialog in single octets answers as it does in lines.
fn octets(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    for front in Front::all(&chain) {
        let text = if front.is_imap() {
            "a NOOP\r\nb CAPABILITY\r\nb noop\nc SELECT x\r\n\r\nd ID ({1+}\r\n\n {2}\r\n\r\n)\r\n\
             d LOGIN {4}\r\n{9+} {0}\r\n\r\ne AUTHENTICATE LOGIN\r\n*\r\nf LOGOUT\r\n"
        } else {
            "NOOP\r\nRSET\r\nnoop\nVRFY x\r\n\r\nNOOP x\r\nQUIT\r\n"
        };
        let mut answers = Vec::new();
        for size in [text.len(), 1, 2, 7] {
            let mut session = front.start(&chain)?;
            for piece in text.as_bytes().chunks(size) {
                session.peer.say(piece);
            }
            answers.push(session.peer.rest()?);
            session.over()?;
            FIGURES.add(Kind::Line, 1, 0);
        }
        let first = answers[0].clone();
        ensure!(answers.iter().all(|one| *one == first), "{answers:?}");
    }
    Ok(())
}

/// How many commands are sent before a reply is read.
const MANY: usize = 5_000;

fn pipelined(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    for front in Front::all(&chain) {
        let mut session = front.start(&chain)?;
        let peer = &mut session.peer;
        let quit = format!("{}\r\n", front.noop.0).repeat(MANY) + front.quit.0 + "\r\n";
        let sending = match &mut peer.stream {
            Stream::Clear(socket) => {
                let mut sender = socket.try_clone()?;
                thread::spawn(move || sender.write_all(quit.as_bytes()))
            }
            // Nobody else can write into it; but the buffers below hold all of it.
            Stream::Tls(tls) => {
                tls.write_all(quit.as_bytes())?;
                thread::spawn(|| Ok(()))
            }
        };
        let mut got = 0;
        for _ in 0..MANY {
            got += usize::from(peer.reply()?.starts_with(front.noop.1));
        }
        FIGURES.add(Kind::Unread, MANY, MANY - got);
        ensure!(got == MANY, "{got} replies of {MANY}");
        peer.hear(front.quit.1)?;
        ensure!(peer.rest()? == front.farewell.as_bytes(), "a reply too many");
        sending.join().ok().context("the sender panicked")??;
        session.over()?;
    }
    Ok(())
}

/// Once all buffers are full everybody sleeps, and a client that is then gone leaves nobody.
fn never_read(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    for front in Front::all(&chain) {
        let mut session = front.start(&chain)?;
        let group = session.pid();
        // Within TLS a half-written record would be the client's trouble.
        let Stream::Clear(socket) = &mut session.peer.stream else {
            session.over()?;
            continue;
        };
        socket.set_nonblocking(true)?;
        let mut sent = 0;
        let noop = format!("{}\r\n", front.noop.0);
        let flood = noop.repeat(1000);
        while is_writable(socket)? {
            let mut at = sent % noop.len();
            while let Ok(count) = socket.write(&flood.as_bytes()[at..]) {
                (sent, at) = (sent + count, (at + count) % noop.len());
            }
            of_group(group).iter().for_each(|process| settles(process.pid));
            ensure!(sent < 64 << 20, "it takes without end");
        }
        session.vanishes()?;
    }
    Ok(())
}

fn is_writable(socket: &impl AsFd) -> Result<bool> {
    let mut polled = [PollFd::new(socket, PollFlags::OUT)];
    Ok(poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}
