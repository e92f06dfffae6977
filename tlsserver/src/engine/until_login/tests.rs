//! Conversations by the paused clock, over a stream that holds little.

mod pace;

use super::*;
use proto::login::reply::Face;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use unix::before_login::BeforeLogin;

/// What the stream holds in each direction.
const ROOM: usize = 1000;
const EACH: u64 = 30;
const WHOLE: u64 = 100;
const GREETING: &str = "220 mail.example.org ESMTP\r\n";

fn conversation(tls_at_once: bool) -> Conversation {
    let before_login = BeforeLogin {
        greeting: b"mail.example.org".to_vec(),
        capabilities: Vec::new(),
        each: EACH,
        whole: WHOLE,
    };
    let dialog = Dialog { face: Face::Smtp, tls_at_once, auth_equals: false, before_login };
    Conversation::new(&dialog, Vec::new())
}

/// Says all of it, and nothing more.
async fn say(client: &mut DuplexStream, octets: &[u8]) {
    client.write_all(octets).await.unwrap();
}

async fn all_said_to(mut client: DuplexStream) -> String {
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    got
}

#[tokio::test(start_paused = true)]
async fn what_follows_starttls_is_left_for_the_handshake() {
    let (mut client, mut server) = duplex(ROOM);
    let mut conversation = conversation(false);
    say(&mut client, b"EHLO x\r\nSTARTTLS\r\nQUIT\r\n").await;
    let turn = conversation.go_on(&mut server).await;
    assert!(matches!(turn, Ok(Turn::StartTls)));
    assert_eq!(conversation.take_unread(), b"QUIT\r\n");
    drop(server);
    let said = "250-mail.example.org\r\n250 STARTTLS\r\n220 Ready to start TLS (#5.7.0)\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

#[tokio::test(start_paused = true)]
async fn a_login_is_left_whole_for_the_program() {
    let (mut client, mut server) = duplex(ROOM);
    let mut conversation = conversation(true);
    say(&mut client, b"NOOP\r\nAUTH PLAIN").await;
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::LogIn)));
    assert_eq!(conversation.take_unread(), b"AUTH PLAIN");
    conversation.there_is_no_program();
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over)));
    drop(server);
    let said = "250 ok\r\n454 authup unable to fork (#4.3.0)\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_so() {
    let (client, mut server) = duplex(ROOM);
    let begun = Instant::now();
    assert!(matches!(conversation(true).go_on(&mut server).await, Ok(Turn::Over)));
    assert_eq!(begun.elapsed().as_secs(), EACH);
    drop(server);
    assert_eq!(all_said_to(client).await, format!("{GREETING}451 authup timeout (#4.4.2)\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_talking_must_log_in_all_the_same() {
    let (mut client, mut server) = duplex(ROOM);
    let begun = Instant::now();
    let talks = tokio::spawn(async move {
        while client.write_all(b"NOOP\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(EACH - 1)).await;
        }
    });
    assert!(matches!(conversation(true).go_on(&mut server).await, Ok(Turn::Over)));
    assert_eq!(begun.elapsed().as_secs(), WHOLE);
    drop(server);
    talks.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left() {
    let (mut client, mut server) = duplex(ROOM);
    let mut conversation = conversation(true);
    let floods = tokio::spawn(async move {
        while client.write_all(&b"NOOP\r\n".repeat(100)).await.is_ok() {}
        client
    });
    let begun = Instant::now();
    let Err(why) = conversation.go_on(&mut server).await else { panic!("it went on") };
    assert_eq!(why, "the peer took nothing for 30 s");
    assert_eq!(begun.elapsed().as_secs(), EACH);
    assert!(conversation.unread.capacity() <= 2 * PIECE, "{}", conversation.unread.capacity());
    drop(server);
    drop(floods.await);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_answered() {
    let (mut client, mut server) = duplex(ROOM);
    say(&mut client, b"AUT").await;
    client.shutdown().await.unwrap();
    assert!(matches!(conversation(true).go_on(&mut server).await, Ok(Turn::Over)));
    drop(server);
    let said = "454 authup unable to read pipe (#4.3.0)\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_is_not_a_fault() {
    let (client, mut server) = duplex(ROOM);
    let mut conversation = conversation(true);
    let gone = tokio::spawn(async move {
        let mut client = client;
        let mut greeting = [0; GREETING.len()];
        client.read_exact(&mut greeting).await.unwrap();
    });
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over)));
    gone.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_is_waited_for_a_while() {
    let (client, server) = duplex(ROOM);
    let begun = Instant::now();
    assert_eq!(close(server).await, Ok(()));
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    drop(client);
}

#[test]
fn no_control_file_names_a_time_that_the_clock_cannot_tell() {
    assert!(Instant::now().checked_add(seconds(u64::MAX)).is_some());
}
