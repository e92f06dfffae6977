//! authup: speaks just enough SMTP or POP3 to learn a user name and password, and
//! runs checkpassword with them.
//!
//! Here the dialog, `proto::login`, meets the client, the TLS server and the chain
//! of programs ([`chain`]). What the administrator says comes by [`settings`].

mod chain;
mod report;
mod settings;

use crate::fail;
use crate::tls::Offer;
use proto::checkpassword::{Outcome, Record};
use proto::exit_code;
use proto::login::reply::Refusal;
use proto::login::{Attempt, Login, Step};
use report::Report;
use settings::{Controls, Usage};
use std::io;
use std::process::ExitCode;
use unix::client;
use unix::deadline::Deadline;
use unix::environment::Environment;
use unix::log::Reason;
use unix::process::Program;

const NAME: &str = "authup";

/// Seconds to wait for a client that is told why there is no session.
const LAST_WORDS: u64 = 60;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let Some(usage) = Usage::parse(std::env::args_os()) else {
        return fail(NAME, format_args!("usage: authup [ -t tries ] <smtp|pop3> prog"));
    };
    unix::descriptor::close_inherited(chain::RECORD);
    unix::process::keep_out_of_core_files();
    let mut environment = Environment::inherited();
    let offer = Offer::take(&mut environment);
    let report = Report::new(&environment);
    report.line(format_args!("protocol {}", usage.face.name()));
    match Controls::read(&usage, &offer, &mut environment) {
        Ok(controls) => {
            let login = Login::new(controls.settings);
            let limits = controls.limits;
            let program = usage.program;
            ExitCode::from(Session { login, limits, program, environment, offer, report }.run())
        }
        Err(unreadable) => {
            report.line(format_args!("unable to read controls: {unreadable}"));
            let _ = client::write(&Refusal::Controls.line(usage.face), LAST_WORDS);
            ExitCode::from(exit_code::FAILED)
        }
    }
}

/// How long to wait for the client.
struct Limits {
    /// Seconds, for each input and output.
    each: u64,
    /// For all that comes before a good login.
    whole: Deadline,
}

struct Session {
    login: Login,
    limits: Limits,
    program: Program,
    environment: Environment,
    offer: Offer,
    report: Report,
}

impl Session {
    /// Takes one step after another; the exit code is the last one's.
    fn run(mut self) -> u8 {
        loop {
            match self.login.step() {
                Step::Send(reply) => {
                    if client::write(reply, self.limits.each).is_err() {
                        return exit_code::FAILED;
                    }
                }
                Step::NeedInput => self.read(),
                Step::CheckTls => self.check_tls(),
                Step::StartTls => {
                    if let Err(reason) = self.start_tls() {
                        self.report.line(format_args!("unable to start TLS: {}", Reason(&reason)));
                        return exit_code::FAILED;
                    }
                }
                Step::Login(attempt) => {
                    let Attempt { user, record } = attempt;
                    self.log_in(&user, record);
                }
                Step::End(code) => return code,
            }
        }
    }

    fn read(&mut self) {
        let deadline = Deadline::after_seconds(self.limits.each).or_sooner(self.limits.whole);
        let login = &mut self.login;
        match client::read(deadline, &mut |input| login.push(input)) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.login.abandon(Refusal::TimedOut);
            }
            Ok(false) | Err(_) => self.login.abandon(Refusal::InputEnded),
        }
    }

    /// Tries a login: `record` is for checkpassword, if it is to be asked.
    fn log_in(&mut self, user: &[u8], record: Option<Record>) {
        let Some(record) = record else {
            self.login.outcome(Outcome::Refused);
            return self.report.not_oneself(user, self.login.remaining());
        };
        match chain::run(user, record, &self.program, &mut self.environment, &self.report) {
            Ok(ended) => {
                self.login.outcome(ended.outcome);
                self.report.ended(&ended, user, self.login.remaining());
            }
            Err(failed) => {
                self.login.outcome(failed.outcome);
                self.report.failed(&failed, &self.program);
            }
        }
    }

    fn check_tls(&mut self) {
        let checked = self.offer.check();
        if let Err(why) = &checked {
            self.report.line(format_args!("TLS temporarily not available: {why}"));
        }
        self.login.tls_checked(checked.is_ok());
    }

    fn start_tls(&mut self) -> io::Result<()> {
        self.offer.start(&mut self.environment)?;
        self.report.line(format_args!("negotiated TLS"));
        self.login.tls_started();
        Ok(())
    }
}
