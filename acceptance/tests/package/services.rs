//! The services of a machine, as users have them.

use crate::machine::Machine;
use crate::{PASSWORD, commands, displays};
use test_support::needs;
use test_support::needs::is_installed;

/// Waits until services listen.
fn listening(machine: &Machine, services: &[(&str, u16)]) {
    for (name, port) in services {
        machine.awaits(&format!(
            "ss -Htln 'sport = :{port}' | grep -q : && systemctl is-active acceptutils@{name}"
        ));
    }
}

/// A message through the service as it runs; and nobody without the password.
pub(crate) fn submission_works(machine: &Machine) {
    listening(machine, &[("submission", 587)]);
    let sends = |password: &str| {
        machine.run(&format!(
            "swaks --server 127.0.0.1:587 --tls --auth PLAIN --auth-user al \
             --auth-password '{password}' --from al@localhost --to al@localhost \
             --header 'Subject: Through the package'"
        ))
    };
    let sent = sends(PASSWORD);
    assert!(sent.status.success(), "{sent:?}");
    let refused = sends("wrong horse");
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(!refused.status.success() && said.contains("<~* 535 "), "{said}");
    let delivered = machine.awaits(
        "grep -rhs '^Subject: Through' ~al/Maildir/new || \
         grep -Es ' (==|\\*\\*) ' /var/log/exim4/mainlog",
    );
    assert_eq!(delivered, "Subject: Through the package\n");
}

/// The commands of acceptutils(8), and back.
pub(crate) fn another_port_works(machine: &Machine) {
    let again = |command: &str| machine.succeeds(command);
    for command in commands("Another port") {
        again(&command);
    }
    listening(machine, &[("submission", 2587)]);
    assert_eq!(machine.succeeds("ss -Htln 'sport = :587'"), "");
    again("swaks --server 127.0.0.1:2587 --tls --quit-after EHLO");
    again("rm -r /etc/systemd/system/acceptutils@submission.socket.d && systemctl daemon-reload");
    again("systemctl stop acceptutils@submission.socket acceptutils@submission");
    again("systemctl start acceptutils@submission");
    listening(machine, &[("submission", 587)]);
}

/// What `check` finds there.
fn checked(machine: &Machine, folder: &str) -> String {
    String::from_utf8(machine.run(&format!("acceptutils check {folder}")).stdout).unwrap()
}

/// By the commands of acceptutils(8). Without its assertion systemd refuses the service, and
/// `check` knows; then back.
pub(crate) fn a_drop_in_leads_to_another_folder(machine: &Machine) {
    machine.succeeds(
        "cp -a /etc/acceptutils /srv/mail && mv /etc/acceptutils/service/pop3s kept && \
         sed -i 's|/etc/acceptutils|/srv/mail|g' /srv/mail/service/*/run && \
         systemctl stop acceptutils@pop3s.socket acceptutils@pop3s",
    );
    machine.succeeds(&format!("set -e; {}", displays("Run scripts in another folder")[0]));
    machine.succeeds("systemctl enable --now acceptutils@pop3s");
    listening(machine, &[("pop3s", 995)]);
    let found = checked(machine, "/srv/mail");
    assert!(found.ends_with("\n0 errors, 0 warnings\n"), "{found}");
    let drop_in = "/etc/systemd/system/acceptutils@pop3s.service.d/folder.conf";
    let shown = "systemctl show --value --property ExecStart acceptutils@pop3s";
    assert!(machine.succeeds(shown).contains("path=/srv/mail/service/pop3s/run ;"));
    machine.succeeds(&format!("sed -i /Assert/d {drop_in} && systemctl daemon-reload"));
    let started = machine.run("systemctl restart acceptutils@pop3s");
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(!started.status.success() && said.contains("Assertion failed"), "{said}");
    let found = checked(machine, "/srv/mail");
    let expected = format!("error: {drop_in}:5: AssertPathExists: /etc/acceptutils/service/%i/run");
    assert!(found.contains(&expected) && found.ends_with("\n1 error, 0 warnings\n"), "{found}");
    machine.succeeds(
        "rm -r /etc/systemd/system/acceptutils@pop3s.*.d /srv/mail && systemctl daemon-reload && \
         mv kept /etc/acceptutils/service/pop3s && \
         systemctl restart acceptutils@pop3s.socket acceptutils@pop3s",
    );
    listening(machine, &[("pop3s", 995)]);
}

