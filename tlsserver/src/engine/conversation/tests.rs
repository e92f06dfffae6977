//! Conversations with a clock that stands still while anything can be done, and then goes
//! on to what is due next: what is said, that it is over in time whatever the client does,
//! and that it keeps no other client waiting.

use super::*;
use proto::login::before_login::BeforeLogin;
use proto::login::protocol::Protocol;
use tokio::io::{AsyncReadExt, DuplexStream, Join, ReadHalf, WriteHalf, duplex, repeat, sink};
use tokio::spawn;
use tokio::time::sleep;

/// What the connection holds unread, each way: many commands.
const ROOM: usize = 64 * 1024;
/// What a slow client takes at a time.
const BITE: usize = 1000;
/// Seconds for each input and output.
const IO_TIMEOUT: u64 = 30;
/// Seconds for all of it.
const LOGIN_TIMEOUT: u64 = 100;
/// More than can be answered while the client takes nothing.
const MANY: usize = 1_000_000;
const GREETING: &str = "220 mail.example.org ESMTP\r\n";

impl Connection for DuplexStream {}
impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection for Join<R, W> {}

/// One with TLS, and a listener that says nothing.
fn conversation(io_timeout: u64) -> Conversation {
    let (listener, told) = oneshot::channel();
    std::mem::forget(listener);
    begin(true, io_timeout, told)
}

pub(in crate::engine) fn begin(
    tls_at_once: bool,
    io_timeout: u64,
    told: oneshot::Receiver<Cut>,
) -> Conversation {
    let before_login = BeforeLogin {
        protocol: Protocol::Smtp,
        auth_equals: false,
        greeting: b"mail.example.org".to_vec(),
        capabilities: Vec::new(),
        io_timeout,
        login_timeout: LOGIN_TIMEOUT,
    };
    let dialog = DialogSetup { tries: 2, before_login };
    let tls = if tls_at_once { Tls::On } else { Tls::Required };
    let talk = Talk { dialog: 0, tls, auth_equals: false, timestamp: Vec::new() };
    Conversation::new(dialog, talk, told)
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
    let (_listener, told) = oneshot::channel();
    let mut conversation = begin(false, IO_TIMEOUT, told);
    say(&mut client, b"EHLO x\r\nSTARTTLS\r\nQUIT\r\n").await;
    let turn = conversation.go_on(&mut server).await;
    assert!(matches!(turn, Ok(Turn::StartTls)));
    assert_eq!(conversation.take_unread().octets(), b"QUIT\r\n");
    drop(server);
    let said = "250-mail.example.org\r\n250 STARTTLS\r\n220 Ready to start TLS (#5.7.0)\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

/// What a client says that logs in as bob, with a password that is his name.
pub(in crate::engine) const LOGIN: &str = "AUTH PLAIN AGJvYgBib2I=\r\n";

#[tokio::test(start_paused = true)]
async fn a_login_is_given_out_once_and_what_follows_it_is_left() {
    let (mut client, mut server) = duplex(ROOM);
    let mut conversation = conversation(IO_TIMEOUT);
    say(&mut client, format!("NOOP\r\n{LOGIN}NOOP\r\n{LOGIN}QUIT\r\n").as_bytes()).await;
    let mut left = format!("NOOP\r\n{LOGIN}QUIT\r\n");
    for outcome in [Outcome::Refused, Outcome::Completed(7)] {
        let Ok(Turn::LogIn(Attempt::Check(record, _))) = conversation.go_on(&mut server).await
        else {
            panic!("no login");
        };
        assert_eq!(record.expose(), b"bob\0bob\0\0");
        let unread = conversation.take_unread();
        assert_eq!(String::from_utf8_lossy(unread.octets()), left);
        "QUIT\r\n".clone_into(&mut left);
        conversation.put_back(unread);
        conversation.outcome(outcome);
    }
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over(7))));
    drop(server);
    let said = "250 ok\r\n535 authup authorization failed (#5.7.0)\r\n250 ok\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

#[tokio::test(start_paused = true)]
async fn who_has_not_begun_to_log_in_hears_that_the_server_ends() {
    for told_so in [true, false] {
        let (client, mut server) = duplex(ROOM);
        let (listener, told) = oneshot::channel();
        if told_so {
            assert!(listener.send(Cut::ServerEnds).is_ok());
        } else {
            drop(listener);
        }
        let begun = Instant::now();
        let mut conversation = begin(true, IO_TIMEOUT, told);
        assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over(1))));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop(server);
        let said = "421 authup server shutting down (#4.3.2)\r\n";
        assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_so() {
    let (client, mut server) = duplex(ROOM);
    let begun = Instant::now();
    assert!(matches!(conversation(IO_TIMEOUT).go_on(&mut server).await, Ok(Turn::Over(_))));
    assert_eq!(begun.elapsed().as_secs(), IO_TIMEOUT);
    drop(server);
    assert_eq!(all_said_to(client).await, format!("{GREETING}451 authup timeout (#4.4.2)\r\n"));
}

