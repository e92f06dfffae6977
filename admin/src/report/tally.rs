//! What has been counted so far. Bounded in what strangers can make it hold: names and
//! addresses beyond so many are counted together.

use super::event::Event;
use super::line::Line;
use proto::failures::Prefix;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Different names or addresses that are told apart.
const MOST: usize = 100_000;
/// What the rest is called.
const OTHERS: &str = "(others)";

/// How often, by what.
pub(super) type Counts = BTreeMap<String, u64>;

/// Somebody's logins.
#[derive(Debug, Default, Serialize)]
pub(super) struct Logins {
    /// How many.
    pub(super) count: u64,
    /// From how many networks.
    pub(super) networks: BTreeSet<String>,
}

/// Trouble of one kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct Trouble {
    /// How often.
    pub(super) count: u64,
    /// The first and the last time, seconds since 1970.
    pub(super) first: Option<i64>,
    /// See `first`.
    pub(super) last: Option<i64>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    #[serde(skip)]
    since: Option<i64>,
    #[serde(skip)]
    now: i64,
    /// Lines that were read, without those that were too old.
    pub(super) lines: u64,
    /// Of them, those of other programs.
    pub(super) foreign: u64,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    /// Sessions by service, then by hour of the day, UTC.
    pub(super) sessions: BTreeMap<String, BTreeMap<i64, u64>>,
    pub(super) logged_in: BTreeMap<String, Logins>,
    pub(super) refused: BTreeMap<String, Logins>,
    pub(super) refused_addresses: Counts,
    pub(super) refused_networks: Counts,
    /// Names that nobody has.
    pub(super) unknown: Counts,
    pub(super) without_login: u64,
    pub(super) denied: Counts,
    pub(super) tls: Counts,
    /// Sessions by TLS version, where `control/logformat` has them logged.
    pub(super) tls_versions: Counts,
    pub(super) restarts: Counts,
    pub(super) trouble: BTreeMap<String, Trouble>,
    /// The longest sessions: seconds, and who.
    pub(super) longest: Vec<(i64, String)>,
    #[serde(skip)]
    running: HashMap<(String, String), Running>,
}

#[derive(Debug)]
struct Running {
    since: i64,
    user: Option<String>,
}

impl Tally {
    /// At the time `now`, of what is not older than `since`.
    pub(super) fn new(since: Option<i64>, now: i64) -> Self {
        Self { since, now, ..Self::default() }
    }

    /// Counts a line; `service` is whose file it is in.
    pub(super) fn count(&mut self, service: Option<&str>, text: &str) {
        let line = Line::parse(text, self.now);
        if line.time.zip(self.since).is_some_and(|(time, since)| time < since) {
            return;
        }
        self.lines += 1;
        self.from = [self.from, line.time].into_iter().flatten().min();
        self.to = self.to.max(line.time);
        let service = line.service.or(service).unwrap_or("-").to_owned();
        let (event, times) = Event::counted(line.text);
        self.event((&event, times), line.text, service, line.time);
    }

    /// There are lines, and none is of these programs.
    pub(super) fn is_all_foreign(&self) -> bool {
        self.lines > 0 && self.foreign == self.lines
    }

    fn event(
        &mut self,
        (event, times): (&Event<'_>, u64),
        text: &str,
        service: String,
        time: Option<i64>,
    ) {
        match *event {
            Event::Begins { pid } => {
                let hour = time.map_or(-1, |time| time.rem_euclid(24 * 3600) / 3600);
                *self.sessions.entry(service.clone()).or_default().entry(hour).or_default() += 1;
                if let Some(since) = time.filter(|_| self.running.len() < MOST) {
                    self.running.insert((service, pid.to_owned()), Running { since, user: None });
                }
            }
            Event::Ends { pid } => self.ended(&(service, pid.to_owned()), time),
            Event::LoggedIn { user, address } => {
                add(&mut self.logged_in, user, Some(address), times);
                let pid = text.split(' ').nth(1).unwrap_or_default().to_owned();
                if let Some(running) = self.running.get_mut(&(service, pid)) {
                    running.user = Some(user.to_owned());
                }
            }
            Event::Refused { user, address } => {
                add(&mut self.refused, user, Some(address), times);
                self.refused_from(address, times);
            }
            Event::RefusedUnsaid { address } => {
                add(&mut self.refused, OTHERS, None, times);
                self.refused_from(address, times);
            }
            Event::Unknown { user } => bump(&mut self.unknown, user, times),
            Event::NoLogin => self.without_login += 1,
            Event::Denied { why } => bump(&mut self.denied, why, times),
            Event::Tls { why } => bump(&mut self.tls, why, times),
            Event::Session { tls } => bump(&mut self.tls_versions, tls.unwrap_or("none"), times),
            Event::Restart { what } => bump(&mut self.restarts, what, times),
            Event::Trouble { text } => self.trouble(text, times, time),
            Event::Course => {}
            Event::Foreign => self.foreign += 1,
        }
    }

    fn refused_from(&mut self, address: &str, times: u64) {
        bump(&mut self.refused_addresses, address, times);
        bump(&mut self.refused_networks, &network(address), times);
    }

    fn ended(&mut self, key: &(String, String), time: Option<i64>) {
        let Some((running, time)) = self.running.remove(key).zip(time) else { return };
        let who = running.user.unwrap_or_else(|| "nobody logged in".into());
        self.longest.push((time - running.since, format!("{who}, {}", key.0)));
        self.longest.sort_by(|a, b| b.cmp(a));
        self.longest.truncate(5);
    }

    fn trouble(&mut self, text: &str, times: u64, time: Option<i64>) {
        let kind = kind(text);
        let kind = room(self.trouble.len(), self.trouble.contains_key(&kind), &kind);
        let trouble = self.trouble.entry(kind).or_default();
        trouble.count += times;
        trouble.first = [trouble.first, time].into_iter().flatten().min();
        trouble.last = trouble.last.max(time);
    }
}

/// What kind of trouble a line tells of. Numbers are left out, with what stops them, and so is
/// whom authup names at the end: what is the same is counted as the same.
fn kind(text: &str) -> String {
    let is_authups = ["authup ", "checkpassword "].iter().any(|word| text.starts_with(word));
    let said = text.strip_suffix(')').filter(|_| is_authups);
    let said =
        said.and_then(|said| said.split_once(" (")).filter(|(_, who)| who.contains(" from "));
    let words = said.map_or(text, |(said, _)| said).split(' ').map(|word| {
        let number = word.trim_end_matches([':', ';', ',', '.']);
        let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
        if is_number { word.replacen(number, "N", 1) } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The key itself, while there is room for it.
fn room(held: usize, is_known: bool, key: &str) -> String {
    if is_known || held < MOST { key.to_owned() } else { OTHERS.to_owned() }
}

fn bump(counts: &mut Counts, key: &str, times: u64) {
    let key = room(counts.len(), counts.contains_key(key), key);
    *counts.entry(key).or_default() += times;
}

fn add(logins: &mut BTreeMap<String, Logins>, user: &str, address: Option<&str>, times: u64) {
    let key = room(logins.len(), logins.contains_key(user), user);
    let logins = logins.entry(key).or_default();
    logins.count += times;
    if let Some(address) = address.filter(|_| logins.networks.len() < MOST / 100) {
        logins.networks.insert(network(address));
    }
}

/// The network that an address counts for.
fn network(address: &str) -> String {
    let network = |address| Prefix::network_of(address).to_string();
    address.parse().map_or_else(|_| "unknown".into(), network)
}
