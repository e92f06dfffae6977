//! What AUTH comes to, by a model that every protocol has in common: the mechanisms, and
//! base64. How it is said is the protocol's.

/// What the next line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Command,
    Plain,
    User,
    Password(Vec<u8>),
}

/// What becomes of a command or a response.
pub(crate) enum Auth {
    /// Ask, with a challenge in base64, and go on so.
    Ask(&'static str, Next),
    Unknown,
    Cancelled,
    Malformed,
    Try(Try),
}

/// A login.
pub(crate) struct Try {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
    pub(crate) for_oneself: bool,
}

impl Try {
    /// What checkpassword reads, where it is something that it can.
    pub(crate) fn record(&self, timestamp: &str) -> Option<Vec<u8>> {
        let Self { user, password, .. } = self;
        let record = [user, &b"\0"[..], password, b"\0", timestamp.as_bytes(), b"\0"].concat();
        let nuls = record.iter().filter(|&&octet| octet == 0).count();
        let is_one = !user.is_empty() && !password.is_empty() && nuls == 3 && record.len() <= 512;
        is_one.then_some(record)
    }
}

/// The command, with what stands behind its verb.
pub(crate) fn begin(argument: &[u8]) -> Auth {
    let words: Vec<&[u8]> =
        argument.split(|&octet| octet == b' ').filter(|word| !word.is_empty()).collect();
    let name = words.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    let (next, challenge) = match name.as_slice() {
        b"PLAIN" => (Next::Plain, ""),
        b"LOGIN" => (Next::User, "VXNlcm5hbWU6"),
        _ => return Auth::Unknown,
    };
    match words.as_slice() {
        [_] => Auth::Ask(challenge, next),
        [_, response] => respond(next, response),
        // No base64 has a space in it.
        _ => Auth::Malformed,
    }
}

/// A line within the exchange.
pub(crate) fn go_on(next: Next, line: &[u8]) -> Auth {
    let blanks = line.iter().rev().take_while(|&&octet| octet == b' ').count();
    match &line[..line.len() - blanks] {
        b"*" => Auth::Cancelled,
        response => respond(next, response),
    }
}

fn respond(next: Next, response: &[u8]) -> Auth {
    let Some(decoded) = base64(response).filter(|decoded| !decoded.is_empty()) else {
        return Auth::Malformed;
    };
    match next {
        Next::User => Auth::Ask("UGFzc3dvcmQ6", Next::Password(decoded)),
        Next::Password(user) => Auth::Try(Try { user, password: decoded, for_oneself: true }),
        Next::Plain | Next::Command => {
            let parts: Vec<&[u8]> = decoded.splitn(3, |&octet| octet == 0).collect();
            match parts.as_slice() {
                [other, user, password] => Auth::Try(Try {
                    user: user.to_vec(),
                    password: password.to_vec(),
                    for_oneself: other.is_empty() || other == user,
                }),
                _ => Auth::Malformed,
            }
        }
    }
}

/// RFC 4648, section 4, and nothing beside it: what is decoded must encode to the text.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u8> = text.iter().copied().take_while(|&octet| octet != b'=').collect();
    let mut bits = String::new();
    for octet in &digits {
        let value = ALPHABET.iter().position(|known| known == octet)?;
        bits.push_str(&format!("{value:06b}"));
    }
    let octets: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|eight| eight.iter().fold(0, |value, &bit| value * 2 + (bit - b'0')))
        .collect();
    let padding = (4 - digits.len() % 4) % 4;
    let left_over = &bits[octets.len() * 8..];
    let is_whole = text.len() == digits.len() + padding
        && text[digits.len()..].iter().all(|&octet| octet == b'=');
    let is_strict = padding < 3 && left_over.len() < 6 && !left_over.contains('1');
    (is_whole && is_strict).then_some(octets)
}
