//! What a machine of today makes of the textbook's comparison of copies.

use super::overlap;
use crate::copies::{ALL_WAYS, Cache, Transfer, Way};
use crate::measure::Spread;
use crate::report::figures::Published;
use crate::report::task::{Figures, Task};

pub(super) fn textbook(run: &Published) -> Option<String> {
    let [warm, cold] = [Cache::Warm, Cache::Cold];
    let ms = |way, cache| of(run, way, cache, |t| t.seconds * 1e3);
    let cpu = |way| Some(of(run, way, warm, |t| t.sender.cpu_ns as f64 / 1e6)?.median);
    let (read_write, send_file) = (Way::ReadWrite, Way::SendFile);
    let saved = |a: f64, b: f64| (1.0 - b / a.max(1e-12)) * 100.0;
    let (time, time_by_sendfile) = (ms(read_write, warm)?.median, ms(send_file, warm)?.median);
    let (spent, spent_by_sendfile) = (cpu(read_write)?, cpu(send_file)?);
    Some(format!(
        "**220 ms against 120 ms for 200 MB**, the textbook's figures for read + write against sendfile (45 % saved): this machine takes \
         {time:.0} and {time_by_sendfile:.0} ms warm ({:.0} % saved), {:.0} and {:.0} ms cold; the sender's CPU is {spent:.0} and \
         {spent_by_sendfile:.0} ms warm ({:.0} % saved). Fastest warm: {}; fastest cold: {}. The receiver copies out of its socket in \
         every way, over loopback on the same processors.",
        saved(time, time_by_sendfile),
        ms(read_write, cold)?.median,
        ms(send_file, cold)?.median,
        saved(spent, spent_by_sendfile),
        fastest(run, warm)?,
        fastest(run, cold)?,
    ))
}

fn of(run: &Published, way: Way, cache: Cache, figure: fn(&Transfer) -> f64) -> Option<Spread> {
    run.spread(
        |task| matches!(task, Task::Copies { way: w, cache: c, .. } if *w == way && *c == cache),
        |figures| match figures {
            Figures::Copies(transfer) => Some(figure(transfer)),
            _ => None,
        },
    )
}

/// The fastest way and those that the runs do not tell from it.
fn fastest(run: &Published, cache: Cache) -> Option<String> {
    let mut ways: Vec<(Way, Spread)> = ALL_WAYS
        .into_iter()
        .filter_map(|way| Some((way, of(run, way, cache, |t| t.seconds)?)))
        .collect();
    ways.sort_by(|a, b| a.1.median.total_cmp(&b.1.median));
    let (first, best) = *ways.first()?;
    let level: Vec<&str> = ways[1..]
        .iter()
        .filter(|(_, time)| overlap(best, *time))
        .map(|(way, _)| way.name())
        .collect();
    Some(if level.is_empty() {
        first.name().to_owned()
    } else {
        format!("{}, level with {}", first.name(), level.join(" and "))
    })
}
