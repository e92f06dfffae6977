//! Descriptors that the listener and the monitor hand over, as the runtime has them.

use std::os::fd::OwnedFd;
use tokio::net::TcpStream;
use unix::descriptor::unblock;

use super::ending::Fault;
use super::held_back::HeldBack;
use super::local_socket::LocalSocket;
use super::wide_reads::WideReads;

/// A client's.
pub(super) fn client(socket: OwnedFd) -> Result<WideReads, Fault> {
    let client = unblock(&socket).and_then(|()| TcpStream::from_std(socket.into()));
    client.map(HeldBack::new).map(WideReads::new).map_err(Fault::Descriptor)
}

/// A program's.
pub(super) fn stream(socket: OwnedFd) -> Result<LocalSocket, Fault> {
    LocalSocket::new(socket).map_err(Fault::Descriptor)
}
