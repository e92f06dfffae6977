//! What the rules add for an address holds for its dialog and its programs.

use std::fs;
use std::path::Path;
use test_support::needs;
use test_support::talking::up_to_line;
use unix::failures::file::{Created, create};

use super::{DOORS, POP3, SUBMISSION, ask, line, text, write_controls};
use crate::harness::client::{clear_rest, plain};
use std::io::Write;

#[test]
fn what_is_offered_is_what_the_rules_say_of_the_address() {
    needs!("tcprules");
    for (rule, offered) in [
        ("A=\"b\"", "250-mail.example.org\r\n250-STARTTLS\r\n250-8BITMIME\r\n"),
        (
            "UCSPITLS=\"\"",
            "250-mail.example.org\r\n250-STARTTLS\r\n250-AUTH LOGIN PLAIN\r\n250-8BITMIME\r\n",
        ),
        ("DISABLETLS=\"\"", "250-mail.example.org\r\n250-AUTH LOGIN PLAIN\r\n250-8BITMIME\r\n"),
        (
            "DISABLETLS=\"\",AUTHUP_SASL_BROKEN_CLIENTS=\"1\"",
            "250-mail.example.org\r\n250-AUTH LOGIN PLAIN\r\n250-AUTH=LOGIN PLAIN\r\n\
             250-8BITMIME\r\n",
        ),
    ] {
        let server = SUBMISSION.setup().rules(&format!("127.0.0.1:allow,{rule}\n")).start();
        let mut socket = plain(&server);
        socket.write_all(b"EHLO x\r\nQUIT\r\n").unwrap();
        let bye = SUBMISSION.bye();
        let expected = format!("220 mail.example.org ESMTP\r\n{offered}250 PIPELINING\r\n{bye}");
        assert_eq!(text(clear_rest(socket)), expected, "{rule}");
    }
}

/// Where the rules let a client do without TLS, it logs in without, in one stream.
#[test]
fn a_login_in_the_clear_where_the_rules_allow_it() {
    needs!("tcprules");
    for door in [SUBMISSION, POP3] {
        for rule in ["UCSPITLS=\"\"", "DISABLETLS=\"\""] {
            let server = door.setup().rules(&format!("127.0.0.1:allow,{rule}\n")).start();
            let mut socket = door.greeted(&server);
            if !door.pop3 {
                assert_eq!(ask(&mut socket, door.wrong()), door.failed());
            }
            let said = door.logs_in(&mut socket);
            assert!(said.ends_with(" none none\r\n"), "{said}");
            let odd: Vec<u8> = (0..=255).cycle().take(100_000).collect();
            let mut writer = socket.try_clone().unwrap();
            let written = std::thread::spawn(move || {
                writer.write_all(&odd).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
                odd
            });
            let repeated = clear_rest(socket);
            assert!(repeated == written.join().unwrap(), "not what was said");
            assert_eq!(server.log.count("negotiated TLS"), 0);
            server.idle_as_begun();
        }
    }
}

#[test]
fn the_rules_variables_are_the_programs_but_not_what_is_the_dialogs() {
    needs!("tcprules");
    for door in DOORS {
        let setup = door.with(&["sh", "-c", "env | grep -E '^(A|UCSPI|DIS|AUTHUP_U)'; exit 0"]);
        let server = setup
            .variable("AUTHUP_UID", "4711")
            .rules("127.0.0.1:allow,A=\"yes\",UCSPITLS=\"!\"\n")
            .start();
        let mut tls = door.says_login(&server);
        let said = text(crate::harness::client::rest(&mut tls));
        let said = said.strip_prefix(door.first()).unwrap();
        let mut said: Vec<_> = said.lines().filter(|line| !line.contains("READYFD")).collect();
        said.sort_unstable();
        assert_eq!(said, ["A=yes", "AUTHUP_USER=bob"]);
    }
}

#[test]
fn a_rule_may_name_another_home_with_a_dialog_of_its_own() {
    needs!("tcprules");
    for door in DOORS {
        let setup = door.with(&["sh", "-c", "pwd; exit 0"]);
        let other = tempfile::tempdir().unwrap();
        let files = [("smtpcapabilities", "X\n"), ("pop3capabilities", "X\n")];
        write_controls(other.path(), &files);
        let home = other.path().to_str().unwrap();
        let server = setup.rules(&format!("127.0.0.1:allow,QMAILHOME=\"{home}\"\n")).start();
        // One that cannot be read is said, and lets nobody in.
        assert_eq!(clear_rest(plain(&server)), b"");
        server.log.wait_for(&["deny from 127.0.0.1: ", "control/me: No such file or directory"]);
        fs::write(other.path().join("control/me"), "mail.example.org\n").unwrap();
        for _ in 0..2 {
            let mut tls = door.enter(&server);
            tls.write_all(door.word("EHLO x\r\n", "CAPA\r\n").as_bytes()).unwrap();
            up_to_line(&mut tls, door.word("250 X\r\n", "X\r\n")).unwrap();
            if door.pop3 {
                line(&mut tls);
            }
            tls.write_all(door.login().as_bytes()).unwrap();
            let said = text(crate::harness::client::rest(&mut tls));
            assert_eq!(said, format!("{}{home}\n", door.first()));
        }
        server.idle_as_begun();
    }
}

/// A home with a memory of refused logins: one of an address, and it is not heard any more.
fn remembers_one(home: &Path) {
    let file = home.join("failures");
    assert_eq!(create(&file).unwrap(), Created::New);
    let control = format!("file {}\naddress 1 6h\n", file.display());
    fs::write(home.join("control/loginfailures"), control).unwrap();
}

#[test]
fn d59_a_home_that_a_rule_names_closes_at_accept_by_its_own_memory() {
    needs!("tcprules");
    let setup = SUBMISSION.setup();
    let other = tempfile::tempdir().unwrap();
    let files = [("me", "mail.example.org\n"), ("smtpcapabilities", "8BITMIME\nPIPELINING\n")];
    write_controls(other.path(), &files);
    let home = other.path().to_str().unwrap();
    let rule = format!("127.0.0.1:allow,DISABLETLS=\"\",QMAILHOME=\"{home}\"\n");
    remembers_one(other.path());
    let server = setup.rules(&rule).start();
    let guess = || {
        let mut socket = SUBMISSION.greeted(&server);
        assert_eq!(ask(&mut socket, SUBMISSION.wrong()), SUBMISSION.failed());
    };
    guess();
    assert_eq!(clear_rest(plain(&server)), b"");
    server.log.wait_for(&["deny from 127.0.0.1: too many failures"]);
    // Read again with the ordinary home's: nothing is remembered any more.
    fs::remove_file(other.path().join("control/loginfailures")).unwrap();
    server.reload();
    guess();
}
