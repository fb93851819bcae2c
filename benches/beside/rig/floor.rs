//! The floors: servers that find the boundaries of frames, unmask them and send bytes on, and nothing else. No JSON, no
//! ids, no timers, no bounds, not even the handshake's hash: what is left is what the kernel's sockets cost.
//!
//! The first byte of each message is a command; see [`command`]. [`Sends::Each`] calls send once for each delivery,
//! [`Sends::Batched`] collects what a socket is to get during one round of the loop and sends it at once.
//!
//! Runs as a child of the bench itself, so that its process is measured like any other's.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::io::{self, ErrorKind, Read, Write};

/// When what a socket is to get is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// At once, each message by itself.
    Each,
    /// At the end of the round, together.
    Batched,
}

/// The commands. A `number` is eight letters `a` to `p`, each four bits.
pub mod command {
    /// `N number`: this is my number. Answered with [`DONE`].
    pub const NUMBER: u8 = b'N';
    /// `S`: I take part in what is published.
    pub const SUBSCRIBE: u8 = b'S';
    /// `P bytes`: to every subscriber.
    pub const PUBLISH: u8 = b'P';
    /// `T number bytes`: to the client of this number.
    pub const TO: u8 = b'T';
    /// `J bytes`: to everybody who has said this before, and I am one of them now. Answered with [`DONE`].
    pub const JOIN: u8 = b'J';
    /// The answer.
    pub const DONE: &[u8] = b"O";
    /// Letters in a number.
    pub const NUMBER_LETTERS: usize = 8;
}

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 512 << 10;
const EVENTS_PER_ROUND: usize = 1024;

/// The answer to the clients' fixed key.
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Serves until the process is ended.
///
/// # Errors
/// What poll or the listening socket say.
pub fn serve(mut listener: TcpListener, sends: Sends) -> io::Result<()> {
    let mut floor = Floor {
        poll: Poll::new()?,
        sends,
        conns: Slab::new(),
        subscribers: Vec::new(),
        present: Vec::new(),
        numbered: Vec::new(),
        unsent: Vec::new(),
        frame: Vec::new(),
    };
    let registry = floor.poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(EVENTS_PER_ROUND);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener)?;
                continue;
            }
            let conn = event.token().0;
            if event.is_writable() && floor.conns.contains(conn) {
                floor.flush(conn);
            }
            if event.is_readable() {
                floor.read(conn, &mut buffer, event.is_read_closed());
            }
        }
        let mut unsent = std::mem::take(&mut floor.unsent);
        for conn in unsent.drain(..) {
            floor.flush(conn);
        }
        floor.unsent = unsent;
    }
}

struct Floor {
    poll: Poll,
    sends: Sends,
    conns: Slab<Conn>,
    subscribers: Vec<usize>,
    present: Vec<usize>,
    /// By number.
    numbered: Vec<usize>,
    /// Who has something waiting for the end of the round.
    unsent: Vec<usize>,
    /// The frame that is being sent.
    frame: Vec<u8>,
}

