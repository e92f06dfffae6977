//! Certificates and keys, as files.

use crate::chain::{Chain, End};
use crate::outcome::Error;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use std::path::Path;
use unix::regular_file;

/// The first certificate of a file: the server's own.
pub(crate) fn first(path: &Path) -> Result<CertificateDer<'static>, Error> {
    all(path)?.into_iter().next().ok_or_else(|| none(path))
}

/// All certificates of a file, at least one.
pub(crate) fn all(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let contents = regular_file::read(path).map_err(|error| Error::read(path, error))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| none(path))
}

/// Whether it is one for a server of this name, or of this address.
pub(crate) fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let name = ServerName::try_from(host).ok();
    let parsed = ParsedCertificate::try_from(certificate).ok();
    name.zip(parsed).is_some_and(|(name, parsed)| verify_server_name(&parsed, &name).is_ok())
}

/// Whether a file's certificate is one that no authority has signed.
pub(crate) fn is_self_signed(path: &Path) -> bool {
    let chain = all(path).ok().and_then(|all| Chain::of(&all));
    chain.is_some_and(|chain| chain.end == End::SelfSigned && chain.links.len() == 1)
}

fn none(path: &Path) -> Error {
    Error::new(format!("{}: no certificate (PEM) in it", path.display()))
}

/// A file's key.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let (contents, _) =
        regular_file::read_secret(path).map_err(|error| Error::read(path, error))?;
    PrivateKeyDer::from_pem_slice(&contents).map_err(|_| {
        let path = path.display();
        Error::new(format!("{path}: no key (PEM) in it, or one that asks for a passphrase"))
    })
}
