//! The client's side of TLS around the bytes of a memory socket.
//!
//! Owns the client's connection, and which sealed bytes have how much of what was said in them. Judges the hub's records
//! strictly: one that the client cannot read fails the test, unless its own bytes were torn before.

use rustls::ClientConnection;
use std::collections::VecDeque;
use std::io::{Read, Write};

/// The client's side of TLS.
#[derive(Debug)]
pub struct Seal {
    tls: ClientConnection,
    /// Plain bytes that were ever said; what was sent before TLS counts.
    said_bytes: u64,
    /// Where each piece of what was sent ends, in sealed bytes, and how much of what was said has ended there.
    pieces: VecDeque<(u64, u64)>,
    /// How much of what was said the hub has read.
    read_bytes: u64,
    /// Nothing more is to be said.
    is_ending: bool,
    /// Some of what was sent is lost, so the hub may break off.
    pub is_torn: bool,
    is_broken: bool,
}

impl Seal {
    /// TLS that begins after so many bytes.
    pub fn new(mut tls: ClientConnection, sent_bytes: u64) -> Seal {
        tls.set_buffer_limit(None);
        Seal {
            tls,
            said_bytes: sent_bytes,
            pieces: VecDeque::new(),
            read_bytes: sent_bytes,
            is_ending: false,
            is_torn: false,
            is_broken: false,
        }
    }

    /// Seals this, as soon as it can be.
    pub fn say(&mut self, plain: &[u8]) {
        if !self.is_ending {
            self.said_bytes += plain.len() as u64;
            let written = self.tls.writer().write_all(plain);
            written.expect("memory takes everything");
        }
    }

    /// Plain bytes that were ever said.
    pub fn said_bytes(&self) -> u64 {
        self.said_bytes
    }

    /// Nothing more is said.
    pub fn end(&mut self) {
        self.is_ending = true;
    }

    /// Whether nothing more is to be said.
    pub fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Whether everything is sent, or will never be.
    pub fn is_over(&self) -> bool {
        self.is_ending && (self.is_torn || !self.tls.is_handshaking())
    }

    /// What there is to send after so many bytes.
    pub fn take_sealed(&mut self, sent_bytes: u64) -> Vec<u8> {
        // Half of those who end take leave as TLS asks them to.
        if self.is_over() && !self.is_torn && self.said_bytes.is_multiple_of(2) {
            self.tls.send_close_notify();
        }
        let mut sealed = Vec::new();
        while self.tls.wants_write() {
            let written = self.tls.write_tls(&mut sealed);
            written.expect("memory takes everything");
        }
        if !sealed.is_empty() && !self.tls.is_handshaking() {
            let end = sent_bytes + sealed.len() as u64;
            self.pieces.push_back((end, self.said_bytes));
        }
        sealed
    }

    /// Opens what the hub has sent.
    pub fn open(&mut self, mut sealed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !sealed.is_empty() && !self.is_broken {
            let read = self.tls.read_tls(&mut sealed);
            // After a word of leave nothing more is taken.
            if read.is_err() || read.is_ok_and(|bytes| bytes == 0) {
                break;
            }
            match self.tls.process_new_packets() {
                Ok(_) => {
                    // The end of what there is at present is an error to the reader.
                    let _ = self.tls.reader().read_to_end(&mut plain);
                }
                Err(error) => {
                    assert!(self.is_torn, "the hub breaks TLS: {error}");
                    self.is_broken = true;
                }
            }
        }
        plain
    }

    /// How much of what was said is in the first so many sealed bytes.
    pub fn read_bytes(&mut self, sealed_bytes: u64) -> u64 {
        while let Some(&(end, said_bytes)) = self.pieces.front()
            && end <= sealed_bytes
        {
            self.read_bytes = said_bytes;
            self.pieces.pop_front();
        }
        self.read_bytes
    }
}
