//! That a conversation is over in time, whatever the client does, and keeps no other
//! waiting: with a clock that stands still while anything can be done, and then goes on to
//! what is due next.

use super::*;
use proto::login::reply::Face;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::spawn;
use tokio::time::sleep;
use unix::before_login::BeforeLogin;

/// What the connection holds unread, each way: many commands.
const ROOM: usize = 64 * 1024;

/// What a slow client takes at a time.
const BITE: usize = 1000;

/// Seconds for all of it.
const WHOLE: u64 = 100;

/// More than can be answered while the client takes nothing.
const MANY: usize = 1_000_000;

fn conversation(each: u64) -> Conversation {
    let before_login = BeforeLogin {
        greeting: b"mail.example.org".to_vec(),
        capabilities: Vec::new(),
        each,
        whole: WHOLE,
    };
    let dialog = Dialog { face: Face::Smtp, tls_at_once: true, auth_equals: false, before_login };
    Conversation::new(&dialog, Vec::new())
}

/// Says the same as often as it is heard.
async fn says(mut client: tokio::io::WriteHalf<DuplexStream>, what: &str, times: usize) {
    for _ in 0..times {
        if client.write_all(what.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Takes some at a time, with pauses before; what it got.
async fn reads_slowly(mut client: tokio::io::ReadHalf<DuplexStream>, pause: Duration) -> String {
    let (mut got, mut space) = (Vec::new(), [0; BITE]);
    loop {
        sleep(pause).await;
        match client.read(&mut space).await.unwrap() {
            0 => return String::from_utf8(got).unwrap(),
            count => got.extend_from_slice(&space[..count]),
        }
    }
}

/// What the conversation with such a client comes to, what the client heard, and how many
/// seconds the conversation took.
async fn held_with(each: u64, pause: Duration) -> (Result<(), String>, String, u64) {
    let (client, mut server) = duplex(ROOM);
    let (hears, talks) = tokio::io::split(client);
    let begun = Instant::now();
    let conversation = async move {
        let turn = conversation(each).go_on(&mut server).await;
        (turn.map(|turn| assert!(matches!(turn, Turn::Over))), begun.elapsed().as_secs())
    };
    let ((turn, seconds), heard, ()) =
        tokio::join!(conversation, reads_slowly(hears, pause), says(talks, "NOOP\r\n", MANY));
    (turn, heard, seconds)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_always_has_more_to_say_is_told_when_the_time_is_up() {
    let (turn, heard, seconds) = held_with(1200, Duration::from_millis(100)).await;
    assert_eq!(turn, Ok(()));
    assert!(heard.starts_with("220 mail.example.org ESMTP\r\n250 ok\r\n"), "{heard}");
    assert!(heard.ends_with("250 ok\r\n451 authup timeout (#4.4.2)\r\n"), "{heard}");
    assert!(seconds <= WHOLE + 2 * LINGER.as_secs(), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left_when_the_time_is_up() {
    let (turn, _, seconds) = held_with(1200, Duration::from_secs(10_000)).await;
    assert_eq!(turn, Err(format!("the peer took nothing for {WHOLE} s")));
    assert_eq!(seconds, WHOLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left_sooner_where_each_output_has_less_time() {
    let (turn, _, seconds) = held_with(7, Duration::from_secs(10_000)).await;
    assert_eq!(turn, Err("the peer took nothing for 7 s".into()));
    assert_eq!(seconds, 7);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_begins_a_login_is_told_when_the_time_is_up() {
    let (client, mut server) = duplex(ROOM);
    let (hears, mut talks) = tokio::io::split(client);
    talks.write_all(b"AUT").await.unwrap();
    let begun = Instant::now();
    let held = async move {
        assert!(conversation(30).go_on(&mut server).await.is_ok());
        assert_eq!(begun.elapsed().as_secs(), 30);
    };
    let ((), heard) = tokio::join!(held, reads_slowly(hears, Duration::ZERO));
    assert_eq!(heard, "220 mail.example.org ESMTP\r\n451 authup timeout (#4.4.2)\r\n");
}

/// Says all at once, and then takes what is answered: neither side waits for the other.
async fn talks(says: Vec<u8>) -> String {
    let (mut client, mut server) = duplex(10 * ROOM);
    client.write_all(&says).await.unwrap();
    conversation(1200).go_on(&mut server).await.map(drop).unwrap();
    drop(server);
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    heard
}

/// Many small commands, no command at all, and few commands with long answers.
#[tokio::test(start_paused = true)]
async fn who_says_much_does_not_keep_others_waiting() {
    for flood in ["NOOP\r\n".repeat(2_000), "x".repeat(3 * ROOM), "\n".repeat(PIECE - 6)] {
        let much = spawn(talks([&flood, "\r\nQUIT\r\n"].concat().into()));
        let little = spawn(talks(b"NOOP\r\nQUIT\r\n".to_vec()));
        let heard = little.await.unwrap();
        assert!(!much.is_finished(), "all of {:?}... came first", &flood[..2]);
        assert_eq!(heard, "220 mail.example.org ESMTP\r\n250 ok\r\n221 mail.example.org\r\n");
        assert!(much.await.unwrap().ends_with("221 mail.example.org\r\n"));
    }
}
