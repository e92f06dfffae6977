//! What is wanted, beside what was measured. Everything is computed from the figures.

use super::goal::{Goal, median};
use super::results::Results;
use crate::parts::{
    BARE, DOVECOT_PROXY, FIXSMTPIO, LOGIN, LOGIN_FIXIMAPIO, LOGIN_IMAP, LOGIN_POP3,
    LOGIN_SUBMISSION, NGINX, SUBMISSION, TLSSERVER_BARE, TLSWRAPPER, failures, growth, idle, imap,
    logged_in, sessions, startup, throughput,
};

/// What a part of the bench says of its goals.
type OfPart = fn(&Results) -> Vec<Goal>;

const PARTS: [(&str, OfPart); 8] = [
    ("sessions", of_sessions),
    ("throughput", of_throughput),
    ("idle", of_memory),
    ("startup", of_starts),
    ("failures", of_failures),
    ("logged-in", of_logged_in),
    ("imap", of_imap),
    ("growth", of_commands),
];

/// All of which one of the parts that have run says something.
pub(crate) fn of(results: &Results) -> Vec<Goal> {
    let ran = |part: &str| results.parts.iter().any(|it| it == part);
    PARTS.iter().filter(|part| ran(part.0)).flat_map(|part| (part.1)(results)).collect()
}

fn at_least(what: &str, bound: f64, rounds: Vec<f64>) -> Goal {
    Goal::new(what, true, bound, "×", rounds)
}

fn at_most(what: &str, bound: f64, unit: &'static str, rounds: Vec<f64>) -> Goal {
    Goal::new(what, false, bound, unit, rounds)
}

