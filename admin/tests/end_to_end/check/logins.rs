//! Real logins, by services that the scripts start and by those that run.

use super::{Good, good, script_of};
use crate::certificates;
use crate::support::{
    PASSWORD, PROGRAM, al_logs_in, checked_with_login, ends_with, run_with, skipped, stderr,
    stdout, succeeds,
};
use std::path::Path;
use std::process::Command;
use test_support::certificate::Pem;
use test_support::folder::write_program;
use test_support::needs;
use test_support::run::output;
use test_support::server::{Server, free_port};

#[test]
fn is_not_tried_with_what_only_a_shell_knows() {
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "pop3");
    let text = text.replace("export UCSPITLS=", "[ -f /x ] || export UCSPITLS=");
    std::fs::write(&script, &text).unwrap();
    let said = checked_with_login(&script, PASSWORD, 2);
    let expected = "run:11: UCSPITLS=!: only a shell knows whether it holds\n";
    assert!(said.contains(expected), "{said}");
    std::fs::write(&script, text.replace("[ -f /x ] ||", ". /etc/default/mail;")).unwrap();
    let said = checked_with_login(&script, PASSWORD, 2);
    let expected = "run:11: . /etc/default/mail: only a shell knows what it sets\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn logs_in_through_every_service() {
    let Good { dir, folder: _folder } = good();
    let said = checked_with_login(&dir, &format!("{PASSWORD}\n"), 0);
    assert_eq!(said.matches("  al is logged in\n").count(), 6, "{said}");
    assert_eq!(said.matches("TLS begins: TLSv1.3").count(), 6, "{said}");
    assert!(said.contains("client | AUTH PLAIN (user al and the password)\n"), "{said}");
    assert!(said.contains("login succeeded"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    // What is offered is used, without a message.
    for request in [
        "MAIL FROM:<al@mail.example.org>\n",
        "MAIL FROM:<al@mail.example.org> BODY=8BITMIME\n",
        "RCPT TO:<al@mail.example.org>\n",
        "RSET\n",
    ] {
        assert!(said.contains(&format!("client | {request}")), "{request}{said}");
    }
    assert!(!said.contains("DATA"), "{said}");

    let said = checked_with_login(&dir, "wrong\n", 2);
    assert!(said.contains("al is not logged in: the server said: 535 "), "{said}");
    assert!(said.contains("al is not logged in: the server said: -ERR "), "{said}");
    assert!(said.contains("wrong password"), "the reason from the log: {said}");
}

/// What a supervisor would not pass on is not seen by what the script starts: neither what would
/// hide that the script forgets it, nor what would spoil it.
#[test]
fn the_callers_variables_are_not_the_services() {
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "submission");
    let log_in = |text: &str, variable: (&str, &str), code: i32| {
        std::fs::write(&script, text).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("check").arg(&script).args(["--login", "al", "--stdin"]);
        let said = output(command.env(variable.0, variable.1), PASSWORD.as_bytes());
        ends_with(&said, code)
    };
    let said = log_in(&text, ("DISABLETLS", "1"), 0);
    assert!(said.contains("  al is logged in\n"), "{said}");

    let (home, path) = (dir.display(), text.lines().find(|line| line.starts_with("export PATH=")));
    let set = format!("export QMAILHOME={home}\n");
    assert!(text.contains(&set), "{text}");
    let said = log_in(&text.replace(&set, ""), ("QMAILHOME", dir.to_str().unwrap()), 2);
    assert!(said.contains("al is not logged in: "), "{said}");

    // Where programs are is the supervisor's to say, as far as the script does not.
    let path = path.and_then(|line| line.strip_prefix("export PATH=")).unwrap();
    let text = text.replace(&format!("export PATH={path}\n"), "");
    let said = log_in(&text, ("PATH", path), 0);
    assert!(said.contains("  al is logged in\n"), "{said}");
}

/// The server shows the one, and so the client is to expect it.
#[test]
fn a_certificate_for_a_pattern_of_names_is_expected() {
    let Good { dir, folder } = good();
    Pem::of(&["*.example.org"]).write(folder.path(), "any");
    let file = |end: &str| folder.path().join(format!("any.{end}")).display().to_string();
    let named = format!(
        "exec env 'CERTFILE:*.example.org={}' 'KEYFILE:*.example.org={}' tlsserver ",
        file("cert"),
        file("key")
    );
    let (script, text) = script_of(&dir, "pop3s");
    std::fs::write(&script, text.replace("exec tlsserver ", &named)).unwrap();
    al_logs_in(&script);
}

#[test]
fn a_service_of_one_address_is_tried_there() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return skipped("a service of one address", "this machine has no ::1");
    }
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "pop3");
    for listens in ["::1 110", "--proxy-protocol ::1 110"] {
        let text = text.replace(":: 110", listens).replace("0 110", listens);
        std::fs::write(&script, text).unwrap();
        let said = al_logs_in(&script);
        assert!(said.contains(" login succeeded (al from ::1)\n"), "{said}");
    }
}

