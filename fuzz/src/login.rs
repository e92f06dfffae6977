//! Drives the login dialog (`proto::login`), in memory, for both its faces, and checks
//! with each step what the dialog promises to whoever drives it.

use crate::choices::Choices;
use crate::cuts::in_any_pieces;
use crate::memory;
use crate::octets::Octets;
use proto::line::LONGEST;
use proto::login::outcome::Outcome;
use proto::login::protocol::Protocol;
use proto::login::reply::Refusal;
use proto::login::{Attempt, DialogConfig, Login, Step};
use proto::other_protocol::OtherProtocol;
use proto::ucspi_tls::Tls;

/// What happens, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The greeting, or all that one line of the client's is answered with.
    Reply(Octets),
    CheckTls,
    StartTls,
    /// The programs behind the login that comes next find this: `NAME=value`.
    HandsOn(Octets),
    /// A login is tried; `None`: by somebody who asks to be somebody else.
    Attempt(Octets, Option<Octets>),
    End(u8),
    /// The session is over, as the client speaks this.
    OtherProtocol(OtherProtocol),
}

/// The most that a dialog may hold, in octets: a line, twice while it is decoded, and a
/// reply.
pub(crate) const HELD: usize = 4 * LONGEST + 8 * 1024;

/// The client's.
pub(crate) const ADDRESS: &[u8] = b"2001:db8::1";

/// How things go where they can go in several ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) tls: Tls,
    pub(crate) tries: u32,
    pub(crate) auth_equals: bool,
    /// Whether TLS can start, and how logins end: one octet for each time.
    pub(crate) turns: &'a [u8],
    /// Whoever drives the dialog is the TLS server itself, with which TLS always starts.
    pub(crate) is_tls_server: bool,
    /// What is told of the client once it has said all; if anything is.
    pub(crate) leaves: Option<Refusal>,
}

impl Scene<'_> {
    fn turn(&self, number: usize) -> u8 {
        self.turns.get(number % self.turns.len().max(1)).copied().unwrap_or(0)
    }

    pub(crate) fn tls_can_start(&self, number: usize) -> bool {
        self.is_tls_server || self.turn(number) % 4 != 3
    }

    pub(crate) fn outcome(&self, number: usize) -> Outcome {
        const OTHERS: [Outcome; 10] = [
            Outcome::Completed(7),
            Outcome::TooManyFailures,
            Outcome::TimedOut,
            Outcome::Controls,
            Outcome::Crashed,
            Outcome::CannotOpenPipe,
            Outcome::CannotWritePipe,
            Outcome::CannotRun,
            Outcome::CannotWait,
            Outcome::NotStarted,
        ];
        match usize::from(self.turn(number)) {
            turn @ 240.. => OTHERS[turn % 10],
            turn if turn % 2 == 0 => Outcome::Refused,
            _ => Outcome::Temporary,
        }
    }

    pub(crate) fn config(&self, protocol: Protocol) -> DialogConfig {
        DialogConfig {
            protocol,
            greeting: b"mx.example".to_vec(),
            capabilities: [b"CAP1".to_vec(), b"CAP2".to_vec()].to_vec(),
            tls: self.tls,
            tries: self.tries,
            auth_equals: self.auth_equals,
            timestamp: protocol.timestamp(7, 9, b"mx.example"),
        }
    }
}

