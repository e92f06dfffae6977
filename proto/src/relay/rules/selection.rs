//! Rules that look at the request: which of an event's rules speak of the one at hand.
//!
//! `request GLOB`, a line of its own before a rule, has the rule hold for requests alone
//! that match. It has fewer than five colons, so that a program which does not know it
//! refuses the file rather than take the rule for all requests.

use super::{Event, Group, Rule, Rules};
use crate::relay::glob;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// What a line that looks at the request begins with.
const WORD: &[u8] = b"request ";
/// Colons of a rule.
const COLONS: usize = 5;

/// The pattern of a line that looks at the request, in lower case, as requests are shown
/// to it; `None` where the line is something else.
pub(super) fn request_line(text: &[u8]) -> Option<Box<[u8]>> {
    let pattern = text.strip_prefix(WORD)?.trim_ascii();
    let is_rule = text.iter().filter(|&&octet| octet == b':').count() >= COLONS;
    (!is_rule).then(|| pattern.to_ascii_lowercase().into())
}

/// An event's rules, as far as they speak of the request at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    group: Group,
    /// A bit for each rule, where one of them looks at the request.
    speak: Option<Box<[u8]>>,
}

impl Rules {
    /// The rules for an event that has no request.
    #[must_use]
    pub fn select(&self, event: &Event) -> Selection {
        Selection { group: self.group(event), speak: None }
    }

    /// Whether a rule that holds looks at requests with this verb.
    #[must_use]
    pub fn look_at(&self, verb: &[u8]) -> bool {
        let rules = self.of(self.group_for_verb(verb));
        rules.iter().any(|rule| rule.holds() && rule.request.is_some())
    }

    /// The rules for a request with this verb. `shown`: the request as rules see it, asked
    /// for where one of them looks; where there is nothing to be shown, none that looks
    /// speaks of it.
    pub fn select_for(&self, verb: &[u8], shown: impl FnOnce() -> Option<Vec<u8>>) -> Selection {
        let group = self.group_for_verb(verb);
        let rules = self.of(group);
        if !rules.iter().any(|rule| rule.request.is_some()) {
            return Selection { group, speak: None };
        }
        let shown = shown();
        let mut speak = vec![0_u8; rules.len().div_ceil(8)];
        for (at, rule) in rules.iter().enumerate() {
            let speaks = match (&rule.request, &shown) {
                (None, _) => true,
                (Some(pattern), Some(shown)) => glob::matches(pattern, shown),
                (Some(_), None) => false,
            };
            if let Some(octet) = speak.get_mut(at / 8).filter(|_| speaks) {
                *octet |= 1 << (at % 8);
            }
        }
        Selection { group, speak: Some(speak.into()) }
    }

    /// The rules that were selected, in the order written.
    pub fn selected(&self, selection: &Selection) -> impl DoubleEndedIterator<Item = &Rule> {
        let speaks = move |at: usize| match &selection.speak {
            None => true,
            Some(bits) => bits.get(at / 8).is_some_and(|octet| octet & 1 << (at % 8) != 0),
        };
        let rules = self.of(selection.group).iter().enumerate();
        rules.filter(move |(at, _)| speaks(*at)).map(|(_, rule)| rule)
    }
}
