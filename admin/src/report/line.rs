//! A line of a log file: when it was written, by which service, and what it says. Knows
//! what the journal and syslog's daemons put between the [time](super::time) and a program's own
//! words.

use super::time::Stamp;

/// A line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Seconds since 1970, where a time stands before it.
    pub(super) time: Option<i64>,
    /// The service, where the journal says it.
    pub(super) service: Option<&'a str>,
    /// What a program said.
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// Takes it apart, at the time `now`.
    pub(super) fn parse(line: &'a str, now: i64) -> Self {
        let Some(Stamp { time, rest, is_syslogs }) = Stamp::read(line, now) else {
            return Self { time: None, service: None, text: line };
        };
        let said = said_by(rest).filter(|_| is_syslogs);
        let (service, text) = said.map_or((None, rest), |(name, text)| (service(name), text));
        Self { time: Some(time), service, text }
    }
}

/// The identifier of `HOST IDENTIFIER[PID]: TEXT`, and the text. The journal can be shown without
/// the host.
fn said_by(rest: &str) -> Option<(&str, &str)> {
    let (first, behind) = rest.split_once(' ')?;
    let rest = if first.ends_with(':') { rest } else { behind };
    let (identifier, text) = rest.split_once(": ")?;
    Some((identifier.split('[').next().unwrap_or(identifier), text))
}

/// A unit's service, by its `SyslogIdentifier`.
fn service(identifier: &str) -> Option<&str> {
    identifier.strip_prefix("acceptutils-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_services() {
        let time = 1_795_676_400;
        for (line, service) in [
            ("2026-11-26T07:00:00 x y", None),
            ("2026-11-26T07:00:00+0000 host acceptutils-pop3[12]: x y", Some("pop3")),
            ("2026-11-26T07:00:00+0000 host acceptutils-pop3: x y", Some("pop3")),
            ("2026-11-26T07:00:00+0000 acceptutils-pop3[12]: x y", Some("pop3")),
            ("2026-11-26T07:00:00.5Z host other[12]: x y", None),
            // What nobody said.
            ("2026-11-26T07:00:00Z x y", None),
        ] {
            let expected = Line { time: Some(time), service, text: "x y" };
            assert_eq!(Line::parse(line, time), expected, "{line}");
        }
        for line in ["authup 12 x", "x", ""] {
            assert_eq!(Line::parse(line, time), Line { time: None, service: None, text: line });
        }
    }
}
