//! Seeded peers that do all sorts of things to the real tick, over false sockets and a false clock.
//!
//! After every tick the hub's full sweep runs (`TestHub`). Whenever everything has come to rest, what every client was
//! told must agree with what the clients are: `simulation/verdict.rs`, and of the clients of the other dialects
//! `simulation/guests.rs` and the files of each. A failure prints its seed and step.
//! `PEERHUB_SEED` replays one seed, `PEERHUB_SIM_SEEDS` says how many there are, `PEERHUB_SIM_STEPS` how long each is.

mod support;

#[path = "simulation/actions.rs"]
mod actions;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/closed.rs"]
mod closed;
#[path = "simulation/guests.rs"]
mod guests;
#[path = "simulation/netpeer.rs"]
mod netpeer;
#[path = "simulation/peerjs.rs"]
mod peerjs;
#[path = "simulation/peerjs_verdict.rs"]
mod peerjs_verdict;
#[path = "simulation/peero.rs"]
mod peero;
#[path = "simulation/relay.rs"]
mod relay;
#[path = "simulation/relay_verdict.rs"]
mod relay_verdict;
#[path = "simulation/verdict.rs"]
mod verdict;
#[path = "simulation/world.rs"]
mod world;

use client::Client;
use guests::Guests;
use peerhub::Config;
use peerhub::config::{NetPeer, PeerJs, Peero, Relay, Scope};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use support::memory_socket::moody;
use support::test_hub::TestHub;
use support::test_peer::TestPeer;
use support::{Dice, for_each_seed};
use world::World;

/// Clients that may be there at a time, above the hub's limit, so that some are turned away.
const CLIENTS_MAX: usize = 16;
const CONNECTIONS_MAX: usize = 30;
/// The hub's clock moves no further than this before everything has come to rest, so that nobody who answers is late.
const RESTLESS_MS_MAX: u64 = 200;
/// Longer than any request may wait.
const REQUEST_MS_MAX: u64 = 8_000;

#[test]
fn peers_see_the_truth_whatever_they_do() {
    let number = |name, default| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    };
    let steps = number("PEERHUB_SIM_STEPS", 300);
    for_each_seed(number("PEERHUB_SIM_SEEDS", 256), |dice| {
        let mut simulation = Simulation::new(dice);
        let told = TellStep(&Cell::new(0));
        for step in 0..steps {
            told.0.set(step);
            simulation.step();
        }
        told.0.set(steps);
        simulation.end();
        std::mem::forget(told);
    });
}

/// Prints the step if it is dropped by a panic.
struct TellStep<'a>(&'a Cell<u64>);

impl Drop for TellStep<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it happened in step {}", self.0.get());
        }
    }
}

struct Simulation {
    hub: TestHub,
    world: World,
    guests: Guests,
    /// When everything was at rest last, ms.
    rested_ms: u64,
}

impl Simulation {
    fn new(dice: &mut Dice) -> Simulation {
        let config = settings(dice);
        let (scope, debout) = (config.scope, config.debout);
        let guests = Guests::new(&config, Dice::new(dice.below(u64::MAX)));
        let hub = TestHub::new(config, dice.below(u64::MAX));
        let world = World {
            clients: Vec::new(),
            moment: 0,
            dice: Dice::new(dice.below(u64::MAX)),
            scope,
            debout,
            said: BTreeMap::new(),
            requests: BTreeMap::new(),
            secrets: Vec::new(),
            idle_claims: Vec::new(),
            veiled: BTreeSet::new(),
        };
        Simulation {
            hub,
            world,
            guests,
            rested_ms: 0,
        }
    }

    fn step(&mut self) {
        if self.world.dice.chance(10) {
            self.connect();
        }
        for _ in 0..self.world.dice.below(4) {
            self.world.act();
        }
        self.guests.step(&mut self.hub);
        self.world.pump(moody, moody);
        self.guests.pump(self.hub.elapsed_ms(), moody, moody);
        for _ in 0..self.world.dice.below(3) {
            self.hub.moody_tick(&mut self.world.dice);
        }
        match self.world.dice.below(100) {
            0..40 => {}
            40..96 => {
                let ms = self.world.dice.below(30);
                if self.hub.elapsed_ms() + ms > self.rested_ms + RESTLESS_MS_MAX {
                    self.rest();
                }
                self.hub.jump(ms);
            }
            96..98 => {
                let ms = self.world.dice.below(6_000);
                self.advance(ms);
            }
            98 => {
                // The whole machine sleeps.
                self.rest();
                let ms = self.world.dice.below(300_000);
                self.guests.sleep(ms);
                self.hub.jump(ms);
                self.hub.tick();
                self.rest();
            }
            _ => self.judge(),
        }
    }

    fn connect(&mut self) {
        let open = self
            .world
            .clients
            .iter()
            .filter(|client| !client.peer.is_gone());
        if open.count() >= CLIENTS_MAX {
            return;
        }
        let number = self.world.clients.len();
        let address = (number % 250 + 1) as u8;
        let window = match self.world.dice.below(3) {
            0 => 100 + self.world.dice.below(1_000) as usize,
            1 => 4_000,
            _ => 1 << 20,
        };
        let from = std::net::IpAddr::from([10, 0, 0, address]);
        if let Some(wire) = self.hub.connect(from, window) {
            self.world.moment += 1;
            let peer = TestPeer::new(wire, "/");
            let client = Client::new(peer, address, self.world.moment);
            self.world.clients.push(client);
        }
    }

    /// Lets everything come to rest at this time.
    fn rest(&mut self) {
        self.advance(0);
    }

