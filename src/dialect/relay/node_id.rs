//! Ids of nodes, the distance between them, and a set of nodes that can be walked from the nearest on.
//!
//! The distance of two ids is their exclusive or, read as a number. Must not: scan all nodes to find near ones, since
//! that is asked for each message.

use std::collections::BTreeMap;
use std::fmt;

/// The id of a node: 160 bits, written as 40 hexadecimal digits. The order is that of the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NodeId::BYTES]);

impl NodeId {
    /// Bytes of an id.
    pub const BYTES: usize = 20;

    /// The id of these bytes.
    pub fn new(bytes: [u8; NodeId::BYTES]) -> NodeId {
        NodeId(bytes)
    }

    /// Reads 40 hexadecimal digits of either case.
    pub fn from_hex(text: &str) -> Option<NodeId> {
        let digits: &[u8; 2 * NodeId::BYTES] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; NodeId::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            *byte = (high? << 4 | low?) as u8;
        }
        Some(NodeId(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; NodeId::BYTES] {
        &self.0
    }

    /// Appends the id as 40 hexadecimal digits in lower case.
    pub fn write_hex(&self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 2 * NodeId::BYTES];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out.extend_from_slice(&hex);
    }

    /// How far apart two ids are; the bytes compare as the numbers do.
    pub fn distance(self, other: NodeId) -> [u8; NodeId::BYTES] {
        let mut distance = self.0;
        for (byte, other) in distance.iter_mut().zip(other.0) {
            *byte ^= other;
        }
        distance
    }

    /// The bit at this place, counted from the highest.
    fn bit(self, place: usize) -> bool {
        self.0[place / 8] & (0x80 >> (place % 8)) != 0
    }

    /// The id with the bit at this place, and all lower ones, set (or not) as told.
    fn with_tail(self, place: usize, bit: bool, lower: bool) -> NodeId {
        let NodeId(mut bytes) = self;
        let mask = 0x80_u8 >> (place % 8);
        let (byte, below) = (&mut bytes[place / 8], mask - 1);
        *byte &= !(mask | below);
        *byte |= if bit { mask } else { 0 } | if lower { below } else { 0 };
        bytes[place / 8 + 1..].fill(if lower { 0xff } else { 0 });
        NodeId(bytes)
    }

    /// The place of the highest bit in which two different ids differ.
    fn branch(self, other: NodeId) -> usize {
        let distance = self.distance(other);
        let byte = distance.iter().position(|&byte| byte != 0);
        let byte = byte.expect("different ids differ in a byte");
        8 * byte + distance[byte].leading_zeros() as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(2 * Self::BYTES);
        self.write_hex(&mut digits);
        f.write_str(std::str::from_utf8(&digits).expect("digits are ASCII"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Nodes in the order of their ids, each with a value.
///
/// An ordered map serves where a trie would: all ids with a common beginning are one stretch of it, so the nearest ones
/// to a target are found by descending into the half that the target is in, then into the other.
#[derive(Debug)]
pub struct Nearest<V> {
    nodes: BTreeMap<NodeId, V>,
}

impl<V> Default for Nearest<V> {
    fn default() -> Nearest<V> {
        Nearest {
            nodes: BTreeMap::new(),
        }
    }
}

impl<V> Nearest<V> {
    /// Takes a node in; the value that it had before. O(log n).
    pub fn insert(&mut self, id: NodeId, value: V) -> Option<V> {
        self.nodes.insert(id, value)
    }

    /// Takes a node out; its value. O(log n).
    pub fn remove(&mut self, id: NodeId) -> Option<V> {
        self.nodes.remove(&id)
    }

    /// The value of a node. O(log n).
    pub fn get(&self, id: NodeId) -> Option<&V> {
        self.nodes.get(&id)
    }

    /// Whether the node is there. O(log n).
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_key(&id)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes from the nearest to `target` on. Each step is O(log n), the first one times the branchings on its way:
    /// about log n of them, and never more than an id has bits, whatever ids nodes choose.
    pub fn near(&self, target: NodeId) -> Near<'_, V> {
        let all = (NodeId([0; NodeId::BYTES]), NodeId([0xff; NodeId::BYTES]));
        Near {
            nodes: &self.nodes,
            target,
            stretches: vec![all],
        }
    }
}

/// A walk over nodes from the nearest on.
#[derive(Debug)]
pub struct Near<'a, V> {
    nodes: &'a BTreeMap<NodeId, V>,
    target: NodeId,
    /// Stretches that are still to be walked, the nearest last; each is all ids with some common beginning.
    stretches: Vec<(NodeId, NodeId)>,
}

impl<'a, V> Iterator for Near<'a, V> {
    type Item = (NodeId, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (low, high) = self.stretches.pop()?;
            let mut stretch = self.nodes.range(low..=high);
            // Only all of an empty set is empty: a half has at least the node that it was made for.
            let (&first, value) = stretch.next()?;
            let Some((&last, _)) = stretch.next_back() else {
                return Some((first, value));
            };
            let branch = first.branch(last);
            let lower = (first, first.with_tail(branch, false, true));
            let upper = (last.with_tail(branch, true, false), last);
            let halves = match self.target.bit(branch) {
                false => [upper, lower],
                true => [lower, upper],
            };
            self.stretches.extend(halves);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        let text = "00ff10a9fe0123456789abcdef0123456789abcd";
        let id = NodeId::from_hex(text).expect("an id");
        assert_eq!(id.to_string(), text);
        assert_eq!(NodeId::from_hex(&text.to_uppercase()), Some(id));
        for bad in [
            "",
            "00",
            &text[1..],
            &format!("{text}0"),
            &text.replace('9', "g"),
            &"é".repeat(20),
        ] {
            assert_eq!(NodeId::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn bits_and_branches() {
        let id = |first: u8, last: u8| {
            let mut bytes = [0; NodeId::BYTES];
            (bytes[0], bytes[19]) = (first, last);
            NodeId(bytes)
        };
        for (a, b, place) in [
            (id(0x80, 0), id(0, 0), 0),
            (id(0, 0), id(1, 0), 7),
            (id(7, 1), id(7, 0), 159),
            (id(7, 0x80), id(7, 0x7f), 152),
        ] {
            assert_eq!(a.branch(b), place);
            assert_ne!(a.bit(place), b.bit(place));
        }
        let tail = id(0xa5, 0x5a).with_tail(4, true, true);
        assert_eq!(tail.to_string(), format!("af{}", "ff".repeat(19)));
        assert_eq!(id(0xa5, 0x5a).with_tail(159, true, false), id(0xa5, 0x5b));
        assert_eq!(id(0xff, 0xff).with_tail(0, false, false), id(0, 0));
    }

    #[test]
    fn an_empty_set_has_no_nearest() {
        assert!(
            Nearest::<()>::default()
                .near(NodeId([7; 20]))
                .next()
                .is_none()
        );
    }
}
