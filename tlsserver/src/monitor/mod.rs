//! The monitor: what runs login programs, for all sessions of the service.
//!
//! The word is OpenSSH's for the process that keeps the privileges and does, for those
//! that talk to strangers, what they may ask for; authup's parser has one, too. It hears
//! of a client from the listener (who that is), and of a login from the engine that has
//! the client (which user, which password), and does what an honest engine could ask. It
//! never sees what a client wrote but in the few messages of `proto::channel`, has no
//! certificate, and takes no descriptor from an engine.
//!
//! One thread, one loop; it waits for nobody. Of a session that is logged in it keeps a
//! row in a table and no descriptor.

mod attempt;
mod ending;
mod homes;
mod lines;
mod messages;
mod report;
mod sessions;
mod words;

use proto::channel::listener::FromMonitor;
use proto::channel::{ConnectionId, EngineId};
use proto::exit_code;
use proto::login::protocol::Protocol;
use proto::login::turns::Turns;
use proto::names::Variable;
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use unix::control::{self, Folder, Unreadable};
use unix::deadline::ready_sources;
use unix::descriptor::{out_of_the_way, unblock};
use unix::journal::{Level, mark};
use unix::login_program::Place;
use unix::signals::{Event, Signals};

use crate::child::null_device;
use crate::environment;
use crate::log::{Log, fatal};
use crate::options::Options;
use crate::outbox::Outbox;
use crate::program::{self, Program};
use homes::Homes;
use lines::Bound;
use sessions::Sessions;
use words::Words;

/// The name under which the program is this process.
pub const NAME: &str = "tlsserver-monitor";

/// How often it is looked who has become a user, where others wait for their turn.
const USER_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How many login programs are started before others are heard again.
const STARTED_AT_ONCE: usize = 8;

/// An engine that lets so many messages lie is none that works.
const MOST_KEPT: usize = 100_000;

/// An engine as the monitor knows it.
struct Engine {
    outbox: Outbox,
    /// A handle to its process, where the system gave one.
    process: Option<OwnedFd>,
}

impl Engine {
    /// Ends it, whatever it does; false where only itself can do that. No other process is ever
    /// sent a signal: the system may have given its number to one by now.
    fn kill(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let sent = pidfd_send_signal(process, rustix::process::Signal::KILL);
        matches!(sent, Ok(()) | Err(Errno::SRCH))
    }
}

/// All that the monitor holds.
struct Monitor {
    protocol: Protocol,
    tries: u32,
    linger: Duration,
    log: Log,
    program: Program,
    /// Where programs start, unless a rule names another folder.
    ordinary_home: OwnedFd,
    place: Place,
    /// The log of login programs and of those behind them, once the listener has sent it.
    words: Option<Words>,
    signals: Signals,
    /// None once there is no listener any more.
    listener: Option<Outbox>,
    /// When it ends whatever runs, once there is no listener.
    until: Option<Instant>,
    /// When it waits no longer for engines that were told to end.
    ended_by: Option<Instant>,
    engines: BTreeMap<EngineId, Engine>,
    sessions: Sessions,
    homes: Homes,
    turns: Turns<ConnectionId>,
    /// What the log says of refused logins.
    bound: Bound,
    /// Whose turn has come while others' charges were too many: until one of these is taken
    /// back, or stands.
    held_back: Vec<ConnectionId>,
    /// When it is looked next who has become a user.
    next_look: Instant,
    buffer: Vec<u8>,
}

/// Why it cannot start.
enum CannotStart {
    System(io::Error),
    Options(lexopt::Error),
    NoProtocol,
    Control(Unreadable),
    Program(program::Unusable),
    Signals(io::Error),
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(reason) => write!(f, "monitor: {reason}"),
            Self::Options(why) => why.fmt(f),
            Self::NoProtocol => f.write_str("monitor: no protocol"),
            Self::Control(why) => why.fmt(f),
            Self::Program(why) => why.fmt(f),
            Self::Signals(reason) => write!(f, "signals: {reason}"),
        }
    }
}

impl<E: Into<io::Error>> From<E> for CannotStart {
    fn from(reason: E) -> Self {
        Self::System(reason.into())
    }
}

/// What is ready.
enum Ready {
    Signals,
    Listener,
    Engine(EngineId),
    Words,
    Program(ConnectionId),
}

/// Runs until there is no listener and no session any more. The arguments are the
/// listener's own.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let listener = io::stdin();
    match start(arguments) {
        Ok(monitor) => match monitor.serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                fatal(format_args!("monitor: poll: {reason}"));
                ExitCode::from(exit_code::TEMPORARY)
            }
        },
        Err(why) => {
            let broken = FromMonitor::Broken(why.to_string()).encode();
            // That the listener is gone is no news to anybody.
            let _ = unix::descriptor_passing::send(&listener, &broken, &[]);
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

fn start(arguments: impl Iterator<Item = OsString>) -> Result<Monitor, CannotStart> {
    unix::open_descriptors::close_others(&[]);
    unix::jail::set_name(c"tlsserver-monit");
    unix::process::keep_out_of_core_files();
    unix::log::wait_for_nobody("tlsserver", mark(Level::Warning));
    let place = Place::reserve()?;
    let options = Options::parse(arguments).map_err(CannotStart::Options)?;
    let protocol = options.login.ok_or(CannotStart::NoProtocol)?;
    let variables = environment::inherited();
    // Where authup would be, and its programs.
    let home = control::home(environment::value(&variables, Variable::QmailHome));
    // By its whole name, for it is read from inside.
    let home = std::path::absolute(home)?.into_os_string();
    Folder::enter(Some(&home)).map_err(CannotStart::Control)?;
    let homes = Homes::read(home).map_err(CannotStart::Control)?;
    let ordinary_home = folder_of_this_process()?;
    let variables = environment::only(&variables, environment::is_for_login_program);
    let program = Program::find(&options, &variables).map_err(CannotStart::Program)?;
    let signals = Signals::watch().map_err(CannotStart::Signals)?;
    let channel = out_of_the_way(&io::stdin())?;
    unblock(&channel)?;
    // The one copy of the channel is what its end is seen by.
    rustix::stdio::dup2_stdin(null_device()?)?;
    Ok(Monitor {
        protocol,
        tries: options.tries.unwrap_or(protocol.default_tries()),
        linger: options.linger,
        log: Log::new(options.verbosity),
        program,
        ordinary_home,
        place,
        words: None,
        signals,
        listener: Some(Outbox::new(channel)),
        until: None,
        ended_by: None,
        engines: BTreeMap::new(),
        sessions: Sessions::default(),
        homes,
        turns: Turns::new(options.checks.unwrap_or_else(checks)),
        bound: Bound::new(Instant::now()),
        held_back: Vec::new(),
        next_look: Instant::now(),
        buffer: vec![0; proto::channel::LONGEST],
    })
}

/// So that it can be gone back to.
fn folder_of_this_process() -> io::Result<OwnedFd> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let here = rustix::fs::open(".", folder, Mode::empty())?;
    Ok(rustix::io::fcntl_dupfd_cloexec(&here, 4)?)
}

