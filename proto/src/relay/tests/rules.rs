//! Rules, as they change what goes by.

use super::*;

#[test]
fn submission_behind_authup() {
    let (client, server, ended) = play(
        &submission,
        &[
            "S: 220 ofmipd.local ESMTP/",
            "C: EHLO x/",
            "S: 250-ofmipd.local/250-AUTH LOGIN/250-PIPELINING/250 8BITMIME/",
            "C: AUTH PLAIN xyz/",
            "S: 250 ok/",
            "C: QUIT/",
            "S: 221 ofmipd.local/",
            "C closes",
            "S closes",
        ],
    );
    assert_eq!(
        client,
        "235 ok, go ahead (#2.0.0)/250-mail.example.org/250-PIPELINING/250 8BITMIME/\
         502 unimplemented (#5.5.1)/221 mail.example.org/"
    );
    assert_eq!(server, "EHLO x/NOOP AUTH PLAIN xyz/QUIT/");
    assert_eq!(ended, Some(Some(0)));
}

#[test]
fn exit_codes_of_rules() {
    for (greeting, exit) in [("421 later", 14), ("554 no", 15)] {
        let (client, _, ended) = play(&submission, &[&format!("S: {greeting}/")]);
        assert_eq!((client, ended), (format!("{greeting}/"), Some(Some(exit))));
    }
    let (client, _, ended) = play(&submission, &["S: 220 x/", "S: 451 timeout/"]);
    assert_eq!((client.as_str(), ended), ("235 ok, go ahead (#2.0.0)/", Some(Some(16))));
    let several = || config(":noop::*:3:a\n:noop::2*:4:&fixsmtpio_noop\n", "", Tls::Absent);
    let (client, _, ended) = play(&several, &["S: 220 x/", "C: NOOP/NOOP/", "S: 250 ok/"]);
    assert_eq!((client.as_str(), ended), ("220 x/a/", Some(Some(4))), "the last wins");
}

#[test]
fn help_has_a_line_of_ours_before_it() {
    let script = ["S: 220 x/", "C: HELP/", "S: 214-theirs/214 more/"];
    let (client, _, _) = play(&incoming(Tls::Absent), &script);
    assert_eq!(
        client,
        "220 mail.example.org ESMTP/214-fixsmtpio, of acceptutils: see its manual page, \
         fixsmtpio(8)/214-theirs/214 more/"
    );
}

/// As Postfix is without HELP.
#[test]
fn d52_a_line_of_help_has_the_code_of_the_reply() {
    let script = ["S: 220 x/", "C: HELP/", "S: 500 5.5.2 Error: command not recognized/"];
    let (client, _, _) = play(&incoming(Tls::Absent), &script);
    assert_eq!(
        client,
        "220 mail.example.org ESMTP/500-fixsmtpio, of acceptutils: see its manual page, \
         fixsmtpio(8)/500 5.5.2 Error: command not recognized/"
    );
}

#[test]
fn patterns_see_the_line_as_the_server_sent_it() {
    let rules = ":noop::250 ok::never\n:noop::250 ok*::changed\n:noop::250 ok*::changed again\n";
    let make = || config(rules, "", Tls::Absent);
    let (client, _, _) = play(&make, &["S: 220 x/", "C: NOOP/", "S: 250 ok/"]);
    assert_eq!(client, "220 x/cha ged again/", "the fourth character is the reply's");
}

#[test]
fn removed_lines_leave_a_reply_that_ends() {
    let make = || config(":ehlo::250?B*::\n:noop::*::\n", "", Tls::Absent);
    let (client, _, _) = play(
        &make,
        &["S: 220 x/", "C: EHLO x/", "S: 250-A/250-B/250 B2/", "C: NOOP/", "S: 250 ok/"],
    );
    assert_eq!(client, "220 x/250 A/");
}

#[test]
fn requests_are_prepended_in_turn() {
    let make = || config(":x:a :*::\n:x:b :*::\n", "", Tls::Absent);
    let (_, server, _) = play(&make, &["C: X y/"]);
    assert_eq!(server, "b a X y/");
}

#[test]
fn d12_filtering_goes_on_after_a_message() {
    let make = || config(":in_data::2*::250 mine\n:noop::2*::250 fine\n", "", Tls::Absent);
    let (client, _, _) =
        play(&make, &["S: 220 x/", "C: DATA/", "S: 354 go/", "C: a/./NOOP/", "S: 250 q/250 n/"]);
    assert_eq!(client, "220 x/354 go/250 mine/250 fine/");
}

