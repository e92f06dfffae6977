//! Which files of certificates and keys the environment names: `CERTFILE` and `KEYFILE`, those
//! with a 2 for clients that cannot do the first, and those for one name. `CERTCHAINFILE` is
//! said in place of `CERTFILE`.
//!
//! Nothing is read here. The keyholder does, and `acceptutils check`, which looks the files over.

use crate::environment::{Variables, file};
use proto::names::Variable;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A certificate's file and its key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// For whom who asks for this name, in lower case; none for everybody.
    pub name: Option<String>,
    /// `CERTFILE` or `CERTFILE2`.
    pub variable: Variable,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's, which may be the same.
    pub key: PathBuf,
}

/// A key that has no certificate beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyAlone {
    /// The variable that names it.
    pub key: String,
    /// The variable that should be set, too.
    certificate: String,
}

impl KeyAlone {
    /// What is wrong.
    #[must_use]
    pub fn why(&self) -> String {
        format!("not used, as {} is not set", self.certificate)
    }
}

/// A certificate's variable and its key's.
const KINDS: [(Variable, Variable); 2] =
    [(Variable::CertFile, Variable::KeyFile), (Variable::CertFile2, Variable::KeyFile2)];

/// All that are named: first those for any name. One PEM file may hold both certificate and
/// key, so a key file need not be named.
#[must_use]
pub fn named(variables: &Variables) -> Vec<CertificateFiles> {
    let mut files = Vec::new();
    for (variable, key) in KINDS {
        let chain = file(variables, Variable::CertChainFile, "");
        let chain = chain.filter(|_| variable == Variable::CertFile);
        if let Some(certificate) = chain.or(file(variables, variable, "")) {
            let key = file(variables, key, "").unwrap_or(certificate).into();
            let certificate = certificate.into();
            files.push(CertificateFiles { name: None, variable, certificate, key });
        }
    }
    for (variable, key) in KINDS {
        for (set, path) in variables.iter().filter(|(_, path)| !path.is_empty()) {
            let name = set.strip_prefix(variable.name().as_bytes());
            let Some(name) = name.and_then(|name| name.strip_prefix(b":")) else { continue };
            let path = OsStr::from_bytes(path);
            let name = String::from_utf8_lossy(name).into_owned();
            let key = file(variables, key, &format!(":{name}")).unwrap_or(path).into();
            let (name, certificate) = (Some(name.to_ascii_lowercase()), path.into());
            files.push(CertificateFiles { name, variable, certificate, key });
        }
    }
    files
}

/// What stands for a name where no certificate is for it alone: all that differ from it in the
/// first label only. `None` for a name of one label.
#[must_use]
pub fn pattern_of(name: &str) -> Option<String> {
    name.split_once('.').map(|(_, domain)| format!("*.{domain}"))
}

/// Whether the certificate is among them that the others go beside: `CERTFILE`'s, for any name.
#[must_use]
pub fn have_first(files: &[CertificateFiles]) -> bool {
    files.first().is_some_and(|first| first.variable == Variable::CertFile && first.name.is_none())
}

/// Keys that nobody will use. `KEYFILE` alone is none of them: that there is no certificate at
/// all is said otherwise.
#[must_use]
pub fn keys_alone(variables: &Variables) -> Vec<KeyAlone> {
    let mut alone = Vec::new();
    for (variable, path) in variables {
        let Some(set) = str::from_utf8(variable).ok().filter(|_| !path.is_empty()) else {
            continue;
        };
        // The kinds with a 2 first, since the others' names begin theirs.
        let of = |&(certificate, key): &(Variable, Variable)| {
            Some((certificate, set.strip_prefix(key.name())?))
        };
        let Some((certificate, behind)) = KINDS.iter().rev().find_map(of) else { continue };
        let is_first = (certificate, behind) == (KINDS[0].0, "");
        if !is_first && file(variables, certificate, behind).is_none() {
            let certificate = [certificate.name(), behind].concat();
            alone.push(KeyAlone { key: set.to_owned(), certificate });
        }
    }
    alone
}
