//! All clients of one load, in one thread over mio.
//!
//! A load waits for events with [`Crowd::wait`], then takes what one client heard after the other with [`Crowd::hear`],
//! and [`Crowd::flush`]es what it has said meanwhile, after each or after all. Must not: know what a load counts.

use super::client::{Client, Stage};
use super::stamp::{Found, Stamps};
use super::{Door, LoadError, PATIENCE, frame};
use crate::rig::speech::{Letter, Manner, Newcomer, Packet, Speech, Step};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// The clients. A client is named by its place, which is used again when it has left.
pub struct Crowd {
    poll: Poll,
    events: Events,
    /// Who has something to read, and whether the server has closed.
    ready: Vec<(usize, bool)>,
    /// How many of them have had their turn.
    heard_count: usize,
    clients: Slab<Client>,
    unflushed: Vec<usize>,
    door: Door,
    speech: Speech,
    manner: Manner,
    stamps: Stamps,
    opened: u32,
    joined: usize,
    lost: u64,
    /// When the bytes were read that are being heard.
    read_at: Instant,
    buffer: Vec<u8>,
    message: Vec<u8>,
}

/// Something that a client has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has joined.
    Joined(usize),
    /// A payload with this number.
    Number(usize, u64),
    /// A payload that is not as it was sent.
    Torn,
    /// Its connection is over. If nobody wanted that, it counts as lost.
    Gone,
}

