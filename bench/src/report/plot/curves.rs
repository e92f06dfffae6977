//! One panel for each thing that grows.

use super::{Anchor, COLOURS, Drawing, FAINT, INK};
use crate::report::results::{Curve, Results};
use crate::report::table::{names, short};

/// A panel with its title and legend, and the axes within it.
const PANEL: (f64, f64) = (470.0, 330.0);
const LEFT: f64 = 55.0;
const TOP: f64 = 82.0;
const WIDE: f64 = 385.0;
const HIGH: f64 = 210.0;
const COLUMNS: usize = 2;

/// All panels.
pub(crate) fn draw(results: &Results) -> String {
    let panels = names(results.curves.iter().map(|curve| curve.panel.as_str()));
    let mut drawing = Drawing::new();
    for (index, name) in panels.iter().enumerate() {
        let curves: Vec<&Curve> = results.curves.iter().filter(|it| it.panel == *name).collect();
        let corner = ((index % COLUMNS) as f64 * PANEL.0, (index / COLUMNS) as f64 * PANEL.1);
        panel(&mut drawing, corner, name, &curves);
    }
    drawing.finish(PANEL.0 * COLUMNS as f64, PANEL.1 * panels.len().div_ceil(COLUMNS) as f64)
}

/// One axis, in powers of ten; what is 0 stands where the axis begins.
#[derive(Clone, Copy)]
struct Axis {
    low: i32,
    high: i32,
    from_zero: bool,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = values.clone().filter(|value| *value > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        let most = positive.fold(0.0, f64::max);
        if most <= 0.0 {
            return Self { low: 0, high: 1, from_zero: false };
        }
        let from_zero = values.clone().any(|value| value <= 0.0);
        let low = least.log10().floor() as i32 - i32::from(from_zero);
        let high = (most.log10().ceil() as i32).max(low + 1);
        Self { low, high, from_zero }
    }

    /// From 0 to 1.
    fn place(self, value: f64) -> f64 {
        if value <= 0.0 {
            return 0.0;
        }
        (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    fn ticks(self) -> impl Iterator<Item = (f64, String)> {
        (self.low..=self.high).map(move |power| {
            let value = 10_f64.powi(power);
            let is_zero = self.from_zero && power == self.low;
            (value, if is_zero { "0".to_owned() } else { short(value) })
        })
    }
}

fn panel(drawing: &mut Drawing, corner: (f64, f64), name: &str, curves: &[&Curve]) {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let across = Axis::of(points().map(|point| point.0));
    let up = Axis::of(points().map(|point| point.1));
    let (left, top) = (corner.0 + LEFT, corner.1 + TOP);
    let place = |x: f64, y: f64| (left + across.place(x) * WIDE, top + HIGH - up.place(y) * HIGH);
    // The words after the last comma are what the axis has.
    let (what, of) = name.rsplit_once(", ").unwrap_or((name, ""));
    drawing.text((left, corner.1 + 20.0), Anchor::Start, "font-size='14' font-weight='bold'", what);
    drawing.text((left + WIDE, top + HIGH + 32.0), Anchor::End, "font-style='italic'", of);
    for (value, label) in across.ticks() {
        let x = left + across.place(value) * WIDE;
        drawing.line((x, top), (x, top + HIGH), FAINT);
        drawing.text((x, top + HIGH + 15.0), Anchor::Middle, "", &label);
    }
    for (value, label) in up.ticks() {
        let y = top + HIGH - up.place(value) * HIGH;
        drawing.line((left, y), (left + WIDE, y), FAINT);
        drawing.text((left - 5.0, y + 4.0), Anchor::End, "", &label);
    }
    drawing.line((left, top), (left, top + HIGH), INK);
    drawing.line((left, top + HIGH), (left + WIDE, top + HIGH), INK);
    for (index, (curve, colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let places: Vec<_> = curve.points.iter().map(|&(x, y)| place(x, y)).collect();
        drawing.path(&places, colour);
        let y = corner.1 + 38.0 + 14.0 * index as f64;
        drawing.bar((left, y - 8.0), (12.0, 8.0), colour);
        let legend = format!("{}: n^{:.2}, {}", curve.name, curve.exponent, curve.verdict());
        drawing.text((left + 18.0, y), Anchor::Start, "", &legend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_goes_from_power_to_power() {
        let axis = Axis::of([3.0, 2000.0].into_iter());
        assert_eq!((axis.low, axis.high), (0, 4));
        assert!((axis.place(100.0) - 0.5).abs() < 1e-9);
        let labels: Vec<String> = axis.ticks().map(|tick| tick.1).collect();
        assert_eq!(labels, ["1", "10", "100", "1k", "10k"]);
    }

    #[test]
    fn nothing_has_a_place_of_its_own() {
        let axis = Axis::of([0.0, 1.0, 10.0].into_iter());
        assert_eq!(axis.place(0.0), 0.0);
        assert_eq!(axis.place(1.0), 0.5);
        assert_eq!(axis.ticks().next().map(|tick| tick.1), Some("0".to_owned()));
    }
}
