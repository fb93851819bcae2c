//! A hub in this process: the real switchboard and its real ticks, over sockets in memory and a clock that the test moves.
//!
//! Owns the switchboard, the clock, and the list of sockets whose edges are told. Every tick is followed by the full
//! sweep over what must always hold. Must not: tell an edge that epoll would not tell, unless asked for false wake-ups.

use super::Dice;
use super::memory_socket::{MemorySocket, Wire};
use super::test_peer::TestPeer;
use peerhub::Config;
use peerhub::access::Checker;
use peerhub::net::{Census, ConnKey, Dial, Entropy, Now, Readiness, Switchboard};
use std::net::IpAddr;
use std::sync::Arc;

/// The time at which every test begins, ms since 1970: in September 2026.
pub const BEGIN_UNIX_MS: u64 = 1_790_000_000_000;

/// A hub with its clock and its sockets.
#[derive(Debug)]
pub struct TestHub {
    switchboard: Switchboard<MemorySocket>,
    elapsed_ms: u64,
    /// How far the wall clock was set forward or back since the beginning, ms.
    wall_ms: i64,
    ticks: u64,
    wires: Vec<(ConnKey, Wire)>,
}

impl TestHub {
    /// Ticks after which a hub that still has work at the same time is taken to spin.
    const TICKS_MAX: usize = 200_000;

    /// An empty hub. The same settings and seed give the same bytes.
    pub fn new(config: Config, seed: u64) -> TestHub {
        let now = Now {
            monotonic_ms: 0,
            unix_ms: BEGIN_UNIX_MS,
        };
        let mut switchboard =
            Switchboard::new(config, usize::MAX, Entropy::Seeded(seed), now, || 0);
        switchboard.set_now(now);
        TestHub {
            switchboard,
            elapsed_ms: 0,
            wall_ms: 0,
            ticks: 0,
            wires: Vec::new(),
        }
    }

    /// Serves those who begin with TLS.
    pub fn secure(&mut self, tls: Arc<rustls::ServerConfig>) {
        self.switchboard.secure(tls);
    }

    /// From now on tokens are checked with this.
    pub fn check_tokens(&mut self, checker: Checker) {
        self.switchboard.check_tokens(checker);
    }

    /// Connects from an address; none if the hub lets nobody in, not even to tell him so.
    pub fn connect(&mut self, from: IpAddr, window: usize) -> Option<Wire> {
        if !self.switchboard.has_room(from) {
            return None;
        }
        let (socket, wire) = Wire::new(window);
        let key = self.switchboard.vacant_key();
        assert_eq!(self.switchboard.admit(socket, from), key);
        self.wires.push((key, wire.clone()));
        Some(wire)
    }

    /// Somebody whom the hub wants to be connected to.
    pub fn next_dial(&mut self) -> Option<Dial> {
        self.switchboard.next_dial()
    }

    /// Connects the hub to whom it dials: this end of the wire is that one's. None if the hub has no room for it.
    pub fn connect_dialled(&mut self, mut dial: Dial, window: usize) -> Option<Wire> {
        let (socket, wire) = Wire::new(window);
        let address = dial.next_address().expect("the host was looked up");
        let key = self.switchboard.admit_dialled(dial, socket, address.ip())?;
        // That a socket has connected is told as room to write.
        wire.defer(Readiness {
            writable: true,
            ..Readiness::default()
        });
        self.wires.push((key, wire.clone()));
        Some(wire)
    }

    /// Tells the hub that it cannot be connected to whom it dials.
    pub fn miss(&mut self, dial: Dial) {
        self.switchboard.miss(dial, &"nobody is there");
    }

    /// The time since the beginning, ms.
    pub fn elapsed_ms(&self) -> u64 {
        self.elapsed_ms
    }

    /// The time, ms since 1970.
    pub fn unix_ms(&self) -> u64 {
        (BEGIN_UNIX_MS + self.elapsed_ms).saturating_add_signed(self.wall_ms)
    }

    /// How far the wall clock was set forward or back since the beginning, ms.
    pub fn wall_ms(&self) -> i64 {
        self.wall_ms
    }

