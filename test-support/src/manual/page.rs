//! A manual page in mdoc(7), read by its lines and macros.

use super::source::root;
use std::collections::BTreeSet;
use std::fs::{read_dir, read_to_string};
use std::path::PathBuf;

/// One page.
#[derive(Debug)]
pub struct Page {
    /// `NAME.SECTION`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    lines: Vec<String>,
}

impl Page {
    /// All that there are, by name.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut pages: Vec<Self> = read_dir(root().join("man"))
            .unwrap()
            .map(|file| {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let lines = read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
                Self { name, path, lines }
            })
            .collect();
        pages.sort_by(|one, other| one.name.cmp(&other.name));
        pages
    }

    /// The page of this name, with its section.
    #[track_caller]
    #[must_use]
    pub fn named(name: &str) -> Self {
        let page = Self::all().into_iter().find(|page| page.name == name);
        page.unwrap_or_else(|| panic!("man/{name}: there is no such page"))
    }

    /// The sections' titles.
    pub fn sections(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.strip_prefix(".Sh ")).collect()
    }

    /// The lines of a section.
    fn section(&self, title: &str) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().map(String::as_str);
        let within = lines.skip_while(move |line| line.strip_prefix(".Sh ") != Some(title)).skip(1);
        within.take_while(|line| !line.starts_with(".Sh "))
    }

    /// What a section's list items name by this macro, as in `.It Ev A , B`.
    pub fn items(&self, title: &str, macro_name: &str) -> BTreeSet<String> {
        let start = format!(".It {macro_name}");
        let items = self.section(title).filter_map(|line| line.strip_prefix(&start));
        let words = items.flat_map(|item| item.split([' ', ',']));
        words.filter(|word| !word.is_empty() && *word != macro_name).map(str::to_owned).collect()
    }

    /// Options, as in `.It Fl u Ar uid , Fl v , V`.
    pub fn options(&self) -> BTreeSet<String> {
        let mut options = BTreeSet::new();
        for item in self.section("OPTIONS").filter_map(|line| line.strip_prefix(".It ")) {
            let mut is_option = false;
            for word in item.split(' ') {
                match word {
                    "Fl" => is_option = true,
                    "Ar" | "Cm" | "Ns" => is_option = false,
                    word if is_option && word != "," => drop(options.insert(word.to_owned())),
                    _ => {}
                }
            }
        }
        options
    }

    /// Numbers that are items of EXIT STATUS.
    pub fn exit_codes(&self) -> BTreeSet<u8> {
        let items = self.section("EXIT STATUS").filter_map(|line| line.strip_prefix(".It "));
        items.flat_map(|item| item.split([' ', ','])).filter_map(|word| word.parse().ok()).collect()
    }

    /// Words that are marked as something to be typed or to be seen.
    pub fn marked(&self) -> BTreeSet<String> {
        let mut marked = BTreeSet::new();
        for line in self.lines.iter().filter(|line| line.starts_with('.')) {
            let mut is_marked = false;
            for word in line.trim_start_matches('.').split(' ').filter(|word| *word != "It") {
                match word {
                    "Ql" | "Cm" | "Nm" | "Li" => is_marked = true,
                    "Ar" | "Xr" | "Ta" => is_marked = false,
                    word if is_marked => drop(marked.insert(word.trim_matches('"').to_owned())),
                    _ => {}
                }
            }
        }
        marked
    }

    /// What LOGGING says is logged: items, as in `.It Li "deny from ADDRESS: WHY"`, and what
    /// stands for a part of them, as in `.Ql rejected by rules.cdb ,`, if it is more than a word.
    pub fn logged(&self) -> BTreeSet<String> {
        let marked = self
            .section("LOGGING")
            .filter_map(|line| line.strip_prefix(".It Li ").or_else(|| line.strip_prefix(".Ql ")));
        let texts = marked.flat_map(|line| line.split(" , "));
        let texts =
            texts.map(|text| text.trim_start_matches("Li ").trim_end_matches([' ', ',', ';', '.']));
        let texts = texts.map(|text| match text.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap().to_owned(),
            None => text.replace(" :", ": REASON"),
        });
        let shown = texts.map(|text| text.replace("\\(dq", "\"").replace("\\e", "\\"));
        shown.filter(|text| text.contains(' ') && !text.contains("\\&")).collect()
    }

    /// What is referred to, as `NAME.SECTION`.
    pub fn references(&self) -> BTreeSet<String> {
        let words: Vec<_> = self.lines.iter().flat_map(|line| line.split([' ', '.'])).collect();
        let found = words.windows(3).filter(|words| words[0] == "Xr");
        found.map(|words| format!("{}.{}", words[1], words[2])).collect()
    }

    /// All of the text as one line, without the macros that lines begin with.
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let line = line.strip_prefix(".It ").unwrap_or(line);
            match line.strip_prefix('.') {
                Some(line) => line.split_once(' ').map_or("", |line| line.1),
                None => line.strip_prefix("Li ").unwrap_or(line),
            }
        });
        lines.collect::<Vec<_>>().join(" ").replace(['"'], "").replace("\\&", "")
    }

    /// The displays of EXAMPLES, as they are shown.
    pub fn displays(&self) -> Vec<String> {
        let examples = self.section("EXAMPLES").collect::<Vec<_>>().join("\n");
        let displays = examples.split(".Bd -literal").skip(1);
        let shown = displays.map(|display| {
            let (_, display) = display.split_once('\n').unwrap();
            display.split(".Ed").next().unwrap().replace("\\e", "\\")
        });
        shown.collect()
    }
}
