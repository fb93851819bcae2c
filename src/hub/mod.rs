//! The rules of the hub: who is there, who hears what (steps 5 to 7 of the message path).
//!
//! Pure: no socket, clock, randomness or JSON comes in here. Commands and the time go in, events come out in the outbox
//! that the caller lends. The hub owns the deadlines of its own promises (nudges, requests, claims), in its own wheel;
//! `next_deadline` says when the next `expire` is due. Source: `PROTOCOLS.md` section 1.

mod channel;
mod check;
mod claim;
pub mod command;
pub mod event;
pub mod id;
mod kept;
mod linkage;
mod overdue;
mod packed;
mod peer;
mod permit;
pub mod reconnect;
mod request;
mod route;
mod tell;

pub use packed::{TokenMap, TokenSet};
pub use peer::{Card, Peer, Stage};

use crate::config::Scope;
use crate::index::{Arena, ClaimKey, Key, Links, List, Names, PeerKey, RequestKey, TimerKey};
use crate::wheel::Wheel;
use channel::Channels;
use claim::Claim;
use command::{Command, DeboutKind, DeboutSelection, PeerFault};
use event::{Event, Outbox, Shown};
use id::FreshIds;
use kept::Kept;
use linkage::Linkages;
use overdue::Overdue;
use request::{Request, Requests};
use std::hash::RandomState;
use std::net::IpAddr;

/// Milliseconds of a clock that never goes back.
pub type Millis = u64;

/// The rules that can be set.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How far `publish`, `notify` and `request` reach.
    pub scope: Scope,
    /// Whether the debug stream is on.
    pub debout: bool,
    /// The debug channel's name (token). Who is subscribed to it is not listed, whether or not the stream is on.
    pub debout_channel: Box<str>,
    /// Time between two nudges, ms; 0 turns them off.
    pub nudge_interval_ms: Millis,
    /// Time that the holder of a claimed id has for a sign of life, ms.
    pub probe_time_ms: Millis,
    /// Time that an answer may take unless the request says otherwise, ms.
    pub request_timeout_ms: Millis,
    /// The longest time that a request may ask for, ms.
    pub request_timeout_max_ms: Millis,
    /// Tags of one peer, at most.
    pub tags_max: usize,
    /// Bytes of one peer's properties, at most.
    pub properties_bytes_max: usize,
    /// Channels of one peer, at most.
    pub channels_max: usize,
    /// Requests of one peer that wait for an answer, at most.
    pub pending_requests_max: usize,
}

/// All peers and what holds between them.
#[derive(Debug)]
pub struct Hub {
    rules: Rules,
    peers: Arena<PeerKey, Peer>,
    ids: Names<PeerKey>,
    linkages: Linkages,
    channels: Channels,
    requests: Requests,
    claims: Arena<ClaimKey, Claim>,
    /// Of tags, properties and claims.
    kept: Kept,
    wheel: Wheel<Deadline>,
    due: Vec<Deadline>,
    overdue: Overdue,
    /// The number of the next connection.
    next_number: u64,
}

/// What the hub has promised to do at a certain time.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    Nudge(PeerKey),
    Request(RequestKey),
    Claim(ClaimKey),
}

/// After how many ms what recurs at an interval, a ping or a nudge, is first due: in the last eighth of the first interval,
/// since who has just come has just been heard, and spread over it, or a crowd that came together would have its turn in
/// one burst for ever.
pub fn first_due_ms(interval_ms: Millis, phase: u64) -> Millis {
    interval_ms - phase % (interval_ms / 8).max(1)
}

impl Hub {
    /// Peers at most, and requests that wait at most: with one deadline for each peer, claim and request, all fit into
    /// the 2^24 keys of the wheel.
    pub const CAPACITY: usize = 1 << 22;
    /// Memberships at most, since a key has 24 bits for the slot.
    const MEMBERSHIPS_MAX: usize = (1 << 24) - 1;
    /// Deadlines are kept this coarsely, ms: far below what anybody waits for here, and so that many connections share
    /// one wake-up.
    const RESOLUTION_MS: Millis = 8;

