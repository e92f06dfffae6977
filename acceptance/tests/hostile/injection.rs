//! Plaintext behind STARTTLS and STLS (CVE-2011-0411 and its kind), behind our tlsserver,
//! with a real TLS client: cut into two packets everywhere, none of it may be read as
//! a command, neither before TLS is on nor after.

use acceptance::chain::Chain;
use acceptance::peer::{Peer, client};
use acceptance::programs::Programs;
use acceptance::suite::Test;
use anyhow::{Context, Result, bail, ensure};
use base64ct::{Base64, Encoding};
use rustls::StreamOwned;
use test_support::client::Stream;

use crate::door::Door;
use crate::figures::{FIGURES, Kind};
use crate::session::Service;
use crate::{as_an_ordinary_user, login};

pub(crate) const TESTS: &[Test] = &[
    ("plaintext_behind_starttls_to_authup", &[], |programs| {
        Door::each(&DOORS, programs, behind_starttls)
    }),
    ("plaintext_behind_stls_to_authup", &[], |programs| Door::each(&DOORS, programs, behind_stls)),
    ("plaintext_behind_imap_starttls_to_authup", &[], |programs| {
        Door::each(&DOORS, programs, behind_imap_starttls)
    }),
    ("plaintext_behind_starttls_to_fixsmtpio", &["smtpfront-echo"], behind_starttls_to_fixsmtpio),
    ("a_message_behind_starttls_to_fixsmtpio", &["exim4"], a_message_behind_starttls),
    ("a_handshake_behind_starttls_is_one", &[], |programs| {
        Door::each(&DOORS, programs, a_handshake_behind_starttls_is_one)
    }),
];

/// A service that offers TLS, and how its dialog begins.
struct Front<'a> {
    chain: &'a Chain<'a>,
    service: Service,
    hello: &'static str,
    /// The line that asks for TLS, without its ending, and the answer.
    asks: (&'static str, &'static str),
    /// What the victim says once TLS is on, with the beginnings of the answers to it.
    victim: [(&'static str, &'static str); 2],
    /// What still comes behind the last of them.
    farewell: &'static str,
}

impl Front<'_> {
    /// Up to where TLS is asked for.
    fn begin(&self) -> Result<Peer> {
        let mut peer = Door::Clear.knock(&self.service)?;
        if !self.hello.is_empty() {
            peer.ask(self.hello, "250")?;
        }
        Ok(peer)
    }

    /// Sends the request and what is injected in two packets, and takes the answer.
    fn inject(&self, text: &[u8], cut: usize) -> Result<Peer> {
        let mut peer = self.begin()?;
        let (first, second) = text.split_at(cut);
        peer.say(first);
        peer.say(second);
        peer.hear(self.asks.1)?;
        Ok(peer)
    }

    /// The attacker goes on in the clear: nothing but the TLS server's alert may come.
    fn attacker_goes_on(&self, text: &[u8], cut: usize) -> Result<()> {
        let mut peer = self.inject(text, cut)?;
        peer.half_close();
        let rest = peer.rest()?;
        // A record of TLS: 21 is an alert.
        ensure!(matches!(rest.first(), None | Some(21)), "{}", rest.escape_ascii());
        Ok(())
    }

    /// The victim's handshake follows: it fails, or what was injected has left no trace.
    fn victim_follows(&self, text: &[u8], cut: usize) -> Result<()> {
        let Ok(mut peer) = self.inject(text, cut)?.secure(&self.service.trust) else {
            return Ok(());
        };
        for (says, answer) in self.victim {
            peer.ask(says, answer)?;
        }
        let rest = peer.rest()?;
        let shown = rest.escape_ascii();
        ensure!(rest == self.farewell.as_bytes(), "answers to more than was said: {shown}");
        Ok(())
    }

    fn try_all(&self, injected: &[&str]) -> Result<()> {
        for what in injected {
            for ending in ["\r\n", "\n"] {
                let text = format!("{}{ending}{what}", self.asks.0).into_bytes();
                for cut in 1..=text.len() {
                    let shown = || format!("{} cut at {cut}", text.escape_ascii());
                    self.attacker_goes_on(&text, cut).with_context(shown)?;
                    self.victim_follows(&text, cut).with_context(shown)?;
                    FIGURES.add(Kind::Injection, 2, 0);
                }
            }
        }
        Ok(())
    }

    /// Nobody logged in, nothing was delivered, nobody is left.
    fn over(self) -> Result<()> {
        self.service.is_idle()?;
        let log = self.chain.log();
        ensure!(!log.contains(" attempt for "), "a login was taken from the clear:\n{log}");
        ensure!(self.chain.mailbox("bob/Maildir")?.is_empty(), "a message was delivered");
        self.service.over()
    }
}

/// What stands for a login with the right password.
fn right_login() -> String {
    format!("AUTH PLAIN {}\r\n", Base64::encode_string(b"\0bob\0pass word"))
}

const SMTP_VICTIM: [(&str, &str); 2] = [("EHLO victim", "250"), ("QUIT", "221")];

