//! What is said about a handshake to the program, in mod_ssl's names and OpenSSL's
//! spelling, which is what filters and people expect.

use proto::ucspi_tls::server::Encoder;
use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

/// What is ever said: the only names that a program can get from an engine.
pub const NAMES: [&str; 3] = ["SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI_SERVERNAME"];

/// The report about a connection whose handshake is done.
#[must_use]
pub(super) fn report(connection: &ServerConnection) -> Vec<u8> {
    let [protocol_name, cipher_name, server_name] = NAMES;
    let mut report = Encoder::default();
    if let Some(version) = connection.protocol_version() {
        report.push(protocol_name, protocol(version).as_bytes());
    }
    if let Some(suite) = connection.negotiated_cipher_suite() {
        report.push(cipher_name, cipher(suite.suite()).as_bytes());
    }
    if let Some(name) = connection.server_name() {
        report.push(server_name, name.as_bytes());
    }
    report.finish()
}

const fn protocol(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "unknown",
    }
}

const fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_negotiated_has_a_name() {
        for suite in rustls::crypto::aws_lc_rs::default_provider().cipher_suites {
            assert_ne!(cipher(suite.suite()), "unknown", "{suite:?}");
            assert_ne!(protocol(suite.version().version), "unknown");
        }
    }
}
