//! Conversations through the relay: by script, and by chance.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque as Deque;
use std::format;
use std::string::{String, ToString};

/// Stands for an end of ours.
const TOLD: u8 = 99;

/// What real services run.
const RULES: &str = include_str!("production-rules");

fn settings(rules: &str, env: &str, tls: Tls) -> Settings {
    let mut rules = Rules::parse(rules.as_bytes()).unwrap();
    rules.set_environment(|name| name == env.as_bytes());
    Settings {
        greeting: b"mail.example.org".to_vec(),
        rules,
        tls,
        logged_in: env == "AUTHUP_USER",
        introduction: None,
        bare_newline: BareNewline::Pass,
    }
}

/// A relay with a driver that moves octets in memory.
struct Run {
    relay: Relay<()>,
    client_window: Vec<u8>,
    server_window: Vec<u8>,
    at_client: Vec<u8>,
    at_server: Vec<u8>,
    ended: Option<Option<u8>>,
}

impl Run {
    fn new(settings: Settings) -> Self {
        let (at_client, at_server) = (Vec::new(), Vec::new());
        let (client_window, server_window) = (Vec::new(), Vec::new());
        let relay = Relay::new(settings, ());
        Self { relay, client_window, server_window, at_client, at_server, ended: None }
    }

    fn client(&mut self, octets: &[u8]) {
        self.client_window.extend_from_slice(octets);
        self.go();
    }

    fn server(&mut self, octets: &[u8]) {
        self.server_window.extend_from_slice(octets);
        self.go();
    }

    /// Goes on until nothing moves.
    fn go(&mut self) {
        while self.ended.is_none() {
            let moved = [self.go_client(), self.go_server(), self.flush(), self.go_turn()];
            if !moved.contains(&true) {
                return;
            }
        }
    }

    fn go_client(&mut self) -> bool {
        match self.relay.from_client(&self.client_window) {
            Take::Took(count) => {
                self.client_window.drain(..count);
                assert!(
                    count > 0
                        || !self.relay.to_server.is_empty()
                        || !self.relay.to_client.is_empty()
                );
                true
            }
            Take::Pass(count) => {
                assert!(count > 0);
                self.flush();
                self.at_server.extend(self.client_window.drain(..count));
                true
            }
            Take::NeedInput | Take::Blocked => false,
        }
    }

    fn go_server(&mut self) -> bool {
        let count = self.relay.from_server(&self.server_window);
        self.server_window.drain(..count);
        count > 0
    }

    fn flush(&mut self) -> bool {
        let (client, server) =
            (self.relay.to_client.unsent().len(), self.relay.to_server.unsent().len());
        self.at_client.extend_from_slice(self.relay.to_client.unsent());
        self.at_server.extend_from_slice(self.relay.to_server.unsent());
        self.relay.to_client().sent(client);
        self.relay.to_server().sent(server);
        client + server > 0
    }

    fn go_turn(&mut self) -> bool {
        match self.relay.turn() {
            Turn::Relay => return false,
            Turn::CheckTls => self.relay.tls_checked(true),
            Turn::StartTls => {
                self.client_window.clear();
                self.server_window.clear();
                self.at_client.extend_from_slice(b"[tls]");
                self.at_server.extend_from_slice(b"[fresh]");
                self.relay.tls_started(|name| name == b"FIXSMTPIOTLS");
            }
            Turn::End(end) => {
                self.ended = Some(match end {
                    End::Server | End::OtherProtocol(_) => None,
                    End::Code(code) => Some(code),
                    End::NotStarted | End::TurnedAway | End::LineTooLong => Some(TOLD),
                });
                return false;
            }
        }
        true
    }

    fn shown(&self) -> (String, String, Option<Option<u8>>) {
        let show = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "/");
        (show(&self.at_client), show(&self.at_server), self.ended)
    }
}

