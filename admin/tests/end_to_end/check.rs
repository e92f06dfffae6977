//! `acceptutils check`, as built: what it finds in files. What it finds by logging in is in
//! [`logins`].

use crate::certificates;
use crate::support::{
    NOBODY, PROGRAM, add_al, al_logs_in, checked, ends_with, fails, run, service, stderr, stdout,
    succeeds,
};
use rustix::io::Errno;
use std::io::Error;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use test_support::folder::{copy_program, make_fifo, set_mode, write_secret};
use test_support::needs;
use test_support::run::output;

mod logins;

/// A service that is right, and the folder that it is in.
pub(crate) struct Good {
    pub(crate) folder: TempDir,
    pub(crate) dir: PathBuf,
}

pub(crate) fn good() -> Good {
    let (folder, dir) = service();
    add_al(&dir);
    Good { folder, dir }
}

/// The run script of a service, and what is in it.
fn script_of(dir: &Path, service: &str) -> (PathBuf, String) {
    let script = dir.join("service").join(service).join("run");
    let text = std::fs::read_to_string(&script).unwrap();
    (script, text)
}

#[test]
fn where_nothing_is_yet_init_is_named() {
    let mut command = Command::new(PROGRAM);
    let refused = output(command.arg("check").env("QMAILHOME", "/no/such"), b"");
    ends_with(&refused, 2);
    let why = "No such file or directory: name a folder, or create one with acceptutils init";
    assert_eq!(stderr(&refused), format!("acceptutils: unable to read: /no/such: {why}\n"));
}

#[test]
fn finds_what_is_broken() {
    let count = with_each_setup(include_str!("broken-setups"), |expected, output| {
        let said = stdout(output);
        let errors = said.lines().any(|line| line.starts_with("error: "));
        let code = if errors { 2 } else { 1 };
        said.contains(expected) && output.status.code() == Some(code)
    });
    assert!(count >= 30, "{count}");
}

#[test]
fn finds_nothing_wrong_with_what_is_right_or_cannot_be_known() {
    let count = with_each_setup(include_str!("sound-setups"), |expected, output| {
        let (code, expected) = expected.split_once(' ').unwrap_or((expected, ""));
        stdout(output).contains(expected) && output.status.code() == code.parse().ok()
    });
    assert!(count >= 20, "{count}");
}

/// As whoever may not look, as the system has to say of a folder, or of a file that is none.
#[test]
fn what_cannot_be_looked_at_is_an_error_and_not_nothing() {
    needs!("root");
    let Good { folder, dir } = good();
    // Where it was built nobody else may be let in.
    let program = folder.path().join("program");
    copy_program(PROGRAM.as_ref(), &program);
    let units = folder.path().join("units");
    std::fs::create_dir_all(units.join("mail.service.d")).unwrap();
    let unit = format!("[Service]\nExecStart={}\n", dir.join("service/imap/run").display());
    std::fs::write(units.join("mail.service"), unit).unwrap();
    write_secret(&units.join("mail.service.d/secret.conf"), "[Service]\nEnvironment=A=b\n");
    write_secret(&units.join("other.service"), "");
    set_mode(&dir.join("service"), 0o700);
    set_mode(&dir.join("service/pop3"), 0o700);
    set_mode(&dir.join("client"), 0o700);
    let check = || {
        let mut command = Command::new(&program);
        command.arg("check").arg(&dir).env("SYSTEMD_UNIT_PATH", &units).current_dir("/");
        ends_with(&output(command.uid(NOBODY).gid(NOBODY), b""), 2)
    };
    set_mode(&dir.join("systemd/acceptutils@.socket"), 0o600);
    let denied_at = |path: &Path| format!("error: {}: Permission denied\n", path.display());
    let denied = |name: &str| denied_at(&dir.join(name));
    let said = check();
    assert!(said.contains(&denied("service")) && said.contains(&denied("client")), "{said}");
    assert!(!said.contains("no run scripts here"), "{said}");
    assert!(said.contains(&denied("systemd/acceptutils@.socket")), "{said}");
    set_mode(&dir.join("service"), 0o755);
    let said = check();
    assert!(said.contains(&denied("service/pop3/run")), "{said}");
    set_mode(&dir.join("service/pop3"), 0o755);
    assert!(!said.contains("other.service"), "{said}");
    set_mode(&dir.join("service/pop3/log"), 0o700);
    symlink("circle", dir.join("service/circle")).unwrap();
    let said = check();
    assert!(said.contains(&denied("service/pop3/log/run")), "{said}");
    assert!(said.contains(&denied_at(&units.join("mail.service.d/secret.conf"))), "{said}");
    let circle = dir.join("service/circle").display().to_string();
    let why = Error::from_raw_os_error(Errno::LOOP.raw_os_error()).to_string();
    let (why, _) = why.split_once(" (").unwrap();
    assert!(said.contains(&format!("error: {circle}: {why}\n")), "{said}");
}

