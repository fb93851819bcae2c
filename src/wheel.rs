//! A hierarchical timer wheel: deadline in, what has come due out.
//!
//! Owns: the armed deadlines of the hub in one wheel and those of the connections in another (the expire phase of a tick,
//! before step 9 of the message path).
//! Must not: read a clock (the time is an argument), call back, or round a deadline down.
//!
//! Time is counted in ticks of the resolution, and a tick is read as eleven digits of six bits. A timer lies on the level
//! of the highest digit in which its tick differs from the wheel's present tick, in the slot that this digit names.
//! Three things follow:
//! - Every level holds only slots ahead of the present, within the present turn, so the lowest occupied level's first slot
//!   is the next thing to happen: no slot is searched for, and empty time costs nothing however long it was.
//! - When the present reaches a slot of a higher level, all lower levels are empty. Sorting the slot's timers into them
//!   anew (a cascade) in their order therefore keeps the order of arming among timers of one tick.
//! - The place of a timer follows from its tick and the present, so that a node needs to store neither level nor slot.
//!
//! Eleven digits are all 64 bits: a deadline in any century has a slot, and no list of far ones must be swept.
use crate::index::Arena;
use crate::index::TimerKey;
use crate::index::{Linked, Links, List};
use crate::planted;

/// Timers that carry a `T` each and are named by [`TimerKey`]s.
///
/// Arming and cancelling are O(1); a timer moves at most ten times before it fires. A timer of an eight-byte `T` takes at
/// most 33 bytes (a node of 24, the arena's vacant mark and generation), before the slack of growth by doubling; the empty
/// wheel takes 8.5 KB. The wheel holds up to 2^24 - 1 timers and keeps the memory of the most that it held.
///
/// ```
/// let mut wheel = peerhub::wheel::Wheel::new(10, 1_000);
/// let ping = wheel.arm(1_015, "ping");
/// wheel.arm(1_000 + 86_400_000, "tomorrow");
/// let mut due = Vec::new();
/// wheel.expire(1_019, &mut due);
/// assert!(due.is_empty());
/// wheel.expire(1_020, &mut due);
/// assert_eq!(due, ["ping"]);
/// # let _ = ping;
/// ```
#[derive(Debug)]
pub struct Wheel<T> {
    nodes: Arena<TimerKey, Node<T>>,
    /// All levels in one row: level times [`SLOTS_PER_LEVEL`], plus slot.
    slots: Box<[List<InSlot, TimerKey>]>,
    /// Per level, a bit for each slot that is not empty.
    occupied: [u64; LEVEL_COUNT],
    /// The present: every timer of an earlier tick has fired.
    tick: u64,
    resolution_ms: u64,
}

#[derive(Debug)]
struct Node<T> {
    what: T,
    tick: u64,
    links: Links<TimerKey>,
}

/// Names the link field that runs through a slot.
#[derive(Debug)]
struct InSlot;

/// Where a list of timers is: level, and slot within it.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    slot: usize,
}

impl<T> Wheel<T> {
    /// A wheel without timers, at the time `now_ms`. Deadlines are rounded up to multiples of `resolution_ms`.
    ///
    /// # Panics
    /// If the resolution is 0.
    pub fn new(resolution_ms: u64, now_ms: u64) -> Self {
        assert!(resolution_ms > 0, "a wheel needs a resolution");
        Self {
            nodes: Arena::new(),
            slots: (0..LEVEL_COUNT * SLOTS_PER_LEVEL)
                .map(|_| List::new())
                .collect(),
            occupied: [0; LEVEL_COUNT],
            tick: now_ms / resolution_ms,
            resolution_ms,
        }
    }

    /// Keeps `what` until the time `at_ms`, in milliseconds of the clock that [`Wheel::expire`] is told. A deadline in the
    /// past comes due at the next `expire`, whatever time that one is told. O(1).
    ///
    /// # Panics
    /// With 2^24 - 1 timers armed; the caller bounds their count.
    pub fn arm(&mut self, at_ms: u64, what: T) -> TimerKey {
        let tick = match planted::bug("deadline-rounded-down") {
            false => at_ms.div_ceil(self.resolution_ms),
            true => at_ms / self.resolution_ms,
        };
        let tick = tick.max(self.tick);
        let key = self.nodes.insert(Node {
            what,
            tick,
            links: Links::default(),
        });
        self.link(key, tick);
        key
    }

    /// Disarms a timer and returns what it carried. O(1).
    ///
    /// # Panics
    /// If the timer has fired or was cancelled: who holds a key gives it up when the timer fires.
    pub fn cancel(&mut self, key: TimerKey) -> T {
        let place = Place::of(self.nodes[key].tick, self.tick);
        let slot = &mut self.slots[place.row()];
        slot.remove(&mut self.nodes, key);
        if slot.is_empty() {
            self.occupied[place.level] &= !place.bit();
        }
        self.nodes.remove(key).what
    }

    /// Appends to `due` whatever has come due by `now_ms`, earliest deadline first and, among deadlines that round up to
    /// the same time, in the order of arming (those armed late count as due at the time they were armed). Their keys are
    /// stale from here on. A clock that went back is taken to stand still.
    ///
    /// O(timers fired or moved on): neither the time that passed nor the timers that stay count.
    pub fn expire(&mut self, now_ms: u64, due: &mut Vec<T>) {
        let now_tick = (now_ms / self.resolution_ms).max(self.tick);
        while let Some((place, start)) = self.next_place()
            && start <= now_tick
        {
            self.tick = start;
            self.occupied[place.level] &= !place.bit();
            let mut slot = std::mem::take(&mut self.slots[place.row()]);
            while let Some(key) = slot.pop_front(&mut self.nodes) {
                if place.level == 0 {
                    due.push(self.nodes.remove(key).what);
                } else if slot.is_empty() || !planted::bug("cascade-loses") {
                    let tick = self.nodes[key].tick;
                    debug_assert!(Place::of(tick, start).level < place.level);
                    self.link(key, tick);
                }
            }
        }
        self.tick = now_tick;
    }

