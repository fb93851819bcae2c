//! Routing of the relay node against a naive twin that scans everything, on ids that chance puts close together.

mod support;

use peerhub::config::Relay;
use peerhub::dialect::relay::node_id::{Nearest, NodeId};
use peerhub::dialect::relay::routing::{Router, Wanted};
use peerhub::index::{Key, LinkKey};
use std::collections::BTreeMap;
use std::hash::RandomState;
use support::Dice;

/// An id of few different bytes, so that many ids begin, and end, alike.
fn some_id(dice: &mut Dice) -> NodeId {
    let mut bytes = [0; 20];
    let depth = 1 + dice.below(20) as usize;
    for byte in &mut bytes[..depth] {
        *byte = if dice.chance(60) {
            0
        } else {
            1 << dice.below(8)
        };
    }
    NodeId::new(bytes)
}

#[test]
fn the_nearest_come_first() {
    support::for_each_seed(100, |dice| {
        let mut nodes = Nearest::default();
        let mut twin: Vec<NodeId> = Vec::new();
        for _ in 0..dice.below(200) {
            let id = some_id(dice);
            if dice.chance(70) {
                let was_there = nodes.insert(id, ()).is_some();
                assert_eq!(was_there, twin.contains(&id));
                if !was_there {
                    twin.push(id);
                }
            } else {
                let was_there = nodes.remove(id).is_some();
                assert_eq!(was_there, twin.contains(&id));
                twin.retain(|other| *other != id);
            }
            assert_eq!(nodes.len(), twin.len());
        }
        for _ in 0..20 {
            let target = some_id(dice);
            assert_eq!(nodes.contains(target), twin.contains(&target));
            twin.sort_by_key(|id| id.distance(target));
            let walked: Vec<NodeId> = nodes.near(target).map(|(id, _)| id).collect();
            assert_eq!(walked, twin, "from {target} on");
        }
    });
}

/// What the router does, in plain words: everything is looked through.
struct Twin {
    links: BTreeMap<NodeId, LinkKey>,
    relays: Vec<NodeId>,
    /// Way, whether it is first-hand, and until when it is known.
    known: BTreeMap<NodeId, (NodeId, bool, u64)>,
    nonces: BTreeMap<String, u64>,
}

const NONCE_MS: u64 = 300;
const PATH_MS: u64 = 700;

impl Twin {
    fn hear(&mut self, now: u64, id: NodeId, via: NodeId, from_itself: bool) {
        let is_better = |known: &&(NodeId, bool, u64)| known.2 > now && known.1 && !from_itself;
        if !self.links.contains_key(&id) && !self.known.get(&id).as_ref().is_some_and(is_better) {
            self.known.insert(id, (via, from_itself, now + PATH_MS));
        }
    }

    fn way(&self, now: u64, id: NodeId) -> Option<NodeId> {
        let known = self.known.get(&id).filter(|known| known.2 > now);
        known.map(|known| known.0)
    }

    fn next_hops(&self, now: u64, to: NodeId, path: &[NodeId]) -> Vec<LinkKey> {
        let ahead = |ids: Vec<NodeId>| {
            let mut ids: Vec<NodeId> = ids.into_iter().filter(|id| !path.contains(id)).collect();
            ids.sort_by_key(|id| id.distance(to));
            ids.truncate(2);
            ids
        };
        if self.links.contains_key(&to) && !path.contains(&to) {
            return vec![self.links[&to]];
        }
        let mut hops = ahead(self.links.keys().copied().collect());
        let way = self.way(now, to);
        match way.filter(|way| self.links.contains_key(way) && !path.contains(way)) {
            Some(way) => hops.push(way),
            None => hops.extend(ahead(self.relays.clone())),
        }
        let mut links: Vec<LinkKey> = hops.iter().map(|hop| self.links[hop]).collect();
        links.sort();
        links.dedup();
        links
    }

    fn closest(&self, now: u64, target: NodeId) -> Vec<NodeId> {
        let within_reach = |way: NodeId| self.links.is_empty() || self.links.contains_key(&way);
        let heard_of = self.known.keys().copied();
        let heard_of = heard_of.filter(|id| self.way(now, *id).is_some_and(within_reach));
        let mut all: Vec<NodeId> = self.links.keys().copied().chain(heard_of).collect();
        all.sort_by_key(|id| id.distance(target));
        all.truncate(Router::FOUND_MAX);
        all
    }
}

