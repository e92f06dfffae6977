//! SMTP smuggling: a message that holds what some server takes for its end, with a second
//! message behind it. Through fixsmtpio, one message must come out, whatever stands behind.
//!
//! The ends are all pairs of line endings that somebody's server was seen to take (SEC
//! Consult, 2023: CVE-2023-51764, -51765, -51766) and those with NULs, around a dot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use acceptance::chain::Chain;
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};

use crate::as_an_ordinary_user;
use crate::figures::{FIGURES, Kind};
use crate::session::Session;

pub(crate) const TESTS: &[Test] = &[
    ("no_second_message_into_a_lax_server", &[], into_a_lax_server),
    ("no_second_message_into_smtpfront_echo", &["smtpfront-echo"], into_smtpfront_echo),
    ("no_second_message_into_exim", &["exim4"], into_exim),
    ("bare_newlines_are_rejected_where_asked", &[], rejected_where_asked),
    (
        "requests_that_servers_read_differently_are_kept_back",
        &["smtpfront-echo", "exim4"],
        unclear_requests,
    ),
];

const ENDINGS: [&str; 10] =
    ["\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\0", "\n\0", "\r\0\n", "\r\0", "\0\r\n"];
const DOTS: [&str; 3] = [".", "\0.", ".\0"];

/// Everything that looks like an end of data and is none.
fn variants() -> Vec<String> {
    let mut all = Vec::new();
    for before in ENDINGS {
        for dot in DOTS {
            for after in ENDINGS {
                let variant = format!("{before}{dot}{after}");
                if !variant.contains("\r\n.\r\n") {
                    all.push(variant);
                }
            }
        }
    }
    all
}

/// The message, up to its real end, with the second one in it.
fn message(variant: &str) -> String {
    format!(
        "Subject: first\r\n\r\nfirst{variant}MAIL FROM:<root@example.org>\r\n\
         RCPT TO:<bob@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"
    )
}

/// How the message arrives.
#[derive(Clone, Copy)]
enum Pieces {
    Whole,
    Octets,
    /// With a cut before and behind the dot.
    AroundTheDot,
}

/// Sends one message; whether it was taken. Were there two answers to it, those to the
/// next message's commands would be off by one.
fn send(session: &mut Session, variant: &str, pieces: Pieces) -> Result<bool> {
    let peer = &mut session.peer;
    peer.ask("MAIL FROM:<eve@example.org>", "250")?;
    peer.ask("RCPT TO:<bob@example.org>", "250")?;
    peer.ask("DATA", "354")?;
    let message = message(variant);
    match pieces {
        Pieces::Whole => peer.say(&message),
        Pieces::Octets => message.as_bytes().chunks(1).for_each(|octet| peer.say(octet)),
        Pieces::AroundTheDot => {
            let dot = message.find('.').context("a dot")?;
            for piece in [&message[..dot], &message[dot..=dot], &message[dot + 1..]] {
                peer.say(piece);
            }
        }
    }
    let answer = peer.reply()?;
    ensure!(answer.starts_with('5') || answer.starts_with("250"), "{answer:?}");
    Ok(answer.starts_with("250"))
}

/// Nothing but the answer to QUIT comes, and nobody is left.
fn end(mut session: Session, was_taken: bool) -> Result<()> {
    session.peer.say("QUIT\r\n");
    let rest = String::from_utf8_lossy(&session.peer.rest()?).into_owned();
    let bye = rest.starts_with("221") && rest.lines().count() == 1;
    // Who refuses a message for its line endings may leave by himself.
    ensure!(bye || rest.is_empty() && !was_taken, "{rest:?}");
    session.over().map(|_| ())
}

