//! A client's socket that can hold back what is written: while it does, until the client is
//! waited for, and what is left when it does no more until something else is written. So what
//! a handshake ends with, a ticket that nobody waits for, goes out with the first answer behind
//! it. Each write of its own costs as much as all else about a short answer.

use rustix::net::SendFlags;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// More pieces of one message than rustls has; what does not fit goes with the next write.
const PIECES: usize = 64;

/// The socket, and what is held back.
pub(super) struct HeldBack {
    socket: TcpStream,
    held: Vec<u8>,
    holds: bool,
}

impl HeldBack {
    pub(super) const fn new(socket: TcpStream) -> Self {
        Self { socket, held: Vec::new(), holds: false }
    }

    /// Whether to hold back what is written from now on. What is held back already stays so
    /// until the next write or flush.
    pub(super) const fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Resolves when the connection is lost; why. That the client will say nothing more is no loss.
    pub(super) async fn lost(&self) -> io::Error {
        loop {
            if let Err(reason) = self.socket.ready(Interest::ERROR).await {
                return reason;
            }
            // Nothing is sent by that. In the jail there is no other way to ask.
            let asks = || match rustix::net::send(&self.socket, &[], SendFlags::NOSIGNAL) {
                Ok(_) => io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()),
                Err(reason) => Err(reason.into()),
            };
            if let Err(reason) = self.socket.try_io(Interest::ERROR, asks)
                && reason.kind() != io::ErrorKind::WouldBlock
            {
                return reason;
            }
        }
    }

    /// Sends what is held back, and `more` behind it; how much of `more`.
    fn send(&mut self, context: &mut Context<'_>, more: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let all = std::iter::once(IoSlice::new(&self.held)).chain(more.iter().copied());
            let count = pieces.iter_mut().zip(all).map(|(place, piece)| *place = piece).count();
            let pieces = pieces.get(..count).unwrap_or_default();
            match ready!(Pin::new(&mut self.socket).poll_write_vectored(context, pieces))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent if sent < self.held.len() => drop(self.held.drain(..sent)),
                sent => {
                    let behind = sent - self.held.len();
                    // An idle connection holds no buffer.
                    self.held = Vec::new();
                    if behind > 0 {
                        return Poll::Ready(Ok(behind));
                    }
                }
            }
        }
        if more.iter().all(|piece| piece.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        Pin::new(&mut self.socket).poll_write_vectored(context, more)
    }

    fn send_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send(context, &[]).map_ok(drop)
    }
}

impl AsyncRead for HeldBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if self.holds && read.is_pending() {
            // It may be what the client waits for.
            if let Poll::Ready(Err(reason)) = self.send_held(context) {
                return Poll::Ready(Err(reason));
            }
        }
        read
    }
}

impl AsyncWrite for HeldBack {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.holds {
            return self.send(context, pieces);
        }
        pieces.iter().for_each(|piece| self.held.extend_from_slice(piece));
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds { Poll::Ready(Ok(())) } else { self.send_held(context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_held(context))?;
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    async fn pair() -> (HeldBack, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (HeldBack::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn what_is_held_back_goes_before_what_comes_next_and_with_it() {
        let (mut server, mut client) = pair().await;
        server.hold(true);
        server.write_all(b"one ").await.unwrap();
        server.write_all(b"two ").await.unwrap();
        server.flush().await.unwrap();
        server.hold(false);
        let none = client.try_read(&mut [0; 16]).map_err(|reason| reason.kind());
        assert_eq!(none, Err(io::ErrorKind::WouldBlock));
        server.write_all(b"three").await.unwrap();
        let mut got = [0; 16];
        let count = client.read(&mut got).await.unwrap();
        assert_eq!(&got[..count], b"one two three");
    }

    #[tokio::test]
    async fn nor_is_it_kept_when_the_client_is_waited_for_or_left() {
        let (mut server, mut client) = pair().await;
        server.hold(true);
        server.write_all(b"go on").await.unwrap();
        let mut answer = [0; 3];
        let heard = tokio::spawn(async move {
            server.read_exact(&mut answer).await.unwrap();
            server.write_all(b"bye").await.unwrap();
            server.shutdown().await.unwrap();
            answer
        });
        let mut got = [0; 5];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"go on");
        client.write_all(b"yes").await.unwrap();
        assert_eq!(&heard.await.unwrap(), b"yes");
        let mut last = String::new();
        client.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "bye");
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_arrives_in_order() {
        let (mut server, mut client) = pair().await;
        let much: Vec<u8> = (0..5_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
        server.hold(true);
        server.write_all(&much).await.unwrap();
        server.hold(false);
        let expected = [&much[..], b"end"].concat();
        let says = tokio::spawn(async move {
            server.write_all(b"end").await.unwrap();
            server
        });
        let mut got = vec![0; expected.len()];
        timeout(Duration::from_secs(60), client.read_exact(&mut got)).await.unwrap().unwrap();
        assert!(got == expected);
        drop(says.await.unwrap());
    }
}
