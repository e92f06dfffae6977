//! What each program of a chain is given: descriptors and variables, listed in the
//! program's place by a shell. Exactly what is promised is there, and nothing else. And
//! who of the TLS server's processes has seen a password.

use std::collections::BTreeSet;
use std::fs;

use acceptance::chain::{Chain, ROOT, Server};
use acceptance::processes::{contains, memory, of_group};
use acceptance::programs::Programs;
use acceptance::stand_in::inheritable;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};
use test_support::run::hand_over;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Service;
use crate::{as_an_ordinary_user, as_run, login};

pub(crate) const TESTS: &[Test] = &[
    ("a_submission_chain_is_given_what_is_promised", &["smtpfront-echo"], |programs| {
        Door::each(&Door::WITHIN_TLS, programs, submission)
    }),
    ("a_chain_begins_in_one_state", &[ROOT, "keyctl", "smtpfront-echo"], state),
    ("passwords_are_seen_by_whoever_needs_them", &[ROOT, "smtpfront-echo"], |programs| {
        Door::each(&[Door::Login, Door::LoginAtOnce], programs, passwords)
    }),
    ("a_server_behind_fixsmtpio_is_given_what_is_promised", &["smtpfront-echo"], incoming),
];

/// What whoever starts the service has in the environment; all of the chain may see it.
const SERVICE: &[&str] = &["HOME", "LC_ALL", "MAILRULES", "PATH", "PLUGINS"];
/// What a UCSPI server adds.
const UCSPI: &[&str] =
    &["PROTO", "TCPLOCALHOST", "TCPLOCALIP", "TCPLOCALPORT", "TCPREMOTEIP", "TCPREMOTEPORT"];
/// The same by sslserver's names, which tlsserver adds.
const SSLSERVERS: &[&str] = &["SSLLOCALIP", "SSLLOCALPORT", "SSLREMOTEIP", "SSLREMOTEPORT"];
const FACTS: &[&str] = &[
    "SSL_CIPHER",
    "SSL_CIPHER_ALGKEYSIZE",
    "SSL_CIPHER_EXPORT",
    "SSL_CIPHER_USEKEYSIZE",
    "SSL_CLIENT_VERIFY",
    "SSL_PEER_CERT_CN",
    "SSL_PEER_CERT_HASH",
    "SSL_PEER_CERT_SUBJECT",
    "SSL_PROTOCOL",
    "SSL_SERVER_S_DN",
    "SSL_SESSION_RESUMED",
    "SSL_TLS_SNI_SERVERNAME",
];
const UCSPI_TLS: &[&str] = &["SSLCTLFD", "SSLREADFD", "SSLWRITEFD"];
/// What the administrator says to authup and fixsmtpio only.
const ADMINISTRATORS: &[&str] = &["QMAILHOME", "UCSPITLS"];
/// What checkpassword adds.
const USERS: &[&str] = &["SHELL", "USER"];
/// What a shell adds when it becomes another program.
const SHELLS: &[&str] = &["OLDPWD", "PWD", "_"];

/// A shell that lists what it was given into files named `stage`, and becomes `then`.
fn listing(chain: &Chain<'_>, stage: &str, then: &str) -> String {
    let file = chain.name(&format!("spool/{stage}"));
    // In a shell of its own: one that redirects itself keeps a copy of what was there.
    let list =
        format!("ls -l /proc/$$/fd >{file}.fd; tr '\\0' '\\n' </proc/$$/environ >{file}.env");
    format!("({list}); exec {then}")
}

/// What one stage was given.
struct Given {
    descriptors: BTreeSet<u32>,
    /// As `ls` lists them.
    listed: String,
    variables: BTreeSet<String>,
    environment: String,
}

