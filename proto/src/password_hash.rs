//! Tells by its prefix what kind of password hash a text is, and what it costs to check.
//!
//! Knows the shapes only; computing is for package `checkpassword`, and finding the
//! hash in a file for [`crate::passwd_file`]. The shapes are tight on purpose: a hash
//! that was cut off must fit no password, and that is seen here, not left to how
//! each library compares texts of unlike length.

/// The kinds of hashes that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `$argon2id$` (RFC 9106).
    Argon2id,
    /// `$2a$`, `$2b$`, `$2y$`. Not `$2x$`, which marks the output of a broken program.
    Bcrypt,
    /// `$6$`, SHA-512 crypt.
    Sha512Crypt,
    /// `$5$`, SHA-256 crypt.
    Sha256Crypt,
    /// `$y$`, what Debian writes into `/etc/shadow`.
    Yescrypt,
}

/// Why a text is no hash to check a password with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashError {
    /// Empty, or begins with `!` or `*`: there is no password that fits.
    Locked,
    /// No kind of hash that we check.
    Unknown,
    /// A kind that we check, cut off or otherwise not as it is written.
    Malformed,
}

/// What one check costs: two hashes of equal cost take the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost<'a> {
    scheme: Scheme,
    parameters: &'a str,
}

/// A text that has the shape of a password hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordHash<'a> {
    text: &'a str,
    cost: Cost<'a>,
}

impl<'a> PasswordHash<'a> {
    /// Reads the hash field of a passwd-file, with or without Dovecot's `{SCHEME}`.
    ///
    /// # Errors
    /// See [`HashError`].
    pub fn parse(field: &'a [u8]) -> Result<Self, HashError> {
        if matches!(field.first(), None | Some(b'!' | b'*')) {
            return Err(HashError::Locked);
        }
        let field = core::str::from_utf8(field).map_err(|_| HashError::Unknown)?;
        let (named, text) = split_scheme(field)?;
        let scheme = scheme_by_prefix(text)?;
        if !named.allows(scheme) {
            return Err(HashError::Malformed);
        }
        let parameters = match scheme {
            Scheme::Argon2id => argon2id_parameters(text),
            Scheme::Bcrypt => bcrypt_parameters(text),
            Scheme::Sha512Crypt => sha_crypt_parameters(text, 86),
            Scheme::Sha256Crypt => sha_crypt_parameters(text, 43),
            Scheme::Yescrypt => yescrypt_parameters(text),
        };
        let parameters = parameters.ok_or(HashError::Malformed)?;
        Ok(Self { text, cost: Cost { scheme, parameters } })
    }

    /// The hash without Dovecot's prefix, as libraries want it. Not for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// What kind it is.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.cost.scheme
    }

    /// The text that says how much work it is, in the words of the kind.
    #[must_use]
    pub const fn parameters(&self) -> &'a str {
        self.cost.parameters
    }

    /// Octets of memory that computing it takes, beside the little that every kind does;
    /// `None` where its parameters do not say.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        match self.scheme() {
            Scheme::Argon2id => argon2id_memory(self.parameters()),
            Scheme::Yescrypt => yescrypt_memory(self.parameters()),
            Scheme::Bcrypt | Scheme::Sha512Crypt | Scheme::Sha256Crypt => Some(0),
        }
    }

    /// What checking a password against it costs.
    #[must_use]
    pub const fn cost(&self) -> Cost<'a> {
        self.cost
    }
}

/// Shows the cost, never the hash: who has the hash can guess at the password.
impl core::fmt::Debug for PasswordHash<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PasswordHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// What Dovecot's `{SCHEME}` allows behind it.
enum Named {
    /// No prefix: anything that we know.
    Any,
    /// `{CRYPT}`: whatever crypt(3) of the system writes.
    Crypt,
    /// This one only.
    One(Scheme),
}

impl Named {
    fn allows(&self, scheme: Scheme) -> bool {
        match self {
            Self::Any => true,
            Self::Crypt => scheme != Scheme::Argon2id,
            Self::One(one) => *one == scheme,
        }
    }
}

fn split_scheme(field: &str) -> Result<(Named, &str), HashError> {
    let Some(rest) = field.strip_prefix('{') else { return Ok((Named::Any, field)) };
    let (name, text) = rest.split_once('}').ok_or(HashError::Unknown)?;
    let known = [
        ("CRYPT", Named::Crypt),
        ("ARGON2ID", Named::One(Scheme::Argon2id)),
        ("BLF-CRYPT", Named::One(Scheme::Bcrypt)),
        ("SHA512-CRYPT", Named::One(Scheme::Sha512Crypt)),
        ("SHA256-CRYPT", Named::One(Scheme::Sha256Crypt)),
    ];
    let named = known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    named.map(|(_, named)| (named, text)).ok_or(HashError::Unknown)
}