/// Round by round, so that what else the machine does falls on both.
fn ratios(results: &Results, table: &str, of: &str, to: &str, column: &str) -> Vec<f64> {
    let (of, to) = (results.rounds(table, of, column), results.rounds(table, to, column));
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

fn of_sessions(results: &Results) -> Vec<Goal> {
    use sessions::{
        AUTH, AUTHUP_YES, GREET, ONE, POP3, RATE, STARTTLS, TLS_AUTH_MESSAGE, TLS_POP3,
    };
    let rates = |table, of, to| ratios(results, table, of, to, RATE);
    let one = results.rounds(TLS_AUTH_MESSAGE, LOGIN_SUBMISSION, ONE).to_vec();
    vec![
        at_least(
            "STARTTLS, AUTH, a message: --login to nginx",
            0.85,
            rates(TLS_AUTH_MESSAGE, LOGIN_SUBMISSION, NGINX),
        ),
        at_least("POP3 with STLS: --login to nginx", 0.85, rates(TLS_POP3, LOGIN_POP3, NGINX)),
        at_least("STARTTLS, no login: --login to nginx", 3.4, rates(STARTTLS, LOGIN, NGINX)),
        at_least("the same, to tlswrapper", 5.0, rates(STARTTLS, LOGIN, TLSWRAPPER)),
        at_most("one client: STARTTLS, AUTH, a message", 2.6, "ms", one),
        at_least("fixsmtpio to the bare server", 0.62, rates(GREET, FIXSMTPIO, BARE)),
        at_least("authup to the bare server", 0.48, rates(AUTH, AUTHUP_YES, BARE)),
        at_least("the same, POP3", 0.48, rates(POP3, AUTHUP_YES, BARE)),
    ]
}

fn of_throughput(results: &Results) -> Vec<Goal> {
    use throughput::{RATE, TLS_TWO, TWO};
    let rates = |table, of, to| ratios(results, table, of, to, RATE);
    vec![
        at_least(
            "message octets, two streams: fixsmtpio to the bare server",
            0.62,
            rates(TWO, FIXSMTPIO, BARE),
        ),
        at_least("the same by TLS: tlsserver to nginx", 1.5, rates(TLS_TWO, TLSSERVER_BARE, NGINX)),
    ]
}

fn of_memory(results: &Results) -> Vec<Goal> {
    use idle::{ALL, LOGGED_IN, OURS, SECURE};
    let of = |table, row, stage| results.rounds(table, row, stage).to_vec();
    let at_most = |what, bound, rounds| at_most(what, bound, "kB", rounds);
    vec![
        at_most("idle, TLS, before login, all processes", 270.0, of(ALL, SUBMISSION, SECURE)),
        at_most("the same, --login", 100.0, of(ALL, LOGIN_SUBMISSION, SECURE)),
        at_most(
            "idle, logged in, ours: SMTP with fixsmtpio",
            110.0,
            of(OURS, LOGIN_SUBMISSION, LOGGED_IN),
        ),
        at_most("the same, POP3", 30.0, of(OURS, LOGIN_POP3, LOGGED_IN)),
    ]
}

fn of_logged_in(results: &Results) -> Vec<Goal> {
    use logged_in::{OURS, RATE, TABLE, TEN_HELD, TEN_THOUSAND_HELD};
    let of = |row: &str, column| results.rounds(TABLE, row, column).to_vec();
    let beside = |protocol: &str| {
        let few = median(&of(&format!("{protocol}, {TEN_HELD}"), RATE));
        of(&format!("{protocol}, {TEN_THOUSAND_HELD}"), RATE)
            .iter()
            .map(|rate| rate / few)
            .collect()
    };
    let memory = |protocol: &str| of(&format!("{protocol}, {TEN_THOUSAND_HELD}"), OURS);
    vec![
        at_most("10,000 logged in, ours: SMTP with fixsmtpio", 1200.0, "MB", memory("SMTP")),
        at_most("the same, POP3", 350.0, "MB", memory("POP3")),
        at_least("logins beside 10,000 to those beside 10: SMTP", 0.9, beside("SMTP")),
        at_least("the same, POP3", 0.9, beside("POP3")),
    ]
}

fn of_imap(results: &Results) -> Vec<Goal> {
    use imap::{FETCH, IDLE, OURS, SESSIONS};
    let rates = |to| ratios(results, SESSIONS, LOGIN_IMAP, to, sessions::RATE);
    let idle = |row| results.rounds(IDLE, row, OURS).to_vec();
    let fetched = ratios(results, FETCH, LOGIN_IMAP, NGINX, throughput::RATE);
    vec![
        at_least("IMAP, STARTTLS, LOGIN: --login to nginx", 0.9, rates(NGINX)),
        at_least("the same, to Dovecot's imap-login as a proxy", 2.0, rates(DOVECOT_PROXY)),
        at_most("idle, logged in by IMAP, ours", 30.0, "kB", idle(LOGIN_IMAP)),
        at_most("the same with fiximapio", 80.0, "kB", idle(LOGIN_FIXIMAPIO)),
        at_least("octets by FETCH and TLS: --login to nginx", 1.0, fetched),
    ]
}

fn of_commands(results: &Results) -> Vec<Goal> {
    use growth::{AUTHUP, COMMANDS};
    let goal = |what, of, bound| {
        let time = results.point(COMMANDS, of, 1e6).map(|time| time / 1e3);
        at_most(what, bound, "s", time.into_iter().collect())
    };
    vec![
        goal("1,000,000 pipelined commands: fixsmtpio", FIXSMTPIO, 0.15),
        goal("the same: authup", AUTHUP, 0.3),
    ]
}

fn of_starts(results: &Results) -> Vec<Goal> {
    use startup::{ADDTLSHEADER, CHECKNOTROOT, INSTRUCTIONS, NOTHING, TABLE};
    let goal = |program: &str| {
        let what = format!("start: {program} to a static C program, instructions");
        at_most(&what, 1.2, "×", ratios(results, TABLE, program, NOTHING, INSTRUCTIONS))
    };
    [CHECKNOTROOT, ADDTLSHEADER].map(goal).to_vec()
}

fn of_failures(results: &Results) -> Vec<Goal> {
    use failures::{ACCEPT, BEFORE, GOOD, IN_RUN, REFUSED, TABLE};
    let goal = |(row, bound): (&str, f64)| {
        let rounds = results.rounds(TABLE, row, IN_RUN).to_vec();
        at_most(&format!("{TABLE}: {row}"), bound, "µs", rounds)
    };
    [(ACCEPT, 2.0), (BEFORE, 10.0), (REFUSED, 10.0), (GOOD, 10.0)].map(goal).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_missed_by_a_factor() {
        assert_eq!(at_least("", 0.6, vec![0.7]).verdict, "met");
        assert_eq!(at_least("", 0.6, vec![0.3]).verdict, "MISSED by 2.00");
        assert_eq!(at_most("", 200.0, "kB", vec![100.0, 200.0, 900.0]).verdict, "met");
        assert_eq!(at_most("", 200.0, "kB", vec![500.0]).verdict, "MISSED by 2.50");
        assert_eq!(at_most("", 200.0, "kB", vec![]).verdict, "not measured");
    }
}
