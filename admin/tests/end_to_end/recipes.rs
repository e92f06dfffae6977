//! `acceptutils check`, of the run scripts that acceptutils(7) and docs/switching.md show: it
//! takes them, and lets a user in by them.

use crate::support::{add_al, al_logs_in, checked, ends_with, folder, init, programs, run};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use test_support::folder::{copy_program, write_program};
use test_support::needs;

/// A page of this repository.
fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The run scripts that a page shows between these lines, of ours: their last command and what
/// is set before it.
fn shown(page: &str, begin: &str, end: &str) -> Vec<String> {
    let (begin, end) = (format!("\n{begin}\n"), format!("\n{end}"));
    let blocks = page.split(&begin).skip(1);
    let blocks = blocks.map(|block| block.split(&end).next().unwrap());
    let ours = |block: &&str| {
        let names = ["tlsserver ", "authup ", "fixsmtpio "];
        block.contains("exec ") && names.iter().any(|name| block.contains(name))
    };
    blocks.filter(ours).map(|block| block.replace("\\e\n", "\\\n")).collect()
}

/// A service, and every program that the pages name.
struct Machine {
    folder: TempDir,
    dir: PathBuf,
    bin: PathBuf,
}

fn machine() -> Machine {
    let folder = folder();
    let (dir, bin) = (folder.path().join("service"), programs(folder.path()));
    ends_with(&init(&dir, &bin), 0);
    add_al(&dir);
    for (server, names) in [
        ("demo-smtp-into-maildir", &["sendmail", "ofmipd", "qmail-smtpd"][..]),
        ("demo-pop3-from-maildir", &["qmail-pop3d", "pop3front-maildir"]),
        ("checkpassword-file", &["checkpassword", "checkpassword-pam", "sslserver"]),
        ("imap-stand-in", &["imapd"]),
    ] {
        for name in names {
            copy_program(&bin.join(server), &bin.join(name));
        }
    }
    Machine { folder, dir, bin }
}

impl Machine {
    /// The run script, with this machine's places for the pages'. Where the qmail home is not
    /// said it is /var/qmail, which this machine has not: the script says where else.
    fn script(&self, shown: &str) -> PathBuf {
        let (dir, bin) = (self.dir.display().to_string(), self.bin.display().to_string());
        let mut text = shown
            .replace("/etc/acceptutils", &dir)
            .replace("/etc/ssl/certs/mail.pem", &format!("{dir}/tls/cert.pem"))
            .replace("/etc/ssl/private/mail.key", &format!("{dir}/tls/key.pem"))
            .replace(
                "CERTFILE=/var/qmail/control/servercert.pem",
                &format!("CERTFILE={dir}/tls/cert.pem KEYFILE={dir}/tls/key.pem"),
            )
            .replace("/usr/bin/imapd", &format!("{bin}/imapd"));
        // The user al is nobody, whom no jailed process may be.
        let mut before = format!(
            "#!/bin/sh\nexport PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin\n\
             export SSL_UID=1 SSL_GID=1 AUTHUP_UID=1 AUTHUP_GID=1\n"
        );
        if !text.contains("QMAILHOME") {
            before.push_str(&format!("export QMAILHOME={dir}\n"));
            text = text.replace(" fixsmtpio ", &format!(" env QMAILHOME={dir} fixsmtpio "));
        }
        // What a page shows once, it does not say again.
        for (name, value) in [
            ("CERTFILE", format!("{dir}/tls/cert.pem")),
            ("KEYFILE", format!("{dir}/tls/key.pem")),
            ("UCSPITLS", "'!'".to_owned()),
        ] {
            if !text.contains(&format!("{name}=")) {
                before.push_str(&format!("export {name}={value}\n"));
            }
        }
        let script = self.folder.path().join("run");
        write_program(&script, &format!("{before}{text}\n"));
        script
    }
}

#[test]
fn check_takes_every_run_script_that_is_shown() {
    needs!("tcpserver", "imap", "pop3");
    let machine = machine();
    let manual = shown(&page("man/acceptutils.7"), ".Bd -literal -offset indent", ".Ed");
    let switching = shown(&page("docs/switching.md"), "```sh", "```");
    assert!(manual.len() >= 7 && switching.len() >= 9, "{} {}", manual.len(), switching.len());
    for shown in manual.iter().chain(&switching) {
        let script = machine.script(shown);
        let said = checked(&script);
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        // The rules that pages name a machine where the tests run need not have.
        let mut errors = errors.filter(|line| !line.contains("/etc/tcp.smtp.cdb: No such file"));
        assert_eq!(errors.next(), None, "{shown}\n{said}");
        // tcpserver alone has no TLS, and the page says so; a machine where the tests run need
        // not have the service.
        let known = [
            "uses shell expansion",
            "tcpserver: no TLS in this row",
            "/etc/pam.d/checkpassword: not there",
        ];
        let warnings = said.lines().filter(|line| line.starts_with("warning: "));
        let mut others = warnings.filter(|line| !known.iter().any(|text| line.contains(text)));
        assert_eq!(others.next(), None, "{shown}\n{said}");
        let unknown = said.lines().filter(|line| line.contains("uses shell expansion"));
        let unknown: Vec<_> = unknown.filter(|line| !line.contains(": $(id -")).collect();
        assert!(unknown.is_empty(), "{shown}\n{said}");
    }
}

/// The one behind authup, with Exim and Postfix, for which the demonstration server stands in.
fn with_a_home_of_its_own() -> String {
    let page = page("docs/switching.md");
    let (_, section) = page.split_once("\n## In front of Exim's sendmail -bs\n").unwrap();
    shown(section, "```sh", "```").swap_remove(0)
}

#[test]
fn a_user_logs_in_by_a_script_that_uses_what_it_has_set() {
    let machine = machine();
    let users = format!(" checkpassword-file -f {} ", machine.dir.join("users").display());
    let shown = with_a_home_of_its_own().replace(" checkpassword ", &users);
    al_logs_in(&machine.script(&shown.replace("sendmail -bs", "sendmail")));
}

#[test]
fn what_only_a_shell_knows_is_doubted_and_not_asserted() {
    let machine = machine();
    let shown = with_a_home_of_its_own();
    for (from, to) in [
        ("QMAILHOME=/etc/acceptutils", "QMAILHOME=$(cat /home)"),
        ("\"$QMAILHOME\"", "\"$OTHER\""),
        ("CERTFILE=/etc/ssl/certs/mail.pem", "CERTFILE=\"$CERT\""),
        ("KEYFILE=/etc/ssl/private/mail.key", "KEYFILE=\"$KEY\""),
        ("UCSPITLS='!'", "UCSPITLS=\"$LEVEL\""),
        ("tlsserver -n -v", "tlsserver $OPTIONS"),
        ("exec ", "PATH=/opt/$A\nexec "),
    ] {
        assert!(shown.contains(from), "{from}: {shown}");
        let script = machine.script(&shown.replace(from, to));
        let said = ends_with(&run(&["check", script.to_str().unwrap()]), 1);
        let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert!(warnings.iter().any(|line| line.contains("uses shell expansion")), "{to}\n{said}");
        let only = warnings.iter().all(|line| line.contains("uses shell expansion"));
        assert!(only, "{to}\n{said}");
    }
}
