//! With how much memory it starts and serves, and what it says where there is less.

use crate::harness::Setup;
use crate::harness::client::connect;
use std::io::{Read, Write};
use std::process::Command;
use test_support::needs;
use test_support::run::{hand_over, output, stderr};

/// By the real softlimit. The figure is that of the program as it is shipped: its own pages
/// count, too.
#[cfg_attr(debug_assertions, ignore = "too large with what only tests need")]
#[test]
fn too_little_memory_is_said_and_the_least_serves_all_of_the_default() {
    needs!("softlimit");
    let limited = |limit: &str| {
        let setup = Setup::new(&["cat"]).option("-c 40 -C 40");
        let server = setup.command();
        let mut command = Command::new("softlimit");
        hand_over(command.args(["-m", limit]).env_clear(), &server);
        (setup, command)
    };
    let (_setup, mut command) = limited("11999999");
    let done = output(&mut command, b"");
    assert_eq!(done.status.code(), Some(111));
    let said = stderr(&done);
    let line = "tlsserver: limit on memory: 11999999 octets, and at least 12000000 are needed\n";
    assert_eq!(said, line);

    let (setup, command) = limited("12000000");
    let server = setup.start_as(command);
    let mut clients: Vec<_> = (0..40).map(|_| connect(&server)).collect();
    let sent = vec![b'x'; 100_000];
    for client in &mut clients {
        client.write_all(&sent).unwrap();
        let mut got = vec![0; sent.len()];
        client.read_exact(&mut got).unwrap();
        assert!(got == sent);
    }
    assert_eq!(server.log.count("engine"), 0);
}
