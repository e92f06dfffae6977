//! The picture in the README is drawn from its source.

use std::fs;
use std::path::Path;
use std::process::Command;
use test_support::needs;
use test_support::needs::skipped;
use test_support::run::succeeds;

#[test]
fn the_picture_is_what_its_source_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let kept = fs::read_to_string(docs.join("chain.svg")).expect("docs/chain.svg");
    needs!("dot");
    let drawn = succeeds(Command::new("dot").arg("-Tsvg").arg(docs.join("chain.dot")));
    // Each version of dot, which names itself, lays things out a little differently.
    let version = |svg: &str| svg.lines().find(|line| line.contains("graphviz")).map(str::to_owned);
    assert!(version(&drawn).is_some(), "dot draws nothing");
    if version(&drawn) != version(&kept) {
        return skipped("the picture", "it was drawn by another version of dot");
    }
    assert!(drawn == kept, "docs/chain.dot has changed: run make picture");
}
