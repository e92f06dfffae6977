//! What the keyholder signs (`proto::handshake_text`), asked by an engine that a stranger
//! has taken over: nothing but the two texts to the octet, and nothing that is DER.

use crate::choices::Choices;
use proto::handshake_text::HandshakeText;

/// What TLS 1.3's text has before the hash.
const TLS13: &[u8] = b"\
    \x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\
    \x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\
    \x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\
    \x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\
    TLS 1.3, server CertificateVerify\0";

/// What stands between TLS 1.2's randoms and its key, and how long the key is.
const TLS12: [(&[u8], usize); 3] =
    [(b"\x03\0\x1d\x20", 32), (b"\x03\0\x17\x41\x04", 64), (b"\x03\0\x18\x61\x04", 96)];

/// A choice of form, then the text: as it is, or with what makes it TLS 1.2's put in.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (middle, length) = choices.one_of(&[(&b""[..], 0), TLS12[0], TLS12[1], TLS12[2]]);
    let mut text = choices.rest().to_vec();
    if !middle.is_empty() {
        text.resize(64 + length, 1);
        text.splice(64..64, middle.iter().copied());
    }
    let kind = HandshakeText::of(&text);
    let is_tls13 = text.strip_prefix(TLS13).is_some_and(|hash| [32, 48].contains(&hash.len()));
    let has_form = TLS12.iter().any(|(middle, length)| {
        let rest = text.get(64..).and_then(|rest| rest.strip_prefix(*middle));
        rest.is_some_and(|key| key.len() == *length)
    });
    let expected = match (is_tls13, has_form && !ends_as_der(&text)) {
        (true, _) => Some(HandshakeText::Tls13),
        (_, true) => Some(HandshakeText::Tls12),
        _ => None,
    };
    assert_eq!(kind, expected, "{text:02x?}");
}

/// Whether a walk over the elements within the first one meets the text's very end.
fn ends_as_der(text: &[u8]) -> bool {
    let is_structure = matches!(text.first(), Some(0x30 | 0x31));
    let Some((mut at, end)) = span(text, 0).filter(|_| is_structure) else { return false };
    while at < end {
        let Some((_, behind)) = span(text, at) else { return false };
        at = behind;
    }
    at == end && end == text.len()
}

/// Where the content of the element at `at` begins and ends.
fn span(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = usize::from(*text.get(at + 1)?);
    let (begin, length) = if first < 128 {
        (at + 2, first)
    } else {
        let digits = text.get(at + 2..at + 2 + first - 128)?;
        // More than the text has, wherever a digit counts for more than two octets do.
        let (high, low) = digits.split_at(digits.len().saturating_sub(2));
        let high = high.iter().any(|&digit| digit != 0);
        let low = low.iter().fold(0, |length, &digit| length * 256 + usize::from(digit));
        (at + 2 + digits.len(), if high { usize::MAX / 2 } else { low })
    };
    Some((begin, begin + length)).filter(|(_, end)| *end <= text.len())
}
