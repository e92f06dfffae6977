//! Clients of other protocols at mail's ports: told so, or left, at their first line, and
//! named in the log.

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::chains::login::door;
use crate::chains::sending::ECHO;
use crate::{Test, Tls, holds, logs_times};

pub(crate) const TESTS: &[Test] = &[
    ("wrong port: curl by HTTP", &["curl", "smtpfront-echo"], d60_http),
    ("wrong port: openssl with TLS at once", &["openssl", "smtpfront-echo"], d60_tls),
];

const BEFORE_LOGIN: [(&str, &str); 3] = [
    ("smtp", "421 authup HTTP is not spoken here (#4.5.0)\r\n"),
    ("pop3", "-ERR authup HTTP is not spoken here\r\n"),
    ("imap", "* BYE authup HTTP is not spoken here\r\n"),
];
const RELAYED: &str = "421 HTTP is not spoken here (#4.5.0)\r\n";

/// Each way to serve a protocol, and what HTTP hears last there.
fn doors(chain: &Chain<'_>) -> Result<Vec<(Server, &'static str)>> {
    let mut doors = vec![(chain.tls_server("", ECHO)?, RELAYED)];
    for (protocol, last) in BEFORE_LOGIN {
        let program = chain.login(protocol, ECHO);
        doors.push((door(chain, protocol, Tls::Asked, &program)?, last));
        doors.push((chain.tls_server("!", &program)?, last));
    }
    Ok(doors)
}

/// Tries each; whatever the client makes of it, the log says as often what it speaks.
fn each(
    chain: &Chain<'_>,
    said: &str,
    client: impl Fn(u16, &'static str) -> Result<()>,
) -> Result<()> {
    let mut count = 0;
    for (mut server, last) in doors(chain)? {
        client(server.port, last)?;
        server.stop()?;
        count += 1;
        logs_times(chain, said, count);
        let log = chain.log();
        ensure!(log.matches(said).count() == count, "{count} times {said:?}:\n{log}");
    }
    Ok(())
}

fn d60_http(chain: &Chain<'_>) -> Result<()> {
    each(chain, "client speaks HTTP", |port, last| {
        let url = format!("http://127.0.0.1:{port}/");
        // All that comes is a document to it.
        let got = chain.succeeds(&["curl", "--silent", "--http0.9", &url], b"")?;
        let got = String::from_utf8_lossy(&got);
        ensure!(got.lines().count() == 2 && got.ends_with(last), "{got}");
        Ok(())
    })
}

fn d60_tls(chain: &Chain<'_>) -> Result<()> {
    each(chain, "client speaks TLS at once", |port, _| {
        let to = format!("127.0.0.1:{port}");
        let output = chain.client(&["openssl", "s_client", "-connect", &to], b"")?;
        ensure!(!output.status.success(), "a handshake in the clear");
        holds(&chain.told(&output), "wrong version number")
    })
}
