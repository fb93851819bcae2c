//! Nodes that this one has heard of and is not connected to: the way to each, and whether it was asked for its URL.
//!
//! One memory for what the original keeps in two, paths and candidates: a node from which a message came is a better
//! candidate than one of which somebody spoke, and the one who spoke of it is a way to it.

use super::memory::Memory;
use super::node_id::{Nearest, NodeId};
use crate::hub::Millis;
use std::hash::RandomState;

/// Nodes that were heard of.
#[derive(Debug)]
pub(super) struct Known {
    memory: Memory<NodeId, Heard>,
    /// The same nodes, by distance.
    near: Nearest<()>,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// The connected node over which it was heard of.
    via: NodeId,
    /// A message came from it; otherwise somebody has spoken of it.
    from_itself: bool,
    /// Whether it was asked for its URL.
    offer: Offer,
}

/// How far an offer has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    None,
    Made,
    Answered,
}

impl Known {
    /// Nobody yet; later so many nodes at most, each for a time.
    pub(super) fn new(most: usize, time_ms: Millis, hasher: RandomState) -> Known {
        Known {
            memory: Memory::new(most, time_ms, hasher),
            near: Nearest::default(),
        }
    }

    /// A message of `id` has come over `via`.
    pub(super) fn hear_from(&mut self, now: Millis, id: NodeId, via: NodeId) {
        self.tell(now, id, via, true);
    }

    /// `via` has spoken of `id`. A way that a message came is the better one.
    pub(super) fn hear_of(&mut self, now: Millis, id: NodeId, via: NodeId) {
        let heard = self.memory.get(now, id);
        if !heard.is_some_and(|heard| heard.from_itself) {
            self.tell(now, id, via, false);
        }
    }

    fn tell(&mut self, now: Millis, id: NodeId, via: NodeId, from_itself: bool) {
        let heard = self.memory.get(now, id);
        let offer = heard.map_or(Offer::None, |heard| heard.offer);
        let heard = Heard {
            via,
            from_itself,
            offer,
        };
        self.memory.tell(now, id, heard);
        self.near.insert(id, ());
        self.sweep(now);
    }

    /// Forgets this node.
    pub(super) fn forget(&mut self, id: NodeId) {
        if self.memory.forget(id).is_some() {
            self.near.remove(id);
        }
    }

    /// Forgets what is over, and the oldest of too many. O(those).
    pub(super) fn sweep(&mut self, now: Millis) {
        while let Some(id) = self.memory.forget_one(now) {
            self.near.remove(id);
        }
    }

    /// The connected node over which this one was heard of last.
    pub(super) fn way_to(&self, now: Millis, id: NodeId) -> Option<NodeId> {
        self.memory.get(now, id).map(|heard| heard.via)
    }

    /// Nodes with the way to each, from the nearest to `target` on.
    pub(super) fn near(
        &self,
        now: Millis,
        target: NodeId,
    ) -> impl Iterator<Item = (NodeId, NodeId)> {
        let way = move |(id, ())| Some((id, self.way_to(now, id)?));
        self.near
            .near(target)
            .map(|(id, &())| (id, ()))
            .filter_map(way)
    }

    /// Notes that the node is asked for its URL; false if it was before.
    pub(super) fn make_offer(&mut self, now: Millis, id: NodeId) -> bool {
        self.advance_offer(now, id, Offer::None, Offer::Made)
    }

    /// Notes that the node has answered; false if it was not asked, or has answered before.
    pub(super) fn take_answer(&mut self, now: Millis, id: NodeId) -> bool {
        self.advance_offer(now, id, Offer::Made, Offer::Answered)
    }

    fn advance_offer(&mut self, now: Millis, id: NodeId, from: Offer, to: Offer) -> bool {
        match self.memory.get_mut(now, id) {
            Some(heard) if heard.offer == from => {
                heard.offer = to;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Panics if something contradicts itself or exceeds the bound. O(everything).
    pub(super) fn check(&self) {
        self.memory.check();
        assert_eq!(self.memory.len(), self.near.len());
    }
}
