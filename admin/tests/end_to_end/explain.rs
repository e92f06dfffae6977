//! `acceptutils explain`, as built: agrees with fixsmtpio, as built, on the same
//! session, and names the right rule for every line.

use crate::support::{PROGRAM, built, ends_with, fails, folder, run, run_with, stderr, stdout};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use test_support::log::Log;
use test_support::needs;
use test_support::service::write_controls;
use test_support::talking::{Talking, reply};

/// The rules that the most widely used package of the C programs ships; their lines
/// are named below.
const PRODUCTION: &str = include_str!("../../../proto/src/relay/production-rules");

fn home(folder: &Path, rules: &str) -> String {
    write_controls(folder, &[("me", "mail.example.org\n"), ("fixsmtpio", rules)]);
    folder.to_str().unwrap().to_owned()
}

/// What fixsmtpio writes of a session, each request sent when the one before is
/// answered.
fn transcript(home: &str, user: Option<&str>, server: &[&str], requests: &[&str]) -> String {
    let mut command = Command::new(built("fixsmtpio"));
    command.args(server).env("QMAILHOME", home).env("FIXSMTPIODEBUG", "1");
    if let Some(user) = user {
        command.env("AUTHUP_USER", user);
    }
    let mut relay = Talking::start(command.stderr(Stdio::piped()));
    let log = Log::of(relay.child.stderr.take().unwrap());
    for request in requests {
        assert_ne!(reply(&mut relay.output).unwrap(), "");
        relay.say(&format!("{request}\r\n"));
    }
    relay.end();
    log.end().iter().map(|line| format!("{line}\n")).collect()
}

/// The line of the rules (0: fixsmtpio itself), before and after, of a change.
type Change = (u64, Option<String>, Option<String>);

/// All changes that rules make to a session.
fn explained(home: &str, session: &str) -> Vec<Change> {
    changes(&run_with(&["explain", "--home", home, "--json"], session))
}

#[track_caller]
fn changes(output: &Output) -> Vec<Change> {
    ends_with(output, 0);
    assert_eq!(stderr(output), "", "it agrees with what was said");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let change = |change: &serde_json::Value| {
        let rule = change["rule_line"].as_u64().unwrap_or(0);
        (rule, text(&change["before"]), text(&change["after"]))
    };
    found.as_array().unwrap().iter().map(change).collect()
}

fn change(rule: u64, before: &str, after: &str) -> Change {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (rule, text(before), text(after))
}

#[test]
fn the_right_rule_for_every_line_of_a_session_with_login() {
    needs!("smtpfront-echo");
    let folder = folder();
    let home = home(folder.path(), PRODUCTION);
    let server = ["env", "SMTPGREETING=inside", "RELAYCLIENT=", "smtpfront-echo"];
    let requests = ["EHLO c", "AUTH LOGIN", "NOOP", "HELP", "HELO c", "QUIT"];
    let transcript = transcript(&home, Some("al"), &server, &requests);
    // The server's own words that are changed, as the transcript has them.
    let reply = |code: &str, nth: usize| {
        let mark = format!(" 3: {code}");
        let said = transcript.lines().filter(|line| line.contains(&mark)).nth(nth).unwrap();
        said.split_once(" 3: ").unwrap().1.to_owned()
    };
    let help = "214-fixsmtpio, of acceptutils: see its manual page, fixsmtpio(8)";
    let auth = "(not shown: part of AUTH)";
    let expected = [
        change(2, &reply("220", 0), "220 mail.example.org ESMTP"),
        change(6, "220 mail.example.org ESMTP", "235 ok, go ahead (#2.0.0)"),
        change(4, &reply("250-", 0), "250 mail.example.org"),
        change(12, auth, &format!("NOOP {auth}")),
        change(12, &reply("250 ", 1), "502 unimplemented (#5.5.1)"),
        change(1, "", help),
        change(3, &reply("250 ", 3), "250 mail.example.org"),
        change(5, &reply("221", 0), "221 mail.example.org"),
    ];
    assert_eq!(explained(&home, &transcript), expected, "{transcript}");

    // In words, with the file.
    let said = stdout(&run_with(&["explain", "--home", &home], &transcript));
    let named = format!("{home}/control/fixsmtpio:12: \"{auth}\" becomes \"NOOP {auth}\"");
    assert!(said.contains(&named), "{said}");

    // Other rules than those of the session: said, with the place.
    let other = folder.path().join("other");
    std::fs::write(&other, PRODUCTION.replace("502 unimpl", "503 unimpl")).unwrap();
    let arguments = ["explain", "--home", &home, "--rules", other.to_str().unwrap()];
    let output = run_with(&arguments, &transcript);
    ends_with(&output, 1);
    let (said, at) =
        (stderr(&output), transcript.lines().position(|line| line.contains(" 4: 502")));
    let place = format!("acceptutils: standard input:{}: with these rules", at.unwrap() + 1);
    assert!(said.starts_with(&place) && said.contains("\"503 unimplemented"), "{said}");
}

