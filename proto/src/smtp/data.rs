//! Where a message's data ends (RFC 5321, sections 4.1.1.4 and 4.5.2).
//!
//! Only CRLF.CRLF ends a message. A server may be laxer, and take a dot between
//! other line endings for the end; what follows in the message would then be its
//! next commands. So a dot that stands alone between any two line endings but
//! these gets a second dot on its way, which every server removes again or keeps
//! as text, and none takes for the end. NULs beside the dot, which some servers
//! drop, do not hide it.
//!
//! Everything else passes as it is, in pieces as large as they came. Who asks for it has LF
//! taken for CRLF, at the end of a message too: then all goes on with CRLF, so that the
//! server cannot see it otherwise.

/// What to do with line feeds that no carriage return stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BareNewline {
    /// Nothing.
    #[default]
    Pass,
    /// Put the carriage return in.
    Normalize,
    /// The same, and it counts: a lone dot between such line endings ends a message.
    AcceptEnd,
    /// Refuse what holds one.
    Reject,
}

/// What to do with the octets at hand.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Pass so many on as they are.
    Pass(usize),
    /// Send these on before what follows.
    Insert(&'static [u8]),
    /// Pass so many on: the message ends with them.
    End(usize),
    /// What it is depends on the next octet, which is not there yet.
    NeedInput,
    /// A bare line feed, where they are refused.
    Reject,
}

/// What stands before the next octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that matters.
    Middle,
    /// CR.
    Cr,
    /// CRLF, or the beginning.
    CrLf,
    /// Another line ending, or any with NULs behind it.
    LineEnding,
    /// CRLF and a dot.
    Dot,
    /// A dot that stands first after another line ending, or is followed by NULs.
    OtherDot,
    /// A carriage return that was put in; LF is next.
    CrPutIn,
    /// The same behind a dot, so that LF ends the message.
    CrPutInAtEnd,
}

/// Follows one message's data to its end.
#[derive(Debug)]
pub struct Framing {
    before: Before,
    bare_newline: BareNewline,
}

impl Framing {
    /// At the beginning of a message.
    #[must_use]
    pub const fn new(bare_newline: BareNewline) -> Self {
        Self { before: Before::CrLf, bare_newline }
    }

    /// What to do with the beginning of `window`, the data that is at hand. What
    /// is passed must not be shown again.
    pub fn next(&mut self, window: &[u8]) -> Piece {
        let mut at = 0;
        loop {
            if self.before == Before::Middle {
                at = self.skip(window, at);
            }
            let rest = window.get(at..).unwrap_or_default();
            match self.judge(rest) {
                Next::Pass(before) => {
                    self.before = before;
                    at += 1;
                }
                Next::End(more) => return Piece::End(at + more),
                // What stands before it goes first; then it is looked at again.
                Next::Stop(_) if at > 0 => return Piece::Pass(at),
                Next::Stop(piece) => {
                    self.before = match piece {
                        Piece::Insert(b"\r") if self.before == Before::Dot => Before::CrPutInAtEnd,
                        Piece::Insert(b"\r") => Before::CrPutIn,
                        Piece::Insert(_) => Before::Middle,
                        _ => self.before,
                    };
                    return piece;
                }
            }
        }
    }

    /// What is left of the message, where a bare line feed has had it refused. It ends where
    /// the client may take it to end.
    #[must_use]
    pub(crate) const fn of_refused(&self) -> Self {
        Self { before: self.before, bare_newline: BareNewline::AcceptEnd }
    }

    /// [`Self::next`] of what is left, none of which goes on: nothing is put in.
    pub fn next_of_refused(&mut self, window: &[u8]) -> Piece {
        loop {
            let piece = self.next(window);
            if !matches!(piece, Piece::Insert(_)) {
                return piece;
            }
        }
    }

