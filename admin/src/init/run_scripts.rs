//! The run script of each service, and systemd's units.
//!
//! daemontools, runit and s6 run the same script, and so does systemd's unit. The
//! scripts in `contrib/service` are made by this code, the unit is included from there.

use super::plan::{MEMORY, Plan, Users};
use crate::command::CommandLine;
use crate::home::PACKAGED;
use crate::services::{Chain, SERVICES, Service};
use std::fmt::Write;
use std::path::Path;

impl Service {
    /// The run script; none where there is no mail program for it.
    pub(super) fn run_script(&self, plan: &Plan) -> Option<String> {
        let Self { about, port, .. } = self;
        let dir = plan.dir.display();
        let ucspitls = match self.chain {
            Chain::Incoming => "# Mail from strangers comes in the clear, too.\nexport UCSPITLS=",
            _ => "# Nobody logs in without TLS.\nexport UCSPITLS='!'",
        };
        let mut script = format!(
            "#!/bin/sh\n\
             # {about}, port {port}: for daemontools, runit, s6 and systemd.\n\
             # Made by acceptutils init, and yours to change.\n\
             exec 2>&1\n\
             export PATH={path}\n\
             export QMAILHOME={dir}\n\
             export CERTFILE={cert}\n\
             export KEYFILE={key}\n\
             {jail}\
             {ucspitls}\n\
             {memory}\
             exec tlsserver {options} {listen} \\\n",
            path = plan.path(),
            cert = plan.certificate.display(),
            key = plan.key.display(),
            jail = Self::jail(plan),
            memory = self.memory(plan),
            options = self.options(plan),
            listen = plan.listen(*port),
        );
        let _ = writeln!(script, "    {}", self.chain(plan)?.join(" \\\n    "));
        Some(script)
    }

    /// What writes its log under daemontools, runit and s6, each of which runs what is in
    /// `log` beside the service.
    pub(super) fn log_script(&self, plan: &Plan) -> String {
        let (name, path) = (self.name, plan.path());
        format!(
            "#!/bin/sh\n\
             # The log of {name}, for daemontools, runit and s6.\n\
             # Made by acceptutils init, and yours to change.\n\
             export PATH={path}\n\
             umask 027\n\
             log=/var/log/acceptutils/{name}\n\
             mkdir -p \"$log\"\n\
             # A megabyte in each of ten files.\n\
             command -v multilog >/dev/null && exec multilog t s1000000 n10 \"$log\"\n\
             command -v svlogd >/dev/null && exec svlogd -tt \"$log\"\n\
             exec s6-log -b t s1000000 n10 \"$log\"\n"
        )
    }

    /// Why there is no mail program for it, where there is none.
    pub(super) fn left_out<'a>(&self, plan: &'a Plan) -> Option<&'a str> {
        self.program(plan).as_ref().err().map(String::as_str)
    }

    const fn program<'a>(&self, plan: &'a Plan) -> &'a Result<CommandLine, String> {
        match self.chain {
            Chain::Submission => &plan.mail.submission,
            Chain::Incoming => &plan.mail.incoming,
            Chain::Pop3 => &plan.mail.pop3,
            Chain::Imap => &plan.mail.imap,
        }
    }

    /// What has gone with the machine's last session is made again.
    fn memory(&self, plan: &Plan) -> &'static str {
        let is_of_boot = plan.memory() == Path::new(MEMORY);
        if self.chain.login().is_some() && is_of_boot {
            "# Refused logins are remembered: see control/loginfailures.\n\
             acceptutils failures --create\n"
        } else {
            ""
        }
    }

    /// Who the processes are that talk to strangers.
    fn jail(plan: &Plan) -> String {
        let Some((uid, gid)) = plan.jail_ids else { return String::new() };
        format!("export SSL_UID={uid} SSL_GID={gid}\n")
    }

    fn options(&self, plan: &Plan) -> String {
        let (all, each) = self.limits();
        let delayed = if self.delayed { "-n " } else { "" };
        let mut options = format!("{delayed}-v -c {all} -C {each} -l {}", plan.host);
        if let Some(protocol) = self.chain.login() {
            let _ = write!(options, " --login {}", protocol.name());
        }
        if let (Chain::Incoming, Some((uid, gid))) = (self.chain, &plan.incoming_ids) {
            let _ = write!(options, " -u {uid} -g {gid}");
        }
        options
    }

    /// Connections at once, and from one address. Mail programs keep up to five to an IMAP server
    /// for each account, as long as they run; what is behind a login then costs a process, and
    /// before it next to nothing.
    const fn limits(&self) -> (u32, u32) {
        if matches!(self.chain, Chain::Imap) { (200, 50) } else { (40, 10) }
    }

    /// What tlsserver runs: each line of the script is one program and its arguments.
    fn chain(&self, plan: &Plan) -> Option<Vec<String>> {
        let dir = plan.dir.display();
        let check = match plan.users {
            Users::File => format!("checkpassword-file -f {dir}/users"),
            Users::Pam => "checkpassword-pam".to_owned(),
        };
        let fixsmtpio = format!("env QMAILHOME={dir} fixsmtpio");
        // Which refuse root, and say that a login is good, so that nothing else need do so.
        let login = self.chain.login().map(|_| check).into_iter();
        let program = self.program(plan).as_ref().ok()?.to_string();
        let behind = match self.chain {
            // tlsserver keeps QMAILHOME to itself.
            Chain::Submission => vec![fixsmtpio, program],
            Chain::Incoming => vec!["fixsmtpio".into(), program],
            Chain::Pop3 | Chain::Imap => vec![program],
        };
        Some(login.chain(behind).collect())
    }
}

