//! What the listener says, turned into sessions.

use proto::channel::ConnectionId;
use proto::channel::engine::{DialogId, DialogSetup, FromEngine, Talk, ToEngine};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::oneshot;
use unix::descriptor_passing::Received;

use super::conversation::Conversation;
use super::desk::Desk;
use super::ending::{Cut, Ended, Fault, Reports};
use super::session::{self, Handshakes, Started};
use super::signatures::{Keyholder, Probe};

/// Starts sessions, and tells those that have no program yet what becomes of them.
pub(super) struct Dispatcher {
    handshakes: Handshakes,
    signatures: (Arc<Keyholder>, Option<Probe>),
    /// What is said to those who have not logged in yet.
    dialogs: Dialogs,
    desk: Desk,
    reports: Reports,
    /// Those that have a client who has not logged in.
    talks: Waiting<Cut>,
    /// Those whose program the listener is to start.
    starting: Waiting<Started>,
    /// Those that hear of their program's end.
    programs: Waiting<()>,
}

/// Sessions that are told something once.
struct Waiting<T> {
    by_id: HashMap<ConnectionId, oneshot::Sender<T>>,
    /// How many there may be before those that have ended are taken out: so that each of
    /// thousands does not cost a look at all.
    look_over_at: usize,
}

/// What is said, by name.
pub(super) type Dialogs = HashMap<DialogId, DialogSetup>;

/// So many that wait are not worth a look.
const FEWEST_LOOKED_OVER: usize = 64;

impl Dispatcher {
    pub(super) fn new(
        handshakes: Handshakes,
        signatures: (Arc<Keyholder>, Option<Probe>),
        dialogs: Dialogs,
        reports: Reports,
    ) -> Self {
        Self {
            handshakes,
            signatures,
            dialogs,
            desk: Desk::default(),
            reports,
            talks: Waiting::new(),
            starting: Waiting::new(),
            programs: Waiting::new(),
        }
    }

    /// Resolves when the monitor says that the engine is to end.
    pub(super) fn is_to_end(&self) -> impl Future<Output = ()> + use<> {
        self.desk.is_to_end()
    }

    /// Acts on one message and the descriptors that came with it.
    pub(super) fn dispatch(&mut self, message: ToEngine, received: Received) {
        match message {
            ToEngine::Answer => self.on_answer(),
            ToEngine::Delayed(id) => self.on_delayed(id, received.descriptors),
            ToEngine::Immediate(id) => self.on_immediate(id, received.descriptors),
            ToEngine::Dialog(id, dialog) => drop(self.dialogs.insert(id, dialog)),
            ToEngine::Monitor => self.on_monitor(received.descriptors),
            ToEngine::Talk(id, talk) => self.on_talk(id, talk, received.descriptors),
            ToEngine::Evict(id) => self.talks.tell(id, Cut::Evicted),
            ToEngine::GoOn(id) => self.desk.answered(id, true),
            ToEngine::NoLogin(id) => self.desk.answered(id, false),
            ToEngine::LastWords => self.on_last_words(),
            ToEngine::Program(id) => self.on_program(id, received),
            ToEngine::ProgramEnded(id) => self.programs.tell(id, ()),
            // Said once, before the beginning.
            ToEngine::Certificate(_) | ToEngine::Begin => {}
        }
    }

    /// It works, but for signatures perhaps, which is said before.
    fn on_answer(&self) {
        let (keyholder, probe) = &self.signatures;
        if let Some(probe) = probe {
            keyholder.works(*probe);
        }
        let _ = self.reports.send(FromEngine::Ready);
    }

    fn on_delayed(&mut self, id: ConnectionId, descriptors: Vec<OwnedFd>) {
        let Ok([client, control, input, output]) = <[OwnedFd; 4]>::try_from(descriptors) else {
            return self.exhausted(id);
        };
        let reports = self.reports.clone();
        let asked = move || drop(reports.send(FromEngine::Asked(id)));
        let program = ([input, output], self.programs.add(id));
        let session = session::delayed(self.handshakes.clone(), client, control, program, asked);
        self.spawn(id, session);
    }

    fn on_immediate(&mut self, id: ConnectionId, descriptors: Vec<OwnedFd>) {
        let Ok([client]) = <[OwnedFd; 1]>::try_from(descriptors) else {
            return self.exhausted(id);
        };
        let reports = self.reports.clone();
        let secured = move |facts| drop(reports.send(FromEngine::Secured(id, facts)));
        let told = (self.starting.add(id), self.programs.add(id));
        let session = session::immediate(self.handshakes.clone(), client, secured, told);
        self.spawn(id, session);
    }

    fn on_talk(&mut self, id: ConnectionId, talk: Talk, descriptors: Vec<OwnedFd>) {
        let (Ok([client]), Some(dialog)) =
            (<[OwnedFd; 1]>::try_from(descriptors), self.dialogs.get(&talk.dialog).cloned())
        else {
            return self.exhausted(id);
        };
        let dialog = Box::new(Conversation::new(dialog, talk, self.talks.add(id)));
        let place = self.desk.place(id, self.reports.clone());
        let session = session::talk(self.handshakes.clone(), client, dialog, place);
        self.spawn(id, session);
    }

    /// A channel that did not arrive is as good as a monitor that is gone.
    fn on_monitor(&self, descriptors: Vec<OwnedFd>) {
        if let Some(channel) = descriptors.into_iter().next() {
            let _ = self.desk.connect(channel);
        }
    }

    fn on_last_words(&mut self) {
        for (_, session) in self.talks.by_id.drain() {
            let _ = session.send(Cut::ServerEnds);
        }
    }

    /// Has a session go on by itself, and the listener hear of its end.
    fn spawn(&self, id: ConnectionId, session: impl Future<Output = Ended> + Send + 'static) {
        let reports = self.reports.clone();
        // Else it would be there twice: as what is captured, and as what is awaited.
        let session = Box::pin(session);
        tokio::spawn(async move {
            if let Err(fault) = session.await {
                let _ = reports.send(FromEngine::Failed(id, fault.to_string()));
            }
            let _ = reports.send(FromEngine::Closed(id));
        });
    }

    fn on_program(&mut self, id: ConnectionId, received: Received) {
        if received.descriptors_lost {
            let _ = self.reports.send(exhausted(id));
        }
        self.starting.tell(id, <[OwnedFd; 2]>::try_from(received.descriptors).ok());
    }

    /// The connection's descriptors did not all arrive: there is no room for them.
    /// Those that did are closed, which the program and the client see.
    fn exhausted(&self, id: ConnectionId) {
        let _ = self.reports.send(exhausted(id));
        let _ = self.reports.send(FromEngine::Closed(id));
    }
}

impl<T> Waiting<T> {
    fn new() -> Self {
        Self { by_id: HashMap::new(), look_over_at: FEWEST_LOOKED_OVER }
    }

    /// What the session is to wait for.
    fn add(&mut self, id: ConnectionId) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        if self.by_id.len() >= self.look_over_at {
            self.by_id.retain(|_, waiting| !waiting.is_closed());
            self.look_over_at = FEWEST_LOOKED_OVER.max(2 * self.by_id.len());
        }
        self.by_id.insert(id, sender);
        receiver
    }

    fn tell(&mut self, id: ConnectionId, what: T) {
        // A session that has ended meanwhile wants nothing any more.
        let _ = self.by_id.remove(&id).map(|waiting| waiting.send(what));
    }
}

fn exhausted(id: ConnectionId) -> FromEngine {
    FromEngine::Failed(id, Fault::NoDescriptors.to_string())
}
