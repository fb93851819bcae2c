//! Clients of the other dialects in the same hub: what they have in common.
//!
//! Each dialect is a *tribe* with a naive truth of its own. Whatever a guest hears must come from its own tribe: every
//! message carries a serial number that begins with the dialect it was said in, and each tribe knows only its own.
//! Owns the guests' clock of moments and their dice. Must not: know what the tribes say.

use super::client::{Moment, NEVER};
use super::{askers, closed, echo, netpeer, peerjs, peero, relay};
use crate::support::Dice;
use crate::support::memory_socket::Wire;
use crate::support::test_hub::TestHub;
use crate::support::test_peer::{Heard, TestPeer};
use peerhub::Config;
use std::net::IpAddr;

/// Names that are ids, linkages, channels, keys and nicknames alike, so that dialects that met would be noticed.
pub(crate) const NAMES: [&str; 6] = [
    "room0",
    "room1",
    "c1",
    "nobody",
    "hub2",
    "5d1b2a0e9c8f47663a2b1c0d9e8f70615a4b3c2d",
];

/// The second number in the addresses of those who speak lines.
pub(crate) const LINES_NET: u8 = 4;

/// Where those who ask by HTTP are among the tribes.
const ASKERS_PLACE: usize = 5;

/// What everybody may use who takes part: chance, and when it is.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) dice: Dice,
    pub(crate) moment: Moment,
    /// The hub's clock.
    pub(crate) now_ms: u64,
    /// What is said is at least so long, if whoever says it can choose.
    pub(crate) padding_bytes: usize,
    /// What was posted for PeerJS by plain HTTP: when, and how many bytes.
    pub(crate) posted: Vec<(u64, usize)>,
}

impl Present {
    /// A number that nothing else has.
    pub(crate) fn serial(&mut self, dialect: &str) -> String {
        self.moment += 1;
        format!("{dialect}-{}", self.moment)
    }
}

/// One connection of a guest, and since when which of it is certain.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) peer: TestPeer,
    pub(crate) came: Moment,
    /// When it was told that it is in.
    pub(crate) joined: Moment,
    /// From when on it gives the hub a reason to end the connection.
    pub(crate) doubtful_from: Moment,
    /// From when on the hub has certainly forgotten it.
    pub(crate) gone: Moment,
    /// It will send nothing more that the hub can understand.
    pub(crate) mute: bool,
    /// The hub has no room for it.
    refused: bool,
    /// It was cut off without a reason that it knows of.
    lost: bool,
    /// For a while it has read nothing.
    pub(crate) has_stalled: bool,
    /// It has stopped in the middle of something, and will be reset before anybody is judged.
    hangs: bool,
}

impl Guest {
    pub(crate) fn new(mut peer: TestPeer, came: Moment) -> Guest {
        peer.may_be_cut_off = true;
        Guest {
            peer,
            came,
            joined: NEVER,
            doubtful_from: NEVER,
            gone: NEVER,
            mute: false,
            refused: false,
            lost: false,
            hangs: false,
            has_stalled: false,
        }
    }

    /// Whether the hub had no room for it when it came.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// It was cut off without a reason that it knows of.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Whether it is there, was let in and can say something.
    pub(crate) fn is_in(&self) -> bool {
        self.peer.is_open() && self.joined != NEVER && !self.mute
    }

    /// Whether it was certainly in from one moment to another.
    pub(crate) fn surely_in(&self, from: Moment, to: Moment) -> bool {
        self.joined < from && to < self.doubtful_from && to < self.gone
    }

    /// Whether it may have been in at some moment between these.
    pub(crate) fn maybe_in(&self, from: Moment, to: Moment) -> bool {
        self.came <= to && from <= self.gone
    }

    pub(crate) fn doubt(&mut self, from: Moment) {
        self.doubtful_from = self.doubtful_from.min(from);
    }

