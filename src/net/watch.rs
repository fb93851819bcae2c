//! Connections that do more than they may, or less: too much in a second, a message without an end, a queue that stays full.
//!
//! Owns what is noted of a connection that is not simply well, and what becomes of it. Most have no such note, and a hub
//! without rates asks no more of a message than whether there are any.

use super::Socket;
use super::conn::{Conn, Life, Speech};
use super::floor::{Due, Floor};
use super::log_limit::limited;
use super::rate::{MILLISECOND_NS, Meter, Spent};
use crate::config::Excess;
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::index::{ConnKey, Key, TimerKey};
use crate::planted;
use log::Level;
use std::net::IpAddr;

/// Closed for having done more than the rates allow.
const CLOSE_EXCESS: u16 = 4429;
/// Closed for a message that does not end (RFC 6455 section 7.4.1: against the policy).
const CLOSE_LATE: u16 = 1008;

/// What is noted of a connection.
#[derive(Debug)]
pub(super) struct Watch {
    meter: Meter,
    /// Nothing is read before this time.
    rests_until: Millis,
    /// When it has rested.
    pub(super) rested: TimerKey,
    /// When it will have had too much waiting for too long.
    pub(super) slow: TimerKey,
    /// When the message that has begun must have ended.
    pub(super) late: TimerKey,
}

/// What the hub has done at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    deliveries: u64,
    joins: u64,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            meter: Meter::default(),
            rests_until: 0,
            rested: TimerKey::NONE,
            slow: TimerKey::NONE,
            late: TimerKey::NONE,
        }
    }
}

impl Watch {
    /// Its deadlines that are armed.
    pub(super) fn timers(&mut self) -> impl Iterator<Item = &mut TimerKey> {
        let all = [&mut self.rested, &mut self.slow, &mut self.late];
        all.into_iter().filter(|timer| !timer.is_none())
    }
}

impl<S: Socket> Floor<S> {
    /// Lets somebody be heard who says something of so many bytes, and charges him for what it makes the hub do; or does
    /// not, if he owes from before.
    pub(super) fn metered(&mut self, key: ConnKey, bytes: usize, hear: impl FnOnce(&mut Self)) {
        if !self.is_metered {
            return hear(self);
        }
        if self.is_overdrawn(key) {
            return self.refuse_to_hear(key);
        }
        let before = self.tally();
        hear(self);
        self.charge_since(key, before, bytes);
    }

