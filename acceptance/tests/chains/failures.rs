//! Guessers against the built programs, with the memory of refused logins: what they are
//! told, what the owner is told meanwhile, and what the administrator sees.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Output;

use acceptance::chain::{Chain, Server};
use acceptance::peer::{self, Peer};
use anyhow::{Context, Result, ensure};
use test_support::run::{hand_over, succeeds};
use test_support::wait::{Gate, in_file, until};

use crate::chains::login::submission;
use crate::chains::sending::{self, ECHO, swaks_succeeds, swaks_tries};
use crate::{BOB, BOB_IS_IN, SWAKS_REFUSED, Test, Tls, by_python, ends_with, holds, logs};

const SWAKS: &[&str] = &["swaks", "smtpfront-echo"];
const PLAIN: &[&str] = &["swaks", "smtpfront-echo", "tcpserver"];

pub(crate) const TESTS: &[Test] = &[
    ("failures: swaks guesses over STARTTLS, and is not heard any more", SWAKS, d59_over_starttls),
    ("failures: swaks guesses, TLS from the first octet", SWAKS, |chain| {
        guesses_until_shut_out(chain, Tls::AtOnce, |chain| {
            chain.tlsserver(&[], "!", &chain.login("smtp", ECHO))
        })
    }),
    ("failures: swaks guesses, tlsserver holds the dialog", SWAKS, |chain| {
        guesses_until_shut_out(chain, Tls::Asked, |chain| submission(chain, Tls::Asked))
    }),
    ("failures: swaks guesses at authup alone", PLAIN, authup_alone),
    ("failures: swaks guesses over IPv6", &["python3", "tcpserver"], over_ipv6),
    ("failures: poplib guesses", &["python3"], by_pop3),
    ("failures: one password, however often", PLAIN, the_same_again),
    ("failures: who is known is heard", SWAKS, known),
    ("failures: from behind a load balancer", &[], behind_a_load_balancer),
    ("failures: many at once are no more guesses", &["tcpserver"], many_at_once),
    ("failures: a session in the middle of its tries", &["tcpserver"], within_a_session),
    ("failures: trouble counts for nobody", &["tcpserver"], trouble),
    ("failures: a check that takes too long", &["tcpserver"], late_check),
    ("failures: a file that cannot be used", PLAIN, unusable_file),
    ("failures: a limit on files' sizes", &["prlimit", "tcpserver"], limited),
    ("failures: a control file that is wrong", &["tcpserver"], wrong_control),
];

/// Where the file has the key of its hashes, and one under which no two passwords here are
/// taken for the same.
const KEY_AT: u64 = 16;
const KEY: &[u8; 16] = b"a key for tests.";

/// Remembers refused logins, three of an address at most.
fn remember(chain: &Chain<'_>, more: &str) -> Result<()> {
    let file = chain.name("client/failures");
    let control = format!("file {file}\naddress 3 6h\n{more}");
    fs::write(chain.path("home/control/loginfailures"), control)?;
    let made = failures(chain, &["--create"])?;
    ensure!(made == format!("made {file}\n"), "{made}");
    // Two wrong passwords are taken for the same under one key of 4,096, and then count once.
    fs::File::options().write(true).open(&file)?.write_all_at(KEY, KEY_AT)?;
    Ok(())
}

/// `acceptutils failures`, as the service's user.
fn failures(chain: &Chain<'_>, options: &[&str]) -> Result<String> {
    Ok(succeeds(chain.command("acceptutils").arg("failures").args(options)))
}

/// swaks as somebody, over STARTTLS or in the clear.
fn swaks(chain: &Chain<'_>, server: &Server, tls: &[&str], login: [&str; 2]) -> Result<Output> {
    let login = ["--auth", "PLAIN", "-au", login[0], "-ap", login[1]];
    swaks_tries(chain, server, &[tls, &login].concat())
}

/// Guesses eve's password three times, and is told each time that it is wrong.
fn swaks_guesses(chain: &Chain<'_>, server: &Server, tls: &[&str]) -> Result<()> {
    for guess in ["letmein", "hunter2", "123456"] {
        let output = swaks(chain, server, tls, ["eve", guess])?;
        ends_with(chain, &output, SWAKS_REFUSED)?;
        holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")?;
    }
    Ok(())
}

