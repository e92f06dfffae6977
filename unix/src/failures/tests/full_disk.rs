//! The memory on a disk that is full.

use super::*;
use crate::private_mounts::PrivateMounts;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CStr;
use std::io::Write;

/// Less than the file.
const SMALL: Option<&CStr> = Some(c"size=64k");

/// The place is on a disk of its own, of this kind.
fn on_a_disk(place: &Place, kind: &str, options: Option<&CStr>, test: impl FnOnce()) {
    let folder = place.path.parent().unwrap();
    let mounts = PrivateMounts::begin();
    let Ok(_mounts) = mounts else { return eprintln!("SKIPPED: a disk of its own: {mounts:?}") };
    mount(kind, folder, kind, MountFlags::NODEV, options).unwrap();
    test();
    // A child that another thread has just forked may have a file of it open.
    unmount(folder, UnmountFlags::DETACH).unwrap();
}

#[test]
fn d59_a_full_disk_makes_no_file() {
    let place = Place::new("");
    on_a_disk(&place, "tmpfs", SMALL, || {
        assert_eq!(create(&place.path).unwrap_err().to_string(), "No space left on device");
        assert_eq!(std::fs::read_dir(place.path.parent().unwrap()).unwrap().count(), 0);
    });
}

/// Makes a file whose place is not taken yet, and one beside it that takes all that there is.
/// Such files earlier releases made, and there are disks that promise nothing.
fn fill(place: &Place) -> std::fs::File {
    let header = Header { clock: Clock::Calendar, key: Key(*b"a key for tests.") };
    std::fs::write(&place.path, header.encode()).unwrap();
    chmod(&place.path, Mode::from_raw_mode(0o600)).unwrap();
    std::fs::File::options().write(true).open(&place.path).unwrap().set_len(FILE).unwrap();
    let mut other = std::fs::File::create(place.path.with_file_name("other")).unwrap();
    while other.write_all(&[0; 4096]).is_ok() {}
    other
}

#[test]
fn d59_a_file_that_takes_no_more_is_said_once() {
    let place = Place::new("");
    on_a_disk(&place, "tmpfs", SMALL, || {
        fill(&place);
        assert_eq!(place.trouble(), "No space left on device");
    });
}

/// The user's counts have room, those of the address and its network have none.
#[test]
fn d59_a_login_that_cannot_be_counted_whole_is_not_counted() {
    let place = Place::new("user 2 1d\n");
    on_a_disk(&place, "tmpfs", SMALL, || {
        let other = fill(&place);
        other.set_len(other.metadata().unwrap().len() - 4096).unwrap();
        for _ in 0..3 {
            let mut memory = place.memory();
            ask(&mut memory, "right", Answer::Good);
            assert!(memory.trouble().unwrap().ends_with("No space left on device"));
            assert_eq!(place.score(), 0);
        }
    });
}

#[test]
fn d59_a_disk_that_cannot_promise_room_is_written_to() {
    let place = Place::new("");
    on_a_disk(&place, "ramfs", None, || {
        assert_eq!(create(&place.path).unwrap(), Created::New);
        ask(&mut place.memory(), "x", Answer::Refused);
        assert_eq!(place.score(), 1);
    });
}