/// A service that is not there fails once, and nobody waits at its port.
pub(crate) fn a_missing_service_is_not_started(machine: &Machine) {
    machine.succeeds("mv /etc/acceptutils/service/pop3s kept");
    for name in ["nonesuch", "pop3s"] {
        let started = machine.run(&format!("systemctl enable --now acceptutils@{name}"));
        let said = String::from_utf8(started.stderr).unwrap();
        assert!(!started.status.success() && said.contains("Assertion failed"), "{said}");
        let states = format!("systemctl is-active acceptutils@{name} acceptutils@{name}.socket");
        let states = String::from_utf8(machine.run(&states).stdout).unwrap();
        assert_eq!(states, "inactive\ninactive\n");
        let found = checked(machine, "/etc/acceptutils");
        let expected = format!(
            "warning: /etc/systemd/system/multi-user.target.wants/acceptutils@{name}.service: \
             enabled, and /etc/acceptutils/service/{name}/run is not there"
        );
        assert!(found.contains(&expected), "{found}");
        machine.succeeds(&format!("systemctl disable acceptutils@{name}"));
    }
    assert_eq!(machine.succeeds("ss -Htln 'sport = :995'"), "");
    machine.succeeds("mv kept /etc/acceptutils/service/pop3s");
}

/// The services that users fetch by what [`submission_works`] has sent.
pub(crate) fn fetching_works(machine: &Machine) {
    let services = [("pop3", 110), ("pop3s", 995)];
    for (name, _) in services {
        machine.succeeds(&format!("systemctl enable --now acceptutils@{name}"));
    }
    listening(machine, &services);
    is_fetched(machine);
}

fn is_fetched(machine: &Machine) {
    let fetches = format!(
        "printf 'USER al\\r\\nPASS {PASSWORD}\\r\\nRETR 1\\r\\nQUIT\\r\\n' | openssl s_client -quiet"
    );
    for connect in ["-starttls pop3 -connect 127.0.0.1:110", "-connect 127.0.0.1:995"] {
        let said = machine.succeeds(&format!("{fetches} {connect}"));
        assert!(said.contains("\r\nSubject: Through the package\r\n"), "{said}");
    }
}

/// The other services, by the same unit; users fetch what [`submission_works`] has sent.
pub(crate) fn other_services_work(machine: &Machine) {
    // In place of a server for incoming mail that is set up.
    machine.succeeds(
        "rm -rf /etc/acceptutils/service/smtp && acceptutils init /etc/acceptutils \
         --host mail.example.org --incoming smtpfront-echo",
    );
    let has_imap = is_installed("imap");
    let mut others = vec![("submissions", 465), ("smtp", 25), ("pop3", 110), ("pop3s", 995)];
    others.extend([("imap", 143), ("imaps", 993)].iter().filter(|_| has_imap));
    for (name, _) in &others {
        machine.succeeds(&format!("systemctl enable --now acceptutils@{name}"));
    }
    listening(machine, &others);
    let swaks =
        format!("swaks --auth PLAIN --auth-user al --auth-password '{PASSWORD}' --quit-after AUTH");
    machine.succeeds(&format!("{swaks} --server 127.0.0.1:465 --tls-on-connect"));
    machine.succeeds(
        "swaks --server 127.0.0.1:25 --tls --from al@localhost --to al@localhost --quit-after HELO",
    );
    is_fetched(machine);
    let reads = format!(
        "printf 'a LOGIN al \"{PASSWORD}\"\\r\\nb SELECT INBOX\\r\\n\
         c FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\\r\\nd LOGOUT\\r\\n' | \
         openssl s_client -quiet"
    );
    let imap = ["-starttls imap -connect 127.0.0.1:143", "-connect 127.0.0.1:993"];
    for connect in imap.iter().filter(|_| has_imap) {
        let said = machine.succeeds(&format!("{reads} {connect}"));
        assert!(said.contains("\r\nSubject: Through the package\r\n"), "{said}");
    }
}

/// Thunderbird's part of a dialog that was recorded, and where it is installed the program
/// itself, with the settings that `init` has made: a user reads by IMAP and sends with the
/// same name and password.
pub(crate) fn thunderbird_works(machine: &Machine) {
    if !is_installed("imap") {
        return;
    }
    machine.succeeds(
        "echo 'pass word' | acceptutils user add bob --uid bob --stdin && \
         install -o bob -g bob -m 600 stored.eml ~bob/Maildir/new/1.test",
    );
    listening(machine, &[("submission", 587), ("imaps", 993)]);
    let certificate = "/etc/acceptutils/tls/cert.pem";
    machine.succeeds(&format!(
        "python3 play.py thunderbird-imaps-submission.dialog {certificate} \
         imaps=127.0.0.1:993 submission=127.0.0.1:587"
    ));
    needs!("thunderbird");
    let settings = "/etc/acceptutils/client/config-v1.1.xml";
    for ports in ["imap 993 587", "pop3 995 465"] {
        let said = machine.run(&format!(
            "python3 thunderbird.py {settings} {certificate} al@localhost '{PASSWORD}' \
             'Through the package' {ports}"
        ));
        assert!(said.status.success(), "{ports}: {}", String::from_utf8_lossy(&said.stderr));
        machine.succeeds("rm -f $(grep -rl '^Subject: By Thunderbird' ~al/Maildir)");
    }
}
