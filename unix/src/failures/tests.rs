use super::file::{Created, create};
use super::*;
use proto::failures::header::{Clock, FILE, Header};
use proto::failures::keyed_hash::Key;
use proto::failures::{Kind, UserHash};
use rustix::fs::{FileType, FlockOperation, Mode, chmod, flock, mknodat};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::PathBuf;
use std::sync::Barrier;
use tempfile::{TempDir, tempdir};

const LONG: Duration = Duration::from_secs(60);

/// A folder with a file in it, and what the administrator says.
struct Place {
    _folder: TempDir,
    path: PathBuf,
    settings: Settings,
}

impl Place {
    fn new(control: &str) -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path().join("failures");
        let control = format!("file {}\n{control}", path.display());
        let settings = Settings::parse(control.as_bytes()).unwrap();
        Self { _folder: folder, path, settings }
    }

    fn with_file(control: &str) -> Self {
        let place = Self::new(control);
        assert_eq!(create(&place.path).unwrap(), Created::New);
        // Two secrets of ten are taken for the same under one key of a hundred, and then
        // count once; under this one, none of those here.
        let file = std::fs::OpenOptions::new().write(true).open(&place.path).unwrap();
        let header = Header { clock: Clock::Calendar, key: Key(*b"a key for tests.") };
        file.write_all_at(&header.encode(), 0).unwrap();
        place
    }

    fn memory(&self) -> Memory {
        Memory::new(self.settings.clone())
    }

    /// The score of alice, in refusals.
    fn score(&self) -> u32 {
        let file = File::open(&self.path).unwrap();
        let alice = About::User(UserHash::of(file.key(), b"alice"));
        let mut score = 0;
        let each = file.each_bucket(|bucket| {
            let found = bucket.get(alice);
            score += found.map_or(0, |entry| entry.score_at(&self.settings, file.now()));
            false
        });
        each.unwrap();
        (score + (1 << 15)) >> 16
    }

    /// What is said, while logins go on all the same.
    fn trouble(&self) -> String {
        let mut memory = self.memory();
        let mut said = Vec::new();
        for at in 0..20 {
            assert!(!memory.shuts_out(HOME));
            ask(&mut memory, &format!("{at}"), Answer::Refused);
            said.extend(memory.trouble());
        }
        let [trouble] = &said[..] else { panic!("{said:?}") };
        trouble.strip_prefix(&format!("{}: ", self.path.display())).unwrap().to_owned()
    }
}

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

#[track_caller]
fn ask(memory: &mut Memory, secret: &str, answer: Answer) {
    match memory.before(Some(HOME), b"alice", secret.as_bytes()) {
        Verdict::Ask(ticket) => memory.after(ticket, answer),
        Verdict::Refuse(about) => panic!("refused: {about:?}"),
    }
}

#[test]
fn d59_what_one_process_writes_another_reads() {
    let place = Place::with_file("");
    for at in 0..10 {
        let mut memory = place.memory();
        assert!(!memory.shuts_out(HOME));
        ask(&mut memory, &format!("{at}"), Answer::Refused);
        assert_eq!(memory.trouble(), None);
    }
    let mut memory = place.memory();
    let refused = memory.before(Some(HOME), b"ALICE", b"right");
    assert!(matches!(refused, Verdict::Refuse(about) if about.kind() == Kind::Address));
    assert!(memory.shuts_out(HOME));
    assert_eq!(place.score(), 10);
}

/// Who looks without the lock never sees a charge that is taken back at once.
#[test]
fn d59_what_would_shut_others_out_beside_others_is_never_written() {
    let place = Place::with_file("address 2 6h\n");
    let mut memory = place.memory();
    ask(&mut memory, "a", Answer::Refused);
    let before = std::fs::read(&place.path).unwrap();
    assert!(memory.before_beside_others(Some(HOME), b"alice", b"b").is_none());
    assert!(std::fs::read(&place.path).unwrap() == before, "written");
    let alone = memory.before(Some(HOME), b"alice", b"b");
    assert!(matches!(alone, Verdict::Ask(_)) && memory.shuts_out(HOME));
    let refused = memory.before_beside_others(Some(HOME), b"alice", b"c");
    assert!(matches!(refused, Some(Verdict::Refuse(_))));
}

