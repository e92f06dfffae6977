//! Certificates for `check` to look at: at other times than now, for other uses than a server's,
//! and with more or less of their chain.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use test_support::certificate::Pem;
use test_support::run::succeeds;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What clients are to call the server.
const HOST: &str = "mail.example.org";

/// Writes them all.
pub(crate) fn write(folder: &Path) {
    self_signed(folder);
    chains(folder);
}

/// Those that are valid at other times, or an authority's.
fn self_signed(folder: &Path) {
    let now = SystemTime::now();
    for (name, from, to) in [
        ("expired", now - DAY * 9, now - DAY * 3 - DAY / 2),
        ("soon", now - DAY * 10, now + DAY * 5 - DAY / 2),
        ("six-days", now - DAY * 5, now + DAY),
        ("later", now + DAY * 3 - DAY / 2, now + DAY * 900),
        ("authority", now - DAY * 9, now + DAY * 900),
    ] {
        let pem = Pem::with(&[HOST], |wanted| {
            (wanted.not_before, wanted.not_after) = (from.into(), to.into());
            if name == "authority" {
                wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
        });
        std::fs::write(folder.join(format!("{name}.pem")), pem.certificate).unwrap();
    }
}

/// A root, three intermediates of one name and key, and what they have issued, all with the
/// key in `leaf.key`. Another intermediate has their name only.
fn chains(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let root_key = key();
    let root = CertifiedIssuer::self_signed(authority("Root", 900), &root_key).unwrap();
    write("root.pem", root.pem());
    // As one signed by an older root would be.
    write("root-expired.pem", authority("Root", -3).self_signed(&root_key).unwrap().pem());
    let between = key();
    write("between.key", between.serialize_pem());
    for (name, days) in [("between", 800), ("between-expired", -3), ("between-soon", 4)] {
        let made = authority("Between", days).signed_by(&between, &root).unwrap();
        write(&format!("{name}.pem"), made.pem());
    }
    write("between-other.pem", authority("Between", 800).signed_by(&key(), &root).unwrap().pem());
    let issuer = Issuer::new(authority("Between", 800), between);
    let leaf = key();
    write("leaf.key", leaf.serialize_pem());
    let make = |name: &str, change: &dyn Fn(&mut CertificateParams)| {
        let mut wanted = params(HOST, 90);
        change(&mut wanted);
        write(&format!("{name}.pem"), wanted.signed_by(&leaf, &issuer).unwrap().pem());
    };
    make("leaf", &|_| {});
    make("wildcard", &|of| {
        of.subject_alt_names = params("*.example.net", 90).subject_alt_names;
    });
    make("client", &|of| of.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    make("any-use", &|of| of.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    make("encipher", &|of| of.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    // A TLS feature (RFC 7633): status_request, 5.
    let staple = || {
        CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 5, 5, 7, 1, 24],
            b"\x30\x03\x02\x01\x05".to_vec(),
        )
    };
    make("staple", &|of| of.custom_extensions = vec![staple()]);
    write("direct.pem", params(HOST, 90).signed_by(&leaf, &root).unwrap().pem());
    // It only takes one that signed itself.
    write("self.pem", params(HOST, 90).self_signed(&leaf).unwrap().pem());
    // Nothing else signs with SHA-1.
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-sha1", "-in", "self.pem", "-out", "sha1.pem", "-set_serial", "9"]);
    openssl.args(["-days", "90", "-CA", "between.pem", "-CAkey", "between.key"]);
    succeeds(openssl.current_dir(folder));
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// A certificate that ends so many days from now, or ago.
fn params(name: &str, days: i32) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let (now, span) = (SystemTime::now(), DAY * days.unsigned_abs());
    params.not_before = (now - DAY * 100).into();
    let to = if days < 0 { now - span - DAY / 2 } else { now + span + DAY / 2 };
    params.not_after = to.into();
    params
}

fn authority(name: &str, days: i32) -> CertificateParams {
    let mut params = params(name, days);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}
