//! The program's side of UCSPI-TLS: three descriptors from a TLS server, and how
//! to put them to use.

use crate::client::read_from;
use crate::deadline::{Deadline, wait};
use crate::descriptor::{FIRST, inherit, number_in};
use crate::environment::Environment;
use proto::names::Variable;
use proto::ucspi_tls::{Decoder, Fact, Progress};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::stdio::{stdin, stdout};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Seconds that a handshake may take.
pub const HANDSHAKE: u64 = 60;

/// What names the descriptors: that to ask by, that to read, that to write.
pub const NAMES: [Variable; 3] = [Variable::SslCtlFd, Variable::SslReadFd, Variable::SslWriteFd];

/// What a TLS server gave us.
#[derive(Debug)]
pub struct Interface {
    control: OwnedFd,
    read: OwnedFd,
    write: OwnedFd,
}

/// Why TLS cannot start.
#[derive(Debug)]
pub enum Unavailable {
    /// This variable is missing.
    Unset(&'static str),
    /// This variable names one of the first three: the client's, or the log's.
    Standard(&'static str, RawFd),
    /// This variable names no open descriptor.
    Descriptor(&'static str, io::Error),
    /// The TLS server has closed the control socket.
    ControlClosed,
    /// It is on: by us, or from the first octet, see [`Interface::inherited`].
    Begun,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(name) => write!(f, "{name}: not set"),
            Self::Standard(name, number) => write!(f, "{name}: {number}: standard descriptor"),
            Self::Descriptor(name, reason) => write!(f, "{name}: {}", crate::log::Reason(reason)),
            // The second is not for the log: once TLS is on, nobody may ask for it.
            Self::ControlClosed | Self::Begun => {
                write!(f, "{}: closed by the TLS server", Variable::SslCtlFd.name())
            }
        }
    }
}

/// Whether there is nothing under the number that a descriptor was to be taken from.
fn is_closed(taken: &io::Result<OwnedFd>) -> bool {
    let closed = Errno::BADF.raw_os_error();
    taken.as_ref().is_err_and(|reason| reason.raw_os_error() == Some(closed))
}

fn is(descriptor: impl AsFd, kind: FileType) -> bool {
    fstat(descriptor).is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == kind)
}

impl Interface {
    /// Takes the three descriptors that the environment names, and the variables
    /// out of it: no child is to see either. To be called at start-up, before anything
    /// is opened or closed.
    ///
    /// sslserver names the three without `-n`, too. It has started TLS then, and moved the two
    /// of the decrypted stream, pipes, to 0 and 1: what is named is not open any more, while
    /// the control socket is. That is [`Unavailable::Begun`].
    ///
    /// # Errors
    /// What is missing. Descriptors that are there are taken all the same.
    pub fn inherited(environment: &mut Environment) -> Result<Self, Unavailable> {
        let named = NAMES.map(|one| (one.name(), environment.take(one)));
        let numbers = named.each_ref().map(|(_, value)| value.as_deref().map_or(-1, number_in));
        let [control, read, write] = inherit(numbers);
        let is_moved =
            |at: usize, one: &io::Result<OwnedFd>| numbers[at] >= FIRST && is_closed(one);
        if control.as_ref().is_ok_and(|control| is(control, FileType::Socket))
            && is_moved(1, &read)
            && is_moved(2, &write)
            && is(stdin(), FileType::Fifo)
            && is(stdout(), FileType::Fifo)
        {
            return Err(Unavailable::Begun);
        }
        let one = |at: usize, descriptor: io::Result<OwnedFd>| {
            let (name, number) = (named[at].0, numbers[at]);
            match &named[at].1 {
                None => Err(Unavailable::Unset(name)),
                Some(_) if (0..FIRST).contains(&number) => Err(Unavailable::Standard(name, number)),
                Some(_) => descriptor.map_err(|reason| Unavailable::Descriptor(name, reason)),
            }
        };
        Ok(Self { control: one(0, control)?, read: one(1, read)?, write: one(2, write)? })
    }

    /// The three descriptors.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [self.control.as_fd(), self.read.as_fd(), self.write.as_fd()]
    }

    /// Finds out whether the TLS server is still there, without telling it anything.
    ///
    /// # Errors
    /// [`Unavailable::ControlClosed`].
    pub fn check(&self) -> Result<(), Unavailable> {
        let mut control = [PollFd::new(&self.control, PollFlags::OUT)];
        let now = Deadline::after_seconds(0);
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        match wait(&mut control, now) {
            Ok(true) if !control[0].revents().intersects(gone) => Ok(()),
            _ => Err(Unavailable::ControlClosed),
        }
    }

    /// Starts TLS: from here on the TLS server owns the network, and the client's
    /// side of this process is on the decrypted stream. Returns what the TLS server
    /// reports.
    ///
    /// # Errors
    /// The connection is over: the TLS server is gone, the handshake failed
    /// (`UnexpectedEof`) or took more than [`HANDSHAKE`] seconds (`TimedOut`).
    pub fn start(self) -> io::Result<Vec<Fact>> {
        rustix::io::retry_on_intr(|| rustix::io::write(&self.control, b"Y"))?;
        let facts = Deadline::after_seconds(HANDSHAKE);
        self.put_in_place()?;
        self.facts(facts)
    }

    /// Puts the client's side of this process, descriptors 0 and 1, on the decrypted
    /// stream, where another process has started TLS.
    ///
    /// # Errors
    /// The system's; there should be none.
    pub fn put_in_place(&self) -> io::Result<()> {
        rustix::stdio::dup2_stdin(&self.read)?;
        rustix::stdio::dup2_stdout(&self.write)?;
        Ok(())
    }

    /// Reads them to their end and no further: where the control socket is the decrypted
    /// stream, too, what the client says may be there already.
    fn facts(&self, deadline: Deadline) -> io::Result<Vec<Fact>> {
        let (mut decoder, mut progress) = (Decoder::default(), Progress::NeedInput);
        while progress == Progress::NeedInput {
            let mut consume = |there: &[u8]| {
                let before = decoder.taken();
                progress = decoder.push(there);
                decoder.taken() - before
            };
            if !read_from(self.control.as_fd(), deadline, &mut consume)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match progress {
            Progress::TooLong => Err(io::ErrorKind::InvalidData.into()),
            Progress::Done | Progress::NeedInput => Ok(decoder.into_facts()),
        }
    }
}
