//! What the server is told of its client, and what the client is told of a server that is not as it
//! should be.

use super::*;

#[test]
fn d15_a_client_that_closes_still_gets_its_replies() {
    let (client, _, ended) =
        play(&bare, &["S: 220 x/", "C: NOOP/NOOP/half", "C closes", "S: 250 a/250 b/", "S closes"]);
    assert_eq!((client.as_str(), ended), ("220 x/250 a/250 b/", Some(None)));
}

fn introduced(hello: &str, rules: &str) -> RelayConfig {
    let hello = crate::smtp::hello::Hello::decode(hello.as_bytes()).unwrap();
    let literal = Some(b"[192.0.2.7]".to_vec());
    let introduction = Some(Introduction { hello, literal });
    RelayConfig { introduction, ..config(rules, "AUTHUP_USER", Tls::Absent) }
}

#[test]
fn d39_the_server_hears_who_the_client_is_and_the_client_nothing_of_it() {
    let make = || introduced("EHLO my.example", RULES);
    let (client, server, _) = play(
        &make,
        &[
            "C: MAIL FROM:<a@b> BODY=8BITMIME AUTH=<>/RCPT TO:<c@d>/",
            "S: 220 x/",
            "S: 250-x/250-8BITMIME/250 SIZE/",
            "S: 250 m/250 r/",
        ],
    );
    assert_eq!(server, "EHLO my.example/MAIL FROM:<a@b> BODY=8BITMIME/RCPT TO:<c@d>/");
    assert_eq!(client, "235 ok, go ahead (#2.0.0)/250 m/250 r/");
    // The good word comes at once; AUTH= stays where the server has AUTH; the client's HELO
    // is a HELO here, too.
    let make = || introduced("HELO my.example", RULES);
    assert_eq!(
        play(&make, &["S: 220 x/"]),
        ("235 ok, go ahead (#2.0.0)/".into(), "HELO my.example/".into(), None)
    );
    let make = || introduced("EHLO my.example", RULES);
    let script = ["S: 220 x/", "S: 250-x/250 AUTH PLAIN/", "C: MAIL FROM:<a@b> AUTH=<>/"];
    assert!(play(&make, &script).1.ends_with("/MAIL FROM:<a@b> AUTH=<>/"));
}

#[test]
fn d39_auth_is_spared_a_server_that_nobody_has_said_ehlo_to() {
    let mail = "C: MAIL FROM:<a@b> AUTH=<>/";
    let make = || config("", "AUTHUP_USER", Tls::Absent);
    assert_eq!(play(&make, &["S: 220 x/", mail]).1, "MAIL FROM:<a@b>/");
    // The client's own EHLO shows what there is.
    let offers = ["S: 220 x/", "C: EHLO x/", "S: 250-x/250 AUTH PLAIN/", mail];
    assert_eq!(play(&make, &offers).1, "EHLO x/MAIL FROM:<a@b> AUTH=<>/");
    // Without a login AUTH is between the two.
    let make = || config("", "", Tls::Absent);
    assert_eq!(play(&make, &["S: 220 x/", mail]).1, "MAIL FROM:<a@b> AUTH=<>/");
}

#[test]
fn d39_a_name_that_is_refused_is_followed_by_others() {
    let make = || introduced("EHLO my_pc", "");
    let said = |replies: &[&str]| {
        let script = [&["S: 220 x/", "C: NOOP/"], replies, &["S: 250 n/"]].concat();
        let (client, server, _) = play(&make, &script);
        assert_eq!(client, "220 x/250 n/");
        server
    };
    let no = "S: 550-no/550 junk/";
    assert_eq!(said(&["S: 250 x/"]), "EHLO my_pc/NOOP/");
    assert_eq!(said(&[no, "S: 250 x/"]), "EHLO my_pc/EHLO [192.0.2.7]/NOOP/");
    let all = "EHLO my_pc/EHLO [192.0.2.7]/HELO my_pc/NOOP/";
    assert_eq!(said(&[no, no, "S: 250 x/"]), all);
    assert_eq!(said(&[no, no, no]), all);
    // The literal is said once.
    let make = || introduced("HELO [192.0.2.7]", "");
    let script = ["S: 220 x/", "S: 550 no/", "C: NOOP/"];
    assert_eq!(play(&make, &script).1, "HELO [192.0.2.7]/NOOP/");
}