#[test]
fn routes_are_those_of_a_naive_twin() {
    support::for_each_seed(40, |dice| {
        let config = Relay {
            nonces: 10_000,
            nonce_time_ms: NONCE_MS,
            paths: 10_000,
            path_time_ms: PATH_MS,
            ..Relay::default()
        };
        let own = NodeId::new([0xff; 20]);
        let mut router = Router::new(own, &config, &RandomState::new());
        let mut twin = Twin {
            links: BTreeMap::new(),
            relays: Vec::new(),
            known: BTreeMap::new(),
            nonces: BTreeMap::new(),
        };
        let ids: Vec<NodeId> = (0..30).map(|_| some_id(dice)).collect();
        let mut now = 0;
        for step in 0..300 {
            let (one, other) = (dice.below(30) as usize, dice.below(30) as usize);
            let (id, via) = (ids[one], ids[other]);
            match dice.below(7) {
                0 if !twin.links.contains_key(&id) => {
                    let link = LinkKey::from_raw(step);
                    router.connect(id, link);
                    twin.links.insert(id, link);
                    twin.known.remove(&id);
                }
                1 if twin.links.contains_key(&id) => {
                    router.disconnect(id);
                    twin.links.remove(&id);
                    twin.relays.retain(|relay| *relay != id);
                }
                2 if id != via && twin.links.contains_key(&via) => {
                    router.hear_from(now, id, via);
                    if !twin.relays.contains(&via) {
                        twin.relays.push(via);
                    }
                    twin.hear(now, id, via, true);
                }
                3 if id != via && twin.links.contains_key(&via) => {
                    router.hear_of(now, id, via);
                    twin.hear(now, id, via, false);
                }
                4 => {
                    now += dice.below(200);
                    router.expire(now);
                }
                5 => {
                    let nonce = dice.below(40).to_string();
                    let is_new = twin.nonces.get(&nonce).is_none_or(|until| *until <= now);
                    assert_eq!(router.is_new(now, &nonce), is_new);
                    if is_new {
                        twin.nonces.insert(nonce, now + NONCE_MS);
                    }
                }
                _ => {
                    let to = some_id(dice);
                    let to = if dice.chance(70) { id } else { to };
                    let path: Vec<NodeId> = (0..dice.below(6))
                        .map(|_| ids[dice.below(30) as usize])
                        .collect();
                    let mut hops = Vec::new();
                    router.next_hops(now, to, &path, &mut hops);
                    hops.sort();
                    assert_eq!(hops, twin.next_hops(now, to, &path));
                    let closest = router.closest(now, to, Router::FOUND_MAX);
                    assert_eq!(closest, twin.closest(now, to));
                }
            }
            router.check();
            assert_eq!(router.is_alone(), twin.links.is_empty());
        }
    });
}

#[test]
fn what_waits_is_bounded_and_waits_for_whom_it_should() {
    let [ann, bob, own] = [1, 2, 9].map(|byte| NodeId::new([byte; 20]));
    let config = Relay {
        waiting: 3,
        waiting_bytes: 100,
        ..Relay::default()
    };
    let mut router = Router::new(own, &config, &RandomState::new());
    let text = |letter: u8, bytes: usize| Box::from(vec![letter; bytes]);
    assert_eq!(router.wait(Wanted::Newcomer(ann), text(b'a', 10)), 0);
    assert_eq!(router.wait(Wanted::Newcomer(bob), text(b'b', 10)), 0);
    assert_eq!(
        router.wait(Wanted::Anybody(vec![ann, own]), text(b'c', 10)),
        0
    );
    assert_eq!(
        router.wait(Wanted::Newcomer(ann), text(b'd', 10)),
        1,
        "three may wait"
    );
    router.check();
    assert_eq!(
        router.take_waiting(ann),
        [text(b'd', 10)],
        "the path counts"
    );
    assert_eq!(router.take_waiting(bob), [text(b'b', 10)]);
    assert!(router.take_waiting(bob).is_empty());
    // A path takes its share: 60 bytes of text, and 40 of two ids.
    assert_eq!(
        router.wait(Wanted::Anybody(vec![own, own]), text(b'e', 60)),
        0
    );
    assert_eq!(
        router.wait(Wanted::Newcomer(ann), text(b'f', 1)),
        1,
        "a byte too much"
    );
    assert_eq!(
        router.wait(Wanted::Newcomer(ann), text(b'g', 101)),
        2,
        "itself too large"
    );
    assert_eq!(router.wait(Wanted::Newcomer(ann), text(b'h', 50)), 0);
    assert_eq!(router.wait(Wanted::Anybody(vec![own]), text(b'i', 30)), 0);
    router.give_newcomers_up();
    router.check();
    assert_eq!(router.take_waiting(ann), [text(b'i', 30)]);
    router.check();
}

#[test]
fn memories_are_bounded() {
    let config = Relay {
        nonces: 10,
        paths: 10,
        ..Relay::default()
    };
    let own = NodeId::new([0xff; 20]);
    let mut router = Router::new(own, &config, &RandomState::new());
    let via = NodeId::new([7; 20]);
    router.connect(via, LinkKey::from_raw(1));
    let id = |number: u8| NodeId::new([100 + number; 20]);
    for number in 0..11 {
        assert!(router.is_new(0, &number.to_string()));
        router.hear_from(0, id(number), via);
        router.check();
    }
    assert!(router.is_new(0, "0"), "the oldest of eleven is forgotten");
    assert!(!router.is_new(0, "2"));
    let closest = router.closest(0, id(0), Router::FOUND_MAX);
    assert_eq!(closest.len(), 11, "ten, and the one that is connected");
    assert!(!closest.contains(&id(0)) && closest.contains(&id(1)));
}
