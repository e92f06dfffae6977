//! Where a message ends (`proto::smtp::data`): at CRLF.CRLF and nowhere else, wherever
//! the input is cut, for every server that may stand behind; and every octet of the
//! message goes to it as it came, but for what the list of differences says of lone dots
//! and bare line feeds.

use crate::choices::Choices;
use crate::cuts::in_any_pieces;
use crate::memory;
use crate::octets::Octets;
use proto::smtp::data::{BareNewline, Framing, Piece};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// What goes to the server.
    pub sent: Octets,
    /// How the message ended.
    pub end: End,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Open,
    /// With so many octets of what arrived.
    After(usize),
    /// It was refused for a bare line feed.
    Refused,
}

/// Choices: what becomes of bare line feeds, sizes of pieces; then what arrives.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let ways =
        [BareNewline::Pass, BareNewline::Normalize, BareNewline::Reject, BareNewline::AcceptEnd];
    let bare_newline = choices.one_of(&ways);
    let sizes = choices.part();
    let arriving = choices.rest();
    let framed = in_any_pieces(arriving, sizes, |pieces| {
        let mut sent = Octets::default();
        let end = frame(pieces, bare_newline, |octets| sent.0.extend_from_slice(octets));
        // What waits for its next octet at the end goes with the cuts.
        Framed { sent, end }
    });
    assert_eq!(framed, model(arriving, bare_newline));
    memory::at_most(arriving.len() * 2 + 64, || frame(&[arriving], bare_newline, |_| {}));
    if bare_newline == BareNewline::AcceptEnd {
        let end = if let End::After(count) = framed.end { count } else { arriving.len() };
        let arriving = normalized(&arriving[..end]);
        let end =
            if let End::After(_) = framed.end { End::After(arriving.len()) } else { End::Open };
        return what_servers_see(&arriving, &Framed { end, ..framed });
    }
    what_servers_see(arriving, &framed);
}

/// With CR before each LF.
fn normalized(octets: &[u8]) -> Vec<u8> {
    let mut normalized = Vec::new();
    for &octet in octets {
        if octet == b'\n' && normalized.last() != Some(&b'\r') {
            normalized.push(b'\r');
        }
        normalized.push(octet);
    }
    normalized
}

fn frame(pieces: &[&[u8]], bare_newline: BareNewline, mut sent: impl FnMut(&[u8])) -> End {
    let mut framing = Framing::new(bare_newline);
    let (mut window, mut start) = (Vec::new(), 0);
    let (mut pieces, mut steps) = (pieces.iter(), 0);
    loop {
        let at_hand = &window[start..];
        match framing.next(at_hand) {
            Piece::Pass(count) => {
                assert!(count > 0, "passes nothing");
                sent(&at_hand[..count]);
                start += count;
            }
            Piece::Insert(octets) => sent(octets),
            Piece::End(count) => {
                sent(&at_hand[..count]);
                return End::After(start + count);
            }
            Piece::NeedInput => {
                assert!(b".\r".starts_with(at_hand) || at_hand == b"\r", "waits for no reason");
                match pieces.next() {
                    Some(piece) => window.extend_from_slice(piece),
                    None => return End::Open,
                }
            }
            Piece::Reject => return End::Refused,
        }
        steps += 1;
        assert!(steps <= 3 * window.len() + pieces.len() + 8, "loops on nothing");
    }
}

/// The same by whoever has all at hand: a lone dot is one that stands alone in its line,
/// NULs apart, whatever the line endings; between CRLF and CRLF it ends the message.
#[must_use]
pub fn model(arriving: &[u8], bare_newline: BareNewline) -> Framed {
    let (mut sent, mut at) = (Vec::new(), 0);
    let mut before: &[u8] = b"\r\n";
    while at < arriving.len() {
        let rest = &arriving[at..];
        let length = rest.iter().position(|octet| b"\r\n".contains(octet));
        let (text, from_ending) = rest.split_at(length.unwrap_or(rest.len()));
        let ending: &[u8] = match from_ending {
            [b'\r', b'\n', ..] => b"\r\n",
            [b'\n', ..] => b"\n",
            [b'\r', _, ..] => b"\r",
            // Half of something.
            [b'\r'] | [] => b"",
            _ => unreachable!("a line ending begins with CR or LF"),
        };
        sent.extend_from_slice(text);
        at += text.len() + ending.len();
        let accepts = bare_newline == BareNewline::AcceptEnd;
        let ends = ending == b"\r\n" || accepts && ending == b"\n";
        if text == b"." && before == b"\r\n" && ends {
            sent.extend_from_slice(b"\r\n");
            return Framed { sent: Octets(sent), end: End::After(at) };
        }
        if ending == b"\n" && bare_newline == BareNewline::Reject {
            return Framed { sent: Octets(sent), end: End::Refused };
        }
        let is_lone = text.iter().filter(|&&octet| octet != 0).eq(b".");
        if from_ending == b"\r" {
            // The next octet decides on a dot between CRLFs only.
            let waits = text == b"." && before == b"\r\n";
            let goes: &[u8] = match (waits, is_lone) {
                (true, _) => b"",
                (false, true) => b".\r",
                (false, false) => b"\r",
            };
            sent.extend_from_slice(goes);
            break;
        }
        if is_lone && !ending.is_empty() {
            sent.push(b'.');
        }
        let normalized = (accepts || bare_newline == BareNewline::Normalize) && ending == b"\n";
        sent.extend_from_slice(if normalized { b"\r\n" } else { ending });
        before = if accepts && normalized { b"\r\n" } else { ending };
    }
    Framed { sent: Octets(sent), end: End::Open }
}

/// No server, strict or lax, finds an end but the one that the client meant.
fn what_servers_see(arriving: &[u8], framed: &Framed) {
    let strict = |octets: &[u8]| {
        let begins = octets.starts_with(b".\r\n").then_some(3);
        let inside = octets.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 5);
        begins.or(inside)
    };
    match framed.end {
        End::After(count) => {
            assert_eq!(strict(arriving), Some(count), "not where the client ended it");
            assert_eq!(
                strict(&framed.sent.0),
                Some(framed.sent.0.len()),
                "not where a server does"
            );
        }
        End::Open => assert_eq!(strict(arriving), None, "missed an end"),
        End::Refused => {}
    }
    // Takes any line ending, and drops NULs.
    let lax: Vec<u8> = framed.sent.0.iter().filter(|&&octet| octet != 0).copied().collect();
    let lax: Vec<u8> =
        lax.into_iter().map(|octet| if octet == b'\r' { b'\n' } else { octet }).collect();
    let from_start = [b"\n", &lax[..]].concat();
    if let Some(at) = from_start.windows(3).position(|three| three == b"\n.\n") {
        assert!(matches!(framed.end, End::After(_)), "smuggled");
        assert!(from_start[at + 3..].iter().all(|&octet| octet == b'\n'), "smuggled");
    }
}
