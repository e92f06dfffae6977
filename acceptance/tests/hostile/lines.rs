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

use crate::door::{Door, Stream};
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
    noop: &'static str,
    quit: &'static str,
}

impl Front {
    /// authup and who speaks its words, each in both protocols, and fixsmtpio.
    fn all(chain: &Chain<'_>) -> Vec<Self> {
        let echo = ["fixsmtpio", "smtpfront-echo"];
        let mut all = Vec::new();
        for door in [Door::Alone].into_iter().chain(Door::OF_AN_ENGINE) {
            let command = login(chain, "smtp", &echo);
            all.push(Self { door, protocol: "smtp", command, noop: "250 ok", quit: "221" });
            let command = login(chain, "pop3", &["false"]);
            all.push(Self { door, protocol: "pop3", command, noop: "+OK ", quit: "+OK " });
        }
        let (door, command) = (Door::Alone, echo.map(str::to_owned).into());
        all.push(Self { door, protocol: "smtp", command, noop: "250 ", quit: "221" });
        all
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
            let refused = answer.starts_with("500 ") || answer.starts_with("-ERR ");
            ensure!(refused, "{answer:?} after {size} times {octet:#x}");
            peer.ask("NOOP", front.noop)?;
            FIGURES.add(Kind::Line, 1, 0);
        }
        session.peer.ask("QUIT", front.quit)?;
        session.over()?;
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
            let refused = answer.starts_with('5') || answer.starts_with("-ERR ");
            ensure!(refused, "{answer:?} after {line:?}");
            peer.ask("NOOP", front.noop).with_context(|| format!("{line:?}"))?;
            FIGURES.add(Kind::Line, 1, 0);
        }
        session.peer.ask("QUIT", front.quit)?;
        session.over()?;
    }
    Ok(())
}

/// The whole dialog in single octets answers as it does in lines.
fn octets(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    for front in Front::all(&chain) {
        let text = "NOOP\r\nRSET\r\nnoop\nVRFY x\r\n\r\nNOOP x\r\nQUIT\r\n";
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
        let quit = "NOOP\r\n".repeat(MANY) + "QUIT\r\n";
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
            got += usize::from(peer.reply()?.starts_with(front.noop));
        }
        FIGURES.add(Kind::Unread, MANY, MANY - got);
        ensure!(got == MANY, "{got} replies of {MANY}");
        peer.hear(front.quit)?;
        ensure!(peer.rest()?.is_empty(), "a reply too many");
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
        let flood = "NOOP\r\n".repeat(1000);
        while is_writable(socket)? {
            let mut at = sent % 6;
            while let Ok(count) = socket.write(&flood.as_bytes()[at..]) {
                (sent, at) = (sent + count, (at + count) % 6);
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
