//! A login and the memory of refused logins: asked before it is tried, told what came of
//! it. Where nothing is remembered, nothing is done.

use super::report::Report;
use proto::failures::Answer;
use proto::login::outcome::Outcome;
use std::net::IpAddr;
use std::time::Duration;
use unix::failures::{Memory, Ticket, Verdict};

/// How long a session that is over still tries to have its counts written.
const AT_THE_END: Duration = Duration::from_secs(5);

/// A login that is tried. Where nothing else is decided there was trouble.
pub(super) struct Counted<'a> {
    memory: Option<(&'a mut Memory, Ticket)>,
    report: &'a Report,
}

impl<'a> Counted<'a> {
    /// Asks whether this user and secret may be tried.
    ///
    /// # Errors
    /// What becomes of the login, where it may not; the log says so.
    pub(super) fn begin(
        memory: Option<&'a mut Memory>,
        report: &'a Report,
        (user, secret): (&[u8], &[u8]),
    ) -> Result<Self, Outcome> {
        let Some(memory) = memory else { return Ok(Self { memory: None, report }) };
        let verdict = memory.before(address(report), user, secret);
        complain(memory, report);
        match verdict {
            Verdict::Ask(ticket) => Ok(Self { memory: Some((memory, ticket)), report }),
            Verdict::Refuse(about) => {
                report.too_many(about, user);
                Err(Outcome::TooManyFailures)
            }
        }
    }

    /// What came of it. Only the first time counts: a good login stays one, however its
    /// session ends.
    pub(super) fn decided(&mut self, answer: Answer) {
        if let Some((memory, ticket)) = self.memory.take() {
            memory.after(ticket, answer);
            complain(memory, self.report);
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.decided(Answer::Trouble);
    }
}

/// At a session's end: writes what could not be written while somebody waited.
pub(super) fn settle(memory: Option<&mut Memory>, report: &Report) {
    let Some(memory) = memory.filter(|memory| memory.owes() > 0) else { return };
    memory.finish(AT_THE_END);
    complain(memory, report);
}

fn complain(memory: &mut Memory, report: &Report) {
    if let Some(why) = memory.trouble() {
        report.not_remembered(&why);
    }
}

/// The client's address. Without one, only users are counted.
fn address(report: &Report) -> Option<IpAddr> {
    std::str::from_utf8(report.address()?).ok()?.parse().ok()
}
