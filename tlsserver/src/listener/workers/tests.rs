//! What happens by the clock, with the clock in the test's hand. The test stands for
//! an engine at the other end of the channel; its process is one that only waits.

use super::*;
use crate::keyholder::ANSWER;
use crate::log::Verbosity;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use unix::descriptor_passing::send;

struct Listening {
    workers: Workers,
    /// The engine's end.
    engine: OwnedFd,
    process: Child,
}

const ID: EngineId = 7;

impl Listening {
    fn new() -> Self {
        let settings = Settings {
            engines: 1,
            keyholder_variables: Vec::new(),
            engine_variables: Vec::new(),
            dialogs: None,
            monitor: None,
        };
        let mut workers = Workers::new(settings, Log::new(Verbosity::Quiet));
        let (control, engine) = channel().unwrap();
        super::super::unblock(&engine).unwrap();
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
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

    fn answer(&mut self) {
        send(&self.engine, &FromEngine::Ready.encode(), &[]).unwrap();
        assert_eq!(self.workers.hear(ID), Some(FromEngine::Ready));
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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
    listening.workers.keyholder = Some(Keyholder::of(process.id(), control, None));
    for _ in 0..10 {
        listening.next();
        listening.answer();
        assert_eq!(receive(&keyholder, &mut [0; 64]).unwrap().length, ANSWER.len());
        send(&keyholder, &FromKeyholder::Ready.encode(), &[]).unwrap();
        assert_eq!(listening.workers.hear_keyholder(), None);
    }
    for _ in 0..2 {
        listening.next();
        listening.answer();
        assert_eq!(process.try_wait().unwrap(), None);
    }
    listening.next();
    assert_eq!(process.wait().unwrap().signal(), Some(9));
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
        match listening.workers.hear(ID) {
            Some(said) => assert_eq!(said, *line),
            // Which is what has it ended.
            None => break,
        }
        heard += 1;
    }
    assert!((2..10).contains(&heard), "{heard}");
    // With each connection it has more to say.
    listening.workers.engine(ID).unwrap().given();
    send(&listening.engine, &line.encode(), &[]).unwrap();
    assert_eq!(listening.workers.hear(ID).as_ref(), Some(line));
}

#[test]
fn an_engine_that_owes_two_answers_is_ended() {
    let mut listening = Listening::new();
    assert_eq!(listening.next(), [ToEngine::Answer]);
    assert_eq!(listening.next(), [ToEngine::Answer]);
    assert_eq!(listening.process.try_wait().unwrap(), None);
    assert_eq!(listening.next(), []);
    assert_eq!(listening.process.wait().unwrap().signal(), Some(9));
}
