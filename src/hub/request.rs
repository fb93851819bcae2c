//! Requests that wait for an answer (step 5 of the message path).
//!
//! One record for each requester, responder and message id; each ends exactly once: by a response, by its deadline, or
//! because one of the two has gone. Found by the hash of all three, and by the lists of both peers. Among requests that are
//! equal in all three, an answer is the oldest's.
//! Source: `PROTOCOLS.md` section 1, "Where the original is wrong".

use super::event::Failure;
use super::kept::Kept;
use super::peer::{Asked, Asking, Peer};
use crate::index::{Arena, Key, KeyTable, Linked, Links, PeerKey, RequestKey, TimerKey};
use compact_str::CompactString;
use std::hash::{BuildHasher, RandomState};

/// One request that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) requester: PeerKey,
    pub(super) responder: PeerKey,
    /// The responder's id when it was asked: it may take another one, which the requester has not asked.
    pub(super) responder_id: CompactString,
    pub(super) message_id: CompactString,
    pub(super) name: Option<CompactString>,
    /// None once it has passed or the responder has gone, and the requester is yet to be told.
    pub(super) deadline: TimerKey,
    /// How many requests came before it.
    number: u64,
    asking: Links<RequestKey>,
    asked: Links<RequestKey>,
}

impl Linked<Asking, RequestKey> for Request {
    fn links(&self) -> &Links<RequestKey> {
        &self.asking
    }

    fn links_mut(&mut self) -> &mut Links<RequestKey> {
        &mut self.asking
    }
}

impl Linked<Asked, RequestKey> for Request {
    fn links(&self) -> &Links<RequestKey> {
        &self.asked
    }

    fn links_mut(&mut self) -> &mut Links<RequestKey> {
        &mut self.asked
    }
}

/// All requests that wait.
#[derive(Debug)]
pub(super) struct Requests {
    arena: Arena<RequestKey, Request>,
    /// Requester, responder and message id → request. The message id is peer-chosen, so the hash is keyed.
    table: KeyTable<RequestKey>,
    hasher: RandomState,
    next_number: u64,
    kept: Kept,
}

impl Request {
    /// Bytes that it takes.
    fn kept_bytes(&self) -> usize {
        let name_bytes = self.name.as_ref().map_or(0, |name| name.len());
        size_of::<Request>() + self.responder_id.len() + self.message_id.len() + name_bytes
    }
}

impl Requests {
    pub(super) fn new(hasher: RandomState) -> Requests {
        Requests {
            arena: Arena::new(),
            table: KeyTable::default(),
            hasher,
            next_number: 0,
            kept: Kept::default(),
        }
    }

    /// The key that the next `open` returns, so that its deadline can be armed first.
    pub(super) fn vacant_key(&self) -> RequestKey {
        self.arena.vacant_key()
    }

    /// Remembers a request. O(1).
    pub(super) fn open(
        &mut self,
        peers: &mut Arena<PeerKey, Peer>,
        (requester, responder): (PeerKey, PeerKey),
        message_id: &str,
        name: Option<&str>,
        deadline: TimerKey,
    ) {
        let key = self.arena.insert(Request {
            requester,
            responder,
            responder_id: peers[responder].card.id.clone(),
            message_id: message_id.into(),
            name: name.map(CompactString::from),
            deadline,
            number: self.next_number,
            asking: Links::default(),
            asked: Links::default(),
        });
        self.next_number += 1;
        let kept_bytes = self.arena[key].kept_bytes();
        self.kept.add(&mut peers[requester], kept_bytes);
        peers[requester].asking.push_back(&mut self.arena, key);
        peers[responder].asked.push_back(&mut self.arena, key);
        let hash = self.hasher.hash_one((requester, responder, message_id));
        self.table.insert(hash, key);
    }

    /// The request that a response with this message id answers, if there is one. O(requests equal in all three).
    pub(super) fn find(
        &self,
        requester: PeerKey,
        responder: PeerKey,
        message_id: &str,
    ) -> Option<RequestKey> {
        let hash = self.hasher.hash_one((requester, responder, message_id));
        // The table has equal ones in any order.
        self.table
            .candidates(hash)
            .filter(|&key| {
                let request = &self.arena[key];
                request.requester == requester
                    && request.responder == responder
                    && request.message_id == message_id
                    && request.asked.is_linked()
            })
            .min_by_key(|&key| self.arena[key].number)
    }

    /// The deadline of this request has passed.
    pub(super) fn forget_deadline(&mut self, key: RequestKey) {
        self.arena[key].deadline = TimerKey::NONE;
    }

    /// The responder of this request is going, and nobody can answer it any more; the requester is yet to be told. Gives its
    /// deadline, which the caller cancels, if it has one. O(1).
    pub(super) fn orphan(&mut self, peers: &mut Arena<PeerKey, Peer>, key: RequestKey) -> TimerKey {
        let responder = self.arena[key].responder;
        peers[responder].asked.remove(&mut self.arena, key);
        std::mem::replace(&mut self.arena[key].deadline, TimerKey::NONE)
    }

    /// Whether this request is still there, and over.
    pub(super) fn is_overdue(&self, key: RequestKey) -> bool {
        let request = self.arena.get(key);
        request.is_some_and(|request| request.deadline.is_none())
    }

    /// Why this request, which is overdue, is over.
    pub(super) fn why_over(&self, key: RequestKey) -> Failure {
        match self.arena[key].asked.is_linked() {
            true => Failure::TimedOut,
            false => Failure::PeerLeft,
        }
    }

    /// How many have a deadline. O(requests).
    pub(super) fn deadline_count(&self) -> usize {
        let requests = self.arena.iter();
        requests
            .filter(|(_, request)| !request.deadline.is_none())
            .count()
    }

    /// Forgets a request; the caller cancels its deadline, if it has one. O(1).
    pub(super) fn end(&mut self, peers: &mut Arena<PeerKey, Peer>, key: RequestKey) -> Request {
        let Request {
            requester,
            responder,
            ..
        } = self.arena[key];
        peers[requester].asking.remove(&mut self.arena, key);
        if self.arena[key].asked.is_linked() {
            peers[responder].asked.remove(&mut self.arena, key);
        }
        let request = self.arena.remove(key);
        self.kept.free(&mut peers[requester], request.kept_bytes());
        let hash = self
            .hasher
            .hash_one((requester, responder, request.message_id.as_str()));
        let was_there = self.table.remove(hash, key);
        assert!(was_there, "every request is found by its hash");
        request
    }

    /// Bytes that are kept for all requests.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.bytes()
    }

    /// Bytes that are kept for the requests of a peer. O(those).
    pub(super) fn kept_bytes_of(&self, peer: &Peer) -> usize {
        let mine = peer.asking.iter(&self.arena);
        mine.map(|key| self.arena[key].kept_bytes()).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.arena.len()
    }

    /// Checks what must hold between the table and the lists. For tests.
    pub(super) fn check(&self, peers: &Arena<PeerKey, Peer>) {
        assert_eq!(self.arena.len(), self.table.len());
        let asking: usize = peers.iter().map(|(_, peer)| peer.asking.len()).sum();
        let asked: usize = peers.iter().map(|(_, peer)| peer.asked.len()).sum();
        let all = self.arena.iter().map(|(_, request)| request);
        let answerable: Vec<_> = all.filter(|request| request.asked.is_linked()).collect();
        assert_eq!((asking, asked), (self.arena.len(), answerable.len()));
        for request in answerable {
            assert!(
                self.find(request.requester, request.responder, &request.message_id)
                    .is_some(),
                "every request can be answered"
            );
        }
    }
}
