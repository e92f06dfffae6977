//! tcpserver's rules: which keys are looked up for a peer, and what a value says.
//!
//! The file (`-x rules.cdb`, made by `tcprules`) is opened by the caller. The keys
//! are tried in order and the first that is found decides.

use crate::variables::Variables;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The keys for a peer, in the order in which they are to be tried.
///
/// `address` is the peer's address as text; `host` its name, where one is known.
#[must_use]
pub fn keys(address: &str, host: Option<&str>) -> Vec<String> {
    let mut keys = alloc::vec![address.to_owned()];
    keys.extend(host.map(|host| format!("={host}")));
    // "192.168.1.", "192.168.", "192.": the address cut back to each dot.
    keys.extend(
        address.rmatch_indices('.').filter_map(|(at, _)| address.get(..=at).map(String::from)),
    );
    if let Some(host) = host {
        let suffixes = host.match_indices('.').filter_map(|(at, _)| host.get(at..));
        keys.extend(suffixes.map(|suffix| format!("={suffix}")));
        keys.push("=".to_owned());
    }
    keys.push(String::new());
    keys
}

/// What a rule says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions {
    /// The connection is refused.
    pub refuse: bool,
    /// What is added to the program's environment.
    pub environment: Variables,
}

/// A value that is not a row of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads a value: a row of `D` (refuse) and `+NAME=value` (set a variable), each
/// ended by NUL, as `tcprules` writes them.
///
/// # Errors
/// When it is anything else: an unknown instruction, a missing NUL, no name.
pub fn instructions(value: &[u8]) -> Result<Instructions, Malformed> {
    let mut found = Instructions::default();
    let mut rest = value;
    while !rest.is_empty() {
        let end = memchr::memchr(0, rest).ok_or(Malformed)?;
        let (instruction, after) = rest.split_at(end);
        match instruction.split_first() {
            Some((b'D', [])) => found.refuse = true,
            Some((b'+', setting)) => found.environment.push(variable(setting)?),
            _ => return Err(Malformed),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    Ok(found)
}

fn variable(setting: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let equals = memchr::memchr(b'=', setting).filter(|&at| at > 0).ok_or(Malformed)?;
    let (name, value) = setting.split_at(equals);
    Ok((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::named;
    use alloc::vec;

    #[test]
    fn keys_without_a_name() {
        assert_eq!(
            keys("192.168.1.7", None),
            ["192.168.1.7", "192.168.1.", "192.168.", "192.", ""]
        );
        assert_eq!(keys("2001:db8::1", None), ["2001:db8::1", ""]);
    }

    #[test]
    fn keys_with_a_name() {
        assert_eq!(
            keys("10.1.2.3", Some("mx.example.org")),
            [
                "10.1.2.3",
                "=mx.example.org",
                "10.1.2.",
                "10.1.",
                "10.",
                "=.example.org",
                "=.org",
                "=",
                ""
            ]
        );
    }

    #[test]
    fn a_row_of_instructions() {
        assert_eq!(instructions(b""), Ok(Instructions::default()));
        assert_eq!(instructions(b"D\0"), Ok(Instructions { refuse: true, environment: vec![] }));
        assert_eq!(
            instructions(b"D\0+RELAYCLIENT=\0+A=b=c\0"),
            Ok(Instructions {
                refuse: true,
                environment: vec![
                    (b"RELAYCLIENT".to_vec(), vec![]),
                    (b"A".to_vec(), b"b=c".to_vec())
                ],
            })
        );
    }

    #[test]
    fn of_several_values_the_last_counts() {
        let added = instructions(b"+A=1\0+B=2\0+A=3\0").unwrap().environment;
        assert_eq!(named(&added, "A"), Some(&b"3"[..]));
        assert_eq!([named(&added, "B"), named(&added, "C")], [Some(&b"2"[..]), None]);
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in
            [&b"x\0"[..], b"\0", b"D", b"+A=b", b"+A\0", b"+=b\0", b"+\0", b"DD\0", b"D\0z"]
        {
            assert_eq!(instructions(value), Err(Malformed), "{value:?}");
        }
    }
}
