//! fail2ban with the filter and the jail of `contrib`, on lines that authup has really
//! written: who fails is found, and nobody else, whatever user names say.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::spawn;

use acceptance::chain::{Chain, start_logging_to};
use acceptance::peer::Peer;
use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use test_support::client::be_patient;
use test_support::run::{self, OwnChild};
use test_support::talking::rest;
use test_support::wait::{PATIENCE, for_end, in_file};

use crate::{SWAKS_REFUSED, Test, ends_with, holds, swaks};

pub(crate) const TESTS: &[Test] = &[
    (
        "fail2ban-regex on the log behind tcpserver",
        &["tcpserver", "fail2ban-regex"],
        regex_behind_tcpserver,
    ),
    (
        "fail2ban-regex on the log behind tlsserver, by multilog",
        &["fail2ban-regex", "multilog", "swaks"],
        regex_behind_tlsserver,
    ),
    (
        "fail2ban-regex on the log by svlogd",
        &["tcpserver", "fail2ban-regex", "svlogd"],
        regex_by_svlogd,
    ),
    (
        "fail2ban-regex on the log by s6-log",
        &["tcpserver", "fail2ban-regex", "s6-log"],
        regex_by_s6_log,
    ),
    (
        "fail2ban-regex on the log by logger, as syslog writes it",
        &["tcpserver", "fail2ban-regex", "logger"],
        regex_by_logger,
    ),
    (
        "fail2ban-regex finds no temporary failure (d44)",
        &["tcpserver", "fail2ban-regex"],
        regex_and_temporary_failures,
    ),
    (
        "fail2ban-regex finds who guesses so fast that it is summed up",
        &["fail2ban-regex"],
        regex_and_sums,
    ),
    (
        "fail2ban bans who fails to log in, and nobody else",
        &["tcpserver", "multilog", "fail2ban-server"],
        bans,
    ),
    ("fail2ban takes the jail as it is shipped", &["fail2ban-client"], takes_the_jail),
];

/// Whom forged lines accuse.
const VICTIM: &str = "192.0.2.66";
/// Refusals in one session that leave it open.
const TRIES: usize = 4;
/// Refusals that the jail of `contrib` bans for.
const BANNED: usize = 10;

/// Names that look like the log's own lines, like its ends, like dates and like what
/// fail2ban puts in for an address; short, long, and cut.
fn forged_names() -> Vec<Vec<u8>> {
    let line = format!("authup 1 checkpassword 2 failed, 4 remaining (x from {VICTIM})");
    let tai = "@4000000065656565656565656";
    let mut names: Vec<Vec<u8>> = [
        line.clone(),
        format!("{line}\n{line}\n"),
        format!("\n{tai} {line}\n"),
        format!("\r\n2026-11-22 12:00:00 {line}\r"),
        format!("\u{85}{line}\u{2028}{line}\u{b}{line}\u{c}{line}\u{1c}{line}"),
        format!(" from {VICTIM})"),
        format!("x from {VICTIM}) (y from {VICTIM})"),
        format!("({VICTIM}"),
        VICTIM.to_owned(),
        format!("x from {VICTIM}"),
        "x from 2001:db8::66)".to_owned(),
        format!("[{VICTIM}] ::ffff:{VICTIM}"),
        "2001-01-01 00:00:00 Jan 1 00:00:00 @400000000000000000000000".to_owned(),
        "<HOST> <ADDR> <ip> %(ip)s $(touch /tmp/x) .* \\d+".to_owned(),
        "bob\\x0a".to_owned(),
        String::from("b\u{fc}b"),
    ]
    .map(String::into_bytes)
    .into();
    // Shown, they fill the line `attempt for` until it is cut.
    for filler in [&b"\x01"[..], b"x"] {
        let around = filler.repeat((490 - line.len()) / 2);
        names.push([&around[..], line.as_bytes(), &around[..]].concat());
    }
    names.push([line.as_bytes(), &b"\n".repeat(490 - line.len())].concat());
    names.push(b"\x01".repeat(490));
    names
}