fn scheme_by_prefix(text: &str) -> Result<Scheme, HashError> {
    let mut parts = text.split('$');
    match (parts.next(), parts.next()) {
        (Some(""), Some("argon2id")) => Ok(Scheme::Argon2id),
        (Some(""), Some("2a" | "2b" | "2y")) => Ok(Scheme::Bcrypt),
        (Some(""), Some("6")) => Ok(Scheme::Sha512Crypt),
        (Some(""), Some("5")) => Ok(Scheme::Sha256Crypt),
        (Some(""), Some("y")) => Ok(Scheme::Yescrypt),
        _ => Err(HashError::Unknown),
    }
}

/// `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$salt$hash`; hashes of 16 octets and more.
fn argon2id_parameters(text: &str) -> Option<&str> {
    let mut parts = text.split('$').skip(2);
    let (version, parameters) = (parts.next()?, parts.next()?);
    let (salt, hash) = (parts.next()?, parts.next()?);
    let sound = version == "v=19"
        && !parameters.is_empty()
        && is_base64(salt)
        && is_base64(hash)
        && hash.len() >= 22
        && parts.next().is_none();
    sound.then_some(parameters)
}

/// By `m`, which is in KiB.
fn argon2id_memory(parameters: &str) -> Option<u64> {
    let memory = parameters.split(',').find_map(|parameter| parameter.strip_prefix("m="))?;
    memory.parse::<u64>().ok()?.checked_mul(1024)
}

/// `$2b$COST$` and 53 characters: 22 of salt, 31 of hash.
fn bcrypt_parameters(text: &str) -> Option<&str> {
    let mut parts = text.split('$').skip(2);
    let (cost, rest) = (parts.next()?, parts.next()?);
    let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    (digits && rest.len() == 53 && is_base64(rest) && parts.next().is_none()).then_some(cost)
}

/// `$6$[rounds=N$]salt$hash`; without rounds it is 5000 of them.
fn sha_crypt_parameters(text: &str, hash_length: usize) -> Option<&str> {
    let mut parts = text.split('$').skip(2);
    let first = parts.next()?;
    let (rounds, salt) = match first.strip_prefix("rounds=") {
        Some(rounds) => (rounds, parts.next()?),
        None => ("5000", first),
    };
    let hash = parts.next()?;
    let digits = !rounds.is_empty() && rounds.bytes().all(|byte| byte.is_ascii_digit());
    let sound = digits
        && !salt.is_empty()
        && hash.len() == hash_length
        && is_base64(hash)
        && parts.next().is_none();
    sound.then_some(rounds)
}