/// fixsmtpio before a server, up to where mail can be sent.
fn begin(chain: &Chain<'_>, server: &[&str], newline: Option<&str>) -> Result<Session> {
    let mut command = chain.command("fixsmtpio");
    command.args(server);
    if let Some(newline) = newline {
        command.env("FIXSMTPIOBARENEWLINE", newline);
    }
    let mut session = Session::of(chain, command)?;
    session.peer.hear("220 ")?;
    session.peer.ask("EHLO client", "250")?;
    Ok(session)
}

/// Sends each variant through fixsmtpio; `stored` says how many messages there are.
fn through_fixsmtpio(
    chain: &Chain<'_>,
    server: &[&str],
    (variants, pieces): (&[String], &[Pieces]),
    stored: &dyn Fn() -> Result<usize>,
) -> Result<()> {
    let mut taken = 0;
    for newline in [None, Some("normalize")] {
        for &how in pieces {
            let mut session = begin(chain, server, newline)?;
            for variant in variants {
                let shown = || format!("{variant:?}, {newline:?}");
                let is_taken = send(&mut session, variant, how).with_context(shown)?;
                taken += usize::from(is_taken);
                if !is_taken {
                    end(session, false).with_context(shown)?;
                    session = begin(chain, server, newline)?;
                }
                FIGURES.add(Kind::Smuggling, 1, 0);
            }
            end(session, true)?;
            let through = stored()?.saturating_sub(taken);
            FIGURES.add(Kind::Smuggling, 0, through);
            ensure!(through == 0, "{} stored, {taken} taken", taken + through);
        }
    }
    ensure!(taken > 0, "no message at all went through");
    Ok(())
}

/// Where the lax server stores messages.
fn lax_folder(chain: &Chain<'_>) -> Result<String> {
    let folder = chain.path("lax");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    Ok(chain.name("lax"))
}

/// Without fixsmtpio, the same message is two: what the test would see.
fn alone(chain: &Chain<'_>, server: &[&str], variant: &str) -> Result<usize> {
    let mut session = Session::start(chain, server)?;
    let peer = &mut session.peer;
    peer.hear("220 ")?;
    for line in ["EHLO client", "MAIL FROM:<eve@example.org>", "RCPT TO:<bob@example.org>"] {
        peer.ask(line, "250")?;
    }
    peer.ask("DATA", "354")?;
    peer.say(message(variant));
    peer.say("QUIT\r\n");
    let rest = String::from_utf8_lossy(&peer.rest()?).into_owned();
    session.over()?;
    let ends = rest.lines().filter(|line| line.starts_with("354")).count();
    FIGURES.add(Kind::SmugglingAlone, 1, ends);
    Ok(ends)
}

fn into_a_lax_server(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let folder = lax_folder(&chain)?;
    let server = ["lax-server", &folder];
    for variant in variants() {
        ensure!(alone(&chain, &server, &variant)? > 0, "the lax server is not: {variant:?}");
    }
    let before = fs::read_dir(&folder)?.count();
    let stored = || Ok(fs::read_dir(&folder)?.count() - before);
    let pieces = [Pieces::Whole, Pieces::Octets, Pieces::AroundTheDot];
    through_fixsmtpio(&chain, &server, (&variants(), &pieces), &stored)
}

/// It keeps no messages: that each has one answer, which `send` ensures, is all there is.
fn into_smtpfront_echo(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    for variant in variants() {
        alone(&chain, &["smtpfront-echo"], &variant)?;
    }
    through_fixsmtpio(&chain, &["smtpfront-echo"], (&variants(), &[Pieces::Whole]), &|| Ok(0))
}

/// Exim only queues here, and its queue is what is counted. It writes each message to
/// the disk for good, which takes its time, so that those with NULs are left out.
fn into_exim(programs: &Programs) -> Result<()> {
    let mut variants = variants();
    variants.retain(|variant| !variant.contains('\0'));
    let chain = as_an_ordinary_user(programs)?;
    let config = chain.name("exim.conf");
    let server = ["exim4", "-C", &config, "-odq", "-bs"];
    for variant in &variants {
        alone(&chain, &server, variant)?;
    }
    let before = queued(&chain)?.len();
    let stored = || Ok(queued(&chain)?.len() - before);
    through_fixsmtpio(&chain, &server, (&variants, &[Pieces::Whole]), &stored)?;
    for header in queued(&chain)?.iter().skip(before) {
        let header = String::from_utf8_lossy(&fs::read(header)?).into_owned();
        ensure!(header.contains("Subject: first"), "smuggled:\n{header}");
    }
    Ok(())
}

