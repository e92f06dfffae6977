//! Logins that are none: malformed SASL and POP3 of every kind. Each gets one answer, the
//! session goes on, and checkpassword is not asked.

use acceptance::chain::Chain;
use acceptance::peer::Peer;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};
use test_support::talking::up_to;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Session;
use crate::{as_run, login};

pub(crate) const TESTS: &[Test] = &[
    ("malformed_sasl_is_answered_once", &[], malformed_sasl),
    ("no_octet_passes_as_base64_that_is_none", &[], octets_that_are_no_base64),
    ("unknown_mechanisms_are_refused", &[], unknown_mechanisms),
    ("malformed_pop3_logins_are_answered_once", &[], |programs| {
        Door::each(&Door::WITH_A_LOGIN, programs, malformed_pop3)
    }),
    ("a_checkpassword_that_is_true_opens_nothing", &[], |programs| {
        Door::each(&Door::WITH_A_LOGIN, programs, true_opens_nothing)
    }),
    ("a_login_after_all_that_is_good", &["smtpfront-echo"], |programs| {
        Door::each(&Door::WITH_A_LOGIN, programs, good_login_afterwards)
    }),
];

/// Lines that the client sends, one after another, and how the last answer begins.
pub(crate) type Exchange = (Vec<Vec<u8>>, &'static str);

pub(crate) fn b64(octets: &[u8]) -> Vec<u8> {
    Base64::encode_string(octets).into_bytes()
}

fn line(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// What is decoded well and is no login: NULs missing, too many, or at the wrong place;
/// nothing where something must be; more than checkpassword can read.
pub(crate) fn contents() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\0\0",
        b"\0\0\0",
        b"\0\0\0\0",
        b"bob",
        b"bob\0",
        b"\0bob",
        b"\0bob\0",
        b"bob\0\0",
        b"bob\0pass word",
        b"\0\0pass word",
        b"bob\0\0pass word",
        b"\0bob\0pass word\0",
        b"\0bob\0pass\0word",
        b"\0b\0ob\0pass word",
        b"\0bob\0\0",
        b"\xff\xfe",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for size in [512, 600, 4000, 9000] {
        let long = vec![b'x'; size];
        all.push(line(&[b"\0", &long, b"\0p"]));
        all.push(line(&[b"\0bob\0", &long]));
        all.push(long);
    }
    all
}

/// What is no base64 at all, or only nearly.
pub(crate) fn not_base64() -> Vec<Vec<u8>> {
    let good = b64(b"\0bob\0pass word");
    let unpadded: Vec<u8> = good.iter().copied().filter(|octet| *octet != b'=').collect();
    let mut all: Vec<Vec<u8>> = [
        &b"="[..],
        b"==",
        b"===",
        b"====",
        b"=====",
        b"A",
        b"AA",
        b"AAA",
        b"A=",
        b"A==",
        b"AA=",
        b"A===",
        b"AB==",
        b"AAB=",
        b"AAAA=",
        b"AAAA==",
        b"=AAA",
        b"A=AA",
        b"AA=A",
        b"AA==AA==",
        b"****",
        b"**",
        b"* ",
        b" *",
        b"-___",
        b"a b c d",
        b"(null)",
        b"%00",
        b"\\000",
        b"\"AGJvYgBw\"",
        b"\t",
        b"\0",
        b"AAAA\0AAAA",
        b"\x80\x80\x80\x80",
        "ÄÖÜß".as_bytes(),
        b"\xef\xbb\xbfAGJvYgBw",
    ]
    .map(<[u8]>::to_vec)
    .into();
    all.push(unpadded);
    all.push(line(&[&good, b"="]));
    all.push(line(&[&good, &good]));
    all.push(line(&[&good, b"\r"]));
    all.push(line(&[b"\0", &good]));
    all.push(line(&[&good, b"\0"]));
    for size in [1, 3, 4095, 4097, 12_000] {
        all.push(vec![b'!'; size]);
    }
    all
}

/// Every exchange of AUTH that must end in a refusal.
fn exchanges() -> Vec<Exchange> {
    let (plain, ask) = (&b"AUTH PLAIN "[..], b"AUTH PLAIN".to_vec());
    let (named, login) = (&b"AUTH LOGIN "[..], b"AUTH LOGIN".to_vec());
    let mut all = Vec::new();
    for content in contents() {
        let coded = b64(&content);
        if coded.is_empty() {
            all.push((vec![ask.clone(), coded], "501"));
            continue;
        }
        all.push((vec![line(&[plain, &coded])], "501"));
        all.push((vec![ask.clone(), coded], "501"));
    }
    for garbage in not_base64() {
        all.push((vec![ask.clone(), garbage.clone()], "501"));
        all.push((vec![login.clone(), garbage.clone()], "501"));
        all.push((vec![login.clone(), b64(b"bob"), garbage.clone()], "501"));
        if !garbage.starts_with(b" ") && !garbage.starts_with(b"*") && garbage != b"=" {
            all.push((vec![line(&[plain, &garbage])], "501"));
            all.push((vec![line(&[named, &garbage])], "501"));
        }
    }
    // A name is looked at when the password is there, so that nobody learns which was wrong.
    for nul in [&b"\0"[..], b"b\0ob", b"bob\0", b"\0\0\0"] {
        all.push((vec![login.clone(), b64(nul), b64(b"pass word")], "501"));
        all.push((vec![login.clone(), b64(b"bob"), b64(nul)], "501"));
        all.push((vec![line(&[named, &b64(nul)]), b64(b"pass word")], "501"));
    }
    all.push((vec![line(&[plain, b"="])], "501"));
    all.push((vec![line(&[named, b"="])], "501"));
    for begin in [vec![ask.clone()], vec![login.clone()], vec![login, b64(b"bob")]] {
        all.push(([begin.clone(), vec![b"*".to_vec()]].concat(), "501"));
        all.push(([begin.clone(), vec![Vec::new()]].concat(), "501"));
        all.push(([begin.clone(), vec![vec![b'A'; 12_400]]].concat(), "500"));
        all.push(([begin, vec![vec![b'A'; 1 << 20]]].concat(), "500"));
    }
    all.push((vec![line(&[plain, &vec![b'A'; 1 << 20]])], "500"));
    all
}

/// Plays exchanges one after another in one session at each door.
fn play(chain: &Chain<'_>, exchanges: &[Exchange]) -> Result<()> {
    for door in Door::WITH_A_LOGIN {
        let session = door.session(chain, "smtp", &login(chain, "smtp", &["smtpfront-echo"]))?;
        play_in(session, exchanges).with_context(|| format!("{door:?}"))?;
    }
    // Where each is the first that the TLS server hears of a login.
    for door in [Door::Login, Door::LoginAtOnce] {
        let service = door.service(chain, "smtp", &login(chain, "smtp", &["smtpfront-echo"]))?;
        for exchange in exchanges.iter().step_by(exchanges.len().div_ceil(40)) {
            let mut peer = service.knock()?;
            answered_in_smtp(&mut peer, exchange).with_context(|| format!("{door:?}"))?;
        }
        service.over()?;
        let log = chain.log();
        ensure!(!log.contains(" attempt for "), "taken for a login:\n{log}");
    }
    Ok(())
}

/// One after another, each to its one answer.
fn play_in(mut session: Session, exchanges: &[Exchange]) -> Result<()> {
    let peer = &mut session.peer;
    for exchange in exchanges {
        answered_in_smtp(peer, exchange)?;
    }
    peer.ask("QUIT", "221")?;
    nobody_was_asked(session)
}

fn answered_in_smtp(peer: &mut Peer, exchange: &Exchange) -> Result<()> {
    answered_once(peer, exchange, "334 ", ("NOOP", "250 ok"))
}

/// Each line but the last is answered like `more`, and then `noop` as if nothing had been.
pub(crate) fn answered_once(
    peer: &mut Peer,
    (lines, answer): &Exchange,
    more: &str,
    noop: (&str, &str),
) -> Result<()> {
    for (at, line) in lines.iter().enumerate() {
        peer.say([line, &b"\r\n"[..]].concat());
        let answer = if at + 1 == lines.len() { answer } else { more };
        let start = line.get(..line.len().min(60)).unwrap_or_default();
        peer.hear(answer).with_context(|| format!("after {}", start.escape_ascii()))?;
    }
    // Had there been a second answer, this would be it.
    peer.ask(noop.0, noop.1).with_context(|| format!("{}", lines[0].escape_ascii()))?;
    FIGURES.add(Kind::Sasl, 1, 0);
    Ok(())
}

pub(crate) fn nobody_was_asked(session: Session) -> Result<()> {
    let ended = session.over()?;
    ensure!(ended.code == Some(0), "exit {:?}:\n{}", ended.code, ended.log);
    ensure!(!ended.log.contains(" attempt for "), "taken for a login:\n{}", ended.log);
    Ok(())
}

fn malformed_sasl(programs: &Programs) -> Result<()> {
    play(&as_run(programs)?, &exchanges())
}

/// One octet of a right login is another: each of the 256, at three places.
fn octets_that_are_no_base64(programs: &Programs) -> Result<()> {
    let good = b64(b"\0bob\0pass word");
    let mut all = Vec::new();
    for octet in 0..=u8::MAX {
        // A line feed ends the line; these are base64, of another login.
        if octet == b'\n' || octet.is_ascii_alphanumeric() || b"+/".contains(&octet) {
            continue;
        }
        for at in [1, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] = octet;
            if bad != good {
                all.push((vec![b"AUTH PLAIN".to_vec(), bad], "501"));
            }
        }
    }
    play(&as_run(programs)?, &all)
}