fn copy(from: &Path, to: &Path) {
    test_support::run::succeeds(Command::new("cp").arg("-a").args([from, to]));
}

/// Makes each of these set-ups of a good one, and has it checked; what is expected has the names
/// of files as they are said. Returns how many there are.
fn with_each_setup(setups: &str, is_right: impl Fn(&str, &Output) -> bool) -> usize {
    let Good { folder, dir } = good();
    let (saved, home) = (folder.path().join("saved"), folder.path().join("al"));
    certificates::write(folder.path());
    std::fs::create_dir(&saved).unwrap();
    copy(&dir, &saved.join("service"));
    copy(&home, &saved.join("al"));
    let (mut count, mut wrong) = (0, Vec::new());
    for setup in setups.split("\n\n").filter(|setup| !setup.starts_with('#')) {
        let (command, expected) = setup.trim_end_matches('\n').split_once('\n').unwrap();
        let mut make = Command::new("sh");
        make.args(["-e", "-c", command]).current_dir(&dir);
        test_support::run::succeeds(make.env("ACCEPTUTILS", PROGRAM).env("CERTS", folder.path()));
        let output = check_among(folder.path(), &dir);
        let expected = with_paths(expected, folder.path(), &dir);
        if !is_right(&expected, &output) || !stderr(&output).is_empty() {
            let said = stdout(&output) + &stderr(&output);
            wrong.push(format!("{command}\n{expected}\n{said}"));
        }
        std::fs::remove_dir_all(&dir).unwrap();
        let _ = std::fs::remove_dir_all(&home).or_else(|_| std::fs::remove_file(&home));
        copy(&saved.join("service"), &dir);
        copy(&saved.join("al"), &home);
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    succeeds(&["check", dir.to_str().unwrap()]);
    count
}

/// What a set-up's file says is expected, with whole names of files: behind the severity, under the
/// service's folder, or under the one above it.
fn with_paths(expected: &str, above: &Path, dir: &Path) -> String {
    let severities = ["error: ", "warning: ", "note: "];
    let Some((severity, at)) =
        severities.iter().find_map(|severity| Some((severity, expected.find(severity)?)))
    else {
        return expected.to_owned();
    };
    let (before, file) = expected.split_at(at + severity.len());
    let expected = format!("{before}{}/{file}", dir.display()).replace("/.: ", ": ");
    let beside = format!("{}/", above.display());
    expected.replace(&format!("{}/../", dir.display()), &beside).replace("../", &beside)
}

/// The folder by its path, the script by a link to its folder, as supervisors have them.
#[test]
fn a_script_that_is_named_beside_its_folder_is_one() {
    let Good { folder, dir } = good();
    let link = folder.path().join("submission");
    symlink(dir.join("service/submission"), &link).unwrap();
    let (dir, script) = (dir.to_str().unwrap(), dir.join("service/submission/run"));
    let (script, linked) = (script.to_str().unwrap(), link.join("run"));
    let alone = succeeds(&["check", dir]);
    for places in [[dir, script], [script, dir], [linked.to_str().unwrap(), dir]] {
        assert_eq!(succeeds(&["check", places[0], places[1]]), alone, "{places:?}");
    }
    let alone = succeeds(&["check", script]);
    assert_eq!(succeeds(&["check", script, script]), alone);
}

/// Has it checked on a machine that trusts the tests' root, where the services' programs are found
/// by `PATH`, and systemd's units in two folders.
fn check_among(folder: &Path, dir: &Path) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(PROGRAM);
    command.arg("check").arg(dir).env("SSL_CERT_FILE", folder.join("root.pem")).env("PATH", path);
    let units = [dir.join("etc-units"), dir.join("usr-units")];
    command.env("SYSTEMD_UNIT_PATH", std::env::join_paths(units).unwrap());
    output(command.env_remove("QMAILHOME"), b"")
}

