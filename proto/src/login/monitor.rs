//! One login by two processes: what the parser, jailed, which holds the dialog, says
//! to the monitor, which may run checkpassword; and what the monitor holds it to.
//!
//! A parser that a stranger has taken over can say only what [`Request`] can, and
//! gets no further by it than the stranger would have by talking to an honest one
//! ([`Guard`]). A message is one datagram: a kind, and the rest as that kind has it.

use super::dialog::Attempt;
use super::handoff::Handoff;
use super::outcome::{Outcome, Tries};
use super::protocol::Protocol;
use crate::checkpassword::Record;
use crate::other_protocol::OtherProtocol;
use crate::ucspi_tls::{self, Fact, Tls};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The longest message, in octets; that of facts, which are the TLS server's to choose:
/// as long as the longest of them, with its NUL, and the message's kind.
pub const LONGEST: usize = ucspi_tls::LONGEST + 2;

/// The longest text about an error; what is longer is cut.
const LONGEST_TEXT: usize = 512;

/// What the parser says.
#[derive(Debug)]
pub enum Request {
    /// Try this login; the answer is an [`Outcome`].
    Login(Attempt),
    /// The client asked for TLS, which cannot start, for this reason.
    TlsUnavailable(Vec<u8>),
    /// What the TLS server reported, as much as fits; more comes.
    Facts(Vec<Fact>),
    /// TLS is on, and this is what the TLS server reported, or the rest of it.
    TlsOn(Vec<Fact>),
    /// TLS was to start and did not, for this reason. The session is over.
    TlsFailed(Vec<u8>),
    /// The parser could not be jailed, for this reason. It has not read anything.
    NotJailed(Vec<u8>),
    /// The client speaks this, and nothing that could be answered. The session is over.
    OtherProtocol(OtherProtocol),
    /// The session is over, with this exit code.
    Over(u8),
}

impl Request {
    /// That TLS is on, and all facts, in messages that are not too long.
    pub fn tls_on(facts: Vec<Fact>) -> impl Iterator<Item = Self> {
        let (mut pieces, mut piece, mut length) = (Vec::new(), Vec::new(), 1);
        for fact in facts {
            let more = octets_of(&fact);
            if length + more > LONGEST {
                pieces.push(Self::Facts(core::mem::take(&mut piece)));
                length = 1;
            }
            length += more;
            piece.push(fact);
        }
        pieces.push(Self::TlsOn(piece));
        pieces.into_iter()
    }

    /// As octets, wiped when they go: a password may be among them.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let spoken;
        let (kind, parts): (u8, Vec<&[u8]>) = match self {
            Self::OtherProtocol(other) => {
                spoken = other.octet();
                (b'p', [core::slice::from_ref(&spoken)].into())
            }
            Self::Login(Attempt::Check(record, handoff)) => {
                (b'l', handoff.pieces().chain([record.expose()]).collect())
            }
            Self::Login(Attempt::SomebodyElse(user)) => (b's', [&user[..]].into()),
            Self::TlsUnavailable(why) => (b'u', [text(why)].into()),
            Self::Facts(facts) => (b'a', facts.iter().flat_map(entry).collect()),
            Self::TlsOn(facts) => (b't', facts.iter().flat_map(entry).collect()),
            Self::TlsFailed(why) => (b'f', [text(why)].into()),
            Self::NotJailed(why) => (b'j', [text(why)].into()),
            Self::Over(code) => (b'o', [core::slice::from_ref(code)].into()),
        };
        // As long as it will be: growing would leave copies behind.
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut octets = Zeroizing::new(Vec::with_capacity(length + 1));
        octets.push(kind);
        parts.iter().for_each(|part| octets.extend_from_slice(part));
        octets
    }

    /// From octets; `None` when they are no message.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (kind, rest) = octets.split_first()?;
        let why = || (rest.len() <= LONGEST_TEXT).then(|| rest.to_vec());
        Some(match kind {
            b'l' => {
                let (handoff, record) = Handoff::decode(rest)?;
                Self::Login(Attempt::Check(Record::decode(record)?, handoff))
            }
            b's' => Self::Login(Attempt::SomebodyElse(user(rest)?)),
            b'u' => Self::TlsUnavailable(why()?),
            b'a' if rest.len() < LONGEST => Self::Facts(ucspi_tls::facts(rest)),
            b't' if rest.len() < LONGEST => Self::TlsOn(ucspi_tls::facts(rest)),
            b'f' => Self::TlsFailed(why()?),
            b'j' => Self::NotJailed(why()?),
            b'p' => match rest {
                [spoken] => Self::OtherProtocol(OtherProtocol::from_octet(*spoken)?),
                _ => return None,
            },
            b'o' => match rest {
                [code] => Self::Over(*code),
                _ => return None,
            },
            _ => return None,
        })
    }
}

