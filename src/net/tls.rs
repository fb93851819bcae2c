//! TLS of one connection: sealed bytes from and to the socket, plain bytes for everybody else (beside steps 2 and 10 of the
//! message path).
//!
//! rustls, run over memory that the connections share: what is read is opened there, and what is written sealed there. A
//! connection keeps keys, the sealed beginning of a record that has not come whole, and the sealed rest of a record that the
//! socket did not take: nothing else, so an idle one has no buffer at all. Who sends what is no TLS gets the alert that TLS
//! has for it. Rules: RFC 8446 and RFC 5246.

use super::Socket;
use super::conn::{Life, Speech};
use super::floor::Floor;
use super::log_limit::limited;
use super::out_queue::{Flushed, Frames, OutQueue};
use crate::index::ConnKey;
use crate::planted;
use log::{Level, debug};
use rustls::Error;
use rustls::server::{ServerConfig, ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

/// What a connection keeps of its TLS.
pub(super) struct Tls {
    connection: UnbufferedServerConnection,
    /// The sealed beginning of what has not come whole.
    held: Vec<u8>,
    /// Sealed bytes that the socket has not taken, and how many of them it has.
    unsent: Vec<u8>,
    unsent_from: usize,
    /// What is held has not been looked at.
    is_fresh: bool,
    /// Nothing more is opened: the other side has taken leave, or has broken the protocol.
    ended: bool,
    /// And that has been told. What still comes is thrown away.
    end_is_told: bool,
    /// The protocol is broken: nothing more is sealed either.
    is_broken: bool,
    /// The other side has been told that nothing more comes.
    took_leave: bool,
}

/// What a read has brought.
#[derive(Debug)]
pub(super) struct Opened {
    /// Plain bytes.
    pub(super) bytes: usize,
    /// The socket has nothing more at present.
    pub(super) is_drained: bool,
    /// Nothing more will come; after these bytes, if there are any.
    pub(super) is_end: bool,
    /// Why, if it is not in order. The alert that says so is ready to be sent.
    pub(super) fault: Option<Error>,
    /// What it has cost, in about a nanosecond.
    pub(super) cost: u64,
}

/// Memory that all connections share for what is sealed.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// What has been read.
    incoming: Vec<u8>,
    /// What is to be written.
    outgoing: Vec<u8>,
    /// Several pieces that become one record; nothing between two writes.
    plain: Vec<u8>,
}

type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// Where a queue writes to: seals, and sends.
struct Sink<'a, S> {
    tls: &'a mut Tls,
    socket: &'a mut S,
    bench: &'a mut Bench,
}

/// What the answer to a client's hello costs, in about a nanosecond: a key exchange and a signature. With an ECDSA key, a whole
/// connection with its handshake was measured at 0.4 ms of CPU (`benches/RECORD.md`); an RSA key takes several times as long
/// to sign.
const HELLO_COST: u64 = 300_000;
/// What each further step of a handshake costs.
const STEP_COST: u64 = 100_000;
/// What a record costs to open beyond its bytes, in about a nanosecond.
const RECORD_COST: u64 = 600;

impl Tls {
    /// Sealed bytes read at once, so that no read is thousands of the least records.
    pub(super) const READ_BYTES: usize = 32 << 10;
    /// Sealed bytes that may be held: the largest record, or a handshake message of several, with room to spare; what clients
    /// send has 2 KB.
    const HELD_BYTES_MAX: usize = 20 << 10;
    /// The most plain bytes that a read brings.
    pub(super) const PLAIN_BYTES_MAX: usize = Tls::HELD_BYTES_MAX + Tls::READ_BYTES;
    /// Plain bytes of a record.
    const RECORD_BYTES: usize = 16 << 10;
    /// Bytes that sealing adds to a record at most, and a message or two of TLS's own that go before it.
    const OVERHEAD_BYTES: usize = 512;
    /// Answers of TLS's own that may wait for one who does not read them; rustls sends no more than a few.
    const UNSENT_BYTES_MAX: usize = 64 << 10;

    /// The TLS of a connection that begins with these bytes, which have been read already. Nothing is done with them yet.
    ///
    /// # Errors
    /// The hub's: rustls does not take the configuration.
    pub(super) fn new(config: Arc<ServerConfig>, first: &[u8]) -> Result<Tls, Error> {
        Ok(Tls {
            connection: UnbufferedServerConnection::new(config)?,
            held: first.to_vec(),
            unsent: Vec::new(),
            unsent_from: 0,
            is_fresh: true,
            ended: false,
            end_is_told: false,
            is_broken: false,
            took_leave: false,
        })
    }

