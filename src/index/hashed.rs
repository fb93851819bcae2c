//! What a hash table holds: a key, and the hash of what its record is found by.
//!
//! A table that grows looks at all its entries anew. With the hash beside the key it reads no record for that, of which there may
//! be millions all over the memory: everybody would wait meanwhile.

/// A key with the hash of what its record is found by.
#[derive(Clone, Copy, Debug)]
pub struct Hashed<K> {
    hash: u32,
    /// The key.
    pub key: K,
}

impl<K> Hashed<K> {
    /// A key whose record is found by something with this hash.
    pub fn new(hash: u64, key: K) -> Hashed<K> {
        Hashed {
            hash: kept_part(hash),
            key,
        }
    }

    /// The hash that the table knows this entry by.
    pub fn table_hash(&self) -> u64 {
        spread(self.hash)
    }
}

/// The hash by which a table knows entries with this one.
pub fn table_hash(hash: u64) -> u64 {
    spread(kept_part(hash))
}

fn kept_part(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Spreads what is kept over all bits (Fibonacci hashing, 2^64 / golden ratio): a table looks at the first and the last ones.
fn spread(kept: u32) -> u64 {
    u64::from(kept).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
