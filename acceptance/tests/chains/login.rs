//! tlsserver talks to clients itself until they have logged in: mail programs notice nothing,
//! and the programs behind the login go on where it stopped, to the octet.

use std::collections::BTreeSet;
use std::fs;

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::chains::fetching::{MAILFRONT, fetchmail_fetches, mpop_fetches, put, run_mpop};
use crate::chains::sending::{
    ECHO, curl_sends, python, run_msmtp, swaks_is_refused, swaks_succeeds,
};
use crate::{BOB_IS_IN, REFUSED, Test, Tls, by_python, ends_with, holds, logs, logs_times};

const SMTP: &[&str] = &["python3", "smtpfront-echo"];
const POP3: &[&str] = &["python3", "pop3front-maildir"];

pub(crate) const TESTS: &[Test] = &[
    ("login: swaks, by all its ways to log in", &["swaks", "smtpfront-echo"], swaks),
    ("login: swaks with a wrong password", &["swaks", "smtpfront-echo"], |chain| {
        swaks_is_refused(chain, &submission(chain, Tls::Asked)?)
    }),
    ("login: msmtp", &["msmtp", "smtpfront-echo"], msmtp),
    ("login: curl", &["curl", "smtpfront-echo"], curl),
    ("login: smtplib", SMTP, smtplib),
    ("login: mpop", &["mpop", "pop3front-maildir"], mpop),
    ("login: fetchmail", &["fetchmail", "pop3front-maildir"], |chain| {
        fetchmail_fetches(chain, &fetching(chain, Tls::Asked)?)
    }),
    ("login: poplib", POP3, poplib),
    ("login: SMTP however it is cut", SMTP, smtp_however_cut),
    ("login: POP3 however it is cut", POP3, pop3_however_cut),
    ("login: a third try", SMTP, third_try),
    ("login: too many tries", SMTP, too_many_tries),
    ("login: POP3's timestamp is one", &["python3"], timestamp),
    ("login: the time of a login goes on", SMTP, own_time),
    ("login: no program without a login", SMTP, no_program),
];

/// tlsserver that talks to clients by this protocol, with what would stand behind authup.
pub(crate) fn door(
    chain: &Chain<'_>,
    protocol: &str,
    tls: Tls,
    program: &[impl AsRef<str>],
) -> Result<Server> {
    let options = ["-n", "--login", protocol];
    let authup = if program[0].as_ref() == "authup" { 2 } else { 0 };
    chain.tlsserver(&options[usize::from(tls == Tls::AtOnce)..], "!", &program[authup..])
}

pub(crate) fn submission(chain: &Chain<'_>, tls: Tls) -> Result<Server> {
    door(chain, "smtp", tls, &chain.login("smtp", ECHO))
}

fn fetching(chain: &Chain<'_>, tls: Tls) -> Result<Server> {
    put(chain);
    door(chain, "pop3", tls, &chain.login("pop3", &MAILFRONT))
}

fn swaks(chain: &Chain<'_>) -> Result<()> {
    for tls in Tls::WAYS {
        let server = submission(chain, tls)?;
        for how in [&["PLAIN"][..], &["LOGIN"], &["PLAIN", "--pipeline"]] {
            let login = [tls.swaks(), "-au", "bob", "-ap", "pass word", "--auth"];
            let said = swaks_succeeds(chain, &server, &[&login[..], how].concat())?;
            holds(&said, "235 ok, go ahead")?;
            ensure!(said.matches("220 mail.example.org ESMTP").count() == 1, "{said}");
        }
    }
    logs_times(chain, BOB_IS_IN, 6);
    ensure!(chain.log().matches(BOB_IS_IN).count() == 6);
    Ok(())
}

fn msmtp(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain, Tls::Asked)?;
    ends_with(chain, &run_msmtp(chain, &server, "pass word")?, 0)?;
    logs(chain, BOB_IS_IN)?;
    ends_with(chain, &run_msmtp(chain, &server, "guessed")?, REFUSED)
}

fn curl(chain: &Chain<'_>) -> Result<()> {
    for (tls, scheme) in Tls::WAYS.into_iter().zip(["smtp", "smtps"]) {
        curl_sends(chain, scheme, &submission(chain, tls)?)?;
    }
    Ok(())
}

fn smtplib(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain, Tls::Asked)?;
    let send = "client.sendmail('bob@example.org', ['eve@example.org'], sys.stdin.buffer.read())\n\
                print(client.noop(), client.rset(), client.ehlo())";
    let said = python(chain, &server, send)?;
    ensure!(!said.contains("AUTH LOGIN") && !said.contains("STARTTLS"), "offered again: {said}");
    holds(&said, "(221, b'mail.example.org')")
}

