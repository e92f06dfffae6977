//! A stand-in for a UCSPI-TLS server, for tests with real clients.
//!
//! `ucspi-tls-stand-in CERTIFICATE KEY prog [arg ...]` listens on a port of 127.0.0.1,
//! prints the port, and runs prog for each connection as `sslserver -n` would. It lives
//! until it is killed, does TLS in its own process, and is in no way made for use.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let (certificate, key) =
        (arguments.next().context("no certificate")?, arguments.next().context("no key")?);
    let command: Vec<String> = arguments.collect();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?,
                PrivateKeyDer::from_pem_file(key)?,
            )?;
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    for connection in listener.incoming() {
        let (connection, config, command) = (connection?, Arc::clone(&config), command.clone());
        // A connection that fails is its client's business; the test looks at the client.
        std::thread::spawn(move || serve(&connection, config, &command));
    }
    Ok(ExitCode::SUCCESS)
}

/// Our ends of one connection's descriptors.
struct Ends {
    control: UnixStream,
    from_program: UnixStream,
    to_program: UnixStream,
}

fn serve(connection: &TcpStream, config: Arc<ServerConfig>, command: &[String]) -> Result<()> {
    connection.set_nodelay(true)?;
    let (name, arguments) = command.split_first().context("no program")?;
    let mut program = Command::new(name);
    program.args(arguments);
    let ends = pass_descriptors(&mut program)?;
    let address = connection.peer_addr()?;
    program.env("PROTO", "TCP").env("TCPREMOTEIP", address.ip().to_string());
    program.env("TCPREMOTEPORT", address.port().to_string());
    program.stdin(Stdio::from(OwnedFd::from(connection.try_clone()?)));
    program.stdout(Stdio::from(OwnedFd::from(connection.try_clone()?)));
    let mut child = program.spawn()?;
    // Closes our copies of the program's ends.
    drop(program);
    let done = wait_for_tls(connection, config, ends);
    let _status = child.wait()?;
    connection.shutdown(Shutdown::Both)?;
    done
}

fn pass_descriptors(program: &mut Command) -> Result<Ends> {
    let (control, control_theirs) = UnixStream::pair()?;
    let (from_program, their_output) = UnixStream::pair()?;
    let (to_program, their_input) = UnixStream::pair()?;
    let mapping = |parent: UnixStream, child_fd| FdMapping { parent_fd: parent.into(), child_fd };
    program.fd_mappings(vec![
        mapping(control_theirs, 7),
        mapping(their_input, 8),
        mapping(their_output, 9),
    ])?;
    program.env("SSLCTLFD", "7").env("SSLREADFD", "8").env("SSLWRITEFD", "9");
    Ok(Ends { control, from_program, to_program })
}

/// Does nothing unless the program asks; then shakes hands, reports and relays.
fn wait_for_tls(connection: &TcpStream, config: Arc<ServerConfig>, mut ends: Ends) -> Result<()> {
    let mut asked = [0; 1];
    if ends.control.read(&mut asked)? == 0 {
        return Ok(());
    }
    ensure!(matches!(asked, [b'Y' | b'y']), "asked for {asked:?}");
    let mut tls = ServerConnection::new(config)?;
    let mut network = connection;
    while tls.is_handshaking() {
        tls.complete_io(&mut network)?;
    }
    if asked == *b"Y" {
        ends.control.write_all(facts(&tls).as_bytes())?;
    }
    drop(ends.control);
    relay(&mut tls, connection, &ends.from_program, &ends.to_program)
}

fn facts(tls: &ServerConnection) -> String {
    let protocol = match tls.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let cipher = tls
        .negotiated_cipher_suite()
        .map(|suite| format!("{:?}", suite.suite()))
        .unwrap_or_default();
    format!("SSL_PROTOCOL={protocol}\0SSL_CIPHER={cipher}\0\0")
}

/// Moves bytes until the program closes its side.
fn relay(
    tls: &mut ServerConnection,
    network: &TcpStream,
    mut from: &UnixStream,
    to: &UnixStream,
) -> Result<()> {
    let mut client_ended = false;
    let mut buffer = vec![0; 16384];
    loop {
        // First what came together with the end of the handshake.
        if !client_ended {
            client_ended = hand_over(tls, to)?;
        }
        flush(tls, network)?;
        let mut polled = vec![PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
        if !client_ended {
            polled.push(PollFd::from_borrowed_fd(network.as_fd(), PollFlags::IN));
        }
        poll(&mut polled, None)?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready.first() == Some(&true) {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                tls.send_close_notify();
                return flush(tls, network);
            }
            tls.writer().write_all(buffer.split_at(count).0)?;
        }
        if ready.get(1) == Some(&true) && tls.read_tls(&mut &*network)? == 0 {
            client_ended = true;
            to.shutdown(Shutdown::Write)?;
        }
    }
}

/// Gives the program what the client said; says whether the client has ended.
fn hand_over(tls: &mut ServerConnection, mut to: &UnixStream) -> Result<bool> {
    let state = tls.process_new_packets()?;
    let mut plain = vec![0; state.plaintext_bytes_to_read()];
    tls.reader().read_exact(&mut plain)?;
    // A program that has ended does not read what was still on its way.
    let _may_have_ended = to.write_all(&plain);
    if state.peer_has_closed() {
        to.shutdown(Shutdown::Write)?;
    }
    Ok(state.peer_has_closed())
}

fn flush(tls: &mut ServerConnection, network: &TcpStream) -> Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut &*network)?;
    }
    Ok(())
}
