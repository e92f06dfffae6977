//! What the owner notices: nothing, as far as it can be.

use super::*;
use std::format;

/// Somebody somewhere in the world guesses alice's password, as often as he may.
fn attack(table: &mut Table, at: &mut u32) {
    loop {
        *at += 1;
        let (from, secret) =
            (format!("10.{}.{}.9", *at / 256 % 256, *at % 256), format!("guess {at}"));
        if table.log_in(Try { from: &from, user: "alice", secret: &secret }) != Heard::Wrong {
            return;
        }
    }
}

#[test]
fn d59_a_stale_phone_for_a_week() {
    for known_at_home in [false, true] {
        let mut table = Table::new("");
        let home = |user, secret| Try { from: "192.0.2.1", user, secret };
        if known_at_home {
            assert_eq!(table.log_in(home("alice", "right")), Heard::Good);
        }
        let start = table.now;
        while table.now < start + 7 * DAY {
            assert_eq!(table.log_in(home("alice", "last year's")), Heard::Wrong);
            table.now += 5 * MINUTE;
            // Her laptop, and a colleague behind the same NAT.
            assert_eq!(table.log_in(home("alice", "right")), Heard::Good);
            assert_eq!(table.log_in(home("bob", "right")), Heard::Good);
            assert!(!table.is_shut_out("192.0.2.1"));
        }
        assert!(table.score(table.user("alice")) < 100);
    }
}

#[test]
fn d59_a_stale_phone_that_changes_its_network_counts_once() {
    let mut table = Table::new("");
    for hour in 0..48 {
        let from = format!("2001:db8:{hour:x}::1");
        let phone = Try { from: &from, user: "alice", secret: "last year's" };
        assert_eq!(table.log_in(phone), Heard::Wrong);
    }
    assert_eq!(table.score(table.user("alice")), 100);
}

#[test]
fn d59_the_same_secret_fifty_times_is_one_failure() {
    let mut table = Table::new("");
    let phone = Try { from: "192.0.2.1", user: "alice", secret: "last year's" };
    for _ in 0..50 {
        assert_eq!(table.log_in(phone), Heard::Wrong);
    }
    let source = source("192.0.2.1").unwrap();
    for about in [source.itself(), source.network(), table.user("alice")] {
        assert_eq!(table.score(about), 100, "{about:?}");
    }
    // At once, too.
    let again = Try { secret: "the year before's", ..phone };
    let begun: Vec<_> = (0..5).map(|_| table.before(again)).collect();
    for verdict in begun {
        let Verdict::Ask(ticket) = verdict else { panic!("{verdict:?}") };
        table.after(&ticket, Answer::Refused);
    }
    assert_eq!(table.score(source.itself()), 200);
}

#[test]
fn d59_an_attack_on_the_owners_name_while_the_owner_polls() {
    let mut table = Table::new("");
    let home = Try { from: "192.0.2.1", user: "alice", secret: "right" };
    assert_eq!(table.log_in(home), Heard::Good);
    let (start, mut guess, mut heard_anew) = (table.now, 0, 0);
    while table.now < start + 7 * DAY {
        attack(&mut table, &mut guess);
        assert_eq!(table.log_in(home), Heard::Good);
        // A neighbour's address, after the line was cut.
        assert_eq!(table.log_in(Try { from: "192.0.2.99", ..home }), Heard::Good);
        // A network where nobody has seen her: only between two guesses.
        let hotel = Try { from: "198.51.100.1", ..home };
        let heard = table.log_in(Try { user: "alice", ..hotel });
        match heard {
            Heard::Later(about) => assert_eq!(about, table.user("alice")),
            _ => heard_anew += 1,
        }
        assert_eq!(table.log_in(Try { user: "bob", ..hotel }), Heard::Good);
        table.now += 5 * MINUTE;
    }
    assert_eq!(heard_anew, 0, "the attack leaves no room");
    // `user 0` turns that off.
    let mut table = Table::new("user 0 1d");
    for at in 0..300 {
        let (from, secret) = (format!("10.{}.{}.1", at / 256, at % 256), format!("{at}"));
        assert_eq!(table.log_in(Try { from: &from, user: "alice", secret: &secret }), Heard::Wrong);
    }
    assert_eq!(table.log_in(Try { from: "198.51.100.1", ..home }), Heard::Good);
}

#[test]
fn d59_who_is_known_has_a_score_of_his_own() {
    let mut table = Table::new("");
    let home = Try { from: "192.0.2.1", user: "alice", secret: "right" };
    assert_eq!(table.log_in(home), Heard::Good);
    // Ten of hers are hers alone.
    for at in 0..10 {
        let secret = format!("typo {at}");
        assert_eq!(table.log_in(Try { secret: &secret, ..home }), Heard::Wrong);
    }
    let source = source("192.0.2.1").unwrap();
    let pair = source.known_user(UserHash::of(&table.key, b"alice"));
    assert_eq!(table.log_in(home), Heard::Later(pair));
    for about in [source.itself(), source.network(), table.user("alice")] {
        assert_eq!(table.score(about), 0, "{about:?}");
    }
    assert_eq!(table.log_in(Try { user: "bob", ..home }), Heard::Good);
    assert_eq!(table.log_in(Try { from: "203.0.113.5", ..home }), Heard::Good);
}

