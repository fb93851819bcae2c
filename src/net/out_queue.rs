//! Bytes on their way out (steps 8 and 10 of the message path).
//!
//! `Frames` holds everything that one tick has to say, each frame once however many receive it. An `OutQueue` holds what
//! waits for one connection: spans of the tick's frames, and after a short write the backlog. Neighbouring spans are one
//! span, so the subscribers of a busy channel are written to from one contiguous piece of memory, and a queue that has
//! nothing to say costs 24 bytes. What a slow reader leaves behind is shared with the others if it is large, and copied
//! if keeping it shared would hold on to much more than is waiting.

use crate::planted;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::sync::{Arc, Weak};

/// A piece of the tick's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

/// What one tick has to say.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Arc<Vec<u8>>,
    /// Spans that are not the newest of their queue, each with the place of the next.
    chain: Vec<(Span, u32)>,
    /// What earlier ticks had to say and backlogs still share, and some that they do not any more.
    shared: Vec<Weak<Vec<u8>>>,
    /// The memory of all in `shared`.
    shared_bytes: usize,
    /// From so many in `shared` on it is looked through for what can be forgotten.
    shared_count_max: usize,
}

/// What waits for one connection.
#[derive(Debug)]
pub(super) struct OutQueue {
    /// The newest span; empty if there is none.
    newest: Span,
    /// The places of the oldest and the youngest of the other spans in the chain.
    oldest: u32,
    youngest: u32,
    backlog: Option<Box<Backlog>>,
}

/// What earlier ticks could not write.
#[derive(Debug, Default)]
struct Backlog {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// The memory of those segments that nobody shares.
    own_bytes: usize,
}

#[derive(Debug)]
struct Segment {
    chunk: Arc<Vec<u8>>,
    waiting: Range<usize>,
    /// The chunk is the tick's, which others may share.
    is_shared: bool,
}

/// How a flush has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Everything is written.
    Empty,
    /// The socket takes no more at present.
    Blocked,
    /// More is left over than may be kept; some of it is lost.
    Overflow,
}

/// A socket of which it is known what writing to it has cost.
pub(super) struct Metered<'a, S> {
    socket: &'a mut S,
    cost: &'a mut u64,
}

/// What a call to the system that writes costs, in about a nanosecond.
const WRITE_COST: u64 = 8_000;
/// Bytes that it takes over in about a nanosecond.
const BYTES_WRITTEN_PER_COST: u64 = 4;

const NO_SPAN: Span = Span { start: 0, end: 0 };
const NOWHERE: u32 = u32::MAX;

impl<'a, S> Metered<'a, S> {
    /// Adds to `cost` what is written.
    pub(super) fn new(socket: &'a mut S, cost: &'a mut u64) -> Metered<'a, S> {
        Metered { socket, cost }
    }

    fn charge(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        let bytes = *written.as_ref().unwrap_or(&0);
        *self.cost += WRITE_COST + bytes as u64 / BYTES_WRITTEN_PER_COST;
        written
    }
}

impl<S: Write> Write for Metered<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.socket.write(bytes);
        self.charge(written)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.socket.write_vectored(slices);
        self.charge(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Span {
    /// How many bytes it is.
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.end - self.start)
    }
}

impl Frames {
    /// Bytes after which the tick must be flushed, 8 MiB: room for the lists of others that some dozens who come at once are
    /// given, since each flush writes to everybody who is told of them.
    pub(super) const BYTES_MAX: usize = 8 << 20;
    /// Spans that are chained after which it must be too, 6 MiB: a crowd that comes or goes makes one for each of those who
    /// are told, and to write to them all costs far more than to remember these.
    const CHAINED_MAX: usize = 1 << 19;
    /// Chained spans for which the memory is kept.
    const CHAINED_KEPT: usize = 1 << 16;
    /// A backlog segment of its own is filled up to this size before the next one is begun.
    const SEGMENT_BYTES: usize = 16 << 10;
    /// In such steps: doubled, thousands of backlogs that grow together would take twice the memory that they need.
    const GROWTH_BYTES: usize = 2 << 10;

