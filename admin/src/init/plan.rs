//! What `init` and `demo` have decided: whose service, with which programs, for whom. What is
//! made of it is [`files`](super::files)'.

use crate::command::CommandLine;
use crate::mail_server::{MailServer, NoOffers, Offers};
use crate::programs::{self, MailPrograms};
use clap::ValueEnum;
use proto::login::protocol::Protocol;
use std::path::{Path, PathBuf};

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
    /// Whether that is without its SIZE, at which it would end.
    pub(crate) without_size: bool,
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

/// Where users and passwords are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Users {
    /// In a users file, for checkpassword-file
    File,
    /// The system's accounts, by PAM, for checkpassword-pam
    Pam,
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
            without_size: false,
            pop3_offers: None,
            imap_offers: None,
            incoming_ids: None,
            jail_ids: None,
            clients: Clients::all(),
            users: Users::File,
        }
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

    /// Asks the mail programs what they offer; says why one does not answer, with the name
    /// of its option.
    pub(crate) fn ask(&mut self) -> Vec<(&'static str, NoOffers)> {
        let mut silent = Vec::new();
        let mut offers = |command: &Result<CommandLine, String>, protocol, option| {
            let answer = self.try_out(command.as_ref().ok()?, protocol, option == "submission");
            answer.map_err(|why| silent.push((option, why))).ok().flatten()
        };
        let smtp = offers(&self.mail.submission, Protocol::Smtp, "submission");
        let pop3 = offers(&self.mail.pop3, Protocol::Pop3, "pop3");
        let imap = offers(&self.mail.imap, Protocol::Imap, "imap");
        let _ = offers(&self.mail.incoming, Protocol::Smtp, "incoming");
        self.without_size = smtp.as_ref().is_some_and(|offers| offers.ends_at_size);
        self.smtp_offers = smtp.map(Offers::usable);
        self.pop3_offers = pop3.map(Offers::usable);
        self.imap_offers = imap.map(Offers::usable);
        silent
    }

    /// Runs a mail program, and says what it offers; may announce a message above its SIZE.
    pub(super) fn try_out(
        &self,
        command: &CommandLine,
        protocol: Protocol,
        exceeds_size: bool,
    ) -> Result<Option<Offers>, NoOffers> {
        let words = command.words().iter().map(String::as_str).collect();
        let path = self.path();
        let variables = Vec::new();
        let (is_behind_login, ids) = (false, None);
        MailServer { words, path, variables, protocol, is_behind_login, exceeds_size, ids }.offers()
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

/// Why there is no mail program before anybody has looked for one.
const NONE: &str = "no program for it";
