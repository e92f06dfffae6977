//! What a program's source says that its manual page has to say too.
//!
//! A program is its file in `src/bin` and the modules that it and they name, in the
//! packages that read, write and say something. `proto` does none of that.
//!
//! Names of variables and control files and exit codes are rows of tables in `proto`; all
//! that is asked of the source is which rows a program's modules use. What it says is read
//! from its string literals: lines of a log are written where they are said.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// Packages whose programs have pages of the shape that is tested here.
const PACKAGES: [&str; 3] = ["tools", "checkpassword", "tlsserver"];
/// Packages whose modules are followed.
const FOLLOWED: [&str; 5] = ["crate", "unix", "tools", "checkpassword", "tlsserver"];

/// What stands before literals that are for the compiler, or for who reads or debugs
/// the code, or for the system.
const NOT_FOR_USERS: [&str; 6] = ["#", "#!", "cfg!", "env!", "debug_struct", "pledge"];

/// Files whose texts are neither logged nor in a page: what is said to who asks for help, to
/// a supervisor, and to the journal.
const SAID_ELSEWHERE: [&str; 3] =
    ["unix/src/about.rs", "unix/src/journal.rs", "unix/src/notify.rs"];

/// Where all packages are.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One file without its tests.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// Reads it.
    #[must_use]
    pub fn read(path: PathBuf) -> Self {
        let text = read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        Self { path, text }
    }

    /// All string literals. Escapes are spaces: none stands within what is tested.
    pub fn literals(&self) -> Vec<String> {
        let is_elsewhere = SAID_ELSEWHERE.iter().any(|file| self.path.ends_with(file));
        if is_elsewhere { Vec::new() } else { literals(self.text.parse().unwrap()) }
    }

    /// Whether an exit code stands in it as a number.
    pub fn has_nameless_exit_code(&self) -> bool {
        let codes = self.text.split("ExitCode::from(").skip(1);
        codes.into_iter().any(|code| code.starts_with(|octet: char| octet.is_ascii_digit()))
    }

    /// The words that follow this one, as in `crate::WORD`.
    fn after<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let inside = |octet: char| octet.is_alphanumeric() || octet == '_' || octet == ':';
        self.text
            .match_indices(word)
            .filter(move |(at, _)| !self.text[..*at].ends_with(inside))
            .map(|(at, _)| self.text[at + word.len()..].strip_prefix("::"))
            .filter_map(|rest| {
                rest?.split(|octet: char| !(octet.is_alphanumeric() || octet == '_')).next()
            })
    }
}

fn literals(tokens: TokenStream) -> Vec<String> {
    let (mut found, mut before) = (Vec::new(), String::new());
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                if !NOT_FOR_USERS.iter().any(|words| before.ends_with(words)) {
                    found.extend(literals(group.stream()));
                }
                before.clear();
            }
            TokenTree::Literal(literal) => found.extend(text_of(&literal.to_string())),
            word => before += &word.to_string(),
        }
    }
    found
}

/// What stands in a string's quotes.
fn text_of(literal: &str) -> Option<String> {
    let (_, text) = literal.split_once('"').filter(|(kind, _)| !kind.contains('\''))?;
    let (text, _) = text.rsplit_once('"')?;
    let mut letters = text.chars();
    let unescaped = std::iter::from_fn(|| match letters.next()? {
        '\\' => letters.next().map(|_| ' '),
        letter => Some(letter),
    });
    Some(unescaped.collect())
}

/// The rows of a table, an enum, that sources use, by what `name` calls them.
pub fn named_in<Row: Debug + Copy, Name: Into<String>>(
    sources: &[Source],
    table: &[Row],
    name: impl Fn(Row) -> Name,
) -> BTreeSet<String> {
    let path = std::any::type_name::<Row>();
    let word = path.rsplit("::").next().unwrap();
    let used: BTreeSet<&str> = sources.iter().flat_map(|source| source.after(word)).collect();
    let rows = table.iter().filter(|row| used.contains(format!("{row:?}").as_str()));
    rows.map(|row| name(*row).into()).collect()
}

/// A program with all its source.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The files that it is made of.
    pub sources: Vec<Source>,
}

impl Program {
    /// Every program of the packages.
    pub fn all() -> Vec<Self> {
        PACKAGES.iter().flat_map(|package| Self::of_package(package)).collect()
    }

    /// The programs in `src/bin`, or the one that has the package's name.
    #[must_use]
    pub fn of_package(package: &str) -> Vec<Self> {
        let src = root().join(package).join("src");
        match read_dir(src.join("bin")) {
            Err(_) => vec![Self::of(package.into(), src.join("main.rs"))],
            Ok(files) => {
                let paths = files.map(|file| file.unwrap().path());
                let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
                paths.map(|path| Self::of(name(&path), path)).collect()
            }
        }
    }

    fn of(name: String, main: PathBuf) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        let mut waiting = vec![main];
        while let Some(path) = waiting.pop() {
            if sources.iter().all(|known| known.path != path) {
                let source = Source::read(path);
                waiting.extend(FOLLOWED.iter().flat_map(|&package| modules(&source, package)));
                sources.push(source);
            }
        }
        Self { name, sources }
    }

    /// Exit codes that the program names.
    pub fn exit_codes(&self) -> BTreeSet<u8> {
        let named: BTreeSet<&str> =
            self.sources.iter().flat_map(|source| source.after("exit_code")).collect();
        let is_named = |(name, _): &&(&str, u8)| named.contains(name);
        proto::exit_code::ALL.iter().filter(is_named).map(|(_, code)| *code).collect()
    }

    /// Whether this file is of it.
    #[must_use]
    pub fn has(&self, source: &Source) -> bool {
        self.sources.iter().any(|one| one.path == source.path)
    }

    /// Whether this stands anywhere in the code.
    pub fn mentions(&self, word: &str) -> bool {
        self.sources.iter().any(|source| source.text.contains(word))
    }
}

/// The files of the modules of a package that a file names; the package's own file
/// where it names something else of it.
fn modules(source: &Source, package: &str) -> Vec<PathBuf> {
    let folder = match package {
        "crate" => {
            let src = source.path.ancestors().find(|folder| folder.ends_with("src"));
            src.unwrap().to_owned()
        }
        package => root().join(package).join("src"),
    };
    let files = |word: &str| {
        let (file, inside) = (folder.join(word).with_extension("rs"), folder.join(word));
        if file.exists() {
            vec![file]
        } else if inside.exists() && !word.is_empty() {
            files_in(&inside)
        } else {
            vec![folder.join("lib.rs")]
        }
    };
    source.after(package).flat_map(files).collect()
}

/// The source files of a folder, but those that are tests as a whole.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let paths = read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let paths = paths.filter(|path| !path.ends_with("tests.rs"));
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// Whether a literal is one word. A single octet is a protocol's, not a name.
pub fn is_name(literal: &str) -> bool {
    let is_number = literal.chars().all(|octet| octet.is_ascii_digit());
    literal.len() > 1
        && !is_number
        && literal.chars().all(|octet| octet.is_alphanumeric() || octet == '_')
}

/// What a literal that is more than a word says, without what is put into it.
pub fn texts(literal: &str) -> Vec<String> {
    let pieces =
        literal.split('{').map(|piece| piece.split_once('}').map_or(piece, |piece| piece.1));
    let spaced = |piece: &str| piece.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = |piece: &str| spaced(piece.trim_matches([' ', ':', '(', ')', ',']));
    let says = |piece: &String| piece.len() > 1 && piece.contains(char::is_alphanumeric);
    pieces.map(bare).filter(says).collect()
}
