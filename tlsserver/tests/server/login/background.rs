//! A mail program that leaves a child behind, which holds the session's stream.

use std::io::Read;

use super::{POP3S, SUBMISSION};
use crate::harness::client::{close, finish_sending, reset, rest};

/// Ends, and leaves a child that does until `GO` has an end.
const LEAVES_A_CHILD: &[&str] = &[
    "bash",
    "--norc",
    "-c",
    r#"exec 3<&-
       exec 5<&0 6<"$GO"
       cat <&6 &
       head -c 1000000 /dev/zero
       exit 0"#,
];

/// How much it says.
const SAID: usize = 1_000_000;

#[test]
fn d72_once_client_and_program_are_gone_nobody_waits_for_what_is_left_behind() {
    for door in [SUBMISSION, POP3S] {
        let (setup, gate) = door.with(LEAVES_A_CHILD).gated();
        let server = setup.start();
        // Who only says no more gets all that the program said, and an end of TLS.
        let mut half_closed = door.says_login(&server);
        finish_sending(&mut half_closed);
        assert_eq!(rest(&mut half_closed).len(), door.first().len() + SAID);
        server.log.wait_for_count("succeeded, child completed (bob from 127.0.0.1)", 1);
        server.log.wait_for_count("tlsserver: end ", 1);
        // Who has heard all, and then goes.
        let mut goes = door.says_login(&server);
        goes.read_exact(&mut vec![0; door.first().len() + SAID]).unwrap();
        close(&mut goes);
        server.log.wait_for_count("tlsserver: end ", 2);
        // Who is cut off.
        let mut lost = door.says_login(&server);
        lost.read_exact(&mut vec![0; door.first().len() + SAID]).unwrap();
        reset(lost.sock);
        server.log.wait_for_count("tlsserver: end ", 3);
        server.log.wait_for_count("succeeded, child completed (bob from 127.0.0.1)", 3);
        server.idle();
        drop(gate);
    }
}
