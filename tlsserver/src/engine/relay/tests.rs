//! What goes on after a program's end is bounded: with a clock that stands still while
//! anything can be done, and then goes on to what is due next.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

/// What the connection takes unread.
const ROOM: usize = 1000;
const ANSWER: usize = 10 * ROOM;

/// A program that has written an answer; it runs while its ends are held.
async fn answering() -> ([UnixStream; 2], [UnixStream; 2]) {
    let (input, its_input) = UnixStream::pair().unwrap();
    let (output, mut its_output) = UnixStream::pair().unwrap();
    its_output.write_all(&[b'x'; ANSWER]).await.unwrap();
    ([input, output], [its_input, its_output])
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
    let why = relay(tls, Vec::new(), input, output).await.unwrap_err();
    assert_eq!(why, "the peer took nothing for 60 s");
    assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_little_gets_all() {
    let (client, tls) = duplex(ROOM);
    let ([input, output], ended) = answering().await;
    drop(ended);
    let begun = Instant::now();
    let pause = STALL.checked_sub(Duration::from_secs(1)).unwrap();
    let (served, got) =
        tokio::join!(relay(tls, Vec::new(), input, output), reads_slowly(client, pause));
    assert_eq!((served, got), (Ok(()), ANSWER));
    assert!(begun.elapsed() > 2 * STALL);
}

#[tokio::test(start_paused = true)]
async fn while_the_program_runs_the_client_may_wait() {
    let (_client, tls) = duplex(ROOM);
    let ([input, output], _running) = answering().await;
    let served = timeout(10 * STALL, relay(tls, Vec::new(), input, output)).await;
    assert!(served.is_err(), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_all_and_stays_is_left() {
    let (mut client, tls) = duplex(2 * ANSWER);
    let ([input, output], ended) = answering().await;
    drop(ended);
    let begun = Instant::now();
    assert_eq!(relay(tls, Vec::new(), input, output).await, Ok(()));
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), ANSWER);
}

#[tokio::test(start_paused = true)]
async fn the_program_reads_first_what_nobody_has_taken() {
    let (mut client, tls) = duplex(ROOM);
    let (input, mut program) = UnixStream::pair().unwrap();
    let (output, program_output) = UnixStream::pair().unwrap();
    drop(program_output);
    client.write_all(b"and more").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(relay(tls, b"this ".to_vec(), input, output).await, Ok(()));
    let mut got = String::new();
    program.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "this and more");
}
