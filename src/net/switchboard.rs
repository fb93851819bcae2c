//! All connections, and the phases of a tick: read → expire → reap → flush (steps 2, 9 and 10 of the message path).
//!
//! Owns the connections, the hub, the shared read buffer and the tick's outgoing bytes. Knows no clock and no poll: the
//! driver hands in the time, new sockets and readiness.

use super::Socket;
use super::conn::{Conn, Life, Party};
use super::entropy::Entropy;
use super::fanout::DropFirst;
use super::floor::{Due, Floor};
use super::gate::Gate;
use super::leave::LeaveTaking;
use super::log_limit::LogLimit;
use super::memory::keep_for_absent;
use super::out_queue::Frames;
use super::rate::Tariff;
use super::sources::Sources;
use super::tls::{Bench, Tls};
use super::turns::Turns;
use crate::access::Checker;
use crate::config::{Config, Proxies};
use crate::dialect::ok::{self, user_id::UserIdCipher};
use crate::dialect::{Mail, Worlds};
use crate::hub::event::Outbox;
use crate::hub::id::FreshIds;
use crate::hub::{Hub, Millis, Rules};
use crate::index::{ConnKey, Key};
use crate::planted;
use crate::web::Web;
use crate::wheel::Wheel;
use crate::wire::Parser;
use rustls::server::ServerConfig;
use slab::Slab;
use std::collections::VecDeque;
use std::hash::RandomState;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

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
    /// Connections cut off for want of memory since the start.
    pub evicted: u64,
    /// Times that a connection had to rest for doing more than the rates allow, since the start.
    pub delayed: u64,
    /// Messages that were not heard for that reason since the start.
    pub refused_messages: u64,
    /// Deliveries that were dropped for slow readers since the start.
    pub dropped: u64,
}

/// All connections and what is between them.
#[derive(Debug)]
pub struct Switchboard<S> {
    pub(super) floor: Floor<S>,
    /// How the frames of clients are read.
    pub(super) parser: Parser,
    /// How those are that come over connections that the hub has opened.
    pub(super) client_parser: Parser,
    /// The one read buffer.
    pub(super) input: Vec<u8>,
    pub(super) turns: Turns,
    due: Vec<Due>,
    /// Only of a hub that is being stopped.
    pub(super) leave: Option<Box<LeaveTaking>>,
}

impl<S: Socket> Switchboard<S> {
    /// Connections over the limit that are let in for no longer than it takes to tell them so.
    pub(super) const REFUSED_MAX: usize = 32;
    /// Deadlines of connections are kept this coarsely, ms.
    const RESOLUTION_MS: Millis = 8;

    /// An empty switchboard for checked settings. `connections_max` is what the system grants.
    pub fn new(
        mut config: Config,
        connections_max: usize,
        mut entropy: Entropy,
        now: Now,
        clock: fn() -> u64,
    ) -> Switchboard<S> {
        keep_for_absent(&mut config);
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
        let tariff = Tariff::new(&config.rates);
        let mut ids = FreshIds::default();
        ids.top_up(0, |stock| entropy.fill(stock));
        let worlds = Worlds::new(&config, &RandomState::new(), now.monotonic_ms, &mut ids);
        let key = config.encryption_key.as_deref();
        let cipher = key.map(|key| UserIdCipher::new(key, &config.encryption_keys_old));
        Switchboard {
            parser: Parser::new(limits.message_bytes),
            client_parser: Parser::for_client(limits.message_bytes),
            input: vec![0; config.read_buffer_bytes],
            turns: Turns::default(),
            leave: None,
            due: Vec::new(),
            floor: Floor {
                hub: Hub::new(rules, RandomState::new(), now.monotonic_ms),
                worlds,
                mail: Mail::default(),
                kept: None,
                reader: ok::Reader::new(limits.clone(), cipher),
                writer: ok::Writer::new(config.remote_address, limits.queue_bytes),
                web: Web::new(env!("CARGO_PKG_VERSION"), clock, &config),
                tls: None,
                plaintext: config.tls.plaintext(),
                bench: Bench::default(),
                proxies: Proxies::new(&config.trusted_proxies)
                    .expect("checked settings hold no bad proxies"),
                connections_max: limits.connections.min(connections_max).min(Hub::CAPACITY),
                gate: Gate::new(&config),
                conns: Slab::new(),
                conn_of_peer: Vec::new(),
                wheel: Wheel::new(Self::RESOLUTION_MS, now.monotonic_ms),
                frames: Frames::default(),
                text: Vec::new(),
                spans: Vec::new(),
                given_ids: Vec::new(),
                outbox: Outbox::default(),
                lively: Vec::new(),
                undelivered: false,
                replies: Vec::new(),
                dirty: Vec::new(),
                unwritten: VecDeque::new(),
                condemned: Vec::new(),
                ids,
                entropy,
                cost: 0,
                flush_cost: 0,
                turn_cost_max: 0,
                now,
                started_ms: now.monotonic_ms,
                draining: false,
                refused_conns: 0,
                sources: Sources::new(config.rates.prefix_bits, config.rates.remembered),
                is_metered: tariff.is_on(),
                tariff,
                deliveries: 0,
                joins: 0,
                resting: 0,
                postpones: false,
                held_bytes: 0,
                watched_bytes: 0,
                drop_first: DropFirst::new(&config),
                census: Census::default(),
                fault_log: LogLimit::default(),
                slow_log: LogLimit::default(),
                refused_log: LogLimit::default(),
                excess_log: LogLimit::default(),
                memory_log: LogLimit::default(),
                dial_log: LogLimit::default(),
                wishes: VecDeque::new(),
                config,
            },
        }
    }

