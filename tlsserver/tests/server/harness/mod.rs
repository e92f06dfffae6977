//! Runs the built server on an ephemeral loopback port, and clients against it.
//!
//! Nothing here waits by the clock: what is waited for is a log line, an end of
//! file, a process's end. Where that never comes, [`PATIENCE`] ends, and what was seen
//! so far is printed.

pub(crate) mod client;
pub(crate) mod processes;
mod supervisor;
pub(crate) mod tracer;

use processes::Held;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use supervisor::Supervisor;
use tempfile::TempDir;
use test_support::certificate::Pem;
use test_support::hanging::Hanging;
pub(crate) use test_support::log::Log;
pub(crate) use test_support::needs::is_root;
use test_support::process;
use test_support::run::{hand_over, output, stderr};
pub(crate) use test_support::server::Server as Listening;
use test_support::service::PATH;
pub(crate) use test_support::wait::PATIENCE;
use test_support::wait::{self, Gate, until};

/// What the server will be started with.
pub(crate) struct Setup {
    pub(crate) options: Vec<String>,
    host: String,
    pub(crate) variables: Vec<(String, String)>,
    program: Vec<String>,
    delayed: bool,
    pub(crate) directory: TempDir,
}

impl Setup {
    pub(crate) fn new(program: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pem = certificate("localhost");
        pem.write(directory.path(), "server");
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let mut variables = vec![
            ("CERTFILE".to_owned(), path("server.cert")),
            ("KEYFILE".to_owned(), path("server.key")),
        ];
        if is_root() {
            variables
                .extend([("SSL_UID".into(), "4711".into()), ("SSL_GID".into(), "4712".into())]);
        }
        Self {
            // All clients have the address of loopback.
            options: ["-1v", "-C", "10000"].map(str::to_owned).to_vec(),
            host: "127.0.0.1".to_owned(),
            variables,
            program: program.iter().map(ToString::to_string).collect(),
            delayed: false,
            directory,
        }
    }

    /// With the stand-in that asks for TLS and then becomes the program.
    pub(crate) fn delayed(program: &[&str]) -> Self {
        let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/stand-ins/starttls");
        let setup = Self::new(&[&[stand_in], program].concat()).option("-n");
        Self { delayed: true, ..setup }
    }

    pub(crate) fn host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    pub(crate) fn option(mut self, words: &str) -> Self {
        self.options.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With these rules, which tcprules compiles.
    pub(crate) fn rules(self, text: &str) -> Self {
        let compiled = compile_rules(self.directory.path(), text);
        self.option(&format!("-x {}", compiled.display()))
    }

    /// With its certificate on a file system that hangs when it is told to; none, and a word
    /// why, where the machine has no such thing.
    pub(crate) fn certificate_that_hangs(self) -> Option<(Self, Hanging)> {
        let certificate = fs::read(self.file("server.cert")).unwrap();
        let folder = tempfile::tempdir().unwrap().keep();
        let test = thread::current().name().unwrap_or_default().to_owned();
        let hanging = Hanging::mount(&test, &folder, &certificate)?;
        let file = hanging.file().to_str().unwrap().to_owned();
        Some((self.variable("CERTFILE", file), hanging))
    }

    /// With a gate, whose FIFO its programs find by `GO`.
    pub(crate) fn gated(self) -> (Self, Gate) {
        let fifo = self.file("go");
        let gate = Gate::make(&fifo);
        (self.variable("GO", fifo.to_str().unwrap()), gate)
    }

    /// With somebody whom it tells how far it is.
    pub(crate) fn supervised(self) -> (Self, Supervisor) {
        let path = self.file("notify");
        let supervisor = Supervisor::at(&path);
        (self.variable("NOTIFY_SOCKET", path.to_str().unwrap()), supervisor)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command, for those who run it their own way.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tlsserver"));
        command
            .args(&self.options)
            .args([&self.host, "0"])
            .args(&self.program)
            .env_clear()
            .env("PATH", PATH)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// It does not start: its exit code, and what it says.
    pub(crate) fn fails(&self) -> (Option<i32>, String) {
        let output = output(&mut self.command(), b"");
        (output.status.code(), stderr(&output))
    }

    pub(crate) fn start(self) -> Server {
        let command = self.command();
        self.start_as(command)
    }

    /// Starts it with as many descriptors for each process.
    pub(crate) fn start_limited(self, limit: usize) -> Server {
        let command = self.command();
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={limit}:{limit}")).env_clear();
        hand_over(&mut limited, &command);
        self.start_as(limited)
    }

    pub(crate) fn start_as(self, mut command: Command) -> Server {
        let mut running = Listening::start(command.stderr(Stdio::piped())).unwrap();
        let log = Log::of(running.child.stderr.take().unwrap());
        self.serves(running, log)
    }

    /// Starts it with this for its log, which somebody else reads.
    pub(crate) fn start_logging_to(self, log: impl Into<Stdio>) -> Server {
        let running = Listening::start(self.command().stderr(log)).unwrap();
        self.serves(running, Log::default())
    }

    /// It has been started, be it in another way.
    pub(crate) fn serves(self, running: Listening, log: Log) -> Server {
        let certificate = first_certificate(&fs::read(self.file("server.cert")).unwrap());
        let Self { delayed, directory, .. } = self;
        let port = running.port;
        let began_with = Held::default();
        let mut server = Server { port, running, log, certificate, delayed, directory, began_with };
        server.began_with = server.held();
        server
    }
}

/// A server that runs, until this is dropped.
pub(crate) struct Server {
    running: Listening,
    pub(crate) port: u16,
    pub(crate) log: Log,
    pub(crate) certificate: CertificateDer<'static>,
    /// Its program is the stand-in, which wants to be asked for TLS.
    pub(crate) delayed: bool,
    pub(crate) directory: TempDir,
    /// What it held once it served.
    pub(crate) began_with: Held,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal).unwrap();
    }

