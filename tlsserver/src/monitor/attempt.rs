//! One login: its turn, its program, what that says, and its end.

use proto::channel::ConnectionId;
use proto::channel::listener::{Client, FromMonitor};
use proto::channel::session::{Said, ToSession};
use proto::checkpassword::Record;
use proto::failures::Answer;
use proto::login::handoff::Handoff;
use proto::login::outcome::{Exit, Outcome, Who};
use proto::login::report::{Event, verdict};
use proto::ucspi_rules;
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Instant;
use unix::control::HOME_VARIABLE;
use unix::deadline::{self, ready_now};
use unix::descriptor_passing::stream_pair;
use unix::login_program::{Failed, Started};
use unix::process::{ended_as_root, is_of_root, is_root};

use super::homes::Home;
use super::sessions::{Completed, Login, Phase, Running};
use super::words::Words;
use super::{Monitor, STARTED_AT_ONCE, USER_CHECK_INTERVAL, report};
use crate::child::kill;

impl Monitor {
    /// A login has been asked for, as one may be.
    pub(super) fn on_login(&mut self, id: ConnectionId, record: Record, handoff: Handoff) {
        let given = record.user().to_vec();
        let Some(home) = self.home(id) else { return self.decided(id, Outcome::Temporary) };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let address = session.client.remote.ip();
        let user = home.names.apply(&given);
        session.given = given;
        session.begins_login(&user, handoff.mechanism());
        // It is no longer than the one given, so there is room for it.
        let record = record.with_user(&user).unwrap_or(record);
        if !self.charge(id, &home, (&user, record.password())) {
            return self.decided(id, Outcome::TooManyFailures);
        }
        self.send_to_listener(&FromMonitor::Checking(id));
        self.sessions.waits(id, record, handoff);
        self.turns.wait(address, id);
    }

    /// Whether the memory of refused logins lets this be tried; if not, the log says so.
    /// What comes of it is to be [remembered](Self::remember).
    pub(super) fn charge(&mut self, id: ConnectionId, home: &Home, wanted: (&[u8], &[u8])) -> bool {
        let (Some(memory), Some(session)) = (home.memory, self.sessions.get_mut(id)) else {
            return true;
        };
        let verdict = self.homes.before(memory, session.client.remote.ip(), wanted);
        let may = match verdict {
            Ok(charge) => {
                session.charge = charge;
                true
            }
            Err(about) => {
                report::about(id, session, wanted.0, Event::TooMany(about));
                false
            }
        };
        self.complain(id);
        may
    }

    fn complain(&mut self, id: ConnectionId) {
        if let Some(why) = self.homes.trouble() {
            report::line(id, format_args!("failures not remembered: {why}"));
        }
    }

    /// What is said of logins where this client logs in. Its rule's home is read with its
    /// first login; if it cannot be, the log says so.
    pub(super) fn home(&mut self, id: ConnectionId) -> Option<Home> {
        let session = self.sessions.get(id)?;
        match self.homes.of(home_of(&session.client)) {
            Ok(home) => Some(home),
            Err(wrong) => {
                report::line(id, format_args!("unable to read controls: {wrong}"));
                None
            }
        }
    }

    /// What came of a login. Only the first time counts.
    pub(super) fn remember(&mut self, id: ConnectionId, answer: Answer) {
        let charge = self.sessions.get_mut(id).and_then(|session| session.charge.take());
        if let Some(charge) = charge {
            self.homes.after(charge, answer);
            self.complain(id);
        }
    }

    /// Starts login programs, as many as may run, and a few at a time: what others say is
    /// heard in between.
    pub(super) fn give_turns(&mut self, now: Instant) {
        if self.turns.is_short() && now >= self.next_look {
            self.look_for_sessions();
            // Where there are thousands it takes its time, and is not all that is done.
            self.next_look = Instant::now() + USER_CHECK_INTERVAL + now.elapsed() * 4;
        }
        for _ in 0..STARTED_AT_ONCE {
            let Some(id) = self.turns.take() else { break };
            if !self.start(id) {
                self.turns.give_back();
            }
        }
    }

