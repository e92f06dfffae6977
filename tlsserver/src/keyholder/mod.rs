//! The keyholder: reads certificates and keys while it is still root, jails itself,
//! and then signs what engines ask it to.
//!
//! Started by the listener with the control channel as descriptor 0. What it is to
//! read is in its environment, so the listener never sees a PEM file. It serves the
//! engines of one reading of the files: a reload starts another keyholder.

pub mod certificates;
mod signing;

use proto::channel::LONGEST;
use proto::channel::keyholder::{ANSWER, FromKeyholder};
use proto::exit_code;
use rustix::event::PollFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::{fmt, io};
use unix::deadline::ready_sources;
use unix::descriptor_passing::send;
use unix::jail::{self, NoIdentity, Profile};
use unix::shortage::{overcome_until, patience};

use crate::NoRandomOctets;
use crate::environment;
use crate::incoming::{Incoming, take_with_descriptors};
use crate::last_words;
use certificates::Loaded;
use signing::Keys;

/// The name under which the program is this process.
pub const NAME: &str = "tlsserver-keyholder";

/// Runs until nobody is left who could ask.
#[must_use]
pub fn run() -> ExitCode {
    let control = io::stdin();
    let report = |message: &FromKeyholder| send(&control, &message.encode(), &[]);
    let keys = match prepare() {
        Ok(Loaded { keys, certificates, validities, warnings }) => {
            let certificates = certificates.into_iter().map(FromKeyholder::Certificate);
            let validities = validities.into_iter().map(FromKeyholder::Validity);
            let warnings = warnings.into_iter().map(FromKeyholder::Warning);
            let mut messages = certificates.chain(validities).chain(warnings);
            let reported = messages.try_for_each(|message| report(&message));
            if reported.and_then(|()| report(&FromKeyholder::Ready)).is_err() {
                return ExitCode::from(exit_code::TEMPORARY);
            }
            keys
        }
        Err(why) => {
            // That the listener is gone is no news to anybody.
            let _ = report(&FromKeyholder::Broken(why.to_string()));
            return ExitCode::from(exit_code::TEMPORARY);
        }
    };
    match serve(&control, &keys) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            last_words::report(&FromKeyholder::Says(reason.to_string()).encode());
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

/// Why it cannot start.
enum CannotStart {
    Identity(NoIdentity),
    Files(certificates::Failure),
    NoRandomOctets(NoRandomOctets),
    Log(io::Error),
    Jail(jail::Failure),
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(why) => why.fmt(f),
            Self::Files(why) => why.fmt(f),
            Self::NoRandomOctets(why) => why.fmt(f),
            Self::Log(reason) => write!(f, "keyholder: {reason}"),
            Self::Jail(why) => write!(f, "keyholder: {why}"),
        }
    }
}

fn prepare() -> Result<Loaded, CannotStart> {
    unix::open_descriptors::close_others(&[]);
    jail::set_name(c"tlsserver-keyho");
    unix::disposition::ignore_hangups();
    let variables = environment::inherited();
    let identity = environment::jail_identity(&variables).map_err(CannotStart::Identity)?;
    let loaded = certificates::load(&variables).map_err(CannotStart::Files)?;
    crate::warm_up().map_err(CannotStart::NoRandomOctets)?;
    last_words::leave_the_log(|words| FromKeyholder::Says(words).encode())
        .map_err(CannotStart::Log)?;
    jail::enter(Profile::Signer, Some(identity)).map_err(CannotStart::Jail)?;
    Ok(loaded)
}

/// Answers until the listener and all engines are gone.
fn serve(control: impl AsFd, keys: &Keys) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    let mut engines: Vec<OwnedFd> = Vec::new();
    let mut listener_is_there = true;
    while listener_is_there || !engines.is_empty() {
        let (control_ready, ready) = wait(&control, listener_is_there, &engines)?;
        // One for all: the listener takes one that keeps it waiting for stuck.
        let until = patience();
        // Backwards, so that removing one does not move those still to be looked at.
        for index in ready.into_iter().rev() {
            let answers = |engine: &OwnedFd| keys.answer(engine, &mut buffer, until).is_ok();
            if !engines.get(index).is_none_or(answers) {
                engines.swap_remove(index);
            }
        }
        if control_ready {
            let is_question = |message: &[u8]| Some(message == ANSWER);
            match take_with_descriptors(&control, &mut buffer, is_question) {
                Incoming::Message((true, _)) => {
                    let answer = FromKeyholder::Ready.encode();
                    overcome_until(until, || send(&control, &answer, &[]))?;
                }
                Incoming::Message((false, channel)) => engines.extend(channel),
                Incoming::Nothing => {}
                Incoming::End => listener_is_there = false,
            }
        }
    }
    Ok(())
}

/// Waits; says whether the control channel has something and which engines have.
fn wait(
    control: &impl AsFd,
    listener_is_there: bool,
    engines: &[OwnedFd],
) -> io::Result<(bool, Vec<usize>)> {
    let engines = engines.iter().enumerate();
    let mut sources: Vec<_> =
        engines.map(|(index, engine)| (Some(index), engine.as_fd(), PollFlags::IN)).collect();
    if listener_is_there {
        sources.push((None, control.as_fd(), PollFlags::IN));
    }
    let ready = ready_sources(sources, None)?;
    Ok((ready.contains(&None), ready.into_iter().flatten().collect()))
}