/// With as much of the chain as clients need, in the order in which they need it.
#[test]
fn a_chain_that_clients_can_follow_is_right() {
    let Good { folder, dir } = good();
    certificates::write(folder.path());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    write_secret(&dir.join("tls/key.pem"), &read("leaf.key"));
    for names in [
        &["leaf.pem", "between.pem"][..],
        &["leaf.pem", "between.pem", "root.pem"],
        // What is left over hurts nobody.
        &["leaf.pem", "between.pem", "between-other.pem"],
        &["leaf.pem", "between.pem", "root-expired.pem"],
        // The root is on every machine.
        &["direct.pem"],
    ] {
        let chain: String = names.iter().map(|name| read(name)).collect();
        std::fs::write(dir.join("tls/cert.pem"), chain).unwrap();
        ends_with(&check_among(folder.path(), &dir), 0);
    }
    // A root of one's own is worth a note where this machine does not know it.
    std::fs::write(dir.join("tls/cert.pem"), read("leaf.pem") + &read("between.pem")).unwrap();
    let said = succeeds(&["check", dir.to_str().unwrap()]);
    let expected =
        "its chain ends with CN=Between, issued by CN=Root: no authority of this machine's";
    assert!(said.contains(expected), "{said}");
}

/// Others may put files of their own beside what is in a folder such as `/tmp`; who runs a
/// program may own what it reads; and a key may be behind folders that its group enters.
#[test]
fn nothing_is_said_of_folders_that_only_their_owners_change() {
    let Good { dir, folder: _folder } = good();
    let run_sh = |command: &str| {
        test_support::run::succeeds(
            Command::new("sh").args(["-e", "-c", command]).current_dir(&dir),
        );
    };
    run_sh("mkdir -m 1777 ../shared && mv tls/key.pem ../shared");
    run_sh("ln -s ../../shared/key.pem tls/key.pem");
    succeeds(&["check", dir.to_str().unwrap()]);
    needs!("root");
    // As Debian's /etc/ssl/private is.
    run_sh("chmod 710 ../shared && chgrp 2 ../shared");
    succeeds(&["check", dir.to_str().unwrap()]);
    run_sh("mkdir own && cp users own && chown -R 1 own");
    run_sh(
        "sed -i \"s|checkpassword-file -f .*|setuidgid daemon checkpassword-file -f $PWD/own/users|; s|own/users|& \\\\\\|\" service/pop3/run",
    );
    let said = checked(&dir);
    // Who is let in as another user, is another matter.
    assert!(said.contains("/own/users:3: al: not running as root"), "{said}");
    assert!(!said.contains("can change it"), "{said}");
}

/// A folder that is on the way to many files is spoken of once.
#[test]
fn a_folder_that_others_can_change_is_said_once() {
    let Good { folder, dir } = good();
    set_mode(folder.path(), 0o777);
    let said = checked(&dir);
    let expected = format!("error: {}: mode 777: its group or others", folder.path().display());
    assert_eq!(said.matches(&expected).count(), 1, "{said}");
    assert!(said.ends_with("\n1 error, 0 warnings\n"), "{said}");
}

