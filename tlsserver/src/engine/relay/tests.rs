//! What goes on after a program's end is bounded: with a clock that stands still while
//! anything can be done, and then goes on to what is due next.

use super::up::{BY_ITSELF, HELD};
use super::*;
use std::io;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::net::UnixStream;
use tokio::spawn;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// What the connection takes unread.
const ROOM: usize = 1000;
const ANSWER: usize = 10 * ROOM;

/// A program that has written an answer; it runs while its ends are held.
async fn answering() -> ([LocalSocket; 2], [UnixStream; 2]) {
    let (input, its_input) = UnixStream::pair().unwrap();
    let (output, mut its_output) = UnixStream::pair().unwrap();
    its_output.write_all(&[b'x'; ANSWER]).await.unwrap();
    ([local(input), local(output)], [its_input, its_output])
}

/// Says nothing of the program's end.
fn nobody() -> ProgramEnded {
    tokio::sync::oneshot::channel().1
}

fn local(stream: UnixStream) -> LocalSocket {
    LocalSocket::new(stream.into_std().unwrap().into()).unwrap()
}

/// Takes as much at a time, with pauses before; how much it got.
async fn reads_slowly(mut client: DuplexStream, pause: Duration) -> usize {
    let (mut got, mut space) = (0, [0; ROOM]);
    loop {
        sleep(pause).await;
        match client.read(&mut space).await.unwrap() {
            0 => return got,
            count => got += count,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_after_the_programs_end_is_left() {
    let (_client, tls) = duplex(ROOM);
    let ([input, output], ended) = answering().await;
    drop(ended);
    let begun = Instant::now();
    let why = relay(tls, ProgramStream::Pair { input, output }, nobody()).await.unwrap_err();
    assert_eq!(why.to_string(), "client accepted no data for 60 s");
    assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_little_gets_all() {
    let (client, tls) = duplex(ROOM);
    let ([input, output], ended) = answering().await;
    drop(ended);
    let begun = Instant::now();
    let pause = STALL.checked_sub(Duration::from_secs(1)).unwrap();
    let (served, got) = tokio::join!(
        relay(tls, ProgramStream::Pair { input, output }, nobody()),
        reads_slowly(client, pause)
    );
    assert_eq!((served, got), (Ok(()), ANSWER));
    assert!(begun.elapsed() > 2 * STALL);
}

/// What it has left behind may hold its ends, and is waited for only while the client stays.
#[tokio::test(start_paused = true)]
async fn what_a_program_left_behind_is_heard_while_the_client_stays() {
    let (mut client, tls) = duplex(2 * ANSWER);
    let ([input, output], [_its_input, mut its_output]) = answering().await;
    let (ends, its_end) = tokio::sync::oneshot::channel();
    let served = spawn(relay(tls, ProgramStream::Pair { input, output }, its_end));
    let mut got = vec![0; ANSWER];
    client.read_exact(&mut got).await.unwrap();
    ends.send(()).unwrap();
    assert!(timeout(10 * STALL, client.read(&mut got)).await.is_err());
    its_output.write_all(b"more").await.unwrap();
    client.read_exact(&mut got[..4]).await.unwrap();
    its_output.write_all(b"rest").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(served.await.unwrap(), Ok(()));
    got.clear();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"rest");
}

#[tokio::test(start_paused = true)]
async fn while_the_program_runs_the_client_may_wait() {
    let (_client, tls) = duplex(ROOM);
    let ([input, output], _running) = answering().await;
    let served =
        timeout(10 * STALL, relay(tls, ProgramStream::Pair { input, output }, nobody())).await;
    assert!(served.is_err(), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_all_and_stays_is_left() {
    let (mut client, tls) = duplex(2 * ANSWER);
    let ([input, output], ended) = answering().await;
    drop(ended);
    let begun = Instant::now();
    assert_eq!(relay(tls, ProgramStream::Pair { input, output }, nobody()).await, Ok(()));
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), ANSWER);
}

/// A session with a program at the other end of the stream, and a monitor.
struct Session {
    client: DuplexStream,
    program: UnixStream,
    monitor: mpsc::UnboundedSender<Word>,
    served: JoinHandle<(Finished, Words)>,
}

impl Session {
    fn with(unread: &[u8]) -> Self {
        let (client, mut tls) = duplex(4 * HELD);
        let (stream, program) = UnixStream::pair().unwrap();
        let (monitor, mut words) = mpsc::unbounded_channel();
        let unread = Unread::from(unread);
        let served = spawn(async move {
            let finished = session(&mut tls, unread, local(stream), Some(&mut words), || ()).await;
            (finished, words)
        });
        Self { client, program, monitor, served }
    }

    fn says(&self, word: Word) {
        self.monitor.send(word).unwrap();
    }

    /// Nothing comes to the program while everything that can happen does.
    async fn program_hears_nothing(&mut self) {
        let heard = timeout(Duration::from_secs(1), self.program.read(&mut [0])).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    async fn program_hears(&mut self, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        self.program.read_exact(&mut got).await.unwrap();
        assert_eq!(got, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_hears_the_client_once_the_login_is_good() {
    let mut session = Session::with(b"this ");
    session.client.write_all(b"and more").await.unwrap();
    session.program_hears_nothing().await;
    session.says(Word::LoggedIn);
    session.program_hears(b"this and more").await;
    session.client.shutdown().await.unwrap();
    assert_eq!(session.program.read(&mut [0]).await.unwrap(), 0);
    drop(session.program);
    let (finished, _) = session.served.await.unwrap();
    assert!(
        finished.failure.is_none()
            && finished.heard == Heard::Nothing
            && finished.outcome.is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn or_once_it_has_spoken_itself() {
    let mut session = Session::with(b"this ");
    session.program.write_all(b"235 ok").await.unwrap();
    session.program_hears(b"this ").await;
    let mut got = [0; 6];
    session.client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"235 ok");
    session.program.write_all(b"bye").await.unwrap();
    drop(session.program);
    let (finished, _) = session.served.await.unwrap();
    assert!(finished.heard != Heard::Nothing && !finished.gone);
    // The connection is there for others' last words.
    let mut rest = String::new();
    session.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "bye");
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_program_wrote_is_sent_and_what_it_did_not_hear_is_left() {
    let mut session = Session::with(b"NOOP\r\n");
    session.client.write_all(b"QUIT\r\n").await.unwrap();
    session.program_hears_nothing().await;
    session.says(Word::Outcome(Outcome::Refused));
    let (finished, _) = session.served.await.unwrap();
    assert_eq!(finished.unread.octets(), b"NOOP\r\nQUIT\r\n");
    assert_eq!(finished.outcome, Some(Outcome::Refused));
    // Though it still has the stream: somebody of it may be left.
    drop(session.program);

    let mut session = Session::with(b"");
    session.program.write_all(b"a word").await.unwrap();
    session.says(Word::Outcome(Outcome::Refused));
    let (finished, _) = session.served.await.unwrap();
    assert!(finished.heard != Heard::Nothing);
    let mut got = String::new();
    session.client.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "a word");
}

#[tokio::test(start_paused = true)]
async fn whoever_keeps_the_stream_of_an_ended_session_goes_on() {
    let mut session = Session::with(b"");
    session.says(Word::LoggedIn);
    session.says(Word::Outcome(Outcome::Completed(0)));
    session.client.write_all(b"more").await.unwrap();
    session.program_hears(b"more").await;
    session.program.write_all(b"late").await.unwrap();
    let mut got = [0; 4];
    session.client.read_exact(&mut got).await.unwrap();
    drop(session.program);
    assert_eq!(session.served.await.unwrap().0.outcome, Some(Outcome::Completed(0)));
}

#[tokio::test(start_paused = true)]
async fn a_program_may_close_its_own_direction_alone() {
    let mut session = Session::with(b"");
    session.says(Word::LoggedIn);
    session.program.write_all(b"all").await.unwrap();
    session.program.shutdown().await.unwrap();
    let mut got = String::new();
    session.client.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "all");
    session.client.write_all(b"still").await.unwrap();
    session.program_hears(b"still").await;
    session.client.shutdown().await.unwrap();
    assert_eq!(session.program.read(&mut [0]).await.unwrap(), 0);
    assert!(session.served.await.unwrap().0.gone);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_client_is_seen_before_the_login_is_good() {
    let mut session = Session::with(b"");
    session.client.shutdown().await.unwrap();
    assert_eq!(session.program.read(&mut [0]).await.unwrap(), 0);
    // But not before what it has said.
    let mut session = Session::with(b"this");
    session.client.shutdown().await.unwrap();
    session.program_hears_nothing().await;
    session.says(Word::LoggedIn);
    session.program_hears(b"this").await;
    assert_eq!(session.program.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_monitor_only_who_was_told_of_it_has_a_session() {
    let session = Session::with(b"NOOP\r\n");
    drop(session.monitor);
    let (finished, _) = session.served.await.unwrap();
    assert!(finished.outcome.is_none() && finished.heard == Heard::Nothing);
    assert_eq!(finished.unread.octets(), b"NOOP\r\n");

    let mut session = Session::with(b"");
    session.program.write_all(b"235 ok").await.unwrap();
    session.client.read_exact(&mut [0; 6]).await.unwrap();
    drop(session.monitor);
    session.client.write_all(b"more").await.unwrap();
    let mut got = [0; 4];
    session.program.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"more");
}

#[tokio::test(start_paused = true)]
async fn little_is_kept_of_a_client_that_nobody_may_hear() {
    let mut session = Session::with(b"");
    let much = vec![b'x'; 64 * HELD];
    let mut written = 0;
    while let Ok(count) =
        timeout(Duration::from_secs(1), session.client.write(&much[written..])).await
    {
        written += count.unwrap();
    }
    assert!(written <= 6 * HELD, "{written}");
    session.says(Word::LoggedIn);
    let (mut hears, mut says) = (vec![0; much.len()], &much[written..]);
    let (heard, said) = tokio::join!(
        session.program.read_exact(&mut hears),
        session.client.write_all_buf(&mut says)
    );
    heard.unwrap();
    said.unwrap();
}

/// A client that has said more than a program that is about to end takes, and goes.
async fn says_too_much(client: &mut DuplexStream) {
    let much = vec![b'x'; 64 * HELD];
    let said = timeout(Duration::from_secs(1), client.write_all(&much)).await;
    assert!(said.is_err(), "all was taken");
}

/// What it has left behind may hold the stream and take nothing.
#[tokio::test(start_paused = true)]
async fn what_a_program_that_has_ended_takes_no_more_keeps_nobody() {
    // Whether or not it said that the login was good, or anything else.
    for tells in [true, false] {
        let mut session = Session::with(b"");
        if tells {
            session.says(Word::LoggedIn);
        }
        says_too_much(&mut session.client).await;
        session.says(Word::Outcome(Outcome::Completed(0)));
        drop(session.client);
        let served = timeout(2 * STALL, session.served).await;
        assert!(served.is_ok(), "tells: {tells}");
    }
    let (mut client, tls) = duplex(ROOM);
    let ([input, output], _held) = answering().await;
    let (ends, its_end) = tokio::sync::oneshot::channel();
    let served = spawn(relay(tls, ProgramStream::Pair { input, output }, its_end));
    says_too_much(&mut client).await;
    ends.send(()).unwrap();
    drop(client);
    assert!(timeout(3 * STALL, served).await.is_ok());
}

/// The same of little that was kept.
#[tokio::test(start_paused = true)]
async fn what_a_client_said_to_a_program_that_ended_without_a_word_keeps_nobody() {
    let mut session = Session::with(b"this");
    session.client.shutdown().await.unwrap();
    session.program_hears_nothing().await;
    session.says(Word::Outcome(Outcome::Completed(0)));
    assert!(timeout(2 * STALL, session.served).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_program_left_behind_may_take_its_time_to_hear_the_client() {
    let session = Session::with(b"");
    session.says(Word::LoggedIn);
    let much = vec![b'x'; 256 * HELD];
    let (mut client, mut program) = (session.client, session.program);
    let says = spawn(async move {
        client.write_all(&much).await.unwrap();
        client.shutdown().await.unwrap();
        much.len()
    });
    session.monitor.send(Word::Outcome(Outcome::Completed(0))).unwrap();
    let (mut heard, mut space) = (0, vec![0; 32 * HELD]);
    loop {
        sleep(STALL.checked_sub(Duration::from_secs(1)).unwrap()).await;
        match program.read(&mut space).await.unwrap() {
            0 => break,
            count => heard += count,
        }
    }
    assert_eq!(says.await.unwrap(), heard);
    session.served.await.unwrap();
}

/// As its monitor has died, or the listener has left.
#[tokio::test(start_paused = true)]
async fn a_program_whose_end_nobody_can_say_is_heard_while_it_says_something() {
    let mut session = Session::with(b"");
    session.says(Word::LoggedIn);
    session.client.write_all(b"x").await.unwrap();
    session.program_hears(b"x").await;
    drop(session.monitor);
    // While the client stays it may be silent for longer.
    assert!(timeout(3 * STALL, session.client.read(&mut [0])).await.is_err());
    session.client.shutdown().await.unwrap();
    for _ in 0..3 {
        sleep(STALL.checked_sub(Duration::from_secs(1)).unwrap()).await;
        session.program.write_all(b"y").await.unwrap();
    }
    let mut got = Vec::new();
    let heard = timeout(2 * STALL, session.client.read_to_end(&mut got)).await;
    assert!(heard.is_ok(), "it waits for what was left behind");
    assert_eq!(got, b"yyy");
    assert!(session.served.await.unwrap().0.gone);

    let (mut client, tls) = duplex(2 * ANSWER);
    let ([input, output], _held) = answering().await;
    let served = spawn(relay(tls, ProgramStream::Pair { input, output }, nobody()));
    client.shutdown().await.unwrap();
    assert_eq!(timeout(2 * STALL, served).await.unwrap().unwrap(), Ok(()));
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), ANSWER);
}

/// A connection that ends without `close_notify`.
struct Impolite(DuplexStream);

impl AsyncRead for Impolite {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(context, buffer))?;
        let end = buffer.filled().len() == before;
        Poll::Ready(if end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) })
    }
}

impl AsyncWrite for Impolite {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A client that has said something and closed, and the program's ends; what the log says.
async fn cut_off(says: &[u8]) -> ([UnixStream; 2], JoinHandle<Ended>) {
    let (mut client, tls) = duplex(ROOM);
    let (input, mut its_input) = UnixStream::pair().unwrap();
    let (output, its_output) = UnixStream::pair().unwrap();
    client.write_all(says).await.unwrap();
    client.shutdown().await.unwrap();
    let (input, output) = (local(input), local(output));
    let served = spawn(relay(Impolite(tls), ProgramStream::Pair { input, output }, nobody()));
    let mut heard = vec![0; says.len()];
    its_input.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, says);
    // It is there to be read from until its client has gone.
    std::mem::forget(client);
    ([its_input, its_output], served)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_the_program_ends_by_itself_is_no_truncation() {
    for closes_input_first in [true, false] {
        let ([input, output], served) = cut_off(b"QUIT\r\n").await;
        sleep(BY_ITSELF / 2).await;
        // It hears of no end meanwhile.
        assert_eq!(input.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        if closes_input_first {
            drop(input);
            drop(output);
        } else {
            drop(output);
            drop(input);
        }
        assert_eq!(served.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_wants_more_hears_of_the_end_and_the_log_does() {
    let ([mut input, output], served) = cut_off(b"DATA\r\nhalf of a message").await;
    let begun = Instant::now();
    assert_eq!(input.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(begun.elapsed(), BY_ITSELF);
    drop((input, output));
    assert_eq!(served.await.unwrap(), Err(Fault::Truncated));
}

#[tokio::test(start_paused = true)]
async fn the_same_of_a_session() {
    for ends_by_itself in [true, false] {
        let (mut client, tls) = duplex(ROOM);
        let (stream, mut program) = UnixStream::pair().unwrap();
        let (monitor, mut words) = mpsc::unbounded_channel();
        monitor.send(Word::LoggedIn).unwrap();
        let served = spawn(async move {
            let mut tls = Impolite(tls);
            session(&mut tls, Unread::default(), local(stream), Some(&mut words), || ())
                .await
                .failure
        });
        client.write_all(b"x").await.unwrap();
        program.read_exact(&mut [0]).await.unwrap();
        client.shutdown().await.unwrap();
        if !ends_by_itself {
            assert_eq!(program.read(&mut [0]).await.unwrap(), 0);
        }
        drop(program);
        let expected = (!ends_by_itself).then_some(Fault::Truncated);
        assert_eq!(served.await.unwrap(), expected);
    }
}
