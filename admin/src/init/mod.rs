//! `acceptutils init`: all that a service needs but its users.
//!
//! Here is what is asked for and what is found, which comes to a [`plan`]; the files of it are
//! [`files`]', and of them the run scripts [`run_scripts`]'. Nothing that is there is changed.

mod files;
mod kept;
mod plan;
mod run_scripts;
mod write;

use crate::certificate;
use crate::chain::Chain;
use crate::command::CommandLine;
use crate::home::{PACKAGED, is_host, is_ip_address};
use crate::outcome::{Error, Outcome, print_line};
use crate::programs;
use crate::services::SERVICES;
use clap::Args;
use files::Done;
use plan::Users;
pub(crate) use plan::{Clients, Plan};
use proto::login::protocol::Protocol;
use proto::names::ControlFile;
use std::path::{Path, PathBuf};
use unix::control::control_file;
use unix::identity::{SystemUser, runs_as_root};
use unix::log::Reason;
use unix::root_folder;

/// Create the files of mail services: submission, incoming mail, POP3, IMAP
///
/// Control files, rules, a users file, a certificate, run scripts for daemontools,
/// runit and s6, and systemd units. Files that exist are kept.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The directory, which becomes the services' qmail home
    dir: PathBuf,
    /// The server's host name, as clients use it
    #[arg(long, value_name = "NAME")]
    host: String,
    /// A certificate (PEM) [default: a new self-signed one]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key [default: in the certificate's file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The SMTP server for users who are logged in, with its arguments
    #[arg(long, value_name = "COMMAND")]
    submission: Option<String>,
    /// The SMTP server for incoming mail
    #[arg(long, value_name = "COMMAND")]
    incoming: Option<String>,
    /// The user to run it as, other than --jail-user [default: qmaild if it exists, otherwise
    /// nobody]
    #[arg(long, value_name = "USER")]
    incoming_user: Option<String>,
    /// Accept an --incoming server that relays for everybody, such as sendmail -bs
    #[arg(long)]
    allow_open_relay: bool,
    /// The POP3 server
    #[arg(long, value_name = "COMMAND")]
    pop3: Option<String>,
    /// The IMAP server, with fiximapio before one that cannot answer a login made for it
    #[arg(long, value_name = "COMMAND")]
    imap: Option<String>,
    /// The user of the jailed processes [default: acceptutils if it exists, otherwise
    /// nobody]
    #[arg(long, value_name = "USER")]
    jail_user: Option<String>,
    /// Where users and passwords are kept [default: file]
    #[arg(long, value_enum)]
    users: Option<Users>,
    /// Where the programs are installed [default: the directory of this program]
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
}

/// Makes the files; says which, and what to do next.
pub(crate) fn run(options: &Options) -> Result<Outcome, Error> {
    let mut plan = plan(options)?;
    let other_host = other_host(&plan, &options.host);
    let silent = plan.ask();
    print_made(&plan.make()?);
    if let Some(line) = make_root_folder() {
        print_line(&line);
    }
    let left_out = SERVICES.iter().filter(|service| !kept::is_there(&plan, service));
    for service in left_out.clone() {
        if let Some(why) = service.left_out(&plan) {
            print_line(&format!("left out service/{}: {why}", service.name));
        }
    }
    if left_out.count() == SERVICES.len() {
        print_line(
            "\nNo service was made: install a mail program, or name one, and run this again.",
        );
        return Ok(Outcome::Warnings);
    }
    let own = [other_host, odd_host(&options.host), other_name(options), gap(options)];
    let silent =
        silent.iter().map(|(option, why)| format!("warning: --{option}: the program {why}"));
    let no_effect = kept::warnings(&plan, options);
    let warnings: Vec<_> = own.into_iter().flatten().chain(no_effect).chain(silent).collect();
    warnings.iter().for_each(|warning| print_line(warning));
    print_line(&next_steps(&plan));
    Ok(if warnings.is_empty() { Outcome::Clean } else { Outcome::Warnings })
}

/// Says which files there are, and where they come from.
fn print_made(made: &[(PathBuf, Done)]) {
    for (path, done) in made {
        let path = path.display();
        print_line(&match done {
            Done::Made => format!("made {path}"),
            Done::Kept => format!("kept {path}"),
            Done::Differs => format!(
                "kept {path}, which differs from what is offered now: remove it and run this \
                 again for a new one"
            ),
        });
    }
}

