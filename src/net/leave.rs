//! Taking leave of everybody when the hub is stopped (before step 9 of the message path).
//!
//! Who is told to leave comes back, to this hub's successor. So peers are told one after the other, spread over at most
//! half of the drain time; the rest of it is for their answers. Until its turn has come a peer is served as ever, and what
//! it has sent before its own close frame is heard even after that. Whoever has been let in and has not asked for anything
//! yet has a moment to do so: the hub's successor knows nothing of him.

use super::Socket;
use super::conn::{Conn, Life, Speech};
use super::floor::Floor;
use super::switchboard::Switchboard;
use crate::hub::Millis;
use crate::index::ConnKey;
use std::collections::VecDeque;

/// How far the leave-taking has got.
#[derive(Debug)]
pub(super) struct LeaveTaking {
    begun: Millis,
    /// Steps in which everybody has had his turn.
    steps: u64,
    /// Connections that were to be told when it began.
    count: usize,
    /// Turns taken.
    turns: usize,
    /// The place of the connection that is looked at next, and the one behind the last.
    next: usize,
    end: usize,
    /// Those who had their turn while an answer was on its way to them, and how long they may wait for it. The first has
    /// waited longest.
    held: VecDeque<(ConnKey, Millis)>,
    /// When the next step is due; none when everybody has been told.
    next_step: Option<Millis>,
}

impl LeaveTaking {
    /// Time between two steps, ms.
    const STEP_MS: Millis = 10;
    /// Longest time that a peer whose turn has come may wait for the answers to its requests, ms.
    const HOLD_MS: Millis = 250;
    /// Time that somebody who has not asked for anything yet has for that, ms. Enough for a handshake of TLS across an ocean;
    /// who opens connections in advance delays the end by no more.
    const NEWCOMER_MS: Millis = 500;

    /// So many are to be told, in places below `end`: `rate` in a second, or faster if that takes longer than `time_max_ms`.
    fn new(count: usize, end: usize, rate: usize, time_max_ms: Millis, now: Millis) -> LeaveTaking {
        let time_ms = (count as u64 * 1_000 / rate as u64).min(time_max_ms);
        LeaveTaking {
            begun: now,
            steps: time_ms / Self::STEP_MS + 1,
            count,
            turns: 0,
            next: 0,
            end,
            held: VecDeque::new(),
            next_step: Some(now),
        }
    }

    /// When `take_leave` has something to do.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.next_step
    }

    /// Turns that are to be taken up to now.
    fn turns_due(&self, now: Millis) -> usize {
        let step = (now - self.begun) / Self::STEP_MS + 1;
        match step < self.steps {
            true => (self.count as u64 * step).div_ceil(self.steps) as usize,
            false => usize::MAX,
        }
    }

    /// The next one whose turn it is.
    fn next_turn<S: Socket>(&mut self, floor: &Floor<S>) -> Option<ConnKey> {
        while self.next < self.end {
            let index = self.next;
            self.next += 1;
            if floor.conns.get(index).is_some_and(is_to_be_told) {
                self.turns += 1;
                return Some(ConnKey::at(index));
            }
        }
        None
    }
}

/// Whether this connection's end is to be told to whoever is there.
fn is_to_be_told<S: Socket>(conn: &Conn<S>) -> bool {
    let has_words = match conn.speech {
        Speech::WebSocket { .. } | Speech::Lines { .. } => true,
        Speech::Http(_) | Speech::Dialling(_) => false,
    };
    has_words && conn.takes_messages()
}

impl<S: Socket> Switchboard<S> {
    /// Begins to take leave of everybody, which the next ticks do. Nobody new is let in. Requests that are under way are
    /// still answered. O(connections).
    pub fn drain(&mut self) {
        let floor = &mut self.floor;
        floor.draining = true;
        let (mut count, mut end) = (0, 0);
        for (index, conn) in &floor.conns {
            if is_to_be_told(conn) {
                (count, end) = (count + 1, index + 1);
            }
        }
        let time_max_ms = floor.config.drain_time_ms / 2;
        let (rate, now) = (floor.config.stop.rate, floor.now.monotonic_ms);
        let leave = LeaveTaking::new(count, end, rate, time_max_ms, now);
        self.leave = Some(Box::new(leave));
    }

