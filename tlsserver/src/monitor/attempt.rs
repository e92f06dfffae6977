//! One login: its turn, its program, and what that says. How it ends is [`super::ending`]'s.

use proto::channel::ConnectionId;
use proto::channel::listener::{Client, FromMonitor};
use proto::channel::session::ToSession;
use proto::checkpassword::Record;
use proto::failures::{About, Answer};
use proto::login::handoff::Handoff;
use proto::login::outcome::Outcome;
use proto::login::report::Event;
use proto::login::turns::network;
use proto::names::Variable;
use proto::variables;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;
use unix::control;
use unix::descriptor_passing::stream_pair;
use unix::login_program::{Failed, Started, Told};
use unix::process::{is_of_root, is_root};

use super::homes::{Charge, Home, Verdict};
use super::sessions::{Login, Phase, Running, Session};
use super::words::Words;
use super::{Monitor, STARTED_AT_ONCE, USER_CHECK_INTERVAL, report};
use crate::outbox::may_keep;

impl Monitor {
    /// A login has been asked for, as one may be.
    pub(super) fn on_login(&mut self, id: ConnectionId, record: Record, handoff: Handoff) {
        let given = record.user().to_vec();
        self.look_for_room(id);
        let Some(home) = self.home(id) else { return self.decided(id, Outcome::Temporary) };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let address = session.client.remote.ip();
        let user = home.names.apply(&given);
        session.given = given;
        session.begins_login(&user, handoff.mechanism());
        // The listener takes it for so when it says that the client is to log in.
        let is_to_make_room = std::mem::take(&mut session.is_to_make_room);
        // It is no longer than the one given, so there is room for it.
        let record = record.with_user(&user).unwrap_or(record);
        if is_to_make_room {
            self.send_to_listener(&FromMonitor::Checking(id));
        }
        self.sessions.waits(id, record, handoff);
        self.turns.wait(address, id);
    }

    /// Whether the memory of refused logins lets this be tried. What comes of one that is
    /// tried is to be [remembered](Self::remember).
    fn charge(
        &mut self,
        id: ConnectionId,
        home: &Home,
        wanted: (&[u8], &[u8]),
        beside_others: bool,
    ) -> Verdict {
        let address = self.sessions.get(id).map(|session| session.client.remote.ip());
        let (Some(memory), Some(address)) = (home.memory, address) else {
            return Verdict::Try(None);
        };
        let verdict = self.homes.before(memory, address, wanted, beside_others);
        self.complain(id);
        verdict
    }

    /// Charges one that is not to be checked; where it is not to be tried, the log says so.
    pub(super) fn admit(&mut self, id: ConnectionId, home: &Home, wanted: (&[u8], &[u8])) -> bool {
        match self.charge(id, home, wanted, false) {
            Verdict::Try(charge) => {
                self.keep_charge(id, charge);
                true
            }
            Verdict::Refuse(about) => {
                self.too_many(id, wanted.0, about);
                false
            }
            Verdict::Wait => false,
        }
    }

