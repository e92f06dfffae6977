//! `acceptutils init`, as built; its run scripts under the real supervisors.

use crate::support::{
    add_al, ends_with, folder, init, installed_or_skip, programs, run, stderr, stdout,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Every file under a folder, with its permissions and content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            files.insert(path.clone(), (mode, std::fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn what_init_makes_passes_check_and_is_not_made_again() {
    let folder = folder();
    let dir = folder.path().join("service");
    let bin = programs(folder.path());
    let first = init(&dir, &bin);
    ends_with(&first, 0);
    let said = stdout(&first);
    let files = tree(&dir);
    assert_eq!(files.len(), 17);
    for (path, (mode, _)) in &files {
        assert!(said.contains(&format!("made {}\n", path.display())), "{said}");
        let private = path.ends_with("users") || path.ends_with("tls/key.pem");
        let expected = if private { 0o600 } else { 0o644 };
        let expected = if path.ends_with("run") { 0o755 } else { expected };
        assert_eq!(*mode, expected, "{}", path.display());
    }
    assert!(said.contains(&format!("acceptutils check {}", dir.display())), "{said}");

    // One is gone, one is changed: the first comes back, the second stays.
    std::fs::remove_file(dir.join("control/pop3capabilities")).unwrap();
    std::fs::write(dir.join("control/me"), "mx.example.org\n").unwrap();
    let second = init(&dir, &bin);
    ends_with(&second, 0);
    let mut expected = files;
    expected.get_mut(&dir.join("control/me")).unwrap().1 = b"mx.example.org\n".to_vec();
    assert_eq!(tree(&dir), expected);
    assert_eq!(stdout(&second).matches("made ").count(), 1, "{}", stdout(&second));

    std::fs::write(dir.join("control/me"), "mail.example.org\n").unwrap();
    add_al(&dir);
    let check = run(&["check", dir.to_str().unwrap()]);
    ends_with(&check, 0);
    assert!(stdout(&check).ends_with("0 errors, 0 warnings\n"), "{}", stdout(&check));
}

#[test]
fn a_certificate_that_is_there_is_used() {
    let folder = folder();
    let bin = programs(folder.path());
    let other = folder.path().join("other");
    ends_with(&init(&other, &bin), 0);
    let (cert, key) = (other.join("tls/cert.pem"), other.join("tls/key.pem"));
    let dir = folder.path().join("service");
    let (dir, cert, key) = (dir.to_str().unwrap(), cert.to_str().unwrap(), key.to_str().unwrap());
    ends_with(&run(&["init", dir, "--host", "a.example", "--cert", cert, "--key", key]), 0);
    let script = std::fs::read_to_string(format!("{dir}/service/pop3s/run")).unwrap();
    assert!(
        script.contains(&format!("export CERTFILE={cert}\nexport KEYFILE={key}\n")),
        "{script}"
    );
    assert!(!Path::new(dir).join("tls").exists());
}

#[test]
fn what_cannot_be_made_is_said_and_nothing_is() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    for (arguments, expected) in [
        (vec![path("a b"), "--host".into(), "h.example".into()], "unusable folder: "),
        (vec![path("d"), "--host".into(), "h example".into()], "unusable host name: h example: "),
        (vec![path("d"), "--host".into(), String::new()], "unusable host name: : "),
        (vec![path("file"), "--host".into(), "h.example".into()], "unable to make: "),
        (
            vec![path("d"), "--host".into(), "h.example".into(), "--cert".into(), path("none")],
            "none: No such file or directory",
        ),
        (
            vec![path("d"), "--host".into(), "h.example".into(), "--pop3".into(), "a; b".into()],
            "unusable command: ",
        ),
        (
            vec![
                path("d"),
                "--host".into(),
                "h.example".into(),
                "--incoming-user".into(),
                "no such user".into(),
            ],
            "unknown user: no such user",
        ),
    ] {
        let arguments: Vec<_> =
            ["init"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let output = run(&arguments);
        ends_with(&output, 2);
        assert!(stderr(&output).starts_with("acceptutils: "), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

/// A supervisor that runs one service, ended with all that it started.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = format!("-{}", self.0.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = self.0.wait();
        }
    }
}

/// Runs the submission service's script, on a free port, under a supervisor; then
/// ends it as its administrator would.
fn supervised(test: &str, supervisor: &str, end: &[&str]) {
    if !installed_or_skip(test, supervisor) {
        return;
    }
    let folder = folder();
    let dir = folder.path().join("service");
    ends_with(&init(&dir, &programs(folder.path())), 0);
    let service = dir.join("service/submission");
    let script = std::fs::read_to_string(service.join("run")).unwrap();
    let here = script.replace(":: 587", "127.0.0.1 0").replace("tlsserver ", "tlsserver -1 ");
    assert_ne!(script, here);
    std::fs::write(service.join("run"), here).unwrap();
    let mut child = Command::new(supervisor)
        .arg(&service)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut supervisor = Supervisor(child);
    // The log goes the same way.
    let mut lines = output.lines().map(Result::unwrap);
    let port = lines.find_map(|line| line.parse::<u16>().ok()).unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut greeting = String::new();
    BufReader::new(client.try_clone().unwrap()).read_line(&mut greeting).unwrap();
    assert_eq!(greeting, "220 mail.example.org ESMTP\r\n");
    client.write_all(b"QUIT\r\n").unwrap();
    drop(client);
    let mut ending = Command::new(end[0]);
    assert!(ending.args(&end[1..]).arg(&service).status().unwrap().success());
    supervisor.0.wait().unwrap();
}

#[test]
fn runs_under_daemontools() {
    supervised("runs_under_daemontools", "supervise", &["svc", "-dx"]);
}

#[test]
fn runs_under_runit() {
    supervised("runs_under_runit", "runsv", &["sv", "force-shutdown"]);
}

#[test]
fn runs_under_s6() {
    supervised("runs_under_s6", "s6-supervise", &["s6-svc", "-xd"]);
}

#[test]
fn systemd_takes_the_units() {
    if !installed_or_skip("systemd_takes_the_units", "systemd-analyze") {
        return;
    }
    let folder = folder();
    let dir = folder.path().join("service");
    ends_with(&init(&dir, &programs(folder.path())), 0);
    let units: Vec<_> =
        dir.join("systemd").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(units.len(), 5);
    let verified = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    ends_with(&verified, 0);
    let complaints = stderr(&verified);
    let ours = complaints.lines().filter(|line| line.contains("acceptutils-"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
}