    /// From now on connections that begin with TLS are served with this certificate; those that are there keep theirs.
    pub fn secure(&mut self, tls: Arc<ServerConfig>) {
        let bytes = self.input.len().max(Tls::PLAIN_BYTES_MAX);
        self.input.resize(bytes, 0);
        self.floor.tls = Some(tls);
    }

    /// From now on tokens are checked with this. Until it is first called none counts, if the settings ask for any; those
    /// that have been accepted are not looked at again.
    pub fn check_tokens(&mut self, checker: Checker) {
        self.floor.gate.checker = Some(checker);
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
        let mut conn = Conn::new(socket, remote);
        conn.come_from(remote);
        let remote = conn.remote;
        conn.proxied = floor.expected_of(remote);
        let refusal = floor.refusal(remote);
        let key = ConnKey::at(floor.conns.insert(conn));
        match refusal {
            None => floor.conns[key.index()].counted = floor.count(remote),
            Some(why) => {
                floor.turn_away(remote, why);
                floor.refuse(key);
            }
        }
        floor.arm(key, floor.config.handshake_timeout_ms);
        self.await_turn(key);
        key
    }

    /// Notes what poll says of a connection.
    pub fn note(&mut self, key: ConnKey, readiness: Readiness) {
        let Some(conn) = self.floor.conns.get_mut(key.index()) else {
            return;
        };
        conn.read_closed |= readiness.read_closed;
        let is_news = (readiness.readable || readiness.read_closed) && !conn.readable;
        conn.readable |= is_news;
        if readiness.writable && conn.write_blocked && !conn.waits_to_write {
            conn.write_blocked = planted::bug("blocked-for-ever");
            self.floor.mark_dirty(key);
        }
        if is_news {
            self.await_turn(key);
        }
    }

    /// The phases after waiting.
    pub fn tick(&mut self) {
        self.read();
        self.expire();
        self.take_leave();
        self.floor.reap();
        self.floor.flush();
        self.floor.flush_unwritten();
        self.floor.relieve();
    }