/// Plays `C: ` and `S: ` pieces (`/` stands for CRLF, `⁄` for itself) and returns what came out;
/// the same however the pieces are cut.
fn play(make: &dyn Fn() -> Settings, script: &[&str]) -> (String, String, Option<Option<u8>>) {
    let run = |cut: usize, octets_each: bool| {
        let mut run = Run::new(make());
        for piece in script {
            let (who, what) = piece.split_once(": ").unwrap_or((piece, ""));
            let octets = what.replace('/', "\r\n").replace('⁄', "/").into_bytes();
            let (left, right) = octets.split_at(cut.min(octets.len()));
            let parts: Vec<&[u8]> =
                if octets_each { octets.chunks(1).collect() } else { Vec::from([left, right]) };
            match who {
                "C" => parts.iter().for_each(|part| run.client(part)),
                "S" => parts.iter().for_each(|part| run.server(part)),
                "C closes" => {
                    let left = core::mem::take(&mut run.client_window);
                    run.relay.client_closed(&left);
                    run.go();
                }
                "S closes" => {
                    let left = core::mem::take(&mut run.server_window);
                    run.relay.server_closed(&left);
                    run.go();
                }
                _ => panic!("{piece}"),
            }
        }
        run.shown()
    };
    let whole = run(usize::MAX, false);
    for cut in 0..30 {
        assert_eq!(run(cut, false), whole, "cut at {cut}");
    }
    assert_eq!(run(0, true), whole, "octet by octet");
    whole
}

fn incoming(tls: Tls) -> impl Fn() -> Settings {
    move || settings(RULES, "", tls)
}

fn submission() -> Settings {
    settings(RULES, "AUTHUP_USER", Tls::Absent)
}

fn bare() -> Settings {
    settings("", "", Tls::Absent)
}

#[test]
fn without_rules_everything_passes() {
    let (client, server, _) = play(
        &bare,
        &[
            "S: 220 hi/",
            "C: EHLO x/",
            "S: 250-a/250-STARTTLS/250 b/",
            "C: QUIT/",
            "S: 221 bye/",
            "S closes",
        ],
    );
    assert_eq!(client, "220 hi/250-a/250-STARTTLS/250 b/221 bye/");
    assert_eq!(server, "EHLO x/QUIT/");
}

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
    let several = || settings(":noop::*:3:a\n:noop::2*:4:&fixsmtpio_noop\n", "", Tls::Absent);
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
    let make = || settings(rules, "", Tls::Absent);
    let (client, _, _) = play(&make, &["S: 220 x/", "C: NOOP/", "S: 250 ok/"]);
    assert_eq!(client, "220 x/cha ged again/", "the fourth character is the reply's");
}

#[test]
fn removed_lines_leave_a_reply_that_ends() {
    let make = || settings(":ehlo::250?B*::\n:noop::*::\n", "", Tls::Absent);
    let (client, _, _) = play(
        &make,
        &["S: 220 x/", "C: EHLO x/", "S: 250-A/250-B/250 B2/", "C: NOOP/", "S: 250 ok/"],
    );
    assert_eq!(client, "220 x/250 A/");
}

#[test]
fn requests_are_prepended_in_turn() {
    let make = || settings(":x:a :*::\n:x:b :*::\n", "", Tls::Absent);
    let (_, server, _) = play(&make, &["C: X y/"]);
    assert_eq!(server, "b a X y/");
}

#[test]
fn pipelined_requests_pair_with_their_replies() {
    let make = || settings(":mail::2*::250 M\n:rcpt::2*::250 R\n", "", Tls::Absent);
    let (client, server, _) = play(
        &make,
        &[
            "S: 220 x/",
            "C: MAIL a/RCPT b/RCPT c/DATA/",
            "S: 250 ok/250 ok/550 no/354 go/",
            "C: hi/./QUIT/",
            "S: 250 queued/221 bye/",
        ],
    );
    assert_eq!(client, "220 x/250 M/250 R/550 no/354 go/250 queued/221 bye/");
    assert_eq!(server, "MAIL a/RCPT b/RCPT c/DATA/hi/./QUIT/");
}

