//! A mail service from real parts on loopback: a qmail home, a user with a mailbox,
//! and servers that run the programs under test for each connection.
//!
//! Called by the tests `chains`.

use std::fs;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use test_support::certificate::Pem;
use test_support::folder::{Folder, write_secret};
pub use test_support::needs::is_root;
pub use test_support::server::Server;
use test_support::service::{
    AS_NOBODY, NOBODY, add_user, give_to_nobody, make_home, with_certificate,
};
use test_support::{needs, run, service};

use crate::programs::Programs;

/// Who runs the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// Root, which becomes an ordinary user by logging in.
    Root,
    /// An ordinary user from first to last.
    Ordinary,
}

/// A service's files, and how to start its servers.
#[derive(Debug)]
pub struct Chain<'a> {
    folder: Folder,
    programs: &'a Programs,
    whose: As,
}

impl Deref for Chain<'_> {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl<'a> Chain<'a> {
    /// Makes the files: control files as shipped, a user bob with password `pass word`, a
    /// mailbox of his, a certificate.
    pub fn new(programs: &'a Programs, whose: As) -> Result<Self> {
        let chain = Self { folder: Folder::make(), programs, whose };
        let control = chain.path("home/control");
        fs::create_dir_all(&control)?;
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/control");
        for name in ["fixsmtpio", "smtpcapabilities", "pop3capabilities", "imapcapabilities"] {
            fs::copy(shipped.join(name), control.join(name))
                .with_context(|| format!("contrib/control/{name}"))?;
        }
        chain.write("home/control/me", "mail.example.org\n");
        make_home(&chain.path("bob"));
        for name in ["spool", "client"] {
            fs::create_dir(chain.path(name))?;
        }
        give_to_nobody(&chain.path("spool"));
        let mut acceptutils = chain.own_command("acceptutils");
        add_user(&mut acceptutils, &chain.path("users"), &chain.path("bob"), "pass word\n");
        Pem::of(&["mail.example.org", "localhost", "127.0.0.1"]).write(&chain, "server");
        // Whoever starts the server reads the key, and nobody else; and checkpassword-file
        // trusts the users file of root and of the user that it runs as.
        for name in ["client", "server.key", "users"] {
            chain.give_to_service(name);
        }
        chain.write("exim.conf", chain.exim_config());
        chain.write("mailrules", "k*:*:Yes\n:recipient\nk*:*:Yes\n");
        Ok(chain)
    }

    fn give_to_service(&self, name: &str) {
        if !self.begins_as_root() {
            give_to_nobody(&self.path(name));
        }
    }

    /// Exim, run by and as whoever logged in, delivering into his mailbox before it answers.
    fn exim_config(&self) -> String {
        let folder = self.folder.display();
        format!(
            "primary_hostname = mail.example.org\nspool_directory = {folder}/spool\n\
             log_file_path = {folder}/spool/%slog\nexim_user = {NOBODY}\nexim_group = {NOBODY}\n\
             trusted_users = {NOBODY}\nuntrusted_set_sender = *\ndeliver_drop_privilege\nhost_lookup =\n\
             rfc1413_hosts =\nsmtp_accept_max_nonmail = 1000\nhosts_require_helo = *\ntls_advertise_hosts =\nkeep_environment =\nacl_smtp_rcpt = accept\n\
             acl_smtp_data = accept\nbegin routers\nall:\n  driver = accept\n  transport = maildir\n\
             begin transports\nmaildir:\n  driver = appendfile\n  directory = {folder}/bob/Maildir\n  \
             maildir_format\n  user = {NOBODY}\n  group = {NOBODY}\n"
        )
    }

    /// The words that run fixsmtpio before Exim, which delivers before it answers.
    #[must_use]
    pub fn exim(&self) -> [String; 6] {
        ["fixsmtpio", "exim4", "-C", &self.name("exim.conf"), "-odf", "-bs"].map(str::to_owned)
    }

    /// The words that let bob log in by authup and checkpassword-file, before these.
    #[must_use]
    pub fn login(&self, protocol: &str, server: &[impl AsRef<str>]) -> Vec<String> {
        let home = format!("QMAILHOME={}", self.name("home"));
        let users = self.name("users");
        let check = ["authup", protocol, "checkpassword-file", "-f", &users, "env", &home];
        let server = server.iter().map(AsRef::as_ref);
        check.into_iter().chain(server).map(str::to_owned).collect()
    }

    /// The words that become nobody, where the service is root's to begin with and no login
    /// comes before what follows.
    #[must_use]
    pub fn nobody(&self) -> &'static [&'static str] {
        if self.begins_as_root() { &AS_NOBODY } else { &[] }
    }

    /// A file that only whoever runs the clients may read.
    #[must_use]
    pub fn client_file(&self, name: &str, text: &str) -> String {
        write_secret(&self.path(name), text);
        self.give_to_service(name);
        self.name(name)
    }

    /// A command that finds the programs under test, with a clean environment.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = self.own_command(name);
        if !self.begins_as_root() && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Whether the service's first program runs as root.
    #[must_use]
    pub fn begins_as_root(&self) -> bool {
        self.whose == As::Root
    }

    /// The same, run by whoever runs the tests.
    fn own_command(&self, name: &str) -> Command {
        let mut command = service::command(name, self.programs.folder());
        command.env("QMAILHOME", self.path("home")).env("LC_ALL", "C");
        // smtpfront-echo takes mail from and for anybody, and drops it.
        command.env("PLUGINS", "mailrules").env("MAILRULES", self.path("mailrules"));
        command.env("HOME", self.path("client")).current_dir(&*self.folder);
        command
    }

    /// Starts tlsserver for a program that asks for TLS (ports 587, 25 and 110), and
    /// requires it if `ucspitls` is `!`.
    pub fn tls_server(&self, ucspitls: &str, arguments: &[impl AsRef<str>]) -> Result<Server> {
        self.tlsserver(&["-n"], ucspitls, arguments)
    }

    /// Starts tlsserver with these options; without `-n`, TLS begins with the first octet
    /// (ports 465 and 995).
    pub fn tlsserver(
        &self,
        options: &[&str],
        ucspitls: &str,
        arguments: &[impl AsRef<str>],
    ) -> Result<Server> {
        let mut command = self.tls_command(options, arguments);
        self.start(command.env("UCSPITLS", ucspitls))
    }

    /// The same, not started yet.
    #[must_use]
    pub fn tls_command(&self, options: &[&str], arguments: &[impl AsRef<str>]) -> Command {
        let mut command = self.command("tlsserver");
        // All clients have the address of loopback.
        command
            .args(["-C", "10000"])
            .args(options)
            .args(["-1", "-Q", "-H", "-R", "-l", "mail.example.org", "127.0.0.1", "0"])
            .args(arguments.iter().map(AsRef::as_ref));
        with_certificate(&mut command, self);
        command
    }

    /// Starts tcpserver, without TLS.
    pub fn plain_server(&self, arguments: &[impl AsRef<str>]) -> Result<Server> {
        self.start(&mut self.plain_command("127.0.0.1", arguments))
    }

    /// tcpserver on an address of one's choice, not started yet.
    #[must_use]
    pub fn plain_command(&self, host: &str, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = self.command("tcpserver");
        command.args(["-1", "-q", "-H", "-R", "-l", "mail.example.org", host, "0"]);
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// Starts a server that prints its port, with the servers' log, as the first of a process
    /// group.
    pub fn start(&self, command: &mut Command) -> Result<Server> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("server.log"))?;
        start_logging_to(command, log)
    }

    /// Runs a client to its end, with `input` on its standard input.
    pub fn client(&self, arguments: &[&str], input: &[u8]) -> Result<Output> {
        // A client that hangs is a failure, with what it said so far.
        Ok(run::output(self.command("timeout").arg("60").args(arguments), input))
    }

    /// The same, and it must succeed; gives what it wrote.
    pub fn succeeds(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let output = self.client(arguments, input)?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}\n{}",
            output.status,
            self.told(&output)
        );
        Ok(output.stdout)
    }

    /// All that a client said, and the server's log.
    #[must_use]
    pub fn told(&self, output: &Output) -> String {
        let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
        all.push_str(&String::from_utf8_lossy(&output.stderr));
        all.push_str("--- server:\n");
        all.push_str(&self.log());
        for log in ["mainlog", "paniclog", "dovecot.log"] {
            all.push_str(&fs::read_to_string(self.path("spool").join(log)).unwrap_or_default());
        }
        all
    }

    /// What the servers wrote on standard error.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// The messages in a Maildir, such as bob's, with their owner.
    pub fn mailbox(&self, maildir: &str) -> Result<Vec<(Vec<u8>, u32)>> {
        let mut all = Vec::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.path(maildir).join(folder))? {
                let entry = entry?;
                let owner = std::os::unix::fs::MetadataExt::uid(&entry.metadata()?);
                all.push((fs::read(entry.path())?, owner));
            }
        }
        Ok(all)
    }
}

/// The same with a log of one's own.
pub fn start_logging_to(command: &mut Command, log: impl Into<Stdio>) -> Result<Server> {
    Ok(Server::start(command.stderr(log).process_group(0))?)
}

/// Dovecot's IMAP server as Debian installs it, outside of Dovecot.
pub const DOVECOT: [&str; 6] = [
    "/usr/lib/dovecot/imap",
    "-k",
    "-o",
    "mail_location=maildir:~/Maildir",
    "-o",
    "log_path=/dev/stderr",
];

/// The need for a test to be run by root, as [`is_installed`] is asked for it.
pub const ROOT: &str = "root";

/// Whether a program of the system's is there.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    if program == ROOT { is_root() } else { needs::is_installed(program) }
}
