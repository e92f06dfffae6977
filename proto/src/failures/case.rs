//! One login: whether it may be tried, and what its answer changes.
//!
//! - A login under way counts as refused until its answer is known: it is charged
//!   before, and the charge taken back for a good login, for trouble, and for a secret
//!   that was wrong for this user before. Else who begins many at once would have as
//!   many guesses more.
//! - Who is known, a user who has logged in from this network within
//!   [`Settings::known`], has a score of his own there, and none but that counts or is
//!   counted: what strangers do in his name, and what his neighbours do, is not his.
//! - A good login takes nothing off anybody's score: a guesser may have an account.
//! - A login that is refused unasked counts for nothing: a client that goes on asking
//!   would else never be let in.
//!
//! The caller reads what is [unread](Case::unread), asks, and writes [`Case::changed`] back, all
//! under one lock; who only looks needs none.

use super::entry::Entry;
use super::keyed_hash::{Digest, Key, UserHash};
use super::places::{Place, Places};
use super::score::{ONE, faded};
use super::settings::Settings;
use super::source::{About, Source};

/// One login, or one client that has connected.
pub struct Case {
    key: Key,
    who: Who,
    places: Places,
}

/// Who wants to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    /// `None` where it is not known, or exempt.
    source: Option<Source>,
    is_exempt: bool,
    user: UserHash,
    secret: Digest,
}

/// What a refusal counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Address, network, provider and user.
    Stranger,
    /// The user in this network.
    Pair,
    /// The user.
    User,
}

/// What has been charged for a login under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    /// One refusal.
    Made(Scope, u32),
    /// Nothing: the secret was wrong before.
    None,
    /// Nothing, but only because nothing could be written.
    Owed,
}

/// A login that is under way; for [`Case::after`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    who: Who,
    charge: Charge,
    shuts_out: bool,
    /// Of the file that it belongs to.
    key: Key,
}

/// Whether a login may be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may; the answer is to be told to [`Case::after`].
    Ask(Ticket),
    /// It may not: of this there have been too many failures.
    Refuse(About),
}

/// What came of a login that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// User and secret are right.
    Good,
    /// User or secret is wrong, or the user asked to be somebody else.
    Refused,
    /// Whatever else: nothing has been learnt from it.
    Trouble,
}

impl Ticket {
    /// The same, where what [`Case::before`] changed could not be written.
    #[must_use]
    pub fn not_charged(mut self) -> Self {
        if matches!(self.charge, Charge::Made(..)) {
            self.charge = Charge::Owed;
        }
        self
    }

    /// Whether its charge is what has clients from its address not be heard meanwhile; see
    /// [`Case::is_shut_out`].
    #[must_use]
    pub const fn shuts_out(&self) -> bool {
        self.shuts_out
    }

    /// Whether it belongs to a file with this key.
    #[must_use]
    pub fn is_of(&self, key: &Key) -> bool {
        self.key == *key
    }
}

impl Case {
    /// A login that is wanted. `source` is `None` where the client's address is not known.
    #[must_use]
    pub fn login(
        key: &Key,
        settings: &Settings,
        source: Option<Source>,
        user: &[u8],
        secret: &[u8],
    ) -> Self {
        let is_exempt = source.is_some_and(|source| settings.exempts(source.address()));
        let source = source.filter(|_| !is_exempt);
        let (secret, user) = (Digest::of(key, user, secret), UserHash::of(key, user));
        let mut case = Self::of_login(key, Who { source, is_exempt, user, secret });
        case.places.spare_pair();
        case
    }

    /// A login whose answer is known.
    #[must_use]
    pub fn answered(ticket: &Ticket) -> Self {
        Self::of_login(&ticket.key, ticket.who)
    }

    fn of_login(key: &Key, who: Who) -> Self {
        let mut places = Places::new();
        places.involve(key, [About::User(who.user)]);
        if let Some(source) = who.source {
            places.involve(key, [source.itself(), source.network(), source.anybody_known()]);
            source.wide().into_iter().for_each(|about| places.involve(key, [about]));
            places.involve(key, [source.known_user(who.user)]);
        }
        Self { key: key.clone(), who, places }
    }

    /// A client that has connected.
    #[must_use]
    pub fn connection(key: &Key, source: Source) -> Self {
        let nobody =
            Who { source: Some(source), is_exempt: false, user: UserHash(0), secret: Digest(0) };
        let mut places = Places::new();
        places.involve(key, [source.itself(), source.anybody_known()]);
        Self { key: key.clone(), who: nobody, places }
    }

    /// The next bucket that is to be read before all else; `None` once all are that matter.
    pub fn unread(&mut self) -> Option<&mut Place> {
        self.places.unread()
    }

    /// What is to be written then: where it begins in the file, and its octets.
    pub fn changed(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.places.changed()
    }

    /// What was there before, to be put back where not all of it could be written.
    pub fn unchanged(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.places.unchanged()
    }

