//! The arguments of MAIL and RCPT (RFC 5321, sections 4.1.1.2, 4.1.1.3 and 4.1.2).

use alloc::vec::Vec;

/// What stands behind MAIL or RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a> {
    /// What stands between the angle brackets, or without them up to the first space.
    pub path: &'a [u8],
    /// What follows, its first space included.
    pub parameters: &'a [u8],
    /// Whether there are angle brackets.
    is_bracketed: bool,
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
        let bracketed = rest.strip_prefix(b"<");
        let (path, parameters) = match bracketed {
            Some(inside) => {
                let end = end_of_path(inside)?;
                (inside.get(..end)?, inside.get(end + 1..)?)
            }
            None => {
                let end = rest.iter().position(|&octet| octet == b' ').unwrap_or(rest.len());
                let (path, parameters) = rest.split_at_checked(end)?;
                let is_plain =
                    |octet: &u8| octet.is_ascii_graphic() && !b"()<>,;\"".contains(octet);
                let is_one = path.iter().all(|octet| is_plain(octet) || *octet >= 0x80);
                (is_one && !path.is_empty()).then_some(())?;
                (path, parameters)
            }
        };
        // Or there is a second address, or the first was a name.
        let is_parameter =
            |word: &[u8]| word.first().is_none_or(|first| first.is_ascii_alphanumeric());
        let mut words = parameters.split(|&octet| octet == b' ');
        let follows = words.next().is_some_and(<[u8]>::is_empty);
        let is_bracketed = bracketed.is_some();
        (follows && words.all(is_parameter)).then_some(Self { path, parameters, is_bracketed })
    }

    /// Who it is, however it is written: without a source route, quotes and backslashes,
    /// in lower case, with an at sign even where there is no domain, and without a dot at
    /// its end. Nobody, `<>`, is empty. `None` where it is not written as section 4.1.2 has
    /// it, and servers may find another mailbox.
    #[must_use]
    pub fn mailbox(&self) -> Option<Vec<u8>> {
        // Some look for the first bracket, wherever it is.
        if !self.is_bracketed && self.parameters.contains(&b'<') {
            return None;
        }
        if self.path.is_empty() {
            return Some(Vec::new());
        }
        let (mut mailbox, behind) = local_part(behind_route(self.path)?)?;
        // Without a domain, some find one behind these.
        if mailbox.is_empty() || behind.is_empty() && has_any(&mailbox, b"@!%") {
            return None;
        }
        mailbox.push(b'@');
        mailbox.extend(domain(behind)?.to_ascii_lowercase());
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

/// A path without its source route: `@a,@b:`, domains and no address literals.
fn behind_route(path: &[u8]) -> Option<&[u8]> {
    if !path.starts_with(b"@") {
        return Some(path);
    }
    let end = memchr::memchr(b':', path)?;
    let mut hosts = path.get(..end)?.split(|&octet| octet == b',');
    let is_host = |host: &[u8]| host.strip_prefix(b"@").is_some_and(is_name);
    hosts.all(is_host).then(|| path.get(end + 1..))?
}

/// What stands before the at sign, without quotes and backslashes and in lower case, and what
/// stands behind it.
fn local_part(path: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::with_capacity(path.len() + 1);
    let (mut is_quoted, mut rest) = (false, path);
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        let may_be = |octet| if is_quoted { is_quotable(octet) } else { is_atom(octet) };
        match octet {
            b'@' if !is_quoted => return Some((local, rest)),
            b'"' => is_quoted = !is_quoted,
            b'\\' => {
                let (&escaped, behind) = rest.split_first()?;
                rest = behind;
                local.push(may_be(escaped).then(|| escaped.to_ascii_lowercase())?);
            }
            _ => local.push(may_be(octet).then(|| octet.to_ascii_lowercase())?),
        }
    }
    (!is_quoted).then_some((local, rest))
}

