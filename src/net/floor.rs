//! Everything that a message may touch while it is worked on, and how connections end: close, condemn, reap (step 9 of the
//! message path).
//!
//! What an earlier phase condemns is removed by `reap`; what reap and flush condemn waits for the next tick.

use super::Socket;
use super::conn::{Conn, Life, Party, Speech};
use super::dialling::Wish;
use super::entropy::Entropy;
use super::fanout::DropFirst;
use super::gate::Gate;
use super::log_limit::{LogLimit, limited};
use super::out_queue::{Frames, Span};
use super::rate::Tariff;
use super::sources::Sources;
use super::switchboard::{Census, Now};
use super::tls::Bench;
use crate::config::{Config, Plaintext, Proxies};
use crate::dialect::{Lent, Mail, Worlds, ok};
use crate::hub::event::Outbox;
use crate::hub::id::{FreshIds, Id};
use crate::hub::{Hub, Millis};
use crate::index::{ConnKey, Key, PeerKey, TimerKey};
use crate::planted;
use crate::web::{Counters, HubStatus, Web};
use crate::wheel::Wheel;
use crate::wire::frame;
use log::{Level, debug};
use rustls::server::ServerConfig;
use slab::Slab;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that a message may touch while it is worked on.
#[derive(Debug)]
pub(super) struct Floor<S> {
    pub(super) config: Config,
    pub(super) conns: Slab<Conn<S>>,
    /// Peer → connection.
    pub(super) conn_of_peer: Vec<ConnKey>,
    pub(super) hub: Hub,
    pub(super) worlds: Worlds,
    pub(super) mail: Mail,
    /// What shall survive a restart and has not been taken from here yet.
    pub(super) kept: Option<Box<str>>,
    pub(super) reader: ok::Reader,
    pub(super) writer: ok::Writer,
    pub(super) web: Web,
    /// Whose word is taken for whom they come.
    pub(super) proxies: Proxies,
    pub(super) wheel: Wheel<Due>,
    /// What connections that begin with TLS need; none if they cannot.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// What becomes of those who come without TLS.
    pub(super) plaintext: Plaintext,
    /// Where bytes are while they are sealed and opened.
    pub(super) bench: Bench,
    pub(super) gate: Gate,
    pub(super) frames: Frames,
    /// Where an event becomes text before it becomes a frame.
    pub(super) text: Vec<u8>,
    /// The frame of each event of the outbox, or of each text of the mail, that has one in this flush already.
    pub(super) spans: Vec<Option<Span>>,
    /// The id of each event of the outbox that came without one and has been given one.
    pub(super) given_ids: Vec<Option<Id>>,
    pub(super) outbox: Outbox<'static>,
    /// Peers that have been asked for a sign of life and have given it already.
    pub(super) lively: Vec<PeerKey>,
    /// A text of the worlds was for a connection that is ending.
    pub(super) undelivered: bool,
    /// Where a session leaves pongs and the answer to a close.
    pub(super) replies: Vec<u8>,
    pub(super) dirty: Vec<ConnKey>,
    /// Those who have much to be told and are written to when it is their turn; until then they count as blocked.
    pub(super) unwritten: VecDeque<ConnKey>,
    pub(super) condemned: Vec<ConnKey>,
    pub(super) ids: FreshIds,
    pub(super) entropy: Entropy,
    /// Work done in this tick, in about a nanosecond.
    pub(super) cost: u64,
    /// That of it, since the start, which was writing for everybody and not for one.
    pub(super) flush_cost: u64,
    /// Work that one turn of this tick may make.
    pub(super) turn_cost_max: u64,
    pub(super) now: Now,
    pub(super) started_ms: Millis,
    pub(super) draining: bool,
    pub(super) connections_max: usize,
    /// Connections that stay only to be told that there is no place for them. They take nobody's place.
    pub(super) refused_conns: usize,
    /// Only kept while connections of an address are bounded in number or rate.
    pub(super) sources: Sources,
    pub(super) tariff: Tariff,
    /// Whether the tariff charges for anything.
    pub(super) is_metered: bool,
    /// Deliveries and joins since the start.
    pub(super) deliveries: u64,
    pub(super) joins: u64,
    /// Connections that rest.
    pub(super) resting: usize,
    /// Those who come are a crowd: what of theirs is told to very many waits until the others of them have been heard.
    pub(super) postpones: bool,
    /// What the account of memory has down for all connections.
    pub(super) held_bytes: usize,
    /// The same when it was last looked whether that is too much.
    pub(super) watched_bytes: usize,
    pub(super) drop_first: DropFirst,
    pub(super) census: Census,
    pub(super) fault_log: LogLimit,
    pub(super) slow_log: LogLimit,
    pub(super) refused_log: LogLimit,
    pub(super) excess_log: LogLimit,
    pub(super) memory_log: LogLimit,
    pub(super) dial_log: LogLimit,
    /// Connections that the worlds wish for: as many as they may dial at most.
    pub(super) wishes: VecDeque<Wish>,
}

