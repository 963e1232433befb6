//! Which charts a report has: throughput, CPU and bytes to the device against topics, latency percentiles, and flushes.

use super::figures::Published;
use crate::layout::Mode;
use crate::layout::sweep::{ENGINES, Step};
use crate::layout::workload::CellResult;
use crate::measure::Spread;
use crate::plot::{Chart, Line};

/// A chart and the name of its file, without the ending.
pub(super) struct Plot {
    pub(super) name: String,
    pub(super) chart: Chart,
}

/// Latency is shown where so many topics are written, or as many as there are.
const TOPICS_OF_LATENCY: u32 = 1024;

/// Every chart that the run has figures for.
pub(super) fn plots(run: &Published) -> Vec<Plot> {
    let mut plots = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let steps = run.steps("topics", mode);
        let mut against_topics = |name: &str, title: &str, unit: &str, figure: Figure| {
            let lines = lines_over_topics(run, &steps, figure);
            plots.push(plot(name, mode, title, unit, lines));
        };
        against_topics("throughput", "throughput", "messages a second", |r| {
            Some(r.rate())
        });
        against_topics("cpu", "CPU per message", "microseconds", |r| {
            Some(r.cpu_us_per_message())
        });
        against_topics(
            "device",
            "bytes to the device per byte of a body",
            "bytes",
            CellResult::write_amplification,
        );
        if mode == Mode::Durable {
            against_topics(
                "flushes",
                "flushes of the device per message",
                "flushes",
                |r| r.device_flushes_per_message(),
            );
        }
        plots.extend(latency(run, &steps, mode));
    }
    for plot in &mut plots {
        // Layouts are orders of magnitude apart there.
        plot.chart.logarithmic = ["flushes", "latency"]
            .iter()
            .any(|name| plot.name.starts_with(name));
    }
    plots
}

type Figure = fn(&CellResult) -> Option<f64>;

fn plot(name: &str, mode: Mode, title: &str, unit: &str, lines: Vec<Line>) -> Plot {
    Plot {
        name: format!("{name}-{}", mode.name()),
        chart: Chart {
            title: format!("{} appends: {title}", mode.name()),
            x_label: "topics".to_owned(),
            y_label: unit.to_owned(),
            lines,
            ..Chart::default()
        },
    }
}

fn lines_over_topics(run: &Published, steps: &[Step], figure: Figure) -> Vec<Line> {
    ENGINES
        .into_iter()
        .enumerate()
        .map(|(colour, engine)| Line {
            name: engine.name().to_owned(),
            colour,
            points: steps
                .iter()
                .filter_map(|step| {
                    let spread = run.cell(step, engine, figure)?;
                    Some((f64::from(step.cell.topics), spread))
                })
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn latency(run: &Published, steps: &[Step], mode: Mode) -> Option<Plot> {
    let step = steps.iter().rfind(|s| s.cell.topics <= TOPICS_OF_LATENCY)?;
    // One in 2, in 100, ...: evenly spread on a logarithmic axis but for the median.
    let places = [2.0, 20.0, 200.0, 2000.0];
    let mut names = Vec::new();
    let lines = ENGINES
        .into_iter()
        .enumerate()
        .map(|(colour, engine)| {
            let mut points: Vec<(f64, Spread)> = Vec::new();
            for (i, place) in places.into_iter().enumerate() {
                let figure = |r: &CellResult| r.latency.named().get(i).map(|(_, us)| *us);
                points.extend(run.cell(step, engine, figure).map(|s| (place, s)));
            }
            Line {
                name: engine.name().to_owned(),
                colour,
                points,
            }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    for (place, name) in places.into_iter().zip(["p50", "p99", "p99.9", "p99.99"]) {
        names.push((place, name.to_owned()));
    }
    Some(Plot {
        name: format!("latency-{}", mode.name()),
        chart: Chart {
            title: format!(
                "{} appends: latency with {} topics",
                mode.name(),
                step.cell.topics
            ),
            x_label: "percentile".to_owned(),
            y_label: "microseconds".to_owned(),
            x_names: names,
            lines,
            ..Chart::default()
        },
    })
}
