//! What the log and blocklistd are told, in authup's words: whoever reads its log finds
//! here the connection's number where authup has its process's.

use proto::blocklist::Action;
use proto::channel::ConnectionId;
use proto::channel::session::Said;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::login::report::Event;
use std::path::Path;
use unix::control::Unreadable;
use unix::log::Reason;
use unix::login_program::Failed;

use super::lines::Lines;
use super::sessions::{Completed, Session};
use crate::log::Log;

/// A client begins to log in.
pub(super) fn begins(log: Log, id: ConnectionId, lines: &mut Lines, protocol: Protocol) {
    log.status(format_args!("pid {id} from {}", lines.client()));
    lines.before_login(format_args!("protocol {}", protocol.name()));
}

/// Nothing of its connection is left; the exit code is as authup would have it.
pub(super) fn ends(log: Log, id: ConnectionId, code: u8) {
    match code {
        0 => log.status(format_args!("end {id} status 0")),
        code => {
            let (status, how) = (i32::from(code) << 8, format_args!("exit {code}"));
            log.status(format_args!("end {id} status {status}: {how}"));
        }
    }
}

/// The same of a connection whose login an earlier monitor had tried.
pub(super) fn ends_unknown(log: Log, id: ConnectionId) {
    log.status(format_args!("end {id} status unknown: its monitor died"));
}

/// So many had not ended by themselves when they had to.
pub(super) fn sessions_ended(log: Log, count: usize) {
    if count > 0 {
        log.error(format_args!("sessions ended after SIGTERM: {count}"));
    }
}

/// So many engines go on with their sessions, although they were told to end.
pub(super) fn engines_not_ended(log: Log, count: usize) {
    if count > 0 {
        log.error(format_args!("engines not ended after SIGTERM: {count}"));
    }
}

/// An engine has said what no honest one says.
pub(super) fn spoke_out_of_turn(log: Log) {
    log.error("an engine spoke out of turn");
}

/// A memory of refused logins cannot be used.
pub(super) fn not_remembered(log: Log, why: &str) {
    log.error(format_args!("failures not remembered: {why}"));
}

/// The same, found of this login.
pub(super) fn login_not_remembered(id: ConnectionId, why: &str) {
    unix::log::line(format_args!("authup {id} "), format_args!("failures not remembered: {why}"));
}

/// Control files could not be read again.
pub(super) fn keeps_previous(log: Log, why: &Unreadable) {
    log.error(format_args!("{why}; keeping the previous ones"));
}

/// TLS is on, which the client asked for.
pub(super) fn negotiated(lines: &mut Lines) {
    lines.before_login(format_args!("negotiated TLS"));
}

/// One line about a user's login.
pub(super) fn about(lines: &mut Lines, user: &[u8], event: Event) {
    let address = lines.client().to_string();
    lines.log(format_args!("{}", event.about(user, Some(address.as_bytes()))));
}

/// A password is being checked, by this process.
pub(super) fn attempt(session: &mut Session, user: &[u8], child: u32) {
    let Session { lines, given, .. } = session;
    let address = lines.client().to_string();
    let said = Event::Attempt(child).about(user, Some(address.as_bytes()));
    lines.log(format_args!("{}", said.given_as(given)));
}

/// A session's program has ended, which has said so much.
pub(super) fn completed(lines: &mut Lines, completed: &Completed, said: Said) {
    let Completed { pid, user, code } = completed;
    let event = match said {
        Said::Something => Event::ended(*pid, Outcome::Completed(*code), 0),
        Said::Nothing => Some(Event::Silent(*pid, *code)),
    };
    if let Some(event) = event {
        about(lines, user, event);
    }
}

/// A login has ended so, or nobody waits for it any more; where lines that say all are
/// asked for, this is its.
pub(super) fn login_ended(session: &mut Session, outcome: Option<Outcome>) {
    let summary = session.summary.as_mut();
    if let Some(text) = summary.and_then(|summary| summary.login_ends(outcome)) {
        session.lines.log(format_args!("{text}"));
    }
}

/// The same of the session.
pub(super) fn session_ended(session: &mut Session) {
    login_ended(session, None);
    if let Some(summary) = &session.summary {
        session.lines.log(format_args!("{}", summary.session_ends(session.code)));
    }
}

/// A step of ours failed.
pub(super) fn failed(lines: &mut Lines, failed: &Failed, program: &Path) {
    let (program, reason) = (program.display(), Reason(&failed.reason));
    match failed.text() {
        Some(text) => lines.log(format_args!("{text}")),
        None => lines.log(format_args!("unable to fork: {program}: {reason}")),
    }
}

pub(super) fn notify_blocklist(session: &Session, action: Option<Action>) {
    if let (Some(blocklist), Some(action)) = (&session.blocklist, action) {
        blocklist.report(action);
    }
}
