//! Conversations with the dialog, each at every split point of what the client says. Here
//! is what plays them, and those that are of more than one protocol.

mod imap;
mod pop3;
mod smtp;

use super::*;
use crate::line::LONGEST_COMMAND;
use crate::split_anywhere::at_every_split;
use crate::ucspi_tls::Tls;
use alloc::format;
use alloc::vec::Vec;
use outcome::Outcome;
use protocol::Protocol;
use smtp::MALFORMED;
use std::string::String;

fn config(protocol: Protocol, tls: Tls) -> DialogConfig {
    let capabilities = match protocol {
        Protocol::Smtp => ["PIPELINING", "8BITMIME"],
        Protocol::Pop3 => ["TOP", "UIDL"],
        Protocol::Imap => ["IDLE", "NAMESPACE"],
    };
    DialogConfig {
        protocol,
        greeting: b"mail.example.org".to_vec(),
        capabilities: capabilities.map(|line| line.as_bytes().to_vec()).to_vec(),
        tls,
        tries: 2,
        auth_equals: false,
        timestamp: protocol.timestamp(7, 9, b"mail.example.org"),
    }
}

/// Everything that happens, in order: replies as they are, steps in brackets.
/// Answers each login with what `outcome` says of its record.
fn drive(login: &mut Login, input: &[u8], seen: &mut String, outcome: fn(&[u8]) -> Outcome) {
    drive_by(Login::push, login, input, seen, outcome);
}

/// The same, by one way to take input or the other.
fn drive_by(
    push: fn(&mut Login, &[u8]) -> usize,
    login: &mut Login,
    input: &[u8],
    seen: &mut String,
    outcome: fn(&[u8]) -> Outcome,
) {
    let mut rest = input;
    loop {
        match login.step() {
            Step::Send(reply) => seen.push_str(&String::from_utf8_lossy(reply)),
            Step::NeedInput if rest.is_empty() => return,
            Step::NeedInput => {
                let taken = push(login, rest);
                assert!(taken > 0, "asks for input and takes none");
                rest = &rest[taken..];
            }
            Step::CheckTls => {
                seen.push_str("[check]");
                login.tls_checked(true);
            }
            Step::StartTls => {
                seen.push_str("[tls]");
                login.tls_started();
            }
            Step::Login(attempt) => {
                let (shown, outcome) = match &attempt {
                    Attempt::Check(record, _) => {
                        let shown = String::from_utf8_lossy(record.expose()).replace('\0', "|");
                        (shown, outcome(record.expose()))
                    }
                    Attempt::SomebodyElse(_) => ("nobody".into(), Outcome::Refused),
                };
                seen.push_str(&format!("[{shown}]"));
                login.outcome(outcome);
            }
            Step::OtherProtocol(spoken) => {
                seen.push_str(&format!("[end: {spoken}]"));
                return;
            }
            Step::End(code) => {
                seen.push_str(&format!("[end {code}]"));
                return;
            }
        }
    }
}

fn refuse_all(_record: &[u8]) -> Outcome {
    Outcome::Refused
}

fn conversation(
    config: impl Fn() -> DialogConfig,
    input: &str,
    outcome: fn(&[u8]) -> Outcome,
) -> String {
    at_every_split(input.as_bytes(), |pieces| {
        let [by_line, at_once] = [Login::push, Login::push_lines].map(|push| {
            let mut login = Login::new(config());
            let mut seen = String::new();
            for piece in pieces {
                drive_by(push, &mut login, piece, &mut seen, outcome);
                if seen.contains("[end") {
                    break;
                }
            }
            seen
        });
        assert_eq!(by_line, at_once);
        by_line
    })
}

/// The conversation where every login is refused.
fn said(protocol: Protocol, tls: Tls, input: &str) -> String {
    conversation(|| config(protocol, tls), input, refuse_all)
}

/// The same, not split: for input that is long.
fn said_at_once(protocol: Protocol, tls: Tls, input: &[u8]) -> String {
    let mut seen = String::new();
    drive(&mut Login::new(config(protocol, tls)), input, &mut seen, refuse_all);
    seen
}

/// A dialog that has greeted its client.
fn greeted(protocol: Protocol, tls: Tls) -> Login {
    let mut login = Login::new(config(protocol, tls));
    assert!(matches!(login.step(), Step::Send(_)));
    login
}

fn smtp(input: &str) -> String {
    let seen = said(Protocol::Smtp, Tls::Absent, input);
    seen.strip_prefix("220 mail.example.org ESMTP\r\n").unwrap().replace("\r\n", "/")
}

fn pop3(input: &str) -> String {
    let seen = said(Protocol::Pop3, Tls::Absent, input);
    seen.strip_prefix("+OK mail.example.org\r\n").unwrap().replace("\r\n", "/")
}

#[test]
fn d03_no_login_is_advertised_where_tls_is_required() {
    let input = "EHLO x\r\nAUTH PLAIN AGFsaWNlAHg=\r\nSTARTTLS\r\nEHLO x\r\n";
    let seen = said(Protocol::Smtp, Tls::Required, input);
    let (clear, tls) = seen.split_once("[check]").unwrap();
    assert!(clear.contains("250-STARTTLS\r\n") && !clear.contains("LOGIN"), "{clear}");
    assert!(clear.ends_with("530 authup Must start TLS first (#5.7.0)\r\n"), "{clear}");
    assert!(tls.contains("250-AUTH LOGIN PLAIN\r\n") && !tls.contains("STARTTLS"), "{tls}");

    let seen = said(Protocol::Pop3, Tls::Required, "CAPA\r\nUSER a\r\nSTLS\r\nCAPA\r\n");
    let (clear, tls) = seen.split_once("[check]").unwrap();
    assert!(clear.contains("STLS\r\n") && !clear.contains("USER\r\n"), "{clear}");
    assert!(clear.ends_with("-ERR authup Must start TLS first\r\n"), "{clear}");
    assert!(tls.contains("USER\r\n") && !tls.contains("STLS\r\n"), "{tls}");
}