/// The root folder of the jailed processes, as far as nobody else has made it. All works
/// without it, so that it cannot be made is no reason to stop.
fn make_root_folder() -> Option<String> {
    if !runs_as_root() {
        return None;
    }
    let path = root_folder::PATH;
    match root_folder::make() {
        Ok(is_new) => is_new.then(|| format!("made {path}")),
        Err(error) => {
            let reason = Reason(&error);
            Some(format!("unable to make {path}: {reason}: without it each login takes longer"))
        }
    }
}

fn plan(options: &Options) -> Result<Plan, Error> {
    let dir = std::path::absolute(&options.dir)
        .map_err(|error| Error::file("unusable folder", &options.dir, &error))?;
    must_be_plain(&dir, "folder")?;
    if !is_host(&options.host) {
        return Err(Error::new(format!(
            "unusable host name: {}: letters, digits and hyphens, with dots between",
            options.host
        )));
    }
    let mut plan = Plan::new(dir, options.host.clone());
    if let Some(cert) = &options.cert {
        plan.certificate = must_be_there(cert)?;
        plan.key = must_be_there(options.key.as_ref().unwrap_or(cert))?;
        must_hold_both(&plan)?;
        plan.self_signed = false;
    }
    match (&options.bin, &plan.bin) {
        (Some(bin), _) => plan.bin = Some(must_be_there(bin)?),
        (None, Some(own)) => must_be_plain(own, "folder")?,
        (None, None) => {}
    }
    plan.users = options.users.unwrap_or(Users::File);
    plan.mail.submission = mail_program(&plan, &options.submission, &SUBMISSION)?;
    plan.mail.pop3 = mail_program(&plan, &options.pop3, &POP3)?;
    plan.mail.imap = mail_program(&plan, &options.imap, &IMAP)?;
    plan.mail.incoming = mail_program(&plan, &options.incoming, &INCOMING)?;
    if let Some(said) = plan.mail.incoming.as_ref().ok().filter(|_| !options.allow_open_relay) {
        let arguments: Vec<_> = said.words().iter().skip(1).map(String::as_str).collect();
        if programs::is_sendmail(said.name(), &arguments) {
            return Err(Error::new(format!(
                "--incoming {said}: it treats remote clients as local users, and relays \
                 for everybody (an open relay): --allow-open-relay if that is what you want"
            )));
        }
    }
    let jail = ids(options.jail_user.as_deref(), ["acceptutils", "nobody"])?;
    if let Some(name) = options.jail_user.as_deref().filter(|_| jail.0 == 0 || jail.1 == 0) {
        let (uid, gid) = jail;
        return Err(Error::new(format!(
            "--jail-user {name}: uid {uid}, gid {gid}: jailed processes would stay root"
        )));
    }
    plan.jail_ids = Some(jail);
    match incoming_ids(options.incoming_user.as_deref(), jail)? {
        Some((uid, gid)) => plan.incoming_ids = Some((uid.to_string(), gid.to_string())),
        None => plan.mail.incoming = plan.mail.incoming.and_then(|_| Err(ONE_UID.into())),
    }
    Ok(plan)
}

/// What a service that is there is called, where that is not what was said: it keeps its name.
fn other_host(plan: &Plan, host: &str) -> Option<String> {
    let file = control_file(&plan.dir, ControlFile::Me);
    let contents = unix::control::contents(&file).ok()?;
    let name = proto::control::one_line(&contents);
    let (file, said) = (file.display(), proto::escape::Escaped(name));
    let other = !name.eq_ignore_ascii_case(host.as_bytes());
    other.then(|| format!("warning: --host {host}: {file} says {said}, and stays"))
}

/// A name by which clients elsewhere could not find the server, or not verify its certificate.
fn odd_host(host: &str) -> Option<String> {
    let why = if is_ip_address(host) {
        "an address, not a name: clients look for a name in its certificate"
    } else if !host.contains('.') {
        "not a full name: clients elsewhere do not find it"
    } else {
        return None;
    };
    Some(format!("warning: --host {host}: {why}"))
}

