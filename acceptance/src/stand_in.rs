//! What the stand-in program and the player say to each other.
//!
//! The stand-in takes the place of checkpassword, of a mail server or of any program
//! behind. On its start it connects to the player (socket named in
//! [`SOCKET_VARIABLE`]), says who it is, hands over copies of its standard input and
//! output, and from then on does as it is told: what it reads and writes is thus a
//! matter of the transcript alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Names the player's socket in the environment of a stand-in.
pub const SOCKET_VARIABLE: &str = "ACCEPTANCE_SOCKET";

/// What a stand-in says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The base name it was called by.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Its real user id.
    pub uid: u32,
    /// Its working directory.
    pub cwd: Vec<u8>,
    /// Its open descriptors above 2, with what they lead to.
    pub descriptors: BTreeMap<u32, String>,
    /// Its arguments after its name.
    pub arguments: Vec<Vec<u8>>,
    /// Its environment.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the player tells a stand-in to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Exit with this code.
    Exit(u8),
    /// Die by this signal.
    Die(u8),
    /// Close descriptor 3 and become the program named by the arguments; as root, become nobody
    /// first.
    Run,
    /// The same without becoming nobody.
    RunAsRoot,
    /// Read descriptor 3 to its end and send what was there.
    ReadRecord,
    /// Close this descriptor.
    Close(u8),
}

/// The descriptors above 2 of the calling process that a program it starts would get, and
/// what they lead to.
pub fn inheritable() -> Result<BTreeMap<u32, String>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number: u32 = path.file_name().unwrap_or_default().to_string_lossy().parse()?;
        let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(number.to_string()))
            .unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0").trim();
        let close_on_exec = u32::from_str_radix(flags, 8)? & 0o2_000_000 != 0;
        if number > 2 && !close_on_exec {
            let target = fs::read_link(&path).unwrap_or_default();
            all.insert(number, target.to_string_lossy().into_owned());
        }
    }
    Ok(all)
}

/// Sends one thing, with its length before it.
pub fn send(mut to: &UnixStream, what: &impl Serialize) -> Result<()> {
    let block = serde_json::to_vec(what)?;
    to.write_all(&u32::try_from(block.len())?.to_be_bytes())?;
    to.write_all(&block)?;
    Ok(())
}

/// Receives one.
pub fn receive<T: DeserializeOwned>(mut from: &UnixStream) -> Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut block = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    from.read_exact(&mut block)?;
    Ok(serde_json::from_slice(&block)?)
}

/// Sends who we are, and copies of standard input and output.
pub fn send_hello(to: &UnixStream, hello: &Hello) -> Result<()> {
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let handed = [input, output];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ensure!(
        ancillary.push(SendAncillaryMessage::ScmRights(&handed)),
        "no room for two descriptors"
    );
    retry_on_intr(|| sendmsg(to, &[IoSlice::new(b"!")], &mut ancillary, SendFlags::empty()))?;
    send(to, hello)
}

/// Receives what [`send_hello`] sent: who it is, its standard input, its standard output.
pub fn receive_hello(from: &UnixStream) -> Result<(Hello, OwnedFd, OwnedFd)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut mark = [0; 1];
    retry_on_intr(|| {
        recvmsg(
            from.as_fd(),
            &mut [IoSliceMut::new(&mut mark)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut handed: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            handed.extend(descriptors);
        }
    }
    let mut handed = handed.into_iter();
    let input = handed.next().context("a stand-in came without standard input")?;
    let output = handed.next().context("a stand-in came without standard output")?;
    let hello = receive(from).context("a stand-in's hello cannot be read")?;
    Ok((hello, input, output))
}

impl Hello {
    /// The value of one variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire() {
        let hello = Hello {
            name: "server".into(),
            pid: 7,
            uid: 8,
            cwd: b"/tmp".to_vec(),
            descriptors: BTreeMap::from([(3, "pipe:[1]".into())]),
            arguments: vec![b"a".to_vec(), Vec::new()],
            environment: vec![(b"A".to_vec(), b"\xff".to_vec()), (b"B".to_vec(), Vec::new())],
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &hello).unwrap();
        assert_eq!(receive::<Hello>(&theirs).unwrap(), hello);
    }
}