/// A client that tries these names with a wrong password, a few in each session.
fn fails(from: IpAddr, port: u16, names: &[Vec<u8>]) -> Result<()> {
    for some in names.chunks(TRIES) {
        let mut client = Peer::greeted(from, port, "")?;
        for name in some {
            client.log_in(name, "guessed", "535 ")?;
        }
        client.ask("QUIT", "221 ")?;
    }
    Ok(())
}

/// A client that logs in well, in so many sessions.
fn succeeds(from: IpAddr, port: u16, sessions: usize) -> Result<()> {
    for _ in 0..sessions {
        let mut client = Peer::greeted(from, port, "")?;
        client.log_in(b"bob", "pass word", "235 ")?;
        client.ask("QUIT", "221 ")?;
    }
    Ok(())
}

/// Good logins go to a program that says so, and goodbye.
const WELCOME: [&str; 3] =
    ["sh", "-c", "printf '235 welcome\\r\\n'; read -r quit; printf '221 goodbye\\r\\n'"];

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/fail2ban")
}

/// A logger that runs behind a server: what is to be its standard error.
fn logger(chain: &Chain<'_>, arguments: &[&str]) -> Result<(OwnChild, Stdio)> {
    let mut command = chain.command(arguments[0]);
    let mut child = command.args(&arguments[1..]).stdin(Stdio::piped()).spawn()?;
    let input = child.stdin.take().context("no input")?;
    Ok((OwnChild(child), input.into()))
}

/// The addresses that fail2ban-regex finds in a log with the filter that is shipped.
fn found(log: &Path, options: &str) -> Result<Vec<String>> {
    let filter = contrib().join("filter.d/acceptutils.conf");
    let filter = format!("{}{options}", filter.display());
    let mut command = Command::new("fail2ban-regex");
    let found = run::succeeds(command.args(["--out", "ip"]).arg(log).arg(filter));
    Ok(found.lines().map(str::to_owned).collect())
}

/// All sorts of clients; gives the addresses of those that failed, once for each time.
fn clients(port: u16) -> Result<Vec<String>> {
    let names = forged_names();
    let forger: IpAddr = [127, 0, 0, 66].into();
    let guesser: IpAddr = [127, 0, 0, 9].into();
    succeeds([127, 0, 0, 2].into(), port, 2)?;
    fails(guesser, port, &[b"bob".to_vec(), b"root".to_vec()])?;
    fails(forger, port, &names)?;
    let mut somebody_else = Peer::greeted(guesser, port, "")?;
    // "eve NUL bob NUL pass word": bob, who wants to be eve.
    somebody_else.ask("AUTH PLAIN ZXZlAGJvYgBwYXNzIHdvcmQ=", "535 ")?;
    somebody_else.ask("QUIT", "221 ")?;
    let failed = [vec![guesser; 2], vec![forger; names.len()], vec![guesser]].concat();
    Ok(failed.iter().map(ToString::to_string).collect())
}

fn ensure_found(log: &Path, options: &str, failed: &[String]) -> Result<()> {
    let found = found(log, options)?;
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    ensure!(text.contains(VICTIM), "nothing was forged in\n{text}");
    ensure!(found == failed, "found {found:?}\nnot {failed:?}\nin\n{text}");
    Ok(())
}

fn regex_behind_tcpserver(chain: &Chain<'_>) -> Result<()> {
    let server = chain.plain_server(&chain.login("smtp", &WELCOME))?;
    let failed = clients(server.port)?;
    drop(server);
    ensure_found(&chain.path("server.log"), "", &failed)
}

