//! The Debian package: from `dpkg -i` to a service that works, and back to nothing,
//! with the commands that the manual page shows, on a machine of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is a test")]

mod machine;

use machine::{Machine, file};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse";
const ANSWERS: [(&str, &str); 3] = [
    ("New password for al: ", PASSWORD),
    ("The same again: ", PASSWORD),
    ("Password of al: ", PASSWORD),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The commands of a subsection of EXAMPLES in acceptutils(8).
fn commands(subsection: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("man/acceptutils.8")).unwrap();
    let (_, examples) = page.split_once("\n.Sh EXAMPLES\n").unwrap();
    let (_, example) = examples.split_once(&format!(".Ss {subsection}\n")).unwrap();
    let (_, display) = example.split_once(".Bd -literal -offset indent\n").unwrap();
    let (display, _) = display.split_once("\n.Ed").unwrap();
    // A backslash at a line's end, as mdoc writes it, has the command go on.
    display.replace("\\e\n", "").lines().map(str::to_owned).collect()
}

/// The commands of docs/first-hour.md that need no network; a block of lines is one.
fn first_hour() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/first-hour.md")).unwrap();
    let blocks = page.split("\n```sh\n").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5);
    blocks.iter().map(|block| format!("set -e; {block}")).collect()
}

/// `make deb`, of what the other tests test.
fn package() -> PathBuf {
    let mut make = Command::new("make");
    make.args(["--silent", "deb", "BUILD=fast"]).current_dir(root());
    // What cargo and make were told is not for these.
    for (name, _) in std::env::vars_os() {
        let name = name.to_str().unwrap_or_default();
        let is_cargos = name.starts_with("CARGO") || name.starts_with("MAKE");
        if is_cargos && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name) {
            make.env_remove(name);
        }
    }
    let made = make.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8(made.stdout).unwrap();
    root().join(said.lines().last().unwrap())
}

