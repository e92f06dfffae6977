//! What the system has too little of for a while, memory as a rule: which errors say so, and a
//! moment's pause before it is tried again, as nothing says when there is enough. Called where a
//! process waits, and where it sends something; one that serves many others meanwhile has a
//! clock of its own for that.

use rustix::event::{Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::time::{Duration, Instant};

/// How soon it is tried again: a lasting shortage costs twenty tries a second.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How long a message to another process of ours is tried: less than anybody waits for what it
/// answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether an error of send(2) or poll(2) says that it may do later.
#[must_use]
pub fn is_short(errno: Errno) -> bool {
    matches!(errno, Errno::NOMEM | Errno::NOBUFS)
}

/// Lets a moment pass. To wait for no descriptor takes no memory, and a jail allows it.
///
/// # Errors
/// What poll says, so that nobody spins.
pub fn pause() -> io::Result<()> {
    match poll(&mut [], Some(&PAUSE)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Until when a message to another process of ours is tried that is made now.
#[must_use]
pub fn patience() -> Instant {
    Instant::now() + PATIENCE
}

/// Has something sent to another process of ours, for up to three seconds where there is too
/// little for it. All that the caller serves stands still meanwhile.
///
/// # Errors
/// What `sends` says.
pub fn overcome<T>(sends: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    overcome_until(patience(), sends)
}

/// The same until then, and once at least: for who answers several, one after the other.
///
/// # Errors
/// What `sends` says.
pub fn overcome_until<T>(
    until: Instant,
    mut sends: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match sends() {
            Err(reason)
                if Errno::from_io_error(&reason).is_some_and(is_short)
                    && Instant::now() < until =>
            {
                pause()?;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_too_little_for_is_tried_again_and_nothing_else_is() {
        for (errors, expected) in [
            (vec![Errno::NOBUFS, Errno::NOMEM], Ok(3)),
            (vec![Errno::NOMEM, Errno::PIPE], Err(io::ErrorKind::BrokenPipe)),
            (vec![], Ok(1)),
        ] {
            let mut errors = errors.into_iter();
            let mut tries = 0;
            let done = overcome(|| {
                tries += 1;
                errors.next().map_or(Ok(tries), |errno| Err(errno.into()))
            });
            assert_eq!(done.map_err(|reason| reason.kind()), expected);
        }
    }

    #[test]
    fn once_the_time_is_over_it_is_tried_once_more_only() {
        let mut tries = 0;
        let done = overcome_until(Instant::now(), || {
            tries += 1;
            Err::<(), _>(Errno::NOBUFS.into())
        });
        assert!(done.is_err());
        assert_eq!(tries, 1);
    }
}
