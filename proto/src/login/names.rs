//! What is made of the name that a client gives, before the login program is asked: the
//! grammar of the control file `loginnames`, and what its words do.
//!
//! One word a line: `lower-case`, for ASCII; `strip-domain`, which takes what follows the
//! last `@` away, and with domains behind it only those. Called by whoever runs the login
//! program.

use crate::control::list;
use alloc::vec::Vec;

/// What the file says; by default, which is without it, nothing is changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LoginNames {
    lower_case: bool,
    strip: Strip,
}

/// Which domains are taken away.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Strip {
    #[default]
    None,
    Any,
    These(Vec<Vec<u8>>),
}

/// A line that is not of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its number, counted from one.
    pub line: usize,
}

impl LoginNames {
    /// Reads the file's contents.
    ///
    /// # Errors
    /// The first line that begins with another word, or says more than it can.
    pub fn parse(contents: &[u8]) -> Result<Self, Fault> {
        let mut names = Self::default();
        for (line, text) in list(contents) {
            let mut words =
                text.split(|octet| octet.is_ascii_whitespace()).filter(|word| !word.is_empty());
            let word = words.next().unwrap_or_default();
            let domains: Vec<Vec<u8>> = words.map(<[u8]>::to_vec).collect();
            match (word, domains.is_empty()) {
                (b"lower-case", true) => names.lower_case = true,
                (b"strip-domain", is_any) => names.strip.add(is_any, domains),
                _ => return Err(Fault { line }),
            }
        }
        Ok(names)
    }

    /// The name that the login program gets. It is no longer than the one given, and not
    /// empty where that is not.
    #[must_use]
    pub fn apply(&self, given: &[u8]) -> Vec<u8> {
        let mut name = self.strip.apply(given).to_vec();
        if self.lower_case {
            name.make_ascii_lowercase();
        }
        name
    }
}

impl Strip {
    fn add(&mut self, is_any: bool, mut domains: Vec<Vec<u8>>) {
        match self {
            Self::Any => {}
            _ if is_any => *self = Self::Any,
            Self::None => *self = Self::These(domains),
            Self::These(known) => known.append(&mut domains),
        }
    }

    fn apply<'a>(&self, given: &'a [u8]) -> &'a [u8] {
        let at = given.iter().rposition(|&octet| octet == b'@').filter(|&at| at > 0);
        let parts = at.and_then(|at| Some((given.get(..at)?, given.get(at + 1..)?)));
        match (self, parts) {
            (Self::Any, Some((name, _))) => name,
            (Self::These(domains), Some((name, domain)))
                if domains.iter().any(|one| one.eq_ignore_ascii_case(domain)) =>
            {
                name
            }
            _ => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(contents: &str, given: &str) -> Vec<u8> {
        LoginNames::parse(contents.as_bytes()).unwrap().apply(given.as_bytes())
    }

    #[test]
    fn d49_names_are_changed_as_the_file_says() {
        for (contents, given, name) in [
            ("", "Alice@Example.ORG", "Alice@Example.ORG"),
            ("# nothing\n\n", "Alice", "Alice"),
            ("lower-case\n", "Alice@Example.ORG", "alice@example.org"),
            ("lower-case", "\u{c4}lice", "\u{c4}lice"),
            ("strip-domain\n", "Alice@Example.ORG", "Alice"),
            ("strip-domain", "a@b@c", "a@b"),
            ("strip-domain", "alice", "alice"),
            ("strip-domain", "@example.org", "@example.org"),
            ("strip-domain", "alice@", "alice"),
            ("strip-domain example.org example.net\n", "alice@EXAMPLE.net", "alice"),
            ("strip-domain example.org\n", "alice@example.com", "alice@example.com"),
            ("strip-domain example.org\nstrip-domain b.c\n", "a@b.c", "a"),
            ("strip-domain example.org\nstrip-domain\n", "a@b.c", "a"),
            ("strip-domain\nlower-case\n", "Alice@b", "alice"),
        ] {
            assert_eq!(applied(contents, given), name.as_bytes(), "{contents:?}: {given}");
        }
    }

    #[test]
    fn d49_what_is_not_understood_is_said() {
        for (contents, line) in
            [("upper-case", 1), ("# x\nlower-case\nstrip\n", 3), ("lower-case example.org", 1)]
        {
            assert_eq!(LoginNames::parse(contents.as_bytes()), Err(Fault { line }), "{contents}");
        }
    }
}
