//! System calls that fail, one in each session: `strace` makes the Nth call of one name
//! fail with one error, for every call that a session makes.
//!
//! Which calls there are is learned from a session without a fault. Those of the dynamic
//! loader and of Rust's runtime before `main` are left out, and those that cannot fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;

use acceptance::chain::ROOT;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use test_support::log::Log;
use test_support::wait::for_end;

use crate::figures::{Kind, count};
use crate::session::{First, Outcome, Place, parser};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("calls_of_the_monitor_fail", &["strace"], |it| fail_each(it, Whose::Monitor)),
    ("calls_of_both_processes_fail", &["strace"], |it| fail_each(it, Whose::Both)),
    ("calls_of_the_jailed_parser_fail", &["strace", ROOT], |it| fail_each(it, Whose::Parser)),
    ("calls_of_fixsmtpio_fail", &["strace"], |it| fail_each(it, Whose::Fixsmtpio)),
];

/// Sessions at the same time.
const AT_ONCE: usize = 4;

/// Whose calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// authup's first process.
    Monitor,
    /// The same and the parser, which makes its way into its jail.
    Both,
    /// The parser, once it has greeted the client.
    Parser,
    Fixsmtpio,
}

impl Whose {
    const fn first(self) -> First {
        if matches!(self, Self::Fixsmtpio) { First::Fixsmtpio } else { First::Authup }
    }

    /// The first call of `main`, as strace shows it.
    const fn begins(self) -> &'static str {
        if matches!(self, Self::Fixsmtpio) { "chdir(" } else { "close_range(" }
    }
}

/// The Nth call of this name fails like this.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    call: String,
    error: &'static str,
    nth: usize,
}

impl Fault {
    /// Whether it may do when it is tried again.
    fn passes(&self) -> bool {
        match self.error {
            "EINTR" | "ENOBUFS" => true,
            "ENOMEM" => ["poll", "ppoll"].contains(&self.call.as_str()),
            _ => false,
        }
    }
}

/// The ways in which a call can fail. Not `close`, which does its work whatever it says,
/// nor `brk`, which says so by what it returns.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "read" | "recvfrom" | "recvmsg" => &["EINTR", "EIO"],
        "sendto" | "sendmsg" => &["EINTR", "EIO", "EPIPE", "ENOBUFS"],
        "write" => &["EINTR", "EIO", "EPIPE"],
        "poll" | "ppoll" => &["EINTR", "ENOMEM"],
        "wait4" | "waitid" => &["EINTR", "ECHILD"],
        "openat" => &["EINTR", "EMFILE", "EIO"],
        "pipe2" | "socketpair" | "pidfd_open" | "dup2" | "dup3" => &["EMFILE", "ENOMEM"],
        "fcntl" => &["EMFILE", "EPERM"],
        "clone" | "clone3" | "fork" | "vfork" => &["EAGAIN", "ENOMEM"],
        "mmap" | "mprotect" | "munmap" => &["ENOMEM"],
        "statx" | "fstat" | "newfstatat" => &["EIO"],
        "brk" | "close" | "execve" | "exit_group" | "getpid" | "gettid" | "geteuid" | "getuid"
        | "sigaltstack" | "rt_sigaction" | "rt_sigprocmask" | "set_robust_list"
        | "restart_syscall" => &[],
        _ => &["EPERM", "ENOMEM"],
    }
}

/// Steps into the jail without which there is none. Without chroot there is, as Landlock
/// forbids files then.
const JAIL: [&str; 5] =
    ["setgroups", "setresgid", "setresuid", "seccomp", "landlock_restrict_self"];

const NOT_JAILED: &str = "454 authup unable to fork (#4.3.0)\r\n";

