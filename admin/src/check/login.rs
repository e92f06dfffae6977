//! A real login through the real programs: what the run script runs, on a free port of
//! this machine or as it runs already; and the beginning of a message.

use super::address;
use super::service::Service;
use crate::certificate;
use crate::client::{Begin, Conversation, Server};
use crate::outcome::{Error, print_line};
use crate::passwd;
use crate::run_script::{SERVERS, spoken_from};
use crate::running::Scene;
use proto::escape::Escaped;
use proto::network::Network;
use proto::secret::Secret;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

/// Who logs in.
#[derive(Debug)]
pub(super) struct Login<'a> {
    /// The name to log in with.
    pub(super) user: &'a str,
    /// The address to send from and to.
    pub(super) address: String,
    pub(super) password: Secret,
    /// The name of the server.
    pub(super) host: &'a str,
    /// The services as they run, not started here.
    pub(super) running: bool,
}

/// The password, from a terminal or, if it is so said, from a line of standard input.
pub(super) fn password(user: &str, stdin: bool) -> Result<Secret, Error> {
    let read = if stdin {
        passwd::read_line(std::io::stdin().lock())
    } else {
        passwd::ask(&format!("Password of {}: ", Escaped(user.as_bytes())))
    };
    let password = read.map_err(|error| Error::new(error.to_string()))?;
    if password.expose().is_empty() {
        return Err(Error::new("no password was given"));
    }
    Ok(password)
}

/// Logs in by each service that has a login; says whether all let the user in, and take
/// messages.
pub(super) fn check(services: &[Service], login: &Login<'_>) -> Result<bool, Error> {
    let scene = Scene::new()?;
    let mut all_is_well = true;
    let user = login.user;
    let services = services.iter().filter(|service| service.login().is_some());
    for (number, service) in services.enumerate() {
        let path = service.path.display();
        print_line(&format!("\n{path}:"));
        let log = format!("log-{number}");
        if let Some(why) = login.running.then(|| out_of_reach(service)).flatten() {
            print_line(&format!("note: {path}: not tried: {why}"));
            continue;
        }
        let done = log_in(service, &scene, &log, login);
        scene.stop();
        show_log(&scene.folder().join(&log));
        if let Err(error) = done {
            all_is_well = false;
            print_line(&format!("error: {path}: {error}"));
        } else {
            print_line(&format!("  {user} is logged in"));
        }
    }
    Ok(all_is_well)
}

fn log_in(service: &Service, scene: &Scene, log: &str, login: &Login<'_>) -> Result<(), Error> {
    let user = login.user;
    let out = |error: Error| Error::new(format!("{user} is not logged in: {error}"));
    let begin = service.begins_tls();
    let certificate = match service.certificate_for(login.host) {
        _ if begin == Begin::Never => None,
        Some(file) => Some(certificate::first(&file).map_err(out)?),
        None => return Err(out(Error::new("no CERTFILE, or one that is not known here"))),
    };
    let address = if login.running {
        listens_at(service).map_err(out)?
    } else {
        scene.start_as(&service.path, &service.script, log).map_err(out)?
    };
    let host = login.host.to_owned();
    let is_behind_balancer = balancers(service).is_some();
    let is_verified = login.running;
    let server = Server { address, host, certificate, is_behind_balancer, is_verified };
    let mut conversation = Conversation::connect(&server).map_err(out)?;
    match service.login().as_deref() {
        Some("pop3") => {
            conversation.pop3_login(begin, user, &login.password).map_err(out)?;
            return conversation.pop3_quit();
        }
        Some("imap") => {
            conversation.imap_login(begin, user, &login.password).map_err(out)?;
            return look_around(conversation).map_err(|error| {
                Error::new(format!("{user} is logged in and cannot read mail: {error}"))
            });
        }
        _ => {}
    }
    conversation.smtp_login(begin, user, &login.password).map_err(out)?;
    conversation
        .try_sending(&login.address, &login.address)
        .map_err(|error| Error::new(format!("{user} is logged in and cannot send: {error}")))?;
    conversation.smtp_quit()
}

/// The load balancers that the service stands behind, if it does; all may be one where none is
/// named.
fn balancers(service: &Service) -> Option<Vec<Network>> {
    service.tlsserver()?.ok()?.proxy_protocol
}

/// Why the service that runs cannot be tried from here: it hears its load balancers only.
fn out_of_reach(service: &Service) -> Option<String> {
    let balancers = balancers(service).filter(|balancers| !balancers.is_empty())?;
    let here = spoken_from(listens_at(service).ok()?.ip());
    let is_one = balancers.iter().any(|balancer| balancer.contains(here));
    (!is_one).then(|| format!("{here} is none of the load balancers of --proxy-protocol"))
}

/// What a client does that has logged in by IMAP.
fn look_around(mut conversation: Conversation) -> Result<(), Error> {
    conversation.imap_select()?;
    conversation.imap_keeps_its_word()?;
    conversation.imap_quit()
}

/// Where the service listens that runs: on whichever address, where it does on all.
fn listens_at(service: &Service) -> Result<SocketAddr, Error> {
    let links = service.script.links();
    let server = links.iter().find(|link| SERVERS.contains(&link.name()));
    let server = server.ok_or_else(|| Error::new("no server in it that listens"))?;
    let listens = service.listens(server);
    let of_systemd = listens.first().filter(|_| !service.sockets.is_empty());
    let address = of_systemd.map(|(address, _)| Ok(*address)).or_else(|| address::said(server));
    let address = address.ok_or_else(|| Error::new("no server in it that listens"))?;
    let mut address = address.map_err(Error::new)?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(loopback()),
        _ => {}
    }
    Ok(address)
}

/// Where every address is listened on: that of IPv6, unless this machine does without.
fn loopback() -> IpAddr {
    let ipv6 = Ipv6Addr::LOCALHOST;
    if TcpListener::bind((ipv6, 0)).is_ok() { ipv6.into() } else { Ipv4Addr::LOCALHOST.into() }
}

fn show_log(path: &Path) {
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        print_line(&format!("  log      {}", Escaped(line.as_bytes())));
    }
}
