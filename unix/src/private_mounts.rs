//! Mounts that nobody else sees: what programs write below them is gone with the last of them.
//!
//! Knows how folders are hidden and files replaced, and who still runs among these mounts;
//! which folders and files is up to the caller, `acceptutils demo`. Linux only, for root.

use crate::deadline::{Deadline, wait};
use nix::sched::{CloneFlags, unshare};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Gid, Mode, Uid, chown};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::fs::{Metadata, metadata, read_dir, read_link};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Seconds that processes have to come to their end by themselves.
const GRACE: u64 = 2;

/// Mounts of this thread's own, and of the processes and threads that it starts. When this is
/// dropped all other processes among them are ended: first they may finish their work.
#[derive(Debug)]
pub struct PrivateMounts {
    /// As the system names them.
    name: OsString,
}

impl PrivateMounts {
    /// Leaves everybody else's mounts. To be called before there are other threads: they
    /// would stay there.
    ///
    /// # Errors
    /// The system's: `EPERM` for who is not root, and where a container forbids it.
    pub fn begin() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        // Nothing of what is mounted from here on is passed on.
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        Ok(Self { name: read_link("/proc/thread-self/ns/mnt")?.into() })
    }

    /// Puts an empty folder over this one, in memory, with its owner and permissions.
    ///
    /// # Errors
    /// The system's.
    pub fn hide(&self, folder: &Path) -> io::Result<()> {
        let was = metadata(folder)?;
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        mount("tmpfs", folder, "tmpfs", flags, None)?;
        take_on(folder, &was)
    }

    /// Puts a file over another one.
    ///
    /// # Errors
    /// The system's.
    pub fn put_over(&self, file: &Path, other: &Path) -> io::Result<()> {
        Ok(mount_bind(file, other)?)
    }

    /// The other processes among these mounts.
    fn others(&self) -> Vec<OwnedFd> {
        let Ok(processes) = read_dir("/proc") else { return Vec::new() };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let others = ids.filter_map(|id| {
            let pid = Pid::from_raw(id).filter(|_| id.cast_unsigned() != std::process::id())?;
            // Opened first, so that it is the one that is looked at, or none.
            let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            let theirs = read_link(format!("/proc/{id}/ns/mnt")).ok()?;
            (theirs == self.name).then_some(process)
        });
        others.collect()
    }
}

/// Gives a folder the owner and the permissions of another.
fn take_on(folder: &Path, other: &Metadata) -> io::Result<()> {
    let owner = (Uid::from_raw(other.uid()), Gid::from_raw(other.gid()));
    chown(folder, Some(owner.0), Some(owner.1))?;
    Ok(rustix::fs::chmod(folder, Mode::from_raw_mode(other.mode()))?)
}

impl Drop for PrivateMounts {
    fn drop(&mut self) {
        let (grace, end) = (Deadline::after_seconds(GRACE), Deadline::after_seconds(2 * GRACE));
        let has_ended = |process: &OwnedFd, deadline| {
            wait(&mut [PollFd::new(process, PollFlags::IN)], deadline).unwrap_or(false)
        };
        // Who ends may leave a child behind.
        loop {
            let others = self.others();
            if others.is_empty() || end.has_passed() {
                return;
            }
            for other in &others {
                if !has_ended(other, grace) {
                    let _ = pidfd_send_signal(other, Signal::KILL);
                    has_ended(other, end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir, read, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::process::{Command, Stdio};
    use std::sync::mpsc::channel;
    use std::thread::spawn;

    #[test]
    fn what_is_mounted_and_who_runs_there_is_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let [hidden, file, other] =
            ["hidden", "file", "other"].map(|name| folder.path().join(name));
        create_dir(&hidden).unwrap();
        chown(&hidden, Some(1), Some(2)).ok();
        set_permissions(&hidden, Permissions::from_mode(0o2751)).unwrap();
        for (path, text) in [(&hidden.join("one"), "1"), (&file, "mine"), (&other, "other")] {
            write(path, text).unwrap();
        }
        let look = {
            let (hidden, file) = (hidden.clone(), file.clone());
            move || (read_dir(&hidden).unwrap().count(), read(&file).unwrap())
        };
        // It stays outside, and clears up: here the folder is in use.
        let (look_outside, (go, wait)) = (look.clone(), channel::<()>());
        let outside = spawn(move || {
            let seen = wait.recv().map(|()| look_outside());
            drop(folder);
            seen
        });

        let mounts = match PrivateMounts::begin() {
            Err(error) => return eprintln!("SKIPPED: private mounts: {error}"),
            Ok(mounts) => mounts,
        };
        mounts.hide(&hidden).unwrap();
        mounts.put_over(&other, &file).unwrap();
        assert_eq!(look(), (0, b"other".to_vec()));
        let now = metadata(&hidden).unwrap();
        assert_eq!((now.uid(), now.gid(), now.mode() & 0o7777), (1, 2, 0o2751));
        go.send(()).unwrap();
        assert_eq!(outside.join().unwrap().unwrap(), (1, b"mine".to_vec()));

        let mut goes_on = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        drop(mounts);
        assert!(!goes_on.wait().unwrap().success());
    }
}
