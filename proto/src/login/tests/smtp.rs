//! As SMTP speaks.

use super::*;

const REFUSED: &str = "535 authup authorization failed (#5.7.0)/";
pub(super) const MALFORMED: &str = "501 authup malformed auth input (#5.5.4)/";
const REQUIRED: &str = "530 authup authentication required (#5.7.1)/";

#[test]
fn smtp_commands() {
    for (input, answer) in [
        ("HELO x\r\n", "250 mail.example.org/"),
        ("noop\n", "250 ok/"),
        ("QUIT\r\nNOOP\r\n", "221 mail.example.org/[end 0]"),
        ("MAIL FROM:<>\r\n\r\n", &REQUIRED.repeat(2)),
        ("AUTH\r\nAUTH CRAM-MD5\r\n", &"504 authup auth type unimplemented (#5.5.1)/".repeat(2)),
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
    for (tls, last) in [(Tls::Required, "STARTTLS"), (Tls::Absent, "AUTH LOGIN PLAIN")] {
        let bare = || DialogConfig { capabilities: Vec::new(), ..config(Protocol::Smtp, tls) };
        let seen = conversation(bare, "EHLO x\r\n", refuse_all);
        assert!(seen.ends_with(&format!("250-mail.example.org\r\n250 {last}\r\n")), "{seen}");
    }
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
fn d06_long_lines_are_refused_and_skipped() {
    let long = "500 authup line too long (#5.5.2)/";
    let command = "x".repeat(LONGEST_COMMAND + 1);
    let auth = format!("AUTH PLAIN {}", "A".repeat(crate::line::LONGEST));
    let input = format!("{command}\r\nNOOP\r\n{auth}\r\nNOOP\r\nAUTH PLAIN\r\n{auth}\r\nNOOP\r\n");
    assert_eq!(smtp_unsplit(&input), format!("{long}250 ok/{long}250 ok/334 /{long}250 ok/"));
    // What AUTH may be, no other command may.
    let just_right = format!("AUTH PLAIN {}\r\n", "A".repeat(LONGEST_COMMAND));
    assert!(!smtp_unsplit(&just_right).contains("too long"));
    assert_eq!(smtp_unsplit(&just_right.replace("AUTH", "EHLO")), long);
}

fn smtp_unsplit(input: &str) -> String {
    let seen = said_at_once(Protocol::Smtp, Tls::Absent, input.as_bytes());
    seen.replace("\r\n", "/").strip_prefix("220 mail.example.org ESMTP/").unwrap().into()
}

#[test]
fn d25_rset_before_login_is_ok() {
    assert_eq!(smtp("RSET\r\n"), "250 ok/");
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
fn d36_nobody_logs_in_as_somebody_else() {
    // bob NUL alice NUL x
    let asked = "AUTH PLAIN Ym9iAGFsaWNlAHg=\r\n";
    assert_eq!(smtp(asked), format!("[nobody]{REFUSED}"));
    assert_eq!(smtp(&asked.repeat(2)), format!("[nobody]{REFUSED}[nobody]{REFUSED}[end 1]"));
}

#[test]
fn tries_run_out() {
    let input = "AUTH PLAIN AGFsaWNlAHg=\r\n".repeat(3);
    assert_eq!(smtp(&input), format!("[alice|x||]{REFUSED}[alice|x||]{REFUSED}[end 1]"));
}

#[test]
fn d27_nothing_behind_a_line_that_ends_our_part_is_taken() {
    for line in ["STARTTLS\r\n", "AUTH PLAIN AGFsaWNlAHg=\r\n", "QUIT\r\n"] {
        let mut login = greeted(Protocol::Smtp, Tls::Available);
        assert_eq!(login.push(format!("{line}MAIL FROM:<>\r\n").as_bytes()), line.len());
        assert_eq!(login.push(b"MAIL FROM:<>\r\n"), 0);
    }
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
        let mut login = greeted(Protocol::Smtp, Tls::Absent);
        login.push(b"AUTH PLAIN AGFsaWNlAHg=\r\n");
        assert!(matches!(login.step(), Step::Login(_)));
        login.outcome(outcome);
        let mut seen = String::new();
        drive(&mut login, b"", &mut seen, refuse_all);
        assert_eq!(seen, answer);
    }
}
