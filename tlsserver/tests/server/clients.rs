//! Clients as Debian ships them, and mailfront as an independent program behind the
//! UCSPI-TLS interface.

use std::fs;
use std::process::{Command, Stdio};
use test_support::folder::write_secret;
use test_support::needs;
use test_support::talking::Talking;

use crate::harness::{Server, Setup};

/// mailfront, which takes any message and says how many octets it had.
fn smtp(program: &[&str]) -> Setup {
    let setup = Setup::new(program).variable("SMTPGREETING", "mail.example.org");
    let rules = setup.file("mailrules");
    fs::write(&rules, ":sender\nk*:*:fine\n:recipient\nk*:*:fine\n").unwrap();
    setup.variable("MAILRULES", rules.to_str().unwrap())
}

/// With STARTTLS, by mailfront's own plugin.
fn starttls() -> Server {
    let program = ["mailfront", "smtp", "echo", "starttls-ucspi", "mailrules"];
    smtp(&program).option("-n --engines 1").variable("UCSPITLS", "").start()
}

/// With TLS from the first octet.
fn smtps() -> Server {
    // A session is resumed by the engine that began it.
    smtp(&["mailfront", "smtp", "echo", "mailrules"]).option("--engines 1").start()
}

const MESSAGE: &str = "From: a@example.org\r\nTo: b@example.org\r\n\r\nhello\r\n";

#[test]
fn swaks_sends_a_message() {
    needs!("swaks", "mailfront");
    const COMMON: &str = "swaks --server localhost:PORT --tls-verify --tls-ca-path CERT \
                          --from a@example.org --to b@example.org --tls-sni localhost";
    for (server, how) in [(starttls(), "--tls"), (smtps(), "--tls-on-connect")] {
        for protocol in ["tlsv1_2", "tlsv1_3"] {
            let line = format!("{COMMON} {how} --tls-protocol {protocol}");
            let text = server.succeeds(&line, "");
            assert!(text.contains("<~  250 Received"), "{text}");
        }
    }
}

#[test]
fn curl_sends_a_message() {
    needs!("curl", "mailfront");
    const COMMON: &str = "curl -v --cacert CERT --ssl-reqd --mail-from a@example.org \
                          --mail-rcpt b@example.org -T -";
    for (server, scheme) in [(starttls(), "smtp"), (smtps(), "smtps")] {
        let text = server.succeeds(&format!("{COMMON} {scheme}://localhost:PORT"), MESSAGE);
        assert!(text.contains("< 250 Received"), "{text}");
        server.idle();
        assert_eq!(server.log.count("tls "), 0, "{:#?}", server.log.lines());
    }
}

#[test]
fn msmtp_sends_a_message() {
    needs!("msmtp", "mailfront");
    const COMMON: &str = "msmtp -v --file=/dev/null --host=localhost --port=PORT --tls=on \
                          --tls-trust-file=CERT --from=a@example.org b@example.org";
    for (server, how) in [(starttls(), "on"), (smtps(), "off")] {
        let line = format!("{COMMON} --tls-starttls={how}");
        let text = server.succeeds(&line, MESSAGE);
        assert!(text.contains("250 Received"), "{text}");
    }
}

#[test]
fn openssl_speaks_both_versions_and_resumes() {
    needs!("openssl", "mailfront");
    const COMMON: &str = "openssl s_client -connect localhost:PORT -servername localhost \
                          -CAfile CERT -verify_return_error -crlf -ign_eof";
    for (server, how) in [(starttls(), "-starttls smtp"), (smtps(), "")] {
        for version in ["tls1_2", "tls1_3"] {
            let session = server.file(version);
            let line = format!("{COMMON} {how} -{version}");
            let session = session.to_str().unwrap();
            let text = server.succeeds(&format!("{line} -sess_out {session}"), "QUIT\n");
            assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
            assert!(text.contains("New, TLSv1."), "{text}");
            let text = server.succeeds(&format!("{line} -sess_in {session}"), "QUIT\n");
            assert!(text.contains("Reused, TLSv1."), "{text}");
        }
        for version in ["tls1", "tls1_1"] {
            let line = format!("{COMMON} {how} -cipher ALL:@SECLEVEL=0 -{version}");
            let (success, text) = server.client(&line, "QUIT\n");
            assert!(!success && text.contains(" alert "), "{text}");
            server.log.wait_for(&[
                "handshake failed: client supports nothing newer than TLS 1.1 or SHA-1",
            ]);
        }
    }
}

/// Which is what RFC 5246, 7.2.2, says of renegotiation; a client that asks waits for it.
#[test]
fn openssl_hears_that_nothing_is_renegotiated() {
    needs!("openssl");
    let server = Setup::new(&["cat"]).start();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-tls1_2", "-msg", "-connect"]);
    openssl.arg(format!("localhost:{}", server.port)).stderr(Stdio::null());
    let mut openssl = Talking::start(&mut openssl);
    openssl.say("R\n");
    openssl.up_to("no_renegotiation");
}

