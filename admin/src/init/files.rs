//! The files that a plan comes to, and what is in them.

use super::plan::{MEMORY, Plan, Users};
use super::run_scripts::units;
use super::write::{self, New};
use crate::client_settings::Settings;
use crate::mail_server::{POP3_OWN, may_be_listed};
use crate::outcome::Error;
use crate::services::{SERVICES, script_of};
use crate::way;
use proto::login::protocol::Protocol;
use proto::names::ControlFile;
use rcgen::{CertificateParams, DnType, KeyPair};
use std::path::PathBuf;
use unix::control::Folder;
use unix::failures::file::Created;

/// PAM's configuration of checkpassword-pam.
const PAM: &str = include_str!("../../../contrib/pam.d/checkpassword");

/// What came of each file.
pub(crate) type Made = Vec<(PathBuf, Done)>;

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was not there.
    Made,
    /// It stays as it is.
    Kept,
    /// It stays, though what mail programs offer now would make another one of it.
    Differs,
}

const USERS: &str = "\
# Who may log in: user:hash:uid:gid::home:
# Add users and change passwords with acceptutils user.
";

/// How long a certificate made here lasts: as long as clients take one for.
const VALID: std::time::Duration = std::time::Duration::from_secs(825 * 24 * 60 * 60);

impl Plan {
    /// Makes what is not there.
    pub(crate) fn make(&self) -> Result<Made, Error> {
        let mut made = self.kept_certificate()?;
        let files = self.files()?;
        // All or none of them.
        files.iter().try_for_each(|new| new.may_be_made(&self.dir))?;
        for together in files.chunk_by(New::is_pair) {
            let is_made = write::make(together, &self.dir)?;
            made.extend(together.iter().map(|new| {
                let path = self.dir.join(&new.path);
                let done = match is_made {
                    true => Done::Made,
                    false if new.says_what_is_offered && new.differs_from(&path) => Done::Differs,
                    false => Done::Kept,
                };
                (path, done)
            }));
        }
        // Where it cannot be made now, the run scripts make it, or `check` says why not.
        if let Ok(Some(said)) = unix::failures::settings(&Folder::of(Some(self.dir.as_os_str())))
            && way::is_ours(unix::failures::path(&said)).is_ok()
            && let Ok(created) = unix::failures::file::create(unix::failures::path(&said))
        {
            let file = unix::failures::path(&said).to_owned();
            made.push((file, if created == Created::Kept { Done::Kept } else { Done::Made }));
        }
        Ok(made)
    }

    fn login_failures(&self) -> String {
        let text = include_str!("../../../contrib/control/loginfailures");
        text.replace(MEMORY, &self.memory().display().to_string())
    }

    fn files(&self) -> Result<Vec<New>, Error> {
        let mut files = vec![
            New::control(ControlFile::Me, format!("{}\n", self.host)),
            New::control(
                ControlFile::Fixsmtpio,
                include_str!("../../../contrib/control/fixsmtpio"),
            ),
            New::control(ControlFile::LoginFailures, self.login_failures()),
        ];
        // Whoever sets a protocol up later has its program asked then.
        let mail = &self.mail;
        for (program, file, content) in [
            (&mail.submission, ControlFile::SmtpCapabilities, self.smtp_capabilities()),
            (&mail.pop3, ControlFile::Pop3Capabilities, self.pop3_capabilities()),
            (&mail.imap, ControlFile::ImapCapabilities, self.imap_capabilities()),
        ] {
            files.extend(program.is_ok().then(|| New::control(file, content).of_offers()));
        }
        files.push(match self.users {
            Users::File => New::private("users", USERS),
            Users::Pam => New::public("pam.d/checkpassword", PAM),
        });
        if self.self_signed && !self.has_certificate()? {
            files.extend(self.certificate_files()?);
        }
        for service in SERVICES {
            let name = service.name;
            if let Some(script) = service.run_script(self) {
                files.push(New::program(script_of(name), script));
                let log = service.log_script(self);
                files.push(New::program(format!("service/{name}/log/run"), log));
            }
        }
        let is_there = |name: &str| {
            let service = SERVICES.iter().find(|service| service.name == name);
            service.is_some_and(|service| service.left_out(self).is_none())
        };
        let settings = Settings::new(&self.host, is_there);
        files.push(New::public("client/config-v1.1.xml", settings.thunderbird()).of_offers());
        if let Some(profile) = settings.apple() {
            let path = format!("client/{}.mobileconfig", settings.domain);
            files.push(New::public(path, profile).of_offers());
        }
        for (name, unit) in units(&self.dir) {
            files.push(New::public(format!("systemd/{name}"), unit));
        }
        Ok(files)
    }

