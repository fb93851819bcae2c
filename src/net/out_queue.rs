//! Bytes on their way out (steps 8 and 10 of the message path).
//!
//! `Frames` holds everything that one tick has to say, each frame once however many receive it. An `OutQueue` holds what
//! waits for one connection: spans of the tick's frames, and after a short write the backlog. Neighbouring spans are one
//! span, so the subscribers of a busy channel are written to from one contiguous piece of memory, and a queue that has
//! nothing to say costs 24 bytes. What a slow reader leaves behind is shared with the others if it is large, and copied
//! if keeping it shared would hold on to much more than is waiting.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::sync::Arc;

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
}

#[derive(Debug)]
struct Segment {
    chunk: Arc<Vec<u8>>,
    waiting: Range<usize>,
}

/// How a flush has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flushed {
    /// Everything is written.
    Empty,
    /// The socket takes no more at present.
    Blocked,
}

const NO_SPAN: Span = Span { start: 0, end: 0 };
const NOWHERE: u32 = u32::MAX;

impl Frames {
    /// Bytes after which the tick must be flushed: what fits into a core's cache several times over.
    pub(super) const BYTES_MAX: usize = 1 << 20;
    /// A backlog segment of its own is filled up to this size before the next one is begun.
    const SEGMENT_BYTES: usize = 16 << 10;

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

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it is time to flush.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= Self::BYTES_MAX
    }

    /// Begins anew; every queue has been flushed. Memory is kept unless a backlog shares it or it is out of the ordinary.
    pub(super) fn reset(&mut self) {
        self.chain.clear();
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) if bytes.capacity() <= 4 * Self::BYTES_MAX => bytes.clear(),
            _ => self.bytes = Arc::default(),
        }
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

    /// Bytes that earlier ticks could not write.
    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    /// Writes what waits, as much as the socket takes, oldest first; the rest becomes backlog. Vectored: one call to the
    /// system unless more pieces wait than one call takes.
    pub(super) fn flush(
        &mut self,
        frames: &Frames,
        socket: &mut impl Write,
    ) -> io::Result<Flushed> {
        let mut flushed = self.flush_backlog(socket)?;
        while flushed == Flushed::Empty && self.newest != NO_SPAN {
            flushed = self.flush_spans(frames, socket)?;
        }
        self.keep(frames);
        Ok(flushed)
    }

    /// Makes backlog of what the tick has for a connection whose socket takes nothing at present.
    pub(super) fn keep(&mut self, frames: &Frames) {
        while let Some(span) = self.first() {
            self.backlog
                .get_or_insert_default()
                .keep(frames, span.start as usize..span.end as usize);
            self.drop_first(frames);
        }
    }

    fn first_in(&self, frames: &Frames) -> Option<Span> {
        match self.oldest {
            NOWHERE => Some(self.newest).filter(|&span| span != NO_SPAN),
            oldest => Some(frames.chain[oldest as usize].0),
        }
    }
}
