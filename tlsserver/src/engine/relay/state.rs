//! What a relay knows of its two directions, and of the program; the directions themselves
//! are in `up` and `down`.

use proto::login::outcome::{Heard, Outcome};
use std::cell::RefCell;
use std::pin::Pin;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::engine::desk::Words;
use crate::engine::ending::Fault;
use crate::engine::local_socket::LocalSocket;
use crate::engine::unread::Unread;

/// What is read at once: four TLS records of the greatest size, so that their
/// encryption ends in one write.
const PIECE: usize = 64 * 1024;

thread_local! {
    /// What all directions of an engine read into.
    pub(super) static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; PIECE].into_boxed_slice());
}

/// Resolves when the listener says that the program has ended.
pub(in crate::engine) type ProgramEnded = oneshot::Receiver<()>;

/// The inner side of the connection.
pub(in crate::engine) enum ProgramStream {
    /// One stream each way.
    Pair { input: LocalSocket, output: LocalSocket },
    /// One stream for both ways.
    Stream(LocalSocket),
}

impl ProgramStream {
    pub(in crate::engine) const fn input(&mut self) -> &mut LocalSocket {
        match self {
            Self::Pair { input, .. } | Self::Stream(input) => input,
        }
    }

    pub(super) const fn output(&mut self) -> &mut LocalSocket {
        match self {
            Self::Pair { output, .. } | Self::Stream(output) => output,
        }
    }

    /// Whether the program has closed the one stream, and not only its own direction.
    pub(super) fn has_closed_all(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.is_hung_up())
    }
}

pub(super) struct Relay<'a, T> {
    /// The decrypted side of the connection; what is below it is not known here.
    pub(super) tls: &'a mut T,
    pub(super) program: ProgramStream,
    pub(super) login: Login<'a>,
    /// What the client has heard of the program.
    pub(super) heard: Heard,
    /// The program has spoken before the login was known to be good, and nobody has been told.
    pub(super) spoke_first: bool,
    pub(super) up: Up,
    pub(super) down: Down,
    /// The program has closed what it reads; as a rule because it has ended.
    pub(super) input_closed: bool,
    /// The client has taken all that there is; more has to come from the program.
    pub(super) program_is_waited_for: bool,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) failure: Option<Fault>,
}

/// What is known of the login before the session.
pub(super) enum Login<'a> {
    /// The monitor says what becomes of it.
    Undecided(&'a mut Words),
    Ended(Outcome),
    /// There was none of ours, and the listener has started the program.
    NotOurs(ProgramEnded),
    /// The same program has ended.
    ProgramEnded,
    /// There was none, or nobody is left who could say.
    Unknown,
}

/// From the client to the program.
pub(super) enum Up {
    /// Nothing goes there yet; some of it is kept.
    Held(Unread),
    /// The client has said its last meanwhile.
    HeldToEnd(Unread),
    Flowing(Kept),
    /// The program has ended, and what it has left behind takes nothing: for so long.
    Stuck(Kept, Pin<Box<Sleep>>),
    /// The program takes nothing any more; what comes is read and dropped, so that
    /// the client is not stuck and its end is seen.
    Discarding,
    /// The client has gone without `close_notify`, as many do once they have their answer to
    /// QUIT. The program is not told yet: where it ends by itself, it has all that it wanted.
    Cut(Pin<Box<Sleep>>),
    Ended,
}

impl Up {
    pub(super) const fn is_held(&self) -> bool {
        matches!(self, Self::Held(_) | Self::HeldToEnd(_))
    }
}

/// From the program to the client.
pub(super) enum Down {
    Flowing(Kept),
    /// The program has ended its output: `close_notify` is on its way.
    Closing,
    /// The program has closed its stream; there may be last words of others.
    Left,
    Ended,
}

/// What the other side has not taken yet.
#[derive(Default)]
pub(super) struct Kept {
    octets: Vec<u8>,
    taken: usize,
}

impl Kept {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self { octets: octets.to_vec(), taken: 0 }
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.octets.get(self.taken..).unwrap_or_default()
    }

    /// Drops what was taken, and the memory with the last of it.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.octets.len() {
            *self = Self::default();
        }
    }
}

impl<'a, T> Relay<'a, T> {
    pub(super) fn new(tls: &'a mut T, program: ProgramStream, login: Login<'a>) -> Self {
        Self {
            tls,
            program,
            login,
            heard: Heard::Nothing,
            spoke_first: false,
            up: Up::Flowing(Kept::default()),
            down: Down::Flowing(Kept::default()),
            input_closed: false,
            program_is_waited_for: false,
            timer: None,
            failure: None,
        }
    }

    /// Whether nothing is waited for that is not there yet. The program has ended and others
    /// are to have the last word, or the client has said its own: what the program has left
    /// behind may hold the stream for ever. Or nobody is left who could say that there is a
    /// session.
    pub(super) const fn has_no_more_to_say(&self) -> bool {
        match self.login {
            Login::Undecided(_) | Login::NotOurs(_) => false,
            Login::Ended(Outcome::Completed(_)) | Login::ProgramEnded => {
                matches!(self.up, Up::Ended)
            }
            Login::Ended(_) => true,
            Login::Unknown => self.up.is_held(),
        }
    }

    /// Whether the program has said something.
    pub(super) fn program_has_spoken(&self) -> bool {
        self.heard != Heard::Nothing
    }

    /// Whether the program wants nothing more of the client, or has no more to say to it.
    pub(super) const fn program_has_closed(&self) -> bool {
        self.program_has_ended() || self.input_closed || !matches!(self.down, Down::Flowing(_))
    }

    /// Whether the program is known to have ended, whatever it has left behind.
    pub(super) const fn program_has_ended(&self) -> bool {
        matches!(self.login, Login::Ended(_) | Login::ProgramEnded)
    }

    /// What the client says is for the program now.
    pub(super) fn let_client_speak(&mut self) {
        if let Up::Held(unread) | Up::HeldToEnd(unread) = &mut self.up {
            self.up = Up::Flowing(Kept::of(unread.octets()));
        }
    }

    /// Keeps the first reason: those that follow are its consequences.
    pub(super) fn fail(&mut self, fault: Fault) {
        self.failure.get_or_insert(fault);
    }
}
