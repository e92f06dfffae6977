//! The pages that name tests: what they name must exist.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Pages that say which test shows something, as `FILE::NAME` or as a case's file.
const PAGES: [&str; 2] = ["docs/past-cves.md", "docs/under-attack.md"];
/// Folders that such a name begins with.
const FOLDERS: [&str; 9] = [
    "acceptance/",
    "admin/",
    "checkpassword/",
    "proto/",
    "tlsserver/",
    "tools/",
    "unix/",
    "docs/",
    "man/",
];

/// Words in backquotes that begin like a path are files; behind `::` is a test in it.
pub(crate) fn each_test_that_a_page_names_exists() -> Result<()> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for page in PAGES {
        let text = fs::read_to_string(top.join(page)).with_context(|| page.to_owned())?;
        let mut tests = 0;
        for word in text.split('`').skip(1).step_by(2) {
            if !FOLDERS.iter().any(|folder| word.starts_with(folder)) {
                continue;
            }
            let (file, test) = word.split_once("::").unwrap_or((word, ""));
            let path = top.join(file);
            ensure!(path.exists(), "{page} names {file}, which is not there");
            if !test.is_empty() {
                let source = fs::read_to_string(&path)?;
                let there = [format!("fn {test}("), format!("\"{test}\"")];
                let is_there = there.iter().any(|written| source.contains(written.as_str()));
                ensure!(is_there, "{page} names {word}, and {file} has no such test");
            }
            tests += usize::from(!test.is_empty() || file.ends_with(".case"));
        }
        ensure!(page != "docs/past-cves.md" || tests > 20, "{page} names only {tests} tests");
    }
    Ok(())
}
