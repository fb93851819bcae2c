//! Channels: who hears what is published (step 6 of the message path).
//!
//! Channels and peers are many-to-many. A membership is one record that is threaded through its peer's list and knows
//! its seat in its channel's dense lane, while the lane's entry names the membership: whichever side goes, the other is
//! mended in O(1) and nothing is searched for. A channel disappears with its last member. Shape: `HOUSE_STYLE.md`
//! section 9; the choice of a lane over a list is measured by `benches/fanout`.

use super::kept::Kept;
use super::peer::{OfPeer, Peer};
use crate::index::{
    Arena, ChannelKey, Key, KeyTable, Lane, Linked, Links, MembershipKey, Names, PeerKey,
};
use crate::planted;
use compact_str::CompactString;
use std::hash::RandomState;

/// One channel.
#[derive(Debug)]
struct Channel {
    name: CompactString,
    lane: Lane<Seat>,
    /// The member for whom it counts as kept.
    payer: PeerKey,
}

impl Channel {
    /// Bytes that it takes, apart from its memberships.
    fn kept_bytes(&self) -> usize {
        /// A lane is made for so many.
        const SEATS: usize = 4;
        let name_bytes = self.name.len() + KeyTable::<ChannelKey>::KEY_BYTES;
        size_of::<Channel>() + SEATS * size_of::<Seat>() + name_bytes
    }
}

/// One subscriber as the channel sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) peer: PeerKey,
    membership: MembershipKey,
}

/// One peer in one channel.
#[derive(Debug)]
pub(super) struct Membership {
    peer: PeerKey,
    channel: ChannelKey,
    seat: u32,
    of_peer: Links<MembershipKey>,
}

impl Membership {
    /// Bytes that one takes, with its seat and its place among the pairs.
    const KEPT_BYTES: usize =
        size_of::<Membership>() + size_of::<Seat>() + KeyTable::<MembershipKey>::KEY_BYTES;
}

impl Linked<OfPeer, MembershipKey> for Membership {
    fn links(&self) -> &Links<MembershipKey> {
        &self.of_peer
    }

    fn links_mut(&mut self) -> &mut Links<MembershipKey> {
        &mut self.of_peer
    }
}

/// All channels and memberships.
#[derive(Debug)]
pub(super) struct Channels {
    arena: Arena<ChannelKey, Channel>,
    names: Names<ChannelKey>,
    memberships: Arena<MembershipKey, Membership>,
    /// Peer and channel → membership. Both keys are our own integers, so a cheap hash does.
    pairs: KeyTable<MembershipKey>,
    /// The name of the debug channel, and the channel while anybody is subscribed: whether anybody watches is asked for
    /// each delivery.
    debout_name: Box<str>,
    debout: Option<ChannelKey>,
    /// Of channels and memberships.
    kept: Kept,
}

impl Channels {
    pub(super) fn new(hasher: RandomState, debout_name: &str) -> Channels {
        Channels {
            arena: Arena::new(),
            names: Names::new(hasher),
            memberships: Arena::new(),
            pairs: KeyTable::default(),
            debout_name: debout_name.into(),
            debout: None,
            kept: Kept::default(),
        }
    }

    /// Subscribes `peer`, if it is not. O(1).
    pub(super) fn join(&mut self, peers: &mut Arena<PeerKey, Peer>, peer: PeerKey, name: &str) {
        let channel = match self.find(name) {
            Some(channel) if self.membership(peer, channel).is_some() => return,
            Some(channel) => channel,
            None => self.open(peers, peer, name),
        };
        let membership = self.memberships.insert(Membership {
            peer,
            channel,
            seat: 0,
            of_peer: Links::default(),
        });
        let seat = self.arena[channel].lane.push(Seat { peer, membership });
        self.memberships[membership].seat = seat;
        peers[peer]
            .memberships
            .push_back(&mut self.memberships, membership);
        self.kept.add(&mut peers[peer], Membership::KEPT_BYTES);
        self.pairs.insert(pair_hash(peer, channel), membership);
    }

    /// Unsubscribes `peer`, if it is subscribed. O(1).
    pub(super) fn leave(&mut self, peers: &mut Arena<PeerKey, Peer>, peer: PeerKey, name: &str) {
        let membership = self
            .find(name)
            .and_then(|channel| self.membership(peer, channel));
        if let Some(membership) = membership {
            self.remove(peers, membership);
        }
    }

    /// Unsubscribes `peer` from everything. O(its channels).
    pub(super) fn leave_all(&mut self, peers: &mut Arena<PeerKey, Peer>, peer: PeerKey) {
        while !peers[peer].memberships.is_empty() {
            let first = peers[peer].memberships.head();
            self.remove(peers, first);
        }
    }

    /// The subscribers of a channel, in an order that leaving changes.
    pub(super) fn members(&self, channel: ChannelKey) -> &[Seat] {
        self.arena[channel].lane.as_slice()
    }

    /// Unsubscribes `peer` from the channels whose names are not kept. O(its channels).
    pub(super) fn leave_where(
        &mut self,
        peers: &mut Arena<PeerKey, Peer>,
        peer: PeerKey,
        keeps: impl Fn(&str) -> bool,
    ) {
        let memberships = peers[peer].memberships.iter(&self.memberships);
        let name = |key: MembershipKey| &self.arena[self.memberships[key].channel].name;
        let left: Vec<_> = memberships.filter(|&key| !keeps(name(key))).collect();
        for membership in left {
            self.remove(peers, membership);
        }
    }