    /// Whether a connection that begins with this byte begins with TLS: it is the type of a record with a handshake message.
    pub(super) fn is_begun_by(first: u8) -> bool {
        first == 0x16
    }

    /// Whether nobody can be spoken to yet.
    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking() && !self.ended
    }

    /// Whether sealed bytes wait for the socket.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sealed bytes that wait for the socket.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len() - self.unsent_from
    }

    /// Bytes of memory of what has come sealed and is not whole, and of what waits sealed for the socket.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.capacity() + self.unsent.capacity()
    }

    /// Reads once from the socket and opens what has come into `plain`, which has room for `PLAIN_BYTES_MAX`. Answers of
    /// TLS's own are left to be sent.
    ///
    /// # Errors
    /// Those of the socket; that it has nothing at present is one of them.
    pub(super) fn read(
        &mut self,
        socket: &mut impl Read,
        most: usize,
        bench: &mut Bench,
        plain: &mut [u8],
    ) -> io::Result<Opened> {
        let mut opened = Opened {
            bytes: 0,
            is_drained: false,
            is_end: self.ended && !self.end_is_told,
            fault: None,
            cost: 0,
        };
        if opened.is_end {
            self.end_is_told = true;
            return Ok(opened);
        }
        // Of a first read: nobody has so much to say before he is answered.
        if self.held.len() > Self::HELD_BYTES_MAX {
            return Ok(self.is_too_much(opened));
        }
        let most = most.min(Self::READ_BYTES);
        bench.incoming.resize(Self::PLAIN_BYTES_MAX, 0);
        let from = self.held.len();
        let read = match socket.read(&mut bench.incoming[from..from + most]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.is_fresh => 0,
            Ok(0) => {
                // Cut short, or after a word of leave: what was said before is good.
                (self.ended, self.end_is_told) = (true, true);
                opened.is_end = true;
                return Ok(opened);
            }
            other => other?,
        };
        opened.is_drained = read < most;
        if self.ended || self.took_leave {
            return Ok(opened);
        }
        self.is_fresh = false;
        bench.incoming[..from].copy_from_slice(&self.held);
        let sealed = &mut bench.incoming[..from + read];
        let used = self.open(sealed, plain, &mut opened);
        self.hold(&sealed[used..]);
        if self.held.len() > Self::HELD_BYTES_MAX || self.unsent_bytes() > Self::UNSENT_BYTES_MAX {
            opened = self.is_too_much(opened);
        }
        opened.is_end = self.ended;
        self.end_is_told = self.ended && (opened.bytes == 0 || opened.fault.is_some());
        Ok(opened)
    }

    /// More has come than may wait.
    fn is_too_much(&mut self, opened: Opened) -> Opened {
        self.give_up();
        self.end_is_told = true;
        Opened {
            fault: Some(Error::General("more than may wait".to_owned())),
            ..opened
        }
    }

    /// The protocol is broken, and rustls must not be asked anything more.
    fn give_up(&mut self) {
        (self.ended, self.is_broken, self.took_leave) = (true, true, true);
        self.held = Vec::new();
    }

    /// Gives back all memory of a connection that is about to be over.
    pub(super) fn empty(&mut self) {
        self.give_up();
        (self.unsent, self.unsent_from) = (Vec::new(), 0);
    }

    /// Keeps the sealed beginning of what has not come whole. No memory is kept for none.
    fn hold(&mut self, rest: &[u8]) {
        match rest.is_empty() || self.ended {
            true => self.held = Vec::new(),
            false => {
                self.held.clear();
                self.held.reserve_exact(rest.len());
                self.held.extend_from_slice(rest);
            }
        }
    }

    /// Opens `sealed` record by record. How many bytes of it are used up.
    fn open(&mut self, sealed: &mut [u8], plain: &mut [u8], opened: &mut Opened) -> usize {
        // Only what is answered was work.
        let mut step_cost = match self.connection.protocol_version() {
            None => HELLO_COST,
            Some(_) if self.connection.is_handshaking() => STEP_COST,
            Some(_) => 0,
        };
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut sealed[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    opened.cost += RECORD_COST;
                    while let Some(Ok(record)) = traffic.next_record() {
                        let end = opened.bytes + record.payload.len();
                        plain[opened.bytes..end].copy_from_slice(record.payload);
                        opened.cost += record.payload.len() as u64;
                        opened.bytes = end;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => {
                    opened.cost += std::mem::take(&mut step_cost);
                    encode(&mut message, &mut self.unsent);
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    return sealed.len();
                }
                // Early data is not accepted, and other states there are none.
                Ok(_) => return used + discard,
                Err(error) => {
                    // The alert waits behind what was to be said before. It must be asked for no further: what broke the
                    // protocol would be looked at again.
                    let rest = &mut sealed[used + discard..];
                    while self.connection.wants_write() {
                        let state = self.connection.process_tls_records(rest).state;
                        let Ok(ConnectionState::EncodeTlsData(mut message)) = state else {
                            break;
                        };
                        encode(&mut message, &mut self.unsent);
                    }
                    self.give_up();
                    opened.fault = Some(error);
                    return sealed.len();
                }
            }
            used += discard;
        }
    }

    /// Sends what is sealed. Whether the socket has taken all of it.
    ///
    /// # Errors
    /// Those of the socket.
    fn send(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while self.unsent_from < self.unsent.len() {
            match socket.write(&self.unsent[self.unsent_from..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => self.unsent_from += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        (self.unsent, self.unsent_from) = (Vec::new(), 0);
        Ok(true)
    }

    /// Seals and writes what waits in a queue, as `OutQueue::flush` does without TLS.
    ///
    /// # Errors
    /// Those of the socket, and that keys are used up.
    pub(super) fn flush(
        &mut self,
        out: &mut OutQueue,
        frames: &Frames,
        backlog_bytes_max: usize,
        socket: &mut impl Write,
        bench: &mut Bench,
    ) -> io::Result<Flushed> {
        if !self.send(socket)? {
            return Ok(out.keep(frames, backlog_bytes_max));
        }
        let mut sink = Sink {
            tls: self,
            socket,
            bench,
        };
        match out.flush(frames, backlog_bytes_max, &mut sink)? {
            Flushed::Empty if self.has_unsent() => Ok(Flushed::Blocked),
            flushed => Ok(flushed),
        }
    }

    /// Says that nothing more comes from this side. Whether the socket has taken it.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn take_leave(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        if !self.took_leave {
            self.took_leave = true;
            let mut unsent = std::mem::take(&mut self.unsent);
            let said = self.seal(&mut unsent, 0, |traffic, room| {
                traffic.queue_close_notify(room)
            });
            self.unsent = unsent;
            // Whose handshake has not come so far needs no word.
            let _ = said;
        }
        self.send(socket)
    }

    /// Appends a record to `sealed`, and before it whatever TLS itself has to say.
    fn seal(
        &mut self,
        sealed: &mut Vec<u8>,
        plain_bytes: usize,
        mut write: impl FnMut(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        loop {
            // What is held has been looked at before, and is as incomplete as it was.
            let UnbufferedStatus { state, .. } =
                self.connection.process_tls_records(&mut self.held);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let mut exhausted = false;
                    append(
                        sealed,
                        plain_bytes + Self::OVERHEAD_BYTES,
                        |room| match write(&mut traffic, room) {
                            Ok(bytes) => Ok(bytes),
                            Err(EncryptError::InsufficientSize(needed)) => {
                                Err(needed.required_size)
                            }
                            Err(EncryptError::EncryptExhausted) => {
                                exhausted = true;
                                Ok(0)
                            }
                        },
                    );
                    return match exhausted {
                        false => Ok(()),
                        true => Err(io::Error::other("the keys of TLS are used up")),
                    };
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => {
                    encode(&mut message, sealed);
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(_) | Err(_) => return Err(ErrorKind::NotConnected.into()),
            }
        }
    }
}

impl<S: Write> Sink<'_, S> {
    /// Seals these bytes, a record at most, and sends them. Whether the socket has taken them; what it has not is kept.
    fn send(&mut self, plain: &[u8]) -> io::Result<bool> {
        if self.tls.is_broken {
            // Nobody would read it.
            return Ok(true);
        }
        let sealed = &mut self.bench.outgoing;
        sealed.clear();
        self.tls.seal(sealed, plain.len(), |traffic, room| {
            traffic.encrypt(plain, room)
        })?;
        let mut from = 0;
        while from < sealed.len() {
            match self.socket.write(&sealed[from..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => from += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.tls.unsent.extend_from_slice(&sealed[from..]);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl<S: Write> Write for Sink<'_, S> {
    /// Takes everything unless the socket is full; one record more than the socket takes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.has_unsent() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut taken = 0;
        for piece in bytes.chunks(Tls::RECORD_BYTES) {
            taken += piece.len();
            if !self.send(piece)? {
                break;
            }
        }
        Ok(taken)
    }

    /// Small pieces share records.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.has_unsent() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut plain = std::mem::take(&mut self.bench.plain);
        let mut taken = 0;
        let mut sent = Ok(true);
        'slices: for slice in slices {
            let mut rest: &[u8] = slice;
            while !rest.is_empty() {
                let (piece, others) =
                    rest.split_at(rest.len().min(Tls::RECORD_BYTES - plain.len()));
                plain.extend_from_slice(piece);
                rest = others;
                taken += piece.len();
                if plain.len() == Tls::RECORD_BYTES {
                    sent = self.send(&plain);
                    plain.clear();
                    if !matches!(sent, Ok(true)) {
                        break 'slices;
                    }
                }
            }
        }
        if matches!(sent, Ok(true)) && !plain.is_empty() {
            sent = self.send(&plain);
        }
        if matches!(sent, Ok(true)) || !planted::bug("plaintext-left") {
            plain.clear();
        }
        self.bench.plain = plain;
        sent.map(|_| taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends a message of TLS's own.
fn encode(message: &mut EncodeTlsData<'_, ServerConnectionData>, sealed: &mut Vec<u8>) {
    append(sealed, 0, |room| match message.encode(room) {
        Ok(bytes) => Ok(bytes),
        Err(EncodeError::InsufficientSize(needed)) => Err(needed.required_size),
        Err(EncodeError::AlreadyEncoded) => Ok(0),
    });
}

/// Appends what `write` writes into the room that it is given; it says how much that was, or how much room it needs.
fn append(
    sealed: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>,
) {
    let start = sealed.len();
    loop {
        sealed.resize(start + room, 0);
        match write(&mut sealed[start..]) {
            Ok(bytes) => return sealed.truncate(start + bytes),
            Err(needed) => room = needed,
        }
    }
}

impl<S: Socket> Floor<S> {
    /// Whether this first byte of a connection begins TLS, in a hub that has a certificate.
    pub(super) fn begins_tls(&self, key: ConnKey, first: u8) -> bool {
        if !Tls::is_begun_by(first) || self.tls.is_none() {
            return false;
        }
        let conn = &self.conns[key.index()];
        let is_first = match &conn.speech {
            Speech::Http(unfinished) => unfinished.is_first && unfinished.bytes.is_empty(),
            Speech::Dialling(_) | Speech::WebSocket { .. } | Speech::Lines { .. } => false,
        };
        is_first && conn.tls.is_none()
    }

    /// Begins TLS on a connection of which these bytes have been read. Its handshake waits for its turn.
    pub(super) fn begin_tls(&mut self, key: ConnKey, first: &[u8]) {
        let Some(config) = &self.tls else {
            unreachable!("nobody begins TLS without a certificate");
        };
        match Tls::new(config.clone(), first) {
            Ok(tls) => {
                let conn = &mut self.conns[key.index()];
                conn.tls = Some(Box::new(tls));
                conn.readable = true;
            }
            Err(error) => self.lose(key, &error),
        }
    }

    /// Somebody has broken the protocol of TLS, or says that we have: the alert is sent, and nothing more is heard.
    pub(super) fn break_off_tls(&mut self, key: ConnKey, fault: &Error) {
        let remote = self.conns[key.index()].remote;
        match fault {
            // Mostly a client that does not trust the certificate.
            Error::AlertReceived(_) => debug!("{key} from {remote}: {fault}"),
            _ => {
                self.census.faults += 1;
                limited!(
                    self.fault_log,
                    self.now.monotonic_ms,
                    Level::Warn,
                    "TLS of {key} from {remote}: {fault}"
                );
            }
        }
        self.end_after_writing(key, Life::Lingering);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("held", &self.held.len())
            .field("unsent", &self.unsent_bytes())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
