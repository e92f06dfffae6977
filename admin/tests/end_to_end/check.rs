//! `acceptutils check`, as built: broken set-ups, and real logins.

use crate::support::{
    PASSWORD, PROGRAM, add_al, ends_with, folder, init, programs, run, run_with, stderr, stdout,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

struct Good {
    folder: TempDir,
    dir: PathBuf,
}

fn good() -> Good {
    let folder = folder();
    let dir = folder.path().join("service");
    ends_with(&init(&dir, &programs(folder.path())), 0);
    add_al(&dir);
    Good { folder, dir }
}

/// Certificates that are valid at other times.
fn certificates(folder: &Path) {
    let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 60 * 60));
    for (name, from, to) in [
        ("expired", now - day * 9, now - day * 3 - day / 2),
        ("soon", now - day * 10, now + day * 5 - day / 2),
        ("six-days", now - day * 5, now + day),
        ("later", now + day * 3 - day / 2, now + day * 900),
        ("authority", now - day * 9, now + day * 900),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(vec!["mail.example.org".into()]).unwrap();
        (wanted.not_before, wanted.not_after) = (from.into(), to.into());
        if name == "authority" {
            wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let certificate = wanted.self_signed(&key).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    }
}

#[test]
fn finds_what_is_broken() {
    let Good { folder, dir } = good();
    let (saved, home) = (folder.path().join("saved"), folder.path().join("al"));
    let copy = |from: &Path, to: &Path| {
        let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(status.success());
    };
    certificates(folder.path());
    std::fs::create_dir(&saved).unwrap();
    copy(&dir, &saved.join("service"));
    copy(&home, &saved.join("al"));
    let cases = include_str!("broken-setups");
    let mut count = 0;
    for case in cases.split("\n\n").filter(|case| !case.starts_with('#')) {
        let (command, expected) = case.trim_end_matches('\n').split_once('\n').unwrap();
        let broken = Command::new("sh")
            .args(["-e", "-c", command])
            .env("ACCEPTUTILS", PROGRAM)
            .env("CERTS", folder.path())
            .current_dir(&dir)
            .status();
        assert!(broken.unwrap().success(), "{command}");
        let output = run(&["check", dir.to_str().unwrap()]);
        let (severity, rest) = expected.split_once(' ').unwrap();
        let expected = format!("{severity} {}/{rest}", dir.display()).replace("/.: ", ": ");
        let said = stdout(&output);
        assert!(said.contains(&expected), "{command}\n{expected}\n{said}");
        let errors = said.lines().any(|line| line.starts_with("error: "));
        assert_eq!(output.status.code(), Some(if errors { 2 } else { 1 }), "{command}\n{said}");
        assert_eq!(stderr(&output), "", "{command}");
        std::fs::remove_dir_all(&dir).unwrap();
        let _ = std::fs::remove_dir_all(&home);
        copy(&saved.join("service"), &dir);
        copy(&saved.join("al"), &home);
        count += 1;
    }
    assert!(count >= 30, "{count}");
    ends_with(&run(&["check", dir.to_str().unwrap()]), 0);
}

#[test]
fn a_script_can_read_it() {
    let Good { dir, folder: _folder } = good();
    std::fs::write(dir.join("control/fixsmtpio"), "# rules\n:ehlo::*:300:x\n").unwrap();
    let output = run(&["check", "--json", dir.to_str().unwrap()]);
    ends_with(&output, 2);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = found.as_array().unwrap().iter().find(|found| found["severity"] == "error");
    let error = error.unwrap();
    assert!(error["file"].as_str().unwrap().ends_with("control/fixsmtpio"));
    assert_eq!((&error["line"], &error["column"]), (&2.into(), &10.into()));
    assert_eq!(error["text"], "exit code is not a number from 0 to 255");
}

#[test]
fn a_folder_that_is_not_there() {
    let output = run(&["check", "/no/such/folder"]);
    ends_with(&output, 2);
    let expected = "acceptutils: unable to read: /no/such/folder: No such file or directory\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn logs_in_through_every_service() {
    let Good { dir, folder: _folder } = good();
    let arguments = ["check", dir.to_str().unwrap(), "--login", "al", "--stdin"];
    let output = run_with(&arguments, &format!("{PASSWORD}\n"));
    ends_with(&output, 0);
    let said = stdout(&output);
    assert_eq!(said.matches("  al is logged in\n").count(), 4, "{said}");
    assert_eq!(said.matches("TLS begins: TLSv1.3").count(), 4, "{said}");
    assert!(said.contains("client | AUTH PLAIN (user al and the password)\n"), "{said}");
    assert!(said.contains("login succeeded"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");

    let output = run_with(&arguments, "wrong\n");
    ends_with(&output, 2);
    let said = stdout(&output);
    assert!(said.contains("al is not logged in: the server said: 535 "), "{said}");
    assert!(said.contains("al is not logged in: the server said: -ERR "), "{said}");
    assert!(said.contains("wrong password"), "the reason from the log: {said}");
}
