//! The system call filter: a list of calls that are allowed, as a program for the
//! kernel (seccomp(2), BPF); any other call ends the process.
//!
//! A search tree, by numbers of calls: the kernel tries the program for every call there is
//! when it takes it, which is most of what a filter costs a process that lives for one session.

use libc::{c_long, c_ulong, sock_filter, sock_fprog};
use std::io;

/// A call that is allowed on a condition.
#[derive(Debug, Clone, Copy)]
pub(super) enum If {
    /// The argument of this number has none of these bits.
    Without(c_long, u8, u32),
    /// The argument of this number has this value; a call may stand more than once.
    With(c_long, u8, u32),
    /// Both: the argument of this number has this value, and that of the other number none
    /// of these bits.
    WithAndWithout(c_long, (u8, u32), (u8, u32)),
}

impl If {
    const fn call(self) -> c_long {
        match self {
            Self::Without(call, ..) | Self::With(call, ..) | Self::WithAndWithout(call, ..) => call,
        }
    }
}

/// What the kernel calls this processor; a call made for another one is not allowed.
const PROCESSOR: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xC000_003E)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_00B7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xC000_00F3)
} else {
    None
};

/// Why nobody is jailed, and so served, on another processor: others have other calls for
/// the same, or pass arguments in other ways, and no list of theirs has been tried.
const UNKNOWN: &str = "made for x86_64, aarch64 and riscv64 only, not for this processor";

/// Puts the process under the filter, for good. No call may stand in both.
///
/// # Errors
/// [`UNKNOWN`] on a processor that this file does not know; more calls than a jump can
/// skip, some 200; else the system's.
pub(super) fn apply(always: &[c_long], conditions: &[If]) -> io::Result<()> {
    let processor = PROCESSOR.ok_or_else(|| io::Error::other(UNKNOWN))?;
    install(&mut program(processor, always, conditions)?)
}

/// Where the kernel shows the call's number, its processor, and its arguments, of
/// which the lower halves are looked at: `struct seccomp_data`.
const NUMBER: u32 = 0;
const MADE_FOR: u32 = 4;
const fn argument(number: u8) -> u32 {
    16 + 8 * number as u32 + if cfg!(target_endian = "big") { 4 } else { 0 }
}

const ALLOW: sock_filter = instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW);
const KILL: sock_filter =
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS);

/// What is to be done about a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Kill,
    /// What the tests say that begin at this place among all tests.
    Ask(usize),
}

/// About how many calls the kernel has, and tries.
const CALLS: u32 = 512;
/// What comes first: the processor's check, and the call's number.
const HEAD: usize = 4;

fn program(processor: u32, always: &[c_long], conditions: &[If]) -> io::Result<Vec<sock_filter>> {
    let (tests, places) = tests(conditions);
    let allowed = always.iter().map(|&call| (number(call), Verdict::Allow));
    let ranges = ranges(allowed.chain(places).collect());
    let mut program = vec![load(MADE_FOR), if_equal(processor, 1, 0), KILL, load(NUMBER)];
    let verdicts = HEAD + ranges.len() - 1;
    search(&ranges, CALLS, &mut program, &|verdict| match verdict {
        Verdict::Ask(place) => verdicts + place,
        Verdict::Kill => verdicts + tests.len(),
        Verdict::Allow => verdicts + tests.len() + 1,
    })?;
    program.extend(tests);
    program.extend([KILL, ALLOW]);
    Ok(program)
}

/// The tests of each call that is allowed on conditions, and at which of them each call's
/// begin. Who passes none is at the end.
fn tests(conditions: &[If]) -> (Vec<sock_filter>, Vec<(u32, Verdict)>) {
    let (mut tests, mut places) = (Vec::new(), Vec::<(u32, Verdict)>::new());
    for (at, first) in conditions.iter().enumerate() {
        let call = number(first.call());
        if places.iter().any(|(known, _)| *known == call) {
            continue;
        }
        places.push((call, Verdict::Ask(tests.len())));
        for one in conditions.iter().skip(at).filter(|one| number(one.call()) == call) {
            match *one {
                If::Without(_, at, bits) => {
                    tests.extend([load(argument(at)), if_any_bit(bits, 1, 0), ALLOW]);
                }
                If::With(_, at, value) => {
                    tests.extend([load(argument(at)), if_equal(value, 0, 1), ALLOW]);
                }
                If::WithAndWithout(_, (at, value), (other, bits)) => tests.extend([
                    load(argument(at)),
                    if_equal(value, 0, 3),
                    load(argument(other)),
                    if_any_bit(bits, 1, 0),
                    ALLOW,
                ]),
            }
        }
        tests.push(KILL);
    }
    (tests, places)
}

/// From which number on there is which verdict, the smallest first; up to the first of
/// them, and from behind the last call on, calls are forbidden.
fn ranges(mut calls: Vec<(u32, Verdict)>) -> Vec<(u32, Verdict)> {
    calls.sort_unstable_by_key(|(call, _)| *call);
    let mut ranges = vec![(0, Verdict::Kill)];
    let mut begin = |from: u32, verdict: Verdict| {
        // The one behind the last call is none where the next call follows at once.
        ranges.pop_if(|last| last.0 == from);
        if ranges.last().is_none_or(|last| last.1 != verdict) {
            ranges.push((from, verdict));
        }
    };
    for (call, verdict) in calls {
        begin(call, verdict);
        begin(call + 1, Verdict::Kill);
    }
    ranges
}

