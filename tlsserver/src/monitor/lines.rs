//! Which lines of a connection are written. Those about refused logins strangers cause, as
//! many as they can have tried, so they are bounded ([`proto::repeated`]), for each client's
//! network and for all.
//!
//! Where there is no room, a login's lines are kept until it has ended. If it was good they are
//! written, in their order, and all that follow; no good login is missing from the log. If not,
//! it is counted, and one line says how many there were. What the lines are is
//! [`super::report`]'s.

use proto::channel::ConnectionId;
use proto::login::outcome::Outcome;
use proto::login::turns::network;
use proto::repeated::{Repeated, Sums};
use std::fmt::Arguments;
use std::mem::take;
use std::net::IpAddr;
use std::time::Instant;

/// The lines of one connection.
pub(super) struct Lines {
    id: ConnectionId,
    client: IpAddr,
    way: Way,
    /// A login of its has been good, or has been counted.
    has_ended_one: bool,
}

/// What becomes of them.
enum Way {
    Written,
    /// They are kept: those about the connection, and those about the login that is tried.
    Kept(Vec<String>, Vec<String>),
}

impl Lines {
    /// None yet, and none are written unless there is room.
    pub(super) const fn new(id: ConnectionId, client: IpAddr, has_room: bool) -> Self {
        let way = if has_room { Way::Written } else { Way::Kept(Vec::new(), Vec::new()) };
        Self { id, client, way, has_ended_one: false }
    }

    pub(super) const fn client(&self) -> IpAddr {
        self.client
    }

    /// Says one about the connection, whichever login follows.
    pub(super) fn before_login(&mut self, text: Arguments<'_>) {
        match &mut self.way {
            Way::Written => write(self.id, text),
            Way::Kept(connection, _) => connection.push(text.to_string()),
        }
    }

    /// Says one about the login that is tried, or what was one.
    pub(super) fn log(&mut self, text: Arguments<'_>) {
        match &mut self.way {
            Way::Written => write(self.id, text),
            Way::Kept(_, login) => login.push(text.to_string()),
        }
    }

    /// A login is to be tried, and there is room for its lines or not.
    pub(super) fn login_begins(&mut self, has_room: bool) {
        match &self.way {
            _ if has_room => self.write_all(),
            Way::Written => self.way = Way::Kept(Vec::new(), Vec::new()),
            Way::Kept(..) => {}
        }
    }

    /// The login is good: nothing is kept, from here on.
    pub(super) fn login_succeeds(&mut self) {
        self.has_ended_one = true;
        self.write_all();
    }

    /// The login was not good; whether its lines were written.
    fn login_ends(&mut self) -> bool {
        self.has_ended_one = true;
        match &mut self.way {
            Way::Written => true,
            Way::Kept(_, login) => {
                login.clear();
                false
            }
        }
    }

    fn write_all(&mut self) {
        if let Way::Kept(connection, login) = &mut self.way {
            for text in take(connection).iter().chain(&take(login)) {
                write(self.id, format_args!("{text}"));
            }
            self.way = Way::Written;
        }
    }
}

fn write(id: ConnectionId, text: Arguments<'_>) {
    unix::log::line(format_args!("authup {id} "), text);
}

/// How a login ended that was not good. Log watchers count the one, and must not count the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Failed,
    NotChecked,
}

/// The logins of all clients that were not good.
pub(super) struct Bound(Repeated<Instant, (IpAddr, End), IpAddr>);

impl Bound {
    pub(super) fn new(now: Instant) -> Self {
        Self(Repeated::new(now))
    }

    /// Looks whether there is room for the lines of a client's login, however it ends.
    pub(super) fn look_for_room(&mut self, now: Instant, client: IpAddr) -> bool {
        let network = network(client);
        let mut ends = [End::Failed, End::NotChecked].into_iter();
        ends.all(|end| self.0.look_for_room(now, &(network, end)))
    }

    /// Counts a login that was not good.
    pub(super) fn login_ended(&mut self, lines: &mut Lines, outcome: Outcome) {
        let end = if outcome == Outcome::Refused { End::Failed } else { End::NotChecked };
        let alike = (network(lines.client), end);
        if lines.login_ends() {
            self.0.count_said(alike, lines.client);
        } else {
            self.0.count_unsaid(alike, lines.client);
        }
    }

    /// Counts a client that had begun to log in, and had no login tried.
    pub(super) fn connection_ended(&mut self, lines: &mut Lines) {
        if !lines.has_ended_one {
            self.login_ended(lines, Outcome::Temporary);
        }
    }

    /// When [`Self::settle`] has something to say.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        self.0.ends_at()
    }

    /// Says how many were kept and not written, once it is time.
    pub(super) fn settle(&mut self, now: Instant) {
        log(&self.0.sums(now));
    }

    /// The same at the end.
    pub(super) fn finish(&mut self) {
        log(&self.0.finish(Instant::now()));
    }
}

fn log(sums: &Sums<(IpAddr, End), IpAddr>) {
    let line = |text: Arguments<'_>| unix::log::line(format_args!("authup: "), text);
    for ((_, end), last, count) in &sums.by_key {
        match end {
            End::Failed => line(format_args!("{count} more logins failed (last from {last})")),
            End::NotChecked => {
                line(format_args!("{count} more logins not checked (last from {last})"));
            }
        }
    }
    if sums.others > 0 {
        let count = sums.others;
        line(format_args!("{count} more logins of other clients failed or not checked"));
    }
}