struct Conn {
    stream: TcpStream,
    upgraded: bool,
    /// Waits for the writable edge.
    blocked: bool,
    /// Is in [`Floor::unsent`].
    noted: bool,
    /// The beginning of a frame or of the request.
    half: Vec<u8>,
    unsent: Vec<u8>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let entry = self.conns.vacant_entry();
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(entry.key()), Interest::READABLE)?;
            entry.insert(Conn {
                stream,
                upgraded: false,
                blocked: false,
                noted: false,
                half: Vec::new(),
                unsent: Vec::new(),
            });
        }
    }

    /// Reads until there is no more. A read that does not fill the buffer was the last, unless the other side has closed.
    fn read(&mut self, conn: usize, buffer: &mut Vec<u8>, closes: bool) {
        while let Some(this) = self.conns.get_mut(conn) {
            let kept = this.half.len();
            if buffer.len() < kept + READ_BYTES {
                buffer.resize(kept + READ_BYTES, 0);
            }
            let count = match this.stream.read(&mut buffer[kept..]) {
                Ok(0) => return self.close(conn),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.close(conn),
            };
            buffer[..kept].copy_from_slice(&this.half);
            this.half.clear();
            let filled = kept + count == buffer.len();
            self.take_in(conn, &mut buffer[..kept + count]);
            if !filled && !closes {
                return;
            }
        }
    }

    fn take_in(&mut self, conn: usize, mut bytes: &mut [u8]) {
        if !self.conns[conn].upgraded {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.conns[conn].half.extend_from_slice(bytes);
                return;
            };
            bytes = &mut bytes[end + 4..];
            self.conns[conn].upgraded = true;
            self.send(conn, UPGRADED);
        }
        while let Some((payload_at, end)) = frame_bounds(bytes) {
            let (frame, rest) = bytes.split_at_mut(end);
            bytes = rest;
            if frame[0] & 0x0f == 8 {
                return self.close(conn);
            }
            let (head, payload) = frame.split_at_mut(payload_at);
            let mask = [0, 1, 2, 3].map(|at| head[payload_at - 4 + at]);
            unmask(payload, mask);
            self.obey(conn, payload);
        }
        self.conns[conn].half.extend_from_slice(bytes);
    }

    fn obey(&mut self, from: usize, message: &[u8]) {
        let Some((&command, rest)) = message.split_first() else {
            return;
        };
        match command {
            command::NUMBER => {
                let number = number(rest);
                if self.numbered.len() <= number {
                    self.numbered.resize(number + 1, usize::MAX);
                }
                self.numbered[number] = from;
                self.answer(from);
            }
            command::SUBSCRIBE => self.subscribers.push(from),
            command::PUBLISH => {
                let subscribers = std::mem::take(&mut self.subscribers);
                self.send_to_all(&subscribers, rest);
                self.subscribers = subscribers;
            }
            command::TO => {
                let (to, bytes) = rest.split_at(command::NUMBER_LETTERS);
                self.send_to_all(&[self.numbered[number(to)]], bytes);
            }
            command::JOIN => {
                let present = std::mem::take(&mut self.present);
                self.send_to_all(&present, rest);
                self.present = present;
                self.present.push(from);
                self.answer(from);
            }
            _ => self.close(from),
        }
    }

    fn answer(&mut self, to: usize) {
        self.send_to_all(&[to], command::DONE);
    }

    fn send_to_all(&mut self, receivers: &[usize], payload: &[u8]) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.push(0x82);
        match payload.len() {
            length @ 0..126 => frame.push(length as u8),
            length @ 126..0x1_0000 => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        for &receiver in receivers {
            self.send(receiver, &frame);
        }
        self.frame = frame;
    }

    fn send(&mut self, to: usize, bytes: &[u8]) {
        // Somebody addressed may have gone.
        let Some(conn) = self.conns.get_mut(to) else {
            return;
        };
        let mut sent = 0;
        if self.sends == Sends::Each && conn.unsent.is_empty() {
            // What is wrong with a socket is learnt when it is read.
            sent = conn.stream.write(bytes).unwrap_or(0);
            if sent == bytes.len() {
                return;
            }
        }
        conn.unsent.extend_from_slice(&bytes[sent..]);
        if !conn.noted && !conn.blocked {
            conn.noted = true;
            self.unsent.push(to);
        }
    }

    fn flush(&mut self, conn: usize) {
        let Some(this) = self.conns.get_mut(conn) else {
            return;
        };
        this.noted = false;
        match this.stream.write(&this.unsent) {
            Ok(count) if count == this.unsent.len() => this.unsent.clear(),
            // The edge is asked for anew below, so that no second try is needed.
            Ok(count) => drop(this.unsent.drain(..count)),
            Err(_) => {}
        }
        let blocked = !this.unsent.is_empty();
        if blocked || this.blocked {
            this.blocked = blocked;
            let interest = if blocked {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            // It may have been closed meanwhile by the other side, which is learnt when it is read.
            let _ = self
                .poll
                .registry()
                .reregister(&mut this.stream, Token(conn), interest);
        }
    }

    fn close(&mut self, conn: usize) {
        self.conns.remove(conn);
        self.subscribers.retain(|&other| other != conn);
        self.present.retain(|&other| other != conn);
    }
}

/// Where the payload of the masked frame that `bytes` begin with is, and where the frame ends, if all of it is there.
fn frame_bounds(bytes: &[u8]) -> Option<(usize, usize)> {
    let (payload_at, length) = match bytes.get(1)? & 0x7f {
        126 => (
            8,
            u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(),
        ),
        127 => (14, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        short => (6, short.into()),
    };
    let end = usize::try_from(length).ok()?.checked_add(payload_at)?;
    (end <= bytes.len()).then_some((payload_at, end))
}

fn unmask(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (eights, rest) = payload.as_chunks_mut();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ mask).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
}

/// The number that `letters` begin with.
fn number(letters: &[u8]) -> usize {
    letters
        .iter()
        .take(command::NUMBER_LETTERS)
        .fold(0, |number, letter| {
            number << 4 | usize::from(letter.wrapping_sub(b'a') & 0x0f)
        })
}
