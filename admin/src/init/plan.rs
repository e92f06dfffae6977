//! What `init` makes: which files, and what is in them. Who decides what goes into the plan
//! is `init` itself, and `demo`.

use super::services::{self, SERVICES};
use super::write::New;
use super::{Clients, Users};
use crate::client_settings::Settings;
use crate::command::CommandLine;
use crate::mail_server::{MailServer, POP3_OWN, Protocol, may_be_listed};
use crate::outcome::Error;
use crate::programs::{self, MailPrograms};
use rcgen::{CertificateParams, DnType, KeyPair};
use std::path::{Path, PathBuf};
use unix::control::Folder;
use unix::failures::file::Created;

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
    pub(crate) incoming_ids: Option<(String, String)>,
    /// What the SMTP server for users offers, where it was asked.
    pub(crate) smtp_offers: Option<Vec<String>>,
    /// What the POP3 server offers, where it was asked and knows CAPA.
    pub(crate) pop3_offers: Option<Vec<String>>,
    /// What the IMAP server offers, where it was asked.
    pub(crate) imap_offers: Option<Vec<String>>,
    /// User and group of the jailed processes, if not what they take by themselves.
    pub(crate) jail_ids: Option<(u32, u32)>,
    /// Who may connect.
    pub(crate) clients: Clients,
    /// Where users and passwords are.
    pub(crate) users: Users,
}

/// PAM's configuration of checkpassword-pam.
const PAM: &str = include_str!("../../../contrib/pam.d/checkpassword");

/// What came of it: each file, and whether it was made.
pub(crate) type Made = Vec<(PathBuf, bool)>;

const USERS: &str = "\
# Who may log in: user:hash:uid:gid::home:
# Add users and change passwords with acceptutils user.
";

