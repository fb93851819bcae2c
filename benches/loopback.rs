//! What does a message cost from end to end, over loopback, and how far is that from the floors?
//!
//! `benches/beside` in small: a process for each server, alone on one CPU if there are two, and the same load on each.
//! `fanout` is one publication to all subscribers, `pairs` one request and its answer, each with others under way. The
//! times are those of both sides together and move with what else runs: compare within one run.
use criterion::{BenchmarkId, Criterion, Throughput};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

#[path = "beside/rig/mod.rs"]
mod rig;

use rig::gauge::Cpus;
use rig::load::{Pairs, Room, Until};
use rig::servers::{self, Running, Server};
use rig::speech::Speech;

const SUBSCRIBERS: usize = 100;
const UNDER_WAY: usize = 32;
const PAIRS: usize = 100;
const SIZE: usize = 128;

fn main() -> ExitCode {
    if let Some(ended) = servers::be_a_floor_if_told() {
        return ended;
    }
    let cpus = Cpus::find().expect("Linux knows its CPUs");
    let all = servers::all(Path::new(env!("CARGO_BIN_EXE_peerhub")));
    let servers: Vec<Server> = ["peerhub", "peerhub-tls", "limit", "limit-batch"]
        .into_iter()
        .filter_map(|name| all.iter().find(|server| server.name == name).cloned())
        .collect();
    let mut criterion = Criterion::default().configure_from_args();
    fanout(&mut criterion, &servers, cpus);
    pairs(&mut criterion, &servers, cpus);
    criterion.final_summary();
    ExitCode::SUCCESS
}

fn fanout(criterion: &mut Criterion, servers: &[Server], cpus: Option<Cpus>) {
    let mut group = criterion.benchmark_group("loopback/fanout");
    group.throughput(Throughput::Elements(SUBSCRIBERS as u64));
    for server in servers {
        // Nobody is started who is not asked for.
        let mut opened: Option<(Running, Room)> = None;
        let id = BenchmarkId::from_parameter(&server.name);
        group.bench_function(id, |bencher| {
            let (_, room) = opened.get_or_insert_with(|| {
                let running = server.start(cpus).expect("the server starts");
                let counts = (SUBSCRIBERS, 1);
                let room = Room::open(
                    running.door.clone(),
                    speech(server),
                    counts,
                    SIZE,
                    UNDER_WAY,
                );
                (running, room.expect("everybody hears"))
            });
            bencher.iter_custom(|count| {
                let begun = Instant::now();
                room.run(Until::Sent(count)).expect("everything arrives");
                begun.elapsed()
            });
        });
        if let Some((_, room)) = &mut opened {
            let faults = room.finish().expect("poll works");
            assert!(faults.is_none(), "{}: {faults}", server.name);
        }
    }
    group.finish();
}

fn pairs(criterion: &mut Criterion, servers: &[Server], cpus: Option<Cpus>) {
    let mut group = criterion.benchmark_group("loopback/pairs");
    group.throughput(Throughput::Elements(1));
    for server in servers {
        let mut opened: Option<(Running, Pairs)> = None;
        let id = BenchmarkId::from_parameter(&server.name);
        group.bench_function(id, |bencher| {
            let (_, pairs) = opened.get_or_insert_with(|| {
                let running = server.start(cpus).expect("the server starts");
                let pairs = Pairs::open(running.door.clone(), speech(server), PAIRS, SIZE);
                (running, pairs.expect("everybody joins"))
            });
            bencher.iter_custom(|count| {
                let begun = Instant::now();
                pairs.run(Until::Sent(count)).expect("all are answered");
                begun.elapsed()
            });
        });
        if let Some((_, pairs)) = &mut opened {
            let faults = pairs.finish().expect("poll works");
            assert!(faults.is_none(), "{}: {faults}", server.name);
        }
    }
    group.finish();
}

fn speech(server: &Server) -> Speech {
    if server.name.starts_with("peerhub") {
        Speech::Ok
    } else {
        Speech::Floor
    }
}
