//! Logins by IMAP that are none, in quotes, atoms and literals, and tags that are none: each
//! gets one answer by its tag, octets that were counted are no command, and checkpassword is
//! not asked. Other modules have what IMAP has in common with the rest.

use acceptance::chain::{Chain, DOVECOT};
use acceptance::peer::Peer;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Result, ensure};

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::login;
use crate::sasl::{Exchange, answered_once, b64, contents, nobody_was_asked, not_base64};

pub(crate) const TESTS: &[Test] = &[
    ("malformed_imap_sasl_is_answered_once", &[], malformed_sasl),
    ("malformed_imap_logins_are_answered_once", &[], malformed_logins),
    ("tags_forge_no_response", &["imap"], |programs| {
        Door::each(&Door::WITH_A_LOGIN, programs, tags)
    }),
    ("literals_without_end_are_bounded", &[], |programs| {
        Door::each(&Door::WITH_A_LOGIN, programs, literals)
    }),
];

/// So many in a session: ten that are no commands end it, and so do five refused logins.
const EACH: usize = 4;

/// Plays them at each door, some in each session.
fn play(programs: &Programs, exchanges: &[Exchange]) -> Result<()> {
    Door::each(&Door::WITH_A_LOGIN, programs, |chain, door| play_at(chain, door, exchanges))
}

fn play_at(chain: &Chain<'_>, door: Door, exchanges: &[Exchange]) -> Result<()> {
    let command = login(chain, "imap", &["false"]);
    if door == Door::Alone {
        for some in exchanges.chunks(EACH) {
            let mut session = door.session(chain, "imap", &command)?;
            all_answered_once(&mut session.peer, some)?;
            nobody_was_asked(session)?;
        }
        return Ok(());
    }
    let service = door.service(chain, "imap", &command)?;
    for some in exchanges.chunks(EACH) {
        all_answered_once(&mut service.knock()?, some)?;
    }
    service.over()?;
    let log = chain.log();
    ensure!(!log.contains(" attempt for "), "taken for a login:\n{log}");
    Ok(())
}

fn all_answered_once(peer: &mut Peer, exchanges: &[Exchange]) -> Result<()> {
    for exchange in exchanges {
        answered_once(peer, exchange, "+ ", ("z NOOP", "z OK "))?;
    }
    peer.ask("q LOGOUT", "* BYE ")?;
    peer.hear("q OK ")?;
    Ok(())
}

const BAD: &str = "a BAD authup ";
const FAILED: &str = "a NO [AUTHENTICATIONFAILED] authup authorization failed\r\n";

/// A name or a password that is empty is a login, and is refused; all else is none.
fn answer(content: &[u8]) -> &'static str {
    let parts: Vec<_> = content.split(|&octet| octet == 0).collect();
    match parts[..] {
        [_, user, password] if user.is_empty() || password.is_empty() => FAILED,
        _ => BAD,
    }
}

fn malformed_sasl(programs: &Programs) -> Result<()> {
    let (plain, login) = (b"a AUTHENTICATE PLAIN".to_vec(), b"a AUTHENTICATE LOGIN".to_vec());
    let with = |begin: &[u8], rest: &[u8]| [begin, b" ", rest].concat();
    let mut all: Vec<Exchange> = Vec::new();
    for content in contents() {
        let (coded, answer) = (b64(&content), answer(&content));
        if !coded.is_empty() {
            all.push((vec![with(&plain, &coded)], answer));
        }
        all.push((vec![plain.clone(), coded], answer));
    }
    for garbage in not_base64() {
        all.push((vec![plain.clone(), garbage.clone()], BAD));
        all.push((vec![login.clone(), garbage.clone()], BAD));
        all.push((vec![login.clone(), b64(b"bob"), garbage.clone()], BAD));
        // The empty response: the mechanism's name is then an empty one.
        let name = if garbage == b"=" { FAILED } else { BAD };
        all.push((vec![with(&plain, &garbage)], BAD));
        all.push((vec![with(&login, &garbage)], name));
    }
    for nul in [&b"\0"[..], b"b\0ob", b"bob\0", b"\0\0\0"] {
        all.push((vec![login.clone(), b64(nul), b64(b"pass word")], BAD));
        all.push((vec![login.clone(), b64(b"bob"), b64(nul)], BAD));
    }
    for begin in [vec![plain.clone()], vec![login.clone()], vec![login.clone(), b64(b"bob")]] {
        all.push(([begin.clone(), vec![b"*".to_vec()]].concat(), BAD));
        // A command within an exchange is the response, and no command.
        for command in [&b"b NOOP"[..], b"b LOGOUT", b"b LOGIN bob \"pass word\""] {
            all.push(([begin.clone(), vec![command.to_vec()]].concat(), BAD));
        }
    }
    all.push((vec![login, Vec::new()], FAILED));
    play(programs, &all)
}

