//! As IMAP speaks, by the standards' clauses.

use super::*;

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID \
                        AUTH=PLAIN AUTH=LOGIN IDLE NAMESPACE] mail.example.org/";
const SYNTAX: &str = "a BAD authup syntax error/";
const MALFORMED: &str = "a BAD authup malformed auth input/";
const FAILED: &str = "a NO [AUTHENTICATIONFAILED] authup authorization failed/";
const FIRST: &str = "a BAD authup authentication required/";
const TLS_FIRST: &str = "a NO [PRIVACYREQUIRED] authup Must start TLS first/";

/// Everything after the greeting, with `/` for line endings; TLS is on, and every login
/// is refused.
fn imap(input: &str) -> String {
    behind_the_greeting(&said(Protocol::Imap, Tls::On, input))
}

fn behind_the_greeting(seen: &str) -> String {
    seen.replace("\r\n", "/").strip_prefix(GREETING).unwrap().into()
}

/// The same in the clear, where TLS is required.
fn in_the_clear(input: &str) -> String {
    let seen = said(Protocol::Imap, Tls::Required, input);
    seen.replace("\r\n", "/").split_once("mail.example.org/").unwrap().1.into()
}

fn table(rows: &[(&str, &str)], seen: fn(&str) -> String) {
    for (said, answered) in rows {
        assert_eq!(seen(said), *answered, "{said:?}");
    }
}

#[test]
fn d58_commands_before_a_login() {
    let capabilities = "* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID AUTH=PLAIN AUTH=LOGIN \
                        IDLE NAMESPACE/a OK CAPABILITY completed/";
    let id = "* ID (\"name\" \"authup\")/a OK ID completed/";
    table(
        &[
            ("a CAPABILITY\r\n", capabilities),
            ("a capability\n", capabilities),
            ("a NOOP\r\n", "a OK NOOP completed/"),
            ("a LOGOUT\r\nb NOOP\r\n", "* BYE mail.example.org/a OK LOGOUT completed/[end 0]"),
            ("a ID NIL\r\n", id),
            ("a ID ()\r\n", id),
            ("a ID (\"name\" \"x\" \"os\" NIL)\r\n", id),
            ("a ID ({1}\r\nx {1+}\r\ny)\r\n", &format!("+ OK/{id}")),
            ("a ID\r\n", SYNTAX),
            ("a ID (\"name\")\r\n", SYNTAX),
            ("a CAPABILITY x\r\n", SYNTAX),
            ("a NOOP x\r\n", SYNTAX),
            ("a NOOP \r\n", SYNTAX),
            ("a  NOOP\r\n", SYNTAX),
            ("a NOOP\t\r\n", SYNTAX),
            ("a LOGOUT x\r\n", SYNTAX),
            ("a\r\n", SYNTAX),
            ("\r\n", "* BAD authup syntax error/"),
            ("+ x\r\n", "* BAD authup syntax error/"),
            ("* x\r\n", "* BAD authup syntax error/"),
            ("a SELECT INBOX\r\n", FIRST),
            ("a IDLE\r\n", FIRST),
            ("a NO\0OP\r\n", "a BAD authup malformed input/"),
            ("\0\r\n", "* BAD authup malformed input/"),
            ("a NOOP\r\na NOOP\r\n", "a OK NOOP completed/a OK NOOP completed/"),
            ("a STARTTLS\r\n", "a BAD authup STARTTLS not available/"),
            ("a STARTTLS x\r\n", SYNTAX),
        ],
        imap,
    );
}

#[test]
fn d60_other_protocols_end_with_the_line_or_octets_that_show_them() {
    let http = "* BYE authup HTTP is not spoken here/[end: client speaks HTTP]";
    table(
        &[
            ("GET / HTTP/1.1\r\nHost: x\r\n", http),
            ("a NOOP\r\nPOST /{3} HTTP/1.0\r\n", &format!("a OK NOOP completed/{http}")),
            ("\u{16}\u{3}\u{1}{9}\r\n", "[end: client speaks TLS at once]"),
            // A tag like any other.
            ("GET NOOP\r\n", "GET OK NOOP completed/"),
            ("GET LOGIN bob HTTP/1.1\r\n", &tried_as("GET", "bob|HTTP/1.1")),
        ],
        imap,
    );
}

fn tried_as(tag: &str, record: &str) -> String {
    format!("[{record}||]{}", FAILED.replacen('a', tag, 1))
}

