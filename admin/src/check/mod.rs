//! `acceptutils check`: looks a service over, and says what is wrong where.
//!
//! Each kind of file has a module of its own.

mod address;
mod behind_login;
mod chain;
mod command_line;
mod controls;
mod failures;
mod findings;
mod folder;
mod homes;
mod identity;
mod lifetime;
mod login;
mod memory;
mod offered;
mod pam;
mod permissions;
mod ports;
mod row;
mod rules;
mod service;
mod services;
mod shell;
mod start;
mod tls;
mod tls_offer;
mod units;
mod users;
mod who;
mod writers;

use crate::home::usual_home;
use crate::outcome::{Error, Outcome};
use clap::Args;
use controls::Wanted;
use findings::Findings;
use login::Login;
use proto::secret::Secret;
use rustix::io::Errno;
use service::Service;
use std::path::{Path, PathBuf};
use unix::login_controls::login_names;
use unix::process::keep_out_of_core_files;
use users::Against;

/// Check a mail service's configuration
///
/// Control files, rules, users, certificate and key, run scripts and their programs,
/// permissions. Exit code: 0 no problems, 1 warnings, 2 errors.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The qmail home, or run scripts elsewhere [default: $QMAILHOME, /etc/acceptutils,
    /// /var/qmail]
    #[arg(value_name = "DIR|RUNSCRIPT")]
    places: Vec<PathBuf>,
    /// Log in as this user through each service's programs, begin a message, and show each
    /// step
    #[arg(long, value_name = "USER", conflicts_with = "json")]
    login: Option<String>,
    /// The user's address, to send from and to [default: USER@HOST]
    #[arg(long, value_name = "ADDRESS", requires = "login")]
    address: Option<String>,
    /// Log in to the running services, on their ports, and verify the certificate
    #[arg(long, requires = "login")]
    running: bool,
    /// Read the password from standard input, as one line
    #[arg(long, requires = "login")]
    stdin: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A qmail home, and the services that read its control files.
struct Group {
    /// None where only a shell knows it.
    home: Option<PathBuf>,
    services: Vec<Service>,
    /// The server's name.
    host: Option<String>,
    /// All of the folder's services are there, whose units are looked at, too.
    is_whole: bool,
}

/// Looks.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let mut findings = Findings::default();
    let mut groups = groups(&options.places, &mut findings)?;
    for group in &mut groups {
        group.check(&mut findings);
    }
    ports::check(groups.iter().flat_map(|group| &group.services), &mut findings);
    let outcome = findings.report(options.json)?;
    let Some(user) = &options.login else { return Ok(outcome) };
    keep_out_of_core_files();
    let mut services = groups.iter().flat_map(|group| &group.services);
    if services.all(|service| service.login().is_none()) {
        return Err(Error::new("no run script with a login"));
    }
    let password = login::password(user, options.stdin)?;
    let mut is_well = true;
    for group in &groups {
        let host = group.host.as_deref().unwrap_or("localhost");
        let default = if user.contains('@') { user.clone() } else { format!("{user}@{host}") };
        let login = Login {
            user,
            address: options.address.clone().unwrap_or(default),
            password: Secret::from(password.expose().to_vec()),
            host,
            running: options.running,
        };
        is_well &= login::check(&group.services, &login)?;
    }
    Ok(if is_well { outcome } else { Outcome::Errors })
}

/// What was named, sorted by whose control files it reads.
fn groups(places: &[PathBuf], findings: &mut Findings) -> Result<Vec<Group>, Error> {
    let usual = usual_home();
    let places = match places {
        [] if folder::is_missing(&usual) => return Err(none_yet(&usual)),
        [] => std::slice::from_ref(&usual),
        places => places,
    };
    let (folders, scripts): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.is_dir());
    let mut groups: Vec<Group> = Vec::new();
    for folder in folders {
        let path = std::path::absolute(folder).map_err(|error| Error::read(folder, error))?;
        let scripts = services::in_folder(&path, findings);
        let services = services::read_all(scripts, findings);
        groups.push(Group { home: Some(path), services, host: None, is_whole: true });
    }
    let services = groups.iter().flat_map(|group| &group.services);
    let mut seen: Vec<_> = services.map(|service| real_path(&service.path)).collect();
    for script in scripts {
        let failed = |error| Error::read(script, error);
        script.metadata().map_err(failed)?;
        let path = std::path::absolute(script).map_err(failed)?;
        if seen.contains(&real_path(&path)) {
            continue;
        }
        seen.push(real_path(&path));
        for service in services::read_all(vec![path], findings) {
            let home = service.home();
            match groups.iter_mut().find(|group| group.home == home) {
                Some(group) => group.services.push(service),
                None => {
                    let services = vec![service];
                    groups.push(Group { home, services, host: None, is_whole: false });
                }
            }
        }
    }
    Ok(groups)
}

/// Nothing was named, and nothing is where it usually is.
fn none_yet(usual: &Path) -> Error {
    let missing = std::io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
    let missing = Error::read(usual, missing);
    Error::new(format!("{missing}: name a folder, or create one with acceptutils init"))
}

/// Where a script is, whatever links lead to its folder. A link to the script itself is another
/// service's, which runs it in its own folder.
fn real_path(script: &Path) -> PathBuf {
    let folder = script.parent().and_then(|folder| folder.canonicalize().ok());
    let name = script.file_name();
    folder.zip(name).map_or_else(|| script.to_owned(), |(folder, name)| folder.join(name))
}

impl Group {
    fn check(&mut self, findings: &mut Findings) {
        let Self { home, services, host, is_whole } = self;
        let own = home.as_deref().filter(|_| *is_whole);
        if let Some(home) = own {
            units::check(home, services, findings);
        }
        services::check(services, home.as_deref(), findings);
        if let Some(home) = home.as_deref() {
            if own.is_some() {
                for folder in ["systemd", "client"] {
                    writers::check_all(&home.join(folder), findings);
                }
            }
            *host = controls::check(home, Self::wanted(services), findings);
            failures::check(home, services, findings);
        }
        for home in rules::check(services, findings) {
            controls::check(&home, Self::wanted(services), findings);
        }
        tls::check(services, host.as_deref(), findings);
        let mut users: Vec<_> = services.iter().flat_map(users::asked_by).collect();
        users.sort();
        users.dedup();
        let maildir = services.iter().find_map(Service::maildir);
        let jails: Vec<_> = services.iter().flat_map(Service::jails).collect();
        // What is wrong with the file is said above.
        let names = home.as_deref().and_then(|home| login_names(home).ok()).unwrap_or_default();
        let against = Against { maildir: maildir.as_deref(), jails: &jails, names: &names };
        for (file, who) in users {
            users::check(&file, &who, &against, findings);
        }
        offered::check(services, home.as_deref(), findings);
    }

    /// The control files that must be there. Without scripts nobody knows; a qmail home
    /// commonly has just one of them.
    fn wanted(services: &[Service]) -> Wanted {
        let logs_in =
            |protocol| services.iter().any(|found| found.login().as_deref() == Some(protocol));
        let fixsmtpio = |service: &Service| {
            service.script.links().iter().any(|link| link.name() == "fixsmtpio")
        };
        Wanted {
            fixsmtpio: services.iter().any(fixsmtpio),
            smtp_login: logs_in("smtp"),
            pop3_login: logs_in("pop3"),
            imap_login: logs_in("imap"),
        }
    }
}