fn unknown_mechanisms(programs: &Programs) -> Result<()> {
    let names = [
        "",
        " ",
        "CRAM-MD5",
        "DIGEST-MD5",
        "NTLM",
        "GSSAPI",
        "GSS-SPNEGO",
        "EXTERNAL",
        "EXTERNAL =",
        "EXTERNAL AA==",
        "ANONYMOUS",
        "ANONYMOUS dGVzdA==",
        "XOAUTH2 AAAA",
        "OAUTHBEARER AAAA",
        "KERBEROS_V4",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256-PLUS biws",
        "SKEY",
        "OTP",
        "PLAINTEXT",
        "PLAIN\t",
        "LOGIN\0",
        "PLAIN\0AGJvYgBw",
        "PLAI",
        "LOGINS",
        "pläin",
        "\u{feff}PLAIN",
        "%s%s%s%n",
        "../PLAIN",
    ];
    let mut all: Vec<Exchange> =
        names.map(|name| (vec![format!("AUTH {name}").into_bytes()], "504")).into();
    all.push((vec![line(&[b"AUTH ", &vec![b'X'; 4000]])], "504"));
    all.push((vec![b"AUTH".to_vec()], "504"));
    all.push((vec![b"AUTH=PLAIN AGJvYgBw".to_vec()], "530"));
    play(&as_run(programs)?, &all)
}

