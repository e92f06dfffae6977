//! `acceptutils init`, as built.

use crate::support::{add_al, ends_with, folder, init, programs, run, stderr, stdout};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    assert_eq!(files.len(), 13);
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
    let pop3 = "pop3d Maildir";
    let options = ["--host", "a.example", "--cert", cert, "--key", key, "--pop3", pop3];
    ends_with(&run(&[&["init", dir], &options[..]].concat()), 0);
    let script = std::fs::read_to_string(format!("{dir}/service/pop3s/run")).unwrap();
    assert!(
        script.contains(&format!("export CERTFILE={cert}\nexport KEYFILE={key}\n")),
        "{script}"
    );
    assert!(!Path::new(dir).join("tls").exists());
}

#[test]
fn the_jail_is_the_user_that_was_named() {
    let folder = folder();
    let dir = folder.path().join("service");
    let dir = dir.to_str().unwrap();
    let mail = ["--submission", "ofmipd", "--incoming", "qmail-smtpd", "--pop3", "pop3d"];
    let options = ["init", dir, "--host", "a.example", "--jail-user", "daemon"];
    ends_with(&run(&[&options[..], &mail].concat()), 0);
    let script = |name: &str| std::fs::read_to_string(format!("{dir}/service/{name}/run")).unwrap();
    for service in ["submission", "submissions", "pop3", "pop3s"] {
        let expected = "export SSL_UID=1 SSL_GID=1 AUTHUP_UID=1 AUTHUP_GID=1\n";
        assert!(script(service).contains(expected), "{}", script(service));
    }
    // Nobody logs in there.
    assert!(script("smtp").contains("export SSL_UID=1 SSL_GID=1\n"), "{}", script("smtp"));
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
        (
            vec![
                path("d"),
                "--host".into(),
                "h.example".into(),
                "--jail-user".into(),
                "no such jail".into(),
            ],
            "unknown user: no such jail",
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
