//! Asks a mail program, run as a service would run it behind a login, what it can do:
//! an SMTP server for its EHLO, a POP3 server for its CAPA, an IMAP server for its CAPABILITY.
//!
//! Called by `init`, which writes the answer into control files, and by `check`, which
//! compares. It runs in a home folder with an empty Maildir, as somebody who may do nothing; what
//! it writes to its log is beside that folder, where it can change nothing.

use crate::deadline_lines::{Lines, MOST_LINES, Silence};
use crate::{maildir, temporary};
use proto::imap::capability;
use proto::login::protocol::Protocol;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use unix::deadline::Deadline;
use unix::identity::runs_as_root;
use unix::log::Reason;
use unix::process::has_ended;

/// What the session's variables say of a protocol.
const fn port(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Smtp => "25",
        Protocol::Pop3 => "110",
        Protocol::Imap => "143",
    }
}

/// How long it may take to answer a command, or to greet.
const PATIENCE: Duration = Duration::from_secs(20);
/// Whom it runs as, where this is root.
const NOBODY: (u32, u32) = (65534, 65534);

/// A mail program to be run.
#[derive(Debug)]
pub(crate) struct MailServer<'a> {
    /// Its words: the program and its arguments.
    pub(crate) words: Vec<&'a str>,
    /// Where programs are looked up.
    pub(crate) path: String,
    /// Variables besides `PATH`, and those of a user.
    pub(crate) variables: Vec<(&'a str, &'a str)>,
    /// What it speaks: POP3 and IMAP from behind their login.
    pub(crate) protocol: Protocol,
    /// It answers an SMTP client's login, be it by fixsmtpio before it; else it greets.
    pub(crate) is_behind_login: bool,
    /// A message is announced that is larger than the SIZE that it offers. What ends at that may
    /// leave a line in the system's log.
    pub(crate) exceeds_size: bool,
    /// Whom it becomes where this is root; else nobody.
    pub(crate) ids: Option<(u32, u32)>,
}

/// What a mail program offers.
#[derive(Debug)]
pub(crate) struct Offers {
    /// A line for each capability.
    pub(crate) capabilities: Vec<String>,
    /// It ends where a message is announced that is larger than its SIZE, and should refuse it:
    /// Postfix's `sendmail -bs` does, as any other user than root.
    pub(crate) ends_at_size: bool,
}

impl Offers {
    const fn of(capabilities: Vec<String>) -> Self {
        Self { capabilities, ends_at_size: false }
    }

    /// What clients can make use of.
    pub(crate) fn usable(mut self) -> Vec<String> {
        let ends_at_size = self.ends_at_size;
        self.capabilities.retain(|offer| !(ends_at_size && is_size(offer)));
        self.capabilities
    }
}

/// Whether it is SIZE (RFC 1870), with a number or without.
pub(crate) fn is_size(capability: &str) -> bool {
    word(capability).eq_ignore_ascii_case("SIZE")
}

/// The octets that a message may have; none for what is no SIZE, or says no limit.
pub(crate) fn limit(capability: &str) -> Option<u64> {
    let (_, number) = capability.split_once(' ').filter(|_| is_size(capability))?;
    number.trim().parse().ok().filter(|&number| number > 0)
}

/// Why nobody knows what a mail program offers, in words that go behind its name, or
/// behind "it".
#[derive(Debug)]
pub(crate) enum NoOffers {
    /// It serves nobody.
    DoesNotServe(String),
    /// It could not be tried, which is no fault of its own.
    Untried(String),
}

impl NoOffers {
    /// There is no place for what it writes.
    fn no_place(error: &io::Error) -> Self {
        let place = temporary::place();
        Self::Untried(format!("no folder to try it in: {}: {}", place.display(), Reason(error)))
    }

    /// There are too many processes.
    fn no_process(error: &io::Error) -> Self {
        Self::Untried(format!("no process to wait for its answers: {}", Reason(error)))
    }
}

