//! What replies are taken for: each request that is passed on queues one of these.

use super::End;
use super::rules::Selection;
use alloc::vec::Vec;

/// What the server said to EHLO.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offers {
    /// It takes BDAT.
    pub(super) chunking: bool,
    /// It has AUTH.
    pub(super) auth: bool,
}

/// What a reply answers.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) rules: Selection,
    /// Whether the server got something else than the client's request.
    pub(super) is_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes to the client as the rules have it.
    Plain,
    /// The server's first.
    Greeting,
    /// To what was said for the client: goes nowhere.
    Introduction,
    /// To EHLO, and takes the first one's reply.
    Known,
    /// To EHLO: STARTTLS is advertised here.
    Ehlo,
    /// To HELO: offers nothing.
    Helo,
    /// To DATA: 354 begins the message.
    Data,
    /// To AUTH, or to a response after it: 334 asks for a response.
    Exchange,
    /// To a chunk that the server takes.
    Chunk,
    /// Becomes 530, as TLS must come first; then as the rules have it.
    TlsFirst,
    /// Is replaced by this, rules or no rules.
    Fixed(&'static [u8]),
    /// The same, and 334 asks for a response.
    FixedInExchange(&'static [u8]),
    /// Is replaced by the answer to STARTTLS.
    StartTls,
    /// A fresh server's greeting, which the client does not expect.
    FreshGreeting,
}

/// What a server says in place of a good word, when the client is not waiting for one: the
/// answer to the client's next request.
pub(super) struct Unwelcome {
    pub(super) answer: Vec<u8>,
    pub(super) end: End,
    /// Whether it has been said to its end; what follows is not told.
    pub(super) is_over: bool,
}

impl Unwelcome {
    pub(super) const fn over(answer: Vec<u8>, end: End) -> Self {
        Self { answer, end, is_over: true }
    }
}

/// A reply that is coming in.
pub(super) struct Reply {
    pub(super) pending: Pending,
    pub(super) is_first: bool,
    /// Whether our line of help has been put in.
    pub(super) has_help: bool,
    pub(super) exit: Option<u8>,
    /// Whether it is a greeting that turns the client away, and no rule speaks of it.
    pub(super) turns_away: bool,
    /// What its lines offer.
    pub(super) offers: Offers,
    /// Its lines, where nobody else gets them.
    pub(super) heard: Vec<u8>,
}

impl Reply {
    /// The beginning of one.
    pub(super) fn to(pending: Pending) -> Self {
        let (offers, heard) = (Offers::default(), Vec::new());
        Self {
            pending,
            is_first: true,
            has_help: false,
            exit: None,
            turns_away: false,
            offers,
            heard,
        }
    }
}