    /// Has it read its files again.
    pub(crate) fn reload(&self) {
        self.signal(Signal::HUP);
        self.log.wait_for(&["certificates reloaded"]);
    }

    /// Ends it, which goes well; the processes that it had, which may go on with sessions.
    #[track_caller]
    pub(crate) fn terminate(&mut self) -> Vec<u32> {
        let own = self.processes().iter().map(|one| one.pid).collect();
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
        own
    }

    /// One of its processes is killed, and it says so.
    #[track_caller]
    pub(crate) fn loses(&self, what: &str, pid: u32) {
        processes::kill(pid);
        self.log.wait_for(&[&format!("{what} {pid} died: signal 9; starting another")]);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait::for_end(&mut self.running.child)
    }

    /// Runs a client to its end with the input, `PORT` and `CERT` in its words being ours;
    /// whether it succeeded, and what it wrote, both ways together.
    pub(crate) fn client(&self, words: &str, input: &str) -> (bool, String) {
        let words = words
            .replace("PORT", &self.port.to_string())
            .replace("CERT", self.file("server.cert").to_str().unwrap());
        let mut words = words.split_whitespace();
        let mut client = Command::new(words.next().unwrap());
        client.args(words).env("HOME", self.directory.path());
        let Output { status, stdout, stderr } = output(&mut client, input.as_bytes());
        let text = [stdout, stderr].concat();
        (status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The same, and it succeeds.
    #[track_caller]
    pub(crate) fn succeeds(&self, words: &str, input: &str) -> String {
        let (success, text) = self.client(words, input);
        assert!(success, "{words}: {text}\n{}", self.log);
        text
    }

    /// Waits until nobody is connected any more, and the log has all that was said of who was.
    pub(crate) fn idle(&self) {
        until("end of all connections", || connections(self.port), |open| *open == 0);
        // It may be about to say so of one that is over already, and waits for others then.
        let listener = || process::Process::look(self.pid());
        until("listener that waits", listener, |seen| {
            seen.as_ref().is_none_or(|listener| "STZ".contains(listener.state))
        });
        self.log.catches_up();
        self.wait_for_status("nobody", |line| line.starts_with("tlsserver: status: 0/"));
    }

    /// Waits until the last status line fits.
    pub(crate) fn wait_for_status(&self, what: &str, fits: impl Fn(&str) -> bool) {
        self.log.wait(format_args!("status of {what}"), |lines| {
            let last = lines.iter().rev().find(|line| line.contains(": status: "));
            last.filter(|line| fits(line)).map(drop)
        });
    }
}

/// How many connections of a port the system has that the server has not closed.
fn connections(port: u16) -> usize {
    // Established, being established, and closed by the client, by their numbers in proc(5).
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let is_ours = fields.next().is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
        is_ours && fields.nth(1).is_some_and(|state| ["01", "03", "08"].contains(&state))
    };
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let tables = tables.into_iter().flatten();
    tables.map(|table| table.lines().filter(is_open).count()).sum()
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log: {:#?}", self.log.come());
        }
    }
}

/// Makes `rules.cdb` of these in a folder, as tcprules does: beside it, and then moved over it.
pub(crate) fn compile_rules(folder: &Path, text: &str) -> PathBuf {
    let compiled = folder.join("rules.cdb");
    let mut tcprules = Command::new("tcprules");
    let made = output(tcprules.arg(&compiled).arg(folder.join("rules.tmp")), text.as_bytes());
    assert!(made.status.success(), "{made:?}");
    compiled
}

/// A self-signed certificate for a name and for 127.0.0.1.
pub(crate) fn certificate(name: &str) -> Pem {
    certificate_until(name, 4000)
}

/// The same, good until that year begins.
pub(crate) fn certificate_until(name: &str, year: i32) -> Pem {
    Pem::with(&[name, "127.0.0.1"], |wanted| wanted.not_after = rcgen::date_time_ymd(year, 1, 1))
}

pub(crate) fn first_certificate(pem: &[u8]) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(pem).unwrap()
}
