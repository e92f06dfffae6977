//! What happens by the clock, with the clock in the test's hand. The test stands for
//! an engine at the other end of the channel; its process is one that only waits.

use super::files::{MOST_CHECKS_OF_READING, Reading, Unread};
use super::*;
use crate::log::Verbosity;
use crate::outbox::tests::with_few_descriptors;
use proto::channel::keyholder::ANSWER;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use test_support::run::OwnChild;
use test_support::wait::{for_end, until_gone};
use unix::descriptor::unblock;
use unix::descriptor_passing::{channel, receive, send};

struct Listening {
    workers: Workers,
    /// The engine's end.
    engine: OwnedFd,
    process: OwnChild,
}

const ID: EngineId = 7;

impl Listening {
    fn new() -> Self {
        let config = WorkersConfig {
            engines: 1,
            keyholder_variables: Vec::new(),
            engine_variables: Vec::new(),
            dialogs: None,
            monitor: None,
        };
        let mut workers = Workers::new(config, Log::new(Verbosity::Quiet));
        let (control, engine) = channel().unwrap();
        unblock(&control).unwrap();
        unblock(&engine).unwrap();
        let process = OwnChild(Command::new("sleep").arg("1000").spawn().unwrap());
        workers.processes.started(process.id(), Role::Engine(ID));
        workers.engines.push(Engine::of(ID, (process.id(), 0), control));
        Self { workers, engine, process }
    }

    /// Lets the clock go on to what is due next; what the engine hears then.
    fn next(&mut self) -> Vec<ToEngine> {
        self.workers.tick(self.workers.next_tick());
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(message) = receive(&self.engine, &mut buffer) {
            heard.push(ToEngine::decode(&buffer[..message.length]).unwrap());
        }
        heard
    }

    /// What the listener hears of the engine now.
    fn hears(&mut self) -> Option<FromEngine> {
        match self.workers.receive(ID) {
            Incoming::Message(message) => Some(message),
            Incoming::Nothing => None,
            Incoming::End => panic!("it is there, and talks sense"),
        }
    }

    fn answer(&mut self) {
        send(&self.engine, &FromEngine::Ready.encode(), &[]).unwrap();
        assert_eq!(self.hears(), Some(FromEngine::Ready));
    }
}

#[test]
fn an_engine_that_answers_lives() {
    let mut listening = Listening::new();
    for _ in 0..10 {
        assert_eq!(listening.next(), [ToEngine::Answer]);
        listening.answer();
    }
    assert_eq!(listening.process.try_wait().unwrap(), None);
}

/// It owes its answers from the beginning here, as nobody is at the other end.
#[test]
fn a_keyholder_that_owes_two_answers_is_ended_and_no_engine_is() {
    let mut listening = Listening::new();
    let (control, keyholder) = channel().unwrap();
    let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
    listening.workers.processes.started(process.id(), Role::Keyholder);
    listening.workers.keyholder = Some(Keyholder::of(process.id(), control, None));
    for _ in 0..10 {
        listening.next();
        listening.answer();
        assert_eq!(receive(&keyholder, &mut [0; 64]).unwrap().length, ANSWER.len());
        send(&keyholder, &FromKeyholder::Ready.encode(), &[]).unwrap();
        assert!(matches!(listening.workers.hear_keyholder(), Incoming::Message(..)));
    }
    for _ in 0..2 {
        listening.next();
        listening.answer();
        assert_eq!(process.try_wait().unwrap(), None);
    }
    listening.next();
    assert_eq!(for_end(&mut process).signal(), Some(9));
    assert_eq!(listening.process.try_wait().unwrap(), None);
}

#[test]
fn an_engine_that_talks_without_end_is_not_heard_to_the_end() {
    talks_without_end(&FromEngine::Failed(1, "that it is so".into()));
}

#[test]
fn nor_one_that_talks_about_itself() {
    talks_without_end(&FromEngine::Says("that it is so".into()));
}

fn talks_without_end(line: &FromEngine) {
    let mut listening = Listening::new();
    let mut heard = 0;
    for _ in 0..100 {
        send(&listening.engine, &line.encode(), &[]).unwrap();
        match listening.workers.receive(ID) {
            Incoming::Message(said) => assert_eq!(said, *line),
            // Which is what has it ended.
            Incoming::End => break,
            Incoming::Nothing => panic!("it has said something"),
        }
        heard += 1;
    }
    assert!((2..10).contains(&heard), "{heard}");
    // With each connection it has more to say.
    listening.workers.engine(ID).unwrap().given();
    send(&listening.engine, &line.encode(), &[]).unwrap();
    assert_eq!(listening.hears().as_ref(), Some(line));
}