#[test]
fn a_refused_data_is_followed_by_requests() {
    let (client, server, _) =
        play(&bare, &["S: 220 x/", "C: DATA/RSET/", "S: 503 no/", "S: 250 ok/"]);
    assert_eq!((client.as_str(), server.as_str()), ("220 x/503 no/250 ok/", "DATA/RSET/"));
}

#[test]
fn d38_a_request_that_servers_read_differently_is_kept_back() {
    for unclear in [
        "DATA\0",
        "DATA\t",
        " DATA",
        "\tDATA",
        "NOOP a\rDATA",
        "DATA\r",
        "AUTH\tPLAIN x",
        "D\u{7f}",
    ] {
        let request = std::format!("C: {unclear}/DATA/");
        let (client, server, _) = play(&bare, &["S: 220 x/", &request, "S: 250 ok/503 no/"]);
        assert_eq!(client, "220 x/500 syntax error (#5.5.2)/503 no/", "{unclear:?}");
        assert_eq!(server, "NOOP fixsmtpio SYNTAX/DATA/", "{unclear:?}");
    }
    let (_, server, _) = play(&bare, &["S: 220 x/", "C: RCPT TO:<a\tb>/\u{fc}x//"]);
    assert_eq!(server, "RCPT TO:<a\tb>/\u{fc}x//");
}

#[test]
fn d12_filtering_goes_on_after_a_message() {
    let make = || settings(":in_data::2*::250 mine\n:noop::2*::250 fine\n", "", Tls::Absent);
    let (client, _, _) =
        play(&make, &["S: 220 x/", "C: DATA/", "S: 354 go/", "C: a/./NOOP/", "S: 250 q/250 n/"]);
    assert_eq!(client, "220 x/354 go/250 mine/250 fine/");
}

#[test]
fn d06_a_request_that_is_too_long_goes_to_the_server_as_noop() {
    let mut run = Run::new(bare());
    run.server(b"220 x\r\n");
    let long =
        [b"MAIL FROM:<".to_vec(), std::vec![b'a'; 13_000], b"\r\nNOOP\r\n".to_vec()].concat();
    for piece in long.chunks(1000) {
        run.client(piece);
    }
    run.server(b"250 ok\r\n250 ok\r\n");
    let (client, server, _) = run.shown();
    assert_eq!(server, "NOOP fixsmtpio LINE TOO LONG/NOOP/");
    assert_eq!(client, "220 x/500 line too long (#5.5.2)/250 ok/");
}

#[test]
fn d20_chunks_pass_untouched() {
    let make = || settings(":bdat::2*::250 chunk\n:noop::*::250 noop\n", "", Tls::Absent);
    let (client, server, _) = play(
        &make,
        &[
            "S: 220 x/",
            "C: EHLO x/",
            "S: 250-x/250 CHUNKING/",
            "C: BDAT 6/NOOP/BDAT 0 LAST/NOOP/",
            "S: 250 a/250 b/250 c/",
        ],
    );
    assert_eq!(server, "EHLO x/BDAT 6/NOOP/BDAT 0 LAST/NOOP/");
    assert_eq!(client, "220 x/250-x/250 CHUNKING/250 chunk/250 chunk/250 noop/");
}

