//! Certificates that are good and those that are not.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use tempfile::TempDir;

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, pem: &str) -> OsString {
        let path = self.directory.path().join(name);
        fs::write(&path, pem).unwrap();
        path.into_os_string()
    }

    fn complaint(&self, variables: &Variables) -> String {
        let complaint = load(variables).map(drop).unwrap_err().to_string();
        complaint.replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}

fn pem_in(years: std::ops::Range<i32>) -> (String, String) {
    let mut params = CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn pem() -> (String, String) {
    pem_in(2020..4000)
}

#[test]
fn one_file_may_hold_both_and_names_are_told_apart() {
    let files = Files::new();
    let (certificate, key) = pem();
    let both = files.write("both.pem", &format!("{key}{certificate}"));
    let (second, second_key) = pem();
    let variables = vec![
        ("CERTFILE".into(), both),
        ("CERTFILE:MX.example.org".into(), files.write("second.pem", &second)),
        ("KEYFILE:MX.example.org".into(), files.write("second.key", &second_key)),
    ];
    let (_, certificates) = load(&variables).unwrap();
    let names: Vec<_> = certificates.iter().map(|one| one.name.as_deref()).collect();
    assert_eq!(names, [None, Some("mx.example.org")]);
    assert_eq!(certificates[0].schemes, [u16::from(SignatureScheme::ECDSA_NISTP256_SHA256)]);
}

#[test]
fn what_is_wrong_is_said_with_the_files_name() {
    let files = Files::new();
    let (certificate, key) = pem();
    let certificate = files.write("cert", &certificate);
    let key = files.write("key", &key);
    let other = files.write("other", &pem().1);
    let garbage =
        files.write("garbage", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let expired = files.write("expired", &pem_in(2001..2002).0);
    let early = files.write("early", &pem_in(3000..3001).0);
    let missing = files.directory.path().join("missing").into_os_string();
    for (certificate, key, complaint) in [
        (&missing, &key, "certificate: DIR/missing: No such file or directory (os error 2)"),
        (
            &certificate,
            &missing,
            "certificate: DIR/missing: No such file or directory (os error 2)",
        ),
        (&key, &key, "certificate: DIR/key: no certificate in it"),
        (&certificate, &certificate, "certificate: DIR/cert: no private key in it"),
        (&certificate, &other, "certificate: DIR/cert: the key in DIR/other is not its own"),
        (&expired, &key, "certificate: DIR/expired: the certificate has expired"),
        (&early, &key, "certificate: DIR/early: the certificate is not valid yet"),
    ] {
        let variables =
            vec![("CERTFILE".into(), certificate.clone()), ("KEYFILE".into(), key.clone())];
        assert_eq!(files.complaint(&variables), complaint);
    }
    let complaint = files.complaint(&vec![("CERTFILE".into(), garbage)]);
    assert!(complaint.starts_with("certificate: DIR/garbage: not a PEM file"), "{complaint}");
    assert_eq!(files.complaint(&vec![]), "certificate: CERTFILE: not set in the environment");
}
