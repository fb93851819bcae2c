//! Seeded peers that do all sorts of things to the real tick, over false sockets and a false clock.
//!
//! After every tick the hub's full sweep runs (`TestHub`), and two clients that want little must be served within a few
//! ticks (`simulation/probe.rs`). Whenever everything has come to rest, what every client was told must agree with what
//! the clients are: `simulation/verdict.rs`, and of those who speak something else `simulation/guests.rs` and the files of
//! each. Some hubs look at tokens (`simulation/passes.rs`), trust proxies or have a certificate (`simulation/roads.rs`), or
//! have rates (`simulation/hasty.rs`). Half of them are drained in the middle of it all. A failure prints its seed and step.
//!
//! `PEERHUB_SEED` replays one seed, `PEERHUB_SIM_SEEDS` says how many there are, `PEERHUB_SIM_STEPS` how long each is.
//! Seeds that once found a bug come first: `simulation/seeds.rs`. That it finds bugs: `simulation/planted.rs`. What long
//! runs have found: `simulation/RECORD.md`.

mod support;

#[path = "simulation/actions.rs"]
mod actions;
#[path = "simulation/askers.rs"]
mod askers;
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/closed.rs"]
mod closed;
#[path = "simulation/echo.rs"]
mod echo;
#[path = "simulation/floods.rs"]
mod floods;
#[path = "simulation/guests.rs"]
mod guests;
#[path = "simulation/hasty.rs"]
mod hasty;
#[path = "simulation/netpeer.rs"]
mod netpeer;
#[path = "simulation/passes.rs"]
mod passes;
#[path = "simulation/peerjs.rs"]
mod peerjs;
#[path = "simulation/peerjs_verdict.rs"]
mod peerjs_verdict;
#[path = "simulation/peero.rs"]
mod peero;
#[path = "simulation/planted.rs"]
mod planted;
#[path = "simulation/probe.rs"]
mod probe;
#[path = "simulation/relay.rs"]
mod relay;
#[path = "simulation/relay_verdict.rs"]
mod relay_verdict;
#[path = "simulation/roads.rs"]
mod roads;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/settings.rs"]
mod settings;
#[path = "simulation/strangers.rs"]
mod strangers;
#[path = "support/tokens.rs"]
mod tokens;
#[path = "simulation/verdict.rs"]
mod verdict;
#[path = "simulation/world.rs"]
mod world;

use client::Client;
use guests::Guests;
use passes::{Tokens, Wall};
use probe::Probe;
use roads::{PROXY, Roads};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use strangers::Strangers;
use support::memory_socket::moody;
use support::test_hub::TestHub;
use support::test_peer::TestPeer;
use support::{Dice, for_each_seed, for_each_seed_at_once};
use world::World;

/// Hubs that are simulated in one run.
const SEEDS: u64 = 256;
/// How long the life of a hub is.
const STEPS: u64 = 300;
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
    let steps = number("PEERHUB_SIM_STEPS", STEPS);
    let is_set = |name| std::env::var(name).is_ok();
    let seeds = number("PEERHUB_SIM_SEEDS", SEEDS);
    // Of what is planted it matters which seed is the first to find it.
    if is_set("PEERHUB_PLANTED") {
        return for_each_seed(seeds, |dice| run(dice, steps));
    }
    if !is_set("PEERHUB_SEED") {
        for seed in seeds::NAMED {
            eprintln!("seed {}: {}", seed.seed, seed.name);
            run(&mut Dice::new(seed.seed), seed.steps);
        }
    }
    for_each_seed_at_once(seeds, |dice| run(dice, steps));
}

/// One hub's life.
fn run(dice: &mut Dice, steps: u64) {
    let mut simulation = Simulation::new(dice);
    let told = TellStep(&Cell::new(0));
    for step in 0..steps {
        told.0.set(step);
        simulation.step();
    }
    told.0.set(steps);
    simulation.end();
    std::mem::forget(told);
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
    strangers: Strangers,
    roads: Roads,
    connections_per_address: usize,
    probe: Probe,
    /// When everything was at rest last, ms.
    rested_ms: u64,
}

