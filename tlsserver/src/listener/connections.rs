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

pub(super) use proto::channel::EngineId;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection<W> {
    pub(super) peer: IpAddr,
    /// Its program, also after that has ended.
    pub(super) pid: Option<u32>,
    program_runs: bool,
    engine: Option<EngineId>,
    /// What is kept for a program that is still to be started.
    waiting: Option<W>,
    /// What the monitor has of it.
    login: Login,
    /// The monitor has had something of it.
    pub(super) has_begun: bool,
    /// Since when its client is to log in.
    since: Option<Instant>,
}

/// What the monitor has of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    /// Nothing.
    None,
    /// It knows who the client is, and may try a login.
    Begun,
    /// A session.
    Good,
}

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
    /// The one that was told to make room, and has not yet.
    making_room: Option<ConnectionId>,
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
            making_room: None,
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

    /// What is kept for its program, while that is still to be started.
    pub(super) fn waiting(&self, id: ConnectionId) -> Option<&W> {
        self.by_id.get(&id)?.waiting.as_ref()
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
        let connection = Connection {
            peer,
            pid: None,
            program_runs: false,
            engine: None,
            waiting: None,
            login: Login::None,
            has_begun: false,
            since: None,
        };
        self.by_id.insert(self.last, connection);
        Ok(self.last)
    }

    /// Its program runs.
    pub(super) fn started(&mut self, id: ConnectionId, pid: u32) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.pid = Some(pid);
            connection.program_runs = true;
            self.by_pid.insert(pid, id);
        }
    }

    /// An engine has it, and perhaps its program waits for the handshake.
    pub(super) fn handed_over(&mut self, id: ConnectionId, engine: EngineId, waiting: Option<W>) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.engine = Some(engine);
            connection.waiting = waiting;
        }
    }

    /// Its client is to log in, from now on.
    pub(super) fn awaits_login(&mut self, id: ConnectionId, now: Instant) {
        self.before_login.insert(id, now);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.since = Some(now);
        }
    }

    /// What is kept of a client that begins to log in, if the engine is the one that has
    /// it, and the monitor does not know of it already.
    pub(super) fn begins(&mut self, id: ConnectionId, engine: EngineId) -> Option<&mut W> {
        let connection = self.by_id.get_mut(&id)?;
        let its = connection.engine == Some(engine) && connection.login == Login::None;
        connection.waiting.as_mut().filter(|_| its)
    }

    /// The monitor knows of it.
    pub(super) fn begun(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.login = Login::Begun;
            connection.has_begun = true;
        }
    }

    /// Its password is looked at, which is nothing that it could make room by ending.
    pub(super) fn checking(&mut self, id: ConnectionId) {
        self.before_login.remove(&id);
    }

    /// It may try again.
    pub(super) fn refused(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get(&id).filter(|one| one.waiting.is_some())
            && let Some(since) = connection.since
        {
            self.before_login.insert(id, since);
        }
    }

    /// Its client has logged in.
    pub(super) fn logged_in(&mut self, id: ConnectionId) {
        self.before_login.remove(&id);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.login = Login::Good;
            connection.waiting = None;
        }
    }

    /// The monitor has nothing of it any more.
    pub(super) fn over(&mut self, id: ConnectionId) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.login = Login::None;
            self.forget_if_done(id);
        }
    }

    /// The monitor has died. Who was about to log in may try again; that a session ends,
    /// its engine says.
    pub(super) fn monitor_lost(&mut self) {
        let known = |one: &Connection<W>| one.login != Login::None;
        let lost: Vec<_> =
            self.by_id.iter().filter(|(_, one)| known(one)).map(|(&id, _)| id).collect();
        for id in lost {
            self.refused(id);
            self.over(id);
        }
    }

    /// Whether the monitor has something of it.
    pub(super) fn is_with_monitor(&self, id: ConnectionId) -> bool {
        self.by_id.get(&id).is_some_and(|connection| connection.login != Login::None)
    }

    /// Whether clients are there that have not begun to log in.
    pub(super) fn some_have_not_begun(&self) -> bool {
        self.by_id.values().any(|one| one.login == Login::None)
    }

    /// Since when the one that could make room has waited for its login: the oldest, unless
    /// one is about to make room already.
    pub(super) fn longest_before_login(&self) -> Option<Instant> {
        let oldest = self.before_login.first_key_value().filter(|_| self.making_room.is_none());
        oldest.map(|(_, since)| *since)
    }

    /// Has that one make room: it gets no program any more. Which it is, and its engine.
    pub(super) fn make_room(&mut self) -> Option<(ConnectionId, EngineId)> {
        let (id, _) = self.before_login.pop_first()?;
        let connection = self.by_id.get_mut(&id)?;
        let engine = connection.engine?;
        connection.waiting = None;
        self.making_room = Some(id);
        Some((id, engine))
    }

    /// What its program waits with, if the engine is the one that has it: no engine
    /// has a say about another's connections, and about its own only once.
    pub(super) fn secured(&mut self, id: ConnectionId, engine: EngineId) -> Option<W> {
        let connection = self.by_id.get_mut(&id)?;
        let waiting = connection.waiting.take_if(|_| connection.engine == Some(engine))?;
        self.before_login.remove(&id);
        Some(waiting)
    }

    /// Whether the engine is the one that has the connection.
    pub(super) fn is_with(&self, id: ConnectionId, engine: EngineId) -> bool {
        self.by_id.get(&id).is_some_and(|connection| connection.engine == Some(engine))
    }

    /// A child has ended; whether it was a connection's program.
    pub(super) fn program_ended(&mut self, pid: u32) -> bool {
        let Some(id) = self.by_pid.remove(&pid) else { return false };
        self.ending.remove(&pid);
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.program_runs = false;
        }
        self.forget_if_done(id);
        true
    }

    /// Its engine, if it ever had one, has let go of it. Its program, if that runs:
    /// it is about to end, or has.
    pub(super) fn closed(&mut self, id: ConnectionId) -> Option<u32> {
        self.before_login.remove(&id);
        self.making_room.take_if(|making| *making == id);
        let connection = self.by_id.get_mut(&id)?;
        connection.engine = None;
        connection.waiting = None;
        let running = connection.pid.filter(|_| connection.program_runs);
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
        let had = |connection: &Connection<W>| connection.engine == Some(engine);
        self.by_id.iter().filter(|(_, one)| had(one)).map(|(&id, _)| id).collect()
    }

    fn forget_if_done(&mut self, id: ConnectionId) {
        let done = |one: &Connection<W>| {
            !one.program_runs && one.engine.is_none() && one.login == Login::None
        };
        if !self.by_id.get(&id).is_some_and(done) {
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
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_connection_counts_until_program_and_engine_are_done() {
        for engine_first in [true, false] {
            let mut table = Connections::<()>::new(40, 40);
            let id = table.admit(PEER, None).unwrap();
            table.started(id, 123);
            table.handed_over(id, 1, None);
            if engine_first {
                assert_eq!(table.closed(id), Some(123));
                assert_eq!(table.count(), 1);
                assert!(table.ending().eq([123]));
                assert!(table.program_ended(123));
            } else {
                assert!(table.program_ended(123));
                assert_eq!(table.count(), 1);
                assert_eq!(table.closed(id), None);
            }
            assert_eq!(table.ending().count(), 0);
            assert_eq!(table.count(), 0);
            assert!(table.by_address.is_empty() && table.by_pid.is_empty());
            assert!(!table.program_ended(123));
        }
    }

    #[test]
    fn the_limit_is_for_each_address() {
        let mut table = Connections::<()>::new(40, 2);
        let first = table.admit(PEER, None).unwrap();
        table.admit(PEER, None).unwrap();
        assert_eq!(table.admit(PEER, None), Err(TooMany));
        table.admit(Ipv4Addr::BROADCAST.into(), None).unwrap();
        table.closed(first);
        table.admit(PEER, None).unwrap();
    }

    #[test]
    fn the_rules_may_set_another_limit() {
        let mut table = Connections::<()>::new(40, 1);
        assert_eq!(table.admit(PEER, Some(0)), Err(TooMany));
        table.admit(PEER, Some(2)).unwrap();
        table.admit(PEER, Some(2)).unwrap();
        assert_eq!(table.admit(PEER, Some(2)), Err(TooMany));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut table = Connections::<()>::new(40, 1);
        let one = table.admit(address("2001:db8::1"), None).unwrap();
        assert_eq!(table.admit(address("2001:db8::ffff:0:0:2"), None), Err(TooMany));
        table.admit(address("2001:db8:0:1::1"), None).unwrap();
        table.closed(one);
        table.admit(address("2001:db8::3"), None).unwrap();
        let mut table = Connections::<()>::new(40, 1).by_ipv6_prefix(128);
        table.admit(address("2001:db8::1"), None).unwrap();
        table.admit(address("2001:db8::2"), None).unwrap();
    }

    #[test]
    fn an_engine_speaks_once_and_only_for_its_own() {
        let mut table = Connections::new(40, 40);
        let id = table.admit(PEER, None).unwrap();
        table.handed_over(id, 1, Some("program"));
        assert_eq!(table.secured(id, 2), None);
        assert_eq!(table.secured(id, 1), Some("program"));
        assert_eq!(table.secured(id, 1), None);
        assert!(table.is_with(id, 1) && !table.is_with(id, 2));
    }

    #[test]
    fn who_waits_longest_for_a_login_makes_room() {
        let mut table = Connections::new(2, 2);
        let now = Instant::now();
        let [one, other] = [table.admit(PEER, None).unwrap(), table.admit(PEER, None).unwrap()];
        for (id, since) in [(one, now), (other, now + Duration::from_secs(1))] {
            table.handed_over(id, 1, Some("program"));
            table.awaits_login(id, since);
        }
        assert_eq!(table.longest_before_login(), Some(now));
        assert_eq!(table.make_room(), Some((one, 1)));
        // One at a time, and it cannot log in any more.
        assert_eq!(table.longest_before_login(), None);
        assert_eq!(table.secured(one, 1), None);
        table.closed(one);
        assert!(table.longest_before_login().is_some());
        // Who logs in does not have to.
        assert_eq!(table.secured(other, 1), Some("program"));
        assert_eq!(table.longest_before_login(), None);
        assert_eq!(table.make_room(), None);
    }

    #[test]
    fn a_lost_engines_connections_are_found() {
        let mut table = Connections::<()>::new(40, 40);
        let [one, other] = [table.admit(PEER, None).unwrap(), table.admit(PEER, None).unwrap()];
        table.handed_over(one, 1, None);
        table.handed_over(other, 2, None);
        assert_eq!(table.engine_lost(1), [one]);
    }
}
