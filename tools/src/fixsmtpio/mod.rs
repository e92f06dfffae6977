//! fixsmtpio: stands between a client and an unmodified SMTP server, and changes
//! what they say by rules.
//!
//! Here is how it starts. What happens then is decided by `proto::relay` and done
//! by [`pump`].

mod pump;
mod settings;
mod transcript;

use crate::behind::log_that_it_cannot_run;
use crate::last_words::say_that_there_is_none;
use crate::tls::{self, Offer};
use crate::{fail, last_words, log};
use proto::escape::Escaped;
use proto::exit_code;
use proto::names::Variable;
use proto::relay::rules::RuleError;
use proto::relay::{CANNOT_RELAY, ENDED, End, NO_CONTROLS, NOT_STARTED, Relay};
use pump::{Pump, Stop};
use settings::Wrong;
use std::ffi::OsString;
use std::io;
use transcript::Transcript;
use unix::environment::Environment;
use unix::jail::{self, Profile};
use unix::log::Reason;
use unix::peer;
use unix::piped::Piped;
use unix::process::Argv;

const NAME: &str = "fixsmtpio";
/// How it is called.
pub const USAGE: &str = "usage: fixsmtpio prog [ arg ... ]";

/// Runs the program.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Some(program) = Argv::new(words) else {
        return fail(NAME, format_args!("{USAGE}"));
    };
    let mut environment = Environment::inherited();
    if environment.has(Variable::NoFixsmtpio) {
        return cannot_exec(&program, &program.become_it(&environment));
    }
    let offer = Offer::take(&mut environment);
    let (relay, seconds) = match settings::read(&mut environment, &offer) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong, settings::is_logged_in(&environment)),
    };
    match Piped::spawn(&program, &environment) {
        Ok(server) => {
            let watch = Transcript::new(&environment, &program, server.id());
            let pump = Pump::new(Relay::new(relay, watch), server, seconds);
            Session { pump, program, environment, offer }.run()
        }
        Err(reason) => cannot_exec(&program, &reason),
    }
}

struct Session {
    pump: Pump,
    program: Argv,
    environment: Environment,
    offer: Offer,
}

impl Session {
    /// Relays to the end. As long as TLS may start there may be another server to be
    /// started, and whatever is given up here it would be without too.
    fn run(self) -> u8 {
        if !self.offer.level.is_offered()
            && let Err(failure) = give_up_what_is_not_needed()
        {
            return failure;
        }
        self.serve()
    }

    fn serve(mut self) -> u8 {
        loop {
            match self.pump.run() {
                Ok(Stop::CheckTls) => self.check_tls(),
                Ok(Stop::StartTls) => {
                    if let Err(failure) = self.start_tls() {
                        return failure;
                    }
                }
                Ok(Stop::End(end)) => return self.finish(end),
                Ok(Stop::TimedOut) => return self.finish(End::Code(exit_code::TIMED_OUT)),
                Err(reason) => {
                    log(NAME, format_args!("unable to relay: {}", Reason(&reason)));
                    return say_that_there_is_none(CANNOT_RELAY);
                }
            }
        }
    }

    fn check_tls(&mut self) {
        let checked = self.offer.check();
        if let Err(why) = &checked {
            log(NAME, format_args!("TLS temporarily not available: {why}"));
        }
        self.pump.relay.tls_checked(checked.is_ok());
    }

    fn start_tls(&mut self) -> Result<(), u8> {
        let facts = self.offer.start().map_err(|reason| {
            // There is nobody who could be told.
            fail(NAME, format_args!("TLS temporarily not available: {}", Reason(&reason)))
        })?;
        tls::report(&facts, &mut self.environment);
        self.environment.set(Variable::FixsmtpioTls, Some(b"1"));
        let server = Piped::spawn(&self.program, &self.environment)
            .map_err(|reason| cannot_exec(&self.program, &reason))?;
        self.pump.relay.watch().server_is_now(server.id());
        if let Err(reason) = self.pump.replace_server(server).terminate() {
            log(NAME, format_args!("unable to wait for child: {}", Reason(&reason)));
        }
        self.pump.relay.tls_started(|name| self.environment.named(name).is_some());
        give_up_what_is_not_needed()
    }

    /// Waits for the server; the client need not, unless it is owed a reply. The exit code is the
    /// one a rule asked for, else the server's own, but where that could read as a refused login.
    fn finish(self, end: End) -> u8 {
        let owes_reply = self.pump.relay.owes_reply();
        let mut server = self.pump.into_server();
        // How it ended is not known where that cannot be waited for.
        let is_told = owes_reply && !server.crashes().unwrap_or(false);
        if is_told {
            last_words::say(ENDED);
        }
        unix::client::let_go();
        if let End::OtherProtocol(spoken) = end {
            match peer::address(&self.environment) {
                Some(address) => log(NAME, format_args!("{spoken} (from {})", Escaped(address))),
                None => log(NAME, format_args!("{spoken}")),
            }
        }
        let ended = match server.finish() {
            Ok(ended) => ended,
            Err(reason) => {
                return fail(NAME, format_args!("unable to wait for child: {}", Reason(&reason)));
            }
        };
        let why = match (end, ended) {
            (End::Code(code), _) => return code,
            (End::Server, _) if is_told => "ended while a reply was due",
            (End::Server | End::OtherProtocol(_), Some(code)) => return code,
            (End::Server | End::OtherProtocol(_), None) => {
                log(NAME, format_args!("aack, child crashed"));
                return exit_code::CRASHED;
            }
            (End::NotStarted, _) => "ended before it was ready",
            (End::TurnedAway, _) => "turned the client away",
            (End::LineTooLong, _) => "reply line too long",
        };
        let name = self.program.name().display();
        match ended {
            Some(code) => log(NAME, format_args!("{name}: {why}: exit code {code}")),
            None => log(NAME, format_args!("{name}: {why}: a signal ended it")),
        }
        exit_code::TOLD
    }
}

/// Goes to jail with the client and the server; without a jail there is no session.
fn give_up_what_is_not_needed() -> Result<(), u8> {
    if let Some(what) = jail::lacks(Profile::Relay, false) {
        log(NAME, format_args!("incomplete jail: {what}"));
    }
    jail::enter(Profile::Relay, None).map_err(|failure| {
        log(NAME, format_args!("unable to jail: {failure}"));
        say_that_there_is_none(NOT_STARTED)
    })
}

/// Behind a login authup says that the control files cannot be used, as the exit code
/// tells it; elsewhere nobody does.
fn refuse(wrong: &Wrong, is_logged_in: bool) -> u8 {
    match wrong {
        Wrong::Unreadable(unreadable) => {
            log(NAME, format_args!("unable to read controls: {unreadable}"));
        }
        Wrong::Rules(RuleError { line, fault }) => {
            log(NAME, format_args!("control/fixsmtpio:{line}: {fault}"));
            log(NAME, format_args!("unable to parse control/fixsmtpio"));
        }
        Wrong::BareNewline(value) => {
            let value = Escaped(value);
            let ways =
                format_args!("FIXSMTPIOBARENEWLINE: {value}: not normalize, reject or accept-end");
            log(NAME, ways);
        }
    }
    if !is_logged_in {
        last_words::say(NO_CONTROLS);
    }
    exit_code::CONTROLS
}

fn cannot_exec(program: &Argv, reason: &io::Error) -> u8 {
    log_that_it_cannot_run(NAME, program, reason);
    say_that_there_is_none(NOT_STARTED)
}
