//! Which certificate is shown, and when one is used that clients should not take.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Server, Setup, certificate, certificate_until};

/// What OpenSSL's client says of a handshake with these words.
fn s_client(server: &Server, words: &[&str]) -> String {
    let done = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", server.port)])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

#[test]
fn an_expired_certificate_is_said_and_keeps_nobody_out_who_does_not_look() {
    let setup = Setup::new(&["cat"]);
    certificate_until("localhost", 2002).write(setup.directory.path(), "server");
    let server = setup.start();
    let line = "server.cert: the certificate has expired; it is used all the same";
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
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj"])
            .args([&format!("/CN={name}-rsa"), "-keyout", name, "-out", &format!("{name}.cert")])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
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
