//! What does it cost to join a linkage of N peers and to leave it again?
//!
//! One round is connect, initiate, depart and forget, in the hub alone; nothing is encoded. `unheard` measures the
//! indexes, since nobody is told; in `heard` everybody in the linkage is told of both.
use std::hash::RandomState;
use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BenchmarkId, Criterion};
use peerhub::config::Scope;
use peerhub::hub::command::{Command, Initiation};
use peerhub::hub::event::Outbox;
use peerhub::hub::id::FreshIds;
use peerhub::hub::{Hub, Rules};
use peerhub::index::PeerKey;

#[path = "../tests/support/mod.rs"]
mod dice;

use dice::Dice;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for member_count in [1, 100, 10_000] {
        for (name, heard) in [("unheard", false), ("heard", true)] {
            join_and_leave(&mut criterion, name, heard, member_count);
        }
    }
    criterion.final_summary();
}

fn join_and_leave(criterion: &mut Criterion, name: &str, heard: bool, member_count: usize) {
    let mut linkage = Linkage::new();
    let mut out = Outbox::default();
    for _ in 0..member_count {
        linkage.join(heard, &mut out);
        out = out.recycle();
    }
    let mut group = criterion.benchmark_group(format!("join_leave/{name}"));
    group.bench_function(BenchmarkId::from_parameter(member_count), |bencher| {
        bencher.iter(|| {
            out = std::mem::take(&mut out).recycle();
            let peer = linkage.join(heard, &mut out);
            linkage.hub.depart(peer, &mut linkage.ids, &mut out);
            linkage.hub.forget(peer);
            black_box(out.deliveries().len())
        });
    });
    // Both are told of to everybody; the newcomer itself gets accept and confirm.
    let expected = 2 + if heard { 2 * member_count } else { 0 };
    assert_eq!(out.deliveries().len(), expected);
    group.finish();
}

struct Linkage {
    hub: Hub,
    ids: FreshIds,
    dice: Dice,
}

impl Linkage {
    fn new() -> Linkage {
        let rules = Rules {
            scope: Scope::Hub,
            debout: false,
            debout_channel: "\"debout\"".into(),
            nudge_interval_ms: 10_000,
            probe_time_ms: 1,
            request_timeout_ms: 1,
            request_timeout_max_ms: 1,
            tags_max: 1,
            properties_bytes_max: 0,
            channels_max: 1,
            pending_requests_max: 1,
        };
        Linkage {
            hub: Hub::new(rules, RandomState::new(), 0),
            ids: FreshIds::default(),
            dice: Dice::new(1),
        }
    }

    fn join(&mut self, heard: bool, out: &mut Outbox<'static>) -> PeerKey {
        self.ids.top_up(0, |stock| {
            let chance = self.dice.bytes(stock.len() as u64);
            stock.copy_from_slice(&chance);
        });
        let remote = IpAddr::from([192, 0, 2, 1]);
        let peer = self.hub.connect(0, 0, remote, &mut self.ids, out);
        let initiation = Initiation {
            linkage_key: "room".into(),
            peer_initiation_receiver: Some(heard),
            peer_initiation_sender: Some(heard),
            ..Initiation::default()
        };
        let initiate = Command::Initiate(Box::new(initiation));
        self.hub
            .handle(0, peer, initiate, &mut self.ids, out)
            .expect("an initiation that suits");
        peer
    }
}
