//! POP3 (ports 110, 995): clients that log in and fetch through authup and a real
//! POP3 server.

use std::fs;
use std::process::Output;

use acceptance::chain::{Chain, Server, is_root};
use anyhow::{Context, Result, ensure};

use crate::{Commands, Test, as_stored, holds, message};

pub(crate) const TESTS: &[Test] = &[
    ("mpop with a wrong password", &["mpop", "pop3front-maildir"], mpop_wrong_password),
    ("poplib over STLS from Dovecot", &["python3", "pop3"], poplib_dovecot),
    ("mpop over STLS from pop3front-maildir", &["mpop", "pop3front-maildir"], mpop),
    ("mpop over STLS from Dovecot", &["mpop", "pop3"], mpop_dovecot),
    ("fetchmail over STLS from pop3front-maildir", &["fetchmail", "pop3front-maildir"], fetchmail),
    ("fetchmail over STLS from Dovecot", &["fetchmail", "pop3"], fetchmail_dovecot),
    ("poplib over STLS from pop3front-maildir", &["python3", "pop3front-maildir"], poplib),
    (
        "poplib without TLS by tcpserver",
        &["python3", "pop3front-maildir", "tcpserver"],
        poplib_without_tls,
    ),
];

/// A message in the mailbox, and a server that gives it away.
fn mailfront(chain: &Chain<'_>) -> Result<Server> {
    put(chain)?;
    chain.tls_server("!", &Commands::new(chain).login("pop3", &["pop3front-maildir", "Maildir"]))
}

fn dovecot(chain: &Chain<'_>) -> Result<Server> {
    put(chain)?;
    chain.tls_server("!", &Commands::new(chain).login("pop3", &["sh", "-c", &dovecot_command()?]))
}

/// What `sh -c` is given in docs/switching.md: Dovecot's server says nothing by itself when
/// it starts, so somebody else answers PASS.
pub(crate) fn dovecot_command() -> Result<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/switching.md");
    let page = fs::read_to_string(page)?;
    let (_, command) = page.split_once("    sh -c 'printf").context("no command in the page")?;
    let (command, _) = command.split_once("'\n```").context("the command has no end")?;
    Ok(format!("printf{}", command.replace("\\\n", " ")))
}

pub(crate) fn put(chain: &Chain<'_>) -> Result<()> {
    let path = chain.path("bob/Maildir/new/1.test");
    fs::write(&path, as_stored(&message("stored")))?;
    if is_root() {
        std::os::unix::fs::chown(&path, Some(65534), Some(65534))?;
    }
    Ok(())
}

/// Fails unless `got` is the message. pop3front-maildir ends every message with an empty line of its own.
pub(crate) fn ensure_fetched(got: &[u8], message: &[u8]) -> Result<()> {
    let same = got == message || got.strip_suffix(b"\r\n") == Some(message);
    ensure!(same, "got {}\nwant {}", got.escape_ascii(), message.escape_ascii());
    Ok(())
}

pub(crate) fn run_mpop(chain: &Chain<'_>, server: &Server, password: &str) -> Result<Output> {
    let (port, trust) =
        (format!("--port={}", server.port), format!("--tls-trust-file={}", chain.name("cert.pem")));
    let (deliver, seen) =
        (chain.name("client/box"), format!("--uidls-file={}", chain.name("client/uidls")));
    let (deliver, ask) =
        (format!("--delivery=mbox,{deliver}"), format!("--passwordeval=echo {password}"));
    let usual =
        ["mpop", "--host=localhost", &port, "--tls=on", "--tls-starttls=on", &trust, "--auth=user"];
    let login = ["--user=bob", &ask, &deliver, &seen, "--keep=on", "--received-header=off"];
    chain.client(&[&usual[..], &login[..]].concat(), b"")
}

pub(crate) fn mpop_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let output = run_mpop(chain, server, "pass word")?;
    ensure!(output.status.success(), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")?;
    let got = fs::read(chain.path("client/box"))?;
    let first_line = got.iter().position(|octet| *octet == b'\n').context("an empty mailbox")?;
    // mbox quotes a line that begins with From.
    let want =
        String::from_utf8(as_stored(&message("stored")))?.replace("\nFrom here", "\n>From here");
    ensure!(
        got.split_at(first_line + 1).1.starts_with(want.as_bytes()),
        "got {}",
        got.escape_ascii()
    );
    Ok(())
}

