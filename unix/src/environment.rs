//! This process's own environment: read once, at the edge, and changed only for what we run. What
//! somebody else's is made of, as far as processes tell each other, is `proto::variables`.

use proto::names::Variable;
use proto::variables::Variables;
use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

/// Our environment, with the changes that our children are to see.
#[derive(Debug, Default)]
pub struct Environment {
    /// `NAME=value`, where the kernel put them: not copied, as most programs need few.
    inherited: Vec<&'static CStr>,
    changes: Vec<(OsString, Option<OsString>)>,
}

impl Environment {
    /// What this process was started with.
    #[must_use]
    pub fn inherited() -> Self {
        Self { inherited: strings_of_this_process().collect(), changes: Vec::new() }
    }

    /// The same for a program that has others' code in it, such as PAM's modules, which
    /// may write where the kernel put the environment. The copy stays to the end.
    #[must_use]
    pub fn copied() -> Self {
        let copy = |string: &CStr| &*Box::leak(string.to_owned().into_boxed_c_str());
        Self { inherited: strings_of_this_process().map(copy).collect(), changes: Vec::new() }
    }

    /// The value of a variable, as a child would see it now.
    #[must_use]
    pub fn get(&self, variable: Variable) -> Option<&[u8]> {
        self.named(variable.name().as_bytes())
    }

    /// The same of a name that is somebody else's to say: of a rule, of a fact.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<&[u8]> {
        let changed = self.changes.iter().rev().find(|(changed, _)| changed.as_bytes() == name);
        match changed {
            Some((_, value)) => value.as_deref().map(OsStr::as_bytes),
            None => self.inherited.iter().find_map(|string| {
                string.to_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"="))
            }),
        }
    }

    fn variables(&self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        self.inherited.iter().filter_map(|string| split(string))
    }

    /// Whether a variable is set, to anything.
    #[must_use]
    pub fn has(&self, variable: Variable) -> bool {
        self.get(variable).is_some()
    }

    /// Takes a variable out: its value, which no child sees any more.
    pub fn take(&mut self, variable: Variable) -> Option<Vec<u8>> {
        let value = self.get(variable).map(<[u8]>::to_vec);
        if value.is_some() {
            self.changes.push((variable.name().into(), None));
        }
        value
    }

    /// Takes out every variable whose name `is_one`.
    pub fn take_all(&mut self, is_one: impl Fn(&[u8]) -> bool) {
        let names = self.variables().map(|(name, _)| name).filter(|name| is_one(name));
        let gone: Vec<_> = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
        self.changes.extend(gone.into_iter().map(|name| (name, None)));
    }

    /// Sets a variable, or with `None` makes it absent.
    pub fn set(&mut self, variable: Variable, value: Option<&[u8]>) {
        self.set_named(variable.name().as_bytes(), value);
    }

    /// The same of a name that is somebody else's to say.
    pub fn set_named(&mut self, name: &[u8], value: Option<&[u8]>) {
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        self.changes.push((owned(name), value.map(owned)));
    }

    /// Hands the changes to a command.
    pub fn apply(&self, command: &mut Command) {
        for (name, value) in &self.changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }

    /// `NAME=value` of each variable that the next program sees.
    ///
    /// # Errors
    /// A value that was set holds a NUL.
    pub(crate) fn strings(&self) -> io::Result<Vec<Cow<'static, CStr>>> {
        let is_changed = |name: &[u8]| self.changes.iter().any(|(one, _)| one.as_bytes() == name);
        let is_kept = |string: &CStr| split(string).is_none_or(|(name, _)| !is_changed(name));
        let kept = self.inherited.iter().filter(|string| is_kept(string));
        let mut strings: Vec<_> = kept.map(|string| Cow::Borrowed(*string)).collect();
        for (at, (name, value)) in self.changes.iter().enumerate() {
            let is_last = !self.changes[at + 1..].iter().any(|(later, _)| later == name);
            if let Some(value) = value.as_ref().filter(|_| is_last) {
                let string = [name.as_bytes(), b"=", value.as_bytes()].concat();
                strings.push(Cow::Owned(CString::new(string)?));
            }
        }
        Ok(strings)
    }
}

/// Somebody else's variables as the system's names and values.
pub fn named(variables: &Variables) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    variables.iter().map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)))
}

/// What this process was started with for a variable, for who reads no other.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "for who has a row of the table")]
pub fn inherited(variable: Variable) -> Option<OsString> {
    std::env::var_os(variable.name())
}

/// A variable's name and value. A name may begin with an equals sign.
fn split(string: &CStr) -> Option<(&[u8], &[u8])> {
    let octets = string.to_bytes();
    let equals = octets.iter().skip(1).position(|&octet| octet == b'=')? + 1;
    Some((&octets[..equals], &octets[equals + 1..]))
}

#[expect(unsafe_code, reason = "the C library gives the environment as pointers")]
fn strings_of_this_process() -> impl Iterator<Item = &'static CStr> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the C library's own; nobody in this workspace changes it, as that is
    // unsafe and not allowed outside this package. Where others' code is linked in, it
    // has not been called yet, and [`Environment::copied`] keeps nothing of this.
    let mut next = unsafe { environ };
    std::iter::from_fn(move || {
        // SAFETY: `next` is the list, whose end is a null pointer, or null itself.
        let string = unsafe { next.as_ref() }.copied().filter(|string| !string.is_null())?;
        // SAFETY: `string` was not the end, so another follows.
        next = unsafe { next.add(1) };
        // SAFETY: a string that ends, in memory that stays as the kernel filled it
        // before this process began: what replaces a string leaves the old one there.
        Some(unsafe { CStr::from_ptr(string) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_counts() {
        let mut environment =
            Environment { inherited: vec![c"SSL_CIPHER=1", c"UID=2", c"D==5"], changes: vec![] };
        assert_eq!(environment.get(Variable::SslCipher), Some(&b"1"[..]));
        environment.take_all(|name| name.starts_with(b"SSL_"));
        assert_eq!(environment.get(Variable::SslCipher), None);
        environment.set(Variable::SslCipher, Some(b"3"));
        assert_eq!(environment.get(Variable::SslCipher), Some(&b"3"[..]));
        assert_eq!(environment.take(Variable::Uid), Some(b"2".to_vec()));
        assert_eq!(environment.take(Variable::Uid), None);
        let mut command = Command::new("env");
        environment.apply(&mut command);
        let seen: Vec<_> = command.get_envs().collect();
        let set = (OsStr::new("SSL_CIPHER"), Some(OsStr::new("3")));
        assert_eq!(seen, [set, (OsStr::new("UID"), None)]);
        environment.set_named(b"C", Some(b"4"));
        assert_eq!(environment.strings().unwrap(), [c"D==5", c"SSL_CIPHER=3", c"C=4"]);
        assert_eq!(environment.named(b"D"), Some(&b"=5"[..]));
    }

    #[test]
    fn what_is_inherited_is_what_there_is() {
        let inherited = Environment::inherited();
        let there: Vec<_> = std::env::vars_os().collect();
        assert!(!there.is_empty());
        assert_eq!(inherited.variables().count(), there.len());
        for (name, value) in there {
            assert_eq!(inherited.named(name.as_bytes()), Some(value.as_bytes()), "{name:?}");
        }
    }
}