/// The transcript leaves them out; what the server got tells whether fixsmtpio refused them.
#[test]
fn requests_that_are_not_shown_are_replayed_as_what_they_were() {
    needs!("smtpfront-echo");
    let folder = folder();
    let home = home(folder.path(), PRODUCTION);
    let server = ["env", "SMTPGREETING=inside", "RELAYCLIENT=", "smtpfront-echo"];
    let requests =
        ["EHLO c", "AUTH LOGIN", "DA\x01TA", "AUTH LOGIN", "WORD", "NOOP", "\x01AUTH x", "QUIT"];
    let transcript = transcript(&home, Some("al"), &server, &requests);
    let (may_be, auth) = ("(not shown: may belong to AUTH)", "(not shown: part of AUTH)");
    assert_eq!(transcript.matches(&format!(" 1: {may_be}")).count(), 2, "{transcript}");
    let found = explained(&home, &transcript);
    for hidden in [may_be, auth] {
        let refused = change(0, hidden, "NOOP fixsmtpio SYNTAX");
        assert!(found.contains(&refused), "{hidden}: {found:?}\n{transcript}");
    }
}

#[test]
fn what_is_in_a_message_is_no_request() {
    let folder = folder();
    let home = home(folder.path(), ":quit::*::221 bye\n");
    let maildir = folder.path().join("Maildir").display().to_string();
    let server = built("demo-smtp-into-maildir").display().to_string();
    let message = "Subject: x\r\n\r\nQUIT\r\n..\r\nEHLO\r\n.";
    let requests = ["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", message, "QUIT"];
    let transcript = transcript(&home, None, &[&server, &maildir], &requests);
    let expected = [change(1, "221 goodbye", "221 bye")];
    assert_eq!(explained(&home, &transcript), expected, "{transcript}");
}

#[test]
fn what_is_in_a_chunk_is_no_request() {
    // A stand-in: no server that is installed everywhere takes chunks.
    const SERVER: &str = r"printf '220 x\r\n'; read ehlo; printf '250-x\r\n250 CHUNKING\r\n'
        read bdat; head -c 6 >/dev/null; printf '250 taken\r\n'
        read quit; printf '221 goodbye\r\n'";
    let folder = folder();
    let home = home(folder.path(), ":quit::*::221 bye\n:bdat::2*::250 taken well\n");
    let requests = ["EHLO c", "BDAT 6 LAST\r\nQUIT", "QUIT"];
    let transcript = transcript(&home, None, &["sh", "-c", SERVER], &requests);
    let expected = [change(2, "250 taken", "250 taken well"), change(1, "221 goodbye", "221 bye")];
    assert_eq!(explained(&home, &transcript), expected, "{transcript}");
}

#[test]
fn a_conversation_as_plain_text() {
    let folder = folder();
    let home = home(folder.path(), PRODUCTION);
    let file = folder.path().join("conversation");
    let text = "S: 220 inside\nC: EHLO c\nS: 250-inside\nS: 250-STARTTLS\nS: 250 AUTH PLAIN\n\
                C: STARTTLS\nS: 250 ok\nS: 220 inside\nC: QUIT\nS: 221 x\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["explain", "--home", &home, "--tls", "available", "--json", file]);
    let expected = [
        change(2, "220 inside", "220 mail.example.org ESMTP"),
        change(4, "250-inside", "250 mail.example.org"),
        // The server's own is not to be had; fixsmtpio's is.
        change(0, "", "250-STARTTLS"),
        change(0, "STARTTLS", "NOOP fixsmtpio STARTTLS BEGIN STARTTLS"),
        change(0, "250 ok", ""),
        change(0, "", "220 Ready to start TLS (#5.7.0)"),
        change(2, "220 inside", "220 mail.example.org ESMTP"),
        change(0, "220 mail.example.org ESMTP", ""),
        change(5, "221 x", "221 mail.example.org"),
    ];
    let found = changes(&output);
    for expected in expected {
        assert!(found.contains(&expected), "{expected:?}: {found:#?}");
    }
    let said = stdout(&run(&["explain", "--home", &home, "--set", "AUTHUP_USER", file]));
    assert!(said.contains("fixsmtpio:11: \"250 AUTH PLAIN\" does not go to the client"), "{said}");
    for variable in ["AUTHUP_USER=al", "AUTHUP_USER=", ""] {
        let wrong = fails(&["explain", "--home", &home, "--set", variable, file]);
        assert!(wrong.contains("the name alone: rules see whether it is set"), "{wrong}");
    }
}

