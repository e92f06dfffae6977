//! A socket to a program, that wakes who reads when there is something to read, and who writes
//! only where there was no room.
//!
//! The system says of such a socket that there is room each time the other side has taken
//! something. tokio's own streams wait for that, too, all the time, so that whoever has
//! said something is woken once more for nothing as soon as it is heard.
//!
//! What the system has too little for is tried again, after a pause: it says nothing of when it
//! has enough.

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::time::{Sleep, sleep};
use unix::deadline::{Event, ready_now};
use unix::descriptor::unblock;

/// The socket. Both of its ways are one task's.
#[derive(Debug)]
pub(super) struct LocalSocket {
    /// None only between two registrations, or where the second failed.
    socket: Option<AsyncFd<OwnedFd>>,
    /// There was no room once, so that it is waited for, too, from then on.
    waits_for_room: bool,
    /// The system is short of something.
    pause: Option<Pin<Box<Sleep>>>,
}

/// How soon it is tried again to send what the system had too little for.
const PAUSE: Duration = Duration::from_millis(50);

impl LocalSocket {
    /// To be called where tokio runs.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        unblock(&socket)?;
        let socket = waits_for(socket, Interest::READABLE)?;
        Ok(Self { socket: Some(socket), waits_for_room: false, pause: None })
    }

    fn socket(&self) -> io::Result<&AsyncFd<OwnedFd>> {
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whoever waits to read is forgotten by that.
    fn wait_for_room(&mut self) -> io::Result<()> {
        if let Some(socket) = self.socket.take() {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.socket = Some(waits_for(socket.into_inner(), both)?);
        }
        self.waits_for_room = true;
        Ok(())
    }
}

#[expect(deprecated, reason = "what replaces it is unsafe, for what does not own its descriptor")]
fn waits_for(socket: OwnedFd, what: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, what)
}

impl LocalSocket {
    /// Has `sends` send something, once there is room for it, or nobody is there. It returns
    /// `WouldBlock` where there is no room.
    pub(super) fn poll_sending<T>(
        &mut self,
        context: &mut Context<'_>,
        mut sends: impl FnMut(&AsyncFd<OwnedFd>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let mut sent = sends(self.socket()?);
            if is_to_wait(&sent) {
                if !self.waits_for_room {
                    self.wait_for_room()?;
                    // It looks at what there is to read once more.
                    context.waker().wake_by_ref();
                }
                let mut is_ready = ready!(self.socket()?.poll_write_ready(context))?;
                // Room may have been there when it began to be waited for, or have come since.
                sent = sends(self.socket()?);
                if is_to_wait(&sent) {
                    is_ready.clear_ready();
                    continue;
                }
            }
            if sent.as_ref().err().is_none_or(is_gone) {
                return Poll::Ready(sent);
            }
            self.pause = Some(Box::pin(sleep(PAUSE)));
        }
    }

