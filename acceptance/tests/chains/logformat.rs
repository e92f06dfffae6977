//! `control/logformat`: what real clients leave in the log when a login and when a session
//! has ended, from authup and from tlsserver, which says the same; and what
//! `acceptutils report` makes of it.

use std::collections::BTreeMap;
use std::fs;

use acceptance::chain::{Chain, Server};
use anyhow::{Context, Result, ensure};
use test_support::wait::in_file;

use crate::chains::fetching::{MAILFRONT, poplib_fetches, put};
use crate::chains::login::door;
use crate::chains::sending::{ECHO, swaks_is_refused, swaks_succeeds};
use crate::{BOB_IS_IN, Test, Tls, holds, logs};

const NEEDS: &[&str] = &["swaks", "smtpfront-echo", "pop3front-maildir", "python3"];

pub(crate) const TESTS: &[Test] = &[
    ("d63 logfmt behind tlsserver: authup", NEEDS, |chain| {
        says_all(chain, |chain, _, program| chain.tls_server("!", program))
    }),
    ("d63 logfmt by tlsserver --login", NEEDS, |chain| {
        says_all(chain, |chain, protocol, program| door(chain, protocol, Tls::Asked, program))
    }),
    ("d63 tlsserver --login: a format that is none", &["swaks"], none),
];

/// How a server for a protocol is started.
type Start = fn(&Chain<'_>, &str, &[String]) -> Result<Server>;

fn says_all(chain: &Chain<'_>, start: Start) -> Result<()> {
    fs::write(chain.path("home/control/logformat"), "logfmt\n")?;
    let submission = start(chain, "smtp", &chain.login("smtp", ECHO))?;
    swaks_is_refused(chain, &submission)?;
    let refused = lines(chain, 2);
    says(&refused, "login", &[("result", "refused"), ("user", "bob"), ("mech", "PLAIN")])?;
    let nobody = says(&refused, "session", &[("code", "0"), ("tries", "1")])?;
    ensure!(!nobody.contains_key("user"), "somebody was logged in: {nobody:?}");

    let login = ["--tls", "--auth", "LOGIN", "-au", "bob", "-ap", "pass word"];
    swaks_succeeds(chain, &submission, &[&login[..], &["--tls-sni", "mail.example.org"]].concat())?;
    let good = lines(chain, 4);
    let (port, good) = (submission.port.to_string(), &good[2..]);
    let all = [
        ("user", "bob"),
        ("tls", "TLSv1.3"),
        ("sni", "mail.example.org"),
        ("addr", "127.0.0.1"),
        ("service", &port),
        ("proto", "smtp"),
    ];
    let login = [("result", "good"), ("mech", "LOGIN"), ("try", "1")];
    let begun = says(good, "login", &[&all[..], &login[..]].concat())?;
    let over = says(good, "session", &[&all[..], &[("code", "0"), ("tries", "1")]].concat())?;
    for key in ["port", "cipher", "start"] {
        ensure!(begun.contains_key(key) && begun.get(key) == over.get(key), "{key}: {good:?}");
    }
    logs(chain, BOB_IS_IN)?;

    put(chain);
    let fetching = start(chain, "pop3", &chain.login("pop3", &MAILFRONT))?;
    poplib_fetches(chain, fetching.port, Some(Tls::Asked))?;
    let fetched = lines(chain, 6);
    let begun = says(&fetched[4..], "login", &[("result", "good"), ("proto", "pop3")])?;
    ensure!(!begun.contains_key("mech"), "USER and PASS are no mechanism: {begun:?}");
    says(&fetched[4..], "session", &[("user", "bob"), ("code", "0")])?;

    let report = chain.succeeds(&["acceptutils", "report", &chain.name("server.log")], b"")?;
    let report = String::from_utf8(report)?;
    holds(&report, "\nTLS versions\n      3  TLSv1.3\n")?;
    holds(&report, "      2  good\n      1  refused\n")
}

/// The log's first so many lines of either kind, without what they begin with.
fn lines(chain: &Chain<'_>, count: usize) -> Vec<String> {
    in_file(
        &chain.path("server.log"),
        || format!("{count} lines"),
        |log| {
            let said = log.lines().filter_map(|line| line.strip_prefix("authup ")?.split_once(' '));
            let said = said.map(|(_, text)| text.to_owned());
            let said: Vec<_> = said
                .filter(|text| text.starts_with("login result=") || text.starts_with("session "))
                .collect();
            (said.len() >= count).then_some(said)
        },
    )
}

/// The pairs of the line that begins with this word, among which these are to be.
fn says<'a>(
    lines: &'a [String],
    word: &str,
    wanted: &[(&str, &str)],
) -> Result<BTreeMap<&'a str, &'a str>> {
    let text = lines.iter().find_map(|line| line.strip_prefix(word));
    let text = text.with_context(|| format!("no {word} in {lines:?}"))?;
    // None of these values needs quotation marks.
    let said: BTreeMap<_, _> = text.split(' ').filter_map(|pair| pair.split_once('=')).collect();
    for (key, value) in wanted {
        ensure!(said.get(key) == Some(value), "{key} is not {value}: {text}");
    }
    let seconds: f64 = said.get("secs").context("no secs")?.parse()?;
    ensure!(seconds < 60.0, "{text}");
    Ok(said)
}

/// It does not start, and says why.
fn none(chain: &Chain<'_>) -> Result<()> {
    let file = chain.path("home/control/logformat");
    fs::write(&file, "json\n")?;
    let program = chain.login("smtp", ECHO);
    ensure!(door(chain, "smtp", Tls::Asked, &program).is_err(), "it started");
    logs(chain, &format!("tlsserver: {}: not logfmt\n", file.display()))
}
