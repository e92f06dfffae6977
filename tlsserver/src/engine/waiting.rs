//! What a session waits for from the listener or the monitor. Neither can keep it for good,
//! whatever has become of the answer, and a client that is gone is not waited with.
//!
//! What is awaited of the client itself has its limits elsewhere: of its words in
//! [`super::conversation`], of its handshake in [`super::session`].

use std::time::Duration;
use tokio::time::sleep;

use super::ending::Fault;
use super::wide_reads::WideReads;

/// How long the listener or the monitor may take for what needs only a moment of theirs.
pub(super) const ANSWERED: Duration = Duration::from_secs(60);

/// What is awaited for the client; none where it takes longer than this.
///
/// # Errors
/// The client's connection is lost.
pub(super) async fn told<T>(
    limit: Duration,
    client: &WideReads,
    awaited: impl Future<Output = T>,
) -> Result<Option<T>, Fault> {
    tokio::select! {
        biased;
        told = awaited => Ok(Some(told)),
        reason = client.lost() => Err(Fault::Lost(reason)),
        () = sleep(limit) => Ok(None),
    }
}
