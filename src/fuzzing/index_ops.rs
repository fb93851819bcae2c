//! Operations on an arena, its lists, a lane and a name table, compared with vectors and ordered maps.
//!
//! Owns: a small world like the hub's, in which one record stands in several containers at once, and its naive twin.
use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;

use super::Tape;
use crate::index::Arena;
use crate::index::Lane;
use crate::index::Names;
use crate::index::{GENERATION_COUNT, Key, PeerKey, SLOT_COUNT_MAX};
use crate::index::{Linked, Links, List};

/// Moves records in and out of all containers as `data` says, one at a time and in crowds, and compares everything that
/// can be seen after each operation.
///
/// # Panics
/// If a container and its model disagree.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new();
    while let Some(choice) = tape.next() {
        match choice % 16 {
            0..=2 => world.enter(),
            3 => world.leave(&mut tape),
            4..=5 => world.push_back(&mut tape),
            6 => world.remove_from_list(&mut tape),
            7 => world.pop_front(&mut tape),
            8..=9 => world.sit_down(&mut tape),
            10 => world.stand_up(&mut tape),
            11..=12 => world.give_name(&mut tape),
            13 => world.drop_name(&mut tape),
            14 => {
                for _ in 0..tape.byte() {
                    world.enter();
                    let newest = world.records.len().saturating_sub(1);
                    world.settle(newest, &mut tape);
                }
            }
            _ => {
                for _ in 0..tape.byte() {
                    world.leave(&mut tape);
                }
            }
        }
        world.check();
    }
}

/// Marks the lists 0 and 1: two lists through one link field, of which a record can be in one.
struct InQueue;

/// Marks list 2, which a record can be in beside the others.
struct InGroup;

#[derive(Default)]
struct Record {
    number: u64,
    name: String,
    seat: Option<u32>,
    in_queue: Links<PeerKey>,
    in_group: Links<PeerKey>,
}

struct World {
    arena: Arena<PeerKey, Record>,
    queues: [List<InQueue, PeerKey>; 2],
    group: List<InGroup, PeerKey>,
    lane: Lane<PeerKey>,
    names: Names<PeerKey>,

    /// The living records' keys in order of entering, to choose among; with the number that each carries.
    records: Vec<(PeerKey, u64)>,
    lists: [Vec<PeerKey>; 3],
    seated: BTreeSet<PeerKey>,
    named: BTreeMap<String, PeerKey>,
    entered_count: u64,
    /// The keys of departed records, with how often their slot had been freed by then.
    departed: Vec<(PeerKey, u32)>,
    freed_count: BTreeMap<usize, u32>,
}

impl World {
    fn new() -> Self {
        Self {
            arena: Arena::new(),
            queues: [List::new(), List::new()],
            group: List::new(),
            lane: Lane::new(),
            names: Names::new(RandomState::new()),
            records: Vec::new(),
            lists: [Vec::new(), Vec::new(), Vec::new()],
            seated: BTreeSet::new(),
            named: BTreeMap::new(),
            entered_count: 0,
            departed: Vec::new(),
            freed_count: BTreeMap::new(),
        }
    }

    fn enter(&mut self) {
        if self.records.len() == RECORDS_MAX {
            return;
        }
        let number = self.entered_count;
        self.entered_count += 1;
        let foretold = self.arena.vacant_key();
        assert!(self.arena.get(foretold).is_none(), "a vacant key is taken");
        let key = self.arena.insert(Record {
            number,
            ..Record::default()
        });
        assert_eq!(key, foretold);
        assert!(!key.is_none() && key.index() < SLOT_COUNT_MAX);
        assert_eq!(PeerKey::from_raw(key.raw()), key);
        self.records.push((key, number));
    }

