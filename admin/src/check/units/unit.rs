//! A unit of systemd's as it takes effect: what its file sets and then what its drop-ins set, as
//! systemd.syntax(7) and systemd.unit(5) have it. Which files these are is `load_path`'s to say.

use crate::check::findings::Place;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A line that sets something.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) file: Rc<Path>,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
    /// None where none has begun: then it is passed over.
    pub(super) section: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

impl Setting {
    pub(super) fn place(&self) -> Place<'_> {
        Place::line(&self.file, self.line)
    }

    /// Whether both are the same line of a file: of a template, whose units share it.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        (&self.file, self.line) == (&other.file, other.line)
    }
}

/// What a file sets. A line goes on behind a backslash at its end, and comments between do not
/// count.
pub(super) fn settings(file: &Path, text: &str) -> Vec<Setting> {
    let file: Rc<Path> = file.into();
    let (mut settings, mut section) = (Vec::new(), None);
    let is_comment = |line: &&str| line.starts_with(['#', ';']);
    let mut lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !is_comment(line));
    while let Some((line, text)) = lines.next() {
        let mut whole = text.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, more)) = lines.next() else { break };
            whole = whole + " " + more;
        }
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.to_owned());
        } else if let Some((name, value)) = whole.split_once('=') {
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            let (file, section) = (Rc::clone(&file), section.clone());
            settings.push(Setting { file, line, section, name, value });
        }
    }
    settings
}

/// A unit.
#[derive(Debug)]
pub(super) struct Unit {
    /// With its type: `acceptutils@submission.service`.
    pub(super) name: String,
    /// The files that it comes from, its own first.
    pub(super) files: Vec<PathBuf>,
    pub(super) settings: Vec<Setting>,
    /// Drop-ins, and folders of such, that cannot be read, and why.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

impl Unit {
    /// Another file sets this.
    pub(super) fn add(&mut self, file: PathBuf, text: &[u8]) {
        self.settings.extend(settings(&file, &String::from_utf8_lossy(text)));
        self.files.push(file);
    }

    /// All that set this, in their order.
    pub(super) fn all(
        &self,
        section: &'static str,
        name: &'static str,
    ) -> impl DoubleEndedIterator<Item = &Setting> {
        let is_it = move |setting: &&Setting| {
            setting.section.as_deref() == Some(section) && setting.name == name
        };
        self.settings.iter().filter(is_it)
    }

    /// Those that count: an empty one takes back the ones before.
    pub(super) fn list(&self, section: &'static str, name: &'static str) -> Vec<&Setting> {
        let all: Vec<_> = self.all(section, name).collect();
        let reset = all.iter().rposition(|setting| setting.value.is_empty());
        all.get(reset.map_or(0, |at| at + 1)..).unwrap_or_default().to_vec()
    }

    /// The one that counts, of a setting that has one value.
    pub(super) fn one(&self, section: &'static str, name: &'static str) -> Option<&Setting> {
        self.all(section, name).next_back().filter(|setting| !setting.value.is_empty())
    }

    /// Of two settings that do not fit each other, the one to change: where one is of a drop-in, it
    /// is the one that comes later.
    pub(super) fn to_blame<'a>(&self, one: &'a Setting, other: &'a Setting) -> &'a Setting {
        let at = |wanted| self.settings.iter().position(|known| std::ptr::eq(known, wanted));
        if one.file != other.file && at(other) > at(one) { other } else { one }
    }

    /// What a value comes to; none where only systemd knows.
    pub(super) fn expand(&self, value: &str) -> Option<String> {
        let base = self.name.rsplit_once('.').map_or(self.name.as_str(), |(base, _)| base);
        let (prefix, instance) = base.split_once('@').unwrap_or((base, ""));
        let is_plain = !instance.contains(['-', '\\']);
        let (mut expanded, mut rest) = (String::new(), value);
        while let Some((before, behind)) = rest.split_once('%') {
            expanded += before;
            let mut signs = behind.chars();
            expanded += match signs.next()? {
                'i' => instance,
                'I' if is_plain => instance,
                'p' => prefix,
                'n' => &self.name,
                'N' => base,
                '%' => "%",
                _ => return None,
            };
            rest = signs.as_str();
        }
        Some(expanded + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Unit {
        let settings = settings(Path::new("/a.conf"), text);
        Unit {
            name: "mail@pop3.service".into(),
            files: Vec::new(),
            settings,
            unreadable: Vec::new(),
        }
    }

    fn values(found: &[&Setting]) -> Vec<(usize, String)> {
        found.iter().map(|setting| (setting.line, setting.value.clone())).collect()
    }

    #[test]
    fn an_empty_assignment_takes_back_what_was_set() {
        let unit = unit("[Service]\nExecStart=/a\n ExecStart =\nExecStart=/b\nUser=al\nUser=\n");
        assert_eq!(values(&unit.list("Service", "ExecStart")), [(4, "/b".into())]);
        assert!(unit.one("Service", "User").is_none());
        assert!(unit.list("Unit", "ExecStart").is_empty());
    }

    #[test]
    fn a_line_goes_on_behind_a_backslash() {
        let unit = unit("Lost=1\n[Service]\n# x=\\\nExecStart=/a \\\n; no\n  b\nUser=al\n");
        assert_eq!(values(&unit.list("Service", "ExecStart")), [(4, "/a  b".into())]);
        assert_eq!(unit.one("Service", "User").unwrap().line, 7);
        assert_eq!(unit.settings[0].section, None);
    }

    #[test]
    fn specifiers_that_are_known_here() {
        let unit = unit("");
        let expanded = unit.expand("/%i/%I/%p/%n/%N/%%").unwrap();
        assert_eq!(expanded, "/pop3/pop3/mail/mail@pop3.service/mail@pop3/%");
        assert_eq!(unit.expand("%h/run"), None);
    }
}
