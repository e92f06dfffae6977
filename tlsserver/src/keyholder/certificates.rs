//! Reading certificates and keys, and finding at the start what would only show in
//! the first handshake.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureScheme};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use super::signing::Keys;
use crate::environment::{Variables, value};
use crate::messages::{Certificate, FromKeyholder, LIMIT};

/// What is wrong with which file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    file: PathBuf,
    what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate: {}: {}", self.file.display(), self.what)
    }
}

/// Schemes that rustls can sign with in TLS 1.3 and 1.2.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Reads what `CERTFILE`, `KEYFILE` and `CERTFILE:name`, `KEYFILE:name` say.
///
/// # Errors
/// The first file that is missing, unreadable, not what it should be, expired, or
/// whose key is not its certificate's.
pub(super) fn load(variables: &Variables) -> Result<(Keys, Vec<Certificate>), Failure> {
    let mut keys = Vec::new();
    let mut certificates = Vec::new();
    for (name, certificate_file, key_file) in sources(variables)? {
        let (certificate, key) = load_one(name, &certificate_file, &key_file)?;
        certificates.push(certificate);
        keys.push(key);
    }
    Ok((Keys::new(keys), certificates))
}

type Source = (Option<String>, PathBuf, PathBuf);

/// Which files there are: first the one for any name. One PEM file may hold both
/// certificate and key, so a key file need not be named.
fn sources(variables: &Variables) -> Result<Vec<Source>, Failure> {
    let certificate = value(variables, "CERTFILE").ok_or_else(|| Failure {
        file: PathBuf::from("CERTFILE"),
        what: "not set in the environment".into(),
    })?;
    let key = value(variables, "KEYFILE").unwrap_or(certificate);
    let mut sources = vec![(None, certificate.into(), key.into())];
    for (variable, file) in variables {
        let Some(name) = variable.as_bytes().strip_prefix(b"CERTFILE:") else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        let key_variable = OsString::from(format!("KEYFILE:{name}"));
        let key = variables.iter().find(|(found, _)| *found == key_variable);
        let key: &OsStr = key.map_or(file, |(_, key)| key);
        sources.push((Some(name.to_ascii_lowercase()), file.into(), key.into()));
    }
    Ok(sources)
}

fn load_one(
    name: Option<String>,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<(Certificate, Arc<dyn SigningKey>), Failure> {
    let wrong = |what: &dyn fmt::Display| Failure {
        file: certificate_file.to_owned(),
        what: what.to_string(),
    };
    let pem = read(certificate_file)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|why| wrong(&format!("not a PEM file: {why}")))?;
    let first = chain.first().ok_or_else(|| wrong(&"no certificate in it"))?;
    check_validity(first, SystemTime::now()).map_err(|what| wrong(&what))?;
    let key = read_key(key_file)?;
    let certified = CertifiedKey::new(chain.clone(), key.clone());
    match certified.keys_match() {
        Ok(()) => {}
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            return Err(wrong(&format!("the key in {} is not its own", key_file.display())));
        }
        Err(why) => return Err(wrong(&why)),
    }
    let schemes = SCHEMES.into_iter().filter(|scheme| key.choose_scheme(&[*scheme]).is_some());
    let certificate = Certificate {
        name,
        chain: chain.iter().map(|link| link.to_vec()).collect(),
        schemes: schemes.map(u16::from).collect(),
        algorithm: key.algorithm().into(),
    };
    if FromKeyholder::Certificate(certificate.clone()).encode().len() > LIMIT {
        return Err(wrong(&"too many certificates in it"));
    }
    Ok((certificate, key))
}

fn read_key(file: &Path) -> Result<Arc<dyn SigningKey>, Failure> {
    let wrong = |what: String| Failure { file: file.to_owned(), what };
    let pem = read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|why| match why {
        rustls::pki_types::pem::Error::NoItemsFound => wrong("no private key in it".into()),
        why => wrong(format!("not a PEM file: {why}")),
    })?;
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| wrong("the private key is of no kind that is supported".into()))
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match std::fs::read(file) {
        Ok(octets) => Ok(Zeroizing::new(octets)),
        Err(reason) => Err(Failure { file: file.to_owned(), what: reason.to_string() }),
    }
}

/// Says what is wrong with the certificate's time, if anything.
fn check_validity(certificate: &[u8], now: SystemTime) -> Result<(), &'static str> {
    let certificate =
        x509_cert::Certificate::from_der(certificate).map_err(|_| "not a certificate")?;
    let validity = certificate.tbs_certificate.validity;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    if now > validity.not_after.to_unix_duration() {
        Err("the certificate has expired")
    } else if now < validity.not_before.to_unix_duration() {
        Err("the certificate is not valid yet")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
