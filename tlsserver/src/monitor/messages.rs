//! What the listener and the engines say, and what is made of it.

use proto::channel::listener::{Client, FromMonitor, ToMonitor};
use proto::channel::session::{FromSession, Said};
use proto::channel::{ConnectionId, EngineId};
use proto::failures::Answer;
use proto::logfmt::Format;
use proto::login::Attempt;
use proto::login::monitor::{Guard, Request};
use proto::login::outcome::Outcome;
use proto::login::report::Event;
use proto::sasl::Mechanism;
use proto::ucspi_tls::Tls;
use proto::variables;
use rustix::event::PollFlags;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use unix::blocklist::Reporter;
use unix::deadline::ready_now;
use unix::descriptor::unblock;
use unix::summary::Timed;

use super::attempt::home_of;
use super::lines::Lines;
use super::report;
use super::sessions::{Login, Parting, Session};
use super::words::Words;
use super::{Engine, MOST_KEPT, Monitor};
use crate::engine::fact_variables;
use crate::environment::Variables;
use crate::incoming::{Incoming, take, take_with_descriptors};
use crate::outbox::Outbox;

/// An engine that has more to say than so many messages waits for its turn, too: more than its
/// channel has room for.
const MOST_AT_ONCE: usize = 1000;

impl Monitor {
    /// Takes all that the listener has said.
    pub(super) fn on_listener(&mut self) {
        let closed = self.drain_listener();
        self.on_all_closed(closed);
    }

    /// How a dialog ended, its engine may have said before it closed the connection: that is
    /// heard first.
    fn on_all_closed(&mut self, mut closed: VecDeque<ConnectionId>) {
        let mut taken = BTreeMap::<EngineId, usize>::new();
        while let Some(id) = closed.pop_front() {
            while let Some(engine) = self.engine_that_speaks(id) {
                let taken = taken.entry(engine).or_default();
                *taken += 1;
                if *taken > MOST_AT_ONCE || !self.take_from_engine(engine, &mut closed) {
                    break;
                }
            }
            self.on_closed(id);
        }
    }

    /// Takes all that the listener has said, but that no engine has a connection any more:
    /// those are returned.
    fn drain_listener(&mut self) -> VecDeque<ConnectionId> {
        let mut closed = VecDeque::new();
        while let Some(listener) = &mut self.listener {
            listener.flush();
            match take_with_descriptors(listener, &mut self.buffer, ToMonitor::decode) {
                Incoming::Message((ToMonitor::Closed(id), _)) => closed.push_back(id),
                Incoming::Message((message, descriptors)) => {
                    self.on_listener_message(message, descriptors)
                }
                Incoming::Nothing => break,
                Incoming::End => self.stay_behind(),
            }
        }
        closed
    }

    /// The engine that has the connection, if it has said something.
    fn engine_that_speaks(&self, id: ConnectionId) -> Option<EngineId> {
        let engine = self.sessions.get(id)?.engine?;
        let channel = self.engines.get(&engine)?.outbox.as_fd();
        (!ready_now(channel, PollFlags::IN).is_empty()).then_some(engine)
    }

    fn on_listener_message(&mut self, message: ToMonitor, descriptors: Vec<OwnedFd>) {
        match message {
            ToMonitor::Words => {
                let mut descriptors = descriptors.into_iter();
                if let (Some(reader), Some(writer)) = (descriptors.next(), descriptors.next()) {
                    self.words = Words::new(reader, writer).ok();
                }
            }
            ToMonitor::Engine(id) => {
                let mut descriptors = descriptors.into_iter();
                let channel = descriptors.next().filter(|channel| unblock(channel).is_ok());
                let Some(channel) = channel else {
                    // There was no room for it here. It could never log anybody in.
                    return self.send_to_listener(&FromMonitor::Dishonest(id));
                };
                let outbox = Outbox::new(channel);
                self.engines.insert(id, Engine { outbox, process: descriptors.next() });
            }
            ToMonitor::EngineEnded(id) => self.on_engine_lost(id),
            ToMonitor::LogsIn(id, engine, client) => {
                self.on_logs_in(id, engine, client, descriptors.into_iter().next());
            }
            // See `drain_listener`.
            ToMonitor::Closed(_) => {}
            ToMonitor::Inherits(id, Some(engine)) => self.sessions.inherits(id, engine),
            ToMonitor::Inherits(id, None) => self.on_inherited_ended(id),
            ToMonitor::Reload => {
                let wrong = self.homes.read_again();
                wrong.iter().for_each(|why| report::keeps_previous(self.log, why));
            }
            ToMonitor::Answer => self.send_to_listener(&FromMonitor::Ready),
            ToMonitor::StayBehind => self.stay_behind(),
        }
    }