    /// Whether the login may be tried, which charges it as refused.
    pub fn before(&mut self, settings: &Settings, now: u32) -> Verdict {
        let scope = self.scope(settings, now);
        let too_much = |about: &About| {
            self.places.get(*about).is_some_and(|entry| entry.is_at_limit(settings, now))
        };
        let refused = self.counted(scope).find(too_much).filter(|_| !self.who.is_exempt);
        if let Some(about) = refused {
            self.set_clocks(scope, settings, now);
            return Verdict::Refuse(about);
        }
        let charge = if self.is_wrong_again() {
            Charge::None
        } else {
            self.charge(scope, settings, now);
            Charge::Made(scope, now)
        };
        let shuts_out = self.is_shut_out(settings, now);
        Verdict::Ask(Ticket { who: self.who, charge, shuts_out, key: self.key.clone() })
    }

    /// What the answer to a login changes.
    pub fn after(&mut self, ticket: &Ticket, answer: Answer, settings: &Settings, now: u32) {
        match (answer, ticket.charge) {
            // Two with the same secret may have been under way at once.
            (Answer::Refused, Charge::Made(scope, then)) if self.is_wrong_again() => {
                self.take_back(scope, then, settings, now);
            }
            (Answer::Refused, Charge::Owed) if !self.is_wrong_again() => {
                self.charge(self.scope(settings, now), settings, now);
            }
            (Answer::Good | Answer::Trouble, Charge::Made(scope, then)) => {
                self.take_back(scope, then, settings, now);
            }
            _ => {}
        }
        match answer {
            Answer::Refused => self.remember_secret(settings, now),
            Answer::Good => self.remember_known(settings, now),
            Answer::Trouble => {}
        }
    }

    /// Whether a client that has connected is not to be heard: its address is at its
    /// limit, and nobody is known from its network. A time ahead of now is for
    /// [`Self::before`] to set right.
    #[must_use]
    pub fn is_shut_out(&self, settings: &Settings, now: u32) -> bool {
        let Some(source) = self.who.source else { return false };
        if settings.exempts(source.address()) {
            return false;
        }
        let address = self.places.get(source.itself()).filter(|entry| entry.last <= now);
        address.is_some_and(|entry| entry.is_at_limit(settings, now))
            && !self.is_known(source.anybody_known(), settings, now)
    }

    fn scope(&self, settings: &Settings, now: u32) -> Scope {
        match self.who.source {
            None => Scope::User,
            Some(source) if self.is_known(source.known_user(self.who.user), settings, now) => {
                Scope::Pair
            }
            Some(_) => Scope::Stranger,
        }
    }

    fn is_known(&self, about: About, settings: &Settings, now: u32) -> bool {
        let good = self.places.get(about).map(|entry| entry.good);
        good.is_some_and(|good| now.saturating_sub(good) <= settings.known)
    }

    /// What is counted, and has a limit.
    fn counted(&self, scope: Scope) -> impl Iterator<Item = About> + use<> {
        let Who { source, user, .. } = self.who;
        let all = match (scope, source) {
            (Scope::Stranger, Some(source)) => {
                let user = Some(About::User(user));
                [Some(source.itself()), Some(source.network()), source.wide(), user]
            }
            (Scope::Pair, Some(source)) => [Some(source.known_user(user)), None, None, None],
            _ => [Some(About::User(user)), None, None, None],
        };
        all.into_iter().flatten()
    }

    fn charge(&mut self, scope: Scope, settings: &Settings, now: u32) {
        for about in self.counted(scope) {
            let mut entry = self.aged(about, settings, now);
            entry.score = entry.score.saturating_add(ONE);
            self.places.put(&entry, settings, now);
        }
    }

    /// Takes off what is left of a charge.
    fn take_back(&mut self, scope: Scope, then: u32, settings: &Settings, now: u32) {
        for about in self.counted(scope) {
            let Some(entry) = self.places.get(about) else { continue };
            let half_life = settings.limit(about.kind()).map_or(0, |limit| limit.half_life);
            let left = faded(ONE, now.saturating_sub(then), half_life);
            let mut entry = entry.aged(settings, now);
            entry.score = entry.score.saturating_sub(left);
            if entry.says_nothing() {
                self.places.forget(about);
            } else {
                self.places.put(&entry, settings, now);
            }
        }
    }

    fn is_wrong_again(&self) -> bool {
        let user = self.places.get(About::User(self.who.user));
        user.is_some_and(|entry| entry.secrets.contains(self.who.secret))
    }

    fn remember_secret(&mut self, settings: &Settings, now: u32) {
        let mut entry = self.aged(About::User(self.who.user), settings, now);
        entry.secrets = entry.secrets.with(self.who.secret);
        self.places.put(&entry, settings, now);
    }

    fn remember_known(&mut self, settings: &Settings, now: u32) {
        let Some(source) = self.who.source else { return };
        for about in [source.known_user(self.who.user), source.anybody_known()] {
            let entry = self.aged(about, settings, now);
            self.places.put(&Entry { good: now, ..entry }, settings, now);
        }
    }

    /// After a clock was set back, scores with a time ahead of it would not fade until it
    /// gets there.
    fn set_clocks(&mut self, scope: Scope, settings: &Settings, now: u32) {
        for about in self.counted(scope) {
            let entry = self.places.get(about).filter(|entry| entry.last > now || entry.good > now);
            if let Some(entry) = entry {
                self.places.put(&entry.aged(settings, now), settings, now);
            }
        }
    }

    fn aged(&self, about: About, settings: &Settings, now: u32) -> Entry {
        let entry = self.places.get(about).unwrap_or_else(|| Entry::new(about, now));
        entry.aged(settings, now)
    }
}