/// What has come due of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// Its one deadline.
    Own(ConnKey),
    /// It has rested enough.
    Rested(ConnKey),
    /// Too much has waited for its reader for too long.
    Slow(ConnKey),
    /// A message that has begun has not ended.
    Late(ConnKey),
    /// The token that it came with may have expired.
    Expired(ConnKey),
}

impl<S: Socket> Floor<S> {
    /// The grace between the end of a silent connection's time and its removal, ms.
    const TERMINATE_GRACE_MS: Millis = 100;
    /// What it may cost in one tick to tell the others of those who have gone, in about a nanosecond: 4 ms.
    const REAP_COST_MAX: u64 = 4_000_000;
    /// What it costs to undo one subscription or request of somebody who is gone, in about a nanosecond.
    const TIE_COST: u64 = 300;

    /// Lets the hub do something and delivers what it has to say about it.
    pub(super) fn with_hub<'a, R>(
        &mut self,
        act: impl FnOnce(&mut Hub, &mut Outbox<'a>, &mut FreshIds) -> R,
    ) -> R {
        let result = self.ask_hub(act);
        while let Some(peer) = self.lively.pop() {
            self.ask_hub(|hub, out, _| hub.answered(peer, out));
        }
        result
    }

    fn ask_hub<'a, R>(
        &mut self,
        act: impl FnOnce(&mut Hub, &mut Outbox<'a>, &mut FreshIds) -> R,
    ) -> R {
        let mut out: Outbox<'a> = std::mem::take(&mut self.outbox).recycle();
        self.restock_ids();
        let result = act(&mut self.hub, &mut out, &mut self.ids);
        self.deliver(&out);
        self.outbox = out.recycle();
        result
    }

