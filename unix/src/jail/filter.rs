//! The system call filter: a list of calls that are allowed, as a program for the
//! kernel (seccomp(2), BPF); any other call ends the process.
//!
//! One instruction for most calls: the kernel tries the program for every call there
//! is when it takes it, which is most of what a filter costs a process that lives for
//! one session.

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

/// Puts the process under the filter, for good. `always` may hold 250 calls.
///
/// # Errors
/// [`UNKNOWN`] on a processor that this file does not know; else the system's.
pub(super) fn apply(always: &[c_long], conditions: &[If]) -> io::Result<()> {
    let processor = PROCESSOR.ok_or_else(|| io::Error::other(UNKNOWN))?;
    install(&mut program(processor, always, conditions))
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

fn program(processor: u32, always: &[c_long], conditions: &[If]) -> Vec<sock_filter> {
    let mut program = vec![load(MADE_FOR), if_equal(processor, 1, 0), KILL, load(NUMBER)];
    // Each jumps over those that follow, and over the jump behind them.
    let over = (1..=always.len()).rev().map(|calls| u8::try_from(calls).unwrap_or(u8::MAX));
    program.extend(always.iter().zip(over).map(|(&call, over)| if_equal(number(call), over, 0)));
    program.extend([skip(1), ALLOW]);
    for one in conditions {
        match *one {
            If::Without(call, at, bits) => program.extend([
                if_equal(number(call), 0, 4),
                load(argument(at)),
                if_any_bit(bits, 1, 0),
                ALLOW,
                KILL,
            ]),
            If::With(call, at, value) => program.extend([
                if_equal(number(call), 0, 4),
                load(argument(at)),
                if_equal(value, 0, 1),
                ALLOW,
                // For the same call with another value.
                load(NUMBER),
            ]),
            If::WithAndWithout(call, (at, value), (other, bits)) => program.extend([
                if_equal(number(call), 0, 6),
                load(argument(at)),
                if_equal(value, 0, 3),
                load(argument(other)),
                if_any_bit(bits, 1, 0),
                ALLOW,
                load(NUMBER),
            ]),
        }
    }
    program.push(KILL);
    program
}

/// Call numbers are small, and none is negative.
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

const fn skip(instructions: u32) -> sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, instructions)
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