    /// An empty hub. `hasher` keys the maps whose keys peers choose.
    pub fn new(rules: Rules, hasher: RandomState, now: Millis) -> Hub {
        Hub {
            peers: Arena::new(),
            ids: Names::new(hasher.clone()),
            linkages: Linkages::new(hasher.clone()),
            channels: Channels::new(hasher.clone(), &rules.debout_channel),
            requests: Requests::new(hasher),
            claims: Arena::new(),
            kept: Kept::default(),
            wheel: Wheel::new(Self::RESOLUTION_MS, now),
            due: Vec::new(),
            overdue: Overdue::default(),
            next_number: 0,
            rules,
        }
    }

    /// A connection has opened: makes its peer, with a fresh id. The caller keeps fewer than `CAPACITY` of them, and gives
    /// each a random `phase` for [`first_due_ms`]. O(1).
    pub fn connect(
        &mut self,
        now: Millis,
        phase: u64,
        remote_address: IpAddr,
        ids: &mut FreshIds,
        out: &mut Outbox<'_>,
    ) -> PeerKey {
        let mut id = ids.id();
        while self.find(id.as_str()).is_some() {
            id = ids.id();
        }
        let nudge = match self.rules.nudge_interval_ms {
            0 => TimerKey::NONE,
            interval => self.wheel.arm(
                now + first_due_ms(interval, phase),
                Deadline::Nudge(self.peers.vacant_key()),
            ),
        };
        let key = self.peers.insert(Peer {
            card: Card {
                id: id.as_str().into(),
                debout_cluster: None,
                user_id: Box::default(),
                tags: TokenSet::default(),
                properties: TokenMap::default(),
                remote_address,
                start_time: None,
            },
            stage: Stage::Connected,
            hears: false,
            shows: false,
            extended: false,
            debout_selection: DeboutSelection::default(),
            number: self.next_number,
            secret: None,
            grant: None,
            linkage: Key::NONE,
            in_linkage: Links::default(),
            among_hearers: Links::default(),
            memberships: List::default(),
            asking: List::default(),
            asked: List::default(),
            claim: ClaimKey::NONE,
            claimants: List::default(),
            nudge,
            kept_bytes: 0,
        });
        self.next_number += 1;
        self.enter_id(key);
        self.debout(out, DeboutKind::Connected, key, Shown::Empty);
        self.tell_one(out, key, Event::Accept);
        key
    }

    /// The key of the peer that the next `connect` makes.
    pub fn next_peer(&self) -> PeerKey {
        self.peers.vacant_key()
    }

