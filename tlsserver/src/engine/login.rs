//! One login: asked for, waited for, and the session that comes of it.

use proto::channel::session::Said;
use proto::login::Attempt;
use proto::login::outcome::{Heard, Outcome};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::time::timeout;

use super::conversation::Conversation;
use super::desk::{Place, Word};
use super::ending::{Ended, Fault};
use super::local_socket::LocalSocket;
use super::relay::{self, Finished};
use super::sockets;
use super::transport::Transport;

/// How long the listener may take to make a client known.
const ANNOUNCED: Duration = Duration::from_secs(60);
/// How long the end of a program whose stream has ended is waited for.
const ENDED: Duration = Duration::from_secs(60);

/// Tries the login. After it the dialog goes on: the login was refused, or all is over.
/// An error is of the network, and what the log should say.
pub(super) async fn log_in(
    client: &mut Transport,
    dialog: &mut Conversation,
    place: &mut Place,
    attempt: Attempt,
) -> Ended {
    match dialog.patiently(ANNOUNCED, place.begin()).await {
        Some(Some(begun)) if place.log_in(begun, client.facts(), attempt) => {}
        Some(_) => {
            dialog.outcome(Outcome::Temporary);
            return Ok(());
        }
        None => {
            dialog.give_up();
            return Ok(());
        }
    }
    match stream(place).await {
        Ok(stream) => hold_session(client, dialog, place, sockets::stream(stream)?).await,
        Err(outcome) => {
            dialog.outcome(outcome);
            Ok(())
        }
    }
}

/// The program's stream, or what became of the login without one.
async fn stream(place: &mut Place) -> Result<OwnedFd, Outcome> {
    loop {
        match place.word().await {
            Some(Word::Stream(Some(stream))) => return Ok(stream),
            // The program reads an end, and has one.
            Some(Word::Stream(None)) => {
                place.report(&Fault::NoDescriptors);
                return Err(Outcome::CannotOpenPipe);
            }
            Some(Word::Outcome(outcome)) => return Err(outcome),
            Some(Word::LoggedIn) => {}
            None => return Err(Outcome::Temporary),
        }
    }
}

/// What comes behind the login, which may be refused yet.
async fn hold_session(
    client: &mut Transport,
    dialog: &mut Conversation,
    place: &mut Place,
    stream: LocalSocket,
) -> Ended {
    client.read_narrowly(false);
    let unread = dialog.take_unread();
    let finished = relay::session(client, unread, stream, place.words()).await;
    client.read_narrowly(true);
    let Finished { unread, heard, outcome, gone, failure } = finished;
    let said = heard != Heard::Nothing;
    let has_been_heard = said || gone || failure.is_some();
    place.stream_ended(if has_been_heard { Said::Something } else { Said::Nothing });
    if let Some(fault) = failure {
        return Err(fault);
    }
    if gone {
        dialog.outcome(Outcome::Completed(0));
        return Ok(());
    }
    dialog.put_back(unread);
    let outcome = match outcome {
        Some(outcome) => Some(outcome),
        None => how_it_ended(place).await,
    };
    if let Some(Outcome::Completed(_)) = outcome {
        place.leave();
    }
    match outcome {
        Some(Outcome::Completed(_)) if !said => dialog.outcome(Outcome::NotStarted),
        Some(outcome) => dialog.session_ended(outcome, heard),
        // What was said stands.
        None if said => dialog.outcome(Outcome::Completed(0)),
        // The monitor is gone with what was tried; another may try again.
        None if !place.has_begun() => dialog.outcome(Outcome::Temporary),
        None => dialog.outcome(Outcome::CannotWait),
    }
    Ok(())
}

async fn how_it_ended(place: &mut Place) -> Option<Outcome> {
    let ended = async {
        loop {
            match place.word().await? {
                Word::Outcome(outcome) => return Some(outcome),
                Word::Stream(_) | Word::LoggedIn => {}
            }
        }
    };
    timeout(ENDED, ended).await.ok().flatten()
}
