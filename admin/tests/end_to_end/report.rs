//! `acceptutils report`, as built, on logs as loggers write them.

use crate::support::{ends_with, fails, folder, run, run_with, stderr, stdout, succeeds};
use std::process::{Command, Output};
use test_support::needs;
use test_support::run::output;

/// A day at port 587, without times.
const DAY: &str = "\
tlsserver: pid 7 from 192.0.2.7
authup 7 protocol smtp
authup 7 checkpassword 8 attempt for al
authup 7 login succeeded (al from 192.0.2.7)
authup 7 checkpassword 8 succeeded, child completed (al from 192.0.2.7)
tlsserver: end 7 status 0
tlsserver: pid 9 from 198.51.100.1
checkpassword-file: login refused: root: unknown user
authup 9 checkpassword 10 failed, 4 remaining (root from 198.51.100.1)
authup 9 checkpassword 11 failed, 3 remaining (al from 198.51.100.1)
authup 12 checkpassword 13 failed, 4 remaining (al from 203.0.113.5)
tlsserver: end 9 status 256
tlsserver: no login from 198.51.100.1
tlsserver: deny from 2001:db8::1: too many connections from this address
tlsserver: tls from 192.0.2.9: handshake failed: the peer does not speak TLS
tlsserver: engine 5 died: signal 11; starting another
authup 12 unable to write pipe: Broken pipe
Exim says this
";

