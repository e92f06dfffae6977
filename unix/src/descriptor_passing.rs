//! Messages with descriptors attached, between the processes of one program.
//!
//! A channel is a pair of `SOCK_SEQPACKET` sockets: one send is one message, it
//! arrives whole or not at all, and the other side's death reads as an end. What
//! the messages say is the caller's to know.

use crate::close_on_exec::{NO_SIGNAL, RECEIVED, mark, pair};
use crate::descriptor::out_of_the_way;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SocketType,
};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Descriptors that one message can carry.
pub const DESCRIPTORS: usize = 4;

/// Makes a channel; both ends close on exec, block, and are out of the way of the low
/// numbers.
///
/// # Errors
/// The system's, most likely that descriptors are exhausted.
pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    Ok((out_of_the_way(&one)?, out_of_the_way(&other)?))
}

/// Makes a pair of stream sockets; both ends close on exec and block.
///
/// # Errors
/// The system's, most likely that descriptors are exhausted.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SocketType::STREAM)
}

/// Sends one message of at least one octet. One without descriptors goes by a system call that
/// can carry none: there is no other in a jail.
///
/// # Errors
/// The system's; `WouldBlock` when the other side does not keep up and the
/// channel does not block, or its send timeout is over. More than [`DESCRIPTORS`]
/// is `InvalidInput`.
pub fn send(channel: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if descriptors.len() > DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = if descriptors.is_empty() {
        retry_on_intr(|| rustix::net::send(&channel, bytes, NO_SIGNAL))
    } else {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        let bytes = [IoSlice::new(bytes)];
        retry_on_intr(|| rustix::net::sendmsg(&channel, &bytes, &mut ancillary, NO_SIGNAL))
    };
    sent.map(drop).map_err(io::Error::from)
}

/// A message as it arrived.
#[derive(Debug)]
pub struct Received {
    /// Octets now at the start of the caller's buffer; 0 is the end: the other
    /// side has closed its half or is gone.
    pub length: usize,
    /// The descriptors that came along; all close on exec.
    pub descriptors: Vec<OwnedFd>,
    /// Some descriptors were lost: this process had no room for them.
    pub descriptors_lost: bool,
}

/// Receives one message that is there. It never waits, whatever the channel's own mode is:
/// whoever had the other end may have given it to somebody else before he died, so that an
/// end is no certain thing. What was sent before the other side died is received, whether or
/// not it had read what it was sent.
///
/// # Errors
/// The system's; `WouldBlock` where there is none; a message longer than `buffer` is
/// `InvalidData`.
pub fn receive(channel: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    receive_with(channel, buffer, RecvFlags::DONTWAIT)
}

/// Receives one message and waits for it, on a channel that blocks. Only for who has
/// nothing else to do, as a jailed process that has asked those who jailed it.
///
/// # Errors
/// As [`receive`].
pub fn await_message(channel: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    receive_with(channel, buffer, RecvFlags::empty())
}

/// [`receive`] of a message that carries no descriptors, of at most `longest` octets: room is
/// made for it, and memory used for what has come only. Nothing is the end.
///
/// # Errors
/// As [`receive`].
pub fn receive_octets(channel: impl AsFd, longest: usize) -> io::Result<Vec<u8>> {
    // What is too long has one octet too many.
    let mut message = Vec::with_capacity(longest.saturating_add(1));
    past_a_reset(|| {
        rustix::net::recv(&channel, spare_capacity(&mut message), RecvFlags::DONTWAIT)
    })?;
    if message.len() > longest { Err(io::ErrorKind::InvalidData.into()) } else { Ok(message) }
}

/// Has the system receive. Who dies with something unread is told of by an error, once, before
/// what he had sent.
fn past_a_reset<T>(mut receives: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let mut was_reset = false;
    loop {
        match receives() {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) if !was_reset => was_reset = true,
            done => return done,
        }
    }
}

/// [`receive`] of a message that carries no descriptors, whose octets are then at the start of
/// `buffer`: how many. Of descriptors that come all the same this process gets none.
///
/// # Errors
/// As [`receive`].
pub fn receive_into(channel: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let mut no_room = RecvAncillaryBuffer::default();
    Ok(one_message(channel, buffer, &mut no_room, RecvFlags::DONTWAIT)?.bytes)
}

