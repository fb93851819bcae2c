//! Clients of the other dialects in the same hub: what they have in common.
//!
//! Each dialect is a *tribe* with a naive truth of its own. Whatever a guest hears must come from its own tribe: every
//! message carries a serial number that begins with the dialect it was said in, and each tribe knows only its own.
//! Owns the guests' clock of moments and their dice. Must not: know what the tribes say.

use super::client::{Moment, NEVER};
use super::passes::{Pass, Tokens, Wall};
use super::roads::{Arrived, Roads};
use super::{askers, closed, echo, hasty, netpeer, peerjs, peero, relay};
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

/// The addresses of those who speak lines.
pub(crate) const LINES_NET: &str = "10.4.0.0/16";

/// Where those who speak lines, those who ask by HTTP and those who do too much are among the tribes.
const LINES_PLACE: usize = 3;
const ASKERS_PLACE: usize = 5;
const HASTY_PLACE: usize = 6;

/// A range of addresses that nobody has.
pub(crate) const NO_NET: &str = "192.0.2.0/24";

/// What everybody may use who takes part: chance, and when it is.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) dice: Dice,
    pub(crate) moment: Moment,
    /// The hub's clock.
    pub(crate) now_ms: u64,
    pub(crate) wall: Wall,
    pub(crate) tokens: Tokens,
    /// The header fields with which whoever comes makes his request, each with its line's end.
    pub(crate) fields: String,
    /// What is said is at least so long, if whoever says it can choose.
    pub(crate) padding_bytes: usize,
    /// What was posted for PeerJS by plain HTTP: when, and how many bytes.
    pub(crate) posted: Vec<(u64, usize)>,
}

impl Present {
    /// Whoever comes asks for a WebSocket on this path.
    pub(crate) fn peer(&self, wire: Wire, path: &str) -> TestPeer {
        TestPeer::with_fields(wire, path, &self.fields)
    }

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
    /// Where it is for the hub.
    pub(crate) address: IpAddr,
    /// What its token allows, if it has come with one.
    pub(crate) pass: Option<Pass>,
    /// The status with which it must be turned away for its token.
    denied: Option<u16>,
    /// Whether there is room for it shows only after a proxy has said for whom it comes.
    may_be_refused: bool,
    /// The hub has no room for it.
    refused: bool,
    /// It does more than the rates allow.
    pub(crate) is_hasty: bool,
    /// It was cut off without a reason that it knows of.
    lost: bool,
    /// For a while it has read nothing.
    pub(crate) has_stalled: bool,
    /// It has stopped in the middle of something, and will be reset before anybody is judged.
    pub(crate) hangs: bool,
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
            address: IpAddr::from([0, 0, 0, 0]),
            pass: None,
            denied: None,
            may_be_refused: false,
            refused: false,
            is_hasty: false,
            lost: false,
            hangs: false,
            has_stalled: false,
        }
    }

    /// Whether the hub had no room for it when it came.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused || self.may_be_refused
    }

    /// Notes how it has come, and with what.
    fn arrived(
        &mut self,
        address: IpAddr,
        may_be_refused: bool,
        pass: Option<Pass>,
        denied: Option<u16>,
    ) {
        (self.address, self.may_be_refused) = (address, may_be_refused);
        (self.pass, self.denied) = (pass, denied);
        // It may be turned away without having done anything.
        if may_be_refused || denied.is_some() {
            self.doubt(self.came);
        }
    }

    /// Whether the hub may have taken its token for expired.
    fn may_have_expired(&self, wall: Wall) -> bool {
        let pass = self.pass.as_ref();
        pass.is_some_and(|pass| pass.may_have_ended(wall))
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
    roads: Roads,
    pub(crate) present: Present,
}

impl Guests {
    /// The tribes of the dialects that are on, and somebody at the closed doors of the others.
    pub(crate) fn new(config: &Config, roads: Roads, mut dice: Dice) -> Guests {
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
        let are_lines_allowed = config.tokens.netpeer_allowed != [NO_NET];
        match config.netpeer.on && are_lines_allowed {
            true => tribes.push(Box::new(netpeer::Members::new(config))),
            false => tribes.push(Box::new(closed::Door::for_lines(config.netpeer.on))),
        }
        match config.echo {
            true => tribes.push(Box::new(echo::Callers::default())),
            false => tribes.push(Box::new(closed::Door::new("/echo"))),
        }
        tribes.push(Box::new(askers::Askers::new(config)));
        tribes.push(Box::new(hasty::Hasty::new(config)));
        let present = Present {
            dice,
            moment: 0,
            now_ms: 0,
            wall: Wall::default(),
            tokens: Tokens::new(config),
            fields: String::new(),
            padding_bytes: 0,
            posted: Vec::new(),
        };
        Guests {
            tribes,
            roads,
            present,
        }
    }

