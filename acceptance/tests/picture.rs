//! The picture in the README is drawn from its source.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn the_picture_is_what_its_source_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let kept = fs::read_to_string(docs.join("chain.svg")).expect("docs/chain.svg");
    let drawn = Command::new("dot").arg("-Tsvg").arg(docs.join("chain.dot")).output();
    let skipped = |why: &str| {
        let _nobody_listens = writeln!(std::io::stderr(), "SKIPPED: the picture: {why}");
    };
    let Ok(drawn) = drawn else { return skipped("not installed: dot (graphviz)") };
    let drawn = String::from_utf8(drawn.stdout).expect("text");
    // Each version of dot, which names itself, lays things out a little differently.
    let version = |svg: &str| svg.lines().find(|line| line.contains("graphviz")).map(str::to_owned);
    assert!(version(&drawn).is_some(), "dot draws nothing");
    if version(&drawn) != version(&kept) {
        return skipped("it was drawn by another version of dot");
    }
    assert!(drawn == kept, "docs/chain.dot has changed: run make picture");
}