/// A domain without a dot at its end, or an address literal; or nothing.
fn domain(written: &[u8]) -> Option<&[u8]> {
    let literal = written.strip_prefix(b"[").and_then(|inside| inside.strip_suffix(b"]"));
    if let Some(inside) = literal {
        let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-.:".contains(octet);
        return inside.iter().all(is_plain).then_some(written);
    }
    let name = written.strip_suffix(b".").unwrap_or(written);
    (written.is_empty() || is_name(name)).then_some(name)
}

/// Letters, digits, and what else names of hosts are seen with; and whatever is not ASCII
/// (RFC 6531).
fn is_name(name: &[u8]) -> bool {
    let may_be = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._".contains(octet);
    let is_one = name.iter().all(|octet| may_be(octet) || *octet >= 0x80);
    is_one && !name.is_empty() && !name.ends_with(b".")
}

fn has_any(octets: &[u8], of: &[u8]) -> bool {
    octets.iter().any(|octet| of.contains(octet))
}

/// What may stand in quotes.
const fn is_quotable(octet: u8) -> bool {
    octet == b' ' || octet.is_ascii_graphic() || octet >= 0x80
}

/// What stands for itself outside quotes, in front of the at sign: atoms and dots.
const fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || octet >= 0x80
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
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
            "FROM:<@a-1.b_2,@b:boss@example.org>",
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
        assert_eq!(mailbox("FROM:<\"a@b\".c@x>").as_deref(), Some("a@b.c@x"));
        assert_eq!(mailbox("FROM:<a!b%c@x>").as_deref(), Some("a!b%c@x"));
        assert_eq!(mailbox("FROM:<bø@Süd.example>").as_deref(), Some("bø@süd.example"));
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
            // Exim takes an address in a route for what it is, others end the route at its colon.
            "FROM:<@[IPv6:::1]:boss@example.org>",
            "FROM:<@[127.0.0.1]:boss@example.org>",
            // Some take a colon, or an at sign, behind the route for part of the mailbox.
            "FROM:<@a:@b:boss@example.org>",
            "FROM:<@a,b:boss@example.org>",
            "FROM:<@a@b:boss@example.org>",
            "FROM:<@a,@b,:boss@example.org>",
            "FROM:<@a, @b:boss@example.org>",
            "FROM:<@\"x:y@z\":boss@example.org>",
            "FROM:<@a\\:b:boss@example.org>",
            "FROM:<@:boss@example.org>",
            "FROM:<@boss@example.org>",
            "FROM:<@example.org>",
            "FROM:<x:boss@example.org>",
            "FROM:<boss@example.org:x>",
            "FROM:<x@y@example.org>",
            // Or nobody, `<>`.
            "FROM:<@a:>",
            "FROM:<\"\">",
            "FROM:<\"\"@example.org>",
            "FROM:<@>",
            // To some an at sign behind a backslash is one, to others part of a name.
            "FROM:<boss\\@example.org>",
            "FROM:<\"boss@example.org\">",
            "FROM:<bo\\>ss@example.org>",
            // Some read these as boss@example.org, where there is no at sign.
            "FROM:<example.org!boss>",
            "FROM:<boss%example.org>",
            "FROM:<\"example.org!boss\">",
            // Some take any first opening bracket for the address's.
            "FROM:x@y SIZE<boss@example.org>",
            "FROM:x@y BODY=<boss@example.org>",
            "FROM:x@y AUTH=<>",
            "FROM:<boss@\"example.org\">",
            "FROM:<boss@exam\\ple.org>",
            "FROM:<boss@example.org..>",
            "FROM:<boss@.>",
            "FROM:<boss@[127.0.0.1]@example.org>",
            "FROM:<boss@[127.0.0.1]x>",
            "FROM:<boss@[127.0.0.1>",
            "FROM:<[x]boss@example.org>",
            "FROM:<\"bo\tss\"@example.org>",
            "FROM:<\"bo\\\tss\"@example.org>",
            "FROM:<.@@example.org>",
            "FROM:boss@example.org>",
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
