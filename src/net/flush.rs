//! Bytes out of the queues, into the sockets (step 10 of the message path).
//!
//! Owns: whose turn it is to be written to when that is much, and what becomes of a connection that takes nothing, or has taken
//! its last bytes. How bytes lie in a queue is `out_queue`'s.

use super::Socket;
use super::conn::Life;
use super::floor::Floor;
use super::out_queue::{Flushed, Frames, Metered};
use crate::config::plain_words;
use crate::index::ConnKey;
use crate::planted;
use std::io;

impl<S: Socket> Floor<S> {
    /// Work in writing after which those who have much to be told wait for their turn, in about a nanosecond: 6 ms.
    const FLUSH_COST_MAX: u64 = 6_000_000;
    /// What is not much: it is written in about the time that one call to the system takes.
    const LITTLE_BYTES: usize = 16 << 10;

    /// Writes every dirty connection once. When that has become much, those who have much to be told wait for their turn, so
    /// that the others wait neither for a large message to thousands nor for who floods thousands with small ones.
    pub(super) fn flush(&mut self) {
        let before = self.cost;
        let cost_max = before + Self::FLUSH_COST_MAX;
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            if let Some(conn) = self.conns.get_mut(key.index()) {
                conn.dirty = planted::bug("dirty-kept") && conn.write_blocked;
                let waits = self.cost > cost_max && !conn.write_blocked;
                if waits && conn.out.has_more_than(&self.frames, Self::LITTLE_BYTES) {
                    (conn.write_blocked, conn.waits_to_write) = (true, true);
                    self.unwritten.push_back(key);
                }
                self.flush_one(key);
            }
        }
        self.dirty = dirty;
        self.flush_cost += self.cost - before;
        self.frames.reset();
        if self.text.capacity() > Frames::BYTES_MAX {
            self.text = Vec::new();
        }
    }

    /// Work since the tick began, up to a difference: what one turn adds is the work of that one.
    pub(super) fn cost_without_flushes(&self) -> u64 {
        self.cost.wrapping_sub(self.flush_cost)
    }

    /// Goes on with those who have much to be told, for a while. At least one gets on in each tick.
    pub(super) fn flush_unwritten(&mut self) {
        let cost_max = self.cost + Self::FLUSH_COST_MAX;
        while self.cost <= cost_max
            && let Some(key) = self.unwritten.pop_front()
        {
            // It may be gone, and its place somebody else's.
            let conn = self.conns.get_mut(key.index());
            if let Some(conn) = conn.filter(|conn| conn.waits_to_write) {
                (conn.write_blocked, conn.waits_to_write) = (false, false);
                self.flush_one(key);
            }
        }
    }

    fn flush_one(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        if conn.life == Life::Dead {
            // Nobody gets it, but a queue must not keep places in what the tick has to say.
            return self.drop_queue(key);
        }
        let most = self.config.limits.queue_bytes;
        // What nearly all are, and so the quickest way.
        if conn.tls.is_none() && !conn.write_blocked && !conn.out.has_backlog() {
            let mut socket = Metered::new(&mut conn.socket, &mut self.cost);
            match conn.out.flush(&self.frames, most, &mut socket) {
                Ok(Flushed::Empty) if matches!(conn.life, Life::Parting | Life::Lingering) => {
                    self.all_written(key);
                }
                Ok(Flushed::Empty) => {}
                flushed => self.after_waiting(key, flushed, 0),
            }
            return;
        }
        self.flush_waiting(key, most);
    }

    /// Writes to a connection for which something waits already, or that has TLS.
    fn flush_waiting(&mut self, key: ConnKey, most: usize) {
        let conn = &mut self.conns[key.index()];
        let waited_bytes = conn.waiting_bytes();
        let flushed = if conn.write_blocked {
            Ok(conn.out.keep(&self.frames, most))
        } else {
            let mut socket = Metered::new(&mut conn.socket, &mut self.cost);
            match &mut conn.tls {
                None => conn.out.flush(&self.frames, most, &mut socket),
                Some(tls) => tls.flush(
                    &mut conn.out,
                    &self.frames,
                    most,
                    &mut socket,
                    &mut self.bench,
                ),
            }
        };
        match flushed {
            Ok(Flushed::Empty) if waited_bytes == 0 => self.all_written(key),
            flushed => self.after_waiting(key, flushed, waited_bytes),
        }
    }

    /// Something has waited for this connection, or waits now. Apart from the rest, since it is rare.
    #[cold]
    fn after_waiting(&mut self, key: ConnKey, flushed: io::Result<Flushed>, waited_bytes: usize) {
        let conn = &mut self.conns[key.index()];
        match flushed {
            Ok(Flushed::Empty) => {
                // The time to answer the close frame begins when that has been written.
                if conn.life == Life::Leaving {
                    self.arm(key, self.config.close_timeout_ms);
                }
                self.all_written(key);
            }
            Ok(Flushed::Blocked) => {
                conn.write_blocked = true;
                // Who takes its last bytes slowly, but takes them, has time for the rest.
                let is_ending =
                    matches!(conn.life, Life::Leaving | Life::Parting | Life::Lingering);
                if is_ending && conn.waiting_bytes() < waited_bytes {
                    self.arm(key, self.config.close_timeout_ms);
                }
            }
            Ok(Flushed::Overflow) => {
                let most = self.config.limits.queue_bytes;
                self.cut_off(key, &format!("more than {most} bytes wait for it"));
            }
            Err(error) => self.cannot_write(key, &error),
        }
        self.weigh(key);
        self.watch_queue(key);
        self.relieve_in_time();
    }

    fn cannot_write(&mut self, key: ConnKey, error: &io::Error) {
        self.drop_queue(key);
        self.lose(key, &plain_words(error));
    }

    fn all_written(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        match conn.life {
            Life::Open
            | Life::Terminating
            | Life::Refused
            | Life::Leaving
            | Life::Closing
            | Life::Dead => return,
            Life::Parting | Life::Lingering => {}
        }
        if let Some(tls) = &mut conn.tls {
            match tls.take_leave(&mut conn.socket) {
                Ok(true) => {}
                Ok(false) => {
                    conn.write_blocked = true;
                    return self.weigh(key);
                }
                Err(error) => return self.cannot_write(key, &error),
            }
        }
        if conn.life == Life::Parting || conn.socket.finish().is_err() {
            self.kill(key);
        }
    }
}
