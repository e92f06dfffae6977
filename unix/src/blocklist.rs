//! Telling blocklistd about logins, where it runs.

use crate::close_on_exec::NO_SIGNAL;
use crate::descriptor::out_of_the_way;
use proto::blocklist::{Action, datagram};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// Where blocklistd listens.
pub(crate) const SOCKET: &str = "/var/run/blocklistd.sock";

/// Reports on one client.
#[derive(Debug)]
pub struct Reporter {
    /// A copy of the network socket, as descriptor 0 is a pipe once TLS is on.
    client: OwnedFd,
    peer: SocketAddr,
}

impl Reporter {
    /// To be made at start-up, while descriptor 0 is the network's. `None` where
    /// there is nothing to report: no address, no blocklistd, or no socket of this
    /// client's. For blocklistd goes by whom the socket is connected to: behind a load
    /// balancer it would block that, and of TLS from the first octet, where descriptor
    /// 0 leads to the TLS server, it could make nothing.
    #[must_use]
    pub fn new(peer: Option<SocketAddr>) -> Option<Self> {
        let peer = peer?;
        let client = rustix::stdio::stdin();
        if !Self::is_wanted() || connected_to(client)? != peer.ip().to_canonical() {
            return None;
        }
        Some(Self { client: out_of_the_way(&client).ok()?, peer })
    }

    /// One for a client's socket that is at hand. `None` where blocklistd could make
    /// nothing of it: behind a load balancer it would block that.
    #[must_use]
    pub fn of(client: OwnedFd, peer: SocketAddr) -> Option<Self> {
        let is_its = connected_to(client.as_fd())? == peer.ip().to_canonical();
        is_its.then_some(Self { client, peer })
    }

    /// Whether blocklistd is there to be told.
    #[must_use]
    pub fn is_wanted() -> bool {
        std::path::Path::new(SOCKET).exists()
    }

    /// Reports. What becomes of it is not our business, and we do not wait for it.
    pub fn report(&self, action: Action) {
        let _ = self.send(&datagram(action, self.peer, "authup"));
    }

    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(SOCKET)?;
        let descriptors = [self.client.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let datagram = [IoSlice::new(datagram)];
        Ok(rustix::net::sendmsg(&socket, &datagram, &mut control, NO_SIGNAL)?)
    }
}

/// Who is at the other end of a network socket.
fn connected_to(socket: BorrowedFd<'_>) -> Option<IpAddr> {
    let peer = rustix::net::getpeername(socket).ok()??;
    Some(SocketAddr::try_from(peer).ok()?.ip().to_canonical())
}
