//! `checkpassword-file`: whom it serves, as whom, and which file it trusts.

use crate::support::{Caller, Folder, Ran, by_file, folder, own_uid, set_mode, tool};
use std::path::Path;
use test_support::needs;

/// Shows what the next program finds.
const LOOK: &str = "id -u; id -g; id -G; pwd; echo $USER:$HOME:$SHELL:$KEPT; \
     [ ! -e /proc/$$/fd/3 ] && echo closed";

/// The hash of "secret".
fn hash() -> String {
    tool(&["openssl", "passwd", "-6", "-stdin"], "secret\n")
}

/// Ids of an entry that can be served, whoever runs the test.
fn ids_to_serve() -> (u32, u32) {
    match own_uid() {
        0 => (54321, 54321),
        uid => (uid, tool(&["id", "-g"], "").parse().unwrap()),
    }
}

fn login(folder: &Folder, users: &Path, user: &str) -> Ran {
    by_file(folder, users, &["sh", "-c", LOOK]).env("KEPT", "kept").login(user, "secret")
}

#[test]
fn root_becomes_the_user_of_the_entry() {
    needs!("root");
    let folder = folder();
    let home = folder.display();
    let users = folder.write("users", format!("al:{}:54321:54322::{home}:/bin/ash\n", hash()));
    let program = folder.path("checkpassword-file");
    let command = [program.to_str().unwrap(), "-f", users.to_str().unwrap(), "sh", "-c", LOOK];
    // Root's own groups must be gone.
    let ran = Caller::of("setpriv", [&["--groups", "0,4,27"], &command[..]].concat())
        .env("KEPT", "kept")
        .login("al", "secret");
    let expected = format!("54321\n54322\n54322\n{home}\nal:{home}:/bin/ash:kept\nclosed\n");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), &*expected, ""));
}

#[test]
fn the_user_cannot_become_root_again() {
    needs!("root");
    let folder = folder();
    let users = folder.write("users", format!("al:{}:54321:54322\n", hash()));
    let caught =
        by_file(&folder, &users, &["grep", "-E", "^(Uid|Gid|Cap...):", "/proc/self/status"])
            .login("al", "secret");
    let none = "0000000000000000";
    for line in ["Uid:\t54321\t54321\t54321\t54321", "Gid:\t54322\t54322\t54322\t54322"] {
        assert!(caught.stdout.contains(line), "{caught:?}");
    }
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert!(caught.stdout.contains(&format!("{set}:\t{none}")), "{caught:?}");
    }
}

/// What writes to a client that has gone must end, as it would without us.
#[test]
fn the_next_program_does_not_ignore_broken_pipes() {
    let folder = folder();
    let (uid, gid) = ids_to_serve();
    let users = folder.write("users", format!("al:{}:{uid}:{gid}\n", hash()));
    let ran = by_file(&folder, &users, &["sed", "-n", "s/^SigIgn:\t//p", "/proc/self/status"])
        .login("al", "secret");
    let ignored = u64::from_str_radix(ran.stdout.trim(), 16).unwrap();
    let sigpipe = 1 << (13 - 1);
    assert_eq!(ignored & sigpipe, 0, "{ran:?}");
}

#[test]
fn root_serves_no_entry_of_roots() {
    needs!("root");
    let folder = folder();
    let hash = hash();
    let users =
        folder.write("users", format!("root:{hash}:0:0\nalias:{hash}:0:1\ngroup:{hash}:1:0\n"));
    for user in ["root", "alias", "group"] {
        let line = format!("login refused: {user}: uid 0 and gid 0 are never served");
        login(&folder, &users, user).fails(1, &line);
    }
}

/// What the next program finds of it, too.
pub(crate) const TOLD: &str = "echo ${AUTHUPREADYFD-gone}; [ ! -e /proc/$$/fd/5 ] && echo closed";