    /// A client begins to log in. `socket`: its own, for blocklistd.
    fn on_logs_in(
        &mut self,
        id: ConnectionId,
        engine: EngineId,
        client: Client,
        socket: Option<OwnedFd>,
    ) {
        let peer = client.remote.ip();
        let mut lines = Lines::new(id, peer, self.bound.look_for_room(Instant::now(), peer));
        report::begins(self.log, id, &mut lines, self.protocol);
        // What an engine is to say before a login, it says of TLS from the first octet, too.
        let tls = if client.tls == Tls::On { Tls::Required } else { client.tls };
        let peer = std::net::SocketAddr::new(peer, client.local.port());
        let summary = self.summary(&client).map(Box::new);
        let session = Session {
            engine: Some(engine),
            lines,
            guard: Guard::new(self.protocol, tls, self.tries),
            facts: Variables::new(),
            deadline: Instant::now() + Duration::from_millis(client.left),
            login: Login::None,
            given: Vec::new(),
            code: proto::exit_code::FAILED,
            charge: None,
            is_to_make_room: false,
            parting: Parting::None,
            summary,
            blocklist: socket.and_then(|socket| Reporter::of(socket, peer)),
            client,
        };
        self.sessions.insert(id, session);
    }

    /// What is to be said of the client when it is over, if anything is. Control files that
    /// cannot be used are said of its first login.
    fn summary(&mut self, client: &Client) -> Option<Timed> {
        let Format::Logfmt = self.homes.of(home_of(client)).ok()?.format?;
        let address = client.remote.ip().to_string();
        let (port, local_port) =
            (client.remote.port().to_string(), client.local.port().to_string());
        let known = [&address, &port, &local_port].map(|text| Some(text.as_bytes()));
        Some(Timed::begin(self.protocol, known))
    }

    /// No engine has the connection any more.
    fn on_closed(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else { return self.over(id) };
        session.engine = None;
        match &session.login {
            Login::None => self.over(id),
            Login::Waiting(..) => {
                self.leave_turns(id);
                self.sessions.login_ended(id);
                self.over(id);
            }
            // What it is given to read has ended.
            Login::Running(_) => self.on_stream_ended(id),
        }
    }

    fn on_engine_lost(&mut self, id: EngineId) {
        self.engines.remove(&id);
        for session in self.sessions.of_engine(id) {
            self.on_closed(session);
        }
    }

    /// Takes some of what an engine has said.
    pub(super) fn on_engine(&mut self, id: EngineId) {
        let mut closed = VecDeque::new();
        let _more = self.take_from_engine(id, &mut closed);
        self.on_all_closed(closed);
    }

    /// The same; whether there was anything. What it says of a client that is not known is acted
    /// on after all that the listener has said, as who a client is comes first: the listener has
    /// said so before the engine could speak of it, but not before anything else was taken.
    fn take_from_engine(&mut self, id: EngineId, closed: &mut VecDeque<ConnectionId>) -> bool {
        let Some(engine) = self.engines.get_mut(&id) else { return false };
        engine.outbox.flush();
        if engine.outbox.len() > MOST_KEPT {
            self.on_dishonest(id);
            return false;
        }
        let received = take(&engine.outbox, &mut self.buffer, FromSession::decode);
        let is_known = matches!(&received, Incoming::Message(message)
            if self.sessions.with(message.connection(), id).is_some());
        if !is_known {
            closed.extend(self.drain_listener());
        }
        match received {
            Incoming::Message(FromSession::Request(session, request)) => {
                self.on_request(id, session, request);
            }
            Incoming::Message(FromSession::Requests(session, requests)) => {
                requests.into_iter().for_each(|request| self.on_request(id, session, request));
            }
            Incoming::Message(FromSession::Spoke(session)) => self.sessions.spoke(session, id),
            Incoming::Message(FromSession::StreamEnded(session, said)) => {
                if self.sessions.with(session, id).is_some() {
                    self.on_said(session, said);
                    self.on_stream_ended(session);
                } else if self.listener.is_none() && self.sessions.is_inherited_with(session, id) {
                    self.on_closed(session);
                }
            }
            Incoming::Nothing => return false,
            Incoming::End => {
                self.on_engine_silent(id);
                return false;
            }
        }
        true
    }

