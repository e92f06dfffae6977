//! What a program's source says that its manual page has to say too.
//!
//! A program is its file in `src/bin` and the modules that it and they name, in the
//! packages that read, write and say something. `proto` does none of that. So there
//! is no list to keep: whoever adds a variable adds its name to the code.

use proto::login::protocol::Protocol;
use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// Packages whose programs have pages of the shape that is tested here.
const PACKAGES: [&str; 3] = ["tools", "checkpassword", "tlsserver"];
/// Packages whose modules are followed.
const FOLLOWED: [&str; 5] = ["crate", "unix", "tools", "checkpassword", "tlsserver"];

/// What stands before literals that are for the compiler, or for who reads or debugs
/// the code.
const NOT_FOR_USERS: [&str; 9] = [
    "env!(",
    "reason = ",
    "path = ",
    "target_os = ",
    "target_vendor = ",
    "target_arch = ",
    "target_endian = ",
    "feature = ",
    "debug_struct(",
];

/// Files whose texts are neither logged nor in a page, and whose names of variables are:
/// what is said to who asks for help, to a supervisor, and to the journal.
const SAID_ELSEWHERE: [&str; 3] =
    ["unix/src/about.rs", "unix/src/journal.rs", "unix/src/notify.rs"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One file without its tests.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn read(path: PathBuf) -> Self {
        let text = read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        Self { path, text }
    }

    /// All string literals. Escapes are spaces: none stands within what is tested.
    pub(crate) fn literals(&self) -> Vec<String> {
        let mut literals = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find(['"', '/', '\'']) {
            let is_attribute = NOT_FOR_USERS.iter().any(|name| rest[..at].ends_with(name));
            let (opening, behind) = rest[at..].split_at(1);
            rest = behind;
            match opening {
                "\"" => {
                    let (literal, behind) = literal(rest);
                    literals.extend(protocols(&literal).into_iter().filter(|_| !is_attribute));
                    rest = behind;
                }
                "/" if rest.starts_with('/') => rest = rest.split_once('\n').map_or("", |l| l.1),
                "'" if rest.starts_with('\\') => rest = &rest[2..],
                // A character; anything else with a quote is a lifetime.
                "'" if rest.chars().nth(1) == Some('\'') => {
                    rest = rest.split_once('\'').map_or("", |quote| quote.1);
                }
                _ => {}
            }
        }
        if SAID_ELSEWHERE.iter().any(|file| self.path.ends_with(file)) {
            literals.retain(|literal| is_name(literal));
        }
        literals
    }

    /// The letters of `match` in a file that reads options, as in `'n' | 'N' =>`.
    fn letters(&self) -> Vec<String> {
        let is_options = self.path.ends_with("options.rs");
        let lines = self.text.lines().filter(|_| is_options).map(str::trim);
        let arms = lines.filter(|line| line.starts_with('\'')).filter_map(|line| {
            let (pattern, _) = line.split_once(" =>")?;
            Some(pattern.replace(['\'', ' '], ""))
        });
        arms.flat_map(|pattern| pattern.split('|').map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Whether an exit code stands in it as a number.
    pub(crate) fn has_nameless_exit_code(&self) -> bool {
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

/// A literal from behind its opening quote, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut octets = text.char_indices();
    while let Some((at, octet)) = octets.next() {
        match octet {
            '"' => return (literal, &text[at + 1..]),
            '\\' => {
                octets.next();
                literal.push(' ');
            }
            octet => literal.push(octet),
        }
    }
    panic!("a literal has no end: {literal}");
}

/// Names that are made of the protocol's name are two names.
fn protocols(literal: &str) -> BTreeSet<String> {
    Protocol::ALL.map(|protocol| literal.replace("{protocol}", protocol.name())).into()
}

/// A program with all its source.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) sources: Vec<Source>,
}

impl Program {
    /// Every program of the packages.
    pub(crate) fn all() -> Vec<Self> {
        PACKAGES.iter().flat_map(|package| Self::of_package(package)).collect()
    }

    /// The programs in `src/bin`, or the one that has the package's name.
    fn of_package(package: &str) -> Vec<Self> {
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

    /// String literals that are one word: names of variables and control files, and
    /// their values. `PATH` is one, where programs are looked up.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let literals = self.sources.iter().flat_map(Source::literals);
        let mut names: BTreeSet<String> = literals.filter(|literal| is_name(literal)).collect();
        if self.mentions("process::Program") || self.mentions("process::{Program") {
            names.insert("PATH".into());
        }
        names
    }

    /// Options in what the program says of its usage, and letters that it tells apart
    /// where it reads them.
    pub(crate) fn options(&self) -> BTreeSet<String> {
        let literals = self.sources.iter().flat_map(Source::literals);
        let usage = literals.filter(|literal| {
            literal.trim_start_matches("usage: ").starts_with(&format!("{} ", self.name))
        });
        let words = usage
            .flat_map(|usage| usage.split([' ', '[', ']']).map(str::to_owned).collect::<Vec<_>>());
        let said = words.filter_map(|word| word.strip_prefix('-').map(str::to_owned));
        let said = said.flat_map(|word| match word.starts_with('-') {
            true => vec![word],
            false => word.chars().map(String::from).collect(),
        });
        // Whatever the program: `unix::about`.
        let of_all = ["-help", "-version"].map(str::to_owned);
        said.chain(self.sources.iter().flat_map(Source::letters)).chain(of_all).collect()
    }

    /// Exit codes that the program names.
    pub(crate) fn exit_codes(&self) -> BTreeSet<u8> {
        let table = read_to_string(root().join("proto/src/exit_code.rs")).unwrap();
        let value = |name: &str| {
            let line =
                table.lines().find(|line| line.starts_with(&format!("pub const {name}: u8 = ")));
            line.unwrap().split(['=', ';']).nth(1).unwrap().trim().parse().unwrap()
        };
        self.sources.iter().flat_map(|source| source.after("exit_code").map(value)).collect()
    }

    /// Whether this stands anywhere in the code.
    pub(crate) fn mentions(&self, word: &str) -> bool {
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
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let paths = read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let paths = paths.filter(|path| !path.ends_with("tests.rs"));
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// Whether a literal is one word. A single octet is a protocol's, not a name.
pub(crate) fn is_name(literal: &str) -> bool {
    let is_number = literal.chars().all(|octet| octet.is_ascii_digit());
    literal.len() > 1
        && !is_number
        && literal.chars().all(|octet| octet.is_alphanumeric() || octet == '_')
}

/// What a literal that is more than a word says, without what is put into it.
pub(crate) fn texts(literal: &str) -> Vec<String> {
    let pieces =
        literal.split('{').map(|piece| piece.split_once('}').map_or(piece, |piece| piece.1));
    let spaced = |piece: &str| piece.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = |piece: &str| spaced(piece.trim_matches([' ', ':', '(', ')', ',']));
    let says = |piece: &String| piece.len() > 1 && piece.contains(char::is_alphanumeric);
    pieces.map(bare).filter(says).collect()
}
