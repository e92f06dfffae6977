//! The client's side of TLS: the server must show the very certificate that it was
//! given, and prove that it has the key; where it is asked for, an authority that clients
//! trust must have signed it, too.

use super::timed::Timed;
use super::{Error, Server, broken};
use crate::authorities;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::sync::Arc;

/// Starts TLS; says which version and ciphers it came to.
pub(super) fn start(
    mut stream: Timed,
    server: &Server,
) -> Result<(StreamOwned<ClientConnection, Timed>, String), Error> {
    let failed = |error: rustls::Error| Error::new(format!("unable to start TLS: {error}"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certificate = server.certificate.clone().ok_or_else(|| Error::new("no certificate"))?;
    let roots = if server.is_verified { Some(roots(&provider)?) } else { None };
    let verifier = Arc::new(Known {
        certificate,
        roots,
        algorithms: provider.signature_verification_algorithms,
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| Error::new(format!("{}: {error}", server.host)))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(failed)?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| broken("unable to start TLS", &error))?;
    }
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let version = version.unwrap_or("TLS").replace('_', ".");
    let about =
        format!("{version}, {}", suite.unwrap_or("unknown ciphers").replace("TLS13_", "TLS_"));
    Ok((StreamOwned::new(connection, stream), about))
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Known {
    certificate: CertificateDer<'static>,
    /// Who has to have signed it.
    roots: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Has the authorities that clients of this machine trust look at certificates.
fn roots(provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let roots = Arc::new(authorities::read()?);
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| Error::new(format!("{}: {error}", authorities::file().display())))
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown != self.certificate {
            let text = "not the certificate of the file: has the service been told to reload?";
            return Err(rustls::Error::General(text.into()));
        }
        match &self.roots {
            Some(roots) => roots.verify_server_cert(shown, chain, name, ocsp, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