fn receive_with(channel: impl AsFd, buffer: &mut [u8], waiting: RecvFlags) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = one_message(channel, buffer, &mut ancillary, waiting)?;
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            descriptors.extend(rights);
        }
    }
    descriptors.iter().try_for_each(mark)?;
    Ok(Received {
        length: message.bytes,
        descriptors,
        descriptors_lost: message.flags.contains(ReturnFlags::CTRUNC),
    })
}

fn one_message(
    channel: impl AsFd,
    buffer: &mut [u8],
    ancillary: &mut RecvAncillaryBuffer<'_>,
    waiting: RecvFlags,
) -> io::Result<RecvMsg> {
    let message = past_a_reset(|| {
        let mut iov = [IoSliceMut::new(buffer)];
        rustix::net::recvmsg(&channel, &mut iov, ancillary, RECEIVED | waiting)
    })?;
    let is_whole = !message.flags.contains(ReturnFlags::TRUNC);
    if is_whole { Ok(message) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_message_carries_descriptors_that_work() {
        let (here, there) = channel().unwrap();
        let (mut mine, theirs) = UnixStream::pair().unwrap();
        send(&here, b"take this", &[theirs.as_fd()]).unwrap();
        drop(theirs);

        let mut buffer = [0; 64];
        let mut received = receive(&there, &mut buffer).unwrap();
        assert_eq!(&buffer[..received.length], b"take this");
        assert!(!received.descriptors_lost);
        let mut passed = UnixStream::from(received.descriptors.pop().unwrap());
        passed.write_all(b"hello").unwrap();
        drop(passed);
        let mut read = String::new();
        mine.read_to_string(&mut read).unwrap();
        assert_eq!(read, "hello");
    }

    #[test]
    fn messages_stay_apart_and_the_end_is_an_empty_one() {
        let (here, there) = channel().unwrap();
        send(&here, b"one", &[]).unwrap();
        send(&here, b"two", &[]).unwrap();
        drop(here);
        let mut buffer = [0; 64];
        for expected in [&b"one"[..], b"two", b""] {
            let received = receive(&there, &mut buffer).unwrap();
            assert_eq!(&buffer[..received.length], expected);
            assert!(received.descriptors.is_empty());
        }
    }

    #[test]
    fn what_was_sent_outlives_a_sender_that_had_not_read_all() {
        let (here, there) = channel().unwrap();
        send(&there, b"not read", &[]).unwrap();
        send(&here, b"one", &[there.as_fd()]).unwrap();
        send(&here, b"two", &[]).unwrap();
        drop(here);
        let mut buffer = [0; 64];
        let received = receive(&there, &mut buffer).unwrap();
        assert_eq!(&buffer[..received.length], b"one");
        assert_eq!(received.descriptors.len(), 1);
        assert_eq!(receive_octets(&there, 64).unwrap(), b"two");
        assert_eq!(receive(&there, &mut buffer).unwrap().length, 0);

        let (here, there) = channel().unwrap();
        send(&there, b"not read", &[]).unwrap();
        send(&here, b"one", &[]).unwrap();
        drop(here);
        assert_eq!(receive_octets(&there, 64).unwrap(), b"one");
    }

    #[test]
    fn nobody_is_kept_by_what_is_not_there() {
        let (here, _there) = channel().unwrap();
        let failure = receive(&here, &mut [0; 64]).unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error() {
        let (here, there) = channel().unwrap();
        send(&here, &[1; 65], &[]).unwrap();
        let failure = receive(&there, &mut [0; 64]).unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn who_wants_octets_alone_gets_no_descriptors() {
        let (here, there) = channel().unwrap();
        let (mine, theirs) = UnixStream::pair().unwrap();
        send(&here, b"take this", &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let mut buffer = [0; 9];
        assert_eq!(receive_into(&there, &mut buffer).unwrap(), 9);
        assert_eq!(&buffer, b"take this");
        assert_eq!((&mine).read(&mut [0]).unwrap(), 0, "somebody has the other end");
        send(&here, b"one more is too long", &[]).unwrap();
        let failure = receive_into(&there, &mut buffer).unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (here, there) = channel().unwrap();
        let failure = send(&here, b"x", &[there.as_fd(); DESCRIPTORS + 1]).unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::InvalidInput);
    }
}
