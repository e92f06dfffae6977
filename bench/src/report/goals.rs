//! What is wanted, beside what was measured. Everything is computed from the figures.

use serde::Serialize;

use super::results::{Results, median};
use crate::parts::{
    BARE, FIXSMTPIO, LOGIN, LOGIN_SUBMISSION, NGINX, SUBMISSION, TLSSERVER_AUTHUP, TLSSERVER_BARE,
    TLSWRAPPER, idle, sessions, startup, throughput,
};

/// One thing that is wanted, and what was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) at_least: bool,
    pub(crate) bound: f64,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
    /// The rounds' median.
    pub(crate) figure: f64,
    /// "met", or by what factor it is missed.
    pub(crate) verdict: String,
}

impl Goal {
    fn new(what: &str, at_least: bool, bound: f64, unit: &'static str, rounds: Vec<f64>) -> Self {
        let figure = median(&rounds);
        let ratio = figure / bound;
        let verdict = verdict(if at_least { 1.0 / ratio } else { ratio });
        Self { what: what.to_owned(), at_least, bound, unit, rounds, figure, verdict }
    }

    /// Of the rounds.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let by = |pick: fn(f64, f64) -> f64| self.rounds.iter().copied().fold(f64::NAN, pick);
        (by(f64::min), by(f64::max))
    }
}

/// From what the figure would have to be multiplied or divided by.
fn verdict(short: f64) -> String {
    if short.is_nan() {
        "not measured".to_owned()
    } else if short <= 1.0 {
        "met".to_owned()
    } else {
        format!("MISSED by {short:.2}")
    }
}

/// All of which one of the parts that have run says something.
pub(crate) fn of(results: &Results) -> Vec<Goal> {
    let ran = |part: &str| results.parts.iter().any(|it| it == part);
    let mut goals = Vec::new();
    if ran("sessions") {
        goals.extend(of_sessions(results));
    }
    if ran("throughput") {
        goals.extend(of_throughput(results));
    }
    if ran("idle") {
        goals.extend(of_memory(results));
    }
    if ran("startup") {
        goals.extend(of_starts(results));
    }
    goals
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
    use sessions::{AUTH, AUTHUP_YES, GREET, MEDIAN, RATE, STARTTLS, TLS_AUTH_MESSAGE};
    let rates = |table, of, to| ratios(results, table, of, to, RATE);
    let median = |of| results.rounds(STARTTLS, of, MEDIAN).to_vec();
    vec![
        at_least("sessions: fixsmtpio to the bare server", 0.6, rates(GREET, FIXSMTPIO, BARE)),
        at_least(
            "sessions: authup to the bare server, checkpassword says yes",
            0.6,
            rates(AUTH, AUTHUP_YES, BARE),
        ),
        at_least(
            "sessions: submission chain, --login, a message, to nginx",
            1.5,
            rates(TLS_AUTH_MESSAGE, LOGIN_SUBMISSION, NGINX),
        ),
        at_least(
            "sessions: STARTTLS, tlsserver --login to nginx",
            1.5,
            rates(STARTTLS, LOGIN, NGINX),
        ),
        at_least(
            "sessions: STARTTLS, tlsserver --login to tlswrapper",
            5.0,
            rates(STARTTLS, LOGIN, TLSWRAPPER),
        ),
        at_most("one session: STARTTLS, tlsserver --login, 4 clients", 5.0, "ms", median(LOGIN)),
        at_least(
            "the same without --login, to nginx",
            1.5,
            rates(STARTTLS, TLSSERVER_AUTHUP, NGINX),
        ),
        at_least("the same, to tlswrapper", 5.0, rates(STARTTLS, TLSSERVER_AUTHUP, TLSWRAPPER)),
        at_most("the same, 4 clients", 5.0, "ms", median(TLSSERVER_AUTHUP)),
    ]
}

fn of_throughput(results: &Results) -> Vec<Goal> {
    use throughput::{PLAIN, RATE, TLS};
    let rates = |table, of, to| ratios(results, table, of, to, RATE);
    vec![
        at_least(
            "message octets: fixsmtpio to the bare server",
            0.8,
            rates(PLAIN, FIXSMTPIO, BARE),
        ),
        at_least("message octets: TLS, tlsserver to nginx", 1.0, rates(TLS, TLSSERVER_BARE, NGINX)),
    ]
}

fn of_memory(results: &Results) -> Vec<Goal> {
    use idle::{ALL, LOGGED_IN, OURS, SECURE};
    let of = |table, row, stage| results.rounds(table, row, stage).to_vec();
    vec![
        at_most("idle, TLS, before login: all processes", 270.0, "kB", of(ALL, SUBMISSION, SECURE)),
        at_most(
            "idle, TLS, before login: listener, engines, keyholder",
            100.0,
            "kB",
            of(OURS, "tlsserver", SECURE),
        ),
        at_most("idle, logged in: fixsmtpio", 200.0, "kB", of(OURS, "fixsmtpio", LOGGED_IN)),
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
