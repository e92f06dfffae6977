//! `acceptutils check`: looks a service over, and says what is wrong where.
//!
//! Each kind of file has a module of its own.

mod controls;
mod findings;
mod login;
mod offered;
mod permissions;
mod services;
mod tls;
mod users;

use crate::outcome::{Error, Outcome};
use crate::qmail_home;
use clap::Args;
use controls::Wanted;
use findings::Findings;
use std::path::PathBuf;
use unix::process::keep_out_of_core_files;

/// Look a mail service over, and say what is wrong where
///
/// Control files, rules, users, certificate and key, run scripts and their programs,
/// permissions. Exit code: 0 all is well, 1 warnings, 2 errors.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, a qmail home [default: $QMAILHOME, /var/qmail]
    dir: Option<PathBuf>,
    /// Log this user in through each service's real programs, and show each step
    #[arg(long, value_name = "USER", conflicts_with = "json")]
    login: Option<String>,
    /// Read the password from standard input, one line, instead of asking
    #[arg(long, requires = "login")]
    stdin: bool,
    /// Print what is found as JSON
    #[arg(long)]
    json: bool,
}

/// Looks.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let home = qmail_home(options.dir.as_deref());
    let home = std::path::absolute(&home)
        .and_then(|absolute| home.metadata().map(|_| absolute))
        .map_err(|error| Error::read(&home, error))?;
    let mut findings = Findings::default();
    let services = services::check(&home, &mut findings);
    let logs_in =
        |protocol| services.iter().any(|found| found.login().as_deref() == Some(protocol));
    // Without scripts nobody knows; a qmail home commonly has just one of the two.
    let wanted = Wanted { smtp_login: logs_in("smtp"), pop3_login: logs_in("pop3") };
    let host = controls::check(&home, wanted, &mut findings);
    let mut certificates: Vec<_> =
        services.iter().filter_map(services::Service::certificate).collect();
    certificates.sort();
    certificates.dedup();
    for (certificate, key) in certificates {
        tls::check(&certificate, &key, host.as_deref(), &mut findings);
    }
    let mut users: Vec<_> = services.iter().flat_map(services::Service::users_files).collect();
    users.sort();
    users.dedup();
    let maildir = services.iter().find_map(services::Service::maildir);
    let jails: Vec<_> = services.iter().flat_map(services::Service::jails).collect();
    for file in users {
        users::check(&file, maildir.as_deref(), &jails, &mut findings);
    }
    offered::check(&services, &home, &mut findings);
    let outcome = findings.report(options.json)?;
    let Some(user) = &options.login else { return Ok(outcome) };
    keep_out_of_core_files();
    if services.iter().all(|service| service.login().is_none()) {
        return Err(Error::new(format!("{}: no run script with a login", home.display())));
    }
    let password = login::password(user, options.stdin)?;
    let host = host.unwrap_or_else(|| "localhost".into());
    let is_well = login::check(&services, &host, user, &password)?;
    Ok(if is_well { outcome } else { Outcome::Errors })
}
