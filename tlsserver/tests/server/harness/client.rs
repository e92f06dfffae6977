//! A TLS client whose every step a test can choose.

use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use test_support::client::trusting;
pub(crate) use test_support::client::{Tls, secure};
use test_support::talking;

use super::Server;

/// Connects without TLS.
pub(crate) fn plain(server: &Server) -> TcpStream {
    test_support::client::connect(server.port).unwrap()
}

/// What a client trusts and offers.
pub(crate) fn config(server: &Server) -> ClientConfig {
    config_for(server, rustls::ALL_VERSIONS)
}

pub(crate) fn config_for(
    server: &Server,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    trusting(server.certificate.clone(), versions).unwrap()
}

/// Does the handshake on a socket, as any client does.
pub(crate) fn handshake(server: &Server, socket: TcpStream) -> std::io::Result<Tls> {
    secure(socket, &Arc::new(config(server)), "localhost")
}

/// Connects up to where the handshake can begin.
pub(crate) fn begin(server: &Server) -> TcpStream {
    if server.delayed { after_line(server, "tls") } else { plain(server) }
}

/// Connects and does the handshake.
pub(crate) fn connect(server: &Server) -> Tls {
    handshake(server, begin(server)).unwrap()
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

/// The program repeats what the client says.
#[track_caller]
pub(crate) fn goes_on(tls: &mut Tls) {
    tls.write_all(b"x").unwrap();
    tls.read_exact(&mut [0]).unwrap();
}

/// All that comes, as text.
pub(crate) fn text(tls: &mut Tls) -> String {
    String::from_utf8(rest(tls)).unwrap()
}

/// Ends the session, of which nothing is left.
#[track_caller]
pub(crate) fn close(tls: &mut Tls) {
    finish_sending(tls);
    assert_eq!(rest(tls), b"");
}

/// What is left in the clear until the end, whichever way that comes.
pub(crate) fn clear_rest(mut socket: TcpStream) -> Vec<u8> {
    talking::rest(&mut socket).unwrap()
}

/// Goes, with an end.
pub(crate) fn vanish(socket: TcpStream) {
    socket.shutdown(Shutdown::Both).unwrap();
}

/// Goes, without one.
pub(crate) fn reset(socket: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
}

/// The client's side of a session, before its handshake.
pub(crate) fn client(server: &Server) -> ClientConnection {
    test_support::client::client(&Arc::new(config(server)), "localhost").unwrap()
}

/// The first octets of a client that does everything right.
pub(crate) fn hello(server: &Server) -> Vec<u8> {
    let mut octets = Vec::new();
    client(server).write_tls(&mut octets).unwrap();
    octets
}