fn text(why: &[u8]) -> &[u8] {
    why.get(..LONGEST_TEXT).unwrap_or(why)
}

fn octets_of(fact: &Fact) -> usize {
    entry(fact).iter().map(|part| part.len()).sum()
}

/// A fact as the TLS server has it.
fn entry(fact: &Fact) -> [&[u8]; 4] {
    let (equals, value): (&[u8], &[u8]) = match &fact.value {
        Some(value) => (b"=", value),
        None => (b"", b""),
    };
    [&fact.name, equals, value, b"\0"]
}

/// A name that a record could hold.
fn user(octets: &[u8]) -> Option<Vec<u8>> {
    Record::new(octets, b"x", b"").map(|_| octets.to_vec())
}

/// What the monitor knows of the session by itself, so that the parser's word is
/// not all there is.
#[derive(Debug)]
pub struct Guard {
    protocol: Protocol,
    tls: Tls,
    tries: Tries,
    /// It has been said that TLS cannot start, which is said once.
    is_without_tls: bool,
    /// Octets of facts that were heard.
    facts: usize,
}

impl Guard {
    /// At the session's start: TLS as it is, and how many logins may be refused.
    #[must_use]
    pub const fn new(protocol: Protocol, tls: Tls, tries: u32) -> Self {
        Self { protocol, tls, tries: Tries::new(tries), is_without_tls: false, facts: 0 }
    }

    /// Whether an honest parser could ask this now: no login beyond the last try, or
    /// before the TLS that the administrator requires, or with another protocol's
    /// variables; no TLS that was not offered; and nothing for the log without end.
    #[must_use]
    pub fn admits(&self, request: &Request) -> bool {
        let may_log_in = self.tries.remaining() > 0 && self.tls != Tls::Required;
        match request {
            Request::Login(Attempt::Check(_, handoff)) => {
                may_log_in && handoff.is_of(self.protocol)
            }
            Request::Login(Attempt::SomebodyElse(_)) => may_log_in,
            Request::Facts(facts) | Request::TlsOn(facts) => {
                let length = facts.iter().map(octets_of).sum::<usize>();
                self.tls.is_offered() && self.facts + length <= ucspi_tls::LIMIT
            }
            Request::TlsFailed(_) => self.tls.is_offered(),
            Request::TlsUnavailable(_) => self.tls.is_offered() && !self.is_without_tls,
            Request::NotJailed(_) | Request::OtherProtocol(_) | Request::Over(_) => true,
        }
    }

    /// Whether the TLS server may own the network already, without our knowing: then
    /// nothing more may be said in the clear.
    #[must_use]
    pub const fn tls_may_have_started(&self) -> bool {
        self.tls.is_offered()
    }

    /// Facts were heard, and more come. An empty message counts, too: there is no end of
    /// them else.
    pub fn heard(&mut self, facts: &[Fact]) {
        self.facts += 1 + facts.iter().map(octets_of).sum::<usize>();
    }

    /// It was said why TLS cannot start.
    pub const fn tls_is_unavailable(&mut self) {
        self.is_without_tls = true;
    }

