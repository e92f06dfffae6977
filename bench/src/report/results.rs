//! The figures of one run.

use serde::Serialize;

use super::goal::Goal;
pub(crate) use super::goal::median;
use super::machine::Machine;

/// All that one run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Which parts have run.
    pub(crate) parts: Vec<String>,
    /// Whether it was only a check that the bench works.
    pub(crate) quick: bool,
    pub(crate) figures: Vec<Figure>,
    /// What could not be measured: table, contestant, reason.
    pub(crate) missing: Vec<(String, String, String)>,
    pub(crate) curves: Vec<Curve>,
    /// Computed from the figures, at the end.
    pub(crate) goals: Vec<Goal>,
}

/// One figure of one contestant.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) table: String,
    pub(crate) contestant: String,
    pub(crate) column: String,
    /// One for each round, in their order.
    pub(crate) rounds: Vec<f64>,
}

/// How something grows.
#[derive(Debug, Serialize)]
pub(crate) struct Curve {
    pub(crate) panel: String,
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// The power with which it grows, over the last tenfold.
    pub(crate) exponent: f64,
}

impl Results {
    pub(crate) fn new(quick: bool) -> Self {
        let machine = Machine::this();
        let (parts, figures, missing, curves, goals) = Default::default();
        Self { machine, parts, quick, figures, missing, curves, goals }
    }

    pub(crate) fn add(&mut self, table: &str, contestant: &str, column: &str, rounds: Vec<f64>) {
        let (table, contestant) = (table.to_owned(), contestant.to_owned());
        self.figures.push(Figure { table, contestant, column: column.to_owned(), rounds });
    }

    pub(crate) fn miss(&mut self, table: &str, contestant: &str, reason: &str) {
        println!("  {contestant}: not measured: {reason}");
        // The first reason will do.
        if self.missing.iter().any(|it| it.0 == table && it.1 == contestant) {
            return;
        }
        self.missing.push((table.to_owned(), contestant.to_owned(), reason.to_owned()));
    }

    pub(crate) fn add_curve(&mut self, panel: &str, name: &str, points: Vec<(f64, f64)>) {
        let exponent = exponent(&points);
        println!("  {name}: grows as n^{exponent:.2}");
        let (panel, name) = (panel.to_owned(), name.to_owned());
        self.curves.push(Curve { panel, name, points, exponent });
    }

    /// What a curve has at a point; `None` where that was not measured.
    pub(crate) fn point(&self, panel: &str, name: &str, at: f64) -> Option<f64> {
        let curve = self.curves.iter().find(|curve| curve.panel == panel && curve.name == name)?;
        let point = curve.points.iter().find(|point| (point.0 - at).abs() < 0.5)?;
        Some(point.1)
    }

    /// One figure's rounds; empty where it was not measured.
    pub(crate) fn rounds(&self, table: &str, contestant: &str, column: &str) -> &[f64] {
        let is_it =
            |it: &&Figure| it.table == table && it.contestant == contestant && it.column == column;
        self.figures.iter().find(is_it).map(|figure| figure.rounds.as_slice()).unwrap_or_default()
    }
}

/// How steep the curve is where it ends, on logarithmic axes: from the last point that
/// is at most a tenth as far.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let Some(&(end, last)) = points.last() else { return f64::NAN };
    let from = points.iter().rev().find(|(at, _)| *at <= end / 10.0).or(points.first());
    from.map_or(f64::NAN, |&(at, value)| (last / value).ln() / (end / at).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_that_of_the_end() {
        let square: Vec<_> = [1.0, 10.0, 100.0].map(|n: f64| (n, 5.0 + n * n)).to_vec();
        assert!((exponent(&square) - 2.0).abs() < 0.05);
        let flat_then_linear: Vec<_> = [1.0, 10.0, 1e4, 1e5].map(|n| (n, 100.0 + n)).to_vec();
        assert!((exponent(&flat_then_linear) - 1.0).abs() < 0.01);
        assert!(exponent(&[(1.0, 8.0), (10.0, 8.0), (100.0, 8.0)]).abs() < 1e-9);
    }
}