impl Given {
    fn read(chain: &Chain<'_>, stage: &str) -> Result<Self> {
        let read = |kind: &str| {
            let path = chain.path(&format!("spool/{stage}.{kind}"));
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        // What we have ourselves from whoever runs the tests is not the programs' doing.
        let ours = inheritable()?;
        let mut descriptors = BTreeSet::new();
        let listed = read("fd")?;
        for line in listed.lines() {
            let Some((before, target)) = line.split_once(" -> ") else { continue };
            let number: u32 = before.rsplit(' ').next().context("a number")?.parse()?;
            if ours.get(&number).map(String::as_str) != Some(target) {
                descriptors.insert(number);
            }
        }
        let environment = read("env")?;
        let names = environment.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
        Ok(Self { descriptors, listed, variables: names.collect(), environment })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// All of these variables are there, and none but these and what shells add.
    fn has_variables(&self, stage: &str, lists: &[&[&str]]) -> Result<()> {
        let promised: BTreeSet<String> = lists.concat().into_iter().map(str::to_owned).collect();
        let missing: Vec<_> = promised.difference(&self.variables).collect();
        let more: Vec<_> = self
            .variables
            .difference(&promised)
            .filter(|name| !SHELLS.contains(&name.as_str()))
            .collect();
        FIGURES.add(Kind::Variable, self.variables.len(), more.len());
        ensure!(
            missing.is_empty() && more.is_empty(),
            "{stage}: {missing:?} missing, {more:?} too many"
        );
        ensure!(!self.environment.contains("pass word"), "{stage} has the password");
        Ok(())
    }

    /// The first three, these, and none else.
    fn has_descriptors(&self, stage: &str, more: &[u32]) -> Result<()> {
        let promised: BTreeSet<u32> = [0, 1, 2].iter().chain(more).copied().collect();
        let unpromised = self.descriptors.difference(&promised).count();
        FIGURES.add(Kind::Descriptor, self.descriptors.len(), unpromised);
        ensure!(
            self.descriptors == promised,
            "{stage} has not just {promised:?}:\n{}",
            self.listed
        );
        Ok(())
    }

    /// The descriptors that these variables name.
    fn named(&self, names: &[&str]) -> Result<Vec<u32>> {
        names
            .iter()
            .map(|name| {
                let value = self.value(name).with_context(|| format!("no {name}"))?;
                Ok(value.parse()?)
            })
            .collect()
    }
}

/// Port 587 and 465, with TLS and a login.
fn submission(chain: &Chain<'_>, door: Door) -> Result<()> {
    let server = listing(chain, "server", "smtpfront-echo");
    let fixsmtpio = listing(chain, "fixsmtpio", "fixsmtpio sh -c \"$0\"");
    let check = listing(chain, "checkpassword", "checkpassword-file -f \"$0\" \"$@\"");
    let authup = listing(chain, "authup", "authup \"$@\"");
    let (users, home) = (chain.name("users"), format!("QMAILHOME={}", chain.name("home")));
    let behind = ["checknotroot", "env", &home, "sh", "-c", &fixsmtpio, &server];
    let front = ["sh", "-c", &authup, "authup", "smtp"];
    let login = ["sh", "-c", &check, &users];
    let command = match door.has_engine() {
        true => [&login[..], &behind].concat(),
        false => [&front[..], &login, &behind].concat(),
    };
    let service = door.service(chain, "smtp", &command)?;
    logs_in(&service)?;
    service.is_idle()?;

    let given = |stage| Given::read(chain, stage);
    if !door.has_engine() {
        let authup = given("authup")?;
        authup.has_variables("authup", &[SERVICE, UCSPI, SSLSERVERS, UCSPI_TLS, ADMINISTRATORS])?;
        authup.has_descriptors("authup", &authup.named(UCSPI_TLS)?)?;
    }
    let check = given("checkpassword")?;
    check.has_variables(
        "checkpassword",
        &[SERVICE, UCSPI, SSLSERVERS, FACTS, &["AUTHUP_USER", "AUTHUPREADYFD"]],
    )?;
    check.has_descriptors(
        "checkpassword",
        &[&check.named(&["AUTHUPREADYFD"])?[..], &[3]].concat(),
    )?;
    let fixsmtpio = given("fixsmtpio")?;
    let logged_in = [SERVICE, UCSPI, SSLSERVERS, FACTS, USERS, &["AUTHUP_USER"]];
    fixsmtpio.has_variables("fixsmtpio", &[&logged_in[..], &[&["QMAILHOME"]]].concat())?;
    fixsmtpio.has_descriptors("fixsmtpio", &[])?;
    let server = given("server")?;
    server.has_variables("the server", &logged_in)?;
    server.has_descriptors("the server", &[])?;
    service.over()
}

/// A client logs in, and goes.
fn logs_in(service: &Service) -> Result<()> {
    let mut peer = service.knock()?;
    let word = Base64::encode_string(b"\0bob\0pass word");
    peer.ask(&format!("AUTH PLAIN {word}"), "235")?;
    peer.ask("QUIT", "221").map(drop)
}

/// What exec hands on beside descriptors and variables: whatever whoever starts the service
/// has ignored or blocked, and a session keyring of his own, goes no further.
fn state(programs: &Programs) -> Result<()> {
    let chain = as_run(programs)?;
    let server = stating(&chain, "$FIXSMTPIOTLS-server", "smtpfront-echo");
    let fixsmtpio = stating(&chain, "fixsmtpio", "fixsmtpio sh -c \"$0\"");
    let check = stating(&chain, "checkpassword", "checkpassword-file -f \"$0\" \"$@\"");
    // As if whoever started authup, another TLS server, had left something open, too.
    let authup = stating(&chain, "authup", "authup \"$@\"");
    let authup = format!("exec 6<{}; {authup}", chain.name(LEFT_OPEN));
    let (users, home) = (chain.name("users"), format!("QMAILHOME={}", chain.name("home")));
    let behind = ["checknotroot", "env", &home, "sh", "-c", &fixsmtpio, &server];
    let front = ["sh", "-c", &authup, "authup", "smtp"];
    let login = [&["sh", "-c", &check, &users], &behind[..]].concat();
    for door in Door::WITHIN_TLS {
        let command = match door.has_engine() {
            true => login.clone(),
            false => [&front[..], &login].concat(),
        };
        let server = oddly_started(&chain, door, &command)?;
        let service = Service::new(&chain, server, door, "smtp")?;
        logs_in(&service)?;
        service.over()?;
        let stages = [("authup", 1), ("checkpassword", 0), ("fixsmtpio", 0), ("-server", 0)];
        let stages = &stages[usize::from(door.has_engine())..];
        for &(stage, left) in stages {
            let listed = fs::read_to_string(chain.path(&format!("spool/{stage}.fd")))?;
            ensure!(listed.matches(LEFT_OPEN).count() == left, "{stage}: {listed}");
        }
        let first = state_of(&chain, stages[0].0)?;
        let (fixsmtpio, server) = (state_of(&chain, "fixsmtpio")?, state_of(&chain, "-server")?);
        for later in [&state_of(&chain, "checkpassword")?, &fixsmtpio, &server] {
            ensure!(later.same == first.same, "{}\n and not\n{}", later.same, first.same);
        }
        // A login program begins in the qmail home.
        let begins = chain.name(if door.has_engine() { "home" } else { "" });
        ensure!(first.home == begins.trim_end_matches('/'), "in {}", first.home);
        ensure!(fixsmtpio.home == chain.name("bob"), "in {}", fixsmtpio.home);
        ensure!(server.keyring != first.keyring, "root's session keyring: {}", server.keyring);
    }
    // The same behind STARTTLS, where fixsmtpio starts a second server.
    let words = ["fixsmtpio", "sh", "-c", &server];
    let server = oddly_started(&chain, Door::Clear, &words)?;
    let service = Service::new(&chain, server, Door::Starttls, "smtp")?;
    let mut peer = service.knock()?;
    peer.ask("QUIT", "221")?;
    drop(peer);
    service.is_idle()?;
    let (before, after) = (state_of(&chain, "-server")?, state_of(&chain, "1-server")?);
    ensure!(before.same == after.same, "the second server's state is another");
    service.over()
}

/// tlsserver, started by somebody with a state that nobody should have.
fn oddly_started(chain: &Chain<'_>, door: Door, program: &[&str]) -> Result<Server> {
    let usual = match door {
        Door::Login => chain.tls_command(&["-n", "--login", "smtp"], program),
        Door::LoginAtOnce => chain.tls_command(&["--login", "smtp"], program),
        _ => chain.tls_command(&["-n"], program),
    };
    fs::write(chain.path(LEFT_OPEN), "for root's eyes only")?;
    let opens = format!("exec 5<{0} 8<{0}; exec \"$@\"", chain.name(LEFT_OPEN));
    let mut command = chain.command("sh");
    command.args(["-c", &opens, "sh", "keyctl", "session", "-", "env", "--block-signal"]);
    command.arg("--ignore-signal=HUP,INT,QUIT,ALRM,TERM,USR1,USR2,CHLD,PIPE,XFSZ,TSTP,TTIN,TTOU");
    chain.start(
        hand_over(&mut command, &usual).env("UCSPITLS", if door == Door::Clear { "" } else { "!" }),
    )
}

/// A shell that says in which state it began, in a file named `stage`, and becomes `then`.
fn stating(chain: &Chain<'_>, stage: &str, then: &str) -> String {
    let file = chain.name(&format!("spool/{stage}.state"));
    let signals = "grep -E '^(SigBlk|SigIgn|NoNewPrivs|Umask|Seccomp):' /proc/$$/status";
    let open = file.replace(".state", ".fd");
    let list = format!(
        "ls -l /proc/$$/fd >{open}; keyctl show @s | sed -n 2p; readlink /proc/$$/cwd; {signals}; cat /proc/$$/limits"
    );
    format!("({list}) >{file} 2>&1; exec {then}")
}

/// A file that is open in whoever starts the service.
const LEFT_OPEN: &str = "left-open";

/// Signals 32 and 33 are the C library's own; its posix_spawn ignores some of them.
const GLIBC: u64 = 0x1_8000_0000;

/// The state of one stage.
struct State {
    /// What all have: signals, limits and so on.
    same: String,
    home: String,
    keyring: String,
}

/// Reads it; what the programs are to have has been looked at then.
fn state_of(chain: &Chain<'_>, stage: &str) -> Result<State> {
    let path = chain.path(&format!("spool/{stage}.state"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (field, mine) in
        [("SigBlk", u64::MAX), ("SigIgn", !GLIBC), ("NoNewPrivs", 1), ("Seccomp", 3)]
    {
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
        let value = u64::from_str_radix(value.with_context(|| format!("no {field}: {text}"))?, 16)?;
        ensure!(value & mine == 0, "{stage}: {text}");
    }
    let mut lines = text.splitn(3, '\n').map(str::to_owned);
    let mut line = || lines.next().context("a line");
    let (keyring, home, same) = (line()?, line()?, line()?);
    let own = fs::read_to_string("/proc/self/limits")?;
    ensure!(same.ends_with(&own), "{stage} has other limits than we: {text}");
    Ok(State { same, home, keyring })
}

/// A login passes through the engine, and by the descriptors that the listener handed on; in
/// neither of the listener and the keyholder is anything of it, and nothing in the log, also
/// when it was said too early, or twice.
fn passwords(chain: &Chain<'_>, door: Door) -> Result<()> {
    let encoded = Base64::encode_string(b"\0bob\0pass word");
    let secrets = ["pass word", &encoded].map(|secret| secret.as_bytes().to_vec());
    let own = memory(std::process::id())?;
    ensure!(secrets.iter().all(|secret| contains(&own, secret)), "nothing is found anywhere");
    drop(own);
    let command = login(chain, "smtp", &["fixsmtpio", "smtpfront-echo"]);
    let service = door.service(chain, "smtp", &command)?;
    if door == Door::Login {
        let mut hasty = Door::LoginBeforeTls.knock(&service)?;
        hasty.ask(&format!("AUTH PLAIN {encoded}"), "530")?;
        hasty.ask("QUIT", "221")?;
    }
    let mut peer = service.knock()?;
    peer.ask(&format!("NOOP {encoded}"), "250")?;
    peer.ask(&format!("AUTH PLAIN {encoded}=="), "501")?;
    peer.ask(&format!("AUTH PLAIN {encoded}"), "235")?;
    let mut looked_at = 0;
    for process in of_group(service.server.pid()) {
        if ["tlsserver", "tlsserver-keyho"].contains(&process.name.as_str()) {
            let memory = memory(process.pid)?;
            ensure!(memory.len() > 4096, "{} cannot be read", process.name);
            let found = secrets.iter().any(|secret| contains(&memory, secret));
            ensure!(!found, "{door:?}: {} has the password", process.name);
            looked_at += 1;
        }
    }
    ensure!(looked_at == 2, "{looked_at} processes, and not the listener and the keyholder");
    peer.ask("QUIT", "221")?;
    drop(peer);
    service.over()?;
    let log = chain.log();
    ensure!(log.contains(" login succeeded (bob from "), "{log}");
    let found = secrets.iter().any(|secret| contains(log.as_bytes(), secret));
    ensure!(!found, "{door:?}: the log has the password:\n{log}");
    Ok(())
}

/// Port 25, before and after STARTTLS, which starts a second server.
fn incoming(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let server = listing(&chain, "$FIXSMTPIOTLS-server", "smtpfront-echo");
    let service = Door::Clear.service(&chain, "smtp", &["fixsmtpio", "sh", "-c", &server])?;
    let mut peer = Door::Starttls.knock(&service)?;
    peer.ask("EHLO client", "250")?;
    peer.ask("QUIT", "221")?;
    drop(peer);
    service.is_idle()?;
    let before = Given::read(&chain, "-server")?;
    before.has_variables("the first server", &[SERVICE, UCSPI, SSLSERVERS])?;
    before.has_descriptors("the first server", &[])?;
    let after = Given::read(&chain, "1-server")?;
    after.has_variables(
        "the second server",
        &[SERVICE, UCSPI, SSLSERVERS, FACTS, &["FIXSMTPIOTLS"]],
    )?;
    after.has_descriptors("the second server", &[])?;
    service.over()
}