#[test]
fn who_waits_is_told_of_a_good_login_and_of_no_other() {
    let folder = folder();
    let (uid, gid) = ids_to_serve();
    let hash = hash();
    let users = format!("al:{hash}:{uid}:{gid}\nroot:{hash}:0:0\ngone:{hash}:{uid}:{gid}::/no\n");
    let users = folder.write("users", &users);
    let heard = folder.path("heard");
    let tells = |next: &[&str], user: &str, password: &str| {
        let ran = by_file(&folder, &users, next).telling(&heard).login(user, password);
        (ran, std::fs::read(&heard).unwrap())
    };
    let (ran, told) = tells(&["sh", "-c", TOLD], "al", "secret");
    assert_eq!((ran.code, &*ran.stdout, &*told), (Some(0), "gone\nclosed\n", &[1][..]), "{ran:?}");
    for (user, password, code) in [
        ("al", "wrong", 1),
        ("nobody", "secret", 1),
        ("root", "secret", 1),
        ("gone", "secret", 111),
    ] {
        // Who is not root serves no entry of root's either.
        let (ran, told) = tells(&["true"], user, password);
        assert_eq!((ran.code, &*told), (Some(code), &[][..]), "{user}: {ran:?}");
    }
    // Who knows that the login is good tells the client what is wrong.
    let (ran, told) = tells(&["no-such-program"], "al", "secret");
    ran.fails(19, "unable to exec: no-such-program: ");
    assert_eq!(told, [1]);
}

#[test]
fn an_ordinary_user_serves_entries_without_a_uid_and_its_own() {
    let folder = folder();
    let root = own_uid() == 0;
    let (uid, gid) = ids_to_serve();
    let hash = hash();
    let home = folder.display();
    let users = folder.write(
        "users",
        format!("open:{hash}\nown:{hash}:{uid}:{gid}::{home}\nother:{hash}:54399:54399\n"),
    );
    let login = |user: &str| {
        let caller = by_file(&folder, &users, &["sh", "-c", "id -u; pwd; echo $USER $HOME $SHELL"]);
        let caller = if root { caller.run_by(uid) } else { caller };
        caller.login(user, "secret")
    };
    let open = login("open");
    assert_eq!(open.stdout, format!("{uid}\n/\nopen / /bin/sh\n"), "{open:?}");
    let own = login("own");
    assert_eq!(own.stdout, format!("{uid}\n{home}\nown {home} /bin/sh\n"), "{own:?}");
    login("other").fails(1, "other: not running as root, and the entry has another uid");
}

#[test]
fn who_is_not_let_in() {
    let folder = folder();
    let hash = hash();
    let users = folder.write(
        "users",
        format!(
            "al:{hash}:1:1\nlocked:!{hash}:1:1\nempty::1:1\nplain:{{PLAIN}}secret:1:1\n\
             net:{hash}:1:1::::allow_nets=192.0.2.0/24\n#commented:{hash}:1:1\n"
        ),
    );
    let fails = |user: &str, why: &str| {
        login(&folder, &users, user).fails(1, &format!("login refused: {user}: {why}"));
    };
    fails("nobody", "unknown user");
    fails("#commented", "unknown user");
    fails("AL", "unknown user");
    fails("locked", "the entry is locked");
    fails("empty", "the entry is locked");
    fails("plain", "the entry's hash is of a kind not supported");
    fails("net", "its extra fields restrict logins in a way not supported");
    let wrong = by_file(&folder, &users, &["true"]).login("al", "SECRET");
    wrong.fails(1, "login refused: al: wrong password");
}

/// Trouble that is the administrator's is 111; but never before the password is right.
#[test]
fn trouble_that_may_pass() {
    let folder = folder();
    let (hash, (uid, gid)) = (hash(), ids_to_serve());
    let users = folder.write(
        "users",
        format!(
            "name:{hash}:mail:1\nhome:{hash}:{uid}:{gid}::Maildir\n\
             gone:{hash}:{uid}:{gid}::/no/such/folder\nal:{hash}:{uid}:{gid}\n"
        ),
    );
    login(&folder, &users, "name").fails(111, "unable to use entry: name: its uid is not a number");
    login(&folder, &users, "home").fails(111, "unable to use entry: home: its home folder");
    login(&folder, &users, "gone").fails(111, "unable to enter home folder: /no/such/folder: ");
    for user in ["name", "home", "gone"] {
        by_file(&folder, &users, &["true"]).login(user, "wrong").fails(1, "wrong password");
    }
    let next = by_file(&folder, &users, &["no-such-program"]).login("al", "secret");
    next.fails(111, "unable to exec: no-such-program: ");
    let missing = login(&folder, &folder.path("missing"), "al");
    missing.fails(111, "missing: No such file or directory");
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let folder = folder();
    let users = folder.write("users", format!("al:{}:54321:54321\n", hash()));
    for mode in [0o664, 0o646] {
        set_mode(&folder.path("users"), mode);
        login(&folder, &users, "al").fails(111, "users: its group or others can write it");
    }
    login(&folder, &folder, "al").fails(111, "not a regular file");
}