impl Simulation {
    fn new(dice: &mut Dice) -> Simulation {
        let config = settings::draw(dice);
        let (scope, debout) = (config.scope, config.debout);
        let connections_per_address = config.limits.connections_per_address;
        let is_metered = hasty::is_metered(&config.rates);
        let is_metered_by_address = hasty::is_metered_by_address(&config.rates);
        let drops = config.drop_first.clone();
        let tokens = Tokens::new(&config);
        // Handshakes are dear.
        let roads = Roads::new(&config, dice.chance(10));
        let guests = Guests::new(&config, roads, Dice::new(dice.below(u64::MAX)));
        let strangers = Strangers::new(&config, roads, Dice::new(dice.below(u64::MAX)));
        let mut hub = TestHub::new(config, dice.below(u64::MAX));
        roads.secure(&mut hub);
        if let Some(checker) = tokens.checker() {
            hub.check_tokens(checker);
        }
        let probe = Probe::new(&mut hub, roads, tokens);
        let world = World {
            clients: Vec::new(),
            moment: 0,
            now_ms: 0,
            wall: Wall::default(),
            tokens,
            drops,
            missed: 0,
            dice: Dice::new(dice.below(u64::MAX)),
            scope,
            debout,
            is_metered,
            is_metered_by_address,
            spent: BTreeSet::new(),
            said: BTreeMap::new(),
            requests: BTreeMap::new(),
            given: BTreeSet::new(),
            secrets: Vec::new(),
            idle_claims: Vec::new(),
            veiled: BTreeSet::new(),
        };
        Simulation {
            hub,
            world,
            guests,
            strangers,
            roads,
            connections_per_address,
            probe,
            rested_ms: 0,
        }
    }

