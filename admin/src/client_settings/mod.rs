//! `acceptutils client-settings`: what mail clients and the DNS are to be told of the
//! services of a folder. `init` writes the same files beside them.
//!
//! Each format has a file: Thunderbird's autoconfig, Apple's profile, records for the DNS.

mod apple;
mod dns;
mod thunderbird;

use crate::home::{is_host, is_ip_address, usual_home};
use crate::outcome::{Error, Outcome, print_line};
use crate::services::{Offer, SERVICES, script_of};
use crate::xml;
use clap::{Args, ValueEnum};
use proto::names::ControlFile;
use std::path::{Path, PathBuf};
use unix::control::control_file;

/// Print settings for mail clients, or DNS records
///
/// Thunderbird looks for its autoconfig file at
/// `http://autoconfig.DOMAIN/mail/config-v1.1.xml`; Apple's profile is for users to open; the
/// records are for the zone of the domain.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to print
    format: Format,
    /// The qmail home [default: $QMAILHOME, /etc/acceptutils, /var/qmail]
    dir: Option<PathBuf>,
    /// The domain of mail addresses [default: the server's name without its first label]
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// The user's address, for Apple's profile [default: the device asks]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// What users log in with
    #[arg(long, value_enum, default_value_t = LoginName::Local)]
    login_name: LoginName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Thunderbird's autoconfig file, which other clients read, too
    Thunderbird,
    /// A profile for macOS and iOS
    Apple,
    /// DNS records: MX, A, AAAA, SRV, SPF, DMARC and PTR
    Dns,
}

/// What users log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoginName {
    /// The part of their address before the @
    Local,
    /// Their address
    Address,
}

/// What clients are told.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The server's name.
    pub(crate) host: String,
    /// What follows the @.
    pub(crate) domain: String,
    /// The services that there are, the better one first.
    pub(crate) offers: Vec<Offer>,
    /// What users log in with.
    pub(crate) login_name: LoginName,
    /// The user's address, where it is for one.
    pub(crate) address: Option<String>,
}

impl Settings {
    /// For the services of these names.
    pub(crate) fn new(host: &str, is_there: impl Fn(&str) -> bool) -> Self {
        let domain = host.split_once('.').map_or(host, |(_, domain)| domain);
        // A name of two labels is a domain itself, and an address has none.
        let is_whole = !domain.contains('.') || is_ip_address(host);
        let domain = if is_whole { host } else { domain };
        let there =
            SERVICES.iter().filter(|service| service.is_for_users() && is_there(service.name));
        let mut offers: Vec<_> = there.map(|service| service.offer()).collect();
        // RFC 8314: rather TLS from the first octet.
        offers.sort_by_key(|offer| !offer.at_once);
        Self {
            host: host.to_owned(),
            domain: domain.to_owned(),
            offers,
            login_name: LoginName::Local,
            address: None,
        }
    }

    /// Those by which users fetch mail, or submit it.
    fn of(&self, kind: &str) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(move |offer| offer.name.starts_with(kind))
    }

    /// The autoconfig file.
    pub(crate) fn thunderbird(&self) -> String {
        thunderbird::file(self)
    }

    /// The profile; none where there is nothing to fetch mail by.
    pub(crate) fn apple(&self) -> Option<String> {
        apple::profile(self)
    }
}

