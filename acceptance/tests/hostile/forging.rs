//! Log forging: names and commands with line breaks, escape sequences and format
//! directives. The log has as many lines as for a harmless name, all of them printable
//! ASCII, and none that the program did not begin.

use acceptance::chain::Chain;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Session;
use crate::{as_an_ordinary_user, as_run};

pub(crate) const TESTS: &[Test] = &[
    ("names_forge_no_log_lines", &[], names),
    ("requests_forge_no_transcript_lines", &["smtpfront-echo"], requests),
];

/// What somebody might put into a name so that the log says something else.
const NAMES: [&[u8]; 18] = [
    b"bob\nauthup 1 login succeeded (root from 192.0.2.1)",
    b"bob\r\nauthup 1 checkpassword 2 attempt for root",
    b"bob\rauthup 1 login succeeded",
    b"\n",
    b"\r\n\r\n",
    b"bob\x1b[2J\x1b[1;1Hall is well",
    b"bob\x1b]0;title\x07",
    b"bob\x9b31m",
    b"bob\x08\x08\x08root",
    b"bob\x7f\x7f",
    b"%s%s%s%n",
    b"\\x0aauthup 1",
    b"\\",
    b"bob (root from 192.0.2.1)",
    "bob\u{2028}authup 1 login succeeded".as_bytes(),
    "bob\u{85}authup 1 login succeeded".as_bytes(),
    "\u{202e}toor".as_bytes(),
    b"\xff\xfe\xc0\x8a",
];

/// Fails unless all lines begin so and are printable.
fn ensure_lines(log: &str, begin: &str, count: usize) -> Result<()> {
    let is_printable = |line: &str| line.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    let is_forged = |line: &&str| !line.starts_with(begin) || !is_printable(line);
    let forged = log.lines().filter(is_forged).count();
    FIGURES.add(Kind::Forging, 0, forged);
    ensure!(forged == 0 && log.ends_with('\n'), "{}", log.escape_debug());
    let lines = log.lines().count();
    ensure!(lines == count, "{lines} lines instead of {count}:\n{log}");
    Ok(())
}

/// A session with one refused login; what it logged, and how its lines begin. `false`
/// refuses everybody.
fn refused(chain: &Chain<'_>, door: Door, protocol: &str, name: &[u8]) -> Result<(String, String)> {
    let command = ["authup", protocol, "false"].map(str::to_owned);
    let mut session = door.session(chain, protocol, &command)?;
    let peer = &mut session.peer;
    if protocol == "smtp" {
        // A HELO is not logged, whatever it holds.
        peer.say([b"EHLO ", name, b"\r\n"].concat());
        let response = Base64::encode_string(&[b"\0", name, b"\0x"].concat());
        peer.say(format!("AUTH PLAIN {response}\r\nQUIT\r\n"));
    } else if protocol == "imap" {
        // A tag that is none, and a name of counted octets, whatever they are.
        let octets = name.len();
        let named = format!("a LOGIN {{{octets}+}}\r\n").into_bytes();
        peer.say([name, b" NOOP\r\n", &named, name, b" x\r\nb LOGOUT\r\n"].concat());
    } else {
        peer.say([b"USER ", name, b"\r\nPASS x\r\nQUIT\r\n"].concat());
    }
    peer.rest()?;
    FIGURES.add(Kind::Forging, 1, 0);
    let log = session.over()?.log;
    // The first line is written before anybody has said a name.
    let first = log.lines().next().context("an empty log")?;
    let begin = first.strip_suffix(&format!("protocol {protocol}")).context(log.clone())?;
    Ok((log.clone(), begin.to_owned()))
}

fn names(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let doors = Door::WITH_A_LOGIN.map(|door| ["smtp", "pop3", "imap"].map(|face| (door, face)));
    for (door, protocol) in doors.into_iter().flatten() {
        let (log, begin) = refused(&chain, door, protocol, b"harmless")?;
        let count = log.lines().count();
        ensure!(begin.starts_with("authup "), "{log}");
        ensure_lines(&log, &begin, count)?;
        for name in NAMES {
            // By POP3 a line break ends the line, and the name.
            if protocol == "pop3" && name.contains(&b'\n') {
                continue;
            }
            let (log, begin) = refused(&chain, door, protocol, name)?;
            ensure_lines(&log, &begin, count)?;
        }
    }
    Ok(())
}

/// fixsmtpio's transcript, which is the only place where it logs what a client says.
fn requests(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    for name in NAMES.into_iter().filter(|name| !name.contains(&b'\n')) {
        let mut command = chain.command("fixsmtpio");
        command.arg("smtpfront-echo").env("FIXSMTPIODEBUG", "1");
        let mut session = Session::of(&chain, command)?;
        let pid = session.pid();
        let peer = &mut session.peer;
        peer.hear("220 ")?;
        for request in [&b"MAIL FROM:<"[..], b"HELO ", b""] {
            peer.say([request, name, b"\r\n"].concat());
            peer.reply()?;
        }
        peer.ask("QUIT", "221")?;
        let log = session.over()?.log;
        let own: String =
            log.split_inclusive('\n').filter(|line| !line.starts_with("mailfront[")).collect();
        // A greeting and four exchanges; requests and replies each come and go.
        let replies = own.lines().filter(|line| line.contains(" 3: ")).count();
        let requests = own.lines().filter(|line| line.contains(" 1: ")).count();
        FIGURES.add(Kind::Forging, 3, 0);
        ensure!((requests, replies) == (4, 5), "{requests} requests, {replies} replies:\n{log}");
        ensure_lines(&own, &format!("fixsmtpio {pid} smtpfront-echo "), 2 * (requests + replies))?;
    }
    Ok(())
}
