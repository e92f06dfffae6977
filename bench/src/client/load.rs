//! Many clients at once, for as long as a measurement takes.

use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use test_support::client::Stream;

use super::Conversation;

/// A client's thread needs little.
const STACK: usize = 256 * 1024;

/// What many sessions came to.
#[derive(Default)]
pub(crate) struct Sessions {
    /// How long each took that came to its end.
    times: Vec<Duration>,
    pub(crate) failed: usize,
    elapsed: Duration,
}

impl Sessions {
    /// Milliseconds.
    pub(crate) fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    pub(crate) fn each_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Those that failed too.
    pub(crate) fn count(&self) -> usize {
        self.times.len() + self.failed
    }
}

/// Has as many clients do one session after the other, for as long.
pub(crate) fn sessions(
    port: u16,
    conversation: Conversation,
    config: &Arc<ClientConfig>,
    clients: usize,
    duration: Duration,
) -> Sessions {
    let begin = Instant::now();
    let one_client = || {
        let mut done = Sessions::default();
        while begin.elapsed() < duration {
            let began = Instant::now();
            match conversation.run(port, config) {
                Ok(()) => done.times.push(began.elapsed()),
                Err(_) => done.failed += 1,
            }
        }
        done
    };
    let mut all = Sessions::default();
    thread::scope(|scope| {
        let thread = || thread::Builder::new().stack_size(STACK).spawn_scoped(scope, one_client);
        let clients: Vec<_> = (0..clients).map(|_| thread()).collect();
        for done in clients.into_iter().map(|client| client.ok().and_then(|it| it.join().ok())) {
            let done = done.unwrap_or_default();
            all.times.extend(done.times);
            all.failed += done.failed;
        }
    });
    all.elapsed = begin.elapsed();
    all
}

/// Opens as many connections, a few at a time.
pub(crate) fn hold(
    port: u16,
    conversation: Conversation,
    config: &Arc<ClientConfig>,
    count: usize,
) -> io::Result<Vec<Stream>> {
    let next = AtomicUsize::new(0);
    let open_some = || {
        let mut held = Vec::new();
        while next.fetch_add(1, Ordering::Relaxed) < count {
            held.push(conversation.open(port, config)?);
        }
        Ok(held)
    };
    thread::scope(|scope| {
        let some: Vec<_> = (0..8).map(|_| scope.spawn(open_some)).collect();
        let mut held = Vec::with_capacity(count);
        for one in some {
            let one: io::Result<Vec<Stream>> =
                one.join().map_err(|_| io::Error::other("client"))?;
            held.extend(one?);
        }
        Ok(held)
    })
}