impl fmt::Display for NoOffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoesNotServe(why) => write!(f, "does not serve: {why}"),
            Self::Untried(why) => write!(f, "cannot be tried: {why}"),
        }
    }
}

impl MailServer<'_> {
    /// What it offers; none where it does not know CAPA.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) fn offers(&self) -> Result<Option<Offers>, NoOffers> {
        let no_place = |error| NoOffers::no_place(&error);
        let folder = temporary::folder().map_err(no_place)?;
        let folder = folder.path();
        maildir::make(&folder.join(HOME), &[], self.becomes()).map_err(no_place)?;
        let mut running = self.start(folder)?;
        let offered = match self.protocol {
            Protocol::Smtp => running.smtp(self.is_behind_login, self.exceeds_size).map(Some),
            Protocol::Pop3 => running.pop3().map(|offers| offers.map(Offers::of)),
            Protocol::Imap => running.imap().map(Offers::of).map(Some),
        };
        offered.map_err(|why| {
            let why = running.explain(&why, folder);
            // It has no more room than there is here.
            has_room(folder).err().map_or(NoOffers::DoesNotServe(why), no_place)
        })
    }

    /// Another than this process, which only root can be.
    fn becomes(&self) -> Option<(u32, u32)> {
        runs_as_root().then(|| self.ids.unwrap_or(NOBODY))
    }

    /// Starts it in the home folder of this one, which is this process's own.
    fn start(&self, folder: &Path) -> Result<Running, NoOffers> {
        let does_not = |why: &str| NoOffers::DoesNotServe(why.to_owned());
        let name = self.words.first().copied().unwrap_or_default();
        let program = crate::programs::find(name, &self.path).ok_or("not a program, or not there");
        let program = program.map_err(does_not)?;
        let log = File::create_new(folder.join(LOG)).map_err(|error| NoOffers::no_place(&error))?;
        let no_process = |error| NoOffers::no_process(&error);
        let (output, its_output) = io::pipe().map_err(no_process)?;
        let lines = Lines::of(Some(output), PATIENCE).map_err(no_process)?;
        let home = folder.join(HOME);
        let mut command = Command::new(program);
        command
            .args(self.words.iter().skip(1))
            .env_clear()
            .envs([("PATH", self.path.as_str()), ("USER", "nobody"), ("SHELL", "/bin/sh")])
            .envs([("PROTO", "TCP"), ("TCPREMOTEIP", "127.0.0.1"), ("TCPREMOTEPORT", "65535")])
            .envs([("TCPLOCALIP", "127.0.0.1"), ("TCPLOCALPORT", port(self.protocol))])
            .env("HOME", &home)
            .envs(self.variables.iter().copied())
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(its_output)
            .stderr(log)
            .process_group(0);
        if self.protocol == Protocol::Imap {
            command.envs([("IMAPLOGINTAG", "login"), ("AUTHENTICATED", "nobody")]);
        }
        if let Some((uid, gid)) = self.becomes() {
            command.gid(gid).uid(uid);
        }
        // The command goes with this, and its end of the pipe.
        let child = command.spawn().map_err(|error| does_not(&Reason(&error).to_string()))?;
        Ok(Running { child: Some(child), lines })
    }
}

/// Whether a page can be written there; the system's reason why not.
fn has_room(folder: &Path) -> io::Result<()> {
    File::create(folder.join("page")).and_then(|mut file| file.write_all(&[0; 4096]))
}

/// What is wrong where it speaks what it should.
const TURNS_AWAY: &str = "it turns clients away";

/// Its home folder, in the folder that is made for it.
const HOME: &str = "home";
/// What it says on standard error, beside that.
const LOG: &str = "standard-error";

/// The program while it runs.
#[derive(Debug)]
struct Running {
    child: Option<Child>,
    lines: Lines,
}

impl Running {
    fn send_line(&mut self, line: &str) {
        // Whether it still reads shows in its answer.
        let input = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        let _ = input.map(|input| input.write_all(line.as_bytes()));
        self.lines.next_answer();
    }