/// systemd's unit, a template: its instances are the services.
fn unit(dir: &Path) -> String {
    of_folder(include_str!("../../../contrib/systemd/acceptutils@.service"), dir)
}

/// A unit of the package's with this folder in place of the package's.
fn of_folder(unit: &str, dir: &Path) -> String {
    unit.replace(PACKAGED, &dir.display().to_string())
}

/// Files of systemd's, under their names.
pub(super) fn units(dir: &Path) -> Vec<(String, String)> {
    let socket = include_str!("../../../contrib/systemd/acceptutils@.socket");
    let mut units = vec![
        ("acceptutils@.service".to_owned(), unit(dir)),
        ("acceptutils@.socket".to_owned(), of_folder(socket, dir)),
    ];
    units.extend(SERVICES.iter().map(|Service { name, port, .. }| {
        let file = format!("acceptutils@{name}.socket.d/listen.conf");
        (file, format!("[Socket]\nListenStream={port}\n"))
    }));
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::plan::Clients;
    use crate::programs::MailPrograms;

    fn command(text: &str) -> Result<CommandLine, String> {
        CommandLine::parse(text)
    }

    /// What somebody gets who takes the scripts from `contrib`, without `init`.
    fn plan() -> Plan {
        Plan {
            bin: None,
            mail: MailPrograms {
                submission: command("ofmipd"),
                incoming: command("qmail-smtpd"),
                pop3: command("qmail-pop3d Maildir"),
                imap: command(&crate::programs::dovecot_imap("/usr/lib/dovecot")),
            },
            // Whose number nobody can know here; not that of the jails.
            incoming_ids: Some(("\"$(id -u qmaild)\"".into(), "\"$(id -g qmaild)\"".into())),
            clients: Clients::Everywhere,
            ..Plan::new(PACKAGED.into(), "mail.example.org".into())
        }
    }

    #[test]
    fn the_scripts_in_contrib_are_those_that_init_makes() {
        let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/service");
        for service in SERVICES {
            let file = contrib.join(service.name).join("run");
            let expected = service.run_script(&plan()).unwrap();
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(found, expected, "{}: should be\n{expected}", file.display());
        }
        assert_eq!(contrib.read_dir().unwrap().count(), SERVICES.len());
    }

    #[test]
    fn the_units_in_contrib_are_those_that_init_makes() {
        let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd");
        for (name, expected) in units(Path::new(PACKAGED)) {
            let found = std::fs::read_to_string(contrib.join(&name)).unwrap_or_default();
            assert_eq!(found, expected, "{name}");
        }
    }

    /// Whatever the system's default: `::` in a run script is every address, too.
    #[test]
    fn the_port_of_a_unit_is_one_for_ipv4_as_well() {
        let units = units(Path::new(PACKAGED));
        let (_, socket) = units.iter().find(|(name, _)| name == "acceptutils@.socket").unwrap();
        assert!(socket.contains("\nBindIPv6Only=both\n"), "{socket}");
    }

    #[test]
    fn systemd_starts_a_script_where_other_supervisors_do() {
        let folder = "WorkingDirectory=/a/service/%i\n";
        assert!(unit(Path::new("/a")).contains(folder), "{folder}");
    }

    /// Else a service that was left out would be tried without end, and clients would wait at
    /// its port.
    #[test]
    fn systemd_starts_neither_service_nor_socket_without_a_script() {
        let units = units(Path::new("/a"));
        for name in ["acceptutils@.service", "acceptutils@.socket"] {
            let (_, unit) = units.iter().find(|(found, _)| found == name).unwrap();
            let (head, _) = unit.split_once("\n[S").unwrap();
            assert!(head.contains("\nAssertPathExists=/a/service/%i/run\n"), "{unit}");
        }
    }

    #[test]
    fn a_service_without_a_program_is_left_out() {
        let mut plan = plan();
        plan.mail.pop3 = Err("none".into());
        for service in SERVICES {
            let is_out = service.name.starts_with("pop3");
            assert_eq!(service.left_out(&plan), is_out.then_some("none"));
            assert_eq!(service.run_script(&plan).is_none(), is_out, "{}", service.name);
        }
    }
}
