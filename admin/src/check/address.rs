//! Where a server listens, by what its row says.

use crate::run_script::Link;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

/// Where it listens, or why it cannot; none where it is not said.
pub(super) fn said(server: &Link<'_>) -> Option<Result<SocketAddr, String>> {
    // A port of its own, since another may be taken, by this very service.
    Some(server.listens_at()?.and_then(|address| match TcpListener::bind((address.ip(), 0)) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            Err(format!("unable to listen: {}: not an address of this machine", address.ip()))
        }
        _ => Ok(address),
    }))
}

/// The same, if it is known and can be.
pub(super) fn known(server: &Link<'_>) -> Option<SocketAddr> {
    let [.., host, port] = server.arguments else { return None };
    let is_known = !host.is_computed && !port.is_computed;
    said(server).filter(|_| is_known)?.ok()
}
