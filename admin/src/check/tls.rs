//! The certificate and the key.

use super::findings::Findings;
use super::permissions::{Readers, check_permissions};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use unix::regular_file;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::BasicConstraints;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
/// How long before its end a certificate is spoken of at most: a month is what those
/// need who renew by hand.
const SOON: Duration = Duration::from_secs(30 * DAY);

/// Looks at both; `host` is what clients call the server.
pub(super) fn check(certificate: &Path, key: &Path, host: Option<&str>, findings: &mut Findings) {
    check_permissions(key, Readers::OwnerOnly, findings);
    let chain = chain(certificate, findings);
    let private = private_key(key, findings);
    let Some(first) = chain.first() else { return };
    if let Ok(read) = Certificate::from_der(first) {
        validity(certificate, &read, findings);
        authority(certificate, &read, findings);
    } else {
        findings.error(certificate, "its first certificate cannot be read");
    }
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
    let contents = match regular_file::read(path) {
        Ok(contents) => contents,
        Err(error) => {
            findings.unusable(path, &error);
            return Vec::new();
        }
    };
    if check_permissions(path, Readers::Whoever, findings) {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => return chain,
            _ => findings.error(path, "no certificate (PEM) in it"),
        }
    }
    Vec::new()
}

fn private_key(path: &Path, findings: &mut Findings) -> Option<PrivateKeyDer<'static>> {
    let contents = match regular_file::read_secret(path) {
        Ok((contents, _)) => contents,
        Err(error) => {
            // Whoever looks need not be who runs the service.
            if error.kind() != ErrorKind::PermissionDenied {
                findings.unusable(path, &error);
            }
            return None;
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&contents).ok();
    if key.is_none() {
        findings.error(path, "no key (PEM) in it, or one that asks for a passphrase");
    }
    key
}

/// Warns of a server's certificate that is an authority's, as `openssl req -x509` makes it:
/// whoever trusts it, trusts whatever its key signs.
fn authority(path: &Path, certificate: &Certificate, findings: &mut Findings) {
    let constraints = certificate.tbs_certificate.get::<BasicConstraints>();
    if constraints.is_ok_and(|found| found.is_some_and(|(_, found)| found.ca)) {
        let text = "may sign other certificates (CA:TRUE), which a server's should not";
        findings.warning(path, text);
    }
}

fn validity(path: &Path, certificate: &Certificate, findings: &mut Findings) {
    let validity = certificate.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (from, to) =
        (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if let Some(early) = from.checked_sub(now).filter(|early| !early.is_zero()) {
        findings.error(path, format!("not valid for another {}", span(early)));
    } else if let Some(left) = to.checked_sub(now) {
        let text = format!("valid for {} more", span(left));
        if is_due(to.saturating_sub(from), left) {
            findings.warning(path, format!("{text}: it should have been renewed by now"));
        } else {
            findings.note(path, text);
        }
    } else {
        findings.error(path, format!("expired {} ago", span(now.saturating_sub(to))));
    }
}

/// Whether a certificate that lasts so long, with so much of it left, should have been
/// renewed. Those who renew by themselves do so when a third is left, or a month.
fn is_due(lifetime: Duration, left: Duration) -> bool {
    left < (lifetime / 3).min(SOON)
}

/// Days, or hours where days would say too little.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds < 3 * DAY => format!("{} hours", seconds.div_ceil(HOUR)),
        seconds => format!("{} days", seconds / DAY),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_when_a_third_is_left_or_a_month() {
        let days = |days: u64| Duration::from_secs(days * DAY);
        for (lifetime, left, due) in [
            (6, 3, false),
            (6, 2, false),
            (6, 1, true),
            (45, 16, false),
            (45, 14, true),
            (90, 31, false),
            (90, 29, true),
            (825, 31, false),
            (825, 29, true),
        ] {
            assert_eq!(is_due(days(lifetime), days(left)), due, "{left} of {lifetime}");
        }
    }

    #[test]
    fn short_times_are_said_in_hours() {
        assert_eq!(span(Duration::from_secs(47 * HOUR - 1)), "47 hours");
        assert_eq!(span(Duration::from_secs(90 * DAY - 1)), "89 days");
    }
}
