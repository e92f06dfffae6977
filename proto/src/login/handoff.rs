//! What the program behind a login must know of what the client said before it: the
//! variables that it gets; and what the log is told of how it was said.
//!
//! The dialog collects them; who runs the login program checks them once more
//! ([`Handoff::decode`]), as the dialog's process may have been taken over, and adds
//! what the dialog does not know ([`Handoff::variables`]).

use super::protocol::Protocol;
use crate::imap::command::is_tag;
use crate::names::Variable;
use crate::sasl::Mechanism;
use crate::smtp::hello::Hello;
use alloc::vec::Vec;

/// A variable that is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The client's last EHLO or HELO.
    Helo,
    /// The tag of the IMAP command that logs in, which the server behind answers.
    ImapTag,
    /// The user's name, for IMAP servers; not the dialog's to say.
    Authenticated,
}

impl Name {
    /// All of them. Whoever inherits one from elsewhere takes it out: it proves nothing.
    pub const ALL: [Self; 3] = [Self::Helo, Self::ImapTag, Self::Authenticated];

    /// The variable.
    #[must_use]
    pub const fn variable(self) -> Variable {
        match self {
            Self::Helo => Variable::AuthupHelo,
            Self::ImapTag => Variable::ImapLoginTag,
            Self::Authenticated => Variable::Authenticated,
        }
    }

    /// The protocol that hands it on.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Helo => Protocol::Smtp,
            Self::ImapTag | Self::Authenticated => Protocol::Imap,
        }
    }

    /// Whether it may have this value, as the dialog gives it.
    fn admits(self, value: &[u8]) -> bool {
        match self {
            Self::Helo => Hello::decode(value).is_some(),
            Self::ImapTag => is_tag(value),
            Self::Authenticated => false,
        }
    }

    /// The value for the next program.
    fn complete(self, value: &[u8], address: Option<&[u8]>) -> Option<Vec<u8>> {
        match self {
            Self::Helo => Some(Hello::decode(value)?.or_by_address(address)?.encode()),
            Self::ImapTag | Self::Authenticated => Some(value.to_vec()),
        }
    }
}

/// What stands before a mechanism between processes.
const MECHANISM: &[u8] = b"SASL";

/// Names and values, each name once at most. What is in it was checked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Handoff {
    variables: Vec<(Name, Vec<u8>)>,
    mechanism: Option<Mechanism>,
}

