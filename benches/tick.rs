//! What does a tick cost, with requests on their way and with nothing to do?
//!
//! `request_response` is the whole way of N requests in one tick and of their N responses in the next, each pair of peers
//! of its own, over memory sockets; its figures are per pair of messages. `idle` is one tick of a hub with so many
//! connections, each with its ping and its nudge armed but none due.
use criterion::{BenchmarkId, Criterion, Throughput};
use peerhub::Config;

mod support;

use support::{Hall, frame};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for pair_count in [1, 100, 1_000] {
        request_response(&mut criterion, pair_count);
    }
    for connection_count in [1, 100_000] {
        idle(&mut criterion, connection_count);
    }
    criterion.final_summary();
}

fn request_response(criterion: &mut Criterion, pair_count: usize) {
    let mut hall = Hall::new(Config::default());
    let mut pairs = Vec::new();
    for _ in 0..pair_count {
        let (requester, responder) = (hall.join("room"), hall.join("room"));
        hall.discard(requester);
        hall.discard(responder);
        let text = |kind: &str, peer: usize| {
            frame(&format!(
                r#"{{"type":"{kind}","messageid":"a1b2c3d-k7vsj2og","peer":"client-{peer}","name":"n","content":"{}"}}"#,
                "x".repeat(32)
            ))
        };
        let request = text("request", responder);
        let response = text("response", requester);
        pairs.push((requester, responder, request, response));
    }
    let written_before = hall.written_bytes(0);
    let mut group = criterion.benchmark_group("tick/request_response");
    group.throughput(Throughput::Elements(pair_count as u64));
    group.bench_function(BenchmarkId::from_parameter(pair_count), |bencher| {
        bencher.iter(|| {
            for (requester, _, request, _) in &pairs {
                hall.send(*requester, request);
            }
            hall.tick();
            for (_, responder, _, response) in &pairs {
                hall.send(*responder, response);
            }
            hall.tick();
        });
    });
    assert!(hall.written_bytes(0) > written_before, "a response");
    group.finish();
}

fn idle(criterion: &mut Criterion, connection_count: usize) {
    // Deadlines lie somewhere in these intervals, so none is due while time stands still.
    let config = Config {
        ping_interval_ms: 600_000,
        nudge_interval_ms: 600_000,
        ..Config::default()
    };
    config.check().expect("settings in range");
    let mut hall = Hall::new(config);
    for _ in 0..connection_count {
        hall.connect();
    }
    let mut group = criterion.benchmark_group("tick/idle");
    group.bench_function(BenchmarkId::from_parameter(connection_count), |bencher| {
        bencher.iter(|| hall.tick());
    });
    group.finish();
}
