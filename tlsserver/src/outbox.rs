//! Messages to another process, in their order, without ever waiting for it: what its
//! channel does not take now is kept until it does.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use unix::descriptor_passing::send;
use zeroize::Zeroizing;

/// How soon it is tried again to send what the system had too little for: the channel says that it
/// has room all the time.
const PAUSE: Duration = Duration::from_millis(50);

type Message = (Zeroizing<Vec<u8>>, Vec<OwnedFd>);

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The other side will hear it.
    Now,
    /// There is no room for it now.
    Later,
    /// The other side is gone, which its end says, too.
    Gone,
}

/// Whether a descriptor that was just made may be kept for another process, which has not taken
/// what it was sent before. `reserved`: of how many descriptors, so many are not for that.
///
/// # Errors
/// There are too many as it is.
pub(crate) fn may_keep(descriptor: &OwnedFd, reserved: impl FnOnce(u64) -> u64) -> io::Result<()> {
    // The lowest number that was free, and so about the count of all.
    let count = u64::from(descriptor.as_raw_fd().unsigned_abs());
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if count < most.saturating_sub(reserved(most)) { Ok(()) } else { Err(Errno::MFILE.into()) }
}

/// A channel, which does not block, and what is still to be sent on it.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: OwnedFd,
    kept: VecDeque<Message>,
    paused_until: Option<Instant>,
}

impl Outbox {
    pub(crate) const fn new(channel: OwnedFd) -> Self {
        Self { channel, kept: VecDeque::new(), paused_until: None }
    }

    /// Whether something waits for the channel to take it.
    pub(crate) fn is_behind(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Up to when it is not to be waited for room in the channel, but for the system.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.paused_until.filter(|until| *until > now)
    }

    /// How much that is.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Sends it, as soon as may be: also where the system is short of something now, such as
    /// memory, or descriptors that may be under way.
    pub(crate) fn send(&mut self, octets: impl Into<Vec<u8>>, descriptors: Vec<OwnedFd>) {
        self.kept.push_back((Zeroizing::new(octets.into()), descriptors));
        self.flush();
    }

    /// Sends it now or not at all, and not before what is still to be sent.
    ///
    /// # Errors
    /// The system's, where it is short of something.
    pub(crate) fn send_now(
        &self,
        octets: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Sent> {
        if self.is_behind() { Ok(Sent::Later) } else { self.try_to_send(octets, descriptors) }
    }

    fn try_to_send(&self, octets: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<Sent> {
        match send(&self.channel, octets, descriptors) {
            Ok(()) => Ok(Sent::Now),
            Err(reason) => match reason.kind() {
                io::ErrorKind::WouldBlock => Ok(Sent::Later),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(Sent::Gone),
                _ => Err(reason),
            },
        }
    }

    /// Goes on where the channel was full. What the system has nothing left for now is tried
    /// again, and comes before all that follows it.
    pub(crate) fn flush(&mut self) {
        self.paused_until = None;
        while let Some((octets, descriptors)) = self.kept.front() {
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            match self.try_to_send(octets, &descriptors) {
                Ok(Sent::Now | Sent::Gone) => drop(self.kept.pop_front()),
                Ok(Sent::Later) => return,
                Err(_) => return self.pause(),
            }
        }
    }

    /// The system is short of something: it is tried again after a moment.
    pub(crate) fn pause(&mut self) {
        self.paused_until = Some(Instant::now() + PAUSE);
    }
}

impl AsFd for Outbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rustix::process::{Resource, Rlimit, Uid, getrlimit, setrlimit};
    use rustix::thread::set_thread_res_uid;
    use std::process::Command;
    use test_support::run::succeeds;
    use unix::capabilities::keep_only;
    use unix::descriptor::unblock;
    use unix::descriptor_passing::{channel, receive};

    /// Has this test run by a process of its own, which may have so many descriptors, and as
    /// many under way: all processes of a user's together, unless they have root's powers.
    #[expect(clippy::disallowed_methods, reason = "the variable is this function's own")]
    pub(crate) fn with_few_descriptors(test: &str, count: u64, body: impl FnOnce()) {
        const INSIDE: &str = "TEST_WITH_FEW_DESCRIPTORS";
        if std::env::var_os(INSIDE).is_some() {
            // Not those of the user for whom all tests run.
            let root = Uid::ROOT;
            let _ = set_thread_res_uid(Uid::from_raw(4720), root, root);
            keep_only(&[]).unwrap();
            let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).unwrap();
            return body();
        }
        let mut itself = Command::new(std::env::current_exe().unwrap());
        let said = succeeds(itself.args(["--exact", test, "--nocapture"]).env(INSIDE, ""));
        assert!(said.contains("1 passed"), "{said}");
    }

    const SHORT: &str = "outbox::tests::what_the_system_is_short_of_loses_nothing";

    #[test]
    fn what_the_system_is_short_of_loses_nothing() {
        with_few_descriptors(SHORT, 64, || {
            let (ours, theirs) = channel().unwrap();
            unblock(&ours).unwrap();
            let mut outbox = Outbox::new(ours);
            let descriptors = [theirs.as_fd(); 4];
            let sent = (0_u32..).find_map(|number| {
                let sent = outbox.send_now(&number.to_be_bytes(), &descriptors);
                if matches!(sent, Ok(Sent::Now)) { None } else { Some((number, sent)) }
            });
            let (number, sent) = sent.unwrap();
            let why = sent.unwrap_err().raw_os_error();
            assert_eq!(why, Some(Errno::TOOMANYREFS.raw_os_error()));
            // Kept, it is sent once the other side has taken some, and in its turn.
            outbox.send(number.to_be_bytes(), vec![theirs.try_clone().unwrap()]);
            outbox.send((number + 1).to_be_bytes(), Vec::new());
            let now = Instant::now();
            assert!(outbox.is_behind() && outbox.paused_until(now).is_some());
            assert_eq!(outbox.paused_until(now + PAUSE), None);
            let mut buffer = [0; 16];
            for expected in 0..=number + 1 {
                let heard = receive(&theirs, &mut buffer).unwrap();
                assert_eq!(&buffer[..heard.length], expected.to_be_bytes());
                assert_eq!(heard.descriptors.is_empty(), expected == number + 1);
                outbox.flush();
            }
            assert!(!outbox.is_behind() && outbox.paused_until(now).is_none());
        });
    }

    #[test]
    fn a_full_channel_keeps_nobody_waiting_and_loses_nothing() {
        let (ours, theirs) = channel().unwrap();
        unblock(&ours).unwrap();
        unblock(&theirs).unwrap();
        let mut outbox = Outbox::new(ours);
        for number in 0_u32..5_000 {
            outbox.send(number.to_be_bytes(), vec![]);
        }
        assert_eq!(outbox.paused_until(Instant::now()), None);
        assert!(outbox.is_behind() && matches!(outbox.send_now(b"x", &[]), Ok(Sent::Later)));
        let (mut heard, mut buffer) = (0_u32, [0; 16]);
        while heard < 5_000 {
            while let Ok(message) = receive(&theirs, &mut buffer) {
                assert_eq!(&buffer[..message.length], heard.to_be_bytes());
                heard += 1;
            }
            outbox.flush();
        }
        assert!(!outbox.is_behind());
        drop(theirs);
        assert!(matches!(outbox.send_now(b"nobody", &[]), Ok(Sent::Gone)));
        outbox.send(*b"nobody", vec![]);
        assert!(!outbox.is_behind());
    }
}
