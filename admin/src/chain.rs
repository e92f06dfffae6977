//! A server's certificate and those behind it in its file: which of them issued which, as far
//! as a client gets that knows the authorities of this machine.
//!
//! Whether a certificate is of any use is for others to say: `check`, of services, and `init`,
//! of one that it is given.

use proto::escape::Escaped;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use tlsserver::keyholder::certificates::too_short;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode, Reader, SliceReader, asn1::AnyRef};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// One certificate of a file.
#[derive(Debug)]
pub(crate) struct Link {
    /// Which of the file it is, from 1.
    pub(crate) number: usize,
    /// What it says.
    pub(crate) says: Certificate,
    /// What its issuer has signed.
    signed: Vec<u8>,
}

/// Where a chain ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a certificate that signed itself.
    SelfSigned,
    /// With one that an authority has issued which this machine trusts.
    Authority,
    /// With one whose issuer neither the file nor this machine knows.
    Unknown,
}

/// The server's certificate, the one that issued it, and so on.
#[derive(Debug)]
pub(crate) struct Chain {
    /// In this order.
    pub(crate) links: Vec<Link>,
    pub(crate) end: End,
}

impl Chain {
    /// Follows the chain from the first certificate of a file; none where that cannot be read.
    pub(crate) fn of(file: &[CertificateDer<'_>]) -> Option<Self> {
        let links = (1..).zip(file).map(|(number, der)| Link::read(number, der));
        let mut links: Vec<_> = links.collect();
        let mut chain = Self { links: vec![links.first_mut()?.take()?], end: End::Unknown };
        // A machine that trusts nobody has no such file.
        let roots = crate::authorities::read().unwrap_or_else(|_| RootCertStore::empty());
        while let Some(last) = chain.links.last() {
            if last.is_issued_by(last) {
                chain.end = End::SelfSigned;
                break;
            }
            // What stands behind it in the file, clients need not look at.
            if last.is_issued_by_one_of(&roots) {
                chain.end = End::Authority;
                break;
            }
            let is_next =
                |link: &Option<Link>| link.as_ref().is_some_and(|link| last.is_issued_by(link));
            let next = links.iter_mut().find(|link| is_next(link)).and_then(Option::take);
            let Some(next) = next else { break };
            chain.links.push(next);
        }
        Some(chain)
    }

    /// What clients lack who are shown the server's certificate alone, or with others that did
    /// not issue it.
    pub(crate) fn gap(&self) -> Option<String> {
        let [only] = self.links.as_slice() else { return None };
        let issuer = name(&only.says.tbs_certificate.issuer);
        (self.end == End::Unknown).then(|| {
            format!(
                "issued by {issuer}, whose certificate is not in the file: clients cannot verify it"
            )
        })
    }
}

impl Link {
    fn read(number: usize, der: &[u8]) -> Option<Self> {
        let says = Certificate::from_der(der).ok()?;
        let mut reader = SliceReader::new(der).ok()?;
        // As it stands there: another encoding of the same would have another signature.
        let signed = reader.sequence(|parts| {
            let signed = parts.tlv_bytes()?.to_vec();
            parts.tlv_bytes()?;
            parts.tlv_bytes()?;
            Ok(signed)
        });
        Some(Self { number, says, signed: signed.ok()? })
    }

    /// Whose it is.
    pub(crate) fn subject(&self) -> String {
        name(&self.says.tbs_certificate.subject)
    }

    /// Who issued it.
    pub(crate) fn issuer(&self) -> String {
        name(&self.says.tbs_certificate.issuer)
    }

    /// By the names, and by the signature where its algorithm and key are ones that clients know.
    fn is_issued_by(&self, issuer: &Self) -> bool {
        let (says, by) = (&self.says, &issuer.says.tbs_certificate);
        if says.tbs_certificate.issuer != by.subject {
            return false;
        }
        let key = &by.subject_public_key_info;
        // The library looks at no signature of such a key.
        if too_short(key).is_some() {
            return true;
        }
        let ids = (contents(&key.algorithm), contents(&says.signature_algorithm));
        let (Some(of_key), Some(of_signature)) = ids else { return false };
        let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let mut fit = known.iter().filter(|algorithm| {
            *algorithm.public_key_alg_id() == *of_key
                && *algorithm.signature_alg_id() == *of_signature
        });
        let (key, signature) = (key.subject_public_key.raw_bytes(), says.signature.raw_bytes());
        fit.clone().next().is_none()
            || fit.any(|fits| fits.verify_signature(key, &self.signed, signature).is_ok())
    }

    fn is_issued_by_one_of(&self, roots: &RootCertStore) -> bool {
        let issuer = self.says.tbs_certificate.issuer.to_der();
        let issuer = issuer.as_deref().ok().and_then(|der| AnyRef::from_der(der).ok());
        issuer.is_some_and(|issuer| roots.roots.iter().any(|root| *root.subject == *issuer.value()))
    }
}

/// What stands in the sequence that an algorithm's identifier is.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

/// A name as it can be printed.
fn name(name: &Name) -> String {
    Escaped(name.to_string().as_bytes()).to_string()
}
