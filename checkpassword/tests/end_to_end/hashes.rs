//! `checkpassword-file` with the hashes that others wrote: Debian's tools into
//! `/etc/shadow` and elsewhere, and Dovecot's `doveadm pw`.

use crate::support::{Account, Caller, Folder, by_file, folder, own_uid, tool};
use std::path::Path;
use test_support::needs;

/// What people type: plain, with the file's own signs in it, not ASCII, and longer
/// than bcrypt looks at.
const PASSWORDS: [&str; 4] = [
    "correct horse",
    "a:b{c}$d#\\'\"e ",
    "pässwörd€",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123",
];

/// An entry that both root and an ordinary user serve.
fn entry(hash: &str) -> String {
    let ids = if own_uid() == 0 { "54321:54321" } else { ":" };
    format!("alice:{hash}:{ids}::/:\n")
}

fn accepts_only(hash: &str, password: &str) {
    let folder = folder();
    let users = folder.write("users", entry(hash));
    let login = |password: &str| by_file(&folder, &users, &["echo", "in"]).login("alice", password);
    let good = login(password);
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "in\n"), "{hash}: {good:?}");
    login(&format!("X{password}")).fails(1, "login refused: alice: wrong password");
    login(&password[..1]).fails(1, "login refused: alice: wrong password");
}

#[test]
fn what_debian_wrote_into_etc_shadow() {
    needs!("root");
    let account = Account::new(&[], "first");
    for (options, prefix) in [
        (&[][..], "$y$"),
        (&["-c", "YESCRYPT"], "$y$"),
        (&["-c", "SHA512"], "$6$"),
        (&["-c", "SHA256"], "$5$"),
        (&["-c", "SHA512", "-s", "7000"], "$6$rounds=7000$"),
    ] {
        for password in PASSWORDS {
            account.set_password(options, password);
            let hash = account.hash();
            assert!(hash.starts_with(prefix), "{options:?}: {hash}");
            accepts_only(&hash, password);
        }
    }
}

#[test]
fn what_debians_other_tools_write() {
    needs!("mkpasswd", "openssl");
    for command in [
        &["mkpasswd", "-s", "-m", "bcrypt", "-R", "5"][..],
        &["mkpasswd", "-s", "-m", "bcrypt-a", "-R", "4"],
        &["mkpasswd", "-s", "-m", "yescrypt", "-R", "3"],
        &["mkpasswd", "-s", "-m", "yescrypt", "-R", "8"],
        &["mkpasswd", "-s", "-m", "sha512crypt", "-R", "1000"],
        &["mkpasswd", "-s", "-m", "sha256crypt"],
        &["openssl", "passwd", "-6", "-stdin"],
        &["openssl", "passwd", "-5", "-stdin"],
    ] {
        for password in PASSWORDS {
            accepts_only(&tool(command, &format!("{password}\n")), password);
        }
    }
}

#[test]
fn what_dovecot_writes() {
    needs!("doveadm");
    for (options, prefix) in [
        (&["-s", "ARGON2ID"][..], "{ARGON2ID}$argon2id$"),
        (&["-s", "BLF-CRYPT", "-r", "5"], "{BLF-CRYPT}$2y$"),
        (&["-s", "SHA512-CRYPT"], "{SHA512-CRYPT}$6$"),
        (&["-s", "SHA256-CRYPT"], "{SHA256-CRYPT}$5$"),
    ] {
        for password in PASSWORDS {
            let command = [&["doveadm", "-O", "pw", "-p", password], options].concat();
            let hash = tool(&command, "");
            assert!(hash.starts_with(prefix), "{hash}");
            accepts_only(&hash, password);
        }
    }
}

#[test]
fn a_hash_that_was_cut_off_lets_nobody_in() {
    needs!("mkpasswd");
    let whole = tool(&["mkpasswd", "-s", "-m", "yescrypt"], "secret\n");
    let (head, _) = whole.rsplit_once('$').unwrap();
    let folder = folder();
    for hash in [format!("{head}$"), head.to_owned(), format!("{whole}."), whole.replace('j', "zz")]
    {
        let users = folder.write("users", entry(&hash));
        for password in ["secret", "anything"] {
            by_file(&folder, &users, &["true"])
                .login("alice", password)
                .fails(1, "login refused: alice: the entry's hash is malformed");
        }
    }
}

/// The program with less memory than some hashes take.
fn with_little_memory(folder: &Folder, users: &Path) -> Caller {
    let program = folder.path("checkpassword-file");
    let limited = ["-c", "ulimit -v 102400; exec \"$@\"", "sh"];
    let command = [program.to_str().unwrap(), "-f", users.to_str().unwrap(), "true"];
    Caller::of("/bin/sh", [&limited[..], &command].concat())
}

/// Seen without a clock: where another user's hash takes more memory than there is,
/// whoever fails meets the limit, and who has the right password does not.
#[test]
fn a_failed_login_computes_every_kind_in_the_file() {
    let folder = folder();
    let cheap = tool(&["openssl", "passwd", "-6", "-stdin"], "secret\n");
    let costly = "$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHQ$0123456789abcdefghijklmnopqrstuv";
    let mixed = format!("{}costly:{costly}\nlocked:!\n", entry(&cheap));
    let users = folder.write("users", &mixed);
    for user in ["alice", "costly", "locked", "nobody"] {
        with_little_memory(&folder, &users)
            .login(user, "wrong")
            .fails(111, "not enough memory to check a password");
    }
    assert_eq!(with_little_memory(&folder, &users).login("alice", "secret").code, Some(0));
}

/// A limit on memory is trouble that may pass, the same for users and strangers.
#[test]
fn a_hash_that_there_is_no_memory_for() {
    let folder = folder();
    let digest = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    for hash in [
        format!("$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHQ${digest}"),
        format!("$y$jET$c2FsdHNhbHQ${digest}"),
    ] {
        let users = folder.write("users", entry(&hash));
        for user in ["alice", "nobody"] {
            with_little_memory(&folder, &users)
                .login(user, "any password")
                .fails(111, "checkpassword-file: not enough memory to check a password");
        }
    }
}

/// Parameters that no library takes are the entry's fault, and look like a wrong
/// password.
#[test]
fn a_hash_with_impossible_parameters() {
    let folder = folder();
    let digest = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    for hash in [
        format!("$argon2id$v=19$m=1,t=0,p=9$c2FsdHNhbHQ${digest}"),
        format!("$argon2id$v=19$m=x$c2FsdHNhbHQ${digest}"),
        format!("$y$.......$c2FsdHNhbHQ${digest}"),
        format!("$2b$99$0123456789{digest}"),
        format!("$5$rounds=1$salt${digest}"),
    ] {
        let users = folder.write("users", entry(&hash));
        by_file(&folder, &users, &["true"])
            .login("alice", "any password")
            .fails(1, "login refused: alice: the entry's hash is malformed");
    }
}