fn mpop(chain: &Chain<'_>) -> Result<()> {
    let server = fetching(chain, Tls::Asked)?;
    mpop_fetches(chain, &server)?;
    ends_with(chain, &run_mpop(chain, &server, "guessed")?, REFUSED)
}

fn poplib(chain: &Chain<'_>) -> Result<()> {
    for tls in Tls::WAYS {
        super::fetching::poplib(chain, &fetching(chain, tls)?, Some(tls))?;
    }
    Ok(())
}

/// What a client hears that does what these lines of Python say once it has TLS, for which
/// it asks with `starttls` or which it has from the first octet. `say` says octets, `line`
/// reads a line, `rest` all to the end.
fn hears(chain: &Chain<'_>, server: &Server, starttls: &str, says: &str) -> Result<String> {
    let program = format!(
        "client = socket.create_connection(('localhost', port))\n\
         def say(octets):\n  client.sendall(octets)\n\
         def line():\n  got = b''\n  while not got.endswith(b'\\n'):\n    octet = client.recv(1)\n    \
         assert octet, got\n    got += octet\n  print(got.decode(), end='')\n  return got\n\
         def rest():\n  while True:\n    got = client.recv(4096)\n    \
         print(got.decode(), end='')\n    if not got: return\n\
         def secure():\n  global client\n  \
         client = trust.wrap_socket(client, server_hostname='localhost')\n\
         if {starttls:?}:\n  line()\n  say({starttls:?}.encode() + b'\\r\\n')\n  line()\n\
         secure()\n{says}"
    );
    Ok(by_python(chain, server.port, &program, "")?.replace("\r\n", "\n"))
}

/// `bob` and his password.
const LOGIN: &str = "AUTH PLAIN AGJvYgBwYXNzIHdvcmQ=";
const WRONG: &str = "AUTH PLAIN AGJvYgBndWVzc2Vk";

/// In one piece, cut in two in the login's verb, and octet by octet.
const CUTS: [&str; 3] = [
    "say(all)\nrest()",
    "at = all.index(cut) + 2\nsay(all[:at])\nsay(all[at:])\nrest()",
    "for octet in all: say(bytes([octet]))\nrest()",
];

fn smtp_however_cut(chain: &Chain<'_>) -> Result<()> {
    for (tls, starttls) in Tls::WAYS.into_iter().zip(["STARTTLS", ""]) {
        let server = submission(chain, tls)?;
        for cut in CUTS {
            let says = format!(
                "all = b'NOOP\\r\\n{LOGIN}\\r\\nNOOP\\r\\nMAIL FROM:<bob@example.org>\\r\\n\
                 RCPT TO:<eve@example.org>\\r\\nDATA\\r\\n'\ncut = b'AUTH'\n{}",
                cut.replace("rest()", "")
            );
            let says = format!(
                "{says}\nwhile not line().startswith(b'354'): pass\n\
                 say(b'AUTH\\r\\n..\\r\\n.\\r\\nQUIT\\r\\n')\nrest()"
            );
            let heard = hears(chain, &server, starttls, &says)?;
            let (_, secured) = heard.split_once("250 ok\n").unwrap_or_default();
            ensure!(secured.starts_with("235 ok, go ahead (#2.0.0)\n250 "), "{heard}");
            ensure!(heard.matches("220 mail.example.org ESMTP\n").count() == 1, "{heard}");
            ensure!(secured.ends_with("221 mail.example.org\n"), "{heard}");
        }
    }
    Ok(())
}

fn pop3_however_cut(chain: &Chain<'_>) -> Result<()> {
    for (tls, starttls) in Tls::WAYS.into_iter().zip(["STLS", ""]) {
        let server = fetching(chain, tls)?;
        for cut in CUTS {
            let says = format!(
                "all = b'NOOP\\r\\nUSER eve\\r\\nuser bob\\r\\nPASS pass word\\r\\nSTAT\\r\\nNOOP\\r\\n\
                 QUIT\\r\\n'\ncut = b'USER'\n{cut}"
            );
            let heard = hears(chain, &server, starttls, &says)?;
            ensure!(heard.matches("+OK mail.example.org\n").count() == 1, "{heard}");
            let (_, answers) = heard.split_once("+OK \n").unwrap_or_default();
            // USER and USER; PASS by the server behind; STAT, NOOP and QUIT.
            ensure!(answers.starts_with("+OK \n+OK \n+OK"), "{heard}");
            ensure!(answers.lines().count() == 6 && !answers.contains("-ERR"), "{heard}");
        }
    }
    Ok(())
}

