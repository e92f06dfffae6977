//! What control files say about logins: read again at `SIGHUP`, for the ordinary home and for
//! those that rules name; and the memory of refused logins, which is owed nothing at the end.

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tempfile::TempDir;
use test_support::needs;
use test_support::wait::until;

use super::ending::wait_until_gone;
use super::faults::with_seconds;
use super::{POP3S, SUBMISSION, ask, line, text, write_controls};
use crate::harness::client::rest;
use crate::harness::{Server, Setup, is_root};
use unix::failures::file::{Created, create};
use unix::failures::{Memory, settings};

/// Says which name it was asked about.
const NAMES: &[&str] = &["sh", "-c", "echo $AUTHUP_USER; exit 0"];
const REFUSES: &[&str] = &["sh", "-c", "exec 3<&-; exit 1"];
const BOB_AT_HOME: &str = "AUTH PLAIN AEJvYkBIb21lAHA=\r\n";

/// The name that the login program is asked about when Bob@Home logs in.
fn asked_about(server: &Server) -> String {
    asked_about_at("mail.example.org", server)
}

/// The same where the server is called so.
fn asked_about_at(host: &str, server: &Server) -> String {
    let mut tls = SUBMISSION.enter_as(server, host);
    tls.write_all(BOB_AT_HOME.as_bytes()).unwrap();
    text(rest(&mut tls)).trim_end().to_owned()
}

/// Writes the file, and has all be read again; how often it has been.
fn read_again(server: &Server, file: &Path, contents: &str, times: usize) {
    fs::write(file, contents).unwrap();
    server.signal(Signal::HUP);
    server.log.wait_for_count("certificates reloaded", times);
}

#[test]
fn names_are_changed_as_the_file_says_now() {
    let server = SUBMISSION.with(NAMES).start();
    let file = server.file("control/loginnames");
    assert_eq!(asked_about(&server), "Bob@Home");
    read_again(&server, &file, "lower-case\n", 1);
    assert_eq!(asked_about(&server), "bob@home");
    server.log.wait_for(&[" attempt for bob@home, given as Bob@Home (bob@home from 127.0.0.1)"]);
    read_again(&server, &file, "lower-case\nupper-case\n", 2);
    let wrong =
        "control/loginnames:2: neither lower-case nor strip-domain; keeping the previous ones";
    server.log.wait_for(&["tlsserver: ", wrong]);
    assert_eq!(asked_about(&server), "bob@home");
    read_again(&server, &file, "strip-domain\n", 3);
    assert_eq!(asked_about(&server), "Bob");
    assert_eq!(server.log.count("keeping the previous ones"), 1);
    server.idle();
}

/// With a rule that has all clients served from another home, which is the second.
fn at_another_home(setup: Setup) -> (Setup, TempDir) {
    let other = tempfile::tempdir().unwrap();
    write_controls(other.path(), &[("me", "other.example.org\n"), ("smtpcapabilities", "X\n")]);
    let home = other.path().display();
    (setup.rules(&format!("127.0.0.1:allow,QMAILHOME=\"{home}\"\n")), other)
}

#[test]
fn a_home_that_a_rule_names_has_names_of_its_own() {
    needs!("tcprules");
    let (setup, other) = at_another_home(SUBMISSION.with(NAMES));
    fs::write(setup.file("control/loginnames"), "lower-case\n").unwrap();
    let server = setup.start();
    let (home, file) = (other.path().to_str().unwrap(), other.path().join("control/loginnames"));
    let enter = || asked_about_at("other.example.org", &server);
    // What is bad when it is read first lets nobody in, and says so.
    fs::write(&file, "upper-case\n").unwrap();
    let mut tls = SUBMISSION.enter_as(&server, "other.example.org");
    let trouble = "454 authup temporary authentication failure (#4.7.0)\r\n";
    assert_eq!(ask(&mut tls, BOB_AT_HOME), trouble);
    let wrong = format!("unable to read controls: {home}/control/loginnames:1: neither");
    server.log.wait_for(&["authup ", &wrong]);
    // Once it is good it is read.
    fs::write(&file, "strip-domain\n").unwrap();
    tls.write_all(BOB_AT_HOME.as_bytes()).unwrap();
    assert_eq!(text(rest(&mut tls)), "Bob\n");
    read_again(&server, &file, "", 1);
    assert_eq!(enter(), "Bob@Home");
    read_again(&server, &file, "?\n", 2);
    server.log.wait_for(&[home, "control/loginnames:1: neither", "; keeping the previous ones"]);
    assert_eq!(enter(), "Bob@Home");
    server.idle();
}