fn fail_each(programs: &Programs, whose: Whose) -> Result<()> {
    let place = Place::new(programs)?;
    let (reference, trace) = traced(&place, whose, None)?;
    ensure!(reference.is_whole(whose.first()), "without a fault: {reference:?}");
    ensure!(whose.first() == First::Fixsmtpio || reference.seen_in_jail, "not looked at");
    let faults = faults(&trace, whose);
    let (next, hits) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match inject(&place, whose, fault, &reference) {
                        Ok(hit) => drop(hits.fetch_add(usize::from(hit), Ordering::Relaxed)),
                        Err(error) => wrong
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push(format!("{fault:?}: {error:#}")),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
    // How often a session polls and reads is not always the same: it depends on how much has
    // come by then.
    let hits = hits.into_inner();
    ensure!(hits * 2 >= faults.len(), "{hits} of {} were injected", faults.len());
    Ok(())
}

/// One session with the fault in it; whether the call was made at all.
fn inject(place: &Place<'_>, whose: Whose, fault: &Fault, reference: &Outcome) -> Result<bool> {
    let (outcome, trace) = match traced(place, whose, Some(fault)) {
        // Its root is the machine's then, of which Landlock shows it nothing.
        Err(error) if fault.call == "chroot" && error.to_string() == "the parser has files" => {
            return Ok(true);
        }
        played => played?,
    };
    let is_hit = trace.contains("(INJECTED)");
    let is_way = ["read", "sendto", "write", "ppoll", "poll"].contains(&fault.call.as_str());
    let verdict = outcome.verdict(whose.first(), is_way)?;
    if !is_hit {
        ensure!(verdict == Verdict::Completed, "refused without a fault: {outcome:?}");
        return Ok(false);
    }
    let is_jail = JAIL.contains(&fault.call.as_str());
    if fault.passes() {
        ensure!(outcome.replies == reference.replies, "not tried again: {outcome:?}");
    }
    if is_jail && whose == Whose::Both {
        ensure!(outcome.replies == [NOT_JAILED], "jailed all the same: {outcome:?}");
        ensure!(outcome.log.contains(" unable to jail parser: "), "unsaid: {outcome:?}");
    }
    let kind = match fault.error {
        "EINTR" => Kind::Interrupted,
        _ if is_jail => Kind::Unjailed,
        _ => Kind::Failing,
    };
    count(kind, verdict);
    Ok(true)
}

/// Every call of the trace, in every way in which it can fail.
fn faults(trace: &str, whose: Whose) -> Vec<Fault> {
    let (mut before_main, mut most) = (BTreeMap::new(), BTreeMap::new());
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut in_main = whose == Whose::Parser;
    for line in trace.lines() {
        // "PID call(...": the process id stands there where there are several.
        let (pid, rest) = match line.split_once(' ') {
            Some((pid, rest)) if pid.bytes().all(|octet| octet.is_ascii_digit()) => {
                (pid, rest.trim_start())
            }
            _ => ("", line),
        };
        let Some((call, _)) = rest.split_once('(') else { continue };
        if !call.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_') {
            continue;
        }
        in_main |= rest.starts_with(whose.begins());
        let made = made.entry((pid, call)).or_default();
        *made += 1;
        let most = if in_main { &mut most } else { &mut before_main }.entry(call).or_default();
        *most = (*made).max(*most);
    }
    let mut faults = Vec::new();
    for (call, last) in most {
        let skip = before_main.get(call).copied().unwrap_or_default();
        for nth in skip + 1..=last {
            let all = errors(call).iter();
            faults.extend(all.map(|&error| Fault { call: call.to_owned(), error, nth }));
        }
    }
    faults
}

/// A session of which these processes are traced, and the trace.
fn traced(place: &Place<'_>, whose: Whose, fault: Option<&Fault>) -> Result<(Outcome, String)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = place.chain.path("client").join(format!("{whose:?}-{number}.trace"));
    let words = strace(&file, whose, fault);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = whose.first();
    let outcome = if whose == Whose::Parser {
        let mut session = place.start(&[], first)?;
        ensure!(session.hear()? && session.look(first)?, "no greeting");
        let mut tracer = attach(&words, parser(session.pid()).context("no parser")?)?;
        let outcome = session.go_on(first)?;
        for_end(&mut tracer);
        outcome
    } else {
        place.play(&words, first)?
    };
    let trace = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    fs::remove_file(&file)?;
    Ok((outcome, trace))
}

fn strace(file: &Path, whose: Whose, fault: Option<&Fault>) -> Vec<String> {
    let file = file.display().to_string();
    let mut words = ["strace", "-o", &file, "-e", "signal=none"].map(str::to_owned).to_vec();
    if whose == Whose::Both {
        // What runs behind another program is not followed.
        words.extend(["-f", "-b", "execve"].map(str::to_owned));
    }
    if let Some(Fault { call, error, nth }) = fault {
        // The filter of a jailed process knows getpid, and not strace's usual -1.
        let inject = format!("inject={call}:error={error}:when={nth}:syscall=getpid");
        words.extend(["-e".into(), format!("trace={call},execve"), "-e".into(), inject]);
    }
    words
}

/// Traces a process that runs; returns once it is traced.
fn attach(words: &[&str], pid: u32) -> Result<Child> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["-p", &pid.to_string()]);
    let mut tracer = command.stderr(Stdio::piped()).spawn()?;
    Log::of(tracer.stderr.take().context("no log")?).wait_for(&[" attached"]);
    Ok(tracer)
}
