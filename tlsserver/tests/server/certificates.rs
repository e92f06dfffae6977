//! Which certificate is shown, and when one is used that clients should not take.

use std::io::Write;
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use test_support::run::succeeds;

use crate::harness::client::{after_line, clear_rest, hello, plain};
use crate::harness::{Server, Setup, certificate, certificate_until};

/// What OpenSSL's client says of a handshake with these words.
fn s_client(server: &Server, words: &[&str]) -> String {
    server.client(&format!("openssl s_client -connect 127.0.0.1:PORT {}", words.join(" ")), "").1
}

/// Makes files in a folder: a certificate of RSA for this subject, and its key.
fn make_rsa(folder: &Path, subject: &str, certificate: &str, key: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", subject]);
    succeeds(openssl.args(["-keyout", key, "-out", certificate]).current_dir(folder));
}

#[test]
fn an_expired_certificate_is_said_and_keeps_nobody_out_who_does_not_look() {
    let setup = Setup::new(&["cat"]);
    certificate_until("localhost", 2002).write(setup.directory.path(), "server");
    let server = setup.start();
    let line = "server.cert: the certificate has expired; using it anyway";
    server.log.wait_for(&["certificate: ", line]);
    let said = s_client(&server, &[]);
    assert!(said.contains("certificate has expired"), "{said}");
    assert!(said.contains("Cipher is TLS_"), "{said}");
    server.idle();
}

#[test]
fn a_client_is_shown_the_certificate_that_it_can_do() {
    let setup = Setup::new(&["cat"]);
    let folder = setup.directory.path();
    for name in ["any", "a.example.org"] {
        make_rsa(folder, &format!("/CN={name}-rsa"), &format!("{name}.cert"), name);
        let key = std::fs::read(folder.join(name)).unwrap();
        let file =
            std::fs::OpenOptions::new().append(true).open(folder.join(format!("{name}.cert")));
        file.unwrap().write_all(&key).unwrap();
    }
    certificate("a.example.org").write(folder, "a");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (any, named, a, a_key) =
        (path("any.cert"), path("a.example.org.cert"), path("a.cert"), path("a.key"));
    let server = setup
        .variable("CERTFILE2", any)
        .variable("CERTFILE:a.example.org", a)
        .variable("KEYFILE:a.example.org", a_key)
        .variable("CERTFILE2:a.example.org", named)
        .start();
    const ECDSA: &str = "ECDSA";
    const PSS: &str = "RSA-PSS";
    const PKCS1: &str = "RSA";
    for (words, kind) in [
        (&[][..], ECDSA),
        (&["-sigalgs", "rsa_pss_rsae_sha256"], PSS),
        (&["-sigalgs", "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256"], ECDSA),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], PSS),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-sigalgs", "RSA+SHA256"], PKCS1),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], ECDSA),
    ] {
        for name in ["localhost", "a.example.org"] {
            let said = s_client(&server, &[&["-servername", name], words].concat());
            let signature = format!("Peer signature type: {kind}\n");
            assert!(said.contains(&signature), "{words:?}, {name}: {said}");
            let is_rsa_for_name = said.contains("CN = a.example.org-rsa");
            assert_eq!(is_rsa_for_name, kind != ECDSA && name != "localhost", "{said}");
        }
    }
    let none = s_client(&server, &["-tls1_3", "-sigalgs", "ed25519"]);
    assert!(none.contains("alert handshake failure"), "{none}");
}

/// The last part of the server's own words about its certificate, as a program finds it.
fn subject_with(setup: Setup, scheme: &str) -> String {
    let server = setup.start();
    let said = s_client(&server, &["-quiet", "-sigalgs", scheme]);
    let line = said.lines().find_map(|line| line.strip_prefix("SSL_SERVER_S_DN="));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn a_program_knows_whose_certificate_was_shown() {
    const ECDSA: &str = "ecdsa_secp256r1_sha256";
    for (scheme, subject) in [
        (ECDSA, "/CN=rcgen self signed cert"),
        ("rsa_pss_rsae_sha256", "/C=DE/O=Example/CN=mail.example.org"),
    ] {
        let setup = Setup::new(&["env"]);
        make_rsa(setup.directory.path(), "/C=DE/O=Example/CN=mail.example.org", "cert", "key");
        let path = |name: &str| setup.file(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("cert"), path("key"));
        let setup = setup.variable("CERTFILE2", certificate).variable("KEYFILE2", key);
        assert_eq!(subject_with(setup, scheme), subject);
    }
}

/// As sslserver has it, beside a certificate without its chain.
#[test]
fn a_chain_s_file_goes_before_the_certificate_s() {
    let setup = Setup::new(&["env"]);
    let chain = certificate("chain.example.org");
    chain.write(setup.directory.path(), "chain");
    let path = |name: &str| setup.file(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("chain.cert"), path("chain.key"));
    let mut setup = setup.variable("CERTCHAINFILE", certificate);
    setup.variables.retain(|(name, _)| name != "KEYFILE");
    let server = setup.variable("KEYFILE", key).start();
    let said = s_client(&server, &["-showcerts"]);
    let first = chain.certificate.lines().nth(3).unwrap();
    assert!(said.contains(first), "{said}");
    assert!(!said.contains("CERTCHAINFILE"), "{said}");
}

fn without_certificate(mut setup: Setup) -> Setup {
    setup.variables.retain(|(name, _)| !name.ends_with("FILE"));
    setup
}

/// As sslserver -n does.
#[test]
fn where_tls_is_disabled_no_certificate_is_needed() {
    const SAID: &str = "DISABLETLS: no certificate, TLS is not available";
    let setup = without_certificate(Setup::new(&["cat"])).option("-n").variable("DISABLETLS", "1");
    let server = setup.start();
    let in_the_clear = || {
        let mut socket = plain(&server);
        socket.write_all(b"hello").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(clear_rest(socket), b"hello");
    };
    in_the_clear();
    server.signal(rustix::process::Signal::HUP);
    server.log.wait_for(&["certificates reloaded"]);
    in_the_clear();
    assert_eq!(server.log.count(SAID), 1);
}

#[test]
fn without_a_certificate_a_program_that_asks_for_tls_all_the_same_gets_none() {
    let setup = without_certificate(Setup::delayed(&["cat"])).variable("DISABLETLS", "");
    let server = setup.start();
    let mut socket = after_line(&server, "tls");
    socket.write_all(&hello(&server)).unwrap();
    // A record of type 21 is an alert.
    assert_eq!(clear_rest(socket).first(), Some(&21));
    server.log.wait_for(&["no server certificate chain resolved"]);
    server.idle();
}

/// Neither word alone is enough.
#[test]
fn a_certificate_is_needed_for_tls_from_the_first_octet_and_where_tls_is_not_disabled() {
    for (option, variable) in [("-N", "DISABLETLS"), ("-n", "ENABLETLS")] {
        let setup = without_certificate(Setup::new(&["cat"])).option(option).variable(variable, "");
        let (code, said) = setup.fails();
        assert_eq!(code, Some(111));
        assert!(said.contains("CERTFILE: not set in the environment"), "{said}");
    }
}