impl Handoff {
    /// Nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { variables: Vec::new(), mechanism: None }
    }

    /// The same of a login by this mechanism, if it was by one.
    #[must_use]
    pub fn by(self, mechanism: Option<Mechanism>) -> Self {
        Self { mechanism, ..self }
    }

    /// The mechanism by which the client has logged in.
    #[must_use]
    pub const fn mechanism(&self) -> Option<Mechanism> {
        self.mechanism
    }

    /// Adds a variable, unless the name may not have this value, or is there already.
    #[must_use]
    pub fn with(mut self, name: Name, value: Vec<u8>) -> Self {
        if name.admits(&value) && self.variables.iter().all(|(known, _)| *known != name) {
            self.variables.push((name, value));
        }
        self
    }

    /// Whether all of it is this protocol's.
    #[must_use]
    pub fn is_of(&self, protocol: Protocol) -> bool {
        self.variables.iter().all(|(name, _)| name.protocol() == protocol)
    }

    /// Whether there is no variable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// `NAME=value` of each, as pieces, each ended by NUL; and one NUL more.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mechanism = self.mechanism.map(|one| (MECHANISM, one.name().as_bytes()));
        let variables = self.variables.iter();
        let variables =
            variables.map(|(name, value)| (name.variable().name().as_bytes(), &value[..]));
        mechanism
            .into_iter()
            .chain(variables)
            .flat_map(|(name, value)| [name, b"=", value, b"\0"])
            .chain([&b"\0"[..]])
    }

    /// Reads [`Self::pieces`], and returns what follows; `None` where a name is not
    /// known or comes twice, or may not have its value.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (mut read, mut rest) = (Self::nothing(), octets);
        loop {
            let (entry, behind) = rest.split_at_checked(memchr::memchr(0, rest)?)?;
            rest = behind.split_first()?.1;
            if entry.is_empty() {
                return Some((read, rest));
            }
            let (name, value) = entry.split_at_checked(memchr::memchr(b'=', entry)?)?;
            let value = value.split_first()?.1;
            if name == MECHANISM && read == Self::nothing() {
                let of_value = |one: &Mechanism| one.name().as_bytes() == value;
                read.mechanism = Some(Mechanism::ALL.into_iter().find(of_value)?);
                continue;
            }
            let name =
                Name::ALL.into_iter().find(|one| one.variable().name().as_bytes() == name)?;
            let known = read.variables.len();
            read = read.with(name, value.to_vec());
            (read.variables.len() > known).then_some(())?;
        }
    }

    /// The variables and values for the next program. `user`: who logs in; `address`: the
    /// client's, as the UCSPI server's variables have it, where it is known.
    pub fn variables<'a>(
        &'a self,
        user: &'a [u8],
        address: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (Variable, Vec<u8>)> + 'a {
        let is_imap = self.variables.iter().any(|(name, _)| *name == Name::ImapTag);
        let user = is_imap.then(|| (Name::Authenticated.variable(), user.to_vec()));
        let said = self.variables.iter().filter_map(move |(name, value)| {
            Some((name.variable(), name.complete(value, address)?))
        });
        said.chain(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(handoff: &Handoff) -> Vec<u8> {
        handoff.pieces().collect::<Vec<_>>().concat()
    }

    #[test]
    fn reads_back_and_leaves_what_follows() {
        let greeted = Handoff::nothing().with(Name::Helo, b"EHLO a.example".to_vec());
        for handoff in [
            Handoff::nothing(),
            Handoff::nothing().by(Some(Mechanism::Login)),
            greeted.clone().by(Some(Mechanism::Plain)),
            greeted,
        ] {
            let octets = [encoded(&handoff), b"rest".to_vec()].concat();
            assert_eq!(Handoff::decode(&octets), Some((handoff, &b"rest"[..])));
        }
    }

    #[test]
    fn nothing_but_what_is_known_is_read() {
        for octets in [
            &b""[..],
            b"AUTHUP_HELO=EHLO x\0",
            b"AUTHUP_HELO\0\0",
            b"AUTHUP_HELO=\0\0",
            b"AUTHUP_HELO=EHLO a b\0\0",
            b"AUTHUP_HELO=EHLO x\0AUTHUP_HELO=EHLO x\0\0",
            b"LD_PRELOAD=EHLO x\0\0",
            b"=EHLO x\0\0",
            b"SASL=\0\0",
            b"SASL=plain\0\0",
            b"SASL=PLAIN\0SASL=PLAIN\0\0",
            b"AUTHUP_HELO=EHLO x\0SASL=PLAIN\0\0",
        ] {
            assert_eq!(Handoff::decode(octets), None);
        }
    }

    #[test]
    fn d58_an_imap_server_is_told_whom_it_answers_and_who_that_is() {
        let tagged = Handoff::nothing().with(Name::ImapTag, b"a1".to_vec());
        assert_eq!(
            tagged.variables(b"alice", None).collect::<Vec<_>>(),
            [
                (Variable::ImapLoginTag, b"a1".to_vec()),
                (Variable::Authenticated, b"alice".to_vec())
            ]
        );
        assert!(tagged.is_of(Protocol::Imap) && !tagged.is_of(Protocol::Smtp));
        for entry in [&b"IMAPLOGINTAG=a b\0\0"[..], b"IMAPLOGINTAG=*\0\0", b"AUTHENTICATED=bob\0\0"]
        {
            assert_eq!(Handoff::decode(entry), None);
        }
    }

    #[test]
    fn the_address_stands_for_a_name_that_is_none() {
        let seen =
            |handoff: &Handoff, address| handoff.variables(b"alice", address).collect::<Vec<_>>();
        let nameless = Handoff::nothing().with(Name::Helo, b"HELO".to_vec());
        assert_eq!(seen(&nameless, None), []);
        let literal = b"HELO [192.0.2.7]".to_vec();
        assert_eq!(seen(&nameless, Some(b"192.0.2.7")), [(Variable::AuthupHelo, literal)]);
        assert!(nameless.is_of(Protocol::Smtp) && !nameless.is_of(Protocol::Pop3));
        assert!(Handoff::nothing().is_of(Protocol::Pop3));
    }
}
