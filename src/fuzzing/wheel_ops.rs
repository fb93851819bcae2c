//! Operations on a timer wheel, compared with a vector of deadlines.
//!
//! Owns: the model that says when a timer must fire: at the first `expire` whose time, rounded down to the resolution, is
//! not below the deadline rounded up to it.
use super::Tape;
use crate::index::TimerKey;
use crate::wheel::Wheel;

/// Arms, cancels and lets time pass as `data` says; small steps, jumps of centuries, and clocks that stand or go back.
///
/// # Panics
/// If a timer fires early, late, twice, never or out of order, or if `next_deadline` breaks its promise.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let resolution_ms = [1, 2, 7, 10, 100, 1_000, 60_000][tape.below(7)];
    let now_ms = tape.magnitude(56);
    let mut twin = Twin {
        wheel: Wheel::new(resolution_ms, now_ms),
        timers: Vec::new(),
        resolution_ms,
        now_ms,
        armed_count: 0,
    };
    while let Some(choice) = tape.next() {
        match choice % 16 {
            0..=5 => twin.arm(twin.now_ms.saturating_add(tape.magnitude(24))),
            6 => twin.arm(twin.now_ms.saturating_add(tape.magnitude(64))),
            7 => twin.arm(twin.now_ms.saturating_sub(tape.magnitude(64))),
            8..=9 => twin.cancel(&mut tape),
            10..=12 => {
                twin.expire(twin.now_ms.saturating_add(tape.magnitude(20)));
            }
            13 => {
                twin.expire(twin.now_ms.saturating_add(tape.magnitude(44)));
            }
            14 => {
                twin.expire(twin.now_ms.saturating_sub(tape.magnitude(64)));
            }
            _ => twin.follow_to_next_deadline(),
        }
        twin.check();
    }
    while twin.timers.iter().any(|timer| twin.can_fire(timer)) {
        twin.follow_to_next_deadline();
        twin.check();
    }
}

struct Twin {
    wheel: Wheel<u64>,
    /// In order of arming.
    timers: Vec<Timer>,
    resolution_ms: u64,
    /// The latest time that the wheel was told.
    now_ms: u64,
    armed_count: u64,
}

struct Timer {
    key: TimerKey,
    number: u64,
    /// The multiple of the resolution at which it is due; the present one, if that was later when it was armed.
    tick: u64,
}

impl Twin {
    fn arm(&mut self, at_ms: u64) {
        let number = self.armed_count;
        self.armed_count += 1;
        let key = self.wheel.arm(at_ms, number);
        assert!(
            self.timers.iter().all(|timer| timer.key != key),
            "two timers have the key {key:?}"
        );
        let tick = at_ms.div_ceil(self.resolution_ms).max(self.now_tick());
        self.timers.push(Timer { key, number, tick });
    }

    fn cancel(&mut self, tape: &mut Tape<'_>) {
        if !self.timers.is_empty() {
            let timer = self.timers.remove(tape.below(self.timers.len()));
            assert_eq!(
                self.wheel.cancel(timer.key),
                timer.number,
                "the wrong timer was cancelled"
            );
        }
    }

    /// Lets time pass, or stand still if `now_ms` is not later. Returns how many timers fired.
    fn expire(&mut self, now_ms: u64) -> usize {
        self.now_ms = self.now_ms.max(now_ms);
        let now_tick = self.now_tick();
        let (mut expected, left): (Vec<Timer>, Vec<Timer>) = std::mem::take(&mut self.timers)
            .into_iter()
            .partition(|timer| timer.tick <= now_tick);
        // The sort is stable, so the order of arming stays among timers of one tick.
        expected.sort_by_key(|timer| timer.tick);
        self.timers = left;
        let expected: Vec<u64> = expected.iter().map(|timer| timer.number).collect();

        let mut due = vec![u64::MAX];
        self.wheel.expire(now_ms, &mut due);
        assert_eq!(due[0], u64::MAX, "what was due before was not kept");
        assert_eq!(due[1..], expected, "fired at {now_ms}");
        expected.len()
    }

    /// Does what a driver does that sleeps until each `next_deadline`: something must fire after few empty wakings.
    fn follow_to_next_deadline(&mut self) {
        for _waking in 0..=CASCADES_MAX {
            let Some(next_ms) = self.wheel.next_deadline() else {
                return;
            };
            if self.expire(next_ms) > 0 {
                return;
            }
            if !self.timers.iter().any(|timer| self.can_fire(timer)) {
                return;
            }
        }
        panic!("woken {CASCADES_MAX} times for nothing");
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.timers.len());
        assert_eq!(self.wheel.is_empty(), self.timers.is_empty());
        let earliest = self.timers.iter().map(|timer| timer.tick).min();
        let next_ms = self.wheel.next_deadline();
        assert_eq!(next_ms.is_some(), earliest.is_some());
        if let (Some(tick), Some(next_ms)) = (earliest, next_ms) {
            assert!(
                u128::from(next_ms) <= u128::from(tick) * u128::from(self.resolution_ms),
                "the next deadline {next_ms} is later than tick {tick}"
            );
            assert!(
                next_ms / self.resolution_ms >= self.now_tick(),
                "the next deadline {next_ms} lies in the past"
            );
        }
    }

    fn now_tick(&self) -> u64 {
        self.now_ms / self.resolution_ms
    }

    /// False for a deadline that rounds up to a time that 64 bits cannot hold.
    fn can_fire(&self, timer: &Timer) -> bool {
        timer.tick.checked_mul(self.resolution_ms).is_some()
    }
}

/// Eleven levels, so a timer moves on ten times before it fires.
const CASCADES_MAX: usize = 10;
