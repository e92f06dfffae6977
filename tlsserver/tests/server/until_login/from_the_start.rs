//! Clients that the program talks to from the start, and what it must not believe then.

use std::sync::Arc;

use super::{DOORS, Door, POP3S, SUBMISSION, ask, line};
use crate::harness::client::{config, plain, secure};
use crate::harness::{Server, skipped_without};
use crate::service::rules;

/// What the program says of itself when it talks to the client from the start.
fn from_the_start(door: Door, server: &Server) -> String {
    if door.asked {
        let mut socket = plain(server);
        let said = line(&mut socket);
        server.log.wait_for(&["tlsserver: pid "]);
        return said;
    }
    let mut tls = secure(plain(server), Arc::new(config(server)), "localhost").unwrap();
    line(&mut tls)
}

#[test]
fn a_greeting_that_was_inherited_is_none() {
    for door in [SUBMISSION, POP3S] {
        let stale = ("AUTHUP_GREETED", "<stale@mail.example.org>");
        let server = door.setup().variable(stale.0, stale.1).start();
        let (mut tls, _) = door.enter(&server);
        let said = ask(&mut tls, door.login());
        assert!(!said.contains("stale") && !said.contains("none none"), "{said}");

        let mut setup = door.setup().variable(stale.0, stale.1);
        setup.options.retain(|option| !["--until-login", "smtp", "pop3"].contains(&&**option));
        let said = from_the_start(door, &setup.start());
        assert!(said.starts_with("none none"), "{said}");
    }
}

#[test]
fn rules_that_change_what_authup_makes_of_it_leave_the_client_to_authup() {
    if skipped_without("tcprules") {
        return;
    }
    for door in DOORS {
        for rule in [
            "UCSPITLS=\"\"",
            "UCSPITLS=\"!\"",
            "DISABLETLS=\"\"",
            "QMAILHOME=\"/x\"",
            "AUTHUP_SASL_BROKEN_CLIENTS=\"1\"",
        ] {
            let setup = door.setup().variable("AUTHUP_GREETED", "stale");
            let compiled = rules(&setup, &format!("127.0.0.1:allow,A=\"b\",{rule}\n"));
            let server = setup.option(&format!("-x {compiled}")).start();
            let said = from_the_start(door, &server);
            assert!(said.starts_with("none none "), "{rule}: {said}");
            server.idle();
            assert_eq!(server.log.count("no login"), 0);
        }
        let setup = door.setup();
        let compiled = rules(&setup, "127.0.0.1:allow,RELAYCLIENT=\"yes\"\n");
        let server = setup.option(&format!("-x {compiled}")).start();
        let (mut tls, _) = door.enter(&server);
        assert_eq!(server.log.count("tlsserver: pid "), 0);
        let said = ask(&mut tls, door.login());
        assert!(said.ends_with(" yes TLSv1.3\r\n"), "{said}");
    }
}
