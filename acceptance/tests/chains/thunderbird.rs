//! What Thunderbird says when it is set up, reads and sends, as `dialogs` has it: its part is
//! played to the programs, with real servers behind. The program itself is run where a whole
//! machine is, by `tests/package`.

use std::fs;

use acceptance::chain::{Chain, DOVECOT, Server};
use anyhow::{Result, ensure};
use test_support::service::{give_to_nobody, make_home};

use super::fetching::MAILFRONT;
use super::login::door;
use crate::{BOB_IS_IN, Test, Tls};

const NEEDS: &[&str] = &["python3", "exim4", "imap", "pop3front-maildir"];

pub(crate) const TESTS: &[Test] = &[
    ("Thunderbird's dialog with ports 993 and 587", NEEDS, |chain| {
        play(chain, "imaps", "submission", (3, 5))
    }),
    ("Thunderbird's dialog with ports 143 and 465", NEEDS, |chain| {
        play(chain, "imap", "submissions", (3, 5))
    }),
    ("Thunderbird's dialog with ports 995 and 465", NEEDS, |chain| {
        play(chain, "pop3s", "submissions", (2, 4))
    }),
    ("Thunderbird's dialog with ports 110 and 587", NEEDS, |chain| {
        play(chain, "pop3", "submission", (2, 4))
    }),
];

/// How often one wrong password is tried, which contrib/fail2ban knows, and how many logins
/// succeed then.
type Logins = (usize, usize);

/// Before tlsserver's own dialog and before authup's.
fn play(chain: &Chain<'_>, incoming: &str, outgoing: &str, logins: Logins) -> Result<()> {
    let file = format!("dialogs/thunderbird-{incoming}-{outgoing}.dialog");
    let [dialog, player] =
        [&file, "dialogs/play.py"].map(|name| format!("{}/{name}", env!("CARGO_MANIFEST_DIR")));
    for (round, by_authup) in [false, true].into_iter().enumerate() {
        put(chain)?;
        let servers = [serve(chain, incoming, by_authup)?, serve(chain, outgoing, by_authup)?];
        let [incoming, outgoing] = [(incoming, &servers[0]), (outgoing, &servers[1])]
            .map(|(name, server)| format!("{name}=localhost:{}", server.port));
        let trust = chain.name("server.cert");
        chain.succeeds(&["python3", &player, &dialog, &trust, &incoming, &outgoing], b"")?;
        let log = chain.log();
        let count = |what| log.matches(what).count();
        let seen = (count(" failed, "), count(BOB_IS_IN));
        ensure!(seen == ((round + 1) * logins.0, (round + 1) * logins.1), "{seen:?}\n{log}");
    }
    Ok(())
}

/// A mailbox as the recording began with.
fn put(chain: &Chain<'_>) -> Result<()> {
    let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/dialogs/stored.eml");
    fs::remove_dir_all(chain.path("bob"))?;
    make_home(&chain.path("bob"));
    give_to_nobody(&chain.write("bob/Maildir/new/1.test", fs::read(stored)?));
    Ok(())
}

/// A service; by convention its name ends in "s" where TLS begins with the first octet.
fn serve(chain: &Chain<'_>, service: &str, by_authup: bool) -> Result<Server> {
    let (protocol, login) = match service.trim_end_matches('s') {
        "imap" => ("imap", chain.login("imap", &DOVECOT)),
        "pop3" => ("pop3", chain.login("pop3", &MAILFRONT)),
        _ => ("smtp", chain.login("smtp", &chain.exim())),
    };
    let tls = if service.ends_with('s') { Tls::AtOnce } else { Tls::Asked };
    if by_authup { tls.server(chain, &login) } else { door(chain, protocol, tls, &login) }
}