#[test]
fn the_end_stays_what_it_was_if_the_client_is_gone_before_it_hears_of_it() {
    for (rules, greeting, end) in
        [(":greeting::4*:14:\n", "450 busy", End::Code(14)), ("", "550 no", End::TurnedAway)]
    {
        let mut relay = Relay::new(config(rules, "AUTHUP_USER", Tls::Absent), ());
        relay.from_server(format!("{greeting}\r\n").as_bytes());
        relay.client_gone();
        assert_eq!(relay.turn(), Turn::End(end), "{greeting}");
    }
    let mut relay = Relay::new(bare(), ());
    relay.client_gone();
    assert_eq!(relay.turn(), Turn::End(End::Server));
}

#[test]
fn d39_rules_for_ehlo_hold_for_what_the_server_is_told() {
    let make = || introduced("EHLO x", ":ehlo:NOOP :250*:9:550 seen\n");
    let script = ["S: 220 x/", "S: 250-x/250 CHUNKING/", "C: BDAT 0/"];
    let (client, server, ended) = play(&make, &script);
    assert_eq!(server, "NOOP EHLO x/NOOP fixsmtpio CHUNKING BLOCK BDAT 0/");
    assert_eq!((client.as_str(), ended), ("220 x/", None), "globs do not see it");
}

#[test]
fn d39_a_server_that_leaves_is_told_of_when_the_client_asks() {
    let make = || introduced("EHLO x", "");
    let after = |rest: &[&str]| {
        let script = [&["S: 220 x/"], rest].concat();
        let (client, _, ended) = play(&make, &script);
        (client.split_once("220 x/").unwrap().1.to_string(), ended)
    };
    let gone = "421 unable to start the mail server (#4.3.0)/";
    assert_eq!(after(&["S: 421-too/421 busy/"]), (String::new(), None));
    assert_eq!(
        after(&["S: 421-too/421 busy/", "S closes", "C: NOOP/RSET/"]),
        ("421-too/421 busy/".into(), Some(Some(TOLD)))
    );
    assert_eq!(after(&["S closes", "C: NOOP/"]), (gone.into(), Some(Some(TOLD))));
    assert_eq!(after(&["C: NOOP/", "S: 250-x/25", "S closes"]), (gone.into(), Some(Some(TOLD))));
    assert_eq!(after(&["S closes", "C closes"]), (String::new(), Some(Some(TOLD))));
}

#[test]
fn d39_a_server_that_wants_no_second_ehlo_has_answered_it() {
    let rules = ":ehlo::2*::&fixsmtpio_fixup\n:ehlo::250?AUTH*::\n:ehlo::503*::never\n";
    let make = || introduced("EHLO x", rules);
    let first = ["S: 220 x/", "S: 250-in/250-AUTH PLAIN/250-SIZE/250 CHUNKING/", "C: EHLO x/"];
    let script = [&first[..], &["S: 503-again/503 no/", "C: BDAT 1/a", "S: 250 b/"]].concat();
    let (client, server, _) = play(&make, &script);
    assert_eq!(client, "220 x/250-mail.example.org/250-SIZE/250 CHUNKING/250 b/");
    assert!(server.ends_with("BDAT 1/a"), "{server}");
    // Another answer is the client's.
    let script = [&first[..], &["S: 250 now/"]].concat();
    assert_eq!(play(&make, &script).0, "220 x/250 mail.example.org/");
    let make = || introduced("EHLO x", "");
    let script =
        ["S: 220 x/", "S: 550 no/", "S: 550 no/", "S: 550 no/", "C: EHLO x/", "S: 503 no/"];
    assert_eq!(play(&make, &script).0, "220 x/503 no/");
}

#[test]
fn d45_a_server_that_is_not_there_says_so() {
    let behind = || config(":helo::*::x\n", "AUTHUP_USER", Tls::Absent);
    let alone = || config(":helo::*::x\n", "", Tls::Absent);
    let gone = "421 unable to start the mail server (#4.3.0)/";
    let makes: [&dyn Fn() -> RelayConfig; 2] = [&behind, &alone];
    for make in makes {
        for script in [&["S closes"][..], &["S: 220-half/", "S closes"], &["S: 22", "S closes"]] {
            let (client, _, ended) = play(make, script);
            assert_eq!((client.as_str(), ended), (gone, Some(Some(TOLD))));
        }
    }
    for (greeting, said) in [
        ("554 no", "421 no/"),
        ("554-no/554 never", "421-no/421 never/"),
        ("450 later", "450 later/"),
        ("500", "421 /"),
        ("sh: 1: exec: not found", gone),
    ] {
        let (client, _, ended) = play(&behind, &[&format!("S: {greeting}/"), "S closes"]);
        assert_eq!((client.as_str(), ended), (said, Some(Some(TOLD))), "{greeting}");
    }
    // Nobody takes it for an answer to AUTH; and what a rule says stands.
    assert_eq!(play(&alone, &["S: 554 no/"]), ("554 no/".into(), String::new(), None));
    let ruled = || config(":greeting::5*:15:&fixsmtpio_noop\n", "AUTHUP_USER", Tls::Absent);
    assert_eq!(play(&ruled, &["S: 554 no/"]).0, "554 no/");
}