/// An outage of the users' data base bans nobody.
fn regex_and_temporary_failures(chain: &Chain<'_>) -> Result<()> {
    let server = chain.plain_server(&["authup", "smtp", "sh", "-c", "exit 111"])?;
    let mut client = Peer::greeted([127, 0, 0, 9], server.port, "")?;
    client.log_in(b"bob", "pass word", "454 authup temporary")?;
    client.log_in(b"bob", "pass word", "421 authup temporary")?;
    drop((client, server));
    let log = chain.path("server.log");
    let said = fs::read_to_string(&log)?;
    let lines =
        said.lines().filter(|line| line.ends_with(" temporary failure (bob from 127.0.0.9)"));
    ensure!(lines.count() == 2, "{said}");
    let found = found(&log, "")?;
    ensure!(found.is_empty(), "found {found:?} in\n{said}");
    Ok(())
}

/// Each line of a failure is one, and so is each that stands for many; trouble is none.
fn regex_and_sums(chain: &Chain<'_>) -> Result<()> {
    const GUESSES: usize = 100;
    let log = chain.path("server.log");
    let checkpassword =
        ["bash", "-c", "read -rd '' user <&3; exec 3<&-; [ $user = bob ] || exit 111; exit 1"];
    let options = ["-n", "--login", "smtp", "--tries", "1000"];
    let mut command = chain.tls_command(&options, &checkpassword);
    command.env("UCSPITLS", "-");
    let server = start_logging_to(&mut command, fs::File::create(&log)?)?;
    for _ in 0..GUESSES {
        let mut client = Peer::greeted([127, 0, 0, 9], server.port, "")?;
        client.log_in(b"eve", "guessed", "454 ")?;
        client.log_in(b"bob", "guessed", "535 ")?;
    }
    let sums = |log: &str, what: &str| -> usize {
        let lines = log.lines().filter(|line| line.contains(what));
        let counts = lines.filter_map(|line| line.strip_prefix("authup: ")?.split_once(' '));
        counts.filter_map(|(count, _)| count.parse::<usize>().ok()).sum()
    };
    // All are told of: one by one, or in a sum.
    let failed = " more logins failed (last from 127.0.0.9)";
    let said = in_file(
        &log,
        || "all failures".to_owned(),
        |log| {
            let own = log.matches(" failed, ").count();
            (own + sums(log, failed) == GUESSES).then(|| log.to_owned())
        },
    );
    drop(server);
    let (own, sum) = (said.matches(" failed, ").count(), said.matches(failed).count());
    ensure!(sum > 0, "nothing was summed up in\n{said}");
    let found = found(&log, "")?;
    ensure!(found == vec!["127.0.0.9"; own + sum], "found {found:?} in\n{said}");
    Ok(())
}

/// Behind a logger; what it wrote is whole once it has ended.
fn logged_by(chain: &Chain<'_>, arguments: &[&str]) -> Result<Vec<String>> {
    let (mut logger, log) = logger(chain, arguments)?;
    let mut command = chain.plain_command("127.0.0.1", &chain.login("smtp", &WELCOME));
    let server = start_logging_to(&mut command, log)?;
    let failed = clients(server.port)?;
    drop(server);
    ensure!(for_end(&mut logger).success(), "{arguments:?} failed");
    Ok(failed)
}

fn regex_by_svlogd(chain: &Chain<'_>) -> Result<()> {
    let folder = chain.path("client/log");
    make_folder(chain, &folder);
    let failed = logged_by(chain, &["svlogd", "-tt", &chain.name("client/log")])?;
    ensure_found(&folder.join("current"), "", &failed)
}

fn regex_by_s6_log(chain: &Chain<'_>) -> Result<()> {
    let failed = logged_by(chain, &["s6-log", "T", &chain.name("client/log")])?;
    ensure_found(&chain.path("client/log/current"), "", &failed)
}

/// For svlogd, which wants it to be there.
fn make_folder(chain: &Chain<'_>, folder: &Path) {
    run::succeeds(chain.command("mkdir").arg(folder));
}

