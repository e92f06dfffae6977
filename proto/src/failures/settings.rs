//! The grammar of `control/loginfailures`: one setting a line.

use super::source::Kind;
use crate::control::list;
use crate::network::{Network, address_and_prefix};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// How often, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Refusals in a row that are possible; 0: never refused for this.
    pub count: u16,
    /// Seconds after which half of them are forgotten.
    pub half_life: u32,
}

/// What the administrator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file, an absolute path.
    pub file: Vec<u8>,
    /// For [`Kind::Address`] and [`Kind::KnownUser`].
    pub address: Limit,
    /// For [`Kind::Network`].
    pub network: Limit,
    /// For [`Kind::Wide`].
    pub wide: Limit,
    /// For [`Kind::User`].
    pub user: Limit,
    /// Seconds that a good login makes its user known in its network.
    pub known: u32,
    /// Networks whose clients are never refused.
    pub exempt: Vec<Network>,
}

const HOUR: u32 = 60 * 60;
const DAY: u32 = 24 * HOUR;

/// The longest time, a year: what is longer is no memory that anybody wants.
const LONGEST: u32 = 366 * DAY;
/// The greatest limit: scores are below 65,536.
const GREATEST: u16 = 60_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: b"/run/acceptutils/failures".to_vec(),
            address: Limit { count: 10, half_life: 6 * HOUR },
            network: Limit { count: 40, half_life: 6 * HOUR },
            wide: Limit { count: 200, half_life: 6 * HOUR },
            user: Limit { count: 100, half_life: DAY },
            known: 30 * DAY,
            exempt: Vec::new(),
        }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    /// The line's number, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub what: Fault,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It begins with a word that is no setting.
    Unknown,
    /// The setting has been made already.
    Twice,
    /// `file` is not followed by an absolute path.
    NoPath,
    /// A limit is not a number and a time.
    NoLimit,
    /// A limit's number is too great.
    TooMany,
    /// Not a time, or one of nothing, or of more than a year.
    NoTime,
    /// Not an address or network.
    NoNetwork,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "not one of file, address, network, wide, user, known, exempt",
            Self::Twice => "set twice",
            Self::NoPath => "not an absolute path",
            Self::NoLimit => "not a number and a time",
            Self::TooMany => "more than 60000",
            Self::NoTime => "not a time as 90s, 10m, 6h, 30d, up to 366d",
            Self::NoNetwork => "not an address or network",
        })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Settings {
    /// Reads the file's contents. What it does not say is as in [`Settings::default`].
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(contents: &[u8]) -> Result<Self, Wrong> {
        let mut settings = Self::default();
        let mut said: Vec<&[u8]> = Vec::new();
        for (line, text) in list(contents) {
            let wrong = |what| Wrong { line, what };
            let mut words = text.splitn(2, |octet| b" \t".contains(octet));
            let (name, value) = (words.next().unwrap_or_default(), words.next());
            let value = value.unwrap_or_default().trim_ascii();
            settings.set(name, value).map_err(wrong)?;
            if name != b"exempt" && said.contains(&name) {
                return Err(wrong(Fault::Twice));
            }
            said.push(name);
        }
        Ok(settings)
    }

    fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name {
            b"file" if value.starts_with(b"/") && !value.contains(&0) => self.file = value.to_vec(),
            b"file" => return Err(Fault::NoPath),
            b"address" => self.address = limit(value)?,
            b"network" => self.network = limit(value)?,
            b"wide" => self.wide = limit(value)?,
            b"user" => self.user = limit(value)?,
            b"known" => self.known = time(value)?,
            b"exempt" => self.exempt.push(network(value)?),
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }

    /// The limit for a kind of score; `None` for what has no score.
    #[must_use]
    pub const fn limit(&self, kind: Kind) -> Option<Limit> {
        match kind {
            Kind::Address | Kind::KnownUser => Some(self.address),
            Kind::Network => Some(self.network),
            Kind::Wide => Some(self.wide),
            Kind::User => Some(self.user),
            Kind::AnybodyKnown => None,
        }
    }

    /// Whether clients at this address are never refused.
    #[must_use]
    pub fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|exempt| exempt.contains(address.to_canonical()))
    }
}

/// Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/48`; bits behind the prefix do not count.
fn network(value: &[u8]) -> Result<Network, Fault> {
    let read = core::str::from_utf8(value).ok().and_then(address_and_prefix);
    read.map(|(address, prefix)| Network::of(address, prefix)).ok_or(Fault::NoNetwork)
}

/// A number and a time.
fn limit(value: &[u8]) -> Result<Limit, Fault> {
    let text = core::str::from_utf8(value).map_err(|_| Fault::NoLimit)?;
    let mut words = text.split_ascii_whitespace();
    let (Some(count), Some(half_life), None) = (words.next(), words.next(), words.next()) else {
        return Err(Fault::NoLimit);
    };
    if count.is_empty() || !count.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Fault::NoLimit);
    }
    let count = count.parse().ok().filter(|&count| count <= GREATEST).ok_or(Fault::TooMany)?;
    Ok(Limit { count, half_life: time(half_life.as_bytes())? })
}

/// Seconds, as `90s`, `10m`, `6h`, `30d`.
fn time(value: &[u8]) -> Result<u32, Fault> {
    let seconds = || {
        let (&unit, digits) = value.split_last()?;
        let unit = match unit {
            b's' => 1,
            b'm' => 60,
            b'h' => HOUR,
            b'd' => DAY,
            _ => return None,
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: u32 = core::str::from_utf8(digits).ok()?.parse().ok()?;
        number.checked_mul(unit).filter(|seconds| (1..=LONGEST).contains(seconds))
    };
    seconds().ok_or(Fault::NoTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_not_said_is_as_the_manual_has_it() {
        let all = b"file /run/acceptutils/failures\naddress 10 6h\nnetwork 40 6h\nwide 200 6h\n\
                    user 100 1d\nknown 30d\n";
        assert_eq!(Settings::parse(b""), Ok(Settings::default()));
        assert_eq!(Settings::parse(all), Ok(Settings::default()));
    }

    #[test]
    fn settings() {
        let text = b"# ours\nuser 0 2d\n\naddress\t 5  90m \nexempt 192.0.2.0/24\nexempt ::1\n\
            exempt ::ffff:203.0.113.0/120\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.user, Limit { count: 0, half_life: 2 * DAY });
        assert_eq!(settings.address, Limit { count: 5, half_life: 5400 });
        assert_eq!(settings.limit(Kind::KnownUser), Some(settings.address));
        assert_eq!(settings.limit(Kind::AnybodyKnown), None);
        for (address, exempt) in [
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("203.0.113.9", true),
            ("203.0.114.9", false),
            ("192.0.3.0", false),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(settings.exempts(address.parse().unwrap()), exempt, "{address}");
        }
    }

    #[test]
    fn a_network_of_everybody() {
        let settings = Settings::parse(b"exempt 0.0.0.0/0\nexempt 2001:db8::/48").unwrap();
        assert!(settings.exempts("203.0.113.9".parse().unwrap()));
        assert!(!settings.exempts("2001:db9::1".parse().unwrap()));
        let everybody: Vec<_> = settings.exempt.iter().map(|one| one.is_everybody()).collect();
        assert_eq!(everybody, [true, false]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, complaint) in [
            ("adress 10 6h", "not one of file, address, network, wide, user, known, exempt"),
            ("known 3d\nknown 4d", "set twice"),
            ("file failures", "not an absolute path"),
            ("file", "not an absolute path"),
            ("address 10", "not a number and a time"),
            ("address ten 6h", "not a number and a time"),
            ("address -1 6h", "not a number and a time"),
            ("address 10 6h or so", "not a number and a time"),
            ("address 60001 6h", "more than 60000"),
            ("address 99999999999999999999 6h", "more than 60000"),
            ("address 10 6", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("known 0d", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("known 367d", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("known", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("known d", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("known +1d", "not a time as 90s, 10m, 6h, 30d, up to 366d"),
            ("exempt 192.0.2.0/33", "not an address or network"),
            ("exempt mail.example.org", "not an address or network"),
        ] {
            let wrong = Settings::parse(["# first\n", text].concat().as_bytes()).unwrap_err();
            let line = if wrong.what == Fault::Twice { 3 } else { 2 };
            assert_eq!(wrong.to_string(), std::format!("line {line}: {complaint}"), "{text}");
        }
    }
}