/// Whichever control files they read.
#[test]
fn services_of_two_homes_cannot_listen_at_one_place() {
    let Good { folder, dir } = good();
    let other = folder.path().join("other");
    copy(&dir, &other);
    let (script, text) = script_of(&other, "submission");
    std::fs::write(&script, text.replace(dir.to_str().unwrap(), other.to_str().unwrap())).unwrap();
    let (first, _) = script_of(&dir, "submission");
    let said = stdout(&run(&["check", first.to_str().unwrap(), script.to_str().unwrap()]));
    let expected = format!("port 587: {} listens there, too", first.display());
    assert!(said.contains(&expected), "{said}");
}

/// A FIFO has whoever opens it wait for somebody who writes.
#[test]
fn a_fifo_where_a_file_should_be_holds_no_task() {
    let Good { folder: _folder, dir } = good();
    for (file, task) in [
        ("control/me", vec!["client-settings", "thunderbird"]),
        ("control/fixsmtpio", vec!["explain", "--home"]),
        ("service/submission/run", vec!["check"]),
        ("control/loginfailures", vec!["failures"]),
    ] {
        let file = dir.join(file);
        std::fs::remove_file(&file).unwrap();
        make_fifo(&file);
        let output = run(&[&task[..], &[dir.to_str().unwrap()]].concat());
        let said = stdout(&output) + &stderr(&output);
        let expected = format!("{}: not a regular file\n", file.display());
        assert!(said.contains(&expected), "{task:?}: {said}");
    }
}

/// Rows that are right, of programs that this machine need not have. Of what is not known, it is
/// said that it is not.
#[test]
fn nothing_is_said_against_fronts_and_wrappers_that_are_right() {
    let Good { folder, dir } = good();
    let bin = folder.path().join("bin");
    for name in ["sslserver", "s6-tlsserver", "s6-tcpserver", "s6-ucspitlsd", "front", "vchkpw"] {
        let _ = std::fs::remove_file(bin.join(name));
        symlink("/bin/true", bin.join(name)).unwrap();
    }
    for name in ["envdir", "softlimit", "setlock", "chpst", "s6-envdir", "tcpserver", "rblsmtpd"] {
        symlink("/bin/true", bin.join(name)).unwrap();
    }
    let (script, good) = script_of(&dir, "submission");
    // Whom al may not be.
    let good = good.replace("exec 2>&1", "export AUTHUP_UID=1 AUTHUP_GID=1\nexec 2>&1");
    let (before, behind) = good.split_once("exec tlsserver").unwrap();
    let (_, behind) = behind.split_once("\\\n").unwrap();
    let unset = before.replace("export UCSPITLS='!'\n", "");
    std::fs::create_dir(script.with_file_name("env")).unwrap();
    std::fs::write(script.with_file_name("env/UCSPITLS"), "!\n").unwrap();
    let login = "tlsserver -n -v --login smtp :: 587";
    for (before, front, is_known) in [
        (before, "s6-tlsserver -e -- 0 465 authup smtp", true),
        (before, "s6-tcpserver -v 0 587 s6-ucspitlsd -- authup smtp", true),
        (before, "sslserver -ne -vRl0 -x /etc/tcp.smtp.cdb -c 40 0 587 authup smtp", true),
        (before, "tcpserver -v -R -H -l 0 127.0.0.1 587 authup smtp", true),
        (before, "front --host 0 --port 587 authup smtp", false),
        (before, &format!("softlimit -m 30000000 {login}"), true),
        (before, &format!("setlock -n lock nice -n 5 {login}"), true),
        (before, &format!("front {login}"), false),
        (&unset, &format!("env UCSPITLS='!' {login}"), true),
        (&unset, &format!("envdir ./env {login}"), true),
        (&unset, &format!("s6-envdir ./env {login}"), true),
        (&unset, &format!("chpst -e ./env -m 40000000 {login}"), true),
        (before, "tlsserver -v --proxy-protocol=192.0.2.7 --login smtp :: 587", true),
        (before, "tlsserver -v --login smtp :: 465 rblsmtpd -r list.example", true),
        (before, &format!("{login} front -f"), false),
    ] {
        std::fs::write(&script, format!("{before}exec {front} \\\n{behind}")).unwrap();
        let said = succeeds(&["check", script.to_str().unwrap()]);
        let note = ": front: not known here: what it does before it becomes ";
        assert_eq!(said.contains(note), !is_known, "{front}\n{said}");
    }
    std::fs::write(&script, format!("{before}exec front --serve sendmail -bs\n")).unwrap();
    let said = succeeds(&["check", script.to_str().unwrap()]);
    assert!(said.contains(": front: not known here, and not looked at\n"), "{said}");
}

