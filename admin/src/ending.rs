//! What is to be done before a signal ends the program: whoever has something to clear or to put
//! back says so for as long as that is true.
//!
//! One thread waits for the signals, for all who ask. It is there from the first of them on,
//! and ends the program as the signal would have.

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::process::exit;
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// The signals that end a program unless it asks for them, but those that tell of a fault of
/// its own, and those of writing, which are ignored.
const ENDING: [i32; 10] =
    [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU];

/// What is to be done about a signal.
type Act = Box<dyn FnOnce(i32) + Send>;

/// All of it, the newest last, each with its number; and whether the thread is there.
struct Acts {
    list: Vec<(u64, Act)>,
    next: u64,
    is_watched: bool,
}

static ACTS: Mutex<Acts> = Mutex::new(Acts { list: Vec::new(), next: 0, is_watched: false });

/// Withdraws what was to be done, when this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Guard(u64);

/// Has this done before a signal ends the program.
///
/// # Errors
/// The system's: then the program is to end, as signals may not end it any more.
pub(crate) fn before(act: impl FnOnce(i32) + Send + 'static) -> io::Result<Guard> {
    let mut acts = ACTS.lock().unwrap_or_else(PoisonError::into_inner);
    if !acts.is_watched {
        let mut signals = Signals::new(ENDING)?;
        // Not thread::spawn, which panics where there can be no other process.
        Builder::new().spawn(move || {
            if let Some(signal) = signals.forever().next() {
                end_by(signal);
            }
        })?;
        acts.is_watched = true;
    }
    let number = acts.next;
    acts.next += 1;
    acts.list.push((number, Box::new(act)));
    Ok(Guard(number))
}

/// Does all of it, the newest first, and ends as this signal has programs end. The lock is kept:
/// nothing is withdrawn or added any more.
fn end_by(signal: i32) -> ! {
    let mut acts = ACTS.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some((_, act)) = acts.list.pop() {
        act(signal);
    }
    let _ = emulate_default_handler(signal);
    exit(128 + signal);
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut acts = ACTS.lock().unwrap_or_else(PoisonError::into_inner);
        acts.list.retain(|(number, _)| *number != self.0);
    }
}
