//! Where messages go: which are new, who is near, what is known of the way, and what waits while nobody is connected.
//!
//! Pure bookkeeping over ids and keys of links. Must not: know texts other than those that wait, or send anything.
//! Source: `lib/router.js` of `peer-relay`, and `PROTOCOLS.md` section 3.

use super::known::Known;
use super::memory::Memory;
use super::node_id::{Nearest, NodeId};
use crate::config::Relay;
use crate::hub::Millis;
use crate::index::LinkKey;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

/// Where messages go.
#[derive(Debug)]
pub struct Router {
    own: NodeId,
    /// Messages that were here before, by a keyed hash of what their senders call them: of two different ones, two in
    /// 2^64 have the same, and nobody can choose which.
    nonces: Memory<u64, ()>,
    nonce_hasher: RandomState,
    known: Known,
    /// Connected nodes.
    links: Nearest<LinkKey>,
    /// Those of them that are known to pass on messages of others.
    relays: Nearest<LinkKey>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    waiting_max: usize,
    waiting_bytes_max: usize,
    /// When what is over is forgotten next, though nothing comes.
    sweep_at: Option<Millis>,
    sweep_interval_ms: Millis,
}

/// A message that waits for a node to be connected.
#[derive(Debug)]
struct Waiting {
    wanted: Wanted,
    text: Box<[u8]>,
}

/// Whom a message waits for.
#[derive(Debug)]
pub enum Wanted {
    /// The first node to be connected; it goes to nobody if that is one of these, its path.
    Anybody(Vec<NodeId>),
    /// This node, of which it is not known whether it is one of those whose ids have not come.
    Newcomer(NodeId),
}

impl Router {
    /// Nodes that a message may pass.
    pub const HOPS_MAX: usize = 20;
    /// Nodes nearest to its target that a message goes to.
    pub const CONCURRENCY: usize = 2;
    /// Nodes that an answer to `findPeers` names at most.
    pub const FOUND_MAX: usize = 20;
    /// Nodes that this one wants to be connected to: those nearest to itself.
    pub const WANTED: usize = 15;
    /// What it costs at most to look for the closest nodes, in about a nanosecond: among 65,000 that are known some 120 are
    /// looked at, 700 ns each.
    pub const CLOSEST_COST: u64 = 80_000;
    /// Nodes out of reach that a search looks at before it gives up: five times what it looks for.
    const SEARCH_MAX: usize = 5 * Self::FOUND_MAX;

    /// Nobody is connected, and nothing known. `hasher` keys the maps whose keys peers choose.
    pub fn new(own: NodeId, config: &Relay, hasher: &RandomState) -> Router {
        Router {
            own,
            nonces: Memory::new(config.nonces, config.nonce_time_ms, hasher.clone()),
            nonce_hasher: hasher.clone(),
            known: Known::new(config.paths, config.path_time_ms, hasher.clone()),
            links: Nearest::default(),
            relays: Nearest::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_max: config.waiting,
            waiting_bytes_max: config.waiting_bytes,
            sweep_at: None,
            sweep_interval_ms: config.nonce_time_ms.min(config.path_time_ms),
        }
    }

    /// Whether no message of this name was here before; from now on one was. O(1).
    pub fn is_new(&mut self, now: Millis, nonce: &str) -> bool {
        let nonce = self.nonce_hasher.hash_one(nonce);
        if self.nonces.get(now, nonce).is_some() {
            return false;
        }
        self.nonces.tell(now, nonce, ());
        while self.nonces.forget_one(now).is_some() {}
        self.sweep_later(now);
        true
    }

    /// A message of `from` has come over the connected node `via`. O(log n).
    pub fn hear_from(&mut self, now: Millis, from: NodeId, via: NodeId) {
        if from == via {
            return;
        }
        self.passes_on(via);
        if !self.links.contains(from) {
            self.known.hear_from(now, from, via);
            self.sweep_later(now);
        }
    }

