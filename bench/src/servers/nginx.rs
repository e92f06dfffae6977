//! nginx's mail proxy, and the service by HTTP that tells it who may log in, and where
//! the server is.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use test_support::folder::Folder;
use test_support::server::free_port;

use super::{BACKLOG, Chain, Offer, Running, Server, chains};
use crate::service::Protocol;

pub(super) fn start(workshop: &Folder, offer: Offer) -> io::Result<Running> {
    let chain = match offer.protocol {
        Protocol::Smtp => Chain::Smtp,
        Protocol::Pop3 => Chain::Pop3,
        Protocol::Imap => Chain::Imap,
    };
    let behind = chains::bare(workshop, chain)?;
    let auth = answer_everybody(behind.0.port)?;
    let held = free_port();
    let port = held.number;
    let configuration = configuration(workshop, offer, auth, port);
    let configuration = workshop.write(&format!("nginx-{port}.conf"), &configuration);
    let mut command = Command::new("nginx");
    command.args(["-p", "/usr/share/nginx", "-c"]).arg(configuration);
    let front = Server::told_its_port(&mut command, port)?;
    Ok(Running { servers: vec![front, behind] })
}

fn configuration(workshop: &Folder, offer: Offer, auth: u16, port: u16) -> String {
    let protocol = match (offer.protocol, offer.login) {
        (Protocol::Pop3, _) => "pop3; pop3_auth plain",
        (Protocol::Imap, _) => "imap; imap_auth plain",
        (Protocol::Smtp, true) => "smtp; smtp_auth plain",
        (Protocol::Smtp, false) => "smtp; smtp_auth none",
    };
    format!(
        "daemon off; worker_processes auto; pid {pid}; error_log /dev/null;\n\
         load_module modules/ngx_mail_module.so; worker_rlimit_nofile 20000;\n\
         events {{ worker_connections 10000; }}\n\
         mail {{ server_name localhost; auth_http 127.0.0.1:{auth}/; starttls {starttls};\n\
         ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;\n\
         server {{ listen 127.0.0.1:{port} backlog={BACKLOG}; protocol {protocol}; xclient off; }} }}\n",
        pid = workshop.name(&format!("nginx-{port}.pid")),
        starttls = if offer.tls { "only" } else { "off" },
        cert = workshop.name("server.cert"),
        key = workshop.name("server.key"),
    )
}

/// Lets everybody in, to the server on this port; for as long as this program runs.
fn answer_everybody(server: u16) -> io::Result<u16> {
    let listening = TcpListener::bind("127.0.0.1:0")?;
    let port = listening.local_addr()?.port();
    let answer = format!(
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\
         Auth-Port: {server}\r\n\r\n"
    );
    thread::spawn(move || {
        for mut socket in listening.incoming().map_while(Result::ok) {
            let mut held = [0; 4096];
            let _ = socket.read(&mut held);
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    Ok(port)
}