    /// Says goodbye, or does not. `has_frames` if it is a WebSocket.
    pub(crate) fn leave(&mut self, has_frames: bool, present: &mut Present) {
        self.doubt(present.moment);
        self.mute = true;
        match present.dice.below(3) {
            0 if has_frames => {
                self.peer.send_frame(0x88, &1001_u16.to_be_bytes());
            }
            0 | 1 => self.peer.wire().end(),
            _ => self.peer.wire().reset(),
        }
    }
}

/// The clients of one dialect.
pub(crate) trait Tribe: std::fmt::Debug {
    /// How many there may be at a time.
    fn guests_max(&self) -> usize;
    /// Somebody connects.
    fn enter(&mut self, wire: Wire, number: usize, present: &mut Present);
    /// How many have ever come.
    fn count(&self) -> usize;
    /// The guest of this number.
    fn guest(&mut self, number: usize) -> &mut Guest;
    /// One who is in does something by its own weight.
    fn act(&mut self, number: usize, present: &mut Present);
    /// A guest is told something.
    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present);
    /// A guest does what it does by the clock.
    fn beat(&mut self, _number: usize, _present: &mut Present) {}
    /// Everything is at rest: what was sent before this moment has been taken in.
    fn rested(&mut self, _present: &mut Present) {}
    /// The machine has slept, or is about to.
    fn slept(&mut self, _ms: u64, _present: &mut Present) {}
    /// Everybody asks what he needs to know to be judged.
    fn inquire(&mut self, _present: &mut Present) {}
    /// Everything is at rest and everybody has read all: what they were told must be what is.
    fn judge(&mut self, present: &mut Present);
}

/// All guests.
#[derive(Debug)]
pub(crate) struct Guests {
    tribes: Vec<Box<dyn Tribe>>,
    pub(crate) present: Present,
}

impl Guests {
    /// The tribes of the dialects that are on, and somebody at the closed doors of the others.
    pub(crate) fn new(config: &Config, mut dice: Dice) -> Guests {
        let mut tribes: Vec<Box<dyn Tribe>> = Vec::new();
        match config.peerjs.on {
            true => tribes.push(Box::new(peerjs::Callers::new(config))),
            false => tribes.push(Box::new(closed::Door::new("/peerjs?key=room0"))),
        }
        match config.peero.on {
            true => tribes.push(Box::new(peero::Visitors::new(config))),
            false => tribes.push(Box::new(closed::Door::new("/peero"))),
        }
        match config.relay.on {
            true => tribes.push(Box::new(relay::Nodes::new(config, &mut dice))),
            false => tribes.push(Box::new(closed::Door::new("/peer-relay"))),
        }
        match config.netpeer.on {
            true => tribes.push(Box::new(netpeer::Members::new(config))),
            false => tribes.push(Box::new(closed::Door::for_lines())),
        }
        match config.echo {
            true => tribes.push(Box::new(echo::Callers::default())),
            false => tribes.push(Box::new(closed::Door::new("/echo"))),
        }
        tribes.push(Box::new(askers::Askers::new(config)));
        let present = Present {
            dice,
            moment: 0,
            now_ms: 0,
            padding_bytes: 0,
            posted: Vec::new(),
        };
        Guests { tribes, present }
    }

