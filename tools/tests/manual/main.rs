//! The manual pages, and pages of `docs`, against the code: what a program reads,
//! writes and says stands in its page, its page names nothing else, and every page is
//! in order.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is a test")]

mod administrator;
mod log_page;
mod page;
mod source;
mod switching_page;

use page::Page;
use proto::login::handoff::Name;
use proto::login::outcome::{Exit, Outcome, Who};
use proto::relay::rules::Rules;
use proto::ucspi_tls::is_fact_name;
use source::{Program, Source, is_name, root, texts};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use test_support::needs::skipped;

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
const NOT_SAID: [&str; 10] = [
    // For who asks for help, with nothing to say about it.
    "usage: qmail-qfilter-addtlsheader",
    "/dev/null",
    "os error",
    "/proc/",
    "/status",
    "Uid",
    "empty.XXXXXX",
    "limit on descriptors",
    "BEGIN ENCRYPTED PRIVATE KEY",
    "Proc-Type: 4,ENCRYPTED",
];

fn page_of(program: &Program) -> Page {
    Page::named(&format!("{}.8", program.name))
}

#[test]
fn every_name_in_the_code_is_in_the_page_and_back() {
    for program in Program::all() {
        let (page, names) = (page_of(&program), program.names());
        let variables = page.items("ENVIRONMENT", "Ev");
        let files: BTreeSet<_> = page
            .items("CONTROL FILES", "Pa")
            .iter()
            .map(|file| file.strip_prefix("control/").unwrap().to_owned())
            .collect();
        let (marked, options) = (page.marked(), page.options());
        let is_there = |name: &&String| {
            let lists = [&variables, &files, &marked];
            lists.iter().any(|list| list.contains(*name)) || options.contains(&format!("-{name}"))
        };
        let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "man/{}: missing: {missing:?}", page.name);
        for name in variables.iter().chain(&files) {
            let reported = name == "SSL_*"
                && is_fact_name(b"SSL_PROTOCOL")
                && program.mentions("is_fact_name");
            let handed_on = program.mentions("handoff::")
                && Name::ALL.iter().any(|known| known.variable() == name);
            // tlsserver takes some with a host's name behind a colon.
            let is_there = name.split(':').next().is_some_and(|name| names.contains(name));
            assert!(
                is_there || reported || handed_on,
                "man/{}: {name} is not in the code",
                page.name
            );
        }
    }
}

#[test]
fn every_text_in_the_code_is_in_a_page() {
    let mut pages: BTreeMap<_, Vec<Page>> = BTreeMap::new();
    for program in Program::all() {
        for source in &program.sources {
            for text in
                source.literals().iter().filter(|text| !is_name(text)).flat_map(|text| texts(text))
            {
                let key = (source.path.clone(), text);
                pages.entry(key).or_default().push(page_of(&program));
            }
        }
    }
    pages.retain(|(_, text), pages| {
        !NOT_SAID.contains(&text.as_str()) && !pages.iter().any(|page| page.text().contains(text))
    });
    let missing: Vec<_> = pages.keys().collect();
    assert!(missing.is_empty(), "in no page: {missing:#?}");
}

#[test]
fn every_option_is_in_the_page_and_back() {
    for program in Program::all() {
        let page = page_of(&program);
        assert_eq!(program.options(), page.options(), "man/{}", page.name);
    }
}

/// The usage text may be wrong; what the parser takes is not.
#[test]
fn authup_takes_no_option_but_those_in_its_page() {
    let letters = (b'0'..=b'z').map(char::from).filter(char::is_ascii_alphanumeric);
    let taken: BTreeSet<_> = letters
        .map(String::from)
        .filter(|letter| {
            let ran = Command::new(env!("CARGO_BIN_EXE_authup"))
                .args([&format!("-{letter}"), "3", "smtp", "true"])
                .env("QMAILHOME", "/nonexistent")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            !String::from_utf8(ran.stderr).unwrap().contains("usage")
        })
        .collect();
    let mut options = Page::named("authup.8").options();
    // Long ones are for whoever asks about the program.
    options.retain(|option| !option.starts_with('-'));
    assert_eq!(taken, options);
}

