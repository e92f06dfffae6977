//! The dialog with a client until it wants to log in: the same words, and nothing of
//! a login.
//!
//! For a TLS server that starts authup only then, which goes on in its stead
//! ([`Settings::greeted`]): most of those who knock at a mail server's door never log
//! in, and none of them costs a process. No octet of the line that begins a login is
//! taken, so whoever goes on reads the client's own words. Of what was said before,
//! nothing but the timestamp matters to a login.

use super::dialog::{self, Login, Settings, State};
use super::protocol::Beginning;
use super::reply::Refusal;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Write all of this to the client.
    Send(&'a [u8]),
    /// [`UntilLogin::push`] what the client has said and was not taken yet, with
    /// something new behind it.
    NeedInput,
    /// The client has been told to start TLS: start it, and tell
    /// [`UntilLogin::tls_started`]. There is no way back.
    StartTls,
    /// The client wants to log in. What was not taken is for whoever lets it.
    LogIn,
    /// The session is over.
    End,
}

/// The dialog.
pub struct UntilLogin {
    login: Login,
    /// The next octet does not begin a line.
    within_line: bool,
    wants_login: bool,
}

impl UntilLogin {
    /// A dialog that begins with its greeting. Where TLS is on offer, it can start.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { login: Login::new(settings), within_line: false, wants_login: false }
    }

    /// The next step. Where it is not taken, the next call gives it again, but for
    /// [`Step::Send`], which is given once.
    pub fn step(&mut self) -> Step<'_> {
        match self.login.step() {
            dialog::Step::Send(reply) => Step::Send(reply),
            dialog::Step::NeedInput if self.wants_login => Step::LogIn,
            dialog::Step::NeedInput => Step::NeedInput,
            dialog::Step::StartTls => Step::StartTls,
            // Of these three only the end comes: `push` answers the first, and takes no
            // line that leads to the second.
            dialog::Step::CheckTls | dialog::Step::Login(_) | dialog::Step::End(_) => Step::End,
        }
    }

    /// Takes input up to the end of a line, and returns how much. Nothing of a line
    /// that begins a login, or that is too short to tell; nothing while the next step
    /// is another than [`Step::NeedInput`].
    pub fn push(&mut self, input: &[u8]) -> usize {
        if !self.within_line && !self.login.dialog.must_start_tls() {
            match self.login.dialog.settings.protocol.beginning(input) {
                Beginning::Other => {}
                Beginning::Unclear => return 0,
                Beginning::Login => {
                    self.wants_login = true;
                    return 0;
                }
            }
        }
        let taken = self.login.push(input);
        if let Some(last) = taken.checked_sub(1).and_then(|last| input.get(last)) {
            self.within_line = *last != b'\n';
        }
        if matches!(self.login.dialog.state, State::CheckTls) {
            self.login.tls_checked(true);
        }
        taken
    }

    /// Answers [`Step::StartTls`].
    pub fn tls_started(&mut self) {
        self.login.tls_started();
    }

    /// Gives the session up, for a reason that the client is told.
    pub fn abandon(&mut self, why: Refusal) {
        self.login.abandon(why);
    }
}

#[cfg(test)]
mod tests;
