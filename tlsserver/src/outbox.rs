//! Messages to another process, in their order, without ever waiting for it: what its
//! channel does not take now is kept until it does.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use unix::descriptor_passing::send;
use zeroize::Zeroizing;

type Message = (Zeroizing<Vec<u8>>, Vec<OwnedFd>);

/// A channel, which does not block, and what is still to be sent on it.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: OwnedFd,
    kept: VecDeque<Message>,
}

impl Outbox {
    pub(crate) const fn new(channel: OwnedFd) -> Self {
        Self { channel, kept: VecDeque::new() }
    }

    /// Whether something waits for the channel to take it.
    pub(crate) fn is_behind(&self) -> bool {
        !self.kept.is_empty()
    }

    /// How much that is.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Sends it, as soon as may be. Who is gone is told nothing.
    pub(crate) fn send(&mut self, octets: impl Into<Vec<u8>>, descriptors: Vec<OwnedFd>) {
        self.kept.push_back((Zeroizing::new(octets.into()), descriptors));
        self.flush();
    }

    /// Sends it now or not at all.
    ///
    /// # Errors
    /// `WouldBlock` where there is no room for it now; else the system's.
    pub(crate) fn send_now(
        &mut self,
        octets: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        if self.is_behind() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        send(&self.channel, octets, descriptors)
    }

    /// Goes on where the channel was full.
    pub(crate) fn flush(&mut self) {
        while let Some((octets, descriptors)) = self.kept.front() {
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            match send(&self.channel, octets, &descriptors) {
                Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return,
                // What the other side's death means, its end says.
                Ok(()) | Err(_) => drop(self.kept.pop_front()),
            }
        }
    }
}

impl AsFd for Outbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unix::descriptor::unblock;
    use unix::descriptor_passing::{channel, receive};

    #[test]
    fn a_full_channel_keeps_nobody_waiting_and_loses_nothing() {
        let (ours, theirs) = channel().unwrap();
        unblock(&ours).unwrap();
        unblock(&theirs).unwrap();
        let mut outbox = Outbox::new(ours);
        for number in 0_u32..5_000 {
            outbox.send(number.to_be_bytes(), vec![]);
        }
        assert!(outbox.is_behind() && outbox.send_now(b"x", &[]).is_err());
        let (mut heard, mut buffer) = (0_u32, [0; 16]);
        while heard < 5_000 {
            while let Ok(message) = receive(&theirs, &mut buffer) {
                assert_eq!(&buffer[..message.length], heard.to_be_bytes());
                heard += 1;
            }
            outbox.flush();
        }
        assert!(!outbox.is_behind());
        drop(theirs);
        outbox.send(*b"nobody", vec![]);
        assert!(!outbox.is_behind());
    }
}
