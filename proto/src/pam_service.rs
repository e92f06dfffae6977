//! What of a PAM service's configuration (pam.conf(5)) tells how much work a login is.
//!
//! pam_unix computes the hash of a user who has one twice, for the empty password and for
//! the one that was given: Linux-PAM 1.5 does, with `nullok` and without. For others it
//! computes none. Finding the files is for who reads them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What one file says of `auth`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How often pam_unix computes the hash of a user who has one.
    pub hashes: usize,
    /// The files that belong to it.
    pub includes: Vec<String>,
}

impl Service {
    /// Reads one file.
    #[must_use]
    pub fn read(file: &[u8]) -> Self {
        let text = String::from_utf8_lossy(file).replace("\\\n", " ");
        let mut service = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            service.line(line.split_whitespace());
        }
        service
    }

    fn line<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) {
        match words.next() {
            Some("@include") => self.includes.extend(words.next().map(ToOwned::to_owned)),
            Some(kind) if kind.trim_start_matches('-').eq_ignore_ascii_case("auth") => {
                let control = words.next().unwrap_or_default();
                if control.starts_with('[') && !control.ends_with(']') {
                    let _ = words.find(|word| word.ends_with(']'));
                }
                let module = words.next().unwrap_or_default();
                if matches!(control, "include" | "substack") {
                    self.includes.push(module.to_owned());
                } else if module.rsplit('/').next() == Some("pam_unix.so") {
                    self.hashes += 2;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn read(text: &str) -> (usize, Vec<String>) {
        let Service { hashes, includes } = Service::read(text.as_bytes());
        (hashes, includes)
    }

    #[test]
    fn what_pam_unix_computes() {
        let debian = "# common-auth\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\n\
                      auth requisite pam_deny.so\nauth required pam_permit.so\n";
        assert_eq!(read(debian), (2, vec![]));
        assert_eq!(read("auth required pam_unix.so # nullok\n"), (2, vec![]));
        assert_eq!(read("-auth required \\\n /lib/security/pam_unix.so nullok\n"), (2, vec![]));
        assert_eq!(read("auth sufficient pam_sss.so\naccount required pam_unix.so\n"), (0, vec![]));
    }

    #[test]
    fn what_belongs_to_it() {
        let ours = "auth include common-auth\naccount include common-account\n";
        assert_eq!(read(ours), (0, vec!["common-auth".into()]));
        assert_eq!(read("@include a\nauth substack b\n"), (0, vec!["a".into(), "b".into()]));
        assert_eq!(read("auth\nauth include\n@include\n\n#\n"), (0, vec!["".into()]));
    }
}
