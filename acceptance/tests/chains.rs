//! The programs in the chains they are made for, with real servers and real clients.
//!
//! Each test runs twice where root runs the tests: as root that becomes an ordinary
//! user by logging in, and as an ordinary user from first to last. A test whose
//! programs are not installed is ignored, and says which is missing.

use std::path::Path;
use std::process::{ExitCode, Output};
use std::sync::Arc;

use acceptance::chain::{As, Chain, Server, is_root};
use acceptance::programs::Programs;
use acceptance::suite::missing;
use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use test_support::wait::in_file;

mod chains {
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

/// How TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Once it is asked for: ports 587, 143 and 110.
    Asked,
    /// With the first octet: ports 465, 993 and 995.
    AtOnce,
}

impl Tls {
    pub(crate) const WAYS: [Self; 2] = [Self::Asked, Self::AtOnce];

    /// tlsserver before a program that requires it.
    pub(crate) fn server(self, chain: &Chain<'_>, command: &[impl AsRef<str>]) -> Result<Server> {
        match self {
            Self::Asked => chain.tls_server("!", command),
            Self::AtOnce => chain.tlsserver(&[], "!", command),
        }
    }

    /// What swaks calls it.
    pub(crate) const fn swaks(self) -> &'static str {
        match self {
            Self::Asked => "--tls",
            Self::AtOnce => "--tls-on-connect",
        }
    }
}

pub(crate) const BOB_TO_EVE: [&str; 2] = ["bob@example.org", "eve@example.org"];
/// swaks' words for bob and his password, in whatever TLS.
pub(crate) const BOB: [&str; 6] = ["--auth", "PLAIN", "-au", "bob", "-ap", "pass word"];
/// The log's about him.
pub(crate) const BOB_IS_IN: &str = " login succeeded (bob from 127.0.0.1)";
/// What swaks calls a failed authentication.
pub(crate) const SWAKS_REFUSED: i32 = 28;
/// What msmtp and mpop do: `EX_NOPERM` of sysexits.h.
pub(crate) const REFUSED: i32 = 77;

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
fn for_swaks(message: &str) -> &[u8] {
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

/// Sends a message from one to another by swaks, with more words; what it said.
pub(crate) fn swaks_sends(
    chain: &Chain<'_>,
    server: &Server,
    subject: &str,
    [from, to]: [&str; 2],
    more: &[&str],
) -> Result<String> {
    let port = server.port.to_string();
    let words = [&swaks(&port)[..], more, &["--from", from, "--to", to, "--data", "-"]].concat();
    let said = chain.succeeds(&words, for_swaks(&message(subject)))?;
    Ok(String::from_utf8_lossy(&said).into_owned())
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

/// The only message in a mailbox, and whose it is.
pub(crate) fn only_message(chain: &Chain<'_>, maildir: &str) -> Result<(Vec<u8>, u32)> {
    let mut mailbox = chain.mailbox(maildir)?;
    ensure!(mailbox.len() == 1, "{} messages in the mailbox\n{}", mailbox.len(), chain.log());
    Ok(mailbox.remove(0))
}

/// Fails unless a client ended so.
pub(crate) fn ends_with(chain: &Chain<'_>, output: &Output, code: i32) -> Result<()> {
    let told = || chain.told(output);
    ensure!(output.status.code() == Some(code), "{}\n{}", output.status, told());
    Ok(())
}

/// What a Python program prints that has its server's `port`, and trusts it by `trust`.
pub(crate) fn by_python(
    chain: &Chain<'_>,
    port: u16,
    program: &str,
    input: &str,
) -> Result<String> {
    let program = format!(
        "import imaplib, os, poplib, smtplib, socket, ssl, sys\nport = {port}\n\
         trust = ssl.create_default_context(cafile={:?})\n{program}\n",
        chain.name("server.cert")
    );
    let said = chain.succeeds(&["python3", "-c", &program], input.as_bytes())?;
    Ok(String::from_utf8(said)?)
}

/// Waits until the servers' log holds `part`: a process may say it a little later than another
/// has told the client.
pub(crate) fn logs(chain: &Chain<'_>, part: &str) -> Result<()> {
    logs_times(chain, part, 1);
    Ok(())
}

/// The same of so many times.
pub(crate) fn logs_times(chain: &Chain<'_>, part: &str, count: usize) {
    in_file(
        &chain.path("server.log"),
        || format!("{part:?}, {count} times,"),
        |log| (log.matches(part).count() >= count).then_some(()),
    );
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
