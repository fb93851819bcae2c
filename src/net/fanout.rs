//! Events on their way out: who receives what becomes frames in queues (step 8 of the message path).
//!
//! Each event is encoded once, when its first receiver is met; every receiver after that costs a look at its connection
//! and a span. Nothing is written here: `flush` does that once in a tick, or sooner if the tick has very much to say;
//! an event that has receivers on both sides of a flush is encoded on both.

use super::Socket;
use super::floor::Floor;
use super::out_queue::Span;
use crate::config::Config;
use crate::dialect::ok::outbound::Occasion;
use crate::hub::event::{Delivery, Event, Outbox};
use crate::index::{ConnKey, Key};
use crate::wire::frame;

/// What one more receiver costs, in about a nanosecond; a byte of text costs one.
pub(super) const DELIVERY_COST: u64 = 8;
/// Bytes that the system copies for one receiver in about a nanosecond.
pub(super) const BYTES_PER_COST: u64 = 16;

/// What is not sent to readers for whom too much waits already.
#[derive(Clone, Copy, Debug)]
pub(super) struct DropFirst {
    /// How much that is.
    beyond_bytes: usize,
    nudges: bool,
    debout: bool,
    messages: bool,
    notifies: bool,
    relayed: bool,
}

impl DropFirst {
    /// Reads checked settings.
    pub(super) fn new(config: &Config) -> DropFirst {
        let has = |kind: &str| config.drop_first.iter().any(|known| known == kind);
        DropFirst {
            beyond_bytes: match config.limits.soft_queue_bytes {
                0 => usize::MAX,
                most => most,
            },
            nudges: has("nudges"),
            debout: has("debout"),
            messages: has("messages"),
            notifies: has("notifies"),
            relayed: has("relayed"),
        }
    }

    /// Whether a node of peer-relay for which so much waits is spared what is only passed on to it.
    pub(super) fn drops_relayed(self, backlog_bytes: usize) -> bool {
        self.relayed && backlog_bytes > self.beyond_bytes
    }

    /// Whether a receiver for whom so much waits is spared this event. Few have anything waiting.
    #[cold]
    fn drops(self, backlog_bytes: usize, out: &Outbox<'_>, delivery: Delivery) -> bool {
        backlog_bytes > self.beyond_bytes && self.holds(&out.events()[delivery.event as usize])
    }

    /// Whether this is something of the kind. What tells who is there, and what somebody waits for, never is.
    fn holds(self, event: &Event<'_>) -> bool {
        match event {
            Event::Nudge => self.nudges,
            Event::Debout { .. } => self.debout,
            Event::Message { .. } => self.messages,
            Event::Notify(_) => self.notifies,
            Event::Accept
            | Event::Confirm { .. }
            | Event::Authenticated { .. }
            | Event::Presence(_)
            | Event::Alter(_)
            | Event::Leave { .. }
            | Event::LeaveAs(_)
            | Event::Request(_)
            | Event::Response(_)
            | Event::Peers { .. }
            | Event::RequestFailed(_)
            | Event::Fault { .. }
            | Event::Ping
            | Event::Close { .. } => false,
        }
    }
}

impl<S: Socket> Floor<S> {
    /// Queues everything that the outbox holds, in its order. O(deliveries), and the bytes of each event once.
    pub(super) fn deliver(&mut self, out: &Outbox<'_>) {
        self.spans.clear();
        self.spans.resize(out.events().len(), None);
        self.cost += out.deliveries().len() as u64 * DELIVERY_COST;
        self.deliveries += out.deliveries().len() as u64;
        self.given_ids.clear();
        for &delivery in out.deliveries() {
            let key = self.conn_of_peer[delivery.to.index()];
            let known = self.spans[delivery.event as usize];
            let Some(span) = known.or_else(|| self.meet(out, delivery, key)) else {
                continue;
            };
            let Some(conn) = self.conns.get_mut(key.index()) else {
                continue;
            };
            if conn.takes_messages() {
                if conn.out.has_backlog()
                    && self
                        .drop_first
                        .drops(conn.out.backlog_bytes(), out, delivery)
                {
                    self.census.dropped += 1;
                    continue;
                }
                self.cost += span.bytes() / BYTES_PER_COST;
                conn.out.push(&mut self.frames, span);
                if !conn.dirty {
                    conn.dirty = true;
                    self.dirty.push(key);
                }
            }
        }
    }

    /// Does what an event asks for whose first receiver is met: its frame, unless it has none.
    fn meet(&mut self, out: &Outbox<'_>, delivery: Delivery, key: ConnKey) -> Option<Span> {
        // Very many events, or copies of a large one, must not pile up.
        if self.frames.is_full() {
            self.flush();
            self.spans.fill(None);
        }
        // Asked after the flush, which may have lost the receiver.
        if !self.takes_messages(key) {
            return None;
        }
        match &out.events()[delivery.event as usize] {
            &Event::Close { code, reason } => self.close(key, Some(code), reason),
            // What it has said already waits to be read: that is a sign of life, and its pong would wait as long.
            Event::Ping if self.conns[key.index()].rests() => self.lively.push(delivery.to),
            Event::Ping => self.ping(key),
            _ => return Some(self.encode(out, delivery)),
        }
        None
    }

    /// Whether this connection is there and still open for messages.
    pub(super) fn takes_messages(&self, key: ConnKey) -> bool {
        let conn = self.conns.get(key.index());
        conn.is_some_and(|conn| conn.takes_messages())
    }

    fn encode(&mut self, out: &Outbox<'_>, Delivery { to, event }: Delivery) -> Span {
        self.text.clear();
        self.restock_ids();
        let mut occasion = Occasion {
            hub: &self.hub,
            unix_ms: self.now.unix_ms,
            ids: &mut self.ids,
            given: &mut self.given_ids,
        };
        self.writer
            .write(&mut occasion, out, event, to, &mut self.text);
        self.cost += self.text.len() as u64;
        let text = &self.text;
        let span = self.frames.append(|bytes| frame::write_text(text, bytes));
        self.spans[event as usize] = Some(span);
        span
    }
}
