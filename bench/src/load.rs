//! The load generator: SMTP clients that wait for every answer, as real ones do.

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A client's encrypted connection.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// What many sessions came to.
pub(crate) struct Sessions {
    /// How long each took that came to its end.
    pub(crate) times: Vec<Duration>,
    pub(crate) failed: usize,
}

impl Sessions {
    pub(crate) fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

/// Has as many clients do one session after the other, for as long.
pub(crate) fn sessions(port: u16, clients: usize, duration: Duration) -> Sessions {
    let config = client_config();
    let end = Instant::now() + duration;
    let one_client = || {
        let mut done = Sessions { times: Vec::new(), failed: 0 };
        while Instant::now() < end {
            let begin = Instant::now();
            match session(port, &config) {
                Ok(()) => done.times.push(begin.elapsed()),
                Err(_) => done.failed += 1,
            }
        }
        done
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(one_client)).collect();
        let mut all = Sessions { times: Vec::new(), failed: 0 };
        for client in clients {
            if let Ok(done) = client.join() {
                all.times.extend(done.times);
                all.failed += done.failed;
            }
        }
        all
    })
}

fn session(port: u16, config: &Arc<ClientConfig>) -> io::Result<()> {
    let mut tls = start_tls(port, config)?;
    command(&mut tls, b"EHLO client.example.org\r\n")?;
    command(&mut tls, b"QUIT\r\n")?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// Connects and comes as far as the end of the handshake.
pub(crate) fn start_tls(port: u16, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let mut socket = connect(port)?;
    answer(&mut socket)?;
    command(&mut socket, b"EHLO client.example.org\r\n")?;
    command(&mut socket, b"STARTTLS\r\n")?;
    handshake(socket, config)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(socket)
}

fn handshake(socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, socket);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// Sends messages of as many octets over as many connections at once; octets each
/// second.
pub(crate) fn messages(port: u16, tls: bool, count: usize, octets: usize) -> io::Result<f64> {
    let config = client_config();
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let piece = line.repeat(800);
    let begin = Instant::now();
    let sent: io::Result<usize> = thread::scope(|scope| {
        let one = || {
            let socket = connect(port)?;
            if tls {
                message(&mut handshake(socket, &config)?, &piece, octets)
            } else {
                message(&mut { socket }, &piece, octets)
            }
        };
        let clients: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| io::Error::other("client"))?)
            .sum()
    });
    Ok(sent? as f64 / begin.elapsed().as_secs_f64())
}

fn message(stream: &mut (impl Read + Write), piece: &[u8], octets: usize) -> io::Result<usize> {
    answer(stream)?;
    for line in ["EHLO c", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
        command(stream, format!("{line}\r\n").as_bytes())?;
    }
    let pieces = octets.div_ceil(piece.len());
    for _ in 0..pieces {
        stream.write_all(piece)?;
    }
    command(stream, b".\r\n")?;
    command(stream, b"QUIT\r\n")?;
    Ok(pieces * piece.len())
}

fn command(stream: &mut (impl Read + Write), line: &[u8]) -> io::Result<()> {
    stream.write_all(line)?;
    stream.flush()?;
    answer(stream)
}

/// Reads one reply, of however many lines; only 2xx and 3xx will do.
fn answer(stream: &mut impl Read) -> io::Result<()> {
    let mut held = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        held.extend_from_slice(piece.get(..count).unwrap_or_default());
        let last =
            held.strip_suffix(b"\r\n").and_then(|lines| lines.rsplit(|&o| o == b'\n').next());
        if let Some([first, _, _, b' ', ..]) = last {
            return if matches!(first, b'2' | b'3') {
                Ok(())
            } else {
                Err(io::Error::other(String::from_utf8_lossy(&held)))
            };
        }
    }
}

/// A client as they are today, without what would only measure the client: it
/// trusts anybody, and resumes nothing.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    // The one that all peers have, so that all do the same work.
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS);
    // The versions are the library's own.
    #[expect(clippy::expect_used, reason = "the versions are the library's own")]
    let builder = builder.expect("versions");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll));
    let mut config = builder.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct TrustAll;

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
        ]
    }
}
