//! POP3 (ports 110, 995): clients that log in and fetch through authup and a real
//! POP3 server.

use std::fs;
use std::process::Output;

use acceptance::chain::{Chain, Server};
use anyhow::{Context, Result, ensure};
use test_support::service::give_to_nobody;

use crate::{BOB_IS_IN, REFUSED, Test, Tls, as_stored, by_python, ends_with, logs, message};

pub(crate) const TESTS: &[Test] = &[
    ("mpop with a wrong password", &["mpop", "pop3front-maildir"], mpop_wrong_password),
    ("poplib over STLS from Dovecot", &["python3", "pop3"], |chain| {
        poplib(chain, &dovecot(chain)?, Some(Tls::Asked))
    }),
    ("mpop over STLS from pop3front-maildir", &["mpop", "pop3front-maildir"], |chain| {
        mpop_fetches(chain, &mailfront(chain)?)
    }),
    ("mpop over STLS from Dovecot", &["mpop", "pop3"], |chain| {
        mpop_fetches(chain, &dovecot(chain)?)
    }),
    ("fetchmail over STLS from pop3front-maildir", &["fetchmail", "pop3front-maildir"], |chain| {
        fetchmail_fetches(chain, &mailfront(chain)?)
    }),
    ("fetchmail over STLS from Dovecot", &["fetchmail", "pop3"], |chain| {
        fetchmail_fetches(chain, &dovecot(chain)?)
    }),
    ("poplib over STLS from pop3front-maildir", &["python3", "pop3front-maildir"], |chain| {
        poplib(chain, &mailfront(chain)?, Some(Tls::Asked))
    }),
    ("poplib without TLS by tcpserver", &["python3", "pop3front-maildir", "tcpserver"], |chain| {
        put(chain);
        poplib(chain, &chain.plain_server(&chain.login("pop3", &MAILFRONT))?, None)
    }),
];

pub(crate) const MAILFRONT: [&str; 2] = ["pop3front-maildir", "Maildir"];

/// A message in the mailbox, and a server that gives it away.
fn mailfront(chain: &Chain<'_>) -> Result<Server> {
    put(chain);
    chain.tls_server("!", &chain.login("pop3", &MAILFRONT))
}

fn dovecot(chain: &Chain<'_>) -> Result<Server> {
    put(chain);
    chain.tls_server("!", &chain.login("pop3", &["sh", "-c", &dovecot_command("POP3")?]))
}

/// What `sh -c` is given in docs/switching.md in front of this server of Dovecot's. That of POP3
/// says nothing by itself when it starts, so somebody else answers PASS.
pub(crate) fn dovecot_command(protocol: &str) -> Result<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/switching.md");
    let (page, heading) = (fs::read_to_string(page)?, format!("In front of Dovecot's {protocol}"));
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).context("no section")?;
    let (_, command) = section.split_once("    sh -c '").context("no command in it")?;
    let (command, _) = command.split_once("'\n```").context("the command has no end")?;
    Ok(command.replace("\\\n", " "))
}

pub(crate) fn put(chain: &Chain<'_>) {
    give_to_nobody(&chain.write("bob/Maildir/new/1.test", as_stored(&message("stored"))));
}

/// Fails unless `got` is the message. pop3front-maildir ends every message with an empty line of
/// its own.
pub(crate) fn ensure_fetched(got: &[u8], message: &[u8]) -> Result<()> {
    let same = got == message || got.strip_suffix(b"\r\n") == Some(message);
    ensure!(same, "got {}\nwant {}", got.escape_ascii(), message.escape_ascii());
    Ok(())
}

pub(crate) fn run_mpop(chain: &Chain<'_>, server: &Server, password: &str) -> Result<Output> {
    let file = |option: &str, name| format!("{option}{}", chain.name(name));
    let (trust, seen) =
        (file("--tls-trust-file=", "server.cert"), file("--uidls-file=", "client/uidls"));
    let deliver = file("--delivery=mbox,", "client/box");
    let (port, ask) =
        (format!("--port={}", server.port), format!("--passwordeval=echo {password}"));
    let usual =
        ["mpop", "--host=localhost", &port, "--tls=on", "--tls-starttls=on", &trust, "--auth=user"];
    let login = ["--user=bob", &ask, &deliver, &seen, "--keep=on", "--received-header=off"];
    chain.client(&[&usual[..], &login].concat(), b"")
}

pub(crate) fn mpop_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    ends_with(chain, &run_mpop(chain, server, "pass word")?, 0)?;
    logs(chain, BOB_IS_IN)?;
    let got = fs::read(chain.path("client/box"))?;
    let first_line = got.iter().position(|octet| *octet == b'\n').context("an empty mailbox")?;
    // mbox quotes a line that begins with From.
    let want =
        String::from_utf8(as_stored(&message("stored")))?.replace("\nFrom here", "\n>From here");
    let is_it = got.split_at(first_line + 1).1.starts_with(want.as_bytes());
    ensure!(is_it, "got {}", got.escape_ascii());
    Ok(())
}

fn mpop_wrong_password(chain: &Chain<'_>) -> Result<()> {
    let output = run_mpop(chain, &mailfront(chain)?, "guessed")?;
    ends_with(chain, &output, REFUSED)?;
    logs(chain, " failed, 0 remaining (bob from 127.0.0.1)")
}

pub(crate) fn fetchmail_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let (port, trust) = (server.port.to_string(), chain.name("server.cert"));
    let rules = format!(
        "poll localhost protocol pop3 port {port} user bob password \"pass word\" keep fetchall \
         sslproto tls1.2+ sslcertck sslcertfile {trust} mda \"cat >{}\"\n",
        chain.name("client/fetched")
    );
    let file = chain.client_file("client/rules", &rules);
    let (pid, ids) = (chain.name("client/pid"), chain.name("client/ids"));
    let command = ["fetchmail", "--nosyslog", "-v", "-f", &file, "--pidfile", &pid, "-i", &ids];
    ends_with(chain, &chain.client(&command, b"")?, 0)?;
    let got = fs::read(chain.path("client/fetched"))?;
    let wanted = as_stored(&message("stored"));
    ensure!(crate::body(&got).starts_with(crate::body(&wanted)), "got {}", got.escape_ascii());
    Ok(())
}

/// What poplib gets as the first message, within this TLS or in the clear.
pub(crate) fn poplib_fetches(chain: &Chain<'_>, port: u16, tls: Option<Tls>) -> Result<Vec<u8>> {
    let connect = match tls {
        None => "POP3('localhost', port)",
        Some(Tls::Asked) => "POP3('localhost', port)\nclient.stls(context=trust)",
        Some(Tls::AtOnce) => "POP3_SSL('localhost', port, context=trust)",
    };
    let program = format!(
        "poplib._MAXLINE = 4096\nclient = poplib.{connect}\n\
         client.user('bob')\nclient.pass_('pass word')\n\
         sys.stdout.buffer.write(b''.join(line + b'\\r\\n' for line in client.retr(1)[1]))\n\
         client.quit()"
    );
    by_python(chain, port, &program, "").map(String::into_bytes)
}

pub(crate) fn poplib(chain: &Chain<'_>, server: &Server, tls: Option<Tls>) -> Result<()> {
    let fetched = poplib_fetches(chain, server.port, tls)?;
    ensure_fetched(&fetched, message("stored").as_bytes())
}
