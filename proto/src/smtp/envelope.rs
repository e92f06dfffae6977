//! The arguments of MAIL and RCPT (RFC 5321, sections 4.1.1.2, 4.1.1.3 and 4.1.2).

use alloc::vec::Vec;

/// What stands behind MAIL or RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a> {
    /// What stands between the angle brackets, or without them up to the first space.
    pub path: &'a [u8],
    /// What follows, its first space included.
    pub parameters: &'a [u8],
}

impl<'a> Argument<'a> {
    /// Takes apart what stands behind the verb and its spaces. `None` where it is not
    /// `FROM:` or `TO:` (`keyword`, without its colon, in any case), then spaces or none, a
    /// path, and parameters or none: then nobody knows what a server makes of it.
    #[must_use]
    pub fn parse(argument: &'a [u8], keyword: &[u8]) -> Option<Self> {
        let (word, rest) = argument.split_at_checked(keyword.len())?;
        let rest = rest.strip_prefix(b":").filter(|_| word.eq_ignore_ascii_case(keyword))?;
        let rest = rest.trim_ascii_start();
        let (path, parameters) = match rest.strip_prefix(b"<") {
            Some(inside) => {
                let end = end_of_path(inside)?;
                (inside.get(..end)?, inside.get(end + 1..)?)
            }
            None => {
                let end = rest.iter().position(|&octet| octet == b' ').unwrap_or(rest.len());
                let (path, parameters) = rest.split_at_checked(end)?;
                (!path.is_empty() && path.iter().all(|octet| is_plain(*octet))).then_some(())?;
                (path, parameters)
            }
        };
        // Or there is a second address, or the first was a name.
        let is_parameter =
            |word: &[u8]| word.first().is_none_or(|first| first.is_ascii_alphanumeric());
        let mut words = parameters.split(|&octet| octet == b' ');
        let follows = words.next().is_some_and(<[u8]>::is_empty);
        (follows && words.all(is_parameter)).then_some(Self { path, parameters })
    }

    /// Who it is, however it is written: without a source route, quotes and backslashes,
    /// in lower case, with an at sign even where there is no domain, and without a dot at
    /// its end. Nobody, `<>`, is empty. `None` where there are comments, blanks or more
    /// than one address, which servers read as they like.
    #[must_use]
    pub fn mailbox(&self) -> Option<Vec<u8>> {
        let mut rest = self.path;
        while rest.starts_with(b"@") {
            let end = memchr::memchr(b':', rest)?;
            rest = rest.get(end + 1..)?;
        }
        let mut mailbox = Vec::with_capacity(rest.len() + 1);
        let mut is_quoted = false;
        let mut octets = rest.iter();
        while let Some(&octet) = octets.next() {
            match octet {
                b'\\' => mailbox.push(octets.next()?.to_ascii_lowercase()),
                b'"' => is_quoted = !is_quoted,
                _ if is_quoted || is_plain(octet) => mailbox.push(octet.to_ascii_lowercase()),
                _ => return None,
            }
        }
        if is_quoted {
            return None;
        }
        while mailbox.last() == Some(&b'.') {
            mailbox.pop();
        }
        if !mailbox.is_empty() && !mailbox.contains(&b'@') {
            mailbox.push(b'@');
        }
        Some(mailbox)
    }

    /// The parameters without the one of this name, where it is there.
    #[must_use]
    pub fn parameters_without(&self, name: &[u8]) -> Option<Vec<u8>> {
        let is_one = |word: &&[u8]| {
            let found = word.split(|&octet| octet == b'=').next().unwrap_or_default();
            found.eq_ignore_ascii_case(name)
        };
        let words = || self.parameters.split(|&octet| octet == b' ').skip(1);
        words().any(|word| is_one(&word)).then(|| {
            let kept = words().filter(|word| !is_one(word));
            kept.flat_map(|word| [b" ", word].concat()).collect()
        })
    }
}

/// Where the closing bracket of a path stands, from behind its opening one.
fn end_of_path(inside: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut at) = (false, 0);
    loop {
        match inside.get(at)? {
            b'\\' => at += 1,
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

/// What stands for itself outside quotes: atoms, dots, an at sign, an address literal's
/// brackets and colons, and whatever is not ASCII (RFC 6531).
const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'(' | b')' | b'<' | b'>' | b',' | b';' | b'"')
        || octet >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn mailbox(argument: &str) -> Option<String> {
        let mailbox = Argument::parse(argument.as_bytes(), b"FROM")?.mailbox()?;
        Some(String::from_utf8(mailbox).unwrap())
    }

    #[test]
    fn d46_the_same_mailbox_however_it_is_written() {
        for argument in [
            "FROM:<boss@example.org>",
            "from: <boss@example.org>",
            "From:  <BOSS@Example.ORG> SIZE=1",
            "FROM:<\"boss\"@example.org>",
            "FROM:<\"b\\oss\"@example.org>",
            "FROM:<b\\oss@example.org>",
            "FROM:<@a:boss@example.org>",
            "FROM:<@a,@b:boss@example.org>",
            "FROM:<@a:@b:boss@example.org>",
            "FROM:<boss@example.org.>",
            "FROM:boss@example.org",
            "FROM: boss@example.org SIZE=1",
        ] {
            assert_eq!(mailbox(argument).as_deref(), Some("boss@example.org"), "{argument}");
        }
        assert_eq!(mailbox("FROM:<boss>").as_deref(), Some("boss@"));
        assert_eq!(mailbox("FROM:<>").as_deref(), Some(""));
        assert_eq!(mailbox("FROM:<a@[IPv6:2001:db8::1]>").as_deref(), Some("a@[ipv6:2001:db8::1]"));
        assert_eq!(mailbox("FROM:<\"a b>\"@x> X").as_deref(), Some("a b>@x"));
    }

    #[test]
    fn d46_what_servers_read_as_they_like_is_no_mailbox() {
        for argument in [
            "",
            "FROM",
            "FROM:",
            "FROM <boss@example.org>",
            "FROM :<boss@example.org>",
            "boss@example.org",
            "FROM:<boss@example.org",
            "FROM:<bo(x)ss@example.org>",
            "FROM:<boss @example.org>",
            "FROM:<a@b>, <boss@example.org>",
            "FROM:<a@b><boss@example.org>",
            "FROM:<a@b> <boss@example.org>",
            "FROM:Boss <boss@example.org>",
            "FROM:a@b<boss@example.org>",
            "FROM:<\"boss@example.org>",
            "FROM:\"boss\"@example.org",
        ] {
            assert_eq!(mailbox(argument), None, "{argument}");
        }
    }

    #[test]
    fn d39_a_parameter_can_be_taken_out() {
        for (argument, without) in [
            ("FROM:<a@b> AUTH=<>", Some("")),
            ("FROM:<a@b> BODY=8BITMIME auth=c SIZE=3", Some(" BODY=8BITMIME SIZE=3")),
            ("FROM:<a@b> BODY=8BITMIME", None),
            ("FROM:<\"x AUTH=\"@b> AUTHX=1", None),
        ] {
            let parsed = Argument::parse(argument.as_bytes(), b"FROM").unwrap();
            let seen =
                parsed.parameters_without(b"auth").map(|kept| String::from_utf8(kept).unwrap());
            assert_eq!(seen.as_deref(), without, "{argument}");
        }
    }
}