#[test]
fn an_engine_that_owes_two_answers_is_ended() {
    let mut listening = Listening::new();
    assert_eq!(listening.next(), [ToEngine::Answer]);
    assert_eq!(listening.next(), [ToEngine::Answer]);
    assert_eq!(listening.process.try_wait().unwrap(), None);
    assert_eq!(listening.next(), []);
    assert_eq!(for_end(&mut listening.process).signal(), Some(9));
}

/// The test ends at all: before, each message waited for five seconds.
#[test]
fn an_engine_that_reads_nothing_keeps_nobody_waiting_and_is_told_all_later() {
    let mut listening = Listening::new();
    assert_eq!(listening.hears(), None);
    let mut told = 0;
    while !listening.workers.is_behind(Worker::Engine(ID)) || told < 5_000 {
        listening.workers.send(ID, &ToEngine::Evict(told), &[]).unwrap();
        told += 1;
    }
    let mut heard = 0;
    while heard < told {
        let mut buffer = [0; 64];
        while let Ok(message) = receive(&listening.engine, &mut buffer) {
            let message = ToEngine::decode(&buffer[..message.length]);
            assert_eq!(message, Some(ToEngine::Evict(heard)));
            heard += 1;
        }
        assert_eq!(listening.hears(), None);
    }
    assert!(!listening.workers.is_behind(Worker::Engine(ID)));
}

#[test]
fn one_that_is_told_more_than_there_is_to_say_is_ended() {
    let mut listening = Listening::new();
    let told = (0..).find_map(|id| {
        let told = listening.workers.send(ID, &ToEngine::Evict(id), &[]);
        told.err().map(|why| (id, why))
    });
    let (count, why) = told.unwrap();
    assert!(count >= 16 * 1024 && why.kind() == io::ErrorKind::WouldBlock, "{count} {why}");
    assert_eq!(for_end(&mut listening.process).signal(), Some(9));
}

/// Whatever one says of those that it has: each gets its share of what comes.
#[test]
fn an_engine_that_says_that_all_is_closed_draws_no_more_than_its_share() {
    const LIES: EngineId = 8;
    let mut listening = Listening::new();
    let (control, liar) = channel().unwrap();
    unblock(&control).unwrap();
    let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
    listening.workers.engines.push(Engine::of(LIES, (process.id(), 0), control));
    let mut drawn = 0;
    for id in 0..20 {
        let given = listening.workers.hand_over(&ToEngine::Immediate(id), &[]).unwrap();
        if given == LIES {
            drawn += 1;
            listening.workers.released(LIES);
        }
    }
    assert_eq!(drawn, 10);
    drop(liar);
    process.kill().unwrap();
    for_end(&mut process);
}

/// Stands for one that was taken over, and says of all that it has that it is closed.
#[test]
fn an_engine_that_keeps_what_it_says_is_closed_is_ended() {
    const OPENS: &str = "for i in {10..109}; do eval \"exec $i</dev/null\"; done; echo; \
                         exec sleep 1000 >/dev/null";
    let mut listening = Listening::new();
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", OPENS]).stdout(std::process::Stdio::piped());
    let mut holds = command.spawn().unwrap();
    let mut written = Vec::new();
    io::Read::read_to_end(&mut holds.stdout.take().unwrap(), &mut written).unwrap();
    let (control, _engine) = channel().unwrap();
    let engine = Engine::of(8, (holds.id(), 0), control);
    listening.workers.processes.started(holds.id(), Role::Engine(8));
    listening.workers.engines.push(engine);
    // As many as these connections may take.
    listening.workers.engine(8).unwrap().connections = 10;
    listening.next();
    listening.answer();
    assert_eq!(holds.try_wait().unwrap(), None);
    listening.workers.engine(8).unwrap().answered();
    listening.workers.engine(8).unwrap().connections = 1;
    listening.next();
    assert_eq!(for_end(&mut holds).signal(), Some(9));
    assert_eq!(listening.process.try_wait().unwrap(), None);
}

/// A connection that was taken for handed over was counted for good.
#[test]
fn a_connection_that_the_system_has_no_room_for_is_not_handed_over() {
    const TEST: &str = "listener::workers::tests::a_connection_that_the_system_has_no_room_for_\
                        is_not_handed_over";
    with_few_descriptors(TEST, 64, || {
        let mut listening = Listening::new();
        let null = std::fs::File::open("/dev/null").unwrap();
        let why = (0..100).find_map(|id| {
            listening.workers.hand_over(&ToEngine::Delayed(id), &[null.as_fd(); 4]).err()
        });
        let why = why.and_then(|why| why.raw_os_error());
        assert_eq!(why, Some(Errno::TOOMANYREFS.raw_os_error()));
        // What comes with none is told all the same.
        assert!(listening.workers.send(ID, &ToEngine::Evict(0), &[]).is_ok());
        // Nobody is let go twice.
        assert_eq!(listening.process.try_wait().unwrap(), None);
    });
}

