//! STARTTLS, and the fresh server behind it.

use super::*;

#[test]
fn tls_first_where_it_is_required() {
    let (client, server, _) = play(
        &incoming(Tls::Required),
        &["S: 220 x/", "C: MAIL a/DATA/NOOP/QUIT/", "S: 250-a/250 ok/250 ok/250 ok/221 x/"],
    );
    let noop = "NOOP fixsmtpio STARTTLS FIRST";
    assert_eq!(server, format!("{noop} MAIL a/{noop} DATA/NOOP/QUIT/"));
    let must = "530 Must start TLS first (#5.7.0)/";
    assert_eq!(
        client,
        format!("220 mail.example.org ESMTP/{must}{must}250 ok/221 mail.example.org/")
    );
}

#[test]
fn d04_nothing_said_in_the_clear_behind_starttls_is_passed() {
    let (client, server, _) = play(
        &incoming(Tls::Available),
        &[
            "S: 220 x/",
            "C: EHLO x/STARTTLS/MAIL FROM:<evil>/",
            "S: 250-x/250 y/250 ok/",
            "S: 220 fresh/",
            "C: EHLO y/",
            "S: 250 y/",
        ],
    );
    assert_eq!(server, "EHLO x/NOOP fixsmtpio STARTTLS BEGIN STARTTLS/[fresh]EHLO y/");
    assert_eq!(
        client,
        "220 mail.example.org ESMTP/250-mail.example.org/250-STARTTLS/250 y/\
         220 Ready to start TLS (#5.7.0)/[tls]250 mail.example.org/"
    );
}

#[test]
fn d13_a_fresh_server_greets_nobody() {
    let start = ["S: 220 x/", "C: STARTTLS/", "S: 250 ok/"];
    let after = |rest: &[&str]| {
        let script: Vec<&str> = start.iter().chain(rest).copied().collect();
        let (client, _, ended) = play(&incoming(Tls::Available), &script);
        (client.split_once("[tls]").unwrap().1.to_string(), ended)
    };
    assert_eq!(after(&["S: 220 x/"]), (String::new(), None));
    let refused = ["C: EHLO x/NOOP/", "S: 554-go/554 away/"];
    assert_eq!(after(&refused), ("554-go/554 away/".into(), Some(None)));
    // Even if the server does not stay to say it.
    assert_eq!(
        after(&["S: 421 later/", "S closes", "C: EHLO x/"]),
        ("421 later/".into(), Some(None))
    );
    assert_eq!(after(&["S: 421 later/", "S closes", "C closes"]), (String::new(), Some(None)));
}

#[test]
fn d13_rules_for_the_greeting_hold_for_a_fresh_server() {
    let make = || config(":greeting::5*:15:&fixsmtpio_noop\n", "", Tls::Available);
    let script = ["S: 220 x/", "C: STARTTLS/", "S: 250 ok/", "S: 554 no/", "C: EHLO x/"];
    let (client, _, ended) = play(&make, &script);
    assert!(client.ends_with("[tls]554 no/"));
    assert_eq!(ended, Some(Some(15)));
}

#[test]
fn d14_starttls_is_advertised_rule_or_no_rule() {
    for rules in ["", RULES] {
        let make = move || config(rules, "", Tls::Available);
        for reply in ["250 x/", "250-x/250 STARTTLS/", "250-x/250-STARTTLS/250 PIPELINING/"] {
            let reply = format!("S: {reply}");
            let (client, _, _) = play(&make, &["S: 220 x/", "C: EHLO x/", &reply]);
            assert_eq!(client.matches("STARTTLS").count(), 1, "{client}");
            assert!(client.contains("/250-STARTTLS/") || client.ends_with("/250 STARTTLS/"));
        }
        let refused = play(&make, &["S: 220 x/", "C: EHLO x/", "S: 550 no/"]).0;
        assert!(!refused.contains("STARTTLS"), "{refused}");
    }
    let behind_authup = || config(RULES, "AUTHUP_USER", Tls::Available);
    let (client, _, _) = play(&behind_authup, &["S: 220 x/", "C: EHLO x/", "S: 250 x/"]);
    assert!(!client.contains("STARTTLS"));
}

#[test]
fn d69_no_starttls_is_advertised_that_would_be_refused() {
    for (rules, env) in [("", ""), (RULES, ""), ("", "AUTHUP_USER"), (RULES, "AUTHUP_USER")] {
        for tls in [Tls::Absent, Tls::On] {
            let make = move || config(rules, env, tls);
            for (reply, shown) in [
                ("250-x/250-StartTLS/250 PIPELINING/", "/250 PIPELINING/"),
                ("250-x/250-STARTTLS/250 STARTTLS/", "/"),
            ] {
                let script = ["S: 220 x/", "C: EHLO x/", &format!("S: {reply}"), "C: STARTTLS/"];
                let (client, _, _) = play(&make, &[&script[..], &["S: 250 ok/"]].concat());
                assert!(!client.to_ascii_uppercase().contains("STARTTLS"), "{client}");
                let refused = [shown, "502 unimplemented (#5.5.1)/"].concat();
                assert!(client.ends_with(&refused), "{client}");
            }
        }
    }
}

#[test]
fn d31_starttls_takes_no_argument() {
    let (client, server, _) =
        play(&incoming(Tls::Available), &["S: 220 x/", "C: STARTTLS now/NOOP/", "S: 250 a/250 b/"]);
    assert_eq!(server, "NOOP fixsmtpio STARTTLS BLOCK STARTTLS now/NOOP/");
    assert!(client.ends_with("501 syntax error (#5.5.4)/250 b/"));
}

#[test]
fn starttls_where_there_is_none() {
    for (tls, word) in [(Tls::Absent, "BLOCK"), (Tls::On, "AGAIN")] {
        let (client, server, _) = play(&incoming(tls), &["S: 220 x/", "C: STARTTLS/", "S: 250 a/"]);
        assert_eq!(server, format!("NOOP fixsmtpio STARTTLS {word} STARTTLS/"));
        assert!(client.ends_with("502 unimplemented (#5.5.1)/"));
    }
}

#[test]
fn d16_a_fresh_server_that_says_no_at_length_fills_no_memory() {
    let script = ["S: 220 x/", "C: STARTTLS/", "S: 250 ok/"];
    let mut run = Run::new(incoming(Tls::Available)());
    for (who, what) in script.iter().filter_map(|piece| piece.split_once(": ")) {
        let octets = what.replace('/', "\r\n").into_bytes();
        if who == "C" { run.client(&octets) } else { run.server(&octets) }
    }
    for _ in 0..3_000 {
        run.server(b"554-go away\r\n");
    }
    run.server(b"554 now\r\n");
    for _ in 0..3_000 {
        run.server(b"421 really\r\n");
    }
    run.client(b"EHLO x\r\n");
    let said = run.shown().0.split_once("[tls]").unwrap().1.to_string();
    assert!(said.len() < 2 * outbox::HIGH_WATER, "{}", said.len());
    assert!(said.starts_with("554-go away/") && said.ends_with("554-go away/554 now/"));
    assert_eq!(run.ended, Some(None));
}
