//! The programs in the chains they are made for, with real servers and real clients.
//!
//! Each test runs twice where root runs the tests: as root that becomes an ordinary
//! user by logging in, and as an ordinary user from first to last. A test whose
//! programs are not installed is ignored, and says which is missing.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use acceptance::chain::{As, Chain, is_root};
use acceptance::programs::Programs;
use acceptance::suite::missing;
use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

mod chains {
    pub(crate) mod bare_client;
    pub(crate) mod blocklist;
    pub(crate) mod ends;
    pub(crate) mod fail2ban;
    pub(crate) mod failures;
    pub(crate) mod fetching;
    pub(crate) mod imap;
    pub(crate) mod incoming;
    pub(crate) mod introduction;
    pub(crate) mod logformat;
    pub(crate) mod login;
    pub(crate) mod round_trip;
    pub(crate) mod sending;
    pub(crate) mod switching;
    pub(crate) mod thunderbird;
    pub(crate) mod unpacked;
    pub(crate) mod wrong_port;
}

/// A test: its name, the programs it needs, or [`acceptance::chain::ROOT`], and what it does.
type Test = (&'static str, &'static [&'static str], fn(&Chain<'_>) -> Result<()>);

/// authup's command lines in these tests.
pub(crate) struct Commands {
    check: Vec<String>,
}

impl Commands {
    pub(crate) fn new(chain: &Chain<'_>) -> Self {
        let home = format!("QMAILHOME={}", chain.name("home"));
        let check = ["checkpassword-file", "-f", &chain.name("users"), "env", &home];
        Self { check: check.map(str::to_owned).to_vec() }
    }

    /// `authup PROTOCOL CHECKPASSWORD SERVER ...`
    pub(crate) fn login<'a>(&'a self, protocol: &'a str, server: &[&'a str]) -> Vec<&'a str> {
        let front = ["authup", protocol].into_iter();
        front.chain(self.check.iter().map(String::as_str)).chain(server.iter().copied()).collect()
    }
}

/// A message that is easy to damage: dots, 8-bit octets, long lines, white space at line ends.
pub(crate) fn message(subject: &str) -> String {
    let long = "0123456789".repeat(90);
    format!(
        "From: bob@example.org\r\nTo: eve@example.org\r\nSubject: {subject}\r\n\
         Message-Id: <{subject}@example.org>\r\nDate: Sun, 01 Nov 2026 12:00:00 +0000\r\n\r\n\
         .\r\n..\r\n.a line that begins with a dot\r\n gr\u{fc}\u{df}e \r\n\t\r\n{long}\r\n\r\nFrom here\r\n\
         QUIT\r\nDATA\r\n\r\n"
    )
}

/// The message as swaks wants it: it ends the last line itself.
pub(crate) fn for_swaks(message: &str) -> &[u8] {
    message.strip_suffix("\r\n").unwrap_or(message).as_bytes()
}

/// The message as a mailbox file holds it.
pub(crate) fn as_stored(message: &str) -> Vec<u8> {
    message.replace("\r\n", "\n").into_bytes()
}

/// How swaks is called for every message; more words follow.
pub(crate) fn swaks(port: &str) -> [&str; 7] {
    ["swaks", "--server", "127.0.0.1", "--port", port, "--ehlo", "client.example.org"]
}

/// Where a message's body begins, line endings being LF.
pub(crate) fn body(stored: &[u8]) -> &[u8] {
    let at = stored.windows(2).position(|pair| pair == b"\n\n").map_or(stored.len(), |at| at + 2);
    stored.split_at(at).1
}

/// Fails unless `stored` has the message's body.
pub(crate) fn ensure_body(stored: &[u8], message: &str) -> Result<()> {
    let want = as_stored(message);
    let (got, want) = (body(stored), body(&want));
    ensure!(got == want, "stored {}\nwanted {}", got.escape_ascii(), want.escape_ascii());
    Ok(())
}

/// The only message in the mailbox, and whose it is.
pub(crate) fn only_message(chain: &Chain<'_>) -> Result<(Vec<u8>, u32)> {
    let mut mailbox = chain.mailbox()?;
    ensure!(mailbox.len() == 1, "{} messages in the mailbox\n{}", mailbox.len(), chain.log());
    Ok(mailbox.remove(0))
}

/// Fails unless `text` holds `part`.
pub(crate) fn holds(text: &str, part: &str) -> Result<()> {
    ensure!(text.contains(part), "no {part:?} in\n{text}");
    Ok(())
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let built = [env!("CARGO_BIN_EXE_stand-in")];
    let programs = Arc::new(Programs::gather(&built.map(Path::new))?);
    let all = [
        chains::sending::TESTS,
        chains::fetching::TESTS,
        chains::imap::TESTS,
        chains::incoming::TESTS,
        chains::introduction::TESTS,
        chains::round_trip::TESTS,
        chains::blocklist::TESTS,
        chains::fail2ban::TESTS,
        chains::failures::TESTS,
        chains::switching::TESTS,
        chains::thunderbird::TESTS,
        chains::unpacked::TESTS,
        chains::login::TESTS,
        chains::wrong_port::TESTS,
        chains::logformat::TESTS,
        chains::ends::TESTS,
    ];
    let trials = all.concat().into_iter().flat_map(|test| trials_of(test, &programs)).collect();
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

fn trials_of((name, needs, run): Test, programs: &Arc<Programs>) -> Vec<Trial> {
    let missing = missing(needs);
    let trial = |whose: As, how: &str| {
        let programs = Arc::clone(programs);
        let test = move || {
            let outcome = Chain::new(&programs, whose).and_then(|chain| run(&chain));
            outcome.map_err(|error| Failed::from(format!("{error:#}")))
        };
        Trial::test(format!("{name}/{how}{missing}"), test).with_ignored_flag(!missing.is_empty())
    };
    let mut trials = vec![trial(As::Ordinary, "as an ordinary user")];
    if is_root() {
        trials.push(trial(As::Root, "as root"));
    }
    trials
}
