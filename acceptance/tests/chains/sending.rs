//! Submission (port 587): clients that log in and send through authup, fixsmtpio and
//! a real SMTP server.

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::{Commands, Test, holds, message, swaks};

pub(crate) const TESTS: &[Test] = &[
    ("swaks PLAIN over STARTTLS to smtpfront-echo", &["swaks", "smtpfront-echo"], swaks_plain),
    ("swaks LOGIN over STARTTLS to smtpfront-echo", &["swaks", "smtpfront-echo"], swaks_login),
    (
        "swaks pipelining over STARTTLS to smtpfront-echo",
        &["swaks", "smtpfront-echo"],
        swaks_pipelining,
    ),
    (
        "swaks without TLS by tcpserver",
        &["swaks", "smtpfront-echo", "tcpserver"],
        swaks_without_tls,
    ),
    ("swaks with a wrong password", &["swaks", "smtpfront-echo"], swaks_wrong_password),
    ("swaks without TLS where it is required", &["swaks", "smtpfront-echo"], swaks_tls_required),
    ("msmtp over STARTTLS to smtpfront-echo", &["msmtp", "smtpfront-echo"], msmtp),
    ("msmtp with a wrong password", &["msmtp", "smtpfront-echo"], msmtp_wrong_password),
    ("curl over STARTTLS to smtpfront-echo", &["curl", "smtpfront-echo"], curl),
    ("smtplib over STARTTLS to smtpfront-echo", &["python3", "smtpfront-echo"], smtplib),
    ("smtplib logs in twice", &["python3", "smtpfront-echo"], smtplib_second_login),
];

pub(crate) const ECHO: &[&str] = &["fixsmtpio", "smtpfront-echo"];

fn submission(chain: &Chain<'_>) -> Result<Server> {
    chain.tls_server("!", &Commands::new(chain).login("smtp", ECHO))
}

pub(crate) fn swaks_sends<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mail = ["--from", "bob@example.org", "--to", "eve@example.org", "--data", "-"];
    swaks(port).into_iter().chain(mail).chain(more.iter().copied()).collect()
}

