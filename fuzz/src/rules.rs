//! The rules of fixsmtpio (`proto::relay::rules`) and their patterns
//! (`proto::relay::glob`): fields are those that a model splits, a pattern matches what a
//! model matches, both readers of a file find the same faults, and whoever looks rules
//! over says nothing of a line that is not so.

use crate::choices::Choices;
use proto::control;
use proto::relay::glob::matches;
use proto::relay::glob::reach::Pattern;
use proto::relay::rules::lint::look_over;
use proto::relay::rules::{Event, Response, Rules};

/// Rules that are looked over at most: each is held against each other.
const LOOKED_OVER: usize = 6;

/// A line of a reply; then the rules.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let line = choices.part();
    let file = choices.rest();
    let entries: Vec<(usize, &[u8])> = control::list(file).collect();
    let rules = entries.iter().filter(|(_, text)| !is_request_line(text));
    let patterns: Vec<&[u8]> = rules.filter_map(|(_, text)| field(text, 3)).collect();
    for pattern in &patterns {
        let text = String::from_utf8_lossy(pattern);
        assert_eq!(matches(pattern, line), model(pattern, line), "{text} on {line:?}");
    }
    let parsed = Rules::parse(file);
    if let Ok(mut rules) = Rules::parse(file) {
        rules.set_environment(|name| name.len() % 2 == 0);
        let mut looks = None;
        for (number, text) in &entries {
            if is_request_line(text) {
                looks = Some(&text[8..]);
            } else {
                rule(&rules, *number, text, line, looks.take());
            }
        }
    }
    if entries.len() > LOOKED_OVER {
        return;
    }
    let (faults, oddities) = look_over(file);
    assert_eq!(parsed.err(), faults.first().map(|(_, error)| *error));
    let text_of = |number| entries.iter().find(|(known, _)| *known == number).map(|(_, text)| text);
    let faulty = faults.iter().map(|(column, error)| (error.line, *column));
    for (number, column) in faulty.chain(oddities.iter().map(|odd| (odd.line, odd.column))) {
        let text = text_of(number).expect("a line of the file");
        assert!((1..=text.len() + 1).contains(&column), "column {column} of {text:?}");
    }
    reach(&patterns, line);
}

fn field(text: &[u8], number: usize) -> Option<&[u8]> {
    text.splitn(6, |&octet| octet == b':').nth(number)
}

/// What stands before a rule that looks at the request.
fn is_request_line(text: &[u8]) -> bool {
    text.starts_with(b"request ") && text.iter().filter(|&&octet| octet == b':').count() < 5
}

/// A rule of a good file is what its fields say; and what it looks for, the line before.
fn rule(rules: &Rules, number: usize, text: &[u8], line: &[u8], looks: Option<&[u8]>) {
    let part = |number| field(text, number).expect("six fields");
    let name = part(1).to_ascii_lowercase();
    let group = match name.as_slice() {
        b"greeting" => rules.group(&Event::Greeting),
        b"in_data" => rules.group(&Event::InData),
        b"timeout" => rules.group(&Event::Timeout),
        b"clienteof" => rules.group(&Event::ClientEof),
        verb => rules.group_for_verb(&verb.to_ascii_uppercase()),
    };
    let group = rules.of(group);
    assert!(group.is_sorted_by_key(|rule| rule.line), "not in the order written");
    let rule = group.iter().find(|rule| rule.line == number).expect("a rule for each line");
    assert_eq!(&*rule.prepend, part(2));
    assert_eq!(rule.exit.map(u32::from), String::from_utf8_lossy(part(4)).parse().ok());
    assert!(rule.exit.is_some() || part(4).is_empty());
    match &rule.response {
        Response::Remove => assert!(part(5).is_empty()),
        Response::Keep => assert_eq!(part(5), b"&fixsmtpio_noop"),
        Response::Fixup(_) => assert_eq!(part(5), b"&fixsmtpio_fixup"),
        Response::Text(text) => assert!(**text == *part(5) && !text.starts_with(b"&fixsmtpio")),
    }
    let shown = line.to_ascii_lowercase();
    let selection = rules.select_for(&name, || Some(shown.clone()));
    let speaks = rules.selected(&selection).any(|rule| rule.line == number);
    let is_verb = !matches!(name.as_slice(), b"greeting" | b"in_data" | b"timeout" | b"clienteof");
    assert!(looks.is_none() || is_verb, "looks at a request that is none");
    let found = looks.is_none_or(|looks| model(&looks.trim_ascii().to_ascii_lowercase(), &shown));
    assert!(!is_verb || speaks == found, "speaks of a request that it does not match");
    let holds = part(0).len() % 2 == 0;
    assert_eq!((rule.holds(), rule.applies_to(line)), (holds, holds && model(part(3), line)));
}

