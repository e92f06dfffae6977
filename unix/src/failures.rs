//! The memory of refused logins, as a file that the services of a machine share.
//!
//! [`Memory`] is for whoever has logins tried, authup's monitor or tlsserver's login
//! process: [`Memory::before`] a login, [`Memory::after`] its answer. It is for
//! tlsserver's listener, too: [`Memory::shuts_out`]. What is remembered and what follows
//! from it is `proto::failures`'; which file it may be, and how it is read, written and
//! locked, is [`file`]'s.
//!
//! Nobody waits for it: the lock is tried for a few milliseconds, and what cannot be
//! written then is written later. Where the file is not there or cannot be used, logins
//! go on as if there were none, and [`Memory::trouble`] says so: once where it cannot be opened,
//! and not for each login where it can and then fails.

mod facts;
pub mod file;

use crate::control::{Folder, Unreadable};
use file::{File, Trouble};
use proto::failures::{self, About, Answer, Case, Settings, Source};
use proto::names::ControlFile;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the lock is tried for while somebody waits for an answer.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long trouble that each login may have again is not said again.
const QUIET: Duration = Duration::from_secs(600);
/// Answers that may wait to be written.
const MOST_OWED: usize = 10_000;

/// What the administrator says; `None` where nothing is to be remembered.
///
/// # Errors
/// The control file's name, and why it cannot be used.
pub fn settings(control: &Folder) -> Result<Option<Settings>, Unreadable> {
    control.parse(ControlFile::LoginFailures, Settings::parse)
}

/// The memory, as one process has it.
#[derive(Debug)]
pub struct Memory {
    settings: Settings,
    file: Option<File>,
    /// When [`Self::shuts_out`] last looked whether it is still there, by its own clock.
    looked: Option<u32>,
    /// Answers that could not be written yet.
    owed: VecDeque<(failures::Ticket, Answer)>,
    trouble: Known,
    /// The last trouble with a file that could be opened, and since when it is known.
    failed: Option<(String, Instant)>,
}

/// Whether there is trouble with the file, and whether it has been said.
#[derive(Debug)]
enum Known {
    None,
    Unsaid(String),
    Said(String),
}

/// Whether a login may be tried.
#[derive(Debug)]
pub enum Verdict {
    /// It may. What comes of it is to be told to [`Memory::after`].
    Ask(Ticket),
    /// It may not, as there have been too many failures of this.
    Refuse(About),
}

/// A login that is being tried.
#[derive(Debug)]
#[must_use]
pub struct Ticket(Option<failures::Ticket>);

impl Verdict {
    fn of(decided: failures::Verdict, is_written: bool) -> Self {
        match decided {
            failures::Verdict::Ask(ticket) if is_written => Self::Ask(Ticket(Some(ticket))),
            failures::Verdict::Ask(ticket) => Self::Ask(Ticket(Some(ticket.not_charged()))),
            failures::Verdict::Refuse(about) => Self::Refuse(about),
        }
    }
}