#[test]
fn d40_what_follows_is_never_one_thing_for_the_client_and_another_for_the_server() {
    let end = "421 rules and server disagree (#4.3.0)/";
    for (rules, request, reply, shown) in [
        (":data::354*::550 no", "DATA", "354 go", "550 no/"),
        (":data::354*::", "DATA", "354 go", ""),
        (":data::5*::354 go", "DATA", "503 no", "354 go/"),
        (":data:NOOP :*::354 go", "DATA", "250 ok", "354 go/"),
        (":x:DATA :*::250 ok", "X", "354 go", "250 ok/"),
        (":x:AUTH :*::250 ok", "X", "334 go", "250 ok/"),
        (":auth::*::503 no", "AUTH LOGIN", "334 x", "503 no/"),
        (":auth::5*::334 x", "AUTH LOGIN", "503 no", "334 x/"),
    ] {
        let make = || config(rules, "", Tls::Absent);
        let (said, reply) = (format!("C: {request}/"), format!("S: {reply}/"));
        let script = ["S: 220 x/", &said, &reply, "C: MAIL FROM:<evil>/./"];
        let (client, server, ended) = play(&make, &script);
        assert_eq!(client, format!("220 x/{shown}{end}"), "{rules}");
        assert!(!server.contains("evil") && !server.contains("./"), "{server}");
        assert_eq!(ended, Some(None));
    }
    // Both are told no; both are told to go on.
    let make = || config(":data:NOOP :*::550 no\n", "", Tls::Absent);
    let script = ["S: 220 x/", "C: DATA/", "S: 250 ok/", "C: NOOP/", "S: 250 b/"];
    assert_eq!(play(&make, &script).0, "220 x/550 no/250 b/");
    let make = || config(":data::354*::354 mine\n", "", Tls::Absent);
    let script = ["S: 220 x/", "C: DATA/", "S: 354 ok/", "C: a/./NOOP/", "S: 250 b/250 c/"];
    assert_eq!(play(&make, &script).0, "220 x/354 mine/250 b/250 c/");
}

#[test]
fn rules_for_the_end_of_input_see_what_is_left() {
    let make = || config(":clienteof::QU*:7:\n", "", Tls::Absent);
    assert_eq!(play(&make, &["S: 220 x/", "C: QUI", "C closes", "S closes"]).2, Some(Some(7)));
    assert_eq!(play(&make, &["S: 220 x/", "C: NO", "C closes", "S closes"]).2, Some(None));
}

#[test]
fn d46_a_rule_that_looks_at_the_request_holds_for_no_other() {
    let rules = ":mail::250*::250 fine\n\
                 request mail boss@*\n:mail:NOOP :*::553 not you\n\
                 request rcpt list-[ab]@example.org\n:rcpt:NOOP :2*::550 no list\n";
    let make = || config(rules, "", Tls::Absent);
    let ask = |request: &str| {
        let (client, server, _) =
            play(&make, &["S: 220 x/", &format!("C: {request}/"), "S: 250 ok/"]);
        (client.strip_prefix("220 x/").unwrap().to_string(), server)
    };
    for request in [
        "MAIL FROM:<boss@example.org>",
        "mail from: <BOSS@example.org> SIZE=1",
        "MAIL FROM:<\"boss\"@example.org>",
        "MAIL FROM:<b\\oss@example.org>",
        "MAIL FROM:<@a,@b:boss@example.org>",
        "MAIL  FROM:boss@example.org",
        "MAIL FROM:<boss>",
    ] {
        assert_eq!(ask(request), ("553 not you/".into(), format!("NOOP {request}/")));
    }
    for request in ["MAIL FROM:<>", "MAIL FROM:<bossy@example.org>", "MAIL FROM:<x@boss>"] {
        assert_eq!(ask(request), ("250 fine/".into(), format!("{request}/")));
    }
    // What servers may read as the boss.
    for request in ["MAIL FROM:<bo(x)ss@a>", "MAIL FROM:Boss <boss@a>", "MAIL boss@a", "RCPT TO:<a"]
    {
        let kept = ("501 syntax error (#5.5.4)/".into(), "NOOP fixsmtpio SYNTAX/".into());
        assert_eq!(ask(request), kept, "{request}");
    }
    assert_eq!(ask("RCPT TO:<list-b@example.org>").0, "550 no list/");
    assert_eq!(ask("RCPT TO:<list-c@example.org>").0, "250 ok/");
    // Nothing of it where no rule looks.
    assert_eq!(play(&bare, &["C: MAIL FROM:Boss <boss@a>/"]).1, "MAIL FROM:Boss <boss@a>/");
    // Pipelined requests keep their own rules.
    let script = [
        "S: 220 x/",
        "C: MAIL FROM:<boss@a>/MAIL FROM:<eve@a>/MAIL FROM:<boss@b>/",
        "S: 250 a/250 b/250 c/",
    ];
    assert_eq!(play(&make, &script).0, "220 x/553 not you/250 fine/553 not you/");
}

#[test]
fn d46_other_verbs_are_looked_at_in_lower_case() {
    let rules = "request vrfy *root*\n:vrfy:NOOP :*::252 maybe\n\
                 request helo localhost\n:helo:NOOP :*::550 you are not\n\
                 request auth *hunter2*\n:auth::*::never\n";
    let make = || config(rules, "", Tls::Absent);
    for (request, answer) in [
        ("VRFY  Root", "252 maybe/"),
        ("VRFY bob", "250 ok/"),
        ("HELO LocalHost ", "550 you are not/"),
        ("HELO other", "250 ok/"),
        ("AUTH PLAIN hunter2", "250 ok/"),
    ] {
        let script = ["S: 220 x/", &format!("C: {request}/"), "S: 250 ok/"];
        assert_eq!(play(&make, &script).0, format!("220 x/{answer}"), "{request}");
    }
}
