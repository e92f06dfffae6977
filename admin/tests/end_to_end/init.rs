//! `acceptutils init`, as built.

use crate::certificates;
use crate::support::{
    PASSWORD, PROGRAM, add_al, built, checked, ends_with, fails, folder, init, installed_or_skip,
    is_root, programs, run, stderr, stdout, succeeds,
};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use test_support::certificate::Pem;
use test_support::folder::{set_mode, write_program};
use test_support::needs;
use test_support::run::output;

/// Every file under a folder, with its permissions and content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
            files.insert(path.clone(), (mode, std::fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn what_init_makes_passes_check_and_is_not_made_again() {
    let folder = folder();
    let dir = folder.path().join("service");
    let bin = programs(folder.path());
    let said = ends_with(&init(&dir, &bin), 0);
    let files = tree(&dir);
    // A run script, its log's and a drop-in, of each of seven services, and fourteen more.
    assert_eq!(files.len(), 35);
    for (path, (mode, _)) in &files {
        assert!(said.contains(&format!("made {}\n", path.display())), "{said}");
        let private = ["users", "tls/key.pem", "failures"].iter().any(|name| path.ends_with(name));
        let expected = if private { 0o600 } else { 0o644 };
        let expected = if path.ends_with("run") { 0o755 } else { expected };
        assert_eq!(*mode, expected, "{}", path.display());
    }
    assert!(said.contains(&format!("acceptutils check {}", dir.display())), "{said}");

    // One is gone, one is changed: the first comes back, the second stays.
    std::fs::remove_file(dir.join("control/pop3capabilities")).unwrap();
    std::fs::write(dir.join("control/me"), "mx.example.org\n").unwrap();
    let second = ends_with(&init(&dir, &bin), 1);
    let me = dir.join("control/me").display().to_string();
    let warning =
        format!("warning: --host mail.example.org: {me} says mx.example.org, and stays\n");
    assert!(second.contains(&warning), "{second}");
    let mut expected = files;
    expected.get_mut(&dir.join("control/me")).unwrap().1 = b"mx.example.org\n".to_vec();
    assert_eq!(tree(&dir), expected);
    assert_eq!(second.matches("made ").count(), 1, "{second}");

    std::fs::write(dir.join("control/me"), "mail.example.org\n").unwrap();
    add_al(&dir);
    let check = succeeds(&["check", dir.to_str().unwrap()]);
    assert!(check.ends_with("0 errors, 0 warnings\n"), "{check}");
}

/// As what they say is only found out with a new one.
#[test]
fn files_that_are_kept_though_the_programs_say_otherwise_are_named() {
    let folder = folder();
    let offering = |what: &str| format!("sh -c 'printf \"+OK\\r\\n+OK\\r\\n{what}\\r\\n.\\r\\n\"'");
    let kept = format!("kept {}/service/", folder.path().display());
    let differs = ", which differs from what is offered now: remove it and run this again for a \
                   new one\n";
    init_with(0, folder.path(), "--pop3", &offering("TOP"), &[]);
    let said = init_with(0, folder.path(), "--pop3", &offering("TOP"), &[]);
    assert!(!said.contains("differs"), "{said}");
    // The script is kept as well, and has the other command.
    let said = init_with(1, folder.path(), "--pop3", &offering("UIDL"), &[]);
    assert!(said.contains(&format!("{kept}control/pop3capabilities{differs}")), "{said}");
    assert_eq!(said.matches("differs").count(), 1, "{said}");
    assert_eq!(listed(folder.path(), "pop3capabilities")[0], "TOP");
    // Its clients would not hear of what has come.
    std::fs::write(folder.path().join("service/client/config-v1.1.xml"), "without POP3").unwrap();
    let said = init_with(0, folder.path(), "--pop3", &offering("TOP"), &[]);
    assert!(said.contains(&format!("{kept}client/config-v1.1.xml{differs}")), "{said}");
}

#[test]
fn a_certificate_that_is_there_is_used() {
    let folder = folder();
    let bin = programs(folder.path());
    let other = folder.path().join("other");
    ends_with(&init(&other, &bin), 0);
    let (cert, key) = (other.join("tls/cert.pem"), other.join("tls/key.pem"));
    let dir = folder.path().join("service");
    let (dir, cert, key) = (dir.to_str().unwrap(), cert.to_str().unwrap(), key.to_str().unwrap());
    let pop3 = "pop3d Maildir";
    let options = ["--host", "a.example", "--cert", cert, "--key", key, "--pop3", pop3];
    // The POP3 server is not there yet, and that is said; that it is another name's, too.
    let made = ends_with(&run(&[&["init", dir], &options[..]].concat()), 1);
    let other_name = format!("warning: --cert: {cert}: not for ");
    assert!(made.contains(&format!("{other_name}a.example: ")), "{made}");
    let its = ["--host", "mail.example.org", "--cert", cert, "--key", key];
    let made = stdout(&run(&[&["init", &format!("{dir}-1")], &its[..]].concat()));
    assert!(!made.contains(&other_name), "{made}");
    let script = std::fs::read_to_string(format!("{dir}/service/pop3s/run")).unwrap();
    let expected = format!("export CERTFILE={cert}\nexport KEYFILE={key}\n");
    assert!(script.contains(&expected), "{script}");
    assert!(!Path::new(dir).join("tls").exists());

    // One that clients cannot verify is made use of, and that is said.
    certificates::write(folder.path());
    let leaf = folder.path().join("leaf.pem");
    let (leaf, key) = (leaf.to_str().unwrap(), leaf.with_extension("key"));
    let options = ["--host", "a.example", "--cert", leaf, "--key", key.to_str().unwrap()];
    let made = ends_with(&run(&[&["init", &format!("{dir}-2")], &options[..]].concat()), 1);
    let why = "issued by CN=Between, whose certificate is not in the file";
    assert!(made.contains(&format!("warning: --cert: {leaf}: {why}")), "{made}");
}

/// As ACME clients put them there, whether before the rest is made or after.
#[test]
fn a_certificate_in_its_place_is_kept_and_judged_by_what_it_is() {
    let folder = folder();
    let (dir, bin) = (folder.path().join("service"), programs(folder.path()));
    let by_nobody = "Its certificate is signed by nobody else: put a better one in ";
    let made = ends_with(&init(&dir, &bin), 0);
    assert!(made.contains(by_nobody), "{made}");
    let (cert, key) = (dir.join("tls/cert.pem"), dir.join("tls/key.pem"));
    let kept = format!("kept {}\nkept {}\n", key.display(), cert.display());
    let again = ends_with(&init(&dir, &bin), 0);
    assert!(again.contains(&kept) && again.contains(by_nobody), "{again}");

    certificates::write(folder.path());
    let chain = ["leaf", "between", "root"].map(|name| folder.path().join(name));
    let chain = chain.map(|file| std::fs::read_to_string(file.with_extension("pem")).unwrap());
    std::fs::write(&cert, chain.concat()).unwrap();
    std::fs::copy(folder.path().join("leaf.key"), &key).unwrap();
    let again = ends_with(&init(&dir, &bin), 0);
    assert!(again.contains(&kept) && !again.contains(by_nobody), "{again}");
    assert_eq!(std::fs::read_to_string(&cert).unwrap(), chain.concat());

    // One alone is of no use, and a new one would not fit it.
    for (gone, there) in [(&key, &cert), (&cert, &key)] {
        let contents = std::fs::read(gone).unwrap();
        std::fs::remove_file(gone).unwrap();
        let before = tree(&dir);
        let refused = init(&dir, &bin);
        ends_with(&refused, 2);
        let expected = format!(
            "acceptutils: {gone}: not there, though {there} is: add it, or remove {there} and run \
             this again for new ones\n",
            gone = gone.display(),
            there = there.display()
        );
        assert_eq!(stderr(&refused), expected);
        assert_eq!(tree(&dir), before);
        std::fs::write(gone, contents).unwrap();
    }
}

/// As its run scripts are kept.
#[test]
fn an_option_that_changes_nothing_of_what_is_there_is_named() {
    let folder = folder();
    let dir = folder.path().join("service");
    let bin = programs(folder.path());
    ends_with(&init(&dir, &bin), 0);
    let other = folder.path().join("other");
    ends_with(&init(&other, &bin), 0);
    let (cert, key) = (other.join("tls/cert.pem"), other.join("tls/key.pem"));
    let again = |options: &[&str], code: i32| {
        let arguments = ["init", dir.to_str().unwrap(), "--host", "mail.example.org"];
        ends_with(&run(&[&arguments[..], options].concat()), code)
    };
    let no_effect = |said: &str, option: &str, services: &[&str]| {
        let names = services.iter().map(|name| format!("service/{name}/run")).collect::<Vec<_>>();
        let why = "edit what is kept, or remove it and run this again";
        let warning = format!("warning: --{option}: no effect on {}: {why}\n", names.join(", "));
        assert!(said.contains(&warning), "{warning}{said}");
    };
    let said = again(&["--users", "pam"], 1);
    let logins = ["submission", "submissions", "pop3", "pop3s", "imap", "imaps"];
    no_effect(&said, "users", &logins);
    assert!(!said.contains("by PAM.") && said.contains("1. Add a user:"), "{said}");
    assert!(!said.contains("left out"), "{said}");
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let said = again(&["--cert", cert, "--key", key], 1);
    let all = ["submission", "submissions", "smtp", "pop3", "pop3s", "imap", "imaps"];
    no_effect(&said, "cert", &all);
    no_effect(&said, "key", &all);
    let said = again(&["--pop3", "/bin/false", "--jail-user", "bin"], 1);
    no_effect(&said, "pop3", &["pop3", "pop3s"]);
    no_effect(&said, "jail-user", &all);
    // What they have already is no reason to warn, whatever else is changed of them.
    let script = dir.join("service/imap/run");
    let text = std::fs::read_to_string(&script).unwrap().replace(" -c 40 ", " -c 80 ");
    std::fs::write(&script, text).unwrap();
    assert!(!ends_with(&init(&dir, &bin), 0).contains("warning"));
    // New ones have it.
    let (smtp, imap) = (bin.join("demo-smtp-into-maildir"), bin.join("imap-stand-in"));
    std::fs::remove_file(script).unwrap();
    let said = again(&["--users", "pam", "--imap", imap.to_str().unwrap()], 1);
    no_effect(&said, "users", &["submission", "submissions", "pop3", "pop3s", "imaps"]);
    assert!(!said.contains("--imap"), "{said}");
    for name in all {
        std::fs::remove_file(dir.join("service").join(name).join("run")).unwrap();
    }
    let said = again(&["--users", "pam", "--submission", smtp.to_str().unwrap()], 0);
    assert!(!said.contains("no effect"), "{said}");
}

#[test]
fn the_jail_is_the_user_that_was_named() {
    let folder = folder();
    let dir = folder.path().join("service");
    let dir = dir.to_str().unwrap();
    let mail = ["--submission", "ofmipd", "--incoming", "qmail-smtpd", "--pop3", "pop3d"];
    let mail = [&mail[..], &["--imap", "imapd"]].concat();
    let options = ["init", dir, "--host", "a.example", "--jail-user", "daemon"];
    let said = ends_with(&run(&[&options[..], &mail].concat()), 1);
    let warning = "warning: --incoming: the program does not serve: not a program, or not there\n";
    assert!(said.contains(warning), "{said}");
    let script = |name: &str| std::fs::read_to_string(format!("{dir}/service/{name}/run")).unwrap();
    for service in ["submission", "submissions", "pop3", "pop3s", "imap", "imaps"] {
        let expected = "export SSL_UID=1 SSL_GID=1\n";
        assert!(script(service).contains(expected), "{}", script(service));
    }
    // Nobody logs in there.
    assert!(script("smtp").contains("export SSL_UID=1 SSL_GID=1\n"), "{}", script("smtp"));
}

#[test]
fn what_cannot_be_made_is_said_and_nothing_is() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    std::fs::write(path("cert.pem"), Pem::of(&["h.example"]).certificate).unwrap();
    const HOST: &str = "--host=h.example";
    let (no_file, no_key) =
        (format!("--cert={}", path("none")), format!("--cert={}", path("cert.pem")));
    let no_certificate = format!("--cert={}", path("file"));
    for (dir, options, expected) in [
        ("a b", &[HOST][..], "unusable folder: "),
        ("d", &["--host=h example"], "unusable host name: h example: "),
        ("d", &["--host="], "unusable host name: : "),
        ("d", &["--host=a..b"], "unusable host name: a..b: "),
        ("d", &["--host=-a"], "unusable host name: -a: "),
        ("file", &[HOST], "unable to make: "),
        ("d", &[HOST, &no_file], "none: No such file or directory"),
        (
            "d",
            &[HOST, &no_key],
            "cert.pem: no key (PEM) in it, or one that asks for a passphrase: name the key's file \
             with --key",
        ),
        ("d", &[HOST, &no_certificate], "file: no certificate (PEM) in it"),
        ("d", &[HOST, "--pop3=a; b"], "unusable command: a; b: ; must be quoted"),
        ("d", &[HOST, "--incoming-user=no such user"], "unknown user: no such user"),
        ("d", &[HOST, "--jail-user=no such jail"], "unknown user: no such jail"),
    ] {
        let dir = path(dir);
        let said = fails(&[&["init", &dir], options].concat());
        assert!(said.starts_with("acceptutils: ") && said.contains(expected), "{expected}: {said}");
        assert_eq!(said.lines().count(), 1);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 2);
}

#[test]
fn what_is_not_safe_is_not_made() {
    let folder = folder();
    let dir = folder.path().join("d");
    for (option, value, expected) in [
        ("--incoming", "/usr/sbin/sendmail -bs", "it treats remote clients as local users"),
        ("--incoming", "sh -c 'sendmail -bs'", "it treats remote clients as local users"),
        ("--incoming-user", "daemon", "--incoming-user and --jail-user: both are uid 1"),
        ("--incoming-user", "root", "--incoming-user root: uid 0: strangers would talk to a mail"),
        ("--jail-user", "root", "--jail-user root: uid 0, gid 0: jailed processes would stay root"),
    ] {
        let init = ["init", dir.to_str().unwrap(), "--host", "h.example"];
        let jail = if option == "--jail-user" { &[][..] } else { &["--jail-user", "daemon"] };
        let said = fails(&[&init[..], jail, &[option, value]].concat());
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!dir.exists());
    }
}

