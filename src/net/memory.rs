//! How much memory all that waits takes, and what goes when it is too much.
//!
//! Owns the account of what is kept for slow readers and of what is incomplete: beginnings of messages, lines, requests,
//! what has been read and not yet worked off, and what dialects keep for those who are absent. What several readers share counts
//! once. What peers have the hub keep is in the hub's account, and added.

use super::Socket;
use super::conn::{Conn, Life, Speech};
use super::floor::Floor;
use super::log_limit::limited;
use super::out_queue::OutQueue;
use crate::config::Config;
use crate::index::ConnKey;
use log::Level;

/// Of the memory, what a dialect may keep for those who are absent: this part at most, or nothing would be left for those who
/// are there.
const ABSENT_SHARE: usize = 4;

/// Lowers the bounds of those dialects that keep something to what the memory allows.
pub(super) fn keep_for_absent(config: &mut Config) {
    let most = config.limits.memory_bytes / ABSENT_SHARE;
    for bytes in [
        &mut config.peerjs.waiting_bytes,
        &mut config.relay.waiting_bytes,
    ] {
        *bytes = most.min(*bytes);
    }
}

impl<S> Conn<S> {
    /// Bytes of memory that this connection alone keeps for what waits or is incomplete.
    pub(super) fn held_bytes(&self) -> usize {
        let begun = match &self.speech {
            Speech::Http(unfinished) => unfinished.bytes.capacity(),
            Speech::Dialling(dialling) => dialling.as_ref().map_or(0, |it| it.held_bytes()),
            Speech::WebSocket { session, .. } => session.held_bytes(),
            Speech::Lines { lines, .. } => lines.held_bytes(),
        };
        let put_off = self.put_off.as_ref().map_or(0, |bytes| bytes.len());
        let header = self.proxied.as_ref().map_or(0, |it| it.held_bytes());
        let sealed = self.tls.as_ref().map_or(0, |tls| tls.held_bytes());
        self.out.own_bytes() + put_off + begun + header + sealed
    }
}

impl<S: Socket> Floor<S> {
    /// In so many batches at most those are cut off for whom something waits.
    const BATCHES: usize = 64;
    /// What may be added in a tick between two looks at how much memory is left: this part of it.
    const UNWATCHED_SHARE: usize = 16;

    /// Brings the account up to date with a connection that has been read from or written to.
    pub(super) fn weigh(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        let held_bytes = conn.held_bytes();
        if held_bytes != conn.weighed_bytes {
            self.held_bytes += held_bytes;
            self.held_bytes -= std::mem::replace(&mut conn.weighed_bytes, held_bytes);
        }
    }

    /// Forgets what waits for a connection that is over.
    pub(super) fn drop_queue(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        conn.out = OutQueue::new();
        if let Some(tls) = &mut conn.tls {
            tls.empty();
        }
        self.weigh(key);
    }

    /// Bytes of memory of all that waits, and of what peers have the hub keep.
    pub(super) fn waiting_bytes(&self) -> usize {
        let shared_bytes = self.frames.shared_bytes();
        self.held_bytes + shared_bytes + self.worlds.waiting_bytes() + self.hub.kept_bytes()
    }

    /// Bytes that the hub keeps for the peer of this connection.
    fn kept_bytes(&self, conn: &Conn<S>) -> usize {
        conn.peer()
            .map_or(0, |peer| self.hub.peer(peer).kept_bytes())
    }

    /// The same, unless the connection is dead.
    fn living_bytes(&self, conn: &Conn<S>) -> usize {
        match conn.life {
            Life::Dead => 0,
            _ => self.kept_bytes(conn),
        }
    }

    /// Bytes that the hub keeps for those who are dead, and gives back as soon as they have been removed. O(connections).
    pub(super) fn dead_bytes(&self) -> usize {
        let conns = self.conns.iter().map(|(_, conn)| conn);
        let dead = conns.filter(|conn| conn.life == Life::Dead);
        dead.map(|conn| self.kept_bytes(conn)).sum()
    }

    /// Does in the middle of a tick what `relieve` does at its end, if much has been added since that was last done.
    pub(super) fn relieve_in_time(&mut self) {
        let unwatched_max = self.config.limits.memory_bytes / Self::UNWATCHED_SHARE;
        if self.held_bytes > self.watched_bytes.saturating_add(unwatched_max) {
            self.relieve();
        }
    }

    /// If less than an eighth of the memory is left, those for whom the most waits or is kept are cut off, until a quarter is
    /// free. So there is place for newcomers whoever takes the rest. O(1) unless memory is short, then
    /// O(connections log connections).
    pub(super) fn relieve(&mut self) {
        let most = self.config.limits.memory_bytes;
        let much = most - most / 8;
        if self.waiting_bytes() > much {
            self.cut_off_largest(most, much);
        }
        self.watched_bytes = self.held_bytes;
    }

    #[cold]
    fn cut_off_largest(&mut self, most: usize, much: usize) {
        self.frames.recount_shared();
        let mut dead_bytes = self.dead_bytes();
        if self.waiting_bytes() - dead_bytes <= much {
            return;
        }
        let mut offenders: Vec<(usize, ConnKey)> = self
            .keys()
            .map(|key| (self.weight(key), key))
            .filter(|&(bytes, _)| bytes > 0)
            .collect();
        offenders.sort_unstable_by_key(|&(bytes, key)| (bytes, key.index()));
        // What is shared is counted anew after each batch, since its last reader frees it.
        let batch = offenders.len().div_ceil(Self::BATCHES);
        while self.waiting_bytes() - dead_bytes > most - most / 4 && !offenders.is_empty() {
            for (bytes, key) in offenders.split_off(offenders.len().saturating_sub(batch)) {
                dead_bytes += self.living_bytes(&self.conns[key.index()]);
                self.evict(key, bytes);
            }
            self.frames.recount_shared();
        }
    }

    /// Bytes that are there because of this connection, those that it shares among them.
    fn weight(&self, key: ConnKey) -> usize {
        let conn = &self.conns[key.index()];
        conn.held_bytes() + conn.out.shared_bytes() + self.living_bytes(conn)
    }

    fn evict(&mut self, key: ConnKey, bytes: usize) {
        self.census.evicted += 1;
        limited!(
            self.memory_log,
            self.now.monotonic_ms,
            Level::Warn,
            "{key} from {} is cut off: the hub is short of memory, and {bytes} bytes wait or are kept for it",
            self.conns[key.index()].remote
        );
        self.empty(key);
        self.kill(key);
    }

    /// Gives back all that a connection keeps that is about to be over.
    fn empty(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        conn.put_off = None;
        conn.proxied = None;
        match &mut conn.speech {
            Speech::Http(unfinished) => unfinished.bytes = Vec::new(),
            Speech::Dialling(_) => {}
            Speech::WebSocket { session, .. } => *session = Default::default(),
            Speech::Lines { lines, .. } => *lines = Default::default(),
        }
        self.drop_queue(key);
    }
}
