//! Messages that wait: for clients that are not there, and for authors that are not there yet.
//!
//! Owns the letters, their queues, and the bounds on both in all. A queue lives for the expire timeout, counted from its
//! first letter, as with PeerServer; since all live equally long, the oldest is always the first to go and needs no timer.
//! Must not: know clients. Whose a letter is, the realm says and accounts for. Source: `PROTOCOLS.md` section 2.

use crate::config::PeerJs;
use crate::hub::Millis;
use crate::index::{Arena, ClientKey, Key, LetterKey, Linked, Links, List, Names, QueueKey};
use crate::planted;
use std::hash::RandomState;

/// What the letters of a queue wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The client that they are for; it names the queue.
    Destination,
    /// The client that they are from; its id and token name the queue.
    Author,
}

/// A message that waits.
#[derive(Debug)]
pub(super) struct Letter {
    /// Who must hear if it is not collected; NONE if that is nobody.
    pub(super) sender: ClientKey,
    /// What will be sent to its destination, or what its author will have said.
    pub(super) text: Box<str>,
    in_queue: Links<LetterKey>,
}

/// Letters whose waiting is over, in the order in which they came.
#[derive(Debug)]
pub(super) struct Ended {
    /// What they waited for.
    pub(super) cause: Cause,
    /// The queue's name.
    pub(super) name: Box<str>,
    /// The letters.
    pub(super) letters: Vec<Letter>,
}

/// There is no room for another letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// All letters.
#[derive(Debug)]
pub(super) struct Waiting {
    letters: Arena<LetterKey, Letter>,
    queues: Arena<QueueKey, Queue>,
    /// The queues, oldest first.
    ages: List<InAges, QueueKey>,
    /// For each world its queues by what they wait for.
    names: Vec<[Names<QueueKey>; 2]>,
    /// Bytes of all letters, and of the names of all queues.
    bytes: usize,
    lifetime_ms: Millis,
    letters_max: usize,
    bytes_max: usize,
    queue_letters_max: usize,
    /// For letters that have no sender to count them by.
    author_letters_max: usize,
    author_bytes_max: usize,
}

/// The letters that wait for one thing.
#[derive(Debug)]
struct Queue {
    world: usize,
    cause: Cause,
    name: Box<str>,
    letters: List<InQueue, LetterKey>,
    bytes: usize,
    due_ms: Millis,
    in_ages: Links<QueueKey>,
}

struct InAges;
struct InQueue;

impl Linked<InAges, QueueKey> for Queue {
    fn links(&self) -> &Links<QueueKey> {
        &self.in_ages
    }

    fn links_mut(&mut self) -> &mut Links<QueueKey> {
        &mut self.in_ages
    }
}

impl Linked<InQueue, LetterKey> for Letter {
    fn links(&self) -> &Links<LetterKey> {
        &self.in_queue
    }

    fn links_mut(&mut self) -> &mut Links<LetterKey> {
        &mut self.in_queue
    }
}

impl Waiting {
    /// Nothing waits yet, in so many worlds. The names of queues are the clients' choice, so `hasher` is keyed.
    pub(super) fn new(config: &PeerJs, worlds: usize, hasher: &RandomState) -> Waiting {
        let names = || [0; 2].map(|_| Names::new(hasher.clone()));
        Waiting {
            letters: Arena::new(),
            queues: Arena::new(),
            ages: List::new(),
            names: (0..worlds).map(|_| names()).collect(),
            bytes: 0,
            lifetime_ms: config.expire_timeout_ms,
            letters_max: config.waiting,
            bytes_max: config.waiting_bytes,
            queue_letters_max: config.waiting_per_destination,
            author_letters_max: config.waiting_per_sender,
            author_bytes_max: config.waiting_bytes_per_sender,
        }
    }

    /// Keeps a letter in the queue of this name. O(1), and O(bytes of the name).
    ///
    /// A queue's name, which may be longer than its letters, counts among the bytes in all.
    ///
    /// # Errors
    /// A bound: of the queue or in all. Nothing has changed then.
    pub(super) fn keep(
        &mut self,
        world: usize,
        cause: Cause,
        name: &str,
        sender: ClientKey,
        text: Box<str>,
        now: Millis,
    ) -> Result<(), NoRoom> {
        let bytes = text.len();
        let found = self.find(world, cause, name);
        let name_bytes = if found.is_none() { name.len() } else { 0 };
        if self.letters.len() >= self.letters_max
            || bytes + name_bytes > self.bytes_max - self.bytes
        {
            return Err(NoRoom);
        }
        let (letters, queue_bytes) = found.map_or((0, 0), |queue| {
            let queue = &self.queues[queue];
            (queue.letters.len(), queue.bytes)
        });
        let fits = match cause {
            Cause::Destination => {
                letters < self.queue_letters_max || planted::bug("waiting-unbounded")
            }
            Cause::Author => {
                letters < self.queue_letters_max.min(self.author_letters_max)
                    && queue_bytes + bytes <= self.author_bytes_max
            }
        };
        if !fits {
            return Err(NoRoom);
        }
        let queue = found.unwrap_or_else(|| self.begin(world, cause, name, now));
        let letter = self.letters.insert(Letter {
            sender,
            text,
            in_queue: Links::default(),
        });
        let queue = &mut self.queues[queue];
        queue.letters.push_back(&mut self.letters, letter);
        queue.bytes += bytes;
        self.bytes += bytes;
        Ok(())
    }