    /// When to call [`Wheel::expire`] next, in milliseconds; `None` without timers. It is never later than the earliest
    /// deadline rounded up to the resolution (or than the latest `expire`, for a deadline that had passed when it was
    /// armed). For a far deadline it may be earlier, at most ten times in a row, since timers must move on. O(levels).
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_place()
            .map(|(_, start)| start.saturating_mul(self.resolution_ms))
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What an armed timer carries; none if the key is stale.
    pub fn get(&self, key: TimerKey) -> Option<&T> {
        self.nodes.get(key).map(|node| &node.what)
    }

    /// Panics if a timer is not where it will be found, or time has passed it by. For tests; O(timers).
    #[doc(hidden)]
    pub fn check(&self) {
        let mut found = 0;
        for (level, &occupied) in self.occupied.iter().enumerate() {
            let mut rest = occupied;
            while rest != 0 {
                let row = level * SLOTS_PER_LEVEL + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                assert!(!self.slots[row].is_empty(), "an occupied slot has timers");
                for key in self.slots[row].iter(&self.nodes) {
                    let tick = self.nodes[key].tick;
                    assert!(tick >= self.tick, "a timer of the past has fired");
                    assert_eq!(Place::of(tick, self.tick).row(), row);
                    found += 1;
                }
            }
        }
        assert_eq!(
            found,
            self.nodes.len(),
            "every timer is in an occupied slot"
        );
    }

    fn link(&mut self, key: TimerKey, tick: u64) {
        let place = Place::of(tick, self.tick);
        self.slots[place.row()].push_back(&mut self.nodes, key);
        self.occupied[place.level] |= place.bit();
    }

    /// The first slot that is not empty, and the tick at which it begins.
    fn next_place(&self) -> Option<(Place, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = DIGIT_BITS * level as u32;
        let higher_digits = u64::MAX.checked_shl(shift + DIGIT_BITS).unwrap_or(0);
        let start = self.tick & higher_digits | (slot as u64) << shift;
        debug_assert!(start >= self.tick, "a slot of the past is occupied");
        Some((Place { level, slot }, start))
    }
}

impl Place {
    /// Where a timer of `tick` lies while the wheel is at `present`, which is not later.
    fn of(tick: u64, present: u64) -> Self {
        debug_assert!(tick >= present);
        let highest_differing_bit = (tick ^ present).checked_ilog2().unwrap_or(0);
        let level = highest_differing_bit / DIGIT_BITS;
        let slot = tick >> (level * DIGIT_BITS) & (SLOTS_PER_LEVEL as u64 - 1);
        Self {
            level: level as usize,
            slot: slot as usize,
        }
    }

    fn row(self) -> usize {
        self.level * SLOTS_PER_LEVEL + self.slot
    }

    fn bit(self) -> u64 {
        1 << self.slot
    }
}

impl<T> Linked<InSlot, TimerKey> for Node<T> {
    fn links(&self) -> &Links<TimerKey> {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links<TimerKey> {
        &mut self.links
    }
}

/// Six bits, so that a level's occupied slots are one `u64`.
const DIGIT_BITS: u32 = 6;

/// 2^6.
const SLOTS_PER_LEVEL: usize = 1 << DIGIT_BITS;

/// 64 bits in digits of six, rounded up; the highest level uses 16 of its slots.
const LEVEL_COUNT: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_an_eight_byte_load_is_24_bytes() {
        assert_eq!(size_of::<Node<u64>>(), 24);
    }

    #[test]
    fn deadlines_are_rounded_up_and_never_early() {
        for (at_ms, fires_at_ms) in [(0, 1_000), (1_000, 1_000), (1_001, 1_010), (1_640, 1_640)] {
            let mut wheel = Wheel::new(10, 1_009);
            wheel.arm(at_ms, ());
            let mut due = Vec::new();
            if fires_at_ms > 1_009 {
                wheel.expire(fires_at_ms - 1, &mut due);
                assert!(due.is_empty(), "{at_ms} fired early");
            }
            wheel.expire(fires_at_ms, &mut due);
            assert_eq!(due.len(), 1, "{at_ms} did not fire");
        }
    }

    #[test]
    fn the_end_of_time_has_a_slot() {
        let mut wheel = Wheel::new(1, 0);
        wheel.arm(u64::MAX, "end");
        let mut due = Vec::new();
        wheel.expire(u64::MAX - 1, &mut due);
        assert!(due.is_empty());
        assert_eq!(wheel.next_deadline(), Some(u64::MAX));
        wheel.expire(u64::MAX, &mut due);
        assert_eq!(due, ["end"]);
    }

    #[test]
    #[should_panic(expected = "TimerKey(0.0)")]
    fn cancelling_what_has_fired_is_refused() {
        let mut wheel = Wheel::new(1, 0);
        let key = wheel.arm(0, ());
        wheel.expire(0, &mut Vec::new());
        wheel.cancel(key);
    }
}
