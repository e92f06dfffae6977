//! A command: its tag, its name, and the arguments of those that count before a login
//! (RFC 9051, section 6; RFC 2971 for ID; RFC 4959 for an initial response).

pub use super::token::Stop;
use super::token::{Reader, is_astring_char, is_atom_char};
use crate::secret::Secret;

/// The longest tag, in octets; the limit is ours.
pub const LONGEST_TAG: usize = 64;

/// A command without having looked at its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What its answer begins with.
    pub tag: &'a [u8],
    /// Which it is, as the client wrote it; to be compared without case.
    pub name: &'a [u8],
    /// What stands behind the one blank after the name; none: there is no blank.
    pub arguments: Option<&'a [u8]>,
}

/// What is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed<'a> {
    /// Nobody knows whom to answer.
    Untagged,
    /// It has a tag, and no name that could be one.
    Tagged(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Reads a line's first two words.
    ///
    /// # Errors
    /// What is missing; with the tag, where there is a good one.
    pub fn parse(line: &'a [u8]) -> Result<Self, Malformed<'a>> {
        let mut reader = Reader(line);
        let tag = reader.run(is_tag_char).ok().filter(|tag| is_tag(tag));
        let tag = tag.ok_or(Malformed::Untagged)?;
        if !matches!(reader.0.first(), None | Some(b' ')) {
            return Err(Malformed::Untagged);
        }
        let malformed = |_| Malformed::Tagged(tag);
        reader.octet(b' ').map_err(malformed)?;
        let name = reader.run(is_atom_char).map_err(malformed)?;
        let arguments = match reader.0.split_first() {
            None => None,
            Some((b' ', rest)) => Some(rest),
            Some(_) => return Err(Malformed::Tagged(tag)),
        };
        Ok(Self { tag, name, arguments })
    }
}

/// Whether these octets can be a tag. A tag is printed by whoever answers, so nothing
/// else may leave here (RFC 9051, section 9: any ASTRING-CHAR but `+`).
#[must_use]
pub fn is_tag(octets: &[u8]) -> bool {
    (1..=LONGEST_TAG).contains(&octets.len()) && octets.iter().all(|&octet| is_tag_char(octet))
}

const fn is_tag_char(octet: u8) -> bool {
    octet.is_ascii() && is_astring_char(octet) && octet != b'+'
}

/// The arguments of LOGIN: user and password, either of which may be empty.
///
/// # Errors
/// They are no two strings; or a literal is still to come.
pub fn login(arguments: &[u8]) -> Result<(Secret, Secret), Stop> {
    let mut reader = Reader(arguments);
    let user = reader.astring()?;
    reader.octet(b' ')?;
    let password = reader.astring()?;
    reader.end().map(|()| (user, password))
}

/// The arguments of AUTHENTICATE: the mechanism, and an initial response, undecoded.
///
/// # Errors
/// They are not of that form. Literals cannot stand here.
pub fn authenticate(arguments: &[u8]) -> Result<(&[u8], Option<&[u8]>), Stop> {
    let mut reader = Reader(arguments);
    let mechanism = reader.run(is_atom_char)?;
    if reader.0.is_empty() {
        return Ok((mechanism, None));
    }
    reader.octet(b' ')?;
    let response = reader.run(|octet| octet > b' ' && octet != b'{')?;
    reader.end().map(|()| (mechanism, Some(response)))
}

/// The arguments of ID, which are looked at and not kept: `NIL`, or a list of strings
/// with a string or `NIL` for each (RFC 2971, section 3).
///
/// # Errors
/// They are not of that form; or a literal is still to come.
pub fn id(arguments: &[u8]) -> Result<(), Stop> {
    let mut reader = Reader(arguments);
    if reader.octet(b'(').is_err() {
        return reader.nil().and_then(|()| reader.end());
    }
    while reader.octet(b')').is_err() {
        let is_first = reader.0.len() + 1 == arguments.len();
        if !is_first {
            reader.octet(b' ')?;
        }
        reader.string()?;
        reader.octet(b' ')?;
        match reader.0.first() {
            Some(b'"' | b'{') => reader.string().map(drop)?,
            _ => reader.nil()?,
        }
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_command_is_a_tag_a_name_and_arguments() {
        for (line, tag, name, arguments) in [
            ("a NOOP", "a", "NOOP", None),
            ("A001 noop ", "A001", "noop", Some("")),
            ("1.20 LOGIN u p", "1.20", "LOGIN", Some("u p")),
            ("]}[~ X", "]}[~", "X", None),
            ("a LOGIN  u", "a", "LOGIN", Some(" u")),
            ("GET / HTTP/1.1", "GET", "/", Some("HTTP/1.1")),
        ] {
            let [tag, name] = [tag, name].map(str::as_bytes);
            let arguments = arguments.map(str::as_bytes);
            let command = Command { tag, name, arguments };
            assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn d58_what_is_no_command_is_answered_with_the_tag_where_there_is_one() {
        for (line, tag) in [
            (&b""[..], None),
            (b" NOOP", None),
            (b"+ NOOP", None),
            (b"* NOOP", None),
            (b"a+ NOOP", None),
            (b"a\tNOOP", None),
            (b"a\rb NOOP", None),
            (b"\xe9 NOOP", None),
            (b"a(", None),
            (b"a", Some("a")),
            (b"a ", Some("a")),
            (b"a  NOOP", Some("a")),
            (b"a NO(OP", Some("a")),
            (b"a NOOP\t", Some("a")),
            (b"a FOO{5}", Some("a")),
        ] {
            let malformed = match tag {
                Some(tag) => Malformed::Tagged(tag.as_bytes()),
                None => Malformed::Untagged,
            };
            assert_eq!(Command::parse(line), Err(malformed), "{:?}", line.escape_ascii());
        }
        let [fits, over] = [LONGEST_TAG, LONGEST_TAG + 1]
            .map(|length| [&vec![b't'; length][..], b" NOOP"].concat());
        assert_eq!(Command::parse(&fits).unwrap().tag.len(), LONGEST_TAG);
        assert_eq!(Command::parse(&over), Err(Malformed::Untagged));
    }

    #[test]
    fn the_arguments_of_login() {
        for (text, read) in [
            (&b"u p"[..], Ok((&b"u"[..], &b"p"[..]))),
            (b"\"u\" \"pa\\\"s\"", Ok((b"u", b"pa\"s"))),
            (b"{5+}\r\nalice {3+}\r\npw1", Ok((b"alice", b"pw1"))),
            (b"NIL NIL", Ok((b"NIL", b"NIL"))),
            (b"\"\" x", Ok((b"", b"x"))),
            (b"u {4}", Err(Stop::Literal)),
            (b"{5}", Err(Stop::Literal)),
            (b"u p {4}", Err(Stop::Syntax)),
            (b"", Err(Stop::Syntax)),
            (b"u", Err(Stop::Syntax)),
            (b"u ", Err(Stop::Syntax)),
            (b"u  p", Err(Stop::Syntax)),
            (b" u p", Err(Stop::Syntax)),
            (b"u p ", Err(Stop::Syntax)),
            (b"u p x", Err(Stop::Syntax)),
            (b"u ({hKu8qM?BSx", Err(Stop::Syntax)),
            (b"u \"p", Err(Stop::Syntax)),
            (b"{3+}\r\nabcd p", Err(Stop::Syntax)),
        ] {
            let got = login(text).map(|(user, password)| [user, password]);
            let got = got.map(|both| both.map(|secret| secret.expose().to_vec()));
            let read = read.map(|(user, password)| [user.to_vec(), password.to_vec()]);
            assert_eq!(got, read, "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn the_arguments_of_authenticate() {
        for (text, read) in [
            ("PLAIN", Ok(("PLAIN", None))),
            ("PLAIN =", Ok(("PLAIN", Some("=")))),
            ("plain AGEAYg==", Ok(("plain", Some("AGEAYg==")))),
            ("", Err(Stop::Syntax)),
            ("\"PLAIN\"", Err(Stop::Syntax)),
            ("{5}", Err(Stop::Syntax)),
            ("PLAIN ", Err(Stop::Syntax)),
            ("PLAIN {12}", Err(Stop::Syntax)),
            ("PLAIN {12+}\r\nAAAAAAAAAAAA", Err(Stop::Syntax)),
            ("PLAIN x y", Err(Stop::Syntax)),
        ] {
            let bytes = |(name, initial): (&'static str, Option<&'static str>)| {
                (name.as_bytes(), initial.map(str::as_bytes))
            };
            assert_eq!(authenticate(text.as_bytes()), read.map(bytes), "{text}");
        }
    }

    #[test]
    fn the_arguments_of_id() {
        for (text, read) in [
            ("NIL", Ok(())),
            ("nil", Ok(())),
            ("()", Ok(())),
            ("(\"name\" \"x\" \"os\" NIL)", Ok(())),
            ("({4+}\r\nname {1+}\r\nx)", Ok(())),
            ("({1}", Err(Stop::Literal)),
            ("(\"name\" {1}", Err(Stop::Literal)),
            ("", Err(Stop::Syntax)),
            ("NIL ", Err(Stop::Syntax)),
            ("(", Err(Stop::Syntax)),
            ("(\"name\")", Err(Stop::Syntax)),
            ("(name \"x\")", Err(Stop::Syntax)),
            ("( \"name\" \"x\")", Err(Stop::Syntax)),
            ("(\"name\" \"x\" )", Err(Stop::Syntax)),
            ("(\"name\" \"x\")x", Err(Stop::Syntax)),
            ("(NIL NIL)", Err(Stop::Syntax)),
            ("(\"a\" \"b\"\"c\" \"d\")", Err(Stop::Syntax)),
        ] {
            assert_eq!(id(text.as_bytes()), read, "{text}");
        }
    }
}
