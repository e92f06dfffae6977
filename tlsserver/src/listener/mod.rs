//! The listener: the only process with privileges, and the one that decides who may
//! connect. It starts a program for each connection and hands the sockets to an
//! engine; it never reads what a peer sent, but for a PROXY header.
//!
//! One thread, one loop, a handful of descriptors to wait on however many
//! connections there are: of a connection it keeps only a row in a table.

mod begin;
mod connections;
mod dialog;
mod failures;
mod logins;
mod memory;
mod proxy;
mod repeated;
mod rules;
mod server;
mod sockets;
mod workers;

use proto::exit_code;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use unix::capabilities::{Capability, keep_only};
use unix::signals::Signals;

use crate::environment::{self, Variables};
use crate::log::{Log, fatal};
use crate::options::{Mode, Options, USAGE};
use crate::program::Program;
use dialog::Source;
use failures::Failures;
use server::{Policy, Server};
use workers::{MonitorSettings, Settings, Workers};

/// More engines than this gain nothing: the programs need the rest.
const MOST_ENGINES: usize = 4;

/// The address that a host and a port on the command line mean; for whoever looks a command
/// line over.
///
/// # Errors
/// What cannot be understood or found, in the words of the log.
pub fn address(host: &OsStr, port: &OsStr) -> Result<SocketAddr, String> {
    sockets::address(host, port).map_err(|why| why.to_string())
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
            fatal(format_args!("{USAGE}: {why}"));
            return ExitCode::from(exit_code::USAGE);
        }
    };
    match memory::check().and_then(|()| start(options, arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            fatal(why);
            ExitCode::from(exit_code::TEMPORARY)
        }
    }
}

fn start(options: Options, arguments: Vec<OsString>) -> Result<(), String> {
    let variables: Variables = env::vars_os().collect();
    let log = Log::new(options.verbosity);
    unix::log::wait_for_nobody("tlsserver");
    for letter in &options.without_effect {
        let why = match letter {
            '3' => "no password of a key is read",
            's' => "clients are asked for no certificate",
            'V' => "protocol and cipher are not logged",
            'w' => "how long a session may wait is the program's to say",
            _ => "names and users of peers are not looked up",
        };
        log.error(format_args!("-{letter}: {why}"));
    }
    if options.login.is_some() && options.banner.is_some() {
        log.error("-B: the dialog says its own greeting");
    }
    if needs_no_certificate(&options, &variables) {
        log.error("DISABLETLS: no certificate, and no TLS for anybody");
    }
    environment::jail_identity(&variables).map_err(|why| why.to_string())?;
    let listening = sockets::open(&options, &variables).map_err(|why| why.to_string())?;
    let signals = Signals::watch().map_err(|reason| format!("signals: {reason}"))?;
    let program = if options.login.is_some() {
        // It is the monitor's to find, and to start.
        Program::elsewhere(&options)
    } else {
        Program::find(&options, &variables).map_err(|why| why.to_string())?
    };
    let workers = Workers::new(settings(&options, &variables, arguments), log);
    let failures = Failures::new(&options, &variables)?;
    let port = sockets::local_port(listening.first().ok_or("no socket to listen on")?);
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
    let limits = (options.limit, each);
    if options.login.is_some() {
        // It starts no program of a connection, and opens no port any more.
        keep_only(&KEPT).map_err(|reason| format!("capabilities: {reason}"))?;
    }
    let server = Server::new(log, signals, listening, program, workers).with(policy, limits);
    server.remembering(failures).serve(announce)
}

/// Whether no program may ask for TLS, as far as it is ours to know: that is sslserver's word
/// for it, too.
fn needs_no_certificate(options: &Options, variables: &Variables) -> bool {
    let value = |name| environment::value(variables, name);
    let may_be_without = options.mode == Mode::Delayed && options.login.is_none();
    may_be_without && value("DISABLETLS").is_some() && value("CERTFILE").is_none()
}

fn settings(options: &Options, variables: &Variables, arguments: Vec<OsString>) -> Settings {
    let dialogs = options.login.map(|protocol| {
        let tries = options.tries.unwrap_or(protocol.default_tries());
        Source::new(protocol, tries, options.mode, variables)
    });
    let monitor = options.login.map(|_| MonitorSettings {
        arguments,
        variables: environment::only(variables, environment::is_for_program),
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut engine_variables = environment::only(variables, environment::is_identity);
    let seconds = options.handshake_timeout.as_secs().to_string();
    engine_variables.push((crate::engine::HANDSHAKE_SECONDS.into(), seconds.into()));
    engine_variables.push((crate::engine::CLIENTS.into(), options.limit.to_string().into()));
    if options.no_tickets {
        engine_variables.push((crate::engine::NO_TICKETS.into(), OsString::new()));
    }
    let mut keyholder_variables = environment::only(variables, environment::is_for_keyholder);
    if needs_no_certificate(options, variables) {
        keyholder_variables.push((environment::NO_CERTIFICATE.into(), OsString::new()));
    }
    Settings {
        engines: options.engines.unwrap_or(cores.min(MOST_ENGINES)),
        keyholder_variables,
        engine_variables,
        dialogs,
        monitor,
    }
}