    /// An engine that has closed its channel has ended, or talks nonsense.
    fn on_engine_silent(&mut self, id: EngineId) {
        self.send_to_listener(&FromMonitor::Dishonest(id));
        self.on_engine_lost(id);
    }

    /// Says so, and hears nothing more of it.
    fn on_dishonest(&mut self, id: EngineId) {
        report::spoke_out_of_turn(self.log);
        self.on_engine_silent(id);
    }

    fn on_request(&mut self, engine: EngineId, id: ConnectionId, request: Request) {
        // A connection that the listener has taken from it is none it could know of yet.
        let Some(session) = self.sessions.with(id, engine) else { return };
        let may = session.guard.admits(&request) && matches!(session.login, Login::None);
        match request {
            Request::TlsOn(facts) if may => {
                session.guard.tls_started();
                session.facts = fact_variables(facts);
                if let Some(summary) = &mut session.summary {
                    let facts = &session.facts;
                    summary.negotiated(|name| variables::named(facts, name));
                }
                if session.client.tls != Tls::On {
                    report::negotiated(&mut session.lines);
                }
            }
            Request::Login(Attempt::SomebodyElse(user)) if may => self.on_somebody_else(id, &user),
            Request::Login(Attempt::Check(record, handoff)) if may => {
                if record.timestamp() == session.client.timestamp {
                    self.on_login(id, record, handoff);
                } else {
                    self.on_dishonest(engine);
                }
            }
            Request::Over(code) => {
                // Of a session that was, the program's end says it.
                if session.guard.remaining() > 0 {
                    session.code = code;
                }
                // It was the last that the engine has to say of it.
                session.engine = None;
                if self.listener.is_none() {
                    self.on_closed(id);
                }
            }
            _ => self.on_dishonest(engine),
        }
    }

    /// A session has ended of which nobody is left who could say how.
    fn on_inherited_ended(&mut self, id: ConnectionId) {
        report::ends_unknown(self.log, id);
        self.send_to_listener(&FromMonitor::Over(id));
    }

    /// Nothing of the connection is left. What came of a login that is being tried, nobody will
    /// know.
    pub(super) fn over(&mut self, id: ConnectionId) {
        if self.sessions.disinherits(id) {
            return self.on_inherited_ended(id);
        }
        self.remember(id, Answer::Trouble);
        if let Some(mut session) = self.sessions.remove(id) {
            if let Some(completed) = session.stream_ended(Said::Something) {
                // Nobody is left who could say that it was nothing.
                report::completed(&mut session.lines, &completed, Said::Something);
            }
            report::session_ended(&mut session);
            self.bound.connection_ended(&mut session.lines);
            report::ends(self.log, id, session.code);
            self.send_to_listener(&FromMonitor::Over(id));
        }
    }

    /// Without a listener, nobody says of a connection that no engine has it.
    pub(super) fn forget_done(&mut self) {
        for id in self.sessions.all() {
            let done = |session: &Session| {
                let has_ended = matches!(session.login, Login::None) && !session.awaits_engine();
                has_ended && (session.guard.remaining() == 0 || session.engine.is_none())
            };
            if self.sessions.get(id).is_some_and(done) {
                self.over(id);
            }
        }
    }

    /// The user asked to be somebody else.
    fn on_somebody_else(&mut self, id: ConnectionId, user: &[u8]) {
        self.look_for_room(id);
        // Nobody is asked, and it counts: once for each user, however often it is tried.
        let Some(home) = self.home(id) else { return self.decided(id, Outcome::Temporary) };
        let counted = home.names.apply(user);
        if let Some(session) = self.sessions.get_mut(id) {
            session.begins_login(&counted, Some(Mechanism::Plain));
        }
        if !self.admit(id, &home, (&counted, b"")) {
            return self.decided(id, Outcome::TooManyFailures);
        }
        self.remember(id, Answer::Refused);
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.guard.tried(Outcome::Refused);
        let event = Event::SomebodyElse(session.guard.remaining());
        report::about(&mut session.lines, user, event);
        report::notify_blocklist(session, Some(proto::blocklist::Action::Add));
        report::login_ended(session, Some(Outcome::Refused));
        self.bound.login_ended(&mut session.lines, Outcome::Refused);
        self.notify(id, Outcome::Refused);
    }
}