    /// Has `receives` receive something, once there is something. It says `WouldBlock` where
    /// there is nothing.
    pub(super) fn poll_receiving<T>(
        &self,
        context: &mut Context<'_>,
        mut receives: impl FnMut(&AsyncFd<OwnedFd>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let socket = self.socket()?;
        loop {
            let mut is_ready = ready!(socket.poll_read_ready(context))?;
            let received = receives(socket);
            if !is_to_wait(&received) {
                return Poll::Ready(received);
            }
            is_ready.clear_ready();
        }
    }

    /// Reads what is there, whether or not that is known; pending where there is nothing.
    pub(super) fn read_now(&self, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let space = read.initialize_unfilled();
        match rustix::net::recv(self.socket()?, space, RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                read.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
            Err(reason) => Poll::Ready(Err(reason.into())),
        }
    }

    /// Whether the other side has closed all of it, and not only its own direction.
    pub(super) fn is_hung_up(&self) -> bool {
        let Ok(socket) = self.socket() else { return true };
        ready_now(socket.as_fd(), Event::empty()).contains(Event::HUP)
    }
}

/// Whether nobody will ever hear what is sent there.
pub(super) fn is_gone(reason: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(reason.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

fn is_to_wait<T>(done: &io::Result<T>) -> bool {
    done.as_ref().is_err_and(|reason| reason.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for LocalSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.socket()?;
        loop {
            let mut is_ready = ready!(socket.poll_read_ready(context))?;
            let room = buffer.initialize_unfilled();
            let most = room.len();
            match rustix::net::recv(socket, room, RecvFlags::empty()) {
                Err(Errno::AGAIN) => is_ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(reason) => return Poll::Ready(Err(reason.into())),
                Ok((_, count)) => {
                    // That was all: what comes later is said anew.
                    if (1..most).contains(&count) {
                        is_ready.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for LocalSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_sending(context, |socket| {
            let sends = || rustix::net::send(socket, octets, SendFlags::NOSIGNAL);
            retry_on_intr(sends).map_err(io::Error::from)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = rustix::net::shutdown(self.socket()?, Shutdown::Write);
        Poll::Ready(shut.map_err(io::Error::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::os::fd::AsRawFd;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn pair() -> (LocalSocket, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        (LocalSocket::new(here.into_std().unwrap().into()).unwrap(), there)
    }

    #[tokio::test]
    async fn much_goes_both_ways_and_ends_arrive() {
        let (here, mut there) = pair();
        let much: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
        let (mut reads, mut writes) = tokio::io::split(here);
        let says = async {
            writes.write_all(&much).await.unwrap();
            writes.shutdown().await.unwrap();
        };
        let echoes = async {
            let mut got = Vec::new();
            there.read_to_end(&mut got).await.unwrap();
            there.write_all(&got).await.unwrap();
            there.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let hears = async { reads.read_to_end(&mut got).await.unwrap() };
        tokio::join!(says, echoes, hears);
        assert!(got == much, "{} octets", got.len());
    }

    /// Stands for memory that the system is short of for a while.
    #[tokio::test(start_paused = true)]
    async fn what_the_system_has_too_little_for_is_tried_again() {
        let (mut here, mut there) = pair();
        let mut short = [Errno::NOBUFS, Errno::NOMEM].into_iter();
        let sends = |socket: &AsyncFd<OwnedFd>| match short.next() {
            Some(reason) => Err(reason.into()),
            None => Ok(rustix::net::send(socket, b"word", SendFlags::NOSIGNAL)?),
        };
        let mut sends = sends;
        let sent = poll_fn(|context| here.poll_sending(context, &mut sends)).await;
        assert_eq!(sent.unwrap(), 4);
        let mut word = [0; 4];
        there.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"word");
        drop(there);
        assert!(here.write_all(b"x").await.is_err());
    }

    /// Otherwise the system would wake us whenever the other side has read something.
    #[tokio::test]
    async fn room_is_waited_for_only_where_there_was_none() {
        let (mut here, _there) = pair();
        here.write_all(b"x").await.unwrap();
        assert!(!asks_for_room(&here));
        poll_fn(|context| {
            while let Poll::Ready(sent) = Pin::new(&mut here).poll_write(context, &[0; 65_536]) {
                sent.unwrap();
            }
            Poll::Ready(())
        })
        .await;
        assert!(asks_for_room(&here));
    }

    /// Whether the system is to say when there is room, as epoll's lines in proc(5) have it.
    fn asks_for_room(socket: &LocalSocket) -> bool {
        const EPOLLOUT: u32 = 4;
        let target = socket.socket().unwrap().as_raw_fd().to_string();
        let files = std::fs::read_dir("/proc/self/fdinfo").unwrap();
        let lines = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let of_target = |text: String| {
            let mut words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            words.find_map(|words| match words.as_slice() {
                ["tfd:", descriptor, "events:", events, ..] if *descriptor == target => {
                    Some(u32::from_str_radix(events, 16).unwrap())
                }
                _ => None,
            })
        };
        lines.into_iter().find_map(of_target).unwrap() & EPOLLOUT != 0
    }
}