    /// A program that does not tell can only be judged by who it is: one that has become
    /// its user keeps nobody waiting.
    fn look_for_sessions(&mut self) {
        if !is_root() {
            return;
        }
        let became = |(id, running): (ConnectionId, &Running)| {
            let is_checking = matches!(running.phase, Phase::Checking(_));
            (is_checking && is_of_root(running.pid) == Some(false)).then_some(id)
        };
        let sessions: Vec<_> = self.sessions.checking().filter_map(became).collect();
        for id in sessions {
            self.on_untold_session(id);
        }
    }

    /// Starts the program for the login; says whether it runs.
    fn start(&mut self, id: ConnectionId) -> bool {
        let Some((record, handoff)) = self.sessions.take_record(id) else { return false };
        let user = record.user().to_vec();
        match self.spawn(id, record, &handoff) {
            Ok((started, stream)) => {
                let Started { pid, ready } = started;
                if let Some(session) = self.sessions.get(id) {
                    report::attempt(id, session, &user, pid);
                }
                let phase = Phase::Checking(Some(ready));
                self.sessions.runs(id, Running { pid, user, phase });
                self.send(id, &ToSession::Stream(id), Some(stream));
                true
            }
            Err(failed) => {
                report::failed(id, &failed, self.program.path());
                self.sessions.login_ended(id);
                self.decided(id, failed.outcome);
                false
            }
        }
    }

    /// The program with its end of the session's stream as 0 and 1, and the engine's end.
    fn spawn(
        &mut self,
        id: ConnectionId,
        record: Record,
        handoff: &Handoff,
    ) -> Result<(Started, OwnedFd), Failed> {
        let no_stream = |reason| Failed { outcome: Outcome::CannotOpenPipe, reason };
        let (engine, program) = stream_pair().map_err(no_stream)?;
        let output = program.try_clone().map_err(no_stream)?;
        let Some(session) = self.sessions.get(id) else {
            return Err(no_stream(io::ErrorKind::NotFound.into()));
        };
        let mut variables = self.program.variables_for_login(&session.client);
        variables.extend(session.facts.iter().cloned());
        let address = session.client.remote.ip().to_string();
        let handed_on = handoff.variables(record.user(), Some(address.as_bytes()));
        variables.extend(handed_on.map(|(name, value)| (name.into(), OsString::from_vec(value))));
        let home = home_of(&session.client).filter(|home| !self.homes.is_ordinary(home));
        let home = home.map(OsStr::to_owned);
        let errors = self.words.as_ref().map(Words::for_program).transpose();
        let errors = errors.map_err(no_stream)?;
        let (path, usual) = (&self.program, &self.ordinary_home);
        let begin = |variables: &BTreeMap<OsString, OsString>| match home {
            None => path.start(variables, program, output, errors),
            // Where authup would be; this process waits for nobody meanwhile.
            Some(home) => {
                std::env::set_current_dir(home)?;
                let started = path.start(variables, program, output, errors);
                // It was entered once, so it can be again.
                let _ = rustix::process::fchdir(usual);
                started
            }
        };
        Ok((self.place.start(record, variables, begin)?, engine))
    }

    /// A program says that the login is good, or that it never will.
    pub(super) fn on_program_ready(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Login::Running(running) = &mut session.login else { return };
        let Phase::Checking(pipe) = &mut running.phase else { return };
        let Some(pipe) = pipe.take() else { return };
        let mut octet = [0];
        if matches!(rustix::io::retry_on_intr(|| rustix::io::read(&pipe, &mut octet)), Ok(1)) {
            self.on_logged_in(id);
        }
    }

    fn on_logged_in(&mut self, id: ConnectionId) {
        self.becomes_session(id, Phase::LoggedIn);
        if let Some(session) = self.sessions.get_mut(id)
            && let Login::Running(running) = &session.login
        {
            report::about(id, session, &running.user, Event::LoggedIn);
            report::notify_blocklist(session, Some(proto::blocklist::Action::Delete));
            session.blocklist = None;
        }
        self.announce_session(id);
    }

    /// The same of a program that does not tell: what the client says is for it.
    fn on_untold_session(&mut self, id: ConnectionId) {
        self.becomes_session(id, Phase::Unsaid);
        self.announce_session(id);
    }

