//! The table alone: who counts, and who has a say about whom.

use super::*;
use std::net::Ipv4Addr;
use std::time::Duration;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_connection_counts_until_program_and_engine_are_done() {
    for engine_first in [true, false] {
        let mut table = Connections::<()>::new(40, 40);
        let id = table.admit(PEER, None).unwrap();
        table.started(id, 123);
        table.handed_over(id, 1, None);
        if engine_first {
            assert_eq!(table.closed(id), Some(123));
            assert_eq!(table.count(), 1);
            assert!(table.ending().eq([123]));
            assert!(table.program_ended(123));
        } else {
            assert!(table.program_ended(123));
            assert_eq!(table.count(), 1);
            assert_eq!(table.closed(id), None);
        }
        assert_eq!(table.ending().count(), 0);
        assert_eq!(table.count(), 0);
        assert!(table.by_address.is_empty() && table.by_pid.is_empty());
        assert!(!table.program_ended(123));
    }
}

#[test]
fn the_limit_is_for_each_address() {
    let mut table = Connections::<()>::new(40, 2);
    let first = table.admit(PEER, None).unwrap();
    table.admit(PEER, None).unwrap();
    assert_eq!(table.admit(PEER, None), Err(TooMany));
    table.admit(Ipv4Addr::BROADCAST.into(), None).unwrap();
    table.closed(first);
    table.admit(PEER, None).unwrap();
}

#[test]
fn the_rules_may_set_another_limit() {
    let mut table = Connections::<()>::new(40, 1);
    assert_eq!(table.admit(PEER, Some(0)), Err(TooMany));
    table.admit(PEER, Some(2)).unwrap();
    table.admit(PEER, Some(2)).unwrap();
    assert_eq!(table.admit(PEER, Some(2)), Err(TooMany));
}

#[test]
fn an_ipv6_network_is_one_client() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut table = Connections::<()>::new(40, 1);
    let one = table.admit(address("2001:db8::1"), None).unwrap();
    assert_eq!(table.admit(address("2001:db8::ffff:0:0:2"), None), Err(TooMany));
    table.admit(address("2001:db8:0:1::1"), None).unwrap();
    table.closed(one);
    table.admit(address("2001:db8::3"), None).unwrap();
    let mut table = Connections::<()>::new(40, 1).by_ipv6_prefix(128);
    table.admit(address("2001:db8::1"), None).unwrap();
    table.admit(address("2001:db8::2"), None).unwrap();
}

#[test]
fn an_engine_speaks_once_and_only_for_its_own() {
    let mut table = Connections::new(40, 40);
    let id = table.admit(PEER, None).unwrap();
    table.handed_over(id, 1, Some("program"));
    assert_eq!(table.secured(id, 2), None);
    assert_eq!(table.secured(id, 1), Some("program"));
    assert_eq!(table.secured(id, 1), None);
    assert!(table.is_with(id, 1) && !table.is_with(id, 2));
}

#[test]
fn who_waits_longest_for_a_login_makes_room() {
    let mut table = Connections::new(2, 2);
    let now = Instant::now();
    let [one, other] = [table.admit(PEER, None).unwrap(), table.admit(PEER, None).unwrap()];
    for (id, since) in [(one, now), (other, now + Duration::from_secs(1))] {
        table.handed_over(id, 1, Some("program"));
        table.awaits_login(id, since);
    }
    assert_eq!(table.longest_before_login(), Some(now));
    assert_eq!(table.evict(), Some((one, 1)));
    // One at a time, and it cannot log in any more.
    assert_eq!(table.longest_before_login(), None);
    assert_eq!(table.secured(one, 1), None);
    table.closed(one);
    assert!(table.longest_before_login().is_some());
    // Who logs in does not have to.
    table.begun(other);
    table.logged_in(other);
    assert_eq!(table.longest_before_login(), None);
    assert_eq!(table.evict(), None);
}

/// A second try may be on its way to the monitor when the client is evicted. Nobody had to make
/// room any more while its session lasted.
#[test]
fn one_that_logs_in_all_the_same_leaves_it_to_others_to_make_room() {
    for told in [Connections::checking, Connections::logged_in] {
        let mut table = Connections::new(2, 2);
        let now = Instant::now();
        let [one, other] = [table.admit(PEER, None).unwrap(), table.admit(PEER, None).unwrap()];
        for (id, since) in [(one, now), (other, now + Duration::from_secs(1))] {
            table.handed_over(id, 1, Some("login"));
            table.awaits_login(id, since);
        }
        table.begun(one);
        table.refused(one);
        assert_eq!(table.evict(), Some((one, 1)));
        assert_eq!(table.longest_before_login(), None);
        told(&mut table, one);
        assert_eq!(table.longest_before_login(), Some(now + Duration::from_secs(1)));
        assert_eq!(table.evict(), Some((other, 1)));
    }
}