/// A server that says what a mail program should not say, or says nothing.
const STAND_IN: &str = "#!/bin/sh\necho 220 hi\nwhile read -r line; do case $line in\n\
    EHLO*) printf '250-hi\\n250 8BITMIME\\n' ;;\n*BODY=*) echo 501 no ;;\n\
    QUIT*) echo 221 bye; exit ;;\n*) echo 250 ok ;;\nesac; done\n";

#[test]
fn a_service_that_takes_no_mail_is_no_service() {
    let Good { dir, folder } = good();
    let server = folder.path().join("stand-in");
    write_program(&server, STAND_IN);
    let (script, text) = script_of(&dir, "submission");
    let (before, _) = text.rsplit_once("fixsmtpio").unwrap();
    std::fs::write(&script, format!("{before}fixsmtpio {}\n", server.display())).unwrap();
    let said = checked_with_login(&dir, PASSWORD, 2);
    let expected = "al is logged in and cannot send: MAIL FROM:<al@mail.example.org> BODY=8BITMIME: \
                    the server said: 501 no\n";
    assert!(said.contains(expected), "{said}");
    // Each service's log is shown with it, and nobody else's.
    let (_, first) = said.split_once("pop3/run:\n").unwrap();
    let (first, _) = first.split_once("/run:\n").unwrap();
    assert_eq!(first.matches("login succeeded").count(), 1, "{said}");
}

#[test]
fn scripts_elsewhere_are_read_and_their_running_service_is_tried() {
    let Good { dir, folder } = good();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let text = std::fs::read_to_string(dir.join("service/submission/run")).unwrap();
    let held = free_port();
    let port = held.number;
    let text =
        text.replace(" :: 587 ", " 0 587 ").replace(" 0 587 ", &format!(" 127.0.0.1 {port} "));
    let text =
        text.replace("export PATH=", "PATH=").replace("export QMAIL", "export PATH\nexport QMAIL");
    let script = elsewhere.join("run");
    write_program(&script, &text.replace("exec tlsserver", "exec tlsserver -1"));

    let said = succeeds(&["check", script.to_str().unwrap()]);
    assert!(said.ends_with("0 errors, 0 warnings\n"), "{said}");

    let mut service = Server::start(&mut Command::new(&script)).unwrap();
    let certificate = dir.join("tls/cert.pem");
    let trust = folder.path().join("trusted.pem");
    std::fs::copy(&certificate, &trust).unwrap();
    let tried = |trusted: &Path, code: i32, expected: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("check").arg(&script).args(["--login", "al", "--running", "--stdin"]);
        let tried = output(command.env("SSL_CERT_FILE", trusted), PASSWORD.as_bytes());
        let said = ends_with(&tried, code);
        assert!(said.contains(expected), "{said}");
    };
    tried(&trust, 0, "  al is logged in\n");
    certificates::write(folder.path());
    tried(&folder.path().join("soon.pem"), 2, "invalid peer certificate");
    // Renewed, and the service was not told.
    std::fs::copy(folder.path().join("soon.pem"), &certificate).unwrap();
    tried(&trust, 2, "has the service been told to reload?");
    service.stop().unwrap();
    tried(&trust, 2, "unable to connect: Connection refused");
}

/// As on machines whose IPv6 is turned off by sysctl: `::` has no address of that kind then.
#[test]
fn a_running_service_on_every_address_is_tried_where_there_is_no_ipv6() {
    needs!("root", "unshare", "ip", "sysctl");
    let Good { dir, folder } = good();
    let run = dir.join("service/submission/run");
    let text =
        std::fs::read_to_string(&run).unwrap().replace("exec tlsserver", "exec tlsserver -1");
    write_program(&run, &text.replace(" 0 587 ", " :: 587 "));
    let script = "ip link set lo up; sysctl -qw net.ipv6.conf.all.disable_ipv6=1; mkfifo ready
                  \"$1\" >ready & read port <ready
                  \"$2\" check \"$1\" --login al --running --stdin || code=$?
                  kill $!; exit ${code-0}";
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-ec", script, "sh"]).arg(&run).arg(PROGRAM);
    command.current_dir(folder.path()).env("SSL_CERT_FILE", dir.join("tls/cert.pem"));
    let said = output(&mut command, PASSWORD.as_bytes());
    assert!(ends_with(&said, 0).contains("  al is logged in\n"), "{said:?}");
}

#[test]
fn an_empty_password_is_none() {
    let Good { dir, folder: _folder } = good();
    for input in ["", "\n"] {
        let arguments = ["check", dir.to_str().unwrap(), "--login", "al", "--stdin"];
        let output = run_with(&arguments, input);
        let said = ends_with(&output, 2);
        assert_eq!(stderr(&output), "acceptutils: no password was given\n");
        assert!(!said.contains("AUTH"), "{said}");
    }
}

