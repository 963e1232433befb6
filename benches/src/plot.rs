//! Line charts as SVG, small enough to write by hand: a logarithmic x axis, a linear or logarithmic y axis, spreads as
//! whiskers, a legend. Colours and text read on light and dark pages alike.

use std::fmt::Write;

use crate::measure::Spread;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 180.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
const COLOURS: [&str; 8] = [
    "#2f7ed8", "#d9534f", "#f0a030", "#4caf50", "#9467bd", "#17a2b8", "#8c564b", "#777777",
];
const INK: &str = "#808080";

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its colour's number, the same in every chart that it is in.
    pub colour: usize,
    /// Points as x (above 0) and the runs' spread.
    pub points: Vec<(f64, Spread)>,
}

/// A chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// Names for x values; where there are none, the points' own values are shown.
    pub x_names: Vec<(f64, String)>,
    /// Powers of ten on the y axis, for values that lie far apart.
    pub logarithmic: bool,
    /// What it shows.
    pub lines: Vec<Line>,
}

impl Chart {
    /// The chart as an SVG document.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        // Writing into a String does not fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <text x=\"{}\" y=\"22\" text-anchor=\"middle\" font-size=\"15\" fill=\"{INK}\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            escaped(&self.title)
        );
        let scale = Scale::of(&self.lines, self.logarithmic);
        self.axes(&scale, &mut svg);
        for (i, line) in self.lines.iter().enumerate() {
            line.draw(i, &scale, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, scale: &Scale, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for value in scale.y_ticks() {
            let y = scale.y(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"{INK}\" stroke-opacity=\"0.25\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{INK}\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                short(value)
            );
        }
        for (x, name) in self.x_ticks() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>",
                scale.x(x),
                bottom + 18.0,
                escaped(&name)
            );
        }
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\" stroke=\"{INK}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>\
             <text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 12.0,
            escaped(&self.x_label),
            (TOP + bottom) / 2.0,
            escaped(&self.y_label)
        );
    }

    fn x_ticks(&self) -> Vec<(f64, String)> {
        if !self.x_names.is_empty() {
            return self.x_names.clone();
        }
        let mut xs: Vec<f64> = self
            .lines
            .iter()
            .flat_map(|l| l.points.iter().map(|p| p.0))
            .collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs.into_iter().map(|x| (x, short(x))).collect()
    }
}

impl Line {
    fn draw(&self, i: usize, scale: &Scale, svg: &mut String) {
        let colour = COLOURS[self.colour % COLOURS.len()];
        // Lines that lie upon each other stay apart at their whiskers.
        let shift = (i as f64 - 2.0) * 2.0;
        let path: Vec<String> = self
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x) + shift, scale.y(y.median)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &self.points {
            let at = scale.x(*x) + shift;
            let _ = writeln!(
                svg,
                "<circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>\
                 <line x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-opacity=\"0.6\"/>",
                scale.y(y.median),
                scale.y(y.min),
                scale.y(y.max)
            );
        }
        let y = TOP + 10.0 + 22.0 * i as f64;
        let x = WIDTH - RIGHT + 22.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{INK}\">{}</text>",
            x + 20.0,
            x + 26.0,
            y + 4.0,
            escaped(&self.name)
        );
    }
}

struct Scale {
    x_min: f64,
    x_max: f64,
    y_min: f64,
    y_max: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(lines: &[Line], logarithmic: bool) -> Self {
        let points = || lines.iter().flat_map(|l| l.points.iter());
        let y_max = points().map(|p| p.1.max).fold(0.0, f64::max);
        let least = points()
            .map(|p| p.1.min)
            .filter(|y| *y > 0.0)
            .fold(y_max.max(1e-9), f64::min);
        let power = |value: f64, round: fn(f64) -> f64| 10f64.powf(round(value.log10()));
        Self {
            x_min: points().map(|p| p.0).fold(f64::INFINITY, f64::min),
            x_max: points().map(|p| p.0).fold(0.0, f64::max),
            y_min: if logarithmic {
                power(least, f64::floor)
            } else {
                0.0
            },
            y_max: if logarithmic {
                power(y_max.max(1e-9), f64::ceil).max(power(least, f64::floor) * 10.0)
            } else {
                round_up(y_max)
            },
            logarithmic,
        }
    }

    fn x(&self, x: f64) -> f64 {
        let span = (self.x_max / self.x_min).ln();
        let part = if span > 0.0 {
            (x / self.x_min).ln() / span
        } else {
            0.5
        };
        // Room on both sides for whiskers that are set apart.
        LEFT + 12.0 + part * (WIDTH - RIGHT - LEFT - 24.0)
    }

    fn y(&self, y: f64) -> f64 {
        let part = if self.logarithmic {
            (y.max(self.y_min) / self.y_min).ln() / (self.y_max / self.y_min).ln()
        } else {
            y / self.y_max
        };
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }

    fn y_ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return (0..=4).map(|i| self.y_max * f64::from(i) / 4.0).collect();
        }
        std::iter::successors(Some(self.y_min), |y| Some(y * 10.0))
            .take_while(|y| *y <= self.y_max * 1.01)
            .collect()
    }
}

/// The next number above whose quarters are short.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|s| s * power >= value)
        .unwrap_or(10.0);
    step * power
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", trimmed(v / 1e6)),
        v if v >= 1e4 => format!("{}k", trimmed(v / 1e3)),
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    let digits = if value >= 0.1 || value == 0.0 { 2 } else { 4 };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        let spread = |y: f64| Spread {
            min: y * 0.9,
            median: y,
            max: y * 1.1,
        };
        Line {
            name: name.to_owned(),
            colour: 0,
            points: points.iter().map(|(x, y)| (*x, spread(*y))).collect(),
        }
    }

    #[test]
    fn every_line_and_point_is_in_the_drawing() {
        let mut chart = Chart {
            title: "throughput & topics".to_owned(),
            lines: vec![
                line("one", &[(1.0, 100_000.0), (10_000.0, 90_000.0)]),
                line("many", &[(1.0, 80_000.0), (10_000.0, 2_000.0)]),
            ],
            ..Chart::default()
        };
        for logarithmic in [false, true] {
            chart.logarithmic = logarithmic;
            let svg = chart.to_svg();
            assert_eq!(svg.matches("<polyline").count(), 2);
            assert_eq!(svg.matches("<circle").count(), 4);
            assert!(svg.contains("throughput &amp; topics") && svg.contains(">10k<"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn axis_ends_are_round() {
        assert_eq!(
            [0.0, 0.7, 3.2, 98_000.0, 100_001.0].map(round_up),
            [1.0, 0.8, 4.0, 100_000.0, 120_000.0]
        );
    }
}
