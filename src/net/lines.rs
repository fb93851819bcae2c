//! Messages on their way in that need no WebSocket: one JSON object a line, on the plain connection (steps 3 to 8 of the
//! message path).
//!
//! The first byte of a connection tells: an object begins with a brace, which begins no HTTP method.

use super::Socket;
use super::conn::{Life, Party, Speech};
use super::floor::Floor;
use super::switchboard::Switchboard;
use crate::config::Plaintext;
use crate::dialect::netpeer;
use crate::hub::command::PeerFault;
use crate::index::ConnKey;
use crate::wire::{LineTooLong, Lines};
use std::ops::Range;

impl<S: Socket> Switchboard<S> {
    /// Takes in what has been read from a connection that speaks lines: this part of the read buffer.
    pub(super) fn take_in_lines(&mut self, key: ConnKey, part: Range<usize>) {
        let Switchboard { floor, input, .. } = self;
        if !floor.conns[key.index()].listens() {
            return;
        }
        let Speech::Lines { lines, .. } = &mut floor.conns[key.index()].speech else {
            unreachable!("only lines come here");
        };
        let mut lines = std::mem::take(lines);
        let line_bytes_max = floor.config.limits.message_bytes;
        let cost_max = floor.cost + floor.turn_cost_max;
        let (mut too_long, mut has_ended) = (false, false);
        let left = {
            let mut feed = lines.feed(&input[part.clone()], line_bytes_max);
            loop {
                match feed.next() {
                    None => break 0,
                    Some(Ok(line)) => {
                        has_ended = true;
                        floor.metered(key, line.len(), |floor| floor.binary(key, &line));
                    }
                    Some(Err(LineTooLong)) => {
                        too_long = true;
                        break 0;
                    }
                }
                if floor.frames.is_full() {
                    floor.flush();
                }
                if !floor.conns[key.index()].listens()
                    || floor.cost > cost_max
                    || floor.rests_until(key).is_some()
                {
                    break feed.pause();
                }
            }
        };
        let conn = &mut floor.conns[key.index()];
        if left > 0 && conn.listens() {
            conn.put_off = Some(input[part.end - left..part.end].into());
        }
        let has_begun = lines.held_bytes() > 0;
        if let Speech::Lines { lines: place, .. } = &mut conn.speech {
            *place = lines;
        }
        if too_long {
            let text = format!("A line may have {line_bytes_max} bytes.");
            floor.overrun(key, PeerFault::new("E_TOOLONG", text));
        } else if floor.conns[key.index()].takes_messages() {
            floor.watch_message(key, has_begun, has_ended);
        }
    }
}

impl<S: Socket> Floor<S> {
    /// Whether these first bytes of a connection begin a line of JSON, in a hub that speaks such.
    pub(super) fn begins_lines(&self, key: ConnKey, bytes: &[u8]) -> bool {
        let conn = &self.conns[key.index()];
        let is_first = match &conn.speech {
            Speech::Http(unfinished) => unfinished.is_first && unfinished.bytes.is_empty(),
            Speech::Dialling(_) | Speech::WebSocket { .. } | Speech::Lines { .. } => false,
        };
        is_first && bytes.first() == Some(&b'{') && self.worlds.takes_lines()
    }

    /// Lets a connection in that speaks lines. One that was turned away just ends, and its lines are nobody's.
    pub(super) fn begin_lines(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        conn.speech = Speech::Lines {
            lines: Lines::default(),
            party: Party::Nobody,
        };
        if conn.life == Life::Refused || self.draining {
            return self.end_after_writing(key, Life::Lingering);
        }
        if self.config.ping_interval_ms > 0 {
            conn.socket.keep_alive(self.config.ping_interval_ms);
        }
        self.disarm(key);
        let arrival = self.arrival(key, "");
        let member = self.with_worlds(|worlds, lent| worlds.join_lines(arrival, lent));
        self.enter(key, member);
        self.charge_for_joining(key);
        if self.conns[key.index()].tls.is_none() && self.plaintext != Plaintext::Serve {
            self.overrun(key, netpeer::without_tls());
        }
    }

    /// A line has outgrown a bound: nothing more is heard on this connection.
    pub(super) fn overrun(&mut self, key: ConnKey, fault: PeerFault) {
        self.count_fault(key, &fault);
        if let Party::Member(member) = self.conns[key.index()].party() {
            self.with_worlds(|worlds, lent| worlds.overrun(member, &fault, lent));
        }
        self.end_after_writing(key, Life::Lingering);
    }
}
