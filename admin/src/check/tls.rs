//! The certificate and the key.

use super::chain;
use super::findings::Findings;
use super::permissions::{Readers, check_permissions};
use super::service::Service;
use proto::escape::Escaped;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use std::io::ErrorKind;
use std::path::Path;
use tlsserver::certificate_files::{self, CertificateFiles};
use unix::regular_file;

/// Files that were looked at, and what their key can sign with.
type Seen = (CertificateFiles, Vec<SignatureScheme>);

/// Looks at all that the services have, the same once; `host` is what clients call the server.
pub(super) fn check(services: &[Service], host: Option<&str>, findings: &mut Findings) {
    let mut seen: Vec<Seen> = Vec::new();
    for service in services {
        for alone in certificate_files::keys_alone(&service.variables()) {
            findings.warning(&service.path, format!("{}: {}", alone.key, alone.why()));
        }
        let mut earlier: Vec<Seen> = Vec::new();
        for files in service.certificates() {
            let known = seen.iter().find(|(known, _)| *known == files);
            let schemes = known.map_or_else(
                || check_files(&files, host, findings),
                |(_, schemes)| schemes.clone(),
            );
            let goes_before = |(first, can): &&Seen| {
                first.name == files.name
                    && !schemes.is_empty()
                    && schemes.iter().all(|scheme| can.contains(scheme))
            };
            if let Some((first, _)) = earlier.iter().find(goes_before) {
                let (variable, first) = (files.variable.name(), first.certificate.display());
                let text = format!("never used as {variable}: {first} has the same kind of key");
                findings.warning(&files.certificate, text);
            }
            seen.push((files.clone(), schemes.clone()));
            earlier.push((files, schemes));
        }
    }
}

/// Looks at one; returns what its key can sign with, nothing where that is not known.
fn check_files(
    files: &CertificateFiles,
    host: Option<&str>,
    findings: &mut Findings,
) -> Vec<SignatureScheme> {
    let (certificate, key) = (files.certificate.as_path(), files.key.as_path());
    check_permissions(key, Readers::OwnerOnly, findings);
    let chain = read_chain(certificate, findings);
    let private = private_key(key, findings);
    let Some(first) = chain.first() else { return Vec::new() };
    chain::check(certificate, &chain, findings);
    if let Some(name) = &files.name {
        let text = format!("not for {}, for which it is named", Escaped(name.as_bytes()));
        check_name(certificate, first, name, &text, findings);
    } else if let Some(host) = host {
        let text = format!("not for {host}, as control/me calls this server");
        check_name(certificate, first, host, &text, findings);
    }
    let provider = aws_lc_rs::default_provider();
    let known = provider.signature_verification_algorithms.supported_schemes();
    if let Some(private) = private {
        match CertifiedKey::from_der(chain, private, &provider) {
            Ok(CertifiedKey { key, .. }) => {
                let can = |scheme: &SignatureScheme| key.choose_scheme(&[*scheme]).is_some();
                return known.into_iter().filter(can).collect();
            }
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let text = format!("not the key of the certificate in {}", certificate.display());
                findings.error(key, text);
            }
            Err(error) => findings.error(key, error.to_string()),
        }
    }
    Vec::new()
}

fn read_chain(path: &Path, findings: &mut Findings) -> Vec<CertificateDer<'static>> {
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

fn check_name(
    path: &Path,
    certificate: &CertificateDer<'_>,
    name: &str,
    text: &str,
    findings: &mut Findings,
) {
    let fits = ServerName::try_from(name).is_ok_and(|name| {
        let parsed = ParsedCertificate::try_from(certificate);
        parsed.is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    });
    if !fits {
        findings.warning(path, text);
    }
}