    /// Lets the worlds do something and delivers what they have to say about it.
    pub(super) fn with_worlds<R>(&mut self, act: impl FnOnce(&mut Worlds, Lent<'_>) -> R) -> R {
        self.lend(|_, worlds, lent| act(worlds, lent))
    }

    /// The same for plain HTTP, behind which the worlds are.
    pub(super) fn lend<R>(&mut self, act: impl FnOnce(&Web, &mut Worlds, Lent<'_>) -> R) -> R {
        let mut mail = std::mem::take(&mut self.mail);
        mail.has_readers = log::log_enabled!(Level::Debug);
        self.restock_ids();
        let lent = Lent {
            now: self.now.monotonic_ms,
            ids: &mut self.ids,
            mail: &mut mail,
        };
        let result = act(&self.web, &mut self.worlds, lent);
        self.post(&mail);
        mail.clear();
        self.mail = mail;
        result
    }

    /// Sees to it that there are random bytes enough for whatever the hub does next.
    pub(super) fn restock_ids(&mut self) {
        let claims = self.hub.claim_count();
        self.ids.top_up(claims, |stock| self.entropy.fill(stock));
    }

    /// Queues a close frame and waits for the peer's; without frames, just ends. What comes later is not for this
    /// connection any more.
    pub(super) fn close(&mut self, key: ConnKey, code: Option<u16>, reason: &str) {
        self.close_as(key, code, reason, Life::Closing);
    }

    /// The same with the choice whether a WebSocket's peer is gone from now on, or still heard until its close frame.
    pub(super) fn close_as(&mut self, key: ConnKey, code: Option<u16>, reason: &str, life: Life) {
        let conn = &mut self.conns[key.index()];
        if !conn.takes_messages() {
            return;
        }
        match &mut conn.speech {
            Speech::Http(_) => {}
            Speech::Dialling(_) => self.kill(key),
            Speech::WebSocket { session, .. } => {
                session.stop_replies();
                conn.life = life;
                let mask_key = self.mask_key(key);
                self.say(key, |bytes| match mask_key {
                    None => frame::write_close(code, reason, bytes),
                    Some(mask_key) => frame::write_masked_close(code, reason, mask_key, bytes),
                });
                if life == Life::Closing {
                    self.condemned.push(key);
                }
                self.arm(key, self.config.close_timeout_ms);
            }
            Speech::Lines { .. } => self.end_after_writing(key, Life::Lingering),
        }
    }

    /// The connection is over once everything is written.
    pub(super) fn end_after_writing(&mut self, key: ConnKey, life: Life) {
        let conn = &mut self.conns[key.index()];
        if conn.life != Life::Dead {
            conn.life = life;
            self.condemned.push(key);
            self.mark_dirty(key);
            self.arm(key, self.config.close_timeout_ms);
        }
    }

    /// The connection is over now.
    pub(super) fn kill(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        if conn.life != Life::Dead {
            conn.life = Life::Dead;
            self.condemned.push(key);
        }
    }

    /// Queues bytes for one connection.
    pub(super) fn say(&mut self, key: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let span = self.frames.append(write);
        self.cost += span.bytes();
        self.conns[key.index()].out.push(&mut self.frames, span);
        self.mark_dirty(key);
    }

    pub(super) fn mark_dirty(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Sets the connection's one deadline anew.
    pub(super) fn arm(&mut self, key: ConnKey, after_ms: Millis) {
        self.disarm(key);
        let at = self.now.monotonic_ms + after_ms;
        self.conns[key.index()].timer = self.wheel.arm(at, Due::Own(key));
    }

    pub(super) fn disarm(&mut self, key: ConnKey) {
        let timer = std::mem::replace(&mut self.conns[key.index()].timer, TimerKey::NONE);
        if !timer.is_none() {
            self.wheel.cancel(timer);
        }
    }

    /// How the hub is; with what only operators are told, or without.
    pub(super) fn status(&self, is_for_operator: bool) -> HubStatus {
        let census = &self.census;
        let counters = is_for_operator.then(|| Counters {
            bad_messages: census.faults,
            refused_connections: census.refused,
            slow_readers: census.slow_readers,
            evicted: census.evicted,
            delayed: census.delayed,
            refused_messages: census.refused_messages,
            dropped_deliveries: census.dropped,
            waiting_bytes: self.waiting_bytes(),
        });
        HubStatus {
            peers: self.hub.peer_count(),
            connections: self.conns.len(),
            uptime_ms: self.now.monotonic_ms - self.started_ms,
            ready: !self.draining,
            mesh: self.worlds.mesh_status(),
            counters,
        }
    }

    /// Why a connection from this address cannot be taken in, if so.
    pub(super) fn refusal(&self, remote: IpAddr) -> Option<&'static str> {
        if self.draining {
            Some("the hub is shutting down")
        } else if self.conns.len() - self.refused_conns >= self.connections_max {
            Some("there are as many connections as there may be")
        } else if self.waiting_bytes() > self.config.limits.memory_bytes {
            Some("the hub is short of memory")
        } else {
            self.refusal_of_address(remote)
        }
    }

    /// Why nobody else is let in from this address, if so.
    pub(super) fn refusal_of_address(&self, address: IpAddr) -> Option<&'static str> {
        if self.is_crowded(address) {
            Some("there are as many connections from this address as there may be")
        } else if self.is_hasty(address) {
            Some("connections from this address come faster than they may")
        } else {
            None
        }
    }

    /// Whether there are as many connections from this address as there may be. A trusted proxy's own address never is: for
    /// whom it comes shows at the upgrade, and until then the limit on all connections and the handshake's time bound it.
    fn is_crowded(&self, address: IpAddr) -> bool {
        let most = self.config.limits.connections_per_address;
        most > 0 && !self.proxies.trust(address) && self.sources.connections(address) >= most
    }

    /// Whether more connections have come from this address lately than may; never of a trusted proxy's own.
    fn is_hasty(&self, address: IpAddr) -> bool {
        let burst_ns = self.tariff.burst_ns;
        self.tariff.newcomers > 0
            && self.sources.is_hasty_until_ns(address, burst_ns) > self.now_ns()
            && !self.proxies.trust(address)
    }

    /// Counts one more connection from this address, if such are counted.
    pub(super) fn count(&mut self, address: IpAddr) -> bool {
        let tariff = &self.tariff;
        let counts = self.config.limits.connections_per_address > 0
            || tariff.newcomers > 0
            || tariff.address.is_on();
        let counted = counts && !self.proxies.trust(address);
        if counted {
            let now_ns = self.now_ns();
            self.sources.enter(address, now_ns, &self.tariff);
        }
        counted
    }

    /// There is no place for this connection: it stays to be told so.
    pub(super) fn refuse(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        (conn.life, conn.refused) = (Life::Refused, true);
        self.refused_conns += 1;
    }

    /// Counts and logs that somebody is turned away.
    pub(super) fn turn_away(&mut self, remote: IpAddr, why: &str) {
        self.census.refused += 1;
        limited!(
            self.refused_log,
            self.now.monotonic_ms,
            Level::Warn,
            "a connection from {remote} is turned away: {why}"
        );
    }

    /// The connection's deadline has passed.
    pub(super) fn falls_due(&mut self, key: ConnKey) {
        self.act_on_deadline(key);
        self.weigh(key);
    }

    fn act_on_deadline(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        match (conn.life, &conn.speech) {
            (Life::Open, Speech::WebSocket { .. }) if !conn.awaits_pong => {
                conn.awaits_pong = true;
                self.ping(key);
                self.arm(key, self.config.ping_interval_ms);
            }
            // The hub has not yet read all that there is; the pong may be among it.
            (Life::Open, Speech::WebSocket { .. }) if conn.readable => {
                self.arm(key, self.config.ping_interval_ms);
            }
            (Life::Open, Speech::WebSocket { .. }) => {
                debug!("{key} from {} answers no pings", conn.remote);
                conn.life = Life::Terminating;
                if let Some(peer) = conn.peer() {
                    self.with_hub(|hub, out, _| hub.terminating(peer, out));
                }
                self.arm(key, Self::TERMINATE_GRACE_MS);
            }
            (Life::Open, Speech::Dialling(_)) => self.lose(key, &"no answer in time"),
            (Life::Open | Life::Refused, Speech::Http(unfinished)) => {
                if unfinished.bytes.is_empty() {
                    self.is_silent(key);
                } else {
                    self.answer_timeout(key);
                }
            }
            (
                Life::Terminating | Life::Leaving | Life::Closing | Life::Parting | Life::Lingering,
                _,
            ) => {
                self.kill(key);
            }
            (Life::Dead, _)
            | (Life::Open, Speech::Lines { .. })
            | (
                Life::Refused,
                Speech::Dialling(_) | Speech::WebSocket { .. } | Speech::Lines { .. },
            ) => {}
        }
    }

    pub(super) fn ping(&mut self, key: ConnKey) {
        let mask_key = self.mask_key(key);
        self.say(key, |bytes| match mask_key {
            None => bytes.extend_from_slice(&frame::PING_EMPTY),
            Some(mask_key) => frame::write_masked_ping(mask_key, bytes),
        });
    }

    /// Removes what is condemned. The leave-events that this makes go the way of all events. When a crowd ends at once,
    /// each of which very many must be told of, the rest waits for the next tick.
    pub(super) fn reap(&mut self) {
        let cost_max = self.cost + Self::REAP_COST_MAX;
        let mut condemned = std::mem::take(&mut self.condemned);
        let mut reaped = 0;
        while self.cost <= cost_max
            && let Some(&key) = condemned.get(reaped)
        {
            reaped += 1;
            // It may be there twice: closed first and then killed.
            let Some(conn) = self.conns.get_mut(key.index()) else {
                continue;
            };
            // What kills it from here on condemns it anew.
            let is_dead = conn.life == Life::Dead;
            let party = conn.party();
            conn.leave_party();
            if let Some(dialling) = conn.take_dialling() {
                self.end_dialling(*dialling);
            }
            match party {
                Party::Peer(peer) => {
                    self.cost += self.hub.peer(peer).tie_count() as u64 * Self::TIE_COST;
                    self.conn_of_peer[peer.index()] = ConnKey::NONE;
                    self.with_hub(|hub, out, ids| hub.depart(peer, ids, out));
                    self.hub.forget(peer);
                }
                Party::Member(member) => {
                    self.with_worlds(|worlds, lent| worlds.depart(member, lent))
                }
                Party::Echo | Party::Nobody => {}
            }
            if is_dead {
                self.remove(key);
            }
        }
        condemned.drain(..reaped);
        condemned.append(&mut self.condemned);
        self.condemned = condemned;
    }

    fn remove(&mut self, key: ConnKey) {
        self.disarm(key);
        self.take_pass(key);
        let mut conn = self.conns.remove(key.index());
        self.resting -= usize::from(conn.rests());
        for timer in conn.watch.iter_mut().flat_map(|watch| watch.timers()) {
            self.wheel.cancel(*timer);
        }
        self.held_bytes -= conn.weighed_bytes;
        if conn.refused && !planted::bug("refused-for-ever") {
            self.refused_conns -= 1;
        }
        if conn.counted {
            let now_ns = self.now_ns();
            self.sources.leave(conn.remote, now_ns);
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ConnKey> {
        self.conns.iter().map(|(index, _)| ConnKey::at(index))
    }

    /// Remembers which connection a peer has.
    pub(super) fn seat(&mut self, peer: PeerKey, key: ConnKey) {
        if self.conn_of_peer.len() <= peer.index() {
            self.conn_of_peer.resize(peer.index() + 1, ConnKey::NONE);
        }
        self.conn_of_peer[peer.index()] = key;
    }
}
