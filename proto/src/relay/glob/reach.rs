//! What patterns can match at all, and whether one matches all that another does:
//! for those who look a rules file over.
//!
//! Only lines of SMTP replies count: three digits, then anything, then a line feed
//! and no other. A pattern is a row of sets of octets and of stars; the questions
//! are walks through it, octet by octet.

use super::one;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A pattern, taken apart.
#[derive(Debug)]
pub struct Pattern(Vec<Element>);

#[derive(Debug)]
enum Element {
    Star,
    /// One octet of these.
    One(Vec<u8>),
}

/// Where in a reply's line a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Digit(u8),
    Text,
    End,
}

/// More than a walk visits. Patterns that need more are not judged.
const STEPS: usize = 5_000;

impl Place {
    const START: Self = Self::Digit(0);

    fn after(self, octet: u8) -> Option<Self> {
        match (self, octet) {
            (Self::Digit(2), b'0'..=b'9') => Some(Self::Text),
            (Self::Digit(count), b'0'..=b'9') => Some(Self::Digit(count + 1)),
            (Self::Text, b'\n') => Some(Self::End),
            (Self::Text, _) => Some(Self::Text),
            _ => None,
        }
    }
}

/// Places in a pattern, each the number of elements behind us.
type States = BTreeSet<usize>;

impl Pattern {
    /// Takes a pattern apart; `None` where it cannot match anything at all.
    #[must_use]
    pub fn new(pattern: &[u8]) -> Option<Self> {
        let mut elements = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.first() {
            if *first == b'*' {
                elements.push(Element::Star);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let matching: Vec<(u8, &[u8])> =
                (0..=u8::MAX).filter_map(|octet| Some((octet, one(rest, octet)?))).collect();
            rest = matching.first()?.1;
            elements.push(Element::One(matching.into_iter().map(|(octet, _)| octet).collect()));
        }
        Some(Self(elements))
    }

    /// Whether it matches any line that a reply can have.
    #[must_use]
    pub fn matches_some_line(&self) -> bool {
        // Not all lines are matched by nothing.
        Self(Vec::new()).covers(self) == Some(false)
    }

    /// Whether it matches every line of a reply that `other` matches; `None` where
    /// that takes too long to find out.
    #[must_use]
    pub fn covers(&self, other: &Self) -> Option<bool> {
        let octets = self.octets_that_differ(other);
        let start = (Place::START, self.start(), other.start());
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = Vec::from([start]);
        while let Some((place, ours, theirs)) = open.pop() {
            if place == Place::End && other.ends(&theirs) && !self.ends(&ours) {
                return Some(false);
            }
            for &octet in &octets {
                let Some(place) = place.after(octet) else { continue };
                let theirs = other.after(&theirs, octet);
                if theirs.is_empty() {
                    continue;
                }
                let next = (place, self.after(&ours, octet), theirs);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
            if seen.len() > STEPS {
                return None;
            }
        }
        Some(true)
    }

    /// One octet of each kind that the two patterns, and lines, tell apart.
    fn octets_that_differ(&self, other: &Self) -> Vec<u8> {
        let kind = |octet: u8| -> Vec<bool> {
            let is_in = |element: &Element| match element {
                Element::Star => true,
                Element::One(set) => set.contains(&octet),
            };
            let elements = self.0.iter().chain(&other.0).map(is_in);
            elements.chain([octet.is_ascii_digit(), octet == b'\n']).collect()
        };
        let mut kinds = BTreeSet::new();
        (0..=u8::MAX).filter(|&octet| kinds.insert(kind(octet))).collect()
    }

    fn start(&self) -> States {
        self.with_stars_skipped(States::from([0]))
    }

    fn ends(&self, states: &States) -> bool {
        states.contains(&self.0.len())
    }

    /// A star may match nothing.
    fn with_stars_skipped(&self, mut states: States) -> States {
        for (at, element) in self.0.iter().enumerate() {
            if matches!(element, Element::Star) && states.contains(&at) {
                states.insert(at + 1);
            }
        }
        states
    }

    fn after(&self, states: &States, octet: u8) -> States {
        let step = |&at: &usize| match self.0.get(at)? {
            Element::Star => Some(at),
            Element::One(set) => set.contains(&octet).then_some(at + 1),
        };
        self.with_stars_skipped(states.iter().filter_map(step).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_can_match_a_line() {
        for yes in ["*", "2*", "250?AUTH*", "[45]*", "???*", "2[0-9]0 ok?[!x]", "*\n"] {
            assert!(pattern(yes).matches_some_line(), "{yes}");
        }
        for no in ["250 ok", "AUTH*", "?", "25*k", "", "x*", "250 \n*ok*", "2?\n"] {
            assert!(!pattern(no).matches_some_line(), "{no:?}");
        }
        for nothing in ["[z-a]*", "250 \\"] {
            assert!(Pattern::new(nothing.as_bytes()).is_none(), "{nothing}");
        }
    }

    #[test]
    fn what_covers_what() {
        for (wide, narrow) in
            [("*", "2*"), ("2*", "250?AUTH*"), ("[245]*", "[45]*"), ("???*", "*"), ("*", "x*")]
        {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), Some(true), "{wide} {narrow}");
        }
        for (one, another) in [("2*", "*"), ("250-*", "250 *"), ("*a*", "*b*"), ("[!2]*", "2*")] {
            assert_eq!(pattern(one).covers(&pattern(another)), Some(false), "{one} {another}");
        }
    }

    #[test]
    fn what_takes_too_long_is_not_judged() {
        let wide = "*a?????????????????*".repeat(3);
        assert_eq!(pattern(&wide).covers(&pattern(&"*a*b".repeat(20))), None);
    }
}
