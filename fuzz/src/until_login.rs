//! The dialog until a login (`proto::login::until_login`), in front of an authup that
//! goes on: all that the client sees, and each login that is tried, is what it is with
//! authup alone (`proto::login`), however the input is cut and whenever the client leaves.
//! Of the line that begins a login nothing is taken, and nothing waits that could be told
//! already; before TLS, where it is required, nobody is asked to go on.

use crate::choices::Choices;
use crate::cuts::{in_any_pieces, pieces};
use crate::login::{Event, HELD, Scene, drive};
use crate::memory;
use proto::login::Settings;
use proto::login::protocol::Protocol;
use proto::login::reply::Refusal;
use proto::login::until_login::{Step, UntilLogin};
use proto::ucspi_tls::Tls;

/// Choices: the protocol, TLS, tries, `AUTH=`, how the client leaves, whether there is an
/// authup; how logins end; sizes of pieces; then what the client says.
///
/// # Panics
/// When something does not hold.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let protocol = choices.one_of(&[Protocol::Smtp, Protocol::Pop3]);
    let tls = choices.one_of(&[Tls::Required, Tls::On]);
    let tries = choices.one_of(&[1, 2, 5, 1000]);
    let auth_equals = choices.one_of(&[false, true]);
    let leaves = choices.one_of(&[None, Some(Refusal::InputEnded), Some(Refusal::TimedOut)]);
    let has_program = choices.one_of(&[true, true, true, false]);
    let turns = choices.part();
    let scene = Scene { tls, tries, auth_equals, turns, is_tls_server: true, leaves };
    let sizes = choices.part();
    let says = choices.rest();

    let mut alone = Vec::new();
    drive(scene, scene.settings(protocol), 0, [says], |event| {
        // A TLS server that talks itself knows that it can start, and hands nothing on.
        if !matches!(event, Event::CheckTls | Event::HandsOn(_)) {
            alone.push(event);
        }
    });
    let mut happened = in_any_pieces(says, sizes, |pieces| {
        let mut events = Vec::new();
        Front::new(scene, protocol, says, has_program).play(pieces, |event| {
            // What was said after the login began is all that an authup could hand on.
            if !matches!(event, Event::HandsOn(_)) {
                events.push(event);
            }
        });
        events
    });
    if !has_program && happened.ends_with(&no_program(protocol)) {
        // Up to there it is the same, and then there would have been more.
        happened.truncate(happened.len() - 2);
        assert!(alone.starts_with(&happened), "{happened:?} does not begin {alone:?}");
    } else {
        assert_eq!(happened, alone);
    }

    // As a TLS server reads it.
    let pieces = pieces(says, &[0]);
    memory::at_most(HELD, || Front::new(scene, protocol, says, has_program).play(&pieces, |_| {}));
}

/// What becomes of a login where authup cannot be started.
fn no_program(protocol: Protocol) -> [Event; 2] {
    [Event::Reply(protocol.last_words(Refusal::Fork)[..].into()), Event::End(1)]
}

/// The dialog, and what of the client's words has arrived.
struct Front<'a> {
    scene: Scene<'a>,
    protocol: Protocol,
    has_program: bool,
    dialog: UntilLogin,
    says: &'a [u8],
    arrived: usize,
    taken: usize,
    is_secure: bool,
    turn: usize,
    /// Why it was given up.
    why: Option<Refusal>,
}

impl<'a> Front<'a> {
    fn new(scene: Scene<'a>, protocol: Protocol, says: &'a [u8], has_program: bool) -> Self {
        let dialog = UntilLogin::new(scene.settings(protocol));
        let is_secure = scene.tls == Tls::On;
        let (arrived, taken, turn, why) = (0, 0, 0, None);
        Self { scene, protocol, has_program, dialog, says, arrived, taken, is_secure, turn, why }
    }

