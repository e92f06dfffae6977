//! What a service's run script says, as far as the checks beside this file ask: what is spoken,
//! when TLS begins, whose files are read, and what runs behind a login. Whether any of it is
//! right is theirs to say; who finds the scripts is `services`.

use super::address;
use super::findings::Place;
use super::who::Who;
use crate::client::Begin;
use crate::run_script::{Link, Role, RunScript, Word};
use proto::names::Variable;
use std::ffi::OsString;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tlsserver::certificate_files::{self, CertificateFiles};
use tlsserver::environment::Variables;
use tlsserver::options::{Mode, Options};

/// Who is jailed where nobody else is named.
const NOBODY: u32 = unix::jail::Identity::NOBODY.user;

/// A run script that could be read.
#[derive(Debug)]
pub(super) struct Service {
    /// The script.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) script: RunScript,
    /// As whom it is started.
    pub(super) starter: Who,
    /// What systemd listens on for it: ports, or addresses with a port.
    pub(super) sockets: Vec<Word>,
}

impl Service {
    /// Where a word stands.
    pub(super) fn place<'a>(&'a self, word: &'a Word) -> Place<'a> {
        Place::line(word.file.as_deref().unwrap_or(&self.path), word.line)
    }

    /// Where it listens, as far as that is known, and what says so: the row, or, where systemd
    /// listens for it elsewhere, that.
    pub(super) fn listens<'a>(&'a self, server: &Link<'a>) -> Vec<(SocketAddr, Place<'a>)> {
        let own = address::known(server);
        let place = Place::line(&self.path, server.program.line);
        if self.sockets.is_empty() {
            return own.map(|own| (own, place)).into_iter().collect();
        }
        let sockets = self.sockets.iter().filter_map(|word| {
            let port = || Some((Ipv6Addr::UNSPECIFIED, word.text.parse().ok()?).into());
            let address: SocketAddr = word.text.parse().ok().or_else(port)?;
            let is_own = own.is_some_and(|own| own.port() == address.port());
            Some((address, if is_own { place } else { self.place(word) }))
        });
        sockets.collect()
    }

    /// Whether each word of the row is a known one: of `$OPTIONS` nobody knows how many
    /// words it is, and so not which word behind it is a program. The last program's own
    /// words may be any number.
    pub(super) fn row_is_known(&self) -> bool {
        let links = self.script.links();
        let (last, before) =
            links.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
        let is_one = |word: &Word| !word.may_be_many;
        last.is_none_or(|last| is_one(last.program))
            && before.iter().all(|link| is_one(link.program) && link.arguments.iter().all(is_one))
    }

    /// The qmail home that the server or authup has; none where there is neither, where only a
    /// shell knows it, or where others may set it and the usual one is not there.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let home = self.script.home().map(PathBuf::from)?;
        let is_said = self.script.variable(Variable::QmailHome.name()).is_some();
        let mut links = self.script.links().into_iter();
        let reads = links.any(|link| !matches!(link.role(), Role::Wrapper | Role::Other));
        let is_usual = reads && (!self.script.hides_variables() || home.is_dir());
        (is_said || is_usual).then_some(home)
    }

    /// What is spoken here before a login, if there is one.
    pub(super) fn login(&self) -> Option<String> {
        let links = self.script.links();
        let spoken = links.iter().find_map(|link| match link.role() {
            Role::Dialog => Some(link.arguments.last()?.text.as_str()),
            _ => link.login(),
        });
        Some(spoken?.to_ascii_lowercase())
    }

    /// A file by the name that the script has for it: it is started in its folder, as
    /// supervisors do. None where it goes to another.
    pub(super) fn file(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        let (name, folder) = (name.as_ref(), self.path.parent().unwrap_or(Path::new("/")));
        (name.is_absolute() || !self.script.moves).then(|| folder.join(name))
    }

    /// The files of certificates and keys, as far as they are known, by the server's own
    /// reading.
    pub(super) fn certificates(&self) -> Vec<CertificateFiles> {
        let known = self.named_certificates().into_iter().filter_map(|files| {
            let (certificate, key) = (self.file(&files.certificate)?, self.file(&files.key)?);
            Some(CertificateFiles { certificate, key, ..files })
        });
        known.collect()
    }

    /// The same by the names that the script has for them.
    fn named_certificates(&self) -> Vec<CertificateFiles> {
        let set = self.script.set();
        let is_known = |path: &Path| {
            let mut computed = set.iter().filter(|word| word.is_computed);
            !computed.any(|word| word.text.split_once('=').is_some_and(|(_, it)| path == it))
        };
        let mut files = certificate_files::named(&self.variables());
        files.retain(|files| is_known(&files.certificate) && is_known(&files.key));
        files.retain(|files| !self.doubts(files.variable.name()));
        files
    }

    /// A file of the server, or a program before it, that is found only from the folder that the
    /// script is started in.
    pub(super) fn file_from_its_folder(&self) -> Option<PathBuf> {
        let certificates = self.named_certificates();
        let certificates =
            certificates.into_iter().flat_map(|files| [files.certificate, files.key]);
        let links = self.script.links();
        let is_front = |link: &&Link<'_>| matches!(link.role(), Role::Wrapper | Role::Other);
        let at = links.iter().take_while(is_front).count();
        let front = links.iter().take(at + 1);
        let is_path = |word: &&Word| !word.is_computed && word.text.contains('/');
        let programs = front.map(|link| link.program).filter(is_path);
        let is_known = |link: &&Link<'_>| !link.arguments.iter().any(|word| word.is_computed);
        let server = links.get(at).filter(|link| link.role() == Role::Server).filter(is_known);
        let rules = server.and_then(|server| server.option('x')).map(PathBuf::from);
        let programs = programs.map(|word| PathBuf::from(&word.text));
        let mut files = certificates.chain(programs).chain(rules);
        files.find(|file| file.is_relative()).filter(|_| !self.script.moves)
    }

    /// Whether only a shell knows the certificates that this variable names, for whichever
    /// host, or their keys.
    fn doubts(&self, variable: &str) -> bool {
        let kinds = [&["CERTCHAINFILE", "CERTFILE", "KEYFILE"][..], &["CERTFILE2", "KEYFILE2"]];
        let is_doubtful = |name: &&str| {
            let mut doubtful = self.script.doubtful.iter();
            doubtful.any(|word| word.text.split([':', '=']).next() == Some(name))
        };
        let mut kinds = kinds.iter().filter(|kind| kind.contains(&variable));
        kinds.any(|kind| kind.iter().any(is_doubtful))
    }

    /// Whether there may be other certificates and keys, for all that is known here.
    pub(super) fn hides_certificates(&self) -> bool {
        self.script.hides_variables()
            || ["CERTFILE", "CERTFILE2"].into_iter().any(|variable| self.doubts(variable))
    }

    /// The file of the certificate that a client is shown who asks for this name.
    pub(super) fn certificate_for(&self, host: &str) -> Option<PathBuf> {
        let files = self.certificates();
        let named = |name: &str| {
            let is_of = |known: &String| known.eq_ignore_ascii_case(name);
            files.iter().find(|files| files.name.as_ref().is_some_and(is_of))
        };
        let pattern = || named(&certificate_files::pattern_of(host)?);
        let any = || files.iter().find(|files| files.name.is_none());
        named(host).or_else(pattern).or_else(any).map(|files| files.certificate.clone())
    }

    /// All that is set for the server, of each name what counts: the last.
    pub(super) fn variables(&self) -> Variables {
        let mut variables = Variables::new();
        for word in self.script.set() {
            let Some((name, value)) = word.text.split_once('=') else { continue };
            variables.retain(|(known, _)| known != name.as_bytes());
            variables.push((name.into(), value.into()));
        }
        variables
    }

    /// Whether the certificate is named that tlsserver cannot start without.
    pub(super) fn names_certificate(&self) -> bool {
        certificate_files::have_first(&certificate_files::named(&self.variables()))
    }

    /// When TLS begins by the programs of the row, whatever variables say; none where that
    /// is not known.
    pub(super) fn offers_tls(&self) -> Option<Begin> {
        let links = self.script.links();
        let at = links.iter().position(|link| link.role() == Role::Server)?;
        let server = links.get(at)?;
        let delayed = |is_delayed| if is_delayed { Begin::OnRequest } else { Begin::AtOnce };
        let behind = links.iter().skip(at + 1);
        match server.name() {
            "tlsserver" => Some(delayed(match self.tlsserver() {
                Some(Ok(options)) => options.mode == Mode::Delayed,
                _ => server.option('n').is_some(),
            })),
            "sslserver" => Some(delayed(server.option('n').is_some())),
            "s6-tlsserver" => Some(Begin::AtOnce),
            _ => {
                let begins = behind.clone().find_map(|link| match link.name() {
                    "s6-tlsd" => Some(Begin::AtOnce),
                    "s6-ucspitlsd" => Some(Begin::OnRequest),
                    _ => None,
                });
                let mut front = behind.take_while(|link| link.role() != Role::Dialog);
                begins.or_else(|| front.all(|link| link.is_known).then_some(Begin::Never))
            }
        }
    }

    /// When TLS begins, if it does.
    pub(super) fn begins_tls(&self) -> Begin {
        let disabled = self.script.variable("DISABLETLS").is_some();
        let level = self.script.variable("UCSPITLS").map(|(level, _)| level);
        match (self.offers_tls().unwrap_or(Begin::AtOnce), level) {
            (Begin::OnRequest, None) if self.script.hides("UCSPITLS") => Begin::OnRequest,
            (Begin::OnRequest, None | Some("-")) => Begin::Never,
            _ if disabled => Begin::Never,
            (begins, _) => begins,
        }
    }

    /// What it has tlsserver do, as tlsserver itself reads it; none where another server
    /// runs. Its errors are the whole script's.
    pub(super) fn tlsserver(&self) -> Option<Result<Options, String>> {
        let links = self.script.links();
        let server = links.iter().find(|link| link.name() == "tlsserver")?;
        let words = self.script.behind(server.program).iter();
        let words = words.map(|word| OsString::from(&word.text));
        Some(Options::parse(words).map_err(|error| error.to_string()))
    }

    /// What runs behind the last program that checks a login, or, without one, behind
    /// the server.
    pub(super) fn mail_program(&self) -> &[Word] {
        let links = self.script.links();
        let server = links.iter().position(|link| link.role() == Role::Server);
        let login = links
            .iter()
            .rposition(|link| matches!(link.role(), Role::Dialog | Role::Login | Role::Guard));
        let first = login.or(server).and_then(|at| links.get(at + 1));
        first.map_or(&[], |link| self.script.from(link.program))
    }

    /// Whether something that the mail program needs before it stands before the program that
    /// checks passwords.
    pub(super) fn relays_before_login(&self) -> bool {
        let links = self.script.links();
        let relay = links.iter().position(|link| link.role() == Role::Relay);
        let login = links.iter().position(|link| link.role() == Role::Login);
        relay.zip(login).is_some_and(|(relay, login)| relay < login)
    }

    /// The user ids of the processes that talk to strangers here: ours are jailed whatever
    /// variables say, those of other servers where they are told to be.
    pub(super) fn jails(&self) -> Vec<u32> {
        let number = |names: &[&str], default: Option<u32>| {
            let said = names.iter().find_map(|name| self.script.variable(name));
            let default = default.filter(|_| !names.iter().any(|name| self.script.hides(name)));
            said.map_or(default, |(number, _)| number.parse().ok())
        };
        let links = self.script.links();
        let has_ours = links.iter().any(|link| link.name() == "tlsserver");
        let speaks_tls = has_ours || self.offers_tls() != Some(Begin::Never);
        let tls = speaks_tls.then(|| number(&["SSL_UID", "TLS_UID"], has_ours.then_some(NOBODY)));
        let has_authup = links.iter().any(|link| link.role() == Role::Dialog);
        let authup = has_authup.then(|| number(&["AUTHUP_UID"], Some(NOBODY)));
        [tls, authup].into_iter().flatten().flatten().collect()
    }

    /// Where its POP3 or IMAP server looks for mail under a user's home folder, and makes
    /// none.
    pub(super) fn maildir(&self) -> Option<String> {
        let links = self.script.links();
        let fetches = matches!(self.login().as_deref(), Some("pop3" | "imap"));
        let last = links.last().filter(|_| fetches)?;
        let said = last.arguments.last()?.text.trim_start_matches("./").trim_end_matches('/');
        (said == "Maildir").then(|| said.to_owned())
    }
}
