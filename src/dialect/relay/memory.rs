//! What is remembered for a time: so many things at most, the oldest forgotten first.
//!
//! Must not: take more than O(1) for each thing, or read a clock.

use crate::hub::Millis;
use crate::index::{Arena, Linked, Links, List, TraceKey};
use std::collections::HashMap;
use std::hash::{Hash, RandomState};

/// Things of which each is remembered for the same time since it was last told.
#[derive(Debug)]
pub(super) struct Memory<K, V> {
    traces: Arena<TraceKey, Trace<K, V>>,
    /// From the one that is forgotten first on.
    order: List<InOrder, TraceKey>,
    /// For look-up. Peers choose what is remembered, so the hash is keyed.
    places: HashMap<K, TraceKey, RandomState>,
    most: usize,
    time_ms: Millis,
}

#[derive(Debug)]
struct Trace<K, V> {
    what: K,
    value: V,
    until: Millis,
    links: Links<TraceKey>,
}

/// Names the link field that runs through all traces.
#[derive(Debug)]
struct InOrder;

impl<K: Copy + Eq + Hash, V> Memory<K, V> {
    /// Remembers nothing yet, and later at most `most` things, each for `time_ms`.
    pub(super) fn new(most: usize, time_ms: Millis, hasher: RandomState) -> Memory<K, V> {
        Memory {
            traces: Arena::new(),
            order: List::new(),
            places: HashMap::with_hasher(hasher),
            most,
            time_ms,
        }
    }

    /// Remembers something; from now on if it was known before. The caller then calls [`Memory::forget_one`] until there
    /// is nothing more to forget. O(1).
    pub(super) fn tell(&mut self, now: Millis, what: K, value: V) {
        let until = now + self.time_ms;
        match self.places.get(&what) {
            Some(&place) => {
                self.order.remove(&mut self.traces, place);
                let trace = &mut self.traces[place];
                (trace.value, trace.until) = (value, until);
                self.order.push_back(&mut self.traces, place);
            }
            None => {
                let place = self.traces.insert(Trace {
                    what,
                    value,
                    until,
                    links: Links::default(),
                });
                self.order.push_back(&mut self.traces, place);
                self.places.insert(what, place);
            }
        }
    }

    /// Forgets the oldest thing, if there are too many or its time is over; what it was. O(1).
    pub(super) fn forget_one(&mut self, now: Millis) -> Option<K> {
        let oldest = self.traces.get(self.order.head())?;
        if oldest.until > now && self.traces.len() <= self.most {
            return None;
        }
        let what = oldest.what;
        self.forget(what);
        Some(what)
    }

    /// Forgets this. O(1).
    pub(super) fn forget(&mut self, what: K) -> Option<V> {
        let place = self.places.remove(&what)?;
        self.order.remove(&mut self.traces, place);
        if self.places.is_empty() {
            // A flood leaves nothing behind.
            self.places.shrink_to(Self::PLACES_KEPT);
        }
        Some(self.traces.remove(place).value)
    }

    /// What is remembered of this. O(1).
    pub(super) fn get(&self, now: Millis, what: K) -> Option<&V> {
        let trace = &self.traces[*self.places.get(&what)?];
        (trace.until > now).then_some(&trace.value)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, now: Millis, what: K) -> Option<&mut V> {
        let trace = &mut self.traces[*self.places.get(&what)?];
        (trace.until > now).then_some(&mut trace.value)
    }

    /// How many things are kept, some of them perhaps beyond their time.
    pub(super) fn len(&self) -> usize {
        self.traces.len()
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.traces.is_empty()
    }

    /// Panics if something contradicts itself or exceeds the bound. O(everything).
    pub(super) fn check(&self) {
        assert!(self.traces.len() <= self.most);
        assert_eq!(self.traces.len(), self.places.len());
        assert_eq!(self.traces.len(), self.order.len());
        let mut before = 0;
        for place in self.order.iter(&self.traces) {
            let trace = &self.traces[place];
            assert!(before <= trace.until, "the oldest is first");
            before = trace.until;
            assert_eq!(self.places.get(&trace.what), Some(&place));
        }
    }

    /// Places that an empty memory keeps room for.
    const PLACES_KEPT: usize = 64;
}

impl<K, V> Linked<InOrder, TraceKey> for Trace<K, V> {
    fn links(&self) -> &Links<TraceKey> {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links<TraceKey> {
        &mut self.links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells something; what is forgotten over it.
    fn tell(memory: &mut Memory<u64, char>, now: Millis, what: u64, value: char) -> Vec<u64> {
        memory.tell(now, what, value);
        let gone = std::iter::from_fn(|| memory.forget_one(now)).collect();
        memory.check();
        gone
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut memory = Memory::new(2, 100, RandomState::new());
        assert!(tell(&mut memory, 0, 1, 'a').is_empty());
        assert!(tell(&mut memory, 1, 2, 'b').is_empty());
        // Told again, the first one is the younger.
        assert!(tell(&mut memory, 2, 1, 'c').is_empty());
        assert_eq!(tell(&mut memory, 3, 3, 'd'), [2]);
        let kept = [1, 2, 3].map(|what| memory.get(3, what).copied());
        assert_eq!(kept, [Some('c'), None, Some('d')]);
    }

    #[test]
    fn time_ends_what_is_remembered() {
        let mut memory = Memory::new(9, 100, RandomState::new());
        tell(&mut memory, 0, 1, 'a');
        tell(&mut memory, 50, 2, 'b');
        assert_eq!(memory.get(99, 1), Some(&'a'));
        assert_eq!(
            memory.get(100, 1),
            None,
            "beyond its time though not forgotten"
        );
        assert_eq!(tell(&mut memory, 120, 3, 'c'), [1]);
        assert_eq!(memory.forget(3), Some('c'));
        assert_eq!(memory.forget(3), None);
        assert_eq!(memory.forget_one(149), None);
        assert_eq!(memory.forget_one(150), Some(2));
        assert!(memory.is_empty());
    }
}