    fn unread(&self) -> &'a [u8] {
        &self.says[self.taken..self.arrived]
    }

    fn play(mut self, pieces: &[&[u8]], mut happens: impl FnMut(Event)) {
        let (mut sizes, mut leaves) = (pieces.iter().map(|piece| piece.len()), self.scene.leaves);
        let mut steps = 0;
        loop {
            steps += 1;
            // A line is sent in the clear, and answered; each piece may bring too little.
            assert!(steps <= 4 * self.arrived + 2 * pieces.len() + 8, "loops on nothing");
            match self.dialog.step() {
                Step::Send(reply) => {
                    assert!(!reply.is_empty(), "sends nothing");
                    happens(Event::Reply(reply.into()));
                }
                Step::NeedInput => {
                    if self.take_some() {
                        continue;
                    }
                    if let Some(size) = sizes.next() {
                        self.arrived += size;
                    } else if let Some(why) = leaves.take() {
                        self.abandon(why);
                    } else {
                        return;
                    }
                }
                Step::StartTls => {
                    assert!(!self.is_secure, "starts TLS within TLS");
                    assert_eq!(self.dialog.push(b"x\n"), 0, "takes what is for TLS");
                    happens(Event::StartTls);
                    self.dialog.tls_started();
                    self.is_secure = true;
                    self.turn += 1;
                }
                Step::LogIn => {
                    self.is_a_login();
                    if self.has_program {
                        return self.go_on(sizes, happens);
                    }
                    self.abandon(Refusal::Fork);
                }
                Step::End => {
                    assert_eq!(self.dialog.push(b"x\n"), 0, "takes what is for nobody");
                    return happens(Event::End(u8::from(self.why.is_some())));
                }
            }
        }
    }

    /// Shows the dialog what is unread; false when it has to see more.
    fn take_some(&mut self) -> bool {
        let unread = self.unread();
        let taken = self.dialog.push(unread);
        let feed = unread[..taken].iter().position(|&octet| octet == b'\n');
        // What follows a line may be for TLS, or for authup.
        assert!(feed.is_none_or(|feed| feed + 1 == taken), "takes more than a line");
        self.taken += taken;
        if taken > 0 || matches!(self.dialog.step(), Step::LogIn) {
            return true;
        }
        assert!(self.is_secure || unread.is_empty(), "waits for a login in the clear");
        assert!(self.begins(unread) && unread.len() < 4, "waits although it could tell");
        false
    }

    fn abandon(&mut self, why: Refusal) {
        self.why = Some(why);
        self.dialog.abandon(why);
    }

    /// The beginning of a line is that of a login, as far as there is any.
    fn begins(&self, line: &[u8]) -> bool {
        let verbs: &[&[u8; 4]] =
            if self.protocol == Protocol::Smtp { &[b"AUTH"] } else { &[b"AUTH", b"USER"] };
        let length = line.len().min(4);
        verbs.iter().any(|verb| verb[..length].eq_ignore_ascii_case(&line[..length]))
    }

    fn is_a_login(&mut self) {
        let before = &self.says[..self.taken];
        assert!(self.is_secure, "a login in the clear");
        assert!(matches!(before.last(), None | Some(b'\n')), "a login within a line");
        assert!(self.unread().len() >= 4 && self.begins(self.unread()), "no login");
        assert_eq!(self.dialog.push(self.unread()), 0, "takes of the login");
        assert_eq!(self.dialog.step(), Step::LogIn, "forgets the login");
    }

    /// Authup is there, and reads what was not taken.
    fn go_on(self, sizes: impl Iterator<Item = usize>, happens: impl FnMut(Event)) {
        let said = self.scene.settings(self.protocol);
        let settings = Settings { greeted: true, tls: Tls::On, ..said };
        let (says, unread) = (self.says, self.unread());
        let later = sizes.scan(self.arrived, |arrived, size| {
            let piece = says.get(*arrived..*arrived + size);
            *arrived += size;
            piece
        });
        drive(self.scene, settings, self.turn, [unread].into_iter().chain(later), happens);
    }
}
