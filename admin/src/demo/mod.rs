//! `acceptutils demo`: a whole service in a temporary folder, a message sent through
//! it and fetched again.
//!
//! The service is made by [`crate::init`] and run by its run scripts, but for the
//! ports, so that what is shown is what `init` gives. The mail server behind it is the one
//! that is installed ([`installed`]), where it can be had without a trace, or a small one of
//! the demonstration's own, which says so.

mod installed;

use crate::certificate;
use crate::client::{Begin, Conversation, Server};
use crate::command::CommandLine;
use crate::init::{Clients, Plan, imap_server, must_be_plain};
use crate::maildir;
use crate::outcome::{Error, Outcome, print_line};
use crate::passwd;
use crate::programs::{self, MailPrograms};
use crate::running::Scene;
use crate::services::script_of;
use crate::temporary;
use clap::Args;
use installed::{Arrival, Delivery, Installed};
use proto::secret::Secret;
use rustls::pki_types::CertificateDer;
use std::fs::Permissions;
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use unix::identity::{SystemUser, runs_as_root};

/// Demonstrate a login, and a message sent and fetched, in a temporary service
///
/// Nothing is installed, and nothing remains.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the service running, to try other clients
    #[arg(long)]
    keep: bool,
    /// Use a small mail server of its own, even if Exim or Postfix is installed
    #[arg(long)]
    own_server: bool,
}

const HOST: &str = "mail.example.org";
const USER: &str = "al";
const PROGRAMS: [&str; 7] = [
    "authup",
    "checkpassword-file",
    "checknotroot",
    "fiximapio",
    "fixsmtpio",
    "tlsserver",
    "demo-smtp-into-maildir",
];
const OWN_POP3: &str = "demo-pop3-from-maildir";
const POP3: &str = "pop3front-maildir";

/// The scratch service while it runs.
struct Demo {
    scene: Scene,
    /// The mail server that is installed, where it is behind the service.
    delivery: Option<Delivery>,
    password: String,
    certificate: CertificateDer<'static>,
    submission: u16,
    submissions: u16,
    pop3: u16,
    /// Where there is a server for it.
    imap: Option<u16>,
}

/// Runs the demonstration.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let demo = Demo::start(options)?;
    let shown = demo.converse();
    if let Err(error) = shown {
        demo.show_logs();
        return Err(error);
    }
    print_line(&demo.how_to_connect());
    if options.keep {
        print_line("\nRunning until Ctrl-C.");
        loop {
            std::thread::park();
        }
    }
    demo.scene.end()?;
    print_line(
        "\nThat was it: the services have ended, their files are gone.\n\
         To keep them running and try a client of your own:  make demo KEEP=1",
    );
    Ok(Outcome::Clean)
}

impl Demo {
    fn start(options: &Options) -> Result<Self, Error> {
        must_be_plain(&temporary::place(), "folder")?;
        let programs = own_programs()?;
        let installed = choose(options);
        let scene = Scene::new()?;
        let submission = installed.as_ref().map(Installed::submission);
        let home = scene.folder().join(USER);
        // Before it is asked what it offers: that is logged, too.
        let delivery =
            installed.map(|installed| installed.start(&scene, USER, &home)).transpose()?;
        let dir = scene.folder().join("service");
        let mut plan = Plan::new(dir.clone(), HOST.into());
        plan.clients = Clients::Here;
        let bin = programs_for_everybody(&programs, scene.folder())?;
        must_be_plain(&bin, "folder")?;
        let pop3 = programs::find(POP3, programs::USUAL)
            .map_or_else(|| OWN_POP3.to_owned(), |found| found.display().to_string());
        let smtp = bin.join("demo-smtp-into-maildir").display().to_string();
        let command = |text: &str| CommandLine::parse(text);
        plan.mail = MailPrograms {
            submission: command(submission.as_ref().unwrap_or(&smtp)),
            incoming: command(&smtp),
            pop3: command(&format!("{pop3} Maildir")),
            imap: Err(String::new()),
        };
        plan.bin = Some(bin);
        plan.mail.imap = imap_server(&plan);
        if runs_as_root() {
            // The user here is nobody, whom those who talk to strangers are not to be.
            let daemon = SystemUser::named("daemon").ok().flatten();
            plan.jail_ids = daemon.map(|daemon| (daemon.uid, daemon.gid));
        }
        plan.ask();
        plan.make()?;
        let password = random_password()?;
        add_user(&home, &dir, &password, delivery.as_ref())?;
        let start = |name: &str| scene.start(&dir.join(script_of(name)), name).map(|at| at.port());
        Ok(Self {
            submission: start("submission")?,
            submissions: start("submissions")?,
            pop3: start("pop3")?,
            imap: plan.mail.imap.as_ref().ok().map(|_| start("imap")).transpose()?,
            certificate: certificate::first(&plan.certificate)?,
            password,
            delivery,
            scene,
        })
    }

