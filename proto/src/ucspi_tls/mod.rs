//! UCSPI-TLS as the program behind the TLS server sees it: whether TLS is on offer,
//! and the facts that the server reports once the handshake is done.
//!
//! After `Y` on the control socket come `NAME=value` strings, each ended by NUL,
//! and one more NUL at the end; two NULs where there is nothing to say. s6 sends a
//! bare name for an absent value. The other end is trusted to do TLS, not to name
//! variables as it likes: only those of a list are taken ([`is_fact_name`]).

pub mod server;

use alloc::vec::Vec;

/// Where the connection stands with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not on offer.
    Absent,
    /// On offer, and the client may do without.
    Available,
    /// On offer, and there is no login without.
    Required,
    /// On.
    On,
}

impl Tls {
    /// Reads the administrator's variables: `DISABLETLS`, whether it is set;
    /// `UCSPITLS`, its value; and whether TLS was on from the first octet.
    #[must_use]
    pub fn from_environment(disabled: bool, ucspitls: Option<&[u8]>, implicit: bool) -> Self {
        match ucspitls {
            _ if implicit => Self::On,
            _ if disabled => Self::Absent,
            None | Some(b"-") => Self::Absent,
            Some(b"!") => Self::Required,
            Some(_) => Self::Available,
        }
    }

    /// How processes name it to each other.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Available => 1,
            Self::Required => 2,
            Self::On => 3,
        }
    }

    /// Reads [`Self::octet`].
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        let all = [Self::Absent, Self::Available, Self::Required, Self::On];
        all.into_iter().find(|one| one.octet() == octet)
    }

    /// Whether a client that asks for TLS can have it.
    #[must_use]
    pub const fn is_offered(self) -> bool {
        matches!(self, Self::Available | Self::Required)
    }
}

/// The most that is read, in octets: about half of what Linux lets a program be started
/// with, arguments and environment together (execve(2)).
pub const LIMIT: usize = 1024 * 1024;

/// The longest fact, in octets without its NUL: Linux starts no program with a longer
/// variable (execve(2)).
pub const LONGEST: usize = 128 * 1024 - 1;

/// One thing that the TLS server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The variable's name: see [`is_fact_name`].
    pub name: Vec<u8>,
    /// Its value; `None`: the variable is to be absent.
    pub value: Option<Vec<u8>>,
}

/// What [`Decoder::push`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The end has not been seen yet.
    NeedInput,
    /// All is there: see [`Decoder::into_facts`].
    Done,
    /// More than [`LIMIT`] octets, or [`LONGEST`] of one fact.
    TooLong,
}

/// Collects the report, in whatever pieces it arrives.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    /// Octets of the fact that is not over.
    begun: usize,
}

impl Decoder {
    /// How many octets it has taken: what follows the end is not among them.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.held.len()
    }

    /// Takes a piece, but not what follows the end.
    pub fn push(&mut self, input: &[u8]) -> Progress {
        for &byte in input {
            if self.is_done() {
                break;
            }
            self.begun = if byte == 0 { 0 } else { self.begun + 1 };
            if self.held.len() == LIMIT || self.begun > LONGEST {
                return Progress::TooLong;
            }
            self.held.push(byte);
        }
        if self.is_done() { Progress::Done } else { Progress::NeedInput }
    }

    /// The facts reported: see [`facts`].
    #[must_use]
    pub fn into_facts(self) -> Vec<Fact> {
        facts(&self.held)
    }

    fn is_done(&self) -> bool {
        self.held.ends_with(&[0, 0])
    }
}

/// What a TLS server may report: Apache's mod_ssl's names, which sslserver has, and those
/// of s6.
const NAMES: [&[u8]; 8] = [
    b"SSL_PROTOCOL",
    b"SSL_CIPHER",
    b"SSL_COMPRESS_METHOD",
    b"SSL_SECURE_RENEG",
    b"SSL_SRP_USER",
    b"SSL_SRP_USERINFO",
    b"SSL_VERSION_INTERFACE",
    b"SSL_VERSION_LIBRARY",
];

/// Beginnings of names, of which there are many.
const FAMILIES: [&[u8]; 6] = [
    b"SSL_CIPHER_",
    b"SSL_CLIENT_",
    b"SSL_PEER_CERT_",
    b"SSL_SERVER_",
    b"SSL_SESSION_",
    b"SSL_TLS_",
];

/// Whether a variable of this name is the TLS server's to set. None of them is read by a
/// library, as `SSL_CERT_FILE` is by OpenSSL: whoever takes a TLS server's engine over
/// must not tell other programs whom to trust.
#[must_use]
pub fn is_fact_name(name: &[u8]) -> bool {
    let is_of_a_family = FAMILIES.iter().any(|family| name.starts_with(family));
    let is_word = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
    NAMES.contains(&name) || (is_of_a_family && name.iter().all(is_word))
}

/// The facts in a row of entries, each ended by NUL, in their order. A name that is
/// not of the form [`Fact::name`] describes is left out.
#[must_use]
pub fn facts(entries: &[u8]) -> Vec<Fact> {
    entries.split(|&byte| byte == 0).filter_map(fact).collect()
}

