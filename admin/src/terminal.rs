//! Asks for a password at the terminal, without echo. The line is the terminal's: it erases and
//! ends it by the keys that its user is used to, and passes on whatever octets it sends. What a
//! password may be is [`passwd`](crate::passwd)'s to say.

use crate::ending::{self, Guard};
use crate::passwd::{Error, read_line};
use proto::secret::Secret;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io::{self, BufReader, Write};

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

    /// The next line that is typed.
    ///
    /// # Errors
    /// The system's, and that the line is too long or has a control character in it.
    pub(crate) fn ask(&self, prompt: &str) -> Result<Secret, Error> {
        (&self.terminal).write_all(prompt.as_bytes()).map_err(Error::NoPassword)?;
        // An octet at a time, so that no buffer keeps it.
        let line = read_line(BufReader::with_capacity(1, &self.terminal))?;
        // ^Z, or an arrow, which a program of more comfort would have heeded.
        if line.expose().iter().any(u8::is_ascii_control) {
            return Err(Error::Unusable);
        }
        Ok(line)
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
