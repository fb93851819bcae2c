//! Linkages: the groups in which peers see each other (step 6 of the message path).
//!
//! A peer has exactly one linkage, so the links sit in the peer itself: joining and leaving cost O(1) and no allocation,
//! and the order of joining is kept. A linkage disappears with its last member. Shape: `HOUSE_STYLE.md` section 9.

use super::peer::{AmongHearers, InLinkage, Peer};
use crate::index::{Arena, Key, LinkageKey, List, Names, PeerKey};
use compact_str::CompactString;
use std::hash::RandomState;

/// One group.
#[derive(Debug)]
struct Linkage {
    name: CompactString,
    members: List<InLinkage, PeerKey>,
    /// Those of them that want to hear of the others, so that the rest costs nothing when somebody comes.
    hearers: List<AmongHearers, PeerKey>,
}

/// All groups.
#[derive(Debug)]
pub(super) struct Linkages {
    arena: Arena<LinkageKey, Linkage>,
    names: Names<LinkageKey>,
}

impl Linkages {
    pub(super) fn new(hasher: RandomState) -> Linkages {
        Linkages {
            arena: Arena::new(),
            names: Names::new(hasher),
        }
    }

    /// Puts `peer`, which is in no linkage, into the one called `name`. O(1).
    pub(super) fn join(&mut self, peers: &mut Arena<PeerKey, Peer>, peer: PeerKey, name: &str) {
        let key = match self.find(name) {
            Some(key) => key,
            None => {
                let key = self.arena.insert(Linkage {
                    name: name.into(),
                    members: List::default(),
                    hearers: List::default(),
                });
                let arena = &self.arena;
                self.names.insert(name, key, |key| arena[key].name.as_str());
                key
            }
        };
        debug_assert!(peers[peer].linkage.is_none(), "a peer has one linkage");
        peers[peer].linkage = key;
        self.arena[key].members.push_back(peers, peer);
        if peers[peer].hears {
            self.arena[key].hearers.push_back(peers, peer);
        }
    }

    /// Says whether `peer` wants to hear of the others in its linkage, be it in one or not. O(1).
    pub(super) fn set_hears(
        &mut self,
        peers: &mut Arena<PeerKey, Peer>,
        peer: PeerKey,
        hears: bool,
    ) {
        let heard = std::mem::replace(&mut peers[peer].hears, hears);
        let Some(linkage) = self.arena.get_mut(peers[peer].linkage) else {
            return;
        };
        match (heard, hears) {
            (false, true) => linkage.hearers.push_back(peers, peer),
            (true, false) => linkage.hearers.remove(peers, peer),
            (false, false) | (true, true) => {}
        }
    }

    /// Takes `peer` out of its linkage, if it is in one. O(1).
    pub(super) fn leave(&mut self, peers: &mut Arena<PeerKey, Peer>, peer: PeerKey) {
        let key = std::mem::replace(&mut peers[peer].linkage, LinkageKey::NONE);
        if key.is_none() {
            return;
        }
        let linkage = &mut self.arena[key];
        linkage.members.remove(peers, peer);
        if peers[peer].hears {
            linkage.hearers.remove(peers, peer);
        }
        if linkage.members.is_empty() {
            let arena = &self.arena;
            self.names.remove(&arena[key].name, key);
            self.arena.remove(key);
        }
    }

    /// The members of a linkage in the order in which they joined; none for `LinkageKey::NONE`.
    pub(super) fn members<'a>(
        &'a self,
        peers: &'a Arena<PeerKey, Peer>,
        linkage: LinkageKey,
    ) -> impl Iterator<Item = PeerKey> + 'a {
        self.arena
            .get(linkage)
            .into_iter()
            .flat_map(|linkage| linkage.members.iter(peers))
    }

    /// Those of them that want to hear of the others; none for `LinkageKey::NONE`.
    pub(super) fn hearers<'a>(
        &'a self,
        peers: &'a Arena<PeerKey, Peer>,
        linkage: LinkageKey,
    ) -> impl Iterator<Item = PeerKey> + 'a {
        self.arena
            .get(linkage)
            .into_iter()
            .flat_map(|linkage| linkage.hearers.iter(peers))
    }

    /// How many members a linkage has; none for `LinkageKey::NONE`. O(1).
    pub(super) fn member_count(&self, linkage: LinkageKey) -> usize {
        self.arena
            .get(linkage)
            .map_or(0, |linkage| linkage.members.len())
    }

    /// The name of a linkage; empty for `LinkageKey::NONE`.
    pub(super) fn name(&self, linkage: LinkageKey) -> &str {
        self.arena
            .get(linkage)
            .map_or("", |linkage| linkage.name.as_str())
    }

    pub(super) fn find(&self, name: &str) -> Option<LinkageKey> {
        self.names.find(name, |key| self.arena[key].name.as_str())
    }

    /// Every linkage with the number of its members, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkageKey, usize)> {
        self.arena
            .iter()
            .map(|(key, linkage)| (key, linkage.members.len()))
    }
}
