//! A generation: the files are read, and when its keyholder has them its engines take over.

use proto::channel::keyholder::FromKeyholder;
use std::fmt;
use std::io;
use std::time::Instant;

use super::Workers;
use super::keyholder::Keyholder;
use crate::child::How;
use crate::incoming::{Incoming, take};
use crate::listener::dialog::{Dialogs, NoDialog, Source};
use crate::listener::report::{Event, WorkerEvent};

/// How many checks of the others a keyholder may read for: a minute, and more than thousands of
/// certificates on a slow disk take. They are counted for the reason that questions are
/// ([`super::trust`]).
pub(super) const MOST_CHECKS_OF_READING: u32 = 12;

/// Why files could not be read.
#[derive(Debug)]
pub(in crate::listener) enum Unread {
    Dialogs(NoDialog),
    /// It could not be started.
    Keyholder(io::Error),
    /// What the keyholder found wrong, in its words.
    Broken(String),
    /// It ended before it had read them all.
    Ended(How),
    TooSlow,
    NoEngine,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialogs(why) => why.fmt(f),
            Self::Keyholder(reason) => write!(f, "keyholder: {reason}"),
            Self::Broken(why) => f.write_str(why),
            Self::Ended(how) => write!(f, "the keyholder ended while it read: {how}"),
            Self::TooSlow => f.write_str("the keyholder read for more than 60 s"),
            Self::NoEngine => f.write_str("no engine could be started"),
        }
    }
}

/// What a keyholder that reads the files came to.
#[derive(Debug)]
pub(in crate::listener) enum Reading {
    /// It still reads.
    Unfinished,
    /// It says nothing more, and has not been waited for.
    Silent(u32),
    /// Its generation has taken over.
    TookOver,
    /// It cannot; why.
    Failed(Unread),
}

impl Workers {
    /// Starts a keyholder that reads the files; one that still does is forgotten,
    /// for the files may have changed behind it. Those that are no secret are read here.
    ///
    /// # Errors
    /// What is wrong with which of those, or why there is no keyholder.
    pub(in crate::listener) fn read_files(&mut self) -> Result<(), Unread> {
        let dialogs = self.read_dialogs()?;
        self.start_keyholder(dialogs)
    }

    fn read_dialogs(&self) -> Result<Option<Dialogs>, Unread> {
        let read = |source: &Source| source.read(self.dialogs.as_ref());
        self.config.dialogs.as_ref().map(read).transpose().map_err(Unread::Dialogs)
    }

    fn start_keyholder(&mut self, dialogs: Option<Dialogs>) -> Result<(), Unread> {
        self.reading = None;
        let variables = &self.config.keyholder_variables;
        match Keyholder::start(variables, dialogs, &mut self.processes) {
            Ok(started) => self.reading = Some(started),
            Err(reason) => {
                self.start_keyholder_later();
                return Err(Unread::Keyholder(reason));
            }
        }
        Ok(())
    }

    /// Where there is none that engines use.
    fn start_keyholder_later(&mut self) {
        if self.keyholder.is_none() && self.given_up.is_none() {
            self.keyholder_again.later(Instant::now());
        }
    }

    /// Whether it is the process that reads the files.
    pub(in crate::listener) fn reads(&self, pid: u32) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.pid == pid)
    }

    /// Takes a message of a keyholder that reads the files, where there is one. Of one that has
    /// ended, and has been waited for, too: what it found wrong it has said before, and no engine
    /// could use it.
    pub(in crate::listener) fn on_reading(&mut self, ended: Option<How>) -> Reading {
        let Some(reading) = &mut self.reading else { return Reading::Unfinished };
        let message = take(&reading.control, &mut self.buffer, FromKeyholder::decode);
        match (message, ended) {
            (Incoming::Message(message), _) => self.on_said_of_files(message, ended),
            (Incoming::Nothing | Incoming::End, Some(how)) => {
                self.reading_failed(Unread::Ended(how))
            }
            (Incoming::Nothing, None) => Reading::Unfinished,
            (Incoming::End, None) => Reading::Silent(reading.pid),
        }
    }

    fn on_said_of_files(&mut self, message: FromKeyholder, ended: Option<How>) -> Reading {
        let Some(reading) = &mut self.reading else { return Reading::Unfinished };
        match message {
            FromKeyholder::Certificate(certificate) => {
                reading.certificates.push(certificate);
                Reading::Unfinished
            }
            FromKeyholder::Validity(validity) => {
                reading.validities.push(validity);
                Reading::Unfinished
            }
            FromKeyholder::Warning(what) => {
                Event::KeyholderWarns(&what).log(self.log);
                Reading::Unfinished
            }
            FromKeyholder::Says(what) => {
                if reading.take_line() {
                    WorkerEvent::KeyholderSays(reading.pid, &what).log(self.log);
                }
                Reading::Unfinished
            }
            FromKeyholder::Ready => match ended {
                None => self.take_over(),
                Some(how) => self.reading_failed(Unread::Ended(how)),
            },
            FromKeyholder::Broken(why) => self.reading_failed(Unread::Broken(why)),
        }
    }

    /// Gives up a keyholder that has read for too long: its files may be on a disk that is gone,
    /// which can put off its end, too.
    pub(in crate::listener) fn end_late_reading(&mut self) -> Reading {
        match &self.reading {
            Some(reading) if reading.checks > MOST_CHECKS_OF_READING => {
                self.processes.kill(reading.pid);
                self.given_up = Some(reading.pid);
                self.reading_failed(Unread::TooSlow)
            }
            _ => Reading::Unfinished,
        }
    }

    /// A keyholder has ended: if it is the one that was given up, the files may be read again.
    pub(super) fn given_up_has_ended(&mut self, pid: u32) {
        if self.given_up.take_if(|given_up| *given_up == pid).is_some() && self.reading.is_none() {
            self.start_keyholder_later();
        }
    }

    fn reading_failed(&mut self, why: Unread) -> Reading {
        self.reading = None;
        self.start_keyholder_later();
        Reading::Failed(why)
    }

    /// The generation takes over with its first engine. Where that cannot be started, engines
    /// that there are serve on.
    fn take_over(&mut self) -> Reading {
        let Some(mut keyholder) = self.reading.take() else { return Reading::Unfinished };
        let dialogs = keyholder.dialogs.take();
        let beginning = keyholder.one_more_engine(dialogs.as_ref());
        let first = beginning.and_then(|beginning| self.start_engine(beginning));
        if let Err(reason) = &first {
            WorkerEvent::NoEngine(reason).log(self.log);
            if self.serving() {
                return Reading::Failed(Unread::NoEngine);
            }
        }
        self.retire_engines();
        (self.keyholder, self.dialogs) = (Some(keyholder), dialogs);
        self.keyholder_again.stop();
        self.log_what_is_not_valid(Instant::now());
        match first {
            Ok(first) => {
                self.engines.push(first);
                self.fill_up();
                Reading::TookOver
            }
            Err(_) => {
                self.engines_again.later(Instant::now());
                Reading::Failed(Unread::NoEngine)
            }
        }
    }

    /// Replaces a keyholder that has died. What engines say is known already, so a control
    /// file that has become bad since keeps nobody out.
    pub(super) fn read_files_again(&mut self) {
        if self.reading.is_some() || self.given_up.is_some() {
            return;
        }
        let dialogs = self.read_dialogs().unwrap_or_else(|why| {
            Event::KeepsPrevious(&why).log(self.log);
            self.dialogs.clone()
        });
        if let Err(why) = self.start_keyholder(dialogs) {
            Event::NotRead(&why).log(self.log);
        }
    }
}