/// As links there could lead to any file.
#[test]
fn root_makes_nothing_where_another_says_what_leads_there() {
    let folder = folder();
    needs!("root");
    let path = |name: &str| folder.path().join(name);
    for name in ["theirs", "own", "own/service"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    chown(path("theirs"), Some(7), None).unwrap();
    symlink(path("theirs"), path("own/service/control")).unwrap();
    for dir in ["theirs", "theirs/new", "own/service"] {
        let said = fails(&["init", path(dir).to_str().unwrap(), "--host", "a.example"]);
        let expected =
            format!("/me: {}: belongs to user 7, who can change it\n", path("theirs").display());
        assert!(said.starts_with("acceptutils: unable to make: "), "{said}");
        assert!(said.ends_with(&expected), "{said}");
    }
    assert!(tree(folder.path()).is_empty());
}

/// It runs as nobody, as whom others may run, too.
#[test]
fn what_is_tried_as_a_mail_program_can_change_its_home_and_nothing_of_roots() {
    let folder = folder();
    needs!("root");
    let report = folder.path().join("report");
    std::fs::write(&report, "").unwrap();
    set_mode(&report, 0o666);
    let program = folder.path().join("program");
    let script = format!(
        "#!/bin/sh\nlog=$(readlink /proc/$$/fd/2)\n\
         for place in . .. \"$log\" \"${{log%/*}}\"; do\n\
         test -w \"$place\" && echo yes || echo no\ndone >>{}\n\
         printf '+OK\\r\\n'; cat >/dev/null\n",
        report.display()
    );
    write_program(&program, &script);
    init_with(1, folder.path(), "--pop3", program.to_str().unwrap(), &[]);
    assert_eq!(std::fs::read_to_string(report).unwrap(), "yes\nno\nno\nno\n");
}

/// A service for this command, by this option, which ends so; what was said.
fn init_with(code: i32, folder: &Path, option: &str, command: &str, more: &[&str]) -> String {
    let dir = folder.join("service");
    let init = ["init", dir.to_str().unwrap(), "--host", "a.example", option, command];
    let output = run(&[&init[..], &["--jail-user", "daemon"], more].concat());
    ends_with(&output, code) + &stderr(&output)
}

fn listed(folder: &Path, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("service/control").join(file)).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn what_is_offered_is_what_the_server_says_that_it_has() {
    let folder = folder();
    let server = "sh -c 'echo 220 hi; read l; printf \"250-hi\\n250-SIZE 1000\\n250-XCLIENT NAME\\n\
                  250-AUTH PLAIN\\n250-DSN\\n250 STARTTLS\\n\"; read l; echo 221 bye'";
    init_with(0, folder.path(), "--submission", server, &[]);
    assert_eq!(listed(folder.path(), "smtpcapabilities"), ["SIZE 1000", "DSN"]);
    // The run script has it as it was said.
    let dir = folder.path().join("service");
    let check = checked(&dir);
    assert!(!check.contains("does not serve") && !check.contains("smtpcapabilities"), "{check}");
    std::fs::write(dir.join("control/smtpcapabilities"), "SIZE 2000\n8BITMIME\n").unwrap();
    let check = checked(&dir);
    for expected in [
        "warning: {}/control/smtpcapabilities:1: SIZE 2000: the server behind says SIZE 1000\n",
        "error: {}/control/smtpcapabilities:2: 8BITMIME: the server behind does not offer it\n",
        "note: {}/control/smtpcapabilities: DSN: the server behind offers it; it is not listed\n",
    ] {
        let expected = expected.replace("{}", dir.to_str().unwrap());
        assert!(check.contains(&expected), "{expected}{check}");
    }
}

/// As Postfix's `sendmail -bs` does as an ordinary user; `submission by swaks to Postfix` tries
/// that itself.
#[test]
fn a_size_at_which_the_server_ends_is_not_offered() {
    let folder = folder();
    let server = folder.path().join("ends-at-size");
    let script = "#!/bin/sh\necho 220 hi\nwhile read -r line; do case $line in\n\
                  EHLO*) printf '250-hi\\r\\n250-SIZE 1000\\r\\n250 DSN\\r\\n' ;;\n\
                  *SIZE=1001*) exit ;;\n*) printf '250 ok\\r\\n' ;;\nesac; done\n";
    write_program(&server, script);
    init_with(0, folder.path(), "--submission", server.to_str().unwrap(), &[]);
    assert_eq!(listed(folder.path(), "smtpcapabilities"), ["DSN"]);
    let dir = folder.path().join("service");
    let check = checked(&dir);
    assert!(!check.contains("smtpcapabilities"), "{check}");
    std::fs::write(dir.join("control/smtpcapabilities"), "SIZE 500\nDSN\n").unwrap();
    let check = checked(&dir);
    let expected = format!(
        "warning: {}/control/smtpcapabilities:1: SIZE 500: the server behind ends where a client \
         announces a larger message, and the client tries again for days: leave SIZE out\n",
        dir.display()
    );
    assert!(check.contains(&expected), "{check}");
    // One that refuses such a message as it should may then end.
    let refuses = script.replace(") exit", ") echo 552 no; exit");
    std::fs::write(&server, refuses).unwrap();
    let check = checked(&dir);
    assert!(!check.contains("larger message"), "{check}");
}

#[test]
fn exim_is_asked_as_debian_installs_it() {
    needs!("exim4");
    let folder = folder();
    init_with(0, folder.path(), "--submission", "/usr/sbin/exim4 -bs", &[]);
    let listed = listed(folder.path(), "smtpcapabilities");
    // PRDR is not passed on: nothing here counts its replies.
    assert!(listed.contains(&"SIZE 52428800".into()), "{listed:?}");
    assert!(listed.contains(&"PIPELINING".into()) && !listed.contains(&"PRDR".into()));
}

#[test]
fn a_sendmail_that_serves_nobody_is_found_out() {
    needs!("msmtp");
    let folder = folder();
    let said = init_with(1, folder.path(), "--submission", "/usr/bin/msmtp -bs", &[]);
    let expected = "warning: --submission: the program does not serve: it ends without an answer: ";
    assert!(said.contains(expected), "{said}");
    let dir = folder.path().join("service");
    let check = checked(&dir);
    assert!(check.contains("/usr/bin/msmtp: it does not serve: it "), "{check}");
}

#[test]
fn a_program_that_talks_on_and_on_is_found_out() {
    let folder = folder();
    for (option, server) in [
        ("--submission", "sh -c 'exec yes 220-and'"),
        ("--submission", "sh -c 'echo 220 hi; exec yes 250-and'"),
        ("--pop3", "sh -c 'echo +OK; exec yes +OK'"),
        ("--imap", "sh -c 'exec yes \"* OK and\"'"),
        ("--imap", "sh -c 'echo login OK; exec yes \"* OK and\"'"),
    ] {
        let said = init_with(1, folder.path(), option, server, &[]);
        let expected = "the program does not serve: an answer of more than 100 lines\n";
        assert!(said.contains(&format!("warning: {option}: {expected}")), "{server}: {said}");
    }
}

/// The command of docs/switching.md that begins so, from a section.
fn recipe(section: &str, beginning: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/switching.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, command) = section.split_once(&format!("    {beginning}")).unwrap();
    let (command, _) = command.split_once("\n```").unwrap();
    let command = format!("{beginning}{}", command.replace(" \\\n", " "));
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn dovecots_pop3_is_a_command_with_quotes_and_needs_no_file_of_its_own() {
    needs!("pop3");
    let folder = folder();
    let dovecot = recipe("In front of Dovecot's POP3", "sh -c ");
    init_with(0, folder.path(), "--pop3", &dovecot, &[]);
    let offered = listed(folder.path(), "pop3capabilities");
    assert_eq!(offered, ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"]);
    let dir = folder.path().join("service");
    let check = checked(&dir);
    assert!(!check.contains("does not serve"), "{check}");
    // Without its first line nobody would answer PASS.
    let said = init_with(1, &folder.path().join("other"), "--pop3", "/usr/lib/dovecot/pop3", &[]);
    assert!(said.contains("the program does not serve: "), "{said}");
}

#[test]
fn dovecots_imap_is_found_and_asked() {
    needs!("imap");
    let folder = folder();
    let pop3 = ["--pop3", "sh -c 'printf \"+OK\\r\\n-ERR\\r\\n\"'"];
    // It is the same as by its recipe.
    init_with(0, folder.path(), pop3[0], pop3[1], &[]);
    let dir = folder.path().join("service");
    let found = std::fs::read_to_string(dir.join("service/imaps/run")).unwrap();
    let (named, recipe) =
        (folder.path().join("named"), recipe("In front of Dovecot's IMAP", "sh -c "));
    init_with(0, &named, "--imap", &recipe, &pop3);
    let script = std::fs::read_to_string(named.join("service/service/imaps/run")).unwrap();
    let named = named.display().to_string();
    assert_eq!(found, script.replace(&named, &folder.path().display().to_string()));

    let offered = listed(folder.path(), "imapcapabilities");
    for word in ["IDLE", "UIDPLUS", "THREAD=REFS", "THREAD=REFERENCES"] {
        assert!(offered.contains(&word.into()), "{word}: {offered:?}");
    }
    for word in ["IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "STARTTLS"] {
        assert!(!offered.contains(&word.into()), "{word}: {offered:?}");
    }
    let check = checked(&dir);
    assert!(!check.contains("does not serve") && !check.contains("imapcapabilities"), "{check}");
    std::fs::write(dir.join("control/imapcapabilities"), "IDLE X-NONE\nID auth=X\n").unwrap();
    let check = checked(&dir);
    for expected in [
        "error: {}/control/imapcapabilities:1: X-NONE: the server behind does not offer it\n",
        "warning: {}/control/imapcapabilities:2: ID: authup lists it by itself\n",
        "error: {}/control/imapcapabilities:2: auth=X: authup lists it by itself, when it is time\n",
        "note: {}/control/imapcapabilities: THREAD=REFS: the server behind offers it; it is not \
         listed\n",
    ] {
        let expected = expected.replace("{}", dir.to_str().unwrap());
        assert!(check.contains(&expected), "{expected}{check}");
    }
}

/// Where Dovecot's master process runs, or has run since the machine was started: users may not
/// open its sockets, which stay.
#[test]
fn dovecots_imap_does_not_ask_for_statistics() {
    needs!("root", "imap", "python3", "unshare");
    let folder = folder();
    init_with(0, folder.path(), "--pop3", "sh -c 'printf \"+OK\\r\\n-ERR\\r\\n\"'", &[]);
    let dir = folder.path().join("service");
    add_al(&dir);
    let script = "mount -t tmpfs none /run && mkdir /run/dovecot && python3 -c '
import os, socket
socket.socket(socket.AF_UNIX).bind(\"/run/dovecot/stats-writer\")
os.chmod(\"/run/dovecot/stats-writer\", 0o600)' && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", PROGRAM, "check"]);
    command.arg(dir.join("service/imaps/run")).args(["--login", "al", "--stdin"]);
    let said = ends_with(&output(&mut command, PASSWORD.as_bytes()), 0);
    assert!(said.contains("Logged out in="), "{said}");
    assert!(!said.contains("stats-writer"), "{said}");
}

#[test]
fn an_imap_server_that_cannot_answer_a_login_is_found_out() {
    let folder = folder();
    let fiximapio = built("fiximapio").display().to_string();
    let greets = "sh -c 'printf \"* PREAUTH hi\\r\\n\"; read l; printf \"* CAPABILITY IDLE\\r\\na \
                  OK\\r\\n\"; read l; printf \"b OK\\r\\n\"'";
    for (server, why) in [
        (greets, "it can only greet, so that nobody answers LOGIN: put fiximapio before it"),
        (
            "sh -c 'printf \"* OK hi\\r\\n* CAPABILITY IDLE\\r\\na OK\\r\\n\"'",
            "it does not answer the LOGIN that it is told of, and wants one itself",
        ),
        ("sh -c 'printf \"* BYE no\\r\\n\"'", "it turns clients away: * BYE no"),
        ("sh -c 'echo no >&2'", "it ends without an answer: no"),
        (
            "sh -c 'printf \"login OK\\r\\na OK\\r\\nb NO such box\\r\\n\"'",
            "it does not open INBOX: b NO such box",
        ),
    ] {
        let said = init_with(1, folder.path(), "--imap", server, &[]);
        let expected = format!("warning: --imap: the program does not serve: {why}\n");
        assert!(said.contains(&expected), "{expected}{said}");
    }
    let other = folder.path().join("other");
    init_with(0, &other, "--imap", &format!("{fiximapio} {greets}"), &[]);
    assert_eq!(listed(&other, "imapcapabilities"), ["IDLE"]);
}

#[test]
fn an_open_relay_is_made_for_who_says_so() {
    let folder = folder();
    let relay = "sh -c 'echo 220 hi; read l; echo 250 hi; read l; echo 221 bye' -bs";
    init_with(2, folder.path(), "--incoming", relay, &[]);
    init_with(0, folder.path(), "--incoming", relay, &["--allow-open-relay"]);
    assert!(folder.path().join("service/service/smtp/run").exists());
}

#[test]
fn users_can_be_the_systems() {
    let folder = folder();
    let server = "sh -c 'echo 220 hi; read l; echo 250 hi; read l; echo 221 bye'";
    let more = ["--users", "pam"];
    let said = init_with(0, folder.path(), "--submission", server, &more);
    let dir = folder.path().join("service");
    let script = std::fs::read_to_string(dir.join("service/submission/run")).unwrap();
    assert!(script.contains(" \\\n    checkpassword-pam \\\n    env "), "{script}");
    assert!(dir.join("pam.d/checkpassword").exists() && !dir.join("users").exists());
    if !Path::new("/etc/pam.d/checkpassword").exists() {
        assert!(said.contains("pam.d/checkpassword /etc/pam.d/checkpassword\n"), "{said}");
        let check = checked(&dir);
        let expected = "/etc/pam.d/checkpassword: not there";
        assert!(check.contains(expected), "{check}");
    }
}

/// On a machine of its own as far as /var goes.
#[test]
fn root_makes_the_root_folder_of_jails_where_there_is_none() {
    let test = "root_makes_the_root_folder_of_jails_where_there_is_none";
    let folder = folder();
    if !is_root() || !installed_or_skip(test, "unshare") {
        return;
    }
    // Whatever mail programs are installed, and say without their files in /var.
    let there = |prepare: &str, dir: &str| {
        let script = format!(
            "umask 077; mount -t tmpfs -o mode=755 none /var; {prepare}\n\
             \"$0\" \"$@\"; [ $? -lt 2 ] || exit; stat -c '%F %U %a' /var/empty"
        );
        let dir = folder.path().join(dir);
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, PROGRAM, "init"]).arg(dir);
        test_support::run::succeeds(command.args(["--host", "a.example"]))
    };
    let made = there("", "fresh");
    assert!(made.contains("made /var/empty\n"), "{made}");
    assert!(made.ends_with("directory root 755\n"), "{made}");
    // Whatever somebody else made stays as it is.
    let kept = there("mkdir -m 711 /var/empty", "kept");
    assert!(!kept.contains("/var/empty"), "{kept}");
    assert!(kept.ends_with("directory root 711\n"), "{kept}");
    let impossible = there("mount -o remount,ro /var; stat() { :; }", "read-only");
    let line =
        "unable to make /var/empty: Read-only file system: without it each login takes longer\n";
    assert!(impossible.contains(line), "{impossible}");
}

