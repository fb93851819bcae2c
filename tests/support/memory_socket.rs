//! A socket made of two byte pipes in memory, and edges that are told as epoll tells them.
//!
//! Owns the bytes between a test and the hub. What the test sends *flies* until it is let arrive; each arrival is an
//! edge. What the hub writes fills a window; when the hub has met a full one, room in it is an edge. Nothing else is.
//! A wire may be sealed: then the test says and is told plain bytes, and TLS goes over the wire.

use super::Dice;
use super::seal::Seal;
use peerhub::net::{Readiness, Socket};
use rustls::ClientConnection;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

/// The hub's end. Dropping it is what closing a socket is.
#[derive(Debug)]
pub struct MemorySocket(Wire);

/// The test's end, and everything that can befall the bytes in between. Clones are the same wire.
#[derive(Clone, Debug)]
pub struct Wire(Rc<RefCell<Pipes>>);

#[derive(Debug)]
struct Pipes {
    /// Sent by the test, not yet where the hub could read it.
    flying: VecDeque<u8>,
    /// There to be read.
    arrived: VecDeque<u8>,
    /// How the test's direction has ended, and whether the hub could know.
    end: Option<End>,
    end_arrived: bool,
    /// Bytes ever sent by the test and ever read by the hub: a message is taken in once the second has passed its end.
    sent_bytes: u64,
    read_bytes: u64,
    /// Written by the hub, not yet received by the test.
    written: VecDeque<u8>,
    /// Bytes that `written` may hold.
    window: usize,
    /// The hub has met a full window, and no edge has told it of room since.
    blocked: bool,
    /// The hub has ended its direction, or closed.
    finished: bool,
    /// The hub has closed.
    released: bool,
    /// The next read and the next write are interrupted.
    interrupted: bool,
    edges: Readiness,
    /// The test's side of TLS.
    seal: Option<Box<Seal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What was sent still arrives, then the end.
    Eof,
    /// Whatever has not been read is lost.
    Reset,
}

impl Wire {
    /// Both ends of a new connection whose window is `window` bytes.
    pub fn new(window: usize) -> (MemorySocket, Wire) {
        let wire = Wire(Rc::new(RefCell::new(Pipes {
            flying: VecDeque::new(),
            arrived: VecDeque::new(),
            end: None,
            end_arrived: false,
            sent_bytes: 0,
            read_bytes: 0,
            written: VecDeque::new(),
            window,
            blocked: false,
            finished: false,
            released: false,
            interrupted: false,
            edges: Readiness::default(),
            seal: None,
        })));
        (MemorySocket(wire.clone()), wire)
    }

    /// From here on there is TLS. What is sent before its handshake is over waits for that.
    pub fn seal(&self, tls: ClientConnection) {
        let mut pipes = self.0.borrow_mut();
        pipes.seal = Some(Box::new(Seal::new(tls, pipes.sent_bytes)));
        pipes.send_sealed();
    }

    /// Sends bytes to the hub; nothing once the direction has ended. How many bytes were ever sent.
    pub fn send(&self, bytes: &[u8]) -> u64 {
        let mut pipes = self.0.borrow_mut();
        let has_ended = pipes.end.is_some();
        if let Some(seal) = &mut pipes.seal {
            if !has_ended {
                seal.say(bytes);
            }
            let said_bytes = seal.said_bytes();
            pipes.send_sealed();
            return said_bytes;
        }
        if !has_ended {
            pipes.fly(bytes);
        }
        pipes.sent_bytes
    }

    /// Ends the test's direction after what was sent.
    pub fn end(&self) {
        let mut pipes = self.0.borrow_mut();
        if let Some(seal) = &mut pipes.seal {
            seal.end();
            pipes.send_sealed();
        } else {
            pipes.end.get_or_insert(End::Eof);
        }
    }

    /// Loses what flies beyond the first `most` bytes: it is as if it had never been sent.
    pub fn cut(&self, most: usize) {
        self.tamper(|flying| flying.truncate(most));
    }

    /// Changes what flies: on the way something happens to it.
    pub fn tamper(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut pipes = self.0.borrow_mut();
        if let Some(seal) = &mut pipes.seal {
            seal.is_torn = true;
        }
        let mut flying = std::mem::take(&mut pipes.flying).into();
        change(&mut flying);
        pipes.flying = flying.into();
    }

    /// Resets the connection: both directions are over at once.
    pub fn reset(&self) {
        let mut pipes = self.0.borrow_mut();
        pipes.end = Some(End::Reset);
        pipes.end_arrived = false;
        pipes.flying.clear();
    }

    /// Takes up to `most` bytes that the hub has written. Of a sealed wire, what was in them.
    pub fn receive(&self, most: usize) -> Vec<u8> {
        let mut pipes = self.0.borrow_mut();
        let count = most.min(pipes.written.len());
        let bytes = take(&mut pipes.written, count);
        if count > 0 && pipes.blocked {
            pipes.blocked = false;
            pipes.edges.writable = true;
        }
        let Some(seal) = pipes.seal.as_mut().filter(|_| count > 0) else {
            return bytes;
        };
        let plain = seal.open(&bytes);
        pipes.send_sealed();
        plain
    }

    /// Lets up to `most` more bytes arrive, or the end if nothing else is left.
    pub fn arrive(&self, most: usize) {
        let mut pipes = self.0.borrow_mut();
        let count = most.min(pipes.flying.len());
        if count > 0 {
            let bytes = take(&mut pipes.flying, count);
            pipes.arrived.extend(&bytes);
            pipes.edges.readable = true;
        }
        if pipes.flying.is_empty() && pipes.end.is_some() && !pipes.end_arrived {
            pipes.end_arrived = true;
            pipes.edges.readable = true;
            pipes.edges.read_closed = true;
            pipes.edges.writable |= pipes.end == Some(End::Reset);
        }
    }