/// Guesses until it is not heard; the owner, at the same address, is once the administrator
/// has made it forgotten.
fn guesses_until_shut_out(
    chain: &Chain<'_>,
    tls: Tls,
    start: fn(&Chain<'_>) -> Result<Server>,
) -> Result<()> {
    remember(chain, "")?;
    let server = start(chain)?;
    swaks_guesses(chain, &server, &[tls.swaks()])?;
    let right = [&[tls.swaks()], &BOB[..]].concat();
    let output = swaks_tries(chain, &server, &right)?;
    ensure!(!output.status.success(), "heard:\n{}", chain.told(&output));
    logs(chain, "deny from 127.0.0.1: too many failures\n")?;
    ensure!(!chain.log().contains("for bob"), "tried all the same:\n{}", chain.log());
    let shown = failures(chain, &[])?;
    holds(&shown, "address  127.0.0.1 ")?;
    holds(&shown, " of 3, refused for another ")?;
    ensure!(failures(chain, &["--clear", "127.0.0.1"])? == "cleared 2\n");
    swaks_succeeds(chain, &server, &right)?;
    // Remembered by then; the session itself does not wait for that.
    logs(chain, BOB_IS_IN)?;
    holds(&failures(chain, &["--user", "bob"])?, "bob from 127.0.0.0/24")
}

fn d59_over_starttls(chain: &Chain<'_>) -> Result<()> {
    guesses_until_shut_out(chain, Tls::Asked, sending::submission)
}

/// Where another server accepts, the client hears a temporary refusal.
fn authup_alone(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let server = chain.plain_server(&chain.login("smtp", ECHO))?;
    swaks_guesses(chain, &server, &[])?;
    let output = swaks_tries(chain, &server, &BOB)?;
    ends_with(chain, &output, SWAKS_REFUSED)?;
    let told = chain.told(&output);
    holds(&told, "454 authup too many failures, try later (#4.7.0)")?;
    holds(&told, " checkpassword not run, too many failures of 127.0.0.1 (bob from 127.0.0.1)\n")?;
    ensure!(!told.contains("attempt for bob"), "tried all the same:\n{told}");
    ensure!(failures(chain, &["--clear", "--all"])? == "cleared 3\n");
    swaks_succeeds(chain, &server, &BOB).map(drop)
}

/// Debian's swaks needs a module more for IPv6, so the client is Python's; the guesser has
/// the whole /64, of which this machine has but one address.
fn over_ipv6(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let command = ["authup", "smtp", "sh", "-c", "exit 1"];
    let server = chain.start(&mut chain.plain_command("::1", &command))?;
    let program = "import base64\n\
         for guess in range(4):\n  \
           secret = base64.b64encode(b'\\0eve\\0' + str(guess).encode()).decode()\n  \
           print(smtplib.SMTP('::1', port).docmd('AUTH', 'PLAIN ' + secret)[0])";
    let said = by_python(chain, server.port, program, "")?;
    ensure!(said == "535\n535\n535\n454\n", "{said}");
    logs(chain, "not run, too many failures of ::/64 (eve from ::1)\n")
}

fn by_pop3(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "user 2 1d\n")?;
    let server = chain.tlsserver(&[], "!", &["authup", "pop3", "sh", "-c", "exit 1"])?;
    let program = "for guess in range(3):\n  \
           client = poplib.POP3_SSL('localhost', port, context=trust)\n  \
           client.user('Eve' if guess % 2 else 'eve')\n  \
           try: client.pass_(str(guess))\n  \
           except poplib.error_proto as refused: print(refused)";
    let said = by_python(chain, server.port, program, "")?;
    ensure!(said.matches("-ERR [AUTH] authup authorization failed").count() == 2, "{said}");
    holds(&said, "-ERR [SYS/TEMP] authup too many failures, try later")
}

