//! The certificate and the key.

use super::findings::Findings;
use super::permissions::{Readers, look};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::der::Decode;

const DAY: u64 = 24 * 60 * 60;
/// Days before its end that a certificate is spoken of: a month is what those need
/// who renew by hand.
const SOON: u64 = 21;

/// Looks at both; `host` is what clients call the server.
pub(super) fn check(certificate: &Path, key: &Path, host: Option<&str>, findings: &mut Findings) {
    look(key, Readers::OwnerOnly, findings);
    let chain = chain(certificate, findings);
    let private = private_key(key, findings);
    let Some(first) = chain.first() else { return };
    validity(certificate, first, findings);
    if let Some(host) = host {
        name(certificate, first, host, findings);
    }
    if let Some(private) = private {
        match CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()) {
            Ok(_) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let text = format!("not the key of the certificate in {}", certificate.display());
                findings.error(key, text);
            }
            Err(error) => findings.error(key, error.to_string()),
        }
    }
}

fn chain(path: &Path, findings: &mut Findings) -> Vec<CertificateDer<'static>> {
    let contents = match std::fs::read(path) {
        Ok(contents) => contents,
        Err(error) => {
            findings.unusable(path, &error);
            return Vec::new();
        }
    };
    if look(path, Readers::Whoever, findings) {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => return chain,
            _ => findings.error(path, "no certificate (PEM) in it"),
        }
    }
    Vec::new()
}

fn private_key(path: &Path, findings: &mut Findings) -> Option<PrivateKeyDer<'static>> {
    let contents = zeroize::Zeroizing::new(std::fs::read(path).ok()?);
    let key = PrivateKeyDer::from_pem_slice(&contents).ok();
    if key.is_none() {
        findings.error(path, "no key (PEM) in it, or one that asks for a passphrase");
    }
    key
}

fn validity(path: &Path, certificate: &CertificateDer<'_>, findings: &mut Findings) {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return findings.error(path, "its first certificate cannot be read");
    };
    let validity = certificate.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (from, to) =
        (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    let days = |span: Duration| span.as_secs() / DAY;
    if let Some(early) = from.checked_sub(now).filter(|early| !early.is_zero()) {
        findings.error(path, format!("not valid for another {} days", days(early) + 1));
    } else if let Some(left) = to.checked_sub(now) {
        let text = format!("valid for {} more days", days(left));
        if days(left) < SOON { findings.warning(path, text) } else { findings.note(path, text) }
    } else {
        findings.error(path, format!("expired {} days ago", days(now.saturating_sub(to))));
    }
}

fn name(path: &Path, certificate: &CertificateDer<'_>, host: &str, findings: &mut Findings) {
    let fits = ServerName::try_from(host).is_ok_and(|name| {
        let parsed = ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    });
    if !fits {
        findings.warning(path, format!("not for {host}, as control/me calls this server"));
    }
}
