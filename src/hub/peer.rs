//! One peer: what it is, what others are told of it, and the places it has in the indexes.
//!
//! Owned by `Hub`; the other rooms read it through `Hub::peer`. A peer lives from its connection's upgrade (`connect`)
//! until its connection is reaped (`forget`). Between `depart` and `forget` it is still there to be spoken of, but it is
//! in no index any more.

use super::command::{DeboutSelection, Initiation};
use super::id::Secret;
use super::packed::{TokenMap, TokenSet};
use crate::access::Grant;
use crate::index::{
    ClaimKey, LinkageKey, Links, List, MembershipKey, PeerKey, RequestKey, TimerKey,
};
use compact_str::CompactString;
use std::net::IpAddr;

/// What others are told of a peer, apart from its linkage key.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its id.
    pub id: CompactString,
    /// Its debout cluster, if it has one.
    pub debout_cluster: Option<Box<str>>,
    /// Its user id as others may see it; empty without one.
    pub user_id: Box<str>,
    /// Its tags (tokens).
    pub tags: TokenSet,
    /// Its properties (tokens).
    pub properties: TokenMap,
    /// Where it connects from.
    pub remote_address: IpAddr,
    /// When it says that it opened its connection (token).
    pub start_time: Option<Box<str>>,
}

impl Card {
    /// Bytes of its tags and properties.
    pub fn kept_bytes(&self) -> usize {
        self.tags.bytes() + self.properties.bytes()
    }

    /// The tags and properties that it would have after an initiation.
    pub(super) fn with(&self, initiation: &Initiation<'_>) -> Said {
        let tags = initiation.tags.iter().map(|tag| tag.as_ref());
        let properties = initiation.properties.iter();
        let properties = properties.map(|one| (one.name.as_ref(), one.value));
        Said {
            tags: self.tags.with(tags),
            properties: self.properties.with(properties),
        }
    }
}

/// What a peer says of itself.
pub(super) struct Said {
    pub(super) tags: TokenSet,
    pub(super) properties: TokenMap,
}

/// How far a peer's life has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has an id, but no linkage yet.
    Connected,
    /// It is in a linkage.
    Joined,
    /// Somebody else has its id now; it is in no index.
    Replaced,
    /// It has left; it is in no index.
    Departed,
}

/// One peer.
#[derive(Debug)]
pub struct Peer {
    pub(super) card: Card,
    pub(super) stage: Stage,
    /// Whether it wants to hear of the others.
    pub(super) hears: bool,
    /// Whether the others hear of it.
    pub(super) shows: bool,
    /// Whether it has shown that it is one of the hub's own clients.
    pub(super) extended: bool,
    pub(super) debout_selection: DeboutSelection,
    /// Rises with every connection; listings are in this order.
    pub(super) number: u64,
    pub(super) secret: Option<Box<Secret>>,
    /// What its token lets it do; without one, everything.
    pub(super) grant: Option<Box<Grant>>,
    pub(super) linkage: LinkageKey,
    pub(super) in_linkage: Links<PeerKey>,
    pub(super) among_hearers: Links<PeerKey>,
    pub(super) memberships: List<OfPeer, MembershipKey>,
    /// Its own requests that wait for an answer.
    pub(super) asking: List<Asking, RequestKey>,
    /// The requests that wait for its answer.
    pub(super) asked: List<Asked, RequestKey>,
    /// Its claim to another peer's id.
    pub(super) claim: ClaimKey,
    /// The claims to its id.
    pub(super) claimants: List<AgainstHolder, ClaimKey>,
    pub(super) nudge: TimerKey,
    /// Bytes that are kept because of it (`kept.rs`).
    pub(super) kept_bytes: usize,
}

/// Marks the links of a peer in its linkage.
#[derive(Debug)]
pub enum InLinkage {}
/// Marks the links of a peer among those in its linkage that want to hear of the others.
#[derive(Debug)]
pub enum AmongHearers {}
/// Marks the links of a membership among those of its peer.
#[derive(Debug)]
pub(super) enum OfPeer {}
/// Marks the links of a request among those of the peer that asks.
#[derive(Debug)]
pub(super) enum Asking {}
/// Marks the links of a request among those of the peer that is asked.
#[derive(Debug)]
pub(super) enum Asked {}
/// Marks the links of a claim among those to one peer's id.
#[derive(Debug)]
pub(super) enum AgainstHolder {}

impl Peer {
    /// What others are told of it.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// How far its life has got.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it wants to hear of the others in its linkage.
    pub fn hears(&self) -> bool {
        self.hears
    }

    /// Whether the others in its linkage hear of it.
    pub fn shows(&self) -> bool {
        self.shows
    }

    /// What its token lets it do; without one, everything.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_deref()
    }

    /// Bytes of memory that the hub keeps for it: its tags and properties, subscriptions, requests and claim.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// How many subscriptions it has, requests that wait for an answer, and requests that wait for its own.
    pub fn tie_count(&self) -> usize {
        self.memberships.len() + self.asking.len() + self.asked.len()
    }

    /// Who it is by its token, if that says.
    pub(super) fn subject(&self) -> Option<&str> {
        self.grant.as_deref()?.subject.as_deref()
    }

    /// The id that its token fixes, if it does.
    pub(super) fn fixed_id(&self) -> Option<&str> {
        self.grant.as_deref()?.peer.as_deref()
    }

    /// Whether it has shown that it is one of the hub's own clients, which understand `error` messages.
    pub fn is_extended(&self) -> bool {
        self.extended
    }
}

impl crate::index::Linked<InLinkage, PeerKey> for Peer {
    fn links(&self) -> &Links<PeerKey> {
        &self.in_linkage
    }

    fn links_mut(&mut self) -> &mut Links<PeerKey> {
        &mut self.in_linkage
    }
}

impl crate::index::Linked<AmongHearers, PeerKey> for Peer {
    fn links(&self) -> &Links<PeerKey> {
        &self.among_hearers
    }

    fn links_mut(&mut self) -> &mut Links<PeerKey> {
        &mut self.among_hearers
    }
}