/// Where the services of a packaged installation remember refused logins; systemd's unit
/// has the folder made.
pub(super) const MEMORY: &str = "/run/acceptutils/failures";

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
            mail: MailPrograms {
                submission: Err(NONE.into()),
                incoming: Err(NONE.into()),
                pop3: Err(NONE.into()),
                imap: Err(NONE.into()),
            },
            smtp_offers: None,
            pop3_offers: None,
            imap_offers: None,
            incoming_ids: None,
            jail_ids: None,
            clients: Clients::all(),
            users: Users::File,
        }
    }

    /// Makes what is not there.
    pub(crate) fn make(&self) -> Result<Made, Error> {
        let mut made = Made::new();
        for new in self.files()? {
            made.push((self.dir.join(&new.path), new.write(&self.dir)?));
        }
        // Where it cannot be made now, the run scripts make it, or `check` says why not.
        if let Ok(Some(said)) = unix::failures::settings(&Folder::of(Some(self.dir.as_os_str())))
            && let Ok(created) = unix::failures::file::create(unix::failures::path(&said))
        {
            let file = unix::failures::path(&said).to_owned();
            made.push((file, created != Created::Kept));
        }
        Ok(made)
    }

    /// Where refused logins are remembered: beside the rest, unless that is where nothing
    /// is to be written while services run.
    pub(super) fn memory(&self) -> PathBuf {
        if ["/etc", "/usr"].iter().any(|static_data| self.dir.starts_with(static_data)) {
            MEMORY.into()
        } else {
            self.dir.join("failures")
        }
    }

    fn login_failures(&self) -> String {
        let text = include_str!("../../../contrib/control/loginfailures");
        text.replace(MEMORY, &self.memory().display().to_string())
    }

    fn files(&self) -> Result<Vec<New>, Error> {
        let mut files = vec![
            New::public("control/me", format!("{}\n", self.host)),
            New::public("control/fixsmtpio", include_str!("../../../contrib/control/fixsmtpio")),
            New::public("control/smtpcapabilities", self.smtp_capabilities()),
            New::public("control/pop3capabilities", self.pop3_capabilities()),
            New::public("control/imapcapabilities", self.imap_capabilities()),
            New::public("control/loginfailures", self.login_failures()),
        ];
        files.push(match self.users {
            Users::File => New::private("users", USERS),
            Users::Pam => New::public("pam.d/checkpassword", PAM),
        });
        if self.self_signed {
            files.extend(self.certificate_files()?);
        }
        for service in SERVICES {
            let name = service.name;
            if let Some(script) = service.run_script(self) {
                files.push(New::program(format!("service/{name}/run"), script));
                let log = service.log_script(self);
                files.push(New::program(format!("service/{name}/log/run"), log));
            }
        }
        let is_there = |name: &str| {
            let service = SERVICES.iter().find(|service| service.name == name);
            service.is_some_and(|service| service.left_out(self).is_none())
        };
        let settings = Settings::new(&self.host, is_there);
        files.push(New::public("client/config-v1.1.xml", settings.thunderbird()));
        if let Some(profile) = settings.apple() {
            files.push(New::public(format!("client/{}.mobileconfig", settings.domain), profile));
        }
        for (name, unit) in services::units(&self.dir) {
            files.push(New::public(format!("systemd/{name}"), unit));
        }
        Ok(files)
    }

    /// Asks the mail programs what they offer; says why one does not answer, with the name
    /// of its option.
    pub(crate) fn ask(&mut self) -> Vec<(&'static str, String)> {
        let mut silent = Vec::new();
        let mut offers = |command: &Result<CommandLine, String>, protocol, option| {
            let answer = self.try_out(command.as_ref().ok()?, protocol);
            answer.map_err(|why| silent.push((option, why))).ok().flatten()
        };
        let smtp = offers(&self.mail.submission, Protocol::Smtp, "submission");
        let pop3 = offers(&self.mail.pop3, Protocol::Pop3, "pop3");
        let imap = offers(&self.mail.imap, Protocol::Imap, "imap");
        let _ = offers(&self.mail.incoming, Protocol::Smtp, "incoming");
        (self.smtp_offers, self.pop3_offers, self.imap_offers) = (smtp, pop3, imap);
        silent
    }

    /// Runs a mail program, and says what it offers.
    pub(super) fn try_out(
        &self,
        command: &CommandLine,
        protocol: Protocol,
    ) -> Result<Option<Vec<String>>, String> {
        let words = command.words().iter().map(String::as_str).collect();
        let path = self.path();
        let variables = Vec::new();
        let is_behind_login = false;
        MailServer { words, path: &path, variables, protocol, is_behind_login, ids: None }.offers()
    }

    fn smtp_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/smtpcapabilities");
        let Some(offers) = &self.smtp_offers else { return usual.into() };
        let head = "\
            # What authup lists for EHLO, besides STARTTLS and AUTH. Clients do not ask again\n\
            # after they have logged in, so this is what the server behind said that it has.\n";
        listed(head, offers, Protocol::Smtp, &[])
    }

    fn pop3_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/pop3capabilities");
        let Some(offers) = &self.pop3_offers else { return usual.into() };
        let head = "\
            # What authup lists for CAPA, besides STLS and USER: what the POP3 server behind\n\
            # said that it has. RESP-CODES and AUTH-RESP-CODE are authup's own.\n";
        listed(head, offers, Protocol::Pop3, &POP3_OWN)
    }

    fn imap_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/imapcapabilities");
        let Some(offers) = &self.imap_offers else { return usual.into() };
        let head = "\
            # What authup lists by IMAP before a login, besides IMAP4rev1, LITERAL-, SASL-IR, ID,\n\
            # STARTTLS and mechanisms: what the IMAP server behind said that it has.\n";
        listed(head, offers, Protocol::Imap, &[])
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

    pub(super) fn path(&self) -> String {
        let is_usual = |bin: &Path| programs::USUAL.split(':').any(|usual| bin == usual);
        match self.bin.as_deref().filter(|bin| !is_usual(bin)) {
            Some(bin) => format!("{}:{}", bin.display(), programs::USUAL),
            None => programs::USUAL.into(),
        }
    }

    pub(super) fn listen(&self, port: u16) -> String {
        match self.clients {
            Clients::Here => "127.0.0.1 0".into(),
            Clients::Ipv4 => format!("0 {port}"),
            Clients::Everywhere => format!(":: {port}"),
        }
    }
}

/// How long a certificate made here lasts: as long as clients take one for.
const VALID: std::time::Duration = std::time::Duration::from_secs(825 * 24 * 60 * 60);

/// Why there is no mail program before anybody has looked for one.
const NONE: &str = "no program for it";

/// A control file: what is offered of what may be listed, and what is authup's own.
fn listed(head: &str, offers: &[String], protocol: Protocol, own: &[&str]) -> String {
    let offers = offers.iter().map(String::as_str);
    let fit = offers.filter(|capability| may_be_listed(protocol, capability));
    let lines = fit.chain(own.iter().copied()).map(|capability| format!("{capability}\n"));
    head.to_owned() + &lines.collect::<String>()
}
