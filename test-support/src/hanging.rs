//! A file system that hangs when it is told to: it stands for that of a file server that is
//! gone. It has one file; who opens that waits then, and cannot be killed.
//!
//! The kernel's FUSE protocol (`linux/fuse.h`), version 7.31, as far as one file needs it.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::needs::{root_or_skip, skipped};

/// The name of the file.
const NAME: &[u8] = b"program";
/// The numbers of the folder and of the file.
const FOLDER: u64 = 1;
const FILE: u64 = 2;
/// Requests that are answered; others are not implemented, which the kernel bears.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// Octets of what stands before each request and each answer.
const REQUEST_HEADER: usize = 40;
const ANSWER_HEADER: usize = 16;
/// Seconds for which the kernel need not ask again.
const VALID: u64 = 3600;
/// Longer than any request.
const BUFFER: usize = 1 << 20;

/// The file system, as long as this lives.
#[derive(Debug)]
pub struct Hanging {
    folder: PathBuf,
    device: Arc<File>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    hangs: bool,
    /// Who waits.
    waiting: Vec<u64>,
}

impl Hanging {
    /// Mounts one in an empty folder, with this in its file, which may be run. It does not
    /// hang yet. None, and a word why, where the machine has no such thing.
    #[must_use]
    pub fn mount(what: &str, folder: &Path, content: &[u8]) -> Option<Self> {
        if !root_or_skip(what) {
            return None;
        }
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = match device {
            Ok(device) => Arc::new(device),
            Err(reason) => {
                skipped(what, &format!("needs FUSE: /dev/fuse: {reason}"));
                return None;
            }
        };
        let options = "rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
        let options = format!("fd={},{options}", device.as_raw_fd());
        let flags = MountFlags::NODEV;
        let options = CString::new(options).unwrap();
        if let Err(reason) = mount("hanging", folder, "fuse.hanging", flags, &*options) {
            skipped(what, &format!("needs to mount: {reason}"));
            return None;
        }
        let state = Arc::new(Mutex::new(State::default()));
        let served =
            Served { device: device.clone(), state: state.clone(), content: content.to_vec() };
        thread::spawn(move || served.serve());
        Some(Self { folder: folder.to_owned(), device, state })
    }

    /// Its file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("program")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on whoever opens the file waits.
    pub fn hang(&self) {
        self.state().hangs = true;
    }

    /// How many do.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// They do not wait any more, and nobody else does.
    pub fn answer(&self) {
        let mut state = self.state();
        state.hangs = false;
        for unique in std::mem::take(&mut state.waiting) {
            // Who has died does not hear it.
            let _ = answer(&self.device, unique, Ok(opened()));
        }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.answer();
        let _ = unmount(&self.folder, UnmountFlags::DETACH);
    }
}

/// What the thread has that answers.
struct Served {
    device: Arc<File>,
    state: Arc<Mutex<State>>,
    content: Vec<u8>,
}

impl Served {
    /// Until there is no such file system any more.
    fn serve(self) {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match (&*self.device).read(&mut buffer) {
                Ok(length) => length,
                // What was asked was taken back.
                Err(reason) if reason.kind() == io::ErrorKind::Interrupted => continue,
                Err(reason) if reason.raw_os_error() == Some(2) => continue,
                Err(_) => return,
            };
            let request = &buffer[..length];
            let (kind, unique) = (number(request, 4), long(request, 8));
            let (node, body) = (long(request, 16), &request[REQUEST_HEADER..]);
            match kind {
                FORGET | BATCH_FORGET | INTERRUPT => {}
                OPEN if self.is_to_wait(unique) => {}
                _ => {
                    let _ = answer(&self.device, unique, self.answer_to(kind, node, body));
                }
            }
        }
    }

    fn is_to_wait(&self, unique: u64) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.hangs {
            state.waiting.push(unique);
        }
        state.hangs
    }

    /// What is answered; or the number of an error.
    fn answer_to(&self, kind: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, i32> {
        const NO_ENTRY: i32 = 2;
        const NOT_IMPLEMENTED: i32 = 38;
        match kind {
            INIT => Ok(numbers(&[7, 31, 65_536, 0, 0, 65_536, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
            LOOKUP if body.split(|&octet| octet == 0).next() == Some(NAME) => {
                let entry = longs(&[FILE, 0, VALID, VALID, 0]);
                Ok([entry, self.attributes(FILE)].concat())
            }
            LOOKUP => Err(NO_ENTRY),
            GETATTR => Ok([longs(&[VALID, 0]), self.attributes(node)].concat()),
            OPEN => Ok(opened()),
            READ => {
                let from = usize::try_from(long(body, 8)).unwrap().min(self.content.len());
                let to = self.content.len().min(from + number(body, 16) as usize);
                Ok(self.content[from..to].to_vec())
            }
            RELEASE | FLUSH => Ok(Vec::new()),
            _ => Err(NOT_IMPLEMENTED),
        }
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let size = if node == FOLDER { 0 } else { self.content.len() as u64 };
        let mode = if node == FOLDER { 0o040_755 } else { 0o100_755 };
        let times = numbers(&[0, 0, 0]);
        let rest = numbers(&[mode, 1, 0, 0, 0, 4096, 0]);
        [longs(&[node, size, 8, 0, 0, 0]), times, rest].concat()
    }
}

fn opened() -> Vec<u8> {
    longs(&[0, 0])
}

fn answer(mut device: &File, unique: u64, answer: Result<Vec<u8>, i32>) -> io::Result<()> {
    let (error, body) = answer.map_or_else(|error| (-error, Vec::new()), |body| (0, body));
    let length = u32::try_from(ANSWER_HEADER + body.len()).unwrap();
    let header = [numbers(&[length, error.cast_unsigned()]), longs(&[unique])].concat();
    device.write_all(&[header, body].concat())
}

fn number(octets: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(octets[at..at + 4].try_into().unwrap())
}

fn long(octets: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(octets[at..at + 8].try_into().unwrap())
}

fn numbers(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|one| one.to_ne_bytes()).collect()
}

fn longs(all: &[u64]) -> Vec<u8> {
    all.iter().flat_map(|one| one.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::succeeds;
    use crate::wait::{for_end, until};
    use std::fs;
    use std::process::{Command, Stdio};

    #[test]
    fn it_hangs_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let script = b"#!/bin/sh\necho here\n";
        let Some(hanging) = Hanging::mount("a file system that hangs", folder.path(), script)
        else {
            return;
        };
        assert_eq!(fs::read(hanging.file()).unwrap(), script);
        assert_eq!(succeeds(&mut Command::new(hanging.file())), "here\n");
        hanging.hang();
        let mut cat =
            Command::new("cat").arg(hanging.file()).stdout(Stdio::piped()).spawn().unwrap();
        until("who waits", || hanging.waiting(), |waiting| *waiting == 1);
        assert_eq!(cat.try_wait().unwrap(), None);
        hanging.answer();
        assert!(for_end(&mut cat).success());
        assert_eq!(fs::read(hanging.file()).unwrap(), script);
    }
}
