//! All connections, and the phases of a tick: read → expire → reap → flush (steps 2, 9 and 10 of the message path).
//!
//! Owns the connections, the hub, the shared read buffer and the tick's outgoing bytes. Knows no clock and no poll: the
//! driver hands in the time, new sockets and readiness. What an earlier phase condemns is removed by `reap`; what reap
//! and flush condemn waits for the next tick, which then must not wait.

use super::Socket;
use super::conn::{Conn, ConnKey, Life, Party, Speech};
use super::entropy::Entropy;
use super::log_limit::{LogLimit, limited};
use super::out_queue::{Flushed, Frames, OutQueue, Span};
use super::turns::Turns;
use crate::config::Config;
use crate::dialect::ok::{self, user_id::UserIdCipher};
use crate::hub::event::Outbox;
use crate::hub::id::{FreshIds, Id};
use crate::hub::{Hub, Millis, Rules};
use crate::index::{Key, PeerKey, TimerKey};
use crate::web::{HubStatus, Web};
use crate::wheel::Wheel;
use crate::wire::Parser;
use crate::wire::frame;
use log::{Level, debug};
use slab::Slab;
use std::collections::HashMap;
use std::hash::RandomState;
use std::net::IpAddr;

/// The present, as the driver sees it once in each tick.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// A clock that never goes back, ms.
    pub monotonic_ms: Millis,
    /// The time, ms since 1970.
    pub unix_ms: Millis,
}

/// What poll says of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// There may be something to read.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// The other side has ended its direction.
    pub read_closed: bool,
}

/// How many there are of what, for checks and the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Open connections, whatever they speak.
    pub connections: usize,
    /// Peers of the hub.
    pub peers: usize,
    /// Connections turned away since the start.
    pub refused: u64,
    /// Messages with something wrong since the start.
    pub faults: u64,
    /// Connections cut off for reading too slowly since the start.
    pub slow_readers: u64,
}

/// All connections and what is between them.
#[derive(Debug)]
pub struct Switchboard<S> {
    pub(super) floor: Floor<S>,
    /// Lent to one session after the other.
    pub(super) parser: Parser,
    /// The one read buffer.
    pub(super) input: Vec<u8>,
    pub(super) turns: Turns,
    due: Vec<ConnKey>,
}

/// Everything that a message may touch while it is worked on.
#[derive(Debug)]
pub(super) struct Floor<S> {
    pub(super) config: Config,
    pub(super) conns: Slab<Conn<S>>,
    /// Peer → connection.
    pub(super) conn_of_peer: Vec<ConnKey>,
    pub(super) hub: Hub,
    pub(super) reader: ok::Reader,
    pub(super) writer: ok::Writer,
    pub(super) web: Web,
    pub(super) wheel: Wheel<ConnKey>,
    pub(super) frames: Frames,
    /// Where an event becomes text before it becomes a frame.
    pub(super) text: Vec<u8>,
    /// The frame of each event of the outbox that has one already.
    pub(super) spans: Vec<Option<Span>>,
    /// The id of each event of the outbox that came without one and has been given one.
    pub(super) given_ids: Vec<Option<Id>>,
    pub(super) outbox: Outbox<'static>,
    /// Where a session leaves pongs and the answer to a close.
    pub(super) replies: Vec<u8>,
    pub(super) dirty: Vec<ConnKey>,
    pub(super) condemned: Vec<ConnKey>,
    pub(super) ids: FreshIds,
    pub(super) entropy: Entropy,
    /// Work done in this tick, in about a nanosecond.
    pub(super) cost: u64,
    /// Work that one turn of this tick may make.
    pub(super) turn_cost_max: u64,
    pub(super) now: Now,
    started_ms: Millis,
    draining: bool,
    connections_max: usize,
    /// Connections that stay only to be told that there is no place for them. They take nobody's place.
    refused_conns: usize,
    /// Only kept while connections per address are bounded. The addresses are the peers' choice, so the hash is keyed.
    per_address: HashMap<IpAddr, usize>,
    pub(super) census: Census,
    pub(super) fault_log: LogLimit,
    slow_log: LogLimit,
    refused_log: LogLimit,
}

impl<S: Socket> Switchboard<S> {
    /// Connections over the limit that are let in for no longer than it takes to tell them so.
    const REFUSED_MAX: usize = 32;
    /// Deadlines of connections are kept this coarsely, ms.
    const RESOLUTION_MS: Millis = 8;

