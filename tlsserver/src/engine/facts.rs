//! What is said about a handshake to the program, in mod_ssl's names and OpenSSL's
//! spelling, which is what filters and people expect.

use proto::names::Variable;
use proto::ucspi_tls::Fact;
use proto::ucspi_tls::server::Encoder;
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConnection};

use crate::environment::Variables;

/// What is ever said: the only names that a program can get from an engine.
const NAMES: [Variable; 12] = [
    Variable::SslProtocol,
    Variable::SslCipher,
    Variable::SslTlsSniServerName,
    Variable::SslServerSDn,
    Variable::SslCipherUseKeySize,
    Variable::SslCipherAlgKeySize,
    Variable::SslCipherExport,
    Variable::SslSessionResumed,
    Variable::SslClientVerify,
    Variable::SslPeerCertHash,
    Variable::SslPeerCertSubject,
    Variable::SslPeerCertCn,
];

/// An engine's report as variables. One that was taken over can name nothing but what an
/// engine has to say, for much else could be made of a program's environment.
#[must_use]
pub fn variables(facts: Vec<Fact>) -> Variables {
    let known = |name: &[u8]| NAMES.iter().any(|known| known.name().as_bytes() == name);
    facts
        .into_iter()
        .filter(|fact| known(&fact.name))
        .filter_map(|fact| Some((fact.name, fact.value?)))
        .collect()
}

/// The report about a connection whose handshake is done, with the certificate of this
/// subject. The session's number is the library's secret.
#[must_use]
pub(super) fn report(connection: &ServerConnection, subject: Option<&str>) -> Vec<u8> {
    let version = connection.protocol_version().unwrap_or(ProtocolVersion::Unknown(0));
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    Negotiated {
        version,
        suite: suite.unwrap_or(CipherSuite::Unknown(0)),
        server_name: connection.server_name(),
        subject,
        is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    }
    .written()
}

/// What there is to say of a connection.
struct Negotiated<'a> {
    version: ProtocolVersion,
    suite: CipherSuite,
    /// What the client asked for.
    server_name: Option<&'a str>,
    /// Whom the certificate is for that it was shown.
    subject: Option<&'a str>,
    is_resumed: bool,
}

impl Negotiated<'_> {
    /// In an order for readers that understand only the first half of the octets, as the C
    /// programs do: first what somebody looks at, behind it what is always there.
    fn written(self) -> Vec<u8> {
        let Self { version, suite, server_name, subject, is_resumed } = self;
        let [
            protocol_name,
            cipher_name,
            server,
            own,
            used,
            algorithm,
            export,
            resumed,
            verified,
            no_certificate @ ..,
        ] = NAMES.map(Variable::name);
        let mut report = Encoder::default();
        report.push(protocol_name, protocol(version).as_bytes());
        report.push(cipher_name, cipher(suite).as_bytes());
        if let Some(name) = server_name {
            report.push(server, name.as_bytes());
        }
        for name in [used, algorithm] {
            report.push(name, key_size(suite).as_bytes());
        }
        report.push(export, b"false");
        report.push(resumed, if is_resumed { b"Resumed" } else { b"Initial" });
        report.push(verified, b"NONE");
        for name in no_certificate {
            report.push(name, b"");
        }
        if let Some(subject) = subject.filter(|subject| !subject.is_empty()) {
            report.push(own, subject.as_bytes());
        }
        report.finish()
    }
}

const fn protocol(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "unknown",
    }
}

/// Bits of the cipher's key.
const fn key_size(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "128",
        _ => "256",
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
            let spelling = cipher(suite.suite());
            assert_ne!(spelling, "unknown", "{suite:?}");
            assert_ne!(protocol(suite.version().version), "unknown");
            let has_128 = spelling.contains("128");
            assert_eq!(key_size(suite.suite()), if has_128 { "128" } else { "256" });
        }
    }

    /// The loop of the C programs' `ucspitls`, which counts what it has read twice, and
    /// so ends too early, and reads past the end besides: there is nothing there to find.
    fn as_c_reads(report: &[u8]) -> Vec<String> {
        let (mut at, mut j) = (0, 0);
        let (mut read, mut name, mut value) = (Vec::new(), Vec::new(), Vec::new());
        while j + 1 < report.len() && at < report.len() {
            if report[at] == b'=' {
                at += 1;
                while j + j + 1 < report.len() {
                    at += 1;
                    if report[at - 1] == 0 {
                        let pair = [std::mem::take(&mut name), std::mem::take(&mut value)];
                        read.push(String::from_utf8(pair.join(&b'=')).unwrap());
                        break;
                    }
                    value.push(report[at - 1]);
                    j += 1;
                }
            } else {
                name.push(report[at]);
                at += 1;
            }
            j += 1;
        }
        read
    }

    #[test]
    fn programs_that_understand_half_of_it_learn_version_and_cipher() {
        let long = "m".repeat(253);
        for suite in rustls::crypto::aws_lc_rs::default_provider().cipher_suites {
            for name in [None, Some("mail.example.org"), Some(&long)] {
                let negotiated = Negotiated {
                    version: suite.version().version,
                    suite: suite.suite(),
                    server_name: name,
                    subject: Some("/CN=mail.example.org"),
                    is_resumed: false,
                };
                let report = negotiated.written();
                let read = as_c_reads(&report);
                let protocol = protocol(suite.version().version);
                assert_eq!(read[0], format!("SSL_PROTOCOL={protocol}"));
                assert_eq!(read[1], format!("SSL_CIPHER={}", cipher(suite.suite())), "{read:?}");
            }
        }
        // What they had before: nothing of the cipher.
        assert_eq!(as_c_reads(b"SSL_PROTOCOL=TLSv1.3\0SSL_CIPHER=TLS_AES_256\0\0").len(), 1);
    }
}
