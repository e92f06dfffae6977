//! The contestants side by side: the first column of each table.

use super::{Anchor, COLOURS, Drawing};
use crate::report::results::{Results, median};
use crate::report::table::{names, number};

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 270.0;
const LONGEST: f64 = 400.0;
const ROW: f64 = 18.0;
const HEADING: f64 = 34.0;

/// A bar that is more than so many times the first one's length is cut off.
const CUT: f64 = 3.0;

/// All tables, each to its own scale.
pub(crate) fn draw(results: &Results) -> String {
    let mut drawing = Drawing::new();
    let mut y = 0.0;
    for table in names(results.figures.iter().map(|figure| figure.table.as_str())) {
        let of_table = || results.figures.iter().filter(|figure| figure.table == table);
        let Some(column) = of_table().next().map(|figure| figure.column.as_str()) else { continue };
        let rows: Vec<(&str, f64)> = of_table()
            .filter(|figure| figure.column == column)
            .map(|figure| (figure.contestant.as_str(), median(&figure.rounds)))
            .collect();
        let style = "font-size='13' font-weight='bold'";
        let heading = format!("{table}: {column}");
        drawing.text((10.0, y + HEADING - 10.0), Anchor::Start, style, &heading);
        y = bars(&mut drawing, y + HEADING, &rows);
    }
    drawing.finish(WIDTH, y + 12.0)
}

/// One table's, from this height on; says where they end.
fn bars(drawing: &mut Drawing, mut y: f64, rows: &[(&str, f64)]) -> f64 {
    let cut = rows.first().map_or(0.0, |row| row.1 * CUT);
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max).min(cut);
    for (name, value) in rows {
        let length = if most > 0.0 { value.min(most) / most * LONGEST } else { 0.0 };
        drawing.text((LEFT - 6.0, y + 12.0), Anchor::End, "", name);
        drawing.bar((LEFT, y + 2.0), (length.max(0.0), ROW - 5.0), colour(name));
        if *value > most {
            drawing.bar((LEFT + LONGEST - 20.0, y + 2.0), (6.0, ROW - 5.0), "white");
        }
        drawing.text((LEFT + length + 5.0, y + 12.0), Anchor::Start, "", &number(*value));
        y += ROW;
    }
    y
}

/// Ours, what stands for nothing but itself, and the others.
fn colour(name: &str) -> &'static str {
    use crate::parts::{BARE, DOVECOT, NGINX, TLSWRAPPER, startup::NOTHING};
    let is_bare = [BARE, NOTHING, "smtpfront-echo", "bench-stand-in"].contains(&name);
    let is_peer = [NGINX, TLSWRAPPER, DOVECOT].contains(&name) || name.starts_with("C ");
    if is_bare {
        "#888888"
    } else if is_peer {
        COLOURS[1]
    } else {
        COLOURS[0]
    }
}
