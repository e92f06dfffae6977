//! The time that `proto::login::summary` is told. For whoever runs login programs, authup's
//! monitor or tlsserver's, who writes the lines.

use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::login::summary::{Client, Summary};
use proto::sasl::Mechanism;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What is known of a session that began when this was made.
#[derive(Debug)]
pub struct Timed {
    summary: Summary,
    began: Instant,
}

impl Timed {
    /// Of a client's session that begins now: its protocol, and its address, port and the
    /// port that it came to, where they are known.
    #[must_use]
    pub fn begin(protocol: Protocol, [address, port, local_port]: [Option<&[u8]>; 3]) -> Self {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let summary = Summary::new(Client { protocol, address, port, local_port, start });
        Self { summary, began: Instant::now() }
    }

    /// See [`Summary::negotiated`].
    pub fn negotiated<'a>(&mut self, fact: impl Fn(&str) -> Option<&'a [u8]>) {
        self.summary.negotiated(fact);
    }

    /// See [`Summary::login_begins`].
    pub fn login_begins(&mut self, user: &[u8], mechanism: Option<Mechanism>) {
        self.summary.login_begins(user, mechanism, self.began.elapsed());
    }

    /// See [`Summary::login_ends`].
    #[must_use]
    pub fn login_ends(&mut self, outcome: Option<Outcome>) -> Option<String> {
        self.summary.login_ends(outcome, self.began.elapsed())
    }

    /// See [`Summary::session_ends`].
    #[must_use]
    pub fn session_ends(&self, code: u8) -> String {
        self.summary.session_ends(code, self.began.elapsed())
    }
}
