//! fixsmtpio: stands between a client and an unmodified SMTP server, and changes
//! what they say by rules.
//!
//! Here is how it starts. What happens then is decided by `proto::relay` and done
//! by [`pump`].

mod pump;
mod settings;
mod transcript;

use crate::tls::{self, Offer};
use crate::{fail, say};
use proto::escape::Escaped;
use proto::exit_code;
use proto::relay::Relay;
use proto::relay::rules::RuleError;
use pump::{Pump, Stop};
use settings::Wrong;
use std::ffi::OsString;
use std::io;
use transcript::Transcript;
use unix::environment::Environment;
use unix::jail::{self, Inmate};
use unix::log::Reason;
use unix::piped::Piped;
use unix::process::Program;

const NAME: &str = "fixsmtpio";

/// Runs the program.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Some(program) = Program::new(words) else {
        return fail(NAME, format_args!("usage: fixsmtpio prog [ arg ... ]"));
    };
    let mut environment = Environment::inherited();
    if environment.has(b"NOFIXSMTPIO") {
        return cannot_exec(&program, &program.become_it(&environment));
    }
    let offer = Offer::take(&mut environment);
    let (relay, seconds) = match settings::read(&mut environment, &offer) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
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
    program: Program,
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
                    if let Err(reason) = self.start_tls() {
                        let why = Reason(&reason);
                        return fail(NAME, format_args!("TLS temporarily not available: {why}"));
                    }
                    if let Err(failure) = give_up_what_is_not_needed() {
                        return failure;
                    }
                }
                Ok(Stop::End(code)) => return self.finish(code),
                Ok(Stop::TimedOut) => return self.finish(Some(exit_code::TIMED_OUT)),
                Err(reason) => {
                    return fail(NAME, format_args!("unable to relay: {}", Reason(&reason)));
                }
            }
        }
    }

    fn check_tls(&mut self) {
        let checked = self.offer.check();
        if let Err(why) = &checked {
            say(NAME, format_args!("TLS temporarily not available: {why}"));
        }
        self.pump.relay.tls_checked(checked.is_ok());
    }

    fn start_tls(&mut self) -> io::Result<()> {
        tls::report(&self.offer.start()?, &mut self.environment);
        self.environment.set(settings::TLS_IS_ON.as_bytes(), Some(b"1"));
        let server = Piped::spawn(&self.program, &self.environment)?;
        self.pump.relay.watch().server_is_now(server.id());
        self.pump.replace_server(server).terminate()?;
        self.pump.relay.tls_started(|name| self.environment.has(name));
        Ok(())
    }

    /// Waits for the server; the client need not. The exit code is the one a rule
    /// asked for, else the server's own.
    fn finish(self, code: Option<u8>) -> u8 {
        unix::client::let_go();
        match (code, self.pump.into_server().finish()) {
            (Some(code), _) | (None, Ok(Some(code))) => code,
            (None, Ok(None)) => {
                say(NAME, format_args!("aack, child crashed"));
                exit_code::CRASHED
            }
            (None, Err(reason)) => {
                fail(NAME, format_args!("unable to wait for child: {}", Reason(&reason)))
            }
        }
    }
}

/// Goes to jail with the client and the server; without a jail there is no session.
fn give_up_what_is_not_needed() -> Result<(), u8> {
    let jailed = jail::enter(Inmate::Relay, None);
    jailed.map_err(|failure| fail(NAME, format_args!("unable to jail: {failure}")))
}

fn refuse(wrong: &Wrong) -> u8 {
    match wrong {
        Wrong::Unreadable(unreadable) => {
            fail(NAME, format_args!("unable to read controls: {unreadable}"))
        }
        Wrong::Rules(RuleError { line, fault }) => {
            say(NAME, format_args!("control/fixsmtpio:{line}: {fault}"));
            say(NAME, format_args!("unable to parse control/fixsmtpio"));
            exit_code::CONTROLS
        }
        Wrong::BareNewline(value) => {
            let value = Escaped(value);
            fail(NAME, format_args!("FIXSMTPIOBARENEWLINE: {value}: not normalize or reject"))
        }
    }
}

fn cannot_exec(program: &Program, reason: &io::Error) -> u8 {
    let name = program.name().display();
    fail(NAME, format_args!("unable to exec: {name}: {}", Reason(reason)))
}