/// Has refused logins be remembered in a file of the server's folder.
fn remember(folder: &Path, limits: &str) {
    let file = folder.join("failures");
    assert_eq!(create(&file).unwrap(), Created::New);
    let control = format!("file {}\n{limits}", file.display());
    fs::write(folder.join("control/loginfailures"), control).unwrap();
}

/// The same memory, as another process has it.
fn memory(folder: &Path) -> Memory {
    let control = unix::control::Folder::of(Some(folder.as_os_str()));
    Memory::new(settings(&control).unwrap().unwrap())
}

/// Stands for a login program that takes its time, until it is let go on.
const WAITS: &[&str] = login_program!(r#"read -r none <"$GO""#, r#"printf '%s\r\n' "$user""#);

/// Each check counts as refused until it is known: that alone refuses nobody, and leaves
/// nobody outside.
#[test]
fn more_logins_at_once_than_may_be_refused_are_all_let_in() {
    let (setup, gate) = SUBMISSION.with(WAITS).option("--checks 6").gated();
    remember(setup.directory.path(), "address 3 6h\n");
    let server = setup.start();
    let watched = Watched::begin(server.directory.path());
    let mut clients = [(); 6].map(|()| SUBMISSION.enter(&server));
    for client in &mut clients {
        client.write_all(SUBMISSION.login().as_bytes()).unwrap();
    }
    server.log.wait_for_count("attempt for bob", 2);
    let mut late = SUBMISSION.enter(&server);
    late.write_all(SUBMISSION.login().as_bytes()).unwrap();
    gate.open(clients.len() + 1);
    for client in clients.iter_mut().chain([&mut late]) {
        assert_eq!(line(client), "bob\r\n");
    }
    assert_eq!(server.log.count("too many failures"), 0);
    assert!(!watched.was_shut_out(), "the file had it for a moment");
}

/// Looks again and again whether the listener would hear nobody from here.
struct Watched(Arc<AtomicBool>, JoinHandle<bool>);

impl Watched {
    fn begin(folder: &Path) -> Self {
        let mut memory = memory(folder);
        let is_over = Arc::new(AtomicBool::new(false));
        let told = is_over.clone();
        let shuts_out = move || memory.shuts_out(Ipv4Addr::LOCALHOST.into());
        let watcher = std::thread::spawn(move || {
            std::iter::repeat_with(shuts_out)
                .take_while(|_| !told.load(Ordering::Relaxed))
                .any(|shut| shut)
        });
        Self(is_over, watcher)
    }

    fn was_shut_out(self) -> bool {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap()
    }
}

#[test]
fn refused_logins_are_remembered_as_the_file_says_now() {
    let server = SUBMISSION.with(REFUSES).start();
    let mut tls = SUBMISSION.enter(&server);
    // Bob with a password of its own for each.
    let guess = |tls: &mut _, guess: &str| ask(tls, &format!("AUTH PLAIN {guess}\r\n"));
    const GUESSES: [&str; 4] = ["AGJvYgBvbmU=", "AGJvYgB0d28=", "AGJvYgB0aHJlZQ==", "AGJvYgBmb3Vy"];
    let no = SUBMISSION.failed();
    for name in &GUESSES[..2] {
        assert_eq!(guess(&mut tls, name), no);
    }
    drop(tls);
    remember(server.directory.path(), "user 2 6h\n");
    server.reload();
    let mut tls = SUBMISSION.enter(&server);
    for name in &GUESSES[..2] {
        assert_eq!(guess(&mut tls, name), no);
    }
    assert_eq!(server.log.count("too many failures"), 0);
    guess(&mut tls, GUESSES[2]);
    server.log.wait_for(&["checkpassword not run, too many failures of "]);
    drop(tls);
    // What cannot be used is said once, by whichever of the two reads it.
    read_again(&server, &server.file("control/loginfailures"), "user many\n", 2);
    server.log.wait_for(&["control/loginfailures: ", "; keeping the previous ones"]);
    assert_eq!(server.log.count("keeping the previous ones"), 1, "{:#?}", server.log.lines());
    let mut tls = SUBMISSION.enter(&server);
    guess(&mut tls, GUESSES[3]);
    server.log.wait_for_count("checkpassword not run, too many failures of ", 2);
    drop(tls);
    server.idle();
}

/// Nobody knows whether they would have been refused.
#[test]
fn logins_that_are_being_checked_when_all_is_ended_do_not_count_as_refused() {
    let (setup, _closed) = SUBMISSION.with(WAITS).option("--linger 1").gated();
    remember(setup.directory.path(), "user 1 6h\n");
    let mut server = setup.start();
    let _tls = SUBMISSION.says_login(&server);
    server.log.wait_for(&["attempt for bob"]);
    let own = server.terminate();
    wait_until_gone(&own);
    server.log.wait_for(&["sessions ended after SIGTERM: 1"]);
    let asked = memory(server.directory.path()).before(None, b"bob", b"another");
    assert!(matches!(asked, unix::failures::Verdict::Ask(_)), "{asked:?}");
}

/// A program that is somebody else from the start, or whose user cannot be seen, could be a
/// session by then; but nothing has been learnt of the password.
#[test]
fn a_check_that_takes_too_long_is_no_good_login() {
    let late = &["sh", "-c", "exec 3<&-; read -r none <\"$GO\"; exit 1"];
    let (setup, gate) = SUBMISSION.with(late).gated();
    let setup = if is_root() { setup.option("-u 4713 -g 4714") } else { setup };
    remember(setup.directory.path(), "address 1 6h\n");
    if is_root() {
        fs::set_permissions(setup.directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(setup.file("go"), Permissions::from_mode(0o666)).unwrap();
    }
    let server = with_seconds(setup, "timeoutlogin", "5\n");
    let mut memory = memory(server.directory.path());
    let mut is_shut_out = || memory.shuts_out(Ipv4Addr::LOCALHOST.into());
    let mut tls = SUBMISSION.says_login(&server);
    until("charge", &mut is_shut_out, |shut_out| *shut_out);
    until("charge taken back", &mut is_shut_out, |shut_out| !shut_out);
    gate.open(2);
    assert_eq!(line(&mut tls), SUBMISSION.failed());
    drop(tls);
    server.log.wait_for(&["failed, "]);
    let mut tls = SUBMISSION.says_login(&server);
    assert_eq!(line(&mut tls), SUBMISSION.failed());
    assert!(is_shut_out(), "who is known has nobody shut out");
}

/// What systemd would hear: a reload is over once all is read that can be.
#[test]
fn a_bad_control_file_ends_no_reload_early_and_keeps_no_other_from_being_read() {
    needs!("tcprules");
    let (setup, other) = at_another_home(SUBMISSION.with(NAMES));
    let (setup, supervisor) = setup.supervised();
    let server = setup.start();
    let asked_about = || asked_about_at("other.example.org", &server);
    assert_eq!(asked_about(), "Bob@Home");
    supervisor.hears("READY=1\n");
    let file = other.path().join("control/loginnames");
    fs::write(server.file("control/loginfailures"), "user many\n").unwrap();
    for (names, expected, times) in [("lower-case\n", "bob@home", 1), ("", "Bob@Home", 2)] {
        read_again(&server, &file, names, times);
        supervisor.hears("RELOADING=1\n");
        supervisor.hears("READY=1\n");
        assert_eq!(asked_about(), expected);
        server.log.wait_for_count("control/loginfailures: ", times);
    }
    assert_eq!(server.log.count("; keeping the previous ones"), 2, "{:#?}", server.log.lines());
}

/// While somebody else holds the file, a refusal is owed to it, also by a server that ends.
#[test]
fn what_is_owed_to_the_memory_is_paid_at_the_end() {
    for door in [SUBMISSION, POP3S] {
        let setup = door.with(REFUSES);
        remember(setup.directory.path(), "user 1 6h\n");
        let mut server = setup.start();
        let own: Vec<u32> = server.processes().iter().map(|one| one.pid).collect();
        let held = File::open(server.file("failures")).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let mut tls = door.says_login(&server);
        if door.pop3 {
            line(&mut tls);
        }
        assert_eq!(line(&mut tls), door.failed());
        drop(tls);
        server.log.wait_for(&["tlsserver: end "]);
        server.terminate();
        drop(held);
        wait_until_gone(&own);
        let control = unix::control::Folder::of(Some(server.directory.path().as_os_str()));
        let mut memory = Memory::new(settings(&control).unwrap().unwrap());
        let asked = memory.before(None, b"bob", b"another");
        assert!(matches!(asked, unix::failures::Verdict::Refuse(_)), "{asked:?}");
    }
}