#[test]
fn every_exit_code_is_in_the_page_and_back() {
    for program in Program::all() {
        let page = page_of(&program);
        let mut codes = program.exit_codes();
        if program.name == "authup" {
            codes.extend((0..=u8::MAX).filter(|&code| {
                let of = |who| Outcome::of(Exit::Code(code), who);
                of(Who::Anybody) != Outcome::Completed(code) || of(Who::Root) == Outcome::Refused
            }));
        }
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

#[test]
fn pages_of_programs_have_one_shape() {
    for program in Program::all() {
        let page = page_of(&program);
        let known = page.sections().into_iter().filter(|title| SECTIONS.contains(title));
        assert_eq!(known.collect::<Vec<_>>(), SECTIONS, "man/{}", page.name);
    }
}

#[test]
fn the_page_on_control_files_has_all_of_them_and_all_of_the_grammar() {
    let page = Page::named("acceptutils-control.5");
    let pages = Program::all().into_iter().map(|program| page_of(&program));
    let files: BTreeSet<_> = pages.flat_map(|page| page.items("CONTROL FILES", "Pa")).collect();
    assert_eq!(page.items("CONTROL FILES", "Pa"), files);

    let (text, marked) = (page.text(), page.marked());
    for word in Source::read(root().join("proto/src/relay/rules.rs")).literals() {
        let is_there = if is_name(&word) { marked.contains(&word) } else { text.contains(&word) };
        assert!(is_there, "man/{}: {word} is missing", page.name);
    }
}

#[test]
fn the_rules_explained_are_those_that_we_ship() {
    let shipped = std::fs::read_to_string(root().join("contrib/control/fixsmtpio")).unwrap();
    let rules = shipped.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let displays = Page::named("acceptutils-control.5").displays();
    let explained: BTreeSet<_> = displays.iter().flat_map(|display| display.lines()).collect();
    assert_eq!(explained, rules.collect());
    assert_eq!(Rules::parse(shipped.as_bytes()).err(), None);
}

#[test]
fn run_scripts_in_the_overview_are_shell() {
    let scripts = Page::named("acceptutils.7").displays();
    assert!(!scripts.is_empty());
    for script in scripts {
        let ran = Command::new("/bin/sh").args(["-n", "-c", &script]).output().unwrap();
        assert!(ran.status.success(), "{script}\n{ran:?}");
        assert!(script.contains("exec tlsserver "), "{script}");
        // What a backslash continues is one command, with nothing behind it.
        let (_, command) = script.split_once("exec tlsserver ").unwrap();
        assert_eq!(command.trim_end().lines().count() - 1, command.matches(" \\\n").count());
    }
}

#[test]
fn references_among_the_pages_hold() {
    let pages = Page::all();
    let names: BTreeSet<_> = pages.iter().map(|page| page.name.clone()).collect();
    for page in &pages {
        for reference in page.references() {
            let (name, _) = reference.rsplit_once('.').unwrap();
            let ours = names.iter().any(|known| known.rsplit_once('.').unwrap().0 == name);
            assert!(!ours || names.contains(&reference), "man/{}: {reference}", page.name);
        }
    }
    let overview = Page::named("acceptutils.7").references();
    for name in names.iter().filter(|name| name.ends_with(".8")) {
        assert!(overview.contains(name), "man/acceptutils.7: {name} is missing");
    }
}

#[test]
fn mandoc_finds_nothing_to_complain_of() {
    let pages = Page::all();
    let paths = pages.iter().map(|page| &page.path);
    let Ok(ran) = Command::new("mandoc").args(["-T", "lint"]).args(paths).output() else {
        return skipped("the manual pages by mandoc", "needs mandoc");
    };
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.code().is_some_and(|level| level <= 1), "more than style: {said}");
    // Which pages are installed on this machine is not the matter.
    let is_serious = |line: &&str| !line.contains("STYLE: referenced manual not found");
    let complaints: Vec<_> = said.lines().filter(is_serious).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
