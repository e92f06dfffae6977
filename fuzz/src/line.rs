//! The line splitter (`proto::line`): lines are those of a model that has all octets at
//! hand, wherever the input is cut; each call takes something, and nothing past a line's
//! end; what is held has a bound.

use crate::choices::Choices;
use crate::cuts::in_any_pieces;
use crate::memory;
use crate::octets::Octets;
use proto::line::{LONGEST, LONGEST_COMMAND, Pushed, Splitter, verb_and_argument};

/// A line; `None`: one that is longer than its limit.
type Line = Option<Octets>;

/// Choices: a limit, sizes of pieces; then what arrives.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let limit = choices.one_of(&[0, 1, 5, 80, LONGEST_COMMAND, LONGEST, usize::MAX]);
    let sizes = choices.part();
    let arriving = choices.rest();
    // As in the login dialog: longer lines for AUTH, where its beginning has room.
    let is_auth = |held: &[u8]| limit >= 5 && held.starts_with(b"AUTH ");
    let limit = |held: &[u8]| if is_auth(held) { LONGEST } else { limit };
    let split = in_any_pieces(arriving, sizes, |pieces| {
        let mut lines = Vec::new();
        split(pieces, limit, |line| lines.push(line.map(Octets::from)));
        lines
    });
    assert_eq!(split, model(arriving, limit));
    memory::at_most(LONGEST + 1024, || self::split(&[arriving], limit, |_| {}));
    for Octets(line) in split.iter().flatten() {
        words(line);
    }
}

fn split(
    pieces: &[&[u8]],
    limit: impl Fn(&[u8]) -> usize + Copy,
    mut seen: impl FnMut(Option<&[u8]>),
) {
    let mut splitter = Splitter::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (taken, pushed) = splitter.push(rest, limit);
            assert!(taken > 0, "takes nothing");
            let (took, more) = rest.split_at(taken);
            let feeds = took.iter().filter(|&&octet| octet == b'\n').count();
            assert_eq!(feeds, usize::from(pushed != Pushed::NeedInput), "one line at a time");
            assert!(feeds == 0 || took.ends_with(b"\n"), "takes more than a line");
            assert!(feeds == 1 || more.is_empty(), "leaves what belongs to the line");
            match pushed {
                Pushed::NeedInput => assert!(splitter.line().is_empty(), "shows half a line"),
                Pushed::Line => seen(Some(splitter.line())),
                Pushed::TooLong => seen(None),
            }
            rest = more;
        }
    }
}

fn model(arriving: &[u8], limit: impl Fn(&[u8]) -> usize) -> Vec<Line> {
    let ended = arriving.split_inclusive(|&octet| octet == b'\n');
    ended
        .filter_map(|line| line.strip_suffix(b"\n"))
        .map(|line| {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            (text.len() <= limit(line).min(LONGEST)).then(|| text.into())
        })
        .collect()
}

fn words(line: &[u8]) {
    let (verb, argument) = verb_and_argument(line);
    assert!(!verb.contains(&b' ') && !argument.starts_with(b" "));
    let spaces = line.len() - verb.len() - argument.len();
    assert_eq!([verb, &b" ".repeat(spaces), argument].concat(), line);
}