fn fact(entry: &[u8]) -> Option<Fact> {
    let mut parts = entry.splitn(2, |&byte| byte == b'=');
    let name = parts.next().filter(|name| is_fact_name(name))?;
    Some(Fact { name: name.to_vec(), value: parts.next().map(<[u8]>::to_vec) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_anywhere::at_every_split;
    use alloc::vec;

    fn decode(pieces: &[&[u8]]) -> Option<Vec<Fact>> {
        let mut decoder = Decoder::default();
        let last = pieces.iter().map(|piece| decoder.push(piece)).last();
        (last == Some(Progress::Done)).then(|| decoder.into_facts())
    }

    #[test]
    fn what_follows_the_end_is_not_taken() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"SSL_PROTOCOL=x\0"), Progress::NeedInput);
        assert_eq!(decoder.push(b"\0EHLO x\r\n"), Progress::Done);
        assert_eq!(decoder.taken(), 16);
    }

    fn fact_of(name: &str, value: Option<&str>) -> Fact {
        Fact { name: name.into(), value: value.map(|value| value.as_bytes().to_vec()) }
    }

    #[test]
    fn d09_all_facts_are_taken_wherever_the_cut_falls() {
        let report = b"SSL_PROTOCOL=TLSv1.3\0SSL_CLIENT_CERT=\0SSL_CIPHER=A=B\0\0";
        assert_eq!(
            at_every_split(report, decode),
            Some(vec![
                fact_of("SSL_PROTOCOL", Some("TLSv1.3")),
                fact_of("SSL_CLIENT_CERT", Some("")),
                fact_of("SSL_CIPHER", Some("A=B")),
            ])
        );
    }

    #[test]
    fn d30_a_bare_name_means_absent() {
        assert_eq!(
            at_every_split(b"SSL_PEER_CERT_HASH\0SSL_PROTOCOL=x\0\0", decode),
            Some(vec![fact_of("SSL_PEER_CERT_HASH", None), fact_of("SSL_PROTOCOL", Some("x"))])
        );
    }

    #[test]
    fn nothing_to_say_is_two_nuls() {
        assert_eq!(at_every_split(b"\0\0", decode), Some(vec![]));
        assert_eq!(decode(&[b"\0"]), None);
        assert_eq!(decode(&[b""]), None);
        assert_eq!(decode(&[b"SSL_PROTOCOL=x\0"]), None);
    }

    #[test]
    fn only_its_own_names_are_taken() {
        let report =
            b"PATH=/tmp\0LD_PRELOAD=x\0AUTHUP_USER=root\0=x\0SSL_TLS_\n=x\0SSL_TLS_OK=1\0\0";
        assert_eq!(at_every_split(report, decode), Some(vec![fact_of("SSL_TLS_OK", Some("1"))]));
    }

    #[test]
    fn d57_facts_have_names_of_a_list() {
        for name in [
            "SSL_PROTOCOL",
            "SSL_CIPHER",
            "SSL_CIPHER_USEKEYSIZE",
            "SSL_CIPHER_ALGKEYSIZE",
            "SSL_CIPHER_EXPORT",
            "SSL_SESSION_ID",
            "SSL_TLS_SNI_SERVERNAME",
            "SSL_PEER_CERT_HASH",
            "SSL_CLIENT_S_DN_CN",
            "SSL_CLIENT_CERT_CHAIN_0",
            "SSL_SERVER_S_DN",
            "SSL_SERVER_A_SIG",
            "SSL_COMPRESS_METHOD",
            "SSL_VERSION_LIBRARY",
        ] {
            assert!(is_fact_name(name.as_bytes()), "{name}");
        }
        for name in [
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "SSL_DIR",
            "SSL_PROTOCOLS",
            "SSL_CLIENT",
            "SSL_",
            "SSLKEYLOGFILE",
            "OPENSSL_CONF",
            "ssl_protocol",
            "SSL_CLIENT_-",
        ] {
            assert!(!is_fact_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        assert_eq!(
            decode(&[b"SSL_TLS_A=1\0\0SSL_TLS_B=2\0\0"]),
            Some(vec![fact_of("SSL_TLS_A", Some("1"))])
        );
    }

    #[test]
    fn the_whole_is_bounded() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&vec![b'x'; LONGEST]), Progress::NeedInput);
        assert_eq!(decoder.push(b"x"), Progress::TooLong);
        let mut decoder = Decoder::default();
        let fact = [vec![b'x'; LONGEST], vec![0]].concat();
        for _ in 0..LIMIT / fact.len() {
            assert_eq!(decoder.push(&fact), Progress::NeedInput);
        }
        assert_eq!(decoder.push(b"x"), Progress::TooLong);
    }

    #[test]
    fn tls_levels() {
        for (disabled, ucspitls, implicit, tls) in [
            (false, None, false, Tls::Absent),
            (false, Some(&b"-"[..]), false, Tls::Absent),
            (false, Some(b""), false, Tls::Available),
            (false, Some(b"1"), false, Tls::Available),
            (false, Some(b"!"), false, Tls::Required),
            (true, Some(b"!"), false, Tls::Absent),
            (false, Some(b"!"), true, Tls::On),
        ] {
            assert_eq!(Tls::from_environment(disabled, ucspitls, implicit), tls);
        }
    }
}
