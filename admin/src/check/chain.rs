//! Whether clients take the certificates of a file for a TLS server's: what the first may be
//! used for, and the chain from it to an authority.

use super::findings::Findings;
use super::lifetime;
use crate::chain::{Chain, End, Link};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use tlsserver::keyholder::certificates::too_short;
use x509_cert::TbsCertificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::{rfc5280, rfc5912};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

/// Looks at them all.
pub(super) fn check(path: &Path, file: &[CertificateDer<'_>], findings: &mut Findings) {
    let Some(chain) = Chain::of(file) else {
        return findings.error(path, "its first certificate cannot be read");
    };
    for (place, link) in chain.links.iter().enumerate() {
        let which = match place {
            0 => String::new(),
            _ => format!("certificate {}, {}: ", link.number, link.subject()),
        };
        lifetime::check(path, &which, &link.says, findings);
        if let Some(why) = too_short(&link.says.tbs_certificate.subject_public_key_info) {
            findings.error(path, format!("{which}{why}"));
        }
        let is_last = place + 1 == chain.links.len();
        // Nobody looks at how a certificate has signed itself.
        if !(is_last && chain.end == End::SelfSigned) {
            signature(path, &which, link, findings);
        }
    }
    if let Some(first) = chain.links.first() {
        authority(path, &first.says.tbs_certificate, findings);
        usage(path, &first.says.tbs_certificate, findings);
    }
    order(path, &chain, findings);
}

fn order(path: &Path, chain: &Chain, findings: &mut Findings) {
    if let Some(gap) = chain.gap() {
        findings.error(path, gap);
    } else if let Some(last) = chain.links.last().filter(|_| chain.end == End::Unknown) {
        let (subject, issuer) = (last.subject(), last.issuer());
        findings.note(
            path,
            format!(
                "its chain ends with {subject}, issued by {issuer}: no authority of this machine's"
            ),
        );
    }
    let pairs = chain.links.iter().zip(chain.links.iter().skip(1));
    for (link, next) in pairs.filter(|(link, next)| next.number != link.number + 1) {
        let (wrong, right) = (link.number + 1, next.number);
        findings.warning(
            path,
            format!(
                "certificate {wrong} did not issue the one before it, certificate {right} did: not \
             all clients look so far"
            ),
        );
    }
}

/// Algorithms that no client takes any more.
const WEAK: [(ObjectIdentifier, &str); 4] = [
    (rfc5912::MD_5_WITH_RSA_ENCRYPTION, "MD5"),
    (rfc5912::SHA_1_WITH_RSA_ENCRYPTION, "SHA-1"),
    // ecdsa-with-SHA1.
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (rfc5912::DSA_WITH_SHA_1, "SHA-1"),
];

fn signature(path: &Path, which: &str, link: &Link, findings: &mut Findings) {
    let used = link.says.signature_algorithm.oid;
    if let Some((_, name)) = WEAK.iter().find(|(oid, _)| *oid == used) {
        findings.error(path, format!("{which}signed with {name}: clients refuse it"));
    }
}

/// Warns of a server's certificate that is an authority's, as `openssl req -x509` makes it:
/// whoever trusts it, trusts whatever its key signs.
fn authority(path: &Path, certificate: &TbsCertificate, findings: &mut Findings) {
    let constraints = certificate.get::<BasicConstraints>();
    if constraints.is_ok_and(|found| found.is_some_and(|(_, found)| found.ca)) {
        let text = "may sign other certificates (CA:TRUE), which a server's should not";
        findings.warning(path, text);
    }
}

/// The extension that says what a server must do (RFC 7633), and the feature of TLS that is a
/// stapled OCSP response.
const FEATURES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
const STATUS_REQUEST: u16 = 5;

const ANY_USE: &str = "its extended key usage allows any use, and does not name serverAuth: some \
    clients refuse it";
const NO_SERVER: &str = "not for a TLS server: its extended key usage lacks serverAuth";
const NO_SIGNATURES: &str = "its key usage lacks digitalSignature, which TLS needs: GnuTLS, for \
    one, refuses it";
const MUST_STAPLE: &str = "wants OCSP stapled (must-staple), which tlsserver never does: GnuTLS, \
    for one, refuses it";

/// What it may be used for. An error is what all clients refuse, or those that look at all.
fn usage(path: &Path, certificate: &TbsCertificate, findings: &mut Findings) {
    if let Ok(Some((_, ExtendedKeyUsage(uses)))) = certificate.get() {
        let has = |wanted| uses.contains(&wanted);
        match (has(rfc5280::ID_KP_SERVER_AUTH), has(rfc5280::ANY_EXTENDED_KEY_USAGE)) {
            (true, _) => {}
            (false, true) => findings.warning(path, ANY_USE),
            (false, false) => findings.error(path, NO_SERVER),
        }
    }
    if let Ok(Some((_, usage))) = certificate.get::<KeyUsage>()
        && !usage.digital_signature()
    {
        findings.error(path, NO_SIGNATURES);
    }
    let extensions = certificate.extensions.iter().flatten();
    let mut features = extensions.filter(|found| found.extn_id == FEATURES);
    let staples =
        |value| Vec::<u16>::from_der(value).is_ok_and(|all| all.contains(&STATUS_REQUEST));
    if features.any(|found| staples(found.extn_value.as_bytes())) {
        findings.error(path, MUST_STAPLE);
    }
}
