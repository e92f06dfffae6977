//! What is negotiated, and signatures made elsewhere.
//!
//! A signature is a blocking round trip to the keyholder, while the engine does
//! nothing else. That costs the others no more than signing here would: the engine
//! would be busy for the same time, and there is an engine for each core. Rustls
//! signs synchronously; a thread that waits in the engine's stead would buy little
//! and cost a second thread of control inside the jail.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use unix::descriptor_passing::{await_message, send};

use super::tickets::Tickets;
use crate::keyholder::REFUSED;
use crate::messages::{Certificate, SignRequest};

/// Mail's names for the protocol inside (RFC 7301). A client that names only others
/// was sent here by somebody who plays one protocol against another, and is refused.
const PROTOCOLS: [&[u8]; 5] = [b"smtp", b"submission", b"submissions", b"pop3", b"imap"];

/// The longest signature: RSA of 8,192 bits.
const SIGNATURE: usize = 1024;

/// The server's side of every handshake: TLS 1.3 and 1.2 (RFC 8996), the hybrid
/// X25519MLKEM768 preferred, tickets for resumption.
///
/// # Errors
/// When the library refuses to work.
pub(super) fn server_config(
    certificates: Vec<Certificate>,
    keyholder: OwnedFd,
    tickets: Arc<Tickets>,
) -> Result<ServerConfig, Error> {
    let resolver = Resolver::new(certificates, Arc::new(Mutex::new(keyholder)));
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.ticketer = tickets;
    // Ours is the list that is kept up to date.
    config.ignore_client_order = true;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The certificate by server name; for any other name, or none, the first.
#[derive(Debug)]
struct Resolver {
    default: Option<Arc<CertifiedKey>>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Resolver {
    fn new(certificates: Vec<Certificate>, keyholder: Arc<Mutex<OwnedFd>>) -> Self {
        let mut resolver = Self { default: None, by_name: HashMap::new() };
        for (number, certificate) in (0..).zip(certificates) {
            let chain = certificate.chain.into_iter().map(CertificateDer::from).collect();
            let key = RemoteKey {
                number,
                schemes: certificate.schemes.into_iter().map(SignatureScheme::from).collect(),
                algorithm: certificate.algorithm.into(),
                keyholder: keyholder.clone(),
            };
            let certified = Arc::new(CertifiedKey::new(chain, Arc::new(key)));
            match certificate.name {
                Some(name) => drop(resolver.by_name.insert(name, certified)),
                None => resolver.default = Some(certified),
            }
        }
        resolver
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.by_name.get(name));
        named.or(self.default.as_ref()).cloned()
    }
}

/// A private key that is in the keyholder.
#[derive(Debug)]
struct RemoteKey {
    number: u16,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
    keyholder: Arc<Mutex<OwnedFd>>,
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        let keyholder = self.keyholder.clone();
        Some(Box::new(RemoteSigner { number: self.number, scheme, keyholder }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

#[derive(Debug)]
struct RemoteSigner {
    number: u16,
    scheme: SignatureScheme,
    keyholder: Arc<Mutex<OwnedFd>>,
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let request =
            SignRequest { key: self.number, scheme: self.scheme.into(), message: message.to_vec() };
        let keyholder = self.keyholder.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = |reason| Error::General(format!("keyholder: {reason}"));
        send(&*keyholder, &request.encode(), &[]).map_err(lost)?;
        let mut signature = vec![0; SIGNATURE];
        let length = await_message(&*keyholder, &mut signature).map_err(lost)?.length;
        signature.truncate(length);
        match signature {
            none if none.is_empty() => Err(Error::General("keyholder: gone".into())),
            refused if refused == REFUSED => Err(Error::General("keyholder: refused".into())),
            signature => Ok(signature),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