#[test]
fn d59_a_file_is_made_once_and_is_root_s_alone() {
    let place = Place::with_file("");
    let made = std::fs::metadata(&place.path).unwrap();
    assert_eq!((made.mode() & 0o7777, made.len()), (0o600, FILE));
    ask(&mut place.memory(), "x", Answer::Refused);
    assert_eq!(create(&place.path).unwrap(), Created::Kept);
    assert_eq!(std::fs::metadata(&place.path).unwrap().ino(), made.ino());
    assert_eq!(place.score(), 1);
    // A missing folder is made, and nothing is left beside the file.
    let inner = place.path.with_file_name("inner").join("failures");
    assert_eq!(create(&inner).unwrap(), Created::New);
    assert_eq!(std::fs::read_dir(inner.parent().unwrap()).unwrap().count(), 1);
    // Many at once make one.
    let other = place.path.with_file_name("other");
    std::fs::create_dir(&other).unwrap();
    let other = other.join("failures");
    std::thread::scope(|scope| {
        let made: Vec<_> = (0..4).map(|_| scope.spawn(|| create(&other).unwrap())).collect();
        let made = made.into_iter().map(|one| one.join().unwrap());
        assert_eq!(made.filter(|one| *one == Created::New).count(), 1);
    });
    assert!(File::open(&other).is_ok());
}

#[test]
fn d59_files_that_cannot_be_used_are_said_once_and_logins_go_on() {
    let place = Place::new("");
    assert_eq!(place.trouble(), "No such file or directory");
    create(&place.path).unwrap();
    let whole = std::fs::read(&place.path).unwrap();

    chmod(&place.path, Mode::from_raw_mode(0o640)).unwrap();
    assert_eq!(place.trouble(), "its group or others can read or write it");
    chmod(&place.path, Mode::from_raw_mode(0o600)).unwrap();

    for length in [0, 63, 64, 5000, whole.len() - 1] {
        std::fs::write(&place.path, &whole[..length]).unwrap();
        assert_eq!(place.trouble(), "wrong size", "{length}");
    }
    std::fs::write(&place.path, [&b"\x7fELF"[..], &whole[4..]].concat()).unwrap();
    assert_eq!(place.trouble(), "not a memory of refused logins, or of another version");

    let other_boot =
        Header { clock: Clock::SinceBoot { boot: [7; 16], inode: 0 }, key: Key([0; 16]) };
    std::fs::write(&place.path, [&other_boot.encode()[..], &whole[64..]].concat()).unwrap();
    assert_eq!(place.trouble(), "made before the machine was started");
    assert_eq!(create(&place.path).unwrap(), Created::Replaced);
    ask(&mut place.memory(), "x", Answer::Refused);
    assert_eq!(place.score(), 1);

    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&place.path, Some(65534), None).unwrap();
        assert_eq!(place.trouble(), "it belongs to another user");
    } else {
        eprintln!("SKIPPED: only root can give a file away");
    }
    let real = place.path.with_file_name("real");
    std::fs::rename(&place.path, &real).unwrap();
    symlink(&real, &place.path).unwrap();
    assert_eq!(place.trouble(), "not a regular file");
    std::fs::remove_file(&place.path).unwrap();
    mknodat(rustix::fs::CWD, &place.path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(place.trouble(), "not a regular file");
}

#[test]
fn d59_what_is_no_memory_of_refused_logins_is_not_replaced() {
    let place = Place::new("");
    std::fs::write(&place.path, b"root:x:0:0::/root:/bin/sh\n").unwrap();
    chmod(&place.path, Mode::from_raw_mode(0o600)).unwrap();
    assert_eq!(create(&place.path).unwrap_err().to_string(), "wrong size");
    assert_eq!(std::fs::read(&place.path).unwrap().len(), 26);
    // Cut short, one of ours is; and one of the right length that never came to the disk.
    std::fs::write(&place.path, b"\x89refused\x01").unwrap();
    assert_eq!(create(&place.path).unwrap(), Created::Replaced);
    let length = usize::try_from(FILE).unwrap();
    let mut lost = vec![0; length];
    std::fs::write(&place.path, &lost).unwrap();
    assert_eq!(create(&place.path).unwrap(), Created::Replaced);
    lost[length - 1] = 1;
    std::fs::write(&place.path, &lost).unwrap();
    assert!(create(&place.path).is_err());
    assert!(std::fs::read(&place.path).unwrap() == lost);
}

#[cfg(all(feature = "mounts", target_os = "linux"))]
mod full_disk;

