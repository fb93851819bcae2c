//! Containers that know nothing about peers.
//!
//! Owns: the key newtypes and the containers that the hub and the wheel are built from. They carry step 6 of the
//! message path (who receives) and the bookkeeping of step 5.
//! Must not: know what a peer or a channel is, read a clock, draw randomness, or hold a callback.
//! The rule comes from section 9 of the house style: an element carries its own position in every container it is in,
//! so joining and leaving are O(1) and nothing is ever searched for.
//!
//! - `arena`: records in numbered slots, found by a key that notices when its slot was reused
//! - `list`: order kept by links inside the records; no allocation per member
//! - `lane`: members side by side in memory, for walking over many of them
//! - `names`: text chosen by peers → key
//! - `key_table`: something else than a text → key; `names` is made of it
use std::fmt::Debug;
use std::hash::Hash;

mod arena;
mod key_table;
mod lane;
mod list;
mod names;

pub use arena::Arena;
pub use key_table::KeyTable;
pub use lane::Lane;
pub use list::{Linked, Links, List};
pub use names::Names;

/// The name of one record in one [`arena::Arena`]: 24 bits of slot number and, above them, 8 bits of generation.
///
/// Four bytes, because keys are most of what the indexes store. The generation tells a key apart from the next
/// [`GENERATION_COUNT`]` - 1` users of its slot; a key held for longer than that may name a stranger, so whoever holds a key
/// outside the index must give it up when the record goes.
pub trait Key: Copy + Eq + Debug + Ord + Hash {
    /// Names no record: the "null" of links and optional keys. Its raw form is `u32::MAX`.
    const NONE: Self;

    /// The key whose [`Key::raw`] is `raw`. Any number is accepted; one that no arena gave out names no record.
    fn from_raw(raw: u32) -> Self;

    /// Generation and slot number in one integer, for eight-byte records such as deliveries.
    fn raw(self) -> u32;

    /// Whether this is [`Key::NONE`].
    fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The slot number, below [`SLOT_COUNT_MAX`] for every key that an arena gave out. Two living records of one arena
    /// never share it, so it may index an array kept beside the arena.
    fn index(self) -> usize {
        (self.raw() & SLOT_MASK) as usize
    }
}

/// Makes key newtypes, so that a peer's key cannot be used where a channel's is meant.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $crate::index::Key for $name {
            const NONE: Self = Self(u32::MAX);

            fn from_raw(raw: u32) -> Self {
                Self(raw)
            }

            fn raw(self) -> u32 {
                self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::index::write_key(*self, stringify!($name), out)
            }
        }
    )*};
}

keys! {
    /// Names a peer record.
    PeerKey;
    /// Names a linkage, the group of peers that see one another.
    LinkageKey;
    /// Names a channel.
    ChannelKey;
    /// Names one peer's membership in one channel.
    MembershipKey;
    /// Names a request that waits for its response.
    RequestKey;
    /// Names a claim to an id that is still held by another connection.
    ClaimKey;
    /// Names a client of the PeerJS world.
    ClientKey;
    /// Names a message of the PeerJS world that waits.
    LetterKey;
    /// Names a queue of such messages.
    QueueKey;
    /// Names a link of the relay node.
    LinkKey;
    /// Names something that the relay node remembers for a time.
    TraceKey;
    /// Names a host of the mesh.
    HostKey;
    /// Names a visitor of the peero lobby.
    VisitorKey;
    /// Names an armed timer of a [`crate::wheel::Wheel`].
    TimerKey;
}

/// The place of a connection in the switchboard's slab. It has no generation: whoever keeps one is told when the connection
/// ends, before its place is anybody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnKey(u32);

impl ConnKey {
    /// No connection.
    pub const NONE: ConnKey = ConnKey(u32::MAX);

    /// The connection at this place. Panics from 2^32 on.
    pub fn at(index: usize) -> ConnKey {
        ConnKey(u32::try_from(index).expect("there are fewer than 2^32 descriptors"))
    }

    /// The place as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for ConnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "conn {}", self.0)
    }
}

/// Writes `PeerKey(12.3)` for slot 12 in generation 3, which is easier to follow through a log than the raw number.
fn write_key<K: Key>(key: K, name: &str, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    if key.is_none() {
        return write!(out, "{name}(none)");
    }
    write!(out, "{name}({}.{})", key.index(), key.raw() >> SLOT_BITS)
}

/// Bits of a key that hold the slot number; the other 8 of the 32 hold the generation.
pub const SLOT_BITS: u32 = 24;

/// Most records that one arena can hold: 2^24 - 1 = 16,777,215, over a hundred for each of 100,000 connections.
pub const SLOT_COUNT_MAX: usize = SLOT_MASK as usize;

/// How many generations a slot goes through before it starts again. The 256th, 255, belongs to no record, so that
/// [`Key::NONE`] and the mark of an unlinked element ([`list::Links`]) can never be a living record's key.
pub const GENERATION_COUNT: u32 = 255;

const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_form_names_slot_and_generation() {
        for (raw, text) in [
            (0, "PeerKey(0.0)"),
            (7 << SLOT_BITS | 12, "PeerKey(12.7)"),
            (u32::MAX, "PeerKey(none)"),
        ] {
            assert_eq!(format!("{:?}", PeerKey::from_raw(raw)), text);
        }
    }
}