    fn converse(&self) -> Result<(), Error> {
        let address = self.address();
        let message = format!(
            "From: <{address}>\nTo: <{address}>\nSubject: Through the front door\n\n\
             Sent by submission, fetched by POP3.\n.A line that begins with a dot.\n"
        );
        let password = Secret::from(self.password.clone().into_bytes());

        print_line("Submission, STARTTLS (port 587): logging in and sending a message\n");
        let mut smtp = Conversation::connect(&self.server(self.submission))?;
        smtp.smtp_login(Begin::OnRequest, USER, &password)?;
        let arrival = Arrival::new(self.scene.folder().join(USER).join("Maildir/new"))?;
        smtp.submit(&address, &address, &message)?;
        smtp.smtp_quit()?;
        if let Some(delivery) = &self.delivery {
            arrival.wait()?;
            print_line(&format!("\n{} has delivered the message to {USER}.", delivery.name));
        }

        print_line("\nSubmission, TLS from the first octet (port 465): logging in\n");
        let mut smtp = Conversation::connect(&self.server(self.submissions))?;
        smtp.smtp_login(Begin::AtOnce, USER, &password)?;
        smtp.smtp_quit()?;

        if let Some(port) = self.imap {
            print_line("\nIMAP, STARTTLS (port 143): reading the message\n");
            let mut imap = Conversation::connect(&self.server(port))?;
            imap.imap_login(Begin::OnRequest, USER, &password)?;
            imap.imap_select()?;
            let read = imap.imap_fetch()?;
            imap.imap_quit()?;
            is_sent(&message, &read)?;
        }

        print_line("\nPOP3, STLS (port 110): fetching the message\n");
        let mut pop3 = Conversation::connect(&self.server(self.pop3))?;
        pop3.pop3_login(Begin::OnRequest, USER, &password)?;
        let fetched = pop3.fetch()?;
        pop3.pop3_quit()?;
        is_sent(&message, &fetched)?;
        print_line("\nThe message is back, as it was sent.");
        Ok(())
    }

    /// The user's, as the mail server knows it.
    fn address(&self) -> String {
        format!("{USER}@{}", if self.delivery.is_some() { "localhost" } else { HOST })
    }

    fn server(&self, port: u16) -> Server {
        Server {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            host: HOST.into(),
            certificate: Some(self.certificate.clone()),
            is_behind_balancer: false,
            is_verified: false,
        }
    }

    fn how_to_connect(&self) -> String {
        let Self { submission, submissions, pop3, password, .. } = self;
        let imap = self
            .imap
            .map_or_else(String::new, |port| format!("IMAP: port {port} with STARTTLS\n  "));
        format!(
            "\nTo connect with a client of one's own, while the services run:\n  \
             host 127.0.0.1, user {USER}, password {password}, certificate not signed by anybody\n  \
             submission: port {submission} with STARTTLS, port {submissions} with TLS at once\n  \
             {imap}POP3: port {pop3} with STLS\n  \
             openssl s_client -quiet -crlf -starttls pop3 -connect 127.0.0.1:{pop3}\n  \
             swaks --server 127.0.0.1:{submission} --tls --auth PLAIN --auth-user {USER} \
             --auth-password {password} --to {}",
            self.address()
        )
    }

    /// What the services say of what went wrong.
    fn show_logs(&self) {
        self.scene.stop();
        let own = ["submission", "submissions", "pop3", "imap", installed::LOG];
        let mut logs: Vec<_> =
            own.iter().map(|name| (*name, self.scene.folder().join(name))).collect();
        let mail_servers = self.delivery.as_ref().and_then(Delivery::log);
        logs.extend(mail_servers.map(|log| (installed::LOG, log.to_owned())));
        for (service, log) in logs {
            let log = std::fs::read_to_string(log);
            for line in log.unwrap_or_default().lines() {
                unix::log::line(format_args!("{service}: "), format_args!("{line}"));
            }
        }
    }
}