    /// Whether `peer` is subscribed to `channel`. O(1).
    pub(super) fn has(&self, peer: PeerKey, channel: ChannelKey) -> bool {
        self.membership(peer, channel).is_some()
    }

    /// The channel called `name`, if anybody is subscribed to it.
    pub(super) fn find(&self, name: &str) -> Option<ChannelKey> {
        self.names.find(name, |key| self.arena[key].name.as_str())
    }

    /// The debug channel, if anybody is subscribed to it. O(1), without a look-up.
    pub(super) fn debout(&self) -> Option<ChannelKey> {
        self.debout
    }

    /// Bytes that are kept for all channels and memberships.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// Bytes that are kept for the memberships of a peer, and the channels that count for it. O(those).
    pub(super) fn kept_bytes_of(&self, peer: &Peer) -> usize {
        let mine = peer.memberships.iter(&self.memberships);
        mine.map(|key| &self.memberships[key])
            .map(|one| match &self.arena[one.channel] {
                channel if channel.payer == one.peer => channel.kept_bytes(),
                _ => 0,
            })
            .map(|channel_bytes| channel_bytes + Membership::KEPT_BYTES)
            .sum()
    }

    pub(super) fn membership_count(&self) -> usize {
        self.memberships.len()
    }

    fn open(&mut self, peers: &mut Arena<PeerKey, Peer>, payer: PeerKey, name: &str) -> ChannelKey {
        let key = self.arena.insert(Channel {
            name: name.into(),
            lane: Lane::default(),
            payer,
        });
        let arena = &self.arena;
        self.kept.add(&mut peers[payer], arena[key].kept_bytes());
        self.names.insert(name, key, |key| arena[key].name.as_str());
        if *name == *self.debout_name {
            self.debout = Some(key);
        }
        key
    }

    fn membership(&self, peer: PeerKey, channel: ChannelKey) -> Option<MembershipKey> {
        self.pairs.find(pair_hash(peer, channel), |key| {
            let membership = &self.memberships[key];
            membership.peer == peer && membership.channel == channel
        })
    }

    fn remove(&mut self, peers: &mut Arena<PeerKey, Peer>, key: MembershipKey) {
        let (peer, channel) = (self.memberships[key].peer, self.memberships[key].channel);
        peers[peer].memberships.remove(&mut self.memberships, key);
        let was_there = self.pairs.remove(pair_hash(peer, channel), key);
        assert!(was_there, "every membership is found by its pair");
        let gone = self.memberships.remove(key);
        self.kept.free(&mut peers[peer], Membership::KEPT_BYTES);
        let Channel { lane, payer, .. } = &mut self.arena[channel];
        let (_, moved) = lane.remove(gone.seat);
        if let Some(moved) = moved
            && !planted::bug("stale-seat")
        {
            self.memberships[moved.membership].seat = gone.seat;
        }
        let next = lane.as_slice().first().map(|seat| seat.peer);
        if *payer == peer {
            *payer = next.unwrap_or(peer);
            let channel_bytes = self.arena[channel].kept_bytes();
            self.kept.free(&mut peers[peer], channel_bytes);
            if let Some(next) = next {
                self.kept.add(&mut peers[next], channel_bytes);
            }
        }
        if next.is_none() {
            self.names.remove(&self.arena[channel].name, channel);
            self.arena.remove(channel);
            self.debout = self.debout.filter(|&debout| debout != channel);
        }
    }

    /// Checks what must hold between lanes, lists and pairs. For tests.
    pub(super) fn check(&self, peers: &Arena<PeerKey, Peer>) {
        assert_eq!(self.debout, self.find(&self.debout_name));
        let mut seats = 0;
        for (key, channel) in self.arena.iter() {
            assert!(!channel.lane.is_empty(), "an empty channel is gone");
            assert!(self.has(channel.payer, key), "one of its members pays");
            assert_eq!(self.find(&channel.name), Some(key));
            for (number, seat) in channel.lane.as_slice().iter().enumerate() {
                let membership = &self.memberships[seat.membership];
                assert_eq!(
                    membership.seat as usize, number,
                    "a membership knows its seat"
                );
                assert_eq!(membership.peer, seat.peer);
                assert_eq!(membership.channel, key);
                assert_eq!(self.membership(seat.peer, key), Some(seat.membership));
                seats += 1;
            }
        }
        assert_eq!(seats, self.memberships.len(), "a membership has one seat");
        assert_eq!(seats, self.pairs.len(), "a membership is one pair");
        let listed: usize = peers
            .iter()
            .map(|(key, peer)| {
                let mine = peer.memberships.iter(&self.memberships);
                mine.inspect(|&one| assert_eq!(self.memberships[one].peer, key))
                    .count()
            })
            .sum();
        assert_eq!(seats, listed, "a membership is in its peer's list");
    }
}

/// Mixes two of our own integers: one multiplication spreads them over the upper bits, which are those that count (Fibonacci
/// hashing, 2^64 / golden ratio).
fn pair_hash(peer: PeerKey, channel: ChannelKey) -> u64 {
    let pair = u64::from(peer.raw()) << 32 | u64::from(channel.raw());
    pair.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