impl Memory {
    /// The memory in the file that the settings name, which is opened when it is needed.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            file: None,
            looked: None,
            owed: VecDeque::new(),
            trouble: Known::None,
            failed: None,
        }
    }

    /// Whether this login may be tried. It counts as refused until [`Self::after`].
    ///
    /// `address` is the client's, not a load balancer's, and `None` where it is not known;
    /// `user` is the name that is looked up, after `control/loginnames`.
    pub fn before(&mut self, address: Option<IpAddr>, user: &[u8], secret: &[u8]) -> Verdict {
        self.decide(address, user, secret, |_| true).unwrap_or(Verdict::Ask(Ticket(None)))
    }

    /// The same, where others are being tried: none, and nothing is written, where it may be
    /// tried and [`Self::shuts_out`] would be true of its client's address meanwhile.
    pub fn before_beside_others(
        &mut self,
        address: Option<IpAddr>,
        user: &[u8],
        secret: &[u8],
    ) -> Option<Verdict> {
        self.decide(address, user, secret, |ticket| !ticket.shuts_out())
    }

    /// Whether it may be tried; none where that is not wanted.
    fn decide(
        &mut self,
        address: Option<IpAddr>,
        user: &[u8],
        secret: &[u8],
        is_wanted: impl FnOnce(&failures::Ticket) -> bool,
    ) -> Option<Verdict> {
        let Some((file, settings, owed)) = self.opened() else {
            return Some(Verdict::Ask(Ticket(None)));
        };
        let source = address.map(Source::new);
        let mut case = Case::login(file.key(), settings, source, user, secret);
        let decided = file.lock_within(PATIENCE).and_then(|lock| {
            if lock.is_some() {
                pay(owed, file, settings)?;
            }
            file.read(&mut case)?;
            let verdict = case.before(settings, file.now());
            if let failures::Verdict::Ask(ticket) = &verdict
                && !is_wanted(ticket)
            {
                return Ok(None);
            }
            let is_written = lock.map(|_lock| file.write(&case)).transpose()?.is_some();
            Ok(Some((verdict, is_written)))
        });
        match decided {
            Ok(decided) => decided.map(|(verdict, is_written)| Verdict::of(verdict, is_written)),
            Err(trouble) => {
                self.fails(&trouble);
                Some(Verdict::Ask(Ticket(None)))
            }
        }
    }

    /// Remembers what came of a login.
    pub fn after(&mut self, ticket: Ticket, answer: Answer) {
        let Some(ticket) = ticket.0 else { return };
        if self.owed.len() < MOST_OWED {
            self.owed.push_back((ticket, answer));
        }
        self.settle(PATIENCE);
    }

    /// Writes what could not be written yet, for a process that ends: tries for so long,
    /// and what cannot be written then is lost, which is trouble.
    pub fn finish(&mut self, patience: Duration) {
        self.settle(patience);
        if !self.owed.is_empty() && self.file.is_some() {
            self.fails(&Trouble::Locked);
        }
    }

    /// Writes what could not be written yet, and tries for so long. A process that stays
    /// does it by and by.
    pub fn settle(&mut self, patience: Duration) {
        if self.owed.is_empty() {
            return;
        }
        let Some((file, settings, owed)) = self.opened() else { return };
        let settled = file.lock_within(patience).and_then(|lock| match lock {
            Some(_lock) => pay(owed, file, settings),
            None => Ok(()),
        });
        if let Err(trouble) = settled {
            self.fails(&trouble);
        }
    }

    /// How many answers wait to be written.
    #[must_use]
    pub fn owes(&self) -> usize {
        self.owed.len()
    }

    /// Whether a client that has connected is not to be heard.
    ///
    /// A file that has taken the place of the one that is open is noticed within a second.
    pub fn shuts_out(&mut self, address: IpAddr) -> bool {
        let is_fresh = self.file.as_ref().is_some_and(|file| self.looked == Some(file.now()));
        if !is_fresh {
            let Some((file, ..)) = self.opened() else { return false };
            self.looked = Some(file.now());
        }
        let (Some(file), settings) = (&self.file, &self.settings) else { return false };
        let mut case = Case::connection(file.key(), Source::new(address));
        match file.read(&mut case) {
            Ok(()) => case.is_shut_out(settings, file.now()),
            Err(trouble) => {
                self.fails(&trouble);
                false
            }
        }
    }

    /// What is wrong with the file, if it has not been said yet.
    pub fn trouble(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.trouble, Known::None) {
            Known::Unsaid(text) => {
                self.trouble = Known::Said(text.clone());
                Some(text)
            }
            other => {
                self.trouble = other;
                None
            }
        }
    }

    /// The file, opened anew where it is not the one that is there any more.
    fn opened(&mut self) -> Option<Parts<'_>> {
        let path = path(&self.settings);
        if !self.file.as_ref().is_some_and(|file| file.is_at(path)) {
            match File::open(path) {
                Ok(file) => {
                    self.file = Some(file);
                    if let Known::Said(_) = self.trouble {
                        self.trouble = Known::None;
                    }
                }
                Err(trouble) => {
                    self.cannot_open(&trouble);
                    return None;
                }
            }
        }
        self.file.as_ref().map(|file| (file, &self.settings, &mut self.owed))
    }

    fn cannot_open(&mut self, trouble: &Trouble) {
        self.file = None;
        let text = self.about(trouble);
        match &self.trouble {
            Known::Unsaid(said) | Known::Said(said) if *said == text => {}
            _ => self.trouble = Known::Unsaid(text),
        }
    }

    /// It can be opened, and will be again: that alone does not mend it.
    fn fails(&mut self, trouble: &Trouble) {
        self.file = None;
        let text = self.about(trouble);
        let is_known =
            |(known, since): &(String, Instant)| *known == text && since.elapsed() < QUIET;
        if !self.failed.as_ref().is_some_and(is_known) {
            self.failed = Some((text.clone(), Instant::now()));
            self.trouble = Known::Unsaid(text);
        }
    }

    fn about(&self, trouble: &Trouble) -> String {
        format!("{}: {trouble}", path(&self.settings).display())
    }
}

type Parts<'a> = (&'a File, &'a Settings, &'a mut VecDeque<(failures::Ticket, Answer)>);

/// Writes what is owed, under the lock. What belongs to a file that is no more is dropped.
fn pay(
    owed: &mut VecDeque<(failures::Ticket, Answer)>,
    file: &File,
    settings: &Settings,
) -> Result<(), Trouble> {
    while let Some((ticket, answer)) = owed.front() {
        if ticket.is_of(file.key()) {
            let mut case = Case::answered(ticket);
            file.read(&mut case)?;
            case.after(ticket, *answer, settings, file.now());
            file.write(&case)?;
        }
        owed.pop_front();
    }
    Ok(())
}

/// The file's name.
#[must_use]
pub fn path(settings: &Settings) -> &Path {
    Path::new(OsStr::from_bytes(&settings.file))
}

#[cfg(test)]
mod tests;
