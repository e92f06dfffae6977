//! The jailed process: the dialog, `proto::login`, and the client.
//!
//! It has descriptors 0 and 1, the TLS server's, and the channel to the monitor; no
//! files, no log, no other process. A password passes through it and is wiped.

use super::Limits;
use crate::last_words;
use crate::tls::Offer;
use proto::login::monitor::Request;
use proto::login::outcome::Outcome;
use proto::login::reply::Refusal;
use proto::login::{DialogConfig, Login, Step};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use unix::client;
use unix::deadline::Deadline;
use unix::descriptor_passing::{await_message, send};
use unix::jail::{self, Failure, Identity, Profile};
use unix::log::Reason;
use unix::open_descriptors::close_others;
use unix::shortage::overcome;

pub(super) struct Parser {
    login: Login,
    limits: Limits,
    offer: Offer,
    monitor: OwnedFd,
    /// The monitor has been told why TLS cannot start, and is not told again.
    is_without_tls: bool,
}

impl Parser {
    pub(super) fn new(
        config: DialogConfig,
        limits: Limits,
        offer: Offer,
        monitor: OwnedFd,
    ) -> Self {
        Self { login: Login::new(config), limits, offer, monitor, is_without_tls: false }
    }

    /// Goes to jail and holds the dialog. What it came to is said to the monitor, whose
    /// end is also this process's.
    pub(super) fn run(mut self, identity: Identity) -> u8 {
        let last = match self.go_to_jail(identity) {
            Ok(()) => self.hold_dialog(),
            Err(failure) => Ok(Request::NotJailed(failure.to_string().into_bytes())),
        };
        // Without a monitor there is nobody to tell, and nothing to do.
        let _ = last.and_then(|last| self.send(&last));
        0
    }

    fn go_to_jail(&self, identity: Identity) -> Result<(), Failure> {
        jail::set_name(c"authup-parser");
        unix::log::let_go().map_err(|reason| Failure { step: "letting go of the log", reason })?;
        let mut kept = self.offer.descriptors();
        kept.push(self.monitor.as_fd());
        close_others(&kept);
        jail::enter(Profile::Dialog, Some(identity))
    }

    /// Takes one step after another; returns the last that is to be told.
    fn hold_dialog(&mut self) -> io::Result<Request> {
        loop {
            match self.login.step() {
                Step::Send(reply) => {
                    // A client that reads nothing is held to the whole time, too, but that
                    // it can be told that the time is over.
                    let Limits { io_timeout, login_deadline } = self.limits;
                    let last_words = Deadline::after_seconds(last_words::SECONDS);
                    let deadline = login_deadline.or_later(last_words);
                    if client::write_until(reply, io_timeout, deadline).is_err() {
                        return Ok(Request::Over(proto::exit_code::FAILED));
                    }
                }
                Step::NeedInput => self.read(),
                Step::CheckTls => self.check_tls()?,
                Step::StartTls => match self.offer.start() {
                    Ok(facts) => {
                        for request in Request::tls_on(facts) {
                            self.send(&request)?;
                        }
                        self.login.tls_started();
                    }
                    Err(reason) => {
                        return Ok(Request::TlsFailed(Reason(&reason).to_string().into_bytes()));
                    }
                },
                Step::Login(attempt) => {
                    self.send(&Request::Login(attempt))?;
                    let outcome = self.outcome()?;
                    self.login.outcome(outcome);
                }
                Step::End(code) => {
                    client::discard();
                    return Ok(Request::Over(code));
                }
                Step::OtherProtocol(spoken) => {
                    // There is more of it as a rule.
                    client::discard();
                    return Ok(Request::OtherProtocol(spoken));
                }
            }
        }
    }

    fn read(&mut self) {
        // Who always has something more to say never has to be waited for.
        if self.limits.login_deadline.has_passed() {
            return self.login.abandon(Refusal::TimedOut);
        }
        let deadline =
            Deadline::after_seconds(self.limits.io_timeout).or_sooner(self.limits.login_deadline);
        let login = &mut self.login;
        match client::read(deadline, &mut |input| login.push_lines(input)) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.login.abandon(Refusal::TimedOut);
            }
            Ok(false) | Err(_) => self.login.abandon(Refusal::InputEnded),
        }
    }

    fn check_tls(&mut self) -> io::Result<()> {
        let checked = self.offer.check();
        if let Err(why) = &checked
            && !std::mem::replace(&mut self.is_without_tls, true)
        {
            self.send(&Request::TlsUnavailable(why.clone().into_bytes()))?;
        }
        self.login.tls_checked(checked.is_ok());
        Ok(())
    }

    fn send(&self, request: &Request) -> io::Result<()> {
        let octets = request.encode();
        overcome(|| send(&self.monitor, &octets, &[]))
    }

    /// What became of the login that was told last.
    fn outcome(&self) -> io::Result<Outcome> {
        let mut buffer = [0; 8];
        let length = await_message(&self.monitor, &mut buffer)?.length;
        Outcome::decode(&buffer[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