    /// Sets the wall clock, and it alone, forward or back.
    pub fn set_wall(&mut self, by_ms: i64) {
        self.wall_ms = self.wall_ms.saturating_add(by_ms);
    }

    /// How many ticks there have been.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Bytes that the hub keeps for all peers.
    pub fn kept_bytes(&self) -> usize {
        self.switchboard.hub().kept_bytes()
    }

    /// How many there are of what.
    pub fn census(&self) -> Census {
        self.switchboard.census()
    }

    /// Asks everybody to leave.
    pub fn drain(&mut self) {
        self.switchboard.drain();
    }

    /// Tells every edge that waits, then ticks.
    pub fn tick(&mut self) {
        for (key, wire) in &self.wires {
            if let Some(edges) = wire.take_edges() {
                self.switchboard.note(*key, edges);
            }
        }
        self.tick_untold();
    }

    /// Tells edges as a poll in a bad mood does: in any order, some only next time, with false wake-ups; then ticks.
    pub fn moody_tick(&mut self, dice: &mut Dice) {
        let mut told: Vec<(ConnKey, Readiness)> = Vec::new();
        for (key, wire) in &self.wires {
            if dice.chance(3) {
                let both = Readiness {
                    readable: dice.chance(50),
                    writable: dice.chance(50),
                    read_closed: false,
                };
                told.push((*key, both));
            }
            match wire.take_edges() {
                Some(edges) if dice.chance(15) => wire.defer(edges),
                Some(edges) => told.push((*key, edges)),
                None => {}
            }
        }
        while !told.is_empty() {
            let (key, edges) = told.swap_remove(dice.below(told.len() as u64) as usize);
            self.switchboard.note(key, edges);
        }
        self.tick_untold();
    }

    /// Whether nothing is left to do at this time.
    pub fn is_at_rest(&self) -> bool {
        !self.wires.iter().any(|(_, wire)| wire.has_edges())
            && self
                .switchboard
                .next_tick()
                .is_none_or(|at| at > self.elapsed_ms)
    }

    /// Ticks until nothing is left to do at this time. `pump` lets the other ends do what they do, and says whether that
    /// was anything.
    pub fn settle(&mut self, mut pump: impl FnMut(&TestHub) -> bool) {
        for _ in 0..Self::TICKS_MAX {
            let moved = pump(self);
            if !moved && self.is_at_rest() {
                return;
            }
            self.tick();
        }
        panic!("the hub does not come to rest");
    }

    /// Lets `ms` pass, with a stop at each deadline on the way.
    pub fn advance(&mut self, ms: u64, mut pump: impl FnMut(&TestHub) -> bool) {
        let end = self.elapsed_ms + ms;
        self.settle(&mut pump);
        while self.elapsed_ms < end {
            let next = self.switchboard.next_tick().unwrap_or(end).min(end);
            self.jump(next - self.elapsed_ms);
            self.tick();
            self.settle(&mut pump);
        }
    }

    /// Moves the clock without a tick, as if the machine had slept.
    pub fn jump(&mut self, ms: u64) {
        self.elapsed_ms += ms;
    }

    /// When the hub wants its next tick, ms since the beginning.
    pub fn next_tick(&self) -> Option<u64> {
        self.switchboard.next_tick()
    }

    /// Ticks, and nobody tells the hub of the edges that wait.
    pub fn tick_untold(&mut self) {
        self.switchboard.set_now(Now {
            monotonic_ms: self.elapsed_ms,
            unix_ms: self.unix_ms(),
        });
        self.switchboard.tick();
        self.ticks += 1;
        self.switchboard.check();
        self.wires.retain(|(_, wire)| !wire.is_released());
    }
}

/// Lets arrive what the peers have sent, and the hub do what is to be done at this time.
pub fn settle<'a>(hub: &mut TestHub, peers: impl IntoIterator<Item = &'a mut TestPeer>) {
    for peer in peers {
        peer.wire().arrive(usize::MAX);
    }
    hub.settle(|_| false);
}