/// Written as the handbooks of qmail have them.
#[test]
fn nothing_is_said_against_run_scripts_as_qmails_administrators_write_them() {
    let Good { folder, dir } = good();
    let bin = folder.path().join("bin");
    for name in ["sslserver", "softlimit", "envuidgid"] {
        let _ = std::fs::remove_file(bin.join(name));
        symlink("/bin/true", bin.join(name)).unwrap();
    }
    std::fs::write(dir.join("control/concurrencyincoming"), "20\n").unwrap();
    let head = "\
QMAILDUID=`id -u mail`
NOFILESGID=`id -g mail`
MAXSMTPD=`cat DIR/control/concurrencyincoming`
LOCAL=`head -1 DIR/control/me`
if [ -z \"$QMAILDUID\" -o -z \"$NOFILESGID\" -o -z \"$MAXSMTPD\" -o -z \"$LOCAL\" ]; then
    echo QMAILDUID, NOFILESGID, MAXSMTPD, or LOCAL is unset in
    echo DIR/service/smtp/run
    exit 1
fi
if [ ! -f DIR/control/me ]; then
    cat >&2 <<EOF
Who's this? Refusing to start; exec nothing
EOF
    exit 1
fi
";
    for (service, port, front) in [
        (
            "smtp",
            25,
            "softlimit -m 60000000 \\\n  sslserver -neV -v -R -l \"$LOCAL\" -c \"$MAXSMTPD\" \\\n  \
             -x /etc/tcp.smtp.cdb -u \"$QMAILDUID\" -g \"$NOFILESGID\" 0 smtp",
        ),
        ("smtp", 25, "tlsserver -4 -6 -neV -Rp -l $LOCAL -u $QMAILDUID -g $NOFILESGID :0 smtp"),
        ("smtp", 25, "envuidgid mail tlsserver -nU -v -HR -l0 -c \"$MAXSMTPD\" 0 25"),
        ("submission", 587, "sslserver -ne -vRl0 -c \"$MAXSMTPD\" 0 587 authup smtp"),
        ("submissions", 465, "sslserver -seV -Rp -l \"$LOCAL\" :0 465 authup smtp"),
        ("submission", 587, "tlsserver -n -l \"$(cat DIR/control/me)\" --login smtp :: submission"),
    ] {
        let (script, text) = script_of(&dir, service);
        let good = text.replace("exec 2>&1", "export AUTHUP_UID=1 AUTHUP_GID=1\nexec 2>&1");
        let (before, behind) = good.split_once("exec tlsserver").unwrap();
        let (_, behind) = behind.split_once("\\\n").unwrap();
        let behind = behind.trim_end();
        let whole = format!("{before}{head}exec {front} \\\n{behind} 2> /dev/null\n");
        std::fs::write(&script, whole.replace("DIR", dir.to_str().unwrap())).unwrap();
        let said = succeeds(&["check", script.to_str().unwrap()]);
        assert!(!said.contains("not known here") && !said.contains("not tried"), "{port}: {said}");
        if front.contains("--login") {
            al_logs_in(&script);
        }
        std::fs::write(&script, text).unwrap();
    }
}

/// What is in a folder that is read by rules of its own, QMAILHOME, say, nobody knows here.
#[test]
fn no_home_is_asserted_that_another_program_may_name() {
    let Good { folder, dir } = good();
    symlink("/bin/true", folder.path().join("bin/s6-envdir")).unwrap();
    let (script, text) = script_of(&dir, "submission");
    let text = text.replace("exec tlsserver", "exec s6-envdir -n ./env tlsserver");
    let text = text.lines().filter(|line| !line.starts_with("export QMAILHOME"));
    std::fs::write(&script, text.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    succeeds(&["check", script.to_str().unwrap()]);
    // Nor of services that are none of these.
    for command in ["multilog t /var/log/x", "envdir ./env sh -c '\nexec dnscache\n'", "sshd -D"] {
        std::fs::write(&script, format!("#!/bin/sh\nexec 2>&1\nPATH=/x:$PATH exec {command}\n"))
            .unwrap();
        let said = checked(&script);
        assert!(said.contains(": not known here, and not looked at\n"), "{said}");
        assert!(!said.contains("control") && !said.contains("/var/qmail"), "{said}");
    }
}

/// Before a login only root reads, and what supervisors pass over is no service.
/// Mail programs are tried as other users, and they must come to where that is.
#[test]
fn roots_umask_and_tmpdir_are_no_fault_of_a_service() {
    let (folder, dir) = service();
    let private = folder.path().join("private");
    std::fs::create_dir(&private).unwrap();
    set_mode(&private, 0o700);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\"", PROGRAM, "check"]).arg(&dir);
    let said = stdout(&output(command.env("TMPDIR", private), b""));
    assert_eq!(said, checked(&dir));
}

