//! A channel to another process, the listener or the monitor: what comes on it, and what many
//! sessions have to say on it. Room is waited for only where there was none, for the reason that
//! [`super::local_socket`] has.

use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use unix::descriptor_passing::{Received, receive, send};

use super::local_socket::LocalSocket;

/// The channel. It is one task's.
pub(super) struct Channel<M, O> {
    socket: LocalSocket,
    /// What is to be sent, in its order.
    outgoing: mpsc::UnboundedReceiver<M>,
    /// As octets.
    encode: fn(&M) -> O,
    /// The first of it, where there was no room.
    kept: Option<O>,
}

impl<M, O: Deref<Target = Vec<u8>>> Channel<M, O> {
    /// To be called where tokio runs.
    pub(super) fn new(
        channel: OwnedFd,
        outgoing: mpsc::UnboundedReceiver<M>,
        encode: fn(&M) -> O,
    ) -> io::Result<Self> {
        Ok(Self { socket: LocalSocket::new(channel)?, outgoing, encode, kept: None })
    }

    /// The next message; sends what there is to send meanwhile.
    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        poll_fn(|context| {
            // Whether more may come changes nothing here.
            let _ = self.poll_send(context);
            self.socket.poll_receiving(context, |socket| receive(socket, buffer))
        })
        .await
    }

    /// Sends until nobody is left who could have something to say.
    pub(super) async fn finish(mut self) {
        poll_fn(|context| self.poll_send(context)).await;
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let octets = match self.kept.take() {
                Some(octets) => octets,
                None => match ready!(self.outgoing.poll_recv(context)) {
                    Some(message) => (self.encode)(&message),
                    None => return Poll::Ready(()),
                },
            };
            match self.socket.poll_sending(context, |socket| send(socket, &octets, &[])) {
                // Where nobody is there any more, that end is heard.
                Poll::Ready(_) => {}
                Poll::Pending => {
                    self.kept = Some(octets);
                    return Poll::Pending;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::set_socket_send_buffer_size;
    use std::time::Duration;
    use tokio::time::timeout;
    use unix::descriptor_passing::channel;

    /// Stands for memory that the system is short of for a while.
    #[tokio::test(start_paused = true)]
    async fn what_the_system_does_not_take_now_is_tried_again() {
        let (here, there) = channel().unwrap();
        let settings = there.try_clone().unwrap();
        let (says, to_be_said) = mpsc::unbounded_channel();
        let (_, nothing) = mpsc::unbounded_channel();
        let mut here = Channel::new(here, nothing, Box::<Vec<u8>>::clone).unwrap();
        let there = Channel::new(there, to_be_said, Box::<Vec<u8>>::clone).unwrap();
        let little =
            |much: bool| set_socket_send_buffer_size(&settings, 4096 << (6 * u8::from(much)));
        little(false).unwrap();
        let long = Box::new(vec![b'x'; 32 * 1024]);
        assert!(send(&settings, &long, &[]).is_err());
        for message in [long.clone(), Box::new(b"behind".to_vec())] {
            says.send(message).unwrap();
        }
        drop(says);
        let finishes = tokio::spawn(there.finish());
        let mut buffer = vec![0; 64 * 1024];
        let early = timeout(Duration::from_secs(60), here.receive(&mut buffer)).await;
        assert!(early.is_err(), "something was lost: {early:?}");
        little(true).unwrap();
        for expected in [&long[..], b"behind"] {
            let length = here.receive(&mut buffer).await.unwrap().length;
            assert_eq!(&buffer[..length], expected);
        }
        finishes.await.unwrap();
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_and_nothing_is_lost() {
        let (here, there) = channel().unwrap();
        let (says, to_be_said) = mpsc::unbounded_channel();
        let (answers, to_be_answered) = mpsc::unbounded_channel();
        let mut here = Channel::new(here, to_be_said, Box::<Vec<u8>>::clone).unwrap();
        let mut there = Channel::new(there, to_be_answered, Box::<Vec<u8>>::clone).unwrap();
        for number in 0_u32..5_000 {
            says.send(Box::new(number.to_be_bytes().to_vec())).unwrap();
        }
        let hears = tokio::spawn(async move {
            let mut buffer = [0; 16];
            let length = here.receive(&mut buffer).await.unwrap().length;
            (buffer[..length].to_vec(), here)
        });
        let mut buffer = [0; 16];
        for number in 0_u32..5_000 {
            let length = there.receive(&mut buffer).await.unwrap().length;
            assert_eq!(&buffer[..length], number.to_be_bytes());
        }
        answers.send(Box::new(b"enough".to_vec())).unwrap();
        drop(answers);
        there.finish().await;
        let (heard, mut here) = hears.await.unwrap();
        assert_eq!(heard, b"enough");
        says.send(Box::new(b"to nobody".to_vec())).unwrap();
        assert_eq!(here.receive(&mut buffer).await.unwrap().length, 0);
        drop(says);
        here.finish().await;
    }
}
