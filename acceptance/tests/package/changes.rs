//! What is done to a service that runs: a renewed certificate, a restart, an upgrade, a stop.

use crate::machine::Machine;
use crate::{PASSWORD, commands, root};
use test_support::talking::Talking;
use test_support::wait::until;

/// Which certificate a client is shown.
pub(crate) const SERIAL: &str = "openssl s_client -starttls smtp -connect 127.0.0.1:587 \
                                 </dev/null 2>&- | openssl x509 -noout -serial";
const MAIN_PID: &str = "systemctl show --value --property MainPID acceptutils@submission";

/// A test client that runs there.
pub(crate) struct Client(Talking);

impl Client {
    /// Starts it, and waits for its first line.
    pub(crate) fn start(machine: &Machine, program: &str) -> Self {
        let mut client = machine.start(&format!("exec python3 {program} al '{PASSWORD}'"));
        assert_ne!(client.line(), "", "{program}");
        Self(client)
    }

    /// What it says to a word of ours.
    pub(crate) fn asked(&mut self, word: &str) -> String {
        self.0.say(&format!("{word}\n"));
        self.0.line().trim_end().to_owned()
    }
}

/// While a client sends one message after the other: none is lost or doubled, and no
/// connection refused.
pub(crate) fn lose_nothing(machine: &Machine, upgrade: &str) {
    let sender = Client::start(machine, "sender.py");
    a_renewed_certificate_is_shown(machine);
    let mut pids = vec![machine.succeeds(MAIN_PID)];
    let idlers = [(); 2].map(|()| Client::start(machine, "idler.py"));
    let changes = ["systemctl restart acceptutils@submission", upgrade];
    for (change, mut idler) in changes.into_iter().zip(idlers) {
        assert_eq!(idler.asked("session"), "250");
        machine.succeeds(change);
        pids.push(machine.succeeds(MAIN_PID));
        sessions_go_on(&mut idler);
    }
    let (said, _) = sender.0.end();
    pids.dedup();
    assert_eq!(pids.len(), 3, "each has the programs started anew: {pids:?}");
    let sent = said.strip_prefix("sent ").unwrap_or_else(|| panic!("{said}"));
    let sent: usize = sent.trim().parse().unwrap();
    assert!(sent > 0);
    let numbers = "grep -rhs '^Subject: Number' ~al/Maildir/new ~al/Maildir/cur";
    let mailbox = machine.awaits(&format!(
        "test $({numbers} | wc -l) -ge {sent} || \
         grep -E ' (==|\\*\\*) ' /var/log/exim4/mainlog 2>&- && {numbers}"
    ));
    for number in 1..=sent {
        let subject = format!("Subject: Number {number} of a row");
        assert_eq!(mailbox.lines().filter(|line| *line == subject).count(), 1, "{subject}");
    }
    a_stop_leaves_sessions_until_they_are_killed(machine);
}

/// The deploy hook of docs/certificates.md, behind another certificate.
fn a_renewed_certificate_is_shown(machine: &Machine) {
    let page = std::fs::read_to_string(root().join("docs/certificates.md")).unwrap();
    let (_, hook) = page.split_once("\ncat >/etc/letsencrypt").unwrap();
    let (_, hook) = hook.split_once("#!/bin/sh\n").unwrap();
    let (hook, _) = hook.split_once("\nEOF").unwrap();
    let old = machine.succeeds(SERIAL);
    machine.succeeds(
        "cd /etc/acceptutils/tls && openssl req -x509 -newkey ec \
         -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.org \
         -addext subjectAltName=DNS:mail.example.org -days 90 -keyout key.pem -out cert.pem",
    );
    let main = machine.succeeds(MAIN_PID);
    machine.succeeds(hook);
    until("new certificate", || machine.succeeds(SERIAL), |shown| *shown != old);
    assert_eq!(machine.succeeds(MAIN_PID), main, "it was read again, and nothing started anew");
}

/// Behind a change that has new programs serve: who is logged in goes on, and who has said
/// nothing has been told to come again, and has held nothing up.
fn sessions_go_on(idler: &mut Client) {
    assert_eq!(idler.asked("session"), "250");
    let heard = idler.asked("stranger");
    assert!(heard.starts_with("421 "), "{heard}");
    assert_eq!(idler.asked("session"), "250");
}

/// The commands of acceptutils(8): the first leaves sessions, and who ends them after a
/// while; the second leaves nothing.
fn a_stop_leaves_sessions_until_they_are_killed(machine: &Machine) {
    let mut idler = Client::start(machine, "idler.py");
    let stop = commands("Stop");
    let [stop, kill] = &stop[..] else { panic!("{stop:?}") };
    machine.succeeds(stop);
    let state = "systemctl is-active acceptutils@submission acceptutils@submission.socket || :";
    assert_eq!(machine.succeeds(state), "inactive\ninactive\n");
    assert_eq!(machine.succeeds("ss -Htln 'sport = :587'"), "");
    sessions_go_on(&mut idler);
    let left = "cat /sys/fs/cgroup/*/*/acceptutils@submission.service/cgroup.procs 2>&- | \
                xargs --no-run-if-empty ps -o comm= -p";
    let names = machine.succeeds(left);
    assert!(names.contains("tlsserver-monit"), "{names}");
    mail_programs_have_temporary_folders(machine);
    machine.succeeds(kill);
    assert_eq!(idler.asked("session"), "over");
    machine.awaits(&format!("test -z \"$({left})\""));
    let start = "systemctl start acceptutils@submission.socket acceptutils@submission";
    machine.succeeds(start);
}

/// Of each process that goes on as al: files can be made where its mail program makes some,
/// seen from there. One that delivers to him may end meanwhile, and has no root folder then.
fn mail_programs_have_temporary_folders(machine: &Machine) {
    machine.succeeds(
        "processes=$(pgrep --euid al) && for process in $processes; do for folder in tmp var/tmp; \
         do made=$(mktemp --tmpdir=/proc/$process/root/$folder) && rm \"$made\" || \
         ! test -e /proc/$process/root/ || exit; done; done",
    );
}

/// A service whose run script no longer works runs on until the upgrade, which succeeds, and
/// has the others start anew.
pub(crate) fn a_broken_service_stops_no_upgrade(machine: &Machine, upgrade: &str) {
    let script = "/etc/acceptutils/service/pop3/run";
    machine.succeeds(&format!(
        "mv {script} kept && printf '#!/bin/sh\nexit 1\n' >{script} && chmod 755 {script}"
    ));
    let main = machine.succeeds(MAIN_PID);
    machine.succeeds(upgrade);
    assert_ne!(machine.succeeds(MAIN_PID), main);
    let state = "dpkg-query --show --showformat '${db:Status-Status}' acceptutils";
    assert_eq!(machine.succeeds(state), "installed");
    machine.succeeds(&format!("mv kept {script} && systemctl restart acceptutils@pop3"));
}

/// Whoever is logged in when the programs are removed hears the end; none of them is left.
pub(crate) fn no_session_outlives_the_programs(machine: &Machine, remove: impl FnOnce()) {
    let mut idler = Client::start(machine, "idler.py");
    assert_eq!(idler.asked("session"), "250");
    remove();
    assert_eq!(idler.asked("session"), "over");
    machine.awaits("! grep --silent . /sys/fs/cgroup/*/*/acceptutils@*.service/cgroup.procs");
}
