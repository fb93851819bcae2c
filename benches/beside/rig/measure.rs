//! One case with one server: what it costs.

use super::case::Load;
use super::gauge::{self, Gauge, Used};
use super::load::arrivals::{self, Presence, Visits};
use super::load::{Door, Faults, LoadError, Pairs, Room, Until};
use super::speech::Speech;
use hdrhistogram::Histogram;
use std::time::Duration;

/// How long things take.
#[derive(Clone, Copy)]
pub struct Spans {
    /// Before anything counts.
    pub warm_up: Duration,
    /// While it counts.
    pub measured: Duration,
    /// For the server to become still, before its memory is read.
    pub still: Duration,
}

impl Spans {
    /// While clients do nothing, which is longer: what servers then do of their own accord, as pings, they do every few
    /// seconds at most, and not at all in the first seconds after a client has come.
    pub fn idle(self) -> Duration {
        10 * self.measured
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Deliveries, round trips or connections per second.
    pub per_second: Option<f64>,
    /// Processor time of the server for each delivery, message or connection, in microseconds.
    pub micros: Option<f64>,
    /// The part of it that was not the kernel's.
    pub user_micros: Option<f64>,
    /// The half, 99 % and 99.9 % of the times, in milliseconds.
    pub latency_ms: Option<[f64; 3]>,
    /// What a joined connection adds to the server's memory.
    pub bytes_each: Option<f64>,
    /// How many of them there were.
    pub connections: Option<usize>,
    /// Memory of the server with one client, in bytes.
    pub empty_bytes: Option<f64>,
    /// Processor time of the server while nobody does anything, in percent of one CPU.
    pub idle_percent: Option<f64>,
    /// Processor time of the server, of the load and of all others, in percent of one CPU.
    pub server_percent: f64,
    pub load_percent: f64,
    pub others_percent: f64,
    pub faults: Faults,
}

/// Puts the server at `address`, which is the process `pid`, under a load.
///
/// # Errors
/// If the load cannot be made. What went wrong with single deliveries is in the figures.
pub fn measure(
    door: Door,
    pid: u32,
    speech: Speech,
    load: Load,
    spans: Spans,
) -> Result<Figures, LoadError> {
    match load {
        Load::Fanout {
            n,
            size,
            window,
            publishers,
        } => {
            let mut room = Room::open(door, speech, (n, publishers), size, window)?;
            room.run(Until::Passed(spans.warm_up))?;
            let (gauge, before) = (Gauge::read(pid)?, room.delivered());
            room.forget_times();
            room.run(Until::Passed(spans.measured))?;
            let used = gauge.used(pid)?;
            let delivered = (room.delivered() - before) as f64;
            let latency = millis(room.latency());
            Ok(Figures {
                per_second: Some(delivered / used.seconds),
                latency_ms: latency,
                ..figures(used, delivered, room.finish()?)
            })
        }
        Load::Rate {
            n,
            size,
            per_second,
        } => {
            let mut room = Room::open(door, speech, (n, 1), size, 1)?;
            let pace = room.pace(per_second as f64);
            let count_in = |span: Duration| (span.as_secs_f64() * per_second as f64).ceil() as u64;
            room.run_at(pace, count_in(spans.warm_up))?;
            let (gauge, before) = (Gauge::read(pid)?, room.delivered());
            room.forget_times();
            room.run_at(pace, count_in(spans.measured))?;
            let faults = room.finish()?;
            let used = gauge.used(pid)?;
            let delivered = (room.delivered() - before) as f64;
            Ok(Figures {
                per_second: Some(delivered / used.seconds),
                latency_ms: millis(room.latency()),
                ..figures(used, delivered, faults)
            })
        }
        Load::Pairs { pairs, size } => {
            let mut pairs = Pairs::open(door, speech, pairs, size)?;
            pairs.run(Until::Passed(spans.warm_up))?;
            let (gauge, before) = (Gauge::read(pid)?, pairs.answered());
            pairs.forget_times();
            pairs.run(Until::Passed(spans.measured))?;
            let used = gauge.used(pid)?;
            let answered = (pairs.answered() - before) as f64;
            let latency = millis(pairs.latency());
            Ok(Figures {
                per_second: Some(answered / used.seconds),
                latency_ms: latency,
                ..figures(used, 2.0 * answered, pairs.finish()?)
            })
        }
        Load::Connect { at_once } => {
            let mut visits = Visits::new(door, speech, at_once)?;
            visits.run(Until::Passed(spans.warm_up))?;
            let (gauge, before) = (Gauge::read(pid)?, visits.joined());
            visits.forget_times();
            visits.run(Until::Passed(spans.measured))?;
            let used = gauge.used(pid)?;
            let joined = (visits.joined() - before) as f64;
            let latency = millis(visits.latency());
            Ok(Figures {
                per_second: Some(joined / used.seconds),
                latency_ms: latency,
                ..figures(used, joined, visits.finish()?)
            })
        }
        Load::Idle { n } => idle(door, pid, speech, n, spans),
        Load::Presence { n } => {
            let mut presence = Presence::new(door, speech)?;
            let gauge = Gauge::read(pid)?;
            let faults = presence.run(n)?;
            let used = gauge.used(pid)?;
            let told = presence.told() as f64;
            Ok(Figures {
                per_second: Some(told / used.seconds),
                latency_ms: millis(presence.latency()),
                ..figures(used, told, faults)
            })
        }
    }
}

/// What clients cost that do nothing. One is there before the rest, so that what is set up once does not count.
fn idle(
    door: Door,
    pid: u32,
    speech: Speech,
    count: usize,
    spans: Spans,
) -> Result<Figures, LoadError> {
    let mut crowd = arrivals::idlers(door, speech)?;
    crowd.gather(1)?;
    crowd.idle(spans.still)?;
    let empty_bytes = gauge::resident_bytes(pid)? as f64;
    crowd.gather(count)?;
    crowd.idle(spans.still)?;
    let bytes = gauge::resident_bytes(pid)? as f64;
    let gauge = Gauge::read(pid)?;
    crowd.idle(spans.idle())?;
    let used = gauge.used(pid)?;
    let faults = Faults {
        lost: crowd.lost(),
        ..Faults::default()
    };
    let idle = figures(used, 1.0, faults);
    Ok(Figures {
        micros: None,
        user_micros: None,
        bytes_each: Some((bytes - empty_bytes) / count as f64),
        connections: Some(count),
        empty_bytes: Some(empty_bytes),
        idle_percent: Some(idle.server_percent),
        ..idle
    })
}

fn figures(used: Used, units: f64, faults: Faults) -> Figures {
    let percent = |micros: f64| micros / used.seconds / 1e4;
    let each = |micros: f64| (units > 0.0).then_some(micros / units);
    Figures {
        micros: each(used.server),
        user_micros: each(used.server_user),
        server_percent: percent(used.server),
        load_percent: percent(used.load),
        others_percent: percent(used.others),
        faults,
        ..Figures::default()
    }
}

fn millis(histogram: &Histogram<u64>) -> Option<[f64; 3]> {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
    (!histogram.is_empty()).then(|| [at(0.5), at(0.99), at(0.999)])
}
