//! Folders of variables, as daemontools' envdir reads them: each file is a variable's name, and its
//! first line the value.

use super::Word;
use proto::escape::Escaped;
use std::path::Path;
use std::{fs, io};
use unix::log::Reason;
use unix::regular_file;

/// A folder that a program of the row reads.
#[derive(Debug)]
pub(crate) struct EnvFolder {
    /// Which word of the command the program is.
    pub(super) at: usize,
    /// The line that it stands in.
    pub(crate) line: usize,
    /// The folder's name, as it is said there.
    pub(crate) name: String,
    /// A folder in it is passed over, as chpst does; envdir ends at it.
    pub(super) passes_folders: bool,
}

/// What one does to a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    /// `NAME=value`; none where it unsets it.
    pub(super) word: Option<Word>,
}

/// What the files of a folder say.
///
/// # Errors
/// The system's of the folder, or, with its name, of the first file that cannot be read: no
/// program is started then.
pub(super) fn read(folder: &EnvFolder, place: &Path) -> io::Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || (folder.passes_folders && path.is_dir()) {
            continue;
        }
        let contents = regular_file::read(&path).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{}: {}", Escaped(name.as_bytes()), Reason(&error)),
            )
        })?;
        settings.push(setting(name, &contents, folder.line));
    }
    Ok(settings)
}

/// An empty file unsets; blanks at the end of the line do not count, and NUL is a line's end.
fn setting(name: String, contents: &[u8], line: usize) -> Setting {
    if contents.is_empty() {
        return Setting { name, word: None };
    }
    let value = contents.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let value = String::from_utf8_lossy(value).replace('\0', "\n");
    let text = format!("{name}={}", value.trim_end_matches([' ', '\t']));
    Setting { name, word: Some(Word { text, ..Word::empty(line) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_each_file_is_a_value() {
        let folder = tempfile::tempdir().unwrap();
        for (name, contents) in
            [("A", "b c\t \nd\n"), ("B", ""), ("C", "\n"), ("D", "e\0f"), (".hidden", "x")]
        {
            fs::write(folder.path().join(name), contents).unwrap();
        }
        let said = |passes_folders| EnvFolder { at: 0, line: 3, name: "e".into(), passes_folders };
        let mut read = read(&said(false), folder.path()).unwrap();
        read.sort_by(|one, other| one.name.cmp(&other.name));
        let texts: Vec<_> =
            read.iter().map(|one| one.word.as_ref().map(|word| &*word.text)).collect();
        assert_eq!(texts, [Some("A=b c"), None, Some("C="), Some("D=e\nf")]);
        assert_eq!(read[0].word.as_ref().unwrap().line, 3);
        assert!(super::read(&said(false), &folder.path().join("no-such")).is_err());
        fs::create_dir(folder.path().join("more")).unwrap();
        let ends = super::read(&said(false), folder.path()).unwrap_err();
        assert_eq!(ends.to_string(), "more: Is a directory");
        assert_eq!(super::read(&said(true), folder.path()).unwrap().len(), 4);
    }
}
