//! `mainstem store check`: findings as a person or a program reads them, and a bar where somebody watches.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use mainstem_store::inspect::{
    CheckOptions, CheckProgress, Finding, Inspection, LogExtent, Report, Severity,
};

use super::{is_json, sizes};
use crate::arguments::{Format, StoreDirectory};
use crate::failure::Failure;
use crate::output::Output;

/// Checks a directory; fails without a message when something is wrong.
pub(crate) fn run(directory: &StoreDirectory, format: Format) -> Result<(), Failure> {
    let cannot = |error: mainstem_store::inspect::InspectError| Failure::Usage(error.to_string());
    let inspection = Inspection::open(&directory.dir, &sizes(directory)?).map_err(cannot)?;
    let bar = bar();
    let mut progress = |progress: CheckProgress| {
        if let Some(bar) = &bar {
            bar.set_length(progress.total_bytes);
            bar.set_position(progress.done_bytes);
        }
    };
    let mut options = CheckOptions {
        is_json: &is_json,
        progress: &mut progress,
    };
    let report = inspection.check(&mut options).map_err(cannot)?;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let mut out = Output::stdout();
    match format {
        Format::Text => text(&report, &mut out)?,
        Format::Json => {
            let mut value = serde_json::to_value(&report).map_err(Failure::failed)?;
            if let Some(object) = value.as_object_mut() {
                object.insert("sound".to_owned(), report.is_sound().into());
            }
            out.line(value.to_string().as_bytes())?;
        }
    }
    out.flush()?;
    if report.is_sound() {
        Ok(())
    } else {
        Err(Failure::No)
    }
}

fn bar() -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(
        "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    ) {
        bar.set_style(style);
    }
    Some(bar)
}

fn text(report: &Report, out: &mut Output) -> Result<(), Failure> {
    let log = &report.log;
    let stop = match (report.last_writer, report.clean_stop) {
        ("nobody", _) => "never written".to_owned(),
        (writer, true) => format!("written by {writer}, stopped cleanly"),
        (writer, false) => format!("written by {writer}, not stopped cleanly"),
    };
    out.line(format!("{}: {stop}", report.directory).as_bytes())?;
    out.line(extent(log).as_bytes())?;
    out.line(
        format!(
            "{} records; {} queues, {} units and {} index entries compared with them",
            log.records, report.queues, report.units, report.index_entries
        )
        .as_bytes(),
    )?;
    for finding in &report.findings {
        out.line(b"")?;
        print(finding, out)?;
    }
    if report.more_findings > 0 {
        out.line(format!("\nand {} more", report.more_findings).as_bytes())?;
    }
    let wrong = report
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Expected);
    let wrong = wrong.count() as u64 + report.more_findings;
    out.line(b"")?;
    let verdict = match (report.worst(), wrong) {
        (Severity::Expected, _) => "sound".to_owned(),
        (Severity::Rebuilt, n) => {
            format!("{n} found; nothing is lost, and the next start makes it good")
        }
        (Severity::Repairable, n) => format!("{n} found; nothing is lost, but it takes a repair"),
        (Severity::Lost, n) => format!("{n} found; data is lost"),
    };
    Ok(out.line(verdict.as_bytes())?)
}

/// What the log holds and where the next message goes. Ends are said as what comes next, which repairs take as well.
fn extent(log: &LogExtent) -> String {
    let floor = log.durable_floor.map_or_else(String::new, |floor| {
        format!("; what lies before position {floor} is on the disk for certain")
    });
    if log.start == log.end {
        return format!(
            "the log is empty and goes on at position {}{floor}",
            log.end
        );
    }
    format!(
        "the log holds positions {} to {} and goes on at {}{floor}",
        log.start,
        log.end - 1,
        log.end
    )
}

fn print(finding: &Finding, out: &mut Output) -> Result<(), Failure> {
    let label = match finding.severity {
        Severity::Expected => "note",
        Severity::Rebuilt => "harmless, will be rebuilt",
        Severity::Repairable => "needs repair, nothing lost",
        Severity::Lost => "DATA LOST",
    };
    let place = finding
        .offset
        .map_or_else(String::new, |offset| format!(" at byte {offset}"));
    out.line(format!("{label}: {}{place}", finding.file).as_bytes())?;
    out.line(format!("    {}", finding.message).as_bytes())?;
    out.line(format!("    {}", finding.remedy).as_bytes())?;
    for (number, command) in finding.commands.iter().enumerate() {
        let or = if number > 0 { "or " } else { "" };
        out.line(format!("    {or}{command}").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_names_the_last_position_and_the_next_one() {
        let log = LogExtent {
            start: 100,
            end: 200,
            durable_floor: Some(150),
            ..LogExtent::default()
        };
        assert_eq!(
            extent(&log),
            "the log holds positions 100 to 199 and goes on at 200; what lies before position 150 is on the disk for certain"
        );
        let log = LogExtent {
            start: 200,
            end: 200,
            ..LogExtent::default()
        };
        assert_eq!(extent(&log), "the log is empty and goes on at position 200");
    }
}
