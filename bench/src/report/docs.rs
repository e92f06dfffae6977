//! Puts the last good table and the plots into the documentation, between two markers:
//! `make bench-docs`.

use serde::Deserialize;
use std::fs;
use std::io;
use std::path::Path;

const BEGIN: &str = "<!-- begin: written by make bench-docs -->\n";
const END: &str = "<!-- end -->";
const PLOTS: [&str; 2] = ["contestants.svg", "growth.svg"];

/// What of the results says whether they are good for it.
#[derive(Deserialize)]
struct Ran {
    parts: Vec<String>,
    quick: bool,
}

/// From the folder with a whole run's results into the folder with the document.
pub(crate) fn write(from: &Path, docs: &Path, all_parts: &[&str]) -> io::Result<()> {
    let results = fs::read_to_string(from.join("results.json"))?;
    let results: Ran = serde_json::from_str(&results)?;
    let is_whole = all_parts.iter().all(|part| results.parts.iter().any(|it| it == part));
    if !is_whole || results.quick {
        return Err(io::Error::other("the last run was not a whole one: run make bench first"));
    }
    let document = docs.join("performance.md");
    let text = fs::read_to_string(&document)?;
    let table = fs::read_to_string(from.join("table.md"))?;
    let replaced = between_markers(&text, &table)
        .ok_or_else(|| io::Error::other(format!("{}: no markers", document.display())))?;
    for plot in PLOTS {
        fs::copy(from.join(plot), docs.join(format!("performance-{plot}")))?;
    }
    fs::write(document, replaced)
}

fn between_markers(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let wanted = format!("before\n{BEGIN}\nnew\n\n{END}\nafter\n");
        assert_eq!(between_markers(&text, "new\n"), Some(wanted));
        assert_eq!(between_markers("no markers\n", "new\n"), None);
    }
}
