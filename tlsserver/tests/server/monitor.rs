//! The monitor by itself: the test stands for the listener, and for engines that have been
//! taken over and do what no honest one does.

use proto::channel::listener::{Client, FromMonitor, ToMonitor};
use proto::channel::session::{FromSession, ToSession};
use proto::channel::{ConnectionId, EngineId};
use proto::checkpassword::Record;
use proto::login::Attempt;
use proto::login::handoff::Handoff;
use proto::login::monitor::Request;
use proto::login::outcome::Outcome;
use proto::ucspi_tls::Tls;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;
use test_support::needs;
use test_support::run::OwnChild;
use test_support::wait::until;
use unix::descriptor_passing::{await_message, channel, send};

use crate::harness::{Log, PATIENCE};
use crate::login::with_program;

/// A login program that says no.
const NO: &[&str] = &["sh", "-c", "exec 3<&-; exit 1"];

/// A monitor that runs.
struct Monitor {
    process: OwnChild,
    listener: OwnedFd,
    log: Log,
    _directory: TempDir,
}

impl Monitor {
    fn start(program: &[&str], options: &str) -> Self {
        let setup = with_program(program).option(options);
        let (listener, its) = channel().unwrap();
        set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE)).unwrap();
        let mut command = setup.command();
        command.arg0("tlsserver-monitor").stdin(Stdio::from(its)).stderr(Stdio::piped());
        let mut process = OwnChild(command.spawn().unwrap());
        let log = Log::of(process.stderr.take().unwrap());
        Self { process, listener, log, _directory: setup.directory }
    }

    fn hears(&self, message: &ToMonitor, descriptors: &[&OwnedFd]) {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        send(&self.listener, &message.encode(), &descriptors).unwrap();
    }

    /// An engine's channel to it.
    fn engine(&self, id: EngineId) -> Engine {
        let (engine, its) = channel().unwrap();
        set_socket_timeout(&engine, Timeout::Recv, Some(PATIENCE)).unwrap();
        self.hears(&ToMonitor::Engine(id), &[&its]);
        Engine { id, channel: engine }
    }

    /// A client of the engine's begins to log in, from an address of its own.
    fn hears_of(&self, id: ConnectionId, engine: &Engine, socket: Option<(SocketAddr, &OwnedFd)>) {
        let number = u32::try_from(id).unwrap();
        let own = (Ipv4Addr::from_bits(0x0a00_0000 + (number << 8)), 4321).into();
        let client = Client {
            remote: socket.map_or(own, |(remote, _)| remote),
            local: (Ipv4Addr::LOCALHOST, 587).into(),
            added: Vec::new(),
            timestamp: Vec::new(),
            tls: Tls::Absent,
            left: 600_000,
        };
        let socket: Vec<_> = socket.into_iter().map(|(_, socket)| socket).collect();
        self.hears(&ToMonitor::LogsIn(id, engine.id, client), &socket);
    }

    /// Waits until it has done all that it was told before.
    fn is_done(&self) {
        // It says so by itself at its start; and the last time all of the turn before is done.
        for asks in [false, true, true] {
            if asks {
                self.hears(&ToMonitor::Answer, &[]);
            }
            let mut buffer = [0; 64];
            let mut said = None;
            while said != Some(FromMonitor::Ready) {
                let length = await_message(&self.listener, &mut buffer).unwrap().length;
                said = FromMonitor::decode(&buffer[..length]);
            }
        }
    }

    fn has_so_many_descriptors(&self, count: u64) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        let had = getrlimit(Resource::Nofile);
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(count), ..had }).unwrap();
    }
}

/// An engine, as far as the monitor can tell.
struct Engine {
    id: EngineId,
    channel: OwnedFd,
}

impl Engine {
    fn says(&self, message: &FromSession) {
        send(&self.channel, &message.encode(), &[]).unwrap();
    }

    fn asks_for_login(&self, id: ConnectionId) {
        let record = Record::new(b"bob", b"p", b"").unwrap();
        let attempt = Attempt::Check(record, Handoff::nothing());
        self.says(&FromSession::Request(id, Request::Login(attempt)));
    }

    /// What the monitor says next, and what came with it.
    fn hears(&self) -> (ToSession, Vec<OwnedFd>) {
        let mut buffer = [0; 64];
        let received = await_message(&self.channel, &mut buffer).unwrap();
        (ToSession::decode(&buffer[..received.length]).unwrap(), received.descriptors)
    }
}

