//! The end of a login, and of its session: what the program's end means, who was too late,
//! and who is told. How it begins is [`super::attempt`]'s.

use proto::channel::ConnectionId;
use proto::channel::listener::FromMonitor;
use proto::channel::session::{Said, ToSession};
use proto::failures::Answer;
use proto::login::outcome::{Exit, Outcome, Who};
use proto::login::report::{Event, verdict};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use unix::deadline::{self, ready_now};
use unix::process::{ended_as_root, is_of_root, is_root};

use super::sessions::{Completed, Login, Phase, Running, Session};
use super::{Monitor, report};
use crate::child::kill;

/// How long an engine may take to end that is told to.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

impl Monitor {
    /// The engine says of a session's stream, which has ended, what there was on it.
    pub(super) fn on_said(&mut self, id: ConnectionId, said: Said) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(completed) = session.stream_ended(said) else { return };
        report::completed(&mut session.lines, &completed, said);
        self.over(id);
    }

    /// The program of a session whose stream has ended is about to end, or has.
    pub(super) fn on_stream_ended(&mut self, id: ConnectionId) {
        if let Some(pid) = self.sessions.stream_ended(id) {
            self.reap_one(pid);
        }
    }

    /// Waits for this child, and for those that may have ended with it unsaid. To wait for
    /// any child has the system look at each, and there are thousands.
    pub(super) fn on_child_ended(&mut self, reported: Option<u32>) {
        for pid in reported.into_iter().chain(self.sessions.may_have_ended()) {
            self.reap_one(pid);
        }
    }

    fn reap_one(&mut self, pid: u32) {
        let Some(raw) = Pid::from_raw(pid.cast_signed()) else { return };
        let Some(id) = self.sessions.of_program(pid) else {
            let dead = matches!(waitpid(Some(raw), WaitOptions::NOHANG), Ok(Some(_)));
            if dead && self.sessions.died(pid) {
                self.turns.give_back();
            }
            return;
        };
        // Who it was is known until it has been waited for.
        let Ok(Some(was_root)) = ended_as_root(pid, false) else { return };
        let was_root = was_root && is_root();
        // Its octet may be there, and its end have come before that was looked at.
        self.take_last_octet(id);
        if let Ok(Some((_, status))) = waitpid(Some(raw), WaitOptions::NOHANG) {
            self.on_program_ended(id, status, was_root);
        }
    }

    /// Hears what is there, and waits for nothing.
    fn take_last_octet(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let Login::Running(Running { phase: Phase::Checking(Some(pipe)), .. }) = &session.login
        else {
            return;
        };
        if !ready_now(pipe.as_fd(), deadline::Event::IN).is_empty() {
            self.on_program_ready(id);
        }
    }

    fn on_program_ended(&mut self, id: ConnectionId, status: WaitStatus, was_root: bool) {
        let Some(Login::Running(running)) = self.sessions.login_ended(id) else { return };
        if running.has_turn() {
            self.turns.give_back();
        }
        let exit = status.exit_status().and_then(|code| u8::try_from(code).ok());
        let exit = exit.map_or(Exit::Signal, Exit::Code);
        let logged_in = matches!(running.phase, Phase::LoggedIn);
        let who = match running.phase {
            Phase::LoggedIn => Who::LoggedIn,
            // It has been a session since, whoever it is.
            Phase::Unsaid if running.has_spoken && self.is_late(id) => Who::LoggedIn,
            _ if was_root => Who::Root,
            _ => Who::Anybody,
        };
        let outcome = Outcome::of(exit, who);
        self.remember(id, exit.answer(who));
        if let Some(session) = self.sessions.get_mut(id) {
            session.guard.tried(outcome);
            let remaining = session.guard.remaining();
            let Running { pid, user, phase, .. } = running;
            let is_good = is_good(&phase, outcome);
            if is_good {
                session.lines.login_succeeds();
            }
            if let Outcome::Completed(code) = outcome {
                let completed = Completed { pid, user, code };
                if let Some((completed, said)) = session.program_ended(completed) {
                    report::completed(&mut session.lines, &completed, said);
                }
            } else if let Some(event) = Event::ended(pid, outcome, remaining) {
                report::about(&mut session.lines, &user, event);
            }
            report::notify_blocklist(session, verdict(outcome, logged_in));
            report::login_ended(session, Some(outcome));
            if !is_good {
                self.bound.login_ended(&mut session.lines, outcome);
            }
            session.code = match outcome {
                Outcome::Completed(code) => code,
                _ => proto::exit_code::FAILED,
            };
        }
        self.notify(id, outcome);
    }

    /// A login was not tried, or could not be.
    pub(super) fn decided(&mut self, id: ConnectionId, outcome: Outcome) {
        self.remember(id, Answer::Trouble);
        if let Some(session) = self.sessions.get_mut(id) {
            session.guard.tried(outcome);
            report::login_ended(session, Some(outcome));
            self.bound.login_ended(&mut session.lines, outcome);
        }
        self.notify(id, outcome);
    }

    /// Tells whom it concerns what became of the login.
    pub(super) fn notify(&mut self, id: ConnectionId, outcome: Outcome) {
        self.send(id, &ToSession::Outcome(id, outcome), None);
        let Some(session) = self.sessions.get_mut(id) else { return };
        // Of a session that was, there is nothing more to be heard.
        let is_left = session.engine.is_none() || matches!(outcome, Outcome::Completed(_));
        if !is_left && session.guard.remaining() > 0 {
            session.is_to_make_room = true;
            self.send_to_listener(&FromMonitor::Refused(id));
        } else if (is_left || self.listener.is_none()) && !session.awaits_engine() {
            self.over(id);
        }
    }

    /// Ends what takes too long.
    pub(super) fn end_late(&mut self, now: Instant) {
        for id in self.sessions.late_at(now) {
            self.on_late(id);
        }
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.end_engines(now);
            self.kill_undecided();
            let left = self.sessions.all();
            report::sessions_ended(self.log, left.len());
            for id in left {
                self.over(id);
            }
        }
        if self.ended_by.is_some_and(|by| by <= now) {
            self.ended_by = None;
            report::engines_not_ended(self.log, self.engines.len());
            self.engines.clear();
        }
    }

    /// Ends the engines, and with them the streams of all sessions. One that cannot be killed is
    /// told to end, and known until it has.
    fn end_engines(&mut self, now: Instant) {
        self.engines.retain(|_, engine| !engine.kill());
        for engine in self.engines.values_mut() {
            engine.outbox.send(ToSession::End.encode(), Vec::new());
        }
        self.ended_by = (!self.engines.is_empty()).then(|| now + ENDS_WITHIN);
    }

    fn on_late(&mut self, id: ConnectionId) {
        self.look_for_room_at_end(id);
        let Some(session) = self.sessions.get_mut(id) else { return };
        match &session.login {
            Login::None => {}
            Login::Waiting(record, _) => {
                report::about(&mut session.lines, record.user(), Event::NoTurn);
                self.leave_turns(id);
                self.give_up(id, Outcome::TimedOut);
            }
            Login::Running(running) => match is_of_root(running.pid) {
                Some(true) if !running.has_spoken => {
                    let pid = running.pid;
                    report::about(&mut session.lines, &running.user, Event::TimedOut(pid));
                    kill(pid);
                    self.sessions.kills(id);
                    self.decided(id, Outcome::TimedOut);
                }
                Some(false) if self.starts_as_root() => self.on_became_user(id),
                _ => self.on_unsaid(id),
            },
        }
    }

    /// Whether the time for its login is over.
    fn is_late(&self, id: ConnectionId) -> bool {
        self.sessions.get(id).is_some_and(|session| session.deadline <= Instant::now())
    }

    /// Of one that has waited for its turn, nothing has been said; there may be no room by now.
    fn look_for_room_at_end(&mut self, id: ConnectionId) {
        let waits = |session: &Session| matches!(session.login, Login::Waiting(..));
        if self.sessions.get(id).is_some_and(waits) {
            self.look_for_room(id);
        }
    }

    /// Ends login programs that are root's still, and so might outlive all others; without root,
    /// those that are being checked.
    fn kill_undecided(&self) {
        let is_left = |running: &&Running| match running.phase {
            Phase::LoggedIn => false,
            Phase::Checking(_) if !is_root() => true,
            _ => is_root() && is_of_root(running.pid) == Some(true),
        };
        self.sessions.running().filter(is_left).for_each(|running| kill(running.pid));
    }
}

/// Whether a login was good whose program ended so: the log has it then, whatever was refused
/// before.
const fn is_good(phase: &Phase, outcome: Outcome) -> bool {
    !matches!(phase, Phase::Checking(_))
        || matches!(outcome, Outcome::Completed(_) | Outcome::NotStarted | Outcome::Controls)
}
