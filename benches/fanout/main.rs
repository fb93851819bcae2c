//! What does it cost to publish to many, and is a channel better a list or a lane?
//!
//! `publish` is the whole way of one message: read from the publisher's socket, parsed, routed, encoded once, and written
//! to every subscriber's socket; the sockets are memory. Its figures are per receiver. `walk` compares two containers for
//! a channel's members.
use criterion::{BenchmarkId, Criterion, Throughput};
use peerhub::Config;

#[path = "../../tests/support/mod.rs"]
mod dice;
#[path = "../support/mod.rs"]
mod support;
mod walk;

use support::{Hall, frame};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for receiver_count in [1, 10, 1_000, 10_000] {
        publish(&mut criterion, receiver_count);
    }
    walk::walk_all(&mut criterion);
    criterion.final_summary();
}

fn publish(criterion: &mut Criterion, receiver_count: usize) {
    let mut hall = Hall::new(Config::default());
    let publisher = hall.join("room");
    let subscribe = frame(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
    for _ in 0..receiver_count {
        let subscriber = hall.join("room");
        hall.send(subscriber, &subscribe);
        hall.tick();
        hall.discard(subscriber);
    }
    let text = format!(
        r#"{{"type":"publish","messageid":"a1b2c3d-k7vsj2og","content":{{"channel":"news","message":"{}"}}}}"#,
        "x".repeat(100)
    );
    let message = frame(&text);
    let mut group = criterion.benchmark_group("fanout/publish");
    group.throughput(Throughput::Elements(receiver_count as u64));
    group.bench_function(BenchmarkId::from_parameter(receiver_count), |bencher| {
        bencher.iter(|| {
            hall.send(publisher, &message);
            hall.tick();
        });
    });
    assert!(hall.written_bytes(receiver_count) > text.len() as u64);
    group.finish();
}
