//! What is negotiated: versions, suites, protocols, and which certificate is shown.

use proto::channel::keyholder::Certificate;
use proto::login::protocol::Protocol;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerConfig,
};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, Error};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::signatures::{Keyholder, RemoteKey};
use super::tickets::Tickets;
use crate::certificate_files::pattern_of;

/// Mail's names for the protocol inside (RFC 7301; those of SMTP are in use, and not registered).
/// A client that names only others was sent here by somebody who plays one protocol against
/// another, and is refused. What a program speaks, nobody here knows: it may be any of mail's.
const fn names_of(spoken: Option<Protocol>) -> &'static [&'static [u8]] {
    match spoken {
        Some(Protocol::Smtp) => &[b"smtp", b"esmtp", b"submission", b"submissions"],
        Some(Protocol::Pop3) => &[b"pop3"],
        Some(Protocol::Imap) => &[b"imap"],
        None => &[b"smtp", b"esmtp", b"submission", b"submissions", b"pop3", b"imap"],
    }
}

/// The server's side of every handshake: TLS 1.3 and 1.2 (RFC 8996), the hybrid
/// X25519MLKEM768 preferred, tickets for resumption; and what is spoken inside, where that is
/// known.
///
/// # Errors
/// When the library refuses to work.
pub(super) fn server_config(
    certificates: Vec<Certificate>,
    keyholder: &Arc<Keyholder>,
    tickets: Arc<Tickets>,
    shown: Shown,
    spoken: Option<Protocol>,
) -> Result<ServerConfig, Error> {
    let resolver = Resolver::new(certificates, keyholder, shown);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    if tickets.enabled() {
        // Whoever uses it gets the next one with the session that it resumes.
        config.send_tls13_tickets = 1;
    } else {
        // Else it would hand out tickets of its own, and remember sessions itself.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    config.ticketer = tickets;
    // Ours is the list that is kept up to date.
    config.ignore_client_order = true;
    config.alpn_protocols = names_of(spoken).iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The library's choice, but TLS_AES_128_GCM_SHA256 first: SHA-384 costs a tenth of a
/// handshake, and what AES-256 would be stronger against breaks no AES-128.
fn provider() -> CryptoProvider {
    const FIRST: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
    let mut provider = aws_lc_rs::default_provider();
    // A stable sort: the others stay in their order.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != FIRST);
    provider
}

/// Whom a certificate is for, on one line.
pub(super) type Subject = Arc<str>;

/// The subject of the certificate that was chosen last. An engine does one thing after
/// another, so that whoever looks right behind a step of a handshake sees its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown(Arc<Mutex<Option<Subject>>>);

impl Shown {
    /// The subject, once.
    pub(super) fn take(&self) -> Option<Subject> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, subject: &Subject) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(subject.clone());
    }
}

/// The certificates by server name, which may be `*.example.org`; for any other name, or none,
/// the first.
#[derive(Debug)]
struct Resolver {
    default: Choice,
    by_name: HashMap<String, Choice>,
    shown: Shown,
}

/// Certificates for the same name, by different kinds of keys, the one to be preferred
/// first.
type Choice = Vec<(Arc<CertifiedKey>, Subject)>;

impl Resolver {
    fn new(certificates: Vec<Certificate>, keyholder: &Arc<Keyholder>, shown: Shown) -> Self {
        let mut resolver = Self { default: Choice::new(), by_name: HashMap::new(), shown };
        for (number, certificate) in (0..).zip(certificates) {
            let key = RemoteKey::new(number, &certificate, keyholder.clone());
            let chain = certificate.chain.into_iter().map(CertificateDer::from).collect();
            let certified = Arc::new(CertifiedKey::new(chain, Arc::new(key)));
            let choice = match certificate.name {
                Some(name) => resolver.by_name.entry(name).or_default(),
                None => &mut resolver.default,
            };
            choice.push((certified, certificate.subject.into()));
        }
        resolver
    }

    /// Those for a name, or else for all that differ in the first label only.
    fn named(&self, name: &str) -> Option<&Choice> {
        let pattern = || self.by_name.get(&pattern_of(name)?);
        self.by_name.get(name).or_else(pattern)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.named(name));
        let choice = named.unwrap_or(&self.default);
        // What the client can do with the cipher suites that it has. Where it can do none,
        // the handshake fails with the alert that says so.
        let can = |(one, _): &&(Arc<CertifiedKey>, Subject)| {
            one.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let (chosen, subject) = choice.iter().find(can).or(choice.first())?;
        self.shown.note(subject);
        Some(chosen.clone())
    }
}