    /// Appends what `write` writes.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let bytes = Arc::get_mut(&mut self.bytes)
            .expect("between two flushes no backlog shares the tick's bytes");
        let start = bytes.len();
        write(bytes);
        let place = |len: usize| u32::try_from(len).expect("a tick is flushed long before 4 GiB");
        Span {
            start: place(start),
            end: place(bytes.len()),
        }
    }

    /// Whether it is time to flush.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= Self::BYTES_MAX || self.chain.len() >= Self::CHAINED_MAX
    }

    /// Begins anew; every queue has been flushed. Memory is kept unless a backlog shares it or it is out of the ordinary.
    pub(super) fn reset(&mut self) {
        self.chain.clear();
        self.chain.shrink_to(Self::CHAINED_KEPT);
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) if bytes.capacity() <= Self::BYTES_MAX / 2 => bytes.clear(),
            Some(_) => self.bytes = Arc::default(),
            None => {
                let shared = std::mem::take(&mut self.bytes);
                self.shared_bytes += shared.capacity();
                self.shared.push(Arc::downgrade(&shared));
                drop(shared);
                if self.shared.len() > self.shared_count_max {
                    self.recount_shared();
                }
            }
        }
    }

    /// Bytes of memory that backlogs share, or have shared until not long ago.
    pub(super) fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }

    /// Makes `shared_bytes` exact. O(what is shared).
    pub(super) fn recount_shared(&mut self) {
        self.shared_bytes = 0;
        self.shared.retain(|shared| {
            let shared = shared.upgrade();
            self.shared_bytes += shared.as_ref().map_or(0, |shared| shared.capacity());
            shared.is_some()
        });
        self.shared_count_max = 2 * self.shared.len() + 16;
    }

    fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }
}

impl OutQueue {
    pub(super) fn new() -> OutQueue {
        OutQueue {
            newest: NO_SPAN,
            oldest: NOWHERE,
            youngest: NOWHERE,
            backlog: None,
        }
    }

    /// Appends a span. O(1).
    #[inline]
    pub(super) fn push(&mut self, frames: &mut Frames, span: Span) {
        if self.newest.end == span.start && self.newest != NO_SPAN {
            self.newest.end = span.end;
            return;
        }
        if self.newest != NO_SPAN {
            let place = u32::try_from(frames.chain.len()).expect("spans are at least a byte each");
            match self.youngest {
                NOWHERE => self.oldest = place,
                youngest => frames.chain[youngest as usize].1 = place,
            }
            self.youngest = place;
            frames.chain.push((self.newest, NOWHERE));
        }
        self.newest = span;
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.newest == NO_SPAN && self.backlog.is_none()
    }

    /// Whether something waits that earlier ticks could not write.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// Whether more than so many bytes wait. O(those).
    pub(super) fn has_more_than(&self, frames: &Frames, bytes: usize) -> bool {
        // What nearly all have.
        if self.oldest == NOWHERE && self.backlog.is_none() {
            return self.newest.bytes() > bytes as u64;
        }
        let mut room = bytes;
        self.pieces(frames).any(|piece| {
            let is_more = piece.len() > room;
            room = room.saturating_sub(piece.len());
            is_more
        })
    }

    /// Bytes that earlier ticks could not write.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    /// Panics if something of the tick is left, or the backlog does not know its size. For tests, between two ticks.
    pub(super) fn check(&self) {
        assert!(
            self.newest == NO_SPAN && self.oldest == NOWHERE && self.youngest == NOWHERE,
            "what a tick has to say is written or kept"
        );
        if let Some(backlog) = &self.backlog {
            let waiting = backlog.segments.iter().map(|segment| &segment.waiting);
            assert!(waiting.clone().all(|waiting| !waiting.is_empty()));
            let bytes: usize = waiting.map(|waiting| waiting.len()).sum();
            assert_eq!(bytes, backlog.bytes);
            assert!(bytes > 0, "an empty backlog is none");
            let own = backlog.segments.iter().filter(|segment| !segment.is_shared);
            let own_bytes: usize = own.map(|segment| segment.chunk.capacity()).sum();
            assert_eq!(own_bytes, backlog.own_bytes);
        }
    }

    /// Bytes of the backlog that are in memory which others may share. O(its segments).
    pub(super) fn shared_bytes(&self) -> usize {
        let segments = self.backlog.iter().flat_map(|backlog| &backlog.segments);
        let shared = segments.filter(|segment| segment.is_shared);
        shared.map(|segment| segment.waiting.len()).sum()
    }