/// Four for each core: a check is the machine's work, and one with argon2id is 19 MiB.
fn checks() -> usize {
    4 * std::thread::available_parallelism().map_or(1, usize::from)
}

impl Monitor {
    /// Does what is asked until nobody is left who could ask.
    fn serve(mut self) -> io::Result<()> {
        self.send_to_listener(&FromMonitor::Ready);
        loop {
            // An engine ends with its last connection, or is ended when the time is over.
            if self.listener.is_none() && self.sessions.is_empty() && self.engines.is_empty() {
                self.finish();
                return Ok(());
            }
            for happened in self.wait()? {
                match happened {
                    Ready::Signals => self.on_signals(),
                    Ready::Listener => self.on_listener(),
                    Ready::Engine(id) => self.on_engine(id),
                    Ready::Words => self.on_words(),
                    Ready::Program(id) => self.on_program_ready(id),
                }
            }
            let now = Instant::now();
            while let Some(pid) = self.signals.unsaid(now) {
                self.on_child_ended(Some(pid));
            }
            self.end_late(now);
            self.homes.settle(now);
            self.log_trouble();
            if let Some(words) = &mut self.words {
                words.settle(now);
            }
            self.bound.settle(now);
            self.give_turns(now);
            unix::log::catch_up();
        }
    }

    fn wait(&mut self) -> io::Result<Vec<Ready>> {
        let now = Instant::now();
        let interest = |outbox: &Outbox| {
            let sends = outbox.is_behind() && outbox.paused_until(now).is_none();
            if sends { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
        };
        let mut sources = vec![(Ready::Signals, self.signals.as_fd(), PollFlags::IN)];
        let listener = self.listener.iter();
        sources.extend(listener.map(|one| (Ready::Listener, one.as_fd(), interest(one))));
        sources.extend(self.engines.iter().map(|(&id, engine)| {
            (Ready::Engine(id), engine.outbox.as_fd(), interest(&engine.outbox))
        }));
        let words = self.words.iter();
        sources.extend(words.map(|words| (Ready::Words, words.as_fd(), PollFlags::IN)));
        let checking = self.sessions.ready_pipes();
        sources.extend(checking.map(|(id, pipe)| (Ready::Program(id), pipe, PollFlags::IN)));
        let turn = self.turns.are_free().then_some(now);
        let look = turn.or_else(|| self.turns.is_short().then_some(self.next_look));
        let outboxes = self.engines.values().map(|engine| &engine.outbox).chain(&self.listener);
        let again = outboxes.filter_map(|outbox| outbox.paused_until(now)).min();
        let words = self.words.as_ref().and_then(Words::next_turn);
        let end = [self.until, self.ended_by];
        let turns = [self.homes.next_turn(), words, self.bound.next_turn()];
        let others = [look, again, self.sessions.next_deadline(), self.signals.next_look()];
        let until = end.into_iter().chain(turns).chain(others).flatten().min();
        ready_sources(sources, until)
    }

    fn on_signals(&mut self) {
        for event in self.signals.arrived() {
            match event {
                Event::ChildEnded(pid) => self.on_child_ended(Some(pid)),
                // When that is, the listener says.
                Event::Reload => {}
                // What it does is the listener's to say, while there is one.
                Event::Terminate if self.listener.is_some() => {}
                Event::Terminate => self.until = Some(Instant::now()),
            }
        }
    }

    fn on_words(&mut self) {
        if let Some(words) = &mut self.words {
            words.read_some(&mut self.buffer);
        }
    }

    /// Says and writes what it still owes.
    fn finish(&mut self) {
        self.homes.finish();
        self.log_trouble();
        if let Some(words) = &mut self.words {
            words.finish(&mut self.buffer);
        }
        self.bound.finish();
        unix::log::catch_up();
    }

    /// Says what is wrong with a memory of refused logins, where that is found of no
    /// login.
    fn log_trouble(&mut self) {
        while let Some(why) = self.homes.trouble() {
            report::not_remembered(self.log, &why);
        }
    }

    fn send_to_listener(&mut self, message: &FromMonitor) {
        if let Some(listener) = &mut self.listener {
            listener.send(message.encode(), Vec::new());
        }
    }

    /// There is no listener any more: what runs may end by itself, for a while.
    fn stay_behind(&mut self) {
        if self.listener.take().is_some() {
            self.until = Some(Instant::now() + self.linger);
            self.forget_done();
        }
    }
}
