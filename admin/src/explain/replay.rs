//! Plays a transcript to the relay dialog of fixsmtpio, which so explains itself.

use super::narrator::{Narrator, Told};
use super::transcript::{Line, Way};
use proto::relay::rules::{RuleError, Rules};
use proto::relay::{Expects, Introduction, MAY_BE_SECRET, Relay, RelayConfig, SECRET, Take, Turn};
use proto::smtp::data::BareNewline;
use proto::smtp::hello::Hello;
use proto::ucspi_tls::Tls;

/// What fixsmtpio was told by its surroundings.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The variables that are set.
    pub(super) variables: Vec<String>,
    /// TLS at the start.
    pub(super) tls: Tls,
}

const USER: &str = "AUTHUP_USER";
const TLS_IS_ON: &str = "FIXSMTPIOTLS";

/// What came of a session.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// What happened, each with the line of the transcript that led to it.
    pub(super) told: Vec<(usize, Told)>,
    /// The first line of the transcript that says otherwise, and what would have
    /// been there.
    pub(super) disagrees: Option<(usize, Vec<u8>)>,
    /// How many say otherwise.
    pub(super) disagreements: usize,
}

struct Replay {
    relay: Relay<Narrator>,
    surroundings: Surroundings,
    told: Vec<(usize, Told)>,
    has_quit: bool,
}

/// Plays one session's lines, in these surroundings.
///
/// # Errors
/// The rules are unusable.
pub(super) fn replay(
    lines: &[&Line],
    rules: &[u8],
    greeting: &[u8],
    surroundings: &Surroundings,
) -> Result<Replayed, RuleError> {
    let mut rules = Rules::parse(rules)?;
    rules.set_environment(|name| surroundings.has(name));
    let config = RelayConfig {
        greeting: greeting.to_vec(),
        rules,
        tls: surroundings.tls,
        logged_in: surroundings.has(USER.as_bytes()),
        introduction: introduction(lines),
        bare_newline: BareNewline::Pass,
    };
    let mut replay = Replay {
        relay: Relay::new(config, Narrator::default()),
        surroundings: surroundings.clone(),
        told: Vec::new(),
        has_quit: false,
    };
    for (at, line) in lines.iter().enumerate() {
        let is_refused = is_refused(lines.get(at + 1..).unwrap_or_default());
        replay.play(line, is_refused);
    }
    Ok(replay.finish(lines))
}

impl Surroundings {
    fn has(&self, name: &[u8]) -> bool {
        self.variables.iter().any(|variable| variable.as_bytes() == name)
    }

    /// Those that a session may have had, the most common first.
    pub(super) fn likely(variables: &[String]) -> Vec<Self> {
        let with = |more: &[&str], tls| {
            let more = more.iter().map(|&name| name.to_owned());
            Self { variables: variables.iter().cloned().chain(more).collect(), tls }
        };
        vec![
            with(&[], Tls::Absent),
            with(&[USER], Tls::Absent),
            with(&[], Tls::Available),
            with(&[], Tls::Required),
            with(&[TLS_IS_ON], Tls::On),
        ]
    }
}

impl Replay {
    fn play(&mut self, line: &Line, is_refused: bool) {
        let with_ending = [self.words(line, is_refused), b"\r\n"].concat();
        match line.way {
            Way::FromClient => {
                self.has_quit = line.text.eq_ignore_ascii_case(b"QUIT");
                self.take(&with_ending);
            }
            Way::Data => self.data(),
            Way::FromServer => {
                self.relay.from_server(&with_ending);
            }
            Way::ToServer | Way::ToClient => {}
        }
        self.turn();
        self.relay.to_client().sent(usize::MAX / 2);
        self.relay.to_server().sent(usize::MAX / 2);
        self.turn();
        let told = self.relay.watch().told.drain(..).collect::<Vec<_>>();
        self.told.extend(told.into_iter().map(|told| (line.number, told)));
    }

