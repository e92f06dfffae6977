//! Conversations with the dialog, each at every split point of what the client says.

use super::*;
use crate::line::LONGEST_COMMAND;
use crate::split_anywhere::at_every_split;
use crate::ucspi_tls::Tls;
use alloc::format;
use alloc::vec::Vec;
use outcome::Outcome;
use protocol::Protocol;
use std::string::String;

pub(super) fn config(protocol: Protocol, tls: Tls) -> DialogConfig {
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
pub(super) fn drive(
    login: &mut Login,
    input: &[u8],
    seen: &mut String,
    outcome: fn(&[u8]) -> Outcome,
) {
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

pub(super) fn refuse_all(_record: &[u8]) -> Outcome {
    Outcome::Refused
}

pub(super) fn conversation(
    config: fn() -> DialogConfig,
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

fn smtp(input: &str) -> String {
    let seen = conversation(|| config(Protocol::Smtp, Tls::Absent), input, refuse_all);
    seen.strip_prefix("220 mail.example.org ESMTP\r\n").unwrap().replace("\r\n", "/")
}

fn pop3(input: &str) -> String {
    let seen = conversation(|| config(Protocol::Pop3, Tls::Absent), input, refuse_all);
    seen.strip_prefix("+OK mail.example.org\r\n").unwrap().replace("\r\n", "/")
}

const REFUSED: &str = "535 authup authorization failed (#5.7.0)/";
const MALFORMED: &str = "501 authup malformed auth input (#5.5.4)/";
const REQUIRED: &str = "530 authup authentication required (#5.7.1)/";

#[test]
fn smtp_commands() {
    for (input, answer) in [
        ("HELO x\r\n", "250 mail.example.org/"),
        ("noop\n", "250 ok/"),
        ("QUIT\r\nNOOP\r\n", "221 mail.example.org/[end 0]"),
        (
            "MAIL FROM:<>\r\n\r\n",
            "530 authup authentication required (#5.7.1)/530 authup authentication required (#5.7.1)/",
        ),
        (
            "AUTH\r\nAUTH CRAM-MD5\r\n",
            "504 authup auth type unimplemented (#5.5.1)/504 authup auth type unimplemented (#5.5.1)/",
        ),
        ("STARTTLS\r\n", "502 unimplemented (#5.5.1)/"),
    ] {
        assert_eq!(smtp(input), answer, "{input}");
    }
}

#[test]
fn ehlo_lists_what_there_is() {
    assert_eq!(
        smtp("EHLO x\r\n"),
        "250-mail.example.org/250-AUTH LOGIN PLAIN/250-PIPELINING/250 8BITMIME/"
    );
}

#[test]
fn d37_the_last_line_of_whatever_there_is_ends_the_ehlo_reply() {
    let bare =
        || DialogConfig { capabilities: Vec::new(), ..config(Protocol::Smtp, Tls::Required) };
    let seen = conversation(bare, "EHLO x\r\n", refuse_all);
    assert!(seen.ends_with("250-mail.example.org\r\n250 STARTTLS\r\n"), "{seen}");
    let bare = || DialogConfig { capabilities: Vec::new(), ..config(Protocol::Smtp, Tls::Absent) };
    let seen = conversation(bare, "EHLO x\r\n", refuse_all);
    assert!(seen.ends_with("250-mail.example.org\r\n250 AUTH LOGIN PLAIN\r\n"), "{seen}");
}

#[test]
fn old_clients_get_auth_equals() {
    let old = || DialogConfig { auth_equals: true, ..config(Protocol::Smtp, Tls::Absent) };
    let seen = conversation(old, "EHLO x\r\n", refuse_all);
    assert!(seen.contains("250-AUTH LOGIN PLAIN\r\n250-AUTH=LOGIN PLAIN\r\n"), "{seen}");
}

#[test]
fn auth_plain_and_login_reach_checkpassword() {
    for input in [
        "AUTH PLAIN AGFsaWNlAHg=\r\n",
        "auth plain\r\nAGFsaWNlAHg=\r\n",
        "AUTH  PLAIN   AGFsaWNlAHg=  \r\n",
        "AUTH LOGIN\r\nYWxpY2U=\r\neA==\r\n",
        "AUTH LOGIN \r\nYWxpY2U=\r\neA==\r\n",
        "AUTH LOGIN YWxpY2U=\r\neA==\r\n",
    ] {
        let seen = smtp(input);
        assert!(seen.ends_with(&format!("[alice|x||]{REFUSED}")), "{input} {seen}");
    }
    assert!(smtp("AUTH PLAIN\r\n").ends_with("334 /"));
    assert_eq!(smtp("AUTH LOGIN\r\nYQ==\r\n"), "334 VXNlcm5hbWU6/334 UGFzc3dvcmQ6/");
}

#[test]
fn d01_what_crashed_the_c_program_is_malformed() {
    for input in ["AUTH PLAIN ====", "AUTH PLAIN =", "AUTH LOGIN =", "AUTH PLAIN Y", "AUTH PLAIN !"]
    {
        assert_eq!(smtp(&format!("{input}\r\n")), MALFORMED, "{input}");
    }
    assert_eq!(smtp("AUTH PLAIN\r\n=\r\n"), format!("334 /{MALFORMED}"));
}

#[test]
fn d02_an_exchange_that_is_given_up_is_answered_once() {
    let cancelled = "501 authup auth exchange cancelled (#5.0.0)/";
    let (user, password) = ("334 VXNlcm5hbWU6/", "334 UGFzc3dvcmQ6/");
    for (input, answer) in [
        ("AUTH LOGIN\r\n*\r\nX\r\n", format!("{user}{cancelled}{REQUIRED}")),
        ("AUTH LOGIN\r\n\r\nX\r\n", format!("{user}{MALFORMED}{REQUIRED}")),
        ("AUTH LOGIN YQ==\r\n*\r\nX\r\n", format!("{password}{cancelled}{REQUIRED}")),
        ("AUTH LOGIN YQ==\r\n\r\nX\r\n", format!("{password}{MALFORMED}{REQUIRED}")),
        ("AUTH PLAIN\r\n*\r\nX\r\n", format!("334 /{cancelled}{REQUIRED}")),
        ("AUTH PLAIN\r\n\r\nX\r\n", format!("334 /{MALFORMED}{REQUIRED}")),
    ] {
        assert_eq!(smtp(input), answer, "{input}");
    }
}

#[test]
fn d03_no_login_is_advertised_where_tls_is_required() {
    let smtp = || config(Protocol::Smtp, Tls::Required);
    let seen = conversation(
        smtp,
        "EHLO x\r\nAUTH PLAIN AGFsaWNlAHg=\r\nSTARTTLS\r\nEHLO x\r\n",
        refuse_all,
    );
    let (clear, tls) = seen.split_once("[check]").unwrap();
    assert!(clear.contains("250-STARTTLS\r\n") && !clear.contains("LOGIN"), "{clear}");
    assert!(clear.ends_with("530 authup Must start TLS first (#5.7.0)\r\n"), "{clear}");
    assert!(tls.contains("250-AUTH LOGIN PLAIN\r\n") && !tls.contains("STARTTLS"), "{tls}");

    let pop3 = || config(Protocol::Pop3, Tls::Required);
    let seen = conversation(pop3, "CAPA\r\nUSER a\r\nSTLS\r\nCAPA\r\n", refuse_all);
    let (clear, tls) = seen.split_once("[check]").unwrap();
    assert!(clear.contains("STLS\r\n") && !clear.contains("USER\r\n"), "{clear}");
    assert!(clear.ends_with("-ERR authup Must start TLS first\r\n"), "{clear}");
    assert!(tls.contains("USER\r\n") && !tls.contains("STLS\r\n"), "{tls}");
}

#[test]
fn d06_long_lines_are_refused_and_skipped() {
    let long = "500 authup line too long (#5.5.2)/";
    let command = "x".repeat(LONGEST_COMMAND + 1);
    let auth = format!("AUTH PLAIN {}", "A".repeat(crate::line::LONGEST));
    let mut login = Login::new(config(Protocol::Smtp, Tls::Absent));
    let mut seen = String::new();
    let input = format!("{command}\r\nNOOP\r\n{auth}\r\nNOOP\r\nAUTH PLAIN\r\n{auth}\r\nNOOP\r\n");
    drive(&mut login, input.as_bytes(), &mut seen, refuse_all);
    let answers = format!("{long}250 ok/{long}250 ok/334 /{long}250 ok/");
    assert!(seen.replace("\r\n", "/").ends_with(&answers), "{seen}");
    // What AUTH may be, no other command may.
    let just_right = format!("AUTH PLAIN {}\r\n", "A".repeat(LONGEST_COMMAND));
    assert!(!smtp_unsplit(&just_right).contains("too long"));
    assert_eq!(smtp_unsplit(&just_right.replace("AUTH", "EHLO")), long);
}

fn smtp_unsplit(input: &str) -> String {
    let mut login = Login::new(config(Protocol::Smtp, Tls::Absent));
    let mut seen = String::new();
    drive(&mut login, input.as_bytes(), &mut seen, refuse_all);
    seen.replace("\r\n", "/").replace("220 mail.example.org ESMTP/", "")
}

#[test]
fn d06_a_nul_in_user_or_password_is_malformed() {
    // "alice NUL" by LOGIN; NUL alice NUL "x NUL y" by PLAIN.
    assert!(smtp("AUTH LOGIN YWxpY2UA\r\neA==\r\n").ends_with(MALFORMED));
    assert_eq!(smtp("AUTH PLAIN AGFsaWNlAHgAeQ==\r\n"), MALFORMED);
    assert!(pop3("USER a\r\nPASS x\0y\r\n").ends_with("-ERR authup malformed auth input/"));
}

#[test]
fn d25_rset_before_login_is_ok() {
    assert_eq!(smtp("RSET\r\n"), "250 ok/");
}

#[test]
fn d26_trouble_that_may_pass_is_said_to_be_that() {
    let outcome = |_: &[u8]| Outcome::Temporary;
    let smtp = conversation(
        || config(Protocol::Smtp, Tls::Absent),
        "AUTH PLAIN AGFsaWNlAHg=\r\n",
        outcome,
    );
    assert!(smtp.ends_with("454 authup temporary authentication failure (#4.7.0)\r\n"), "{smtp}");
    let pop3 =
        conversation(|| config(Protocol::Pop3, Tls::Absent), "USER a\r\nPASS b\r\n", outcome);
    let line = "-ERR [SYS/TEMP] authup temporary authentication failure\r\n";
    assert!(pop3.ends_with(line), "{pop3}");
}

#[test]
fn d44_a_temporary_failure_uses_up_no_try_and_the_second_ends_the_session() {
    let once = || DialogConfig { tries: 1, ..config(Protocol::Smtp, Tls::Absent) };
    let auth = "AUTH PLAIN AGFsaWNlAHg=\r\n";
    let seen = conversation(once, &auth.repeat(3), |_: &[u8]| Outcome::Temporary);
    let told = "454 authup temporary authentication failure (#4.7.0)\r\n[alice|x||]\
                421 authup temporary authentication failure (#4.7.0)\r\n[end 1]";
    assert!(seen.ends_with(told), "{seen}");
}

#[test]
fn d47_auth_as_pop3_has_it() {
    let refused = "-ERR [AUTH] authup authorization failed/";
    let record = "[alice|x|<7.9@mail.example.org>|]";
    for (input, answer) in [
        ("AUTH PLAIN AGFsaWNlAHg=\r\n", format!("{record}{refused}")),
        ("auth plain\r\nAGFsaWNlAHg= \r\n", format!("+ /{record}{refused}")),
        (
            "AUTH LOGIN\r\nYWxpY2U=\r\neA==\r\n",
            format!("+ VXNlcm5hbWU6/+ UGFzc3dvcmQ6/{record}{refused}"),
        ),
        ("AUTH PLAIN\r\n*\r\n", "+ /-ERR authup auth exchange cancelled/".into()),
        ("AUTH PLAIN =\r\n", "-ERR authup malformed auth input/".into()),
        ("AUTH CRAM-MD5\r\nAUTH\r\n", "-ERR authup auth type unimplemented/".repeat(2)),
    ] {
        assert_eq!(pop3(input), answer, "{input}");
    }
    let required = || config(Protocol::Pop3, Tls::Required);
    let seen = conversation(required, "CAPA\r\nAUTH PLAIN AGFsaWNlAHg=\r\n", refuse_all);
    assert!(!seen.contains("SASL"), "{seen}");
    assert!(seen.ends_with("-ERR authup Must start TLS first\r\n"), "{seen}");
}

#[test]
fn d48_blanks_at_the_end_of_a_response_are_welcome() {
    let refused = format!("[alice|x||]{REFUSED}");
    assert_eq!(smtp("AUTH PLAIN\r\nAGFsaWNlAHg=  \r\n"), format!("334 /{refused}"));
    let asked = "334 VXNlcm5hbWU6/334 UGFzc3dvcmQ6/";
    assert_eq!(smtp("AUTH LOGIN\r\nYWxpY2U= \r\neA==  \r\n"), format!("{asked}{refused}"));
    let cancelled = "334 /501 authup auth exchange cancelled (#5.0.0)/";
    assert_eq!(smtp("AUTH PLAIN\r\n* \r\n"), cancelled);
    assert_eq!(smtp("AUTH PLAIN\r\n \r\n"), format!("334 /{MALFORMED}"));
}

#[test]
fn d31_starttls_takes_no_argument() {
    let offered = || config(Protocol::Smtp, Tls::Available);
    let seen = conversation(offered, "STARTTLS now\r\nNOOP\r\n", refuse_all);
    assert!(seen.ends_with("501 authup syntax error (#5.5.4)\r\n250 ok\r\n"), "{seen}");
    let offered = || config(Protocol::Pop3, Tls::Available);
    let seen = conversation(offered, "STLS now\r\n", refuse_all);
    assert!(seen.ends_with("-ERR authup syntax error\r\n"), "{seen}");
}

#[test]
fn d36_nobody_logs_in_as_somebody_else() {
    // bob NUL alice NUL x
    let asked = "AUTH PLAIN Ym9iAGFsaWNlAHg=\r\n";
    assert_eq!(smtp(asked), format!("[nobody]{REFUSED}"));
    assert_eq!(smtp(&asked.repeat(2)), format!("[nobody]{REFUSED}[nobody]{REFUSED}[end 1]"));
}

#[test]
fn d10_tls_that_cannot_start_leaves_the_session_as_it_was() {
    let mut login = Login::new(config(Protocol::Pop3, Tls::Available));
    let mut seen = String::new();
    drive(&mut login, b"USER alice\r\n", &mut seen, refuse_all);
    assert!(matches!(login.step(), Step::NeedInput));
    assert_eq!(login.push(b"STLS\r\n"), 6);
    assert!(matches!(login.step(), Step::CheckTls));
    login.tls_checked(false);
    drive(&mut login, b"PASS x\r\n", &mut seen, refuse_all);
    let answers = "-ERR authup TLS temporarily not available\r\n[alice|x|<7.9@mail.example.org>|]";
    assert!(seen.contains(answers), "{seen}");
}

#[test]
fn tries_run_out() {
    let input = "AUTH PLAIN AGFsaWNlAHg=\r\n".repeat(3);
    assert_eq!(smtp(&input), format!("[alice|x||]{REFUSED}[alice|x||]{REFUSED}[end 1]"));
}

#[test]
fn pop3_commands() {
    for (input, answer) in [
        ("CAPA\r\n", "+OK capability list follows/USER/SASL PLAIN LOGIN/TOP/UIDL/./"),
        ("PASS x\r\n", "-ERR authup USER first/"),
        ("USER\r\nUSER \r\n", "-ERR authup syntax error/-ERR authup syntax error/"),
        ("user a\r\nPASS\r\n", "+OK /-ERR authup syntax error/"),
        ("NOOP\r\nSTAT\r\n", "+OK /-ERR authup authorization first/"),
        ("STLS\r\n", "-ERR STLS not available/"),
        ("QUIT\r\n", "+OK /[end 0]"),
    ] {
        assert_eq!(pop3(input), answer, "{input}");
    }
}

#[test]
fn lines_that_come_together_are_answered_together_and_what_follows_a_login_is_not_taken() {
    let begin = "NOOP\r\nAUTH LOGIN\r\nYWxpY2U=\r\n";
    for (protocol, login, input) in [
        (Protocol::Smtp, "eA==\r\n", format!("{begin}eA==\r\nNOOP\r\n")),
        (Protocol::Pop3, "PASS x\r\n", "NOOP\r\nUSER alice\r\nPASS x\r\nNOOP\r\n".into()),
    ] {
        let upto = input.find(login).unwrap() + login.len();
        let mut one_by_one = String::new();
        let mut dialog = Login::new(config(protocol, Tls::Absent));
        drive(&mut dialog, &input.as_bytes()[..upto], &mut one_by_one, refuse_all);

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
fn a_pop3_password_keeps_its_spaces() {
    let seen = pop3("USER alice\r\nPASS  a  b \r\n");
    assert!(seen.contains("[alice|a  b |<7.9@mail.example.org>|]"), "{seen}");
}

#[test]
fn stls_forgets_the_user() {
    let offered = || config(Protocol::Pop3, Tls::Available);
    let seen = conversation(offered, "USER a\r\nSTLS\r\nPASS b\r\n", refuse_all);
    assert!(
        seen.ends_with("[check]+OK starting TLS negotiation\r\n[tls]-ERR authup USER first\r\n"),
        "{seen}"
    );
}

#[test]
fn d27_nothing_behind_a_line_that_ends_our_part_is_taken() {
    for line in ["STARTTLS\r\n", "AUTH PLAIN AGFsaWNlAHg=\r\n", "QUIT\r\n"] {
        let mut login = Login::new(config(Protocol::Smtp, Tls::Available));
        assert!(matches!(login.step(), Step::Send(_)));
        assert_eq!(login.push(format!("{line}MAIL FROM:<>\r\n").as_bytes()), line.len());
        assert_eq!(login.push(b"MAIL FROM:<>\r\n"), 0);
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
    let mut login = Login::new(config(Protocol::Smtp, Tls::Absent));
    assert!(matches!(login.step(), Step::Send(_)));
    let mut seen = String::new();
    drive(&mut login, b"\x80\x2e\x01\x00\x02evil\n", &mut seen, refuse_all);
    assert_eq!(seen, TLS);
    // Within an exchange it is a response like any other.
    let ask = "334 VXNlcm5hbWU6/";
    assert_eq!(smtp(&format!("AUTH LOGIN\r\n{http}")).matches(MALFORMED).count(), 1);
    assert_eq!(smtp(&format!("AUTH LOGIN\r\n{hello}")), format!("{ask}{MALFORMED}"));
}

#[test]
fn outcomes_that_end_the_session() {
    for (outcome, answer) in [
        (Outcome::Completed(14), "[end 14]"),
        (Outcome::TimedOut, "451 authup timeout (#4.4.2)\r\n[end 1]"),
        (Outcome::Controls, "421 authup unable to read controls (#4.3.0)\r\n[end 1]"),
        (Outcome::Crashed, "454 authup aack, child crashed (#4.3.0)\r\n[end 1]"),
        (Outcome::CannotRun, "454 authup unable to fork (#4.3.0)\r\n[end 1]"),
    ] {
        let mut login = Login::new(config(Protocol::Smtp, Tls::Absent));
        assert!(matches!(login.step(), Step::Send(_)));
        login.push(b"AUTH PLAIN AGFsaWNlAHg=\r\n");
        assert!(matches!(login.step(), Step::Login(_)));
        login.outcome(outcome);
        let mut seen = String::new();
        drive(&mut login, b"", &mut seen, refuse_all);
        assert_eq!(seen, answer);
    }
}
