//! As POP3 speaks.

use super::*;

#[test]
fn d47_auth_as_pop3_has_it() {
    let refused = "-ERR [AUTH] authup authorization failed/";
    let (asked, record) = ("+ VXNlcm5hbWU6/+ UGFzc3dvcmQ6/", "[alice|x|<7.9@mail.example.org>|]");
    for (input, answer) in [
        ("AUTH PLAIN AGFsaWNlAHg=\r\n", format!("{record}{refused}")),
        ("auth plain\r\nAGFsaWNlAHg= \r\n", format!("+ /{record}{refused}")),
        ("AUTH LOGIN\r\nYWxpY2U=\r\neA==\r\n", format!("{asked}{record}{refused}")),
        ("AUTH PLAIN\r\n*\r\n", "+ /-ERR authup auth exchange cancelled/".into()),
        ("AUTH PLAIN =\r\n", "-ERR authup malformed auth input/".into()),
        ("AUTH CRAM-MD5\r\nAUTH\r\n", "-ERR authup auth type unimplemented/".repeat(2)),
    ] {
        assert_eq!(pop3(input), answer, "{input}");
    }
    let input = "CAPA\r\nAUTH PLAIN AGFsaWNlAHg=\r\n";
    let seen = said(Protocol::Pop3, Tls::Required, input);
    assert!(!seen.contains("SASL"), "{seen}");
    assert!(seen.ends_with("-ERR authup Must start TLS first\r\n"), "{seen}");
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
fn a_pop3_password_keeps_its_spaces() {
    let seen = pop3("USER alice\r\nPASS  a  b \r\n");
    assert!(seen.contains("[alice|a  b |<7.9@mail.example.org>|]"), "{seen}");
}

#[test]
fn stls_forgets_the_user() {
    let seen = said(Protocol::Pop3, Tls::Available, "USER a\r\nSTLS\r\nPASS b\r\n");
    let end = "[check]+OK starting TLS negotiation\r\n[tls]-ERR authup USER first\r\n";
    assert!(seen.ends_with(end), "{seen}");
}