fn third_try(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain, Tls::Asked)?;
    let says = format!(
        "say(b'{WRONG}\\r\\n')\nline()\nsay(b'EHLO x\\r\\n')\nwhile line()[3:4] == b'-': pass\n\
         say(b'AUTH LOGIN\\r\\n')\nline()\nsay(b'Ym9i\\r\\n')\nline()\nsay(b'Z3Vlc3NlZA==\\r\\n')\nline()\n\
         say(b'STARTTLS\\r\\n')\nline()\nsay(b'{LOGIN}\\r\\n')\nline()\nsay(b'QUIT\\r\\n')\nrest()"
    );
    let heard = hears(chain, &server, "STARTTLS", &says)?;
    let expected = "220 mail.example.org ESMTP\n220 Ready to start TLS (#5.7.0)\n\
                    535 authup authorization failed (#5.7.0)\n\
                    250-mail.example.org\n250-AUTH LOGIN PLAIN\n250-PIPELINING\n250 8BITMIME\n\
                    334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n535 authup authorization failed (#5.7.0)\n\
                    502 unimplemented (#5.5.1)\n235 ok, go ahead (#2.0.0)\n221 mail.example.org\n";
    ensure!(heard == expected, "{heard}");
    for line in [" failed, 4 remaining (bob", " failed, 3 remaining (bob", " login succeeded (bob"]
    {
        logs(chain, line)?;
    }
    Ok(())
}

fn too_many_tries(chain: &Chain<'_>) -> Result<()> {
    let login = chain.login("smtp", ECHO);
    let options = ["-n", "--login", "smtp", "--tries", "2"];
    let server = chain.tlsserver(&options, "!", &login[2..])?;
    let says = format!("say(b'{WRONG}\\r\\n' * 3 + b'QUIT\\r\\n')\nrest()");
    let heard = hears(chain, &server, "STARTTLS", &says)?;
    ensure!(heard.matches("535 authup authorization failed (#5.7.0)\n").count() == 2, "{heard}");
    ensure!(heard.ends_with("535 authup authorization failed (#5.7.0)\n"), "{heard}");
    Ok(())
}

/// RFC 1939, section 7: what checkpassword has is a session's own.
fn timestamp(chain: &Chain<'_>) -> Result<()> {
    let records = chain.path("spool/records");
    let check = format!("tr '\\0' '|' <&3 >>{0}; echo >>{0}; exit 1", records.display());
    for (tls, starttls, greeting) in [(Tls::Asked, "STLS", ""), (Tls::AtOnce, "", "line()\n")] {
        let server = door(chain, "pop3", tls, &["sh", "-c", &check])?;
        for _ in 0..3 {
            let says = format!("{greeting}say(b'USER bob\\r\\nPASS x\\r\\n')\nrest()");
            let heard = hears(chain, &server, starttls, &says)?;
            holds(&heard, "+OK \n-ERR [AUTH] authup authorization failed\n")?;
        }
    }
    let records = fs::read_to_string(records)?;
    let stamps: BTreeSet<_> = records
        .lines()
        .filter_map(|line| line.strip_prefix("bob|x|<")?.strip_suffix("@mail.example.org>|"))
        .collect();
    ensure!(stamps.len() == 6, "not unique: {records}");
    Ok(())
}

/// A client may hesitate before it logs in and in the middle of it.
fn own_time(chain: &Chain<'_>) -> Result<()> {
    fs::write(chain.path("home/control/timeoutsmtpd"), "3\n")?;
    let server = submission(chain, Tls::Asked)?;
    for says in ["rest()", "say(b'AUTH LOGIN\\r\\n')\nline()\nrest()"] {
        let heard = hears(chain, &server, "STARTTLS", says)?;
        ensure!(heard.ends_with("\n451 authup timeout (#4.4.2)\n"), "{heard}");
    }
    Ok(())
}

fn no_program(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain, Tls::Asked)?;
    let says = "say(b'EHLO x\\r\\nMAIL FROM:<a@b>\\r\\nAUT\\r\\nQUIT\\r\\n')\nrest()";
    let heard = hears(chain, &server, "STARTTLS", says)?;
    ensure!(heard.ends_with("\n221 mail.example.org\n"), "{heard}");
    ensure!(!chain.log().contains("authup "), "{}", chain.log());
    Ok(())
}