    fn read_line(&mut self) -> Result<String, String> {
        self.lines.next().map_err(|silence| match silence {
            Silence::TooLate => format!("no answer within {} s", PATIENCE.as_secs()),
            Silence::TooLong => format!("an answer of more than {MOST_LINES} lines"),
            Silence::End => "it ends without an answer".to_owned(),
        })
    }

    /// A whole reply.
    fn reply(&mut self) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if is_last {
                return Ok(lines);
            }
        }
    }

    fn smtp(&mut self, is_behind_login: bool, exceeds_size: bool) -> Result<Offers, String> {
        let greeting = self.reply()?.pop().unwrap_or_default();
        if !greeting.starts_with('2') {
            let is_smtp = greeting.starts_with(['4', '5']);
            let does = if is_smtp { TURNS_AWAY } else { "it speaks no SMTP" };
            return Err(format!("{does}: {greeting}"));
        }
        if is_behind_login && !greeting.starts_with("235") {
            return Err(format!(
                "it answers AUTH with its greeting, which no client takes for a login: put \
                 fixsmtpio before it, with a rule for the greeting: {greeting}"
            ));
        }
        self.send_line("EHLO [127.0.0.1]\r\n");
        let reply = self.reply()?;
        let is_esmtp = reply.first().is_some_and(|line| line.starts_with('2'));
        let lines = reply.into_iter().skip(1).filter(|_| is_esmtp);
        let capabilities: Vec<_> =
            lines.filter_map(|line| line.get(4..).map(str::to_owned)).collect();
        let limit = capabilities.iter().find_map(|offer| limit(offer)).filter(|_| exceeds_size);
        let ends_at_size = limit.is_some_and(|limit| self.ends_above(limit));
        self.send_line("QUIT\r\n");
        // It may say goodbye, or not.
        let _ = self.reply();
        Ok(Offers { capabilities, ends_at_size })
    }

    /// Whether it ends at a message of an octet more than it takes. Before one that does,
    /// fixsmtpio still has a temporary error for the client.
    fn ends_above(&mut self, limit: u64) -> bool {
        self.send_line(&format!("MAIL FROM:<> SIZE={}\r\n", limit.saturating_add(1)));
        let mut answer = self.lines.next();
        if matches!(&answer, Ok(line) if line.starts_with('4')) {
            self.send_line("RSET\r\n");
            answer = self.lines.next();
        }
        matches!(answer, Err(Silence::End))
    }

    fn pop3(&mut self) -> Result<Option<Vec<String>>, String> {
        // Asked before it has said anything: the greeting of one that has none would be
        // waited for in vain.
        self.send_line("CAPA\r\nQUIT\r\n");
        let greeting = self.read_line()?;
        if !greeting.starts_with("+OK") {
            let does = if greeting.starts_with("-ERR") { TURNS_AWAY } else { "it speaks no POP3" };
            return Err(format!("{does}: {greeting}"));
        }
        let answer = self.read_line()?;
        if answer.starts_with("-ERR") {
            return Ok(None);
        }
        if !answer.starts_with("+OK") {
            return Err("it says nothing at its start, so that nobody answers PASS: put \
                        sh -c 'printf \"+OK\\r\\n\"; exec PROGRAM' around it"
                .to_owned());
        }
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            if line == "." {
                return Ok(Some(lines));
            }
            lines.push(line);
        }
    }

    /// It answers the login that it is told of, and commands that came with it.
    fn imap(&mut self) -> Result<Vec<String>, String> {
        self.send_line("a CAPABILITY\r\nb SELECT INBOX\r\nc LOGOUT\r\n");
        // Untagged lines may come first; a greeting is one of them.
        let answer = self.imap_answer()?;
        if answer.starts_with("* PREAUTH") {
            return Err("it can only greet, so that nobody answers LOGIN: put fiximapio before it"
                .to_owned());
        }
        if answer.starts_with("a ") {
            return Err(
                "it does not answer the LOGIN that it is told of, and wants one itself".to_owned()
            );
        }
        if !answer.starts_with("login OK") {
            let is_imap = answer.starts_with("login ") || answer.starts_with("* ");
            let does = if is_imap { TURNS_AWAY } else { "it speaks no IMAP" };
            return Err(format!("{does}: {answer}"));
        }
        let mut offers = Vec::new();
        for command in ["a", "b"] {
            loop {
                let line = self.read_line()?;
                if let Some(list) = line.strip_prefix("* CAPABILITY ") {
                    offers = list.split_whitespace().map(str::to_owned).collect();
                }
                let is_ok = line.strip_prefix(command).is_some_and(|rest| rest.starts_with(" OK"));
                if is_ok {
                    break;
                }
                if !line.starts_with("* ") || line.starts_with("* BYE") {
                    let what = if command == "a" { "say what it can do" } else { "open INBOX" };
                    return Err(format!("it does not {what}: {line}"));
                }
            }
        }
        Ok(offers)
    }

    /// The first line that is an answer, or ends a session.
    fn imap_answer(&mut self) -> Result<String, String> {
        loop {
            let line = self.read_line()?;
            let decides = ["* PREAUTH", "* BYE"].iter().any(|start| line.starts_with(start));
            if decides || !line.starts_with("* ") {
                return Ok(line);
            }
        }
    }

    /// With what the program itself said last.
    fn explain(&mut self, why: &str, folder: &Path) -> String {
        self.end();
        let said = std::fs::read(folder.join(LOG)).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{why}: {}", proto::escape::Escaped(line.as_bytes())),
            None => why.to_owned(),
        }
    }

    /// Once: later the number may be another process's.
    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        let _ = has_ended(child.id(), Deadline::after_seconds(2));
        // Not waited for yet: the number is still its, and its group's.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether two capabilities are the same one, be it with other values. IMAP's are words
