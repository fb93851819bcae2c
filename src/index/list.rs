//! Lists whose links are stored inside the elements (intrusive lists).
//!
//! Owns: the order of the elements, as head and tail here and as [`Links`] inside each record. Serves linkages and
//! memberships (step 6), the requests and claims of a peer (step 5) and the slots of the wheel.
//! Must not: own a record or allocate. Joining and leaving cost a few stores, whatever the length.
//! The shape comes from section 10 of the house style: a small trait names which link field a list runs through.
use std::fmt;
use std::marker::PhantomData;

use super::Arena;
use super::Key;

/// A list of records of one arena, threaded through the link field that the marker type `In` names. 12 bytes.
///
/// A record is in at most one list per marker. The lists of one marker all take the same arena, which the caller hands in.
///
/// ```
/// use peerhub::index::{Arena, Linked, Links, List, PeerKey};
/// struct InDirty;
/// #[derive(Default)]
/// struct Conn { dirty: Links<PeerKey> }
/// impl Linked<InDirty, PeerKey> for Conn {
///     fn links(&self) -> &Links<PeerKey> { &self.dirty }
///     fn links_mut(&mut self) -> &mut Links<PeerKey> { &mut self.dirty }
/// }
/// let mut conns = Arena::new();
/// let key = conns.insert(Conn::default());
/// let mut dirty: List<InDirty, PeerKey> = List::default();
/// dirty.push_back(&mut conns, key);
/// assert!(dirty.iter(&conns).eq([key]));
/// assert_eq!(dirty.pop_front(&mut conns), Some(key));
/// ```
pub struct List<In, K> {
    head: K,
    tail: K,
    len: u32,
    field: PhantomData<fn() -> In>,
}

/// An element's place in a list: the keys of its neighbours, or the mark of being in no list. 8 bytes.
///
/// The mark differs from the links of a list's only element, so pushing twice and removing twice are always noticed. Put it
/// into the record as `Links::default()` and leave the rest to [`List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links<K> {
    prev: K,
    next: K,
}

/// A record with a link field for the lists marked `In`, a type that exists only to tell the fields apart.
pub trait Linked<In, K> {
    /// The link field.
    fn links(&self) -> &Links<K>;

    /// The link field, to be changed by [`List`] alone.
    fn links_mut(&mut self) -> &mut Links<K>;
}

impl<In, K: Key> List<In, K> {
    /// A list without elements.
    pub fn new() -> Self {
        Self {
            head: K::NONE,
            tail: K::NONE,
            len: 0,
            field: PhantomData,
        }
    }

    /// Makes the record the last element. O(1).
    ///
    /// # Panics
    /// If the record is in a list of this marker already, or the key is stale.
    pub fn push_back<T: Linked<In, K>>(&mut self, arena: &mut Arena<K, T>, key: K) {
        let links = arena[key].links_mut();
        assert!(!links.is_linked(), "{key:?} is in a list already");
        *links = Links {
            prev: self.tail,
            next: K::NONE,
        };
        if self.tail.is_none() {
            debug_assert!(self.head.is_none() && self.len == 0, "a tail was lost");
            self.head = key;
        } else {
            let last = arena[self.tail].links_mut();
            debug_assert!(last.next.is_none(), "the tail has a successor");
            last.next = key;
        }
        self.tail = key;
        self.len += 1;
    }

    /// Takes the record out, wherever it stands; the order of the others stays. O(1).
    ///
    /// # Panics
    /// If the record is in no list of this marker, or the key is stale. That it is in another list than this one is noticed
    /// in debug builds only, and only if it is the first or last there.
    pub fn remove<T: Linked<In, K>>(&mut self, arena: &mut Arena<K, T>, key: K) {
        let links = std::mem::take(arena[key].links_mut());
        assert!(links.is_linked(), "{key:?} is in no list");
        if links.prev.is_none() {
            debug_assert_eq!(self.head, key, "an element of another list");
            self.head = links.next;
        } else {
            let before = arena[links.prev].links_mut();
            debug_assert_eq!(before.next, key, "neighbours disagree");
            before.next = links.next;
        }
        if links.next.is_none() {
            debug_assert_eq!(self.tail, key, "an element of another list");
            self.tail = links.prev;
        } else {
            let after = arena[links.next].links_mut();
            debug_assert_eq!(after.prev, key, "neighbours disagree");
            after.prev = links.prev;
        }
        self.len -= 1;
    }