    /// TLS is on.
    pub const fn tls_started(&mut self) {
        self.tls = Tls::On;
    }

    /// A login was tried: one try is used up, or the session is over.
    pub const fn tried(&mut self, outcome: Outcome) {
        let _told = self.tries.tried(outcome);
    }

    /// How many more logins may be refused before the session ends.
    #[must_use]
    pub const fn remaining(&self) -> u32 {
        self.tries.remaining()
    }
}

#[cfg(test)]
mod tests {
    use super::super::handoff::Name;
    use super::*;
    use alloc::string::String;
    use alloc::{format, vec};

    fn check(user: &str) -> Request {
        let record = Record::new(user.as_bytes(), b"secret", b"<1@h>").unwrap();
        Request::Login(Attempt::Check(record, Handoff::nothing()))
    }

    fn greeted(user: &str) -> Request {
        let Request::Login(Attempt::Check(record, handoff)) = check(user) else {
            panic!("no login")
        };
        let handoff = handoff.with(Name::Helo, b"EHLO client.example.org".to_vec());
        Request::Login(Attempt::Check(record, handoff))
    }

    /// What a request says, passwords included: for comparing.
    fn shown(request: &Request) -> String {
        match request {
            Request::Login(Attempt::Check(record, handoff)) => {
                format!("{} {handoff:?}", String::from_utf8_lossy(record.expose()))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_request_reads_back() {
        let fact = |name: &str, value: Option<&str>| Fact {
            name: name.into(),
            value: value.map(|value| value.as_bytes().to_vec()),
        };
        for request in [
            check("alice"),
            greeted("alice"),
            Request::Login(Attempt::SomebodyElse(b"bob".to_vec())),
            Request::TlsUnavailable(b"SSLCTLFD: not set".to_vec()),
            Request::TlsOn(vec![]),
            Request::TlsOn(vec![
                fact("SSL_TLS_A", Some("b=c")),
                fact("SSL_TLS_B", Some("")),
                fact("SSL_TLS_C", None),
            ]),
            Request::TlsFailed(b"timed out".to_vec()),
            Request::NotJailed(b"user: no".to_vec()),
            Request::OtherProtocol(OtherProtocol::Http),
            Request::Over(14),
        ] {
            let read = Request::decode(&request.encode()).unwrap();
            assert_eq!(shown(&read), shown(&request));
        }
    }

    #[test]
    fn what_is_no_request_is_none() {
        let long = [&b"f"[..], &[b'x'; LONGEST_TEXT + 1]].concat();
        let facts = vec![b't'; LONGEST + 1];
        for octets in [
            &b""[..],
            b"?",
            b"o",
            b"o\0\0",
            b"p",
            b"p?",
            b"phh",
            b"l",
            b"l\0alice",
            b"l\0alice\0x\0",
            b"l\0\0x\0\0",
            b"l\0alice\0\0\0",
            b"l\0alice\0x\0\0more",
            b"lalice\0x\0\0",
            b"lAUTHUP_HELO=EHLO x\0alice\0x\0\0",
            b"lAUTHUP_HELO=EHLO x y\0\0alice\0x\0\0",
            b"lPATH=/tmp\0\0alice\0x\0\0",
            b"s",
            b"sa\0b",
            &long,
            &facts,
        ] {
            assert!(Request::decode(octets).is_none(), "{}", String::from_utf8_lossy(octets));
        }
    }

    #[test]
    fn only_the_tls_servers_variables_are_read() {
        let Some(Request::TlsOn(facts)) =
            Request::decode(b"tSSL_TLS_A=1\0PATH=/x\0SSL_TLS_=\0LD_PRELOAD=y\0SSL_CERT_FILE=z\0")
        else {
            panic!("no facts");
        };
        assert!(facts.iter().all(|fact| fact.name.starts_with(b"SSL_TLS_")), "{facts:?}");
        assert_eq!(facts.len(), 2);
    }

    #[test]
    fn a_text_is_cut() {
        let request = Request::TlsFailed(vec![b'x'; 2 * LONGEST_TEXT]);
        assert_eq!(request.encode().len(), LONGEST_TEXT + 1);
    }

    #[test]
    fn no_login_before_required_tls_or_beyond_the_last_try() {
        let mut guard = Guard::new(Protocol::Smtp, Tls::Required, 2);
        assert!(!guard.admits(&check("alice")));
        assert!(guard.admits(&Request::TlsOn(vec![])));
        assert!(guard.tls_may_have_started());
        guard.tls_started();
        assert!(!guard.tls_may_have_started());
        assert!(!guard.admits(&Request::TlsOn(vec![])));
        for remaining in [1, 0] {
            assert!(guard.admits(&check("alice")));
            guard.tried(Outcome::Refused);
            assert_eq!(guard.remaining(), remaining);
        }
        assert!(!guard.admits(&check("alice")));
        assert!(guard.admits(&Request::Over(1)));
    }

    #[test]
    fn d09_more_facts_than_fit_come_in_pieces() {
        let fact = |name: &str, length| Fact { name: name.into(), value: Some(vec![b'x'; length]) };
        let few = vec![fact("SSL_TLS_A", 10), fact("SSL_TLS_B", 0)];
        let one: Vec<_> = Request::tls_on(few.clone()).collect();
        assert!(matches!(&one[..], [Request::TlsOn(facts)] if *facts == few));
        assert!(matches!(&Request::tls_on(vec![]).collect::<Vec<_>>()[..], [Request::TlsOn(_)]));
        let longest = ucspi_tls::LONGEST - "SSL_TLS_A=".len();
        let many: Vec<_> = ["SSL_TLS_A", "SSL_TLS_B", "SSL_TLS_C"]
            .map(|name| fact(name, longest))
            .into_iter()
            .collect();
        let pieces: Vec<_> = Request::tls_on([few, many.clone()].concat()).collect();
        assert_eq!(pieces.len(), 4);
        let mut guard = Guard::new(Protocol::Smtp, Tls::Required, 1);
        for piece in &pieces {
            assert!(piece.encode().len() <= LONGEST);
            let again = Request::decode(&piece.encode()).unwrap();
            assert_eq!(shown(&again), shown(piece));
            assert!(guard.admits(piece));
            if let Request::Facts(facts) = piece {
                guard.heard(facts);
            }
        }
        // And not without end.
        let more = Request::Facts(many[..1].to_vec());
        while guard.admits(&more) {
            guard.heard(&many[..1]);
        }
        assert!(guard.facts > ucspi_tls::LIMIT - LONGEST && guard.facts <= ucspi_tls::LIMIT);
    }

    #[test]
    fn that_there_is_no_tls_is_said_once() {
        let unavailable = || Request::TlsUnavailable(b"SSLCTLFD: not set".to_vec());
        let mut guard = Guard::new(Protocol::Smtp, Tls::Available, 1);
        assert!(guard.admits(&unavailable()));
        guard.tls_is_unavailable();
        assert!(!guard.admits(&unavailable()));
        assert!(guard.admits(&check("al")));
    }

    #[test]
    fn no_login_after_a_session() {
        for outcome in [Outcome::Completed(0), Outcome::Crashed, Outcome::CannotRun] {
            let mut guard = Guard::new(Protocol::Smtp, Tls::Absent, 5);
            assert!(!guard.admits(&Request::TlsOn(vec![])));
            guard.tried(outcome);
            assert!(!guard.admits(&check("alice")), "{outcome:?}");
        }
    }

    #[test]
    fn no_other_protocols_variables() {
        assert!(Guard::new(Protocol::Smtp, Tls::On, 1).admits(&greeted("alice")));
        assert!(!Guard::new(Protocol::Pop3, Tls::On, 1).admits(&greeted("alice")));
        assert!(Guard::new(Protocol::Pop3, Tls::On, 1).admits(&check("alice")));
    }
}
