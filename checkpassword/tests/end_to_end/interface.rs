//! The interface itself, which is the same for both programs: how they are called,
//! what they read, what they answer.

use crate::support::{Caller, Folder, folder};
use test_support::run::output;

/// Both programs, with options that let them start.
fn programs(folder: &Folder) -> [(&'static str, [String; 2]); 2] {
    let users = folder.write("users", "").into_os_string().into_string().unwrap();
    [
        ("checkpassword-file", ["-f".into(), users]),
        ("checkpassword-pam", ["-s".into(), "checkpassword-test".into()]),
    ]
}

/// One of them before a program that is not to be run.
fn caller(folder: &Folder, program: &str, options: &[String]) -> Caller {
    Caller::new(folder, program, options.iter().map(String::as_str).chain(["true"]))
}

/// The administrator's mistake, and no user's: who is told 2 has a refused login.
#[test]
fn wrongly_called() {
    let folder = folder();
    for (program, options) in programs(&folder) {
        let run = |arguments: &[&str]| {
            Caller::new(&folder, program, arguments).record(b"alice\0secret\0\0").run()
        };
        let usage = format!("{program}: usage: {program} ");
        run(&[]).fails(111, &usage);
        run(&["-x", "true"]).fails(111, &usage);
        run(&options.each_ref().map(String::as_str)).fails(111, ": no program to run");
    }
    Caller::new(&folder, "checkpassword-file", ["true"]).run().fails(111, ": no -f FILE");
}

#[test]
fn no_descriptor_3() {
    let folder = folder();
    for (program, options) in programs(&folder) {
        let mut command = std::process::Command::new(folder.path(program));
        let output = output(command.args(options).arg("true"), b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(": unable to read user and password: fd 3: "), "{stderr}");
    }
}

/// It says nothing of the password.
#[test]
fn no_descriptor_left() {
    let folder = folder();
    for (program, options) in programs(&folder) {
        let limited = "ulimit -n 10; exec \"$0\" \"$@\"";
        let program = folder.path(program);
        let words = ["-c", limited, program.to_str().unwrap(), &options[0], &options[1], "true"];
        let ran = Caller::of("/bin/sh", words).record(b"alice\0secret\0\0").run();
        // Each C library has its own words for the reason.
        ran.fails(111, ": unable to read user and password: fd 3: ");
    }
}

#[test]
fn broken_input() {
    let folder = folder();
    let mut long = b"alice\0".to_vec();
    long.resize(510, b'x');
    long.extend(b"\0\0");
    assert_eq!(long.len(), 512);
    for (program, options) in programs(&folder) {
        let run = |record: &[u8]| caller(&folder, program, &options).record(record).run();
        for record in [&b""[..], b"alice", b"alice\0secret", b"alice\0secret\0", b"\0secret\0x"] {
            run(record).fails(2, ": broken input: fd 3: ends before");
        }
        let mut over = long.clone();
        over.push(0);
        run(&over).fails(2, ": broken input: fd 3: more than 512 bytes");
        over.resize(100_000, 0);
        run(&over).fails(2, ": broken input: fd 3: more than 512 bytes");
        run(&long).fails(1, ": login refused: alice: ");
    }
}

#[test]
fn empty_users_and_passwords_are_refused() {
    let folder = folder();
    for (program, options) in programs(&folder) {
        for (user, password) in [("", "secret"), ("alice", ""), ("", "")] {
            caller(&folder, program, &options)
                .login(user, password)
                .fails(1, &format!("{program}: login refused: {user}: empty user or password"));
        }
    }
}

#[test]
fn names_cannot_forge_a_log_line() {
    let folder = folder();
    for (program, options) in programs(&folder) {
        caller(&folder, program, &options)
            .record(b"a\nb\\\x1b\xff\0secret\0\0")
            .run()
            .fails(1, &format!("{program}: login refused: a\\x0ab\\x5c\\x1b\\xff: "));
    }
}