/// Prints it.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let home = match &options.dir {
        Some(dir) => dir.clone(),
        None => usual_home(),
    };
    let host = host(&home)?;
    let is_there = |name: &str| home.join(script_of(name)).exists();
    let mut settings = Settings::new(&host, is_there);
    if let Some(domain) = &options.domain {
        settings.domain.clone_from(domain);
    }
    settings.login_name = options.login_name;
    settings.address.clone_from(&options.address);
    if let Some(domain) = &options.domain
        && !is_host(domain)
    {
        let domain = domain.escape_default();
        return Err(Error::new(format!("--domain {domain}: not the name of a domain")));
    }
    if let Some(address) = &options.address
        && !is_address(address)
    {
        let address = address.escape_default();
        return Err(Error::new(format!("--address {address}: not an address, as USER@DOMAIN")));
    }
    if settings.offers.is_empty() {
        let text = "no service for users: submission, submissions, imap, imaps, pop3 or pop3s";
        return Err(Error::new(format!("{}: {text}", home.join("service").display())));
    }
    let text = match options.format {
        Format::Thunderbird => settings.thunderbird(),
        Format::Apple => settings
            .apple()
            .ok_or_else(|| Error::new("Apple's profile needs a service to fetch mail by"))?,
        Format::Dns if is_ip_address(&host) => {
            let me = control_file(&home, ControlFile::Me);
            let text = "an address: DNS records need the server's name";
            return Err(Error::new(format!("{}: {host}: {text}", me.display())));
        }
        Format::Dns => dns::records(&settings),
    };
    print_line(text.trim_end());
    Ok(Outcome::Clean)
}

/// Whether it is one that can be written into all formats as it is.
fn is_address(said: &str) -> bool {
    let is_plain = said.bytes().all(|octet| octet.is_ascii_graphic()) && xml::escaped(said) == said;
    let parts = said.rsplit_once('@');
    is_plain && parts.is_some_and(|(user, domain)| !user.is_empty() && is_host(domain))
}

/// What `control/me` calls the server.
fn host(home: &Path) -> Result<String, Error> {
    let path = control_file(home, ControlFile::Me);
    let contents = unix::regular_file::read(&path).map_err(|error| Error::read(&path, error))?;
    let line = proto::control::one_line(&contents);
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-');
    match std::str::from_utf8(line) {
        Ok(name) if !name.is_empty() && line.iter().all(is_name) => Ok(name.to_owned()),
        _ => Err(Error::new(format!("{}: not the name of a host", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Settings {
        Settings::new("mail.example.org", |_| true)
    }

    #[test]
    fn names_and_the_better_service_first() {
        let settings = all();
        assert_eq!(settings.domain, "example.org");
        let names: Vec<_> = settings.offers.iter().map(|offer| offer.name).collect();
        assert_eq!(names, ["submissions", "pop3s", "imaps", "submission", "pop3", "imap"]);
        for whole in ["example.org", "192.0.2.7", "localhost"] {
            assert_eq!(Settings::new(whole, |_| true).domain, whole);
        }
    }

    #[test]
    fn a_profile_needs_a_mailbox() {
        assert!(all().apple().is_some());
        let some = |names: &[&str]| {
            Settings::new("mail.example.org", |name| names.contains(&name)).apple()
        };
        assert!(some(&["submission"]).is_none());
        let (imap, pop3) = ("<string>EmailTypeIMAP</string>", "<string>EmailTypePOP</string>");
        assert!(some(&["submission", "pop3", "imap"]).unwrap().contains(imap));
        assert!(some(&["submission", "pop3"]).unwrap().contains(pop3));
    }

    #[test]
    fn a_zone() {
        let records = dns::records(&all());
        for line in [
            "example.org.                 IN MX    10 mail.example.org.",
            "_submissions._tcp.example.org. IN SRV 0 1 465 mail.example.org.",
            "_submission._tcp.example.org.  IN SRV 10 1 587 mail.example.org.",
            "_imaps._tcp.example.org.       IN SRV 0 1 993 mail.example.org.",
            "_imap._tcp.example.org.        IN SRV 10 1 143 mail.example.org.",
            "_pop3s._tcp.example.org.       IN SRV 20 1 995 mail.example.org.",
            "_pop3._tcp.example.org.        IN SRV 30 1 110 mail.example.org.",
        ] {
            let words: Vec<_> = line.split_whitespace().collect();
            let found = records
                .lines()
                .any(|record| record.split_whitespace().collect::<Vec<_>>() == words);
            assert!(found, "{line}\n{records}");
        }
    }
}