#[test]
fn nothing_is_said_of_files_that_only_root_reads_nor_of_what_is_no_service() {
    let Good { dir, folder: _folder } = good();
    let control = dir.join("control");
    for (name, contents) in [
        ("loginfailures", None),
        ("loginnames", Some("lower-case")),
        ("logformat", Some("logfmt")),
        ("timeoutlogin", Some("300")),
        ("timeoutpop3d", Some("300")),
        ("timeoutimapd", Some("1800")),
        ("pop3greeting", Some("pop3.example.org")),
        ("imapgreeting", Some("imap.example.org")),
    ] {
        if let Some(contents) = contents {
            std::fs::write(control.join(name), contents).unwrap();
        }
        set_mode(&control.join(name), 0o600);
    }
    for name in [".s6-svscan", ".git"] {
        std::fs::create_dir(dir.join("service").join(name)).unwrap();
    }
    std::fs::write(dir.join("service/README"), "services").unwrap();
    succeeds(&["check", dir.to_str().unwrap()]);
}

/// Where nobody speaks SMTP, nothing of it is missed.
#[test]
fn a_home_for_pop3_and_imap_alone_is_right_without_smtps_files() {
    let Good { dir, folder: _folder } = good();
    for name in ["submission", "submissions", "smtp"] {
        std::fs::remove_dir_all(dir.join("service").join(name)).unwrap();
    }
    for name in ["fixsmtpio", "smtpcapabilities", "me"] {
        std::fs::remove_file(dir.join("control").join(name)).unwrap();
    }
    for name in ["pop3greeting", "imapgreeting"] {
        std::fs::write(dir.join("control").join(name), "mail.example.org\n").unwrap();
    }
    succeeds(&["check", dir.to_str().unwrap()]);
    std::fs::remove_file(dir.join("control/imapgreeting")).unwrap();
    let said = ends_with(&run(&["check", dir.to_str().unwrap()]), 2);
    assert!(said.contains("control/me: No such file or directory, and not every"), "{said}");
}

