//! What must be true of the relay network when everything has come to rest.

use super::client::{Moment, NEVER};
use super::guests::Present;
use super::relay::{Nodes, Said};

impl Nodes {
    /// Who is connected, and whose questions are answered.
    pub(crate) fn judge_nodes(&self, _present: &Present) {
        for (number, node) in self.nodes.iter().enumerate() {
            assert!(
                !node.is_rude || !node.guest.peer.is_open(),
                "{number} has no id"
            );
            let is_sure = node.guest.doubtful_from == NEVER;
            if is_sure && node.guest.peer.is_open() {
                assert!(
                    node.guest.joined != NEVER,
                    "node {number} is asked for its peers"
                );
                assert_eq!(node.found, node.finds, "node {number} is answered");
            }
            if is_sure && node.guest.is_in() {
                for (maker, sent) in &node.offers {
                    let is_connected = |other: &super::relay::Node| {
                        other.id == *maker && other.guest.maybe_in(*sent, self.settled())
                    };
                    let answered = node.answers.contains(maker);
                    assert!(
                        answered || self.nodes.iter().any(is_connected),
                        "the offer of {maker} is answered by way of node {number}"
                    );
                }
            }
        }
    }

    /// The ids that an answer names are those that are known.
    pub(crate) fn judge_found(&self, number: usize, found: &[&str], now: Moment) {
        let since = self.nodes[number].guest.joined;
        for (other, node) in self.nodes.iter().enumerate() {
            // Those who were there before it asked first and still are: there are fewer than an answer may name.
            if other != number && node.guest.surely_in(since, now) {
                let is_named = found.contains(&node.id.as_str());
                assert!(is_named, "{other} is connected, and {number} is not told");
            }
        }
    }

    /// Every message went where it must.
    pub(crate) fn judge_said(&mut self) {
        for (nonce, said) in &self.said {
            let sender = &self.nodes[said.from];
            let ids = said.receivers.iter().map(|&at| self.nodes[at].id.as_str());
            // The target may have been the newcomer for whom it was kept, besides.
            let others = ids.filter(|id| *id != said.to).count();
            assert!(others <= 4, "{nonce} goes to {said:?}");
            if sender.guest.surely_in(said.sent, said.settled) {
                self.judge_one(nonce, said);
            }
        }
        self.said.clear();
        for hops in self.hops.values_mut() {
            // Of those who spoke for it at the same time, the hub may have heard any last.
            let last_sent = hops.last().map_or(0, |last| last.sent);
            hops.retain(|hop| hop.settled >= last_sent);
        }
    }

    fn judge_one(&self, nonce: &str, said: &Said) {
        if said.path.contains(&self.hub) || said.path.len() >= Nodes::HOPS_MAX {
            assert!(said.receivers.is_empty(), "{nonce} has come far enough");
            return;
        }
        let possible: Vec<usize> = (0..self.nodes.len())
            .filter(|&at| self.nodes[at].guest.maybe_in(said.sent, said.settled))
            .filter(|&at| !said.path.contains(&self.nodes[at].id) && !self.nodes[at].is_rude)
            .collect();
        let is_sure = |at: usize| self.nodes[at].guest.surely_in(said.sent, said.settled);
        let target = possible.iter().find(|&&at| self.nodes[at].id == said.to);
        if let Some(&target) = target {
            if is_sure(target) {
                assert!(
                    said.receivers.iter().eq([&target]),
                    "{nonce} is for node {target} alone: {:?}",
                    said.receivers
                );
            }
            return;
        }
        let hop = self.hops.get(&said.to).and_then(|hops| {
            let (last, before) = hops.split_last()?;
            // Of who is connected, be it only in the hub's eyes, no way is remembered.
            let was_connected = |node: &super::relay::Node| {
                node.id == said.to && node.guest.maybe_in(last.sent, said.settled)
            };
            // A way is forgotten in time; what is said arrives well within the half of that.
            let certain = said.sent_ms < last.sent_ms + self.config.path_time_ms / 2
                && !self.nodes.iter().any(was_connected)
                && last.settled < said.sent
                && before.iter().all(|hop| hop.settled < last.sent)
                && self.config.paths > 1_000;
            (certain && possible.contains(&last.over) && is_sure(last.over)).then_some(last.over)
        });
        if let Some(hop) = hop {
            assert!(
                said.receivers.contains(&hop),
                "{nonce} goes the known way, over node {hop}"
            );
        }
        let far = |at: usize| distance(&self.nodes[at].id, &said.to);
        for &at in possible.iter().filter(|&&at| is_sure(at)) {
            let nearer = possible.iter().filter(|&&other| far(other) < far(at));
            assert!(
                nearer.count() >= 2 || said.receivers.contains(&at),
                "{nonce} goes to the two nodes that are nearest to its target, node {at} too"
            );
        }
    }

    /// Of two connections of one node, the side with the lower id closes the newer one at once.
    pub(crate) fn judge_twins(&self) {
        let is_here = |node: &&super::relay::Node| {
            node.guest.peer.is_open() && node.guest.peer.reads && !node.guest.mute
        };
        for (number, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| is_here(node))
        {
            let twin = self.nodes[..number]
                .iter()
                .filter(is_here)
                .any(|other| other.id == node.id);
            assert!(
                !twin || self.hub > node.id,
                "node {number} is connected twice"
            );
        }
    }

    fn settled(&self) -> Moment {
        let all = self.nodes.iter().map(|node| node.settled);
        all.filter(|settled| *settled != NEVER).max().unwrap_or(0)
    }
}

/// How far one id is from another.
fn distance(one: &str, other: &str) -> Vec<u8> {
    let digit = |letter: u8| (letter as char).to_digit(16).expect("hexadecimal") as u8;
    let pairs = one.bytes().zip(other.bytes());
    pairs
        .map(|(one, other)| digit(one) ^ digit(other))
        .collect()
}
