//! The figures as SVG: `curves` has what grows, on logarithmic axes, `bars` the
//! contestants side by side. The few shapes that they are made of are here.

pub(crate) mod bars;
pub(crate) mod curves;

use std::fmt::Write;

/// Told apart by anybody who sees colours at all; Okabe and Ito's.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];
const INK: &str = "#222222";
const FAINT: &str = "#dddddd";

/// Where the text begins, or ends, or has its middle.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing, from top left, in pixels.
struct Drawing {
    shapes: String,
}

impl Drawing {
    fn new() -> Self {
        Self { shapes: String::new() }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.shapes,
            "<line x1='{x1:.1}' y1='{y1:.1}' x2='{x2:.1}' y2='{y2:.1}' stroke='{colour}'/>"
        );
    }

    /// A line through all points, with a dot on each.
    fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{x:.1},{y:.1} ");
            let _ =
                writeln!(self.shapes, "<circle cx='{x:.1}' cy='{y:.1}' r='3' fill='{colour}'/>");
        }
        let _ = writeln!(
            self.shapes,
            "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='1.5'/>",
            path.trim_end()
        );
    }

    fn bar(&mut self, at: (f64, f64), size: (f64, f64), colour: &str) {
        let ((x, y), (width, height)) = (at, size);
        let _ = writeln!(
            self.shapes,
            "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{colour}'/>"
        );
    }

    fn text(&mut self, at: (f64, f64), anchor: Anchor, style: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let (x, y) = at;
        let _ = writeln!(
            self.shapes,
            "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}' {style}>{text}</text>"
        );
    }

    /// The whole file.
    fn finish(self, width: f64, height: f64) -> String {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0}' height='{height:.0}' \
             viewBox='0 0 {width:.0} {height:.0}' font-family='sans-serif' font-size='11' \
             fill='{INK}'>\n<rect width='100%' height='100%' fill='white'/>\n{}</svg>\n",
            self.shapes
        )
    }
}