    /// Takes the queue of this name with all that is in it. O(letters).
    pub(super) fn take(&mut self, world: usize, cause: Cause, name: &str) -> Option<Ended> {
        let queue = self.find(world, cause, name)?;
        Some(self.end(queue))
    }

    /// Takes the oldest queue, if its time is over. O(letters).
    pub(super) fn take_due(&mut self, now: Millis) -> Option<Ended> {
        let oldest = self.ages.head();
        let is_due = self
            .queues
            .get(oldest)
            .is_some_and(|queue| queue.due_ms <= now);
        is_due.then(|| self.end(oldest))
    }

    /// When the time of the oldest queue is over.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.queues.get(self.ages.head()).map(|queue| queue.due_ms)
    }

    /// Whether something waits in the queue of this name.
    pub(super) fn has(&self, world: usize, cause: Cause, name: &str) -> bool {
        self.find(world, cause, name).is_some()
    }

    /// All letters, in the order of their slots. For sweeps.
    pub(super) fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.letters.iter().map(|(_, letter)| letter)
    }

    /// Bytes of all letters, and of the names of their queues.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Panics if something contradicts itself or exceeds a bound. `now` is the latest time that it was told.
    pub(super) fn check(&self, now: Millis) {
        assert!(self.letters.len() <= self.letters_max);
        assert!(self.bytes <= self.bytes_max);
        let (mut letters, mut bytes, mut due_ms) = (0, 0, 0);
        for key in self.ages.iter(&self.queues) {
            let queue = &self.queues[key];
            assert!(!queue.letters.is_empty(), "an empty queue is kept");
            assert!(queue.letters.len() <= self.queue_letters_max);
            assert!(due_ms <= queue.due_ms, "queues are not in order of age");
            assert!(queue.due_ms <= now + self.lifetime_ms);
            due_ms = queue.due_ms;
            let found = self.find(queue.world, queue.cause, &queue.name);
            assert_eq!(found, Some(key), "a queue is not found by its name");
            let mut queue_bytes = 0;
            for letter in queue.letters.iter(&self.letters) {
                let letter = &self.letters[letter];
                queue_bytes += letter.text.len();
                assert_eq!(letter.sender.is_none(), queue.cause == Cause::Author);
            }
            assert_eq!(queue_bytes, queue.bytes);
            if queue.cause == Cause::Author {
                assert!(queue.letters.len() <= self.author_letters_max);
                assert!(queue.bytes <= self.author_bytes_max);
            }
            letters += queue.letters.len();
            bytes += queue_bytes + queue.name.len();
        }
        assert_eq!(self.ages.len(), self.queues.len());
        assert_eq!(letters, self.letters.len());
        assert_eq!(bytes, self.bytes);
        let named: usize = self.names.iter().flatten().map(Names::len).sum();
        assert_eq!(named, self.queues.len());
    }

    fn find(&self, world: usize, cause: Cause, name: &str) -> Option<QueueKey> {
        self.names[world][cause as usize].find(name, |key| &self.queues[key].name)
    }

    fn begin(&mut self, world: usize, cause: Cause, name: &str, now: Millis) -> QueueKey {
        let queue = self.queues.insert(Queue {
            world,
            cause,
            name: name.into(),
            letters: List::new(),
            bytes: 0,
            due_ms: now + self.lifetime_ms,
            in_ages: Links::default(),
        });
        self.bytes += name.len();
        self.ages.push_back(&mut self.queues, queue);
        let queues = &self.queues;
        self.names[world][cause as usize].insert(name, queue, |key| &queues[key].name);
        queue
    }

    fn end(&mut self, key: QueueKey) -> Ended {
        self.ages.remove(&mut self.queues, key);
        let mut queue = self.queues.remove(key);
        self.names[queue.world][queue.cause as usize].remove(&queue.name, key);
        self.bytes -= queue.bytes + queue.name.len();
        let mut letters = Vec::with_capacity(queue.letters.len());
        while let Some(letter) = queue.letters.pop_front(&mut self.letters) {
            letters.push(self.letters.remove(letter));
        }
        Ended {
            cause: queue.cause,
            name: queue.name,
            letters,
        }
    }
}