    /// The connected node `via` has spoken of this one. O(log n).
    pub fn hear_of(&mut self, now: Millis, id: NodeId, via: NodeId) {
        if id != self.own && id != via && !self.links.contains(id) {
            self.known.hear_of(now, id, via);
            self.sweep_later(now);
        }
    }

    /// This node, if it is connected, passes on messages of others. O(log n).
    pub fn passes_on(&mut self, id: NodeId) {
        if let Some(&link) = self.links.get(id) {
            self.relays.insert(id, link);
        }
    }

    /// A node is connected. O(log n).
    ///
    /// # Panics
    /// If it was connected already, or is this node itself: the caller looks first.
    pub fn connect(&mut self, id: NodeId, link: LinkKey) {
        assert_ne!(id, self.own, "a node is not connected to itself");
        let before = self.links.insert(id, link);
        assert!(before.is_none(), "a node has one link that is in use");
        self.known.forget(id);
    }

    /// A node is connected no more. O(log n).
    ///
    /// # Panics
    /// If it was not connected.
    pub fn disconnect(&mut self, id: NodeId) {
        let link = self.links.remove(id);
        assert!(link.is_some(), "who leaves was connected");
        self.relays.remove(id);
    }

    /// The link that leads to this node, if it is connected.
    pub fn link_to(&self, id: NodeId) -> Option<LinkKey> {
        self.links.get(id).copied()
    }

    /// Whether nobody is connected.
    pub fn is_alone(&self) -> bool {
        self.links.is_empty()
    }

    /// How many nodes are connected.
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Appends the links over which a message to `to` goes that has come along `path`: none twice, and none that leads
    /// back into the path. To the target alone, if it is connected; else to the two nodes nearest to it, and to the one
    /// over which it was last heard of. If none is known, two that pass messages on take its place. O(path · log n).
    pub fn next_hops(&self, now: Millis, to: NodeId, path: &[NodeId], hops: &mut Vec<LinkKey>) {
        let is_ahead = |id: &NodeId| !path.contains(id);
        if let Some(&link) = self.links.get(to)
            && is_ahead(&to)
        {
            hops.push(link);
            return;
        }
        let nearest = |nodes| ahead(nodes, to, path).take(Self::CONCURRENCY);
        hops.extend(nearest(&self.links));
        let way = self.known.way_to(now, to).filter(is_ahead);
        match way.and_then(|way| self.links.get(way)) {
            Some(link) if hops.contains(link) => {}
            Some(&link) => hops.push(link),
            None => {
                for link in nearest(&self.relays) {
                    if !hops.contains(&link) {
                        hops.push(link);
                    }
                }
            }
        }
    }

