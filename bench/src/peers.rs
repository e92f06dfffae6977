//! The servers, each as its own documentation has it, on ephemeral loopback ports.

use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder with what the servers need: certificate, key, control files.
pub(crate) struct Workshop {
    directory: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> io::Result<Self> {
        let directory = TempDir::with_prefix("bench")?;
        let params = CertificateParams::new(vec!["localhost".to_owned()]);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.and_then(|params| params.self_signed(&key));
        let certificate = certificate.map_err(io::Error::other)?.pem();
        let workshop = Self { directory };
        workshop.write("cert.pem", &certificate)?;
        workshop.write("key.pem", &key.serialize_pem())?;
        workshop.write("both.pem", &format!("{}{certificate}", key.serialize_pem()))?;
        fs::create_dir(workshop.path("control"))?;
        workshop.write("control/me", "localhost\n")?;
        workshop.write("control/smtpcapabilities", "PIPELINING\n8BITMIME\n")?;
        Ok(workshop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// A server that runs, until this is dropped.
pub(crate) struct Peer {
    child: Child,
    pub(crate) port: u16,
}

impl Peer {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts what says its port on standard output once it is ready.
    fn saying_its_port(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| io::Error::other("it did not start"))?;
        Ok(Self { child, port })
    }

    /// Starts what was told its port, and waits until it listens.
    fn told_its_port(command: &mut Command, port: u16) -> io::Result<Self> {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut peer = Self { child, port };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if peer.child.try_wait()?.is_some() || Instant::now() > end {
                return Err(io::Error::other("it did not start"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // By TERM, so that what has workers ends them.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of ours, built beside this one.
fn ours(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() { Ok(path) } else { Err(io::Error::other(format!("{name} is not built"))) }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn tlsserver_command(workshop: &Workshop) -> io::Result<Command> {
    let mut command = Command::new(ours("tlsserver")?);
    command
        .env("CERTFILE", workshop.path("cert.pem"))
        .env("KEYFILE", workshop.path("key.pem"))
        .args(["-1", "-c", "3000"]);
    Ok(command)
}

pub(crate) fn tlsserver(workshop: &Workshop) -> io::Result<Peer> {
    let mut command = tlsserver_command(workshop)?;
    command.env("UCSPITLS", "!").env("QMAILHOME", workshop.directory.path());
    command.args(["-n", "127.0.0.1", "0"]).arg(ours("authup")?).args(["smtp", "/bin/false"]);
    Peer::saying_its_port(&mut command)
}

pub(crate) fn tlsserver_sink(workshop: &Workshop) -> io::Result<Peer> {
    let mut command = tlsserver_command(workshop)?;
    command.args(["127.0.0.1", "0"]).arg(ours("bench")?).arg("sink");
    Peer::saying_its_port(&mut command)
}

pub(crate) fn bare_sink(_: &Workshop) -> io::Result<Peer> {
    let mut command = Command::new("tcpserver");
    command.args(["-1RHDl0", "-b128", "-c200", "127.0.0.1", "0"]).arg(ours("bench")?).arg("sink");
    Peer::saying_its_port(&mut command)
}

pub(crate) fn tlswrapper(workshop: &Workshop) -> io::Result<Peer> {
    let mut command = Command::new("tcpserver");
    command.args(["-1RHDl0", "-b128", "-c200", "127.0.0.1", "0"]);
    command.args(["tlswrapper", "-n", "-f"]).arg(workshop.path("both.pem"));
    command.arg("tlswrapper-smtp").arg(ours("bench")?).arg("sink");
    Peer::saying_its_port(&mut command)
}

fn nginx_configuration(workshop: &Workshop, tls: &str, auth: u16, port: u16) -> String {
    let file = |name| workshop.text(name);
    format!(
        "daemon off; worker_processes auto; pid {pid}; error_log /dev/null;\n\
         load_module modules/ngx_mail_module.so;\n\
         events {{ worker_connections 4096; }}\n\
         mail {{ server_name localhost; auth_http 127.0.0.1:{auth}/; {tls}\n\
         ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;\n\
         server {{ listen 127.0.0.1:{port} {on}; protocol smtp; smtp_auth none; xclient off; }} }}\n",
        pid = file("nginx.pid"),
        cert = file("cert.pem"),
        key = file("key.pem"),
        on = if tls.is_empty() { "ssl" } else { "" },
    )
}

fn start_nginx(workshop: &Workshop, tls: &str, auth: u16) -> io::Result<Peer> {
    let port = free_port()?;
    let configuration = nginx_configuration(workshop, tls, auth, port);
    let configuration = workshop.write("nginx.conf", &configuration)?;
    let mut command = Command::new("nginx");
    command.args(["-p", "/usr/share/nginx", "-c"]).arg(configuration);
    Peer::told_its_port(&mut command, port)
}

pub(crate) fn nginx(workshop: &Workshop) -> io::Result<Peer> {
    start_nginx(workshop, "starttls on;", 9)
}

/// In front of the sink; where that is, nginx asks by HTTP.
pub(crate) fn nginx_sink(workshop: &Workshop) -> io::Result<Vec<Peer>> {
    let behind = bare_sink(workshop)?;
    let sink = behind.port;
    let listening = TcpListener::bind("127.0.0.1:0")?;
    let auth = listening.local_addr()?.port();
    thread::spawn(move || {
        for mut socket in listening.incoming().map_while(Result::ok) {
            let mut held = [0; 4096];
            let _ = socket.read(&mut held);
            let answer = format!(
                "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\
                 Auth-Port: {sink}\r\n\r\n"
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    Ok(vec![behind, start_nginx(workshop, "", auth)?])
}

pub(crate) fn dovecot(workshop: &Workshop) -> io::Result<Peer> {
    let port = free_port()?;
    let base = workshop.text("dovecot");
    let configuration = format!(
        "base_dir = {base}\nprotocols = submission\nlisten = 127.0.0.1\nssl = yes\n\
         ssl_cert = <{cert}\nssl_key = <{key}\nlog_path = /dev/null\nhostname = localhost\n\
         submission_relay_host = 127.0.0.1\n\
         passdb {{\n driver = static\n args = password=x\n}}\n\
         userdb {{\n driver = static\n args = uid=65534 gid=65534 home={base}\n}}\n\
         service submission-login {{\n inet_listener submission {{\n port = {port}\n }}\n\
         process_limit = 500\n}}\n",
        cert = workshop.text("cert.pem"),
        key = workshop.text("key.pem"),
    );
    let configuration = workshop.write("dovecot.conf", &configuration)?;
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(configuration);
    Peer::told_its_port(&mut command, port)
}
