//! Text chosen by peers → key.
//!
//! Owns: the way from an id, a linkage name or a channel name to its record, asked in step 5 for every message that
//! names somebody.
//! Must not: store the text, which stands once, in the record; or be walked, since its order is chance (walk the arena).
//! The rule that such text gets a keyed hash comes from section 5 of the house style.
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::{Key, KeyTable};

/// A table from names to keys. Nine bytes per bucket, since it reads the text in the records.
///
/// The caller lends `text_of`, which leads from a key in the table to its record's text, for as long as a call lasts. A
/// record's text must not change while its key is in the table.
///
/// ```
/// use peerhub::index::{Arena, Names, PeerKey};
/// let mut peers: Arena<PeerKey, String> = Arena::new();
/// let mut ids = Names::new(std::hash::RandomState::new());
/// let ann = peers.insert("ann".to_owned());
/// ids.insert("ann", ann, |key| peers[key].as_str());
/// assert_eq!(ids.find("ann", |key| peers[key].as_str()), Some(ann));
/// assert_eq!(ids.find("bob", |key| peers[key].as_str()), None);
/// ids.remove("ann", ann);
/// ```
pub struct Names<K> {
    table: KeyTable<K>,
    /// SipHash with a secret key, and not a faster hash: peers choose the names, and who could tell which names collide
    /// could make every look-up walk over all of them. The caller hands it in because this room draws no randomness.
    hasher: RandomState,
}

impl<K: Key> Names<K> {
    /// A table without names. Hand in a fresh `RandomState` per table, so that one table's timing tells nothing about
    /// another's.
    pub fn new(hasher: RandomState) -> Self {
        Self {
            table: KeyTable::default(),
            hasher,
        }
    }

    /// Makes `text` lead to `key`. `text_of` is asked in debug builds, only about keys that were in the table before. O(1)
    /// amortised.
    ///
    /// # Panics
    /// In debug builds, if the name is taken: the caller looks first, since what a taken name means is its business.
    pub fn insert<'t>(&mut self, text: &str, key: K, text_of: impl Fn(K) -> &'t str) {
        debug_assert!(
            self.find(text, &text_of).is_none(),
            "a name was given twice"
        );
        // By then at least 7/8 of the names that the table was built for were removed, which pays for it.
        let len = self.table.len();
        if self.table.capacity() > CAPACITY_KEPT && len < self.table.capacity() / 8 {
            self.table.shrink_to(2 * len + 1);
        }
        self.table.insert(self.hasher.hash_one(text), key);
    }

    /// Forgets the name of `key`. The record need not exist any more. The last name to go takes the memory along; before
    /// that, a table grown far too large shrinks at its next [`Names::insert`]. O(1).
    ///
    /// # Panics
    /// If `text` does not lead to `key`.
    pub fn remove(&mut self, text: &str, key: K) {
        let was_there = self.table.remove(self.hasher.hash_one(text), key);
        assert!(was_there, "{key:?} is not in the table under this name");
        if self.table.is_empty() && self.table.capacity() > CAPACITY_KEPT {
            self.table = KeyTable::default();
        }
    }

    /// The key that `text` leads to. O(1), and O(length of the text).
    pub fn find<'t>(&self, text: &str, text_of: impl Fn(K) -> &'t str) -> Option<K> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |key| text_of(key) == text)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

// Not derived: a hash map's order is chance, and the names are the peers' business.
impl<K: Key> fmt::Debug for Names<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Names")
            .field("len", &self.table.len())
            .finish_non_exhaustive()
    }
}

/// Names for which memory is kept whatever happens: 64 buckets are 576 bytes.
const CAPACITY_KEPT: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Arena;
    use crate::index::PeerKey;

    fn crowd(count: usize) -> (Arena<PeerKey, String>, Names<PeerKey>, Vec<PeerKey>) {
        let mut peers = Arena::new();
        let mut names = Names::new(RandomState::new());
        let mut keys = Vec::new();
        for number in 0..count {
            let key = peers.insert(format!("peer {number}"));
            names.insert(&peers[key], key, |key| peers[key].as_str());
            keys.push(key);
        }
        (peers, names, keys)
    }

    #[test]
    fn memory_is_given_back_at_the_last_name() {
        let (peers, mut names, keys) = crowd(1_000);
        for key in keys {
            names.remove(&peers[key], key);
        }
        assert_eq!(names.table.capacity(), 0);
    }

    #[test]
    fn memory_is_given_back_at_an_insert_after_a_crowd_left() {
        let (mut peers, mut names, keys) = crowd(10_000);
        for &key in &keys[..9_990] {
            names.remove(&peers[key], key);
        }
        assert!(names.table.capacity() >= 10_000);
        let key = peers.insert("newcomer".to_owned());
        names.insert("newcomer", key, |key| peers[key].as_str());
        assert!(names.table.capacity() <= CAPACITY_KEPT);
        for &key in &keys[9_990..] {
            assert_eq!(names.find(&peers[key], |key| &peers[key]), Some(key));
        }
    }

    #[test]
    #[should_panic(expected = "is not in the table under this name")]
    fn removing_a_name_of_somebody_else_is_refused() {
        let (_peers, mut names, keys) = crowd(2);
        names.remove("peer 0", keys[1]);
    }
}
