//! One session with one message in it, from its first process to its last: what the
//! client was told, what the log has, what was stored.
//!
//! The programs are the built ones; the server is `lax-server`, which stores a message
//! before it says so, and the login program is a shell's comparison: what either does
//! is not the matter here, and they are over in no time.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::chain::{As, Chain, is_root};
use acceptance::connected::Connected;
use acceptance::processes::Process;
use acceptance::programs::Programs;
use anyhow::{Context, Result, ensure};
use test_support::process::{children, status};
use test_support::service::AS_NOBODY;
use test_support::talking::{self, pair};

/// "bob", "pass word" as any client sends it.
const AUTH: &str = "AUTH PLAIN AGJvYgBwYXNzIHdvcmQ=";
const MESSAGE: &str = "Subject: one\r\n\r\nbody\r\n.";

/// Refuses but bob with his password, and becomes nobody where it is root.
const CHECK: &str = r#"[ "$(tr '\0' ' ' <&3)" = "bob pass word  " ] || exit 1; exec 3<&-; exec "#;

/// What a session begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// A login, then fixsmtpio and the server.
    Authup,
    /// fixsmtpio and the server.
    Fixsmtpio,
}

impl First {
    /// What the client says after the greeting.
    pub(crate) fn lines(self) -> Vec<&'static str> {
        let login: &[_] = if self == Self::Authup { &["EHLO client", AUTH] } else { &[] };
        let mail = ["EHLO client", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", MESSAGE, "QUIT"];
        [login, &mail].concat()
    }
}

/// Where sessions are started.
pub(crate) struct Place<'a> {
    pub(crate) chain: Chain<'a>,
    /// Whether whoever logs in becomes somebody else by that.
    becomes_nobody: bool,
    number: AtomicU32,
}

impl<'a> Place<'a> {
    /// As the programs are run: by root where root runs the tests.
    pub(crate) fn new(programs: &'a Programs) -> Result<Self> {
        Self::of(programs, is_root())
    }

    /// For sessions that are an ordinary user's from the start; `wrap` becomes that user.
    pub(crate) fn ordinary(programs: &'a Programs) -> Result<Self> {
        Self::of(programs, false)
    }

    fn of(programs: &'a Programs, becomes_nobody: bool) -> Result<Self> {
        let chain = Chain::new(programs, if is_root() { As::Root } else { As::Ordinary })?;
        fs::set_permissions(chain.path("spool"), Permissions::from_mode(0o777))?;
        Ok(Self { chain, becomes_nobody, number: AtomicU32::new(0) })
    }

    /// A new folder that everybody may write to.
    fn folder(&self) -> Result<PathBuf> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let folder = self.chain.path("spool").join(format!("session-{number}"));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    /// The words that run it before this server.
    fn words(&self, first: First, server: &[&str]) -> Vec<String> {
        let home = format!("QMAILHOME={}", self.chain.name("home"));
        let nobody = if self.becomes_nobody { AS_NOBODY.join(" ") } else { String::new() };
        let check = format!("{CHECK}{nobody} \"$0\" \"$@\"");
        let login = ["authup", "smtp", "sh", "-c", &check, "checknotroot", "env", &home];
        let login = if first == First::Authup { &login[..] } else { &[] };
        [login, &["fixsmtpio"], server].concat().iter().map(ToString::to_string).collect()
    }

    /// Starts a session whose first words are `wrap`, which becomes the rest or runs it.
    pub(crate) fn start(&self, wrap: &[&str], first: First) -> Result<Session> {
        let stored = self.folder()?;
        let folder = stored.to_string_lossy().into_owned();
        let words = self.words(first, &["lax-server", &folder]);
        self.run(wrap.iter().copied().chain(words.iter().map(String::as_str)), stored)
    }

    /// The same before another server.
    pub(crate) fn start_before(&self, first: First, server: &[&str]) -> Result<Session> {
        let words = self.words(first, server);
        self.run(words.iter().map(String::as_str), self.folder()?)
    }

    /// The same with words of one's own.
    pub(crate) fn start_words(&self, words: &[&str]) -> Result<Session> {
        self.run(words.iter().copied(), self.folder()?)
    }

    fn run<'w>(
        &self,
        mut words: impl Iterator<Item = &'w str>,
        stored: PathBuf,
    ) -> Result<Session> {
        let mut command = self.chain.command(words.next().context("nothing to run")?);
        command.args(words);
        Session::of(command, stored)
    }

    /// A whole session.
    pub(crate) fn play(&self, wrap: &[&str], first: First) -> Result<Outcome> {
        self.start(wrap, first)?.play(first)
    }
}

/// A running session.
pub(crate) struct Session {
    program: Connected,
    client: UnixStream,
    stored: PathBuf,
    replies: Vec<String>,
    seen_in_jail: bool,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// All that the client was told; the last may be cut off.
    pub(crate) replies: Vec<String>,
    /// All that was written on standard error.
    pub(crate) log: String,
    pub(crate) status: ExitStatus,
    /// Messages that the server has stored.
    pub(crate) stored: usize,
    /// The parser was looked at, and was in its jail.
    pub(crate) seen_in_jail: bool,
}

