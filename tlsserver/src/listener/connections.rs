//! Who is connected, and whether one more may be. Only a table: it opens, closes
//! and says nothing.
//!
//! A connection counts until its program has ended *and* its engine has let go of
//! it, for both cost something.

use proto::channel::ConnectionId;
use proto::network::{IPV6_CUSTOMER, customer};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Instant;

use super::connection::Connection;

pub(super) use proto::channel::EngineId;

/// All of them.
#[derive(Debug)]
pub(super) struct Connections<W> {
    limit: usize,
    limit_per_address: usize,
    /// Bits of an IPv6 address by which clients are told apart.
    ipv6_prefix: u8,
    last: ConnectionId,
    by_id: HashMap<ConnectionId, Connection<W>>,
    by_pid: HashMap<u32, ConnectionId>,
    by_address: HashMap<IpAddr, usize>,
    /// Those whose clients have not wanted to log in yet, and since when.
    before_login: BTreeMap<ConnectionId, Instant>,
    /// The one that was evicted, and is about to go.
    evicted: Option<ConnectionId>,
    /// Programs that run although no engine has their connection any more.
    ending: HashSet<u32>,
}

/// There are as many connections from the address as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl<W> Connections<W> {
    /// `last`: before the first connection's number.
    pub(super) fn after(last: ConnectionId, limit: usize, limit_per_address: usize) -> Self {
        Self { last, ..Self::new(limit, limit_per_address) }
    }

    pub(super) fn new(limit: usize, limit_per_address: usize) -> Self {
        Self {
            limit,
            limit_per_address,
            ipv6_prefix: IPV6_CUSTOMER,
            last: 0,
            by_id: HashMap::new(),
            by_pid: HashMap::new(),
            by_address: HashMap::new(),
            before_login: BTreeMap::new(),
            evicted: None,
            ending: HashSet::new(),
        }
    }

    /// With clients told apart by so many bits of their IPv6 addresses.
    pub(super) fn by_ipv6_prefix(self, ipv6_prefix: u8) -> Self {
        Self { ipv6_prefix, ..self }
    }

    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection<W>> {
        self.by_id.get(&id)
    }

    /// Counts one more, where the client has not as many as it may have: that is for the
    /// rules to say, or else the same for all.
    pub(super) fn admit(
        &mut self,
        peer: IpAddr,
        limit: Option<usize>,
    ) -> Result<ConnectionId, TooMany> {
        let client = customer(peer, self.ipv6_prefix);
        let from_there = self.by_address.entry(client).or_insert(0);
        if *from_there >= limit.unwrap_or(self.limit_per_address) {
            if *from_there == 0 {
                self.by_address.remove(&client);
            }
            return Err(TooMany);
        }
        *from_there += 1;
        self.last += 1;
        self.by_id.insert(self.last, Connection::new(peer));
        Ok(self.last)
    }

    /// Its program runs.
    pub(super) fn started(&mut self, id: ConnectionId, pid: u32) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.started(pid);
            self.by_pid.insert(pid, id);
        }
    }

    /// An engine has it, and perhaps its program waits for the handshake.
    pub(super) fn handed_over(&mut self, id: ConnectionId, engine: EngineId, waiting: Option<W>) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.handed_over(engine, waiting);
        }
    }

    /// Its program has asked this engine for TLS.
    pub(super) fn asked(&mut self, id: ConnectionId, engine: EngineId) {
        if let Some(connection) = self.by_id.get_mut(&id)
            && connection.engine() == Some(engine)
        {
            connection.asked();
        }
    }

    /// Whether it goes on without its engine, which it has not needed yet.
    pub(super) fn is_clear(&self, id: ConnectionId) -> bool {
        self.by_id.get(&id).is_some_and(Connection::is_clear)
    }

    /// Its client is to log in, from now on.
    pub(super) fn awaits_login(&mut self, id: ConnectionId, now: Instant) {
        self.before_login.insert(id, now);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.awaits_login(now);
        }
    }

    /// What is kept of a client that begins to log in, if the engine is the one that has
    /// it, and the monitor does not know of it already.
    pub(super) fn begins(&mut self, id: ConnectionId, engine: EngineId) -> Option<&mut W> {
        let connection = self.by_id.get_mut(&id)?;
        if connection.engine() == Some(engine) { connection.may_begin() } else { None }
    }

    /// The monitor knows of it, and is about to hear its password.
    pub(super) fn begun(&mut self, id: ConnectionId) {
        self.makes_no_room(id);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.begun();
        }
    }

    /// It was to log in, and nobody is there who would hear of it: it may try again.
    pub(super) fn declined(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.declined();
        }
    }

    /// What ends it is in the log. Before a login it gets none any more, and can be evicted still.
    pub(super) fn failed_before_login(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id).filter(|one| one.is_in_dialog()) {
            connection.turn_away();
        }
    }

    /// Its password is looked at, which is nothing that it could be evicted for.
    pub(super) fn checking(&mut self, id: ConnectionId) {
        self.makes_no_room(id);
    }

    /// Neither can it be evicted, nor is it about to go because it was: it may have said its
    /// password meanwhile.
    fn makes_no_room(&mut self, id: ConnectionId) {
        self.before_login.remove(&id);
        self.evicted.take_if(|evicted| *evicted == id);
    }

    /// It may try again.
    pub(super) fn refused(&mut self, id: ConnectionId) {
        if let Some(since) = self.by_id.get(&id).and_then(Connection::may_log_in_since) {
            self.before_login.insert(id, since);
        }
    }

    /// Its client has logged in.
    pub(super) fn logged_in(&mut self, id: ConnectionId) {
        self.makes_no_room(id);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.logged_in();
        }
    }

    /// The monitor has nothing of it any more, and there will be no other login: it may say so
    /// before the engine lets go of the connection.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        self.before_login.remove(&id);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.turn_away();
        }
        self.over(id);
    }

    /// The monitor has nothing of it any more.
    fn over(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.over();
            self.forget_if_done(id);
        }
    }

    /// The monitor has died. Who was about to log in may try again, with the next one: those
    /// are returned, as nobody else says that they have ended. Sessions are the next one's.
    pub(super) fn monitor_lost(&mut self) -> Vec<ConnectionId> {
        let known = self.by_id.iter().filter(|(_, one)| one.is_with_monitor() && !one.is_session());
        let lost: Vec<_> = known.map(|(&id, _)| id).collect();
        for &id in &lost {
            self.refused(id);
            self.over(id);
        }
        lost
    }

    /// The monitor's sessions, and the engines that have them.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (ConnectionId, Option<EngineId>)> {
        let sessions = self.by_id.iter().filter(|(_, one)| one.is_session());
        sessions.map(|(&id, one)| (id, one.engine()))
    }

    /// Whether the monitor has something of it.
    pub(super) fn is_with_monitor(&self, id: ConnectionId) -> bool {
        self.by_id.get(&id).is_some_and(Connection::is_with_monitor)
    }

    /// Whether there are clients with neither a program nor the monitor behind them.
    pub(super) fn some_need_the_listener(&self) -> bool {
        !self.by_id.values().all(Connection::has_somebody_behind)
    }

    /// Those whose programs would be started behind their handshakes.
    pub(super) fn in_handshake(&self) -> impl Iterator<Item = ConnectionId> {
        self.by_id.iter().filter(|(_, one)| one.is_in_handshake()).map(|(&id, _)| id)
    }

    /// Whose clients are to log in and have not begun to.
    pub(super) fn in_dialog(&self) -> impl Iterator<Item = IpAddr> {
        self.by_id.values().filter(|one| one.is_in_dialog()).map(|one| one.peer)
    }

    /// Since when the one that could be evicted has waited for its login: the oldest, unless
    /// one is about to go already.
    pub(super) fn longest_before_login(&self) -> Option<Instant> {
        let oldest = self.before_login.first_key_value().filter(|_| self.evicted.is_none());
        oldest.map(|(_, since)| *since)
    }

    /// Has that one go: it gets no login any more. Which it is, and its engine.
    pub(super) fn evict(&mut self) -> Option<(ConnectionId, EngineId)> {
        let (id, _) = self.before_login.pop_first()?;
        let connection = self.by_id.get_mut(&id)?;
        let engine = connection.engine()?;
        connection.turn_away();
        self.evicted = Some(id);
        Some((id, engine))
    }

    /// What its program waits with, if the engine is the one that has it: no engine
    /// has a say about another's connections, and about its own only once.
    pub(super) fn secured(&mut self, id: ConnectionId, engine: EngineId) -> Option<W> {
        self.by_id.get_mut(&id).filter(|one| one.engine() == Some(engine))?.secured()
    }

    /// Whether the engine is the one that has the connection.
    pub(super) fn is_with(&self, id: ConnectionId, engine: EngineId) -> bool {
        self.by_id.get(&id).is_some_and(|connection| connection.engine() == Some(engine))
    }

    /// The connection whose program this is, and the engine that has it.
    pub(super) fn with_program(&self, pid: u32) -> Option<(ConnectionId, EngineId)> {
        let id = *self.by_pid.get(&pid)?;
        Some((id, self.by_id.get(&id)?.engine()?))
    }

    /// A child has ended; whether it was a connection's program.
    pub(super) fn program_ended(&mut self, pid: u32) -> bool {
        let Some(id) = self.by_pid.remove(&pid) else { return false };
        self.ending.remove(&pid);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.program_ended();
        }
        self.forget_if_done(id);
        true
    }

    /// Its engine, if it ever had one, has let go of it. Its program, if that runs:
    /// it is about to end, or has.
    pub(super) fn closed(&mut self, id: ConnectionId) -> Option<u32> {
        self.makes_no_room(id);
        let connection = self.by_id.get_mut(&id)?;
        connection.closed();
        let running = connection.program();
        self.ending.extend(running);
        self.forget_if_done(id);
        running
    }

    /// Programs that run although no engine has their connection any more: few, as
    /// most end with it.
    pub(super) fn ending(&self) -> impl Iterator<Item = u32> {
        self.ending.iter().copied()
    }

    /// An engine has died; the connections that it had.
    pub(super) fn engine_lost(&mut self, engine: EngineId) -> Vec<ConnectionId> {
        let had = |connection: &Connection<W>| connection.engine() == Some(engine);
        self.by_id.iter().filter(|(_, one)| had(one)).map(|(&id, _)| id).collect()
    }

    fn forget_if_done(&mut self, id: ConnectionId) {
        if !self.by_id.get(&id).is_some_and(Connection::is_done) {
            return;
        }
        if let Some(connection) = self.by_id.remove(&id)
            && let client = customer(connection.peer, self.ipv6_prefix)
            && let Some(count) = self.by_address.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
