//! What tlsserver's listener, monitor and engines say to each other of logins,
//! and what engines say to the listener of their connections (`proto::channel`), by one that a
//! stranger has taken over: what is read says no more than its octets, and writes back as it
//! was; memory is bounded by the message.

use crate::memory;
use proto::channel::engine::{FromEngine, LONGEST_TEXT};
use proto::channel::listener::{FromMonitor, ToMonitor};
use proto::channel::session::{FromSession, ToSession};
use proto::checkpassword::LIMIT;
use proto::login::Attempt;
use proto::login::monitor::Request;

/// The first octet says who speaks; the rest is the message.
pub fn check(input: &[u8]) {
    let Some((&who, message)) = input.split_first() else { return };
    let most = 64 * message.len() + LIMIT + 256;
    match who % 5 {
        0 => {
            if let Some(read) = memory::at_most(most, || ToMonitor::decode(message)) {
                assert_eq!(read.encode(), message);
            }
        }
        1 => {
            if let Some(read) = memory::at_most(most, || FromMonitor::decode(message)) {
                assert_eq!(read.encode(), message);
            }
        }
        2 => {
            if let Some(read) = memory::at_most(most, || ToSession::decode(message)) {
                assert_eq!(read.encode(), message);
                assert!(message.ends_with(&read.encode()[9..]));
            }
        }
        3 => {
            if let Some(read) = memory::at_most(most, || FromSession::decode(message)) {
                from_an_engine(message, &read);
            }
        }
        _ => {
            if let Some(read) = memory::at_most(most, || FromEngine::decode(message)) {
                assert_eq!(read.encode(), message);
                if let FromEngine::Failed(_, text) | FromEngine::Says(text) = &read {
                    assert!(text.len() <= LONGEST_TEXT);
                }
            }
        }
    }
}

fn from_an_engine(message: &[u8], read: &FromSession) {
    let written = read.encode();
    match read {
        // Facts that nobody may name are left out.
        FromSession::Request(_, Request::TlsOn(_)) => {
            assert!(written.len() <= message.len() + 1);
            assert_eq!(written[..10], message[..10]);
        }
        FromSession::Request(_, Request::Login(Attempt::Check(record, _))) => {
            assert_eq!(*written, message);
            assert!(message.ends_with(record.expose()));
            assert!(!record.user().is_empty() && !record.timestamp().contains(&0));
        }
        FromSession::Request(..) | FromSession::StreamEnded(_) => assert_eq!(*written, message),
    }
}