/// The header files of exim's queue, in the order in which their messages came.
fn queued(chain: &Chain<'_>) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(chain.path("spool/input")).into_iter().flatten() {
        let path = entry?.path();
        if path.to_string_lossy().ends_with("-H") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// `FIXSMTPIOBARENEWLINE=reject`: whatever holds a bare LF ends the session.
fn rejected_where_asked(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let folder = lax_folder(&chain)?;
    for variant in variants().into_iter().filter(|one| one.replace("\r\n", "").contains('\n')) {
        let mut session = begin(&chain, &["lax-server", &folder], Some("reject"))?;
        let peer = &mut session.peer;
        peer.ask("DATA", "354")?;
        peer.say(message(&variant));
        peer.hear("521 ").with_context(|| format!("{variant:?}"))?;
        ensure!(peer.rest()?.is_empty(), "it goes on after 521");
        session.over()?;
        let taken = fs::read_dir(&folder)?.count();
        FIGURES.add(Kind::Smuggling, 1, taken);
        ensure!(taken == 0, "a message was taken: {variant:?}");
    }
    Ok(())
}

/// What some server takes for DATA, or for two requests. The lax one would go on to a
/// message of which fixsmtpio knows nothing, so that no lone dot in it would be doubled.
fn unclear_requests(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let folder = lax_folder(&chain)?;
    let config = chain.name("exim.conf");
    let servers: [&[&str]; 3] =
        [&["lax-server", &folder], &["smtpfront-echo"], &["exim4", "-C", &config, "-odq", "-bs"]];
    let mut alone = Session::start(&chain, servers[0])?;
    alone.peer.hear("220 ")?;
    alone.peer.ask("DATA\0", "354")?;
    alone.over()?;
    for server in servers {
        for verb in ["DATA", "STARTTLS", "AUTH PLAIN", "QUIT", "MAIL FROM:<a>"] {
            let mut session = begin(&chain, server, None)?;
            let (first, rest) = verb.split_once(' ').unwrap_or((verb, ""));
            for request in [
                format!("{verb}\0"),
                format!("\0{verb}"),
                format!("{first}\0 {rest}"),
                format!("{first}\t{rest}"),
                format!("\t{verb}"),
                format!(" {verb}"),
                format!("{verb}\r"),
                format!("NOOP\r{verb}"),
                format!("NOOP \r\r{verb}"),
                format!("{first}\x0b{rest}"),
                format!("{first}\x0c{rest}"),
                format!("{first}\x7f"),
            ] {
                let answer = session.peer.ask(&request, "500 syntax error (#5.5.2)");
                answer.with_context(|| server[0].to_owned())?;
                FIGURES.add(Kind::Line, 1, 0);
            }
            end(session, true)?;
        }
        // How long a chunk is behind it nobody knows: it is all that the session hears.
        for request in ["BDAT 4\0", "BDAT\t4", " BDAT 4", "BDAT 4\r", "BDAT  4", "BDAT 0x4"] {
            let mut session = begin(&chain, server, None)?;
            session.peer.say(format!("{request}\r\nQUIT\r\nMAIL FROM:<evil>\r\n"));
            session.peer.hear("501 syntax error (#5.5.4)")?;
            ensure!(session.peer.rest()?.is_empty(), "it goes on behind {request:?}");
            session.over()?;
            FIGURES.add(Kind::Line, 1, 0);
        }
    }
    Ok(())
}