    /// When the next tick is needed though nothing happens; the present if there is work left.
    pub fn next_tick(&self) -> Option<Millis> {
        let floor = &self.floor;
        let is_idle = floor.dirty.is_empty() && floor.unwritten.is_empty();
        if !(self.turns.is_empty() && is_idle && floor.condemned.is_empty()) {
            return Some(floor.now.monotonic_ms);
        }
        let deadlines = [
            floor.wheel.next_deadline(),
            floor.hub.next_deadline(),
            floor.worlds.next_deadline(),
            self.leave.as_ref().and_then(|leave| leave.next_deadline()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Takes out what shall survive a restart, if there is something new. Where it is kept is not the switchboard's matter.
    pub fn take_kept(&mut self) -> Option<Box<str>> {
        self.floor.kept.take()
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

    /// Panics if connections and peers contradict each other, or a bound is exceeded. For tests, between two ticks;
    /// O(everything).
    #[doc(hidden)]
    pub fn check(&self) {
        let floor = &self.floor;
        floor.hub.check();
        floor.worlds.check();
        let (mut peers, mut members) = (0, 0);
        for (index, conn) in &floor.conns {
            if let Some(peer) = conn.peer() {
                assert_eq!(floor.conn_of_peer[peer.index()].index(), index);
                peers += 1;
            }
            members += usize::from(matches!(conn.party(), Party::Member(_)));
            assert_eq!(conn.held_bytes(), conn.weighed_bytes);
            self.check_conn(ConnKey::at(index), conn);
            let listed = self.turns.has(ConnKey::at(index)) || conn.rests();
            assert!(
                !conn.readable || listed || matches!(conn.life, Life::Dead | Life::Parting),
                "who may have something to read is read from"
            );
        }
        let put_off = floor
            .conns
            .iter()
            .filter_map(|(_, conn)| conn.put_off.as_ref());
        let sealed_conns = floor.conns.iter().filter(|(_, conn)| conn.tls.is_some());
        let put_off_bytes_max = Turns::put_off_bytes_max(floor.conns.len(), self.input.len())
            + sealed_conns.count() * Tls::PLAIN_BYTES_MAX
            + floor.conns.len() * floor.config.limits.head_bytes;
        assert!(put_off.map(|bytes| bytes.len()).sum::<usize>() <= put_off_bytes_max);
        assert_eq!(peers, floor.hub.peer_count(), "a peer has one connection");
        assert_eq!(members, floor.worlds.member_count(), "nor has a member two");
        let timers: usize = floor.conns.iter().map(|(_, conn)| conn.timer_count()).sum();
        assert_eq!(timers, floor.wheel.len());
        floor.wheel.check();
        let weighed = floor.conns.iter().map(|(_, conn)| conn.weighed_bytes);
        assert_eq!(weighed.sum::<usize>(), floor.held_bytes);
        let bytes = floor.waiting_bytes() - floor.dead_bytes();
        assert!(bytes <= floor.config.limits.memory_bytes);
        let resting = floor.conns.iter().filter(|(_, conn)| conn.rests()).count();
        assert_eq!(resting, floor.resting);
        let refused = floor.conns.iter().filter(|(_, conn)| conn.refused).count();
        assert_eq!(refused, floor.refused_conns);
        assert!(refused <= Self::REFUSED_MAX);
        assert!(floor.conns.len() - refused <= floor.connections_max);
        let counted = floor.conns.iter().filter(|(_, conn)| conn.counted);
        floor.sources.check(counted.map(|(_, conn)| conn.remote));
        let most = floor.config.limits.connections_per_address;
        for (_, conn) in floor
            .conns
            .iter()
            .filter(|(_, conn)| conn.counted && most > 0)
        {
            assert!(floor.sources.connections(conn.remote) <= most);
        }
    }

    /// The part of `check` that is about one connection.
    fn check_conn(&self, key: ConnKey, conn: &Conn<S>) {
        let floor = &self.floor;
        conn.out.check();
        assert!(conn.out.backlog_bytes() <= floor.config.limits.queue_bytes);
        assert_eq!(
            conn.dirty,
            floor.dirty.contains(&key),
            "who is to be flushed is listed"
        );
        assert!(
            !conn.has_unwritten() || conn.write_blocked || conn.dirty,
            "who has something left waits for an edge"
        );
        let has_turn = floor.unwritten.contains(&key);
        assert!(
            !conn.waits_to_write || conn.write_blocked && has_turn,
            "who waits for his turn to be written to has one"
        );
        match floor.wheel.get(conn.timer) {
            Some(Due::Own(owner)) => assert_eq!(*owner, key, "a deadline is its connection's own"),
            Some(Due::Rested(_) | Due::Slow(_) | Due::Late(_) | Due::Expired(_)) => {
                panic!("a deadline is not what is watched apart")
            }
            None => assert!(conn.timer.is_none(), "a deadline that has passed is gone"),
        }
        assert!(
            !conn.timer.is_none() || !conn.needs_timer(floor.config.ping_interval_ms > 0),
            "{key} has no deadline: {:?}",
            conn.life
        );
        if let Some(put_off) = &conn.put_off {
            assert!(!put_off.is_empty() && put_off.len() <= self.input.len());
        }
        if conn.life == Life::Dead {
            let is_condemned = floor.condemned.contains(&key);
            assert!(is_condemned, "who is over is removed soon");
        }
    }

    fn expire(&mut self) {
        let now = self.floor.now.monotonic_ms;
        let mut due = std::mem::take(&mut self.due);
        self.floor.wheel.expire(now, &mut due);
        // None of these is in the wheel any more, so nobody may still take one for armed: what one of a connection's deadlines
        // brings about may disarm the others.
        for &due in &due {
            self.floor.forget_deadline(due);
        }
        for due in due.drain(..) {
            match due {
                // Another deadline of the same tick may have set it anew.
                Due::Own(key) if !self.floor.conns[key.index()].timer.is_none() => {}
                Due::Own(key) => self.floor.falls_due(key),
                Due::Rested(key) => self.await_turn(key),
                Due::Slow(key) => self.floor.reader_is_late(key),
                Due::Late(key) => self.floor.message_is_late(key),
                Due::Expired(key) => self.floor.pass_falls_due(key),
            }
        }
        self.due = due;
        let now_ns = self.floor.now_ns();
        self.floor.sources.sweep(now_ns);
        if self.floor.hub.next_deadline().is_some_and(|at| at <= now) {
            self.floor
                .with_hub(|hub, out, ids| hub.expire(now, ids, out));
        }
        if self
            .floor
            .worlds
            .next_deadline()
            .is_some_and(|at| at <= now)
        {
            self.floor.with_worlds(|worlds, lent| worlds.expire(lent));
        }
    }
}

/// An address as peers know it: IPv4 in IPv6 as IPv4, and one name for this machine.
pub(super) fn plain_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(Ipv6Addr::LOCALHOST) => IpAddr::from([127, 0, 0, 1]),
        address => address,
    }
}
