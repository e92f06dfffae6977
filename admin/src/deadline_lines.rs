//! Answers in a program's output, line by line: each is waited for so long and no longer, and has
//! so many lines and no more. Who talks on and on has answered as little as who says nothing.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Lines of an answer at most: a message of the demonstration's, say, with what mail servers add.
pub(crate) const MOST_LINES: u32 = 100;
/// Octets of a program's line that are read at once; what follows counts as another, and is no
/// answer.
const LONGEST: u64 = 4096;

/// The lines, read by a thread of their own.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Receiver<String>,
    /// For how long an answer is waited for.
    patience: Duration,
    /// Until when this one is.
    until: Instant,
    /// Lines that it may still have.
    left: u32,
}

/// Why there is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The answer has not come in time.
    TooLate,
    /// It goes on and on.
    TooLong,
    /// None will come.
    End,
}

impl Lines {
    /// Of this output; none of none. The first answer is waited for from now on.
    ///
    /// # Errors
    /// The system's, where there can be no other thread.
    pub(crate) fn of(
        output: Option<impl Read + Send + 'static>,
        patience: Duration,
    ) -> io::Result<Self> {
        let (sender, lines) = sync_channel(64);
        if let Some(output) = output {
            Builder::new().spawn(move || {
                let mut output = BufReader::new(output);
                while let Ok(Some(line)) = line(&mut output, LONGEST) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok(Self { lines, patience, until: Instant::now() + patience, left: MOST_LINES })
    }

    /// Another answer is waited for, from now on.
    pub(crate) fn next_answer(&mut self) {
        self.until = Instant::now() + self.patience;
        self.left = MOST_LINES;
    }

    /// The answer's next line, without what ends it.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn next(&mut self) -> Result<String, Silence> {
        let time = self.until.saturating_duration_since(Instant::now());
        // Lines that are there already are no reason to go on.
        if time.is_zero() {
            return Err(Silence::TooLate);
        }
        self.left = self.left.checked_sub(1).ok_or(Silence::TooLong)?;
        self.lines.recv_timeout(time).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TooLate,
            RecvTimeoutError::Disconnected => Silence::End,
        })
    }
}

/// The next line, or `longest` octets of it, without what ends it; none at the end.
///
/// # Errors
/// Whatever comes of reading.
pub(crate) fn line(input: &mut impl BufRead, longest: u64) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = input.take(longest).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_then_their_end() {
        let mut lines = Lines::of(Some(&b"a\r\nb"[..]), LONG).unwrap();
        assert_eq!(lines.next(), Ok("a".into()));
        assert_eq!(lines.next(), Ok("b".into()));
        assert_eq!(lines.next(), Err(Silence::End));
    }

    #[test]
    fn an_answer_is_not_waited_for_when_its_time_is_over() {
        let (_open, output) = io::pipe().map(|(read, write)| (write, read)).unwrap();
        assert_eq!(Lines::of(Some(output), Duration::ZERO).unwrap().next(), Err(Silence::TooLate));
        // Nor if another line of it has come.
        let mut lines = Lines::of(Some(&b"a\nb\nc\n"[..]), LONG).unwrap();
        assert_eq!(lines.next(), Ok("a".into()));
        lines.until = Instant::now();
        assert_eq!(lines.next(), Err(Silence::TooLate));
        lines.next_answer();
        assert_eq!(lines.next(), Ok("b".into()));
    }

    #[test]
    fn an_answer_has_so_many_lines_and_no_more() {
        let mut lines = Lines::of(Some(io::repeat(b'\n')), LONG).unwrap();
        for _ in 0..2 {
            lines.next_answer();
            assert!((0..MOST_LINES).all(|_| lines.next().is_ok()));
            assert_eq!(lines.next(), Err(Silence::TooLong));
        }
        let mut lines = Lines::of(Some(io::repeat(b'x')), LONG).unwrap();
        assert_eq!(lines.next().unwrap().len() as u64, LONGEST);
    }
}