#[test]
fn who_was_declined_may_try_again_or_make_room() {
    let mut table = Connections::new(2, 2);
    let now = Instant::now();
    let id = table.admit(PEER, None).unwrap();
    table.handed_over(id, 1, Some("login"));
    table.awaits_login(id, now);
    table.declined(id);
    assert!(!table.is_with_monitor(id));
    assert_eq!(table.get(id).and_then(|one| one.number(id)), Some(id));
    assert_eq!(table.longest_before_login(), Some(now));
    assert_eq!(table.begins(id, 1), Some(&mut "login"));
    assert_eq!(table.evict(), Some((id, 1)));
    assert_eq!(table.begins(id, 1), None);
    table.closed(id);
    assert_eq!(table.count(), 0);
}

/// Whoever has taken the engine over could else have login programs run past the monitor.
#[test]
fn who_is_to_log_in_gets_no_program_by_an_engines_word() {
    let mut table = Connections::new(40, 40);
    let id = table.admit(PEER, None).unwrap();
    table.handed_over(id, 1, Some("login"));
    table.awaits_login(id, Instant::now());
    assert_eq!(table.secured(id, 1), None);
    assert_eq!(table.begins(id, 1), Some(&mut "login"));
    table.begun(id);
    assert_eq!(table.secured(id, 1), None);
    table.over(id);
    assert_eq!(table.secured(id, 1), None);
    // It may still log in by another monitor.
    assert_eq!(table.begins(id, 1), Some(&mut "login"));
}

/// One that was evicted counts until it is gone, and one that is with the monitor until that
/// says so, whoever is first.
#[test]
fn a_login_counts_until_engine_and_monitor_are_done() {
    for engine_first in [true, false] {
        let mut table = Connections::new(40, 40);
        let id = table.admit(PEER, None).unwrap();
        table.handed_over(id, 1, Some("login"));
        table.awaits_login(id, Instant::now());
        table.begun(id);
        assert!(table.is_with_monitor(id) && !table.some_need_the_listener());
        // Not while its password is looked at.
        assert_eq!(table.evict(), None);
        table.refused(id);
        assert_eq!(table.evict(), Some((id, 1)));
        table.refused(id);
        assert_eq!(table.longest_before_login(), None);
        if engine_first {
            assert_eq!(table.closed(id), None);
            assert_eq!(table.count(), 1);
            table.ended(id);
        } else {
            table.ended(id);
            assert_eq!(table.count(), 1);
            assert_eq!(table.get(id).and_then(|one| one.number(id)), Some(id));
            assert_eq!(table.closed(id), None);
        }
        assert_eq!(table.count(), 0);
        assert!(table.by_address.is_empty() && table.before_login.is_empty());
    }
}

/// The monitor counts the tries of one login, and another would have as many more.
#[test]
fn behind_a_session_that_has_ended_there_is_no_login() {
    let mut table = Connections::new(40, 40);
    let id = table.admit(PEER, None).unwrap();
    table.handed_over(id, 1, Some("login"));
    table.awaits_login(id, Instant::now());
    table.begun(id);
    // A program need not tell that a login was good, so that it has not been said here.
    table.ended(id);
    assert!(!table.is_with_monitor(id) && table.count() == 1);
    assert_eq!(table.begins(id, 1), None);
    assert_eq!(table.longest_before_login(), None);
    assert_eq!(table.closed(id), None);
    assert_eq!(table.count(), 0);
}

#[test]
fn a_lost_engines_connections_are_found() {
    let mut table = Connections::<()>::new(40, 40);
    let [one, other] = [table.admit(PEER, None).unwrap(), table.admit(PEER, None).unwrap()];
    table.handed_over(one, 1, None);
    table.handed_over(other, 2, None);
    assert_eq!(table.engine_lost(1), [one]);
    // Nobody but its own engine can say that it needs it.
    table.asked(one, 2);
    assert!(table.is_clear(one));
    table.asked(one, 1);
    assert!(!table.is_clear(one) && table.is_clear(other));
}