    /// Takes the first element out, or returns `None` if there is none. O(1).
    pub fn pop_front<T: Linked<In, K>>(&mut self, arena: &mut Arena<K, T>) -> Option<K> {
        let first = self.head;
        if first.is_none() {
            return None;
        }
        self.remove(arena, first);
        Some(first)
    }

    /// The first element, or NONE.
    pub fn head(&self) -> K {
        self.head
    }

    /// The last element, or NONE.
    pub fn tail(&self) -> K {
        self.tail
    }

    /// The element after `key`, or NONE after the last one. For walks during which the caller changes records; who removes
    /// elements on the way asks for the successor first.
    ///
    /// # Panics
    /// If the record is in no list of this marker, or the key is stale.
    pub fn next<T: Linked<In, K>>(&self, arena: &Arena<K, T>, key: K) -> K {
        let links = arena[key].links();
        assert!(links.is_linked(), "{key:?} is in no list");
        links.next
    }

    /// The elements from first to last. O(len), each step a look-up in the arena.
    pub fn iter<T: Linked<In, K>>(&self, arena: &Arena<K, T>) -> impl Iterator<Item = K> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            if at.is_none() {
                return None;
            }
            let key = at;
            at = arena[key].links().next;
            Some(key)
        })
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}

impl<K: Key> Links<K> {
    /// Whether the element is in a list now.
    pub fn is_linked(&self) -> bool {
        self.prev != unlinked()
    }
}

impl<K: Key> Default for Links<K> {
    /// The links of an element in no list.
    fn default() -> Self {
        Self {
            prev: unlinked(),
            next: unlinked(),
        }
    }
}

impl<In, K: Key> Default for List<In, K> {
    fn default() -> Self {
        Self::new()
    }
}

// Not derived, since that would ask `Debug` of the marker type.
impl<In, K: Key> fmt::Debug for List<In, K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("List")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .field("len", &self.len)
            .finish()
    }
}

/// Stands in `prev` and `next` of an element in no list. It is of the generation that no arena gives out, like NONE, from
/// which it must differ because NONE ends a list.
fn unlinked<K: Key>() -> K {
    K::from_raw(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::PeerKey;

    struct InLine;

    #[derive(Default)]
    struct Record(Links<PeerKey>);

    impl Linked<InLine, PeerKey> for Record {
        fn links(&self) -> &Links<PeerKey> {
            &self.0
        }

        fn links_mut(&mut self) -> &mut Links<PeerKey> {
            &mut self.0
        }
    }

    #[test]
    fn sizes_are_as_stated() {
        assert_eq!(size_of::<Links<PeerKey>>(), 8);
        assert_eq!(size_of::<List<InLine, PeerKey>>(), 12);
    }

    #[test]
    #[should_panic(expected = "is in a list already")]
    fn pushing_the_only_element_again_is_refused() {
        let mut arena = Arena::new();
        let key = arena.insert(Record::default());
        let mut list: List<InLine, _> = List::new();
        list.push_back(&mut arena, key);
        list.push_back(&mut arena, key);
    }

    #[test]
    #[should_panic(expected = "is in no list")]
    fn removing_twice_is_refused() {
        let mut arena = Arena::new();
        let key = arena.insert(Record::default());
        let mut list: List<InLine, _> = List::new();
        list.push_back(&mut arena, key);
        list.remove(&mut arena, key);
        list.remove(&mut arena, key);
    }
}
