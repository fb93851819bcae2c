//! Whose turn it is to be read from (step 2 of the message path).
//!
//! Everybody who is ready has one turn in a tick: one read, or as much of it as makes a bounded amount of work, so that
//! nobody can starve the others. Who had no turn before the tick had enough to say comes first in the next one. Those who
//! are in and say little come before those who come, and before those who say much, each of whom gets on all the same.

use super::Socket;
use super::conn::{Life, Speech};
use super::floor::Floor;
use super::proxied::PROXIED_READ_BYTES;
use super::switchboard::Switchboard;
use crate::config::plain_words;
use crate::index::ConnKey;
use crate::planted;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};

/// Who waits for a turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those who may have something to read.
    ready: VecDeque<ConnKey>,
    /// Those who are nobody yet: of some who come, very many must be told.
    newcomers: VecDeque<ConnKey>,
    /// Those who have said so little that nobody knows what they are like: some ask for very much at once.
    untried: VecDeque<ConnKey>,
    /// Those whose last turn made more work than one may, and those in the middle of a large message.
    loud: VecDeque<ConnKey>,
    /// Those who bring a token, and came when enough had been checked in that tick.
    at_gate: VecDeque<ConnKey>,
    /// Those whose handshake of TLS goes on.
    greeting: VecDeque<ConnKey>,
    /// Of those who come, the last one is next, and not the first.
    last_is_next: bool,
    /// Whose turn makes no more work than this says little, at present.
    modest_cost_max: u64,
}

impl Turns {
    /// The bytes that may be put off at most, with so many connections and a read buffer of this size.
    pub(super) fn put_off_bytes_max(conns: usize, read_buffer_bytes: usize) -> usize {
        LOUD_MAX * read_buffer_bytes + conns * CROWDED_READ_BYTES
    }