#[test]
fn d58_logins() {
    let tried = |record: &str| format!("[{record}||]{FAILED}");
    table(
        &[
            ("a LOGIN u p\r\n", &tried("u|p")),
            ("a login u p\r\n", &tried("u|p")),
            ("a LOGIN \"u\" \"pa\\\"s\"\r\n", &tried("u|pa\"s")),
            ("a LOGIN NIL NIL\r\n", &tried("NIL|NIL")),
            ("a LOGIN u {4}\r\nin d\r\n", &format!("+ OK/{}", tried("u|in d"))),
            ("a LOGIN {5}\r\nalice {3}\r\npw1\r\n", &format!("+ OK/+ OK/{}", tried("alice|pw1"))),
            ("a LOGIN {5+}\r\nalice {3+}\r\npw1\r\n", &tried("alice|pw1")),
            ("a LOGIN u {3+}\r\n{5}\r\n", &tried("u|{5}")),
            ("a LOGIN u {4+}\r\n{9+}\r\n", &tried("u|{9+}")),
            ("a LOGIN u {4+}\r\na\r\nb\r\n", &tried("u|a\r\nb").replace("\r\n", "/")),
            ("a LOGIN u {2+}\r\na\r\nb NOOP\n", &format!("{}b OK NOOP completed/", tried("u|a\r"))),
            ("a AUTHENTICATE PLAIN AGEAYg==\r\n", &tried("a|b")),
            ("a Authenticate plain\r\nAGEAYg==\r\n", &format!("+ /{}", tried("a|b"))),
            (
                "a AUTHENTICATE LOGIN\r\nYQ==\r\nYg==\r\n",
                &format!("+ VXNlcm5hbWU6/+ UGFzc3dvcmQ6/{}", tried("a|b")),
            ),
            ("a AUTHENTICATE LOGIN YQ==\r\nYg==\r\n", &format!("+ UGFzc3dvcmQ6/{}", tried("a|b"))),
            // RFC 4616: authorization id, as mutt sends it; then somebody else's.
            ("a AUTHENTICATE PLAIN YQBhAGI=\r\n", &tried("a|b")),
            ("a AUTHENTICATE PLAIN eABhAGI=\r\n", &format!("[nobody]{FAILED}")),
            // Nobody has to be asked about these, and they cost a try.
            ("a LOGIN \"\" x\r\n", FAILED),
            ("a LOGIN u {0}\r\n\r\n", &format!("+ OK/{FAILED}")),
            ("a AUTHENTICATE PLAIN AABi\r\n", FAILED),
            ("a AUTHENTICATE PLAIN AAAA\r\n", MALFORMED),
            ("a AUTHENTICATE PLAIN AGEA\r\n", FAILED),
            ("a AUTHENTICATE LOGIN\r\n\r\n", &format!("+ VXNlcm5hbWU6/{FAILED}")),
        ],
        imap,
    );
}

