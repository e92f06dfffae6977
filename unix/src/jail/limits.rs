//! What of the machine a jailed process may use, whoever has taken it over.
//!
//! Limits are the kernel's (getrlimit(2)), and for good: the system calls that would raise
//! them are in no list. What a process has already, it keeps.

use super::{Failure, Profile, step};
use nix::sys::stat::{SFlag, fstat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

const MIB: u64 = 1 << 20;
/// For the program itself and its libraries.
const PROGRAM_MEMORY: u64 = 256 * MIB;
/// For a dialog: some lines, and a record.
const DIALOG_MEMORY: u64 = 64 * MIB;
/// More than a client's buffers and its handshake take.
const MEMORY_PER_CLIENT: u64 = MIB;
/// Descriptors, and how many more for each client, which has a socket and its program's.
const DESCRIPTORS: u64 = 64;
const SIGNER_DESCRIPTORS: u64 = 1024;
const DESCRIPTORS_PER_CLIENT: u64 = 8;

pub(super) fn set(profile: Profile) -> Result<(), Failure> {
    let (descriptors, memory) = match profile {
        Profile::Server { clients } => (
            DESCRIPTORS.saturating_add(clients.saturating_mul(DESCRIPTORS_PER_CLIENT)),
            PROGRAM_MEMORY.saturating_add(clients.saturating_mul(MEMORY_PER_CLIENT)),
        ),
        Profile::Signer => (SIGNER_DESCRIPTORS, PROGRAM_MEMORY),
        Profile::Dialog => (DESCRIPTORS, DIALOG_MEMORY),
        Profile::Relay => (DESCRIPTORS, PROGRAM_MEMORY),
    };
    // Who serves many is given as many descriptors as there may be at all; nobody else more
    // than there were.
    let limit = getrlimit(Resource::Nofile);
    let most =
        if matches!(profile, Profile::Server { .. }) { limit.maximum } else { limit.current };
    let descriptors = descriptors.min(most.unwrap_or(u64::MAX));
    at_most("limit on descriptors", Resource::Nofile, descriptors)?;
    let memory = memory.min(getrlimit(Resource::Data).current.unwrap_or(u64::MAX));
    at_most("limit on memory", Resource::Data, memory)?;
    at_most("limit on core files", Resource::Core, 0)?;
    if !writes_to_a_file() {
        at_most("limit on files", Resource::Fsize, 0)?;
    }
    // The child that a relay has is there already.
    at_most("limit on processes", Resource::Nproc, 0)
}

fn at_most(what: &'static str, resource: Resource, most: u64) -> Result<(), Failure> {
    step(what, setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }))
}

/// Whether what it says may go to a file, which a limit would end it for.
fn writes_to_a_file() -> bool {
    let is_file = |file: io::Result<SFlag>| file.is_ok_and(|kind| kind == SFlag::S_IFREG);
    let kind = |found: nix::Result<nix::sys::stat::FileStat>| {
        Ok(SFlag::from_bits_truncate(found?.st_mode & SFlag::S_IFMT.bits()))
    };
    is_file(kind(fstat(io::stdout()))) || is_file(kind(fstat(io::stderr())))
}
