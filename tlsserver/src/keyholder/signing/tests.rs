//! Asked with real keys: what is a handshake's, and what only looks like it.

use super::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use test_support::run::succeeds;
use x509_cert::der::{Decode, Encode};

const PKCS1: u16 = 0x0401;
const PSS: u16 = 0x0804;
const ECDSA: u16 = 0x0403;

/// A fresh key's holder, and its certificate as `openssl req -x509` makes it: an authority.
fn authority(algorithm: &str) -> (Keys, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-subj", "/CN=a", "-newkey", algorithm]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256"].iter().filter(|_| algorithm == "ec"));
    succeeds(openssl.args(["-keyout", &file("key"), "-out", &file("certificate")]));
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let certificate = CertificateDer::from_pem_file(file("certificate")).unwrap();
    (Keys::new(vec![key]), certificate.to_vec())
}

fn asked(keys: &Keys, scheme: u16, message: &[u8]) -> bool {
    keys.sign(&SignRequest { key: 0, scheme, message: message.to_vec() }).is_some()
}

fn tls13() -> Vec<u8> {
    [&[b' '; 64][..], b"TLS 1.3, server CertificateVerify\0", &[7; 32]].concat()
}

fn tls12() -> Vec<u8> {
    [&[9; 64][..], b"\x03\0\x1d\x20", &[7; 32]].concat()
}

#[test]
fn an_rsa_key_signs_handshakes_and_each_as_its_version_does() {
    let (keys, _) = authority("rsa:2048");
    assert!(asked(&keys, PSS, &tls13()) && asked(&keys, PSS, &tls12()));
    assert!(asked(&keys, PKCS1, &tls12()));
    assert!(!asked(&keys, PKCS1, &tls13()), "PKCS#1 over TLS 1.3's text");
    assert!(!asked(&keys, ECDSA, &tls13()), "a scheme that is not the key's");
}

#[test]
fn no_certificate_is_signed() {
    let (keys, certificate) = authority("ec");
    assert!(asked(&keys, ECDSA, &tls13()) && asked(&keys, ECDSA, &tls12()));
    let own = x509_cert::Certificate::from_der(&certificate).unwrap().tbs_certificate;
    // Of version 1, for an Ed25519 key: short enough for one octet to count what is behind
    // it. Its serial number holds, where a handshake has them, the curve and that count.
    let ed25519 = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21";
    let behind = [
        own.signature.to_der().unwrap(),
        own.issuer.to_der().unwrap(),
        own.validity.to_der().unwrap(),
        vec![0x30, 0],
        [&ed25519[..], &[0; 33]].concat(),
    ]
    .concat();
    let mut serial = [1; 70];
    let length = 3 + 2 + serial.len() + behind.len();
    let count = u8::try_from(length - 68).unwrap();
    serial[64 - 5..][..4].copy_from_slice(&[3, 0, 29, count]);
    let head = [0x30, 0x81, u8::try_from(length - 3).unwrap(), 2, 70];
    let forged = [&head[..], &serial, &behind].concat();
    assert_eq!((forged[64], usize::from(forged[67])), (3, forged.len() - 68), "the form is right");
    assert!(!asked(&keys, ECDSA, &forged), "signed: {forged:02x?}");
}

/// What engines offer by TLS 1.2 is what `proto` knows by its length.
#[test]
fn the_curves_that_are_offered_are_those_that_are_known() {
    let offered = rustls::crypto::aws_lc_rs::default_provider().kx_groups;
    let mut known: Vec<u16> = offered
        .iter()
        .filter(|group| group.usable_for_version(rustls::ProtocolVersion::TLSv1_2))
        .map(|group| u16::from(group.name()))
        .collect();
    known.sort_unstable();
    assert_eq!(known, [23, 24, 29]);
    for group in offered {
        let number = u16::from(group.name());
        let Some(key) = group.start().ok().filter(|_| known.contains(&number)) else { continue };
        let key = key.pub_key();
        let head = [3, 0, number as u8, key.len() as u8];
        let text = [&[9; 64][..], &head, key].concat();
        assert_eq!(HandshakeText::of(&text), Some(HandshakeText::Tls12), "{number}");
    }
}
