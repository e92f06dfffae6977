//! Clients that log in: the monitor is told who they are, and says what becomes of them.

use proto::channel::ConnectionId;
use proto::channel::engine::{Dialog, DialogId, ToEngine};
use proto::channel::listener::{Client, FromMonitor, ToMonitor};
use proto::ucspi_rules;
use std::time::{Duration, Instant};
use unix::blocklist::Reporter;

use super::connections::EngineId;
use super::dialog::Talk;
use super::server::Server;
use crate::child::kill;

/// How long engines have to end those who have not begun to log in, when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Server {
    /// What is said to a client about whom the rules say this; none where it is not the
    /// engine that talks to it.
    pub(super) fn dialog_for(
        &mut self,
        added: &ucspi_rules::Variables,
    ) -> Result<Option<(DialogId, Dialog)>, String> {
        let Some(source) = self.workers.source() else { return Ok(None) };
        let other = source.other_home(added);
        self.workers.dialog(other.as_deref()).map(Some)
    }

    /// A client of the engine's begins to log in. The engine is let go on once the monitor
    /// is sure to hear of it first.
    pub(super) fn logs_in(&mut self, engine: EngineId, id: ConnectionId) {
        let knows = self.introduce(engine, id);
        let answer = if knows { ToEngine::GoOn(id) } else { ToEngine::NoLogin(id) };
        if knows {
            self.connections.begun(id);
        }
        if let Err(reason) = self.workers.tell(engine, &answer, &[]) {
            self.fault(id, &format!("engine: {reason}"));
        }
    }

    fn introduce(&mut self, engine: EngineId, id: ConnectionId) -> bool {
        let Some(arrival) = self.connections.begins(id, engine) else { return false };
        let (Some(talk), Some(monitor)) = (&mut arrival.talk, self.workers.monitor()) else {
            return false;
        };
        let peer = &arrival.peer;
        let client = Client {
            remote: peer.remote,
            local: peer.local,
            added: peer.added.clone(),
            timestamp: talk.how.timestamp.clone(),
            tls: talk.how.tls,
            left: talk.left(Instant::now()),
        };
        let knows = monitor.introduce(&ToMonitor::LogsIn(id, engine, client), talk.socket.as_ref());
        if knows {
            // There is but one copy to keep, and the monitor has it.
            talk.socket = None;
        }
        knows
    }

    /// Takes all that the monitor has said.
    pub(super) fn hear_monitor(&mut self, starting: bool) -> Result<(), String> {
        loop {
            match self.workers.hear_monitor() {
                Ok(Some(FromMonitor::Broken(why))) if starting => return Err(why),
                Ok(Some(message)) => self.heard_of_login(message),
                Ok(None) => return Ok(()),
                Err(_) => {
                    if let Some(pid) = self.workers.monitor().map(|monitor| monitor.pid) {
                        // It has closed its channel, or talks nonsense: nothing sane.
                        kill(pid);
                        return self.reap(pid, starting);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn heard_of_login(&mut self, message: FromMonitor) {
        match message {
            FromMonitor::Ready => {}
            FromMonitor::Broken(why) => self.log.error(why),
            FromMonitor::Checking(id) => self.connections.checking(id),
            FromMonitor::Refused(id) => self.connections.refused(id),
            FromMonitor::LoggedIn(id) => self.connections.logged_in(id),
            FromMonitor::Over(id) => {
                self.connections.over(id);
                self.status();
            }
            FromMonitor::Dishonest(engine) => {
                if let Some(pid) = self.workers.pid_of(engine) {
                    kill(pid);
                }
            }
        }
    }

    /// What the monitor still said comes first, and then that it is gone.
    pub(super) fn monitor_has_ended(&mut self, starting: bool) -> Result<(), String> {
        while let Ok(Some(message)) = self.workers.hear_monitor() {
            match message {
                FromMonitor::Broken(why) if starting => return Err(why),
                message => self.heard_of_login(message),
            }
        }
        self.connections.monitor_lost();
        self.status();
        if starting { Err("monitor: ended at its start".into()) } else { Ok(()) }
    }

    /// Where the monitor stays behind, the server need not wait for sessions: when it ends.
    pub(super) fn begin_to_end(&mut self) {
        if self.workers.source().is_some() {
            self.workers.last_words();
            self.ends_at = Some(Instant::now() + LAST_WORDS);
        }
    }

    /// Whether that is now: everybody who has not begun to log in has been ended, or would
    /// hold it up.
    pub(super) fn may_leave(&mut self, now: Instant) -> bool {
        let Some(ends_at) = self.ends_at else { return false };
        let nobody = self.without_place() == 0 && !self.connections.some_have_not_begun();
        if !nobody && now < ends_at {
            return false;
        }
        match self.workers.monitor() {
            Some(monitor) if !monitor.is_behind() => {
                monitor.tell(&ToMonitor::StayBehind);
                true
            }
            // Where it does not hear, its channel's end says the same.
            Some(_) => now >= ends_at,
            None => true,
        }
    }
}

/// Keeps the client's socket for whoever is to tell blocklistd of it, where that is there.
pub(super) fn keep_socket(talk: &mut Talk, socket: &std::os::fd::OwnedFd) {
    if Reporter::is_wanted() {
        talk.socket = socket.try_clone().ok();
    }
}