#[test]
fn d40_bdat_that_cannot_be_read_ends_the_session() {
    for request in ["BDAT +6", "BDAT", "BDAT  6", "BDAT 6 FIRST", "BDAT\t6", " BDAT 6", "bdat 6\0"]
    {
        for offer in ["S: 250-x/250-CHUNKING/250 y/", "S: 250 x/"] {
            let bdat = format!("C: NOOP/{request}/MAIL FROM:<evil>/");
            let script = ["S: 220 x/", "C: EHLO x/", offer, &bdat, "S: 250 ok/"];
            let (client, server, ended) = play(&bare, &script);
            assert_eq!(server, "EHLO x/NOOP/", "{request:?}");
            assert!(client.ends_with("/250 ok/501 syntax error (#5.5.4)/"), "{client}");
            assert_eq!(ended, Some(None));
        }
    }
    let long = format!("BDAT 6{}", " ".repeat(13_000));
    let mut run = Run::new(bare());
    run.server(b"220 x\r\n");
    run.client(long.as_bytes());
    run.client(b"\r\nMAIL FROM:<evil>\r\n");
    assert_eq!(run.shown(), ("220 x/501 syntax error (#5.5.4)/".into(), String::new(), Some(None)));
}

#[test]
fn d40_a_chunk_is_none_of_the_servers_requests_whatever_was_announced() {
    let announced = || settings(":ehlo::250*::250 CHUNKING\n", "", Tls::Absent);
    let first = || settings("", "", Tls::Required);
    let no = "503 BDAT without CHUNKING (#5.5.1)/";
    let block = "NOOP fixsmtpio CHUNKING BLOCK ";
    let must = "530 Must start TLS first (#5.7.0)/";
    let makes: [(&dyn Fn() -> Settings, &str, &str); 3] = [
        (&bare, block, no),
        (&announced, block, no),
        (&first, "NOOP fixsmtpio STARTTLS FIRST ", must),
    ];
    for (make, noop, answer) in makes {
        // Also where the octets come before the answer.
        let script = ["S: 220 x/", "C: BDAT 6/QUIT/BDAT 0 LAST/NOOP/", "S: 250 a/250 b/250 c/"];
        let (client, server, _) = play(make, &script);
        assert_eq!(server, format!("{noop}BDAT 6/{noop}BDAT 0 LAST/NOOP/"));
        assert_eq!(client, format!("220 x/{answer}{answer}250 c/"));
    }
}

#[test]
fn d40_the_last_greeting_says_whether_the_server_takes_chunks() {
    for (second, reply, takes) in [
        ("EHLO y", "250 y", false),
        ("HELO y", "250 y", false),
        ("EHLO y", "503 again", true),
        ("EHLO y", "250-y/250 CHUNKING", true),
    ] {
        let second = format!("C: {second}/BDAT 6/QUIT/");
        let reply = format!("S: {reply}/");
        let script = ["S: 220 x/", "C: EHLO x/", "S: 250-x/250 CHUNKING/", &second, &reply];
        let (_, server, _) = play(&bare, &script);
        assert_eq!(server.ends_with("BDAT 6/QUIT/"), takes, "{second} {server}");
        assert!(takes || server.ends_with("NOOP fixsmtpio CHUNKING BLOCK BDAT 6/"), "{server}");
    }
    // A rule keeps EHLO from the server, and invents a reply.
    let make = || settings(":ehlo:NOOP :*::250 x\n", "", Tls::Absent);
    let script = ["S: 220 x/", "C: EHLO x/BDAT 6/QUIT/", "S: 250-x/250 CHUNKING/"];
    assert!(play(&make, &script).1.ends_with("NOOP fixsmtpio CHUNKING BLOCK BDAT 6/"));
}

#[test]
fn d60_other_protocols_end_with_the_line_or_octets_that_show_them() {
    const HTTP: &str = "421 HTTP is not spoken here (#4.5.0)/";
    let http = "C: POST ⁄upload HTTP⁄1.1/Host: x//MAIL FROM:<evil>/";
    let hello = "C: \u{16}\u{3}\u{1}\u{2}/evil";
    for (script, at_client, at_server) in [
        (&["S: 220 x/", http][..], HTTP, ""),
        // Replies that are due come first.
        (&[http, "S: 220 x/"], HTTP, ""),
        (&["S: 220 x/", "C: EHLO x/", http, "S: 250 x/"], &format!("250 x/{HTTP}"), "EHLO x/"),
        (&["S: 220 x/", hello], "", ""),
        (&[hello, "S: 220 x/"], "", ""),
        (&["S: 220 x/", "C: NOOP/", hello, "S: 250 ok/"], "250 ok/", "NOOP/"),
    ] {
        let (client, server, ended) = play(&bare, script);
        assert_eq!(client, format!("220 x/{at_client}"), "{script:?}");
        assert_eq!(server, at_server, "{script:?}");
        assert_eq!(ended, Some(None), "{script:?}");
    }
}

