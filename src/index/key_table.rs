//! Something else than a text → key, and what [`super::Names`] is made of: a hash table of keys whose records have what they are
//! found by.
//!
//! Owns: the hash beside each key. A table that grows looks at all its entries anew; with the hash there it reads no record for
//! that, of which there may be millions all over the memory: everybody would wait meanwhile.
//! Must not: hash. The caller knows who has chosen what is hashed, and so how.

use super::Key;
use hashbrown::HashTable;

/// A table from hashes to keys. Nine bytes per bucket. Hashes are of 64 bits, of which the upper 32 count.
#[derive(Debug)]
pub struct KeyTable<K>(HashTable<Entry<K>>);

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    hash: u32,
    key: K,
}

impl<K: Key> KeyTable<K> {
    /// Bytes that one key takes, with its share of what the table has free.
    pub const KEY_BYTES: usize = 2 * size_of::<Entry<K>>();

    /// Adds a key that is not there. O(1) amortised.
    pub fn insert(&mut self, hash: u64, key: K) {
        let hash = kept_part(hash);
        self.0
            .insert_unique(spread(hash), Entry { hash, key }, spread_of);
    }

    /// The key with this hash of which `is_it` says yes. O(1).
    pub fn find(&self, hash: u64, is_it: impl Fn(K) -> bool) -> Option<K> {
        let found = self
            .0
            .find(spread(kept_part(hash)), |entry| is_it(entry.key));
        found.map(|entry| entry.key)
    }

    /// The keys that may have this hash, in any order. O(those).
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = K> {
        let entries = self.0.iter_hash(spread(kept_part(hash)));
        entries.map(|entry| entry.key)
    }

    /// Forgets a key. Whether it was there under this hash. O(1).
    #[must_use]
    pub fn remove(&mut self, hash: u64, key: K) -> bool {
        let found = self
            .0
            .find_entry(spread(kept_part(hash)), |entry| entry.key == key);
        found.map(|entry| entry.remove()).is_ok()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys there may be before the table grows.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Gives memory back that more keys than these would need. O(capacity).
    pub fn shrink_to(&mut self, capacity: usize) {
        self.0.shrink_to(capacity, spread_of);
    }
}

// Not derived: no key need have a default.
impl<K> Default for KeyTable<K> {
    fn default() -> KeyTable<K> {
        KeyTable(HashTable::new())
    }
}

fn kept_part(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn spread_of<K>(entry: &Entry<K>) -> u64 {
    spread(entry.hash)
}

/// Spreads what is kept over all bits (Fibonacci hashing, 2^64 / golden ratio): a table looks at the first and the last ones.
fn spread(kept: u32) -> u64 {
    u64::from(kept).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