/// Choices: TLS, tries, `AUTH=`; how things go; sizes of pieces; then what the client
/// says. `model` says what must come of it.
pub(crate) fn check(
    input: &[u8],
    protocol: Protocol,
    model: impl Fn(Scene<'_>, &[u8]) -> Vec<Event>,
) {
    let mut choices = Choices::new(input);
    let tls = choices.one_of(&[Tls::Absent, Tls::Available, Tls::Required, Tls::On]);
    let tries = choices.one_of(&[1, 2, 5, 1000]);
    let auth_equals = choices.one_of(&[false, true]);
    let turns = choices.part();
    let scene = Scene { tls, tries, auth_equals, turns, is_tls_server: false, leaves: None };
    let sizes = choices.part();
    let says = choices.rest();
    let happened = in_any_pieces(says, sizes, |pieces| {
        let mut events = Vec::new();
        let pieces = pieces.iter().copied();
        drive(scene, scene.config(protocol), 0, pieces, |event| events.push(event));
        events
    });
    assert_eq!(happened, model(scene, says));
    memory::at_most(HELD, || drive(scene, scene.config(protocol), 0, [says], |_| {}));
}

/// Plays a dialog with these config to its end, or to that of what the client says.
/// `turn`: how many turns of the scene are over already.
pub(crate) fn drive<'a>(
    scene: Scene<'_>,
    config: DialogConfig,
    mut turn: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut happens: impl FnMut(Event),
) {
    let protocol = config.protocol;
    let mut login = Login::new(config);
    let (mut pieces, mut rest) = (pieces.into_iter(), &b""[..]);
    let (mut steps, mut octets, mut leaves) = (0, 0, scene.leaves);
    loop {
        steps += 1;
        // A line is at most checked, tried or sent in the clear, and then answered.
        assert!(steps <= 8 * octets + 8, "loops on nothing");
        match login.step() {
            Step::Send(reply) => {
                assert!(!reply.is_empty(), "sends nothing");
                happens(Event::Reply(reply.into()));
            }
            Step::NeedInput => {
                if rest.is_empty() {
                    if let Some(piece) = pieces.next() {
                        (rest, octets) = (piece, octets + piece.len() + 1);
                    } else if let Some(why) = leaves.take() {
                        login.abandon(why);
                    } else {
                        return;
                    }
                    continue;
                }
                let taken = login.push(rest);
                assert!(taken > 0, "asks for input and takes none");
                let (took, more) = rest.split_at(taken);
                let feed = took.iter().position(|&octet| octet == b'\n');
                // What follows a line may be for TLS, or for the next program. Only a literal
                // has line feeds within.
                let exact = feed.is_none_or(|feed| feed + 1 == taken);
                let literal = protocol == Protocol::Imap && took.ends_with(b"\n");
                assert!(exact || literal || rest.len() == taken, "takes more than a line");
                rest = more;
            }
            Step::CheckTls => {
                assert_eq!(login.push(b"x\n"), 0, "takes what is for TLS");
                happens(Event::CheckTls);
                login.tls_checked(scene.tls_can_start(turn));
                turn += 1;
            }
            Step::StartTls => {
                assert_eq!(login.push(b"x\n"), 0, "takes what is for TLS");
                happens(Event::StartTls);
                login.tls_started();
            }
            Step::Login(attempt) => {
                match attempt {
                    Attempt::Check(record, handoff) => {
                        for (name, value) in handoff.variables(record.user(), Some(ADDRESS)) {
                            let variable = [name.name().as_bytes(), b"=", &value].concat();
                            happens(Event::HandsOn(Octets(variable)));
                        }
                        let user = Octets::from(record.user());
                        happens(Event::Attempt(user, Some(record.expose().into())));
                    }
                    Attempt::SomebodyElse(user) => happens(Event::Attempt(Octets(user), None)),
                }
                login.outcome(scene.outcome(turn));
                turn += 1;
            }
            Step::End(code) => {
                assert_eq!(login.push(b"x\n"), 0, "takes what is for nobody");
                return happens(Event::End(code));
            }
            Step::OtherProtocol(spoken) => {
                assert_eq!(login.push(b"x\n"), 0, "takes what is for nobody");
                return happens(Event::OtherProtocol(spoken));
            }
        }
    }
}

/// Whether octets that stand where a command would begin a handshake.
pub(crate) fn is_tls(octets: &[u8]) -> bool {
    octets.starts_with(b"\x16\x03") || matches!(octets, [0x80, 28..=255, 1, ..])
}

/// What octets are that stand where a command would, of at most so many, up to the end of
/// all or of a line, if they are none.
pub(crate) fn other_protocol(octets: &[u8], longest: usize) -> Option<OtherProtocol> {
    if is_tls(octets) {
        return Some(OtherProtocol::Tls);
    }
    let text = std::str::from_utf8(octets.strip_suffix(b"\n")?).ok()?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.len() > longest {
        return None;
    }
    let (method, rest) = text.split_once(' ')?;
    let (target, version) = rest.split_once(" HTTP/")?;
    let methods = "CONNECT DELETE GET HEAD OPTIONS PATCH POST PRI PUT TRACE";
    let is_target = !target.is_empty() && target.chars().all(|one| ('!'..='~').contains(&one));
    let is_version = matches!(version.as_bytes(), [b'0'..=b'9', b'.', b'0'..=b'9']);
    let is_http = methods.split(' ').any(|one| one == method) && is_target && is_version;
    is_http.then_some(OtherProtocol::Http)
}