#[test]
fn d59_a_resident_process_finds_the_new_file() {
    let place = Place::new("");
    let mut memory = place.memory();
    ask(&mut memory, "a", Answer::Refused);
    assert!(memory.trouble().is_some());
    create(&place.path).unwrap();
    ask(&mut memory, "b", Answer::Refused);
    assert_eq!(place.score(), 1);
    // An answer for a file that is no more counts for nothing in the new one.
    let Verdict::Ask(ticket) = memory.before(Some(HOME), b"alice", b"c") else { panic!() };
    std::fs::remove_file(&place.path).unwrap();
    create(&place.path).unwrap();
    memory.after(ticket, Answer::Refused);
    assert_eq!((place.score(), memory.owes()), (0, 0));
    ask(&mut memory, "d", Answer::Refused);
    assert_eq!(place.score(), 1);
    assert_eq!(memory.trouble(), None);
    // One that has been moved away is not the one that the settings name, and counts no more.
    std::fs::rename(&place.path, place.path.with_file_name("away")).unwrap();
    ask(&mut memory, "e", Answer::Refused);
    assert!(memory.trouble().is_some());
    create(&place.path).unwrap();
    ask(&mut memory, "f", Answer::Refused);
    assert_eq!(place.score(), 1);
}

#[test]
fn d59_whoever_holds_the_lock_keeps_nobody_waiting_and_nothing_is_lost() {
    let place = Place::with_file("");
    let mut memory = place.memory();
    let held = std::fs::File::open(&place.path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    for at in 0..5 {
        ask(&mut memory, &format!("{at}"), Answer::Refused);
    }
    ask(&mut memory, "right", Answer::Good);
    assert_eq!((memory.owes(), place.score(), memory.trouble()), (6, 0, None));
    memory.finish(Duration::ZERO);
    assert!(memory.trouble().is_some_and(|why| why.ends_with(": locked by another process")));
    drop(held);
    memory.settle(LONG);
    assert_eq!((memory.owes(), place.score()), (0, 5));
}

/// Raises the limit on descriptors, as far as it can be; what it is then.
fn many_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[test]
fn d59_two_thousand_at_once_lose_no_count() {
    let count = many_descriptors().saturating_sub(200).min(2_000) as usize;
    let place = Place::with_file("address 9999 1d\nnetwork 9999 1d\nuser 9999 1d");
    let begin = Barrier::new(count);
    let memories: Vec<Memory> = std::thread::scope(|scope| {
        let threads = (0..count).map(|at| {
            let (place, begin) = (&place, &begin);
            let one = move || {
                let mut memory = place.memory();
                begin.wait();
                // Every fourth is a good login, every fourth has trouble.
                let answer =
                    [Answer::Refused, Answer::Good, Answer::Refused, Answer::Trouble][at % 4];
                let from = IpAddr::from([192, 0, 2, (at % 256) as u8]);
                let user: &[u8] = if answer == Answer::Good { b"bob" } else { b"alice" };
                match memory.before(Some(from), user, format!("{at}").as_bytes()) {
                    Verdict::Ask(ticket) => memory.after(ticket, answer),
                    Verdict::Refuse(about) => panic!("refused: {about:?}"),
                }
                memory
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, one).unwrap()
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // What could not be written in the crowd is written once that is over.
    for mut memory in memories {
        memory.settle(LONG);
        assert_eq!((memory.owes(), memory.trouble()), (0, None));
    }
    // Two in four were refused, but for the few whose secrets look like one before.
    let (score, refused) = (place.score() as usize, count / 2);
    assert!(score <= refused && score + refused / 50 >= refused, "{score} of {refused}");
}

#[test]
fn d59_no_octet_of_user_or_secret_is_in_the_file() {
    let place = Place::with_file("");
    let mut memory = place.memory();
    for (secret, answer) in [("sequoiadendron", Answer::Refused), ("pass-phrase", Answer::Good)] {
        let verdict = memory.before(Some(HOME), b"wellingtonia", secret.as_bytes());
        let Verdict::Ask(ticket) = verdict else { panic!() };
        memory.after(ticket, answer);
    }
    let octets = std::fs::read(&place.path).unwrap();
    for text in ["wellingtonia", "sequoiadendron", "pass-phrase"] {
        for part in text.as_bytes().windows(4) {
            assert!(octets.windows(4).all(|octets| octets != part), "{text}");
        }
    }
}

#[test]
fn d59_octets_of_somebody_else_s_are_survived() {
    let place = Place::with_file("");
    let file = std::fs::OpenOptions::new().write(true).open(&place.path).unwrap();
    let mut noise = vec![0; FILE as usize - 64];
    let mut state = 59_u32;
    for octet in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *octet = (state >> 24) as u8 % 65;
    }
    file.write_all_at(&noise, 64).unwrap();
    let mut memory = place.memory();
    for at in 0..100 {
        let from = IpAddr::from([192, 0, at, 7]);
        if let Verdict::Ask(ticket) = memory.before(Some(from), &[b'a', at], b"x") {
            memory.after(ticket, Answer::Refused);
        }
        let _ = memory.shuts_out(from);
    }
    assert_eq!(memory.trouble(), None);
}