/// Each login that it asks for has a stream in its name, whatever becomes of the login.
#[test]
fn an_engine_that_does_not_read_leaves_the_monitor_descriptors_for_others() {
    // More than its channel has room for.
    const LOGINS: u64 = 250;
    let monitor = Monitor::start(NO, "--checks 4");
    let (deaf, other) = (monitor.engine(1), monitor.engine(2));
    monitor.hears_of(1, &other, None);
    monitor.has_so_many_descriptors(80);
    for id in 2..2 + LOGINS {
        monitor.hears_of(id, &deaf, None);
        deaf.asks_for_login(id);
    }
    monitor.log.wait("logins", |lines| {
        let ended = |line: &&String| {
            line.contains(" failed, 4 remaining") || line.contains(" unable to open pipe: ")
        };
        (lines.iter().filter(ended).count() as u64 == LOGINS).then_some(())
    });
    // With what was kept for the deaf one it would have none left.
    monitor.has_so_many_descriptors(60);
    other.asks_for_login(1);
    let (said, stream) = other.hears();
    assert_eq!((said, stream.len()), (ToSession::Stream(1), 1));
    assert_eq!(other.hears().0, ToSession::Outcome(1, Outcome::Refused));
}

/// It would keep the monitor from all others for as long as it has clients to close.
#[test]
fn an_engine_that_talks_on_and_on_is_not_heard_for_each_of_its_clients_that_is_closed() {
    const CLIENTS: u64 = 200;
    const MOST: usize = 1_000_000;
    let monitor = Monitor::start(NO, "");
    let engine = monitor.engine(1);
    (0..=CLIENTS).for_each(|id| monitor.hears_of(id, &engine, None));
    let (said, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let meanwhile = thread::scope(|scope| {
        scope.spawn(|| {
            while said.fetch_add(1, Ordering::Relaxed) < MOST && !is_over.load(Ordering::Relaxed) {
                // Of one that stays.
                engine.says(&FromSession::Request(0, Request::Over(0)));
            }
        });
        until("talk", || said.load(Ordering::Relaxed), |said| *said > 1000);
        let before = said.load(Ordering::Relaxed);
        (1..=CLIENTS).for_each(|id| monitor.hears(&ToMonitor::Closed(id), &[]));
        monitor.log.wait_for(&[&format!("tlsserver: end {CLIENTS} ")]);
        is_over.store(true, Ordering::Relaxed);
        said.load(Ordering::Relaxed) - before
    });
    assert!(meanwhile < 4_000, "{meanwhile} messages");
}

/// Else its client would not see its connection's end before its program's.
#[test]
fn of_a_session_whose_program_does_not_tell_the_monitor_keeps_no_socket() {
    needs!("root");
    let becomes_somebody = "exec 3<&-; exec setpriv --reuid=4713 --clear-groups cat";
    let monitor = Monitor::start(&["sh", "-c", becomes_somebody], "--checks 1");
    let engine = monitor.engine(1);
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (socket, remote) = listening.accept().unwrap();
    let socket = OwnedFd::from(socket);
    monitor.hears_of(1, &engine, Some((remote, &socket)));
    drop(socket);
    engine.asks_for_login(1);
    let (said, _stream) = engine.hears();
    assert_eq!(said, ToSession::Stream(1));
    // Who waits for a turn has it looked at who is a user by now.
    monitor.hears_of(2, &engine, None);
    engine.asks_for_login(2);
    assert_eq!(engine.hears().0, ToSession::LoggedIn(1));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// Who it is says nothing of whether the login is good: it was started as nobody else.
#[test]
fn a_login_program_that_is_started_as_a_user_is_no_session_for_that() {
    needs!("root");
    let refuses_late = "exec 3<&-; cat >/dev/null; exit 1";
    let program = ["sh", "-c", refuses_late];
    let monitor = Monitor::start(&program, "--checks 1 -u 4713 -g 4714");
    let engine = monitor.engine(1);
    monitor.hears_of(1, &engine, None);
    engine.asks_for_login(1);
    let (said, stream) = engine.hears();
    assert_eq!(said, ToSession::Stream(1));
    monitor.hears_of(2, &engine, None);
    engine.asks_for_login(2);
    monitor.is_done();
    drop(stream);
    assert_eq!(engine.hears().0, ToSession::Outcome(1, Outcome::Refused));
}