    /// A transcript leaves secrets out. What rules go by is that it was AUTH, and whether
    /// fixsmtpio could tell what was asked: where it could not, nor can it here.
    fn words<'a>(&self, line: &'a Line, is_refused: bool) -> &'a [u8] {
        let is_hidden = |text: &[u8]| line.way == Way::FromClient && line.text == text;
        let is_response = self.relay.expects() == Expects::Response;
        match (is_hidden(SECRET), is_refused) {
            (true, true) if is_response => b"\0",
            (true, true) => b"\0AUTH",
            (true, false) if !is_response => b"AUTH",
            (false, true) if is_hidden(MAY_BE_SECRET) => b"\0",
            // Behind an AUTH one word is hidden here, too.
            (false, false) if is_hidden(MAY_BE_SECRET) => b"?",
            _ => &line.text,
        }
    }

    fn take(&mut self, mut window: &[u8]) {
        while let Take::Took(count) | Take::Pass(count) = self.relay.from_client(window) {
            window = window.get(count..).unwrap_or_default();
            if window.is_empty() {
                break;
            }
        }
    }

    /// What is in a message or a chunk is nothing to the rules; that it ends is. So it
    /// ends with the first that the transcript shows of it.
    fn data(&mut self) {
        const FILLER: [u8; 4096] = [b'x'; 4096];
        /// Chunks are not longer where transcripts make sense.
        const MOST: u64 = 1 << 32;
        match self.relay.expects() {
            Expects::Message => self.take(b".\r\n"),
            Expects::Chunk(size @ ..=MOST) => {
                for _ in 0..size.div_ceil(FILLER.len() as u64) {
                    let Expects::Chunk(left) = self.relay.expects() else { break };
                    let count = usize::try_from(left).map_or(FILLER.len(), |n| n.min(FILLER.len()));
                    self.take(FILLER.get(..count).unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn turn(&mut self) {
        match self.relay.turn() {
            Turn::CheckTls => self.relay.tls_checked(true),
            Turn::StartTls => {
                self.surroundings.variables.push(TLS_IS_ON.into());
                let surroundings = &self.surroundings;
                self.relay.tls_started(|name| surroundings.has(name));
            }
            Turn::Relay | Turn::End(_) => {}
        }
    }

    fn finish(mut self, lines: &[&Line]) -> Replayed {
        let last = lines.last().map_or(0, |line| line.number);
        if !self.has_quit {
            self.relay.watch().client_closes();
            self.relay.client_closed(&[]);
        }
        let narrator = self.relay.watch();
        narrator.end();
        let told = narrator.told.drain(..).map(|told| (last, told));
        self.told.extend(told);
        let mut replayed = Replayed { told: self.told, ..Replayed::default() };
        for (way, ours) in
            [(Way::ToServer, &narrator.to_server), (Way::ToClient, &narrator.to_client)]
        {
            let theirs = lines.iter().filter(|line| line.way == way);
            for (line, ours) in theirs.zip(ours).filter(|(line, ours)| line.text != **ours) {
                replayed.disagreements += 1;
                if replayed.disagrees.as_ref().is_none_or(|(first, _)| line.number < *first) {
                    replayed.disagrees = Some((line.number, ours.clone()));
                }
            }
        }
        replayed
    }
}

/// Whether a request was kept from the server, by what stands behind it, as it was not clear what
/// it asked for.
fn is_refused(behind: &[&Line]) -> bool {
    const INSTEAD: &[u8] = b"NOOP fixsmtpio SYNTAX";
    let mut behind = behind.iter().take_while(|line| line.way != Way::FromClient);
    behind.find(|line| line.way == Way::ToServer).is_some_and(|line| line.text == INSTEAD)
}

/// What fixsmtpio told the server of the client: what the server got before the client
/// had said anything. Rules may have put something before it.
fn introduction(lines: &[&Line]) -> Option<Introduction> {
    let before = lines.iter().take_while(|line| line.way != Way::FromClient);
    let mut told = before.filter(|line| line.way == Way::ToServer).filter_map(|line| {
        let greets =
            |at: usize| Hello::decode(line.text.get(at..)?).filter(|hello| hello.name().is_some());
        (0..line.text.len()).find_map(greets)
    });
    let hello = told.next()?;
    let literal = told.next().and_then(|other| other.name().map(<[u8]>::to_vec));
    Some(Introduction { hello, literal })
}
