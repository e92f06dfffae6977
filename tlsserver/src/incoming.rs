//! Messages of another process: one at a time, without ever waiting for it. It knows a message
//! from none yet and from the end, which only what is no message is like; what it means, and
//! what becomes of who sent it, is the caller's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use unix::descriptor_passing::receive;
use zeroize::Zeroize;

/// What a channel has.
#[derive(Debug)]
pub(crate) enum Incoming<T> {
    /// A message, and the descriptors that came along.
    Message(T, Vec<OwnedFd>),
    /// None, for now.
    Nothing,
    /// Its end, or what is no message: nothing behind it is to be heard.
    End,
}

/// Takes one message that is there. The buffer keeps nothing of it: there may have been a
/// password.
pub(crate) fn take<T>(
    channel: impl AsFd,
    buffer: &mut [u8],
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Incoming<T> {
    let received = match receive(channel, buffer) {
        Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Incoming::Nothing,
        Err(_) => return Incoming::End,
        Ok(received) => received,
    };
    let message = buffer.get_mut(..received.length).unwrap_or_default();
    let decoded = if message.is_empty() { None } else { decode(message) };
    message.zeroize();
    decoded.map_or(Incoming::End, |decoded| Incoming::Message(decoded, received.descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unix::descriptor_passing::{channel, send};

    fn number(octets: &[u8]) -> Option<u8> {
        octets.first().copied().filter(u8::is_ascii_digit)
    }

    #[test]
    fn none_yet_is_not_the_end_and_what_is_no_message_is() {
        let (ours, theirs) = channel().unwrap();
        let mut buffer = [0; 8];
        assert!(matches!(take(&ours, &mut buffer, number), Incoming::Nothing));
        send(&theirs, b"7 and", &[theirs.as_fd()]).unwrap();
        let Incoming::Message(b'7', descriptors) = take(&ours, &mut buffer, number) else {
            panic!("not heard")
        };
        assert_eq!((descriptors.len(), buffer), (1, [0; 8]));
        drop(descriptors);
        for nonsense in [&b"x"[..], b"7 and too long"] {
            send(&theirs, nonsense, &[]).unwrap();
            assert!(matches!(take(&ours, &mut buffer, number), Incoming::End));
        }
        assert!(matches!(take(&ours, &mut buffer, number), Incoming::Nothing));
        drop(theirs);
        for _ in 0..2 {
            assert!(matches!(take(&ours, &mut buffer, |_| Some(())), Incoming::End));
        }
    }
}
