//! `acceptutils init`: all that a service needs but its users.
//!
//! The run scripts are [`services`]'s. Nothing that is there is changed.

pub(crate) mod services;
mod write;

use crate::outcome::{Error, Outcome, say};
use crate::programs::{self, MailPrograms};
use clap::Args;
use rcgen::{CertificateParams, DnType, KeyPair};
use services::SERVICES;
use std::path::{Path, PathBuf};
use unix::identity::SystemUser;
use write::New;

/// Make the files of a mail service: submission, incoming mail, POP3
///
/// Control files, rules, a users file, a certificate, run scripts for daemontools,
/// runit and s6, and systemd units. What is there already is left as it is.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder, which becomes the service's qmail home
    dir: PathBuf,
    /// The name that clients know the server by
    #[arg(long, value_name = "NAME")]
    host: String,
    /// A certificate (PEM), instead of one made and signed here
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, where that is in another file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The SMTP server for users who are logged in, with its arguments
    #[arg(long, value_name = "COMMAND")]
    submission: Option<String>,
    /// The SMTP server for incoming mail
    #[arg(long, value_name = "COMMAND")]
    incoming: Option<String>,
    /// The user that it runs as [default: qmaild, or else nobody]
    #[arg(long, value_name = "USER")]
    incoming_user: Option<String>,
    /// The POP3 server
    #[arg(long, value_name = "COMMAND")]
    pop3: Option<String>,
    /// The user of the processes that talk to strangers [default: acceptutils, or else
    /// nobody]
    #[arg(long, value_name = "USER")]
    jail_user: Option<String>,
    /// Where authup and the others are installed [default: beside this program]
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
}

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The folder, an absolute path.
    pub(crate) dir: PathBuf,
    /// The server's name.
    pub(crate) host: String,
    /// Where the project's programs are, if not where all programs are.
    pub(crate) bin: Option<PathBuf>,
    /// The certificate's file.
    pub(crate) certificate: PathBuf,
    /// The key's file.
    pub(crate) key: PathBuf,
    /// Whether both are to be made.
    pub(crate) self_signed: bool,
    /// What the services run.
    pub(crate) mail: MailPrograms,
    /// User and group of the server for incoming mail.
    pub(crate) incoming_ids: Option<(u32, u32)>,
    /// User and group of the jailed processes, if not what they take by themselves.
    pub(crate) jail_ids: Option<(u32, u32)>,
    /// Who may connect.
    pub(crate) clients: Clients,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// Only this machine, to whichever port is free.
    Here,
    /// Everybody, by IPv4, on a machine that has no IPv6 and so knows no "::".
    Ipv4,
    /// Everybody.
    Everywhere,
}

impl Clients {
    /// Everybody who can reach this machine.
    fn all() -> Self {
        let has_ipv6 = Path::new("/proc/net/if_inet6").exists();
        if has_ipv6 { Self::Everywhere } else { Self::Ipv4 }
    }
}

/// What came of it: each file, and whether it was made.
pub(crate) type Made = Vec<(PathBuf, bool)>;

const USERS: &str = "\
# Who may log in: user:hash:uid:gid::home:
# Add users and change passwords with acceptutils passwd.
";

impl Plan {
    /// A plan with a certificate of its own.
    pub(crate) fn new(dir: PathBuf, host: String) -> Self {
        Self {
            certificate: dir.join("tls/cert.pem"),
            key: dir.join("tls/key.pem"),
            dir,
            host,
            bin: programs::own_folder(),
            self_signed: true,
            mail: MailPrograms::installed(),
            incoming_ids: None,
            jail_ids: None,
            clients: Clients::all(),
        }
    }

    /// Makes what is not there.
    pub(crate) fn make(&self) -> Result<Made, Error> {
        let mut made = Made::new();
        for new in self.files()? {
            made.push((self.dir.join(&new.path), new.write(&self.dir)?));
        }
        Ok(made)
    }

    fn files(&self) -> Result<Vec<New>, Error> {
        let mut files = vec![
            New::public("control/me", format!("{}\n", self.host)),
            New::public("control/fixsmtpio", include_str!("../../../contrib/control/fixsmtpio")),
            New::public(
                "control/smtpcapabilities",
                include_str!("../../../contrib/control/smtpcapabilities"),
            ),
            New::public(
                "control/pop3capabilities",
                include_str!("../../../contrib/control/pop3capabilities"),
            ),
            New::private("users", USERS),
        ];
        if self.self_signed {
            files.extend(self.certificate_files()?);
        }
        for service in SERVICES {
            let name = service.name;
            if let Some(script) = service.run_script(self) {
                files.push(New::program(format!("service/{name}/run"), script));
            }
        }
        files.push(New::public("systemd/acceptutils@.service", services::unit(&self.dir)));
        Ok(files)
    }

    /// A key and its certificate; neither, where one of them is there, as they would
    /// not belong together.
    fn certificate_files(&self) -> Result<Vec<New>, Error> {
        if self.key.exists() || self.certificate.exists() {
            return Ok(Vec::new());
        }
        let failed = |error| Error::new(format!("unable to make a certificate: {error}"));
        let key = KeyPair::generate().map_err(failed)?;
        let mut wanted = CertificateParams::new(vec![self.host.clone()]).map_err(failed)?;
        wanted.distinguished_name.push(DnType::CommonName, self.host.clone());
        let now = std::time::SystemTime::now();
        wanted.not_before = now.into();
        wanted.not_after = (now + VALID).into();
        let certificate = wanted.self_signed(&key).map_err(failed)?;
        Ok(vec![
            New::private("tls/key.pem", key.serialize_pem()),
            New::public("tls/cert.pem", certificate.pem()),
        ])
    }

