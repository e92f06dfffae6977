//! The environment: read once, at the edge, and changed only for what we run.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

/// Our environment, with the changes that our children are to see.
#[derive(Debug, Default)]
pub struct Environment {
    inherited: Vec<(OsString, OsString)>,
    changes: Vec<(OsString, Option<OsString>)>,
}

impl Environment {
    /// What this process was started with.
    #[must_use]
    pub fn inherited() -> Self {
        Self { inherited: std::env::vars_os().collect(), changes: Vec::new() }
    }

    /// The value of a variable, as a child would see it now.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = OsStr::from_bytes(name);
        let changed = self.changes.iter().rev().find(|(changed, _)| changed == name);
        match changed {
            Some((_, value)) => value.as_deref().map(OsStr::as_bytes),
            None => self
                .inherited
                .iter()
                .find(|(inherited, _)| inherited == name)
                .map(|(_, value)| value.as_bytes()),
        }
    }

    /// Whether a variable is set, to anything.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Takes a variable out: its value, which no child sees any more.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let value = self.get(name.as_bytes()).map(<[u8]>::to_vec);
        if value.is_some() {
            self.changes.push((name.into(), None));
        }
        value
    }

    /// Takes out every variable whose name `is_one`.
    pub fn take_all(&mut self, is_one: impl Fn(&[u8]) -> bool) {
        let names = self.inherited.iter().map(|(name, _)| name);
        let gone: Vec<_> = names.filter(|name| is_one(name.as_bytes())).cloned().collect();
        self.changes.extend(gone.into_iter().map(|name| (name, None)));
    }

    /// Sets a variable, or with `None` makes it absent.
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>) {
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        self.changes.push((owned(name), value.map(owned)));
    }

    /// Hands the changes to a command. Without any of `PATH` a command is started
    /// by posix_spawn, which does not copy this process first.
    pub fn apply(&self, command: &mut Command) {
        for (name, value) in &self.changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_counts() {
        let mut environment = Environment {
            inherited: vec![("SSL_A".into(), "1".into()), ("B".into(), "2".into())],
            changes: vec![],
        };
        assert_eq!(environment.get(b"SSL_A"), Some(&b"1"[..]));
        environment.take_all(|name| name.starts_with(b"SSL_"));
        assert_eq!(environment.get(b"SSL_A"), None);
        environment.set(b"SSL_A", Some(b"3"));
        assert_eq!(environment.get(b"SSL_A"), Some(&b"3"[..]));
        assert_eq!(environment.take("B"), Some(b"2".to_vec()));
        assert_eq!(environment.take("B"), None);
        let mut command = Command::new("env");
        environment.apply(&mut command);
        let seen: Vec<_> = command.get_envs().collect();
        let set = (OsStr::new("SSL_A"), Some(OsStr::new("3")));
        assert_eq!(seen, [(OsStr::new("B"), None), set]);
    }
}