    fn smtp_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/smtpcapabilities");
        let Some(offers) = &self.smtp_offers else { return usual.into() };
        let head = "\
            # What EHLO lists before a login, besides STARTTLS and AUTH. Clients do not ask\n\
            # again after a login, so this is what the mail server offered.\n";
        let size = "\
            # Without its SIZE: it ends where a client announces a larger message. So clients\n\
            # announce none, and it refuses the message at its end.\n";
        let head = format!("{head}{}", if self.without_size { size } else { "" });
        listed(&head, offers, Protocol::Smtp, &[])
    }

    fn pop3_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/pop3capabilities");
        let Some(offers) = &self.pop3_offers else { return usual.into() };
        let head = "\
            # What CAPA lists before a login, besides STLS, USER and SASL: what the POP3 server\n\
            # offered. RESP-CODES and AUTH-RESP-CODE are those of the dialog before a login.\n";
        listed(head, offers, Protocol::Pop3, &POP3_OWN)
    }

    fn imap_capabilities(&self) -> String {
        let usual = include_str!("../../../contrib/control/imapcapabilities");
        let Some(offers) = &self.imap_offers else { return usual.into() };
        let head = "\
            # What is listed by IMAP before a login, besides IMAP4rev1, LITERAL-, SASL-IR, ID,\n\
            # STARTTLS and mechanisms: what the IMAP server offered.\n";
        listed(head, offers, Protocol::Imap, &[])
    }

    /// Whether key and certificate are there, whoever made them. One without the other is of no
    /// use, and a new one would not belong to it.
    fn has_certificate(&self) -> Result<bool, Error> {
        let (key, certificate) = (&self.key, &self.certificate);
        let (there, missing) = match (key.exists(), certificate.exists()) {
            (true, true) => return Ok(true),
            (false, false) => return Ok(false),
            (true, false) => (key.display(), certificate.display()),
            (false, true) => (certificate.display(), key.display()),
        };
        Err(Error::new(format!(
            "{missing}: not there, though {there} is: add it, or remove {there} and run this again \
             for new ones"
        )))
    }

    /// Those that are there in place of new ones.
    fn kept_certificate(&self) -> Result<Made, Error> {
        let is_kept = self.self_signed && self.has_certificate()?;
        let files = [&self.key, &self.certificate].into_iter().filter(|_| is_kept);
        Ok(files.map(|file| (file.clone(), Done::Kept)).collect())
    }

    /// A key and its certificate.
    fn certificate_files(&self) -> Result<Vec<New>, Error> {
        let failed = |error| Error::new(format!("unable to make a certificate: {error}"));
        let key = KeyPair::generate().map_err(failed)?;
        let mut wanted = CertificateParams::new(vec![self.host.clone()]).map_err(failed)?;
        wanted.distinguished_name.push(DnType::CommonName, self.host.clone());
        let now = std::time::SystemTime::now();
        wanted.not_before = now.into();
        wanted.not_after = (now + VALID).into();
        let certificate = wanted.self_signed(&key).map_err(failed)?;
        Ok(vec![
            New::private("tls/key.pem", key.serialize_pem()).of_a_pair(),
            New::public("tls/cert.pem", certificate.pem()).of_a_pair(),
        ])
    }
}

/// A control file: what is offered of what may be listed, and what is authup's own.
fn listed(head: &str, offers: &[String], protocol: Protocol, own: &[&str]) -> String {
    let offers = offers.iter().map(String::as_str);
    let fit = offers.filter(|capability| may_be_listed(protocol, capability));
    let lines = fit.chain(own.iter().copied()).map(|capability| format!("{capability}\n"));
    head.to_owned() + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CommandLine;

    /// So that the mail program is asked that comes later.
    #[test]
    fn what_nobody_offers_yet_has_no_file() {
        let mut plan = Plan::new("/no/such".into(), "mail.example.org".into());
        let lists = |plan: &Plan| {
            let files = plan.files().unwrap().into_iter().map(|new| new.path);
            files.filter(|path| path.ends_with("capabilities")).collect::<Vec<_>>()
        };
        assert_eq!(lists(&plan), [""; 0]);
        plan.mail.pop3 = CommandLine::parse("pop3d");
        assert_eq!(lists(&plan), ["control/pop3capabilities"]);
    }
}