/// execline, as s6's users write it, is read; of what is not, it is said that it is not.
#[test]
fn scripts_that_are_no_shells_are_not_taken_for_one() {
    let Good { dir, folder } = good();
    // Stands in for the interpreter, which need not be installed: it only has to be there.
    let interpreter = folder.path().join("bin/execlineb");
    symlink("/bin/true", &interpreter).unwrap();
    let script = dir.join("service/submission/run");
    let good = std::fs::read_to_string(&script).unwrap();
    let mut text = format!("#!{} -P\nfdmove -c 2 1\n", interpreter.display());
    for line in good.lines().skip(1).filter(|line| *line != "exec 2>&1") {
        let line = line.trim_start_matches("exec ").trim_end_matches('\\');
        let Some(set) = line.strip_prefix("export ") else {
            text += &format!("{line}\n");
            continue;
        };
        for (name, value) in set.split(' ').filter_map(|set| set.split_once('=')) {
            text += &format!("export {name} {}\n", value.trim_matches('\''));
        }
    }
    std::fs::write(&script, &text).unwrap();
    al_logs_in(&script);
    let other_port = text.replace(" :: 587", " :: 465").replace(" 0 587", " 0 465");
    std::fs::write(&script, other_port).unwrap();
    let said = ends_with(&run(&["check", script.to_str().unwrap()]), 1);
    assert!(said.contains(": port 465: clients begin with TLS"), "{said}");

    let note = "note: SCRIPT: neither a shell script nor an execline script without blocks: not \
                checked\n0 errors, 0 warnings\n";
    let note = note.replace("SCRIPT", script.to_str().unwrap());
    for text in [
        text.replace("tlsserver ", "if { test -d /var/empty }\ntlsserver "),
        "#!/usr/bin/env python3\nimport os\nos.execlp('tlsserver', 'tlsserver')\n".to_owned(),
        String::from_utf8_lossy(b"\x7fELF\x02\x01").into_owned(),
    ] {
        std::fs::write(&script, text).unwrap();
        assert_eq!(checked(&script), note);
    }
    // As pkgsrc's packages have them.
    let rc = "#!/bin/sh\n. /etc/rc.subr\nname=ofmipd\ncommand=/usr/pkg/bin/tlsserver\n\
              ofmipd_start() {\n    eval \"env - tlsserver -n 0 587 authup smtp ofmipd &\"\n}\n\
              load_rc_config $name\nrun_rc_command \"$1\"\n";
    std::fs::write(&script, rc).unwrap();
    let rc = "neither a shell script nor an execline script without blocks";
    assert_eq!(checked(&script), note.replace(rc, "a script of rc.d, which rc.subr runs"));
    // A comment may be in any encoding.
    let latin1 = [good.as_bytes(), b"# caf\xe9\n"].concat();
    std::fs::write(&script, latin1).unwrap();
    succeeds(&["check", script.to_str().unwrap()]);
}

/// As tlsserver has it: with -n, where no program is to ask for TLS.
#[test]
fn no_certificate_is_missed_where_tls_is_disabled() {
    let Good { dir, folder: _folder } = good();
    let (script, text) = script_of(&dir, "smtp");
    let text = text.replace("export CERTFILE=", "export DISABLETLS=1 NO_CERTFILE=");
    std::fs::write(&script, text).unwrap();
    let said = ends_with(&run(&["check", dir.to_str().unwrap()]), 1);
    assert!(said.contains("DISABLETLS is set: TLS is never offered"), "{said}");
    assert!(!said.contains("no certificate"), "{said}");
}

/// And nobody is promised it.
#[test]
fn what_is_left_out_of_what_is_offered_is_no_error() {
    let Good { dir, folder: _folder } = good();
    for (file, line) in [("smtpcapabilities", "STARTTLS"), ("pop3capabilities", "SASL PLAIN")] {
        let path = dir.join("control").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{line}\n")).unwrap();
    }
    let said = ends_with(&run(&["check", dir.to_str().unwrap()]), 1);
    assert_eq!(said.matches(": left out: authup lists it when it is time\n").count(), 2, "{said}");
}

#[test]
fn a_script_can_read_it() {
    let Good { dir, folder: _folder } = good();
    std::fs::write(dir.join("control/fixsmtpio"), "# rules\n:ehlo::*:300:x\n").unwrap();
    let output = run(&["check", "--json", dir.to_str().unwrap()]);
    ends_with(&output, 2);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = found.as_array().unwrap().iter().find(|found| found["severity"] == "error");
    let error = error.unwrap();
    assert!(error["file"].as_str().unwrap().ends_with("control/fixsmtpio"));
    assert_eq!((&error["line"], &error["column"]), (&2.into(), &10.into()));
    assert_eq!(error["text"], "exit code is not a number from 0 to 255");
}

#[test]
fn a_folder_that_is_not_there() {
    let expected = "acceptutils: unable to read: /no/such/folder: No such file or directory\n";
    assert_eq!(fails(&["check", "/no/such/folder"]), expected);
}
