//! The services that `init` sets up, and the run script of each.
//!
//! daemontools, runit and s6 run the same script, and so does systemd's unit.

use super::Plan;
use std::fmt::Write;

/// A service: a port, what is spoken there, and when TLS begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The folder's name under `service/`.
    pub(crate) name: &'static str,
    about: &'static str,
    port: u16,
    /// TLS begins when the client asks for it; else with the first octet.
    delayed: bool,
    chain: Chain,
}

#[derive(Debug, Clone, Copy)]
enum Chain {
    Submission,
    Incoming,
    Pop3,
}

/// All of them.
pub(crate) const SERVICES: [Service; 5] = [
    Service {
        name: "submission",
        about: "Submission with STARTTLS",
        port: 587,
        delayed: true,
        chain: Chain::Submission,
    },
    Service {
        name: "submissions",
        about: "Submission with TLS from the first octet",
        port: 465,
        delayed: false,
        chain: Chain::Submission,
    },
    Service {
        name: "smtp",
        about: "Incoming mail, with STARTTLS for those who want it",
        port: 25,
        delayed: true,
        chain: Chain::Incoming,
    },
    Service { name: "pop3", about: "POP3 with STLS", port: 110, delayed: true, chain: Chain::Pop3 },
    Service {
        name: "pop3s",
        about: "POP3 with TLS from the first octet",
        port: 995,
        delayed: false,
        chain: Chain::Pop3,
    },
];

impl Service {
    /// The run script.
    pub(super) fn run_script(&self, plan: &Plan) -> String {
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
             {ucspitls}\n\
             exec tlsserver {options} {listen} \\\n",
            path = plan.path(),
            cert = plan.certificate.display(),
            key = plan.key.display(),
            options = self.options(plan),
            listen = plan.listen(*port),
        );
        let _ = writeln!(script, "    {}", self.chain(plan).join(" \\\n    "));
        script
    }

    fn options(&self, plan: &Plan) -> String {
        let mut options =
            format!("{}-v -c 40 -l {}", if self.delayed { "-n " } else { "" }, plan.host);
        if let (Chain::Incoming, Some((uid, gid))) = (self.chain, plan.incoming_ids) {
            let _ = write!(options, " -u {uid} -g {gid}");
        }
        options
    }

    /// What tlsserver runs: each line of the script is one program and its arguments.
    fn chain(&self, plan: &Plan) -> Vec<String> {
        let dir = plan.dir.display();
        let check = format!("checkpassword-file -f {dir}/users");
        let fixsmtpio = format!("env QMAILHOME={dir} fixsmtpio");
        let login =
            |protocol: &str| vec![format!("authup {protocol}"), check, "checknotroot".into()];
        match self.chain {
            // authup keeps QMAILHOME to itself.
            Chain::Submission => {
                [login("smtp"), vec![fixsmtpio, plan.mail.submission.clone()]].concat()
            }
            Chain::Incoming => vec!["fixsmtpio".into(), plan.mail.incoming.clone()],
            Chain::Pop3 => [login("pop3"), vec![plan.mail.pop3.clone()]].concat(),
        }
    }

    /// systemd's unit, for those who have no other supervisor.
    pub(super) fn unit(&self, plan: &Plan) -> String {
        format!(
            "[Unit]\n\
             Description={about} ({host})\n\
             After=network.target\n\
             \n\
             [Service]\n\
             ExecStart={dir}/service/{name}/run\n\
             ExecReload=/bin/kill -HUP $MAINPID\n\
             # SIGTERM lets conversations that run come to their end.\n\
             KillMode=mixed\n\
             Restart=always\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n",
            about = self.about,
            host = plan.host,
            dir = plan.dir.display(),
            name = self.name,
        )
    }
}