    /// Looks at one octet, not in the middle of a line.
    fn judge(&self, rest: &[u8]) -> Next {
        use Before::{Cr, CrLf, CrPutIn, CrPutInAtEnd, Dot, LineEnding, Middle, OtherDot};
        let accepts_end = self.bare_newline == BareNewline::AcceptEnd;
        let Some(&octet) = rest.first() else { return Next::Stop(Piece::NeedInput) };
        match (octet, self.before) {
            (b'\r', Dot) => match rest.get(1) {
                Some(b'\n') => Next::End(2),
                Some(_) => Next::Stop(Piece::Insert(b".")),
                None => Next::Stop(Piece::NeedInput),
            },
            (b'\n', Cr) => Next::Pass(CrLf),
            (b'\n', CrPutInAtEnd) => Next::End(1),
            (b'\n', CrPutIn) if accepts_end => Next::Pass(CrLf),
            (b'\n', CrPutIn) => Next::Pass(LineEnding),
            (b'\n', Dot) if accepts_end => Next::Stop(Piece::Insert(b"\r")),
            (b'\n', _) if self.bare_newline == BareNewline::Reject => Next::Stop(Piece::Reject),
            (b'\r' | b'\n', Dot | OtherDot) => Next::Stop(Piece::Insert(b".")),
            (b'\n', _) if accepts_end || self.bare_newline == BareNewline::Normalize => {
                Next::Stop(Piece::Insert(b"\r"))
            }
            (b'\n', _) => Next::Pass(LineEnding),
            (b'\r', _) => Next::Pass(Cr),
            (b'.', CrLf) => Next::Pass(Dot),
            (b'.', Cr | LineEnding) => Next::Pass(OtherDot),
            (0, Cr | CrLf | LineEnding) => Next::Pass(LineEnding),
            (0, Dot | OtherDot) => Next::Pass(OtherDot),
            _ => Next::Pass(Middle),
        }
    }

    /// From the middle of a line, goes to the next octet that may matter, and finds
    /// out what stands before it.
    fn skip(&mut self, window: &[u8], from: usize) -> usize {
        let mut at = from;
        loop {
            let rest = window.get(at..).unwrap_or_default();
            let found = match self.bare_newline {
                BareNewline::Pass => memchr::memchr(b'.', rest),
                _ => memchr::memchr2(b'.', b'\n', rest),
            };
            let end = found.map_or(window.len(), |ahead| at + ahead);
            self.before = before_end(window.get(from..end).unwrap_or_default());
            let matters = self.before != Before::Middle || window.get(end) == Some(&b'\n');
            if found.is_none() || matters {
                return end;
            }
            // A dot within a line, like most of them.
            at = end + 1;
        }
    }
}

/// What [`Framing::judge`] saw.
enum Next {
    /// Nothing to do; this stands before the next octet.
    Pass(Before),
    /// With so many octets.
    End(usize),
    Stop(Piece),
}