    /// Takes one record out of all containers, then out of the arena.
    fn leave(&mut self, tape: &mut Tape<'_>) {
        if self.records.is_empty() {
            return;
        }
        let (key, number) = self.records.remove(tape.below(self.records.len()));
        for which in 0..3 {
            self.unlink(which, key);
        }
        self.unseat(key);
        self.unname(key);
        assert_eq!(self.arena.remove(key).number, number);
        let freed_count = self.freed_count.entry(key.index()).or_default();
        *freed_count += 1;
        self.departed.push((key, *freed_count));
    }

    fn push_back(&mut self, tape: &mut Tape<'_>) {
        if let Some(key) = self.choose(tape) {
            self.link(tape.below(3), key);
        }
    }

    fn remove_from_list(&mut self, tape: &mut Tape<'_>) {
        let which = tape.below(3);
        let model = &self.lists[which];
        if !model.is_empty() {
            self.unlink(which, model[tape.below(model.len())]);
        }
    }

    fn pop_front(&mut self, tape: &mut Tape<'_>) {
        let which = tape.below(3);
        let popped = match which {
            2 => self.group.pop_front(&mut self.arena),
            _ => self.queues[which].pop_front(&mut self.arena),
        };
        let model = &mut self.lists[which];
        let expected = (!model.is_empty()).then(|| model.remove(0));
        assert_eq!(popped, expected);
    }

    fn sit_down(&mut self, tape: &mut Tape<'_>) {
        if let Some(key) = self.choose(tape) {
            self.seat(key);
        }
    }

    fn stand_up(&mut self, tape: &mut Tape<'_>) {
        if !self.lane.is_empty() {
            self.unseat(self.lane.as_slice()[tape.below(self.lane.len())]);
        }
    }

    fn give_name(&mut self, tape: &mut Tape<'_>) {
        if let Some(key) = self.choose(tape) {
            let text = name(tape.below(NAME_COUNT));
            self.rename(key, text);
        }
    }

    fn drop_name(&mut self, tape: &mut Tape<'_>) {
        if let Some(key) = self.choose(tape) {
            self.unname(key);
        }
    }

    /// Puts a record into every container that still has room for it.
    fn settle(&mut self, position: usize, tape: &mut Tape<'_>) {
        let (key, number) = self.records[position];
        self.link(tape.below(2), key);
        self.link(2, key);
        self.seat(key);
        self.rename(key, name(number as usize % NAME_COUNT));
    }

    fn link(&mut self, which: usize, key: PeerKey) {
        if which == 2 {
            if !self.arena[key].in_group.is_linked() {
                self.group.push_back(&mut self.arena, key);
                self.lists[which].push(key);
            }
        } else if !self.arena[key].in_queue.is_linked() {
            self.queues[which].push_back(&mut self.arena, key);
            self.lists[which].push(key);
        }
    }

    fn unlink(&mut self, which: usize, key: PeerKey) {
        let model = &mut self.lists[which];
        let Some(position) = model.iter().position(|&other| other == key) else {
            return;
        };
        model.remove(position);
        match which {
            2 => self.group.remove(&mut self.arena, key),
            _ => self.queues[which].remove(&mut self.arena, key),
        }
    }

    fn seat(&mut self, key: PeerKey) {
        if self.seated.insert(key) {
            self.arena[key].seat = Some(self.lane.push(key));
        }
    }

    fn unseat(&mut self, key: PeerKey) {
        if !self.seated.remove(&key) {
            return;
        }
        let seat = self.arena[key].seat.take().expect("a seated record");
        let (removed, moved) = self.lane.remove(seat);
        assert_eq!(removed, key, "seat {seat} was another's");
        if let Some(&mut moved) = moved {
            self.arena[moved].seat = Some(seat);
        }
    }

    fn rename(&mut self, key: PeerKey, text: String) {
        if self.named.contains_key(&text) {
            return;
        }
        self.unname(key);
        let arena = &self.arena;
        self.names
            .insert(&text, key, |key| arena[key].name.as_str());
        self.arena[key].name.clone_from(&text);
        self.named.insert(text, key);
    }