#[test]
fn a_day_on_one_page() {
    let folder = folder();
    let service = folder.path().join("submission");
    std::fs::create_dir(&service).unwrap();
    let current = service.join("current");
    // A line a minute, from 07:00 on.
    let stamped: String = (0x6b07_d8fa_u32..)
        .step_by(60)
        .zip(DAY.lines())
        .map(|(time, line)| format!("@40000000{time:08x}00000000 {line}\n"))
        .collect();
    std::fs::write(&current, &stamped).unwrap();
    let page = succeeds(&["report", current.to_str().unwrap()]);
    for expected in [
        "18 lines, 26 Nov 2026 07:00:00 -0000 to 26 Nov 2026 07:17:00 -0000\n1 of other programs\n",
        "Sessions by service\n      2  submission, most from 07:00 to 07:59 UTC: 2\n",
        "Logins\n      3  refused\n      1  connections that never tried\n      1  good\n",
        "Users with most logins\n      1  al, from 1 network\n",
        "Names tried that do not exist\n      1  root\n",
        "Addresses refused most\n      2  198.51.100.1\n      1  203.0.113.5\n",
        "Networks refused most\n      2  198.51.100.0/24\n",
        "Same name refused from most networks\n      2  al, 2 refusals\n",
        "TLS that failed\n      1  handshake failed: the peer does not speak TLS\n",
        "Denied\n      1  too many connections from this address\n",
        "Trouble\n      1  authup N unable to write pipe: Broken pipe (26 Nov 2026 07:16:00",
        "Processes started anew\n      1  engine\n",
        "Longest sessions\n    300 s  nobody logged in, submission\n    300 s  al, submission\n",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let json = stdout(&run(&["report", "--json", current.to_str().unwrap()]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["logged_in"]["al"]["count"], &json["foreign"]), (&1.into(), &1.into()));

    // The same, from standard input and without times; and nothing of what is too old.
    let bare = stdout(&run_with(&["report"], DAY));
    assert!(bare.starts_with("18 lines\n") && bare.contains("      3  refused\n"), "{bare}");
    let late = stdout(&run(&["report", "--since", "2026-11-27", current.to_str().unwrap()]));
    assert_eq!(late, "0 lines\n");
    for said in ["soon", "2026-02-30", "2026-11-31"] {
        let wrong = fails(&["report", "--since", said]);
        assert!(wrong.contains(&format!("--since {said}: not today")), "{wrong}");
    }
}

#[test]
fn the_same_trouble_is_counted_as_the_same() {
    let log = "\
        tlsserver: engine 2832: the keyholder does not sign\n\
        tlsserver: engine 2840: the keyholder does not sign\n\
        tlsserver: keyholder 7 is stuck\n\
        tlsserver: keyholder 8 is stuck\n\
        authup 7 checkpassword 8 temporary failure (al from 192.0.2.7)\n\
        authup 9 checkpassword 10 temporary failure (a (b from c) from 2001:db8::7)\n\
        authup 9 checkpassword 10 temporary failure\n\
        fixsmtpio: cat: it ended: exit code 3\n\
        fixsmtpio: cat: it ended: exit code 4\n\
        authup: 12 more logins failed (last from 203.0.113.5)\n\
        authup: 3 more logins not checked (last from 203.0.113.5)\n\
        authup: 4 more logins not checked (last from 192.0.2.7)\n\
        authup 7 login succeeded (al from 192.0.2.7)\n\
        authup 8 login succeeded (al from 198.51.100.7)\n\
        authup 9 checkpassword 10 failed, 4 remaining (al from 2001:db8:1:0:8::7)\n";
    let page = stdout(&run_with(&["report"], log));
    let (_, trouble) = page.split_once("\nTrouble\n").unwrap();
    let mut trouble: Vec<_> = trouble.lines().collect();
    trouble.sort_unstable();
    let expected = [
        "      2  engine N: the keyholder does not sign",
        "      2  fixsmtpio: cat: it ended: exit code N",
        "      2  keyholder N is stuck",
        "      3  checkpassword N temporary failure",
        "      7  more logins not checked",
    ];
    assert_eq!(trouble, expected, "{page}");
    assert!(page.contains("      2  al, from 2 networks\n"), "{page}");
    assert!(page.contains("Addresses refused most\n     12  203.0.113.5\n"), "{page}");
    // Networks are those of `acceptutils failures`.
    assert!(page.contains("      1  2001:db8:1::/48\n"), "{page}");
}

#[test]
fn what_loggers_write_is_understood() {
    needs!("multilog", "svlogd", "s6-log");
    for logger in [
        &["multilog", "t"][..],
        &["svlogd", "-t"],
        &["svlogd", "-tt"],
        &["svlogd", "-ttt"],
        &["s6-log", "T"],
        &["s6-log", "t"],
        &["s6-log", "t", "T"],
    ] {
        let folder = folder();
        // svlogd wants it to be there, multilog has it begin like this.
        let service = folder.path().join("submission");
        std::fs::create_dir(&service).unwrap();
        let mut command = Command::new(logger[0]);
        command.args(&logger[1..]).arg("./submission").current_dir(folder.path());
        ends_with(&output(&mut command, DAY.as_bytes()), 0);
        understood(&run(&["report", service.join("current").to_str().unwrap()]), logger);
    }
}

/// As `journalctl` of Debian 12 and rsyslog write a line.
#[test]
fn what_the_journal_and_syslog_write_is_understood() {
    for stamp in [
        "Nov 26 07:00:00 mail",
        "Nov 26 07:00:00.815370 mail",
        "Nov 26 07:00:00",
        "2026-11-26T08:00:00+0100 mail",
        "2026-11-26T08:00:00.815370+0100 mail",
        "2026-11-26T08:00:00.815370+01:00 mail",
        "2026-11-26T07:00:00.815370Z mail",
    ] {
        let lines = DAY.lines().map(|line| format!("{stamp} acceptutils-submission[12]: {line}\n"));
        understood(&run_with(&["report"], &lines.collect::<String>()), &[stamp]);
    }
}

/// All of [`DAY`], with times.
fn understood(said: &Output, by: &[&str]) {
    ends_with(said, 0);
    let page = stdout(said);
    let first = page.lines().next().unwrap();
    assert!(first.starts_with("18 lines, ") && first.contains(" to "), "{by:?}\n{page}");
    for expected in ["\n1 of other programs\n", "      2  submission, most", "      3  refused\n"] {
        assert!(page.contains(expected), "{by:?}\n{page}");
    }
}

#[test]
fn a_log_of_nobody_here_says_so() {
    let lines = "Nov 26 07:00:00 mail authup[1]: x\nNov 26 07:00:01 mail authup[1]: y\n";
    for arguments in [&["report"][..], &["report", "--json"]] {
        let said = run_with(arguments, lines);
        ends_with(&said, 1);
        assert_eq!(stderr(&said), "acceptutils: nothing of these programs in it\n");
    }
    let said = stdout(&run_with(&["report"], lines));
    assert!(
        said.starts_with("2 lines, 26 Nov ") && said.ends_with("\n2 of other programs\n"),
        "{said}"
    );
    // That nobody said anything is no fault.
    ends_with(&run_with(&["report"], ""), 0);
}

#[test]
fn a_hyphen_is_standard_input() {
    let output = run_with(&["report", "-"], DAY);
    assert_eq!(ends_with(&output, 0), ends_with(&run_with(&["report"], DAY), 0));
}
