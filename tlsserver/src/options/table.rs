//! Every option, a row each: how it is written, what its value is called, and what it does.
//! The usage is made of the rows, and the manual page is held to them.

use super::interface::interface_of;
use super::value::{at_least_one, backlog, id, networks, short_enough};
use super::{Family, Mode, Options};
use crate::log::Verbosity;
use lexopt::{Arg, Error, Parser, ValueExt};
use proto::login::protocol::Protocol;
use std::time::Duration;

/// More than the cores of most machines; each engine is a process of some megabytes.
const MOST_ENGINES: usize = 1024;

/// Options that are refused, as whoever writes one relies on nobody getting in without a
/// certificate.
pub(super) const REFUSED: [char; 3] = ['i', 'm', 'z'];

/// Makes of the rows what reads an option, and a table of how each is written.
macro_rules! options {
    (
        short($options:ident, $parser:ident, $letter:ident):
        $($($short:literal)|+ $($value:literal)? => $does:expr,)*
        long:
        $($long:literal $($long_value:literal)? => $long_does:expr,)*
    ) => {
        /// Letters of one meaning, with what the usage has behind them.
        const SHORT: &[(&[char], &str)] = &[$((&[$($short),+], concat!($(" ", $value)?)),)*];
        /// Names, with the same.
        const LONG: &[(&str, &str)] = &[$(($long, concat!($($long_value)?)),)*];

        /// What `-LETTER` says.
        pub(super) fn short(
            $options: &mut Options,
            $letter: char,
            $parser: &mut Parser,
        ) -> Result<(), Error> {
            match $letter {
                $($($short)|+ => $does,)*
                _ => return Err(Arg::Short($letter).unexpected()),
            }
            Ok(())
        }

        /// What `--NAME` says.
        pub(super) fn long(
            $options: &mut Options,
            name: &str,
            $parser: &mut Parser,
        ) -> Result<(), Error> {
            match name {
                $($long => $long_does,)*
                _ => return Err(Arg::Long(name).unexpected()),
            }
            Ok(())
        }
    };
}

options! {
    short(options, parser, letter):
    '1' => options.print_port = true,
    '4' => options.family = Some(Family::V4),
    '6' => options.family = Some(Family::V6),
    'n' => options.mode = Mode::Delayed,
    'N' => options.mode = Mode::Immediate,
    'v' => options.verbosity = Verbosity::Status,
    'q' => options.verbosity = Verbosity::Quiet,
    'Q' => options.verbosity = Verbosity::Errors,
    'U' => options.identity_from_environment = true,
    'X' => options.missing_rules_allow = true,
    // Done whatever the option says: facts on request, TCP_NODELAY, no name lookups, no
    // ident, no client certificates.
    'e' | 'E' | 'R' | 'H' | 'P' | 'D' | 'd' | 'o' | 'O' | 'S' | 'Z' => {},
    'h' | 'p' | 'r' | '3' | 's' | 'V' => options.without_effect.push(letter),
    'c' "limit" => options.limit = at_least_one(parser)?,
    'C' "per-address" => options.limit_per_address = Some(at_least_one(parser)?),
    'x' "rules.cdb" => options.rules = Some(parser.value()?.into()),
    'u' "uid" => options.user = Some(id(parser)?),
    'g' "gid" => options.group = Some(id(parser)?),
    'b' "backlog" => options.backlog = backlog(parser)?,
    'l' "localname" => options.local_name = Some(parser.value()?),
    't' | 'T' "seconds" => options.handshake_timeout = handshake_timeout(parser)?,
    'w' "seconds" => {
        parser.value()?;
        options.without_effect.push(letter);
    },
    'B' "banner" => options.banner = Some(short_enough(parser.value()?)?),
    'I' "interface" => options.interface = interface_of(parser)?.or(options.interface.take()),
    long:
    "proxy-protocol" "[=address,...]" => {
        let from = parser.optional_value();
        options.proxy_protocol = Some(from.map_or(Ok(Vec::new()), |from| networks(&from))?);
    },
    "ipv6-prefix" " bits" => {
        let bits = u8::try_from(at_least_one(parser)?).ok().filter(|bits| *bits <= 128);
        options.ipv6_prefix = bits.ok_or("more than 128")?;
    },
    "engines" " number" => {
        let engines = Some(at_least_one(parser)?).filter(|engines| *engines <= MOST_ENGINES);
        options.engines = Some(engines.ok_or("more than 1024")?);
    },
    "no-tickets" => options.no_tickets = true,
    "login" " smtp|pop3|imap" => {
        let protocol = Protocol::named(parser.value()?.as_encoded_bytes());
        options.login = Some(protocol.ok_or("not smtp, pop3 or imap")?);
    },
    "tries" " number" => {
        // As authup has it: 0 is no number of tries, but no word about it.
        options.tries = Some(parser.value()?.parse()?).filter(|tries| *tries > 0);
        options.for_login.push("tries");
    },
    "checks" " number" => {
        options.checks = Some(at_least_one(parser)?);
        options.for_login.push("checks");
    },
    "linger" " seconds" => {
        options.linger = Duration::from_secs(parser.value()?.parse::<u32>()?.into());
        options.for_login.push("linger");
    },
}

fn handshake_timeout(parser: &mut Parser) -> Result<Duration, Error> {
    let seconds = u32::try_from(at_least_one(parser)?).map_err(|_| "too long")?;
    Ok(Duration::from_secs(seconds.into()))
}

/// How the command is to be written.
#[must_use]
pub fn usage() -> String {
    let flags = SHORT.iter().filter(|(_, value)| value.is_empty());
    let flags: String = flags.flat_map(|(letters, _)| *letters).collect();
    let values = SHORT.iter().filter(|(_, value)| !value.is_empty());
    let values = values.map(|(letters, value)| format!("{}{value}", letters[0]));
    let long = LONG.iter().map(|(name, value)| format!("-{name}{value}"));
    let options: String = values.chain(long).map(|option| format!("[ -{option} ] ")).collect();
    format!("usage: tlsserver [ -{flags} ] {options}host port program [ argument ... ]")
}

/// Every option without its first hyphen, those that are refused among them.
pub fn names() -> impl Iterator<Item = String> {
    let letters = SHORT.iter().flat_map(|(letters, _)| *letters).chain(&REFUSED);
    letters.map(char::to_string).chain(LONG.iter().map(|(name, _)| format!("-{name}")))
}
