//! What a line of the log says, by the shapes that docs/logging.md promises.

use proto::logfmt::pairs;

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A connection has a program.
    Begins { pid: &'a str },
    /// The program has ended.
    Ends { pid: &'a str },
    /// Somebody is logged in.
    LoggedIn { user: &'a str, address: &'a str },
    /// A login was refused, by the password.
    Refused { user: &'a str, address: &'a str },
    /// Logins were refused, and summed up: whose they were is not known.
    RefusedUnsaid { address: &'a str },
    /// Somebody logged in with a name that nobody has.
    Unknown { user: &'a str },
    /// A connection that never wanted to log in.
    NoLogin,
    /// A connection was closed at once.
    Denied { why: &'a str },
    /// Something went wrong with a connection's TLS.
    Tls { why: &'a str },
    /// A session has ended, by the line that says all of it; with TLS of this version.
    Session { tls: Option<&'a str> },
    /// A process was started anew.
    Restart { what: &'a str },
    /// Something else went wrong, in the program's words.
    Trouble { text: &'a str },
    /// A line of which there is nothing to count.
    Course,
    /// The words of a program that is not ours.
    Foreign,
}

/// Ours that begin their lines with `NAME: `.
const PROGRAMS: [&str; 7] = [
    "checknotroot",
    "checkpassword-file",
    "checkpassword-pam",
    "fiximapio",
    "fixsmtpio",
    "qmail-qfilter-addtlsheader",
    "usage",
];

impl<'a> Event<'a> {
    /// Reads a line without its time: what has happened, and how often.
    pub(super) fn counted(text: &'a str) -> (Self, u64) {
        if let Some((count, said)) = text.strip_prefix("authup: ").and_then(more) {
            return (of_unsaid_logins(said), count);
        }
        let said = text.strip_prefix("tlsserver: ");
        if let Some((count, said)) = said.and_then(more) {
            return (Self::Trouble { text: said }, count);
        }
        let sum = said.and_then(|_| text.strip_suffix(" more)")?.rsplit_once(" ("));
        match sum.and_then(|(line, count)| Some((line, count.parse().ok()?))) {
            Some((line, count)) => (Self::of(line), count),
            None => (Self::of(text), 1),
        }
    }

    /// Reads a line that tells of one event.
    fn of(text: &'a str) -> Self {
        if let Some(said) = text.strip_prefix("program: ") {
            return of_program(said);
        }
        if let Some(said) = text.strip_prefix("tlsserver: ") {
            return of_tlsserver(said);
        }
        if let Some(said) = text.strip_prefix("authup ") {
            return number(said).map_or(Self::Trouble { text }, |(_, said)| of_authup(said, text));
        }
        if text.split_once(": ").is_some_and(|(name, _)| name == "authup") {
            return Self::Trouble { text };
        }
        of_program(text)
    }
}

/// What stands behind a login, or says that it is one: of our own programs there, those are
/// known. A user may write what looks so; it is only counted.
fn of_program(text: &str) -> Event<'_> {
    let Some((name, said)) = text.split_once(": ") else {
        let is_transcript = text.strip_prefix("fixsmtpio ").and_then(number).is_some();
        return if is_transcript { Event::Course } else { Event::Foreign };
    };
    if let Some(rest) = name.strip_prefix("fixsmtpio ") {
        return if number(rest).is_some() { Event::Course } else { Event::Foreign };
    }
    if !PROGRAMS.contains(&name) {
        return Event::Foreign;
    }
    match said.strip_prefix("login refused: ").and_then(|rest| rest.rsplit_once(": ")) {
        Some((user, "unknown user")) => Event::Unknown { user },
        // authup says it, too, with the address.
        Some(_) => Event::Course,
        None => Event::Trouble { text },
    }
}

fn of_tlsserver(said: &str) -> Event<'_> {
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    match word {
        "status:" => Event::Course,
        "certificates" => Event::Course,
        "pid" => number(rest).map_or(Event::Course, |(pid, _)| Event::Begins { pid }),
        "end" => number(rest).map_or(Event::Course, |(pid, _)| Event::Ends { pid }),
        "no" if rest.starts_with("login from ") => Event::NoLogin,
        "no" if rest.starts_with("IPv6 ") => Event::Course,
        "evicted" => Event::NoLogin,
        "deny" => Event::Denied { why: behind_address(rest) },
        "tls" => Event::Tls { why: behind_address(rest) },
        "engine" | "keyholder" | "monitor" if rest.contains(" died: ") => {
            Event::Restart { what: word }
        }
        _ => Event::Trouble { text: said },
    }
}

/// `[PID ]from ADDRESS: WHY`; addresses have colons, with nothing behind them.
fn behind_address(said: &str) -> &str {
    said.split_once(": ").map_or(said, |(_, why)| why)
}

/// `N more TEXT`: what was not written one by one.
fn more(said: &str) -> Option<(u64, &str)> {
    let (count, said) = said.split_once(' ')?;
    said.starts_with("more ").then_some((count.parse().ok()?, said))
}

fn of_unsaid_logins(said: &str) -> Event<'_> {
    let (what, last) = said.split_once(" (last from ").unwrap_or((said, ""));
    match (what, last.strip_suffix(')')) {
        ("more logins failed", Some(address)) => Event::RefusedUnsaid { address },
        _ => Event::Trouble { text: what },
    }
}

fn of_authup<'a>(said: &'a str, whole: &'a str) -> Event<'a> {
    if let Some(rest) = said.strip_prefix("login succeeded") {
        let (user, address) = who(rest);
        return Event::LoggedIn { user, address };
    }
    let somebody_else = said.strip_prefix("authorization id of somebody else");
    let child = said.strip_prefix("checkpassword ").and_then(number).map(|(_, rest)| rest);
    if let Some(rest) = somebody_else.map(str::trim_start).or(child) {
        if let Some(rest) = rest.strip_prefix("failed, ") {
            let (user, address) = who(rest);
            return Event::Refused { user, address };
        }
        let is_course = rest.starts_with("attempt for ") || rest.starts_with("succeeded, ");
        return if is_course { Event::Course } else { Event::Trouble { text: said } };
    }
    if let Some(said) = said.strip_prefix("session ") {
        let tls = pairs(said).find(|(key, _)| *key == "tls");
        return Event::Session { tls: tls.map(|(_, version)| version) };
    }
    let is_course = ["protocol ", "negotiated TLS", "login result="]
        .iter()
        .any(|beginning| said.starts_with(beginning));
    if is_course { Event::Course } else { Event::Trouble { text: whole } }
}

/// The user and the address of a line's end, ` (USER from ADDRESS)`. A user may look like
/// anything; what is behind the last ` from ` is always the address.
fn who(rest: &str) -> (&str, &str) {
    let inside = rest.split_once(" (").and_then(|(_, inside)| inside.strip_suffix(')'));
    inside.and_then(|inside| inside.rsplit_once(" from ")).unwrap_or_default()
}

/// A number and what stands behind it and a space.
fn number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_are_counted() {
        for (line, event) in [
            ("tlsserver: pid 7 from 192.0.2.7", Event::Begins { pid: "7" }),
            ("tlsserver: end 7 status 0", Event::Ends { pid: "7" }),
            (
                "tlsserver: evicted 2001:db8::7: not logged in, connection limit reached",
                Event::NoLogin,
            ),
            (
                "tlsserver: deny from 2001:db8::7: rejected by rules.cdb",
                Event::Denied { why: "rejected by rules.cdb" },
            ),
            (
                "tlsserver: tls 7 from ::1: handshake failed: x",
                Event::Tls { why: "handshake failed: x" },
            ),
            (
                "tlsserver: engine 9 died: signal 11; starting another",
                Event::Restart { what: "engine" },
            ),
            (
                "authup 7 login succeeded (a (b from c) from 192.0.2.7)",
                Event::LoggedIn { user: "a (b from c)", address: "192.0.2.7" },
            ),
            (
                "authup 7 checkpassword 8 failed, 4 remaining (al from 192.0.2.7)",
                Event::Refused { user: "al", address: "192.0.2.7" },
            ),
            (
                "authup 7 authorization id of somebody else failed, 4 remaining (al from ::1)",
                Event::Refused { user: "al", address: "::1" },
            ),
            (
                "checkpassword-file: login refused: al: bo: unknown user",
                Event::Unknown { user: "al: bo" },
            ),
            ("checkpassword-file: login refused: al: wrong password", Event::Course),
            (
                "tlsserver: monitor 9 died: signal 9; starting another",
                Event::Restart { what: "monitor" },
            ),
            ("authup 7 protocol smtp", Event::Course),
            // Counted by the lines that are always there.
            ("authup 7 login result=refused user=al mech=PLAIN try=1", Event::Course),
            (
                "authup 7 session code=0 user=\"a tls=x\" tries=1 tls=TLSv1.3 proto=smtp",
                Event::Session { tls: Some("TLSv1.3") },
            ),
            ("authup 7 session code=0 tries=0 proto=pop3", Event::Session { tls: None }),
            (
                "fixsmtpio: unable to relay: x",
                Event::Trouble { text: "fixsmtpio: unable to relay: x" },
            ),
            ("2026-11-26 cwd=/ 3 args: exim", Event::Foreign),
        ] {
            assert_eq!(Event::of(line), event, "{line}");
        }
    }

    #[test]
    fn a_sum_counts_as_often_as_it_says() {
        for (line, event, count) in [
            (
                "authup: 412 more logins failed (last from 192.0.2.7)",
                Event::RefusedUnsaid { address: "192.0.2.7" },
                412,
            ),
            (
                "authup: 3 more logins not checked (last from ::1)",
                Event::Trouble { text: "more logins not checked" },
                3,
            ),
            (
                "authup: 9 more logins of other clients failed or not checked",
                Event::Trouble { text: "more logins of other clients failed or not checked" },
                9,
            ),
            (
                "tlsserver: deny from ::1: rejected by rules.cdb (480 more)",
                Event::Denied { why: "rejected by rules.cdb" },
                480,
            ),
            (
                "tlsserver: 7 more lines about other clients",
                Event::Trouble { text: "more lines about other clients" },
                7,
            ),
            ("authup 7 protocol (3 more)", Event::Course, 1),
        ] {
            assert_eq!(Event::counted(line), (event, count), "{line}");
        }
    }

    #[test]
    fn what_programs_behind_logins_say_is_theirs() {
        for (line, event) in [
            (
                "program: checkpassword-file: login refused: al: unknown user",
                Event::Unknown { user: "al" },
            ),
            (
                "program: fixsmtpio: unable to relay: x",
                Event::Trouble { text: "fixsmtpio: unable to relay: x" },
            ),
            ("program: fixsmtpio 7 ofmipd 8 3: 220 a", Event::Course),
            ("program: authup 7 login succeeded (al from 192.0.2.7)", Event::Foreign),
            ("program: tlsserver: engine 9 died: signal 11; starting another", Event::Foreign),
        ] {
            assert_eq!(Event::of(line), event, "{line}");
        }
    }

    /// Every line of docs/logging.md is one that is known here.
    #[test]
    fn no_line_of_ours_is_foreign() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/logging.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (mut section, mut count) = ("", 0);
        for line in page.lines() {
            if let Some(title) = line.strip_prefix("### ") {
                section = title;
            }
            let Some(cell) = line.strip_prefix("| `").and_then(|cell| cell.split("` |").next())
            else {
                continue;
            };
            let (prefix, is_authup) = match section {
                "authup" => ("authup 12 ", true),
                "fixsmtpio" => ("fixsmtpio: ", false),
                "fiximapio" => ("fiximapio: ", false),
                "checknotroot" => ("checknotroot: ", false),
                "tlsserver" => ("tlsserver: ", false),
                title if title.starts_with("checkpassword") => ("checkpassword-file: ", false),
                _ => continue,
            };
            let text = format!("{prefix}{cell}").replace("PID", "7").replace("CHILD", "8");
            let text = if cell.starts_with("usage") && !is_authup { cell.to_owned() } else { text };
            assert_ne!(Event::of(&text), Event::Foreign, "{text}");
            count += 1;
        }
        assert!(count > 100, "{count}");
    }
}