    /// Bytes of memory in which the rest of the backlog is.
    pub(super) fn own_bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.own_bytes)
    }

    /// Writes what waits, oldest first, as much as the socket takes; the rest becomes backlog. One call to the system,
    /// unless more pieces wait than one call takes.
    pub(super) fn flush(
        &mut self,
        frames: &Frames,
        backlog_bytes_max: usize,
        socket: &mut impl Write,
    ) -> io::Result<Flushed> {
        while !self.is_empty() {
            let is_one_piece = self.oldest == NOWHERE && self.backlog.is_none();
            let (written, offered) = match is_one_piece {
                true => {
                    let piece = frames.slice(self.newest);
                    (socket.write(piece), piece.len())
                }
                false => self.write_pieces(frames, socket),
            };
            match written {
                // What nearly always happens: all that there was is written.
                Ok(written) if is_one_piece && written == offered => {
                    self.newest = NO_SPAN;
                    return Ok(Flushed::Empty);
                }
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.consume(frames, written);
                    // A short write says that the socket is full: the writable edge will come.
                    if written < offered {
                        return Ok(self.keep(frames, backlog_bytes_max));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(self.keep(frames, backlog_bytes_max));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed::Empty)
    }

    /// Makes backlog of what the tick has for a connection whose socket takes nothing at present, as much as may be kept.
    pub(super) fn keep(&mut self, frames: &Frames, backlog_bytes_max: usize) -> Flushed {
        while self.backlog_bytes() <= backlog_bytes_max {
            match self.pop_span(frames) {
                Some(span) => self.keep_span(frames, span),
                None => return Flushed::Blocked,
            }
        }
        Flushed::Overflow
    }

    /// Pieces for one vectored write: beyond this many small ones the system call costs less than its parts.
    const SLICES: usize = 64;

    /// Writes as many pieces as one call takes. Gives what came of it, and how many bytes they were.
    fn write_pieces(&self, frames: &Frames, socket: &mut impl Write) -> (io::Result<usize>, usize) {
        let mut slices = [IoSlice::new(&[]); Self::SLICES];
        let mut count = 0;
        let mut offered = 0;
        for (slice, piece) in slices.iter_mut().zip(self.pieces(frames)) {
            *slice = IoSlice::new(piece);
            count += 1;
            offered += piece.len();
        }
        let written = match &slices[..count] {
            [one] => socket.write(one),
            several => socket.write_vectored(several),
        };
        (written, offered)
    }

    fn pieces<'a>(&'a self, frames: &'a Frames) -> impl Iterator<Item = &'a [u8]> {
        let backlog = self.backlog.iter().flat_map(|backlog| &backlog.segments);
        let backlog = backlog.map(|segment| &segment.chunk[segment.waiting.clone()]);
        let mut place = self.oldest;
        let chained = std::iter::from_fn(move || {
            let &(span, next) = frames.chain.get(place as usize)?;
            place = next;
            Some(frames.slice(span))
        });
        let newest = Some(self.newest).filter(|&span| span != NO_SPAN);
        backlog
            .chain(chained)
            .chain(newest.map(|span| frames.slice(span)))
    }

    /// Takes `written` bytes off the front.
    fn consume(&mut self, frames: &Frames, mut written: usize) {
        if let Some(backlog) = &mut self.backlog {
            written -= backlog.consume(written);
            if backlog.segments.is_empty() {
                self.backlog = None;
            }
        }
        while written > 0 {
            let mut span = self
                .pop_span(frames)
                .expect("no more is written than was offered");
            let bytes = (span.end - span.start) as usize;
            if written < bytes {
                span.start += u32::try_from(written).expect("less than a span");
                self.keep_span(frames, span);
                return;
            }
            written -= bytes;
        }
    }

    fn pop_span(&mut self, frames: &Frames) -> Option<Span> {
        if self.oldest == NOWHERE {
            let newest = std::mem::replace(&mut self.newest, NO_SPAN);
            return Some(newest).filter(|&span| span != NO_SPAN);
        }
        let (span, next) = frames.chain[self.oldest as usize];
        self.oldest = next;
        if next == NOWHERE {
            self.youngest = NOWHERE;
        }
        Some(span)
    }

    fn keep_span(&mut self, frames: &Frames, span: Span) {
        let waiting = span.start as usize..span.end as usize;
        self.backlog
            .get_or_insert_default()
            .keep(&frames.bytes, waiting);
    }
}

impl Backlog {
    /// Appends a part of the tick's bytes.
    fn keep(&mut self, bytes: &Arc<Vec<u8>>, waiting: Range<usize>) {
        self.bytes += waiting.len();
        // Sharing holds on to all of the tick's bytes, so it must be worth it.
        if waiting.len() >= Frames::SEGMENT_BYTES && waiting.len() * 4 >= bytes.len() {
            self.segments.push_back(Segment {
                chunk: Arc::clone(bytes),
                waiting,
                is_shared: true,
            });
            return;
        }
        let copied = &bytes[waiting];
        let last = self.segments.back_mut();
        let last = last.filter(|last| !last.is_shared);
        let own = last.and_then(|last| Some((&mut last.waiting, Arc::get_mut(&mut last.chunk)?)));
        match own {
            Some((waiting, chunk)) if chunk.len() + copied.len() <= Frames::SEGMENT_BYTES => {
                self.own_bytes -= chunk.capacity();
                let filled = chunk.len() + copied.len();
                if filled > chunk.capacity() {
                    chunk
                        .reserve_exact(filled.next_multiple_of(Frames::GROWTH_BYTES) - chunk.len());
                }
                chunk.extend_from_slice(copied);
                self.own_bytes += chunk.capacity();
                waiting.end = chunk.len();
            }
            Some(_) | None => {
                let chunk = copied.to_vec();
                self.own_bytes += chunk.capacity();
                let segment = Segment {
                    waiting: 0..copied.len(),
                    chunk: Arc::new(chunk),
                    is_shared: false,
                };
                match planted::bug("backlog-turned-round") {
                    false => self.segments.push_back(segment),
                    true => self.segments.push_front(segment),
                }
            }
        }
    }

    /// Takes up to `written` bytes off the front; how many it took.
    fn consume(&mut self, written: usize) -> usize {
        let taken = written.min(self.bytes);
        self.bytes -= taken;
        let mut rest = taken;
        while let Some(first) = self.segments.front_mut() {
            let piece = rest.min(first.waiting.len());
            first.waiting.start += piece;
            rest -= piece;
            if !first.waiting.is_empty() {
                break;
            }
            if !first.is_shared {
                self.own_bytes -= first.chunk.capacity();
            }
            self.segments.pop_front();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then no more.
    struct Narrow {
        room: usize,
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            self.write(&joined)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn numbered(from: usize, count: usize) -> Vec<u8> {
        (from..from + count).map(|number| number as u8).collect()
    }

    #[test]
    fn neighbours_go_out_in_one_piece_and_strangers_in_one_call() {
        let mut frames = Frames::default();
        let (mut one, mut other) = (OutQueue::new(), OutQueue::new());
        for number in 0..6 {
            let span = frames.append(|bytes| bytes.extend(numbered(number * 10, 10)));
            one.push(&mut frames, span);
            if number % 2 == 0 {
                other.push(&mut frames, span);
            }
        }
        assert_eq!(one.pieces(&frames).count(), 1);
        assert_eq!(other.pieces(&frames).count(), 3);
        let mut socket = Narrow {
            room: 1000,
            taken: Vec::new(),
            calls: 0,
        };
        assert_eq!(
            one.flush(&frames, usize::MAX, &mut socket).unwrap(),
            Flushed::Empty
        );
        assert_eq!((socket.calls, &socket.taken), (1, &numbered(0, 60)));
        socket.taken.clear();
        assert_eq!(
            other.flush(&frames, usize::MAX, &mut socket).unwrap(),
            Flushed::Empty
        );
        let expected = [numbered(0, 10), numbered(20, 10), numbered(40, 10)].concat();
        assert_eq!((socket.calls, &socket.taken), (2, &expected));
        assert!(one.is_empty() && other.is_empty());
    }

    #[test]
    fn every_short_write_keeps_the_rest_in_order() {
        for piece_bytes in [7, 5_000, 40_000] {
            let total = 3 * piece_bytes;
            for room in [
                0,
                1,
                piece_bytes - 1,
                piece_bytes,
                piece_bytes + 1,
                total - 1,
            ] {
                let mut frames = Frames::default();
                let mut queue = OutQueue::new();
                for number in 0..3 {
                    frames.append(|bytes| bytes.push(0xff));
                    let from = number * piece_bytes;
                    let span = frames.append(|bytes| bytes.extend(numbered(from, piece_bytes)));
                    queue.push(&mut frames, span);
                }
                let mut socket = Narrow {
                    room,
                    taken: Vec::new(),
                    calls: 0,
                };
                let flushed = queue.flush(&frames, usize::MAX, &mut socket).unwrap();
                assert_eq!(flushed, Flushed::Blocked);
                assert_eq!(queue.backlog_bytes(), total - room);
                frames.reset();
                let more = frames.append(|bytes| bytes.extend(numbered(total, 9)));
                queue.push(&mut frames, more);
                socket.room = usize::MAX;
                assert_eq!(
                    queue.flush(&frames, usize::MAX, &mut socket).unwrap(),
                    Flushed::Empty
                );
                assert_eq!(socket.taken, numbered(0, total + 9));
                assert!(queue.is_empty());
                assert_eq!(queue.backlog_bytes(), 0);
            }
        }
    }
}
