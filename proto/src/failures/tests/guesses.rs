//! What guessing yields, for somebody who tries whenever he may.

use super::*;
use std::format;
use std::string::String;

/// Guesses of the first day, and of each of the days after, on average.
fn guesses(user: impl Fn(u32) -> String, from: impl Fn(u32) -> String) -> (u32, u32) {
    let mut table = Table::new("");
    let (start, mut tried, mut first_day) = (table.now, 0, 0);
    const DAYS: u32 = 6;
    while table.now < start + DAYS * DAY {
        let secret = format!("guess {tried}");
        let (from, user) = (from(tried), user(tried));
        match table.log_in(Try { from: &from, user: &user, secret: &secret }) {
            Heard::Later(about) => {
                let entry = table.entry(about).unwrap();
                table.now += entry.seconds_to_go(&table.settings, table.now).max(1);
            }
            heard => {
                assert_eq!(heard, Heard::Wrong);
                tried += 1;
            }
        }
        if table.now < start + DAY {
            first_day = tried;
        }
    }
    (first_day, (tried - first_day) / (DAYS - 1))
}

#[track_caller]
fn about(found: (u32, u32), promised: (u32, u32)) {
    let is_near = |found: u32, promised: u32| found.abs_diff(promised) <= 1;
    assert!(
        is_near(found.0, promised.0) && is_near(found.1, promised.1),
        "{found:?} guesses, not {promised:?}"
    );
}

fn alice(_: u32) -> String {
    "alice".into()
}

fn everybody(at: u32) -> String {
    format!("user{at}")
}

#[test]
fn d59_one_address() {
    for user in [alice, everybody] {
        about(guesses(user, |_| "192.0.2.7".into()), (36, 26));
        // The same client, as IPv6 writes it.
        about(guesses(user, |_| "::ffff:192.0.2.7".into()), (36, 26));
    }
}

#[test]
fn d59_one_64_whatever_the_host_part() {
    about(guesses(alice, |at| format!("2001:db8:1:2::{at:x}")), (36, 26));
}

#[test]
fn d59_one_48_and_one_24() {
    let (v6, v4) = (|at| format!("2001:db8:1:{at:x}::1"), |at| format!("192.0.2.{}", at % 256));
    about(guesses(everybody, v6), (149, 110));
    about(guesses(everybody, v4), (149, 110));
    // Of one user's there are fewer, once the user's own limit is the lower one.
    about(guesses(alice, v6), (149, 69));
}

#[test]
fn d59_one_32_of_ipv6() {
    about(guesses(everybody, |at| format!("2001:db8:{at:x}::1")), (753, 553));
}

/// One of ten thousand, in as many networks.
fn node(at: u32) -> String {
    format!("10.{}.{}.9", at % 10_000 / 256, at % 256)
}

#[test]
fn d59_ten_thousand_nodes_on_one_user() {
    about(guesses(alice, node), (168, 69));
}

#[test]
fn d59_a_user_has_one_score_however_the_name_is_written() {
    let mut table = Table::new("");
    for (at, user) in (0..100).zip(["alice", "ALICE"].into_iter().cycle()) {
        let one = Try { from: &node(at), user, secret: &format!("{at}") };
        table.log_in(one);
    }
    // Two of them may look like one secret.
    let score = table.score(table.user("Alice"));
    assert!((9_700..=10_000).contains(&score), "{score}");
}

#[test]
fn d59_ten_thousand_nodes_on_many_users() {
    const USERS: u32 = 40;
    let mut table = Table::new("");
    let (start, mut tried, mut first_day, mut at) = (table.now, 0, 0, 0);
    while table.now < start + 3 * DAY {
        for user in 0..USERS {
            loop {
                at += 1;
                let (user, secret) = (format!("user{user}"), format!("guess {at}"));
                match table.log_in(Try { from: &node(at), user: &user, secret: &secret }) {
                    Heard::Wrong => tried += 1,
                    _ => break,
                }
            }
        }
        table.now += 20;
        if table.now < start + DAY {
            first_day = tried;
        }
    }
    // Of each user's.
    about((first_day / USERS, (tried - first_day) / 2 / USERS), (168, 69));
}

#[test]
fn d59_a_guesser_in_the_owners_network() {
    let mut table = Table::new("");
    let home = Try { from: "192.0.2.1", user: "alice", secret: "right" };
    assert_eq!(table.log_in(home), Heard::Good);
    let (start, mut of_alice, mut of_others, mut day) = (table.now, [0; 2], [0; 2], 0);
    while day < 2 {
        let at = of_alice[0] + of_alice[1] + of_others[0] + of_others[1];
        let secret = format!("guess {at}");
        let guess = Try { from: "192.0.2.66", user: "alice", secret: &secret };
        let heard_of_alice = table.log_in(guess);
        of_alice[day] += u32::from(heard_of_alice == Heard::Wrong);
        let heard_of_others = table.log_in(Try { user: &format!("user{at}"), ..guess });
        of_others[day] += u32::from(heard_of_others == Heard::Wrong);
        if (&heard_of_alice, &heard_of_others) != (&Heard::Wrong, &Heard::Wrong) {
            table.now += 10;
        }
        day = usize::try_from((table.now - start) / DAY).unwrap();
    }
    about(of_alice.into(), (36, 26));
    about(of_others.into(), (36, 26));
}

#[test]
fn d59_logins_begun_at_once_are_no_more_guesses() {
    let mut table = Table::new("");
    let secrets: Vec<_> = (0..40).map(|at| format!("guess {at}")).collect();
    let guess = |secret| Try { from: "192.0.2.7", user: "alice", secret };
    let verdicts: Vec<_> = secrets.iter().map(|secret| table.before(guess(secret))).collect();
    let tickets: Vec<_> = verdicts
        .into_iter()
        .filter_map(|verdict| match verdict {
            Verdict::Ask(ticket) => Some(ticket),
            Verdict::Refuse(_) => None,
        })
        .collect();
    assert_eq!(tickets.len(), 10);
    for ticket in &tickets {
        table.after(ticket, Answer::Refused);
    }
    assert_eq!(table.score(table.user("alice")), 1_000);
    assert!(table.is_shut_out("192.0.2.7"));
}

#[test]
fn d59_a_guesser_with_an_account_of_his_own_gains_nothing_by_it() {
    let mut table = Table::new("");
    let own = Try { from: "192.0.2.7", user: "mallory", secret: "right" };
    for at in 0..10 {
        assert_eq!(table.log_in(own), Heard::Good);
        let secret = format!("guess {at}");
        let guess = Try { from: "192.0.2.7", user: "alice", secret: &secret };
        assert_eq!(table.log_in(guess), Heard::Wrong);
    }
    assert_eq!(table.log_in(own), Heard::Good);
    let guess = Try { from: "192.0.2.7", user: "alice", secret: "right" };
    let address = source("192.0.2.7").unwrap().itself();
    assert_eq!(table.log_in(guess), Heard::Later(address), "also with the right password");
}
