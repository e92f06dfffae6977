//! A real login through the real programs: what the run script runs, but on a free
//! port of this machine.

use super::services::Service;
use crate::certificate;
use crate::client::{Begin, Conversation, Server};
use crate::outcome::{Error, say};
use crate::passwd;
use crate::running::Scene;
use proto::escape::Escaped;
use proto::secret::Secret;
use std::path::Path;

/// The password, from a terminal or, if it is so said, from a line of standard input.
pub(super) fn password(user: &str, stdin: bool) -> Result<Secret, Error> {
    let read = if stdin {
        passwd::read_line(std::io::stdin().lock())
    } else {
        passwd::ask(&format!("Password of {}: ", Escaped(user.as_bytes())))
    };
    read.map_err(|error| Error::new(error.to_string()))
}

/// Logs in by each service that has a login; says whether all let the user in.
pub(super) fn check(
    services: &[Service],
    host: &str,
    user: &str,
    password: &Secret,
) -> Result<bool, Error> {
    let scene = Scene::new()?;
    let mut all_is_well = true;
    for service in services.iter().filter(|service| service.login().is_some()) {
        let path = service.path.display();
        say(&format!("\n{path}:"));
        let done = log_in(service, &scene, host, user, password);
        scene.stop();
        show_log(&scene.folder().join(LOG));
        match done {
            Ok(()) => say(&format!("  {user} is logged in")),
            Err(error) => {
                all_is_well = false;
                say(&format!("error: {path}: {user} is not logged in: {error}"));
            }
        }
    }
    Ok(all_is_well)
}

const LOG: &str = "log";

fn log_in(
    service: &Service,
    scene: &Scene,
    host: &str,
    user: &str,
    password: &Secret,
) -> Result<(), Error> {
    let Some((certificate, _)) = service.certificate() else {
        return Err(Error::new("no CERTFILE"));
    };
    let certificate = certificate::first(&certificate)?;
    let port = scene.start(&service.path, LOG)?;
    let server = Server { port, host: host.to_owned(), certificate };
    let mut conversation = Conversation::connect(&server)?;
    let begin = if service.starts_tls() { Begin::OnRequest } else { Begin::AtOnce };
    if service.login().as_deref() == Some("pop3") {
        conversation.pop3_login(begin, user, password)?;
        conversation.pop3_quit()
    } else {
        conversation.smtp_login(begin, user, password)?;
        conversation.smtp_quit()
    }
}

fn show_log(path: &Path) {
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        say(&format!("  log      {}", Escaped(line.as_bytes())));
    }
}
