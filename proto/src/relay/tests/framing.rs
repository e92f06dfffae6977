//! Where a request, a message and a chunk end, and which reply is whose: by script, and by chance.

use super::*;

#[test]
fn without_rules_everything_passes() {
    let (client, server, _) = play(
        &bare,
        &[
            "S: 220 hi/",
            "C: EHLO x/",
            "S: 250-a/250-AUTH PLAIN/250 b/",
            "C: QUIT/",
            "S: 221 bye/",
            "S closes",
        ],
    );
    assert_eq!(client, "220 hi/250-a/250-AUTH PLAIN/250 b/221 bye/");
    assert_eq!(server, "EHLO x/QUIT/");
}

#[test]
fn pipelined_requests_pair_with_their_replies() {
    let make = || config(":mail::2*::250 M\n:rcpt::2*::250 R\n", "", Tls::Absent);
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
    let make = || config(":bdat::2*::250 chunk\n:noop::*::250 noop\n", "", Tls::Absent);
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
    let announced = || config(":ehlo::250*::250 CHUNKING\n", "", Tls::Absent);
    let first = || config("", "", Tls::Required);
    let no = "503 BDAT without CHUNKING (#5.5.1)/";
    let block = "NOOP fixsmtpio CHUNKING BLOCK ";
    let must = "530 Must start TLS first (#5.7.0)/";
    let makes: [(&dyn Fn() -> RelayConfig, &str, &str); 3] = [
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
    let make = || config(":ehlo:NOOP :*::250 x\n", "", Tls::Absent);
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
fn d19_d73_bare_newlines_in_requests() {
    for bare_newline in [BareNewline::Pass, BareNewline::Normalize, BareNewline::AcceptEnd] {
        let make = || RelayConfig { bare_newline, ..bare() };
        assert_eq!(play(&make, &["C: NOOP\nNOOP/"]).1, "NOOP/NOOP/");
    }
    // What stands behind them is a chunk to everybody, or a response, or held back.
    let chunk = "BDAT 6\nX/AUTHNOOP\n";
    let said = ["S: 220 x/", "C: EHLO x\n", "S: 250-x/250 CHUNKING/", &format!("C: {chunk}")];
    assert_eq!(play(&bare, &said).1, "EHLO x/BDAT 6/X/AUTHNOOP/");
    let said = ["S: 220 x/", "C: AUTH LOGIN\n", "S: 334 x/", "C: NOOP\nSTARTTLS\n", "S: 501 x/"];
    assert_eq!(play(&bare, &said).1, "AUTH LOGIN/NOOP/NOOP fixsmtpio STARTTLS BLOCK STARTTLS/");
    assert_eq!(
        play(&bare, &["S: 220 x/", "C: BDAT 6\n"]).1,
        "NOOP fixsmtpio CHUNKING BLOCK BDAT 6/"
    );
    let strict = || RelayConfig { bare_newline: BareNewline::Reject, ..bare() };
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
fn d19_a_message_that_is_refused_is_heard_out() {
    let strict = || RelayConfig { bare_newline: BareNewline::Reject, ..bare() };
    let behind_354 = |said: &[&str]| {
        let script = [&["S: 220 x/", "C: DATA/", "S: 354 go/"], said].concat();
        let (client, server, ended) = play(&strict, &script);
        let told = client.strip_prefix("220 x/354 go/").unwrap().to_string();
        (told, server.strip_prefix("DATA/").unwrap().to_string(), ended)
    };
    let no = "521 bare newline (#5.5.2)/";
    for (said, sent) in [
        ("C: a\nb/.x/./NOOP/", "a"),
        ("C: a\nb\n.\nNOOP/", "a"),
        ("C: a/.\nNOOP/", "a/."),
        ("C: \n./NOOP/", ""),
    ] {
        assert_eq!(behind_354(&[said]), (no.into(), sent.into(), Some(None)), "{said:?}");
    }
    let begun = "C: a\nb/.";
    assert_eq!(behind_354(&[begun]), (String::new(), "a".into(), None));
    assert_eq!(behind_354(&[begun, "C closes"]), (no.into(), "a".into(), Some(None)));
    let ended = "421 the mail server has ended (#4.3.0)/";
    assert_eq!(behind_354(&[begun, "S closes"]), (ended.into(), "a".into(), Some(None)));
}

#[test]
fn d21_within_a_chunk_the_client_is_waited_for() {
    let mut run = Run::new(bare());
    run.server(b"220 x\r\n");
    assert!(run.relay.waits_for_client(false));
    run.client(b"EHLO x\r\n");
    assert!(!run.relay.waits_for_client(false));
    run.server(b"250-x\r\n250 CHUNKING\r\n");
    run.client(b"BDAT 3\r\na");
    assert!(run.relay.waits_for_client(false), "the server waits for the chunk");
    assert!(!run.relay.waits_for_client(true), "the server is given more of it");
    run.client(b"bcNOOP\r\nBDAT 3\r\na");
    assert!(!run.relay.waits_for_client(false), "a reply is due before it");
    run.server(b"250 abc\r\n250 ok\r\n");
    assert!(run.relay.waits_for_client(false));
    run.server_window.extend_from_slice(b"250-ok\r\n");
    run.relay.from_server(b"250-ok\r\n250-ok\r\n");
    assert!(!run.relay.waits_for_client(false), "the server is answering");
    // Whatever is on its way to the server, a client that does not read is not waited for forever.
    run.relay.to_client.push(b"250 ok\r\n");
    assert!(run.relay.waits_for_client(true));
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
