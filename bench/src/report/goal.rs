//! One thing that is wanted, and how far what was measured is from it.

use serde::Serialize;

/// One thing that is wanted, and what was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) at_least: bool,
    pub(crate) bound: f64,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
    /// The rounds' median.
    pub(crate) figure: f64,
    /// "met", or by what factor it is missed.
    pub(crate) verdict: String,
}

impl Goal {
    pub(super) fn new(
        what: &str,
        at_least: bool,
        bound: f64,
        unit: &'static str,
        rounds: Vec<f64>,
    ) -> Self {
        let figure = median(&rounds);
        let ratio = figure / bound;
        let verdict = verdict(if at_least { 1.0 / ratio } else { ratio });
        Self { what: what.to_owned(), at_least, bound, unit, rounds, figure, verdict }
    }

    /// Of the rounds.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let by = |pick: fn(f64, f64) -> f64| self.rounds.iter().copied().fold(f64::NAN, pick);
        (by(f64::min), by(f64::max))
    }
}

/// From what the figure would have to be multiplied or divided by.
fn verdict(short: f64) -> String {
    if short.is_nan() {
        "not measured".to_owned()
    } else if short <= 1.0 {
        "met".to_owned()
    } else {
        format!("MISSED by {short:.2}")
    }
}

/// The middle one, or the mean of the two in the middle; not a number of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half.wrapping_sub(1)), sorted.get(half)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }
}
