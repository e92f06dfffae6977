//! What a login is waited for when nobody answers: by a real desk, with the test at the other
//! ends of the channels, and a clock that goes on to what is due next.

use super::*;
use crate::engine::conversation::Turn;
use crate::engine::conversation::tests::{LOGIN, begin};
use crate::engine::desk::Desk;
use crate::engine::ending::Cut;
use proto::channel::engine::FromEngine;
use rustix::net::sockopt::set_socket_linger;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::pause;
use unix::descriptor_passing::channel;

const ID: u64 = 7;

/// A client that has asked for a login, as its engine has it.
struct Visit {
    visitor: Option<TcpStream>,
    client: Transport,
    dialog: Conversation,
    place: Place,
    attempt: Option<Attempt>,
    reports: mpsc::UnboundedReceiver<FromEngine>,
    desk: Desk,
    _listener: oneshot::Sender<Cut>,
    _monitor: OwnedFd,
}

async fn visit() -> Visit {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut visitor = TcpStream::connect(address).await.unwrap();
    let socket = listener.accept().await.unwrap().0.into_std().unwrap();
    let mut client = Transport::Clear(sockets::client(socket.into()).unwrap());
    let (listener, told) = oneshot::channel();
    let mut dialog = begin(true, 30, told);
    visitor.write_all(LOGIN.as_bytes()).await.unwrap();
    let Ok(Turn::LogIn(attempt)) = dialog.go_on(&mut client).await else { panic!("no login") };
    let (ours, monitor) = channel().unwrap();
    let desk = Desk::default();
    desk.connect(ours).unwrap();
    let (says, reports) = mpsc::unbounded_channel();
    let place = desk.place(ID, says);
    let (visitor, attempt) = (Some(visitor), Some(attempt));
    let (_listener, _monitor) = (listener, monitor);
    Visit { visitor, client, dialog, place, attempt, reports, desk, _listener, _monitor }
}

impl Visit {
    async fn logs_in(mut self, is_answered: bool) -> (Ended, Self) {
        let Self { client, dialog, place, attempt, reports, desk, .. } = &mut self;
        let attempt = attempt.take().unwrap();
        let answers = async {
            assert_eq!(reports.recv().await, Some(FromEngine::LogsIn(ID)));
            if is_answered {
                desk.answered(ID, true);
            }
        };
        let (ended, ()) = tokio::join!(log_in(client, dialog, place, attempt), answers);
        (ended, self)
    }

    /// The client goes, without an end of its side of the stream.
    fn resets(&mut self) {
        let visitor = self.visitor.take().unwrap();
        set_socket_linger(&visitor, Some(Duration::ZERO)).unwrap();
    }

    /// The client is told what it is told when its time is over, and that is all.
    async fn ends_for_want_of_time(mut self) {
        let turn = self.dialog.go_on(&mut self.client).await;
        assert!(matches!(turn, Ok(Turn::Over(_))));
        drop(self.client);
        let mut heard = String::new();
        self.visitor.unwrap().read_to_string(&mut heard).await.unwrap();
        assert!(heard.ends_with("451 authup timeout (#4.4.2)\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn a_monitor_that_says_nothing_of_a_login_keeps_no_client() {
    let visit = visit().await;
    pause();
    let (ended, mut visit) = visit.logs_in(true).await;
    assert_eq!(ended, Ok(()));
    let Ok(FromEngine::Failed(ID, why)) = visit.reports.try_recv() else { panic!("not said") };
    // The time for a login, of which some has gone, and a minute.
    assert!(why.starts_with("no answer within 1"), "{why}");
    visit.ends_for_want_of_time().await;
}

#[tokio::test]
async fn nor_does_a_listener_that_does_not_make_it_known() {
    let visit = visit().await;
    pause();
    let (ended, visit) = visit.logs_in(false).await;
    assert_eq!(ended, Ok(()));
    visit.ends_for_want_of_time().await;
}

#[tokio::test]
async fn a_client_that_is_lost_is_not_waited_with() {
    for is_answered in [true, false] {
        let mut visit = visit().await;
        visit.resets();
        let (ended, _) = visit.logs_in(is_answered).await;
        assert!(matches!(ended, Err(Fault::Lost(_))), "{ended:?}");
    }
}

/// It has said its last, and waits for the answer.
#[tokio::test]
async fn one_that_says_nothing_more_is() {
    let mut visit = visit().await;
    visit.visitor.as_mut().unwrap().shutdown().await.unwrap();
    pause();
    let (ended, visit) = visit.logs_in(true).await;
    assert_eq!(ended, Ok(()));
    drop(visit);
}