#[test]
fn d16_what_waits_is_bounded() {
    let mut run = Run::new(bare());
    run.client(&b"NOOP\r\n".repeat(100_000));
    assert!(run.relay.pending.len() <= PENDING);
    assert!(run.at_server.len() <= PENDING * 6 && !run.client_window.is_empty());
    // A client that does not read makes the server wait.
    let mut relay = Relay::new(bare(), ());
    let replies = b"250 ok\r\n".repeat(10_000);
    let mut taken = 0;
    while let count @ 1.. = relay.from_server(&replies[taken..]) {
        taken += count;
    }
    assert!(taken < replies.len() && relay.to_client.unsent().len() < outbox::HIGH_WATER + 8);
}

#[test]
fn d50_a_line_without_end_is_no_reply() {
    let mut run = Run::new(bare());
    run.server(b"220 x\r\n");
    run.client(b"EHLO x\r\n");
    run.server(b"250-x\r\n250-y\r\n");
    run.server(&[b'2'; WINDOW]);
    let said = "220 x/250-x/421 reply line too long (#4.3.0)/".to_string();
    assert_eq!(run.shown(), (said, "EHLO x/".into(), Some(Some(TOLD))));
}

#[test]
fn d68_who_still_expects_a_word_is_told_that_the_server_has_ended() {
    let told = "421 the mail server has ended (#4.3.0)/";
    for (script, said) in [
        (&["S: 220 x/", "C: NOOP/"][..], told),
        (&["S: 220 x/", "C: NOOP/RSET/", "S: 250 ok/"], told),
        // A reply that is cut off is none; what was sent of it is ended by this.
        (&["S: 220 x/", "C: NOOP/RSET/", "S: 250-x/250-y"], told),
        (&["S: 220 x/", "C: NOOP/", "S: 250-half/"], told),
        (&["S: 220 x/", "C: NOOP/", "S: 250-a/250-half/25"], told),
        (&["S: 220 x/", "C: NOOP/", "S: 250 ok"], told),
        (&["S: 220 x/", "C: EHLO x/", "S: 250-x/250-SI"], told),
        (&["S: 220 x/", "C: DATA/", "S: 354 g"], told),
        (&["S: 220 x/", "C: DATA/", "S: 354 go/", "C: a/./", "S: 250-queued/"], told),
        (&["S: 220 x/", "C: DATA/", "S: 354 go/", "C: half/"], told),
        (&["S: 220 x/", "C: NOOP/", "C closes"], told),
        (&["S: 220 x/", "C: DATA/", "S: 354 go/", "C: a/./"], told),
        (&["S: 220 x/", "C: EHLO x/", "S: 250-x/250 CHUNKING/", "C: BDAT 9/abc"], told),
        // Nothing is due, or it has been said already.
        (&["S: 220 x/"], ""),
        (&["S: 220 x/", "C: QUIT/NOOP/", "S: 221 bye/"], ""),
        (&["S: 220 x/", "S: 421-full/"], "421 full/"),
        (&["S: 220 x/", "C: NOOP/NOOP/", "S: 421-full/421 come again/"], ""),
        (&["S: 220 x/", "S: 451 timeout/"], ""),
        (&["S: 220 x/", "C: DATA/", "S: 354 go/", "C: half/", "S: 451 enough/"], ""),
        (&["S: 220 x/", "C: NOOP/", "S: 250 ok/", "C closes"], ""),
        (&["S: 220 x/", "C: BDAT x/"], ""),
    ] {
        let (client, _, ended) = play(&bare, &[script, &["S closes"]].concat());
        assert_eq!(client.matches(told).count(), usize::from(said == told), "{script:?}");
        assert!(said != told || !client.contains("half"), "{script:?}: {client}");
        assert!(client.ends_with(said), "{script:?}: {client}");
        assert_eq!(ended, Some(None), "{script:?}");
    }
    // Behind a login it is said once it is known how the server ended.
    for (line, owes) in [(&b"NOOP\r\n"[..], true), (b"", false)] {
        let mut run = Run::new(submission());
        run.server(b"220 x\r\n");
        run.client(line);
        run.relay.server_closed(b"");
        assert_eq!(run.relay.owes_reply(), owes);
        assert!(!run.shown().0.contains(told));
    }
}