    /// The nodes nearest to `target` that are connected, or were heard of over one that is; at most `most`, the nearest
    /// first. While nobody is connected, all that were heard of count. O(most · log n).
    pub fn closest(&self, now: Millis, target: NodeId, most: usize) -> Vec<NodeId> {
        let mut connected = self.links.near(target).map(|(id, _)| id).peekable();
        let is_within_reach =
            |&(_, way): &(NodeId, NodeId)| self.is_alone() || self.links.contains(way);
        let heard_of = self.known.near(now, target).take(Self::SEARCH_MAX);
        let mut heard_of = heard_of
            .filter(is_within_reach)
            .map(|(id, _)| id)
            .peekable();
        let mut closest = Vec::new();
        while closest.len() < most {
            let is_connected = match (connected.peek(), heard_of.peek()) {
                (Some(one), Some(other)) => one.distance(target) < other.distance(target),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            closest.extend(match is_connected {
                true => connected.next(),
                false => heard_of.next(),
            });
        }
        closest
    }

    /// Those of the nodes nearest to this one that are neither connected nor were asked for their URL; from now on they
    /// were. At most `most`.
    pub fn to_be_asked(&mut self, now: Millis, most: usize) -> Vec<NodeId> {
        let mut left = most;
        let mut wanted = self.closest(now, self.own, Self::WANTED);
        wanted.retain(|&id| {
            let is_asked = left > 0 && !self.links.contains(id) && self.known.make_offer(now, id);
            left -= usize::from(is_asked);
            is_asked
        });
        wanted
    }

    /// A node answers with its URL. Whether it was asked, is not connected, and has not answered before.
    pub fn take_answer(&mut self, now: Millis, id: NodeId) -> bool {
        self.known.take_answer(now, id)
    }

    /// Keeps a message until a node is connected. The oldest give way to it, and it may itself be too large: how many
    /// are lost.
    pub fn wait(&mut self, wanted: Wanted, text: Box<[u8]>) -> usize {
        let waiting = Waiting { wanted, text };
        self.waiting_bytes += waiting.bytes();
        self.waiting.push_back(waiting);
        let mut lost = 0;
        while self.waiting.len() > self.waiting_max || self.waiting_bytes > self.waiting_bytes_max {
            let oldest = self.waiting.pop_front();
            self.waiting_bytes -= oldest.expect("what is too much is there").bytes();
            lost += 1;
        }
        lost
    }

    /// The messages that have waited for this node, oldest first. O(all that wait).
    pub fn take_waiting(&mut self, id: NodeId) -> Vec<Box<[u8]>> {
        let mut texts = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match &waiting.wanted {
                Wanted::Newcomer(newcomer) if *newcomer != id => {
                    self.waiting.push_back(waiting);
                    continue;
                }
                Wanted::Anybody(path) if path.contains(&id) => {}
                Wanted::Anybody(_) | Wanted::Newcomer(_) => texts.push(waiting.text),
            }
        }
        self.waiting_bytes = self.waiting.iter().map(Waiting::bytes).sum();
        texts
    }

    /// No newcomer is there whose id has not come: nothing waits for any. O(all that wait).
    pub fn give_newcomers_up(&mut self) {
        let is_for_anybody = |waiting: &Waiting| matches!(waiting.wanted, Wanted::Anybody(_));
        self.waiting.retain(is_for_anybody);
        self.waiting_bytes = self.waiting.iter().map(Waiting::bytes).sum();
    }

    /// Forgets what is over. O(what is).
    pub fn expire(&mut self, now: Millis) {
        if self.sweep_at.is_none_or(|at| now < at) {
            return;
        }
        while self.nonces.forget_one(now).is_some() {}
        self.known.sweep(now);
        self.sweep_at = None;
        if !(self.nonces.is_empty() && self.known.is_empty()) {
            self.sweep_later(now);
        }
    }

    /// When there is something to forget; never late.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.sweep_at
    }

    /// Bytes of all messages that wait while no node is connected.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Panics if something contradicts itself or exceeds a bound. O(everything).
    pub fn check(&self) {
        self.nonces.check();
        self.known.check();
        assert!(!self.links.contains(self.own));
        for (id, link) in self.relays.near(self.own) {
            assert_eq!(self.links.get(id), Some(link), "who passes on is connected");
        }
        assert!(self.waiting.len() <= self.waiting_max);
        assert!(self.waiting_bytes <= self.waiting_bytes_max);
        let bytes: usize = self.waiting.iter().map(Waiting::bytes).sum();
        assert_eq!(bytes, self.waiting_bytes);
        let remembers = !(self.nonces.is_empty() && self.known.is_empty());
        assert!(!remembers || self.sweep_at.is_some());
    }

    /// What is remembered is looked through once in the time that it is remembered for, not at each single end.
    fn sweep_later(&mut self, now: Millis) {
        self.sweep_at.get_or_insert(now + self.sweep_interval_ms);
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        let path = match &self.wanted {
            Wanted::Anybody(path) => path.len(),
            Wanted::Newcomer(_) => 0,
        };
        self.text.len() + path * NodeId::BYTES
    }
}

/// The links of these nodes, without those in the path, from the nearest to `to` on.
fn ahead<'a>(
    nodes: &'a Nearest<LinkKey>,
    to: NodeId,
    path: &'a [NodeId],
) -> impl Iterator<Item = LinkKey> + 'a {
    let near = nodes.near(to);
    near.filter(|(id, _)| !path.contains(id))
        .map(|(_, &link)| link)
}