/// Each line as it is sent, CRLF within it included.
const LOGINS: [(&[u8], &str); 56] = [
    (b"a LOGIN", BAD),
    (b"a LOGIN ", BAD),
    (b"a LOGIN bob", BAD),
    (b"a LOGIN bob ", BAD),
    (b"a LOGIN bob pass word", BAD),
    (b"a LOGIN bob \"pass word", BAD),
    (b"a LOGIN bob pass word\"", BAD),
    (b"a LOGIN bob \"pass word\" ", BAD),
    (b"a LOGIN bob \"pass word\" x", BAD),
    (b"a LOGIN  bob \"pass word\"", BAD),
    (b"a LOGIN\tbob \"pass word\"", BAD),
    (b"a  LOGIN bob \"pass word\"", BAD),
    (b"a LOGIN bob  \"pass word\"", BAD),
    (b"a LOGIN \"bob\"\"pass word\"", BAD),
    (b"a LOGIN bob\"pass word\"", BAD),
    (b"a LOGIN bob \"pass\\ word\"", BAD),
    (b"a LOGIN bob \"pass word\\\"", BAD),
    (b"a LOGIN (bob \"pass word\")", BAD),
    (b"a LOGIN bob pass{word", BAD),
    (b"a LOGIN bob pass(word", BAD),
    (b"a LOGIN b*b word", BAD),
    (b"a LOGIN b%b word", BAD),
    (b"a LOGIN b\\b word", BAD),
    (b"a LOGIN bob pass\x7fword", BAD),
    (b"a LOGIN bob pass\rword", BAD),
    (b"a LOGIN b\0ob \"pass word\"", BAD),
    (b"a LOGIN bob \"pass word\0\"", BAD),
    (b"a LOGIN \"\" \"pass word\"", FAILED),
    (b"a LOGIN bob \"\"", FAILED),
    (b"a LOGIN {0+}\r\n \"pass word\"", FAILED),
    (b"a LOGIN bob {0+}\r\n", FAILED),
    (b"a LOGIN {3+}\r\nb\0b {9+}\r\npass word", BAD),
    (b"a LOGIN {3+}\r\nbobx \"pass word\"", BAD),
    (b"a LOGIN {3+}\r\nbob{9+}\r\npass word", BAD),
    (b"a LOGIN {2+}\r\nbob \"pass word\"", BAD),
    (b"a LOGIN {3+} ", BAD),
    (b"a LOGIN ~{3+}\r\nbob \"pass word\"", BAD),
    (b"a LOGIN {99999}", BAD),
    (b"a LOGIN {99999999999999999999}", BAD),
    // What was counted belongs to a command that is none, and is none itself.
    (b"a NOOP {29+}\r\nb LOGIN bob \"pass word\"\r\nc NO", BAD),
    (b"a SELECT {25+}\r\nb LOGIN bob \"pass word\"\r\n", BAD),
    (b"a FOO {23+}\r\nb LOGIN bob \"pass word\"", BAD),
    (b"a AUTHENTICATE", BAD),
    (b"a AUTHENTICATE ", BAD),
    (b"a AUTHENTICATE PLAIN AGJvYgBwYXNzIHdvcmQ= x", BAD),
    (b"a AUTHENTICATE \"PLAIN\" AGJvYgBwYXNzIHdvcmQ=", BAD),
    (b"a AUTHENTICATE {5+}\r\nPLAIN", BAD),
    (b"a AUTHENTICATE PLAIN {20+}\r\nAGJvYgBwYXNzIHdvcmQ=", BAD),
    (b"a AUTHENTICATE CRAM-MD5", "a NO authup auth type unimplemented\r\n"),
    (b"a AUTHENTICATE XOAUTH2 AAAA", "a NO authup auth type unimplemented\r\n"),
    (b"a AUTHENTICATE EXTERNAL =", "a NO authup auth type unimplemented\r\n"),
    (b"a NOOP\rb LOGIN bob \"pass word\"", BAD),
    (b"* LOGIN bob \"pass word\"", "* BAD authup "),
    (b"+ LOGIN bob \"pass word\"", "* BAD authup "),
    (b"LOGIN bob \"pass word\"", "LOGIN BAD authup "),
    (b"a UNAUTHENTICATE", BAD),
];

