//! Reading certificates and keys, and finding at the start what would only show in
//! the first handshake. `acceptutils check` asks the same code what is wrong with them.

use proto::channel::LONGEST;
use proto::channel::keyholder::{Certificate, FromKeyholder, Validity};
use proto::names::Variable;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use unix::regular_file;
use x509_cert::der::Decode;
use x509_cert::der::asn1::UintRef;
use zeroize::Zeroizing;

mod subject;

use super::signing::Keys;
use crate::certificate_files::{self, CertificateFiles, KeyAlone};
use crate::environment::{Variables, value};

/// What is wrong with which file.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    file: PathBuf,
    what: String,
}

impl Failure {
    /// What is wrong, without the file.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
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

/// Bits of an RSA key that the library takes, and clients too.
const SHORTEST_RSA: usize = 2048;

/// What is said of a key's PEM that wants a passphrase, in either of its forms.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// Reading and writing, for everybody.
const OTHERS: u32 = 0o006;

/// What was read.
pub(super) struct Loaded {
    pub(super) keys: Keys,
    /// The key of each is the one of the same number.
    pub(super) certificates: Vec<Certificate>,
    pub(super) validities: Vec<Validity>,
    /// What is no reason not to serve, and must be said.
    pub(super) warnings: Vec<String>,
}

/// Reads what `CERTFILE` and `KEYFILE` say, and those with a 2, a name, or both behind; and
/// what `CERTCHAINFILE` says in place of `CERTFILE`.
///
/// # Errors
/// The first file that is missing, unreadable, not what it should be, or whose key is not
/// its certificate's.
pub(super) fn load(variables: &Variables) -> Result<Loaded, Failure> {
    let (mut keys, mut certificates) = (Vec::new(), Vec::<Certificate>::new());
    let mut validities = Vec::new();
    let sources = sources(variables)?;
    let mut warnings = keys_alone(variables);
    for source in &sources {
        let read = certificate(&source.certificate, &read(&source.certificate)?.0)?;
        let key = load_key(&source.key, &mut warnings)?;
        let certificate = join(source, &read, &*key)?;
        let earlier = certificates.iter().zip(&sources);
        for (_, first) in earlier.filter(|(first, _)| goes_before(first, &certificate)) {
            let first = first.certificate.display();
            let what = format_args!("never used: {first} has the same kind of key");
            warnings.push(wrong(&source.certificate, what).to_string());
        }
        certificates.push(certificate);
        validities.push(read.validity);
        keys.push(key);
    }
    Ok(Loaded { keys: Keys::new(keys), certificates, validities, warnings })
}

/// Whether whoever could be shown the second certificate is shown the first.
fn goes_before(first: &Certificate, second: &Certificate) -> bool {
    first.name == second.name && second.schemes.iter().all(|one| first.schemes.contains(one))
}

/// What is to be said of keys that have no certificate beside them.
fn keys_alone(variables: &Variables) -> Vec<String> {
    if value(variables, Variable::NoCertificate).is_some() {
        return Vec::new();
    }
    let said = |alone: KeyAlone| wrong(Path::new(&alone.key), alone.why()).to_string();
    certificate_files::keys_alone(variables).into_iter().map(said).collect()
}

/// Which files there are, none where none is needed: first those for any name.
fn sources(variables: &Variables) -> Result<Vec<CertificateFiles>, Failure> {
    if value(variables, Variable::NoCertificate).is_some() {
        return Ok(Vec::new());
    }
    let sources = certificate_files::named(variables);
    if !certificate_files::have_first(&sources) {
        let what = "not set in the environment".into();
        return Err(Failure { file: PathBuf::from(Variable::CertFile.name()), what });
    }
    Ok(sources)
}

fn wrong(file: &Path, what: impl fmt::Display) -> Failure {
    Failure { file: file.to_owned(), what: what.to_string() }
}

/// What is in a certificate's file.
pub struct Contents {
    /// The server's certificate, and those behind it.
    pub chain: Vec<CertificateDer<'static>>,
    validity: Validity,
    subject: String,
}

/// Reads what is in a certificate's file.
///
/// # Errors
/// It is no certificate, or none that can be served.
pub fn certificate(file: &Path, pem: &[u8]) -> Result<Contents, Failure> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|why| wrong(file, format_args!("not a PEM file: {why}")))?;
    let first = chain.first().ok_or_else(|| wrong(file, "no certificate in it"))?;
    let first = x509_cert::Certificate::from_der(first);
    let first = first.map_err(|_| wrong(file, "not a certificate"))?.tbs_certificate;
    if first.version == x509_cert::Version::V1 {
        return Err(wrong(file, "the certificate is of X.509 version 1, which is not supported"));
    }
    if let Some(why) = too_short(&first.subject_public_key_info) {
        return Err(wrong(file, why));
    }
    let moment = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    let (from, to) = (first.validity.not_before, first.validity.not_after);
    let file = file.display().to_string();
    let validity = Validity { file, from: moment(from), to: moment(to) };
    Ok(Contents { chain, validity, subject: subject::on_one_line(&first.subject) })
}