fn mpop_wrong_password(chain: &Chain<'_>) -> Result<()> {
    let output = run_mpop(chain, &mailfront(chain)?, "guessed")?;
    // 77 is EX_NOPERM of sysexits.h.
    ensure!(output.status.code() == Some(77), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.log(), " failed, 0 remaining (bob from 127.0.0.1)")
}

fn mpop(chain: &Chain<'_>) -> Result<()> {
    mpop_fetches(chain, &mailfront(chain)?)
}

fn mpop_dovecot(chain: &Chain<'_>) -> Result<()> {
    mpop_fetches(chain, &dovecot(chain)?)
}

pub(crate) fn fetchmail_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let (port, trust) = (server.port.to_string(), chain.name("cert.pem"));
    let rules = format!(
        "poll localhost protocol pop3 port {port} user bob password \"pass word\" keep fetchall \
         sslproto tls1.2+ sslcertck sslcertfile {trust} mda \"cat >{}\"\n",
        chain.name("client/fetched")
    );
    fs::write(chain.path("client/rules"), rules)?;
    fs::set_permissions(
        chain.path("client/rules"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    if is_root() && !chain.begins_as_root() {
        std::os::unix::fs::chown(chain.path("client/rules"), Some(65534), None)?;
    }
    let (file, pid, ids) =
        (chain.name("client/rules"), chain.name("client/pid"), chain.name("client/ids"));
    let command = ["fetchmail", "--nosyslog", "-v", "-f", &file, "--pidfile", &pid, "-i", &ids];
    let output = chain.client(&command, b"")?;
    ensure!(output.status.success(), "{}\n{}", output.status, chain.told(&output));
    let got = fs::read(chain.path("client/fetched"))?;
    let wanted = as_stored(&message("stored"));
    ensure!(crate::body(&got).starts_with(crate::body(&wanted)), "got {}", got.escape_ascii());
    Ok(())
}

fn fetchmail(chain: &Chain<'_>) -> Result<()> {
    fetchmail_fetches(chain, &mailfront(chain)?)
}

fn fetchmail_dovecot(chain: &Chain<'_>) -> Result<()> {
    fetchmail_fetches(chain, &dovecot(chain)?)
}

/// What poplib gets as the first message.
/// How a client begins.
#[derive(Clone, Copy)]
pub(crate) enum Begin {
    InTheClear,
    WithStls,
    WithTlsAtOnce,
}

pub(crate) fn poplib_fetches(chain: &Chain<'_>, port: u16, begin: Begin) -> Result<Vec<u8>> {
    let connect = match begin {
        Begin::InTheClear => format!("POP3('localhost', {port})"),
        Begin::WithStls => format!("POP3('localhost', {port})\nclient.stls(context=trust)"),
        Begin::WithTlsAtOnce => format!("POP3_SSL('localhost', {port}, context=trust)"),
    };
    let program = format!(
        "import poplib, ssl, sys\npoplib._MAXLINE = 4096\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         client = poplib.{connect}\n\
         client.user('bob')\nclient.pass_('pass word')\n\
         sys.stdout.buffer.write(b''.join(line + b'\\r\\n' for line in client.retr(1)[1]))\nclient.quit()\n",
        chain.name("cert.pem")
    );
    chain.succeeds(&["python3", "-c", &program], b"")
}

fn poplib(chain: &Chain<'_>) -> Result<()> {
    ensure_fetched(
        &poplib_fetches(chain, mailfront(chain)?.port, Begin::WithStls)?,
        message("stored").as_bytes(),
    )
}

fn poplib_dovecot(chain: &Chain<'_>) -> Result<()> {
    ensure_fetched(
        &poplib_fetches(chain, dovecot(chain)?.port, Begin::WithStls)?,
        message("stored").as_bytes(),
    )
}

fn poplib_without_tls(chain: &Chain<'_>) -> Result<()> {
    put(chain)?;
    let server = chain
        .plain_server(&Commands::new(chain).login("pop3", &["pop3front-maildir", "Maildir"]))?;
    ensure_fetched(
        &poplib_fetches(chain, server.port, Begin::InTheClear)?,
        message("stored").as_bytes(),
    )
}
