//! Certificates that sign themselves.

use crate::folder::write_secret;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::path::Path;

/// A certificate and its key, as PEM files have them.
#[derive(Debug)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Pem {
    /// One for these names and addresses.
    #[track_caller]
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {})
    }

    /// The same, with something else asked for.
    #[track_caller]
    #[must_use]
    pub fn with(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut wanted = CertificateParams::new(names).unwrap();
        change(&mut wanted);
        let key = KeyPair::generate().unwrap();
        Self { certificate: wanted.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    /// Writes `NAME.cert` and `NAME.key`, the key for its owner alone.
    #[track_caller]
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.cert")), &self.certificate).unwrap();
        write_secret(&folder.join(format!("{name}.key")), &self.key);
    }
}