#[test]
fn d06_a_nul_in_user_or_password_is_malformed() {
    // "alice NUL" by LOGIN; NUL alice NUL "x NUL y" by PLAIN.
    assert!(smtp("AUTH LOGIN YWxpY2UA\r\neA==\r\n").ends_with(MALFORMED));
    assert_eq!(smtp("AUTH PLAIN AGFsaWNlAHgAeQ==\r\n"), MALFORMED);
    assert!(pop3("USER a\r\nPASS x\0y\r\n").ends_with("-ERR authup malformed auth input/"));
}

#[test]
fn d26_trouble_that_may_pass_is_said_to_be_that() {
    let outcome = |_: &[u8]| Outcome::Temporary;
    let auth = "AUTH PLAIN AGFsaWNlAHg=\r\n";
    let smtp = conversation(|| config(Protocol::Smtp, Tls::Absent), auth, outcome);
    assert!(smtp.ends_with("454 authup temporary authentication failure (#4.7.0)\r\n"), "{smtp}");
    let pop3 =
        conversation(|| config(Protocol::Pop3, Tls::Absent), "USER a\r\nPASS b\r\n", outcome);
    let line = "-ERR [SYS/TEMP] authup temporary authentication failure\r\n";
    assert!(pop3.ends_with(line), "{pop3}");
}

#[test]
fn d31_starttls_takes_no_argument() {
    let seen = said(Protocol::Smtp, Tls::Available, "STARTTLS now\r\nNOOP\r\n");
    assert!(seen.ends_with("501 authup syntax error (#5.5.4)\r\n250 ok\r\n"), "{seen}");
    let seen = said(Protocol::Pop3, Tls::Available, "STLS now\r\n");
    assert!(seen.ends_with("-ERR authup syntax error\r\n"), "{seen}");
}

#[test]
fn lines_that_come_together_are_answered_together_and_what_follows_a_login_is_not_taken() {
    let begin = "NOOP\r\nAUTH LOGIN\r\nYWxpY2U=\r\n";
    for (protocol, login, input) in [
        (Protocol::Smtp, "eA==\r\n", format!("{begin}eA==\r\nNOOP\r\n")),
        (Protocol::Pop3, "PASS x\r\n", "NOOP\r\nUSER alice\r\nPASS x\r\nNOOP\r\n".into()),
    ] {
        let upto = input.find(login).unwrap() + login.len();
        let one_by_one = said_at_once(protocol, Tls::Absent, &input.as_bytes()[..upto]);

        let mut dialog = Login::new(config(protocol, Tls::Absent));
        assert_eq!(dialog.push_lines(input.as_bytes()), 0, "the greeting is still to be sent");
        let Step::Send(greeting) = dialog.step() else { panic!("no greeting") };
        let mut said = greeting.to_vec();
        assert_eq!(dialog.push_lines(input.as_bytes()), upto);
        let Step::Send(replies) = dialog.step() else { panic!("no replies") };
        said.extend_from_slice(replies);
        let said = String::from_utf8(said).unwrap();
        assert!(one_by_one.starts_with(&format!("{said}[alice|x|")), "{said}: {one_by_one}");
        assert!(matches!(dialog.step(), Step::Login(_)));
        assert_eq!(dialog.push_lines(b"NOOP\r\n"), 0);
    }
}

#[test]
fn d60_other_protocols_end_with_the_line_or_octets_that_show_them() {
    const HTTP: &str = "[end: client speaks HTTP]";
    const TLS: &str = "[end: client speaks TLS at once]";
    let http = "GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n";
    let hello = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\n\0";
    let long = hello.replace('\n', &"x".repeat(2 * LONGEST_COMMAND));
    let said = "421 authup HTTP is not spoken here (#4.5.0)/";
    assert_eq!(smtp(http), format!("{said}{HTTP}"));
    assert_eq!(smtp(&format!("NOOP\r\n{http}")), format!("250 ok/{said}{HTTP}"));
    assert_eq!(pop3(http), format!("-ERR authup HTTP is not spoken here/{HTTP}"));
    for seen in [smtp, pop3] {
        assert_eq!(seen(hello), TLS);
        assert_eq!(seen(&long), TLS);
    }
    assert_eq!(smtp(&format!("NOOP\r\n{hello}")), format!("250 ok/{TLS}"));
    let seen = said_at_once(Protocol::Smtp, Tls::Absent, b"\x80\x2e\x01\x00\x02evil\n");
    assert_eq!(seen, format!("220 mail.example.org ESMTP\r\n{TLS}"));
    // Within an exchange it is a response like any other.
    let ask = "334 VXNlcm5hbWU6/";
    assert_eq!(smtp(&format!("AUTH LOGIN\r\n{http}")).matches(MALFORMED).count(), 1);
    assert_eq!(smtp(&format!("AUTH LOGIN\r\n{hello}")), format!("{ask}{MALFORMED}"));
}
