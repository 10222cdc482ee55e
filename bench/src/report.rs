//! Lines of figures: percentiles, and what a target says to them.
use std::time::Duration;

/// Prints one line.
#[expect(clippy::print_stdout, reason = "a benchmark's result is its output")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Measured times, in order of size.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Times {
        times.sort_unstable();
        Times(times)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that `percent` of all do not exceed, in milliseconds.
    pub fn ms(&self, percent: f64) -> f64 {
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// `what  p50 … p95 … p99 … n …`
pub fn times(what: &str, times: &Times) {
    say(&format!(
        "  {what:<52} p50 {:>8.2}  p95 {:>8.2}  p99 {:>8.2} ms  n {}",
        times.ms(50.0),
        times.ms(95.0),
        times.ms(99.0),
        times.count()
    ));
}

/// Says whether a figure keeps its target; 1 where it does not.
pub fn at_most(what: &str, figure: f64, target: f64, unit: &str) -> usize {
    verdict(what, figure, "≤", target, unit, figure <= target)
}

pub fn at_least(what: &str, figure: f64, target: f64, unit: &str) -> usize {
    verdict(what, figure, "≥", target, unit, figure >= target)
}

fn verdict(what: &str, figure: f64, relation: &str, target: f64, unit: &str, kept: bool) -> usize {
    let word = if kept { "ok" } else { "MISSED" };
    let ratio = if target > 0.0 { format!("  ratio {:.2}", figure / target) } else { String::new() };
    say(&format!("  {word:<6} {what:<50} {figure:>9.2} {unit}  target {relation} {target} {unit}{ratio}"));
    usize::from(!kept)
}

/// The middle one of several figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