    fn step(&mut self) {
        self.act();
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
            98 => self.sleep(),
            _ => self.judge(),
        }
    }

    /// Some do something, bytes move a little, and the hub ticks now and then.
    fn act(&mut self) {
        self.world.look(&self.hub);
        if self.world.dice.chance(10) {
            self.connect();
        }
        for _ in 0..self.world.dice.below(4) {
            self.world.act();
        }
        self.guests.step(&mut self.hub);
        self.strangers.step(&mut self.hub);
        match self.world.dice.below(100) {
            0 => self.world.mishap(),
            1 => self.guests.mishap(),
            // The wall clock is set. Nothing but the ends of tokens depends on it, and with those it is set less far.
            2 => {
                let most = if self.world.tokens.are_on() {
                    20_000
                } else {
                    7_200_000
                };
                let ms = self.world.dice.below(most) as i64;
                self.hub
                    .set_wall(if self.world.dice.chance(50) { ms } else { -ms });
                self.world.look(&self.hub);
                self.guests.look(&self.hub);
            }
            3..20 => self.probe.speak(&self.hub),
            _ => {}
        }
        self.world.pump(&self.hub, moody, moody);
        self.guests.pump(&self.hub, moody, moody);
        self.strangers.pump(true);
        for _ in 0..self.world.dice.below(3) {
            self.probe.pump(&self.hub);
            self.hub.moody_tick(&mut self.world.dice);
        }
    }

    /// The whole machine sleeps, for seconds or for hours. All pings and nudges are due at once when it wakes.
    fn sleep(&mut self) {
        self.rest();
        let ms = match self.world.dice.chance(20) {
            true => 36_000_000,
            false => 300_000,
        };
        let ms = self.world.dice.below(ms);
        self.guests.sleep(ms);
        self.hub.jump(ms);
        self.hub.tick();
        self.rest();
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
        let last = match self.connections_per_address {
            // Some of these are not let in.
            1.. if self.roads.are_proxies_trusted() => number % 5 + 1,
            _ => number % 250 + 1,
        };
        let window = match self.world.dice.below(3) {
            0 => 100 + self.world.dice.below(1_000) as usize,
            1 => 4_000,
            _ => 1 << 20,
        };
        let from = IpAddr::from([10, 0, 0, last as u8]);
        let (hub, dice) = (&mut self.hub, &mut self.world.dice);
        if let Some(arrived) = self.roads.arrive(hub, dice, from, window, true) {
            self.world.moment += 1;
            let shown = self.world.tokens.draw(dice, self.world.wall);
            let fields = arrived.fields + &shown.fields(dice);
            let peer = TestPeer::with_fields(arrived.wire, "/", &fields);
            let mut client = Client::new(peer, arrived.address, self.world.moment);
            client.may_be_refused = arrived.may_be_refused;
            (client.pass, client.denied) = (shown.pass, shown.status);
            if client.denied.is_some() {
                client.doubt(0);
            }
            let is_overdrawn = self.world.spent.contains(&client.address);
            self.world.clients.push(client);
            if is_overdrawn {
                self.world.overdraw(number);
            }
        }
    }

    /// Lets everything come to rest at this time.
    fn rest(&mut self) {
        self.advance(0);
    }

    /// Lets time pass, never so much at once that somebody who must give a sign of life could miss it.
    fn advance(&mut self, mut ms: u64) {
        let (world, guests, probe) = (&mut self.world, &mut self.guests, &mut self.probe);
        let strangers = &mut self.strangers;
        let mut pump = |hub: &TestHub| {
            let moved = world.pump(hub, |_| usize::MAX, |_| usize::MAX);
            let moved = guests.pump(hub, |_| usize::MAX, |_| usize::MAX) || moved;
            let moved = strangers.pump(false) || moved;
            probe.pump(hub) || moved
        };
        while ms > STRIDE_MS {
            self.hub.advance(STRIDE_MS, &mut pump);
            ms -= STRIDE_MS;
        }
        self.hub.advance(ms, &mut pump);
        self.rested_ms = self.hub.elapsed_ms();
        self.world.rested();
        self.guests.rested();
    }

    /// Waits until every claim is decided, and judges.
    fn judge(&mut self) {
        self.world.wake_readers();
        self.guests.wake_readers();
        self.advance(PROBE_MS_MAX + 100);
        self.guests.inquire();
        self.rest();
        let (cut_off, dropped) = (self.cut_off(), self.hub.census().dropped);
        self.world.judge(cut_off, dropped);
        self.guests.judge(cut_off);
        self.strangers.judge(self.hub.elapsed_ms());
        self.judge_addresses();
    }

    /// There are no more connections of one address than there may be, proxies aside.
    fn judge_addresses(&mut self) {
        let clients = self.world.clients.iter();
        let there = clients.filter(|client| client.is_in());
        let mut addresses: Vec<IpAddr> = there.map(|client| client.address).collect();
        addresses.extend(self.guests.addresses());
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for address in addresses {
            *counts.entry(address).or_default() += 1;
        }
        counts.remove(&PROXY);
        for (address, count) in counts {
            let most = self.connections_per_address;
            assert!(
                most == 0 || count <= most,
                "{count} connections of {address}"
            );
        }
    }

    /// How many have been cut off for reading too slowly, or for want of memory.
    fn cut_off(&self) -> u64 {
        let census = self.hub.census();
        census.slow_readers + census.evicted
    }

    /// The hub is told to stop, or everybody leaves by himself. Nobody is there in the end.
    fn end(&mut self) {
        self.judge();
        match self.world.dice.chance(50) {
            true => self.drain(),
            false => self.empty(),
        }
        let census = self.hub.census();
        assert_eq!(
            (census.connections, census.peers),
            (0, 0),
            "when all have left nobody is there"
        );
    }

    /// Stops the hub in the middle of it all.
    fn drain(&mut self) {
        for _ in 0..self.world.dice.below(20) {
            self.act();
        }
        // Whoever is cut off by the last tick before it seems to be there still.
        let cut_off = self.cut_off();
        self.hub.tick();
        self.act();
        self.hub.drain();
        self.probe.see_the_end();
        let well = self.world.drained();
        self.guests.drained();
        for _ in 0..self.world.dice.below(20) {
            self.act();
            self.world.mishap();
            self.guests.mishap();
        }
        self.advance(DRAIN_MS_MAX);
        let untold = well.into_iter().filter(|&number| {
            let client = &self.world.clients[number];
            !matches!(client.farewell, Some(1001 | 1012 | 4401)) && !client.is_hurt
        });
        assert!(
            untold.count() as u64 <= self.cut_off() - cut_off,
            "whoever is there is told that the hub stops"
        );
    }

    /// Waits until everything is decided, judges, and lets everybody go.
    fn empty(&mut self) {
        self.advance(REQUEST_MS_MAX + 100);
        self.world.judge(self.cut_off(), self.hub.census().dropped);
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
        self.strangers.end();
        self.probe.leave();
        self.advance(DRAIN_MS_MAX);
    }
}

/// Longer than anybody stays who was told to leave, or than anything that was begun may take, ms.
const DRAIN_MS_MAX: u64 = 5_000;
const PROBE_MS_MAX: u64 = 2_000;
/// Shorter than half the time after which anybody silent is taken for dead.
const STRIDE_MS: u64 = 500;
