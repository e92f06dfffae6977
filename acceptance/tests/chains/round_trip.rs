//! The whole way: a message is submitted with a login, delivered by a real server into
//! a real mailbox as the user who logged in, and fetched again with a login.

use acceptance::chain::{Chain, is_root};
use anyhow::{Result, ensure};
use test_support::service::NOBODY;

use crate::chains::fetching::{MAILFRONT, dovecot_command, ensure_fetched, poplib_fetches};
use crate::{BOB, BOB_IS_IN, Test, Tls, ensure_body, logs, message, only_message, swaks_sends};

const NEEDS: &[&str] = &["swaks", "exim4", "pop3front-maildir", "python3"];

pub(crate) const TESTS: &[Test] = &[
    ("round trip by swaks, Exim, pop3front-maildir, poplib", NEEDS, |chain| {
        round_trip(chain, Tls::Asked, &MAILFRONT)
    }),
    (
        "round trip by swaks, Exim, Dovecot, poplib",
        &["swaks", "exim4", "pop3", "python3"],
        |chain| round_trip(chain, Tls::Asked, &["sh", "-c", &dovecot_command("POP3")?]),
    ),
    (
        "round trip with TLS from the first octet by swaks, Exim, pop3front-maildir, poplib",
        NEEDS,
        |chain| round_trip(chain, Tls::AtOnce, &MAILFRONT),
    ),
];

fn round_trip(chain: &Chain<'_>, tls: Tls, pop3: &[&str]) -> Result<()> {
    let submission = tls.server(chain, &chain.login("smtp", &chain.exim()))?;
    let login = [&[tls.swaks()], &BOB[..]].concat();
    swaks_sends(chain, &submission, "round", ["bob@example.org"; 2], &login)?;
    logs(chain, BOB_IS_IN)?;

    let (stored, owner) = only_message(chain, "bob/Maildir")?;
    ensure_body(&stored, &message("round"))?;
    ensure!(!is_root() || owner == NOBODY, "delivered as user {owner}");

    let fetching = tls.server(chain, &chain.login("pop3", pop3))?;
    let fetched = poplib_fetches(chain, fetching.port, Some(tls))?;
    let stored = String::from_utf8(stored)?.replace('\n', "\r\n");
    ensure_fetched(&fetched, stored.as_bytes())
}
