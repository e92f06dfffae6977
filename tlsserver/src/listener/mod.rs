//! The listener: the only process with privileges, and the one that decides who may
//! connect. It starts a program for each connection and hands the sockets to an
//! engine; it never reads what a peer sent, but for a PROXY header.
//!
//! One thread, one loop, a handful of descriptors to wait on however many
//! connections there are: of a connection it keeps only a row in a table.

mod begin;
mod children;
mod connection;
mod connections;
mod course;
mod crowd;
mod dialog;
mod engines;
mod failures;
mod logins;
mod memory;
mod proxy;
mod repeated;
mod report;
mod rules;
mod server;
mod signals;
mod sockets;
mod unable;
mod workers;

use proto::exit_code;
use proto::names::Variable;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use unix::capabilities::{Capability, is_root_without, keep_only};
use unix::journal::{Level, mark};
use unix::signals::Signals;

use crate::environment::{self, Variables};
use crate::log::{Log, fatal};
use crate::options::{self, Family, Mode, Options};
use crate::program::Program;
use report::Denial;

use dialog::Source;
use failures::Failures;
pub use memory::LEAST as LEAST_MEMORY;
use report::Event;
use server::{Limits, Parts, Policy, Server};
pub use sockets::Failure;
use unable::Unable;
use workers::{MonitorConfig, Workers, WorkersConfig};

/// More engines than this gain nothing: the programs need the rest.
const MOST_ENGINES: usize = 4;

/// The address that a host and a port on the command line mean, where `-4` or `-6` may have said
/// of which kind; for whoever looks a command line over.
///
/// # Errors
/// What cannot be understood or found.
pub fn address(host: &OsStr, port: &OsStr, family: Option<Family>) -> Result<SocketAddr, Failure> {
    sockets::address(host, port, family)
}

/// One address may have one in so many of all connections, where nobody says otherwise.
const SHARE: usize = 4;

/// What of root's powers the listener needs where the monitor runs programs: to read what
/// is the administrator's, whoever that is; to end engines, which are somebody else; to pass on
/// as many connections at once as clients make.
const KEPT: [Capability; 3] =
    [Capability::DacReadSearch, Capability::Kill, Capability::SysResource];

/// Runs until it is told to end.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    sockets::close_what_is_not_passed();
    let arguments: Vec<OsString> = arguments.collect();
    let options = match Options::parse(arguments.iter().cloned()) {
        Ok(options) => options,
        Err(why) => {
            fatal(format_args!("{}: {why}", options::usage()));
            return ExitCode::from(exit_code::USAGE);
        }
    };
    match memory::check().map_err(Unable::Memory).and_then(|()| start(options, arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fatal(why);
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

fn start(options: Options, arguments: Vec<OsString>) -> Result<(), Unable> {
    let variables = environment::inherited();
    let log = Log::new(options.verbosity);
    unix::log::wait_for_nobody("tlsserver", mark(Level::Warning));
    log_what_is_ignored(&options, &variables, log);
    log_rules_that_are_none(&options, log);
    environment::jail_identity(&variables).map_err(Unable::Identity)?;
    if is_root_without(Capability::SysChroot) {
        Event::NoEmptyRoot.log(log);
    }
    let listening = sockets::open(&options, &variables, log).map_err(Unable::Listen)?;
    let signals = Signals::watch().map_err(Unable::Signals)?;
    // Of logins it is the monitor's to find, and to start.
    let finds = options.login.is_none().then(|| Program::find(&options, &variables));
    let program = finds.transpose().map_err(Unable::Program)?;
    let workers = Workers::new(config(&options, &variables, arguments), log);
    let failures = Failures::new(&options, &variables).map_err(Unable::Control)?;
    let port = sockets::local_port(listening.first().ok_or(Unable::NoSocket)?);
    let announce = move || {
        if options.print_port {
            let _ = writeln!(std::io::stdout(), "{}", port.unwrap_or(0));
        }
    };
    let policy = Policy {
        mode: options.mode,
        rules: options.rules,
        missing_rules_allow: options.missing_rules_allow,
        proxy_protocol: options.proxy_protocol,
        ipv6_prefix: options.ipv6_prefix,
    };
    let each = options.limit_per_address.unwrap_or_else(|| (options.limit / SHARE).max(1));
    let limits = Limits { all: options.limit, each };
    if options.login.is_some() {
        // It starts no program of a connection, and opens no port any more.
        keep_only(&KEPT).map_err(Unable::Capabilities)?;
    }
    let parts = Parts { log, signals, listening, program, workers, policy, limits, failures };
    Server::new(parts).serve(announce)
}

fn log_what_is_ignored(options: &Options, variables: &Variables, log: Log) {
    for letter in &options.without_effect {
        Event::Ignored(*letter).log(log);
    }
    if options.login.is_none() {
        options.for_login.iter().for_each(|name| Event::WithoutLogin(name).log(log));
    }
    if options.login.is_some() && options.banner.is_some() {
        Event::BannerIgnored.log(log);
    }
    for (variable, why) in environment::without_effect(variables) {
        Event::VariableIgnored(variable, why).log(log);
    }
    if needs_no_certificate(options, variables) {
        Event::NoCertificate.log(log);
    }
}

/// They are read for each connection, and may be there by then.
fn log_rules_that_are_none(options: &Options, log: Log) {
    // The file counts, not what it says of anybody.
    let read = |file| rules::look_up(file, Ipv4Addr::UNSPECIFIED.into());
    if let Some(file) = &options.rules
        && let Err(reason) = read(file)
        && !(options.missing_rules_allow && reason.kind() == ErrorKind::NotFound)
    {
        Event::NobodyMayConnect(&Denial::NoRules(file.clone(), reason)).log(log);
    }
}

/// Whether no program may ask for TLS, as far as it is ours to know: that is sslserver's word
/// for it, too.
fn needs_no_certificate(options: &Options, variables: &Variables) -> bool {
    let disabled = environment::value(variables, Variable::DisableTls).is_some();
    let file = |one| environment::file(variables, one, "");
    let may_be_without = options.mode == Mode::Delayed && options.login.is_none();
    may_be_without
        && disabled
        && file(Variable::CertFile).or(file(Variable::CertChainFile)).is_none()
}

fn config(options: &Options, variables: &Variables, arguments: Vec<OsString>) -> WorkersConfig {
    let dialogs = options.login.map(|protocol| {
        let tries = options.tries.unwrap_or(protocol.default_tries());
        Source::new(protocol, tries, options.mode, variables)
    });
    let monitor = options.login.map(|_| MonitorConfig {
        arguments,
        variables: environment::only(variables, environment::is_for_program),
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut engine_variables = environment::only(variables, environment::is_identity);
    let mut add = |one: Variable, value: String| {
        engine_variables.push((one.name().into(), value.into()));
    };
    add(Variable::HandshakeSeconds, options.handshake_timeout.as_secs().to_string());
    add(Variable::Clients, options.limit.to_string());
    if options.no_tickets {
        add(Variable::NoTickets, String::new());
    }
    let mut keyholder_variables = environment::only(variables, environment::is_for_keyholder);
    if needs_no_certificate(options, variables) {
        keyholder_variables.push((Variable::NoCertificate.name().into(), Vec::new()));
    }
    WorkersConfig {
        engines: options.engines.unwrap_or(cores.min(MOST_ENGINES)),
        keyholder_variables,
        engine_variables,
        dialogs,
        monitor,
    }
}
