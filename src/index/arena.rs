//! Records in numbered slots, found by keys that notice a reused slot.
//!
//! Owns: the records themselves. Every other container of this room holds only keys into an arena.
//! Must not: decide when a record goes; the caller removes it, after taking it out of every list, lane and name table.
//! The idea of a key that carries the identity of its slot's user comes from section 10 of the house style.
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use slab::Slab;

use super::{GENERATION_COUNT, Key, SLOT_BITS, SLOT_COUNT_MAX};

/// A growing set of records of type `T`, each named by a key of type `K`.
///
/// Insert, remove and look-up are O(1) (insert amortised). A slot costs the record, at most eight bytes for slab's mark of a
/// vacant slot (none if `T` has room for it, such as a `Vec` or `bool` field), and one byte of generation. The
/// generations are kept beside the slots and not in them: inside, that byte would be padded to the record's alignment,
/// and it would be lost while the slot is vacant. Slots are reused, last freed first; the memory of the largest crowd
/// so far is kept, and grows by doubling.
///
/// ```
/// use peerhub::index::{Arena, Key, PeerKey};
/// let mut peers: Arena<PeerKey, &str> = Arena::new();
/// let ann = peers.insert("ann");
/// assert_eq!(peers[ann], "ann");
/// peers.remove(ann);
/// let bob = peers.insert("bob");
/// assert_eq!(ann.index(), bob.index());
/// assert_eq!(peers.get(ann), None);
/// ```
#[derive(Debug)]
pub struct Arena<K, T> {
    slots: Slab<T>,
    /// For each slot that was ever used: the generation of its present user, or of its next one while it is vacant.
    generations: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, T> Arena<K, T> {
    /// An arena without records, which has not allocated yet.
    pub fn new() -> Self {
        Self {
            slots: Slab::new(),
            generations: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Takes the record in and returns its key, the one that [`Arena::vacant_key`] foretold.
    ///
    /// # Panics
    /// With [`SLOT_COUNT_MAX`] records inside. The callers bound their counts far below that.
    pub fn insert(&mut self, record: T) -> K {
        let key = self.vacant_key();
        if key.index() == self.generations.len() {
            self.generations.push(0);
        }
        let slot = self.slots.insert(record);
        debug_assert_eq!(slot, key.index(), "slab foretold another slot");
        key
    }

    /// Takes the record out. Its key, and every copy of it, is stale from here on.
    ///
    /// # Panics
    /// If the key is stale or NONE.
    pub fn remove(&mut self, key: K) -> T {
        assert!(self.contains(key), "removing by a stale key: {key:?}");
        let generation = &mut self.generations[key.index()];
        *generation = ((u32::from(*generation) + 1) % GENERATION_COUNT) as u8;
        self.slots.remove(key.index())
    }

    /// The record, to be changed, or `None` if the key is stale or NONE.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        if self.is_current(key) {
            self.slots.get_mut(key.index())
        } else {
            None
        }
    }

    /// The record, or `None` if the key is stale or NONE.
    pub fn get(&self, key: K) -> Option<&T> {
        if self.is_current(key) {
            self.slots.get(key.index())
        } else {
            None
        }
    }

    /// Whether the key names a record that is inside now.
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The key that the next [`Arena::insert`] will return, for records that hold their own key.
    ///
    /// # Panics
    /// When the arena is full, as [`Arena::insert`] does.
    pub fn vacant_key(&self) -> K {
        let slot = self.slots.vacant_key();
        key_of(slot, self.generations.get(slot).copied().unwrap_or(0))
    }

    /// How many records are inside.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no record is inside.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All records with their keys, in the order of their slots. O(slots ever used): for sweeps, not for a message.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slots
            .iter()
            .map(|(slot, record)| (key_of(slot, self.generations[slot]), record))
    }

    /// The keys of all records, in the order of their slots. Costs as much as [`Arena::iter`].
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    /// Whether the key is of the slot's present generation; a vacant slot's next key passes too.
    fn is_current(&self, key: K) -> bool {
        self.generations
            .get(key.index())
            .is_some_and(|&generation| u32::from(generation) == key.raw() >> SLOT_BITS)
    }
}

impl<K: Key, T> Default for Arena<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key, T> Index<K> for Arena<K, T> {
    type Output = T;

    /// # Panics
    /// If the key is stale or NONE: inside the hub removal is eager, so such a key is our bug.
    fn index(&self, key: K) -> &T {
        match self.get(key) {
            Some(record) => record,
            None => stale(key),
        }
    }
}

impl<K: Key, T> IndexMut<K> for Arena<K, T> {
    /// # Panics
    /// If the key is stale or NONE, as for `Index`.
    fn index_mut(&mut self, key: K) -> &mut T {
        match self.get_mut(key) {
            Some(record) => record,
            None => stale(key),
        }
    }
}

/// Kept apart from the look-up, so that the path that is taken stays short.
#[cold]
#[inline(never)]
fn stale<K: Key>(key: K) -> ! {
    panic!("no record has the key {key:?}: it is stale, or of another arena")
}

fn key_of<K: Key>(slot: usize, generation: u8) -> K {
    assert!(
        slot < SLOT_COUNT_MAX,
        "an arena is full: it has {SLOT_COUNT_MAX} slots"
    );
    K::from_raw(u32::from(generation) << SLOT_BITS | slot as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::PeerKey;

    #[test]
    fn a_reused_slot_changes_its_key_through_all_generations() {
        let mut arena: Arena<PeerKey, ()> = Arena::new();
        let mut keys = Vec::new();
        for _ in 0..600 {
            let key = arena.insert(());
            assert_eq!(key.index(), 0);
            assert_ne!(key.raw() >> SLOT_BITS, GENERATION_COUNT);
            keys.push(key);
            arena.remove(key);
        }
        let first_round: std::collections::BTreeSet<_> = keys[..255].iter().collect();
        assert_eq!(first_round.len(), 255);
        assert_eq!(keys[255], keys[0]);
    }

    #[test]
    fn none_and_a_vacant_slots_next_key_name_no_record() {
        let mut arena: Arena<PeerKey, u8> = Arena::new();
        assert_eq!(arena.get(PeerKey::NONE), None);
        assert_eq!(arena.get(arena.vacant_key()), None);
        let key = arena.insert(1);
        arena.remove(key);
        assert_eq!(arena.get_mut(arena.vacant_key()), None);
    }

    #[test]
    fn the_last_slot_has_a_key_in_every_generation() {
        let key: PeerKey = key_of(SLOT_COUNT_MAX - 1, 254);
        assert_eq!(key.index(), SLOT_COUNT_MAX - 1);
        assert!(!key.is_none());
    }

    #[test]
    #[should_panic(expected = "an arena is full")]
    fn one_slot_too_many_is_refused() {
        key_of::<PeerKey>(SLOT_COUNT_MAX, 0);
    }

    #[test]
    #[should_panic(expected = "PeerKey(0.0)")]
    fn indexing_by_a_stale_key_names_the_key() {
        let mut arena: Arena<PeerKey, u8> = Arena::new();
        let key = arena.insert(1);
        arena.remove(key);
        arena.insert(2);
        let _ = arena[key];
    }

    #[test]
    #[should_panic(expected = "removing by a stale key")]
    fn removing_twice_is_refused() {
        let mut arena: Arena<PeerKey, u8> = Arena::new();
        let key = arena.insert(1);
        arena.remove(key);
        arena.remove(key);
    }
}