    /// Whether this connection waits for a turn. O(those who wait); for checks.
    pub(super) fn has(&self, key: ConnKey) -> bool {
        self.queues().iter().any(|queue| queue.contains(&key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues().iter().all(|queue| queue.is_empty())
    }

    fn queues(&self) -> [&VecDeque<ConnKey>; 6] {
        [
            &self.ready,
            &self.newcomers,
            &self.untried,
            &self.loud,
            &self.at_gate,
            &self.greeting,
        ]
    }
}

/// What a turn has left behind.
enum After {
    /// Nothing: the next edge says when there is more.
    Drained,
    /// There may be more to read.
    More,
    /// Some of what was read.
    PutOff,
    /// The same, and it brings a token.
    AtGate,
    /// Whatever it is, it waits until the connection has rested.
    Rests,
}

/// Work after which the others' turns wait for the next tick, in about a nanosecond: 16 ms.
const TICK_COST_MAX: u64 = 16_000_000;
/// Work of the loud after which the rest of them wait for the next tick while somebody comes, in about a nanosecond: 4 ms.
/// Whoever comes needs several ticks, and what goes to many thousands takes longer than is estimated.
const LOUD_COST_MAX: u64 = 4_000_000;
/// The bounds on what one of them may take of that: enough for a burst to ten thousand receivers; and so little that the
/// others hardly notice who always has more to say (`benches/neighbours.rs`).
const TURN_COST: std::ops::RangeInclusive<u64> = 250_000..=500_000;

/// The bounds on what one of them may take of it to count among those who say little. It is the less the more there are:
/// two thousand who ask for a quarter of a millisecond each would let everybody wait for half a second. A short message to a
/// thousand is below it.
const MODEST_COST: std::ops::RangeInclusive<u64> = 20_000..=*TURN_COST.end();

/// Work on newcomers after which the others of them wait for the next tick, in about a nanosecond: 8 ms.
/// Whoever is in waits no longer than that for a flood of those who come.
const NEWCOMERS_COST_MAX: u64 = 8_000_000;
/// So many of those who come are no crowd.
const CROWD: usize = 16;
/// Turns that somebody must have had that made little work to be among those who go first.
const MODEST_TURNS: u8 = 3;
/// From so many bytes of a message on that have come without its end, the rest of it may wait for those who say little.
const LARGE_BYTES: usize = 64 << 10;

/// Work on handshakes of TLS after which the others who greet wait for the next tick, in about a nanosecond: 4 ms. Whoever
/// is in waits no longer than that for a flood of those who come.
const GREETING_COST_MAX: u64 = 4_000_000;

/// From so many of the loud on, reads are small: 256 of them keep 32 MiB, a full read buffer each.
const LOUD_MAX: usize = 256;
/// Bytes in such a small read: 19,000 connections that all turn out loud keep 76 MiB.
const CROWDED_READ_BYTES: usize = 4 << 10;

impl<S: Socket> Switchboard<S> {
    /// Gives everybody his turn. One of the loud goes first, so that they get on whatever the others do; the rest of them
    /// go last, so that the others do not wait for them.
    pub(super) fn read(&mut self) {
        self.read_in_turns();
        self.welcome();
        self.greet();
    }

    /// Has a connection that may have something to read wait for its turn.
    pub(super) fn await_turn(&mut self, key: ConnKey) {
        let Some(conn) = self.floor.conns.get(key.index()) else {
            return;
        };
        let is_nobody = matches!(conn.speech, Speech::Http(_));
        let is_loud = conn.is_costly || conn.weighed_bytes >= LARGE_BYTES;
        let queue = match () {
            () if is_nobody => &mut self.turns.newcomers,
            () if is_loud => &mut self.turns.loud,
            () if conn.modest_turns < MODEST_TURNS => &mut self.turns.untried,
            () => &mut self.turns.ready,
        };
        queue.push_back(key);
    }

    fn read_in_turns(&mut self) {
        let (ready, loud) = (self.turns.ready.len(), self.turns.loud.len());
        let all = ready + loud + self.turns.newcomers.len() + self.turns.untried.len();
        let share = TICK_COST_MAX / all.max(1) as u64;
        self.floor.turn_cost_max = share.clamp(*TURN_COST.start(), *TURN_COST.end());
        self.turns.modest_cost_max = share.clamp(*MODEST_COST.start(), *MODEST_COST.end());
        self.admit_who_waits();
        self.floor.cost = 0;
        if let Some(key) = self.turns.loud.pop_front() {
            self.turn(key);
            if self.floor.frames.is_full() {
                self.floor.flush();
            }
            // One message of theirs may cost more than a tick may: that is not taken from the others.
            self.floor.cost = 0;
        }
        let nobody_comes = self.turns.newcomers.is_empty() && self.turns.untried.is_empty();
        for (count, is_loud) in [(ready, false), (loud.saturating_sub(1), true)] {
            let cost_max = match nobody_comes || !is_loud {
                true => TICK_COST_MAX,
                false => LOUD_COST_MAX,
            };
            for _ in 0..count {
                if self.floor.frames.is_full() || self.floor.cost > cost_max {
                    return;
                }
                let queue = match is_loud {
                    true => &mut self.turns.loud,
                    false => &mut self.turns.ready,
                };
                if let Some(key) = queue.pop_front() {
                    self.turn(key);
                }
            }
        }
    }

    /// Goes on with those who wait at the gate: before whoever comes now, and only for so long.
    fn admit_who_waits(&mut self) {
        self.floor.gate.begin_tick();
        for _ in 0..self.turns.at_gate.len() {
            if self.floor.gate.has_had_enough() {
                return;
            }
            if let Some(key) = self.turns.at_gate.pop_front() {
                self.turn(key);
            }
        }
    }

    /// Reads from newcomers and from the untried: after those who are in, and from each kind only for so long. At least one of
    /// each gets on in each tick. What a crowd of them has to tell very many is put off until they have their turn among the
    /// loud: who joins where few are does not wait until thousands have joined elsewhere. While they are too many, every
    /// second tick begins with the last who came: who comes when a crowd has asked for very much does not wait for all of it.
    fn welcome(&mut self) {
        let begins_with_last = std::mem::take(&mut self.turns.last_is_next);
        self.welcome_from(|turns| &mut turns.newcomers, begins_with_last);
        self.welcome_from(|turns| &mut turns.untried, begins_with_last);
    }

    fn welcome_from(
        &mut self,
        queue: impl Fn(&mut Turns) -> &mut VecDeque<ConnKey>,
        mut begins_with_last: bool,
    ) {
        let is_last_next = !begins_with_last;
        let cost_max = self.floor.cost + NEWCOMERS_COST_MAX;
        let count = queue(&mut self.turns).len();
        self.floor.postpones = count > CROWD;
        for _ in 0..count {
            let waiting = queue(&mut self.turns);
            let next = match std::mem::take(&mut begins_with_last) {
                true => waiting.pop_back(),
                false => waiting.pop_front(),
            };
            if let Some(key) = next {
                self.turn(key);
            }
            if self.floor.frames.is_full() || self.floor.cost > cost_max {
                self.turns.last_is_next = is_last_next;
                break;
            }
        }
        self.floor.postpones = false;
    }

    /// Goes on with handshakes: last, and only for so long. At least one gets on in each tick, whatever the others do.
    fn greet(&mut self) {
        let cost_max = self.floor.cost + GREETING_COST_MAX;
        for _ in 0..self.turns.greeting.len() {
            if let Some(key) = self.turns.greeting.pop_front() {
                self.serve(key);
            }
            if self.floor.cost > cost_max {
                return;
            }
        }
    }

    fn turn(&mut self, key: ConnKey) {
        let conn = self.floor.conns.get(key.index());
        match conn.is_some_and(|conn| conn.is_handshaking()) {
            true => self.turns.greeting.push_back(key),
            false => self.serve(key),
        }
    }

    fn serve(&mut self, key: ConnKey) {
        let before = self.floor.cost_without_flushes();
        let after = self.read_from(key);
        let cost = self.floor.cost_without_flushes().wrapping_sub(before);
        if let Some(conn) = self.floor.conns.get_mut(key.index()) {
            conn.is_costly = cost > self.turns.modest_cost_max;
            conn.modest_turns = match conn.is_costly {
                true => 0,
                false => MODEST_TURNS.min(conn.modest_turns + 1),
            };
        }
        match after {
            After::Drained | After::Rests => {}
            After::More => self.await_turn(key),
            After::PutOff => self.turns.loud.push_back(key),
            After::AtGate => self.turns.at_gate.push_back(key),
        }
    }

    /// Goes on with what was put off, or reads one buffer full.
    fn read_from(&mut self, key: ConnKey) -> After {
        let Some(conn) = self.floor.conns.get_mut(key.index()) else {
            return After::Drained;
        };
        if conn.life == Life::Dead {
            return After::Drained;
        }
        if let Some(put_off) = conn.put_off.take() {
            self.input[..put_off.len()].copy_from_slice(&put_off);
            return self.take_in(key, put_off.len(), After::More);
        }
        // Everybody may turn out loud or have to rest, and what is put off is kept: so the more there are, the less is read.
        let put_off = self.turns.loud.len() + self.turns.at_gate.len();
        let most = match put_off + self.floor.resting < LOUD_MAX {
            true => self.input.len(),
            false => self.input.len().min(CROWDED_READ_BYTES),
        };
        let most = match conn.awaits_proxy_header() {
            true => most.min(PROXIED_READ_BYTES),
            false => most,
        };
        if conn.tls.is_some() {
            let after = self.read_sealed(key, most);
            self.floor.weigh(key);
            return after;
        }
        match conn.socket.read(&mut self.input[..most]) {
            Ok(0) => self.floor.has_ended(key),
            Ok(bytes) => {
                // After a short read there is nothing more, unless the end is what came after it.
                let is_short = bytes < most || planted::bug("read-edge-lost");
                let after = match is_short && !conn.read_closed {
                    true => After::Drained,
                    false => After::More,
                };
                conn.readable = matches!(after, After::More);
                return self.take_in(key, bytes, after);
            }
            Err(error) => return self.floor.cannot_read(key, &error),
        }
        After::Drained
    }

    /// Reads from a connection with TLS: opens what has come, and takes in what was in it.
    fn read_sealed(&mut self, key: ConnKey, most: usize) -> After {
        let Switchboard { floor, input, .. } = self;
        let conn = &mut floor.conns[key.index()];
        let Some(tls) = &mut conn.tls else {
            unreachable!("only what came with TLS is sealed");
        };
        let opened = match tls.read(&mut conn.socket, most, &mut floor.bench, input) {
            Ok(opened) => opened,
            Err(error) => return floor.cannot_read(key, &error),
        };
        floor.cost += opened.cost;
        let after = match opened.is_drained && !conn.read_closed && !opened.is_end {
            true => After::Drained,
            false => After::More,
        };
        conn.readable = matches!(after, After::More) && opened.fault.is_none();
        if tls.has_unsent() {
            floor.mark_dirty(key);
        }
        if let Some(fault) = opened.fault {
            floor.break_off_tls(key, &fault);
            return After::Drained;
        }
        match (opened.bytes, opened.is_end) {
            (0, true) => {
                self.floor.has_ended(key);
                After::Drained
            }
            (0, false) => after,
            // The end is met again by the next turn.
            (bytes, _) => self.take_in(key, bytes, after),
        }
    }

    fn take_in(&mut self, key: ConnKey, bytes: usize, after: After) -> After {
        let bytes = match self.floor.conns[key.index()].awaits_proxy_header() {
            true => self.take_in_proxied(key, bytes),
            false => bytes,
        };
        let after = self.take_in_following(key, bytes, after);
        self.floor.weigh(key);
        after
    }

    /// Takes in what is nobody's header.
    fn take_in_following(&mut self, key: ConnKey, bytes: usize, after: After) -> After {
        if bytes == 0 {
            return after;
        }
        let conn = &self.floor.conns[key.index()];
        if conn.listens() {
            if self.floor.begins_tls(key, self.input[0]) {
                self.floor.begin_tls(key, &self.input[..bytes]);
                return After::More;
            }
            match conn.speech {
                Speech::Http(_) => self.take_in_http(key, bytes),
                Speech::Dialling(_) => self.take_in_answer(key, bytes),
                Speech::WebSocket { .. } => self.take_in_websocket(key, 0..bytes),
                Speech::Lines { .. } => self.take_in_lines(key, 0..bytes),
            }
        }
        let is_at_gate = self.floor.gate.has_put_off();
        if let Some(until) = self.floor.rests_until(key) {
            self.floor.rest(key, until);
            return After::Rests;
        }
        let conn = &mut self.floor.conns[key.index()];
        if conn.put_off.is_some() {
            conn.readable = true;
            return match is_at_gate {
                true => After::AtGate,
                false => After::PutOff,
            };
        }
        after
    }
}

impl<S: Socket> Floor<S> {
    /// The other side has ended its direction.
    fn has_ended(&mut self, key: ConnKey) {
        let conn = &self.conns[key.index()];
        // Who has asked something and ended his direction still gets his answer.
        match conn.speech {
            Speech::Dialling(_) => self.lose(key, &"it has ended the connection"),
            Speech::Http(_) | Speech::WebSocket { .. } | Speech::Lines { .. }
                if !conn.is_of_somebody() && conn.has_unwritten() =>
            {
                self.end_after_writing(key, Life::Parting);
            }
            Speech::Http(_) | Speech::WebSocket { .. } | Speech::Lines { .. } => self.kill(key),
        }
    }

    fn cannot_read(&mut self, key: ConnKey, error: &io::Error) -> After {
        match error.kind() {
            ErrorKind::WouldBlock => self.conns[key.index()].readable = false,
            ErrorKind::Interrupted => return After::More,
            _ => self.lose(key, &plain_words(error)),
        }
        After::Drained
    }
}