/// The path as it was given, made absolute. Links stay what they are: who renews
/// certificates turns them to the next one.
fn must_be_there(path: &Path) -> Result<PathBuf, Error> {
    path.metadata().map_err(|error| Error::read(path, error))?;
    let path = std::path::absolute(path).map_err(|error| Error::read(path, error))?;
    must_be_plain(&path, "file name").map(|()| path)
}

/// A certificate and its key: without one of them no service can start. Whoever makes the files
/// need not be who runs the service, and may be kept from reading the key.
fn must_hold_both(plan: &Plan) -> Result<(), Error> {
    certificate::first(&plan.certificate)?;
    let opened = std::fs::File::open(&plan.key);
    if opened.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
        return Ok(());
    }
    match certificate::key(&plan.key) {
        Err(error) if plan.key == plan.certificate => {
            Err(Error::new(format!("{error}: name the key's file with --key")))
        }
        key => key.map(drop),
    }
}

/// That a certificate is another server's.
fn other_name(options: &Options) -> Option<String> {
    let file = options.cert.as_ref()?;
    let is_its = certificate::is_for(&certificate::first(file).ok()?, &options.host);
    let (file, host) = (file.display(), &options.host);
    let why = "clients that verify it would refuse it";
    (!is_its).then(|| format!("warning: --cert: {file}: not for {host}: {why}"))
}

/// What clients would lack of a certificate's chain.
fn gap(options: &Options) -> Option<String> {
    let file = options.cert.as_ref()?;
    let gap = Chain::of(&certificate::all(file).ok()?)?.gap()?;
    Some(format!("warning: --cert: {}: {gap}", file.display()))
}

/// It goes into shell scripts and units, both of which would have it quoted, each
/// in its own way.
pub(crate) fn must_be_plain(path: &Path, what: &str) -> Result<(), Error> {
    let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"/._+@,-=:".contains(octet);
    if path.as_os_str().as_encoded_bytes().iter().all(is_plain) {
        return Ok(());
    }
    let path = proto::escape::Escaped(path.as_os_str().as_encoded_bytes());
    Err(Error::new(format!("unusable {what}: {path}: a run script would need it quoted")))
}

/// The services of a mail program: the option that names it, and what is usual.
struct Kind {
    option: &'static str,
    protocol: Protocol,
    usual: fn() -> Vec<CommandLine>,
}

const SUBMISSION: Kind =
    Kind { option: "submission", protocol: Protocol::Smtp, usual: programs::submission_servers };
const INCOMING: Kind =
    Kind { option: "incoming", protocol: Protocol::Smtp, usual: programs::incoming_servers };
const POP3: Kind = Kind { option: "pop3", protocol: Protocol::Pop3, usual: programs::pop3_servers };
const IMAP: Kind = Kind { option: "imap", protocol: Protocol::Imap, usual: programs::imap_servers };

/// The command that was named, or else one that is found.
fn mail_program(
    plan: &Plan,
    said: &Option<String>,
    kind: &Kind,
) -> Result<Result<CommandLine, String>, Error> {
    match said {
        Some(said) => CommandLine::parse(said).map(Ok).map_err(Error::new),
        None => Ok(installed(plan, kind)),
    }
}

/// The first that is installed and serves: some programs that are called sendmail know no
/// `-bs`.
fn installed(plan: &Plan, kind: &Kind) -> Result<CommandLine, String> {
    let mut reasons = Vec::new();
    for command in (kind.usual)() {
        match plan.try_out(&command, kind.protocol, false) {
            Ok(_) => return Ok(command),
            Err(why) => reasons.push(format!("{command} {why}")),
        }
    }
    let hint = format!("name one with --{}", kind.option);
    Err(match reasons.as_slice() {
        [] => format!("no program for it: {hint}"),
        reasons => format!("{}: {hint}", reasons.join("; ")),
    })
}

/// The IMAP server of this machine that a service could have.
pub(crate) fn imap_server(plan: &Plan) -> Result<CommandLine, String> {
    installed(plan, &IMAP)
}

/// Why port 25 has no service.
const ONE_UID: &str = "its mail program would have the uid of the processes that talk TLS with \
    strangers, and could be stopped by them: have two users, as with adduser --system \
    --no-create-home acceptutils, or name them with --incoming-user and --jail-user";

