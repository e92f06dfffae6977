//! Submission (port 587): clients that log in and send through authup, fixsmtpio and
//! a real SMTP server.

use std::process::Output;

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::{
    BOB, BOB_IS_IN, BOB_TO_EVE, REFUSED, SWAKS_REFUSED, Test, by_python, ends_with, holds, logs,
    message, swaks, swaks_sends,
};

const SWAKS: &[&str] = &["swaks", "smtpfront-echo"];

pub(crate) const TESTS: &[Test] = &[
    ("swaks PLAIN over STARTTLS to smtpfront-echo", SWAKS, |chain| {
        swaks_logs_in(chain, &[&["--tls"], &BOB[..]].concat())?;
        logs(chain, BOB_IS_IN)
    }),
    ("swaks LOGIN over STARTTLS to smtpfront-echo", SWAKS, |chain| {
        swaks_logs_in(chain, &["--tls", "--auth", "LOGIN", "-au", "bob", "-ap", "pass word"])
    }),
    ("swaks pipelining over STARTTLS to smtpfront-echo", SWAKS, |chain| {
        swaks_logs_in(chain, &[&["--tls", "--pipeline"], &BOB[..]].concat())
    }),
    (
        "swaks without TLS by tcpserver",
        &["swaks", "smtpfront-echo", "tcpserver"],
        swaks_without_tls,
    ),
    ("swaks with a wrong password", SWAKS, |chain| swaks_is_refused(chain, &submission(chain)?)),
    ("swaks without TLS where it is required", SWAKS, swaks_tls_required),
    ("msmtp over STARTTLS to smtpfront-echo", &["msmtp", "smtpfront-echo"], msmtp),
    ("msmtp with a wrong password", &["msmtp", "smtpfront-echo"], msmtp_wrong_password),
    ("curl over STARTTLS to smtpfront-echo", &["curl", "smtpfront-echo"], |chain| {
        curl_sends(chain, "smtp", &submission(chain)?)
    }),
    ("smtplib over STARTTLS to smtpfront-echo", &["python3", "smtpfront-echo"], smtplib),
    ("smtplib logs in twice", &["python3", "smtpfront-echo"], smtplib_second_login),
];

pub(crate) const ECHO: &[&str] = &["fixsmtpio", "smtpfront-echo"];

pub(crate) fn submission(chain: &Chain<'_>) -> Result<Server> {
    chain.tls_server("!", &chain.login("smtp", ECHO))
}

/// Runs swaks, however that ends.
pub(crate) fn swaks_tries(chain: &Chain<'_>, server: &Server, more: &[&str]) -> Result<Output> {
    let port = server.port.to_string();
    let mail = ["--from", BOB_TO_EVE[0], "--to", BOB_TO_EVE[1], "--data", "-"];
    chain.client(&[&swaks(&port)[..], &mail, more].concat(), message("swaks").as_bytes())
}

pub(crate) fn swaks_succeeds(chain: &Chain<'_>, server: &Server, more: &[&str]) -> Result<String> {
    swaks_sends(chain, server, "swaks", BOB_TO_EVE, more)
}

fn swaks_logs_in(chain: &Chain<'_>, how: &[&str]) -> Result<()> {
    holds(&swaks_succeeds(chain, &submission(chain)?, how)?, "235 ok, go ahead")
}

fn swaks_without_tls(chain: &Chain<'_>) -> Result<()> {
    let server = chain.plain_server(&chain.login("smtp", ECHO))?;
    swaks_succeeds(chain, &server, &BOB)?;
    logs(chain, BOB_IS_IN)
}

/// With a wrong password.
pub(crate) fn swaks_is_refused(chain: &Chain<'_>, server: &Server) -> Result<()> {
    let login = ["--tls", "--auth", "PLAIN", "-au", "bob", "-ap", "guessed"];
    let output = swaks_tries(chain, server, &login)?;
    ends_with(chain, &output, SWAKS_REFUSED)?;
    holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")?;
    logs(chain, " failed, 4 remaining (bob from 127.0.0.1)")
}

fn swaks_tls_required(chain: &Chain<'_>) -> Result<()> {
    let output = swaks_tries(chain, &submission(chain)?, &BOB)?;
    ends_with(chain, &output, SWAKS_REFUSED)?;
    let told = chain.told(&output);
    ensure!(!told.contains("AUTH PLAIN"), "it gave away the password:\n{told}");
    Ok(())
}

pub(crate) fn run_msmtp(chain: &Chain<'_>, server: &Server, password: &str) -> Result<Output> {
    let trust = format!("--tls-trust-file={}", chain.name("server.cert"));
    let (port, ask) =
        (format!("--port={}", server.port), format!("--passwordeval=echo {password}"));
    let usual = ["msmtp", "--host=127.0.0.1", &port, "--tls=on", "--tls-starttls=on", &trust];
    let login = ["--auth=plain", "--user=bob", &ask];
    let mail = ["--from=bob@example.org", "eve@example.org"];
    chain.client(&[&usual[..], &login, &mail].concat(), message("msmtp").as_bytes())
}

fn msmtp(chain: &Chain<'_>) -> Result<()> {
    ends_with(chain, &run_msmtp(chain, &submission(chain)?, "pass word")?, 0)?;
    logs(chain, BOB_IS_IN)
}

fn msmtp_wrong_password(chain: &Chain<'_>) -> Result<()> {
    let output = run_msmtp(chain, &submission(chain)?, "guessed")?;
    ends_with(chain, &output, REFUSED)?;
    holds(&chain.told(&output), "535 authup authorization failed (#5.7.0)")
}

pub(crate) fn curl_sends(chain: &Chain<'_>, scheme: &str, server: &Server) -> Result<()> {
    let url = format!("{scheme}://localhost:{}/client.example.org", server.port);
    let trust = chain.name("server.cert");
    let usual =
        ["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", &trust, "--url", &url];
    let mail = ["--mail-from", "bob@example.org", "--mail-rcpt", "eve@example.org"];
    let rest = ["--user", "bob:pass word", "--upload-file", "-"];
    chain.succeeds(&[&usual[..], &mail, &rest].concat(), message("curl").as_bytes())?;
    logs(chain, BOB_IS_IN)
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
        "client = smtplib.SMTP('localhost', port)\nclient.starttls(context=trust)\n{greets}\n\
         client.login('bob', 'pass word')\n{more}\nprint(client.quit())"
    );
    by_python(chain, server.port, &program, &message("smtplib"))
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