#[test]
fn d58_what_is_no_login() {
    let cancelled = "a BAD authup auth exchange cancelled/";
    let long = "x".repeat(300);
    table(
        &[
            ("a LOGIN\r\n", SYNTAX),
            ("a LOGIN u\r\n", SYNTAX),
            ("a LOGIN  u p\r\n", SYNTAX),
            ("a LOGIN u p x\r\n", SYNTAX),
            ("a LOGIN u \"p\r\n", SYNTAX),
            ("a LOGIN u ({hKu8qM?BSx\r\n", SYNTAX),
            ("a LOGIN u {3+}\r\nabcd\r\n", SYNTAX),
            (&format!("a LOGIN {long} {long}\r\n"), MALFORMED),
            ("a AUTHENTICATE\r\n", SYNTAX),
            ("a AUTHENTICATE \"PLAIN\"\r\n", SYNTAX),
            ("a AUTHENTICATE {5}\r\n", SYNTAX),
            ("a AUTHENTICATE PLAIN {12}\r\n", SYNTAX),
            ("a AUTHENTICATE {5+}\r\nPLAIN\r\n", SYNTAX),
            ("a AUTHENTICATE PLAIN x y\r\n", SYNTAX),
            ("a AUTHENTICATE XOAUTH2 x\r\n", "a NO authup auth type unimplemented/"),
            ("a AUTHENTICATE PLAIN =\r\n", MALFORMED),
            ("a AUTHENTICATE PLAIN AGEAYg\r\n", MALFORMED),
            ("a AUTHENTICATE PLAIN YWxpY2U=\r\n", MALFORMED),
            ("a AUTHENTICATE PLAIN\r\n*\r\n", &format!("+ /{cancelled}")),
            ("a AUTHENTICATE PLAIN\r\n\r\n", &format!("+ /{MALFORMED}")),
            ("a AUTHENTICATE PLAIN\r\n=\r\n", &format!("+ /{MALFORMED}")),
            // A command is a response there, and so not done.
            ("a AUTHENTICATE PLAIN\r\nb NOOP\r\n", &format!("+ /{MALFORMED}")),
            ("a AUTHENTICATE PLAIN\r\nb {5}\r\n", &format!("+ /{MALFORMED}")),
            ("a AUTHENTICATE PLAIN\r\nb {5+}\r\nc NOO\r\n", &format!("+ /{MALFORMED}")),
            // Not asked for, and so no part of it; or sent all the same, and so part of it.
            ("a SELECT {5}\r\na NOOP\r\n", &format!("{FIRST}a OK NOOP completed/")),
            ("a FOO {8+}\r\nb NOOP\r\n\r\na NOOP\r\n", &format!("{FIRST}a OK NOOP completed/")),
            (
                "a LOGIN \"u {8+}\r\nb NOOP\r\n\r\na NOOP\r\n",
                &format!("{SYNTAX}a OK NOOP completed/"),
            ),
        ],
        imap,
    );
}

#[test]
fn d58_literals_and_their_limits() {
    let too_long = "a BAD authup line too long/";
    let bye = "* BYE [TOOBIG] authup line too long/[end 1]";
    let fits = format!("a LOGIN u {{4096+}}\r\n{}\r\n", "x".repeat(4096));
    table(
        &[
            (&fits, MALFORMED),
            ("a LOGIN u {4097+}\r\n", bye),
            ("a LOGIN u {99999999999999999999+}\r\n", bye),
            ("a LOGIN u {12280}\r\nb NOOP\r\n", &format!("{too_long}b OK NOOP completed/")),
            ("a LOGIN u {99999999999}\r\n", too_long),
            ("a LOGIN u {x+}\r\n", &format!("{SYNTAX}* BYE authup syntax error/[end 1]")),
            ("a NOOP {+}\r\n", &format!("{SYNTAX}* BYE authup syntax error/[end 1]")),
            (
                "a AUTHENTICATE PLAIN\r\nb {x+}\r\n",
                &format!("+ /{SYNTAX}* BYE authup syntax error/[end 1]"),
            ),
        ],
        |said| behind_the_greeting(&said_at_once(Protocol::Imap, Tls::On, said.as_bytes())),
    );
    // All literals of a command together, and then one line.
    let part = format!("{{4000+}}\r\n{}", "x".repeat(4000));
    let said = format!("a LOGIN {part} {part} {part} {part}\r\n");
    let seen = said_at_once(Protocol::Imap, Tls::On, said.as_bytes());
    assert!(seen.ends_with("* BYE [TOOBIG] authup line too long\r\n[end 1]"), "{seen}");
}

/// The tag is known where there is one, however the line comes in. It is read to its end, as
/// the answer could be lost with a connection that is closed while the client still sends.
#[test]
fn d58_a_line_over_the_limit_is_answered_by_its_tag_and_ends_the_session() {
    let x = "x".repeat(12_289);
    let tag = "t".repeat(64);
    let bye = "* BYE authup line too long/[end 1]";
    for (said, answered) in [
        (format!("a {x}\r\nb NOOP\r\n"), "a BAD authup line too long/".into()),
        (format!("a NOOP\r\nb {x}\r\n"), "a OK NOOP completed/b BAD authup line too long/".into()),
        (format!("{tag} {x}"), format!("{tag} BAD authup line too long/")),
        (format!("{tag}t {x}"), "* BAD authup line too long/".into()),
        (x.clone(), "* BAD authup line too long/".into()),
        (format!("* {x}"), "* BAD authup line too long/".into()),
        (format!("a AUTHENTICATE PLAIN\r\n{x}"), "+ /a BAD authup line too long/".into()),
        (format!("a LOGIN {{3}}\r\nu\r\n {x}"), "+ OK/a BAD authup line too long/".into()),
        (format!("a LOGIN {{9+}}\r\nb NOOP {{0}} {x}"), "a BAD authup line too long/".into()),
    ] {
        for size in [1, 2, 67, 4096, 12_288, 12_289, 20_000] {
            let mut login = Login::new(config(Protocol::Imap, Tls::On));
            let mut seen = String::new();
            let said = format!("{said}\r\n");
            for piece in said.as_bytes().chunks(size) {
                if !seen.ends_with("[end 1]") {
                    drive(&mut login, piece, &mut seen, refuse_all);
                }
            }
            assert_eq!(behind_the_greeting(&seen), format!("{answered}{bye}"), "{size}");
        }
    }
}