/// What is said of a key that is too short for the library, and for clients.
#[must_use]
pub fn too_short(key: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Option<String> {
    let bits = rsa_bits(key).filter(|bits| *bits < SHORTEST_RSA)?;
    Some(format!("the key is of RSA and {bits} bits: at least {SHORTEST_RSA} are needed"))
}

/// The length of an RSA key's modulus; none of other keys.
fn rsa_bits(key: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Option<usize> {
    // 1.2.840.113549.1.1.1, rsaEncryption.
    const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
    let is_rsa = key.algorithm.oid.as_bytes() == RSA;
    let octets = key.subject_public_key.as_bytes().filter(|_| is_rsa)?;
    let elements: Vec<UintRef<'_>> = Vec::from_der(octets).ok()?;
    let modulus = elements.first()?.as_bytes();
    let unused = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    Some(modulus.len() * 8 - unused)
}

/// What engines and the listener are told of them, if the key is the certificate's.
///
/// # Errors
/// The key is another's, or the certificates are too many.
pub fn join(
    source: &CertificateFiles,
    Contents { chain, subject, .. }: &Contents,
    key: &dyn SigningKey,
) -> Result<Certificate, Failure> {
    let file = &source.certificate;
    let schemes = SCHEMES.into_iter().filter(|scheme| key.choose_scheme(&[*scheme]).is_some());
    let certificate = Certificate {
        name: source.name.clone(),
        subject: subject.clone(),
        chain: chain.iter().map(|link| link.to_vec()).collect(),
        schemes: schemes.map(u16::from).collect(),
        algorithm: key.algorithm().into(),
    };
    let Some(first) = chain.first() else { return Err(wrong(file, "no certificate in it")) };
    let own = ParsedCertificate::try_from(first).map_err(|why| wrong(file, why))?;
    if key.public_key().is_some_and(|key| key != own.subject_public_key_info()) {
        let key = source.key.display();
        return Err(wrong(file, format_args!("the key in {key} does not match it")));
    }
    if FromKeyholder::Certificate(certificate.clone()).encode().len() > LONGEST {
        return Err(wrong(file, "too many certificates in it"));
    }
    Ok(certificate)
}

fn load_key(file: &Path, warnings: &mut Vec<String>) -> Result<Arc<dyn SigningKey>, Failure> {
    let (pem, mode) = read(file)?;
    let key = key(file, &pem)?;
    if mode & OTHERS != 0 {
        let what = format_args!("mode {mode:o}: everybody can read or change the key");
        warnings.push(wrong(file, what).to_string());
    }
    Ok(key)
}

/// Reads what is in a key's file.
///
/// # Errors
/// It is no key, or none that can be used.
pub fn key(file: &Path, pem: &[u8]) -> Result<Arc<dyn SigningKey>, Failure> {
    let says = |text: &&[u8]| pem.windows(text.len()).any(|part| part == *text);
    let is_encrypted = ENCRYPTED.iter().any(says);
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|why| match why {
        _ if is_encrypted => wrong(file, "the private key in it is encrypted"),
        rustls::pki_types::pem::Error::NoItemsFound => wrong(file, "no private key in it"),
        why => wrong(file, format_args!("not a PEM file: {why}")),
    })?;
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| wrong(file, "the private key is of no kind that is supported"))
}

/// The whole file, and who may do what with it.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), Failure> {
    regular_file::read_secret(path).map_err(|reason| wrong(path, reason))
}

#[cfg(test)]
mod tests;