    /// Sometimes somebody connects, and some of those who are there do something.
    pub(crate) fn step(&mut self, hub: &mut TestHub) {
        self.look(hub);
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
                let last = match place {
                    // All from one address, of which there may be few.
                    ASKERS_PLACE | HASTY_PLACE => 1,
                    _ => (number % 250 + 1) as u8,
                };
                let from = IpAddr::from([10, 1 + place as u8, 0, last]);
                let refused = hub.census().refused;
                let makes_request = !matches!(place, LINES_PLACE | ASKERS_PLACE);
                let dice = &mut self.present.dice;
                if let Some(arrived) = self.roads.arrive(hub, dice, from, window, makes_request) {
                    self.present.moment += 1;
                    enter(
                        tribe.as_mut(),
                        number,
                        arrived,
                        makes_request,
                        &mut self.present,
                    );
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
                let guest = tribe.guest(number);
                if !guest.peer.is_gone() && !guest.hangs {
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
        hub: &TestHub,
        mut arriving: impl FnMut(&mut Dice) -> usize,
        mut received: impl FnMut(&mut Dice) -> usize,
    ) -> bool {
        self.present.moment += 1;
        self.look(hub);
        let present = &mut self.present;
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
                moved |= wire.is_flying();
            }
        }
        moved
    }

    /// Looks at the clocks: who comes with a token may be out at any time from its end on.
    pub(crate) fn look(&mut self, hub: &TestHub) {
        let present = &mut self.present;
        present.now_ms = hub.elapsed_ms();
        present.wall = Wall::of(hub);
        if !present.tokens.are_on() {
            return;
        }
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                let Some(pass) = &mut guest.pass else {
                    continue;
                };
                pass.look(present.wall);
                if pass.may_have_ended(present.wall) {
                    guest.doubt(present.moment);
                }
            }
        }
    }

    /// The addresses of those who are certainly in.
    pub(crate) fn addresses(&mut self) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for tribe in &mut self.tribes {
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                if guest.peer.is_upgraded() {
                    addresses.push(guest.address);
                }
            }
        }
        addresses
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
            for number in 0..tribe.count() {
                let guest = tribe.guest(number);
                let pass = guest.pass.as_ref().filter(|_| guest.peer.is_upgraded());
                assert!(
                    pass.is_none_or(|pass| !pass.must_have_ended(self.present.wall)),
                    "guest {place}/{number} has a token that has expired"
                );
            }
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

/// Somebody connects, and perhaps shows a token.
fn enter(
    tribe: &mut dyn Tribe,
    number: usize,
    arrived: Arrived,
    makes_request: bool,
    present: &mut Present,
) {
    let Arrived {
        wire,
        fields,
        address,
        may_be_refused,
    } = arrived;
    present.fields = fields;
    let (mut pass, mut denied) = (None, None);
    if makes_request {
        let shown = present.tokens.draw_plain(&mut present.dice, present.wall);
        let shown_fields = shown.fields(&mut present.dice);
        present.fields.push_str(&shown_fields);
        (pass, denied) = (shown.pass, shown.status);
    }
    tribe.enter(wire, number, present);
    tribe
        .guest(number)
        .arrived(address, may_be_refused, pass, denied);
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
            let is_denied = guest.denied == Some(*status)
                || *status == 401 && guest.may_have_expired(present.wall);
            if *status == 429 && guest.is_hasty {
                guest.doubt(guest.came);
            }
            let is_denied = is_denied || *status == 429 && guest.is_hasty;
            assert!(
                *status == 503 && guest.is_refused() || is_broken || is_denied,
                "only want of room or of a token turns a guest away, not {status}"
            );
        }
        Heard::Close(code, reason) => {
            let known = matches!(
                code,
                None | Some(1000 | 1001 | 1002 | 1007 | 1008 | 1009 | 1012 | 1013)
            );
            let has_ended = *code == Some(4401) && guest.may_have_expired(present.wall);
            let is_hasty = *code == Some(4429) && guest.is_hasty;
            assert!(known || has_ended || is_hasty, "{code:?} {reason}");
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
