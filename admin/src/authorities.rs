//! The certificate authorities that clients of this machine trust.

use crate::outcome::Error;
use proto::names::Variable;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::PathBuf;
use unix::environment::inherited;

/// Where Debian and others keep them.
const FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The file that they are in: `SSL_CERT_FILE`, as OpenSSL has it, or the system's.
pub(crate) fn file() -> PathBuf {
    inherited(Variable::SslCertFile).map_or_else(|| FILE.into(), PathBuf::from)
}

/// Reads them.
pub(crate) fn read() -> Result<RootCertStore, Error> {
    let file = file();
    let contents = std::fs::read(&file).map_err(|error| Error::read(&file, error))?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&contents).flatten();
    // What this library cannot read, it would not trust.
    let _ = roots.add_parsable_certificates(certificates);
    Ok(roots)
}
