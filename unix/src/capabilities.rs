//! What of root's powers a process keeps that has no use for the others. They are its own:
//! what it starts as root has all of root's again, as execve(2) gives them. Where no new
//! privileges are to be had, that gives no more than the process itself could take, so there
//! it gives up using the others only.

use std::io;

/// A power of root's, by its name in capabilities(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// To read every file and folder.
    DacReadSearch,
    /// To signal everybody's processes.
    Kill,
    /// To change the root folder.
    SysChroot,
    /// To go beyond limits, such as that on descriptors that are under way.
    SysResource,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Capability {
    const fn as_set(self) -> rustix::thread::CapabilitySet {
        use rustix::thread::CapabilitySet;
        match self {
            Self::DacReadSearch => CapabilitySet::DAC_READ_SEARCH,
            Self::Kill => CapabilitySet::KILL,
            Self::SysChroot => CapabilitySet::SYS_CHROOT,
            Self::SysResource => CapabilitySet::SYS_RESOURCE,
        }
    }
}

/// Whether this process is root and lacks this one, as in some containers.
#[must_use]
pub fn is_root_without(one: Capability) -> bool {
    crate::process::is_root() && lacks(one)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn lacks(one: Capability) -> bool {
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| !sets.effective.contains(one.as_set()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
const fn lacks(_: Capability) -> bool {
    false
}

/// Gives up all of them but these, where this process has them. Whoever is not root has none
/// to give up, and on a system that knows no capabilities nothing happens.
///
/// With the no-new-privileges bit (prctl(2)) they stay permitted: a program that it starts
/// would lack them otherwise.
///
/// To be called while there is one thread.
///
/// # Errors
/// The system's.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn keep_only(kept: &[Capability]) -> io::Result<()> {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let kept = kept.iter().fold(CapabilitySet::empty(), |kept, one| kept | one.as_set());
    let mut sets = capabilities(None)?;
    if !nix::sys::prctl::get_no_new_privs()? {
        sets.permitted &= kept;
    }
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

    #[test]
    fn what_children_could_not_have_again_is_not_used_but_not_gone() {
        let had = capabilities(None).unwrap();
        let has = std::thread::spawn(|| {
            nix::sys::prctl::set_no_new_privs().unwrap();
            keep_only(&[Capability::Kill]).unwrap();
            assert_eq!(is_root_without(Capability::SysChroot), crate::process::is_root());
            capabilities(None).unwrap()
        });
        let has = has.join().unwrap();
        assert_eq!(has.effective, had.effective & CapabilitySet::KILL);
        assert_eq!(has.permitted, had.permitted);
    }
}
