//! What the listener says, turned into sessions.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::oneshot;
use unix::descriptor_passing::Received;

use super::Reports;
use super::session::{self, Ended, Handshakes, Program};
use super::tickets::Tickets;
use super::until_login::Conversation;
use crate::messages::{ConnectionId, Dialog, FromEngine, ToEngine};

/// Starts sessions, and hands programs to those that wait for theirs.
pub(super) struct Dispatcher {
    handshakes: Handshakes,
    tickets: Arc<Tickets>,
    /// What is said to those who have not logged in yet.
    dialog: Option<Dialog>,
    reports: Reports,
    waiting: HashMap<ConnectionId, oneshot::Sender<Program>>,
    /// How many may be in `waiting` before those that have ended are taken out: so that
    /// each of thousands does not cost a look at all.
    look_over_at: usize,
}

/// So many are not worth a look.
const FEW: usize = 64;

impl Dispatcher {
    pub(super) fn new(
        handshakes: Handshakes,
        tickets: Arc<Tickets>,
        dialog: Option<Dialog>,
        reports: Reports,
    ) -> Self {
        let (waiting, look_over_at) = (HashMap::new(), FEW);
        Self { handshakes, tickets, dialog, reports, waiting, look_over_at }
    }

    /// Acts on one message and the descriptors that came with it.
    pub(super) fn dispatch(&mut self, message: ToEngine, received: Received) {
        match message {
            ToEngine::TicketKey(key) => self.tickets.turn(&key),
            ToEngine::Answer => drop(self.reports.send(FromEngine::Ready)),
            ToEngine::Delayed(id) => self.delayed(id, received.descriptors),
            ToEngine::Immediate(id) => self.immediate(id, received.descriptors),
            ToEngine::UntilLogin(id, timestamp) => {
                self.until_login(id, timestamp, received.descriptors);
            }
            ToEngine::Program(id) => self.program(id, received),
            // Said once, before the beginning.
            ToEngine::Certificate(_) | ToEngine::Dialog(_) | ToEngine::Begin => {}
        }
    }

    fn delayed(&self, id: ConnectionId, descriptors: Vec<OwnedFd>) {
        let Ok([client, control, input, output]) = <[OwnedFd; 4]>::try_from(descriptors) else {
            return self.exhausted(id);
        };
        let session = session::delayed(self.handshakes.clone(), client, control, [input, output]);
        tokio::spawn(reported(id, self.reports.clone(), session));
    }

    fn immediate(&mut self, id: ConnectionId, descriptors: Vec<OwnedFd>) {
        let Ok([client]) = <[OwnedFd; 1]>::try_from(descriptors) else {
            return self.exhausted(id);
        };
        let (secured, program) = self.program_to_come(id);
        let session = session::immediate(self.handshakes.clone(), client, secured, program);
        tokio::spawn(reported(id, self.reports.clone(), session));
    }

    fn until_login(&mut self, id: ConnectionId, timestamp: Vec<u8>, descriptors: Vec<OwnedFd>) {
        let Some(dialog) = &self.dialog else { return self.exhausted(id) };
        let dialog = Conversation::new(dialog, timestamp);
        let Ok([client]) = <[OwnedFd; 1]>::try_from(descriptors) else {
            return self.exhausted(id);
        };
        let (secured, program) = self.program_to_come(id);
        let handshakes = self.handshakes.clone();
        let session = session::until_login(handshakes, client, dialog, secured, program);
        tokio::spawn(reported(id, self.reports.clone(), session));
    }

    /// How a session asks for its program, and how it gets it.
    fn program_to_come(
        &mut self,
        id: ConnectionId,
    ) -> (impl FnOnce(Vec<u8>) + use<>, oneshot::Receiver<Program>) {
        let (sender, program) = oneshot::channel();
        if self.waiting.len() >= self.look_over_at {
            self.waiting.retain(|_, waiting| !waiting.is_closed());
            self.look_over_at = FEW.max(2 * self.waiting.len());
        }
        self.waiting.insert(id, sender);
        let reports = self.reports.clone();
        (move |facts| drop(reports.send(FromEngine::Secured(id, facts))), program)
    }

    fn program(&mut self, id: ConnectionId, received: Received) {
        let waiting = self.waiting.remove(&id);
        if let Ok(program) = <[OwnedFd; 2]>::try_from(received.descriptors) {
            // A session that has ended meanwhile wants no program any more.
            let _ = waiting.map(|waiting| waiting.send(program));
        } else if received.descriptors_lost {
            let _ = self.reports.send(exhausted(id));
        }
    }

    /// The connection's descriptors did not all arrive: there is no room for them.
    /// Those that did are closed, which the program and the client see.
    fn exhausted(&self, id: ConnectionId) {
        let _ = self.reports.send(exhausted(id));
        let _ = self.reports.send(FromEngine::Closed(id));
    }
}

fn exhausted(id: ConnectionId) -> FromEngine {
    FromEngine::Failed(id, "the engine has no descriptors left".into())
}

async fn reported(id: ConnectionId, reports: Reports, session: impl Future<Output = Ended>) {
    if let Err(why) = session.await {
        let _ = reports.send(FromEngine::Failed(id, why));
    }
    let _ = reports.send(FromEngine::Closed(id));
}
