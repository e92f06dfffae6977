//! authup: speaks just enough SMTP, POP3 or IMAP to learn a user name and password, and
//! runs checkpassword with them.
//!
//! Two processes. The [`parser`], jailed before it reads its first octet, holds the
//! dialog with the client; the [`monitor`], which keeps the privileges that
//! checkpassword needs, the log and the exit code, never sees what a stranger wrote
//! but in the few messages of `proto::login::monitor`. What the administrator says
//! comes by [`settings`].

mod chain;
mod counted;
mod monitor;
mod parser;
mod report;
mod settings;

use crate::tls::Offer;
use crate::{fail, last_words};
use monitor::Monitor;
use parser::Parser;
use proto::exit_code;
use proto::logfmt::Format;
use proto::login::monitor::Guard;
use proto::login::outcome::Heard;
use proto::login::protocol::Protocol;
use proto::login::reply::Refusal;
use report::Report;
use settings::{Controls, Usage};
use std::ffi::OsString;
use unix::deadline::Deadline;
use unix::descriptor_passing::channel;
use unix::environment::Environment;
use unix::failures::Memory;
use unix::fork::{Forked, fork};
use unix::jail::{self, Profile};
use unix::log::Reason;
use unix::login_program::Place;

const NAME: &str = "authup";
/// How it is called.
pub const USAGE: &str = "usage: authup [ -t tries ] <smtp|pop3|imap> prog";

/// How long to wait for the client.
#[derive(Clone, Copy)]
struct Limits {
    /// Seconds, for each input and output.
    io_timeout: u64,
    /// For all that comes before a good login.
    login_deadline: Deadline,
}

/// Whether it understands these words behind its name; for whoever looks a command line
/// over.
#[must_use]
pub fn understands(words: &mut dyn Iterator<Item = OsString>) -> bool {
    Usage::parse(words).is_some()
}

/// Runs the program.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Some(usage) = Usage::parse(words) else {
        return fail(NAME, format_args!("{USAGE}"));
    };
    unix::process::keep_out_of_core_files();
    let mut environment = Environment::inherited();
    let offer = Offer::take(&mut environment);
    // What a supervisor or a server has left open is not for a user's program.
    unix::open_descriptors::close_others(&offer.descriptors());
    unix::log::wait_briefly(NAME);
    let report = Report::new(&environment);
    report.line(format_args!("protocol {}", usage.protocol.name()));
    if let Some(what) = jail::lacks(Profile::Dialog, unix::process::is_root()) {
        report.line(format_args!("incomplete jail: {what}"));
    }
    match Controls::read(&usage, &offer, &mut environment) {
        Ok(controls) => part(usage, controls, environment, offer, report),
        Err(wrong) => {
            report.line(format_args!("unable to read controls: {wrong}"));
            refuse(Refusal::Controls, usage.protocol)
        }
    }
}

/// Becomes two processes, each with what it needs and no more.
fn part(
    usage: Usage,
    controls: Controls,
    environment: Environment,
    offer: Offer,
    report: Report,
) -> u8 {
    let Usage { protocol, program, .. } = usage;
    let Controls { dialog, limits, failures, jail, names, format } = controls;
    let summary = format.map(|Format::Logfmt| Report::summary(protocol, &environment));
    match channel().and_then(|ends| Ok((Place::reserve()?, fork()?, ends))) {
        Ok((place, Forked::Child, (parser, monitor))) => {
            drop((place, parser, program, environment, report, failures, summary));
            Parser::new(dialog, limits, offer, monitor).run(jail)
        }
        Ok((place, Forked::Parent(parser), (channel, monitor))) => {
            drop(monitor);
            let guard = Guard::new(protocol, dialog.tls, dialog.tries);
            let monitor = Monitor {
                protocol,
                parser,
                channel,
                guard,
                limits,
                names,
                place,
                program,
                environment,
                offer,
                memory: failures.map(Memory::new),
                report,
                summary,
                heard: Heard::Nothing,
            };
            monitor.run()
        }
        Err(reason) => {
            report.line(format_args!("unable to fork: parser: {}", Reason(&reason)));
            refuse(Refusal::Fork, protocol)
        }
    }
}

/// Tells the client why there is no session.
fn refuse(why: Refusal, protocol: Protocol) -> u8 {
    last_words::say(&protocol.last_words(why));
    exit_code::FAILED
}
