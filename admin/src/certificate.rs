//! Certificates and keys, as files.

use crate::outcome::Error;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;

/// The first certificate of a file: the server's own.
pub(crate) fn first(path: &Path) -> Result<CertificateDer<'static>, Error> {
    let contents = unix::regular_file::read(path).map_err(|error| Error::read(path, error))?;
    CertificateDer::from_pem_slice(&contents)
        .map_err(|_| Error::new(format!("{}: no certificate (PEM) in it", path.display())))
}
