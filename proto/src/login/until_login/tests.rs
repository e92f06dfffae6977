//! Held against the login dialog: a client must not be able to tell whether it talks
//! to authup from the start or only from its login on.

use super::super::tests::{drive, settings};
use super::*;
use crate::login::outcome::Outcome;
use crate::login::protocol::Protocol;
use crate::split_anywhere::at_every_split;
use crate::ucspi_tls::Tls;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use std::string::String;

fn refuse(_record: &[u8]) -> Outcome {
    Outcome::Refused
}

/// All that authup says and does.
fn alone(protocol: Protocol, tls: Tls, input: &[u8]) -> String {
    let mut seen = String::new();
    drive(&mut Login::new(settings(protocol, tls)), input, &mut seen, refuse);
    ended(seen.replace("[check]", ""))
}

/// The same of this dialog and of the authup that goes on.
fn together(protocol: Protocol, tls: Tls, pieces: &[&[u8]]) -> String {
    let mut seen = String::new();
    let mut dialog = UntilLogin::new(settings(protocol, tls));
    let mut pieces = pieces.iter();
    let mut rest: Vec<u8> = Vec::new();
    loop {
        match dialog.step() {
            Step::Send(reply) => seen.push_str(&String::from_utf8_lossy(reply)),
            Step::NeedInput => {
                let taken = dialog.push(&rest);
                rest.drain(..taken);
                if taken == 0 && dialog.step() == Step::NeedInput {
                    let Some(piece) = pieces.next() else { return ended(seen) };
                    rest.extend_from_slice(piece);
                }
            }
            Step::StartTls => {
                seen.push_str("[tls]");
                dialog.tls_started();
            }
            Step::LogIn => break,
            Step::End => return format!("{seen}[end]"),
        }
    }
    let mut login = Login::new(Settings { greeted: true, ..settings(protocol, Tls::On) });
    rest.extend(pieces.copied().flatten());
    drive(&mut login, &rest, &mut seen, refuse);
    ended(seen)
}

/// Without the exit code, which only authup has.
fn ended(seen: String) -> String {
    match seen.find("[end ") {
        Some(at) => format!("{}[end]", &seen[..at]),
        None => seen,
    }
}

const CONVERSATIONS: [(Protocol, &str); 12] = [
    (Protocol::Smtp, "EHLO x\r\nNOOP\r\nHELP\r\nRSET\r\nMAIL FROM:<a@b>\r\nQUIT\r\nEHLO y\r\n"),
    (Protocol::Smtp, "ehlo x\nauth plain\nAGEAYg==\nNOOP\nquit\n"),
    (Protocol::Smtp, "EHLO x\r\nSTARTTLS\r\nEHLO x\r\nAUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\n*\r\n"),
    (Protocol::Smtp, "STARTTLS now\r\nSTARTTLS\r\nSTARTTLS\r\n\r\n\rA\n"),
    (Protocol::Smtp, "AUTHOR\r\nAUT\r\nA\r\n AUTH PLAIN AGEAYg==\r\n"),
    (Protocol::Smtp, "NOOP\r\nAUTH LOGIN YQ==\r\nYg==\r\nAUTH LOGIN YQ==\r\nYg==\r\n"),
    (Protocol::Pop3, "CAPA\r\nNOOP\r\nSTAT\r\nAPOP a b\r\nQUIT\r\nCAPA\r\n"),
    (Protocol::Pop3, "STLS\r\nCAPA\r\nUSER a\r\nPASS b\r\n"),
    (Protocol::Pop3, "PASS b\r\nPASS\r\nuser a\r\npass b c\r\n"),
    (Protocol::Pop3, "USERS\r\nUSER\r\nUSE\r\nUSER a\r\nQUIT\r\n"),
    (Protocol::Pop3, "user a\r\nSTLS\r\nPASS b\r\nUSER a\r\n"),
    (Protocol::Pop3, "US"),
];

