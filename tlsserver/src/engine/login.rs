//! One login: asked for, waited for, and the session that comes of it.

use proto::channel::session::Said;
use proto::login::Attempt;
use proto::login::outcome::{Heard, Outcome};
use std::os::fd::OwnedFd;

use super::conversation::Conversation;
use super::desk::{Place, Word};
use super::ending::{Ended, Fault};
use super::local_socket::LocalSocket;
use super::relay::{self, Finished};
use super::sockets;
use super::transport::Transport;
use super::waiting::{ANSWERED, told};

/// Tries the login. After it the dialog goes on: the login was refused, or all is over.
/// An error is of the network, and what the log should say.
pub(super) async fn log_in(
    client: &mut Transport,
    dialog: &mut Conversation,
    place: &mut Place,
    attempt: Attempt,
) -> Ended {
    let begins = dialog.unless_cut(place.begin());
    let Some(begun) = told(ANSWERED, client.socket(), begins).await?.flatten() else {
        dialog.give_up();
        return Ok(());
    };
    if !begun || !place.log_in(|| client.facts(), attempt) {
        dialog.outcome(Outcome::Temporary);
        return Ok(());
    }
    // In time, says the monitor, and some of it is the way to it.
    let limit = dialog.time_left() + ANSWERED;
    match told(limit, client.socket(), stream(place)).await? {
        Some(Ok(stream)) => {
            return hold_session(client, dialog, place, sockets::stream(stream)?).await;
        }
        Some(Err(outcome)) => dialog.outcome(outcome),
        None => {
            place.report(&Fault::NoAnswer(limit));
            dialog.give_up();
        }
    }
    Ok(())
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
    let (words, spoke) = place.words();
    let finished = relay::session(client, unread, stream, words, spoke).await;
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
        // What is left to be said is lost with the client.
        None => told(ANSWERED, client.socket(), how_it_ended(place)).await.ok().flatten().flatten(),
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

/// What became of a login whose program's stream has ended.
async fn how_it_ended(place: &mut Place) -> Option<Outcome> {
    loop {
        match place.word().await? {
            Word::Outcome(outcome) => return Some(outcome),
            Word::Stream(_) | Word::LoggedIn => {}
        }
    }
}

#[cfg(test)]
mod tests;
