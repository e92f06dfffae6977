//! Whom rules are for: the same clients as by tcpserver, which tcprulescheck asks.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use test_support::needs::{is_there_or_skip, skipped};
use test_support::run::{output, stdout};

use crate::harness::client::{clear_rest, plain};
use crate::harness::{Server, Setup};

/// Each client as it is written by others, and by tcpserver of ucspi-tcp-ipv6.
const CLIENTS: [(&str, &str); 18] = [
    ("192.0.2.7", "192.0.2.7"),
    ("192.0.2.8", "192.0.2.8"),
    ("192.0.3.1", "192.0.3.1"),
    ("19.1.1.1", "19.1.1.1"),
    ("::1", "::1"),
    ("2001:db8::3", "2001:db8::3"),
    ("2001:db8::4", "2001:db8::4"),
    ("2001:db8:1::1", "2001:db8:1::1"),
    ("2001:db8:1:1::1", "2001:db8:1:1::1"),
    ("2001:db8:10::1", "2001:db8:10::1"),
    ("2001:db8:2::1", "2001:db8:2::1"),
    ("2001:db8:2:1::1", "2001:db8:2:1::1"),
    ("2001:db8:2:1:1:1:1:0", "2001:db8:2:1:1:1:1::"),
    ("2001:db8:0:7:1:1:1:1", "2001:db8::7:1:1:1:1"),
    ("2001:db8:0:8:1:1:1:1", "2001:db8::8:1:1:1:1"),
    ("2001:db8:3::1:0:0", "2001:db8:3::1:0:0"),
    ("2001:db9::1", "2001:db9::1"),
    ("fe80::5", "fe80::5"),
];

/// With a name for each that the program gets, and one for those that are for nobody.
const RULES: &str = "\
192.0.2.7:allow,RULE=\"address\"
192.0.2.:deny
192.:allow,RULE=\"192\"
::1:allow,RULE=\"here\"
2001:db8::3:deny
2001:db8:1::deny
2001:db8:2:::allow,RULE=\"subnet 0\"
2001:db8:2:1:1:1:1:::deny
2001:db8:2::allow,RULE=\"2\"
2001:db8::7:1:1:1:1:deny
2001:db8:0:8:1:1:1:1:allow,RULE=\"never\"
2001:db8:3::1:0::deny
2001:db8:3:0:0:1::allow,RULE=\"never\"
2001:DB9::deny
2001:db9::/32:deny
2001::allow,RULE=\"2001\"
fe80::deny
:allow,RULE=\"others\"
";

#[test]
fn d71_rules_are_for_the_clients_that_they_are_for_by_ucspi_tcp_ipv6() {
    let Some(server) = served(RULES) else { return };
    let rules = server.file("rules.cdb");
    let mut denied = 0;
    for (client, written) in CLIENTS {
        // This one is for nobody there. Here it is for whom the log calls so.
        let expected = match client {
            "2001:db8:0:8:1:1:1:1" => "never\n".into(),
            _ => by_tcprulescheck(Path::new(&rules), written),
        };
        assert_eq!(given(&server, client), expected, "{client}");
        if expected.is_empty() {
            denied += 1;
            server.log.wait_for(&[&format!("deny from {client}: rejected by rules.cdb")]);
        }
    }
    assert_eq!(denied, 8, "of each kind");
}

/// One that prints what its rule is called; none, and a word why, where this tcprules does not
/// know IPv6.
fn served(rules: &str) -> Option<Server> {
    if !is_there_or_skip("tcprulescheck") {
        return None;
    }
    let setup = Setup::new(&["printenv", "RULE"]).option("-n --proxy-protocol");
    let folder = setup.directory.path();
    if !knows_ipv6(folder) {
        skipped("rules for IPv6", "needs ucspi-tcp-ipv6 in the place of ucspi-tcp");
        return None;
    }
    Some(setup.rules(rules).start())
}

fn knows_ipv6(folder: &Path) -> bool {
    let mut tcprules = Command::new("tcprules");
    tcprules.args(["probe.cdb", "probe.tmp"]).current_dir(folder);
    output(&mut tcprules, b"::1:allow\n").status.success()
}

/// What the program is given for a client by the rules; nothing if that is denied.
fn by_tcprulescheck(rules: &Path, client: &str) -> String {
    let mut check = Command::new("tcprulescheck");
    let text = stdout(&output(check.arg(rules).env("TCPREMOTEIP", client), b""));
    if text.ends_with("\ndeny connection\n") {
        return String::new();
    }
    let name = text.lines().find_map(|line| line.strip_prefix("set environment variable RULE="));
    format!("{}\n", name.unwrap())
}

fn given(server: &Server, client: &str) -> String {
    let header = match client.contains(':') {
        true => format!("PROXY TCP6 {client} ::1 4321 587\r\n"),
        false => format!("PROXY TCP4 {client} 192.0.2.1 4321 587\r\n"),
    };
    let mut socket = plain(server);
    socket.write_all(header.as_bytes()).unwrap();
    String::from_utf8(clear_rest(socket)).unwrap()
}
