//! The whole way: a message is submitted with a login, delivered by a real server into
//! a real mailbox as the user who logged in, and fetched again with a login.

use acceptance::chain::{Chain, Server, is_root};
use acceptance::stage::NOBODY;
use anyhow::{Result, ensure};

use crate::chains::fetching::{Begin, dovecot_command, ensure_fetched, poplib_fetches};
use crate::{Commands, Test, ensure_body, for_swaks, holds, message, only_message, swaks};

pub(crate) const TESTS: &[Test] = &[
    (
        "round trip by swaks, Exim, pop3front-maildir, poplib",
        &["swaks", "exim4", "pop3front-maildir", "python3"],
        mailfront,
    ),
    ("round trip by swaks, Exim, Dovecot, poplib", &["swaks", "exim4", "pop3", "python3"], dovecot),
    (
        "round trip with TLS from the first octet by swaks, Exim, pop3front-maildir, poplib",
        &["swaks", "exim4", "pop3front-maildir", "python3"],
        mailfront_at_once,
    ),
];

/// How TLS begins, on both ways.
#[derive(Clone, Copy)]
enum Tls {
    /// Ports 587 and 110.
    Asked,
    /// Ports 465 and 995.
    AtOnce,
}

impl Tls {
    fn server(self, chain: &Chain<'_>, command: &[&str]) -> Result<Server> {
        match self {
            Self::Asked => chain.tls_server("!", command),
            Self::AtOnce => chain.tls_at_once_server("!", command),
        }
    }
}

fn mailfront(chain: &Chain<'_>) -> Result<()> {
    round_trip(chain, Tls::Asked, &["pop3front-maildir", "Maildir"])
}

fn mailfront_at_once(chain: &Chain<'_>) -> Result<()> {
    round_trip(chain, Tls::AtOnce, &["pop3front-maildir", "Maildir"])
}

fn dovecot(chain: &Chain<'_>) -> Result<()> {
    round_trip(chain, Tls::Asked, &["sh", "-c", &dovecot_command()?])
}

fn round_trip(chain: &Chain<'_>, tls: Tls, pop3: &[&str]) -> Result<()> {
    let commands = Commands::new(chain);
    let config = chain.name("exim.conf");
    let exim = ["fixsmtpio", "exim4", "-C", &config, "-odf", "-bs"];
    let submission = tls.server(chain, &commands.login("smtp", &exim))?;
    let port = submission.port.to_string();
    let tls_option = match tls {
        Tls::Asked => "--tls",
        Tls::AtOnce => "--tls-on-connect",
    };
    let login = ["--auth", "PLAIN", "-au", "bob", "-ap", "pass word"];
    let mail = ["--from", "bob@example.org", "--to", "bob@example.org", "--data", "-"];
    chain.succeeds(
        &[&swaks(&port)[..], &[tls_option], &login, &mail].concat(),
        for_swaks(&message("round")),
    )?;
    holds(&chain.log(), " login succeeded (bob from 127.0.0.1)")?;

    let (stored, owner) = only_message(chain)?;
    ensure_body(&stored, &message("round"))?;
    ensure!(!is_root() || owner == NOBODY, "delivered as user {owner}");

    let fetching = tls.server(chain, &commands.login("pop3", pop3))?;
    let begin = match tls {
        Tls::Asked => Begin::WithStls,
        Tls::AtOnce => Begin::WithTlsAtOnce,
    };
    let fetched = poplib_fetches(chain, fetching.port, begin)?;
    let stored = String::from_utf8(stored)?.replace('\n', "\r\n");
    ensure_fetched(&fetched, stored.as_bytes())
}
