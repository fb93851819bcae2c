//! Seeded peers that do all sorts of things to the real tick, over false sockets and a false clock.
//!
//! After every tick the hub's full sweep runs (`TestHub`), and two clients that want little must be served within a few
//! ticks (`simulation/probe.rs`). Whenever everything has come to rest, what every client was told must agree with what
//! the clients are: `simulation/verdict.rs`, and of those who speak something else `simulation/guests.rs` and the files of
//! each. Half of the hubs are drained in the middle of it all. A failure prints its seed and step.
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
#[path = "simulation/netpeer.rs"]
mod netpeer;
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
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/settings.rs"]
mod settings;
#[path = "simulation/verdict.rs"]
mod verdict;
#[path = "simulation/world.rs"]
mod world;

use client::Client;
use guests::Guests;
use probe::Probe;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use support::memory_socket::moody;
use support::test_hub::TestHub;
use support::test_peer::TestPeer;
use support::{Dice, for_each_seed_at_once};
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
    // What is planted is to be found by one of all seeds, counted from the first.
    if !is_set("PEERHUB_SEED") && !is_set("PEERHUB_PLANTED") {
        for seed in seeds::NAMED {
            eprintln!("seed {}: {}", seed.seed, seed.name);
            run(&mut Dice::new(seed.seed), seed.steps);
        }
    }
    // One seed after the other, if it matters which one is the first to fail.
    let workers = is_set("PEERHUB_PLANTED").then_some(1);
    let seeds = number("PEERHUB_SIM_SEEDS", SEEDS);
    for_each_seed_at_once(seeds, workers, |dice| run(dice, steps));
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
    probe: Probe,
    /// When everything was at rest last, ms.
    rested_ms: u64,
}

impl Simulation {
    fn new(dice: &mut Dice) -> Simulation {
        let config = settings::draw(dice);
        let (scope, debout) = (config.scope, config.debout);
        let is_metered = config.rates.messages > 0;
        let guests = Guests::new(&config, Dice::new(dice.below(u64::MAX)));
        let mut hub = TestHub::new(config, dice.below(u64::MAX));
        let probe = Probe::new(&mut hub);
        let world = World {
            clients: Vec::new(),
            moment: 0,
            now_ms: 0,
            dice: Dice::new(dice.below(u64::MAX)),
            scope,
            debout,
            is_metered,
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
        self.world.now_ms = self.hub.elapsed_ms();
        if self.world.dice.chance(10) {
            self.connect();
        }
        for _ in 0..self.world.dice.below(4) {
            self.world.act();
        }
        self.guests.step(&mut self.hub);
        match self.world.dice.below(100) {
            0 => self.world.mishap(),
            1 => self.guests.mishap(),
            // The wall clock is set; no promise of the hub depends on it.
            2 => {
                let ms = self.world.dice.below(7_200_000) as i64;
                self.hub
                    .set_wall(if self.world.dice.chance(50) { ms } else { -ms });
            }
            3..20 => self.probe.speak(&self.hub),
            _ => {}
        }
        self.world.pump(moody, moody);
        self.guests.pump(self.hub.elapsed_ms(), moody, moody);
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
        let (world, guests, probe) = (&mut self.world, &mut self.guests, &mut self.probe);
        let mut pump = |hub: &TestHub| {
            world.now_ms = hub.elapsed_ms();
            let moved = world.pump(|_| usize::MAX, |_| usize::MAX);
            let moved = guests.pump(hub.elapsed_ms(), |_| usize::MAX, |_| usize::MAX) || moved;
            probe.pump(hub) || moved
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
        self.world.wake_readers();
        self.guests.wake_readers();
        self.advance(PROBE_MS_MAX + 100);
        self.guests.inquire();
        self.rest();
        let cut_off = self.cut_off();
        self.world.judge(cut_off);
        self.guests.judge(cut_off);
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
        let cut_off = self.cut_off();
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
            !matches!(client.farewell, Some(1001 | 1012)) && !client.is_hurt
        });
        assert!(
            untold.count() as u64 <= self.cut_off() - cut_off,
            "whoever is there is told that the hub stops"
        );
    }

    /// Waits until everything is decided, judges, and lets everybody go.
    fn empty(&mut self) {
        self.advance(REQUEST_MS_MAX + 100);
        self.world.judge(self.cut_off());
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
        self.probe.leave();
        self.advance(DRAIN_MS_MAX);
    }
}

/// Longer than anybody stays who was told to leave, or than anything that was begun may take, ms.
const DRAIN_MS_MAX: u64 = 5_000;
const PROBE_MS_MAX: u64 = 2_000;
/// Shorter than half the time after which anybody silent is taken for dead.
const STRIDE_MS: u64 = 500;