    /// Sometimes somebody connects, and some of those who are there do something.
    pub(crate) fn step(&mut self, hub: &mut TestHub) {
        self.present.now_ms = hub.elapsed_ms();
        for (place, tribe) in self.tribes.iter_mut().enumerate() {
            let open: Vec<usize> = (0..tribe.count())
                .filter(|&number| !tribe.guest(number).peer.is_gone())
                .collect();
            if open.len() < tribe.guests_max() && self.present.dice.chance(9) {
                let number = tribe.count();
                let window = match self.present.dice.below(3) {
                    0 => 100 + self.present.dice.below(1_000) as usize,
                    1 => 4_000,
                    _ => 1 << 20,
                };
                let last = match place == ASKERS_PLACE {
                    false => (number % 250 + 1) as u8,
                    // All from one address, of which there may be few.
                    true => 1,
                };
                let from = IpAddr::from([10, 1 + place as u8, 0, last]);
                let refused = hub.census().refused;
                if let Some(wire) = hub.connect(from, window) {
                    self.present.moment += 1;
                    tribe.enter(wire, number, &mut self.present);
                    if hub.census().refused > refused {
                        let guest = tribe.guest(number);
                        guest.doubt(guest.came);
                        guest.refused = true;
                    }
                }
            }
            for number in open {
                let guest = tribe.guest(number);
                if guest.mute && self.present.dice.chance(3) {
                    guest.peer.wire().reset();
                }
                if self.present.dice.chance(10) && tribe.guest(number).is_in() {
                    self.present.moment += 1;
                    act(tribe.as_mut(), number, &mut self.present);
                }
            }
        }
    }

    /// Something befalls a connection, whatever it is doing: it is reset, or what it has sent breaks off.
    pub(crate) fn mishap(&mut self) {
        let mut there = Vec::new();
        for (place, tribe) in self.tribes.iter_mut().enumerate() {
            for number in 0..tribe.count() {
                if !tribe.guest(number).peer.is_gone() {
                    there.push((place, number));
                }
            }
        }
        if there.is_empty() {
            return;
        }
        let present = &mut self.present;
        present.moment += 1;
        let (place, number) = there[present.dice.below(there.len() as u64) as usize];
        let guest = self.tribes[place].guest(number);
        guest.doubt(present.moment);
        guest.mute = true;
        guest.hangs |= break_off(&mut guest.peer, &mut present.dice);
    }

    /// The hub takes leave of everybody.
    pub(crate) fn drained(&mut self) {
        self.present.moment += 1;
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                guest.doubt(self.present.moment);
                guest.mute = true;
            }
        }
    }

    /// Lets bytes move in both directions; whether anything moved.
    pub(crate) fn pump(
        &mut self,
        now_ms: u64,
        mut arriving: impl FnMut(&mut Dice) -> usize,
        mut received: impl FnMut(&mut Dice) -> usize,
    ) -> bool {
        let present = &mut self.present;
        present.now_ms = now_ms;
        present.moment += 1;
        let mut moved = false;
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                if guest.peer.is_gone() {
                    continue;
                }
                if guest.is_in() {
                    tribe.beat(number, present);
                }
                let guest = tribe.guest(number);
                let wire = guest.peer.wire().clone();
                if wire.is_flying() {
                    wire.arrive(arriving(&mut present.dice));
                    moved = true;
                }
                let most = received(&mut present.dice);
                for heard in guest.peer.pump(most) {
                    moved = true;
                    take_in(tribe.as_mut(), number, heard, present);
                }
            }
        }
        moved
    }

    /// Everything is at rest.
    pub(crate) fn rested(&mut self) {
        self.present.moment += 1;
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                let ended = guest.peer.wire().is_ended() || !guest.peer.is_open();
                if ended && guest.gone == NEVER {
                    guest.gone = self.present.moment;
                }
            }
            tribe.rested(&mut self.present);
        }
        self.present.moment += 1;
    }

    /// The machine sleeps for so long.
    pub(crate) fn sleep(&mut self, ms: u64) {
        for tribe in &mut self.tribes {
            tribe.slept(ms, &mut self.present);
        }
    }

    /// Everybody reads again.
    pub(crate) fn wake_readers(&mut self) {
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                guest.peer.reads = true;
                if guest.hangs {
                    guest.peer.wire().reset();
                }
            }
        }
    }

    /// Asks what is needed to judge.
    pub(crate) fn inquire(&mut self) {
        for tribe in &mut self.tribes {
            tribe.inquire(&mut self.present);
        }
    }

    /// Everything is at rest and everybody has read all. `cut_off` readers were too slow.
    pub(crate) fn judge(&mut self, cut_off: u64) {
        let mut lost = Vec::new();
        for (place, tribe) in self.tribes.iter_mut().enumerate() {
            tribe.judge(&mut self.present);
            let guests = 0..tribe.count();
            lost.extend(
                guests
                    .filter(|&number| tribe.guest(number).lost)
                    .map(|number| (place, number)),
            );
        }
        assert!(
            lost.len() as u64 <= cut_off,
            "who does nothing wrong stays connected: {lost:?}"
        );
    }

    /// Everybody leaves.
    pub(crate) fn end(&mut self) {
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                match guest.mute {
                    _ if guest.peer.is_gone() => {}
                    true => guest.peer.wire().reset(),
                    false => guest.leave(false, &mut self.present),
                }
            }
        }
    }
}

