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

/// Names the player's socket in the environment of a stand-in.
pub const SOCKET_VARIABLE: &str = "ACCEPTANCE_SOCKET";

/// What a stand-in says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What the player tells a stand-in to do. One octet and a number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Exit with this code.
    Exit(u8),
    /// Die by this signal.
    Die(u8),
    /// Close descriptor 3 and become the program named by the arguments; as root, become nobody first.
    Run,
    /// The same without becoming nobody.
    RunAsRoot,
    /// Read descriptor 3 to its end and send what was there.
    ReadRecord,
    /// Close this descriptor.
    Close(u8),
}

impl Order {
    /// The order's two octets.
    #[must_use]
    pub fn encode(self) -> [u8; 2] {
        match self {
            Self::Exit(code) => [b'e', code],
            Self::Die(signal) => [b'd', signal],
            Self::Run => [b'r', 0],
            Self::RunAsRoot => [b'r', 1],
            Self::ReadRecord => [b'3', 0],
            Self::Close(descriptor) => [b'c', descriptor],
        }
    }

    /// Reads an order; none for octets that are none.
    #[must_use]
    pub fn decode(octets: [u8; 2]) -> Option<Self> {
        match octets {
            [b'e', code] => Some(Self::Exit(code)),
            [b'd', signal] => Some(Self::Die(signal)),
            [b'r', 1] => Some(Self::RunAsRoot),
            [b'r', _] => Some(Self::Run),
            [b'3', _] => Some(Self::ReadRecord),
            [b'c', descriptor] => Some(Self::Close(descriptor)),
            _ => None,
        }
    }
}

/// The descriptors above 2 of the calling process that a program it starts would get, and
/// what they lead to.
///
/// # Errors
/// When `/proc` cannot be read.
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

/// Sends one block of octets with its length before it.
///
/// # Errors
/// When the other side is gone.
pub fn send_block(mut to: &UnixStream, block: &[u8]) -> Result<()> {
    let length = u32::try_from(block.len())?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(block)?;
    Ok(())
}

/// Receives one block.
///
/// # Errors
/// When the other side is gone.
pub fn receive_block(mut from: &UnixStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut block = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    from.read_exact(&mut block)?;
    Ok(block)
}

/// Sends who we are, and copies of standard input and output.
///
/// # Errors
/// When the player is gone.
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
    send_block(to, &hello.encode())
}

/// Receives what [`send_hello`] sent: who it is, its standard input, its standard output.
///
/// # Errors
/// When the stand-in is gone, or sent something else.
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
    let hello =
        Hello::decode(&receive_block(from)?).context("a stand-in's hello cannot be read")?;
    Ok((hello, input, output))
}

impl Hello {
    /// The value of one variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    fn encode(&self) -> Vec<u8> {
        let mut fields: Vec<Vec<u8>> = vec![
            self.name.clone().into_bytes(),
            self.pid.to_string().into_bytes(),
            self.uid.to_string().into_bytes(),
            self.cwd.clone(),
            self.descriptors.len().to_string().into_bytes(),
            self.arguments.len().to_string().into_bytes(),
        ];
        for (number, target) in &self.descriptors {
            fields.push(number.to_string().into_bytes());
            fields.push(target.clone().into_bytes());
        }
        fields.extend(self.arguments.iter().cloned());
        for (key, value) in &self.environment {
            fields.push(key.clone());
            fields.push(value.clone());
        }
        fields.join(&0)
    }

    fn decode(block: &[u8]) -> Option<Self> {
        let mut fields = block.split(|octet| *octet == 0).map(<[u8]>::to_vec);
        let mut text = || String::from_utf8(fields.next()?).ok();
        let (name, pid, uid) = (text()?, text()?.parse().ok()?, text()?.parse().ok()?);
        let cwd = text()?.into_bytes();
        let descriptor_count: usize = text()?.parse().ok()?;
        let argument_count: usize = text()?.parse().ok()?;
        let mut descriptors = BTreeMap::new();
        for _ in 0..descriptor_count {
            descriptors.insert(text()?.parse().ok()?, text()?);
        }
        let arguments = fields.by_ref().take(argument_count).collect();
        let mut environment = Vec::new();
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            environment.push((key, value));
        }
        Some(Self { name, pid, uid, cwd, descriptors, arguments, environment })
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
        assert_eq!(Hello::decode(&hello.encode()), Some(hello));
    }
}