#[test]
fn a_fresh_machine_gets_a_service_by_the_manual_and_loses_it_again() {
    let machine = match Machine::boot() {
        Ok(machine) => machine,
        // Past the test harness, which keeps what is printed to itself.
        Err(why) => {
            let line = format!("SKIPPED: the Debian package was not tried: {why}\n");
            return std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    };
    let package = package();
    lintian_finds_no_error(&package);
    machine.put(&package);
    machine.succeeds("useradd --create-home al");
    // One who is to fetch mail, too.
    machine.succeeds("cd ~al && mkdir -p Maildir/tmp Maildir/new Maildir/cur && chown -R al: .");
    machine.put(&root().join("acceptance/tests/package/sender.py"));
    let before = machine.changes();

    let shown: Vec<_> = commands("A fresh Debian machine")
        .iter()
        .map(|command| machine.types(command, &ANSWERS))
        .collect();
    assert!(shown.iter().any(|shown| shown.contains("al is logged in")), "{shown:#?}");
    submission_works(&machine);
    other_services_work(&machine);
    assert_eq!(jailed(&machine), ["tlsserver-engine", "tlsserver-keyholder"]);
    assert_eq!(machine.succeeds("stat -c '%U %a' /var/empty"), "root 755\n");

    for command in first_hour() {
        machine.succeeds(&command);
    }
    machine
        .succeeds("rm config-v1.1.xml alice.mobileconfig && userdel --force --remove alice 2>&-");
    a_renewed_certificate_is_shown(&machine);
    restart_and_upgrade_lose_nothing(&machine);
    other_services_work(&machine);

    for command in commands("Gone again") {
        machine.types(&command, &[]);
    }
    for trace in ["systemctl list-units --all --plain --no-legend 'acceptutils@*'", "ss -Htln"] {
        assert_eq!(machine.succeeds(trace), "", "{trace}");
    }
    assert!(!machine.run("dpkg-query --status acceptutils").status.success());
    let changes = machine.changes().into_iter();
    let left = changes.filter(|(path, now)| {
        let was = before.get(path).cloned().or_else(|| file(path));
        Some(now) != was.as_ref() && !is_the_machines_own(path)
    });
    let left: Vec<_> = left.map(|(path, _)| path).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// The deploy hook of docs/certificates.md, behind another certificate.
fn a_renewed_certificate_is_shown(machine: &Machine) {
    let page = std::fs::read_to_string(root().join("docs/certificates.md")).unwrap();
    let (_, hook) = page.split_once("\ncat >/etc/letsencrypt").unwrap();
    let (_, hook) = hook.split_once("#!/bin/sh\n").unwrap();
    let (hook, _) = hook.split_once("\nEOF").unwrap();
    let serial = "openssl s_client -starttls smtp -connect 127.0.0.1:587 </dev/null 2>&- | \
                  openssl x509 -noout -serial";
    let old = machine.succeeds(serial);
    machine.succeeds(
        "cd /etc/acceptutils/tls && openssl req -x509 -newkey ec \
         -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mail.example.org \
         -addext subjectAltName=DNS:mail.example.org -days 90 -keyout key.pem -out cert.pem",
    );
    machine.succeeds(hook);
    let deadline = Instant::now() + Duration::from_secs(60);
    while machine.succeeds(serial) == old {
        assert!(Instant::now() < deadline, "the new certificate is not shown");
    }
}

/// While a client sends one message after the other: none is lost or doubled, and no
/// connection refused.
fn restart_and_upgrade_lose_nothing(machine: &Machine) {
    let mut sender = machine.start(&format!("exec python3 sender.py al '{PASSWORD}'"));
    let mut said = BufReader::new(sender.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let main_pid = "systemctl show --value --property MainPID acceptutils@submission";
    let mut pids = vec![machine.succeeds(main_pid)];
    for change in ["systemctl restart acceptutils@submission", "dpkg -i acceptutils_*.deb"] {
        machine.succeeds(change);
        pids.push(machine.succeeds(main_pid));
    }
    drop(sender.stdin.take());
    line.clear();
    said.read_to_string(&mut line).unwrap();
    sender.wait().unwrap();
    pids.dedup();
    assert_eq!(pids.len(), 3, "each has the programs started anew: {pids:?}");
    let sent = line.strip_prefix("sent ").unwrap_or_else(|| panic!("{line}"));
    let sent: usize = sent.trim().parse().unwrap();
    assert!(sent > 0);
    let mailbox = machine.succeeds(&format!(
        "until test $(grep -c '^Subject: Number' /var/mail/al) -ge {sent} || \
         grep -E ' (==|\\*\\*) ' /var/log/exim4/mainlog; do :; done 2>&-; cat /var/mail/al"
    ));
    for number in 1..=sent {
        let subject = format!("\nSubject: Number {number} of a row\n");
        assert_eq!(mailbox.matches(&subject).count(), 1, "{subject}");
    }
}

/// Where lintian is installed.
fn lintian_finds_no_error(package: &Path) {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error", "--allow-root"]).arg(package);
    let Ok(found) = lintian.output() else {
        let line = "SKIPPED: the Debian package was not shown to lintian: see packages\n";
        return std::io::stderr().write_all(line.as_bytes()).unwrap();
    };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}

/// Waits until services listen, or one of them is not up.
fn listening(machine: &Machine, services: &[(&str, u16)]) {
    for (name, port) in services {
        machine.succeeds(&format!(
            "until ss -Htln 'sport = :{port}' | grep -q :; do \
             systemctl is-active --quiet acceptutils@{name} || exit; done"
        ));
    }
}

/// A message through the service as it runs; and nobody without the password.
fn submission_works(machine: &Machine) {
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
    let delivered = machine.succeeds(
        "until grep Through /var/mail/al || grep -E ' (==|\\*\\*) ' /var/log/exim4/mainlog; do :; done 2>&-",
    );
    assert_eq!(delivered, "Subject: Through the package\n");
}

/// The other services, by the same unit.
fn other_services_work(machine: &Machine) {
    // In place of a server for incoming mail that is set up.
    machine.succeeds(
        "rm -rf /etc/acceptutils/service/smtp && acceptutils init /etc/acceptutils \
         --host mail.example.org --incoming smtpfront-echo",
    );
    let has_imap = Path::new("/usr/lib/dovecot/imap").exists();
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
    let fetches = format!(
        "printf 'USER al\\r\\nPASS {PASSWORD}\\r\\nSTAT\\r\\nQUIT\\r\\n' | openssl s_client -quiet"
    );
    for connect in ["-starttls pop3 -connect 127.0.0.1:110", "-connect 127.0.0.1:995"] {
        let said = machine.succeeds(&format!("{fetches} {connect}"));
        assert!(said.contains("+OK 0 0\r\n"), "{said}");
    }
    let reads = format!(
        "printf 'a LOGIN al \"{PASSWORD}\"\\r\\nb SELECT INBOX\\r\\nc LOGOUT\\r\\n' | \
         openssl s_client -quiet"
    );
    let imap = ["-starttls imap -connect 127.0.0.1:143", "-connect 127.0.0.1:993"];
    for connect in imap.iter().filter(|_| has_imap) {
        let said = machine.succeeds(&format!("{reads} {connect}"));
        assert!(said.contains("* 0 EXISTS\r\n") && said.contains("c OK "), "{said}");
    }
}

/// What runs as the user that the package makes for the jails.
fn jailed(machine: &Machine) -> Vec<String> {
    let listed = machine.succeeds("ps --user acceptutils --format args=");
    let mut kinds: Vec<_> = listed.lines().map(|line| line.trim().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Where the machine keeps books of what was done to it, and what the mail is that
/// was sent: such files change, but none of them is the package's.
fn is_the_machines_own(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    let books =
        ["/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd", "/var/tmp/systemd-private"];
    let mail = ["/var/mail", "/var/spool", "/home/al", "/home/alice"];
    let is_in = |folder: &&str| path.starts_with(folder);
    let is_backup = path.starts_with("/etc/") && path.ends_with('-');
    let is_known = books.iter().chain(&mail).any(is_in) || is_backup;
    // Others may have come to rely on it.
    let is_shared = path == "/var/empty";
    is_shared || is_known && !path.contains("acceptutils")
}
