//! Asks for a password at the terminal, without echo. The line is the terminal's: it erases and
//! ends it by the keys that its user is used to, and passes on whatever octets it sends. What a
//! password may be is [`passwd`](crate::passwd)'s to say.

use crate::ending::{self, Guard};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

/// The terminal for as long as it shows nothing of what is typed. It is put back as it was when
/// this is dropped, and before a signal ends the program; ^C is one.
#[derive(Debug)]
pub(crate) struct Quiet {
    terminal: File,
    before: Termios,
    _at_a_signal: Guard,
}

impl Quiet {
    /// # Errors
    /// The system's: that there is no terminal, say.
    pub(crate) fn open() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let (signalled, settings) = (terminal.try_clone()?, before.clone());
        let at_a_signal = ending::before(move |_| put_back(&signalled, &settings))?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO;
        quiet.local_modes |= LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHONL;
        quiet.input_modes |= InputModes::ICRNL;
        // A shell would have a terminal without echo while this is stopped.
        quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before, _at_a_signal: at_a_signal })
    }

    /// Shows this, and gives what is typed then: an octet at a time, so that no buffer keeps it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn prompt(&self, text: &str) -> io::Result<impl BufRead> {
        (&self.terminal).write_all(text.as_bytes())?;
        Ok(BufReader::with_capacity(1, &self.terminal))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        put_back(&self.terminal, &self.before);
    }
}

/// What is left of a line is gone then, and no shell takes it for a command.
fn put_back(terminal: &File, settings: &Termios) {
    // Nobody could be told that it is gone.
    let _ = tcsetattr(terminal, OptionalActions::Flush, settings);
}
