//! Manual pages against the programs that they are of: what a program reads, writes and says
//! stands in its page, its page names nothing else, and all have one shape.
//!
//! A package asks this of its own programs, in `tests/manual.rs`. What a program takes it
//! says itself; names and exit codes are those of the tables that it uses; what it says, and
//! which rows it uses, is read from its source ([`source`]), so that there is no list to keep.

pub mod page;
pub mod source;

use page::Page;
use proto::login::handoff::Name;
use proto::names::{ControlFile, Variable};
use proto::ucspi_tls::is_fact_name;
use source::{Program, is_name, named_in, texts};
use std::collections::BTreeSet;
use std::process::Command;

use crate::run::{output, stdout};

/// The sections that each program's page has, in this order, with others between.
const SECTIONS: [&str; 11] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "ENVIRONMENT",
    "CONTROL FILES",
    "EXIT STATUS",
    "LOGGING",
    "EXAMPLES",
    "SECURITY",
    "SEE ALSO",
];

/// What the code looks for in the system's words and files, and does not say; and
/// what a jail says of servers only.
const NOT_SAID: [&str; 14] = [
    // For who asks for help, with nothing to say about it.
    "usage: qmail-qfilter-addtlsheader",
    "/dev/null",
    "os error",
    "/proc/",
    "/status",
    "/task/",
    "/children",
    "/comm",
    "Uid",
    "empty.XXXXXX",
    "limit on descriptors",
    "BEGIN ENCRYPTED PRIVATE KEY",
    "Proc-Type: 4,ENCRYPTED",
    // A file that is compiled in.
    "short-names",
];

/// The questions that each package asks of its programs: pairs of a name and a file. Of a file,
/// `$options` tells which options it takes; of a name, `$codes` which exit codes it has
/// besides those in its code.
#[macro_export]
macro_rules! manual_holds {
    ($package:literal, $programs:expr, $options:expr, $codes:expr) => {
        #[test]
        fn every_name_in_the_code_is_in_the_page_and_back() {
            $crate::manual::holds_names($package);
        }

        #[test]
        fn every_text_in_the_code_is_in_a_page() {
            $crate::manual::holds_texts($package);
        }

        #[test]
        fn every_option_is_in_the_page_and_back() {
            for (name, program) in $programs {
                $crate::manual::holds_options(&format!("{name}.8"), &$options(program));
            }
        }

        #[test]
        fn every_exit_code_is_in_the_page_and_back() {
            $crate::manual::holds_exit_codes($package, $codes);
        }

        #[test]
        fn pages_of_programs_have_one_shape() {
            for (name, _) in $programs {
                let page = $crate::manual::page::Page::named(&format!("{name}.8"));
                $crate::manual::has_its_shape(&page);
            }
        }
    };
}

/// The page of a program.
#[must_use]
pub fn page_of(program: &Program) -> Page {
    Page::named(&format!("{}.8", program.name))
}

/// The variables and control files that a package's programs use are in their pages, and back.
#[track_caller]
pub fn holds_names(package: &str) {
    for program in Program::of_package(package) {
        let page = page_of(&program);
        let path = |file: ControlFile| format!("control/{}", file.name());
        let files = named_in(&program.sources, ControlFile::ALL, path);
        assert_eq!(page.items("CONTROL FILES", "Pa"), files, "man/{}", page.name);

        let mut variables = named_in(&program.sources, Variable::ALL, |one| one.name());
        if program.mentions("handoff::") {
            variables.extend(Name::ALL.map(|one| one.variable().name().to_owned()));
        }
        if program.mentions("is_fact_name") && is_fact_name(b"SSL_PROTOCOL") {
            variables.insert("SSL_*".into());
        }
        let listed = page.items("ENVIRONMENT", "Ev");
        // tlsserver takes some with a host's name behind a colon.
        let listed = listed.iter().map(|name| name.split(':').next().unwrap().to_owned());
        assert_eq!(listed.collect::<BTreeSet<_>>(), variables, "man/{}", page.name);
    }
}

/// Texts in the code of a package's programs are in a page of a program that has them; those of
/// one word, such as values, are marked in its own page or are options there.
#[track_caller]
pub fn holds_texts(package: &str) {
    let all: Vec<_> = Program::all().into_iter().map(|one| (page_of(&one).text(), one)).collect();
    for program in Program::of_package(package) {
        let page = page_of(&program);
        let (marked, options) = (page.marked(), page.options());
        for source in &program.sources {
            let literals = source.literals();
            for word in literals.iter().filter(|text| is_name(text)) {
                let is_there = marked.contains(word) || options.contains(&format!("-{word}"));
                assert!(is_there, "{}: not in man/{}: {word}", source.path.display(), page.name);
            }
            for text in literals.iter().filter(|text| !is_name(text)).flat_map(|text| texts(text)) {
                let is_there = NOT_SAID.contains(&text.as_str())
                    || all.iter().any(|(page, one)| one.has(source) && page.contains(&text));
                assert!(is_there, "{}: in no page: {text:?}", source.path.display());
            }
        }
    }
}

/// The options that a program takes are in its page, and back.
#[track_caller]
pub fn holds_options(page: &str, taken: &BTreeSet<String>) {
    assert_eq!(&Page::named(page).options(), taken, "man/{page}");
}

/// The options in what a program, a file, says of its usage, without their first hyphen, and
/// those that all programs take.
#[must_use]
pub fn options_of(program: &str) -> BTreeSet<String> {
    let usage = stdout(&output(Command::new(program).arg("--help"), b""));
    let words = usage.split([' ', '[', ']', '=', '\n']).filter_map(|word| word.strip_prefix('-'));
    let said = words.flat_map(|word| match word.starts_with('-') {
        true => vec![word.to_owned()],
        false => word.chars().map(String::from).collect(),
    });
    said.chain(["-help", "-version"].map(str::to_owned)).collect()
}

/// Exit codes in the code of a package's programs, and others that they are known to have,
/// are in their pages, and back.
#[track_caller]
pub fn holds_exit_codes(package: &str, others: impl Fn(&str) -> BTreeSet<u8>) {
    for program in Program::of_package(package) {
        let page = page_of(&program);
        let codes: BTreeSet<u8> = &program.exit_codes() | &others(&program.name);
        let mut listed = page.exit_codes();
        // What went well needs no name in the code.
        listed.remove(&0);
        assert_eq!(listed, codes, "man/{}", page.name);
        for source in &program.sources {
            let path = source.path.display();
            assert!(!source.has_nameless_exit_code(), "{path}: see proto::exit_code");
        }
    }
}

/// A program's page has the sections that all have.
#[track_caller]
pub fn has_its_shape(page: &Page) {
    let known = page.sections().into_iter().filter(|title| SECTIONS.contains(title));
    assert_eq!(known.collect::<Vec<_>>(), SECTIONS, "man/{}", page.name);
}