/// What holds the dialog is in the qmail home, and so is the program that it runs.
#[test]
fn a_users_file_without_a_folder_is_in_the_qmail_home() {
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "pop3");
    let text = text.replace(&format!("-f {}/users", dir.display()), "-f users");
    assert!(text.contains(" -f users "), "{text}");
    let behind_authup = text
        .replace(" --login pop3", "")
        .replace("checkpassword-file", "authup pop3 checkpassword-file")
        .replace("exec 2>&1", "export AUTHUP_UID=1 AUTHUP_GID=1\nexec 2>&1");
    for text in [text, behind_authup] {
        std::fs::write(&script, text).unwrap();
        al_logs_in(&script);
    }
}

#[test]
fn a_script_without_tls_is_tried_without_it() {
    needs!("tcpserver");
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "pop3");
    let (before, behind) = text.split_once("exec tlsserver").unwrap();
    let (_, behind) = behind.split_once(" \\\n").unwrap();
    let before = before.replace("export UCSPITLS='!'\n", "export AUTHUP_UID=1 AUTHUP_GID=1\n");
    let text = format!("{before}exec tcpserver -v -R -H -l 0 127.0.0.1 110 authup pop3 {behind}");
    std::fs::write(&script, text).unwrap();
    let said = al_logs_in(&script);
    assert!(said.contains("client   PASS (the password)\n"), "{said}");
}

#[test]
fn logs_in_by_imap() {
    needs!("imap");
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "imap");
    // Whoever has checknotroot there keeps it: it does no harm.
    let (before, _) = text.rsplit_once(" \\\n").unwrap();
    let imap = " checknotroot /usr/lib/dovecot/imap -k -o 'mail_location=maildir:~/Maildir'\n";
    std::fs::write(&script, format!("{before}{imap}")).unwrap();
    let said = al_logs_in(&script);
    for request in ["c AUTHENTICATE PLAIN", "e SELECT INBOX", "g LOGOUT"] {
        assert!(said.contains(&format!("client | {request}\n")), "{request}{said}");
    }
    assert!(!said.contains(PASSWORD), "{said}");

    // What clients need not ask for again has to be there.
    std::fs::write(dir.join("control/imapcapabilities"), "IDLE X-ONE X-TWO\n").unwrap();
    let said = checked_with_login(&script, PASSWORD, 2);
    let expected = "al is logged in and cannot read mail: X-ONE X-TWO: offered before the login, \
                    and not behind it\n";
    assert!(said.contains(expected), "{said}");

    // Behind authup, and with a mailbox that cannot be opened.
    std::fs::write(dir.join("control/imapcapabilities"), "IDLE\n").unwrap();
    let text = format!("{before}{}", imap.replace("maildir:~/Maildir", "maildir:/no/such"));
    let text = text.replace(" --login imap", "");
    let text = text.replacen("checkpassword-file", "authup imap checkpassword-file", 1);
    std::fs::write(&script, text).unwrap();
    let said = checked_with_login(&script, PASSWORD, 2);
    let expected = "al is logged in and cannot read mail: the server said: e NO ";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_a_unit_sets_is_set_for_a_login_too() {
    let Good { dir, folder } = good();
    let (script, text) = script_of(&dir, "pop3s");
    let certificate = format!("CERTFILE={}", dir.join("tls/cert.pem").display());
    std::fs::write(&script, text.replace(&format!("export {certificate}\n"), "")).unwrap();
    let units = folder.path().join("units");
    std::fs::create_dir(&units).unwrap();
    let unit = format!("[Service]\nExecStart={}\nEnvironment={certificate}\n", script.display());
    std::fs::write(units.join("fetch.service"), unit).unwrap();
    let logs_in = |units: &Path| {
        let mut command = Command::new(PROGRAM);
        command.arg("check").arg(&dir).args(["--login", "al", "--stdin"]);
        stdout(&output(command.env("SYSTEMD_UNIT_PATH", units), PASSWORD.as_bytes()))
    };
    let services = 6;
    assert_eq!(logs_in(&units).matches("  al is logged in\n").count(), services);
    assert_eq!(logs_in(folder.path()).matches("  al is logged in\n").count(), services - 1);
    // A file of variables that is read, and one that need not be there.
    let variables = folder.path().join("variables");
    std::fs::write(&variables, &certificate).unwrap();
    let add = |line: &str| {
        let unit = format!("[Service]\nExecStart={}\n{line}\n", script.display());
        std::fs::write(units.join("fetch.service"), unit).unwrap();
    };
    add(&format!("EnvironmentFile=-/no/such\nEnvironmentFile={}", variables.display()));
    assert_eq!(logs_in(&units).matches("  al is logged in\n").count(), services);
    for (line, why) in [
        ("EnvironmentFile=/no/such", "not read here"),
        ("Environment=KEYFILE2=%d/key.pem", "only systemd knows what it comes to"),
    ] {
        add(&format!("{line}\nEnvironment={certificate}"));
        let said = logs_in(&units);
        let (_, line) = line.rsplit_once("Environment=").unwrap_or(("", line));
        let expected = format!("fetch.service:3: {line}: {why}\n");
        assert!(said.contains(&expected), "{said}");
    }
}
