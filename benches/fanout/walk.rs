//! What does it cost to walk over a channel's members, as a list and as a lane, fresh and churned?
//!
//! Both walks yield each member's peer key. In the fresh case the members entered one after another; in the churned one
//! they entered among ten times as many strangers and left and entered again in random order, so that a list's
//! neighbours lie far apart in memory. All figures are per member.
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use peerhub::index::Arena;
use peerhub::index::Lane;
use peerhub::index::{Key, MembershipKey, PeerKey};
use peerhub::index::{Linked, Links, List};

use crate::dice::Dice;

pub(crate) fn walk_all(criterion: &mut Criterion) {
    for member_count in [1, 10, 1_000, 10_000] {
        walk(criterion, "fresh", &Channel::fresh(member_count));
        walk(criterion, "churned", &Channel::churned(member_count));
    }
}

fn walk(criterion: &mut Criterion, state: &str, channel: &Channel) {
    let member_count = channel.lane.len() as u64;
    let mut group = criterion.benchmark_group(format!("fanout/walk_{state}"));
    group.throughput(Throughput::Elements(member_count));
    group.bench_function(BenchmarkId::new("list", member_count), |bencher| {
        bencher.iter(|| {
            for key in channel.list.iter(&channel.memberships) {
                black_box(channel.memberships[key].peer);
            }
        });
    });
    group.bench_function(BenchmarkId::new("lane", member_count), |bencher| {
        bencher.iter(|| {
            for entry in channel.lane.as_slice() {
                black_box(entry.peer);
            }
        });
    });
    group.finish();
}

/// One channel's members, held both ways at once.
struct Channel {
    memberships: Arena<MembershipKey, Membership>,
    list: List<InChannel, MembershipKey>,
    lane: Lane<Entry>,
}

struct InChannel;

/// As large as the hub's own: the links of the peer's list are there beside the channel's.
struct Membership {
    peer: PeerKey,
    seat: u32,
    in_channel: Links<MembershipKey>,
    _in_peer: Links<MembershipKey>,
}

struct Entry {
    peer: PeerKey,
    membership: MembershipKey,
}

impl Channel {
    fn fresh(member_count: u32) -> Self {
        let mut channel = Self {
            memberships: Arena::new(),
            list: List::new(),
            lane: Lane::new(),
        };
        for peer in 0..member_count {
            channel.join(PeerKey::from_raw(peer));
        }
        channel
    }

    fn churned(member_count: u32) -> Self {
        let mut dice = Dice::new(1);
        let mut channel = Self::fresh(0);
        let mut members = Vec::new();
        let mut strangers = Vec::new();
        for peer in 0..member_count {
            members.push(channel.join(PeerKey::from_raw(peer)));
            strangers.extend((0..10).map(|_| channel.stranger(peer)));
        }
        for _ in 0..10 * member_count {
            // A stranger goes first and one comes last, so that the member does not get its own slot back.
            let stranger = dice.below(strangers.len() as u64) as usize;
            let member = dice.below(members.len() as u64) as usize;
            let peer = channel.leave(members[member]);
            channel.memberships.remove(strangers[stranger]);
            members[member] = channel.join(peer);
            strangers[stranger] = channel.stranger(peer.raw());
        }
        channel
    }

    fn join(&mut self, peer: PeerKey) -> MembershipKey {
        let membership = self.memberships.vacant_key();
        let seat = self.lane.push(Entry { peer, membership });
        self.memberships.insert(Membership {
            peer,
            seat,
            in_channel: Links::default(),
            _in_peer: Links::default(),
        });
        self.list.push_back(&mut self.memberships, membership);
        membership
    }

    fn leave(&mut self, key: MembershipKey) -> PeerKey {
        self.list.remove(&mut self.memberships, key);
        let seat = self.memberships.remove(key).seat;
        let (left, moved) = self.lane.remove(seat);
        if let Some(moved) = moved {
            self.memberships[moved.membership].seat = seat;
        }
        left.peer
    }

    /// A membership in some other channel, which only takes up a slot.
    fn stranger(&mut self, peer: u32) -> MembershipKey {
        self.memberships.insert(Membership {
            peer: PeerKey::from_raw(peer),
            seat: 0,
            in_channel: Links::default(),
            _in_peer: Links::default(),
        })
    }
}

impl Linked<InChannel, MembershipKey> for Membership {
    fn links(&self) -> &Links<MembershipKey> {
        &self.in_channel
    }

    fn links_mut(&mut self) -> &mut Links<MembershipKey> {
        &mut self.in_channel
    }
}