    fn keep_charge(&mut self, id: ConnectionId, charge: Option<Charge>) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.charge = charge;
        }
    }

    /// Where there have been many refused logins, the lines of this one are kept.
    pub(super) fn look_for_room(&mut self, id: ConnectionId) {
        if let Some(Session { lines, .. }) = self.sessions.get_mut(id) {
            lines.login_begins(self.bound.look_for_room(Instant::now(), lines.client()));
        }
    }

    fn too_many(&mut self, id: ConnectionId, user: &[u8], about: About) {
        if let Some(session) = self.sessions.get_mut(id) {
            report::about(&mut session.lines, user, Event::TooMany(about));
        }
    }

    /// Whether others from its network are being checked, whose charges may be taken back.
    fn others_are_checked(&self, id: ConnectionId) -> bool {
        let network = |session: &Session| network(session.client.remote.ip());
        let Some(its) = self.sessions.get(id).map(network) else { return false };
        let mut checked = self.sessions.checking().filter_map(|(id, _)| self.sessions.get(id));
        checked.any(|other| other.charge.is_some() && network(other) == its)
    }

    fn complain(&mut self, id: ConnectionId) {
        if let Some(why) = self.homes.trouble() {
            report::login_not_remembered(id, &why);
        }
    }

    /// What is said of logins where this client logs in. Its rule's home is read with its
    /// first login; if it cannot be, the log says so.
    pub(super) fn home(&mut self, id: ConnectionId) -> Option<Home> {
        let session = self.sessions.get_mut(id)?;
        match self.homes.of(home_of(&session.client)) {
            Ok(home) => Some(home),
            Err(wrong) => {
                session.lines.log(format_args!("unable to read controls: {wrong}"));
                None
            }
        }
    }

    /// What came of a login. Only the first time counts.
    pub(super) fn remember(&mut self, id: ConnectionId, answer: Answer) {
        let charge = self.sessions.get_mut(id).and_then(|session| session.charge.take());
        let Some(charge) = charge else { return };
        self.homes.after(charge, answer);
        self.complain(id);
        self.let_go_on();
    }

    /// Those who were held back may be tried now, or not.
    fn let_go_on(&mut self) {
        for id in std::mem::take(&mut self.held_back) {
            if let Some(session) = self.sessions.get(id) {
                self.turns.wait(session.client.remote.ip(), id);
            }
        }
    }

    /// Its login waits no more.
    pub(super) fn leave_turns(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get(id) {
            self.turns.leave(session.client.remote.ip(), &id);
        }
        self.held_back.retain(|one| *one != id);
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
            if !self.on_turn(id) {
                self.turns.give_back();
            }
        }
    }

    /// A program that does not tell can only be judged by who it is: one that has become
    /// its user keeps nobody waiting. Not one that was started as somebody else than root.
    fn look_for_sessions(&mut self) {
        if !self.starts_as_root() {
            return;
        }
        let became = |(id, running): (ConnectionId, &Running)| {
            let is_checking = matches!(running.phase, Phase::Checking(_));
            (is_checking && is_of_root(running.pid) == Some(false)).then_some(id)
        };
        let sessions: Vec<_> = self.sessions.checking().filter_map(became).collect();
        for id in sessions {
            self.on_became_user(id);
        }
    }

    /// Whether login programs are root until they become the user.
    pub(super) fn starts_as_root(&self) -> bool {
        is_root() && !self.program.has_user()
    }

    /// It is the login's turn; says whether its program runs.
    fn on_turn(&mut self, id: ConnectionId) -> bool {
        let Some((record, handoff)) = self.sessions.take_record(id) else { return false };
        self.look_for_room(id);
        let Some(home) = self.home(id) else {
            self.give_up(id, Outcome::Temporary);
            return false;
        };
        // Nobody is refused, or not heard, for what nobody has done yet.
        let beside_others = self.others_are_checked(id);
        match self.charge(id, &home, (record.user(), record.password()), beside_others) {
            Verdict::Try(charge) => {
                self.keep_charge(id, charge);
                self.start(id, record, &handoff)
            }
            Verdict::Wait => self.hold_back(id, record, handoff),
            Verdict::Refuse(_) if beside_others => self.hold_back(id, record, handoff),
            Verdict::Refuse(about) => {
                self.too_many(id, record.user(), about);
                self.give_up(id, Outcome::TooManyFailures);
                false
            }
        }
    }

    /// It waits until less is under way; no program runs for it.
    fn hold_back(&mut self, id: ConnectionId, record: Record, handoff: Handoff) -> bool {
        self.sessions.waits(id, record, handoff);
        self.held_back.push(id);
        false
    }

    /// It is not tried.
    pub(super) fn give_up(&mut self, id: ConnectionId, outcome: Outcome) {
        self.sessions.login_ended(id);
        self.decided(id, outcome);
    }

    /// Starts the program for the login; says whether it runs.
    fn start(&mut self, id: ConnectionId, record: Record, handoff: &Handoff) -> bool {
        let user = record.user().to_vec();
        match self.spawn(id, record, handoff) {
            Ok((started, stream)) => {
                let Started { child: pid, ready } = started;
                if let Some(session) = self.sessions.get_mut(id) {
                    report::attempt(session, &user, pid);
                }
                let phase = Phase::Checking(Some(ready));
                self.sessions.runs(id, Running { pid, user, phase, has_spoken: false });
                self.send(id, &ToSession::Stream(id), Some(stream));
                true
            }
            Err(failed) => {
                if let Some(session) = self.sessions.get_mut(id) {
                    report::failed(&mut session.lines, &failed, self.program.path());
                }
                self.give_up(id, failed.outcome);
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
    ) -> Result<(Started<u32>, OwnedFd), Failed> {
        let no_stream = |reason| Failed { outcome: Outcome::CannotOpenPipe, reason };
        let (engine, program) = stream_pair().map_err(no_stream)?;
        let output = program.try_clone().map_err(no_stream)?;
        let Some(session) = self.sessions.get(id) else {
            return Err(no_stream(io::ErrorKind::NotFound.into()));
        };
        let its = session.engine.and_then(|engine| self.engines.get(&engine));
        if its.is_some_and(|its| its.outbox.is_behind()) {
            // Programs that are started need the others.
            may_keep(&engine, |most| most / 2).map_err(no_stream)?;
        }
        let mut variables = self.program.variables_for_login(&session.client);
        variables.extend_from_slice(&session.facts);
        let address = session.client.remote.ip().to_string();
        let handed_on = handoff.variables(record.user(), Some(address.as_bytes()));
        variables.extend(handed_on.map(|(name, value)| (name.name().into(), value)));
        let home = home_of(&session.client).filter(|home| !self.homes.is_ordinary(home));
        let home = home.map(OsStr::to_owned);
        let errors = self.words.as_ref().map(Words::for_program).transpose();
        let errors = errors.map_err(no_stream)?;
        let (path, usual) = (&self.program, &self.ordinary_home);
        let begin = |told: Told| {
            variables.extend(told.map(|(name, value)| (name.name().into(), value)));
            let Some(home) = home else {
                return path.start(&variables, program, output, errors);
            };
            // Where authup would be; this process waits for nobody meanwhile.
            std::env::set_current_dir(home)?;
            let started = path.start(&variables, program, output, errors);
            // It was entered once, so it can be again.
            let _ = rustix::process::fchdir(usual);
            started
        };
        Ok((self.place.start(record, begin)?, engine))
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
        self.becomes_session(id, Phase::LoggedIn, Answer::Good);
        if let Some(session) = self.sessions.get_mut(id)
            && let Login::Running(running) = &session.login
        {
            report::about(&mut session.lines, &running.user, Event::LoggedIn);
        }
        self.announce_session(id);
    }

    /// The same of a program that does not tell.
    pub(super) fn on_became_user(&mut self, id: ConnectionId) {
        self.becomes_session(id, Phase::Unsaid, Answer::Good);
        self.announce_session(id);
    }

    /// A program has not told in time, and may be a session, or a check that takes too long:
    /// what the client says is for it, and nothing has been learnt of the password. So may one
    /// that is root and has spoken, and waits for a mail program.
    pub(super) fn on_unsaid(&mut self, id: ConnectionId) {
        self.becomes_session(id, Phase::Unsaid, Answer::Trouble);
        self.send(id, &ToSession::LoggedIn(id), None);
    }

    /// Says so to whom it concerns.
    fn announce_session(&mut self, id: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(id) {
            report::login_ended(session, Some(Outcome::Completed(0)));
        }
        self.send(id, &ToSession::LoggedIn(id), None);
    }

    /// A program is waited for no more, and has answered so.
    fn becomes_session(&mut self, id: ConnectionId, phase: Phase, answer: Answer) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.lines.login_succeeds();
            let is_good = answer == Answer::Good;
            let action = is_good.then_some(proto::blocklist::Action::Delete);
            report::notify_blocklist(session, action);
            // A session keeps no descriptor here, the client's socket least of all.
            session.blocklist = None;
        }
        if matches!(self.sessions.becomes(id, phase), Some(Phase::Checking(_))) {
            self.turns.give_back();
            self.remember(id, answer);
            self.send_to_listener(&FromMonitor::LoggedIn(id));
        }
    }

    pub(super) fn send(&mut self, id: ConnectionId, message: &ToSession, stream: Option<OwnedFd>) {
        let engine = self.sessions.get(id).and_then(|session| session.engine);
        if let Some(engine) = engine.and_then(|engine| self.engines.get_mut(&engine)) {
            engine.outbox.send(message.encode(), stream.into_iter().collect());
        }
    }
}

/// The home that a rule names.
pub(super) fn home_of(client: &Client) -> Option<&OsStr> {
    let said = variables::value(&client.added, Variable::QmailHome).map(OsStr::from_bytes);
    said.map(|said| control::home(Some(said)))
}