#[test]
fn d60_a_message_or_a_response_may_look_like_anything() {
    let message = "GET ⁄ HTTP⁄1.1/\u{16}\u{3}\u{1}/./";
    let data = format!("C: {message}");
    let script = ["S: 220 x/", "C: DATA/", "S: 354 go/", &data, "S: 250 ok/"];
    let (client, server, ended) = play(&bare, &script);
    assert_eq!((client.as_str(), ended), ("220 x/354 go/250 ok/", None));
    assert_eq!(server, format!("DATA/{message}").replace('⁄', "/"));
    let http = "C: GET ⁄ HTTP⁄1.1/";
    let script = ["S: 220 x/", "C: AUTH LOGIN/", "S: 334 x/", http, "S: 501 no/"];
    assert_eq!(play(&bare, &script).0, "220 x/334 x/501 no/");
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
        let make = || settings(rules, "", Tls::Absent);
        let (said, reply) = (format!("C: {request}/"), format!("S: {reply}/"));
        let script = ["S: 220 x/", &said, &reply, "C: MAIL FROM:<evil>/./"];
        let (client, server, ended) = play(&make, &script);
        assert_eq!(client, format!("220 x/{shown}{end}"), "{rules}");
        assert!(!server.contains("evil") && !server.contains("./"), "{server}");
        assert_eq!(ended, Some(None));
    }
    // Both are told no; both are told to go on.
    let make = || settings(":data:NOOP :*::550 no\n", "", Tls::Absent);
    let script = ["S: 220 x/", "C: DATA/", "S: 250 ok/", "C: NOOP/", "S: 250 b/"];
    assert_eq!(play(&make, &script).0, "220 x/550 no/250 b/");
    let make = || settings(":data::354*::354 mine\n", "", Tls::Absent);
    let script = ["S: 220 x/", "C: DATA/", "S: 354 ok/", "C: a/./NOOP/", "S: 250 b/250 c/"];
    assert_eq!(play(&make, &script).0, "220 x/354 mine/250 b/250 c/");
}

#[test]
fn d20_whether_a_chunk_follows_is_decided_as_the_server_does() {
    // Sent before the offer is there.
    let (_, server, _) = play(
        &bare,
        &["S: 220 x/", "C: EHLO x/BDAT 10/STARTTLS/NOOP/", "S: 250-x/250 CHUNKING/", "S: 250 a/"],
    );
    assert_eq!(server, "EHLO x/BDAT 10/STARTTLS/NOOP/");
    // In an AUTH exchange it is a response, whatever it looks like, and its server reads on
    // for requests; also where it comes before the challenge.
    for response in ["BDAT 9", "STARTTLS", "EHLO x", "DATA"] {
        let (together, apart) = (format!("C: AUTH LOGIN/{response}/"), format!("C: {response}/"));
        for auth in [&["C: AUTH LOGIN/", "S: 334 x/", &apart][..], &[&together, "S: 334 x/"]] {
            let begin = ["S: 220 x/", "C: EHLO x/", "S: 250-x/250 CHUNKING/"];
            let end = ["S: 501 no/", "C: STARTTLS/"];
            let script: Vec<&str> = begin.iter().chain(auth).chain(&end).copied().collect();
            let (_, server, _) = play(&bare, &script);
            let blocked = "NOOP fixsmtpio STARTTLS BLOCK STARTTLS/";
            assert_eq!(server, format!("EHLO x/AUTH LOGIN/{response}/{blocked}"));
        }
    }
}

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
    let make = || settings(":greeting::5*:15:&fixsmtpio_noop\n", "", Tls::Available);
    let script = ["S: 220 x/", "C: STARTTLS/", "S: 250 ok/", "S: 554 no/", "C: EHLO x/"];
    let (client, _, ended) = play(&make, &script);
    assert!(client.ends_with("[tls]554 no/"));
    assert_eq!(ended, Some(Some(15)));
}

