//! One connection, from the program's request to its end.

use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::server::Request as Asked;
use rustls::ProtocolVersion;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::conversation::{Conversation, Turn};
use super::desk::Place;
use super::ending::{Ended, Fault, ProgramEnds};
use super::local_socket::LocalSocket;
use super::relay::{ProgramEnded, ProgramStream};
use super::tls::{Shown, Subject};
use super::transport::{Tls, Transport};
use super::waiting::{ANSWERED, told};
use super::wide_reads::WideReads;
use super::{facts, login, relay, sockets};

/// What a session hears of the program that it has asked for: none, where there is none to be
/// had; why, the log has.
pub(super) type Started = Option<ProgramEnds>;

/// How handshakes are done.
#[derive(Clone)]
pub(super) struct Handshakes {
    pub(super) acceptor: TlsAcceptor,
    pub(super) shown: Shown,
    /// How long one may take.
    pub(super) limit: Duration,
}

impl Handshakes {
    /// A handshake; says also whom the certificate is for that the client was shown.
    async fn accept(&self, client: WideReads) -> Result<(Box<Tls>, Option<Subject>), Fault> {
        // Else every session would keep room for it to its end.
        let mut handshake = Box::pin(self.acceptor.accept(client).into_fallible());
        let mut subject = None;
        let done = poll_fn(|context| {
            let done = handshake.as_mut().poll(context);
            // Before another handshake can have chosen one.
            if let Some(shown) = self.shown.take() {
                subject = Some(shown);
            }
            done.map_ok(Box::new).map_err(|(reason, mut client)| {
                client.hold(false);
                // What the client is told of it, as far as there is room for it.
                let _ = Pin::new(&mut client).poll_flush(context);
                reason
            })
        });
        match timeout(self.limit, done).await {
            Ok(accepted) => Ok((accepted.map_err(Fault::Handshake)?, subject)),
            Err(_) => Err(Fault::HandshakeTooLong(self.limit)),
        }
    }

    /// The same while others may wait. A client may have done its part when the server ends,
    /// and wait for an answer: it is told through TLS.
    async fn secure(
        &self,
        dialog: &mut Conversation,
        mut client: WideReads,
    ) -> Result<Transport, Fault> {
        client.hold(true);
        let tls = dialog.finish(self.limit, self.accept(client)).await;
        let cut = || dialog.cut().map_or(Fault::HandshakeTooLong(self.limit), Fault::HandshakeCut);
        let (mut tls, subject) = tls.ok_or_else(cut)??;
        tls.get_mut().0.hold(false);
        if tls.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            // The client waits for what it ends with.
            dialog.flush(&mut tls).await?;
        }
        dialog.tls_started();
        Ok(Transport::Secure(tls, subject))
    }
}

/// UCSPI-TLS: TLS once the program asks. Until then the client's socket is not
/// touched, for it is the program's. `asked` is told when it does.
pub(super) async fn delayed(
    handshakes: Handshakes,
    client: OwnedFd,
    control: OwnedFd,
    (program, its_end): (ProgramEnds, ProgramEnded),
    asked: impl FnOnce(),
) -> Ended {
    let mut control = sockets::stream(control)?;
    let mut octet = [0];
    match control.read(&mut octet).await {
        // The program has ended, or goes on without TLS.
        Ok(0) | Err(_) => return Ok(()),
        Ok(_) => {}
    }
    asked();
    let request = Asked::from_octet(octet[0]).ok_or(Fault::NotTls(octet[0]))?;
    let mut program = connect(program)?;
    let client = sockets::client(client)?;
    let (tls, subject) = tokio::select! {
        tls = handshakes.accept(client) => tls?,
        () = closed(program.input()) => return Err(Fault::ProgramEnded),
    };
    if request == Asked::StartAndReport {
        let report = facts::report(tls.get_ref().1, subject.as_deref());
        // A program that does not want its answer shows that on its streams.
        let _ = timeout(handshakes.limit, control.write_all(&report)).await;
    }
    drop(control);
    relay::relay(Transport::Secure(tls, None), program, its_end).await
}

/// TLS with the first octet; the program is started by the listener when `secured`
/// was told the facts.
pub(super) async fn immediate(
    handshakes: Handshakes,
    client: OwnedFd,
    secured: impl FnOnce(Vec<u8>),
    (started, its_end): (oneshot::Receiver<Started>, ProgramEnded),
) -> Ended {
    let (tls, subject) = handshakes.accept(sockets::client(client)?).await?;
    secured(facts::report(tls.get_ref().1, subject.as_deref()));
    match program(tls.get_ref().0, started).await? {
        Some(program) => {
            let client = Transport::Secure(tls, None);
            relay::relay(client, connect(program)?, its_end).await
        }
        // There is nothing to do.
        None => Ok(()),
    }
}

/// The program of a client, which the listener starts.
async fn program(
    client: &WideReads,
    started: oneshot::Receiver<Started>,
) -> Result<Option<ProgramEnds>, Fault> {
    match told(ANSWERED, client, started).await? {
        Some(program) => Ok(program.ok().flatten()),
        None => Err(Fault::NoAnswer(ANSWERED)),
    }
}

/// The dialog, until the client has logged in, and then the session.
pub(super) async fn talk(
    handshakes: Handshakes,
    client: OwnedFd,
    mut dialog: Box<Conversation>,
    mut place: Place,
) -> Ended {
    let mut socket = sockets::client(client)?;
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
                place.over(code);
                return dialog.close(client).await;
            }
            (Turn::OtherProtocol(spoken), client) => {
                place.report(&Fault::OtherProtocol(spoken));
                place.over(OtherProtocol::EXIT_CODE);
                return dialog.close(client).await;
            }
            // There is no TLS inside of TLS.
            (Turn::StartTls, client) => return dialog.close(client).await,
        };
    }
}

/// Resolves when the program has closed the stream that it reads, which is never
/// written to by it.
async fn closed(input: &mut LocalSocket) {
    let mut ignored = [0; 64];
    while !matches!(input.read(&mut ignored).await, Ok(0) | Err(_)) {}
}

fn connect([input, output]: ProgramEnds) -> Result<ProgramStream, Fault> {
    Ok(ProgramStream::Pair { input: sockets::stream(input)?, output: sockets::stream(output)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    fn room<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Its place would be taken for good.
    #[tokio::test(start_paused = true)]
    async fn a_client_whose_program_never_comes_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _visitor = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = listener.accept().await.unwrap().0.into_std().unwrap();
        let client = sockets::client(socket.into()).unwrap();
        let (_says, told) = oneshot::channel();
        let why = program(&client, told).await.unwrap_err();
        assert_eq!(why.to_string(), "no answer within 60 s");
        let (says, told) = oneshot::channel();
        assert!(says.send(None).is_ok());
        assert!(matches!(program(&client, told).await, Ok(None)));
    }

    /// Each of thousands that are idle would have it.
    #[test]
    fn a_session_has_no_room_for_what_comes_before_it() {
        let delayed = room(|a, b, c, d| delayed(a, b, c, d, || ()));
        for room in [room(talk), delayed] {
            assert!(room < 2_000, "{room} octets");
        }
    }
}
