//! One connection, from the program's request to its end.

use proto::login::monitor::Request;
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::server::Request as Asked;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustls::{Error, InvalidMessage, PeerIncompatible};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::conversation::{Conversation, Turn};
use super::desk::Place;
use super::relay::Program as Inside;
use super::transport::Transport;
use super::wide_reads::WideReads;
use super::{facts, login, relay};

/// How a session ended; an error is what the log should say.
pub(super) type Ended = Result<(), String>;

/// The two ends of the decrypted stream: what the program reads is written to the
/// first, what it writes is read from the second.
pub(super) type Program = [OwnedFd; 2];

/// What a session is told by the listener; nothing more comes then.
pub(super) enum Told {
    Program(Program),
    /// There is none to be had; why, the log has.
    NoProgram,
    /// Others wait.
    MakeRoom,
    /// The server ends.
    LastWords,
}

/// A connection whose handshake is done.
pub(super) type Tls = TlsStream<WideReads>;

/// How handshakes are done.
#[derive(Clone)]
pub(super) struct Handshakes {
    pub(super) acceptor: TlsAcceptor,
    /// How long one may take.
    pub(super) limit: Duration,
}

impl Handshakes {
    async fn accept(&self, client: WideReads) -> Result<Tls, String> {
        match timeout(self.limit, self.acceptor.accept(client)).await {
            Ok(Ok(tls)) => Ok(tls),
            Ok(Err(reason)) => Err(format!("handshake failed: {}", in_words(&reason))),
            Err(_) => {
                Err(format!("handshake failed: not completed within {} s", self.limit.as_secs()))
            }
        }
    }

    /// The same while others may wait.
    async fn secure(
        &self,
        dialog: &mut Conversation,
        client: WideReads,
    ) -> Result<Transport, String> {
        let tls = dialog.patiently(self.limit, self.accept(client)).await;
        let tls = tls.ok_or("handshake failed: not completed, connection limit reached")??;
        dialog.tls_started();
        Ok(Transport::Secure(Box::new(tls)))
    }
}

/// UCSPI-TLS: TLS once the program asks. Until then the client's socket is not
/// touched, for it is the program's.
pub(super) async fn delayed(
    handshakes: Handshakes,
    client: OwnedFd,
    control: OwnedFd,
    program: Program,
) -> Ended {
    let mut control = unix_stream(control)?;
    let mut octet = [0];
    match control.read(&mut octet).await {
        // The program went without TLS; that is its right.
        Ok(0) | Err(_) => return Ok(()),
        Ok(_) => {}
    }
    let request = Asked::from_octet(octet[0])
        .ok_or_else(|| format!("the program asked for {:#04x}, not for TLS", octet[0]))?;
    let [mut input, output] = connect(program)?;
    let client = socket(client)?;
    let tls = tokio::select! {
        tls = handshakes.accept(client) => tls?,
        () = closed(&mut input) => return Err("the program ended in the handshake".into()),
    };
    if request == Asked::StartAndReport {
        let report = facts::report(tls.get_ref().1);
        // A program that does not want its answer shows that on its streams.
        let _ = timeout(handshakes.limit, control.write_all(&report)).await;
    }
    drop(control);
    relay::relay(tls, Inside::Pair { input, output }).await
}

/// TLS with the first octet; the program is started by the listener when `secured`
/// was told the facts.
pub(super) async fn immediate(
    handshakes: Handshakes,
    client: OwnedFd,
    secured: impl FnOnce(Vec<u8>),
    told: oneshot::Receiver<Told>,
) -> Ended {
    let tls = handshakes.accept(socket(client)?).await?;
    secured(facts::report(tls.get_ref().1));
    // Without a program there is nothing to do.
    let Ok(Told::Program(program)) = told.await else { return Ok(()) };
    let [input, output] = connect(program)?;
    relay::relay(tls, Inside::Pair { input, output }).await
}

/// The dialog, until the client has logged in, and then the session.
pub(super) async fn talk(
    handshakes: Handshakes,
    client: OwnedFd,
    mut dialog: Conversation,
    mut place: Place,
) -> Ended {
    let mut socket = socket(client)?;
    socket.read_narrowly(true);
    let mut client = if dialog.begins_with_tls() {
        handshakes.secure(&mut dialog, socket).await?
    } else {
        Transport::Clear(socket)
    };
    loop {
        client = match (dialog.go_on(&mut client).await?, client) {
            (Turn::StartTls, Transport::Clear(mut socket)) => {
                socket.put_back(dialog.take_unread().octets());
                handshakes.secure(&mut dialog, socket).await?
            }
            (Turn::LogIn(attempt), mut client) => {
                login::log_in(&mut client, &mut dialog, &mut place, attempt).await?;
                client
            }
            (Turn::Over(code), client) => {
                if place.has_begun() {
                    place.ask(Request::Over(code));
                }
                return dialog.close(client).await;
            }
            (Turn::OtherProtocol(spoken), client) => {
                place.report(&spoken.to_string());
                if place.has_begun() {
                    place.ask(Request::Over(OtherProtocol::EXIT_CODE));
                }
                return dialog.close(client).await;
            }
            // There is no TLS inside of TLS.
            (Turn::StartTls, client) => return dialog.close(client).await,
        };
    }
}

fn socket(client: OwnedFd) -> Result<WideReads, String> {
    let client = unblock(&client).and_then(|()| TcpStream::from_std(client.into()));
    client.map(WideReads::new).map_err(|reason| format!("engine: {reason}"))
}

fn in_words(reason: &io::Error) -> String {
    let error = reason.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match error {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the peer does not speak TLS".into()
        }
        Some(Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled,
        )) => "client supports nothing newer than TLS 1.1".into(),
        // What TLS 1.2 begins to say about signatures; a client that does not has SHA-1.
        Some(Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)) => {
            "client supports nothing newer than TLS 1.1 or SHA-1".into()
        }
        Some(Error::NoApplicationProtocol) => "client offers no mail protocol by ALPN".into(),
        Some(error) => error.to_string(),
        None if reason.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection".into()
        }
        None => reason.to_string(),
    }
}

/// Without `close_notify`: anybody on the way could have cut the connection here.
pub(super) const TRUNCATED: &str = "truncated: the peer closed without close_notify";

pub(super) fn lost(reason: &io::Error) -> String {
    format!("connection lost: {reason}")
}

pub(super) fn took_nothing(limit: Duration) -> String {
    format!("client accepted no data for {} s", limit.as_secs())
}

/// Resolves when the program has closed the stream that it reads, which is never
/// written to by it.
async fn closed(input: &mut UnixStream) {
    let mut ignored = [0; 64];
    while !matches!(input.read(&mut ignored).await, Ok(0) | Err(_)) {}
}

fn connect([input, output]: Program) -> Result<[UnixStream; 2], String> {
    Ok([unix_stream(input)?, unix_stream(output)?])
}

pub(super) fn unix_stream(descriptor: OwnedFd) -> Result<UnixStream, String> {
    unblock(&descriptor)
        .and_then(|()| UnixStream::from_std(descriptor.into()))
        .map_err(|reason| format!("engine: {reason}"))
}

/// Makes operations on the descriptor, and on every copy of it, not block. For the
/// client's socket that is only right once the program has given it up.
pub(super) fn unblock(descriptor: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&descriptor)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}
