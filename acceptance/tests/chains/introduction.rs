//! What the client agreed on with authup, before its login, reaches the server behind it:
//! its EHLO, and so the parameters and chunks that it was offered.

use std::fs::OpenOptions;
use std::io::Write;

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::chains::sending::{ECHO, python, python_that_greets};
use crate::{Test, body, ensure_body, holds, message, only_message};

pub(crate) const TESTS: &[Test] = &[
    ("Exim hears the EHLO of a client that logs in", &["python3", "exim4"], exim_hears),
    (
        "Exim refuses the name of a client that logs in",
        &["python3", "exim4"],
        exim_refuses_the_name,
    ),
    ("chunks behind a login to Exim", &["python3", "exim4"], chunks_to_exim),
    (
        "chunks behind a login to a server that takes none",
        &["python3", "smtpfront-echo"],
        chunks_to_a_server_without,
    ),
];

/// What clients send to a server that has offered 8BITMIME and AUTH, and no EHLO before.
pub(crate) const SENDS: &str = "reply = client.docmd('MAIL', 'FROM:<bob@example.org> BODY=8BITMIME AUTH=<>')\n\
    assert reply[0] == 250, reply\n\
    reply = client.docmd('RCPT', 'TO:<bob@example.org>')\nassert reply[0] == 250, reply\n\
    reply = client.data(sys.stdin.buffer.read())\nassert reply[0] == 250, reply\n";

/// Exim wants a HELO, as it does where it is installed.
fn exim(chain: &Chain<'_>) -> Result<Server> {
    let config = chain.name("exim.conf");
    let alone = chain.succeeds(&["exim4", "-C", &config, "-bs"], b"MAIL FROM:<a@b>\r\nQUIT\r\n")?;
    holds(&String::from_utf8_lossy(&alone), "503 HELO or EHLO required")?;
    chain.tls_server("!", &chain.login("smtp", &chain.exim()))
}

fn stored(chain: &Chain<'_>) -> Result<Vec<u8>> {
    let (stored, _) = only_message(chain, "bob/Maildir")?;
    ensure_body(&stored, &message("smtplib"))?;
    Ok(stored)
}

fn exim_hears(chain: &Chain<'_>) -> Result<()> {
    let greets = "client.ehlo('client.example.org')";
    python_that_greets(chain, &exim(chain)?, greets, SENDS)?;
    holds(&String::from_utf8_lossy(&stored(chain)?), "helo=client.example.org")
}

fn exim_refuses_the_name(chain: &Chain<'_>) -> Result<()> {
    python_that_greets(chain, &exim(chain)?, "client.ehlo('my_pc')", SENDS)?;
    holds(&String::from_utf8_lossy(&stored(chain)?), "helo=[127.0.0.1]")
}

/// Announced by the capabilities file.
fn announce_chunking(chain: &Chain<'_>) -> Result<()> {
    let file = chain.path("home/control/smtpcapabilities");
    Ok(OpenOptions::new().append(true).open(file)?.write_all(b"CHUNKING\n")?)
}

/// A message in two chunks, which the client takes for part of what it was offered.
const CHUNKS: &str = "assert client.has_extn('chunking'), client.esmtp_features\n\
    text = sys.stdin.buffer.read()\nhalf = len(text) // 2\n\
    client.send(b'MAIL FROM:<bob@example.org>\\r\\nRCPT TO:<bob@example.org>\\r\\n')\n\
    print(client.getreply(), client.getreply())\n\
    client.send(b'BDAT %d\\r\\n' % half + text[:half])\n\
    client.send(b'BDAT %d LAST\\r\\n' % (len(text) - half) + text[half:] + b'NOOP\\r\\n')\n\
    first, second, noop = client.getreply(), client.getreply(), client.getreply()\n\
    print('chunks', first[0], second[0], noop[0])\n";

fn chunks_to_exim(chain: &Chain<'_>) -> Result<()> {
    announce_chunking(chain)?;
    holds(&python(chain, &exim(chain)?, CHUNKS)?, "chunks 250 250 250")?;
    let stored = stored(chain)?;
    ensure!(
        !body(&stored).windows(9).any(|some| some == b"fixsmtpio"),
        "{}",
        stored.escape_ascii()
    );
    Ok(())
}

fn chunks_to_a_server_without(chain: &Chain<'_>) -> Result<()> {
    announce_chunking(chain)?;
    let server = chain.tls_server("!", &chain.login("smtp", ECHO))?;
    holds(&python(chain, &server, CHUNKS)?, "chunks 503 503 250")
}
