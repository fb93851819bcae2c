//! Members side by side in memory.
//!
//! Owns: the entries of one channel's members, so that a fan-out (step 6) walks memory in order instead of following links.
//! Must not: keep the order of joining (leaving moves the last entry into the gap) or search for an entry: whoever owns
//! the member's record keeps its seat there, and mends it when told.
//! The rule comes from section 9 of the house style.

/// A dense row of entries, each at a seat that its owner remembers.
///
/// ```
/// use peerhub::index::Lane;
/// let mut lane = Lane::new();
/// let (_ann, bob, _cid) = (lane.push('a'), lane.push('b'), lane.push('c'));
/// let (left, moved) = lane.remove(bob);
/// assert_eq!((left, moved.copied()), ('b', Some('c')));
/// assert_eq!(lane.as_slice(), ['a', 'c']);
/// ```
#[derive(Debug)]
pub struct Lane<E> {
    entries: Vec<E>,
}

impl<E> Lane<E> {
    /// A lane without entries, which has not allocated yet.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Takes the entry in and returns its seat, from 0. The seat changes only when [`Lane::remove`] says so. O(1) amortised.
    ///
    /// # Panics
    /// At 2^32 entries, far above what an arena of members can hold.
    pub fn push(&mut self, entry: E) -> u32 {
        let seat = u32::try_from(self.entries.len()).expect("a lane holds fewer than 2^32 entries");
        self.entries.push(entry);
        seat
    }

    /// Takes the entry at `seat` out. If another entry moved into that seat, it is returned too: the caller must write
    /// `seat` into the record that this entry stands for. O(1) amortised.
    ///
    /// # Panics
    /// If nobody sits there.
    pub fn remove(&mut self, seat: u32) -> (E, Option<&mut E>) {
        let seat = seat as usize;
        assert!(seat < self.entries.len(), "nobody sits at {seat}");
        let entry = self.entries.swap_remove(seat);
        self.give_back();
        (entry, self.entries.get_mut(seat))
    }

    /// All entries; the one at index `seat` is that seat's.
    pub fn as_slice(&self) -> &[E] {
        &self.entries
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Halves the memory once less than a quarter of it is used. The half that stays free keeps a lane whose length swings
    /// about one value from allocating again and again, which is what makes removal O(1) amortised.
    fn give_back(&mut self) {
        let capacity = self.entries.capacity();
        if capacity > CAPACITY_KEPT && self.entries.len() < capacity / 4 {
            self.entries.shrink_to(capacity / 2);
        }
    }
}

impl<E> Default for Lane<E> {
    fn default() -> Self {
        Self::new()
    }
}

/// Entries for which memory is kept whatever happens: 16 entries of 8 bytes are 128 bytes, not worth a reallocation.
const CAPACITY_KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_when_a_crowd_leaves() {
        let mut lane = Lane::new();
        for member in 0..10_000u32 {
            lane.push(member);
        }
        while !lane.is_empty() {
            lane.remove(0);
            let bound = (4 * lane.len() + 4).max(CAPACITY_KEPT);
            assert!(lane.entries.capacity() <= bound);
        }
    }

    #[test]
    #[should_panic(expected = "nobody sits at 1")]
    fn an_empty_seat_is_refused() {
        let mut lane = Lane::new();
        lane.push(());
        lane.remove(1);
    }
}
