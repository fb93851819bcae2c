//! What does a timer cost, with a thousand others armed and with a million?
//!
//! Deadlines are spread over 60 s at a resolution of 10 ms, as ping and request deadlines are. All figures are per timer.
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use peerhub::index::TimerKey;
use peerhub::wheel::Wheel;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for timer_count in [1_000, 1_000_000] {
        arm(&mut criterion, timer_count);
        cancel(&mut criterion, timer_count);
        fire(&mut criterion, timer_count);
        rearm(&mut criterion, timer_count);
    }
    criterion.final_summary();
}

/// Arms all timers on a wheel that held as many before, so that no allocation is measured.
fn arm(criterion: &mut Criterion, timer_count: u64) {
    let mut group = criterion.benchmark_group("wheel/arm");
    group.throughput(Throughput::Elements(timer_count));
    group.sample_size(20);
    group.bench_function(BenchmarkId::from_parameter(timer_count), |bencher| {
        bencher.iter_batched_ref(
            || {
                let (mut wheel, keys) = armed(timer_count);
                for key in keys {
                    wheel.cancel(key);
                }
                wheel
            },
            |wheel| {
                for number in 0..timer_count {
                    wheel.arm(deadline_ms(number), number);
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Cancels all timers in the order of arming, which jumps about among the slots.
fn cancel(criterion: &mut Criterion, timer_count: u64) {
    let mut group = criterion.benchmark_group("wheel/cancel");
    group.throughput(Throughput::Elements(timer_count));
    group.sample_size(20);
    group.bench_function(BenchmarkId::from_parameter(timer_count), |bencher| {
        bencher.iter_batched_ref(
            || armed(timer_count),
            |(wheel, keys)| {
                for &key in &*keys {
                    black_box(wheel.cancel(key));
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Lets 60 s pass in steps of 10 ms until all timers have fired; cascades are part of it.
fn fire(criterion: &mut Criterion, timer_count: u64) {
    let mut group = criterion.benchmark_group("wheel/fire");
    group.throughput(Throughput::Elements(timer_count));
    group.sample_size(20);
    group.bench_function(BenchmarkId::from_parameter(timer_count), |bencher| {
        bencher.iter_batched_ref(
            || {
                (
                    armed(timer_count).0,
                    Vec::with_capacity(timer_count as usize),
                )
            },
            |(wheel, due)| {
                for step in 0..=SPREAD_MS / RESOLUTION_MS {
                    wheel.expire(START_MS + step * RESOLUTION_MS, due);
                }
                assert_eq!(due.len() as u64, timer_count);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// One cancel and one arm while the others stay: what an answered ping costs.
fn rearm(criterion: &mut Criterion, timer_count: u64) {
    let mut group = criterion.benchmark_group("wheel/rearm");
    let (mut wheel, mut keys) = armed(timer_count);
    let mut number = 0;
    group.bench_function(BenchmarkId::from_parameter(timer_count), |bencher| {
        bencher.iter(|| {
            number += 1;
            let key = &mut keys[(number % timer_count) as usize];
            wheel.cancel(*key);
            *key = wheel.arm(deadline_ms(number), number);
        });
    });
    group.finish();
}

fn armed(timer_count: u64) -> (Wheel<u64>, Vec<TimerKey>) {
    let mut wheel = Wheel::new(RESOLUTION_MS, START_MS);
    let keys = (0..timer_count)
        .map(|number| wheel.arm(deadline_ms(number), number))
        .collect();
    (wheel, keys)
}

/// Spreads deadlines evenly and without order: multiples of an odd number near 2^64 divided by the golden ratio.
fn deadline_ms(number: u64) -> u64 {
    START_MS + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % SPREAD_MS
}

const RESOLUTION_MS: u64 = 10;

const SPREAD_MS: u64 = 60_000;

/// A time of this decade, so that the digits of a tick are those of real use.
const START_MS: u64 = 1_790_000_000_000;
