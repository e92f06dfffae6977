//! The figures as Markdown tables, which are readable on a terminal as well.

use std::fmt::Write;

use super::goal::Goal;
use super::results::{Curve, Results, median};

/// What a document shows: goals, figures, growth.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = results.machine.sentence();
    text.push('\n');
    if !results.goals.is_empty() {
        text.push_str(&goals_table(&results.goals));
    }
    for name in names(results.figures.iter().map(|figure| figure.table.as_str())) {
        text.push_str(&figures_table(results, name));
    }
    for name in names(results.curves.iter().map(|curve| curve.panel.as_str())) {
        text.push_str(&curves_table(results, name));
    }
    text
}

/// Each name once, in the order in which they come.
pub(crate) fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn goals_table(goals: &[Goal]) -> String {
    let heading = ["goal".to_owned(), "wanted".into(), "is".into(), "rounds".into(), String::new()];
    let row = |goal: &Goal| {
        let sign = if goal.at_least { "≥" } else { "≤" };
        let wanted = format!("{sign} {} {}", number(goal.bound), goal.unit);
        let (low, high) = goal.spread();
        let rounds = if goal.rounds.len() < 2 {
            String::new()
        } else {
            format!("{} to {}", number(low), number(high))
        };
        [
            goal.what.clone(),
            wanted.trim().to_owned(),
            number(goal.figure),
            rounds,
            goal.verdict.clone(),
        ]
        .to_vec()
    };
    aligned(&heading, &goals.iter().map(row).collect::<Vec<_>>())
}

/// One row for each contestant; the first column also as a ratio to the first row.
fn figures_table(results: &Results, table: &str) -> String {
    let of_table = || results.figures.iter().filter(|figure| figure.table == table);
    let columns = names(of_table().map(|figure| figure.column.as_str()));
    let contestants = names(of_table().map(|figure| figure.contestant.as_str()));
    let mut heading = vec![table.to_owned()];
    for (index, column) in columns.iter().enumerate() {
        heading.push((*column).to_owned());
        if index == 0 {
            heading.push("× the first".to_owned());
        }
    }
    let first = columns.first().copied().unwrap_or_default();
    let reference =
        contestants.first().map_or(f64::NAN, |it| median(results.rounds(table, it, first)));
    let mut rows = Vec::new();
    for contestant in contestants {
        let mut row = vec![contestant.to_owned()];
        for (index, column) in columns.iter().enumerate() {
            let value = median(results.rounds(table, contestant, column));
            row.push(number(value));
            if index == 0 {
                row.push(ratio(value / reference));
            }
        }
        rows.push(row);
    }
    for (_, contestant, reason) in results.missing.iter().filter(|(of, ..)| of == table) {
        rows.push(vec![contestant.clone(), format!("not measured: {reason}")]);
    }
    aligned(&heading, &rows)
}

fn curves_table(results: &Results, panel: &str) -> String {
    let curves: Vec<&Curve> = results.curves.iter().filter(|curve| curve.panel == panel).collect();
    let longest = curves.iter().max_by_key(|curve| curve.points.len());
    let points = longest.map(|curve| curve.points.as_slice()).unwrap_or_default();
    let mut heading = vec![panel.to_owned()];
    heading.extend(points.iter().map(|(at, _)| short(*at)));
    heading.push("grows as".to_owned());
    let row = |curve: &&Curve| {
        let mut row = vec![curve.name.clone()];
        for (at, _) in points {
            let point = curve.points.iter().find(|point| point.0.total_cmp(at).is_eq());
            row.push(point.map_or(String::new(), |(_, value)| number(*value)));
        }
        row.push(format!("n^{:.2}, {}", curve.exponent, curve.verdict()));
        row
    };
    aligned(&heading, &curves.iter().map(row).collect::<Vec<_>>())
}

impl Curve {
    /// What the exponent means; a rate that does not fall is flat.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.exponent {
            it if it < -0.15 => "falls",
            it if it <= 0.15 => "flat",
            it if it <= 1.15 => "linear or less",
            it if it.is_nan() => "not known",
            _ => "MORE THAN LINEAR",
        }
    }
}

/// Columns of equal width.
fn aligned(heading: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row.get(column)).chain([heading.get(column)]);
        cells.flatten().map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::from("\n");
    let mut line = |cells: &[String], fill: char| {
        for (column, width) in widths.iter().enumerate() {
            let cell = cells.get(column).map_or("", String::as_str);
            let pad: String = std::iter::repeat_n(fill, width - cell.chars().count()).collect();
            let _ = if column == 0 {
                write!(text, "| {cell}{pad} ")
            } else {
                write!(text, "| {pad}{cell} ")
            };
        }
        text.push_str("|\n");
    };
    line(heading, ' ');
    line(&[], '-');
    for row in rows {
        line(row, ' ');
    }
    text
}

/// With as many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value.is_nan() => "–".to_owned(),
        _ if size >= 100.0 => grouped(value),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 0.1 => format!("{value:.2}"),
        _ if size <= 0.0 => "0".to_owned(),
        _ => format!("{value:.4}"),
    }
}

/// Without a fraction, in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ratio(value: f64) -> String {
    if value.is_nan() { String::new() } else { format!("{value:.2}") }
}

/// As an axis has it: 1, 10k, 1M.
pub(crate) fn short(value: f64) -> String {
    match value {
        it if it >= 1e9 => format!("{}G", it / 1e9),
        it if it >= 1e6 => format!("{}M", it / 1e6),
        it if it >= 1e3 => format!("{}k", it / 1e3),
        it => format!("{it}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        let shown = [0.0, 0.0123, 0.123, 1.234, 12.34, 123.4, 1234.0, 1_234_567.0].map(number);
        let wanted = ["0", "0.0123", "0.12", "1.23", "12.3", "123", "1,234", "1,234,567"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn columns_are_of_equal_width() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned()]];
        let table = aligned(&["x".to_owned(), "per second".to_owned()], &rows);
        assert!(table.lines().skip(1).all(|line| line.chars().count() == 21), "{table}");
    }
}
