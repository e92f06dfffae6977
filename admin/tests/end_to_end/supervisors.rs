//! What `init` makes, under the real supervisors: each runs all services at once.

use crate::support::{ends_with, here, service, stderr};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use test_support::needs;
use test_support::process::signal;
use test_support::wait::until;

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

/// A supervisor of all that is in its folder, ended with what it started.
struct Supervisor(Child);

impl Supervisor {
    fn ends_by(&mut self, how: Signal) {
        signal(self.0.id(), how);
        self.0.wait().unwrap();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// The first line of a server, behind TLS where it is asked for.
fn greeting(port: u16, behind_tls: bool) -> String {
    let mut line = String::new();
    if !behind_tls {
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        BufReader::new(client).read_line(&mut line).unwrap();
        return line;
    }
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let bye: &[u8] = if line.starts_with("* ") { b"a LOGOUT\r\n" } else { b"QUIT\r\n" };
    let _ = client.stdin.take().unwrap().write_all(bye);
    client.wait().unwrap();
    line
}

/// Runs all services under a supervisor, as `init` says how, but for the ports; then
/// ends it as its administrator would, and waits until nothing of it runs.
fn supervised(supervisor: &str, end: fn(&mut Supervisor, &Path)) {
    needs!(supervisor, "openssl");
    let (folder, dir) = service();
    let scanned = folder.path().join("scanned");
    std::fs::create_dir(&scanned).unwrap();
    let pipes = SERVICES.map(|(name, ..)| {
        let service = dir.join("service").join(name);
        symlink(&service, scanned.join(name)).unwrap();
        here(&service)
    });
    let child = Command::new(supervisor).arg(&scanned).process_group(0).spawn().unwrap();
    let mut supervisor = Supervisor(child);
    let mut outputs = Vec::new();
    for (pipe, (name, expected, behind_tls)) in pipes.iter().zip(SERVICES) {
        // Waits for the run script to open it, and for tlsserver to be there.
        let mut output = BufReader::new(File::open(pipe).unwrap());
        let mut line = String::new();
        while line.trim_end().parse::<u16>().is_err() {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "{name} does not start");
        }
        let said = greeting(line.trim_end().parse().unwrap(), behind_tls);
        assert!(said.starts_with(expected), "{name}: {said}");
        outputs.push(output);
    }
    for (name, ..) in SERVICES {
        let log = dir.join("service").join(name).join("log/main/current");
        until(&format!("logger of {name}"), || log.exists(), |exists| *exists);
    }
    end(&mut supervisor, &scanned);
    for mut output in outputs {
        output.read_to_string(&mut String::new()).unwrap();
    }
}

#[test]
fn run_under_daemontools() {
    supervised("svscan", |svscan, scanned| {
        svscan.ends_by(Signal::TERM);
        let services = SERVICES.map(|(name, ..)| scanned.join(name));
        let logs = services.clone().map(|service| service.join("log"));
        let both = services.iter().chain(&logs);
        assert!(Command::new("svc").arg("-dx").args(both).status().unwrap().success());
    });
}

#[test]
fn run_under_runit() {
    supervised("runsvdir", |runsvdir, _| runsvdir.ends_by(Signal::HUP));
}

#[test]
fn run_under_s6() {
    supervised("s6-svscan", |s6_svscan, scanned| {
        let mut end = Command::new("s6-svscanctl");
        assert!(end.arg("-t").arg(scanned).status().unwrap().success());
        s6_svscan.0.wait().unwrap();
    });
}

/// How much of the machine a service could reach at most, by systemd's reckoning: 0
/// is nothing, 100 all of it.
const EXPOSURE: &str = "--threshold=38";

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
    let verified = verify.args(["verify", "--man=no"]).args(&units).output().unwrap();
    ends_with(&verified, 0);
    let complaints = stderr(&verified);
    let ours = complaints.lines().filter(|line| line.contains("acceptutils@"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
    for unit in units {
        let mut judge = Command::new("systemd-analyze");
        let judged = judge.args(["security", "--offline=true", EXPOSURE]).arg(unit).output();
        let judged = ends_with(&judged.unwrap(), 0);
        assert!(judged.contains("Overall exposure level"), "{judged}");
    }
}