/// Halves the numbers until one range is left, and goes where `place` has its verdict. Each
/// question skips the part that it rules out.
fn search(
    ranges: &[(u32, Verdict)],
    end: u32,
    program: &mut Vec<sock_filter>,
    place: &impl Fn(Verdict) -> usize,
) -> io::Result<()> {
    let [(first, _), _, ..] = ranges else { return Ok(()) };
    let middle = u32::midpoint(*first, end);
    let at = ranges.partition_point(|(from, _)| *from < middle).clamp(1, ranges.len() - 1);
    let (lower, upper) = ranges.split_at(at);
    let from = upper.first().map_or(end, |(from, _)| *from);
    let next = program.len() + 1;
    let skipped = |to: usize| u8::try_from(to - next).map_err(io::Error::other);
    let to = |half: &[(u32, Verdict)], begins: usize| match half {
        [(_, verdict)] => skipped(place(*verdict)),
        _ => skipped(begins),
    };
    // A half of so many ranges asks one question less.
    let (otherwise, then) = (to(lower, next)?, to(upper, next + lower.len() - 1)?);
    program.push(if_at_least(from, then, otherwise));
    search(lower, from, program, place)?;
    search(upper, end, program, place)
}

/// Call numbers are small, and none is negative.
#[allow(clippy::unnecessary_cast, reason = "on 32-bit processors it is as long")]
const fn number(call: c_long) -> u32 {
    call.cast_unsigned() as u32
}

const fn load(from: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, from)
}

/// Skips `then` instructions where what was loaded is `value`, `otherwise` where not.
const fn if_equal(value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, then, otherwise, value)
}

const fn if_at_least(value: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, then, otherwise, value)
}

const fn if_any_bit(bits: u32, then: u8, otherwise: u8) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, then, otherwise, bits)
}

const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

#[expect(unsafe_code, reason = "no safe wrapper for seccomp is at hand")]
fn install(program: &mut [sock_filter]) -> io::Result<()> {
    const NO_FLAGS: c_ulong = 0;
    let length = program.len().try_into().map_err(io::Error::other)?;
    let program = sock_fprog { len: length, filter: program.as_mut_ptr() };
    let mode = c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the pointer is to `len` instructions, which the kernel copies before it
    // returns.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, mode, NO_FLAGS, &raw const program) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program says of a call, and after how many instructions.
    fn run(program: &[sock_filter], call: u32, arguments: [u32; 2]) -> (u32, usize) {
        let (mut at, mut value, mut steps) = (0, 0, 0);
        loop {
            let one = program[at];
            steps += 1;
            at += 1;
            let holds = match u32::from(one.code) {
                code if code == libc::BPF_RET | libc::BPF_K => return (one.k, steps),
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    value = match one.k {
                        MADE_FOR => 7,
                        NUMBER => call,
                        from => *arguments
                            .iter()
                            .enumerate()
                            .find_map(|(number, value)| {
                                (argument(u8::try_from(number).unwrap()) == from).then_some(value)
                            })
                            .unwrap(),
                    };
                    continue;
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => value == one.k,
                code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => value >= one.k,
                code if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => value & one.k != 0,
                code => panic!("{code}"),
            };
            at += usize::from(if holds { one.jt } else { one.jf });
        }
    }

    #[test]
    fn each_call_finds_its_verdict_within_a_few_questions() {
        let conditions = [
            If::Without(9, 1, 4),
            If::With(72, 1, 3),
            If::WithAndWithout(72, (0, 5), (1, 1)),
            If::With(72, 1, 8),
        ];
        let lists: [&[c_long]; 5] = [
            &[],
            &[0],
            &[500],
            &[1, 2, 3, 8, 10, 71, 73, 200],
            &[0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100],
        ];
        for always in lists {
            let program = program(7, always, &conditions).unwrap();
            for call in (0..600).chain([0x4000_0000, u32::MAX]) {
                for arguments in [[0, 0], [5, 3], [5, 2], [6, 2], [0, 8], [0, 4], [5, 5]] {
                    let holds = match (call, arguments) {
                        (9, [_, other]) => other & 4 == 0,
                        (72, [one, other]) => [3, 8].contains(&other) || one == 5 && other & 1 == 0,
                        _ => always.contains(&c_long::from(call)),
                    };
                    let expected = if holds { ALLOW.k } else { KILL.k };
                    let (found, steps) = run(&program, call, arguments);
                    assert_eq!(found, expected, "{call} {arguments:?} of {always:?}");
                    assert!([9, 72].contains(&call) || steps <= 3 + 9 + 1, "{call}: {steps}");
                }
            }
        }
        assert_eq!(run(&program(8, &[1], &[]).unwrap(), 1, [0; 2]).0, KILL.k, "another processor");
        assert_eq!(run(&program(7, &[], &[]).unwrap(), 1, [0; 2]).0, KILL.k, "nothing is allowed");
    }

    #[test]
    fn calls_that_follow_each_other_are_one_range() {
        let both =
            [(4, Verdict::Allow), (3, Verdict::Allow), (5, Verdict::Ask(0)), (0, Verdict::Allow)];
        let found: Vec<_> = ranges(both.to_vec()).iter().map(|(from, _)| *from).collect();
        assert_eq!(found, [0, 1, 3, 5, 6]);
        let always = |last| (0..last).collect::<Vec<_>>();
        let [few, many] = [2, 60].map(|last| program(7, &always(last), &[]).unwrap().len());
        assert_eq!(few, many);
    }

    #[test]
    fn more_than_a_jump_can_skip_is_an_error() {
        let every_other: Vec<_> = (0..400).step_by(2).collect();
        assert!(program(7, &every_other, &[]).is_err());
    }
}