#[test]
fn d14_starttls_is_advertised_rule_or_no_rule() {
    for rules in ["", RULES] {
        let make = move || settings(rules, "", Tls::Available);
        for reply in ["250 x/", "250-x/250 STARTTLS/", "250-x/250-STARTTLS/250 PIPELINING/"] {
            let reply = format!("S: {reply}");
            let (client, _, _) = play(&make, &["S: 220 x/", "C: EHLO x/", &reply]);
            assert_eq!(client.matches("STARTTLS").count(), 1, "{client}");
            assert!(client.contains("/250-STARTTLS/") || client.ends_with("/250 STARTTLS/"));
        }
        let refused = play(&make, &["S: 220 x/", "C: EHLO x/", "S: 550 no/"]).0;
        assert!(!refused.contains("STARTTLS"), "{refused}");
    }
    let behind_authup = || settings(RULES, "AUTHUP_USER", Tls::Available);
    let (client, _, _) = play(&behind_authup, &["S: 220 x/", "C: EHLO x/", "S: 250 x/"]);
    assert!(!client.contains("STARTTLS"));
}

#[test]
fn d15_a_client_that_closes_still_gets_its_replies() {
    let (client, _, ended) =
        play(&bare, &["S: 220 x/", "C: NOOP/NOOP/half", "C closes", "S: 250 a/250 b/", "S closes"]);
    assert_eq!((client.as_str(), ended), ("220 x/250 a/250 b/", Some(None)));
}

#[test]
fn rules_for_the_end_of_input_see_what_is_left() {
    let make = || settings(":clienteof::QU*:7:\n", "", Tls::Absent);
    assert_eq!(play(&make, &["S: 220 x/", "C: QUI", "C closes", "S closes"]).2, Some(Some(7)));
    assert_eq!(play(&make, &["S: 220 x/", "C: NO", "C closes", "S closes"]).2, Some(None));
}

fn introduced(hello: &str, rules: &str) -> Settings {
    let hello = crate::smtp::hello::Hello::decode(hello.as_bytes()).unwrap();
    let literal = Some(b"[192.0.2.7]".to_vec());
    let introduction = Some(Introduction { hello, literal });
    Settings { introduction, ..settings(rules, "AUTHUP_USER", Tls::Absent) }
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
    let make = || settings("", "AUTHUP_USER", Tls::Absent);
    assert_eq!(play(&make, &["S: 220 x/", mail]).1, "MAIL FROM:<a@b>/");
    // The client's own EHLO shows what there is.
    let offers = ["S: 220 x/", "C: EHLO x/", "S: 250-x/250 AUTH PLAIN/", mail];
    assert_eq!(play(&make, &offers).1, "EHLO x/MAIL FROM:<a@b> AUTH=<>/");
    // Without a login AUTH is between the two.
    let make = || settings("", "", Tls::Absent);
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
    let behind = || settings(":helo::*::x\n", "AUTHUP_USER", Tls::Absent);
    let alone = || settings(":helo::*::x\n", "", Tls::Absent);
    let gone = "421 unable to start the mail server (#4.3.0)/";
    let makes: [&dyn Fn() -> Settings; 2] = [&behind, &alone];
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
    let ruled = || settings(":greeting::5*:15:&fixsmtpio_noop\n", "AUTHUP_USER", Tls::Absent);
    assert_eq!(play(&ruled, &["S: 554 no/"]).0, "554 no/");
}