fn malformed_logins(programs: &Programs) -> Result<()> {
    let mut all: Vec<Exchange> =
        LOGINS.iter().map(|(line, answer)| (vec![line.to_vec()], *answer)).collect();
    let long = "x".repeat(600);
    for line in [
        format!("a LOGIN {long} y"),
        format!("a LOGIN bob \"{long}\""),
        format!("a LOGIN bob {{600+}}\r\n{long}"),
        format!("a LOGIN {{600+}}\r\n{long} y"),
    ] {
        all.push((vec![line.into_bytes()], BAD));
    }
    play(programs, &all)
}

/// A tag comes back octet for octet, from the server behind the login, too; and what could
/// not be one never does.
fn tags(chain: &Chain<'_>, door: Door) -> Result<()> {
    let longest = "t".repeat(64);
    for tag in ["A]1", "1.20", "}/;'`$&|<>~#!", "[CAPABILITY]", "OK", &longest] {
        let mut session = door.session(chain, "imap", &login(chain, "imap", &DOVECOT))?;
        let peer = &mut session.peer;
        let too_long = "t".repeat(65);
        for none in ["*", "+", "a+", "a*", "a%", "a(", "a\\", "a\"", "\u{e9}", &too_long] {
            let said = format!("{none} LOGIN bob \"pass word\"");
            peer.ask(&said, "* BAD authup syntax error\r\n")?;
            FIGURES.add(Kind::Sasl, 1, 0);
            if none == "a(" {
                break;
            }
        }
        peer.ask(&format!("{tag} NOOP"), &format!("{tag} OK "))?;
        peer.ask(&format!("{tag} LOGIN bob \"pass word\""), &format!("{tag} OK "))?;
        peer.ask("q LOGOUT", "* BYE ")?;
        peer.hear("q OK ")?;
        let ended = session.over()?;
        ensure!(ended.log.contains(" login succeeded (bob from "), "{}", ended.log);
    }
    Ok(())
}

/// However many octets are announced or sent, no more than a command's are taken.
fn literals(chain: &Chain<'_>, door: Door) -> Result<()> {
    const TOO_BIG: &str = "* BYE [TOOBIG] authup line too long\r\n";
    let piece = format!("{{4000+}}\r\n{}", "x".repeat(4000));
    for (said, told) in [
        ("a LOGIN {4097+}".to_owned(), TOO_BIG),
        ("a NOOP {99999999999999999999+}".to_owned(), TOO_BIG),
        (format!("a ID ({piece} {piece} {piece} {{4000+}}"), TOO_BIG),
        ("a LOGIN {1x+}".to_owned(), "a BAD authup syntax error\r\n"),
        ("a LOGIN {-1+}".to_owned(), "a BAD authup syntax error\r\n"),
        ("a LOGIN {+}".to_owned(), "a BAD authup syntax error\r\n"),
    ] {
        let command = login(chain, "imap", &["false"]);
        let mut session = door.session(chain, "imap", &command)?;
        let peer = &mut session.peer;
        peer.ask(&said, told)?;
        let rest = String::from_utf8_lossy(&peer.rest()?).into_owned();
        let bye = if told == TOO_BIG { "" } else { "* BYE authup syntax error\r\n" };
        ensure!(rest == bye, "{rest:?} after {said:?}");
        let ended = session.over()?;
        ensure!(!ended.log.contains(" attempt for "), "{}", ended.log);
        FIGURES.add(Kind::Line, 1, 0);
    }
    Ok(())
}
