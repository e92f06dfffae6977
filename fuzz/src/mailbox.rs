//! The mailbox that rules are shown of MAIL (`proto::smtp::envelope`): whoever finds one in
//! the same request, strictly or laxly, finds the same.
//!
//! The readers are as different as servers are: one that goes by RFC 5321's grammar, address
//! literals in routes included; one that takes what stands between the first brackets, up to
//! its route's first colon; and one that finds domains behind `%` and before `!`.

use crate::octets::Octets;
use proto::smtp::envelope::Argument;

/// The octets are what stands behind MAIL.
pub fn check(input: &[u8]) {
    // Such lines are held back before anybody looks for a mailbox.
    if input.iter().any(|octet| b"\0\r\n".contains(octet)) {
        return;
    }
    let Some(shown) = Argument::parse(input, b"FROM").and_then(|argument| argument.mailbox())
    else {
        return;
    };
    let lax = lax(input);
    for (reader, found) in
        [("strict", strict(input)), ("lax", Some(lax.clone())), ("old", old(&lax))]
    {
        if let Some(found) = found {
            assert_eq!(Octets(alike(found)), Octets(shown.clone()), "the {reader} reader");
        }
    }
}

/// A mailbox in lower case, with an at sign unless it is nobody's, without a dot at its end.
fn alike(mut mailbox: Vec<u8>) -> Vec<u8> {
    mailbox.make_ascii_lowercase();
    if !mailbox.is_empty() && !mailbox.contains(&b'@') {
        mailbox.push(b'@');
    }
    match mailbox.strip_suffix(b".") {
        Some(rest) if rest.contains(&b'@') => rest.to_vec(),
        _ => mailbox,
    }
}

/// What stands between the first angle brackets, or between the colon and a space; without a
/// route, quotes and backslashes.
fn lax(argument: &[u8]) -> Vec<u8> {
    let bracket = argument.iter().position(|&octet| octet == b'<');
    let colon = argument.iter().position(|&octet| octet == b':');
    let (from, end) = bracket.map_or((colon, b' '), |at| (Some(at), b'>'));
    let mut rest = argument.get(from.map_or(argument.len(), |at| at + 1)..).unwrap_or_default();
    if bracket.is_none() {
        rest = rest.trim_ascii_start();
    }
    if rest.first() == Some(&b'@') {
        let colon = rest.iter().position(|&octet| octet == b':');
        rest = rest.get(colon.map_or(rest.len(), |at| at + 1)..).unwrap_or_default();
    }
    let (mut found, mut is_quoted, mut octets) = (Vec::new(), false, rest.iter());
    while let Some(&octet) = octets.next() {
        match octet {
            b'\\' => found.extend(octets.next()),
            b'"' => is_quoted = !is_quoted,
            _ if octet == end && !is_quoted => break,
            _ => found.push(octet),
        }
    }
    found
}

/// What a mail system of old makes of a mailbox without a domain: there is one before `!` or
/// behind `%`.
fn old(found: &[u8]) -> Option<Vec<u8>> {
    if found.contains(&b'@') {
        return None;
    }
    if let Some(at) = found.iter().position(|&octet| octet == b'!') {
        return Some([&found[at + 1..], b"@", &found[..at]].concat());
    }
    let at = found.iter().rposition(|&octet| octet == b'%')?;
    Some([&found[..at], b"@", &found[at + 1..]].concat())
}

/// By the grammar of RFC 5321, section 4.1.2; `None` where it is not followed.
fn strict(argument: &[u8]) -> Option<Vec<u8>> {
    let mut rest = argument
        .get(..6)
        .filter(|word| word.eq_ignore_ascii_case(b"FROM:<"))
        .map(|_| &argument[6..])?;
    if rest.first() == Some(&b'@') {
        loop {
            rest = behind_domain(rest.strip_prefix(b"@")?)?;
            match rest.split_first()? {
                (b',', more) => rest = more,
                (b':', more) => {
                    rest = more;
                    break;
                }
                _ => return None,
            }
        }
    } else if rest.first() == Some(&b'>') {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    loop {
        rest = word(rest, &mut found)?;
        match rest.split_first()? {
            (b'.', more) => {
                found.push(b'.');
                rest = more;
            }
            (b'@', more) => {
                let end = more.len() - behind_domain(more)?.len();
                (more.get(end) == Some(&b'>')).then_some(())?;
                return Some([&found[..], b"@", &more[..end]].concat());
            }
            _ => return None,
        }
    }
}

/// What stands behind a domain or an address literal.
fn behind_domain(octets: &[u8]) -> Option<&[u8]> {
    let length = if octets.first() == Some(&b'[') {
        octets.iter().position(|&octet| octet == b']')? + 1
    } else {
        let is_letter = |octet: &u8| octet.is_ascii_alphanumeric() || b"-.".contains(octet);
        octets.iter().take_while(|octet| is_letter(octet)).count()
    };
    (length > 0).then(|| &octets[length..])
}

/// Takes an atom or a quoted string; what stands behind it.
fn word<'a>(octets: &'a [u8], found: &mut Vec<u8>) -> Option<&'a [u8]> {
    let Some(mut rest) = octets.strip_prefix(b"\"") else {
        let is_atom = |octet: &u8| octet.is_ascii_graphic() && !b"()<>[]:;@\\,.\"".contains(octet);
        let length = octets.iter().take_while(|octet| is_atom(octet)).count();
        found.extend_from_slice(&octets[..length]);
        return (length > 0).then(|| &octets[length..]);
    };
    loop {
        let (&octet, more) = rest.split_first()?;
        rest = more;
        match octet {
            b'"' => return Some(rest),
            b'\\' => {
                let (&escaped, more) = rest.split_first()?;
                found.push(escaped);
                rest = more;
            }
            _ => found.push(octet),
        }
    }
}
