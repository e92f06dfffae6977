//! The configuration of a PAM service (pam.conf(5)): where it is, what its lines say, and how
//! much work a login by it is.
//!
//! pam_unix computes the hash of a user who has one twice, for the empty password and for
//! the one that was given: Linux-PAM 1.5 does, with `nullok` and without. For others it
//! computes none. Reading the files is for who asks: checkpassword-pam, and `acceptutils check`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Where services are set up; of a name, the first file that there is counts.
pub const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// The service of those that have no file of their own, or no line of a type in it.
pub const OTHER: &str = "other";

/// The name of a service's file, as pam_start(3) has it.
#[must_use]
pub fn file_name(service: &[u8]) -> Vec<u8> {
    let name = service.rsplit(|&octet| octet == b'/').next().unwrap_or_default();
    name.to_ascii_lowercase()
}

/// What one file says of one type.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How many lines are about the type; where there is none at all, [`OTHER`]'s count.
    pub lines: usize,
    /// How often pam_unix computes the hash of a user who has one, where the type is `auth`.
    pub hashes: usize,
    /// How many lines run a command, by pam_exec, and refuse whom the command refuses: none
    /// whose control has PAM ignore that.
    pub commands: usize,
    /// The files that belong to it.
    pub includes: Vec<String>,
}

impl Service {
    /// Reads what one file says of `kind`. A line that PAM does not understand it passes over:
    /// nobody logs in then.
    #[must_use]
    pub fn read(file: &[u8], kind: &str) -> Self {
        let mut service = Self::default();
        for (_, line) in lines(&String::from_utf8_lossy(file)) {
            match Line::parse(&line) {
                Ok(Line { kind: INCLUDE, does: Does::Include(file), .. }) => {
                    service.includes.push(file.to_owned());
                }
                Ok(line) if line.kind.eq_ignore_ascii_case(kind) => service.add(&line),
                _ => {}
            }
        }
        service
    }

    fn add(&mut self, line: &Line<'_>) {
        self.lines += 1;
        match line.does {
            Does::Include(file) => self.includes.push(file.to_owned()),
            Does::Run(module) => match module.rsplit('/').next() {
                Some("pam_unix.so") => self.hashes += 2,
                Some("pam_exec.so") if refuses(line.control) => self.commands += 1,
                _ => {}
            },
        }
    }
}

/// Begins a line that stands for all of another file.
const INCLUDE: &str = "@include";
const KINDS: [&str; 4] = ["auth", "account", "session", "password"];
const CONTROLS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
const INCLUDES: [&str; 2] = ["include", "substack"];

/// Whether a line with this control refuses whom a command refuses, of which pam_exec says
/// `system_err`.
fn refuses(control: &str) -> bool {
    let action = |name: &str| {
        let mut pairs = control.split_ascii_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(value, action)| (value == name).then_some(action))
    };
    match action("system_err").or_else(|| action("default")) {
        Some(action) => matches!(action, "bad" | "die" | "ok" | "done"),
        None => !is_among(&["sufficient", "optional"], control),
    }
}

/// A line that PAM understands.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What it is about: `auth`, `account`, `session` or `password`; or `@include`.
    pub kind: &'a str,
    /// What follows from the answer: a word, or what brackets hold; nothing for `@include`.
    pub control: &'a str,
    /// What comes to pass there.
    pub does: Does<'a>,
}