/// syslog's form, by util-linux's logger, which sends it to where syslog would listen.
fn regex_by_logger(chain: &Chain<'_>) -> Result<()> {
    let syslog = TcpListener::bind("127.0.0.1:0")?;
    let port = syslog.local_addr()?.port().to_string();
    set_socket_timeout(&syslog, Timeout::Recv, Some(PATIENCE))?;
    let written = spawn(move || {
        let mut connection = syslog.accept()?.0;
        be_patient(&connection, PATIENCE)?;
        rest(&mut connection)
    });
    let call = ["logger", "--size", "8KiB", "--tcp", "--rfc3164", "--tag", "submission"];
    let server = ["--server", "127.0.0.1", "--port", &port];
    let failed = logged_by(chain, &[&call[..], &server].concat())?;
    let written = written.join().map_err(|_| anyhow::anyhow!("syslog failed"))??;
    let log = chain.path("syslog");
    // The priority is not written to files.
    fs::write(&log, String::from_utf8(written)?.replace("<13>", ""))?;
    ensure_found(&log, "[logtype=journal]", &failed)
}

/// With real mail clients and TLS besides.
fn regex_behind_tlsserver(chain: &Chain<'_>) -> Result<()> {
    let (mut multilog, log) = logger(chain, &["multilog", "t", &chain.name("client/log")])?;
    let mut command = chain.tls_command(&["-n", "-v"], &chain.login("smtp", &WELCOME));
    let server = start_logging_to(command.env("UCSPITLS", ""), log)?;
    let mut failed = clients(server.port)?;
    let port = server.port.to_string();
    let login =
        ["--tls", "--auth", "PLAIN", "-au", "bob", "-ap", "guessed", "--quit-after", "AUTH"];
    let from = ["--local-interface", "127.0.0.77"];
    let output = chain.client(&[&swaks(&port)[..], &login, &from].concat(), b"")?;
    ends_with(chain, &output, SWAKS_REFUSED)?;
    failed.push("127.0.0.77".to_owned());
    drop(server);
    ensure!(for_end(&mut multilog).success(), "multilog failed");
    ensure_found(&chain.path("client/log/current"), "", &failed)
}

/// Debian's configuration, the shipped filter, and this jail, with other settings.
fn configure(chain: &Chain<'_>, jail: &str, settings: &str) -> Result<()> {
    let folder = chain.path("fail2ban");
    for name in ["", "filter.d", "jail.d", "action.d"] {
        fs::create_dir(folder.join(name))?;
    }
    for name in ["fail2ban.conf", "jail.conf", "paths-common.conf", "paths-debian.conf"] {
        symlink(Path::new("/etc/fail2ban").join(name), folder.join(name))?;
    }
    for action in fs::read_dir("/etc/fail2ban/action.d")? {
        let action = action?;
        symlink(action.path(), folder.join("action.d").join(action.file_name()))?;
    }
    fs::copy(contrib().join(FILTER), folder.join(FILTER))?;
    fs::write(folder.join(JAIL), jail)?;
    fs::write(folder.join("jail.local"), format!("[acceptutils]\n{settings}"))?;
    Ok(())
}

const FILTER: &str = "filter.d/acceptutils.conf";
const JAIL: &str = "jail.d/acceptutils.conf";

/// The shipped jail.
fn jail() -> Result<String> {
    Ok(fs::read_to_string(contrib().join(JAIL))?)
}

/// The shipped jail, for logs in files, as its comment says.
fn jail_for_files() -> Result<String> {
    let jail = jail()?;
    let rest = jail.replace("\nbackend = systemd\n", "\n");
    let for_files =
        rest.replace("\n#backend = ", "\nbackend = ").replace("\n#logpath", "\nlogpath");
    ensure!(rest != jail && for_files.contains("\nlogpath = /var/log/"), "{jail}");
    Ok(for_files)
}

/// A fail2ban of this test's own, with an action that writes down whom it should ban.
struct Fail2ban {
    _server: OwnChild,
    banned: PathBuf,
    log: PathBuf,
}