#[tokio::test(start_paused = true)]
async fn an_end_is_answered() {
    let (mut client, mut server) = duplex(ROOM);
    say(&mut client, b"AUT").await;
    client.shutdown().await.unwrap();
    assert!(matches!(conversation(IO_TIMEOUT).go_on(&mut server).await, Ok(Turn::Over(_))));
    drop(server);
    let said = "454 authup unable to read pipe (#4.3.0)\r\n";
    assert_eq!(all_said_to(client).await, format!("{GREETING}{said}"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_is_not_a_fault() {
    let (client, mut server) = duplex(ROOM);
    let mut conversation = conversation(IO_TIMEOUT);
    let gone = spawn(async move {
        let mut client = client;
        let mut greeting = [0; GREETING.len()];
        client.read_exact(&mut greeting).await.unwrap();
    });
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over(_))));
    gone.await.unwrap();
}

/// A connection that the client has reset.
struct Reset;

impl AsyncRead for Reset {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn only_within_tls_is_a_reset_a_fault() {
    for tls in [false, true] {
        let (_listener, told) = oneshot::channel();
        let mut conversation = begin(tls, IO_TIMEOUT, told);
        let turn = conversation.go_on(&mut tokio::io::join(Reset, sink())).await;
        assert_eq!(turn.is_err(), tls);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_waited_for_a_while() {
    let (client, server) = duplex(ROOM);
    let begun = Instant::now();
    assert_eq!(conversation(IO_TIMEOUT).close(server).await, Ok(()));
    assert_eq!(begun.elapsed().as_secs(), LINGER.as_secs());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_makes_room_and_is_told_so() {
    let (client, mut server) = duplex(ROOM);
    let (listener, told) = oneshot::channel();
    let mut conversation = begin(true, IO_TIMEOUT, told);
    let begun = Instant::now();
    let held = spawn(async move {
        assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over(_))));
        conversation.close(server).await
    });
    sleep(Duration::from_secs(1)).await;
    assert!(listener.send(Cut::Evicted).is_ok());
    assert_eq!(held.await.unwrap(), Ok(()));
    // Nor is the client's end waited for.
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(all_said_to(client).await, format!("{GREETING}451 authup timeout (#4.4.2)\r\n"));
}

#[tokio::test(start_paused = true)]
async fn so_does_a_client_that_takes_nothing() {
    for (notice, reason, patience) in [
        (Cut::Evicted, "connection limit reached", Duration::ZERO),
        (Cut::ServerEnds, "the server is shutting down", LINGER),
    ] {
        let (client, mut server) = duplex(GREETING.len() - 1);
        let (listener, told) = oneshot::channel();
        assert!(listener.send(notice).is_ok());
        let begun = Instant::now();
        let ended = begin(true, IO_TIMEOUT, told).go_on(&mut server).await;
        let Err(why) = ended else { panic!("it went on") };
        assert_eq!(why.to_string(), format!("client accepted no data, {reason}"));
        assert_eq!(begun.elapsed().as_secs(), patience.as_secs());
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn and_one_that_never_has_to_be_waited_for() {
    let (listener, told) = oneshot::channel();
    let mut conversation = begin(true, IO_TIMEOUT, told);
    let held = spawn(async move {
        let _ = conversation.go_on(&mut tokio::io::join(repeat(b'\n'), sink())).await;
    });
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(!held.is_finished());
    assert!(listener.send(Cut::Evicted).is_ok());
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(held.is_finished());
}

#[tokio::test(start_paused = true)]
async fn and_one_that_wants_to_log_in_too_late() {
    let (mut client, mut server) = duplex(ROOM);
    let (listener, told) = oneshot::channel();
    let mut conversation = begin(true, IO_TIMEOUT, told);
    say(&mut client, LOGIN.as_bytes()).await;
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::LogIn(_))));
    assert!(listener.send(Cut::Evicted).is_ok());
    assert_eq!(conversation.patiently(Duration::from_secs(60), pending::<()>()).await, None);
    conversation.give_up();
    assert!(matches!(conversation.go_on(&mut server).await, Ok(Turn::Over(1))));
    drop(server);
    assert!(all_said_to(client).await.ends_with("451 authup timeout (#4.4.2)\r\n"));
}

#[test]
fn no_control_file_names_a_time_that_the_clock_cannot_tell() {
    assert!(Instant::now().checked_add(seconds(u64::MAX)).is_some());
}

/// Says the same as often as it is heard.
async fn says(mut client: WriteHalf<DuplexStream>, what: &str, times: usize) {
    for _ in 0..times {
        if client.write_all(what.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Takes some at a time, with pauses before; what it got.
async fn reads_slowly(mut client: ReadHalf<DuplexStream>, pause: Duration) -> String {
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
async fn held_with(io_timeout: u64, pause: Duration) -> (Result<(), String>, String, u64) {
    let (client, mut server) = duplex(ROOM);
    let (hears, talks) = tokio::io::split(client);
    let begun = Instant::now();
    let conversation = async move {
        let turn = conversation(io_timeout).go_on(&mut server).await;
        let turn = turn.map(|turn| assert!(matches!(turn, Turn::Over(_))));
        (turn.map_err(|why| why.to_string()), begun.elapsed().as_secs())
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
    assert!(seconds <= LOGIN_TIMEOUT + 2 * LINGER.as_secs(), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left_when_the_time_is_up() {
    let (turn, _, seconds) = held_with(1200, Duration::from_secs(10_000)).await;
    assert_eq!(turn, Err(format!("client accepted no data for {LOGIN_TIMEOUT} s")));
    assert_eq!(seconds, LOGIN_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left_sooner_where_each_output_has_less_time() {
    let (turn, _, seconds) = held_with(7, Duration::from_secs(10_000)).await;
    assert_eq!(turn, Err("client accepted no data for 7 s".into()));
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
