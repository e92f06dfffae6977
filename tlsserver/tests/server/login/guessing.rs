//! What one who guesses can have the log say: bounded, with whoever logs in and whoever else
//! is refused still in it, and with none uncounted.

use proto::repeated::MOST_OF_ONE;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, TcpStream};

use super::{PROGRAM, SUBMISSION, ask, line};
use crate::harness::client::{clear_rest, plain};
use crate::harness::{Server, Setup};

/// Guesses, some in each connection.
const CONNECTIONS: usize = 40;
const TRIES: usize = 4;
const GUESSES: usize = CONNECTIONS * TRIES;

const GUESSER: &str = "192.0.2.7";
const ANOTHER: &str = "192.0.2.8";

/// Clients are from where they say they are, and need no TLS.
fn setup(program: &[&str]) -> Setup {
    let setup = SUBMISSION.with(program).option("--proxy-protocol --tries 9");
    setup.variable("UCSPITLS", "")
}

fn enter(server: &Server, from: &str) -> TcpStream {
    let family = if from.contains(':') { "TCP6 {} ::1" } else { "TCP4 {} 192.0.2.1" };
    let mut socket = plain(server);
    let header = format!("PROXY {} 4321 587\r\n", family.replace("{}", from));
    socket.write_all(header.as_bytes()).unwrap();
    line(&mut socket);
    socket
}

fn guess(server: &Server, from: &str, times: usize, refusal: &str) {
    let mut socket = enter(server, from);
    for _ in 0..times {
        assert_eq!(ask(&mut socket, SUBMISSION.wrong()), refusal);
    }
    // It has been heard to the end.
    assert_eq!(ask(&mut socket, "QUIT\r\n"), SUBMISSION.bye());
    assert_eq!(clear_rest(socket), b"");
}

fn log_in(server: &Server, from: &str) {
    let mut socket = enter(server, from);
    SUBMISSION.logs_in(&mut socket);
}

/// How many refused logins from an address the log has lines of, and how many it has summed up.
fn logged(lines: &[String], end: &str, sum: &str, from: &str) -> (usize, usize) {
    let (own, last) = (format!("(bob from {from})"), format!(" {sum} (last from {from})"));
    let is_own = |line: &&String| line.ends_with(&own) && line.contains(end);
    let summed = lines.iter().filter_map(|line| {
        let count = line.strip_prefix("authup: ")?.strip_suffix(&last)?;
        Some(count.strip_suffix(" more logins")?.parse::<usize>().unwrap())
    });
    (lines.iter().filter(is_own).count(), summed.sum())
}

/// Waits until the log has told of so many; what it has then.
fn wait_until_logged(server: &Server, end: &str, sum: &str, from: &str, all: usize) -> Vec<String> {
    server.log.wait(format!("{all} logins from {from}"), |lines| {
        let (own, summed) = logged(lines, end, sum, from);
        (own + summed == all).then(|| lines.to_vec())
    })
}

fn assert_summed_up(lines: &[String], end: &str, sum: &str, from: &str) {
    let (own, summed) = logged(lines, end, sum, from);
    // On a machine that is too slow for all of them within one window there is more than one.
    let windows = lines.iter().filter(|line| line.contains(" more logins ")).count();
    assert!(summed > 0 && own <= MOST_OF_ONE as usize * windows, "{own} written, {summed} not");
    let connections = lines.iter().filter(|line| line.ends_with(" protocol smtp")).count();
    assert!(connections < CONNECTIONS, "{connections} connections");
}

#[test]
fn a_guesser_is_summed_up_and_nobody_else() {
    let server = setup(PROGRAM).start();
    let refusal = SUBMISSION.failed();
    let (end, sum) = (" failed, ", "failed");
    for _ in 0..CONNECTIONS {
        guess(&server, GUESSER, TRIES, &refusal);
    }
    guess(&server, ANOTHER, 1, &refusal);
    log_in(&server, GUESSER);
    let mut lines = wait_until_logged(&server, end, sum, GUESSER, GUESSES);
    assert_summed_up(&lines, end, sum, GUESSER);
    assert_eq!(logged(&lines, end, sum, ANOTHER), (1, 0));
    assert!(lines.iter().any(|line| line.ends_with(" attempt for bob (bob from 192.0.2.8)")));

    // All of who logged in, and in their order.
    let said = " login succeeded (bob from 192.0.2.7)";
    let good = lines.iter().find(|line| line.ends_with(said)).expect("no good login");
    let number = good.strip_suffix(said).unwrap().to_owned();
    lines.retain(|line| line.starts_with(&number));
    let ends = ["protocol smtp", "attempt for bob (bob from 192.0.2.7)", &said[1..]];
    assert!(lines.iter().zip(ends).all(|(line, end)| line.ends_with(end)), "{lines:?}");
    assert!(lines.len() >= ends.len(), "{lines:?}");
}

#[test]
fn an_ipv6_network_is_one_and_addresses_beyond_all_room_are_counted() {
    let server = setup(&["false"]).start();
    let (end, sum) = (" failed, ", "failed");
    let refusal = SUBMISSION.failed();
    let address = |number: usize| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number as u16]);
    for number in 1..=CONNECTIONS {
        guess(&server, &address(number).to_string(), TRIES, &refusal);
    }
    let summed = server.log.wait("a sum", |lines| {
        let sum =
            lines.iter().find(|line| line.contains(" more logins failed (last from 2001:db8::"));
        sum.cloned()
    });
    assert!(summed.starts_with("authup: "), "{summed}");
    let lines = server.log.lines();
    let own = lines.iter().filter(|line| line.contains(end)).count();
    assert!(own < GUESSES, "{own}");
    // And another /64 is another.
    assert_eq!(logged(&lines, end, sum, "2001:db8:0:1::1"), (0, 0));
    guess(&server, "2001:db8:0:1::1", 1, &refusal);
    wait_until_logged(&server, end, sum, "2001:db8:0:1::1", 1);
}

#[test]
fn trouble_is_summed_up_by_itself() {
    let setup = setup(&["sh", "-c", "exec 3<&-; exit 111"]);
    fs::write(setup.file("control/logformat"), "logfmt\n").unwrap();
    let mut server = setup.start();
    let (end, sum) = (" temporary failure ", "not checked");
    let refusal = "454 authup temporary authentication failure (#4.7.0)\r\n";
    for _ in 0..GUESSES {
        guess(&server, GUESSER, 1, refusal);
    }
    // What is yet to be said is said at the end.
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let lines = wait_until_logged(&server, end, sum, GUESSER, GUESSES);
    let (own, summed) = logged(&lines, end, sum, GUESSER);
    assert!(summed > 0, "{own} written");
    assert_eq!(server.log.count("failed"), 0);
    // Lines that say all are left out with the others.
    for all in [" login result=temporary ", " session code="] {
        assert_eq!(server.log.count(all), own, "{all}");
    }
}
