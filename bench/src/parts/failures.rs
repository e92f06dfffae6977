//! What the memory of refused logins costs: at accept, before a login is tried, and after
//! its answer.
//!
//! Measured as the programs use it. tlsserver's listener keeps the file open; each authup
//! opens it before its login and closes it after. Every login comes from another network of
//! IPv6 and for another user, which is the most that there is to write. (In a network that
//! somebody is known in, one bucket more is read.)

use proto::failures::{Answer, Settings};
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use unix::failures::file::create;
use unix::failures::{Memory, Verdict};

use super::{Bench, rotated};
use crate::report::results::median;

pub(crate) const TABLE: &str = "memory of refused logins";
pub(crate) const ACCEPT: &str = "listener, at accept";
pub(crate) const BEFORE: &str = "authup, before a check";
pub(crate) const REFUSED: &str = "authup, after it: refused";
pub(crate) const GOOD: &str = "authup, after it: good";

/// Where `acceptutils init` has it: there the file is held to the machine's boot.
pub(crate) const IN_RUN: &str = "µs, file in /run";
const ON_DISK: &str = "µs, file in target";

const LOGINS: u32 = 20_000;

/// All of them, on both files.
pub(crate) fn run(bench: &mut Bench) -> io::Result<()> {
    println!("{TABLE}");
    let places = [
        (IN_RUN, tempfile::tempdir_in("/run").and_then(Place::in_memory)),
        (ON_DISK, tempfile::tempdir_in(&bench.output).map(Place::OnDisk)),
    ];
    let mut measured = places.map(|(column, place)| (column, place, Rounds::default()));
    for round in 0..bench.effort.rounds {
        for index in rotated(measured.len(), round) {
            let Some((_, Ok(place), rounds)) = measured.get_mut(index) else { continue };
            let count = LOGINS / u32::try_from(bench.effort.divisor).unwrap_or(1);
            rounds.measure(place.folder(), round, count)?;
        }
    }
    for (column, place, rounds) in measured {
        match place {
            Ok(_) => rounds.report(bench, column),
            Err(reason) => bench.results.miss(TABLE, column, &reason.to_string()),
        }
    }
    Ok(())
}

/// Where the file is.
enum Place {
    OnDisk(TempDir),
    InMemory(TempDir),
}

impl Place {
    /// Not every machine's `/run` is in memory.
    fn in_memory(folder: TempDir) -> io::Result<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "none"]).arg(folder.path()).status()?;
        if mounted.success() {
            Ok(Self::InMemory(folder))
        } else {
            Err(io::Error::other("tmpfs cannot be mounted"))
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::OnDisk(folder) | Self::InMemory(folder) => folder.path(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::InMemory(folder) = self {
            let _ = Command::new("umount").arg(folder.path()).status();
        }
    }
}

/// The rounds' medians, in microseconds.
#[derive(Default)]
struct Rounds {
    accept: Vec<f64>,
    before: Vec<f64>,
    refused: Vec<f64>,
    good: Vec<f64>,
}

impl Rounds {
    fn measure(&mut self, folder: &Path, round: usize, count: u32) -> io::Result<()> {
        let path = folder.join(format!("failures-{round}"));
        create(&path).map_err(|trouble| io::Error::other(trouble.to_string()))?;
        let settings =
            Settings { file: path.as_os_str().as_bytes().to_vec(), ..Settings::default() };
        let (mut before, mut refused, mut good) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            // One in eight: a table has more that is refused.
            let (answer, times) = if number % 8 == 0 {
                (Answer::Good, &mut good)
            } else {
                (Answer::Refused, &mut refused)
            };
            let (first, second) = one_login(&settings, number, answer)?;
            before.push(microseconds(first));
            times.push(microseconds(second));
        }
        self.before.push(median(&before));
        self.refused.push(median(&refused));
        self.good.push(median(&good));
        self.accept.push(median(&at_accept(settings, count)?));
        Ok(())
    }

    fn report(self, bench: &mut Bench, column: &str) {
        let rows = [
            (ACCEPT, self.accept),
            (BEFORE, self.before),
            (REFUSED, self.refused),
            (GOOD, self.good),
        ];
        for (row, rounds) in rows {
            bench.results.add(TABLE, row, column, rounds);
        }
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Each in another /32, but for one in 65,536.
fn client(number: u32) -> IpAddr {
    let [_, first, second, third] = number.to_be_bytes();
    let [high, low] = [u16::from_be_bytes([second, third]), u16::from(first)];
    Ipv6Addr::new(0x2a00, high, low, 0, 0, 0, 0, 1).into()
}

/// As an authup does it that has been started for one connection: until its login may be
/// tried, and from its answer to the file's end.
fn one_login(settings: &Settings, number: u32, answer: Answer) -> io::Result<(Duration, Duration)> {
    let settings = settings.clone();
    let (address, user) = (client(number), format!("user{number}"));
    let begin = Instant::now();
    let mut memory = Memory::new(settings);
    let verdict = memory.before(Some(address), user.as_bytes(), b"secret");
    let before = begin.elapsed();
    let Verdict::Ask(ticket) = verdict else {
        return Err(io::Error::other("a login was refused unasked"));
    };
    sound(&mut memory)?;
    let begin = Instant::now();
    memory.after(ticket, answer);
    sound(&mut memory)?;
    drop(memory);
    Ok((before, begin.elapsed()))
}

fn at_accept(settings: Settings, count: u32) -> io::Result<Vec<f64>> {
    let mut memory = Memory::new(settings);
    let mut times = Vec::new();
    for number in 0..count {
        let address = client(number);
        let begin = Instant::now();
        black_box(memory.shuts_out(address));
        times.push(microseconds(begin.elapsed()));
        sound(&mut memory)?;
    }
    Ok(times)
}

/// What does not work would be quick.
fn sound(memory: &mut Memory) -> io::Result<()> {
    match memory.trouble() {
        None if memory.owes() == 0 => Ok(()),
        None => Err(io::Error::other("an answer was not written")),
        Some(why) => Err(io::Error::other(why)),
    }
}
