//! Peers that are half-closed, closed or reset at every step of the dialog, between two
//! commands and in the middle of one: a message that was cut off is never delivered, one
//! that was acknowledged always is, once, and nobody stays behind.

use acceptance::chain::{Chain, DOVECOT};
use acceptance::peer::{Peer, connect};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, ensure};
use base64ct::{Base64, Encoding};
use test_support::talking::{up_to, up_to_line};

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::{as_an_ordinary_user, login};

pub(crate) const TESTS: &[Test] = &[
    ("a_message_cut_off_is_not_delivered", &["exim4"], incoming_in_the_clear),
    ("a_message_cut_off_within_tls_is_not_delivered", &["exim4"], |programs| {
        Door::each(&Door::WITHIN_TLS, programs, submission_within_tls)
    }),
    ("a_pop3_session_cut_off_leaves_nobody", &["pop3front-maildir"], |programs| {
        Door::each(&WITH_TLS_OR_NOT, programs, fetching)
    }),
    ("an_imap_session_cut_off_leaves_nobody", &["imap"], |programs| {
        Door::each(&WITH_TLS_OR_NOT, programs, reading)
    }),
];

const WITH_TLS_OR_NOT: [Door; 3] = [Door::Clear, Door::Login, Door::LoginAtOnce];

/// How the client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It says no more, and reads what still comes.
    HalfCloses,
    Closes,
    /// With a reset: what is under way is lost.
    Vanishes,
}

const WAYS: [Way; 3] = [Way::HalfCloses, Way::Closes, Way::Vanishes];