/// User and group of port 25's mail program: never the jail's, whose processes could
/// then stop it, and it them.
fn incoming_ids(said: Option<&str>, jail: (u32, u32)) -> Result<Option<(u32, u32)>, Error> {
    if let Some(name) = said {
        let named = ids(said, ["", ""])?;
        if named.0 == 0 {
            return Err(Error::new(format!(
                "--incoming-user {name}: uid 0: strangers would talk to a mail program of root's"
            )));
        }
        if named.0 == jail.0 {
            let uid = named.0;
            return Err(Error::new(format!("--incoming-user and --jail-user: both are uid {uid}")));
        }
        return Ok(Some(named));
    }
    for name in ["qmaild", "nobody"] {
        if let Some(found) = user(name)?.filter(|found| found.0 != jail.0) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// User and group of the one who was named, or else of the first that there is.
fn ids(said: Option<&str>, usual: [&str; 2]) -> Result<(u32, u32), Error> {
    let names = said.map_or(usual.to_vec(), |name| vec![name]);
    for name in &names {
        if let Some(found) = user(name)? {
            return Ok(found);
        }
    }
    Err(Error::new(format!("unknown user: {}", names.join(", "))))
}

fn user(name: &str) -> Result<Option<(u32, u32)>, Error> {
    let found = SystemUser::named(name)
        .map_err(|error| Error::file("unable to look up user", Path::new(name), &error))?;
    Ok(found.map(|user| (user.uid, user.gid)))
}

fn next_steps(plan: &Plan) -> String {
    let dir = plan.dir.display();
    let first = SERVICES.iter().find(|service| kept::is_there(plan, service));
    let name = first.map_or("submission", |service| service.name);
    // The package's own unit is for its own folder.
    let is_packaged = PACKAGED_UNIT.iter().any(|unit| Path::new(unit).exists());
    let link = if plan.dir == Path::new(PACKAGED) && is_packaged {
        String::new()
    } else {
        format!(
            "cp -r {dir}/systemd/. /etc/systemd/system/ && systemctl daemon-reload &&\n            "
        )
    };
    let certificate = if plan.self_signed && certificate::is_self_signed(&plan.certificate) {
        format!("\n   Its certificate is signed by nobody else: put a better one in {dir}/tls.")
    } else {
        String::new()
    };
    let users = match kept::users(plan) {
        Users::File => {
            format!("1. Add a user:  acceptutils user add NAME --uid NAME --file {dir}/users")
        }
        Users::Pam if Path::new(PAM_SERVICE).exists() => {
            "1. Users are those of the system, by PAM.".to_owned()
        }
        Users::Pam => {
            format!("1. Tell PAM:  install -m 644 {dir}/pam.d/checkpassword {PAM_SERVICE}")
        }
    };
    format!(
        "\nNext:\n\
         {users}\n\
         2. Look it over:  acceptutils check {dir}{certificate}\n\
         3. Start what you need of it:\n   \
            daemontools, runit:  ln -s {dir}/service/{name} /etc/service/\n   \
            s6:  ln -s {dir}/service/{name} SCANDIR/ && s6-svscanctl -a SCANDIR\n   \
            systemd:  {link}systemctl enable --now acceptutils@{name}\n\
         4. See it log somebody in:  acceptutils check {dir} --login NAME"
    )
}

/// Where PAM looks for what checkpassword-pam is to ask.
const PAM_SERVICE: &str = "/etc/pam.d/checkpassword";

/// Where the Debian package puts its unit.
const PACKAGED_UNIT: [&str; 2] =
    ["/usr/lib/systemd/system/acceptutils@.service", "/lib/systemd/system/acceptutils@.service"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::script_of;

    /// A link to one that is left out leads nowhere, and its unit would be tried without end.
    #[test]
    fn the_next_steps_name_a_service_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new(folder.path().to_owned(), "mail.example.org".into());
        for name in ["pop3s", "submissions"] {
            let script = folder.path().join(script_of(name));
            std::fs::create_dir_all(script.parent().unwrap()).unwrap();
            std::fs::write(script, "").unwrap();
            let steps = next_steps(&plan);
            assert_eq!(steps.matches(&format!("service/{name} ")).count(), 2, "{steps}");
            assert!(steps.contains(&format!("enable --now acceptutils@{name}\n")), "{steps}");
        }
    }
}
