//! What [`super`] promises, line by line of the format.

use super::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const USER: RunsAs = RunsAs::User { uid: 1000 };

fn account(line: &str, runs_as: RunsAs) -> Result<Account<'_>, EntryError> {
    entries(line.as_bytes()).next().unwrap().account(runs_as)
}

#[test]
fn comments_blank_lines_and_lines_without_a_user_are_skipped() {
    let file = b"# users\n\n\r\nalice:x\r\n:nobody\nbob\n#carol:x\n \ndave:y";
    let names: Vec<&[u8]> = entries(file).map(|entry| entry.user).collect();
    assert_eq!(names, [&b"alice"[..], b"bob", b" ", b"dave"]);
    let hashes: Vec<&[u8]> = entries(file).map(|entry| entry.hash).collect();
    assert_eq!(hashes, [&b"x"[..], b"", b"", b"y"]);
}

#[test]
fn every_field_is_found() {
    let line = "alice:hash:1000:100:Alice A.:/home/alice:/bin/bash:userdb_mail=maildir:~/M";
    let expected = Account { ids: Some((1000, 100)), home: b"/home/alice", shell: b"/bin/bash" };
    assert_eq!(account(line, RunsAs::Root), Ok(expected));
    assert_eq!(account(line, USER), Ok(expected));
}

#[test]
fn an_ordinary_user_serves_entries_without_a_uid_and_its_own() {
    let stay = Account { ids: None, home: b"/", shell: b"/bin/sh" };
    assert_eq!(account("alice:hash", USER), Ok(stay));
    assert_eq!(account("alice:hash:::::", USER), Ok(stay));
    assert_eq!(account("alice:hash:1001:100", USER), Err(EntryError::Another));
}

#[test]
fn root_must_be_told_whom_to_become() {
    assert_eq!(account("alice:hash", RunsAs::Root), Err(EntryError::NoUid));
    assert_eq!(account("alice:hash:::::/home/alice:", RunsAs::Root), Err(EntryError::NoUid));
}

#[test]
fn root_is_never_served() {
    for line in ["root:hash:0:0", "a:hash:0:1000", "a:hash:1000:0", "a:hash:00:0000000000000"] {
        assert_eq!(account(line, RunsAs::Root), Err(EntryError::Root), "{line}");
        assert_eq!(account(line, USER), Err(EntryError::Root), "{line}");
    }
}

#[test]
fn mistakes_are_told_from_refusals() {
    for (line, error) in [
        ("a:hash:alice:100", EntryError::Uid),
        ("a:hash::100", EntryError::Uid),
        ("a:hash:+1000:100", EntryError::Uid),
        ("a:hash:-1:100", EntryError::Uid),
        ("a:hash:4294967295:100", EntryError::Uid),
        ("a:hash:4294967296:100", EntryError::Uid),
        ("a:hash:1000:", EntryError::Gid),
        ("a:hash:1000: 100", EntryError::Gid),
        ("a:hash:1000:4294967295", EntryError::Gid),
        ("a:hash:1000:100::home/alice", EntryError::Home),
        ("a:hash:1000:100::/home/al\0ice", EntryError::Home),
        ("a:hash:1000:100::/home/alice:/bin/\0sh", EntryError::Shell),
    ] {
        assert_eq!(account(line, RunsAs::Root), Err(error), "{line:?}");
        assert!(error.is_fault(), "{error:?}");
    }
    for refusal in [EntryError::Root, EntryError::Another, EntryError::Restricted] {
        assert!(!refusal.is_fault(), "{refusal:?}");
    }
}

#[test]
fn extra_fields_that_keep_logins_out_are_not_overlooked() {
    for extra in ["nologin", "nologin=y", "userdb_x=1 allow_nets=192.168.0.0/24", "allow_nets=::1"]
    {
        let line = format!("alice:hash:1000:100::/home/alice::{extra}");
        assert_eq!(account(&line, RunsAs::Root), Err(EntryError::Restricted), "{extra}");
    }
    assert!(account("a:hash:1000:100::/h:/s:userdb_quota=nologin nodelay", RunsAs::Root).is_ok());
}

fn file() -> String {
    let digest = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    format!(
        "alice:$6$aa${digest}{digest}:1::::\nbob:{{SHA512-CRYPT}}$6$bb${digest}{digest}\n\
         carol:$6$rounds=9000$cc${digest}{digest}\ndave:$y$j9T$dd${digest}\n\
         locked:!\nodd:$1$what\nalice:$5$late${digest}\n"
    )
}

fn costs(user: &str) -> Vec<String> {
    let file = file();
    let lookup = Lookup::new(file.as_bytes(), user.as_bytes());
    let mut costs: Vec<String> = lookup.costs_of_failure().map(|c| format!("{c:?}")).collect();
    costs.sort();
    costs
}

#[test]
fn a_failed_login_costs_the_same_whoever_it_names() {
    let unknown = costs("nobody");
    assert_eq!(unknown.len(), 4, "{unknown:?}");
    for user in ["alice", "bob", "carol", "dave", "locked", "odd", ""] {
        assert_eq!(costs(user), unknown, "{user}");
    }
}

#[test]
fn the_first_entry_of_a_name_counts() {
    let file = file();
    let (entry, hash) = Lookup::new(file.as_bytes(), b"alice").found.unwrap();
    assert_eq!(entry.uid, b"1");
    assert!(hash.unwrap().as_str().starts_with("$6$aa$"));
}

#[test]
fn names_are_compared_octet_by_octet() {
    for name in ["Alice", "alic", "alice ", "alice:", "# users"] {
        assert!(Lookup::new(file().as_bytes(), name.as_bytes()).found.is_none(), "{name}");
    }
}

#[test]
fn an_entry_is_never_printed_with_its_hash() {
    let file = file();
    let lookup = Lookup::new(file.as_bytes(), b"alice");
    assert!(!format!("{lookup:?}").contains("0123456789abcdef"));
}