    /// Carries out a peer's command. A fault is the peer's own; it changes nothing for anybody else.
    /// O(receivers), and O(log) or better in everything else.
    pub fn handle<'a>(
        &mut self,
        now: Millis,
        peer: PeerKey,
        command: Command<'a>,
        ids: &mut FreshIds,
        out: &mut Outbox<'a>,
    ) -> Result<(), PeerFault> {
        match command {
            Command::Initiate(initiation) => self.initiate(now, peer, *initiation, ids, out)?,
            Command::AddTags(tags) => {
                let more = tags.iter().map(|tag| tag.as_ref());
                let tags = self.peers[peer].card.tags.with(more);
                self.check_tags(&tags)?;
                self.set_tags(peer, tags);
                self.announce(out, peer, Event::Alter(peer));
            }
            Command::RemoveTags(tags) => {
                let gone = tags.iter().map(|tag| tag.as_ref());
                self.set_tags(peer, self.peers[peer].card.tags.without(gone));
                self.announce(out, peer, Event::Alter(peer));
            }
            Command::SetProperties(properties) => {
                let newer = properties.iter().map(|one| (one.name.as_ref(), one.value));
                let properties = self.peers[peer].card.properties.with(newer);
                self.check_properties(&properties)?;
                self.set_properties(peer, properties);
                self.announce(out, peer, Event::Alter(peer));
            }
            Command::SelectDebout(selection) => {
                self.permit_debout(peer)?;
                self.peers[peer].debout_selection.merge(selection);
                self.announce(out, peer, Event::Alter(peer));
            }
            Command::RetrievePeers { message_id } => {
                let of = peer;
                self.tell_one(out, peer, Event::Peers { of, message_id });
            }
            Command::Notify { to, message } => self.notify(peer, &to, message, out),
            Command::Request {
                to,
                message,
                timeout_ms,
            } => self.request(now, peer, &to, message, timeout_ms, ids, out),
            Command::Response { to, message } => self.respond(peer, &to, message, out)?,
            Command::Publish {
                channel,
                message_id,
                content,
            } => self.publish(peer, &channel, message_id, content, out)?,
            Command::Subscribe(names) => self.subscribe(peer, &names)?,
            Command::Unsubscribe(names) => {
                for name in &names {
                    self.channels.leave(&mut self.peers, peer, name);
                }
            }
            Command::Debout { content } => {
                let shown = content.map_or(Shown::Empty, Shown::Token);
                self.debout(out, DeboutKind::ClientDebout, peer, shown);
            }
            Command::Authenticate { .. } => {
                return Err(PeerFault::bad_token("no tokens are looked at here"));
            }
            Command::Leave => {
                let reason = "";
                self.tell_one(out, peer, Event::Close { code: 1000, reason });
            }
        }
        Ok(())
    }

    /// This peer has shown that it is one of the hub's own clients, be it by a message that is otherwise at fault.
    pub fn recognise(&mut self, peer: PeerKey) {
        self.peers[peer].extended = true;
    }

    /// The peer's connection is ending: takes the peer out of every index and tells those who knew it. Its record stays
    /// until `forget`, so that the events can speak of it. O(its linkage, channels and requests).
    pub fn depart(&mut self, peer: PeerKey, ids: &mut FreshIds, out: &mut Outbox<'_>) {
        if self.peers[peer].stage == Stage::Departed {
            return;
        }
        self.drop_claim_of(peer);
        self.hand_over(peer, ids, out);
        if self.peers[peer].stage != Stage::Replaced {
            let linkage_key = self.linkage_key(peer).into();
            self.announce(out, peer, Event::Leave { peer, linkage_key });
            self.ids.remove(&self.peers[peer].card.id, peer);
        }
        self.detach(peer, out);
        let nudge = std::mem::replace(&mut self.peers[peer].nudge, TimerKey::NONE);
        if !nudge.is_none() {
            self.wheel.cancel(nudge);
        }
        self.peers[peer].stage = Stage::Departed;
    }

    /// Forgets a departed peer. O(1).
    pub fn forget(&mut self, peer: PeerKey) {
        let mut gone = self.peers.remove(peer);
        let kept_bytes = gone.card.kept_bytes();
        self.kept.free(&mut gone, kept_bytes);
        debug_assert_eq!(gone.kept_bytes, 0, "the rest went when it departed");
        assert_eq!(
            gone.stage,
            Stage::Departed,
            "only the departed are forgotten"
        );
    }

    /// Does what has become due, unless it is too much for one tick: the rest is due again at once. O(what is due).
    pub fn expire(&mut self, now: Millis, ids: &mut FreshIds, out: &mut Outbox<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        let mut nudge = None;
        let mut left = Self::ENDED_MAX;
        for deadline in due.drain(..) {
            match deadline {
                Deadline::Nudge(peer) => {
                    let next = now + self.rules.nudge_interval_ms;
                    self.peers[peer].nudge = self.wheel.arm(next, deadline);
                    let nudge = *nudge.get_or_insert_with(|| out.event(Event::Nudge));
                    self.tell(out, peer, nudge);
                }
                Deadline::Request(request) => self.request_falls_due(request, &mut left, out),
                Deadline::Claim(claim) => self.claim_falls_due(claim),
            }
        }
        self.due = due;
        self.tell_overdue(left, ids, out);
    }

    /// When `expire` has something to do next; never late, sometimes early.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.overdue_at().or_else(|| self.wheel.next_deadline())
    }

    /// One peer. Panics if it is forgotten.
    pub fn peer(&self, peer: PeerKey) -> &Peer {
        &self.peers[peer]
    }

    /// Whether an answer to this peer is on its way. O(1).
    pub fn is_asking(&self, peer: PeerKey) -> bool {
        !self.peers[peer].asking.is_empty()
    }

    /// How many peers there are.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// How many claims to ids are open: what `FreshIds::top_up` must know.
    pub fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// Bytes of memory that are kept for all peers: their tags and properties, subscriptions, requests and claims. O(1).
    pub fn kept_bytes(&self) -> usize {
        self.kept.bytes() + self.channels.kept_bytes() + self.requests.kept_bytes()
    }

    /// The time between two nudges, ms.
    pub fn nudge_interval_ms(&self) -> Millis {
        self.rules.nudge_interval_ms
    }

    /// The linkage key of a peer; empty before it has joined.
    pub fn linkage_key(&self, peer: PeerKey) -> &str {
        self.linkages.name(self.peers[peer].linkage)
    }

    /// What `RetrievePeers` lists for `peer`: the others of its linkage in the order in which they connected, without
    /// those that watch the debug stream. O(n log n) in its linkage.
    pub fn listing(&self, peer: PeerKey) -> Vec<PeerKey> {
        let debout = self.channels.debout();
        let mut listing: Vec<PeerKey> = self
            .linkages
            .members(&self.peers, self.peers[peer].linkage)
            .filter(|&other| other != peer)
            .filter(|&other| debout.is_none_or(|debout| !self.channels.has(other, debout)))
            .collect();
        listing.sort_unstable_by_key(|&other| self.peers[other].number);
        listing
    }

    fn find(&self, id: &str) -> Option<PeerKey> {
        self.ids.find(id, |key| self.peers[key].card.id.as_str())
    }

    fn enter_id(&mut self, peer: PeerKey) {
        let peers = &self.peers;
        self.ids.insert(&peers[peer].card.id, peer, |key| {
            peers[key].card.id.as_str()
        });
    }

    fn set_tags(&mut self, peer: PeerKey, tags: TokenSet) {
        let peer = &mut self.peers[peer];
        self.kept.add(peer, tags.bytes());
        let former = std::mem::replace(&mut peer.card.tags, tags);
        self.kept.free(peer, former.bytes());
    }

    fn set_properties(&mut self, peer: PeerKey, properties: TokenMap) {
        let peer = &mut self.peers[peer];
        self.kept.add(peer, properties.bytes());
        let former = std::mem::replace(&mut peer.card.properties, properties);
        self.kept.free(peer, former.bytes());
    }

    fn check_tags(&self, tags: &TokenSet) -> Result<(), PeerFault> {
        if tags.count() <= self.rules.tags_max {
            return Ok(());
        }
        Err(PeerFault::too_many_tags(self.rules.tags_max))
    }

    fn check_properties(&self, properties: &TokenMap) -> Result<(), PeerFault> {
        if properties.bytes() <= self.rules.properties_bytes_max {
            return Ok(());
        }
        let most = self.rules.properties_bytes_max;
        Err(PeerFault::properties_too_large(most))
    }

    /// Takes a peer out of its linkage and channels, and ends the requests of both directions.
    fn detach(&mut self, peer: PeerKey, out: &mut Outbox<'_>) {
        self.linkages.leave(&mut self.peers, peer);
        self.channels.leave_all(&mut self.peers, peer);
        while !self.peers[peer].asking.is_empty() {
            let first = self.peers[peer].asking.head();
            self.end_request(first);
        }
        self.end_asked(peer, out);
    }

    /// Forgets a request. O(1).
    fn end_request(&mut self, key: RequestKey) -> Request {
        let request = self.requests.end(&mut self.peers, key);
        if !request.deadline.is_none() {
            self.wheel.cancel(request.deadline);
        }
        request
    }
}
