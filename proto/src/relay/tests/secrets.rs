//! What whoever looks on is not shown.

use super::*;

/// All that is shown to whoever looks on.
#[derive(Default)]
struct Shown(Vec<u8>);

impl Watch for Shown {
    fn saw(&mut self, _what: Seen, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut relay = Relay::new(bare(), Shown::default());
    relay.from_client(b"AUTH PLAIN hunter2\r\n");
    relay.from_server(b"220 x\r\n");
    relay.from_server(b"535 no\r\n");
    relay.from_client(b"AUTH LOGIN\r\n");
    relay.from_server(b"334 VXNlcm5hbWU6\r\n");
    relay.from_client(b"hunter2\r\n");
    relay.from_server(b"250 fine\r\n");
    relay.from_client(b"NOOP\r\n");
    let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("NOOP"), "{shown}");
}

#[test]
fn secrets_are_not_shown_where_they_come_before_they_are_asked_for() {
    let mut relay = Relay::new(bare(), Shown::default());
    // Whatever else a response may look like.
    let says = b"AUTH LOGIN\r\nSTARTTLS\r\n hunter1\r\nhunter2\r\nNOOP\r\n";
    let mut taken = 0;
    for reply in [&b"220 x\r\n"[..], b"334 a\r\n", b"334 b\r\n", b"334 c\r\n", b"235 ok\r\n"] {
        while let Take::Took(count) = relay.from_client(&says[taken..]) {
            taken += count;
        }
        assert_eq!(relay.from_server(reply), reply.len());
    }
    relay.from_client(&says[taken..]);
    let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("NOOP"), "{shown}");
}

#[test]
fn secrets_are_not_shown_where_auth_was_refused_before_they_came() {
    for no in ["502 no", "250 a rule has made NOOP of it"] {
        let mut relay = Relay::new(bare(), Shown::default());
        relay.from_server(b"220 x\r\n");
        relay.from_client(b"AUTH LOGIN\r\n");
        relay.from_server(format!("{no}\r\n").as_bytes());
        for line in ["aHVudGVy", "hunter2=", "RSET", "hunter3=", "NOOP", "XONE", "AUTH X", "VRFY a"]
        {
            relay.from_client(format!("{line}\r\n").as_bytes());
            relay.from_server(b"500 what\r\n");
        }
        let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
        for secret in ["aHVudGVy", "hunter2"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for verb in ["RSET", "hunter3", "NOOP", "XONE", "VRFY a"] {
            assert!(shown.contains(verb), "{verb} {shown}");
        }
    }
}

#[test]
fn secrets_are_not_shown_where_servers_may_differ_on_the_verb() {
    for request in ["\tAUTH", " auth", "AUTH\t", "NOOP\rAUTH", "\0AUTH"] {
        let mut relay = Relay::new(bare(), Shown::default());
        relay.from_server(b"220 x\r\n");
        relay.from_client(format!("{request} PLAIN hunter2\r\n").as_bytes());
        relay.from_server(b"250 fine\r\n");
        relay.from_client(b" NOOP\r\n");
        let shown = String::from_utf8_lossy(&relay.watch().0).into_owned();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains(" NOOP"), "{shown}");
    }
}
