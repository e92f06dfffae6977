//! `acceptutils failures`, as built, on what services have written.

use crate::support::{fails, folder, run, stderr, stdout};
use proto::failures::Answer;
use proto::failures::header::{Clock, Header};
use proto::failures::keyed_hash::Key;
use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tempfile::TempDir;
use test_support::needs;
use unix::control::Folder;
use unix::failures::{Memory, Verdict, settings};

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = folder();
        std::fs::create_dir(folder.path().join("control")).unwrap();
        std::fs::write(folder.path().join("users"), "# ours\nalice:x:1:1::/:\n").unwrap();
        let home = Self { folder };
        let control = format!("file {}\nuser 20 1d\n", home.path("failures").display());
        std::fs::write(home.path("control/loginfailures"), control).unwrap();
        let made = home.run(&["--create"]);
        assert_eq!(made, format!("made {}\n", home.path("failures").display()));
        // One under which none of the secrets here is taken for another.
        let header = Header { clock: Clock::Calendar, key: Key(*b"a key for tests.") };
        let file = File::options().write(true).open(home.path("failures")).unwrap();
        file.write_all_at(&header.encode(), 0).unwrap();
        home
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn run(&self, options: &[&str]) -> String {
        let output = run(&[&["failures", self.dir()], options].concat());
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""));
        stdout(&output)
    }

    fn json(&self, options: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(&[&["--json"], options].concat())).unwrap()
    }

    /// Services hear of a login with each of these secrets.
    fn log_in(&self, from: &str, user: &str, secrets: &[&str]) {
        let home = Path::new(self.dir()).as_os_str();
        let mut memory = Memory::new(settings(&Folder::of(Some(home))).unwrap().unwrap());
        for secret in secrets {
            let from: IpAddr = from.parse().unwrap();
            match memory.before(Some(from), user.as_bytes(), secret.as_bytes()) {
                Verdict::Ask(ticket) if *secret == "right" => memory.after(ticket, Answer::Good),
                Verdict::Ask(ticket) => memory.after(ticket, Answer::Refused),
                Verdict::Refuse(_) => {}
            }
        }
        assert_eq!(memory.trouble(), None);
    }
}

#[test]
fn d59_shows_who_is_nearest_to_a_limit() {
    let home = Home::new();
    assert_eq!(home.run(&[]), "nothing is remembered\n");
    home.log_in("192.0.2.1", "Alice", &["right", "typo"]);
    let guesses: Vec<_> = (0..12).map(|at| format!("guess {at}")).collect();
    let guesses: Vec<_> = guesses.iter().map(String::as_str).collect();
    home.log_in("2001:db8:1:2::3", "alice", &guesses);
    home.log_in("203.0.113.5", "who-is-that", &["x"]);
    let shown = home.run(&[]);
    let mut lines = shown.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with("address  2001:db8:1:2::/64 "), "{shown}");
    assert!(first.ends_with("  10.0 of 10, refused for another 54 min"), "{shown}");
    assert!(lines.next().unwrap().starts_with("user     alice "), "{shown}");
    for part in [
        "network  2001:db8:1::/48 ",
        "wide     2001:db8::/32 ",
        "known    alice from 192.0.2.0/24 ",
        "user     #",
        "address  203.0.113.5 ",
    ] {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
    assert_eq!(shown.lines().count(), 8, "{shown}");
}

#[test]
fn d59_a_script_can_read_it() {
    let home = Home::new();
    home.log_in("192.0.2.1", "alice", &["right"]);
    home.log_in("192.0.2.9", "carol", &["a", "b"]);
    let rows = home.json(&[]);
    let address = rows.as_array().unwrap().iter().find(|row| row["kind"] == "address").unwrap();
    assert_eq!((&address["network"], &address["user"]), (&"192.0.2.9".into(), &().into()));
    assert_eq!((&address["limit"], &address["refused"]), (&10.into(), &false.into()));
    assert!((1.99..=2.0).contains(&address["score"].as_f64().unwrap()), "{address}");
    assert_eq!(address["seconds_to_go"], 0);
    // Where a user is known is shown for the asking.
    let rows = home.json(&["--user", "ALICE"]);
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!((&rows[0]["kind"], &rows[0]["network"]), (&"known".into(), &"192.0.2.0/24".into()));
    assert!(rows[0]["good_seconds_ago"].as_u64().is_some());
}

#[test]
fn d59_clears() {
    let home = Home::new();
    for _ in 0..2 {
        home.log_in("192.0.2.1", "alice", &["right", "typo"]);
        home.log_in("203.0.113.5", "carol", &["a", "b"]);
        assert_eq!(home.run(&["--clear", "Carol"]), "cleared 1\n");
        assert_eq!(home.run(&["--clear", "203.0.113.0/24"]), "cleared 2\n");
        assert_eq!(home.run(&["--clear", "alice"]), "cleared 2\n");
        assert_eq!(home.run(&[]), "nothing is remembered\n");
        // She is known as before.
        assert_eq!(home.json(&["--user", "alice"]).as_array().unwrap().len(), 1);
    }
    home.log_in("203.0.113.5", "carol", &["a", "b"]);
    let nothing = "cleared 0: nothing is remembered of 203.0.113.0/33\n";
    assert_eq!(home.run(&["--clear", "203.0.113.0/33"]), nothing);
    assert_eq!(home.run(&["--clear", "--all"]), "cleared 3\n");
    assert_eq!(home.run(&["--clear", "--all"]), "cleared 0\n");
}

#[test]
fn root_makes_no_file_where_another_says_what_leads_there() {
    needs!("root");
    let home = Home::new();
    let theirs = home.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(7), None).unwrap();
    let file = theirs.join("new/failures");
    std::fs::write(home.path("control/loginfailures"), format!("file {}\n", file.display()))
        .unwrap();
    let expected = format!(
        "acceptutils: unable to make: {}: {}: belongs to user 7, who can change it\n",
        file.display(),
        theirs.display()
    );
    assert_eq!(fails(&["failures", home.dir(), "--create"]), expected);
    assert!(!file.parent().unwrap().exists());
}

#[test]
fn d59_says_what_is_wrong() {
    let home = Home::new();
    let fails = |options: &[&str]| fails(&[&["failures", home.dir()], options].concat());
    let why = "acceptutils: --clear: an address, a network or a user, or else --all\n";
    assert_eq!(fails(&["--clear"]), why);
    assert_eq!(fails(&["--clear", "alice", "--all"]), why);
    let file = home.path("failures");
    let file = file.display();
    std::fs::remove_file(home.path("failures")).unwrap();
    let missing = "No such file or directory: make it with --create";
    assert_eq!(fails(&[]), format!("acceptutils: unusable file: {file}: {missing}\n"));
    assert_eq!(home.run(&["--create"]), format!("made {file}\n"));
    assert_eq!(home.run(&["--create"]), "", "nothing to do, nothing to say");
    std::fs::write(home.path("failures"), "somebody else's").unwrap();
    assert_eq!(fails(&["--create"]), format!("acceptutils: unable to make: {file}: wrong size\n"));
    let control = home.path("control/loginfailures");
    std::fs::write(&control, "address 10\n").unwrap();
    let control = control.display();
    let unreadable = format!("acceptutils: unable to read {control}");
    assert_eq!(fails(&[]), format!("{unreadable}: line 1: not a number and a time\n"));
    std::fs::remove_file(home.path("control/loginfailures")).unwrap();
    let why = "No such file or directory: failures are not remembered";
    assert_eq!(fails(&[]), format!("{unreadable}: {why}\n"));
}
