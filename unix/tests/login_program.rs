//! A login program gets its record where it looks for it, one after the other. A test
//! program of its own: descriptor 3 is the whole process's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use proto::checkpassword::Record;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use unix::descriptor::pipe;
use unix::login_program::{Place, RECORD, Told};
use unix::spawn::Start;

/// What a program writes that has such a record, and whether it says that it is good.
fn run(place: &mut Place, script: &str) -> (String, bool) {
    let (reader, output) = pipe().unwrap();
    let words = ["sh", "-c", script].map(OsString::from);
    let record = Record::new(b"bob", b"secret", b"<1@h>").unwrap();
    let begin = |told: Told| {
        let variables = &told.map(|(name, value)| (name.name().into(), value)).into();
        let input = File::open("/dev/null")?.into();
        let program = Path::new("/bin/sh");
        let (words, user, group) = (&words[..], None, None);
        Start { program, words, variables, input, output, errors: None, user, group }.spawn()
    };
    let started = place.start(record, begin).unwrap();
    let mut said = String::new();
    File::from(reader).read_to_string(&mut said).unwrap();
    let mut ready = Vec::new();
    File::from(started.ready).read_to_end(&mut ready).unwrap();
    let pid = rustix::process::Pid::from_raw(started.child.cast_signed());
    rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
    (said, ready == b"x")
}

#[test]
fn one_login_program_after_another_has_its_record_and_may_say_so() {
    // Whoever started the tests may have left something there.
    unix::open_descriptors::close_from(RECORD);
    let mut place = Place::reserve().unwrap();
    for _ in 0..3 {
        let said = run(&mut place, "tr '\\0' '|' <&3; echo $AUTHUP_USER");
        assert_eq!(said, ("bob|secret|<1@h>|bob\n".into(), false));
        let said = run(&mut place, "printf x >/dev/fd/$AUTHUPREADYFD");
        assert_eq!(said, (String::new(), true));
    }
}