    /// An empty switchboard for checked settings. `connections_max` is what the system grants.
    pub fn new(
        config: Config,
        connections_max: usize,
        entropy: Entropy,
        now: Now,
        clock: fn() -> u64,
    ) -> Switchboard<S> {
        let limits = &config.limits;
        let rules = Rules {
            scope: config.scope,
            debout: config.debout,
            debout_channel: ok::debout_channel_token(),
            nudge_interval_ms: config.nudge_interval_ms,
            probe_time_ms: config.probe_time_ms,
            request_timeout_ms: config.request_timeout_ms,
            request_timeout_max_ms: config.request_timeout_max_ms,
            tags_max: limits.tags,
            properties_bytes_max: limits.properties_bytes,
            channels_max: limits.channels,
            pending_requests_max: limits.pending_requests,
        };
        let cipher = config.encryption_key.as_deref().map(UserIdCipher::new);
        Switchboard {
            parser: Parser::new(limits.message_bytes),
            input: vec![0; config.read_buffer_bytes],
            turns: Turns::default(),
            due: Vec::new(),
            floor: Floor {
                hub: Hub::new(rules, RandomState::new(), now.monotonic_ms),
                reader: ok::Reader::new(limits.clone(), cipher),
                writer: ok::Writer::new(config.remote_address),
                web: Web::new(env!("CARGO_PKG_VERSION"), clock),
                connections_max: limits.connections.min(connections_max).min(Hub::CAPACITY),
                conns: Slab::new(),
                conn_of_peer: Vec::new(),
                wheel: Wheel::new(Self::RESOLUTION_MS, now.monotonic_ms),
                frames: Frames::default(),
                text: Vec::new(),
                spans: Vec::new(),
                given_ids: Vec::new(),
                outbox: Outbox::default(),
                replies: Vec::new(),
                dirty: Vec::new(),
                condemned: Vec::new(),
                ids: FreshIds::default(),
                entropy,
                cost: 0,
                turn_cost_max: 0,
                now,
                started_ms: now.monotonic_ms,
                draining: false,
                refused_conns: 0,
                per_address: HashMap::new(),
                census: Census::default(),
                fault_log: LogLimit::default(),
                slow_log: LogLimit::default(),
                refused_log: LogLimit::default(),
                config,
            },
        }
    }

    /// Begins a tick.
    pub fn set_now(&mut self, now: Now) {
        self.floor.now = now;
        self.floor.ids.set_time(now.unix_ms);
    }

    /// The key that the next `admit` returns, so that its socket can be registered first.
    pub fn vacant_key(&self) -> ConnKey {
        ConnKey::at(self.floor.conns.vacant_key())
    }

    /// Whether a socket from this address may be admitted, be it only to be told that there is no place for it.
    pub fn has_room(&self, remote: IpAddr) -> bool {
        let floor = &self.floor;
        floor.refused_conns < Self::REFUSED_MAX || floor.refusal(plain_address(remote)).is_none()
    }

    /// Takes in a new socket.
    pub fn admit(&mut self, socket: S, remote: IpAddr) -> ConnKey {
        let floor = &mut self.floor;
        let remote = plain_address(remote);
        let refusal = floor.refusal(remote);
        let life = match refusal {
            None => Life::Open,
            Some(why) => {
                floor.census.refused += 1;
                limited!(
                    floor.refused_log,
                    floor.now.monotonic_ms,
                    Level::Warn,
                    "a connection from {remote} is turned away: {why}"
                );
                Life::Refused
            }
        };
        if life == Life::Refused {
            floor.refused_conns += 1;
        } else if floor.config.limits.connections_per_address > 0 {
            *floor.per_address.entry(remote).or_default() += 1;
        }
        let key = ConnKey::at(floor.conns.insert(Conn::new(socket, remote, life)));
        floor.arm(key, floor.config.handshake_timeout_ms);
        self.turns.ready.push_back(key);
        key
    }

    /// Notes what poll says of a connection.
    pub fn note(&mut self, key: ConnKey, readiness: Readiness) {
        let Some(conn) = self.floor.conns.get_mut(key.index()) else {
            return;
        };
        conn.read_closed |= readiness.read_closed;
        if (readiness.readable || readiness.read_closed) && !conn.readable {
            conn.readable = true;
            self.turns.ready.push_back(key);
        }
        if readiness.writable && conn.write_blocked {
            conn.write_blocked = false;
            self.floor.mark_dirty(key);
        }
    }

    /// The phases after waiting.
    pub fn tick(&mut self) {
        self.read();
        self.expire();
        self.floor.reap();
        self.floor.flush();
    }