/// Who reads the request for TLS: authup, or the TLS server itself.
const DOORS: [Door; 2] = [Door::Starttls, Door::LoginBeforeTls];

fn smtp<'a>(chain: &'a Chain<'a>, service: Service) -> Front<'a> {
    let (hello, asks) = ("EHLO attacker", ("STARTTLS", "220 Ready"));
    Front { chain, service, hello, asks, victim: SMTP_VICTIM, farewell: "" }
}

fn authup_smtp<'a>(chain: &'a Chain<'a>, door: Door) -> Result<Front<'a>> {
    let command = login(chain, "smtp", &["fixsmtpio", "smtpfront-echo"]);
    Ok(smtp(chain, door.service(chain, "smtp", &command)?))
}

fn behind_starttls(chain: &Chain<'_>, door: Door) -> Result<()> {
    let front = authup_smtp(chain, door)?;
    front.try_all(&[
        "NOOP\r\n",
        "QUIT\r\n",
        "EHLO x",
        "\r\n",
        "\0",
        "STARTTLS\r\n",
        "RSET\r\nNOOP\r\n",
        "AUTH PLAIN ",
        "AUT",
        &right_login(),
    ])?;
    front.over()
}

fn behind_stls(chain: &Chain<'_>, door: Door) -> Result<()> {
    let command = login(chain, "pop3", &["pop3front-maildir", "Maildir"]);
    let service = door.service(chain, "pop3", &command)?;
    let asks = ("STLS", "+OK starting TLS");
    // A USER that was injected must not be there for the victim's PASS.
    let victim = [("PASS pass word", "-ERR authup USER first"), ("QUIT", "+OK")];
    let front = Front { chain, service, hello: "", asks, victim, farewell: "" };
    front.try_all(&[
        "NOOP\r\n",
        "QUIT\r\n",
        "CAPA",
        "STLS\r\n",
        "USE",
        "USER bob\r\n",
        "USER bob\r\nPASS pass word\r\n",
    ])?;
    front.over()
}

fn behind_imap_starttls(chain: &Chain<'_>, door: Door) -> Result<()> {
    let service = door.service(chain, "imap", &login(chain, "imap", &["false"]))?;
    let asks = ("s STARTTLS", "s OK Begin TLS negotiation now\r\n");
    // A literal that was announced in the clear must not swallow what the victim says.
    let victim = [("v NOOP", "v OK NOOP"), ("w LOGOUT", "* BYE ")];
    let farewell = "w OK LOGOUT completed\r\n";
    let front = Front { chain, service, hello: "", asks, victim, farewell };
    front.try_all(&[
        "a NOOP\r\n",
        "a LOGOUT\r\n",
        "a CAPABILITY",
        "a STARTTLS\r\n",
        "+ \r\n",
        "a LOG",
        "a LOGIN bob {9+}\r\n",
        "a LOGIN bob {99}\r\n",
        "a LOGIN bob \"pass word\"\r\n",
        "a AUTHENTICATE PLAIN\r\n",
    ])?;
    front.over()
}

fn incoming<'a>(chain: &'a Chain<'a>, command: &[impl AsRef<str>]) -> Result<Front<'a>> {
    Ok(smtp(chain, Door::Clear.service(chain, "smtp", command)?))
}

fn behind_starttls_to_fixsmtpio(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let front = incoming(&chain, &["fixsmtpio", "smtpfront-echo"])?;
    front.try_all(&["NOOP\r\n", "EHLO x", "STARTTLS\r\n", "\0"])?;
    front.over()
}

/// It must not be the victim's first, nor anybody's.
fn a_message_behind_starttls(programs: &Programs) -> Result<()> {
    let chain = as_an_ordinary_user(programs)?;
    let front = incoming(&chain, &chain.exim())?;
    let message = "STARTTLS\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n\
                   Subject: injected\r\n\r\n.\r\n";
    for cut in [8, 9, 10, 11, 20, 40, 69, 75, message.len()] {
        front.attacker_goes_on(message.as_bytes(), cut)?;
        front.victim_follows(message.as_bytes(), cut)?;
        FIGURES.add(Kind::Injection, 2, 0);
    }
    front.over()
}

/// What may follow in the same packet is the handshake itself: had it been read away
/// with what stands before it, injected plaintext would have been, too.
fn a_handshake_behind_starttls_is_one(chain: &Chain<'_>, door: Door) -> Result<()> {
    let front = authup_smtp(chain, door)?;
    let mut peer = front.begin()?;
    let mut conn = client(&front.service.trust)?;
    let mut packet = b"STARTTLS\r\n".to_vec();
    conn.write_tls(&mut packet)?;
    peer.say(packet);
    peer.hear(front.asks.1)?;
    let Stream::Clear(socket) = peer.stream else { bail!("TLS too early") };
    let mut tls = Peer { stream: Stream::Tls(Box::new(StreamOwned::new(conn, socket))) };
    for (says, answer) in front.victim {
        tls.ask(says, answer)?;
    }
    drop(tls);
    front.over()
}