/// What every guest does now and then; mostly what its tribe does.
fn act(tribe: &mut dyn Tribe, number: usize, present: &mut Present) {
    match present.dice.below(100) {
        0..3 => {
            let guest = tribe.guest(number);
            guest.doubt(present.moment);
            guest.peer.reads = false;
            guest.has_stalled = true;
        }
        3..6 => {
            let guest = tribe.guest(number);
            guest.doubt(present.moment);
            guest.peer.answers_pings = false;
        }
        6..9 => tribe.guest(number).peer.wire().interrupt(),
        9..11 => {
            // More than some of those who hear it can take.
            present.padding_bytes = 4_000;
            for _ in 0..40 {
                if tribe.guest(number).is_in() {
                    present.moment += 1;
                    tribe.act(number, present);
                }
            }
            present.padding_bytes = 0;
        }
        _ => tribe.act(number, present),
    }
}

fn take_in(tribe: &mut dyn Tribe, number: usize, heard: Heard, present: &mut Present) {
    let guest = tribe.guest(number);
    match &heard {
        Heard::Text(_) | Heard::Binary(_) | Heard::Bytes(_) | Heard::Pong(_) => {
            return tribe.hear(number, heard, present);
        }
        Heard::Ping => return,
        Heard::Refused(status) => {
            let is_broken = guest.mute && matches!(status, 400 | 408 | 503);
            assert!(
                *status == 503 && guest.refused || is_broken,
                "only want of room turns a guest away, not {status}"
            );
        }
        Heard::Close(code, reason) => {
            let known = matches!(
                code,
                None | Some(1000 | 1001 | 1002 | 1007 | 1008 | 1009 | 1012 | 1013)
            );
            assert!(known, "{code:?} {reason}");
        }
        Heard::Answer(..) => unreachable!("guests make no plain requests"),
        Heard::Gone => {}
    }
    guest.lost |= guest.doubtful_from == NEVER;
    guest.doubt(guest.came);
    guest.gone = guest.gone.min(present.moment);
    tribe.hear(number, heard, present);
}

/// Resets a connection, or breaks off what flies and perhaps ends it. Whether it just hangs from now on.
pub(crate) fn break_off(peer: &mut TestPeer, dice: &mut Dice) -> bool {
    let wire = peer.wire().clone();
    let kept = dice.below(wire.flying_bytes() as u64 + 1) as usize;
    let half = |dice: &mut Dice| match dice.below(3) {
        // A frame without its payload, a line or a head without its end.
        0 => &b"\x81\xfe\x01"[..],
        1 => b"{\"type\":",
        _ => b"",
    };
    match dice.below(5) {
        0 => wire.reset(),
        1 => {
            wire.send(half(dice));
            wire.end();
        }
        2 => {
            wire.cut(kept);
            wire.end();
        }
        3 if peer.has_frames() => {
            // Closes, and is perhaps reset before it hears the answer.
            peer.send_frame(0x88, &1000_u16.to_be_bytes());
        }
        _ => {
            wire.cut(kept);
            peer.answers_pings = false;
            return true;
        }
    }
    false
}