/// What stands at the end of data that began in the middle of a line and holds no
/// dot at the beginning of one.
fn before_end(data: &[u8]) -> Before {
    let text = data.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    let nuls = text < data.len();
    match data.get(..text).unwrap_or_default() {
        [.., b'\r' | b'\n'] if nuls => Before::LineEnding,
        [.., b'\r', b'\n'] => Before::CrLf,
        [.., b'\n'] => Before::LineEnding,
        [.., b'\r'] => Before::Cr,
        _ => Before::Middle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_anywhere::at_every_split;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    /// What reaches the server, and what is left behind the end, if it came.
    fn frame(pieces: &[&[u8]], bare_newline: BareNewline) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut framing, mut window, mut sent) =
            (Framing::new(bare_newline), Vec::new(), Vec::new());
        let mut pieces = pieces.iter();
        loop {
            match framing.next(&window) {
                Piece::Pass(count) => {
                    assert!(count > 0, "each step consumes, emits or asks");
                    sent.extend(window.drain(..count));
                }
                Piece::Insert(more) => sent.extend_from_slice(more),
                Piece::End(count) => {
                    sent.extend(window.drain(..count));
                    window.extend(pieces.copied().flatten());
                    return (sent, Some(window));
                }
                Piece::NeedInput => match pieces.next() {
                    Some(piece) => window.extend_from_slice(piece),
                    None => return (sent, None),
                },
                Piece::Reject => return (b"rejected".to_vec(), None),
            }
        }
    }

    fn passed(data: &str, bare_newline: BareNewline) -> (String, Option<String>) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let split = |pieces: &[&[u8]]| frame(pieces, bare_newline);
        let (sent, left) = at_every_split(data.as_bytes(), split);
        (text(sent), left.map(text))
    }

    #[test]
    fn d12_the_end_is_found_wherever_the_pieces_fall() {
        for (data, left) in [
            (".\r\nQUIT\r\n", "QUIT\r\n"),
            ("Subject: x\r\n\r\nhi\r\n.\r\n", ""),
            ("a\r\n..\r\n.x\r\nb.\r\n.\r\nMAIL", "MAIL"),
            ("\r\r\n.\r\nX", "X"),
        ] {
            let (sent, rest) = passed(data, BareNewline::Pass);
            assert_eq!(
                (sent.as_str(), rest.as_deref()),
                (&data[..data.len() - left.len()], Some(left))
            );
        }
    }

    #[test]
    fn d19_a_dot_between_other_line_endings_is_doubled() {
        for (data, sent) in [
            ("a\n.\nb", "a\n..\nb"),
            ("a\n.\r\nb", "a\n..\r\nb"),
            ("a\r\n.\nb", "a\r\n..\nb"),
            ("a\r\n.\rb", "a\r\n..\rb"),
            ("a\r.\rb", "a\r..\rb"),
            ("a\r.\r\nb", "a\r..\r\nb"),
            ("a\r.\nb", "a\r..\nb"),
            ("a\r\r\n.\r\r\nb", "a\r\r\n..\r\r\nb"),
            ("a\r\n\0.\r\nb", "a\r\n\0..\r\nb"),
            ("a\r\n.\0\r\nb", "a\r\n.\0.\r\nb"),
            ("a\r\n.\0\0\nb", "a\r\n.\0\0.\nb"),
            ("a\n\n.\r\nb", "a\n\n..\r\nb"),
            (".\nb", "..\nb"),
            ("\0.\nb", "\0..\nb"),
            ("a\n.\n.\nb", "a\n..\n..\nb"),
        ] {
            assert_eq!(passed(data, BareNewline::Pass), (sent.into(), None), "{data:?}");
        }
    }

    #[test]
    fn other_dots_pass_as_they_are() {
        for data in ["a.\nb", "a\n.b\n", "a\n..\n", "a\r\n..\r\n", "a\0.\0\r\n", "a.b.c\n.\0x"] {
            assert_eq!(passed(data, BareNewline::Pass), (data.into(), None), "{data:?}");
        }
    }

    #[test]
    fn d19_bare_newlines_can_be_normalized_or_rejected() {
        for (data, normalized) in [
            ("a\nb\r\nc\n\nd", "a\r\nb\r\nc\r\n\r\nd"),
            ("a\n.\nb", "a\r\n..\r\nb"),
            ("a\n.\r\nb", "a\r\n..\r\nb"),
            ("a\r\n.\nb", "a\r\n..\r\nb"),
            ("\na", "\r\na"),
            (".\na", "..\r\na"),
            ("a\0\nb", "a\0\r\nb"),
        ] {
            assert_eq!(passed(data, BareNewline::Normalize), (normalized.into(), None), "{data:?}");
            assert_eq!(passed(data, BareNewline::Reject), ("rejected".into(), None), "{data:?}");
        }
        let clean = "a\r\n\r\nb\rc\r\n";
        assert_eq!(passed(clean, BareNewline::Reject), (clean.into(), None));
    }

    #[test]
    fn d51_who_asks_for_it_may_end_a_message_with_bare_newlines() {
        for (data, sent, left) in [
            ("a\nb\n.\nQUIT\n", "a\r\nb\r\n.\r\n", "QUIT\n"),
            (".\nX", ".\r\n", "X"),
            ("a\r\n.\nX", "a\r\n.\r\n", "X"),
            ("a\n.\r\nX", "a\r\n.\r\n", "X"),
            ("a\n\n.\nX", "a\r\n\r\n.\r\n", "X"),
            ("a\r\n.\r\nX", "a\r\n.\r\n", "X"),
        ] {
            let seen = passed(data, BareNewline::AcceptEnd);
            assert_eq!(seen, (sent.into(), Some(left.into())), "{data:?}");
        }
        for (data, sent) in [
            ("a\n..\nb.\n", "a\r\n..\r\nb.\r\n"),
            ("a\r.\nb", "a\r..\r\nb"),
            ("a\n.\rb", "a\r\n..\rb"),
            ("a\n\0.\nb", "a\r\n\0..\r\nb"),
            ("a\n.\0\nb", "a\r\n.\0.\r\nb"),
        ] {
            assert_eq!(passed(data, BareNewline::AcceptEnd), (sent.into(), None), "{data:?}");
        }
    }

    /// As a strict server reads what reaches it: lines by CRLF, dots unstuffed.
    fn received(sent: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut message = Vec::new();
        let mut at = 0;
        loop {
            let length = sent[at..].windows(2).position(|pair| pair == b"\r\n")?;
            let line = &sent[at..at + length];
            at += length + 2;
            if line == b"." {
                return Some((message, at));
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            message.extend_from_slice(b"\r\n");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Octets that matter, in any order, cut anywhere: a strict server sees the
        /// end where the client meant it, and no laxer one sees another.
        #[test]
        fn d19_client_and_any_server_agree_on_the_end(
            octets in prop::collection::vec(prop::sample::select(b"\r\n.\0a".to_vec()), 0..40),
            cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts = cuts;
            cuts.retain(|&cut| cut <= octets.len());
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
            let (sent, left) = frame(&pieces, BareNewline::Pass);
            let whole = frame(&[&octets], BareNewline::Pass);
            prop_assert_eq!(&(sent.clone(), left.clone()), &whole);

            let end = received(&octets).map(|(_, at)| at);
            let first = octets.starts_with(b".\r\n").then_some(3);
            let inside = octets.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 5);
            let meant = first.or(inside);
            prop_assert_eq!(left.as_ref().map(|left| octets.len() - left.len()), meant);
            if let Some(left) = left {
                prop_assert_eq!(received(&sent).map(|(_, at)| at), Some(sent.len()));
                prop_assert_eq!(end, Some(octets.len() - left.len()));
            }
            // A server that takes any line ending, and drops NULs, ends it there too.
            let lax: Vec<u8> = sent.iter().filter(|&&octet| octet != 0)
                .map(|&octet| if octet == b'\r' { b'\n' } else { octet }).collect();
            let lone = |from: usize| lax[from..].windows(3).position(|three| three == b"\n.\n");
            let lax_end = if lax.starts_with(b".\n") { Some(2) } else { lone(0).map(|at| at + 3) };
            if let Some(lax_end) = lax_end {
                prop_assert!(meant.is_some() && lax[lax_end..].iter().all(|&octet| octet == b'\n'));
            }
        }

        /// Without lone dots, what arrives is what was sent, to the octet.
        #[test]
        fn message_octets_come_out_exact(
            octets in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let (sent, _) = frame(&[&octets], BareNewline::Pass);
            let removed = sent.len() - sent.len().min(octets.len());
            let dots = sent.iter().filter(|&&octet| octet == b'.').count();
            let meant = octets.iter().take(sent.len() - removed).filter(|&&octet| octet == b'.').count();
            let without = |bytes: &[u8]| bytes.iter().copied().filter(|&octet| octet != b'.').collect::<Vec<u8>>();
            prop_assert!(without(&octets).starts_with(&without(&sent)));
            prop_assert!(dots >= meant);
        }
    }
}