impl Session {
    fn of(mut command: Command, stored: PathBuf) -> Result<Self> {
        let log = stored.with_extension("log");
        let (client, theirs) = pair();
        let program = Connected::start(&mut command, theirs.into(), log)?;
        Ok(Self { program, client, stored, replies: Vec::new(), seen_in_jail: false })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The whole of it.
    pub(crate) fn play(mut self, first: First) -> Result<Outcome> {
        if self.hear()? && self.look(first)? { self.go_on(first) } else { self.over() }
    }

    /// All that follows the greeting.
    pub(crate) fn go_on(mut self, first: First) -> Result<Outcome> {
        for line in first.lines() {
            if !self.ask(line)? {
                break;
            }
        }
        self.over()
    }

    /// A parser that speaks is in its jail. Always goes on.
    pub(crate) fn look(&mut self, first: First) -> Result<bool> {
        if first == First::Authup {
            self.seen_in_jail = parser_is_jailed(self.pid())?;
        }
        Ok(true)
    }

    /// Says a line and hears the reply; whether it was a good one.
    pub(crate) fn ask(&mut self, line: &str) -> Result<bool> {
        self.say(line);
        self.hear()
    }

    /// Says a line; what comes back, or does not, tells whether anybody is there.
    pub(crate) fn say(&mut self, line: &str) {
        let _gone = self.client.write_all(format!("{line}\r\n").as_bytes());
    }

    /// Takes a reply; whether it was a good one.
    pub(crate) fn hear(&mut self) -> Result<bool> {
        let reply = talking::reply(&mut self.client)
            .with_context(|| format!("hung after {:?}", self.replies))?;
        let is_good = reply.ends_with("\r\n") && reply.starts_with(['2', '3']);
        if !reply.is_empty() {
            self.replies.push(reply);
        }
        Ok(is_good)
    }

    pub(crate) fn last_reply(&self) -> &str {
        self.replies.last().map_or("", String::as_str)
    }

    /// The client says no more, and reads to the end; nobody may be left.
    pub(crate) fn over(mut self) -> Result<Outcome> {
        let _gone = self.client.shutdown(Shutdown::Write);
        let rest = talking::rest(&mut self.client);
        let rest = rest.with_context(|| format!("hung at the end: {:?}", self.replies))?;
        if !rest.is_empty() {
            self.replies.push(String::from_utf8_lossy(&rest).into_owned());
        }
        let (status, log) = self.program.ends()?;
        let stored = fs::read_dir(&self.stored)?.count();
        Ok(Outcome { replies: self.replies, log, status, stored, seen_in_jail: self.seen_in_jail })
    }
}

/// authup's monitor: the session's first process, or a child of what runs it.
pub(crate) fn monitor(first: u32) -> Option<u32> {
    let is_authup = |pid: &u32| Process::look(*pid).is_some_and(|one| one.name == "authup");
    [vec![first], children(first)].concat().into_iter().find(is_authup)
}

/// authup's parser, before there is a login: the monitor's only child, whatever its name.
pub(crate) fn parser(first: u32) -> Option<u32> {
    children(monitor(first)?).first().copied()
}

/// `false` where there is no parser any more; an error for one that is there and is not
/// in its jail.
fn parser_is_jailed(first: u32) -> Result<bool> {
    let Some(monitor) = monitor(first) else { return Ok(false) };
    let Some(parser) = parser(first) else { return Ok(false) };
    let root = ["0"; 4].join("\t");
    let mut wanted = vec![("NoNewPrivs", "1".to_owned()), ("Seccomp", "2".to_owned())];
    let was_root = status(monitor, "Uid") == Some(root);
    if was_root {
        let nobody = ["65534"; 4].join("\t");
        wanted.extend([("Uid", nobody.clone()), ("Gid", nobody), ("Groups", String::new())]);
        wanted.push(("CapEff", "0".repeat(16)));
    }
    let found: Vec<_> = wanted.iter().map(|(name, _)| status(parser, name)).collect();
    let log = |pid: u32| fs::read_link(format!("/proc/{pid}/fd/2")).ok();
    let logs = [log(parser), log(monitor)];
    let files = fs::read_dir(format!("/proc/{parser}/root/")).map(Iterator::count);
    // One that ended meanwhile shows nothing of itself, nor does one that is about to: it
    // lets go of its root before its state says so.
    let is_rootless = files.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if is_rootless || status(parser, "State").is_none_or(|state| state.starts_with(['Z', 'X'])) {
        return Ok(false);
    }
    for ((name, value), found) in wanted.iter().zip(found) {
        ensure!(found.as_ref() == Some(value), "the parser's {name} is {found:?}, not {value}");
    }
    ensure!(!is_root() || logs[0] != logs[1], "the parser has the log");
    ensure!(!was_root || files.is_ok_and(|count| count == 0), "the parser has files");
    Ok(true)
}