    /// Tells those whose turn has come.
    pub(super) fn take_leave(&mut self) {
        let Switchboard { floor, leave, .. } = self;
        let Some(leave) = leave else {
            return;
        };
        let now = floor.now.monotonic_ms;
        if leave.next_step.is_none_or(|step| now < step) {
            return;
        }
        if leave.turns == 0 {
            floor.end_idle(true);
        }
        let until = now + LeaveTaking::HOLD_MS;
        let due = leave.turns_due(now);
        while leave.turns < due
            && let Some(key) = leave.next_turn(floor)
        {
            match floor.awaits_answer(key) {
                true => leave.held.push_back((key, until)),
                false => floor.dismiss(key),
            }
        }
        leave.held.retain(|&(key, until)| {
            let stays = now < until && floor.awaits_answer(key);
            if !stays {
                floor.dismiss(key);
            }
            stays
        });
        let is_busy = leave.next < leave.end || !leave.held.is_empty();
        let newcomers_wait = now < leave.begun + LeaveTaking::NEWCOMER_MS && floor.has_newcomers();
        leave.next_step = match is_busy || newcomers_wait {
            true => Some(now + LeaveTaking::STEP_MS),
            false => {
                // Those who had just been read from at first, and are idle now.
                floor.end_idle(false);
                None
            }
        };
    }
}

impl<S: Socket> Floor<S> {
    /// Whether a peer is here that has asked another one and has no answer yet.
    fn awaits_answer(&self, key: ConnKey) -> bool {
        let conn = self.conns.get(key.index());
        let peer = conn.and_then(|conn| conn.peer());
        peer.is_some_and(|peer| self.hub.is_asking(peer))
    }

    /// Tells one that the hub goes, unless its connection has ended or is ending.
    pub(super) fn dismiss(&mut self, key: ConnKey) {
        if self.conns.get(key.index()).is_some_and(is_to_be_told) {
            let (code, reason) = match self.config.stop.returns {
                true => (CLOSE_RESTART, "the hub is being restarted"),
                false => (CLOSE_GOING_AWAY, "the hub is shutting down"),
            };
            self.close_as(key, Some(code), reason, Life::Leaving);
        }
    }

    /// Whether somebody is here who has not begun to ask yet.
    fn has_newcomers(&self) -> bool {
        let is_newcomer = |conn: &Conn<S>| conn.life == Life::Open && conn.is_newcomer();
        self.conns.iter().any(|(_, conn)| is_newcomer(conn))
    }

    /// Ends the connections on which nothing is under way: without a request, or not open yet. Those who have never had one
    /// may be spared.
    fn end_idle(&mut self, spares_newcomers: bool) {
        let keys: Vec<ConnKey> = self.keys().collect();
        for key in keys {
            let conn = &self.conns[key.index()];
            match (conn.life, &conn.speech) {
                (
                    Life::Leaving | Life::Closing | Life::Parting | Life::Lingering | Life::Dead,
                    _,
                )
                | (_, Speech::WebSocket { .. } | Speech::Lines { .. }) => {}
                (_, Speech::Dialling(_)) => self.kill(key),
                (_, Speech::Http(unfinished)) => {
                    let has_begun =
                        !unfinished.bytes.is_empty() || conn.put_off.is_some() || conn.readable;
                    if has_begun || spares_newcomers && conn.is_newcomer() {
                        continue;
                    }
                    match conn.out.is_empty() && conn.tls.is_none() {
                        true => self.kill(key),
                        false => self.end_after_writing(key, Life::Lingering),
                    }
                }
            }
        }
    }
}

/// The hub goes (RFC 6455, section 7.4.1).
const CLOSE_GOING_AWAY: u16 = 1001;
/// The hub goes and comes back (the registry of RFC 6455, section 11.7: *service restart*).
const CLOSE_RESTART: u16 = 1012;
