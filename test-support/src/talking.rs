//! What others say, piece by piece and with an end to the waiting: programs with whose
//! standard input and output a test talks, and whatever else can be read.

use crate::run::OwnChild;
use crate::wait::{PATIENCE, for_end, is_readable};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Instant;

/// Reads from what has no bound of its own, such as a pipe: there is something in time, or
/// an error.
#[derive(Debug)]
pub struct Patient<R>(pub R);

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !is_readable(&self.0, Instant::now() + PATIENCE) {
            return Err(ErrorKind::TimedOut.into());
        }
        self.0.read(space)
    }
}

/// Two ends of a connection within this machine; the first waits for nothing without end.
#[must_use]
pub fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    ours.set_write_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

/// The other side is gone: closed, reset, or cut off within TLS.
#[must_use]
pub fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | UnexpectedEof
    )
}

/// All up to this and with it, and no octet of what follows; less where the end comes before.
///
/// # Errors
/// That nothing comes, and other ones of the system's that are no end; with what came before.
pub fn up_to(from: &mut impl Read, last: &str) -> io::Result<Vec<u8>> {
    take(from, &mut [0], |taken| taken.ends_with(last.as_bytes()))
}

/// The next reply of SMTP, all its lines; of other protocols a line.
///
/// # Errors
/// As [`up_to`].
pub fn reply(from: &mut impl Read) -> io::Result<String> {
    let mut reply = String::new();
    loop {
        let line = up_to(from, "\n")?;
        reply.push_str(&String::from_utf8_lossy(&line));
        if line.get(3) != Some(&b'-') || line.starts_with(b"-") {
            return Ok(reply);
        }
    }
}

/// The next lines up to one that begins so, and with it.
///
/// # Errors
/// As [`up_to`]; and that the end comes before.
pub fn up_to_line(from: &mut impl Read, beginning: &str) -> io::Result<String> {
    let mut lines = String::new();
    loop {
        let line = String::from_utf8_lossy(&up_to(from, "\n")?).into_owned();
        lines += &line;
        if line.starts_with(beginning) {
            return Ok(lines);
        }
        if line.is_empty() {
            let text = format!("no {beginning:?} in {lines}");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
    }
}

/// Everything until the end, whichever way that comes.
///
/// # Errors
/// As [`up_to`].
pub fn rest(from: &mut impl Read) -> io::Result<Vec<u8>> {
    take(from, &mut [0; 4096], |_| false)
}

fn take(
    from: &mut impl Read,
    space: &mut [u8],
    is_all: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let mut taken = Vec::new();
    while !is_all(&taken) {
        match from.read(space) {
            Ok(0) => break,
            Ok(count) => taken.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_end(&error) => break,
            Err(error) => {
                let text = format!("{error}, after {}", taken.escape_ascii());
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(taken)
}

/// A program whose standard input and output are the test's. Whatever fails here is the
/// test's failure.
#[derive(Debug)]
pub struct Talking {
    /// Its process.
    pub child: OwnChild,
    /// Its standard input.
    pub input: ChildStdin,
    /// Its standard output.
    pub output: BufReader<Patient<ChildStdout>>,
}

impl Talking {
    /// Starts it. What it logs goes where the command says.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|why| panic!("{:?}: {why}", command.get_program()));
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child: OwnChild(child), input, output: BufReader::new(Patient(output)) }
    }

    /// Says this to it.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.say_octets(text.as_bytes());
    }

    /// The same of what is no text.
    #[track_caller]
    pub fn say_octets(&mut self, octets: &[u8]) {
        self.input.write_all(octets).unwrap();
    }

    /// Its next words up to these and with them; less at its end.
    #[track_caller]
    pub fn up_to(&mut self, last: &str) -> String {
        String::from_utf8_lossy(&up_to(&mut self.output, last).unwrap()).into_owned()
    }

    /// Its next line, with its ending; empty at its end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.up_to("\n")
    }

    /// Its next lines up to one that begins so, and with it.
    #[track_caller]
    pub fn up_to_line(&mut self, beginning: &str) -> String {
        up_to_line(&mut self.output, beginning).unwrap()
    }

    /// It hears no more; the rest of what it says, and how it ended.
    #[track_caller]
    pub fn end(self) -> (String, ExitStatus) {
        let Self { mut child, input, mut output } = self;
        drop(input);
        let rest = rest(&mut output).unwrap();
        (String::from_utf8_lossy(&rest).into_owned(), for_end(&mut child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_talked_with_to_its_end() {
        let script =
            "echo hello; while read -r line; do printf '2-%s\\n250-a\\n250 b\\nc' $line; done";
        let mut talks = Talking::start(Command::new("sh").args(["-c", script]));
        assert_eq!(talks.line(), "hello\n");
        talks.say("one\n");
        assert_eq!(talks.up_to_line("250-"), "2-one\n250-a\n");
        assert_eq!(reply(&mut talks.output).unwrap(), "250 b\n");
        talks.say("two\n");
        assert_eq!(talks.up_to("tw"), "c2-tw");
        let (rest, status) = talks.end();
        assert_eq!(rest, "o\n250-a\n250 b\nc");
        assert!(status.success());
    }
}
