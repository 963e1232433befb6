//! Line charts as SVG, small enough to write by hand: a logarithmic x axis, a linear y axis from 0, a legend. Colours
//! and text read on light and dark pages alike.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 8] = [
    "#2f7ed8", "#d9534f", "#f0a030", "#4caf50", "#9467bd", "#17a2b8", "#8c564b", "#777777",
];
const INK: &str = "#808080";

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Points as (x, y); x above 0.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Above the chart.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
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
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <text x=\"{}\" y=\"20\" text-anchor=\"middle\" font-size=\"14\" fill=\"{INK}\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            escaped(&self.title)
        );
        let scale = Scale::of(&self.lines);
        self.axes(&scale, &mut svg);
        for (i, line) in self.lines.iter().enumerate() {
            self.line(i, line, &scale, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, scale: &Scale, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for i in 0..=4 {
            let value = scale.y_max * f64::from(i) / 4.0;
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
        let mut xs: Vec<f64> = self
            .lines
            .iter()
            .flat_map(|l| l.points.iter().map(|p| p.0))
            .collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        for x in xs {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>",
                scale.x(x),
                bottom + 18.0,
                short(x)
            );
        }
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\" stroke=\"{INK}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>\
             <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"{INK}\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 10.0,
            escaped(&self.x_label),
            (TOP + bottom) / 2.0,
            escaped(&self.y_label)
        );
    }

    fn line(&self, i: usize, line: &Line, scale: &Scale, svg: &mut String) {
        let colour = COLOURS[i % COLOURS.len()];
        let path: Vec<String> = line
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x), scale.y(*y)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in &line.points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                scale.x(*x),
                scale.y(*y)
            );
        }
        let y = TOP + 10.0 + 20.0 * i as f64;
        let x = WIDTH - RIGHT + 16.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{INK}\">{}</text>",
            x + 20.0,
            x + 26.0,
            y + 4.0,
            escaped(&line.name)
        );
    }
}

struct Scale {
    x_min: f64,
    x_max: f64,
    y_max: f64,
}

impl Scale {
    fn of(lines: &[Line]) -> Self {
        let xs = || lines.iter().flat_map(|l| l.points.iter().map(|p| p.0));
        let y_max = lines
            .iter()
            .flat_map(|l| l.points.iter().map(|p| p.1))
            .fold(0.0, f64::max);
        Self {
            x_min: xs().fold(f64::INFINITY, f64::min),
            x_max: xs().fold(0.0, f64::max),
            y_max: round_up(y_max),
        }
    }

    fn x(&self, x: f64) -> f64 {
        let span = (self.x_max / self.x_min).ln();
        let part = if span > 0.0 {
            (x / self.x_min).ln() / span
        } else {
            0.5
        };
        LEFT + part * (WIDTH - RIGHT - LEFT)
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / self.y_max * (HEIGHT - BOTTOM - TOP)
    }
}

/// The next of 1, 2, 4, 5, 8, 10 times a power of ten, so that quarters of it are short numbers.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0]
        .into_iter()
        .find(|s| s * power >= value)
        .unwrap_or(10.0);
    step * power
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", trimmed(v / 1e6)),
        v if v >= 1e3 => format!("{}k", trimmed(v / 1e3)),
        v => trimmed(v),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
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

    #[test]
    fn every_line_and_point_is_in_the_drawing() {
        let chart = Chart {
            title: "throughput & topics".to_owned(),
            x_label: "topics".to_owned(),
            y_label: "messages/s".to_owned(),
            lines: vec![
                Line {
                    name: "one".to_owned(),
                    points: vec![(1.0, 100_000.0), (10_000.0, 90_000.0)],
                },
                Line {
                    name: "many".to_owned(),
                    points: vec![(1.0, 80_000.0), (10_000.0, 2_000.0)],
                },
            ],
        };
        let svg = chart.to_svg();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.contains("throughput &amp; topics") && svg.contains(">10k<"));
    }

    #[test]
    fn axis_ends_are_round() {
        assert_eq!(
            [0.0, 0.7, 3.2, 98_000.0, 100_001.0].map(round_up),
            [1.0, 0.8, 4.0, 100_000.0, 200_000.0]
        );
    }
}