    /// What has been done so far.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            deliveries: self.deliveries,
            joins: self.joins,
        }
    }

    /// Charges somebody for a message of so many bytes and for what it has made the hub do.
    pub(super) fn charge_since(&mut self, key: ConnKey, before: Tally, bytes: usize) {
        if self.is_metered {
            self.charge(key, self.spent_since(before, bytes));
        }
    }

    /// The same for somebody who has no connection of his own: it is his proxy's, which others use too. Only his address pays.
    pub(super) fn charge_address_since(&mut self, client: IpAddr, before: Tally, bytes: usize) {
        if self.tariff.address.is_on() {
            let (spent, now_ns) = (self.spent_since(before, bytes), self.now_ns());
            self.sources
                .charge_visitor(client, now_ns, spent, &self.tariff);
        }
    }

    fn spent_since(&self, before: Tally, bytes: usize) -> Spent {
        Spent {
            messages: 1,
            bytes: bytes as u64,
            deliveries: self.deliveries - before.deliveries,
            joins: self.joins - before.joins,
        }
    }

    /// Whether somebody has spent more than he had and is not heard for that. Where excess only delays, he is always heard,
    /// but not read from.
    pub(super) fn is_overdrawn(&self, key: ConnKey) -> bool {
        self.is_metered
            && self.tariff.excess != Excess::Delay
            && self.owes_until_ns(key) > self.now_ns()
    }

    /// Whether more has been done for an address than may. What comes through a proxy's connection cannot be delayed for one of
    /// those who use it.
    pub(super) fn address_owes(&self, client: IpAddr) -> bool {
        let owes_until_ns = self.sources.owes_until_ns(client, self.tariff.burst_ns);
        self.tariff.address.is_on() && owes_until_ns > self.now_ns()
    }

    /// Charges somebody who has come into a world.
    pub(super) fn charge_for_joining(&mut self, key: ConnKey) {
        if self.is_metered {
            let spent = Spent {
                joins: 1,
                ..Spent::default()
            };
            self.charge(key, spent);
        }
    }

    /// Charges a connection and its address.
    pub(super) fn charge(&mut self, key: ConnKey, spent: Spent) {
        let now_ns = self.now_ns();
        let conn = &mut self.conns[key.index()];
        if self.tariff.connection.is_on() {
            let watch = conn.watch.get_or_insert_default();
            watch.meter.charge(now_ns, spent, &self.tariff.connection);
        }
        if conn.counted {
            self.sources
                .charge(conn.remote, now_ns, spent, &self.tariff);
        }
        let owes_until_ns = self.owes_until_ns(key);
        if self.tariff.excess == Excess::Delay && owes_until_ns > now_ns {
            let watch = self.conns[key.index()].watch.get_or_insert_default();
            watch.rests_until = match planted::bug("rests-for-ever") {
                false => owes_until_ns.div_ceil(MILLISECOND_NS),
                true => Millis::MAX / 2,
            };
            self.census.delayed += 1;
        }
    }

    /// What is noted of a connection of which something is.
    pub(super) fn watch(&mut self, key: ConnKey) -> &mut Watch {
        self.conns[key.index()].watch.get_or_insert_default()
    }

    fn owes_until_ns(&self, key: ConnKey) -> u64 {
        let (conn, burst_ns) = (&self.conns[key.index()], self.tariff.burst_ns);
        let watch = conn.watch.as_ref();
        let own = watch.map_or(0, |watch| watch.meter.owes_until_ns(burst_ns));
        match conn.counted {
            true => own.max(self.sources.owes_until_ns(conn.remote, burst_ns)),
            false => own,
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.now.monotonic_ms.saturating_mul(MILLISECOND_NS)
    }

    /// What somebody says who owes: it is dropped, or he is closed.
    fn refuse_to_hear(&mut self, key: ConnKey) {
        if !self.conns[key.index()].takes_messages() {
            return;
        }
        self.census.refused_messages += 1;
        if self.tariff.excess == Excess::Drop {
            return self.complain_to(key, excess());
        }
        limited!(
            self.excess_log,
            self.now.monotonic_ms,
            Level::Warn,
            "{key} from {} is closed: it does more than the rates allow",
            self.conns[key.index()].remote
        );
        match self.conns[key.index()].speech {
            Speech::Lines { .. } => self.overrun(key, excess()),
            Speech::Http(_) | Speech::Dialling(_) | Speech::WebSocket { .. } => {
                self.close(key, Some(CLOSE_EXCESS), "too much in too short a time");
            }
        }
    }

    /// Until when nothing is read from this connection, if it has to rest.
    pub(super) fn rests_until(&self, key: ConnKey) -> Option<Millis> {
        let watch = self.conns[key.index()].watch.as_ref()?;
        Some(watch.rests_until).filter(|&until| until > self.now.monotonic_ms)
    }

    /// Sees to it that the connection has its turn again after its rest.
    pub(super) fn rest(&mut self, key: ConnKey, until: Millis) {
        let conn = &mut self.conns[key.index()];
        conn.readable = true;
        let watch = conn.watch.get_or_insert_default();
        if watch.rested.is_none() {
            watch.rested = self.wheel.arm(until, Due::Rested(key));
            self.resting += 1;
        }
    }

    /// A message that has begun must end in time, or beginnings would fill the memory. `has_ended` says that another one has
    /// ended since the last look.
    pub(super) fn watch_message(&mut self, key: ConnKey, has_begun: bool, has_ended: bool) {
        let conn = &mut self.conns[key.index()];
        let timeout = self.config.message_timeout_ms;
        if (has_ended || !has_begun)
            && let Some(watch) = &mut conn.watch
            && !watch.late.is_none()
        {
            self.wheel
                .cancel(std::mem::replace(&mut watch.late, TimerKey::NONE));
        }
        if has_begun && timeout > 0 && conn.takes_messages() {
            let watch = conn.watch.get_or_insert_default();
            if watch.late.is_none() {
                let at = self.now.monotonic_ms + timeout;
                watch.late = self.wheel.arm(at, Due::Late(key));
            }
        }
    }

    /// A message that has begun has not ended in time.
    pub(super) fn message_is_late(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        // Another deadline of the same tick may have ended it.
        if !conn.takes_messages() {
            return;
        }
        // The hub has not yet read all that there is; the end may be among it.
        if conn.readable {
            return self.watch_message(key, true, false);
        }
        let text = format!(
            "A message must end within {} ms.",
            self.config.message_timeout_ms
        );
        let fault = PeerFault::new("E_TOOLONG", text);
        match conn.speech {
            Speech::Lines { .. } => self.overrun(key, fault),
            Speech::Http(_) | Speech::Dialling(_) | Speech::WebSocket { .. } => {
                self.count_fault(key, &fault);
                self.close(key, Some(CLOSE_LATE), "a message must end in time");
            }
        }
    }

    /// Notes whether what waits for a reader is more than may wait for long.
    pub(super) fn watch_queue(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        let most = self.config.limits.soft_queue_bytes;
        let is_slow = most > 0 && conn.out.backlog_bytes() > most;
        let slow = conn.watch.as_deref_mut().map(|watch| &mut watch.slow);
        match slow.filter(|slow| !slow.is_none()) {
            Some(slow) if !is_slow => {
                self.wheel.cancel(std::mem::replace(slow, TimerKey::NONE));
            }
            None if is_slow => {
                let at = self.now.monotonic_ms + self.config.soft_queue_time_ms;
                let watch = conn.watch.get_or_insert_default();
                watch.slow = self.wheel.arm(at, Due::Slow(key));
            }
            Some(_) | None => {}
        }
    }

    /// A deadline has passed: it is armed no longer.
    pub(super) fn forget_deadline(&mut self, due: Due) {
        match due {
            Due::Own(key) => self.conns[key.index()].timer = TimerKey::NONE,
            Due::Rested(key) => {
                self.watch(key).rested = TimerKey::NONE;
                self.resting -= 1;
            }
            Due::Slow(key) => self.watch(key).slow = TimerKey::NONE,
            Due::Late(key) => self.watch(key).late = TimerKey::NONE,
            Due::Expired(key) => {
                if let Some(pass) = &mut self.conns[key.index()].pass {
                    pass.forget_deadline();
                }
            }
        }
    }

    /// A reader has had too much waiting for too long.
    pub(super) fn reader_is_late(&mut self, key: ConnKey) {
        if self.conns[key.index()].life == Life::Dead {
            return;
        }
        let (most, time_ms) = (
            self.config.limits.soft_queue_bytes,
            self.config.soft_queue_time_ms,
        );
        let why = format!("more than {most} bytes have waited for it for {time_ms} ms");
        self.cut_off(key, &why);
    }

    /// Ends a connection for whose reader too much waits, without a close frame, which would have to wait too.
    pub(super) fn cut_off(&mut self, key: ConnKey, why: &str) {
        self.census.slow_readers += 1;
        limited!(
            self.slow_log,
            self.now.monotonic_ms,
            Level::Warn,
            "{key} from {} reads too slowly: {why}; it is cut off",
            self.conns[key.index()].remote
        );
        self.drop_queue(key);
        self.kill(key);
    }
}

impl<S> Conn<S> {
    /// How many deadlines are armed for it.
    pub(super) fn timer_count(&self) -> usize {
        let watch = self.watch.as_ref();
        let watched = watch.map_or([TimerKey::NONE; 3], |watch| {
            [watch.rested, watch.slow, watch.late]
        });
        let all = watched.into_iter().chain([self.timer]);
        let has_pass = self.pass.as_ref().is_some_and(|pass| pass.is_armed());
        all.filter(|timer| !timer.is_none()).count() + usize::from(has_pass)
    }

    /// Whether it rests, and will have its turn again by itself.
    pub(super) fn rests(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_some_and(|watch| !watch.rested.is_none())
    }
}

fn excess() -> PeerFault {
    let text = "You do more than the rates of this hub allow; what you said was not heard.";
    PeerFault::new("E_TOOFAST", text)
}