/// The mail server that is installed, or none; says which it is.
fn choose(options: &Options) -> Option<Installed> {
    let found = if options.own_server { Err("as asked".to_owned()) } else { Installed::find() };
    match found {
        Ok(installed) => {
            print_line(&format!(
                "The mail server is {}, as it is installed here ({}); nobody else sees its \
                 queue, log\nand mailboxes.\n",
                installed.name(),
                installed.submission()
            ));
            Some(installed)
        }
        Err(why) => {
            print_line(&format!(
                "The mail server is a small one of the demonstration's own: {why}.\n"
            ));
            None
        }
    }
}

/// Whether this is the message that was sent. Mail servers add to the header, and mailfront's
/// puts an empty line behind the message.
fn is_sent(message: &str, came_back: &str) -> Result<(), Error> {
    let sent = message.trim_end().split_once("\n\n");
    let came_back = came_back.trim_end().split_once("\n\n");
    let is_it = sent.zip(came_back).is_some_and(|((header, body), (came_header, came_body))| {
        let mut lines = came_header.lines();
        header.lines().all(|line| lines.any(|came| came == line)) && body == came_body
    });
    if is_it {
        return Ok(());
    }
    Err(Error::new("the message that came back is not the one that was sent"))
}

/// The folder with the programs, which are all there.
fn own_programs() -> Result<PathBuf, Error> {
    let own = std::env::current_exe()
        .map_err(|error| Error::file("unable to find", Path::new("acceptutils"), &error))?;
    let own = own.parent().unwrap_or(Path::new("/")).to_owned();
    for name in PROGRAMS.iter().chain([&OWN_POP3]) {
        let program = own.join(name);
        program.metadata().map_err(|error| {
            let hint = match name.starts_with("demo-") {
                true => "it is never installed: run make demo in the source tree",
                false => "it is built with this program, by make",
            };
            Error::new(format!("{} ({hint})", Error::read(&program, error)))
        })?;
    }
    Ok(own)
}

/// The same for everybody. Root's services become another user, who may not be let into the
/// folder that the programs are in: root gets copies.
fn programs_for_everybody(own: &Path, folder: &Path) -> Result<PathBuf, Error> {
    if !runs_as_root() {
        return Ok(own.to_owned());
    }
    let copies = folder.join("bin");
    let failed = |error| Error::file("unable to make", &copies, &error);
    std::fs::create_dir(&copies).map_err(failed)?;
    std::fs::set_permissions(&copies, Permissions::from_mode(0o755)).map_err(failed)?;
    for name in PROGRAMS.iter().chain([&OWN_POP3]) {
        std::fs::copy(own.join(name), copies.join(name)).map_err(failed)?;
    }
    Ok(copies)
}

/// A user with a home folder. Root's services have to become somebody else.
fn add_user(
    home: &Path,
    dir: &Path,
    password: &str,
    delivery: Option<&Delivery>,
) -> Result<(), Error> {
    let failed = |error| Error::file("unable to make", home, &error);
    let ids = if let Some(delivery) = delivery {
        Some((delivery.user, delivery.user))
    } else if runs_as_root() {
        let nobody = SystemUser::named("nobody").map_err(failed)?;
        Some(nobody.map_or((65534, 65534), |nobody| (nobody.uid, nobody.gid)))
    } else {
        None
    };
    // The user's own, so that it goes into the Maildir whatever the mail server's usual is.
    let forward = format!("{}/Maildir/\n", home.display());
    let forward = delivery.map(|_| (".forward", forward.as_str()));
    maildir::make(home, forward.as_slice(), ids).map_err(failed)?;
    passwd::add(&dir.join("users"), USER, password.as_bytes(), ids, home)
        .map_err(|error| Error::new(error.to_string()))
}

/// Everybody on this machine can reach the ports.
fn random_password() -> Result<String, Error> {
    let path = Path::new("/dev/urandom");
    let mut octets = [0; 9];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut octets))
        .map_err(|error| Error::read(path, error))?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}
