//! Every check on its corpus, and on inputs made from it by chance, always the same:
//! a small part of what `make fuzz` does, for every `make test`.

use checks::{Check, TARGETS};
use std::path::Path;
use std::sync::Mutex;

/// Inputs that are made for each target.
const MADE: usize = 500;
/// The longest of them, in octets.
const LONGEST: usize = 2_048;

/// Checks count what the process allocates: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Shows the input that a check failed on.
struct Trying<'a>(&'a str, &'a [u8]);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {}, input \"{}\"", self.0, self.1.escape_ascii());
        }
    }
}

fn try_one(name: &str, check: Check, input: &[u8]) {
    let _shown = Trying(name, input);
    check(input);
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no corpus", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn what_must_hold_holds_for_the_corpus() {
    let _alone = ALONE.lock();
    for (name, check) in TARGETS {
        try_one(name, check, b"");
        corpus(name).iter().for_each(|input| try_one(name, check, input));
    }
}

#[test]
fn what_must_hold_holds_for_inputs_made_from_it() {
    let _alone = ALONE.lock();
    for (name, check) in TARGETS {
        let corpus = corpus(name);
        let mut chance = Chance(1);
        for _ in 0..MADE {
            try_one(name, check, &chance.input(&corpus));
        }
    }
}

/// Numbers that look like chance, and are the same each time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A part of `octets`, up to 64 of them.
    fn part<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let from = self.below(octets.len() + 1);
        let length = self.below((octets.len() - from).min(64) + 1);
        &octets[from..from + length]
    }

    /// One of the corpus, with a few changes.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.of(corpus).clone();
        for _ in 0..1 + self.below(5) {
            let at = self.below(input.len() + 1);
            match self.below(5) {
                0 => drop(input.splice(at..(at + self.below(9)).min(input.len()), [])),
                1 => input.insert(at, *self.of(b"\r\n\r\n. \0:=\xFFAaSC\x01")),
                2 if at < input.len() => input[at] = self.below(256) as u8,
                3 => {
                    let part = self.part(&input).to_vec();
                    input.splice(at..at, part);
                }
                _ => {
                    let other = self.of(corpus);
                    let part = self.part(other).to_vec();
                    input.splice(at..at, part);
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}
