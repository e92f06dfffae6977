//! Headers that are good, short, long and false, in one piece and in many.

use super::*;
use proto::proxy_header::BINARY_START;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// Sends the input in pieces of `piece` octets, then ends; what came of it, and
/// what is left for the program.
fn send(input: &[u8], piece: usize) -> (Progress, Vec<u8>) {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let (socket, remote) = listening.accept().unwrap();
    let local = socket.local_addr().unwrap();
    let mut rest = socket.try_clone().unwrap();
    let accepted = Accepted { socket: socket.into(), remote, local };
    let mut pending = Pending::new(accepted, Instant::now());
    let mut progress = Progress::NeedInput;
    for piece in input.chunks(piece) {
        client.write_all(piece).unwrap();
        // Until all of the piece is there or nothing more is wanted of it.
        while progress == Progress::NeedInput {
            let mut waiting = [rustix::event::PollFd::new(&rest, rustix::event::PollFlags::IN)];
            let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if rustix::event::poll(&mut waiting, Some(&none)).unwrap() == 0 {
                break;
            }
            progress = pending.advance(Instant::now());
        }
    }
    client.shutdown(Shutdown::Write).unwrap();
    if progress == Progress::NeedInput {
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(&rest, rustix::event::PollFlags::IN)],
            None,
        )
        .unwrap();
        progress = pending.advance(Instant::now());
    }
    if progress == Progress::Done(remote, local) {
        progress = own();
    }
    let mut left = Vec::new();
    rest.read_to_end(&mut left).unwrap();
    (progress, left)
}

fn done(remote: &str, local: &str) -> Progress {
    Progress::Done(remote.parse().unwrap(), local.parse().unwrap())
}

/// Stands for the connection's own addresses.
fn own() -> Progress {
    done("0.0.0.0:0", "0.0.0.0:0")
}

fn binary_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [BINARY_START, &[0x20 | command, family], &length, rest].concat()
}

fn ipv4_rest() -> Vec<u8> {
    vec![192, 0, 2, 7, 192, 0, 2, 1, 0x10, 0xe1, 0x02, 0x4b]
}

#[test]
fn good_headers_and_not_an_octet_more() {
    let four = "PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\r\n";
    let six = "PROXY TCP6 2001:db8::7 2001:db8::1 4321 587\r\n";
    let mapped = "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4321 587\r\n";
    let with_more = [ipv4_rest(), vec![4, 0, 2, 1, 1]].concat();
    let client = || done("192.0.2.7:4321", "192.0.2.1:587");
    for (header, expected) in [
        (four.as_bytes().to_vec(), client()),
        (six.as_bytes().to_vec(), done("[2001:db8::7]:4321", "[2001:db8::1]:587")),
        (mapped.as_bytes().to_vec(), client()),
        (b"PROXY UNKNOWN\r\n".to_vec(), own()),
        (b"PROXY UNKNOWN ::1 ::1 1 2\r\n".to_vec(), own()),
        (binary_header(1, 0x11, &ipv4_rest()), client()),
        (binary_header(1, 0x11, &with_more), client()),
        (binary_header(0, 0x00, &[]), own()),
        (binary_header(1, 0x31, &[0; 216]), own()),
    ] {
        let input = [&header[..], b"\x16\x03EHLO"].concat();
        for piece in [input.len(), 7] {
            let (progress, left) = send(&input, piece);
            assert_eq!(progress, expected, "{header:?}");
            assert_eq!(left, b"\x16\x03EHLO", "{header:?}");
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    const MALFORMED: &str = "the header is malformed";
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(100));
    let huge = [BINARY_START, &[0x21, 0x11, 0xff, 0xff]].concat();
    for (input, why) in [
        (b"EHLO there\r\n and more".to_vec(), "not a header"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh".to_vec(), "not a header"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 587\n".to_vec(), "not a header"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4321".to_vec(), "the header ends early"),
        (b"PRO".to_vec(), "the header ends early"),
        (long.into_bytes(), "the header is too long"),
        (huge, "the header is too long"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 65536\r\n".to_vec(), MALFORMED),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 +4321 587\r\n".to_vec(), MALFORMED),
        (b"PROXY TCP4 ::1 192.0.2.1 4321 587\r\n".to_vec(), MALFORMED),
        (b"PROXY TCP4  192.0.2.7 192.0.2.1 4321 587\r\n".to_vec(), MALFORMED),
        (binary_header(1, 0x11, &ipv4_rest()[..11]), MALFORMED),
        (binary_header(1, 0x11, &[ipv4_rest(), vec![4]].concat()), MALFORMED),
        (binary_header(1, 0x11, &[ipv4_rest(), vec![4, 0]].concat()), MALFORMED),
        (binary_header(1, 0x11, &[ipv4_rest(), vec![4, 0, 2, 1]].concat()), MALFORMED),
        (binary_header(2, 0x11, &ipv4_rest()), MALFORMED),
        (binary_header(1, 0x10, &ipv4_rest()), MALFORMED),
        (binary_header(1, 0x20, &[0; 36]), MALFORMED),
        (binary_header(1, 0x01, &ipv4_rest()), MALFORMED),
        (binary_header(1, 0x12, &ipv4_rest()), "the header is not of a TCP connection"),
    ] {
        assert_eq!(send(&input, input.len()).0, Progress::Refused(why), "{input:?}");
    }
    assert_eq!(send(b"", 1).0, Progress::Nothing);
}

/// A connection that has sent the input; with it what keeps it open.
fn pending(input: &[u8]) -> (Pending, TcpStream) {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let (socket, remote) = listening.accept().unwrap();
    let local = socket.local_addr().unwrap();
    client.write_all(input).unwrap();
    let accepted = Accepted { socket: socket.into(), remote, local };
    (Pending::new(accepted, Instant::now()), client)
}

/// What HAProxy sends as version 1 with a check: the connection's own addresses.
fn own_header(pending: &Pending) -> String {
    let Accepted { remote, local, .. } = pending.accepted;
    let (from, to) = (remote.port(), local.port());
    format!("PROXY TCP4 {} {} {from} {to}\r\n", remote.ip(), local.ip())
}

fn wait_for_input(pending: &Pending) {
    let socket = &pending.accepted.socket;
    let mut waiting = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut waiting, None).unwrap();
}

#[test]
fn a_check_by_the_load_balancer_is_nothing_unless_it_goes_on() {
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), binary_header(0, 0x00, &[]), Vec::new()] {
        for reset in [false, true] {
            let (mut check, mut client) = pending(&header);
            if header.is_empty() {
                write!(client, "{}", own_header(&check)).unwrap();
            }
            wait_for_input(&check);
            assert_eq!(check.advance(Instant::now()), Progress::NeedInput);
            if reset {
                let linger = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(&client, linger).unwrap();
            }
            drop(client);
            wait_for_input(&check);
            assert_eq!(check.advance(Instant::now()), Progress::Nothing);
        }
        let (mut silent, mut client) = pending(&header);
        if header.is_empty() {
            write!(client, "{}", own_header(&silent)).unwrap();
        }
        wait_for_input(&silent);
        let (before, own) =
            (silent.deadline, Progress::Done(silent.accepted.remote, silent.accepted.local));
        assert_eq!(silent.at_deadline(), Progress::Refused("no header in time"));
        assert_eq!(silent.advance(Instant::now()), Progress::NeedInput);
        assert!(silent.deadline < before);
        assert_eq!(silent.at_deadline(), own);
    }
}
