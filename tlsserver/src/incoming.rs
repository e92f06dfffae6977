//! Messages of another process: one at a time, without ever waiting for it. It knows a message
//! from none yet and from the end, which only what is no message is like; what it means, and
//! what becomes of who sent it, is the caller's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use unix::descriptor_passing::{receive, receive_into};
use zeroize::Zeroize;

/// What a channel has.
#[derive(Debug)]
pub(crate) enum Incoming<T> {
    /// A message.
    Message(T),
    /// None, for now.
    Nothing,
    /// Its end, or what is no message: nothing behind it is to be heard.
    End,
}

/// Takes one message that is there, of who has no descriptors to send; this process gets none,
/// whatever comes. The buffer keeps nothing of it: there may have been a password.
pub(crate) fn take<T>(
    channel: impl AsFd,
    buffer: &mut [u8],
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Incoming<T> {
    let received = receive_into(channel, buffer).map(|length| (length, ()));
    let decode = |octets: &[u8], ()| decode(octets);
    decoded(received, buffer, decode)
}

/// The same of a process that is trusted: with the descriptors that came along.
pub(crate) fn take_with_descriptors<T>(
    channel: impl AsFd,
    buffer: &mut [u8],
    decode: impl FnOnce(&[u8]) -> Option<T>,
) -> Incoming<(T, Vec<OwnedFd>)> {
    let received = receive(channel, buffer).map(|one| (one.length, one.descriptors));
    let decode = |octets: &[u8], descriptors| Some((decode(octets)?, descriptors));
    decoded(received, buffer, decode)
}

fn decoded<T, D>(
    received: io::Result<(usize, D)>,
    buffer: &mut [u8],
    decode: impl FnOnce(&[u8], D) -> Option<T>,
) -> Incoming<T> {
    let (length, besides) = match received {
        Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Incoming::Nothing,
        Err(_) => {
            // What is too long was cut.
            buffer.zeroize();
            return Incoming::End;
        }
        Ok(received) => received,
    };
    let message = buffer.get_mut(..length).unwrap_or_default();
    let decoded = if message.is_empty() { None } else { decode(message, besides) };
    message.zeroize();
    decoded.map_or(Incoming::End, Incoming::Message)
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
        let heard = take_with_descriptors(&ours, &mut buffer, number);
        let Incoming::Message((b'7', descriptors)) = heard else { panic!("not heard") };
        assert_eq!((descriptors.len(), buffer), (1, [0; 8]));
        drop(descriptors);
        send(&theirs, b"7", &[theirs.as_fd()]).unwrap();
        assert!(matches!(take(&ours, &mut buffer, number), Incoming::Message(b'7')));
        for nonsense in [&b"x"[..], b"7 and too long"] {
            send(&theirs, nonsense, &[]).unwrap();
            assert!(matches!(take(&ours, &mut buffer, number), Incoming::End));
            assert_eq!(buffer, [0; 8]);
        }
        assert!(matches!(take(&ours, &mut buffer, number), Incoming::Nothing));
        drop(theirs);
        for _ in 0..2 {
            assert!(matches!(take(&ours, &mut buffer, |_| Some(())), Incoming::End));
        }
    }
}
