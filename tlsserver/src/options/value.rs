//! What may stand behind an option, and what is said of what may not.

use lexopt::{Parser, ValueExt};
use proto::network::Network;
use std::ffi::{OsStr, OsString};

/// In octets.
const LONGEST_BANNER: usize = 4096;

/// What stands behind `--proxy-protocol=`.
pub(super) fn networks(list: &OsStr) -> Result<Vec<Network>, lexopt::Error> {
    let list = list.to_string_lossy();
    let network = |text: &str| {
        let none = || format!("{text}: neither an address nor ADDRESS/BITS");
        Network::parse(text).ok_or_else(|| none().into())
    };
    list.split(',').map(network).collect()
}

/// Says which option has a value that cannot be used, and why.
pub(super) fn of_option(option: &str, error: lexopt::Error) -> lexopt::Error {
    match error {
        lexopt::Error::ParsingFailed { value, .. } => {
            let is_number = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit());
            if is_number {
                format!("{option}: too large: {value}").into()
            } else {
                not_a_number(option, &value)
            }
        }
        lexopt::Error::NonUnicodeValue(value) => not_a_number(option, &value.to_string_lossy()),
        lexopt::Error::Custom(why) => format!("{option}: {why}").into(),
        // These name it.
        error => error,
    }
}

fn not_a_number(option: &str, value: &str) -> lexopt::Error {
    format!("{option}: not a number: {value}").into()
}

/// A user's, or a group's.
pub(super) fn id(parser: &mut Parser) -> Result<u32, lexopt::Error> {
    match parser.value()?.parse()? {
        // By it a process would keep the user or group that it has.
        u32::MAX => Err("4294967295 is nobody's number".into()),
        number => Ok(number),
    }
}

/// A banner that fits whatever it is written to, so that nobody has to wait for it.
pub(super) fn short_enough(banner: OsString) -> Result<OsString, lexopt::Error> {
    match banner.len() {
        0..=LONGEST_BANNER => Ok(banner),
        _ => Err("more than 4096 octets".into()),
    }
}

/// A number that is not 0.
pub(super) fn at_least_one(parser: &mut Parser) -> Result<usize, lexopt::Error> {
    match parser.value()?.parse()? {
        0 => Err("must be at least 1".into()),
        number => Ok(number),
    }
}

/// As listen(2) takes it; 0 is as few as the system can.
pub(super) fn backlog(parser: &mut Parser) -> Result<i32, lexopt::Error> {
    let value = parser.value()?;
    let number: i32 = value.parse()?;
    if number < 0 { Err(format!("not a number: {number}").into()) } else { Ok(number) }
}