/// As a phone does with a password that is not right any more.
fn the_same_again(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let server = chain.plain_server(&chain.login("smtp", ECHO))?;
    for _ in 0..5 {
        let output = swaks(chain, &server, &[], ["bob", "old"])?;
        holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")?;
    }
    swaks_succeeds(chain, &server, &BOB)?;
    logs(chain, BOB_IS_IN)?;
    let of_bob = failures(chain, &["--user", "Bob"])?;
    holds(&of_bob, "user     Bob ")?;
    holds(&of_bob, "   1.0 of 100, last ")?;
    holds(&of_bob, "known    Bob from 127.0.0.0/24")
}

/// Somebody has logged in from there: all are heard, and who that was logs in.
fn known(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let server = sending::submission(chain)?;
    let right = [&["--tls"], &BOB[..]].concat();
    swaks_succeeds(chain, &server, &right)?;
    logs(chain, BOB_IS_IN)?;
    swaks_guesses(chain, &server, &["--tls"])?;
    let output = swaks(chain, &server, &["--tls"], ["eve", "x"])?;
    holds(&chain.told(&output), "454 authup too many failures, try later (#4.7.0)")?;
    ensure!(!chain.log().contains("deny"), "{}", chain.log());
    swaks_succeeds(chain, &server, &right)?;
    // Three of his own, and so is he.
    for guess in ["a", "b", "c"] {
        let output = swaks(chain, &server, &["--tls"], ["bob", guess])?;
        holds(&chain.told(&output), "535 ")?;
    }
    let output = swaks_tries(chain, &server, &right)?;
    holds(&chain.told(&output), "454 ")?;
    logs(chain, "too many failures of bob from 127.0.0.0/24 (bob from 127.0.0.1)\n")
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const REFUSES: [&str; 5] = ["authup", "smtp", "sh", "-c", "exit 1"];

/// Who is behind it is who counts.
fn behind_a_load_balancer(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let server = chain.tlsserver(&["-n", "--proxy-protocol"], "", &REFUSES)?;
    let connect = |address: &str| {
        let header = format!("PROXY TCP4 {address} 127.0.0.1 4321 {}\r\n", server.port);
        Peer::greeted(HERE, server.port, &header)
    };
    for guess in ["a", "b", "c"] {
        connect("192.0.2.7")?.log_in(b"eve", guess, "535 ")?;
    }
    ensure!(connect("192.0.2.7").is_err(), "heard");
    logs(chain, "deny from 192.0.2.7: too many failures\n")?;
    connect("192.0.2.8")?.log_in(b"eve", "d", "535 ").map(drop)
}

/// Sessions of thirty clients whose logins are checked at the same time. They begin one after the
/// other: where a process does not get the file's lock in time, it tries a login all the same.
fn many_at_once(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    // Each check lasts until all have begun, or are refused.
    let gate = Gate::make(&chain.path("client/gate"));
    let check = format!("read -r go <{}; exit 1", chain.name("client/gate"));
    let server = chain.plain_server(&["authup", "smtp", "sh", "-c", &check])?;
    let begun = |log: &str| {
        [" attempt for eve", "checkpassword not run"].map(|what| log.matches(what).count())
    };
    let mut clients = Vec::new();
    for at in 1..=30 {
        let mut client = Peer::greeted(HERE, server.port, "")?;
        client.says_login(b"eve", &format!("guess {at}"));
        clients.push(client);
        in_file(
            &chain.path("server.log"),
            || format!("{at} logins"),
            |log| (begun(log).iter().sum::<usize>() >= at).then_some(()),
        );
    }
    ensure!(begun(&chain.log()) == [3, 27], "asked and refused unasked:\n{}", chain.log());
    gate.open(3);
    let mut answers = Vec::new();
    for mut client in clients {
        answers.push(client.reply()?.get(..3).context("no answer")?.to_owned());
    }
    let count = |code: &str| answers.iter().filter(|answer| *answer == code).count();
    ensure!((count("535"), count("454")) == (3, 27), "{answers:?}");
    holds(&failures(chain, &[])?, "   3.0 of 3, refused for another ")
}

/// The session ends with it, whatever tries are left.
fn within_a_session(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let server = chain.plain_server(&REFUSES)?;
    let mut client = Peer::greeted(HERE, server.port, "")?;
    for guess in ["a", "b", "c"] {
        client.log_in(b"eve", guess, "535 ")?;
    }
    client.log_in(b"eve", "d", "454 authup too many failures, try later (#4.7.0)\r\n")?;
    ensure!(client.ask("NOOP", "")?.is_empty(), "the session goes on");
    Ok(())
}

fn trouble(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    for end in ["exit 111", "exit 2", "exit 17", "kill -SEGV $$"] {
        let server = chain.plain_server(&["authup", "smtp", "sh", "-c", end])?;
        for guess in ["a", "b", "c", "d"] {
            let answer = Peer::greeted(HERE, server.port, "")?.log_in(b"eve", guess, "")?;
            let asked = !answer.is_empty() && !answer.contains("too many failures");
            ensure!(asked, "{end}: {answer}");
        }
    }
    ensure!(failures(chain, &[])? == "nothing is remembered\n", "{}", failures(chain, &[])?);
    Ok(())
}

/// It is no good login, wherever it cannot be told from a session.
fn late_check(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    fs::write(chain.path("home/control/timeoutlogin"), "3\n")?;
    let gate = Gate::make(&chain.path("client/gate"));
    let check = format!("read -r go <{}; exit 1", chain.name("client/gate"));
    let server = chain.plain_server(&["authup", "smtp", "sh", "-c", &check])?;
    let client = std::thread::spawn(move || {
        Peer::greeted(HERE, server.port, "")?.log_in(b"eve", "guess", "")
    });
    let log = chain.path("server.log");
    in_file(&log, || "attempt".into(), |log| log.contains("attempt for eve").then_some(()));
    let look = || failures(chain, &[]).unwrap_or_default();
    until("charge taken back", look, |shown| shown == "nothing is remembered\n");
    gate.open(1);
    client.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
    let shown = failures(chain, &["--user", "eve"])?;
    ensure!(shown == "nothing is remembered\n", "{shown}");
    Ok(())
}

/// Logins go on, and the log says why nothing is remembered.
fn unusable_file(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let file = chain.path("client/failures");
    let server = chain.plain_server(&chain.login("smtp", ECHO))?;
    let whole = fs::read(&file)?;
    let magic = [b"?", &whole[1..]].concat();
    for (content, why) in [
        (&whole[..whole.len() / 2], "wrong size"),
        (&magic, "not a memory of refused logins, or of another version"),
    ] {
        fs::write(&file, content)?;
        swaks_guesses(chain, &server, &[])?;
        swaks_guesses(chain, &server, &[])?;
        let said = format!(" failures not remembered: {}: {why}\n", file.display());
        ensure!(chain.log().matches(&said).count() == 6, "{}", chain.log());
        swaks_succeeds(chain, &server, &BOB)?;
    }
    fs::remove_file(&file)?;
    swaks_succeeds(chain, &server, &BOB)?;
    logs(chain, &format!("{}: No such file or directory\n", file.display()))
}

/// The system's signal about it ends neither of the two.
fn limited(chain: &Chain<'_>) -> Result<()> {
    remember(chain, "")?;
    let login = ["-n", "--login", "smtp"];
    for server in [
        chain.plain_command("127.0.0.1", &REFUSES),
        chain.tls_command(&login, &["sh", "-c", "exit 1"]),
    ] {
        let mut command = chain.command("prlimit");
        let server =
            chain.start(hand_over(command.env("UCSPITLS", "").arg("--fsize=65536"), &server))?;
        let mut client = Peer::greeted(HERE, server.port, "")?;
        client.log_in(b"eve", "a", "535 ")?;
        client.log_in(b"eve", "b", "535 ")?;
    }
    let file = chain.name("client/failures");
    let said = format!(" failures not remembered: {file}: File too large\n");
    ensure!(chain.log().matches(&said).count() == 2, "{}", chain.log());
    Ok(())
}

fn wrong_control(chain: &Chain<'_>) -> Result<()> {
    fs::write(chain.path("home/control/loginfailures"), "# ours\nadress 10 6h\n")?;
    let server = chain.plain_server(&REFUSES)?;
    peer::connect(&server)?.hear("421 authup unable to read controls (#4.3.0)\r\n")?;
    logs(
        chain,
        "unable to read controls: control/loginfailures: line 2: not one of file, address, ",
    )
}
