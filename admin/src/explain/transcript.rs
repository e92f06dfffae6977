//! Transcripts of SMTP sessions: what `FIXSMTPIODEBUG` has fixsmtpio write, and
//! conversations that a person writes down.
//!
//! Only the format: what the lines mean is [`super::replay`]'s.

use std::fmt;

/// Whose words a line holds, and on which side of fixsmtpio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A request of the client's.
    FromClient,
    /// What the server got for it.
    ToServer,
    /// A line of a reply of the server's.
    FromServer,
    /// What the client got for it.
    ToClient,
    /// Message data.
    Data,
}

/// A line of a transcript.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it stands in the transcript, from 1.
    pub(super) number: usize,
    /// The process id of the fixsmtpio that wrote it; 0 where none did.
    pub(super) session: u32,
    /// Whose words.
    pub(super) way: Way,
    /// The words, without a line ending.
    pub(super) text: Vec<u8>,
}

/// A line that is neither the client's nor the server's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclear {
    /// Where it stands, from 1.
    pub(super) number: usize,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("begins with neither C: nor S:, as the other lines do")
    }
}

/// Reads a transcript of either kind.
pub(super) fn read(contents: &[u8]) -> Result<Vec<Line>, Unclear> {
    let numbered = || (1..).zip(contents.split(|&octet| octet == b'\n').map(without_return));
    let written_by_fixsmtpio: Vec<_> =
        numbered().filter_map(|(number, line)| debug_line(number, line)).collect();
    if written_by_fixsmtpio.is_empty() { plain(numbered()) } else { Ok(written_by_fixsmtpio) }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// `fixsmtpio PID PROGRAM PID WAY: TEXT`, with whatever a logger put before it.
fn debug_line(number: usize, line: &[u8]) -> Option<Line> {
    const NAME: &[u8] = b"fixsmtpio ";
    let at = line.windows(NAME.len()).position(|window| window == NAME)?;
    let mut words = line.get(at + NAME.len()..)?.splitn(4, |&octet| octet == b' ');
    let session = id(words.next()?)?;
    let (_program, _server) = (words.next()?, id(words.next()?)?);
    let (way, text) = words.next()?.split_at_checked(3)?;
    let way = match way {
        b"1: " => Way::FromClient,
        b"2: " => Way::ToServer,
        b"3: " => Way::FromServer,
        b"4: " => Way::ToClient,
        b"D: " => Way::Data,
        _ => return None,
    };
    Some(Line { number, session, way, text: unescaped(text) })
}

fn id(word: &[u8]) -> Option<u32> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Undoes `proto::escape::Escaped`.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let code = rest.strip_prefix(b"x").and_then(|rest| rest.split_at_checked(2));
        let escaped = code.filter(|_| first == b'\\').and_then(|(digits, rest)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, rest))
        });
        let (octet, rest) = escaped.unwrap_or((first, rest));
        octets.push(octet);
        text = rest;
    }
    octets
}

/// Lines marked `C: ` and `S: `; or not marked, where the server's begin with a
/// reply code. Blank lines and comments are skipped outside messages.
fn plain<'a>(lines: impl Iterator<Item = (usize, &'a [u8])> + Clone) -> Result<Vec<Line>, Unclear> {
    let is_marked = lines.clone().any(|(_, line)| marked(line).is_some());
    let mut read: Vec<Line> = Vec::new();
    let mut in_message = false;
    for (number, line) in lines {
        if !in_message && (line.is_empty() || line.starts_with(b"#")) {
            continue;
        }
        let (is_servers, text) = match marked(line) {
            Some(marked) if is_marked => marked,
            None if is_marked && line.is_empty() => continue,
            _ if is_marked => return Err(Unclear { number }),
            _ => (!in_message && is_reply(line), line),
        };
        let way = match (is_servers, in_message) {
            (true, _) => Way::FromServer,
            (false, true) => Way::Data,
            (false, false) => Way::FromClient,
        };
        if is_servers {
            in_message = text.starts_with(b"354");
        } else if text == b"." {
            in_message = false;
        }
        read.push(Line { number, session: 0, way, text: text.to_vec() });
    }
    Ok(read)
}

/// Whether a marked line is the server's, and what it says.
fn marked(line: &[u8]) -> Option<(bool, &[u8])> {
    let said = |rest: &'_ [u8]| rest.is_empty() || rest.starts_with(b" ");
    let (is_servers, rest) = match line {
        [b'C' | b'c', b':', rest @ ..] if said(rest) => (false, rest),
        [b'S' | b's', b':', rest @ ..] if said(rest) => (true, rest),
        _ => return None,
    };
    Some((is_servers, rest.strip_prefix(b" ").unwrap_or(rest)))
}

fn is_reply(line: &[u8]) -> bool {
    let (code, rest) = line.split_at_checked(3).unwrap_or((b"", b""));
    !code.is_empty()
        && code.iter().all(u8::is_ascii_digit)
        && matches!(rest.first(), None | Some(b' ' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(contents: &str) -> Vec<(usize, Way, String)> {
        let text = |line: Line| (line.number, line.way, String::from_utf8(line.text).unwrap());
        read(contents.as_bytes()).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn marked_and_unmarked_conversations() {
        let expected = vec![
            (1, Way::FromServer, "220 ready".into()),
            (2, Way::FromClient, "DATA".into()),
            (3, Way::FromServer, "354 go".into()),
            (4, Way::Data, "250 is data".into()),
            (5, Way::Data, ".".into()),
            (6, Way::FromServer, "250 ok".into()),
        ];
        assert_eq!(ways("220 ready\nDATA\n354 go\n250 is data\n.\n250 ok\n"), expected);
        let marked = "S: 220 ready\r\nC: DATA\r\nS: 354 go\r\nC: 250 is data\r\nC: .\r\ns: 250 ok";
        assert_eq!(ways(marked), expected);
        assert_eq!(read(b"S: 220 x\nnoop\n"), Err(Unclear { number: 2 }));
    }

    #[test]
    fn what_fixsmtpio_writes() {
        let log = "@400000 fixsmtpio 7 ofmipd 8 3: 220 a\\x5cb\nother\n\
                   fixsmtpio: aack, child crashed\nfixsmtpio 7 ofmipd 8 1: NOOP\n";
        assert_eq!(
            ways(log),
            [(1, Way::FromServer, "220 a\\b".into()), (4, Way::FromClient, "NOOP".into())]
        );
    }
}
