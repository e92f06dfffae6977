//! What tlsserver's listener, monitor, engines and keyholder say to each other
//! (`proto::channel`), by one that a stranger has taken over: what is read says no more than its
//! octets, and writes back as it was; memory is bounded by the message.

use crate::memory;
use proto::channel::LONGEST_TEXT;
use proto::channel::engine::{FromEngine, ToEngine};
use proto::channel::keyholder::{FromKeyholder, SignRequest};
use proto::channel::listener::{FromMonitor, ToMonitor};
use proto::channel::session::{FromSession, ToSession};
use proto::checkpassword::LIMIT;
use proto::login::Attempt;
use proto::login::monitor::Request;

/// Reads a message as one process does, and writes it as the other.
macro_rules! writes_back {
    ($kind:ty, $message:expr) => {
        memory::at_most(most($message), || <$kind>::decode($message)).inspect(|read| {
            assert_eq!(read.encode(), $message);
            assert_eq!(<$kind>::decode(&read.encode()).as_ref(), Some(read));
        })
    };
}

/// The first octet says who speaks; the rest is the message.
pub fn check(input: &[u8]) {
    let Some((&who, message)) = input.split_first() else { return };
    match who % 8 {
        0 => drop(writes_back!(ToMonitor, message)),
        1 => drop(writes_back!(FromMonitor, message)),
        2 => {
            if let Some(read) = writes_back!(ToSession, message) {
                assert!(message.ends_with(&read.encode()[9..]));
            }
        }
        3 => {
            if let Some(read) = memory::at_most(most(message), || FromSession::decode(message)) {
                from_an_engine(message, &read);
            }
        }
        4 => {
            let read = writes_back!(FromEngine, message);
            if let Some(FromEngine::Failed(_, text) | FromEngine::Says(text)) = read {
                assert!(text.len() <= LONGEST_TEXT);
            }
        }
        5 => drop(writes_back!(ToEngine, message)),
        6 => {
            if let Some(FromKeyholder::Says(text)) = writes_back!(FromKeyholder, message) {
                assert!(text.len() <= LONGEST_TEXT);
            }
        }
        _ => {
            if let Some(SignRequest { message: text, .. }) = writes_back!(SignRequest, message) {
                assert_eq!(text, message[4..]);
            }
        }
    }
}

/// What may be held while a message is read.
const fn most(message: &[u8]) -> usize {
    64 * message.len() + LIMIT + 256
}

fn from_an_engine(message: &[u8], read: &FromSession) {
    let written = read.encode();
    match read {
        // Facts that nobody may name are left out.
        FromSession::Request(_, Request::Facts(_) | Request::TlsOn(_)) => {
            assert!(written.len() <= message.len() + 1);
            assert_eq!(written[..10], message[..10]);
        }
        FromSession::Request(_, Request::Login(Attempt::Check(record, _))) => {
            assert_eq!(*written, message);
            assert!(message.ends_with(record.expose()));
            assert!(!record.user().is_empty() && !record.timestamp().contains(&0));
        }
        FromSession::Requests(_, [Request::Facts(_) | Request::TlsOn(_), _])
        | FromSession::Requests(_, [_, Request::Facts(_) | Request::TlsOn(_)]) => {
            assert!(written.len() <= message.len() + 2);
            assert_eq!(written[..9], message[..9]);
        }
        FromSession::Request(..)
        | FromSession::Requests(..)
        | FromSession::Spoke(_)
        | FromSession::StreamEnded(..) => {
            assert_eq!(*written, message)
        }
    }
}
