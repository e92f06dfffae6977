//! How sessions end: clients close as they like once they have the answer to QUIT, and the
//! log calls cut off what was.

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::chains::login::submission;
use crate::chains::sending::{self, python, swaks_succeeds};
use crate::{BOB, Test, Tls, holds, logs_times};

const REAL: &[&str] = &["swaks", "python3", "smtpfront-echo"];

pub(crate) const TESTS: &[Test] = &[
    ("ends: sessions that end well are not called truncated", REAL, well),
    ("ends: a client that drops within a message", REAL, cut_off),
];

const TRUNCATED: &str = "truncated: the peer closed without close_notify";

/// tlsserver's own dialog, and authup behind it.
fn doors(chain: &Chain<'_>) -> Result<[Server; 2]> {
    Ok([submission(chain, Tls::Asked)?, sending::submission(chain)?])
}

fn well(chain: &Chain<'_>) -> Result<()> {
    for mut server in doors(chain)? {
        for _ in 0..10 {
            swaks_succeeds(chain, &server, &[&["--tls"], &BOB[..]].concat())?;
            python(chain, &server, "")?;
        }
        server.stop()?;
    }
    logs_times(chain, " login succeeded", 40);
    let log = chain.log();
    ensure!(log.matches(" login succeeded").count() == 40, "{log}");
    ensure!(!log.contains("truncated") && !log.contains("connection lost"), "{log}");
    Ok(())
}

fn cut_off(chain: &Chain<'_>) -> Result<()> {
    for (count, server) in (1..).zip(doors(chain)?) {
        let half = "client.mail('bob@example.org'), client.rcpt('eve@example.org')\n\
                    print(client.docmd('DATA'))\n\
                    client.send(b'Subject: half of it\\r\\n\\r\\nand th')\n\
                    client.sock.close()\n\
                    sys.exit()";
        holds(&python(chain, &server, half)?, "(354,")?;
        logs_times(chain, TRUNCATED, count);
    }
    Ok(())
}
