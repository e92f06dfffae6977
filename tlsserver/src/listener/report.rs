//! What the listener logs: each line, whether it is status or an error, and nothing else.
//! When there is one, the other rooms know; `docs/logging.md` lists the same for people.
//!
//! WHY of a line is its room's to say, but for a client that is turned away and for a
//! connection that cannot go on: many rooms have one of those, so they are here.

use proto::escape::Escaped;
use proto::names::Variable;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::dialog::NoDialog;
use crate::child::How;
use crate::engine::Cut;
use crate::log::{Log, Verbosity};

/// Something that the log says; of the other processes, [`WorkerEvent`].
pub(super) enum Event<'a> {
    /// Connections, and the most that there may be.
    Status(usize, usize),
    ProgramStarted(u32, IpAddr),
    ProgramEnded(u32, How),
    NoLogin(IpAddr),
    /// With the monitor that had begun with it; its number.
    LoginLost(u64),
    Evicted(IpAddr),
    Reloaded,
    /// In place of every address.
    NoIpv6(SocketAddr),

    /// An option without effect.
    Ignored(char),
    /// A variable without effect, and why.
    VariableIgnored(Variable, &'static str),
    /// The name of one that has an effect with `--login` only.
    WithoutLogin(&'static str),
    BannerIgnored,
    NoCertificate,
    /// Root may not leave the file system.
    NoEmptyRoot,
    /// While the rules are so.
    NobodyMayConnect(&'a Denial),

    Denied(IpAddr, &'a Denial),
    /// Something went wrong with a connection; its number, once it has one for the log.
    Failed(Option<u64>, IpAddr, &'a dyn Display),
    /// A line that was not said so many times more.
    Repeated(&'a str, u64),
    /// So many that were not, and were all different.
    RepeatedByOthers(u64),
    NotAccepted(&'a io::Error),
    /// As many connections as there may be, and clients that wait.
    LimitReached(usize),
    FailuresNotRemembered(&'a str),

    /// What could not be read again, and why.
    KeepsPrevious(&'a dyn Display),
    NotRead(&'a dyn Display),
    /// Of a certificate that is used all the same.
    NotValid(&'a str),
    KeyholderWarns(&'a str),
}

impl Event<'_> {
    /// Logs it, if as much is to be said.
    pub(super) fn log(&self, log: Log) {
        log.write(self.level(), self);
    }

    const fn level(&self) -> Verbosity {
        match self {
            Self::Status(..)
            | Self::ProgramStarted(..)
            | Self::ProgramEnded(..)
            | Self::NoLogin(_)
            | Self::LoginLost(_)
            | Self::Evicted(_)
            | Self::Reloaded
            | Self::NoIpv6(_) => Verbosity::Status,
            Self::Ignored(_)
            | Self::VariableIgnored(..)
            | Self::WithoutLogin(_)
            | Self::BannerIgnored
            | Self::NoCertificate
            | Self::NoEmptyRoot
            | Self::NobodyMayConnect(_)
            | Self::Denied(..)
            | Self::Failed(..)
            | Self::Repeated(..)
            | Self::RepeatedByOthers(_)
            | Self::NotAccepted(_)
            | Self::LimitReached(_)
            | Self::FailuresNotRemembered(_)
            | Self::KeepsPrevious(_)
            | Self::NotRead(_)
            | Self::NotValid(_)
            | Self::KeyholderWarns(_) => Verbosity::Errors,
        }
    }
}

impl Display for Event<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(count, limit) => write!(f, "status: {count}/{limit}"),
            Self::ProgramStarted(pid, peer) => write!(f, "pid {pid} from {peer}"),
            Self::ProgramEnded(pid, how) => match how.number() {
                0 => write!(f, "end {pid} status 0"),
                number => write!(f, "end {pid} status {number}: {how}"),
            },
            Self::NoLogin(peer) => write!(f, "no login from {peer}"),
            Self::LoginLost(id) => write!(f, "end {id} status unknown: its monitor died"),
            Self::Evicted(peer) => {
                write!(f, "evicted {peer}: not logged in, connection limit reached")
            }
            Self::Reloaded => f.write_str("certificates reloaded"),
            Self::NoIpv6(address) => {
                write!(f, "no IPv6 on this machine: listening on {address}")
            }
            Self::VariableIgnored(variable, why) => write!(f, "{}: {why}", variable.name()),
            Self::Ignored(letter) => write!(f, "-{letter}: {}", why_ignored(*letter)),
            Self::WithoutLogin(name) => write!(f, "--{name}: no effect without --login"),
            Self::BannerIgnored => f.write_str("-B: --login has its own greeting"),
            Self::NoCertificate => f.write_str("DISABLETLS: no certificate, TLS is not available"),
            Self::NoEmptyRoot => {
                f.write_str("incomplete jail: the capability sys_chroot is missing")
            }
            Self::NobodyMayConnect(why) => write!(f, "{why}; nobody may connect"),
            Self::Denied(peer, why) => write!(f, "deny from {peer}: {why}"),
            Self::Failed(None, peer, why) => write!(f, "tls from {peer}: {why}"),
            Self::Failed(Some(number), peer, why) => write!(f, "tls {number} from {peer}: {why}"),
            Self::Repeated(line, count) => write!(f, "{line} ({count} more)"),
            Self::RepeatedByOthers(count) => write!(f, "{count} more lines about other clients"),
            Self::NotAccepted(reason) => write!(f, "unable to accept: {reason}"),
            Self::LimitReached(limit) => {
                write!(f, "limit of {limit} connections (-c) reached, others wait")
            }
            Self::FailuresNotRemembered(why) => write!(f, "failures not remembered: {why}"),
            Self::KeepsPrevious(why) => write!(f, "{why}; keeping the previous ones"),
            Self::NotRead(why) => why.fmt(f),
            Self::NotValid(line) | Self::KeyholderWarns(line) => f.write_str(line),
        }
    }
}

/// What the log says of the other processes: always that something went wrong.
pub(super) enum WorkerEvent<'a> {
    /// In its own words, as [`Self::KeyholderSays`].
    EngineSays(u32, &'a str),
    EngineDied(u32, How),
    EngineStuck(u32),
    EngineHoldsMore(u32),
    EngineExceedsLogBudget(u32),
    EngineCannotSign(u32),
    NoEngine(&'a io::Error),

    KeyholderSays(u32, &'a str),
    KeyholderDied(u32, How),
    KeyholderStuck(u32),

    MonitorSays(&'a str),
    MonitorDied(u32, How),
    MonitorStuck(u32),
    NoMonitor(&'a io::Error),
}

impl WorkerEvent<'_> {
    /// Logs it, if as much is to be said.
    pub(super) fn log(&self, log: Log) {
        log.error(self);
    }
}

impl Display for WorkerEvent<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineSays(pid, what) => {
                write!(f, "engine {pid}: {}", Escaped(what.as_bytes()))
            }
            Self::EngineDied(pid, how) => write!(f, "engine {pid} died: {how}; starting another"),
            Self::EngineStuck(pid) => write!(f, "engine {pid} is stuck"),
            Self::EngineHoldsMore(pid) => {
                write!(f, "engine {pid} has more connections than it reported")
            }
            Self::EngineExceedsLogBudget(pid) => write!(f, "engine {pid} exceeded its log budget"),
            Self::EngineCannotSign(pid) => {
                write!(f, "engine {pid} cannot have handshakes signed; starting another")
            }
            Self::NoEngine(reason) => write!(f, "unable to start an engine: {reason}"),
            Self::KeyholderSays(pid, what) => {
                write!(f, "keyholder {pid}: {}", Escaped(what.as_bytes()))
            }
            Self::KeyholderDied(pid, how) => {
                write!(f, "keyholder {pid} died: {how}; starting another")
            }
            Self::KeyholderStuck(pid) => write!(f, "keyholder {pid} is stuck"),
            Self::MonitorDied(pid, how) => write!(f, "monitor {pid} died: {how}; starting another"),
            Self::MonitorStuck(pid) => write!(f, "monitor {pid} is stuck"),
            Self::MonitorSays(line) => f.write_str(line),
            Self::NoMonitor(reason) => write!(f, "unable to start a monitor: {reason}"),
        }
    }
}

const fn why_ignored(letter: char) -> &'static str {
    match letter {
        '3' => "keys with a password are not supported",
        's' => "client certificates are not requested",
        'V' => "protocol and cipher are not logged",
        'w' => "the program sets session timeouts",
        _ => "names and users of peers are not looked up",
    }
}

/// Why a client is turned away.
pub(super) enum Denial {
    ByRules,
    /// The rules cannot be read.
    NoRules(PathBuf, io::Error),
    /// What they say for a limit is none.
    NoLimit(Vec<u8>),
    TooManyFailures,
    TooManyConnections,
    /// What it is to be told cannot be read.
    NoDialog(NoDialog),
    NotABalancer,
    Header(&'static str),
    /// There was no place for it up to then.
    ServerEnds,
}

impl Display for Denial {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByRules => f.write_str("rejected by rules.cdb"),
            Self::NoRules(file, reason) => write!(f, "rules: {}: {reason}", file.display()),
            Self::NoLimit(said) => {
                write!(f, "rules: MAXCONNIP: not a number: {}", String::from_utf8_lossy(said))
            }
            Self::TooManyFailures => f.write_str("too many failures"),
            Self::TooManyConnections => f.write_str("too many connections from this address"),
            Self::NoDialog(why) => why.fmt(f),
            Self::NotABalancer => f.write_str("PROXY: address not in --proxy-protocol"),
            Self::Header(why) => write!(f, "PROXY: {why}"),
            Self::ServerEnds => Cut::ServerEnds.fmt(f),
        }
    }
}

/// Why a connection cannot go on, as far as it is the listener's to know.
pub(super) enum Fault {
    CannotRun(PathBuf, io::Error),
    /// Its engine was not told.
    Engine(io::Error),
    EngineDied,
    /// Its client would log in.
    NoMonitor,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotRun(program, reason) => {
                write!(f, "unable to exec: {}: {reason}", program.display())
            }
            Self::Engine(reason) => write!(f, "engine: {reason}"),
            Self::EngineDied => f.write_str("its engine died"),
            Self::NoMonitor => f.write_str("there is no monitor"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_jailed_process_says_forges_no_line_and_is_no_longer_than_a_name() {
        let says = format!("x\ntlsserver: \u{9b}2J \\{}", "x".repeat(1000));
        for event in [WorkerEvent::EngineSays(7, &says), WorkerEvent::KeyholderSays(7, &says)] {
            let line = event.to_string();
            assert!(line.contains(": x\\x0atlsserver: \\xc2\\x9b2J \\x5cx"), "{line}");
            assert!(line.len() < 600 && line.ends_with("..."), "{line}");
        }
    }
}