const READ_BYTES: usize = 512 << 10;
const EVENTS_PER_ROUND: usize = 512;
/// How many clients are on their way in at a time.
const ARRIVALS_AT_ONCE: usize = 64;
/// Any key will do; the floors answer to this one.
const REQUEST: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// If there is no poll to be had.
    pub fn new(
        door: Door,
        speech: Speech,
        manner: Manner,
        size: usize,
    ) -> Result<Crowd, LoadError> {
        Ok(Crowd {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_ROUND),
            ready: Vec::new(),
            heard_count: 0,
            clients: Slab::new(),
            unflushed: Vec::new(),
            door,
            speech,
            manner,
            stamps: Stamps::new(size),
            opened: 0,
            joined: 0,
            lost: 0,
            read_at: Instant::now(),
            buffer: vec![0; READ_BYTES],
            message: Vec::new(),
        })
    }

    /// How many have joined and are there.
    pub fn joined(&self) -> usize {
        self.joined
    }

    /// How many connections the server has ended.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// When the bytes were read that are being heard.
    pub fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Opens a connection, which then joins by itself; the client.
    pub fn open(&mut self) -> Result<usize, LoadError> {
        let newcomer = Newcomer {
            number: self.opened,
            manner: self.manner,
            id: String::new(),
        };
        self.opened += 1;
        let entry = self.clients.vacant_entry();
        let place = entry.key();
        let client = entry.insert(Client::new(&self.door, place, newcomer)?);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut client.stream.socket, Token(place), interest)?;
        Ok(place)
    }

    /// Opens `count` connections, some at a time, until all have joined; the clients, in the order in which they came.
    pub fn gather(&mut self, count: usize) -> Result<Vec<usize>, LoadError> {
        let mut places = Vec::with_capacity(count);
        let mut heard = Vec::new();
        let before = self.joined;
        let mut progress = (self.joined, Instant::now());
        while self.joined - before < count {
            while places.len() < count && places.len() - (self.joined - before) < ARRIVALS_AT_ONCE {
                places.push(self.open()?);
            }
            self.wait(Duration::from_millis(100))?;
            while self.hear(&mut heard)? {
                heard.clear();
            }
            self.flush();
            self.refuse_losses()?;
            if self.joined > progress.0 {
                progress = (self.joined, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                let joined = self.joined - before;
                return Err(LoadError::Stalled(format!("{joined} of {count} joined")));
            }
        }
        Ok(places)
    }

    /// Reads and throws away, for this long.
    pub fn idle(&mut self, span: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + span;
        let mut heard = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.wait(left)?;
            while self.hear(&mut heard)? {
                heard.clear();
            }
            self.flush();
        }
        Ok(())
    }

    /// An error if a connection has been lost.
    pub fn refuse_losses(&self) -> Result<(), LoadError> {
        match self.lost {
            0 => Ok(()),
            lost => Err(LoadError::Lost {
                lost,
                joined: self.joined,
            }),
        }
    }

    /// Waits for events, at most this long, and sees to what can be written.
    pub fn wait(&mut self, at_most: Duration) -> Result<(), LoadError> {
        self.ready.clear();
        self.heard_count = 0;
        match self.poll.poll(&mut self.events, Some(at_most)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            let place = event.token().0;
            let Some(client) = self.clients.get_mut(place) else {
                continue;
            };
            if event.is_writable() {
                if client.stage == Stage::Connecting {
                    client.stage = Stage::Upgrading;
                    let (target, more) = self.speech.target(&client.newcomer);
                    let address = self.door.address;
                    let request =
                        format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{REQUEST}{more}\r\n");
                    client.out.extend_from_slice(request.as_bytes());
                }
                // What is wrong with a socket is learnt when it is read.
                let _ = client.writable();
            }
            if event.is_readable() || event.is_error() {
                self.ready.push((place, event.is_read_closed()));
            }
        }
        Ok(())
    }

    /// Reads what the next client has got, into `heard`. Whether there was one.
    pub fn hear(&mut self, heard: &mut Vec<Heard>) -> Result<bool, LoadError> {
        let Some(&(place, closes)) = self.ready.get(self.heard_count) else {
            return Ok(false);
        };
        self.heard_count += 1;
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.read(place, closes, &mut buffer, heard);
        self.buffer = buffer;
        read.map(|()| true)
    }

    /// Reads until there is no more. A read that does not fill the buffer was the last, unless the server has closed.
    fn read(
        &mut self,
        place: usize,
        closes: bool,
        buffer: &mut Vec<u8>,
        heard: &mut Vec<Heard>,
    ) -> Result<(), LoadError> {
        while let Some(client) = self.clients.get_mut(place) {
            let kept = client.half_frame.len();
            // One read of a stream with TLS is one record.
            let is_sealed = client.stream.is_sealed();
            if buffer.len() < kept + READ_BYTES {
                buffer.resize(kept + READ_BYTES, 0);
            }
            let count = match client.stream.read(&mut buffer[kept..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Ok(0) | Err(_) => {
                    self.remove(place, heard);
                    return Ok(());
                }
                Ok(count) => count,
            };
            self.read_at = Instant::now();
            buffer[..kept].copy_from_slice(&client.half_frame);
            client.half_frame.clear();
            let filled = kept + count == buffer.len();
            self.take_in(place, &buffer[..kept + count], heard)?;
            if !filled && !closes && !is_sealed {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_in(
        &mut self,
        place: usize,
        mut bytes: &[u8],
        heard: &mut Vec<Heard>,
    ) -> Result<(), LoadError> {
        let packet = self.speech.packet();
        if self.clients[place].stage == Stage::Upgrading {
            let Some(rest) = self.upgraded(place, bytes)? else {
                self.clients[place].half_frame.extend_from_slice(bytes);
                return Ok(());
            };
            bytes = rest;
        }
        while let Some(frame) = frame::bounds(bytes) {
            let (payload, rest) = (&bytes[frame.payload_at..frame.end], &bytes[frame.end..]);
            bytes = rest;
            match (frame.kind, packet) {
                (frame::CONTINUATION | frame::TEXT | frame::BINARY, Some(packet)) => {
                    self.take_in_packets(place, payload, packet, heard);
                }
                (frame::TEXT | frame::BINARY, None) if frame.is_last => {
                    self.take_in_message(place, payload, heard);
                }
                (frame::PING, _) => {
                    self.clients[place].say(frame::PONG, payload);
                    self.note_unflushed(place);
                }
                (frame::PONG, _) => {}
                (frame::CLOSE, _) => {
                    // One that is leaving waits for the server to close.
                    if self.clients[place].stage != Stage::Leaving {
                        self.remove(place, heard);
                        return Ok(());
                    }
                }
                _ => return Err(LoadError::Fragmented),
            }
        }
        self.clients[place].half_frame.extend_from_slice(bytes);
        Ok(())
    }

    /// Sees to the answer to the upgrade; what comes after it.
    fn upgraded<'a>(
        &mut self,
        place: usize,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, LoadError> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        if !bytes.starts_with(b"HTTP/1.1 101") {
            let answer = String::from_utf8_lossy(&bytes[..end.min(200)]);
            return Err(LoadError::Refused(answer.into_owned()));
        }
        let client = &mut self.clients[place];
        client.stage = Stage::Joining;
        self.message.clear();
        self.speech.open(&mut client.newcomer, &mut self.message);
        self.say(place);
        Ok(Some(&bytes[end + 4..]))
    }

    fn take_in_packets(
        &mut self,
        place: usize,
        bytes: &[u8],
        packet: Packet,
        heard: &mut Vec<Heard>,
    ) {
        // Mostly packets are whole, and then nothing is copied.
        let mut mended = std::mem::take(&mut self.clients[place].half_packet);
        let mut rest = bytes;
        if !mended.is_empty() {
            mended.extend_from_slice(bytes);
            rest = &mended;
        }
        while let Some(end) = packet(rest) {
            self.take_in_message(place, &rest[..end], heard);
            rest = &rest[end..];
        }
        self.clients[place].half_packet = rest.to_vec();
    }

    #[inline]
    fn take_in_message(&mut self, place: usize, message: &[u8], heard: &mut Vec<Heard>) {
        let client = &mut self.clients[place];
        match client.stage {
            Stage::Joined => match self.stamps.find(message) {
                Found::Number(number) => heard.push(Heard::Number(place, number)),
                Found::Torn => heard.push(Heard::Torn),
                Found::Nothing => {
                    if let Some(answer) = self.speech.answer(message) {
                        self.message.clear();
                        self.message.extend_from_slice(answer);
                        self.say(place);
                    }
                }
            },
            Stage::Joining => {
                self.message.clear();
                let newcomer = &mut client.newcomer;
                if let Step::Joined = self.speech.join(newcomer, message, &mut self.message) {
                    client.stage = Stage::Joined;
                    self.joined += 1;
                    heard.push(Heard::Joined(place));
                }
                self.say(place);
            }
            Stage::Connecting | Stage::Upgrading | Stage::Leaving => {}
        }
    }

    fn remove(&mut self, place: usize, heard: &mut Vec<Heard>) {
        let client = self.clients.remove(place);
        match client.stage {
            Stage::Leaving => {}
            Stage::Joined => {
                self.joined -= 1;
                self.lost += 1;
            }
            Stage::Connecting | Stage::Upgrading | Stage::Joining => self.lost += 1,
        }
        heard.push(Heard::Gone);
    }

    /// Frames the message that has been written, if there is one.
    fn say(&mut self, place: usize) {
        if self.message.is_empty() {
            return;
        }
        let is_text = self.speech.is_text();
        let kind = if is_text { frame::TEXT } else { frame::BINARY };
        self.clients[place].say(kind, &self.message);
        self.note_unflushed(place);
    }

    fn note_unflushed(&mut self, place: usize) {
        let client = &mut self.clients[place];
        if !client.unflushed {
            client.unflushed = true;
            self.unflushed.push(place);
        }
    }

    /// Sends what has been said.
    pub fn flush(&mut self) {
        for place in self.unflushed.drain(..) {
            if let Some(client) = self.clients.get_mut(place) {
                client.unflushed = false;
                // What is wrong with a socket is learnt when it is read.
                let _ = client.flush();
            }
        }
    }

    /// Has a client subscribe.
    pub fn subscribe(&mut self, place: usize) {
        self.message.clear();
        self.speech.subscribe(&mut self.message);
        self.say(place);
    }

    /// Has a client publish.
    pub fn publish(&mut self, place: usize, number: u64) {
        self.message.clear();
        let from = &self.clients[place].newcomer.id;
        let payload = self.stamps.payload(number);
        self.speech
            .publish(from, number, payload, &mut self.message);
        self.say(place);
    }

    /// Has a client ask another one, or answer it.
    pub fn send(&mut self, from: usize, to: usize, number: u64, is_answer: bool) {
        self.message.clear();
        let letter = Letter {
            from: &self.clients[from].newcomer.id,
            to: &self.clients[to].newcomer.id,
            number,
            is_answer,
            payload: self.stamps.payload(number),
        };
        self.speech.send(&letter, &mut self.message);
        self.say(from);
    }

    /// Has a joined client say that it closes; it is gone when the server has closed.
    pub fn close(&mut self, place: usize) {
        let client = &mut self.clients[place];
        client.stage = Stage::Leaving;
        client.say(frame::CLOSE, &1000_u16.to_be_bytes());
        self.joined -= 1;
        self.note_unflushed(place);
    }
}
