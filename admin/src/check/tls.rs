//! The certificate and the key, as the keyholder reads them, and what clients make of them.

use super::chain;
use super::findings::Findings;
use super::identity;
use super::permissions::{Readers, check_permissions_for};
use super::service::Service;
use super::who::Who;
use crate::certificate::is_for;
use proto::escape::Escaped;
use rustls::sign::SigningKey;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use tlsserver::certificate_files::{self, CertificateFiles};
use tlsserver::keyholder::certificates::{self as keyholder, Contents};
use unix::regular_file;

/// Files that were looked at, and what their key can sign with.
type Seen = (CertificateFiles, Vec<u16>);

/// Looks at all that the services have, the same once; `host` is what clients call the server.
pub(super) fn check(services: &[Service], host: Option<&str>, findings: &mut Findings) {
    let mut seen: Vec<Seen> = Vec::new();
    for service in services {
        let alone = certificate_files::keys_alone(&service.variables()).into_iter();
        for alone in alone.filter(|_| !service.hides_certificates()) {
            findings.warning(&service.path, format!("{}: {}", alone.key, alone.why()));
        }
        let mut earlier: Vec<Seen> = Vec::new();
        let reader = identity::of_server(service);
        for files in service.certificates() {
            let known = seen.iter().find(|(known, _)| *known == files);
            let schemes = known.map_or_else(
                || check_files(&files, &reader, host, findings),
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
    reader: &Who,
    host: Option<&str>,
    findings: &mut Findings,
) -> Vec<u16> {
    let (certificate, key) = (files.certificate.as_path(), files.key.as_path());
    check_permissions_for(key, Readers::OwnerOnly, reader, findings);
    // What is wrong with the certificate may be so with the key, which is worth no second line.
    let contents = read_certificate(certificate, reader, findings);
    let Some(contents) = contents else { return Vec::new() };
    let private = read_key(key, findings);
    let Some(first) = contents.chain.first() else { return Vec::new() };
    chain::check(certificate, &contents.chain, findings);
    match (&files.name, host) {
        (Some(name), _) if !is_for(first, &name.replacen('*', "any", 1)) => {
            let name = Escaped(name.as_bytes());
            findings.warning(certificate, format!("not for {name}, for which it is named"));
        }
        (None, Some(host)) if !is_for(first, host) => {
            let text = format!("not for {host}, as control/me calls this server");
            findings.warning(certificate, text);
        }
        _ => {}
    }
    let Some(private) = private else { return Vec::new() };
    match keyholder::join(files, &contents, &*private) {
        Ok(joined) => joined.schemes,
        Err(wrong) => {
            findings.error(certificate, wrong.what());
            Vec::new()
        }
    }
}

fn read_certificate(path: &Path, reader: &Who, findings: &mut Findings) -> Option<Contents> {
    let pem = regular_file::read(path).map_err(|error| findings.unusable(path, &error)).ok()?;
    if !check_permissions_for(path, Readers::Whoever, reader, findings) {
        return None;
    }
    let read = keyholder::certificate(path, &pem);
    read.map_err(|wrong| findings.error(path, wrong.what())).ok()
}

fn read_key(path: &Path, findings: &mut Findings) -> Option<Arc<dyn SigningKey>> {
    let pem = match regular_file::read_secret(path) {
        Ok((pem, _)) => pem,
        Err(error) => {
            // Whoever looks need not be who runs the service.
            if error.kind() != ErrorKind::PermissionDenied {
                findings.unusable(path, &error);
            }
            return None;
        }
    };
    keyholder::key(path, &pem).map_err(|wrong| findings.error(path, wrong.what())).ok()
}