/// What a line has PAM do.
#[derive(Debug, PartialEq, Eq)]
pub enum Does<'a> {
    /// Read this file, too.
    Include(&'a str),
    /// Ask this module.
    Run(&'a str),
}

/// Why PAM does not understand a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// `@include` without a file.
    NoFile,
    /// It begins with no type.
    Kind(&'a str),
    /// A control in brackets that does not end.
    NoBracket,
    /// Behind the type stands no control.
    Control(&'a str),
    /// Behind type and control stands nothing.
    NoModule(&'a str, &'a str),
}

impl<'a> Line<'a> {
    /// Reads a line: type, control, module and what is the module's.
    ///
    /// # Errors
    /// Why PAM does not understand it.
    pub fn parse(line: &'a str) -> Result<Self, Fault<'a>> {
        let (kind, rest) = (kind(line), word(line).1);
        if kind == INCLUDE {
            let (file, _) = word(rest);
            let line = Self { kind, control: "", does: Does::Include(file) };
            return if file.is_empty() { Err(Fault::NoFile) } else { Ok(line) };
        }
        if !is_among(&KINDS, kind) {
            return Err(Fault::Kind(kind));
        }
        let (control, rest) = match rest.strip_prefix('[') {
            Some(values) => values.split_once(']').ok_or(Fault::NoBracket)?,
            None => word(rest),
        };
        let includes = is_among(&INCLUDES, control);
        if !includes && !control.contains('=') && !is_among(&CONTROLS, control) {
            return Err(Fault::Control(control));
        }
        let (named, _) = word(rest);
        if named.is_empty() {
            return Err(Fault::NoModule(kind, control));
        }
        let does = if includes { Does::Include(named) } else { Does::Run(named) };
        Ok(Self { kind, control, does })
    }
}

fn is_among(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// What a line is about, also one that is not understood; a module that is missing is no matter
/// behind a `-`.
#[must_use]
pub fn kind(line: &str) -> &str {
    let (kind, _) = word(line);
    kind.strip_prefix('-').unwrap_or(kind)
}

/// The first word, and what stands behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// Lines without comments, those that go on after a backslash as one, and their numbers.
#[must_use]
pub fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let kept = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, before)) => {
                before.push(' ');
                before.push_str(kept);
            }
            None => lines.push((number, kept.to_owned())),
        }
        goes_on = kept.len() < line.len();
    }
    lines.retain(|(_, line)| !line.trim().is_empty());
    lines
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("@include: no file"),
            Self::Kind(kind) => write!(f, "{kind}: not auth, account, password or session"),
            Self::NoBracket => f.write_str("no ] behind ["),
            Self::Control(control) => write!(
                f,
                "{control}: not required, requisite, sufficient, optional, include, substack or \
                 [value=action]"
            ),
            Self::NoModule(kind, control) => write!(f, "{kind} {control}: no module"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    fn read(text: &str) -> (usize, Vec<String>) {
        let Service { hashes, includes, .. } = Service::read(text.as_bytes(), "auth");
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
        let lines = |text: &str| Service::read(text.as_bytes(), "auth").lines;
        assert_eq!((lines(debian), lines("account required pam_unix.so\nauth\n")), (3, 0));
    }

    #[test]
    fn who_runs_commands() {
        let text = "auth required pam_exec.so x\naccount required pam_unix.so\nauth include y\n\
                    account include z\naccount required /lib/pam_exec.so z\nsession a pam_exec.so\n";
        for (kind, lines, included) in [("auth", 2, "y"), ("account", 3, "z")] {
            let service = Service::read(text.as_bytes(), kind);
            assert_eq!((service.lines, service.commands), (lines, 1), "{kind}");
            assert_eq!(service.includes, [included], "{kind}");
        }
    }

    #[test]
    fn whose_command_refuses() {
        for (control, commands) in [
            ("required", 1),
            ("Requisite", 1),
            ("optional", 0),
            ("Sufficient", 0),
            ("[success=1 default=ignore]", 0),
            ("[default=bad system_err=ignore]", 0),
            ("[success=ok system_err=die default=ignore]", 1),
            ("[default=1]", 0),
            ("[success=ok]", 1),
        ] {
            let line = std::format!("auth {control} pam_exec.so x\n");
            assert_eq!(Service::read(line.as_bytes(), "auth").commands, commands, "{control}");
        }
    }

    #[test]
    fn what_belongs_to_it() {
        let ours = "auth include common-auth\naccount include common-account\n";
        assert_eq!(read(ours), (0, vec!["common-auth".into()]));
        assert_eq!(read("@include a\nauth substack b\n"), (0, vec!["a".into(), "b".into()]));
        assert_eq!(read("auth\nauth include\n@include\n\n#\n"), (0, vec![]));
    }

    #[test]
    fn a_service_has_the_file_that_pam_looks_for() {
        for (service, name) in [("Mail", "mail"), ("../a/B", "b"), ("x", "x"), ("/", "")] {
            assert_eq!(file_name(service.as_bytes()), name.as_bytes());
        }
    }

    #[test]
    fn a_line_is_read_as_pam_reads_it() {
        let run = |kind, control, module| Line { kind, control, does: Does::Run(module) };
        let include = |kind, control, file| Line { kind, control, does: Does::Include(file) };
        for (text, expected) in [
            ("auth required pam_unix.so", Ok(run("auth", "required", "pam_unix.so"))),
            (
                "-Auth \t [success=1 default=ignore]\tpam_unix.so nullok",
                Ok(run("Auth", "success=1 default=ignore", "pam_unix.so")),
            ),
            ("account include common-account", Ok(include("account", "include", "common-account"))),
            ("@include common-auth", Ok(include("@include", "", "common-auth"))),
            ("garbage line here", Err("garbage: not auth, account, password or session")),
            (
                "auth",
                Err(": not required, requisite, sufficient, optional, include, substack or \
                     [value=action]"),
            ),
            ("auth [success=1 pam_unix.so", Err("no ] behind [")),
            ("auth required", Err("auth required: no module")),
            ("@include", Err("@include: no file")),
        ] {
            let read = Line::parse(text).map_err(|fault| fault.to_string());
            assert_eq!(read, expected.map_err(String::from), "{text}");
        }
        let text = "# all\nauth \\\n required x.so # more\n\naccount";
        let expected = [(2, "auth   required x.so".into()), (5, "account".into())];
        assert_eq!(lines(text), expected);
    }
}
