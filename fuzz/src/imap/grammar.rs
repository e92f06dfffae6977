//! The words of IMAP, as a model reads them that has all octets of a command at hand.

/// What the end of a line announces.
pub(super) enum Mark {
    Asked(usize),
    Unasked(usize),
    Unreadable,
}

pub(super) fn announced(line: &[u8]) -> Option<Mark> {
    let text: String = line.iter().map(|&octet| char::from(octet)).collect();
    let (_, inner) = text.strip_suffix('}')?.rsplit_once('{')?;
    let (digits, unasked) = match inner.strip_suffix('+') {
        Some(digits) => (digits, true),
        None => (inner, false),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let number = if digits.len() > 10 { usize::MAX } else { digits.parse().unwrap_or(usize::MAX) };
    match (is_number, unasked) {
        (true, false) => Some(Mark::Asked(number)),
        (true, true) => Some(Mark::Unasked(number)),
        (false, true) => Some(Mark::Unreadable),
        (false, false) => None,
    }
}

/// A name, and the arguments behind the blank that follows it.
pub(super) type Named<'a> = (&'a [u8], Option<&'a [u8]>);

/// A tag, and what it is the tag of.
pub(super) fn words(held: &[u8]) -> Option<(&[u8], Option<Named<'_>>)> {
    let mut parts = held.splitn(3, |&octet| octet == b' ');
    let tag = parts.next()?;
    let fits = (1..=64).contains(&tag.len()) && is_atom_or_bracket(tag);
    if !fits || tag.contains(&b'+') || !tag.is_ascii() {
        return None;
    }
    let name = parts.next().filter(|name| is_atom(name));
    Some((tag, name.map(|name| (name, parts.next()))))
}

pub(super) fn is_atom(word: &[u8]) -> bool {
    is_atom_or_bracket(word) && !word.contains(&b']')
}

fn is_atom_or_bracket(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|octet| *octet > 32 && *octet != 127 && !b"(){%*\"\\".contains(octet))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Space,
    Open,
    Close,
    Atom(Vec<u8>),
    /// Quoted, or a literal.
    Text(Vec<u8>),
    /// A literal that is still to come.
    Pending,
}

impl Token {
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_nil(&self) -> bool {
        matches!(self, Self::Atom(text) if text.eq_ignore_ascii_case(b"NIL"))
    }

    fn is_string(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Pending)
    }
}

/// All tokens; `None` where something is none.
pub(super) fn tokens(arguments: &[u8]) -> Option<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), arguments);
    while let Some(&first) = rest.first() {
        let (token, length) = match first {
            b' ' => (Token::Space, 1),
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b'"' => quoted(rest)?,
            b'{' => literal(rest)?,
            _ => {
                let length = rest.iter().take_while(|octet| is_atom_or_bracket(&[**octet])).count();
                (Token::Atom(rest[..length].to_vec()), (length > 0).then_some(length)?)
            }
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Some(tokens)
}

fn quoted(text: &[u8]) -> Option<(Token, usize)> {
    let (mut value, mut at) = (Vec::new(), 1);
    loop {
        match (*text.get(at)?, text.get(at + 1)) {
            (b'"', _) => return Some((Token::Text(value), at + 1)),
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                value.push(escaped);
                at += 2;
            }
            (b'\\' | b'\r' | b'\n', _) => return None,
            (other, _) => {
                value.push(other);
                at += 1;
            }
        }
    }
}

fn literal(text: &[u8]) -> Option<(Token, usize)> {
    let end = text.iter().position(|&octet| octet == b'}')? + 1;
    let (Mark::Asked(octets) | Mark::Unasked(octets)) = announced(&text[..end])? else {
        return None;
    };
    if end == text.len() {
        return Some((Token::Pending, end));
    }
    let held = text[end..].strip_prefix(b"\r\n")?.get(..octets)?;
    Some((Token::Text(held.to_vec()), end + 2 + octets))
}

/// Whether LOGIN's arguments may begin so.
pub(super) fn login_fits(tokens: &[Token]) -> bool {
    match tokens {
        [Token::Pending] => true,
        [user, Token::Space, Token::Pending] => user.text().is_some(),
        _ => false,
    }
}

/// Whether a list begins so, up to its last token: strings, each with a string or NIL.
pub(super) fn id_fits(tokens: &[Token]) -> bool {
    let [Token::Open, list @ ..] = tokens else { return false };
    list.iter().enumerate().all(|(at, token)| match at % 4 {
        0 => token.is_string(),
        2 => token.is_string() || token.is_nil(),
        _ => *token == Token::Space,
    })
}

pub(super) fn is_id(tokens: &[Token]) -> bool {
    match tokens {
        [nil] if nil.is_nil() => true,
        [Token::Open, Token::Close] => true,
        [list @ .., Token::Close] => {
            list.len() % 4 == 0 && id_fits(list) && !list.contains(&Token::Pending)
        }
        _ => false,
    }
}
