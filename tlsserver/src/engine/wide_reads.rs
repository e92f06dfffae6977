//! A client's socket that is read in large pieces.
//!
//! Rustls asks for 4 KiB at a time, four or five system calls for one record. Here
//! one call takes what has arrived, up to four records, and rustls is served from
//! it. What it has not asked for yet is kept; an idle connection keeps nothing. Nor does
//! one that reads narrowly, as those do that may never log in: what nobody asks for is
//! the system's to keep.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::held_back::HeldBack;

const PIECE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// The socket and what was read too early.
pub(super) struct WideReads {
    socket: HeldBack,
    kept: Vec<u8>,
    taken: usize,
    narrow: bool,
}

impl WideReads {
    pub(super) const fn new(socket: HeldBack) -> Self {
        Self { socket, kept: Vec::new(), taken: 0, narrow: false }
    }

    /// Whether to read no more at once than is asked for.
    pub(super) const fn read_narrowly(&mut self, narrow: bool) {
        self.narrow = narrow;
    }

    /// Whether to hold back what is written; see [`super::held_back`].
    pub(super) const fn hold(&mut self, holds: bool) {
        self.socket.hold(holds);
    }

    /// Resolves when the connection is lost; why.
    pub(super) async fn lost(&self) -> io::Error {
        self.socket.lost().await
    }

    /// Has these octets read again, before all others.
    pub(super) fn put_back(&mut self, octets: &[u8]) {
        self.kept = [octets, self.kept.get(self.taken..).unwrap_or_default()].concat();
        self.taken = 0;
    }

    fn serve(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.kept.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.taken += count;
        if self.taken == self.kept.len() {
            self.kept = Vec::new();
            self.taken = 0;
        }
    }
}

impl AsyncRead for WideReads {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.kept.is_empty() && self.narrow {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        if self.kept.is_empty() {
            ready!(SCRATCH.with_borrow_mut(|scratch| {
                let mut piece = ReadBuf::new(scratch);
                ready!(Pin::new(&mut self.socket).poll_read(context, &mut piece))?;
                let (now, later) =
                    piece.filled().split_at(piece.filled().len().min(buffer.remaining()));
                buffer.put_slice(now);
                self.kept = later.to_vec();
                Poll::Ready(Ok::<_, io::Error>(()))
            }))?;
        } else {
            self.serve(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WideReads {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
