//! A server behind fixsmtpio that dies at each of its replies, before it or after it, in
//! every way: the client has all that the server said and nothing that it did not.
//!
//! The server is a stand-in, as no real one dies to order; it stores the message before
//! it says so.

use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};

use crate::figures::{Kind, count};
use crate::session::{First, Outcome, Place};
use crate::verdict::Verdict;

pub(crate) const TESTS: &[Test] = &[
    ("servers_that_die_behind_fixsmtpio", &[], |it| dies(it, First::Fixsmtpio)),
    ("servers_that_die_behind_a_login", &[], |it| dies(it, First::Authup)),
];

/// Called with how to die, and when: `before` or `after`, and which reply.
const SERVER: &str = r#"
n=0
die() { case $how in KILL) kill -KILL $$;; *) exit $how;; esac; }
say() {
    [ $when = before$n ] && die
    printf '%s\r\n' "$1"
    [ $when = after$n ] && die
    n=$((n+1))
}
say '220 local'
while IFS= read -r line; do
    case $line in
    DATA*) say '354 go on'
        while IFS= read -r line && [ "${line%?}" != . ]; do :; done
        say '250 taken';;
    QUIT*) say '221 bye'; exit 0;;
    *) say '250 ok';;
    esac
done
"#;

/// How it dies, and fixsmtpio's exit code after that.
const WAYS: [(&str, i32); 3] = [("0", 0), ("1", 1), ("KILL", 17)];

/// Greeting, EHLO, MAIL, RCPT, DATA, the message, QUIT.
const REPLIES: usize = 7;

/// What fixsmtpio says where the server was never ready, and its exit code, whatever the
/// end.
const NOT_STARTED: (&str, i32) = ("421 unable to start the mail server (#4.3.0)\r\n", 14);

const ENDED: &str = "421 the mail server has ended (#4.3.0)\r\n";

const CRASHED: &str = "454 authup aack, child crashed (#4.3.0)\r\n";

fn dies(programs: &Programs, first: First) -> Result<()> {
    let place = Place::new(programs)?;
    for (how, code) in WAYS {
        // Behind a login fixsmtpio says EHLO first, and keeps the reply.
        let kept = usize::from(first == First::Authup);
        for reply in 0..REPLIES + kept {
            for (when, said) in [("before", reply), ("after", reply + 1)] {
                let script = format!("how={how}; when={when}{reply}; {SERVER}");
                let session = place.start_before(first, &["sh", "-c", &script])?;
                let outcome = session.play(first)?;
                // Behind a login a client that has left first decides: it is no failure.
                let may_leave = first == First::Authup && said == REPLIES + kept;
                let code = if may_leave && outcome.is_whole(first) { 0 } else { code };
                check(&outcome, first, said, code)
                    .with_context(|| format!("{how} {when} {reply}"))?;
                let waits = said == reply && reply > kept;
                let is_told =
                    [ENDED, CRASHED].iter().any(|&word| outcome.replies.concat().ends_with(word));
                ensure!(is_told || !waits, "{how} {when} {reply}: no word of it: {outcome:?}");
                let is_whole = said == REPLIES + kept && code == 0;
                count(Kind::Server, if is_whole { Verdict::Completed } else { Verdict::Refused });
            }
        }
    }
    Ok(())
}

/// The server has said so much, and then fixsmtpio has ended with this code.
fn check(outcome: &Outcome, first: First, said: usize, code: i32) -> Result<()> {
    // Ready is who has greeted, and behind a login has answered fixsmtpio's own EHLO.
    let was_ready = said > usize::from(first == First::Authup);
    let said = if first == First::Authup && was_ready { said - 1 } else { said };
    let (before, last, code) = match first {
        First::Fixsmtpio if !was_ready => (0, Some(NOT_STARTED.0), NOT_STARTED.1),
        First::Authup if !was_ready => (2, Some(NOT_STARTED.0), NOT_STARTED.1),
        // The next request may have come before the end was seen.
        First::Fixsmtpio => (0, outcome.replies.concat().ends_with(ENDED).then_some(ENDED), code),
        // authup's greeting and its answer to EHLO come before the server's.
        First::Authup if code == 17 => (2, Some(CRASHED), 1),
        First::Authup if outcome.replies.concat().ends_with(ENDED) => (2, Some(ENDED), 14),
        First::Authup => (2, None, code),
    };
    let told = outcome.replies.concat();
    let own = last.unwrap_or_default();
    let servers = told.strip_suffix(own).context("authup does not say what has happened")?;
    let lines =
        servers.split_inclusive("\r\n").filter(|line| line.as_bytes().get(3) == Some(&b' '));
    ensure!(lines.clone().all(|line| line.starts_with(['2', '3'])), "{outcome:?}");
    ensure!(lines.count() == before + said, "{} replies were said: {outcome:?}", before + said);
    // The message is the sixth.
    ensure!(outcome.acknowledged() == (said > 5), "acknowledged: {outcome:?}");
    ensure!(outcome.status.code() == Some(code), "not {code}: {outcome:?}");
    let is_crash = outcome.log.contains("fixsmtpio: aack, child crashed\n");
    let is_told = last == Some(CRASHED);
    ensure!(is_crash == is_told || first == First::Fixsmtpio, "{outcome:?}");
    let is_named = outcome.log.contains("fixsmtpio: sh: ended before it was ready: ");
    ensure!(is_named != was_ready, "{outcome:?}");
    Ok(())
}