    /// Interrupts the next read and the next write.
    pub fn interrupt(&self) {
        self.0.borrow_mut().interrupted = true;
    }

    /// Whether something is left that can arrive.
    pub fn is_flying(&self) -> bool {
        let pipes = self.0.borrow();
        !pipes.flying.is_empty() || pipes.end.is_some() && !pipes.end_arrived
    }

    /// How many bytes fly.
    pub fn flying_bytes(&self) -> usize {
        self.0.borrow().flying.len()
    }

    /// Whether bytes have arrived that the hub has not read.
    pub fn has_unread(&self) -> bool {
        !self.0.borrow().arrived.is_empty()
    }

    /// Whether the hub has written something that was not received.
    pub fn has_written(&self) -> bool {
        !self.0.borrow().written.is_empty()
    }

    /// How many bytes the hub has ever read. Of a sealed wire, how many were in whole records.
    pub fn read_bytes(&self) -> u64 {
        let mut pipes = self.0.borrow_mut();
        let read_bytes = pipes.read_bytes;
        match &mut pipes.seal {
            Some(seal) => seal.read_bytes(read_bytes),
            None => read_bytes,
        }
    }

    /// Whether the test has ended its direction in whatever way.
    pub fn is_ended(&self) -> bool {
        let pipes = self.0.borrow();
        let is_sealed_end = pipes.seal.as_ref().is_some_and(|seal| seal.is_ending());
        pipes.end.is_some() || is_sealed_end
    }

    /// Whether the hub has ended the connection and everything that it wrote was received.
    pub fn is_over(&self) -> bool {
        let pipes = self.0.borrow();
        pipes.finished && pipes.written.is_empty()
    }

    /// Whether the hub has let its end go.
    pub fn is_released(&self) -> bool {
        self.0.borrow().released
    }

    /// The edges that have come since they were last taken, if any.
    pub(super) fn take_edges(&self) -> Option<Readiness> {
        let edges = std::mem::take(&mut self.0.borrow_mut().edges);
        (edges.readable || edges.writable || edges.read_closed).then_some(edges)
    }

    /// Puts back edges that poll has not told yet.
    pub(super) fn defer(&self, edges: Readiness) {
        let mut pipes = self.0.borrow_mut();
        pipes.edges.readable |= edges.readable;
        pipes.edges.writable |= edges.writable;
        pipes.edges.read_closed |= edges.read_closed;
    }

    /// Whether edges wait to be told.
    pub(super) fn has_edges(&self) -> bool {
        let edges = self.0.borrow().edges;
        edges.readable || edges.writable || edges.read_closed
    }
}

impl Pipes {
    fn fly(&mut self, bytes: &[u8]) {
        self.flying.extend(bytes);
        self.sent_bytes += bytes.len() as u64;
    }

    /// Sends what TLS has to send, and ends the direction if nothing else is to come.
    fn send_sealed(&mut self) {
        let Some(mut seal) = self.seal.take() else {
            return;
        };
        if self.end.is_none() {
            let sealed = seal.take_sealed(self.sent_bytes);
            self.fly(&sealed);
            if seal.is_over() {
                self.end = Some(End::Eof);
            }
        }
        self.seal = Some(seal);
    }
}

impl Read for MemorySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipes = self.0.0.borrow_mut();
        if std::mem::take(&mut pipes.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if pipes.end == Some(End::Reset) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if pipes.arrived.is_empty() {
            return match pipes.end_arrived {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        // A ring hands out one of its two halves at a time; a kernel never returns less than there is.
        pipes.arrived.make_contiguous();
        let count = pipes.arrived.read(buffer)?;
        pipes.read_bytes += count as u64;
        Ok(count)
    }
}

impl Write for MemorySocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipes = self.0.0.borrow_mut();
        assert!(!pipes.finished, "nothing is written after the end");
        if std::mem::take(&mut pipes.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if pipes.end == Some(End::Reset) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = pipes.window - pipes.written.len();
        let count = room.min(bytes.len());
        pipes.blocked |= count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipes.written.extend(&bytes[..count]);
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut joined = Vec::new();
        for slice in slices {
            joined.extend_from_slice(slice);
        }
        self.write(&joined)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for MemorySocket {
    fn ports(&self) -> (u16, u16) {
        (50_000, 3007)
    }

    fn keep_alive(&mut self, _silence_ms: u64) {}

    fn finish(&mut self) -> io::Result<()> {
        self.0.0.borrow_mut().finished = true;
        Ok(())
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        let mut pipes = self.0.0.borrow_mut();
        pipes.finished = true;
        pipes.released = true;
    }
}

/// Takes bytes off the front. In one copy: a debug build feels every step of an iterator.
fn take(pipe: &mut VecDeque<u8>, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let taken = pipe.read(&mut bytes).expect("memory can be read");
    if taken < count {
        // A ring hands out one of its two halves at a time.
        pipe.read_exact(&mut bytes[taken..])
            .expect("there is as much");
    }
    bytes
}

/// How many of `count` flying bytes a moody network lets arrive.
pub fn moody(dice: &mut Dice) -> usize {
    match dice.below(4) {
        0 => 1,
        1 => 1 + dice.below(16) as usize,
        2 => 1 + dice.below(300) as usize,
        _ => usize::MAX,
    }
}