/// What is said of all lines is true of this one.
fn reach(patterns: &[&[u8]], line: &[u8]) {
    let is_reply = line.len() > 3
        && line[..3].iter().all(u8::is_ascii_digit)
        && line.iter().position(|&octet| octet == b'\n') == Some(line.len() - 1);
    let read: Vec<(&[u8], Option<Pattern>)> =
        patterns.iter().map(|pattern| (*pattern, Pattern::new(pattern))).collect();
    for (text, pattern) in &read {
        let Some(pattern) = pattern else {
            assert!(!matches(text, line), "matches, though nothing can");
            continue;
        };
        let can = pattern.matches_some_line();
        assert!(can || !is_reply || !matches(text, line), "matches a line, though none can");
        for (other_text, other) in &read {
            let covers = other.as_ref().and_then(|other| pattern.covers(other)) == Some(true);
            let is_counter = is_reply && matches(other_text, line) && !matches(text, line);
            assert!(!covers || !is_counter, "{other_text:?} matches, and {text:?} does not");
        }
    }
}

/// One step of a pattern.
enum Step {
    AnyText,
    OneOf(Box<[bool; 256]>),
}

/// Matches by keeping every place in the pattern where a match could stand.
fn model(pattern: &[u8], text: &[u8]) -> bool {
    let steps = steps(pattern);
    let mut places = vec![false; steps.len() + 1];
    places[0] = true;
    skip_any_text(&steps, &mut places);
    for &octet in text {
        let mut next = vec![false; steps.len() + 1];
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| places[*at]) {
            match step {
                Step::AnyText => next[at] = true,
                Step::OneOf(set) => next[at + 1] |= set[usize::from(octet)],
            }
        }
        places = next;
        skip_any_text(&steps, &mut places);
    }
    places[steps.len()]
}

fn skip_any_text(steps: &[Step], places: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        places[at + 1] |= places[at] && matches!(step, Step::AnyText);
    }
}

fn steps(pattern: &[u8]) -> Vec<Step> {
    let (mut steps, mut at) = (Vec::new(), 0);
    let set_of = |octets: &[u8]| {
        let mut set = Box::new([false; 256]);
        octets.iter().for_each(|&octet| set[usize::from(octet)] = true);
        Step::OneOf(set)
    };
    while at < pattern.len() {
        let (step, length) = match (pattern[at], pattern.get(at + 1)) {
            (b'*', _) => (Step::AnyText, 1),
            (b'?', _) => (Step::OneOf(Box::new([true; 256])), 1),
            (b'\\', Some(&quoted)) => (set_of(&[quoted]), 2),
            (b'\\', None) => (set_of(&[]), 1),
            (b'[', _) => match bracket(&pattern[at..]) {
                Some((set, length)) => (Step::OneOf(set), length),
                None => (set_of(b"["), 1),
            },
            (plain, _) => (set_of(&[plain]), 1),
        };
        steps.push(step);
        at += length;
    }
    steps
}

/// What a bracket expression stands for, and its length; `None`: it never ends.
fn bracket(from: &[u8]) -> Option<(Box<[bool; 256]>, usize)> {
    let is_not = matches!(from.get(1), Some(b'!' | b'^'));
    let begin = if is_not { 2 } else { 1 };
    let (mut set, mut at) = (Box::new([is_not; 256]), begin);
    loop {
        if *from.get(at)? == b']' && at > begin {
            return Some((set, at + 1));
        }
        let (low, length) = member(&from[at..])?;
        at += length;
        let mut high = low;
        let is_range =
            from.get(at) == Some(&b'-') && from.get(at + 1).is_some_and(|&end| end != b']');
        if is_range {
            let (end, length) = member(&from[at + 1..])?;
            (high, at) = (end, at + 1 + length);
        }
        for octet in low..=high {
            set[usize::from(octet)] = !is_not;
        }
    }
}

fn member(from: &[u8]) -> Option<(u8, usize)> {
    match from {
        [b'[', b'.', octet, b'.', b']', ..] | [b'[', b'=', octet, b'=', b']', ..] => {
            Some((*octet, 5))
        }
        [b'\\', quoted, ..] => Some((*quoted, 2)),
        [plain, ..] => Some((*plain, 1)),
        [] => None,
    }
}