pub(crate) fn swaks_succeeds(chain: &Chain<'_>, server: &Server, more: &[&str]) -> Result<String> {
    let port = server.port.to_string();
    let output = chain.succeeds(&swaks_sends(&port, more), message("swaks").as_bytes())?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn swaks_plain(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let said = swaks_succeeds(
        chain,
        &server,
        &["--tls", "--auth", "PLAIN", "-au", "bob", "-ap", "pass word"],
    )?;
    holds(&said, "235 ok, go ahead")?;
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")
}

fn swaks_login(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let said = swaks_succeeds(
        chain,
        &server,
        &["--tls", "--auth", "LOGIN", "-au", "bob", "-ap", "pass word"],
    )?;
    holds(&said, "235 ok, go ahead")
}

fn swaks_pipelining(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let login = ["--tls", "--pipeline", "--auth", "PLAIN", "-au", "bob", "-ap", "pass word"];
    swaks_succeeds(chain, &server, &login).map(|_| ())
}

fn swaks_without_tls(chain: &Chain<'_>) -> Result<()> {
    let server = chain.plain_server(&Commands::new(chain).login("smtp", ECHO))?;
    swaks_succeeds(chain, &server, &["--auth", "PLAIN", "-au", "bob", "-ap", "pass word"])?;
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")
}

fn swaks_wrong_password(chain: &Chain<'_>) -> Result<()> {
    swaks_is_refused(chain, &submission(chain)?)
}

/// With a wrong password.
pub(crate) fn swaks_is_refused(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let port = server.port.to_string();
    let login = ["--tls", "--auth", "PLAIN", "-au", "bob", "-ap", "guessed"];
    let output = chain.client(&swaks_sends(&port, &login), message("swaks").as_bytes())?;
    // 28 is what swaks calls a failed authentication.
    ensure!(output.status.code() == Some(28), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")?;
    holds(&chain.log(), " failed, 4 remaining (bob from 127.0.0.1)")
}

fn swaks_tls_required(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let port = server.port.to_string();
    let login = ["--auth", "PLAIN", "-au", "bob", "-ap", "pass word"];
    let output = chain.client(&swaks_sends(&port, &login), message("swaks").as_bytes())?;
    ensure!(output.status.code() == Some(28), "{}\n{}", output.status, chain.told(&output));
    let told = chain.told(&output);
    ensure!(!told.contains("AUTH PLAIN"), "it gave away the password:\n{told}");
    Ok(())
}

pub(crate) fn run_msmtp(
    chain: &Chain<'_>,
    server: &Server,
    password: &str,
) -> Result<std::process::Output> {
    let (port, trust) = (server.port.to_string(), chain.name("cert.pem"));
    let (trust, ask) =
        (format!("--tls-trust-file={trust}"), format!("--passwordeval=echo {password}"));
    let (host, port) = ("--host=127.0.0.1", format!("--port={port}"));
    let usual = [
        "msmtp",
        host,
        &port,
        "--tls=on",
        "--tls-starttls=on",
        &trust,
        "--auth=plain",
        "--user=bob",
        &ask,
    ];
    let mail = ["--from=bob@example.org", "eve@example.org"];
    chain.client(&[&usual[..], &mail[..]].concat(), message("msmtp").as_bytes())
}

fn msmtp(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let output = run_msmtp(chain, &server, "pass word")?;
    ensure!(output.status.success(), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")
}

fn msmtp_wrong_password(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let output = run_msmtp(chain, &server, "guessed")?;
    // 77 is EX_NOPERM of sysexits.h.
    ensure!(output.status.code() == Some(77), "{}\n{}", output.status, chain.told(&output));
    holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")
}

fn curl(chain: &Chain<'_>) -> Result<()> {
    curl_sends(chain, "smtp", &submission(chain)?)
}

pub(crate) fn curl_sends(chain: &Chain<'_>, scheme: &str, server: &Server) -> Result<()> {
    let url = format!("{scheme}://localhost:{}/client.example.org", server.port);
    let trust = chain.name("cert.pem");
    let usual =
        ["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", &trust, "--url", &url];
    let mail = [
        "--user",
        "bob:pass word",
        "--mail-from",
        "bob@example.org",
        "--mail-rcpt",
        "eve@example.org",
    ];
    let arguments = [&usual[..], &mail[..], &["--upload-file", "-"]].concat();
    chain.succeeds(&arguments, message("curl").as_bytes())?;
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")
}

pub(crate) fn python(chain: &Chain<'_>, server: &Server, more: &str) -> Result<String> {
    // It logs in by the name that smtplib has for this machine.
    python_that_greets(chain, server, "", more)
}

pub(crate) fn python_that_greets(
    chain: &Chain<'_>,
    server: &Server,
    greets: &str,
    more: &str,
) -> Result<String> {
    let program = format!(
        "import smtplib, ssl, sys\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         client = smtplib.SMTP('localhost', {})\n\
         client.starttls(context=trust)\n{greets}\n\
         client.login('bob', 'pass word')\n{more}\nprint(client.quit())\n",
        chain.name("cert.pem"),
        server.port
    );
    let output = chain.succeeds(&["python3", "-c", &program], message("smtplib").as_bytes())?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn smtplib(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let send = "client.sendmail('bob@example.org', ['eve@example.org'], sys.stdin.buffer.read())\n\
                print(client.noop(), client.rset())";
    holds(&python(chain, &server, send)?, "(221, b'mail.example.org')")
}

fn smtplib_second_login(chain: &Chain<'_>) -> Result<()> {
    let server = submission(chain)?;
    let again =
        "print(client.docmd('AUTH', 'PLAIN x'))\nprint(client.ehlo())\nprint(client.docmd('HELP'))";
    let said = python(chain, &server, again)?;
    ensure!(!said.contains("AUTH LOGIN"), "login offered again: {said}");
    holds(&said, "(50")
}