#[test]
fn gnutls_speaks_with_it() {
    needs!("gnutls-cli", "mailfront");
    const COMMON: &str = "gnutls-cli --x509cafile=CERT -p PORT localhost";
    for (server, how) in [(starttls(), "--starttls-proto=smtp"), (smtps(), "")] {
        let text = server.succeeds(&format!("{COMMON} {how}"), "EHLO x\nQUIT\n");
        assert!(text.contains("221 2.0.0 Good bye."), "{text}");
        server.idle();
        assert_eq!(server.log.count("tls "), 0, "{:#?}", server.log.lines());
    }
}

#[test]
fn fetchmail_looks_for_mail() {
    needs!("fetchmail");
    let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/stand-ins/pop3");
    let stls = Setup::new(&[stand_in]).option("-n").start();
    let pop3s = Setup::new(&[stand_in]).start();
    for (server, options) in [(stls, "sslproto tls1.2+"), (pop3s, "ssl")] {
        let configuration = server.file("fetchmailrc");
        let text = format!(
            "poll localhost proto pop3 port {} user u password p {options} sslcertck \
             sslcertfile {} mda true\n",
            server.port,
            server.file("server.cert").display(),
        );
        write_secret(&configuration, &text);
        let line = format!("fetchmail -vv --nosyslog -f {}", configuration.display());
        // 1: no mail, which is what there is.
        let (_, text) = server.client(&line, "");
        assert!(text.contains("TLSv1.3") || text.contains("TLS1.3"), "{text}");
        assert!(text.contains("0 messages") || text.contains("No mail for"), "{text}");
    }
}

#[test]
fn sslscan_finds_no_fault() {
    needs!("sslscan", "mailfront");
    for (server, how) in [(starttls(), "--starttls-smtp"), (smtps(), "")] {
        let text = server.succeeds(&format!("sslscan --no-colour {how} localhost:PORT"), "");
        for line in [
            "SSLv2     disabled",
            "SSLv3     disabled",
            "TLSv1.0   disabled",
            "TLSv1.1   disabled",
            "TLSv1.2   enabled",
            "TLSv1.3   enabled",
            "Session renegotiation not supported",
            "TLSv1.3 not vulnerable to heartbleed",
            "TLSv1.2 not vulnerable to heartbleed",
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
        // Everything that is accepted has forward secrecy and is authenticated as
        // it is encrypted.
        let accepted = text.lines().filter(|line| line.contains(" bits  "));
        let ciphers = accepted.filter(|line| line.starts_with(['A', 'P']));
        for line in ciphers {
            let good = line.contains("TLS_") || line.contains("ECDHE-");
            assert!(good && !line.contains("CBC"), "{line}");
        }
    }
}

/// What testssl.sh wrote about each thing that it looked at: its name and severity.
fn findings(report: &str) -> Vec<(&str, &str)> {
    let value = |line: &'static str| {
        let lines = report.lines().map(str::trim);
        lines.filter_map(move |found| {
            let rest = found.strip_prefix(line)?.trim_start().strip_prefix(": \"")?;
            rest.split('"').next()
        })
    };
    value("\"id\"").zip(value("\"severity\"")).collect()
}

#[test]
fn testssl_finds_no_fault() {
    needs!("testssl", "mailfront");
    const COMMON: &str = "testssl --quiet --warnings off --color 0 --ip 127.0.0.1 --nodns none \
                          --add-ca CERT --fast --protocols --server-defaults";
    for (server, how, looked_at) in [
        (smtps(), "--server-preference --pfs --vulnerable", &["PFS", "heartbleed", "DROWN"][..]),
        (starttls(), "--starttls smtp", &[]),
    ] {
        let report = server.file("testssl.json");
        let line = format!("{COMMON} {how} --jsonfile {} localhost:PORT", report.display());
        // Its exit code counts findings of any kind.
        let (_, text) = server.client(&line, "");
        let report = fs::read_to_string(report).unwrap_or_else(|_| panic!("{text}"));
        let found = findings(&report);
        for name in ["TLS1", "TLS1_2", "TLS1_3", "cert_chain_of_trust"].iter().chain(looked_at) {
            assert!(found.iter().any(|(found, _)| found == name), "no {name} in {report}");
        }
        for (name, severity) in found {
            // About the certificate that these tests sign themselves: it names nobody
            // who could revoke it, and is good for longer than one from an authority.
            let of_the_test = ["cert_revocation", "cert_validityPeriod"].contains(&name);
            let fault = ["LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&severity);
            assert!(!fault || of_the_test, "{name}: {severity} in {report}");
        }
    }
}
