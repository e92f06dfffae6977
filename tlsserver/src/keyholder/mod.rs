//! The keyholder: reads certificates and keys while it is still root, jails itself,
//! and then signs what engines ask it to.
//!
//! Started by the listener with the control channel as descriptor 0. What it is to
//! read is in its environment, so the listener never sees a PEM file. It serves the
//! engines of one reading of the files: a reload starts another keyholder.

mod certificates;
mod signing;

use proto::channel::LONGEST;
use proto::channel::keyholder::{ANSWER, FromKeyholder};
use proto::exit_code;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::{env, io};
use unix::descriptor_passing::{receive, send};
use unix::jail::{self, Inmate};

use crate::environment::{self, Variables};
use crate::last_words;
use certificates::Loaded;
use signing::Keys;

/// The name under which the program is this process.
pub const NAME: &str = "tlsserver-keyholder";

/// Runs until nobody is left who could ask.
#[must_use]
pub fn run() -> ExitCode {
    let control = io::stdin();
    let say = |message: &FromKeyholder| send(&control, &message.encode(), &[]);
    let keys = match prepare() {
        Ok(Loaded { keys, certificates, validities, warnings }) => {
            let certificates = certificates.into_iter().map(FromKeyholder::Certificate);
            let validities = validities.into_iter().map(FromKeyholder::Validity);
            let warnings = warnings.into_iter().map(FromKeyholder::Warning);
            let mut messages = certificates.chain(validities).chain(warnings);
            let said = messages.try_for_each(|message| say(&message));
            if said.and_then(|()| say(&FromKeyholder::Ready)).is_err() {
                return ExitCode::from(exit_code::TEMPORARY);
            }
            keys
        }
        Err(why) => {
            // That the listener is gone is no news to anybody.
            let _ = say(&FromKeyholder::Broken(why));
            return ExitCode::from(exit_code::TEMPORARY);
        }
    };
    match serve(&control, &keys) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            last_words::say(&FromKeyholder::Says(reason.to_string()).encode());
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

fn prepare() -> Result<Loaded, String> {
    unix::open_descriptors::close_others(&[]);
    jail::set_name(c"tlsserver-keyho");
    let variables: Variables = env::vars_os().collect();
    let identity = environment::jail_identity(&variables).map_err(|why| why.to_string())?;
    let loaded = certificates::load(&variables).map_err(|why| why.to_string())?;
    crate::warm_up()?;
    last_words::leave_the_log(|words| FromKeyholder::Says(words).encode())
        .map_err(|why| format!("keyholder: {why}"))?;
    jail::enter(Inmate::Signer, Some(identity)).map_err(|why| format!("keyholder: {why}"))?;
    Ok(loaded)
}

/// Answers until the listener and all engines are gone.
fn serve(control: impl AsFd, keys: &Keys) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    let mut engines: Vec<OwnedFd> = Vec::new();
    let mut listener_is_there = true;
    while listener_is_there || !engines.is_empty() {
        let (control_ready, ready) = wait(&control, listener_is_there, &engines)?;
        // Backwards, so that removing one does not move those still to be looked at.
        for index in ready.into_iter().rev() {
            if engines.get(index).is_some_and(|engine| keys.answer(engine, &mut buffer).is_err()) {
                engines.swap_remove(index);
            }
        }
        if control_ready {
            let message = receive(&control, &mut buffer)?;
            listener_is_there = message.length > 0;
            engines.extend(message.descriptors);
            if buffer.get(..message.length) == Some(ANSWER) {
                send(&control, &FromKeyholder::Ready.encode(), &[])?;
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
    let mut waiting: Vec<PollFd<'_>> =
        engines.iter().map(|engine| PollFd::new(engine, PollFlags::IN)).collect();
    if listener_is_there {
        waiting.push(PollFd::new(control, PollFlags::IN));
    }
    match poll(&mut waiting, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(reason) => return Err(reason.into()),
    }
    let mut ready: Vec<usize> = waiting
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.revents().is_empty())
        .map(|(index, _)| index)
        .collect();
    let control_ready = ready.pop_if(|index| *index == engines.len()).is_some();
    Ok((control_ready, ready))
}