fn malformed_pop3(chain: &Chain<'_>, door: Door) -> Result<()> {
    let mut session = door.session(chain, "pop3", &login(chain, "pop3", &["false"]))?;
    let peer = &mut session.peer;
    let long = vec![b'x'; 600];
    let lines: Vec<Vec<u8>> = vec![
        b"USER".to_vec(),
        b"USER ".to_vec(),
        b"PASS".to_vec(),
        b"PASS pass word".to_vec(),
        b"AUTH PLAIN AGJvYgA=".to_vec(),
        b"AUTH PLAIN AGJvYgBwYXNzIHdvcmQ".to_vec(),
        b"AUTH LOGIN =".to_vec(),
        b"AUTH".to_vec(),
        b"APOP bob c4c9334bac560ecc979e58001b3e22fb".to_vec(),
        b"USER\0bob".to_vec(),
        b"USER b\0ob\r\nPASS x".to_vec(),
        line(&[b"USER ", &long, b"\r\nPASS x"]),
        line(&[b"USER bob\r\nPASS ", &long]),
        b"USER bob\r\nPASS a\0b".to_vec(),
        b"USER bob\r\nPASS".to_vec(),
        line(&[b"USER ", &vec![b'x'; 5000]]),
        line(&[b"PASS ", &vec![b'x'; 1 << 20]]),
        b"RETR 1".to_vec(),
        b"USERbob".to_vec(),
        b"\xff\xfe\0".to_vec(),
    ];
    for line in lines {
        peer.say([&line[..], b"\r\n"].concat());
        let start = line.get(..line.len().min(60)).unwrap_or_default();
        let requests = line.split(|octet| *octet == b'\n').count();
        let mut answer = String::new();
        for _ in 0..requests {
            answer = peer.reply()?;
        }
        ensure!(answer.starts_with("-ERR "), "{answer:?} after {}", start.escape_ascii());
        peer.ask("CAPA", "+OK").with_context(|| format!("{}", start.escape_ascii()))?;
        up_to(&mut peer.stream, "\r\n.\r\n")?;
        FIGURES.add(Kind::Sasl, 1, 0);
    }
    peer.ask("QUIT", "+OK")?;
    nobody_was_asked(session)
}

const NO_MAIL_PROGRAM: &[u8] = b"421 authup unable to start the mail server (#4.3.0)\r\n";

/// Whoever put `true` where checkpassword belongs has let nobody relay.
fn true_opens_nothing(chain: &Chain<'_>, door: Door) -> Result<()> {
    for command in [&["authup", "smtp", "true"][..], &["authup", "smtp", "true", "smtpfront-echo"]]
    {
        let mut session = door.session(chain, "smtp", command)?;
        let peer = &mut session.peer;
        peer.say(format!("AUTH PLAIN {}\r\n", Base64::encode_string(b"\0bob\0anything")));
        peer.say("MAIL FROM:<eve@example.org>\r\n");
        let rest = peer.rest()?;
        // A program without a word is no mail program, and an engine says so.
        let told = if door.has_engine() { NO_MAIL_PROGRAM } else { b"" };
        ensure!(rest == told, "{}", rest.escape_ascii());
        ensure!(session.over()?.code == Some(0), "true has another exit code");
        FIGURES.add(Kind::Sasl, 1, 0);
    }
    Ok(())
}

/// That all of it would have been taken, had it been right.
fn good_login_afterwards(chain: &Chain<'_>, door: Door) -> Result<()> {
    let command = login(chain, "smtp", &["fixsmtpio", "smtpfront-echo"]);
    let mut session = door.session(chain, "smtp", &command)?;
    let peer = &mut session.peer;
    for (lines, _) in exchanges().iter().take(20) {
        peer.say([&lines.join(&b"\r\n"[..])[..], b"\r\n"].concat());
        for _ in lines {
            peer.reply()?;
        }
    }
    peer.ask("AUTH LOGIN", "334 ")?;
    peer.ask(&Base64::encode_string(b"bob"), "334 ")?;
    peer.ask(&Base64::encode_string(b"pass word"), "235 ")?;
    peer.ask("QUIT", "221")?;
    let ended = session.over()?;
    ensure!(ended.log.contains(" login succeeded (bob from "), "{}", ended.log);
    Ok(())
}