/// Whatever file there was no room for: also for the certificate, its key being there.
#[test]
fn what_had_no_room_is_completed_by_the_next() {
    needs!("root", "unshare");
    let folder = folder();
    let script = "mount -t tmpfs -o size=4k,mode=755 none \"$1\" && cd \"$1\" || exit
        for size in $(seq 4 4 64); do
            mount -o remount,size=${size}k . || exit
            \"$0\" init home --host a.example --submission true; [ $? = 2 ] || exit 9
            mount -o remount,size=8m .
            \"$0\" init home --host a.example --submission true
            [ $? -lt 2 ] || exit
            rm -r home
        done";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, PROGRAM]).arg(folder.path());
    test_support::run::succeeds(&mut command);
}

/// What it would write has no more room than this program has.
#[test]
fn a_program_is_not_to_blame_for_where_it_is_tried() {
    needs!("root", "unshare");
    let folder = folder();
    let server = "sh -c 'echo >page && printf \"+OK\\r\\n+OK\\r\\nTOP\\r\\n.\\r\\n\"'";
    init_with(0, folder.path(), "--pop3", server, &[]);
    let (dir, place) = (folder.path().join("service"), folder.path().join("tmp"));
    std::fs::create_dir(&place).unwrap();
    for (make, why) in [
        ("head -c 4096 /dev/zero >\"$TMPDIR/full\"", "No space left on device"),
        ("mount -o remount,ro \"$TMPDIR\"", "Read-only file system"),
    ] {
        let script = format!(
            "mount -t tmpfs -o size=4k,mode=1777 none \"$TMPDIR\" && {make} && exec \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, "sh", PROGRAM, "check"]).arg(&dir);
        let check = ends_with(&output(command.env("TMPDIR", &place), b""), 2);
        let place = place.display();
        let expected = format!(": it cannot be tried: no folder to try it in: {place}: {why}\n");
        assert!(check.contains(&expected) && !check.contains("does not serve"), "{check}");
    }
}

#[test]
fn a_name_that_clients_could_not_use_is_warned_of() {
    let folder = folder();
    for (host, why) in [
        ("192.0.2.7", "an address, not a name: clients look for a name in its certificate"),
        ("localhost", "not a full name: clients elsewhere do not find it"),
    ] {
        let dir = folder.path().join(host);
        let arguments = ["init", dir.to_str().unwrap(), "--host", host, "--pop3", "true"];
        let said = ends_with(&run(&arguments), 1);
        assert!(said.contains(&format!("warning: --host {host}: {why}\n")), "{said}");
    }
}
