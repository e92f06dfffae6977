//! What the log and blocklistd are told. People's filters match these lines.

use super::chain::Chain;
use proto::blocklist::Action;
use proto::escape::Escaped;
use proto::failures::About;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::login::report::{Event, verdict};
use proto::names::Variable;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use unix::blocklist::Reporter;
use unix::environment::Environment;
use unix::log::Reason;
use unix::login_program::Failed;
use unix::peer;
use unix::process::Argv;
use unix::summary::Timed;

/// Who is at the other end, and who wants to know.
pub(super) struct Report {
    pid: u32,
    address: Option<Vec<u8>>,
    blocklist: Option<Reporter>,
}

impl Report {
    /// To be made while descriptor 0 is the network's.
    pub(super) fn new(environment: &Environment) -> Self {
        let (ip, [_, port]) = (peer::address(environment), ports(environment));
        let blocklist = Reporter::new(socket_address(ip, port));
        Self { pid: std::process::id(), address: ip.map(<[u8]>::to_vec), blocklist }
    }

    /// The client's, where it is known.
    pub(super) fn address(&self) -> Option<&[u8]> {
        self.address.as_deref()
    }

    /// What is to be said of a session that begins now, when it is over. TLS counts that is
    /// on from the first octet.
    pub(super) fn summary(protocol: Protocol, environment: &Environment) -> Timed {
        let (ip, [remote, local]) = (peer::address(environment), ports(environment));
        let mut summary = Timed::begin(protocol, [ip, remote, local]);
        summary.negotiated(|name| environment.named(name.as_bytes()));
        summary
    }

    /// A login has ended so; where the summary has a line for that, it is written.
    pub(super) fn login_ended(&self, summary: &mut Option<Timed>, outcome: Outcome) {
        let line = summary.as_mut().and_then(|summary| summary.login_ends(Some(outcome)));
        if let Some(line) = line {
            self.line(format_args!("{line}"));
        }
    }

    /// One line.
    pub(super) fn line(&self, text: fmt::Arguments<'_>) {
        unix::log::line(format_args!("authup {} ", self.pid), text);
    }

    /// One line about a user's login.
    fn about(&self, user: &[u8], event: Event) {
        self.line(format_args!("{}", event.about(user, self.address())));
    }

    /// One line about the client, who has not said who it is.
    pub(super) fn line_about_client(&self, text: fmt::Arguments<'_>) {
        match &self.address {
            Some(address) => self.line(format_args!("{text} (from {})", Escaped(address))),
            None => self.line(text),
        }
    }

    /// A password is being checked; of a name that was changed, both forms are shown.
    pub(super) fn attempt(&self, child: u32, user: &[u8], given: &[u8]) {
        let line = Event::Attempt(child).about(user, self.address()).given_as(given);
        self.line(format_args!("{line}"));
    }

    /// The login is good, and the session goes on.
    pub(super) fn logged_in(&self, user: &[u8]) {
        self.about(user, Event::LoggedIn);
        self.tell_blocklist(Some(Action::Delete));
    }

    /// The user asked to be somebody else; no child was asked.
    pub(super) fn not_oneself(&self, user: &[u8], remaining: u32) {
        self.about(user, Event::SomebodyElse(remaining));
        self.tell_blocklist(Some(Action::Add));
    }

    /// No child was asked, as there have been too many failures of this.
    pub(super) fn too_many(&self, about: About, user: &[u8]) {
        self.about(user, Event::TooMany(about));
    }

    /// The file that refused logins are remembered in cannot be used, and logins go on.
    pub(super) fn not_remembered(&self, why: &str) {
        self.line(format_args!("failures not remembered: {why}"));
    }

    /// The chain was still root when the time for a login was over, and was killed.
    pub(super) fn hung(&self, child: u32, user: &[u8]) {
        self.about(user, Event::TimedOut(child));
    }

    /// The chain has ended.
    pub(super) fn ended(&self, chain: &Chain, outcome: Outcome, user: &[u8], remaining: u32) {
        if let Some(event) = Event::ended(chain.id(), outcome, remaining) {
            self.about(user, event);
        }
        self.tell_blocklist(verdict(outcome, chain.logged_in()));
    }

    /// A step of ours failed.
    pub(super) fn failed(&self, failed: &Failed, program: &Argv) {
        if let Some(text) = failed.text() {
            return self.line(format_args!("{text}"));
        }
        let (name, reason) = (program.name().display(), Reason(&failed.reason));
        match failed.reason.kind() {
            // Of the two steps, these stop the first.
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => {
                self.line(format_args!("unable to fork: {name}: {reason}"));
            }
            _ => self.line(format_args!("unable to exec: {name}: {reason}")),
        }
    }

    fn tell_blocklist(&self, action: Option<Action>) {
        if let (Some(blocklist), Some(action)) = (&self.blocklist, action) {
            blocklist.report(action);
        }
    }
}

/// The client's port, and the one that it came to.
fn ports(environment: &Environment) -> [Option<&[u8]>; 2] {
    let names = match peer::is_named_for_ipv6(environment) {
        true => [Variable::Tcp6RemotePort, Variable::Tcp6LocalPort],
        false => [Variable::TcpRemotePort, Variable::TcpLocalPort],
    };
    names.map(|name| environment.get(name))
}

/// The client's address with the port that it came to.
fn socket_address(ip: Option<&[u8]>, port: Option<&[u8]>) -> Option<SocketAddr> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(SocketAddr::new(text(ip?)?.parse().ok()?, text(port?)?.parse().ok()?))
}
