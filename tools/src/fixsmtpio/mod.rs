//! fixsmtpio: stands between a client and an unmodified SMTP server, and changes
//! what they say by rules.
//!
//! Here is how it starts. What happens then is decided by `proto::relay` and done
//! by [`pump`].

mod pump;
mod settings;
mod transcript;

use crate::fail;
use crate::tls::Offer;
use proto::escape::Escaped;
use proto::exit_code;
use proto::relay::Relay;
use proto::relay::rules::RuleError;
use pump::{Pump, Stop};
use settings::Wrong;
use std::io;
use std::process::ExitCode;
use transcript::Transcript;
use unix::environment::Environment;
use unix::log::Reason;
use unix::piped::Piped;
use unix::process::Program;

const NAME: &str = "fixsmtpio";

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let Some(program) = Program::new(std::env::args_os().skip(1)) else {
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
            Session { pump, program, environment, offer }.serve()
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
    /// Relays to the end.
    fn serve(mut self) -> ExitCode {
        loop {
            match self.pump.run() {
                Ok(Stop::CheckTls) => self.check_tls(),
                Ok(Stop::StartTls) => {
                    if let Err(reason) = self.start_tls() {
                        let what = "TLS temporarily not available";
                        return fail(NAME, format_args!("{what}: {}", Reason(&reason)));
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
            fail(NAME, format_args!("TLS temporarily not available: {why}"));
        }
        self.pump.relay.tls_checked(checked.is_ok());
    }

    fn start_tls(&mut self) -> io::Result<()> {
        self.offer.start(&mut self.environment)?;
        self.environment.set(settings::TLS_IS_ON.as_bytes(), Some(b"1"));
        let server = Piped::spawn(&self.program, &self.environment)?;
        self.pump.relay.watch().server_is_now(server.id());
        self.pump.replace_server(server).terminate()?;
        self.pump.relay.tls_started(|name| self.environment.has(name));
        Ok(())
    }

    /// Waits for the server; the client need not. The exit code is the one a rule
    /// asked for, else the server's own.
    fn finish(self, code: Option<u8>) -> ExitCode {
        unix::client::let_go();
        match (code, self.pump.into_server().finish()) {
            (Some(code), _) | (None, Ok(Some(code))) => ExitCode::from(code),
            (None, Ok(None)) => {
                fail(NAME, format_args!("aack, child crashed"));
                ExitCode::from(exit_code::CRASHED)
            }
            (None, Err(reason)) => {
                fail(NAME, format_args!("unable to wait for child: {}", Reason(&reason)))
            }
        }
    }
}

fn refuse(wrong: &Wrong) -> ExitCode {
    match wrong {
        Wrong::Unreadable(unreadable) => {
            fail(NAME, format_args!("unable to read controls: {unreadable}"))
        }
        Wrong::Rules(RuleError { line, fault }) => {
            fail(NAME, format_args!("control/fixsmtpio:{line}: {fault}"));
            fail(NAME, format_args!("unable to parse control/fixsmtpio"));
            ExitCode::from(exit_code::CONTROLS)
        }
        Wrong::BareNewline(value) => {
            let value = Escaped(value);
            fail(NAME, format_args!("FIXSMTPIOBARENEWLINE: {value}: not normalize or reject"))
        }
    }
}

fn cannot_exec(program: &Program, reason: &io::Error) -> ExitCode {
    let name = program.name().display();
    fail(NAME, format_args!("unable to exec: {name}: {}", Reason(reason)))
}
