//! Lines of a program's output, each waited for so long and no longer.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// The lines, read by a thread of their own.
#[derive(Debug)]
pub(crate) struct Lines(Receiver<String>);

/// Why there is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// None has come in time.
    TooLong,
    /// None will come.
    End,
}

/// Octets of a line that are kept; what is longer is no answer.
const LONGEST: u64 = 4096;

impl Lines {
    /// Of this output; none of none.
    pub(crate) fn of(output: Option<impl Read + Send + 'static>) -> Self {
        let (sender, receiver) = sync_channel(64);
        if let Some(output) = output {
            std::thread::spawn(move || {
                let mut output = BufReader::new(output);
                loop {
                    let mut line = Vec::new();
                    match output.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                    let line = String::from_utf8_lossy(&line);
                    let line = line.trim_end_matches(['\r', '\n']).to_owned();
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self(receiver)
    }

    /// The next line, without what ends it.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<String, Silence> {
        self.0.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TooLong,
            RecvTimeoutError::Disconnected => Silence::End,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_then_their_end() {
        let mut lines = Lines::of(Some(&b"a\r\nb"[..]));
        let next = |lines: &mut Lines| lines.next(Duration::from_secs(60));
        assert_eq!(next(&mut lines), Ok("a".into()));
        assert_eq!(next(&mut lines), Ok("b".into()));
        assert_eq!(next(&mut lines), Err(Silence::End));
    }

    #[test]
    fn silence_is_not_waited_for() {
        let (_open, output) = std::io::pipe().map(|(read, write)| (write, read)).unwrap();
        let mut lines = Lines::of(Some(output));
        assert_eq!(lines.next(Duration::ZERO), Err(Silence::TooLong));
    }
}
