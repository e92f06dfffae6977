//! POP3 (ports 110, 995): clients that log in and fetch through authup and a real
//! POP3 server.

use std::fs;

use acceptance::chain::{Chain, Server, is_root};
use anyhow::{Context, Result, ensure};

use crate::{Commands, Test, as_stored, holds, message};

pub(crate) const TESTS: &[Test] = &[
    ("curl over STLS from pop3front-maildir", &["curl", "pop3front-maildir"], curl),
    ("curl over STLS from Dovecot", &["curl", "pop3"], curl_dovecot),
    ("curl with a wrong password", &["curl", "pop3front-maildir"], curl_wrong_password),
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
    let config = chain.name("dovecot.conf");
    chain.tls_server(
        "!",
        &Commands::new(chain).login("pop3", &["/usr/lib/dovecot/pop3", "-c", &config]),
    )
}

fn put(chain: &Chain<'_>) -> Result<()> {
    let path = chain.path("bob/Maildir/new/1.test");
    fs::write(&path, as_stored(&message("stored")))?;
    if is_root() {
        std::os::unix::fs::chown(&path, Some(65534), Some(65534))?;
    }
    Ok(())
}

pub(crate) fn curl_command(chain: &Chain<'_>, port: u16, password: &str) -> Vec<String> {
    let (url, user) = (format!("pop3://localhost:{port}/1"), format!("bob:{password}"));
    let trust = chain.name("cert.pem");
    let usual = [
        "curl",
        "--silent",
        "--show-error",
        "--ssl-reqd",
        "--cacert",
        &trust,
        "--user",
        &user,
        &url,
    ];
    usual.map(str::to_owned).to_vec()
}

fn curl_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let command = curl_command(chain, server.port, "pass word");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let got = chain.succeeds(&command, b"")?;
    ensure!(got == message("stored").as_bytes(), "got something else: {}", got.escape_ascii());
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")
}

fn curl(chain: &Chain<'_>) -> Result<()> {
    curl_fetches(chain, &mailfront(chain)?)
}

fn curl_dovecot(chain: &Chain<'_>) -> Result<()> {
    curl_fetches(chain, &dovecot(chain)?)
}

fn curl_wrong_password(chain: &Chain<'_>) -> Result<()> {
    let server = mailfront(chain)?;
    let command = curl_command(chain, server.port, "guessed");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let output = chain.client(&command, b"")?;
    // 67 is what curl calls a denied login.
    ensure!(output.status.code() == Some(67), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.log(), " failed, 0 remaining (bob from 127.0.0.1)")
}

fn mpop_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let (port, trust) =
        (format!("--port={}", server.port), format!("--tls-trust-file={}", chain.name("cert.pem")));
    let (box_file, seen) =
        (chain.path("client/box"), format!("--uidls-file={}", chain.name("client/uidls")));
    fs::set_permissions(chain.path("client"), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let deliver = format!("--delivery=mbox,{}", box_file.display());
    let usual =
        ["mpop", "--host=localhost", &port, "--tls=on", "--tls-starttls=on", &trust, "--auth=user"];
    let login = [
        "--user=bob",
        "--passwordeval=echo pass word",
        &deliver,
        &seen,
        "--keep=on",
        "--received-header=off",
    ];
    chain.succeeds(&[&usual[..], &login[..]].concat(), b"")?;
    let got = fs::read(&box_file)?;
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

fn mpop(chain: &Chain<'_>) -> Result<()> {
    mpop_fetches(chain, &mailfront(chain)?)
}

fn mpop_dovecot(chain: &Chain<'_>) -> Result<()> {
    mpop_fetches(chain, &dovecot(chain)?)
}

fn fetchmail_fetches(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let (port, trust) = (server.port.to_string(), chain.name("cert.pem"));
    let rules = format!(
        "poll localhost protocol pop3 port {port} user bob password \"pass word\" keep fetchall \
         sslproto tls1.2+ sslcertck sslcertfile {trust} mda \"cat >{}\"\n",
        chain.name("client/fetched")
    );
    fs::write(chain.path("client/rules"), rules)?;
    let folder = chain.path("client");
    fs::set_permissions(
        chain.path("client/rules"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    if is_root() {
        std::os::unix::fs::chown(chain.path("client/rules"), Some(65534), None)?;
        std::os::unix::fs::chown(&folder, Some(65534), None)?;
    }
    let (file, pid, ids) =
        (chain.name("client/rules"), chain.name("client/pid"), chain.name("client/ids"));
    let mut command =
        vec!["fetchmail", "--nosyslog", "-v", "-f", &file, "--pidfile", &pid, "-i", &ids];
    if is_root() {
        command.splice(0..0, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    let output = chain.client(&command, b"")?;
    ensure!(output.status.success(), "{}\n{}", output.status, chain.told(&output));
    let got = fs::read(chain.path("client/fetched"))?;
    let wanted = as_stored(&message("stored"));
    ensure!(crate::body(&got) == crate::body(&wanted), "got {}", got.escape_ascii());
    Ok(())
}

fn fetchmail(chain: &Chain<'_>) -> Result<()> {
    fetchmail_fetches(chain, &mailfront(chain)?)
}

fn fetchmail_dovecot(chain: &Chain<'_>) -> Result<()> {
    fetchmail_fetches(chain, &dovecot(chain)?)
}

fn poplib_fetches(chain: &Chain<'_>, port: u16, tls: bool) -> Result<()> {
    let stls = if tls { "client.stls(context=trust)\n" } else { "" };
    let program = format!(
        "import poplib, ssl, sys\npoplib._MAXLINE = 4096\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         client = poplib.POP3('localhost', {port})\n{stls}\
         client.user('bob')\nclient.pass_('pass word')\n\
         sys.stdout.buffer.write(b''.join(line + b'\\r\\n' for line in client.retr(1)[1]))\nclient.quit()\n",
        chain.name("cert.pem")
    );
    let got = chain.succeeds(&["python3", "-c", &program], b"")?;
    ensure!(got == message("stored").as_bytes(), "got something else: {}", got.escape_ascii());
    Ok(())
}

fn poplib(chain: &Chain<'_>) -> Result<()> {
    poplib_fetches(chain, mailfront(chain)?.port, true)
}

fn poplib_without_tls(chain: &Chain<'_>) -> Result<()> {
    put(chain)?;
    let server = chain
        .plain_server(&Commands::new(chain).login("pop3", &["pop3front-maildir", "Maildir"]))?;
    poplib_fetches(chain, server.port, false)
}