    /// Lets time pass, never so much at once that somebody who must give a sign of life could miss it.
    fn advance(&mut self, mut ms: u64) {
        let (world, guests) = (&mut self.world, &mut self.guests);
        let mut pump = |hub: &TestHub| {
            let moved = world.pump(|_| usize::MAX, |_| usize::MAX);
            guests.pump(hub.elapsed_ms(), |_| usize::MAX, |_| usize::MAX) || moved
        };
        while ms > STRIDE_MS {
            self.hub.advance(STRIDE_MS, &mut pump);
            ms -= STRIDE_MS;
        }
        self.hub.advance(ms, &mut pump);
        self.rested_ms = self.hub.elapsed_ms();
        self.guests.rested();
    }

    /// Waits until every claim is decided, and judges.
    fn judge(&mut self) {
        for client in &mut self.world.clients {
            client.peer.reads = true;
        }
        self.guests.wake_readers();
        self.advance(PROBE_MS_MAX + 100);
        self.guests.inquire();
        self.rest();
        let cut_off = self.hub.census().slow_readers;
        self.world.judge(cut_off);
        self.guests.judge(cut_off);
    }

    /// Waits until everything is decided, judges, and lets everybody go.
    fn end(&mut self) {
        self.judge();
        self.advance(REQUEST_MS_MAX + 100);
        self.world.judge(self.hub.census().slow_readers);
        self.world.judge_requests();
        for client in &mut self.world.clients {
            client.retrieved = None;
            if client.is_joined() && !client.mute {
                client
                    .peer
                    .say(r#"{"type":"retrievePeers","messageid":"last"}"#);
            }
        }
        self.rest();
        self.world.judge_listings();
        for number in 0..self.world.clients.len() {
            if self.world.clients[number].peer.is_open() {
                match self.world.clients[number].mute {
                    true => self.world.clients[number].peer.wire().reset(),
                    false => self.world.end(number),
                }
            }
        }
        self.guests.end();
        self.advance(5_000);
        let census = self.hub.census();
        assert_eq!(
            (census.connections, census.peers),
            (0, 0),
            "when all have left nobody is there"
        );
    }
}

const PROBE_MS_MAX: u64 = 2_000;
/// Shorter than half the time after which anybody silent is taken for dead.
const STRIDE_MS: u64 = 500;

/// Settings with bounds that are met, drawn anew for each seed.
fn settings(dice: &mut Dice) -> Config {
    let mut config = Config {
        debout: dice.chance(25),
        scope: if dice.chance(25) {
            Scope::Linkage
        } else {
            Scope::Hub
        },
        nudge_interval_ms: if dice.chance(50) { 3_000 } else { 0 },
        ping_interval_ms: [0, 2_000, 10_000][dice.below(3) as usize],
        probe_time_ms: 300 + dice.below(PROBE_MS_MAX - 300),
        request_timeout_ms: 3_000,
        request_timeout_max_ms: REQUEST_MS_MAX,
        handshake_timeout_ms: 2_000,
        close_timeout_ms: 500,
        read_buffer_bytes: [200, 4_096, 128 << 10][dice.below(3) as usize],
        ..Config::default()
    };
    let limits = &mut config.limits;
    limits.connections = CONNECTIONS_MAX;
    limits.message_bytes = actions::MESSAGE_BYTES_MAX;
    limits.queue_bytes = [64 << 10, 1 << 20][dice.below(2) as usize];
    limits.tags = actions::TAGS_MAX;
    limits.properties_bytes = actions::PROPERTIES_BYTES_MAX;
    limits.channels = actions::CHANNELS_MAX;
    limits.pending_requests = 6;
    limits.json_depth = actions::JSON_DEPTH_MAX;
    let spoken = |dice: &mut Dice| !dice.chance(10);
    config.peerjs = PeerJs {
        on: spoken(dice),
        keys: peerjs::KEYS[..2].iter().map(|&key| key.into()).collect(),
        path: ["/", "/room1"][dice.below(2) as usize].to_owned(),
        expire_timeout_ms: 100 + dice.below(1_400),
        alive_timeout_ms: [0, 5_000, 20_000][dice.below(3) as usize],
        concurrent_limit: [3, 5, 5_000][dice.below(3) as usize],
        waiting: [6, 1_000][dice.below(2) as usize],
        waiting_bytes: [4_000, 1 << 20][dice.below(2) as usize],
        waiting_bytes_per_sender: [2_000, 1 << 20][dice.below(2) as usize],
        waiting_per_sender: [3, 1_000][dice.below(2) as usize],
        waiting_per_destination: [4, 1_000][dice.below(2) as usize],
        ..PeerJs::default()
    };
    config.relay = Relay {
        on: spoken(dice),
        id: Some(relay::hex(&dice.bytes(20))),
        url: dice
            .chance(50)
            .then(|| "wss://hub.example/peer-relay".to_owned()),
        nonces: [10, 65_536, 65_536][dice.below(3) as usize],
        paths: [2, 65_536][dice.below(2) as usize],
        waiting: 3,
        ..Relay::default()
    };
    config.netpeer = NetPeer {
        on: spoken(dice),
        name: ["hub", guests::NAMES[4]][dice.below(2) as usize].to_owned(),
        state: dice.chance(50).then(|| r#"{"s":"first"}"#.to_owned()),
        state_time_ms: [0, 100, 500][dice.below(3) as usize],
        members: [3, 10_000][dice.below(2) as usize],
        ..NetPeer::default()
    };
    config.peero = Peero {
        on: spoken(dice),
        peers: [3, 10_000][dice.below(2) as usize],
        signal_bytes: [100, 64 << 10][dice.below(2) as usize],
    };
    config
}
