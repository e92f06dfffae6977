//! Runs the built server on an ephemeral loopback port, and clients against it.
//!
//! Nothing here waits by the clock: what is waited for is a log line, an end of
//! file, a process's end. Where that never comes, the test runner's patience is
//! bounded by [`PATIENCE`], and what was seen so far is printed.

pub(crate) mod client;
pub(crate) mod processes;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// When to give up on something that should have happened at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn start(self) -> Server {
        let command = self.command();
        self.start_as(command)
    }

    /// Starts it with as many descriptors for each process.
    pub(crate) fn start_limited(self, limit: usize) -> Server {
        let command = self.command();
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={limit}:{limit}")).arg(command.get_program());
        limited.args(command.get_args()).env_clear();
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.start_as(limited)
    }

    pub(crate) fn start_as(self, mut command: Command) -> Server {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port =
            line.trim().parse().unwrap_or_else(|_| panic!("no port; log: {:?}", log.lines()));
        let pem = fs::read(self.file("server.cert")).unwrap();
        let certificate = first_certificate(&pem);
        let Self { delayed, directory, .. } = self;
        Server { child, port, log, certificate, delayed, directory }
    }
}

/// A server that runs, until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) log: Log,
    pub(crate) certificate: CertificateDer<'static>,
    /// Its program is the stand-in, which wants to be asked for TLS.
    pub(crate) delayed: bool,
    pub(crate) directory: TempDir,
}

impl Server {
    /// One that was started in another way, for immediate TLS.
    pub(crate) fn of(
        child: Child,
        port: u16,
        log: Log,
        certificate: CertificateDer<'static>,
        directory: TempDir,
    ) -> Self {
        Self { child, port, log, certificate, delayed: false, directory }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits for its end, and not for ever.
    pub(crate) fn wait_within_patience(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        let flags = rustix::process::PidfdFlags::empty();
        let ended = rustix::process::pidfd_open(pid, flags).unwrap();
        let mut waiting = [rustix::event::PollFd::new(&ended, rustix::event::PollFlags::IN)];
        let patience = PATIENCE.try_into().unwrap();
        let count = rustix::event::poll(&mut waiting, Some(&patience)).unwrap();
        assert_eq!(count, 1, "the server does not end; log: {:?}", self.log.lines());
        self.wait()
    }

    /// Waits until nobody is connected any more.
    pub(crate) fn idle(&self) {
        self.log.wait_for_last("a status line that says 0", |line| {
            line.starts_with("tlsserver: status: 0/")
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process writes, line by line, while it runs.
#[derive(Clone)]
pub(crate) struct Log(Arc<(Mutex<Written>, Condvar)>);

/// The lines, and whether there will be no more.
type Written = (Vec<String>, bool);

impl Log {
    pub(crate) fn of(source: impl std::io::Read + Send + 'static) -> Self {
        let log = Self(Arc::new((Mutex::new((Vec::new(), false)), Condvar::new())));
        let writer = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                writer.0.0.lock().unwrap().0.push(line);
                writer.0.1.notify_all();
            }
            writer.0.0.lock().unwrap().1 = true;
            writer.0.1.notify_all();
        });
        log
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap().0.clone()
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(part)).count()
    }

    /// Waits for a line that contains all the parts, and returns it.
    pub(crate) fn wait_for(&self, parts: &[&str]) -> String {
        let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.wait(&format!("{parts:?}"), |lines| lines.iter().find(fits).cloned())
    }

    /// Waits until as many lines contain the part.
    pub(crate) fn wait_for_count(&self, part: &str, count: usize) {
        self.wait(&format!("{count} x {part:?}"), |lines| {
            (lines.iter().filter(|line| line.contains(part)).count() >= count).then_some(())
        });
    }

    /// Waits until the last status line fits.
    pub(crate) fn wait_for_last(&self, what: &str, fits: impl Fn(&str) -> bool) {
        self.wait(what, |lines| {
            let last = lines.iter().rev().find(|line| line.contains(": status: "));
            last.filter(|line| fits(line)).map(drop)
        });
    }

    fn wait<T>(&self, what: &str, mut find: impl FnMut(&[String]) -> Option<T>) -> T {
        let mut held = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = find(&held.0) {
                return found;
            }
            assert!(!held.1, "the log ended without {what}: {:#?}", held.0);
            let (again, timeout) = self.0.1.wait_timeout(held, PATIENCE).unwrap();
            held = again;
            assert!(!timeout.timed_out(), "no {what} in {:#?}", held.0);
        }
    }
}

/// A certificate and its key.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pem {
    /// Writes `NAME.cert` and `NAME.key`, the key for root alone.
    pub(crate) fn write(&self, directory: &Path, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        let key = directory.join(format!("{name}.key"));
        fs::write(directory.join(format!("{name}.cert")), &self.certificate).unwrap();
        fs::write(&key, &self.key).unwrap();
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// A self-signed certificate for a name and for 127.0.0.1.
pub(crate) fn certificate(name: &str) -> Pem {
    certificate_until(name, 4000)
}

/// The same, good until that year begins.
pub(crate) fn certificate_until(name: &str, year: i32) -> Pem {
    let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    Pem { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

pub(crate) fn first_certificate(pem: &[u8]) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(pem).unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the tests must not go on, because they need root; says so loudly.
pub(crate) fn skipped_without_root(what: &str) -> bool {
    if !is_root() {
        say(format_args!("SKIPPED, NEEDS ROOT: {what}"));
    }
    !is_root()
}

/// Whether a program is missing; says so loudly. Where `CI` is set that is a failure.
pub(crate) fn skipped_without(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.iter().any(|folder| folder.join(program).exists());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        say(format_args!("SKIPPED, NEEDS THE PROGRAM {program}"));
    }
    !found
}

/// Past the test runner, which keeps what a test that passes prints to itself.
fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