    /// When the next tick is needed though nothing happens; the present if there is work left.
    pub fn next_tick(&self) -> Option<Millis> {
        let floor = &self.floor;
        if !(self.turns.is_empty() && floor.dirty.is_empty() && floor.condemned.is_empty()) {
            return Some(floor.now.monotonic_ms);
        }
        let deadlines = [floor.wheel.next_deadline(), floor.hub.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Asks everybody to leave: WebSockets are closed with 1001, requests that are under way are still answered.
    pub fn drain(&mut self) {
        self.floor.draining = true;
        let keys: Vec<ConnKey> = self.floor.keys().collect();
        for key in keys {
            let conn = &self.floor.conns[key.index()];
            match conn.speech {
                Speech::WebSocket { .. } => self.floor.close(key, 1001, "the hub is shutting down"),
                Speech::Http(ref unfinished) if !unfinished.is_empty() => {}
                Speech::Http(_) if conn.out.is_empty() => self.floor.kill(key),
                Speech::Http(_) => self.floor.end_after_writing(key, Life::Parting),
            }
        }
    }

    /// How many there are of what.
    pub fn census(&self) -> Census {
        Census {
            connections: self.floor.conns.len(),
            peers: self.floor.hub.peer_count(),
            ..self.floor.census
        }
    }

    /// The hub, for checks.
    pub fn hub(&self) -> &Hub {
        &self.floor.hub
    }

    /// Panics if connections and peers contradict each other, or a bound is exceeded. For tests; O(everything).
    #[doc(hidden)]
    pub fn check(&self) {
        let floor = &self.floor;
        floor.hub.check();
        let mut peers = 0;
        for (index, conn) in &floor.conns {
            if let Some(peer) = conn.peer() {
                assert_eq!(floor.conn_of_peer[peer.index()].index(), index);
                peers += 1;
            }
            assert!(conn.out.backlog_bytes() <= floor.config.limits.queue_bytes);
            let listed = self.turns.has(ConnKey::at(index));
            assert!(
                !conn.readable || listed || matches!(conn.life, Life::Dead | Life::Parting),
                "who may have something to read is read from"
            );
        }
        assert_eq!(peers, floor.hub.peer_count(), "a peer has one connection");
        let timers = floor.conns.iter().filter(|(_, conn)| !conn.timer.is_none());
        assert_eq!(timers.count(), floor.wheel.len());
        let refused = floor.conns.iter().filter(|(_, conn)| conn.refused).count();
        assert_eq!(refused, floor.refused_conns);
        assert!(refused <= Self::REFUSED_MAX);
        assert!(floor.conns.len() - refused <= floor.connections_max);
    }

    fn expire(&mut self) {
        let now = self.floor.now.monotonic_ms;
        let mut due = std::mem::take(&mut self.due);
        self.floor.wheel.expire(now, &mut due);
        for key in due.drain(..) {
            self.floor.conns[key.index()].timer = TimerKey::NONE;
            self.floor.falls_due(key);
        }
        self.due = due;
        if self.floor.hub.next_deadline().is_some_and(|at| at <= now) {
            self.floor
                .with_hub(|hub, out, ids| hub.expire(now, ids, out));
        }
    }
}

impl<S: Socket> Floor<S> {
    /// The grace between the end of a silent connection's time and its removal, ms.
    const TERMINATE_GRACE_MS: Millis = 100;

    /// Lets the hub do something and delivers what it has to say about it.
    pub(super) fn with_hub<R>(
        &mut self,
        act: impl FnOnce(&mut Hub, &mut Outbox<'static>, &mut FreshIds) -> R,
    ) -> R {
        let mut out = std::mem::take(&mut self.outbox);
        self.ids.top_up(|stock| self.entropy.fill(stock));
        let result = act(&mut self.hub, &mut out, &mut self.ids);
        self.deliver(&out);
        self.outbox = out.recycle();
        result
    }

    /// Queues a close frame and waits for the peer's. Frames that come later are not for this connection any more.
    pub(super) fn close(&mut self, key: ConnKey, code: u16, reason: &str) {
        let conn = &mut self.conns[key.index()];
        if !conn.takes_messages() {
            return;
        }
        if let Speech::WebSocket { session, .. } = &mut conn.speech {
            session.stop_replies();
            conn.life = Life::Closing;
            self.say(key, |bytes| frame::write_close(Some(code), reason, bytes));
            self.condemned.push(key);
            self.arm(key, self.config.close_timeout_ms);
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
        self.conns[key.index()].timer = self.wheel.arm(at, key);
    }

    pub(super) fn disarm(&mut self, key: ConnKey) {
        let timer = std::mem::replace(&mut self.conns[key.index()].timer, TimerKey::NONE);
        if !timer.is_none() {
            self.wheel.cancel(timer);
        }
    }

    pub(super) fn status(&self) -> HubStatus {
        HubStatus {
            peers: self.hub.peer_count(),
            connections: self.conns.len(),
            uptime_ms: self.now.monotonic_ms - self.started_ms,
            ready: !self.draining,
        }
    }

    /// Why a connection from this address cannot be taken in, if so.
    fn refusal(&self, remote: IpAddr) -> Option<&'static str> {
        let per_address = self.config.limits.connections_per_address;
        if self.draining {
            Some("the hub is shutting down")
        } else if self.conns.len() - self.refused_conns >= self.connections_max {
            Some("there are as many connections as there may be")
        } else if per_address > 0
            && self.per_address.get(&remote).copied().unwrap_or_default() >= per_address
        {
            Some("there are as many connections from this address as there may be")
        } else {
            None
        }
    }

    /// The connection's deadline has passed.
    fn falls_due(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        match (conn.life, &conn.speech) {
            (Life::Open, Speech::WebSocket { .. }) if !conn.awaits_pong => {
                conn.awaits_pong = true;
                self.ping(key);
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
            (Life::Open | Life::Refused, Speech::Http(unfinished)) => {
                if unfinished.is_empty() {
                    self.kill(key);
                } else {
                    self.answer_timeout(key);
                }
            }
            (Life::Terminating | Life::Closing | Life::Parting | Life::Lingering, _) => {
                self.kill(key);
            }
            (Life::Dead, _) | (Life::Refused, Speech::WebSocket { .. }) => {}
        }
    }

    pub(super) fn ping(&mut self, key: ConnKey) {
        self.say(key, |bytes| bytes.extend_from_slice(&frame::PING_EMPTY));
    }

    /// Removes what is condemned. The leave-events that this makes go the way of all events.
    fn reap(&mut self) {
        while let Some(key) = self.condemned.pop() {
            let Some(conn) = self.conns.get_mut(key.index()) else {
                continue;
            };
            let peer = conn.peer();
            if let (Some(_), Speech::WebSocket { party, .. }) = (peer, &mut conn.speech) {
                *party = Party::Nobody;
            }
            if let Some(peer) = peer {
                self.conn_of_peer[peer.index()] = ConnKey::NONE;
                self.with_hub(|hub, out, ids| hub.depart(peer, ids, out));
                self.hub.forget(peer);
            }
            if self.conns[key.index()].life == Life::Dead {
                self.remove(key);
            }
        }
    }

    fn remove(&mut self, key: ConnKey) {
        self.disarm(key);
        let conn = self.conns.remove(key.index());
        if conn.refused {
            self.refused_conns -= 1;
        } else if self.config.limits.connections_per_address > 0
            && let Some(count) = self.per_address.get_mut(&conn.remote)
        {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&conn.remote);
            }
        }
    }

    /// Writes every dirty connection once.
    pub(super) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            if let Some(conn) = self.conns.get_mut(key.index()) {
                conn.dirty = false;
                self.flush_one(key);
            }
        }
        self.dirty = dirty;
        self.frames.reset();
        if self.text.capacity() > Frames::BYTES_MAX {
            self.text = Vec::new();
        }
    }

