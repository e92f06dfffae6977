//! The client's side of TLS: the server must show the very certificate that it was
//! given, and prove that it has the key; where it is asked for, an authority that clients
//! trust must have signed it, too.

use super::{Error, Server, broken};
use proto::names::Variable;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use unix::environment::inherited;

/// Starts TLS; says which version and ciphers it came to.
pub(super) fn start(
    mut stream: TcpStream,
    server: &Server,
) -> Result<(StreamOwned<ClientConnection, TcpStream>, String), Error> {
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

/// Where Debian and others keep the authorities that they trust.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The authorities that clients of this machine trust.
fn roots(provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let file = inherited(Variable::SslCertFile).map_or_else(|| AUTHORITIES.into(), PathBuf::from);
    let contents = std::fs::read(&file).map_err(|error| Error::read(&file, error))?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(&contents).flatten();
    // What this library cannot read, it would not trust.
    let _ = roots.add_parsable_certificates(certificates);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Error::new(format!("{}: {error}", file.display())))
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
