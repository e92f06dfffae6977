//! What `init` makes, under the real supervisors: each runs all services at once.

use crate::support::{ends_with, here, service, stderr};
use rustix::process::Signal;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use test_support::needs;
use test_support::process::signal;
use test_support::run::OwnGroup;
use test_support::talking::{Talking, up_to};
use test_support::wait::{for_end, until};
use test_support::{client, run};

/// Each service, what its server says first, and whether it does so behind TLS.
const SERVICES: [(&str, &str, bool); 7] = [
    ("submission", "220 mail.example.org ESMTP\r\n", false),
    ("submissions", "220 mail.example.org ESMTP\r\n", true),
    ("smtp", "220 ", false),
    ("pop3", "+OK ", false),
    ("pop3s", "+OK ", true),
    ("imap", "* OK ", false),
    ("imaps", "* OK ", true),
];

/// Ends a supervisor by a signal.
fn ends_by(supervisor: &mut OwnGroup, how: Signal) {
    signal(supervisor.0.id(), how);
    for_end(&mut supervisor.0);
}

/// The first line of a server, behind TLS where it is asked for.
fn greeting(port: u16, behind_tls: bool) -> String {
    if !behind_tls {
        let line = up_to(&mut client::connect(port).unwrap(), "\n").unwrap();
        return String::from_utf8(line).unwrap();
    }
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")]);
    let mut client = Talking::start(client.stderr(Stdio::null()));
    let line = client.line();
    client.say(if line.starts_with("* ") { "a LOGOUT\r\n" } else { "QUIT\r\n" });
    client.end();
    line
}

/// Runs all services under a supervisor, as `init` says how, but for the ports; then
/// ends it as its administrator would, and waits until nothing of it runs.
fn supervised(supervisor: &str, end: fn(&mut OwnGroup, &Path)) {
    needs!(supervisor, "openssl");
    let (folder, dir) = service();
    let scanned = folder.path().join("scanned");
    std::fs::create_dir(&scanned).unwrap();
    let logs = SERVICES.map(|(name, ..)| {
        let service = dir.join("service").join(name);
        symlink(&service, scanned.join(name)).unwrap();
        here(&service)
    });
    let mut supervisor = OwnGroup::start(Command::new(supervisor).arg(&scanned)).unwrap();
    for (log, (name, expected, behind_tls)) in logs.iter().zip(SERVICES) {
        let find = |lines: &[String]| lines.iter().find_map(|line| line.parse().ok());
        let port = log.wait(format_args!("port of {name}"), find);
        let said = greeting(port, behind_tls);
        assert!(said.starts_with(expected), "{name}: {said}");
    }
    for (name, ..) in SERVICES {
        let log = dir.join("service").join(name).join("log/main/current");
        until(&format!("logger of {name}"), || log.exists(), |exists| *exists);
    }
    end(&mut supervisor, &scanned);
    for log in logs {
        log.end();
    }
}

#[test]
fn run_under_daemontools() {
    supervised("svscan", |svscan, scanned| {
        ends_by(svscan, Signal::TERM);
        let services = SERVICES.map(|(name, ..)| scanned.join(name));
        let logs = services.clone().map(|service| service.join("log"));
        let both = services.iter().chain(&logs);
        run::succeeds(Command::new("svc").arg("-dx").args(both));
    });
}

#[test]
fn run_under_runit() {
    supervised("runsvdir", |runsvdir, _| ends_by(runsvdir, Signal::HUP));
}

#[test]
fn run_under_s6() {
    supervised("s6-svscan", |s6_svscan, scanned| {
        run::succeeds(Command::new("s6-svscanctl").arg("-t").arg(scanned));
        for_end(&mut s6_svscan.0);
    });
}

/// How much of the machine a service could reach at most, by systemd's reckoning: 0
/// is nothing, 100 all of it.
const EXPOSURE: &str = "--threshold=40";

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    needs!("systemd-analyze");
    let (folder, dir) = service();
    let template = dir.join("systemd/acceptutils@.service");
    let units = SERVICES.map(|(name, ..)| {
        let unit = folder.path().join(format!("acceptutils@{name}.service"));
        std::fs::copy(&template, &unit).unwrap();
        unit
    });
    let mut verify = Command::new("systemd-analyze");
    let verified = verify.args(["verify", "--man=no"]).args(&units);
    let verified = run::output(verified, b"");
    ends_with(&verified, 0);
    let complaints = stderr(&verified);
    let ours = complaints.lines().filter(|line| line.contains("acceptutils@"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
    for unit in units {
        let mut judge = Command::new("systemd-analyze");
        let judged = run::succeeds(judge.args(["security", "--offline=true", EXPOSURE]).arg(unit));
        assert!(judged.contains("Overall exposure level"), "{judged}");
    }
}