#[test]
fn d59_nobody_is_known_for_longer_than_is_said() {
    let mut table = Table::new("known 30d");
    let home = Try { from: "192.0.2.1", user: "alice", secret: "right" };
    assert_eq!(table.log_in(home), Heard::Good);
    let source = source("192.0.2.1").unwrap();
    for (later, known) in [(30 * DAY, true), (1, false)] {
        table.now += later;
        table.log_in(Try { secret: &format!("x{later}"), ..home });
        assert_eq!(table.score(source.itself()), if known { 0 } else { 100 });
    }
}

#[test]
fn d59_a_client_that_goes_on_polling_is_let_in_within_the_hour() {
    let mut table = Table::new("");
    for at in 0..10 {
        let secret = format!("typo {at}");
        table.log_in(Try { from: "192.0.2.1", user: "alice", secret: &secret });
    }
    let start = table.now;
    let poll = Try { from: "192.0.2.1", user: "alice", secret: "right" };
    while table.log_in(poll) != Heard::Good {
        table.now += 5 * MINUTE;
        assert!(table.now <= start + HOUR, "still refused after an hour");
    }
    assert_eq!(table.now, start + 55 * MINUTE);
}

#[test]
fn d59_a_good_login_and_trouble_leave_no_charge() {
    let mut table = Table::new("");
    let source = source("2001:db8:1:2::3").unwrap();
    let one = Try { from: "2001:db8:1:2::3", user: "alice", secret: "right" };
    for answer in [Answer::Trouble, Answer::Good] {
        let Verdict::Ask(ticket) = table.before(one) else { panic!("refused") };
        let charged =
            [source.itself(), source.network(), source.wide().unwrap(), table.user("alice")];
        for about in charged {
            assert_eq!(table.score(about), 100, "{about:?}");
        }
        // What is taken back is what is left of it.
        table.now += 10 * MINUTE;
        table.after(&ticket, answer);
        for about in charged {
            assert_eq!(table.entry(about), None, "{about:?}");
        }
    }
    assert_eq!(table.entries().count(), 2, "a pair and a network that are known");
}

#[test]
fn d59_what_could_not_be_charged_is_counted_later() {
    let mut table = Table::new("");
    let one = Try { from: "192.0.2.1", user: "alice", secret: "x" };
    let source = source("192.0.2.1").unwrap();
    let case = Case::login(&table.key, &table.settings, Some(source), b"alice", b"x");
    let Verdict::Ask(ticket) = ({ case }).before(&table.settings, table.now) else { panic!() };
    let ticket = ticket.not_charged();
    table.after(&ticket, Answer::Good);
    assert_eq!(table.score(source.itself()), 0);
    table.after(&ticket, Answer::Refused);
    let pair = source.known_user(UserHash::of(&table.key, b"alice"));
    assert_eq!((table.score(source.itself()), table.score(pair)), (0, 100));
    assert_eq!(table.log_in(one), Heard::Wrong);
    assert_eq!(table.score(pair), 100, "it is remembered as wrong");
}

#[test]
fn d59_exempt_clients_are_never_refused_and_count_for_the_user() {
    let mut table = Table::new("exempt 192.0.2.0/24\nuser 5 1d");
    for at in 0..20 {
        let secret = format!("typo {at}");
        let one = Try { from: "192.0.2.80", user: "alice", secret: &secret };
        assert_eq!(table.log_in(one), Heard::Wrong);
        assert!(!table.is_shut_out("192.0.2.80"));
    }
    let webmail = Try { from: "192.0.2.80", user: "alice", secret: "right" };
    assert_eq!(table.log_in(webmail), Heard::Good);
    assert_eq!(table.entries().count(), 1, "the user alone");
    let elsewhere = Try { from: "203.0.113.5", ..webmail };
    assert_eq!(table.log_in(elsewhere), Heard::Later(table.user("alice")));
}

#[test]
fn d59_without_an_address_only_users_are_counted() {
    let mut table = Table::new("user 5 1d");
    for at in 0..5 {
        let secret = format!("{at}");
        assert_eq!(table.log_in(Try { from: "", user: "alice", secret: &secret }), Heard::Wrong);
    }
    let one = Try { from: "", user: "alice", secret: "right" };
    assert_eq!(table.log_in(one), Heard::Later(table.user("alice")));
    assert_eq!(table.log_in(Try { user: "bob", ..one }), Heard::Good);
}

#[test]
fn d59_at_the_door() {
    let mut table = Table::new("");
    for at in 0..10 {
        let secret = format!("{at}");
        assert!(!table.is_shut_out("192.0.2.7"));
        table.log_in(Try { from: "192.0.2.7", user: "alice", secret: &secret });
    }
    assert!(table.is_shut_out("192.0.2.7") && !table.is_shut_out("192.0.2.8"));
    // Somebody is known there: he is heard, and so is the guesser.
    let known = Try { from: "192.0.2.8", user: "bob", secret: "right" };
    assert_eq!(table.log_in(known), Heard::Good);
    assert!(!table.is_shut_out("192.0.2.7"));
    table.now += 55 * MINUTE;
    assert!(!table.is_shut_out("192.0.2.7"));
}