    fn path(&self) -> String {
        let is_usual = |bin: &Path| programs::USUAL.split(':').any(|usual| bin == usual);
        match self.bin.as_deref().filter(|bin| !is_usual(bin)) {
            Some(bin) => format!("{}:{}", bin.display(), programs::USUAL),
            None => programs::USUAL.into(),
        }
    }

    fn listen(&self, port: u16) -> String {
        match self.clients {
            Clients::Here => "127.0.0.1 0".into(),
            Clients::Ipv4 => format!("0 {port}"),
            Clients::Everywhere => format!(":: {port}"),
        }
    }
}

/// How long a certificate made here lasts: as long as clients take one for.
const VALID: std::time::Duration = std::time::Duration::from_secs(825 * 24 * 60 * 60);

/// Makes the files; says which, and what to do next.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let plan = plan(options)?;
    let made = plan.make()?;
    for (path, is_new) in &made {
        say(&format!("{} {}", if *is_new { "made" } else { "kept" }, path.display()));
    }
    for (service, option) in SERVICES.iter().filter_map(|service| service.left_out(&plan)) {
        say(&format!("left out service/{service}: no program for it: name one with --{option}"));
    }
    say(&next_steps(&plan));
    Ok(Outcome::Clean)
}

fn plan(options: &Options) -> Result<Plan, Error> {
    let dir = std::path::absolute(&options.dir)
        .map_err(|error| Error::file("unusable folder", &options.dir, &error))?;
    must_be_plain(&dir, "folder")?;
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-');
    if options.host.is_empty() || !options.host.bytes().all(is_name) {
        return Err(Error::new(format!(
            "unusable host name: {}: letters, digits, dots and hyphens only",
            options.host
        )));
    }
    let mut plan = Plan::new(dir, options.host.clone());
    if let Some(cert) = &options.cert {
        plan.certificate = must_be_there(cert)?;
        plan.key = must_be_there(options.key.as_ref().unwrap_or(cert))?;
        plan.self_signed = false;
    }
    if let Some(bin) = &options.bin {
        plan.bin = Some(must_be_there(bin)?);
    }
    let replace = |command: &mut Option<String>, said: &Option<String>| -> Result<(), Error> {
        if let Some(words) = said {
            must_be_plain(Path::new(&words.replace(' ', "")), "command")?;
            command.clone_from(said);
        }
        Ok(())
    };
    replace(&mut plan.mail.submission, &options.submission)?;
    replace(&mut plan.mail.incoming, &options.incoming)?;
    replace(&mut plan.mail.pop3, &options.pop3)?;
    plan.incoming_ids = Some(ids(options.incoming_user.as_deref(), ["qmaild", "nobody"])?);
    plan.jail_ids = Some(ids(options.jail_user.as_deref(), ["acceptutils", "nobody"])?);
    Ok(plan)
}

/// The path as it was given, made absolute. Links stay what they are: who renews
/// certificates turns them to the next one.
fn must_be_there(path: &Path) -> Result<PathBuf, Error> {
    path.metadata().map_err(|error| Error::read(path, error))?;
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    must_be_plain(&path, "file name").map(|()| path)
}

/// It goes into shell scripts and units, both of which would have it quoted, each
/// in its own way.
fn must_be_plain(path: &Path, what: &str) -> Result<(), Error> {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"/._+@,-=:".contains(octet);
    if path.as_os_str().as_encoded_bytes().iter().all(is_plain) {
        return Ok(());
    }
    let path = proto::escape::Escaped(path.as_os_str().as_encoded_bytes());
    Err(Error::new(format!("unusable {what}: {path}: a run script would need it quoted")))
}

/// User and group of the one who was named, or else of the first that there is.
fn ids(said: Option<&str>, usual: [&str; 2]) -> Result<(u32, u32), Error> {
    let names = said.map_or(usual.to_vec(), |name| vec![name]);
    for name in &names {
        let found = SystemUser::named(name)
            .map_err(|error| Error::file("unable to look up user", Path::new(name), &error))?;
        if let Some(user) = found {
            return Ok((user.uid, user.gid));
        }
    }
    Err(Error::new(format!("unknown user: {}", names.join(", "))))
}

fn next_steps(plan: &Plan) -> String {
    let dir = plan.dir.display();
    let link = if plan.dir == Path::new(services::PACKAGED) {
        String::new()
    } else {
        format!("systemctl link {dir}/systemd/acceptutils@.service && ")
    };
    let certificate = if plan.self_signed {
        format!("\n   Its certificate is signed by nobody else: put a better one in {dir}/tls.")
    } else {
        String::new()
    };
    format!(
        "\nNext:\n\
         1. Add a user:  acceptutils passwd {dir}/users NAME --uid UID --gid GID --home HOME\n\
         2. Look it over:  acceptutils check {dir}{certificate}\n\
         3. Start what you need of it:\n   \
            daemontools, runit:  ln -s {dir}/service/submission /etc/service/\n   \
            s6:  ln -s {dir}/service/submission SCANDIR/ && s6-svscanctl -a SCANDIR\n   \
            systemd:  {link}systemctl enable --now acceptutils@submission\n\
         4. See it log somebody in:  acceptutils check {dir} --login NAME"
    )
}