#[test]
fn what_waits_for_an_engine_leaves_the_listener_descriptors() {
    const TEST: &str =
        "listener::workers::tests::what_waits_for_an_engine_leaves_the_listener_descriptors";
    with_few_descriptors(TEST, 200, || {
        let mut listening = Listening::new();
        while !listening.workers.is_behind(Worker::Engine(ID)) {
            listening.workers.send(ID, &ToEngine::Evict(0), &[]).unwrap();
        }
        let null = std::fs::File::open("/dev/null").unwrap();
        let handed_over = (0..1000).find_map(|id| {
            let handed_over =
                listening.workers.hand_over(&ToEngine::Delayed(id), &[null.as_fd(); 4]);
            handed_over.err().map(|why| (id, why.raw_os_error()))
        });
        let (count, why) = handed_over.unwrap();
        assert!(count > 10, "{count}");
        assert_eq!(why, Some(Errno::MFILE.raw_os_error()));
        // Enough to start another.
        let more: Vec<_> = (0..20).map_while(|_| channel().ok()).collect();
        assert_eq!(more.len(), 20);
        assert_eq!(listening.process.try_wait().unwrap(), None);
    });
}

/// Whoever has its channel could keep the listener hearing it for ever.
#[test]
fn what_an_engine_has_said_is_heard_once_it_has_ended_and_nobody_else_is() {
    const ENDED: EngineId = 8;
    let mut listening = Listening::new();
    let workers = &mut listening.workers;
    let (control, engine) = channel().unwrap();
    let pid = workers.processes.start(&mut Command::new("true"), Role::Engine(ENDED)).unwrap();
    workers.engines.push(Engine::of(ENDED, (pid, 0), control));
    send(&engine, &FromEngine::Closed(1).encode(), &[]).unwrap();
    until_gone(pid);
    assert_eq!(workers.reap(pid).unwrap().role, Role::Engine(ENDED));
    let said = send(&engine, &FromEngine::Closed(2).encode(), &[]);
    assert_eq!(said.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let heard = workers.receive(ENDED);
    assert!(matches!(heard, Incoming::Message(FromEngine::Closed(1))), "{heard:?}");
    assert!(matches!(workers.receive(ENDED), Incoming::End));
}

/// As after a second SIGHUP, which had another take the place of the one that was heard.
#[test]
fn one_that_reads_the_files_and_has_said_nothing_yet_still_reads() {
    let mut listening = Listening::new();
    let (control, keyholder) = channel().unwrap();
    listening.workers.reading = Some(Keyholder::of(listening.process.id(), control, None));
    for _ in 0..2 {
        assert!(matches!(listening.workers.on_reading(None), Reading::Unfinished));
    }
    drop(keyholder);
    let pid = listening.process.id();
    assert!(matches!(listening.workers.on_reading(None), Reading::Silent(its) if its == pid));
}

/// Nobody else asks it for anything, so nothing would ever be tried again. Not before it has
/// ended: a disk that hangs puts that off, and would hold up the next one, and the next.
#[test]
fn one_that_reads_the_files_for_too_long_is_ended_and_then_another_is_started() {
    let mut listening = Listening::new();
    let (control, _keyholder) = channel().unwrap();
    let mut command = Command::new("sleep");
    let processes = &mut listening.workers.processes;
    let pid = processes.start(command.arg("1000"), Role::Keyholder).unwrap();
    listening.workers.reading = Some(Keyholder::of(pid, control, None));
    for _ in 0..MOST_CHECKS_OF_READING {
        listening.next();
        listening.answer();
        assert!(matches!(listening.workers.end_late_reading(), Reading::Unfinished));
    }
    assert!(listening.workers.processes.reap(pid).is_none());
    listening.next();
    let late = listening.workers.end_late_reading();
    assert!(matches!(late, Reading::Failed(Unread::TooSlow)), "{late:?}");
    assert!(listening.workers.reading.is_none());
    assert_eq!(listening.workers.keyholder_again.at(), None);
    // It is said once.
    assert!(matches!(listening.workers.end_late_reading(), Reading::Unfinished));
    until_gone(pid);
    let ended = listening.workers.reap(pid).unwrap();
    assert_eq!(ended.how.number(), 9);
    listening.workers.on_ended(ended);
    assert!(listening.workers.keyholder_again.at().is_some());
}

/// As at SIGHUP while the server starts, or while a keyholder that died is replaced.
#[test]
fn a_keyholder_that_cannot_be_started_where_there_is_none_is_tried_again() {
    const TEST: &str = "listener::workers::tests::a_keyholder_that_cannot_be_started_where_there_\
                        is_none_is_tried_again";
    with_few_descriptors(TEST, 64, || {
        let mut listening = Listening::new();
        let workers = &mut listening.workers;
        let (control, _keyholder) = channel().unwrap();
        workers.reading = Some(Keyholder::of(1, control, None));
        let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        assert!(matches!(workers.read_files(), Err(Unread::Keyholder(_))));
        drop(taken);
        assert!(workers.reading.is_none() && workers.keyholder_again.at().is_some());
    });
}

/// A keyholder's process that has ended, of which nobody knows yet.
fn ended(workers: &mut Workers) -> u32 {
    let pid = workers.processes.start(&mut Command::new("true"), Role::Keyholder).unwrap();
    until_gone(pid);
    pid
}

/// One that reads the files has said this and ended, which was told before that it had said it.
fn reading_that_ended(said: &FromKeyholder) -> (Listening, Reading) {
    let mut listening = Listening::new();
    let workers = &mut listening.workers;
    let (pid, (control, keyholder)) = (ended(workers), channel().unwrap());
    workers.reading = Some(Keyholder::of(pid, control, None));
    send(&keyholder, &said.encode(), &[]).unwrap();
    drop(keyholder);
    let ended = workers.reap(pid).unwrap();
    assert!(workers.reads(ended.pid));
    let reading = workers.on_reading(Some(ended.how));
    assert!(!workers.reads(ended.pid));
    workers.on_ended(ended);
    // What its number is from now on is not for the listener to end.
    assert!(!workers.have(pid) && workers.reap(pid).is_none());
    (listening, reading)
}

#[test]
fn a_keyholder_that_found_something_wrong_and_has_ended_is_forgotten() {
    let said = FromKeyholder::Broken("the key is wrong".to_owned());
    let (_, reading) = reading_that_ended(&said);
    let Reading::Failed(Unread::Broken(why)) = reading else { panic!("{reading:?}") };
    assert_eq!(why, "the key is wrong");
}

/// Its last words are escaped, and named as its.
#[test]
fn what_one_that_reads_the_files_says_is_no_line_without_end() {
    let mut listening = Listening::new();
    let (control, keyholder) = channel().unwrap();
    listening.workers.reading = Some(Keyholder::of(1, control, None));
    send(&keyholder, &FromKeyholder::Says("that it is so".to_owned()).encode(), &[]).unwrap();
    assert!(matches!(listening.workers.on_reading(None), Reading::Unfinished));
    let reading = listening.workers.reading.as_mut().unwrap();
    assert!((1..4).contains(&std::iter::from_fn(|| reading.take_line().then_some(())).count()));
}

#[test]
fn a_keyholder_that_was_ready_and_has_ended_takes_nothing_over() {
    let (listening, reading) = reading_that_ended(&FromKeyholder::Ready);
    assert!(matches!(reading, Reading::Failed(Unread::Ended(_))), "{reading:?}");
    assert!(listening.workers.keyholder.is_none() && listening.workers.serving());
}

#[test]
fn an_engine_that_cannot_be_told_what_it_begins_with_is_ended_and_waited_for() {
    let mut listening = Listening::new();
    let (control, _engine) = channel().unwrap();
    unblock(&control).unwrap();
    let mut command = Command::new("sleep");
    let pid = listening.workers.processes.start(command.arg("1000"), Role::Engine(8)).unwrap();
    let mut engine = Engine::of(8, (pid, 0), control);
    while engine.send(&ToEngine::Answer, &[]).is_ok() {}
    assert!(listening.workers.tell_new(engine, &[ToEngine::Begin]).is_err());
    until_gone(pid);
    let ended = listening.workers.reap(0).unwrap();
    assert_eq!((ended.pid, ended.role), (pid, Role::Engine(8)));
    // Nobody misses it.
    listening.workers.on_ended(ended);
    assert_eq!(listening.workers.engines_again.at(), None);
}

/// It would be started anew as fast as it dies.
#[test]
fn a_keyholder_that_dies_as_soon_as_it_serves_is_not_replaced_at_once() {
    let mut listening = Listening::new();
    let workers = &mut listening.workers;
    let pid = ended(workers);
    workers.keyholder = Some(Keyholder::of(pid, channel().unwrap().0, None));
    let ended = workers.reap(pid).unwrap();
    workers.on_ended(ended);
    assert!(workers.keyholder.is_none() && workers.reading.is_none() && !workers.serving());
    let again = workers.keyholder_again.at();
    assert!(again.is_some());
    // What engines say is no news of it.
    listening.answer();
    assert_eq!(listening.workers.keyholder_again.at(), again);
}
