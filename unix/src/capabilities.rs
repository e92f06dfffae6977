//! What of root's powers a process keeps that has no use for the others. They are its own:
//! what it starts as root has all of root's again, as execve(2) gives them.

use std::io;

/// A power of root's, by its name in capabilities(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// To read every file and folder.
    DacReadSearch,
    /// To signal everybody's processes.
    Kill,
    /// To go beyond limits, such as that on descriptors that are under way.
    SysResource,
}

/// Gives up all of them but these, where this process has them. Whoever is not root has none
/// to give up, and on a system that knows no capabilities nothing happens.
///
/// To be called while there is one thread.
///
/// # Errors
/// The system's.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn keep_only(kept: &[Capability]) -> io::Result<()> {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let kept = kept.iter().fold(CapabilitySet::empty(), |kept, one| {
        kept | match one {
            Capability::DacReadSearch => CapabilitySet::DAC_READ_SEARCH,
            Capability::Kill => CapabilitySet::KILL,
            Capability::SysResource => CapabilitySet::SYS_RESOURCE,
        }
    });
    let mut sets = capabilities(None)?;
    sets.permitted &= kept;
    sets.effective &= kept;
    sets.inheritable &= kept;
    Ok(set_capabilities(None, sets)?)
}

/// Nothing that this system knows of.
///
/// # Errors
/// None.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub const fn keep_only(_kept: &[Capability]) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::thread::{CapabilitySet, capabilities};

    /// Of a thread of its own, for they are each thread's.
    #[test]
    fn what_is_not_kept_is_gone() {
        let had = capabilities(None).unwrap();
        let has = std::thread::spawn(|| {
            keep_only(&[Capability::Kill, Capability::SysResource]).unwrap();
            capabilities(None).unwrap()
        });
        let has = has.join().unwrap();
        let kept = CapabilitySet::KILL | CapabilitySet::SYS_RESOURCE;
        assert_eq!((has.permitted, has.effective), (had.permitted & kept, had.effective & kept));
        assert_eq!(has.inheritable, had.inheritable & kept);
    }
}
