//! A hub with clients in memory: what benches and the allocation test drive the whole message path with.
//!
//! Sockets take everything and give everything at once, so what is measured is the hub alone. Must not: stand for the
//! simulator's sockets, which tear reads and writes.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench is a crate of its own and uses its own part of this"
)]

use peerhub::Config;
use peerhub::net::{ConnKey, Entropy, Now, Readiness, Socket, Switchboard};
use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;
use std::rc::Rc;

/// The hub and its clients. Time stands still unless it is moved.
pub struct Hall {
    switchboard: Switchboard<MemorySocket>,
    clients: Vec<Client>,
    now: Now,
}

struct Client {
    key: ConnKey,
    pipe: Rc<RefCell<Pipe>>,
}

/// Both directions of a connection.
#[derive(Default)]
struct Pipe {
    to_hub: Vec<u8>,
    read_bytes: usize,
    from_hub: Vec<u8>,
    /// Bytes from the hub are only counted.
    discards: bool,
    written_bytes: u64,
}

struct MemorySocket(Rc<RefCell<Pipe>>);

impl Hall {
    /// A hub with these settings and nobody in it.
    pub fn new(config: Config) -> Hall {
        let now = Now {
            monotonic_ms: 1_000,
            unix_ms: 1_790_000_000_000,
        };
        Hall {
            switchboard: Switchboard::new(config, usize::MAX, Entropy::Seeded(1), now, || 0),
            clients: Vec::new(),
            now,
        }
    }

    /// Opens a socket that has said nothing yet; the number of the new client, from 0 on.
    pub fn admit(&mut self) -> usize {
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        let remote = IpAddr::from([127, 0, 0, 1]);
        let key = self
            .switchboard
            .admit(MemorySocket(Rc::clone(&pipe)), remote);
        self.clients.push(Client { key, pipe });
        self.clients.len() - 1
    }

    /// Opens a WebSocket; the number of the new client, from 0 on.
    pub fn connect(&mut self) -> usize {
        self.connect_to("/")
    }

    /// Opens a WebSocket at this path.
    pub fn connect_to(&mut self, path: &str) -> usize {
        let client = self.admit();
        self.send(client, &upgrade_to(path));
        self.tick();
        let answer = self.take(client);
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "an upgrade");
        client
    }

    /// Opens a WebSocket and joins `linkage` under the id `client-N`. Nobody hears of anybody.
    pub fn join(&mut self, linkage: &str) -> usize {
        let client = self.connect();
        let initiate = format!(
            r#"{{"type":"initiate","content":{{"id":"client-{client}","linkageKey":"{linkage}"}}}}"#
        );
        self.send(client, &frame(&initiate));
        self.tick();
        let answer = self.take(client);
        assert!(contains(&answer, b"\"confirm\""), "a confirm");
        client
    }

    /// How many clients there have been.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Puts bytes on a client's wire.
    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        let Client { key, pipe } = &self.clients[client];
        pipe.borrow_mut().to_hub.extend_from_slice(bytes);
        let readiness = Readiness {
            readable: true,
            ..Readiness::default()
        };
        self.switchboard.note(*key, readiness);
    }

    /// Ticks until the hub has no more to do at present.
    pub fn tick(&mut self) {
        loop {
            self.switchboard.set_now(self.now);
            self.switchboard.tick();
            let next = self.switchboard.next_tick();
            if next.is_none_or(|next| next > self.now.monotonic_ms) {
                return;
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_ms += ms;
    }

    /// From now on bytes for this client are only counted.
    pub fn discard(&mut self, client: usize) {
        self.clients[client].pipe.borrow_mut().discards = true;
    }

    /// From now on bytes for this client are kept again.
    pub fn keep(&mut self, client: usize) {
        self.clients[client].pipe.borrow_mut().discards = false;
    }

    /// What the hub has written to a client since the last time.
    pub fn take(&mut self, client: usize) -> Vec<u8> {
        std::mem::take(&mut self.clients[client].pipe.borrow_mut().from_hub)
    }

    /// Bytes that the hub has ever written to a client.
    pub fn written_bytes(&self, client: usize) -> u64 {
        self.clients[client].pipe.borrow().written_bytes
    }
}

/// What opens a WebSocket at this path.
pub fn upgrade_to(path: &str) -> Vec<u8> {
    format!("GET {path} {UPGRADE}").into_bytes()
}

/// One text frame as a client sends it.
pub fn frame(text: &str) -> Vec<u8> {
    let mask = [0x5a, 0x17, 0xc3, 0x88];
    let mut frame = vec![0x81];
    match text.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    let masked = text.bytes().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Whether `part` is somewhere in `bytes`.
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl Read for MemorySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        let waiting = &pipe.to_hub[pipe.read_bytes..];
        if waiting.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        pipe.read_bytes += count;
        if pipe.read_bytes == pipe.to_hub.len() {
            pipe.to_hub.clear();
            pipe.read_bytes = 0;
        }
        Ok(count)
    }
}

impl Write for MemorySocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        let mut count = 0;
        for piece in pieces {
            count += piece.len();
            if !pipe.discards {
                pipe.from_hub.extend_from_slice(piece);
            }
        }
        pipe.written_bytes += count as u64;
        Ok(count)
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
        Ok(())
    }
}

const UPGRADE: &str = "HTTP/1.1\r\n\
    Host: localhost\r\n\
    Connection: Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