#[test]
fn d58_nobody_logs_in_before_the_tls_that_is_required() {
    table(
        &[
            ("a LOGIN u p\r\n", TLS_FIRST),
            ("a LOGIN {5}\r\n", TLS_FIRST),
            (
                "a LOGIN {5+}\r\nalice {1+}\r\nx\r\na NOOP\r\n",
                &format!("{TLS_FIRST}a OK NOOP completed/"),
            ),
            ("a AUTHENTICATE PLAIN\r\n", TLS_FIRST),
            ("a AUTHENTICATE PLAIN !!\r\n", TLS_FIRST),
            (
                "a CAPABILITY\r\n",
                "* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID STARTTLS LOGINDISABLED IDLE \
                 NAMESPACE/a OK CAPABILITY completed/",
            ),
            (
                "a STARTTLS\r\nb CAPABILITY\r\nc LOGIN u p\r\n",
                "[check]a OK Begin TLS negotiation now/[tls]* CAPABILITY IMAP4rev1 LITERAL- \
                 SASL-IR ID AUTH=PLAIN AUTH=LOGIN IDLE NAMESPACE/b OK CAPABILITY completed/\
                 [u|p||]c NO [AUTHENTICATIONFAILED] authup authorization failed/",
            ),
        ],
        in_the_clear,
    );
}

#[test]
fn d58_outcomes() {
    let input = "a LOGIN u p\r\nb SELECT INBOX\r\nc LOGIN u p\r\n";
    type Case = (fn(&[u8]) -> Outcome, String);
    let cases: [Case; 4] = [
        (
            |_| Outcome::Refused,
            format!(
                "{FAILED}b BAD authup authentication required/c NO [AUTHENTICATIONFAILED] authup \
                 authorization failed/* BYE authup too many failures/[end 1]"
            ),
        ),
        (
            |_| Outcome::Crashed,
            "a NO [UNAVAILABLE] authup aack, child crashed/* BYE authup aack, child crashed/[end 1]"
                .into(),
        ),
        (
            |_| Outcome::Controls,
            "a NO [UNAVAILABLE] authup unable to read controls/* BYE authup unable to read \
             controls/[end 1]"
                .into(),
        ),
        (|_| Outcome::Completed(14), "[end 14]".into()),
    ];
    for (outcome, answered) in cases {
        let seen = conversation(|| config(Protocol::Imap, Tls::On), input, outcome);
        assert_eq!(behind_the_greeting(&seen).replace("[u|p||]", ""), answered);
    }
}

#[test]
fn d58_who_sends_no_commands_is_told_goodbye() {
    let seen = imap(&"a x\r\nHost: x\r\n".repeat(6));
    assert!(seen.ends_with("/* BYE authup too many bad commands/[end 1]"), "{seen}");
    assert_eq!(seen.matches(" BAD ").count(), 10, "{seen}");
}

#[test]
fn d58_a_session_that_is_given_up_ends_with_bye() {
    use reply::Refusal;
    for (why, text) in [
        (Refusal::TimedOut, "* BYE authup timeout\r\n"),
        (Refusal::InputEnded, "* BYE authup unable to read pipe\r\n"),
        (Refusal::Controls, "* BYE authup unable to read controls\r\n"),
    ] {
        let mut login = Login::new(config(Protocol::Imap, Tls::On));
        let Step::Send(_) = login.step() else { panic!("no greeting") };
        let said = b"a AUTHENTICATE PLAIN\r\n";
        assert_eq!(login.push(said), said.len());
        let Step::Send(_) = login.step() else { panic!("no challenge") };
        login.abandon(why);
        let Step::Send(last) = login.step() else { panic!("no last words") };
        assert_eq!(last, text.as_bytes());
        assert_eq!(Protocol::Imap.last_words(why), text.as_bytes());
    }
}
