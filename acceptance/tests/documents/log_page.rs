//! `docs/logging.md` against the code: its tables hold what the programs can say, no
//! less and no more. And the pages' LOGGING against its tables; that they leave nothing
//! out is tested beside this.
//!
//! A text is a string literal of more than one word. What the code puts into it, and
//! what the page writes in capitals, is taken for the same.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use test_support::manual::page::Page;
use test_support::manual::source::{Program, Source, files_in, is_name, root};

/// Words that stand for what differs from line to line.
const STAND_FOR_SOMETHING: [&str; 34] = [
    "ADDRESS", "CHILD", "CODE", "COUNT", "FAULT", "FILE", "HOW", "KEY", "LIMIT", "LINE", "N",
    "NAME", "OCTET", "OPTION", "PID", "PROG", "PROGRAM", "PROTOCOL", "REASON", "SIGNAL", "STATUS",
    "STEP", "TEXT", "USAGE", "USER", "VALUE", "WHAT", "WHICH", "WHY", "CONTROL", "FOLDER",
    "SERVICE", "RESULT", "PAIRS",
];
/// What the code looks for, or signs, and does not say.
const NOT_SAID: [&str; 7] = [
    "* BYE server is not ready",
    "NO [UNAVAILABLE] server is not ready",
    // How lines end that are listed whole.
    "(* from *)",
    "(os error",
    "TLS 1.3, server CertificateVerify",
    "BEGIN ENCRYPTED PRIVATE *",
    "Proc-Type: 4,ENCRYPTED",
];

/// Where `proto` has lines, and words for what is wrong with a file or with what was handed
/// over.
const FAULTS: &[&str] = &[
    "channel/keyholder.rs",
    "checkpassword/reader.rs",
    "imap/preauth.rs",
    "login/report.rs",
    "other_protocol.rs",
    "passwd_file/mod.rs",
    "proxy_header.rs",
    "relay/rules/grammar.rs",
    "failures/settings.rs",
    "failures/source.rs",
    "logfmt.rs",
    "login/summary.rs",
    "../../unix/src/failures/file.rs",
];

/// A text with `*` for all that differs.
fn form(text: &str) -> String {
    let mut form = String::new();
    let mut word = String::new();
    let pieces = text.split('{').map(|piece| piece.split_once('}').map_or(piece, |piece| piece.1));
    let text = pieces.collect::<Vec<_>>().join("\u{0}");
    for letter in text.chars().chain([' ']) {
        if letter.is_alphanumeric() {
            word.push(letter);
            continue;
        }
        form.push_str(if STAND_FOR_SOMETHING.contains(&word.as_str()) { "*" } else { &word });
        word.clear();
        form.push(if letter == '\u{0}' { '*' } else { letter });
    }
    form.replace(['"', '\\'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there are two words in it, or one that begins or ends something.
fn says_something(form: &str) -> bool {
    form.contains(' ')
        && form.contains(|letter: char| letter.is_alphabetic())
        && !NOT_SAID.contains(&form)
}

fn texts(sources: &[Source]) -> BTreeSet<String> {
    let literals = sources.iter().flat_map(Source::literals).filter(|literal| !is_name(literal));
    literals.map(|literal| form(&literal)).filter(|form| says_something(form)).collect()
}

/// All of tlsserver, which is three programs in one, but for its tests.
fn tlsserver() -> Vec<Source> {
    files_in(&root().join("tlsserver/src")).into_iter().map(Source::read).collect()
}

/// What stands between backquotes in the first columns of the page's tables.
fn listed() -> BTreeSet<String> {
    let page = read_to_string(root().join("docs/logging.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(line, _)| form(&line.replace("\\|", "|")))
        .filter(|form| says_something(form))
        .collect()
}

/// Whether a text is made of what the tables list: a line, with words, numbers or other
/// lines for what differs, or two such with a colon between. One word says nothing.
fn is_made_of(listed: &BTreeSet<String>, text: &str) -> bool {
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|letter| letter.is_lowercase());
    text.split(' ').filter(is_word).count() < 2
        || listed.iter().any(|form| fits(listed, form, text))
        || text.match_indices(": ").any(|(at, colon)| {
            is_made_of(listed, &text[..at]) && is_made_of(listed, &text[at + colon.len()..])
        })
}

/// Whether a text is of this form, with what is listed, or says nothing, for each `*`.
fn fits(listed: &BTreeSet<String>, form: &str, text: &str) -> bool {
    let Some((before, behind)) = form.split_once('*') else { return form == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let mut cuts = ends.map(|end| rest.split_at(end));
    cuts.any(|(what, rest)| {
        what.len() < text.len() && fits(listed, behind, rest) && is_made_of(listed, what)
    })
}

/// That what is said is in a page is tested beside this.
#[test]
fn pages_say_that_nothing_is_logged_but_what_docs_logging_lists() {
    let listed = listed();
    let mut invented = Vec::new();
    for program in Program::all() {
        let page = Page::named(&format!("{}.8", program.name));
        // A reply has its code, and is none of the log's.
        for text in page.logged().into_iter().filter(|text| !text.contains("(#")) {
            let line = form(text.trim_start_matches(&format!("{}: ", program.name)));
            if ![&line, &format!("*: {line}")].iter().any(|line| is_made_of(&listed, line)) {
                invented.push(format!("man/{}: {text}", page.name));
            }
        }
    }
    assert!(invented.is_empty(), "not in docs/logging.md: {invented:#?}");
}

#[test]
fn docs_logging_lists_what_is_said_and_nothing_else() {
    let faults = FAULTS.iter().map(|file| Source::read(root().join("proto/src").join(file)));
    let faults: Vec<_> = faults.collect();
    let mut said: BTreeSet<_> = texts(&tlsserver()).union(&texts(&faults)).cloned().collect();
    for program in Program::all() {
        said.extend(texts(&program.sources));
    }
    for answer in ["usage: qmail-qfilter-addtlsheader", "usage: *"] {
        said.remove(answer);
    }
    let mut listed = listed();
    // It is put together of the options; the manual page has it, and the page here what that has.
    let is_put_together = |form: &String| form.starts_with("usage: tlsserver ");
    said.retain(|form| !is_put_together(form));
    listed.retain(|form| !is_put_together(form));
    let (missing, invented): (Vec<_>, Vec<_>) =
        (said.difference(&listed).collect(), listed.difference(&said).collect());
    assert!(missing.is_empty(), "not in docs/logging.md: {missing:#?}");
    assert!(invented.is_empty(), "in docs/logging.md, and never said: {invented:#?}");
}
