//! A TLS client whose every step a test can choose.

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Server};

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects without TLS.
pub(crate) fn plain(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// What a client trusts and offers.
pub(crate) fn config(server: &Server) -> ClientConfig {
    config_for(server, rustls::ALL_VERSIONS)
}

pub(crate) fn config_for(
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_webpki_verifier(verifier.unwrap())
        .with_no_client_auth()
}

/// Does the handshake on a socket.
pub(crate) fn secure(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<Tls> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(tls)
}

/// Connects up to where the handshake can begin.
pub(crate) fn begin(server: &Server) -> TcpStream {
    if server.delayed { after_line(server, "tls") } else { plain(server) }
}

/// Connects and does the handshake.
pub(crate) fn connect(server: &Server) -> Tls {
    secure(begin(server), Arc::new(config(server)), "localhost").unwrap()
}

/// Connects and says a line in the clear.
pub(crate) fn after_line(server: &Server, line: &str) -> TcpStream {
    let mut socket = plain(server);
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    socket
}

/// Says `close_notify`, and no more to send, while it still listens.
pub(crate) fn finish_sending(tls: &mut Tls) {
    tls.conn.send_close_notify();
    while tls.conn.wants_write() {
        tls.conn.write_tls(&mut tls.sock).unwrap();
    }
    tls.sock.shutdown(Shutdown::Write).unwrap();
}

/// Everything until the server's `close_notify`; without that, a panic.
pub(crate) fn rest(tls: &mut Tls) -> Vec<u8> {
    let mut octets = Vec::new();
    tls.read_to_end(&mut octets).unwrap();
    octets
}

/// What is left in the clear until the end, whichever way that comes.
pub(crate) fn clear_rest(mut socket: TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return octets,
            Ok(count) => octets.extend_from_slice(&piece[..count]),
            Err(reason) if reason.kind() == std::io::ErrorKind::ConnectionReset => return octets,
            Err(reason) if reason.kind() == std::io::ErrorKind::Interrupted => {}
            Err(reason) => panic!("{reason}"),
        }
    }
}

/// Goes, with an end.
pub(crate) fn vanish(socket: TcpStream) {
    socket.shutdown(Shutdown::Both).unwrap();
}

/// Goes, without one.
pub(crate) fn reset(socket: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
}

/// The first octets of a client that does everything right.
pub(crate) fn hello(server: &Server) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config(server)), name).unwrap();
    let mut octets = Vec::new();
    client.write_tls(&mut octets).unwrap();
    octets
}
