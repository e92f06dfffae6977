//! What programs behind logins write to descriptor 2: it comes out as theirs and bounded,
//! keeps nobody waiting, and ends none of them, whatever becomes of the server.

use std::io::Write;
use test_support::log::fill;

use super::ending::{wait_until_gone, wait_until_ready};
use super::{DOORS, POP3S, SUBMISSION, line, text};
use crate::harness::Log;
use crate::harness::client::{Tls, finish_sending, rest};
use crate::harness::processes::{children, kill};

/// Repeats each line of the client's to its log, and then to the client.
const REPEATS: &[&str] = &[
    "bash",
    "--norc",
    "-c",
    r#"exec 3<&-; printf x >&"$AUTHUPREADYFD"; eval "exec $AUTHUPREADYFD>&-"
       echo "bob is in"; trap "echo ended by SIGPIPE; exit 9" PIPE
       while read -r line; do echo "$line" >&2 || echo broken; echo "$line"; done"#,
];

const FORGED: [&str; 3] = [
    "authup 7 checkpassword 8 failed, 0 remaining (bob from 192.0.2.7)",
    "tlsserver: end 7 status 0",
    "<0>checkpassword-file: login refused: al: unknown user",
];

fn says(tls: &mut Tls, words: &str) {
    tls.write_all(format!("{words}\n").as_bytes()).unwrap();
    assert_eq!(line(tls), format!("{words}\n"));
}

#[test]
fn d61_nothing_that_a_program_writes_begins_as_our_lines_do() {
    for door in DOORS {
        let server = door.with(REPEATS).start();
        let mut tls = door.logged_in(&server);
        for words in FORGED {
            says(&mut tls, words);
            server.log.wait_for(&[&format!("program: {words}")]);
        }
        for words in ["a \u{1b}[2J \u{e9}", &"x".repeat(5_000)] {
            says(&mut tls, words);
        }
        server.log.wait_for(&["program: a \\x1b[2J \u{e9}"]);
        server.log.wait_for(&[&format!("program: {}", "x".repeat(2_000))]);
        drop(tls);
        server.idle();
        let lines = server.log.lines();
        let forged = |line: &&String| FORGED.contains(&line.as_str());
        assert_eq!(lines.iter().find(forged), None);
        let longest = lines.iter().map(String::len).max();
        assert!(longest < Some(4096), "{longest:?}");
        server.wait_until_held_as_begun();
    }
}

#[test]
fn d61_a_login_programs_words_come_out_with_it() {
    let program = &["sh", "-c", "exec 3<&-; printf 'checkpassword-x: no end' >&2; exit 1"];
    let server = SUBMISSION.with(program).start();
    let mut tls = SUBMISSION.says_login(&server);
    assert_eq!(line(&mut tls), SUBMISSION.failed());
    server.log.wait_for(&["program: checkpassword-x: no end"]);
}

#[test]
fn d61_a_program_that_writes_without_end_keeps_nobody_waiting_and_fills_no_disk() {
    let script = r#"exec 3<&-; printf x >&"$AUTHUPREADYFD"; eval "exec $AUTHUPREADYFD>&-"
                    echo "bob floods"; exec yes >&2"#;
    let server = SUBMISSION.with(&["bash", "--norc", "-c", script]).start();
    let mut flood = SUBMISSION.enter(&server);
    assert_eq!(SUBMISSION.logs_in(&mut flood), "bob floods\n");
    server.log.wait_for(&["tlsserver: ", " lines of programs lost: too many"]);
    // Others log in meanwhile.
    for _ in 0..3 {
        SUBMISSION.logs_in(&mut SUBMISSION.enter(&server));
    }
    children(server.monitor()).iter().for_each(|program| kill(program.pid));
    drop(flood);
    server.idle_as_begun();
    let burst = proto::program_words::BURST as usize;
    // On a busy machine the test itself reads the log too slowly for some.
    let lines = server.log.lines();
    let lost = lines.iter().filter_map(|line| {
        line.strip_prefix("tlsserver: ")?.strip_suffix(" lines lost: the log was full")
    });
    let lost: usize = lost.map(|count| count.parse::<usize>().unwrap()).sum();
    let shown = server.log.count("program: y");
    assert!(shown > 0 && shown + lost >= burst, "{shown} shown, {lost} lost");
}

/// A log that nobody reads, and that is full.
#[test]
fn a_log_that_is_full_keeps_no_login_waiting() {
    for door in [SUBMISSION, POP3S] {
        let (log, writer) = std::io::pipe().unwrap();
        fill(&writer);
        let server = door.with(REPEATS).start_logging_to(writer);
        let logs_in = || {
            let mut tls = door.logged_in(&server);
            says(&mut tls, "words");
            finish_sending(&mut tls);
            assert_eq!(text(rest(&mut tls)), "");
        };
        (0..3).for_each(|_| logs_in());
        let log = Log::of(log);
        // Once there is room, by whichever of the two has something to say.
        logs_in();
        log.wait_for(&["tlsserver: ", " lines lost: the log was full"]);
        // That login's own lines may have been among them.
        logs_in();
        log.wait_for(&["program: words"]);
    }
}

#[test]
fn d61_who_stays_behind_reads_on() {
    for door in [SUBMISSION, POP3S] {
        let mut server = door.with(REPEATS).start();
        let mut tls = door.logged_in(&server);
        let own = server.terminate();
        for words in ["one", "two"] {
            says(&mut tls, words);
            server.log.wait_for(&[&format!("program: {words}")]);
        }
        // The last words, too.
        says(&mut tls, "three");
        finish_sending(&mut tls);
        assert_eq!(text(rest(&mut tls)), "");
        wait_until_gone(&own);
        server.log.wait_for(&["program: three"]);
    }
}

#[test]
fn d61_what_is_written_while_there_is_no_monitor_waits_for_the_next() {
    let door = SUBMISSION;
    let server = door.with(REPEATS).start();
    let mut tls = door.logged_in(&server);
    let victim = server.monitor();
    kill(victim);
    says(&mut tls, "meanwhile");
    wait_until_ready(door, &server, victim);
    server.log.wait_for(&["program: meanwhile"]);
    says(&mut tls, "again");
    server.log.wait_for(&["program: again"]);
    drop(tls);
    server.idle_as_begun();
}
