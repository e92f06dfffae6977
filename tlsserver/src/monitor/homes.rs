//! What control files say about logins, for the ordinary home and for each that a rule
//! names, and the memories of refused logins that they name.
//!
//! A home that a rule names is read when somebody logs in there first, and all are read
//! again at `SIGHUP`. A memory that is not named any more stays until it has been told of
//! all logins that it was asked about.

use proto::failures::{About, Answer, Settings};
use proto::logfmt::Format;
use proto::login::names::LoginNames;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use unix::control::{Folder, Unreadable};
use unix::failures::{self, Memory, Ticket};
use unix::login_controls::LoginControls;

/// How often it is tried to write what could not be written while somebody waited.
const AGAIN: Duration = Duration::from_secs(1);
/// How long one such try may take.
const AT_ONCE: Duration = Duration::from_millis(5);
/// How long a monitor that ends still tries.
const AT_THE_END: Duration = Duration::from_secs(5);

/// What is said of one home.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pub(super) names: LoginNames,
    /// Which memory; none where nothing is remembered.
    pub(super) memory: Option<MemoryId>,
    /// Whether lines that say all are asked for.
    pub(super) format: Option<Format>,
}

pub(super) type MemoryId = u64;

/// A login that a memory was asked about, and is to be told what came of.
pub(super) struct Charge {
    memory: MemoryId,
    ticket: Ticket,
}

/// What a memory says of a login.
pub(super) enum Verdict {
    /// It may be tried; it has been charged where there is a memory.
    Try(Option<Charge>),
    /// Not now: the listener would close new connections from its client's address.
    Wait,
    /// About this there have been too many failures.
    Refuse(About),
}

/// All homes that are known.
pub(super) struct Homes {
    ordinary: OsString,
    known: BTreeMap<OsString, Home>,
    memories: Memories,
}

#[derive(Default)]
struct Memories {
    by_id: BTreeMap<MemoryId, Kept>,
    last: MemoryId,
    /// When it is tried next to write what is owed.
    again: Option<Instant>,
}

struct Kept {
    settings: Settings,
    memory: Memory,
    /// Logins that it has not been told of yet.
    open: usize,
}

impl Homes {
    /// Reads the ordinary home.
    pub(super) fn read(ordinary: OsString) -> Result<Self, Unreadable> {
        let mut memories = Memories::default();
        let home = memories.home(LoginControls::read(&Folder::of(Some(&ordinary)))?);
        Ok(Self { known: BTreeMap::from([(ordinary.clone(), home)]), ordinary, memories })
    }

    /// Whether it is the one that programs start in where no rule names another.
    pub(super) fn is_ordinary(&self, home: &OsStr) -> bool {
        home == self.ordinary
    }

    /// Reads all again; what cannot be used stays as it was, and is said.
    pub(super) fn read_again(&mut self) -> Vec<Unreadable> {
        let mut wrong = Vec::new();
        for (name, home) in &mut self.known {
            match LoginControls::read(&Folder::of(Some(name))) {
                Ok(controls) => *home = self.memories.home(controls),
                Err(why) => wrong.push(why),
            }
        }
        self.forget_unused();
        wrong
    }

    /// What is said of the home that a rule names, or of the ordinary one.
    pub(super) fn of(&mut self, named: Option<&OsStr>) -> Result<Home, Unreadable> {
        let name = named.unwrap_or(&self.ordinary);
        if let Some(home) = self.known.get(name) {
            return Ok(home.clone());
        }
        let home = self.memories.home(LoginControls::read(&Folder::of(Some(name)))?);
        self.known.insert(name.to_owned(), home.clone());
        Ok(home)
    }

    /// Whether a login may be tried; [`Self::after`] is to follow what is charged then.
    /// `beside_others`: others from its network are being tried, so it may have to wait.
    pub(super) fn before(
        &mut self,
        memory: MemoryId,
        address: IpAddr,
        (user, secret): (&[u8], &[u8]),
        beside_others: bool,
    ) -> Verdict {
        let Some(kept) = self.memories.by_id.get_mut(&memory) else { return Verdict::Try(None) };
        let verdict = if beside_others {
            kept.memory.before_beside_others(Some(address), user, secret)
        } else {
            Some(kept.memory.before(Some(address), user, secret))
        };
        match verdict {
            Some(failures::Verdict::Ask(ticket)) => {
                kept.open += 1;
                Verdict::Try(Some(Charge { memory, ticket }))
            }
            Some(failures::Verdict::Refuse(about)) => Verdict::Refuse(about),
            None => Verdict::Wait,
        }
    }

    /// Remembers what came of a login.
    pub(super) fn after(&mut self, charge: Charge, answer: Answer) {
        if let Some(kept) = self.memories.by_id.get_mut(&charge.memory) {
            kept.open = kept.open.saturating_sub(1);
            kept.memory.after(charge.ticket, answer);
            if kept.memory.owes() > 0 {
                self.memories.again.get_or_insert(Instant::now() + AGAIN);
            }
        }
    }

    /// What is wrong with a memory and has not been said yet.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.memories.by_id.values_mut().find_map(|kept| kept.memory.trouble())
    }

    /// When [`Self::settle`] has something to do.
    pub(super) const fn next_turn(&self) -> Option<Instant> {
        self.memories.again
    }

    /// Tries once more to write what is owed, when it is time.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.memories.again.take_if(|again| *again <= now).is_some() {
            self.pay(AT_ONCE);
            self.forget_unused();
        }
    }

    /// For a monitor that ends: what cannot be written now is lost, and is trouble.
    pub(super) fn finish(&mut self) {
        for kept in self.memories.by_id.values_mut() {
            kept.memory.finish(AT_THE_END);
        }
    }

    fn pay(&mut self, patience: Duration) {
        let memories = self.memories.by_id.values_mut();
        let owing = memories.filter(|kept| kept.memory.owes() > 0);
        let still = owing.map(|kept| {
            kept.memory.settle(patience);
            kept.memory.owes()
        });
        let owes = still.sum::<usize>() > 0;
        self.memories.again = owes.then(|| Instant::now() + AGAIN);
    }

    fn forget_unused(&mut self) {
        let named = |id: MemoryId| self.known.values().any(|home| home.memory == Some(id));
        self.memories
            .by_id
            .retain(|&id, kept| kept.open > 0 || kept.memory.owes() > 0 || named(id));
    }
}

impl Memories {
    fn home(&mut self, LoginControls { names, failures, format }: LoginControls) -> Home {
        Home { names, memory: failures.map(|settings| self.with(settings)), format }
    }

    /// The memory with these settings.
    fn with(&mut self, settings: Settings) -> MemoryId {
        if let Some((&id, _)) = self.by_id.iter().find(|(_, kept)| kept.settings == settings) {
            return id;
        }
        self.last += 1;
        let memory = Memory::new(settings.clone());
        self.by_id.insert(self.last, Kept { settings, memory, open: 0 });
        self.last
    }
}