    /// Says so to whom it concerns.
    fn announce_session(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            report::login_ended(id, session, Some(Outcome::Completed(0)));
        }
        self.send(id, &ToSession::LoggedIn(id), None);
    }

    /// A program is not checking any more, but a session.
    fn becomes_session(&mut self, id: ConnectionId, phase: Phase) {
        if matches!(self.sessions.becomes(id, phase), Some(Phase::Checking(_))) {
            self.turns.give_back();
            self.remember(id, Answer::Good);
            self.send_to_listener(&FromMonitor::LoggedIn(id));
        }
    }

    /// The engine says of a session's stream, which has ended, what there was on it.
    pub(super) fn on_said(&mut self, id: ConnectionId, said: Said) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(completed) = session.stream_ended(said) else { return };
        report::completed(id, session, &completed, said);
        if self.listener.is_none() {
            self.over(id);
        }
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
            if dead && self.sessions.has_died(pid) {
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
            _ if was_root => Who::Root,
            _ => Who::Anybody,
        };
        let outcome = Outcome::of(exit, who);
        self.remember(id, exit.answer(who));
        if let Some(session) = self.sessions.get_mut(id) {
            session.guard.tried(outcome);
            let remaining = session.guard.remaining();
            let Running { pid, user, .. } = running;
            if let Outcome::Completed(code) = outcome {
                let completed = Completed { pid, user, code };
                if let Some((completed, said)) = session.program_ended(completed) {
                    report::completed(id, session, &completed, said);
                }
            } else if let Some(event) = Event::ended(pid, outcome, remaining) {
                report::about(id, session, &user, event);
            }
            report::notify_blocklist(session, verdict(outcome, logged_in));
            report::login_ended(id, session, Some(outcome));
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
            report::login_ended(id, session, Some(outcome));
        }
        self.notify(id, outcome);
    }

    /// Tells whom it concerns what became of the login.
    pub(super) fn notify(&mut self, id: ConnectionId, outcome: Outcome) {
        self.send(id, &ToSession::Outcome(id, outcome), None);
        let Some(session) = self.sessions.get(id) else { return };
        let goes_on = session.engine.is_some() && session.guard.remaining() > 0;
        if goes_on {
            self.send_to_listener(&FromMonitor::Refused(id));
        } else if (session.engine.is_none() || self.listener.is_none()) && !session.awaits_engine()
        {
            self.over(id);
        }
    }

    fn send(&mut self, id: ConnectionId, message: &ToSession, stream: Option<OwnedFd>) {
        let engine = self.sessions.get(id).and_then(|session| session.engine);
        if let Some(engine) = engine.and_then(|engine| self.engines.get_mut(&engine)) {
            engine.outbox.send(message.encode(), stream.into_iter().collect());
        }
    }

    /// Ends what takes too long.
    pub(super) fn end_late(&mut self, now: Instant) {
        for id in self.sessions.late_at(now) {
            self.on_late(id);
        }
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.end_engines();
            self.kill_undecided();
            for id in self.sessions.all() {
                self.over(id);
            }
        }
    }

    fn on_late(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else { return };
        match &session.login {
            Login::None => {}
            Login::Waiting(record, _) => {
                report::about(id, session, record.user(), Event::NoTurn);
                let address = session.client.remote.ip();
                self.turns.leave(address, &id);
                self.sessions.login_ended(id);
                self.decided(id, Outcome::TimedOut);
            }
            Login::Running(running) if is_of_root(running.pid) == Some(true) => {
                report::about(id, session, &running.user, Event::TimedOut(running.pid));
                kill(running.pid);
                self.sessions.kills(id);
                self.decided(id, Outcome::TimedOut);
            }
            Login::Running(_) => self.on_untold_session(id),
        }
    }

    /// Ends login programs that have become nobody's yet, and so might outlive all others.
    fn kill_undecided(&self) {
        let pids = self.sessions.checking().map(|(_, running)| running.pid);
        pids.filter(|&pid| !is_root() || is_of_root(pid) == Some(true)).for_each(kill);
    }
}

/// The home that a rule names.
pub(super) fn home_of(client: &Client) -> Option<&OsStr> {
    ucspi_rules::value(&client.added, HOME_VARIABLE).map(OsStr::from_bytes)
}
