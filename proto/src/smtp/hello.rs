//! How a client has greeted: EHLO or HELO, and by which name (RFC 5321, section
//! 4.1.1.1). What `login::dialog` has heard and the server behind a login is told.
//!
//! A name that is no printable word is none. In its place stands the client's address
//! as a literal (section 4.1.3), where that is known: servers check names, and refuse
//! an invented one.

use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The longest name, in octets.
pub const LONGEST_NAME: usize = 255;

/// The verb of a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The client knows extensions.
    Ehlo,
    /// It does not.
    Helo,
}

impl Verb {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
        }
    }
}

/// A client's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    verb: Verb,
    name: Option<Vec<u8>>,
}

impl Hello {
    /// As the client says it: the verb, and the rest of the line.
    #[must_use]
    pub fn said(verb: Verb, argument: &[u8]) -> Self {
        let name = argument.trim_ascii_end();
        Self { verb, name: is_name(name).then(|| name.to_vec()) }
    }

    /// Reads the verb, alone or with one blank and a name behind it. `None` for anything
    /// that [`Self::encode`] does not write.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (verb, rest) = octets.split_at_checked(Verb::Ehlo.word().len())?;
        let known = |one: &Verb| one.word().as_bytes() == verb;
        let verb = [Verb::Ehlo, Verb::Helo].into_iter().find(known)?;
        match rest.split_first() {
            None => Some(Self { verb, name: None }),
            Some((b' ', name)) if is_name(name) => Some(Self { verb, name: Some(name.to_vec()) }),
            Some(_) => None,
        }
    }

    /// The verb, and where there is a name one blank and the name.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let verb = self.verb.word().as_bytes();
        match &self.name {
            Some(name) => [verb, b" ", name].concat(),
            None => verb.to_vec(),
        }
    }

    /// The verb.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        self.verb
    }

    /// The name, where there is one.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    /// The same, by the client's address where it has no name. `None` where that is not
    /// known either.
    #[must_use]
    pub fn or_by_address(self, address: Option<&[u8]>) -> Option<Self> {
        match self.name {
            Some(_) => Some(self),
            None => Some(Self { name: Some(address_literal(address?)?), ..self }),
        }
    }
}

/// Printable ASCII without blanks, and not too long.
fn is_name(name: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

/// The address literal of an address as text, as the variables of a UCSPI server have it
/// (RFC 5321, section 4.1.3); `None` where it is none.
#[must_use]
pub fn address_literal(address: &[u8]) -> Option<Vec<u8>> {
    let address: IpAddr = core::str::from_utf8(address).ok()?.parse().ok()?;
    let literal = match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    };
    Some(literal.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn value(argument: &[u8], address: Option<&str>) -> Option<Vec<u8>> {
        let hello = Hello::said(Verb::Ehlo, argument);
        assert_eq!(Hello::decode(&hello.encode()), Some(hello.clone()));
        Some(hello.or_by_address(address.map(str::as_bytes))?.encode())
    }

    #[test]
    fn a_printable_word_is_passed_on() {
        let longest = vec![b'x'; LONGEST_NAME];
        for name in [&b"client.example.org"[..], b"[192.0.2.1]", b"my_pc", b"x", &longest] {
            let said = value(&[name, b" "].concat(), None);
            assert_eq!(said, Some([b"EHLO ", name].concat()));
        }
    }

    #[test]
    fn anything_else_is_replaced_by_the_address() {
        let long = vec![b'x'; LONGEST_NAME + 1];
        for name in [&b""[..], b"two words", b"\xff", b"a\x01b", b"a\rb", b"a\0b", &long] {
            for (address, literal) in [
                ("192.0.2.7", "EHLO [192.0.2.7]"),
                ("2001:db8::1", "EHLO [IPv6:2001:db8::1]"),
                ("::ffff:192.0.2.7", "EHLO [192.0.2.7]"),
            ] {
                assert_eq!(value(name, Some(address)), Some(literal.into()));
            }
            assert_eq!(value(name, None), None);
            assert_eq!(value(name, Some("unknown]\r\n")), None);
        }
    }

    #[test]
    fn nothing_else_is_read() {
        assert_eq!(Hello::decode(b"HELO x").map(|hello| hello.verb()), Some(Verb::Helo));
        let long = [&b"EHLO "[..], &[b'x'; LONGEST_NAME + 1]].concat();
        for octets in [
            &b""[..],
            b"EHL",
            b"ehlo x",
            b"EHLO ",
            b"EHLO  x",
            b"EHLO x ",
            b"EHLOx",
            b"QUIT x",
            &long,
        ] {
            assert_eq!(Hello::decode(octets), None);
        }
    }
}