impl Fail2ban {
    fn start(chain: &Chain<'_>, logs: &str) -> Result<Self> {
        let place = |name: &str| chain.name(&format!("client/{name}"));
        let (banned, log) = (chain.path("client/banned"), chain.path("client/fail2ban.log"));
        let action = format!("[Definition]\nactionban = echo <ip> >>{}\n", banned.display());
        // This machine is who attacks it, which fail2ban would let pass.
        let jail = format!("logpath = {logs}\naction = record\nignoreself = false\n");
        configure(chain, &jail_for_files()?, &jail)?;
        fs::write(chain.path("fail2ban/action.d/record.conf"), action)?;
        let database = format!("[Definition]\ndbfile = {}\n", place("fail2ban.sqlite3"));
        fs::write(chain.path("fail2ban/fail2ban.local"), database)?;
        let server = chain
            .command("fail2ban-server")
            .args(["-f", "-c", &chain.name("fail2ban"), "-s", &place("fail2ban.sock")])
            .args(["-p", &place("fail2ban.pid"), "--logtarget", &place("fail2ban.log"), "start"])
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { _server: OwnChild(server), banned, log })
    }

    /// Waits until somebody is banned; gives all who are.
    fn wait_for(&self, address: &str) -> Vec<String> {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        in_file(
            &self.banned,
            || format!("{address}, by fail2ban's log {},", log()),
            |banned| {
                let banned: Vec<String> = banned.lines().map(str::to_owned).collect();
                banned.iter().any(|one| one == address).then_some(banned)
            },
        )
    }
}

fn bans(chain: &Chain<'_>) -> Result<()> {
    let logins = chain.login("smtp", &WELCOME);
    let (_old, log) = logger(chain, &["multilog", "t", &chain.name("client/old")])?;
    let old = start_logging_to(&mut chain.plain_command("127.0.0.1", &logins), log)?;
    let (_new, log) = logger(chain, &["multilog", "t", &chain.name("client/new")])?;
    let new = start_logging_to(&mut chain.plain_command("::1", &logins), log)?;
    let fail2ban = Fail2ban::start(chain, &chain.name("client/*/current"))?;

    // Never more often than the jail allows each of them, but far more often in sum than
    // it allows the victim that their names accuse.
    succeeds([127, 0, 0, 2].into(), old.port, 8)?;
    fails([127, 0, 0, 3].into(), old.port, &vec![b"bob".to_vec(); TRIES])?;
    for (some, last) in forged_names().chunks(TRIES).zip(10..) {
        fails([127, 0, 0, last].into(), old.port, some)?;
    }
    fails([127, 0, 0, 9].into(), old.port, &vec![b"bob".to_vec(); BANNED])?;
    // Lines are read and bans are made in their order, so all others are on record.
    let banned = fail2ban.wait_for("127.0.0.9");
    ensure!(banned == ["127.0.0.9"], "banned: {banned:?}");
    fails("::1".parse()?, new.port, &vec![b"bob".to_vec(); BANNED])?;
    let banned = fail2ban.wait_for("::1");
    ensure!(banned == ["127.0.0.9", "::1"], "banned: {banned:?}");
    Ok(())
}

/// With nothing changed and no log anywhere; what cannot be taken has no jail start at all. The
/// journal itself is another test's, on a machine of its own.
fn takes_the_jail(chain: &Chain<'_>) -> Result<()> {
    configure(chain, &jail()?, "")?;
    let folder = chain.name("fail2ban");
    let said = chain.succeeds(&["fail2ban-client", "-c", &folder, "--test"], b"")?;
    holds(&String::from_utf8(said)?, "OK: configuration test is successful")?;
    let shown = chain.succeeds(&["fail2ban-client", "-c", &folder, "--dp"], b"")?;
    let shown = String::from_utf8(shown)?;
    holds(&shown, "[^\\\\s:]+ [^\\\\s:]+:\\\\sauthup ")?;
    holds(&shown, "_SYSTEMD_UNIT=acceptutils@submission.service")
}
