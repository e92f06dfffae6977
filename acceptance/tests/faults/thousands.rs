//! Thousands of login programs that hang at once, behind `tlsserver --login`: each has its
//! answer in time, whoever waits for a turn gets it when there is one, listener, engines and
//! monitor go on, and nobody is left behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use acceptance::chain::{As, Chain, ROOT, Server, start_logging_to};
use acceptance::channel::WATCHDOG;
use acceptance::peer::{Peer, connect};
use acceptance::processes::{Process, await_no_more_than, of_group};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use test_support::client::be_patient;
use test_support::log::Log;
use test_support::needs::skipped;
use test_support::process::{children, signal};
use test_support::wait::until;

use crate::figures::{Kind, count};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[("thousands_of_login_programs_that_hang", &[ROOT], hang)];

/// How many hang, where the machine can hold so many.
const WANTED: usize = 5_000;
/// What each of them costs, all told: a process, two sockets, a client; in KiB.
const EACH: usize = 400;
/// Clients that have no turn.
const WITHOUT_TURN: usize = 20;
/// Logins that are begun before it is waited for their programs.
const AT_ONCE: usize = 100;
/// Seconds that a client has to log in. The programs must all have begun by then.
const SECONDS: u64 = 90;

const LOGIN: &str = "AUTH PLAIN AGJvYgBw\r\n";
const TIMEOUT: &[u8] = b"451 authup timeout (#4.4.2)\r\n";

/// As many as memory and the limits on processes and descriptors leave room for.
fn number() -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_owned());
    let memory = read("/proc/meminfo")?;
    let free = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = free.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    let pids: usize = read("/proc/sys/kernel/pid_max")?.trim().parse()?;
    let processes = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
    let descriptors = limit.maximum.unwrap_or(u64::MAX);
    let room = [
        free.unwrap_or_default() / 2 / EACH,
        of_cgroups("memory.max").unwrap_or(usize::MAX) / 1024 / 2 / EACH,
        of_cgroups("pids.max").unwrap_or(usize::MAX) / 2,
        pids / 2,
        usize::try_from(processes / 2)?,
        usize::try_from(descriptors / 2)?,
    ];
    let number = room.into_iter().fold(WANTED, usize::min);
    if number < WANTED {
        skipped("login programs that hang", &format!("room for {number} of {WANTED} only"));
    }
    Ok(number)
}

/// The least that the control groups in which this runs allow, as a container's may.
fn of_cgroups(file: &str) -> Option<usize> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1).map(|field| field.trim_matches('/'));
        let (controller, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let above: Vec<&Path> = Path::new(path).ancestors().collect();
        let folder = Path::new("/sys/fs/cgroup").join(controller);
        above.into_iter().map(|group| folder.join(group).join(file)).collect::<Vec<_>>()
    });
    limits.filter_map(|limit| std::fs::read_to_string(limit).ok()?.trim().parse().ok()).min()
}

/// A client in the clear that has been greeted, and says this.
fn greeted(server: &Server, says: &str) -> Result<Peer> {
    let mut client = connect(server)?;
    // Its answer may come as late as that, and a little later.
    be_patient(client.stream.socket(), WATCHDOG + Duration::from_secs(SECONDS))?;
    client.hear("220 ")?;
    client.say(says);
    Ok(client)
}

/// The monitor, and the login programs that it has started.
fn programs_of(server: &Server) -> Result<Vec<u32>> {
    let monitor = children(server.pid()).into_iter().filter_map(Process::look);
    let monitor = monitor.into_iter().find(|one| one.name == "tlsserver-monit");
    Ok(children(monitor.context("no monitor")?.pid))
}

fn hang(programs: &Programs) -> Result<()> {
    let number = number()?;
    let chain = Chain::new(programs, As::Root)?;
    std::fs::write(chain.path("home/control/timeoutlogin"), format!("{SECONDS}\n"))?;
    let (limit, checks) = ((number + 100).to_string(), number.to_string());
    let options = ["-n", "--login", "smtp", "--linger", "1", "-c", &limit, "--checks", &checks];
    let mut command = chain.tls_command(&options, &["sleep", "100000"]);
    let (reader, writer) = std::io::pipe()?;
    let mut server = start_logging_to(command.env("UCSPITLS", "-"), writer)?;
    let log = Log::of(reader);
    let own: BTreeSet<u32> = of_group(server.pid()).iter().map(|one| one.pid).collect();
    let attempts = |count: usize| log.wait_for_count(" attempt for bob (", count);

    let mut clients = Vec::new();
    while clients.len() < number {
        for _ in 0..AT_ONCE.min(number - clients.len()) {
            clients.push(greeted(&server, LOGIN)?);
        }
        attempts(clients.len());
    }
    let running = programs_of(&server)?;
    ensure!(running.len() == number, "{} login programs", running.len());
    let mut without_turn = Vec::new();
    for _ in 0..WITHOUT_TURN {
        without_turn.push(greeted(&server, LOGIN)?);
    }
    // The engines talk to others, the monitor hears who goes, and a turn that is free is taken.
    let mut other = greeted(&server, "NOOP\r\n")?;
    other.hear("250 ok\r\n")?;
    signal(running[number / 2], Signal::KILL);
    attempts(number + 1);
    let told = log.lines().iter().filter(|line| line.contains(" timed out ")).count();
    ensure!(told == 0, "{told} have timed out before all had begun");

    let (mut late, mut crashed) = (0, 0);
    for mut client in clients.into_iter().chain(without_turn) {
        let said = client.rest()?;
        late += usize::from(said == TIMEOUT);
        crashed += usize::from(said == b"454 authup aack, child crashed (#4.3.0)\r\n");
        count(Kind::Hanging, Verdict::Refused);
    }
    ensure!(crashed == 1, "{crashed} were told that their program had crashed");
    ensure!(late == number + WITHOUT_TURN - 1, "{late} were told that they were late");
    await_no_more_than(server.pid(), &own)?;
    ensure!(!log.lines().iter().any(|line| line.contains("is stuck")), "{:?}", log.lines());

    // There are turns again; and one that hangs when the server ends is ended with it. Its
    // lines are kept, as those who were late are being summed up.
    let last = greeted(&server, LOGIN)?;
    let running = || programs_of(&server).map_or(0, |programs| programs.len());
    until("one login program", running, |&count| count == 1);
    server.stop()?;
    await_no_more_than(server.pid(), &BTreeSet::new())?;
    drop((last, other));
    Ok(())
}