#[test]
fn d46_a_rule_that_looks_at_the_request_holds_for_no_other() {
    let rules = ":mail::250*::250 fine\n\
                 request mail boss@*\n:mail:NOOP :*::553 not you\n\
                 request rcpt list-[ab]@example.org\n:rcpt:NOOP :2*::550 no list\n";
    let make = || settings(rules, "", Tls::Absent);
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
    let make = || settings(rules, "", Tls::Absent);
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

#[test]
fn d19_bare_newlines_in_requests() {
    for (bare_newline, server_sees) in
        [(BareNewline::Pass, "NOOP\nNOOP/"), (BareNewline::Normalize, "NOOP/NOOP/")]
    {
        let make = || Settings { bare_newline, ..bare() };
        assert_eq!(play(&make, &["C: NOOP\nNOOP/"]).1, server_sees);
    }
    let strict = || Settings { bare_newline: BareNewline::Reject, ..bare() };
    let said = ["S: 220 x/", "C: RSET/NOOP\nMAIL/", "S: 250 ok/"];
    let (client, server, ended) = play(&strict, &said);
    assert_eq!(server, "RSET/");
    assert_eq!((client.as_str(), ended), ("220 x/250 ok/521 bare newline (#5.5.2)/", Some(None)));
    let (client, _, ended) = play(&strict, &["S: 220 x/", "C: NOOP\nMAIL/"]);
    assert_eq!((client.as_str(), ended), ("220 x/521 bare newline (#5.5.2)/", Some(None)));
    let (client, server, ended) =
        play(&strict, &["S: 220 x/", "C: DATA/", "S: 354 go/", "C: a/b\nc/./"]);
    assert!(!server.contains("./"), "{server}");
    assert!(client.ends_with("521 bare newline (#5.5.2)/") && ended == Some(None));
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

/// All that is shown to whoever looks on.
#[derive(Default)]
struct Shown(Vec<u8>);

impl Watch for Shown {
    fn saw(&mut self, _what: Seen, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut relay = Relay::new(bare(), Shown::default());
    relay.from_client(b"AUTH PLAIN hunter2\r\n");
    relay.from_server(b"220 x\r\n");
    relay.from_server(b"535 no\r\n");
    relay.from_client(b"AUTH LOGIN\r\n");
    relay.from_server(b"334 VXNlcm5hbWU6\r\n");
    relay.from_client(b"hunter2\r\n");
    relay.from_server(b"250 fine\r\n");
    relay.from_client(b"NOOP\r\n");
    let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("NOOP"), "{shown}");
}

#[test]
fn secrets_are_not_shown_where_they_come_before_they_are_asked_for() {
    let mut relay = Relay::new(bare(), Shown::default());
    // Whatever else a response may look like.
    let says = b"AUTH LOGIN\r\nSTARTTLS\r\n hunter1\r\nhunter2\r\nNOOP\r\n";
    let mut taken = 0;
    for reply in [&b"220 x\r\n"[..], b"334 a\r\n", b"334 b\r\n", b"334 c\r\n", b"235 ok\r\n"] {
        while let Take::Took(count) = relay.from_client(&says[taken..]) {
            taken += count;
        }
        assert_eq!(relay.from_server(reply), reply.len());
    }
    relay.from_client(&says[taken..]);
    let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("NOOP"), "{shown}");
}

#[test]
fn secrets_are_not_shown_where_servers_may_differ_on_the_verb() {
    for request in ["\tAUTH", " auth", "AUTH\t", "NOOP\rAUTH", "\0AUTH"] {
        let mut relay = Relay::new(bare(), Shown::default());
        relay.from_server(b"220 x\r\n");
        relay.from_client(format!("{request} PLAIN hunter2\r\n").as_bytes());
        relay.from_server(b"250 fine\r\n");
        relay.from_client(b" NOOP\r\n");
        let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(" NOOP"), "{shown}");
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

/// A server that answers each request with a reply that names it, and keeps what
/// it received.
#[derive(Default)]
struct Server {
    input: Vec<u8>,
    in_message: bool,
    messages: Vec<Vec<u8>>,
    output: Vec<u8>,
}

impl Server {
    fn work(&mut self) {
        loop {
            let end: &[u8] = if self.in_message { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(at) = self.input.windows(end.len()).position(|some| some == end) else {
                return;
            };
            let unit: Vec<u8> = self.input.drain(..at + end.len()).collect();
            if self.in_message {
                self.in_message = false;
                let number = self.messages.len();
                self.output.extend(format!("250 message {number}\r\n").bytes());
                self.messages.push(unit);
            } else if unit == b"DATA\r\n" {
                self.in_message = true;
                self.output.extend(b"354 go\r\n");
            } else {
                self.output.extend(b"250-");
                self.output.extend_from_slice(&unit);
                self.output.extend(b"250 that was it\r\n");
            }
        }
    }
}

fn requests() -> impl Strategy<Value = Vec<Vec<u8>>> {
    // A message is never empty here, so that its end is CRLF.CRLF for the server
    // above; its octets are otherwise any.
    let line = prop::collection::vec(any::<u8>(), 0..60);
    let message = prop::collection::vec(line, 1..5).prop_map(|lines| {
        let text = lines.concat();
        let octets = text.iter().filter(|octet| !b"\r\n".contains(octet)).copied();
        [b"Subject: ".to_vec(), octets.collect(), b"\r\n\r\nx\r\n.\r\n".to_vec()].concat()
    });
    let request = prop_oneof![
        "(NOOP|RSET|MAIL|RCPT|VRFY) [a-z]{0,8}".prop_map(|text| format!("{text}\r\n").into_bytes()),
        message.prop_map(|message| [b"DATA\r\n".to_vec(), message].concat()),
    ];
    prop::collection::vec(request, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// For any script of requests and messages, whatever is pipelined, and however
    /// both sides' octets are cut and interleaved: message octets come out exact,
    /// and each reply goes to its request.
    #[test]
    fn whatever_the_cuts_messages_are_exact_and_replies_paired(
        requests in requests(),
        turns in prop::collection::vec((any::<bool>(), 1_usize..80), 0..200),
    ) {
        let mut expected = b"220 hi\r\n".to_vec();
        let mut messages = Vec::new();
        for request in &requests {
            match request.strip_prefix(b"DATA\r\n") {
                Some(message) => {
                    expected.extend(format!("354 go\r\n250 message {}\r\n", messages.len()).bytes());
                    messages.push(message.to_vec());
                }
                None => {
                    expected.extend(b"250-");
                    expected.extend(request);
                    expected.extend(b"250 that was it\r\n");
                }
            }
        }
        let mut run = Run::new(bare());
        let mut server = Server { output: b"220 hi\r\n".to_vec(), ..Server::default() };
        let mut client: Deque<u8> = requests.concat().into();
        let mut rest = core::iter::repeat_n((true, 1000), 4000).zip([true, false].into_iter().cycle());
        let turns = turns.into_iter().chain(core::iter::from_fn(|| {
            rest.next().map(|((_, count), side)| (side, count))
        }));
        for (is_client, count) in turns {
            if is_client {
                let piece: Vec<u8> = client.drain(..count.min(client.len())).collect();
                run.client(&piece);
            } else {
                server.input.append(&mut run.at_server);
                server.work();
                let piece: Vec<u8> = server.output.drain(..count.min(server.output.len())).collect();
                run.server(&piece);
            }
            if run.at_client.len() >= expected.len() && client.is_empty() {
                break;
            }
        }
        prop_assert_eq!(String::from_utf8_lossy(&run.at_client), String::from_utf8_lossy(&expected));
        prop_assert_eq!(server.messages, messages);
    }
}
