//! Dovecot: login, submission in front of the bare server, POP3 and IMAP from an empty
//! maildir, and IMAP's login as a proxy.

use std::fs;
use std::io;
use std::process::Command;
use test_support::folder::Folder;
use test_support::server::free_port;
use test_support::service::{NOBODY, give_to_nobody};

use super::{Chain, Running, Server, chains};
use crate::service::{PASSWORD, Protocol};

pub(super) fn start(workshop: &Folder, protocol: Protocol) -> io::Result<Running> {
    let held = free_port();
    let port = held.number;
    let home = workshop.path(&format!("home-{port}"));
    fs::create_dir(&home)?;
    give_to_nobody(&home);
    let (configuration, behind) = match protocol {
        Protocol::Smtp => {
            let behind = chains::bare(workshop, Chain::Smtp)?;
            let to = format!(
                "submission_relay_host = 127.0.0.1\nsubmission_relay_port = {}\n",
                behind.0.port
            );
            (to + &service(workshop, "submission", port), vec![behind])
        }
        Protocol::Pop3 => (service(workshop, "pop3", port), vec![]),
        Protocol::Imap => (service(workshop, "imap", port), vec![]),
    };
    run(workshop, port, &configuration, behind)
}

/// Its login for IMAP, which logs in to the bare server for the client.
pub(super) fn proxy(workshop: &Folder) -> io::Result<Running> {
    let held = free_port();
    let port = held.number;
    let behind = chains::bare(workshop, Chain::Imap)?;
    let own = format!("args = password={PASSWORD}");
    let to = format!("args = proxy=y host=127.0.0.1 port={} nopassword=y", behind.0.port);
    let configuration = service(workshop, "imap", port).replace(&own, &to);
    run(workshop, port, &configuration, vec![behind])
}

fn run(
    workshop: &Folder,
    port: u16,
    configuration: &str,
    behind: Vec<Server>,
) -> io::Result<Running> {
    let configuration = workshop.write(&format!("dovecot-{port}.conf"), configuration);
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(configuration);
    let mut servers = vec![Server::told_its_port(&mut command, port)?];
    servers.extend(behind);
    Ok(Running { servers })
}

fn service(workshop: &Folder, name: &str, port: u16) -> String {
    let home = workshop.name(&format!("home-{port}"));
    format!(
        "base_dir = {base}\nprotocols = {name}\nlisten = 127.0.0.1\nssl = yes\n\
         ssl_cert = <{cert}\nssl_key = <{key}\nlog_path = /dev/null\nhostname = localhost\n\
         disable_plaintext_auth = no\nmail_location = maildir:~/Maildir\n\
         mail_max_userip_connections = 0\ndefault_client_limit = 10000\n\
         passdb {{\n driver = static\n args = password={PASSWORD}\n}}\n\
         userdb {{\n driver = static\n args = uid={NOBODY} gid={NOBODY} home={home}\n}}\n\
         service {name}-login {{\n inet_listener {name} {{\n port = {port}\n }}\n\
         inet_listener {name}s {{\n port = 0\n }}\n process_limit = 2000\n}}\n\
         service {name} {{\n process_limit = 2000\n}}\n",
        base = workshop.name(&format!("dovecot-{port}")),
        cert = workshop.name("server.cert"),
        key = workshop.name("server.key"),
    )
}