#[test]
fn nobody_can_tell_the_difference() {
    for (protocol, says) in CONVERSATIONS {
        for tls in [Tls::Required, Tls::Available, Tls::On] {
            // In the clear, authup alone would still offer TLS behind the login.
            if tls == Tls::Available && !says.to_lowercase().starts_with("stls") {
                continue;
            }
            let seen = at_every_split(says.as_bytes(), |pieces| together(protocol, tls, pieces));
            assert_eq!(seen, alone(protocol, tls, says.as_bytes()), "{tls:?}: {says:?}");
        }
    }
}

#[test]
fn overlong_lines_begin_no_login_in_their_middle() {
    let long = "x".repeat(crate::line::LONGEST_COMMAND + 1);
    let says = format!("{long}AUTH PLAIN AGEAYg==\r\nNOOP {long}\nAUTH PLAIN AGEAYg==\r\n");
    for size in [1, 7, 4096, 1 << 20] {
        let pieces: Vec<&[u8]> = says.as_bytes().chunks(size).collect();
        let seen = together(Protocol::Smtp, Tls::On, &pieces);
        assert_eq!(seen, alone(Protocol::Smtp, Tls::On, says.as_bytes()));
        assert_eq!(seen.matches("[a|b|").count(), 1, "{seen}");
    }
}

#[test]
fn the_line_of_a_login_is_left_whole() {
    for (protocol, says, left) in [
        (Protocol::Smtp, &b"NOOP\r\nAuth PLAIN AGEAYg==\r\nNOOP"[..], &b"Auth PLAIN"[..]),
        (Protocol::Pop3, b"CAPA\nuSER a\nPASS b\n", b"uSER a\nPASS b\n"),
    ] {
        let mut dialog = UntilLogin::new(settings(protocol, Tls::On));
        let mut rest = says;
        while dialog.step() != Step::LogIn {
            rest = &rest[dialog.push(rest)..];
        }
        assert!(rest.starts_with(left));
        assert_eq!(dialog.push(rest), 0);
        assert_eq!(dialog.step(), Step::LogIn);
    }
}

#[test]
fn no_login_before_tls_where_it_is_required() {
    let mut dialog = UntilLogin::new(settings(Protocol::Smtp, Tls::Required));
    dialog.step();
    let says = b"AUTH PLAIN AGEAYg==\r\n";
    assert_eq!(dialog.push(says), says.len());
    assert_eq!(dialog.step(), Step::Send(b"530 authup Must start TLS first (#5.7.0)\r\n"));
    assert_eq!(dialog.step(), Step::NeedInput);
}

#[test]
fn giving_up_is_said() {
    let mut dialog = UntilLogin::new(settings(Protocol::Pop3, Tls::On));
    dialog.step();
    dialog.push(b"US");
    dialog.abandon(Refusal::TimedOut);
    assert_eq!(dialog.step(), Step::Send(b"-ERR authup timeout\r\n"));
    assert_eq!(dialog.step(), Step::End);
}

proptest! {
    #[test]
    fn nor_with_lines_in_any_order(
        pop3 in any::<bool>(),
        required in any::<bool>(),
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "AUTH PLAIN AGEAYg==\r\n", "auth login\n", "YQ==\r\n", "*\r\n", "AUTHX\r\n", "A",
                "\r\n", "\n", "\r", " ", "STARTTLS\r\n", "STLS\r\n", "EHLO x\r\n", "CAPA\r\n",
                "USER a\r\n", "PASS b\r\n", "pass", "user\r\n", "QUIT\r\n", "NOOP\r\n", "MAIL\r\n",
            ]),
            0..12,
        ),
        size in 1_usize..9,
    ) {
        let protocol = if pop3 { Protocol::Pop3 } else { Protocol::Smtp };
        let tls = if required { Tls::Required } else { Tls::On };
        let says = lines.concat();
        let pieces: Vec<&[u8]> = says.as_bytes().chunks(size).collect();
        prop_assert_eq!(together(protocol, tls, &pieces), alone(protocol, tls, says.as_bytes()));
    }
}