#[test]
fn d46_a_rule_that_looks_at_the_request_is_named_where_it_holds() {
    let folder = folder();
    let rules = "request mail boss@*\n:mail:NOOP :*::553 not you\n";
    let home = home(folder.path(), rules);
    let spoken =
        "S: 220 x\nC: MAIL FROM:<bob@a>\nS: 250 ok\nC: mail from: <\"Boss\"@a>\nS: 250 ok\n";
    let boss = "mail from: <\"Boss\"@a>";
    let expected = [change(2, boss, &format!("NOOP {boss}")), change(2, "250 ok", "553 not you")];
    assert_eq!(explained(&home, spoken), expected);
}

/// fixsmtpio says to the server what the client said before its login.
#[test]
fn d39_what_the_server_was_told_of_the_client_is_no_request_of_the_clients() {
    let folder = folder();
    let home = home(folder.path(), ":quit::2*::221 bye\n");
    let spoken = "fixsmtpio 7 srv 8 3: 220 x\nfixsmtpio 7 srv 8 4: 220 x\n\
                  fixsmtpio 7 srv 8 2: EHLO my_pc\nfixsmtpio 7 srv 8 3: 501 no\n\
                  fixsmtpio 7 srv 8 2: EHLO [192.0.2.7]\nfixsmtpio 7 srv 8 3: 250 x\n\
                  fixsmtpio 7 srv 8 1: QUIT\nfixsmtpio 7 srv 8 2: QUIT\n\
                  fixsmtpio 7 srv 8 3: 221 x\nfixsmtpio 7 srv 8 4: 221 bye\n";
    let found = explained(&home, spoken);
    assert!(found.contains(&change(1, "221 x", "221 bye")), "{found:?}");
}

#[test]
fn what_cannot_be_explained() {
    let folder = folder();
    let home = home(folder.path(), "# one\n:ehlo::*:x:y\n");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (good, empty) = (file("good", "220 x\n"), file("empty", "\n"));
    let mixed = file("mixed", "S: 220 x\nEHLO\n");
    let rules = file("rules", "");
    let at = |path: &str| format!("acceptutils: {path}");
    for (arguments, expected) in [
        (["--home", &home, &good], at(&format!("{home}/control/fixsmtpio:2: exit code is not"))),
        (["--rules", &rules, &empty], at(&format!("{empty}: no line of a session in it"))),
        (["--rules", &rules, &mixed], at(&format!("{mixed}:2: begins with neither C: nor S:"))),
        (["--rules", &rules, "/none"], at("unable to read: /none: No such file or directory")),
        (["--rules", "/none", &good], at("unable to read: /none: No such file or directory")),
    ] {
        let said = fails(&[&["explain"][..], &arguments].concat());
        assert!(said.starts_with(&expected), "{expected}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
}

/// From the client's first line on, as one copies it.
#[test]
fn a_transcript_without_a_greeting_is_said_to_be_one() {
    let folder = folder();
    let home = home(folder.path(), ":quit::221*::221 mine\n");
    for (session, hint) in [("S: 220 x\nC: QUIT\nS: 221 x\n", 0), ("C: QUIT\nS: 221 x\n", 1)] {
        let output = run_with(&["explain", "--home", &home, "-"], session);
        ends_with(&output, 0);
        let expected = "acceptutils: standard input:1: no greeting before the client's first line";
        let said = stderr(&output);
        assert_eq!(said.matches(expected).count(), hint, "{said}");
        assert_eq!(said.lines().count(), hint, "{said}");
    }
}

/// Where the other tasks look, too.
#[test]
fn the_rules_are_those_of_the_folder_that_is_usual() {
    needs!("root");
    let script = "mount -t tmpfs none /etc && mkdir -p /etc/acceptutils/control &&
        echo ':quit::221*::221 mine' >/etc/acceptutils/control/fixsmtpio &&
        printf 'S: 220 x\\nC: QUIT\\nS: 221 bye\\n' | exec \"$0\" explain";
    let mut command = Command::new("unshare");
    let command = command.args(["-m", "sh", "-c", script, PROGRAM]).env_remove("QMAILHOME");
    let said = test_support::run::succeeds(command);
    assert!(said.contains("/etc/acceptutils/control/fixsmtpio"), "{said}");
}
