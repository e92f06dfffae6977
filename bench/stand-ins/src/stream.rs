//! Lines in, replies out, with as few system calls as can be: replies are sent when
//! all that has arrived is answered.

use std::io::{self, Read, StdinLock, StdoutLock, Write};

/// Octets read at a time.
const PIECE: usize = 64 * 1024;

/// The connection, on descriptors 0 and 1.
pub(crate) struct Stream {
    input: StdinLock<'static>,
    output: StdoutLock<'static>,
    buffer: Vec<u8>,
    /// What of the buffer has arrived and is not taken yet.
    begin: usize,
    end: usize,
    replies: Vec<u8>,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            input: io::stdin().lock(),
            output: io::stdout().lock(),
            buffer: vec![0; PIECE],
            begin: 0,
            end: 0,
            replies: Vec::new(),
        }
    }

    /// Has this sent before more is read.
    pub(crate) fn reply(&mut self, text: &str) {
        self.replies.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.replies.is_empty() {
            self.output.write_all(&self.replies)?;
            self.output.flush()?;
            self.replies.clear();
        }
        Ok(())
    }

    /// The first four octets of the next line, in capitals; nothing at the end.
    pub(crate) fn verb(&mut self) -> io::Result<Option<[u8; 4]>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.arrived()) {
                let mut verb = [0; 4];
                for (to, from) in verb.iter_mut().zip(self.arrived()) {
                    *to = from.to_ascii_uppercase();
                }
                self.take(at + 1);
                return Ok(Some(verb));
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next line with its ending; nothing at the end.
    pub(crate) fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.arrived()) {
                let line = self.arrived().get(..=at).unwrap_or_default().to_vec();
                self.take(at + 1);
                return Ok(Some(line));
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        }
    }

    /// What has arrived and is not taken.
    pub(crate) fn arrived(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    pub(crate) fn take(&mut self, count: usize) {
        self.begin = self.end.min(self.begin + count);
    }

    /// Sends what there is to send, and reads once; how much, 0 at the end, or where
    /// the buffer is full.
    pub(crate) fn more(&mut self) -> io::Result<usize> {
        self.flush()?;
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        let count = self.input.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end += count;
        Ok(count)
    }
}
