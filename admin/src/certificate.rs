//! Certificates and keys, as files.

use crate::outcome::Error;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
