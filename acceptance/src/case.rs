//! What a case is: a head that sets the stage, then steps.
//!
//! [`grammar`] reads it from its file; `stage` builds what the head asks for, `play` does the
//! steps. `README.md` beside this package is the description for people.

mod grammar;

use crate::text::Text;

/// How the client reaches the program, and how its bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection over loopback as descriptors 0 and 1. TLS over two socket pairs.
    Tcp,
    /// Two pipes. TLS over two pipes.
    Pipes,
    /// A socket pair; all input comes octet by octet. TLS over one socket pair, one descriptor.
    Octets,
}

impl Transport {
    /// All of them: what a case is played over if it does not say.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Pipes, Self::Octets];

    /// Its name in a case and in the name of a test.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Pipes => "pipes",
            Self::Octets => "octets",
        }
    }
}

/// What a control file is in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Not there, although it is by default.
    Absent,
    /// A folder, which cannot be read as a file whoever tries.
    Folder,
}

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum User {
    /// Whoever runs the tests.
    #[default]
    Same,
    /// Somebody who is not root: nobody, when root runs the tests.
    Ordinary,
    /// Root; an ordinary user skips the case.
    Root,
}

/// The stage that a case wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables set (or, with none, removed) for the program.
    pub environment: Vec<(String, Option<Text>)>,
    /// Control files that differ from the usual ones.
    pub control: Vec<(String, Control)>,
    /// Whether the three UCSPI-TLS descriptors are there.
    pub tls: bool,
    /// Who runs the program.
    pub user: User,
    /// The transports to play it over; all, if it does not say.
    pub transports: Vec<Transport>,
    /// Seconds that the program waits for by itself, and that the watchdog therefore grants on top.
    pub waits: u64,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client does something.
    Client(Act),
    /// The client sees these bytes.
    ClientSees(Text),
    /// The client sees the end of its input.
    ClientSeesEnd,
    /// The next line of standard error.
    Logged(Text),
    /// From here on anything may be logged.
    AnythingLogged,
    /// The UCSPI-TLS server does or sees something.
    Tls(Tls),
    /// A stand-in, named, does or sees something.
    StandIn(String, StandIn),
    /// Another authup with the same control files has lost a client that said nothing.
    AuthupTimesOut,
    /// The program under test gets this signal.
    Signal(u8),
    /// The program under test exits with this code.
    Exits(i32),
}

/// What the client, or a stand-in, does with its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends these bytes; `held` back to go together with the next.
    Sends {
        /// What it sends.
        bytes: Text,
        /// Whether they wait for the next send.
        held: bool,
    },
    /// Closes its sending side.
    HalfCloses,
    /// Closes both sides.
    Closes,
    /// Resets the connection, where the transport can.
    Vanishes,
    /// Reads no more.
    StopsReading,
    /// Reads again.
    ReadsOn,
}

/// What the UCSPI-TLS server does and sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The program writes this on the control socket.
    Asked(Text),
    /// Writes these bytes on the control socket.
    Answers(Text),
    /// Writes facts and the end mark; from here on the client talks through TLS.
    Facts(Text),
    /// From here on the client talks through TLS.
    On,
    /// Closes the control socket.
    ClosesControl,
    /// Sees that the program closed its end of the control socket.
    ControlEnds,
    /// Finds these bytes unread on the network connection.
    FindsInTheClear(Text),
}

/// What a stand-in does and sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandIn {
    /// It is started.
    Starts,
    /// It sends, closes and so on.
    Acts(Act),
    /// It sees these bytes on its standard input.
    Sees(Text),
    /// It sees the end of its standard input.
    SeesEnd,
    /// Descriptor 3 held exactly these bytes.
    Got(Text),
    /// Its environment has this variable with this value.
    Has(String, Text),
    /// Its environment lacks this variable.
    Lacks(String),
    /// Its arguments are these.
    Arguments(Vec<String>),
    /// Its working directory is the qmail home.
    IsInHome,
    /// It was given these descriptors above 2, as numbers with spaces, and no others.
    Descriptors(Text),
    /// It runs as an ordinary user.
    IsOrdinary,
    /// It exits with this code.
    Exits(u8),
    /// It dies by this signal.
    Dies(u8),
    /// It becomes the program that its arguments name; as root, an ordinary user first.
    Runs,
    /// It becomes the program that its arguments name, and whoever it is.
    RunsAsRoot,
    /// Somebody else ends it.
    IsEnded,
}

/// A case: its stage and its steps, each with its line number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The stage.
    pub head: Head,
    /// The steps.
    pub steps: Vec<(usize, Step)>,
}