    fn flush_one(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        if conn.life == Life::Dead {
            return;
        }
        let most = self.config.limits.queue_bytes;
        let flushed = if conn.write_blocked {
            Ok(conn.out.keep(&self.frames, most))
        } else {
            conn.out.flush(&self.frames, most, &mut conn.socket)
        };
        match flushed {
            Ok(Flushed::Empty) => self.all_written(key),
            Ok(Flushed::Blocked) => conn.write_blocked = true,
            Ok(Flushed::Overflow) => {
                self.census.slow_readers += 1;
                limited!(
                    self.slow_log,
                    self.now.monotonic_ms,
                    Level::Warn,
                    "{key} from {} reads too slowly: more than {most} bytes wait for it; it is cut off",
                    conn.remote
                );
                conn.out = OutQueue::new();
                self.kill(key);
            }
            Err(error) => {
                debug!("{key} from {}: {error}", conn.remote);
                self.kill(key);
            }
        }
    }

    fn all_written(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        match conn.life {
            Life::Open | Life::Terminating | Life::Refused | Life::Closing | Life::Dead => {}
            Life::Parting => self.kill(key),
            Life::Lingering => {
                if conn.socket.finish().is_err() {
                    self.kill(key);
                }
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = ConnKey> {
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

/// An address as peers know it: IPv4 in IPv6 as IPv4, and one name for this machine.
fn plain_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(std::net::Ipv6Addr::LOCALHOST) => IpAddr::from([127, 0, 0, 1]),
        address => address,
    }
}