/// `$y$PARAMETERS$salt$hash`.
fn yescrypt_parameters(text: &str) -> Option<&str> {
    let mut parts = text.split('$').skip(2);
    let (parameters, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = is_base64(parameters)
        && is_base64(salt)
        && hash.len() == 43
        && is_base64(hash)
        && parts.next().is_none();
    sound.then_some(parameters)
}

/// By N and r, which stand behind the flavour: a letter for N's binary logarithm, one for r,
/// each less one. Numbers too large for a letter, which nobody needs, are not read.
fn yescrypt_memory(parameters: &str) -> Option<u64> {
    const LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij";
    let mut letters = parameters.bytes().skip(1);
    let mut number = || {
        let letter = letters.next()?;
        LETTERS.iter().position(|&known| known == letter).map(|at| at as u64 + 1)
    };
    let (logarithm, r) = (number()?, number()?);
    (128 * r).checked_mul(1 << logarithm)
}

/// Every alphabet that these hashes use is within this one.
fn is_base64(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    const DIGEST: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

    fn parse(text: &str) -> Result<(Scheme, String), HashError> {
        let hash = PasswordHash::parse(text.as_bytes())?;
        Ok((hash.scheme(), hash.cost().parameters.into()))
    }

    fn examples() -> [(Scheme, &'static str, String); 7] {
        [
            (
                Scheme::Argon2id,
                "m=19456,t=2,p=1",
                format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${DIGEST}"),
            ),
            (Scheme::Bcrypt, "12", format!("$2b$12$0123456789{DIGEST}")),
            (Scheme::Bcrypt, "05", format!("$2y$05$0123456789{DIGEST}")),
            (Scheme::Sha512Crypt, "5000", format!("$6$salt${DIGEST}{DIGEST}")),
            (Scheme::Sha512Crypt, "9000", format!("$6$rounds=9000$salt${DIGEST}{DIGEST}")),
            (Scheme::Sha256Crypt, "5000", format!("$5$salt${DIGEST}")),
            (Scheme::Yescrypt, "j9T", format!("$y$j9T$sa.lt/${DIGEST}")),
        ]
    }

    #[test]
    fn each_kind_is_told_by_its_prefix_and_its_cost_read() {
        for (scheme, cost, text) in examples() {
            assert_eq!(parse(&text), Ok((scheme, cost.into())), "{text}");
        }
    }

    #[test]
    fn the_memory_that_a_hash_takes() {
        for (scheme, cost, text) in examples() {
            let expected = match scheme {
                Scheme::Argon2id => 19 * 1024 * 1024,
                Scheme::Yescrypt => 16 * 1024 * 1024,
                _ => 0,
            };
            assert_eq!(PasswordHash::parse(text.as_bytes()).unwrap().memory(), Some(expected));
            for other in ["m=x", "t=2,p=1", "m=18446744073709551615", "j", "j9z", "jjz"] {
                let text = text.replace(cost, other);
                let hash = PasswordHash::parse(text.as_bytes());
                let memory = hash.ok().and_then(|hash| hash.memory());
                assert!(memory.is_none() || expected == 0, "{text}");
            }
        }
    }

    #[test]
    fn a_hash_cut_off_anywhere_is_refused() {
        for (scheme, _, text) in examples() {
            // Argon2's output may have any length from 16 octets on.
            let shortest = if scheme == Scheme::Argon2id { text.len() - 21 } else { text.len() };
            for length in 1..shortest {
                assert!(parse(&text[..length]).is_err(), "{}", &text[..length]);
            }
            assert_eq!(parse(&format!("{text}$x")), Err(HashError::Malformed));
            assert_eq!(parse(&format!("{text}:")), Err(HashError::Malformed));
        }
    }

    #[test]
    fn dovecots_prefixes() {
        for (prefix, example) in
            [("{ARGON2ID}", 0), ("{blf-crypt}", 1), ("{SHA512-CRYPT}", 3), ("{SHA256-Crypt}", 5)]
        {
            let (scheme, cost, text) = &examples()[example];
            assert_eq!(parse(&format!("{prefix}{text}")), Ok((*scheme, String::from(*cost))));
        }
        for (scheme, cost, text) in &examples()[1..] {
            assert_eq!(parse(&format!("{{CRYPT}}{text}")), Ok((*scheme, String::from(*cost))));
        }
    }

    #[test]
    fn a_prefix_that_names_another_kind_is_refused() {
        let examples = examples();
        let refused = |text: String| assert_eq!(parse(&text), Err(HashError::Malformed), "{text}");
        refused(format!("{{CRYPT}}{}", examples[0].2));
        refused(format!("{{SHA512-CRYPT}}{}", examples[5].2));
    }

    #[test]
    fn without_a_password_nobody_gets_in() {
        for field in ["", "!", "*", "!!", "!$6$salt$hash", "*LK*"] {
            assert_eq!(parse(field), Err(HashError::Locked), "{field:?}");
        }
    }

    #[test]
    fn kinds_that_we_do_not_check() {
        for field in [
            "secret",
            "{PLAIN}secret",
            "{PLAIN",
            "x",
            "$1$salt$0123456789012345678901",
            "{MD5-CRYPT}$1$salt$0123456789012345678901",
            "$2x$05$abcdefghijklmnopqrstuv0123456789012345678901234567890",
            "$argon2i$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA",
            "x$6$salt$hash",
            "{SHA512-CRYPT.b64}JDYk",
        ] {
            assert_eq!(parse(field), Err(HashError::Unknown), "{field:?}");
        }
        assert_eq!(PasswordHash::parse(b"$6$\xff"), Err(HashError::Unknown));
    }

    #[test]
    fn equal_cost_is_equal_whatever_the_salt() {
        let other = format!("$6$rounds=5000$pepper${DIGEST}{DIGEST}");
        let examples = examples();
        let cost = |text| PasswordHash::parse(text).unwrap().cost();
        assert_eq!(cost(other.as_bytes()), cost(examples[3].2.as_bytes()));
        assert_ne!(cost(other.as_bytes()), cost(examples[4].2.as_bytes()));
        assert_ne!(cost(other.as_bytes()), cost(examples[5].2.as_bytes()));
        assert!(!format!("{:?}", PasswordHash::parse(other.as_bytes())).contains("pepper"));
    }
}