/// without a value: THREAD=REFS is another one than THREAD=REFERENCES.
pub(crate) fn is_same(protocol: Protocol, one: &str, other: &str) -> bool {
    let part = |whole| if protocol == Protocol::Imap { whole } else { word(whole) };
    part(one).eq_ignore_ascii_case(part(other))
}

/// The word that a capability begins with.
pub(crate) fn word(capability: &str) -> &str {
    capability.split([' ', '=']).next().unwrap_or_default()
}

/// What authup lists may be used by clients that never ask the server itself, so it is
/// what the dialog, fixsmtpio and a server can all do. STARTTLS and AUTH are authup's;
/// XCLIENT and XFORWARD are not for clients; PRDR has replies that nothing here counts.
const SMTP: [&str; 11] = [
    "PIPELINING",
    "SIZE",
    "8BITMIME",
    "CHUNKING",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "DELIVERBY",
    "FUTURERELEASE",
    "MT-PRIORITY",
    "NO-SOLICITING",
];
const POP3: [&str; 5] = ["TOP", "UIDL", "PIPELINING", "EXPIRE", "LOGIN-DELAY"];
/// It would have the user's process be another's (RFC 8437).
const UNAUTHENTICATE: &[u8] = b"UNAUTHENTICATE";
/// Authup's own, whatever the server behind says of them.
pub(crate) const POP3_OWN: [&str; 2] = ["RESP-CODES", "AUTH-RESP-CODE"];

/// Whether authup may list what the server behind it offers.
pub(crate) fn may_be_listed(protocol: Protocol, capability: &str) -> bool {
    let known: &[&str] = match protocol {
        Protocol::Smtp => &SMTP,
        Protocol::Pop3 => &POP3,
        Protocol::Imap => {
            let word = capability.as_bytes();
            return capability::check(word).is_ok()
                && !capability::is_own(word)
                && !word.eq_ignore_ascii_case(UNAUTHENTICATE);
        }
    };
    known.iter().any(|known| known.eq_ignore_ascii_case(word(capability)))
}