    fn unname(&mut self, key: PeerKey) {
        let text = std::mem::take(&mut self.arena[key].name);
        if !text.is_empty() {
            assert_eq!(self.named.remove(&text), Some(key));
            self.names.remove(&text, key);
        }
    }

    fn choose(&self, tape: &mut Tape<'_>) -> Option<PeerKey> {
        if self.records.is_empty() {
            return None;
        }
        Some(self.records[tape.below(self.records.len())].0)
    }

    fn check(&self) {
        self.check_arena();
        for (queue, model) in self.queues.iter().zip(&self.lists) {
            check_list(queue, &self.arena, model);
        }
        check_list(&self.group, &self.arena, &self.lists[2]);
        self.check_lane();
        self.check_names();
    }

    fn check_arena(&self) {
        assert_eq!(self.arena.len(), self.records.len());
        assert_eq!(self.arena.is_empty(), self.records.is_empty());
        let mut expected = self.records.clone();
        expected.sort_by_key(|(key, _)| key.index());
        let seen = self.arena.iter().map(|(key, record)| (key, record.number));
        assert!(seen.eq(expected.iter().copied()), "the arena's records");
        assert!(self.arena.keys().eq(expected.iter().map(|&(key, _)| key)));
        for &(key, number) in &self.records {
            assert!(self.arena.contains(key));
            assert_eq!(self.arena[key].number, number);
        }
        for &(key, freed_count) in &self.departed {
            // After so many more users the slot's generation comes round again, as the documentation of `Key` says.
            if self.freed_count[&key.index()] - freed_count < GENERATION_COUNT - 1 {
                assert!(self.arena.get(key).is_none(), "{key:?} came back");
            }
        }
        assert!(!self.arena.contains(PeerKey::NONE));
    }

    fn check_lane(&self) {
        assert_eq!(self.lane.len(), self.seated.len());
        assert_eq!(self.lane.is_empty(), self.seated.is_empty());
        for (seat, &key) in self.lane.as_slice().iter().enumerate() {
            assert!(self.seated.contains(&key));
            assert_eq!(self.arena[key].seat, Some(seat as u32));
        }
    }

    fn check_names(&self) {
        assert_eq!(self.names.len(), self.named.len());
        assert_eq!(self.names.is_empty(), self.named.is_empty());
        for number in 0..NAME_COUNT {
            let text = name(number);
            let found = self.names.find(&text, |key| self.arena[key].name.as_str());
            assert_eq!(found, self.named.get(&text).copied(), "{text}");
        }
    }
}

fn check_list<In>(list: &List<In, PeerKey>, arena: &Arena<PeerKey, Record>, model: &[PeerKey])
where
    Record: Linked<In, PeerKey>,
{
    assert_eq!(list.len(), model.len());
    assert_eq!(list.is_empty(), model.is_empty());
    assert_eq!(list.head(), *model.first().unwrap_or(&PeerKey::NONE));
    assert_eq!(list.tail(), *model.last().unwrap_or(&PeerKey::NONE));
    assert!(list.iter(arena).eq(model.iter().copied()), "a list's order");
    for (position, &key) in model.iter().enumerate() {
        let successor = *model.get(position + 1).unwrap_or(&PeerKey::NONE);
        assert_eq!(list.next(arena, key), successor);
    }
}

fn name(number: usize) -> String {
    format!("name {number}")
}

impl Linked<InQueue, PeerKey> for Record {
    fn links(&self) -> &Links<PeerKey> {
        &self.in_queue
    }

    fn links_mut(&mut self) -> &mut Links<PeerKey> {
        &mut self.in_queue
    }
}

impl Linked<InGroup, PeerKey> for Record {
    fn links(&self) -> &Links<PeerKey> {
        &self.in_group
    }

    fn links_mut(&mut self) -> &mut Links<PeerKey> {
        &mut self.in_group
    }
}

/// Enough for the lane and the name table to grow several times and shrink again, few enough to compare all each time.
const RECORDS_MAX: usize = 200;

/// Fewer than records, so that names run out and are used again.
const NAME_COUNT: usize = 150;