/// What the client says, and how the answer to it begins.
type Step = (String, &'static str);

fn step(says: &str, answer: &'static str) -> Step {
    (says.to_owned(), answer)
}

const END: &str = "\r\n.\r\n";

/// A message, whose data is the last step but one.
fn mail(subject: &str) -> Vec<Step> {
    vec![
        step("MAIL FROM:<eve@example.org>\r\n", "250"),
        step("RCPT TO:<bob@example.org>\r\n", "250"),
        step("DATA\r\n", "354"),
        (format!("Subject: {subject}\r\n\r\nbody{END}"), "250"),
        step("QUIT\r\n", "221"),
    ]
}

/// Where to cut a step: before it, within it, and at each octet of a message's end.
fn cuts(says: &str) -> Vec<usize> {
    let mut cuts = vec![0, 1, says.len() / 2, says.len().saturating_sub(1)];
    if says.ends_with(END) {
        cuts.extend(says.len() - END.len()..=says.len());
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Plays the steps up to the cut one, of which only so much is said.
fn play(peer: &mut Peer, steps: &[Step], at: usize, cut: usize) -> Result<()> {
    for (says, answer) in steps.iter().take(at) {
        peer.say(says);
        peer.hear(answer).with_context(|| format!("after {says:?}"))?;
    }
    peer.say(&steps[at].0[..cut]);
    Ok(())
}

/// The client is gone in its way.
fn leave(mut peer: Peer, way: Way) -> Result<()> {
    match way {
        Way::HalfCloses => {
            peer.half_close();
            peer.rest().map(|_| ())
        }
        Way::Closes => Ok(()),
        Way::Vanishes => Ok(peer.stream.reset()?),
    }
}

/// What must be in the mailbox, and what may be: those whose end was said but not
/// acknowledged.
#[derive(Default)]
struct Ledger {
    cut_off: Vec<String>,
    unknown: Vec<String>,
    acknowledged: Vec<String>,
}

impl Ledger {
    fn enter(&mut self, subject: String, steps: &[Step], at: usize, cut: usize) {
        let message = steps.iter().position(|(says, _)| says.ends_with(END));
        let list = match message {
            Some(message) if at > message => &mut self.acknowledged,
            Some(message) if at == message && cut == steps[at].0.len() => &mut self.unknown,
            _ => &mut self.cut_off,
        };
        list.push(subject);
    }

    /// Compares with what was delivered.
    fn check(&self, chain: &Chain<'_>) -> Result<()> {
        let delivered: Vec<String> = chain
            .mailbox("bob/Maildir")?
            .into_iter()
            .map(|(text, _)| String::from_utf8_lossy(&text).into_owned())
            .collect();
        let times = |subject: &String| {
            let line = format!("Subject: {subject}\n");
            delivered.iter().filter(|text| text.contains(&line)).count()
        };
        let lost = self.acknowledged.iter().filter(|subject| times(subject) != 1).count();
        let cut_off = self.cut_off.iter().filter(|subject| times(subject) > 0).count();
        let twice = self.unknown.iter().filter(|subject| times(subject) > 1).count();
        FIGURES.add(Kind::CutOff, self.cut_off.len(), cut_off);
        ensure!(cut_off == 0, "{cut_off} messages that were cut off were delivered");
        ensure!(lost == 0, "{lost} acknowledged messages were lost, or delivered twice");
        ensure!(twice == 0, "{twice} messages were delivered twice");
        let most = self.acknowledged.len() + self.unknown.len();
        ensure!(delivered.len() <= most, "{} delivered", delivered.len());
        ensure!(!self.acknowledged.is_empty(), "no message was acknowledged");
        Ok(())
    }
}

/// Port 25 without TLS, to Exim, which delivers before it answers.
fn incoming_in_the_clear(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let service = Door::Clear.service(&chain, "smtp", &chain.exim())?;
    let mut ledger = Ledger::default();
    let count = mail("").len() + 1;
    for at in 0..count {
        for way in WAYS {
            let steps_for =
                |subject: &str| [vec![step("EHLO client\r\n", "250")], mail(subject)].concat();
            for cut in cuts(&steps_for("0-0-Vanishes")[at].0) {
                let subject = format!("{at}-{cut}-{way:?}");
                let steps = steps_for(&subject);
                let cut = cut.min(steps[at].0.len());
                let mut peer = service.knock()?;
                play(&mut peer, &steps, at, cut).with_context(|| subject.clone())?;
                ledger.enter(subject, &steps, at, cut);
                leave(peer, way)?;
            }
        }
    }
    service.is_idle()?;
    ledger.check(&chain)?;
    service.over()
}

/// Port 587: with a login, within TLS, where the end of input comes without TLS's own.
fn submission_within_tls(chain: &Chain<'_>, door: Door) -> Result<()> {
    let service = door.service(chain, "smtp", &chain.login("smtp", &chain.exim()))?;
    let mut ledger = Ledger::default();
    let user = Base64::encode_string(b"bob") + "\r\n";
    let password = Base64::encode_string(b"pass word") + "\r\n";
    let begin = vec![
        step("EHLO client\r\n", "250"),
        step("AUTH LOGIN\r\n", "334"),
        (user, "334"),
        (password, "235"),
    ];
    for at in 0..begin.len() + mail("").len() {
        for way in WAYS {
            let whole = [begin.clone(), mail("x")].concat()[at].0.len();
            // Within the message at more places than elsewhere, as that is what counts.
            let cuts = [whole / 2, whole - 3, whole - 1];
            for &cut in if at == begin.len() + 3 { &cuts[..] } else { &cuts[..1] } {
                let subject = format!("{at}-{cut}-{way:?}");
                let steps = [begin.clone(), mail(&subject)].concat();
                let mut peer = service.knock()?;
                play(&mut peer, &steps, at, cut).with_context(|| subject.clone())?;
                ledger.enter(subject, &steps, at, cut);
                leave(peer, way)?;
            }
        }
    }
    // Before there is anything to say, and in the middle of the handshake.
    for way in WAYS {
        for says in ["", "STARTTLS\r\n", "STARTTLS\r\n\x16\x03\x01"] {
            FIGURES.sessions(1);
            let mut peer = connect(&service.server)?;
            peer.say(says);
            ledger.cut_off.push(format!("{says:?}-{way:?}"));
            leave(peer, way)?;
        }
    }
    service.is_idle()?;
    ledger.check(chain)?;
    service.over()
}

/// Ports 110: nothing to deliver, but nobody may stay.
fn fetching(chain: &Chain<'_>, door: Door) -> Result<()> {
    let command = login(chain, "pop3", &["pop3front-maildir", "Maildir"]);
    let service = door.service(chain, "pop3", &command)?;
    let steps = ["CAPA\r\n", "USER bob\r\n", "PASS pass word\r\n", "STAT\r\n", "QUIT\r\n"];
    for at in 0..steps.len() {
        for way in WAYS {
            for cut in cuts(steps[at]) {
                let mut peer = service.knock()?;
                for says in &steps[..at] {
                    peer.say(says);
                    peer.hear("+OK")?;
                    if says.starts_with("CAPA") {
                        up_to(&mut peer.stream, "\r\n.\r\n")?;
                    }
                }
                peer.say(&steps[at][..cut]);
                leave(peer, way)?;
                FIGURES.add(Kind::CutOff, 1, 0);
            }
        }
    }
    service.over()
}

/// Port 143 and 993: between lines, within literals, and within a mailbox.
fn reading(chain: &Chain<'_>, door: Door) -> Result<()> {
    let command = login(chain, "imap", &DOVECOT);
    let service = door.service(chain, "imap", &command)?;
    let steps = [
        ("c CAPABILITY\r\n", "c OK"),
        ("a AUTHENTICATE PLAIN\r\n", "+ "),
        ("*\r\n", "a BAD"),
        ("b LOGIN {3}\r\n", "+ "),
        ("bob {9}\r\n", "+ "),
        ("pass word\r\n", "b OK"),
        ("d SELECT INBOX\r\n", "d OK"),
        ("e IDLE\r\n", "+ "),
        ("DONE\r\n", "e OK"),
        ("f LOGOUT\r\n", "f OK"),
    ];
    for at in 0..steps.len() {
        for way in WAYS {
            for cut in cuts(steps[at].0) {
                let mut peer = service.knock()?;
                for (says, answer) in &steps[..at] {
                    peer.say(says);
                    up_to_line(&mut peer.stream, answer)?;
                }
                peer.say(&steps[at].0[..cut]);
                leave(peer, way)?;
                FIGURES.add(Kind::CutOff, 1, 0);
            }
        }
    }
    service.over()
}
