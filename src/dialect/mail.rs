//! What the worlds have to say (steps 6 and 7 of the message path): texts, and which connections get them.
//!
//! The worlds' counterpart of the hub's `Outbox`. A text is kept once however many receive it; a receiver costs a few
//! bytes. Lent to a world for as long as it works on one thing, then delivered and emptied.

use super::Member;
use crate::index::ConnKey;
use std::fmt::Arguments;

/// What is to be said and done, in order.
#[derive(Debug, Default)]
pub struct Mail {
    bytes: Vec<u8>,
    /// The ends of the texts in `bytes`.
    ends: Vec<usize>,
    acts: Vec<Act>,
    work: u64,
    /// Whether anybody reads the remarks; without readers none are kept.
    pub has_readers: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The connection gets the text of this number.
    Send {
        /// The receiver.
        to: ConnKey,
        /// The number of the text in its mail.
        text: u32,
        /// Whether it is only passed on, in a network that promises no delivery.
        is_relayed: bool,
    },
    /// The connection is closed once it has got what was sent to it before.
    Close {
        /// Whose.
        to: ConnKey,
        /// The code of the close frame, where there is one; a connection without frames just ends.
        code: Option<u16>,
        /// The reason, at most 123 bytes.
        reason: &'static str,
    },
    /// Somebody is to be connected to: what becomes of it is told to the world by `Worlds::reach` or `Worlds::miss`.
    Dial {
        /// Whose end of the connection it will be.
        member: Member,
        /// The URL of a WebSocket without TLS, unless somebody else has made it up.
        url: Box<str>,
    },
    /// A text for the log, of interest to those who look for trouble.
    Remark(String),
    /// A text that shall survive a restart: the state of the mesh.
    Keep(Box<str>),
}

/// The number of a text in its mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(u32);

impl Mail {
    /// Keeps the text that `write` appends, which must be UTF-8 without a line break. It reaches those to whom it is sent.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Text {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
        Text(u32::try_from(self.ends.len() - 1).expect("one message makes fewer than 2^32 texts"))
    }

    /// Sends a text that is kept.
    pub fn send(&mut self, to: ConnKey, Text(text): Text) {
        self.push(to, text, false);
    }

    /// The same for a text that is only passed on, and that a slow reader may have to do without.
    pub fn relay(&mut self, to: ConnKey, Text(text): Text) {
        self.push(to, text, true);
    }

    fn push(&mut self, to: ConnKey, text: u32, is_relayed: bool) {
        self.acts.push(Act::Send {
            to,
            text,
            is_relayed,
        });
    }

    /// Sends a text to this connection alone.
    pub fn tell(&mut self, to: ConnKey, write: impl FnOnce(&mut Vec<u8>)) {
        let text = self.text(write);
        self.send(to, text);
    }

    /// Closes a connection once it has got what was sent to it before.
    pub fn close(&mut self, to: ConnKey, code: Option<u16>, reason: &'static str) {
        self.acts.push(Act::Close { to, code, reason });
    }

    /// Connects to the WebSocket at this URL, as this member's connection.
    pub fn dial(&mut self, member: Member, url: &str) {
        let url = url.into();
        self.acts.push(Act::Dial { member, url });
    }

    /// Says that something was more work than the message that asked for it and the answers to it show, in about a
    /// nanosecond: whoever asks for it has his turn end sooner.
    pub fn charge(&mut self, work: u64) {
        self.work += work;
    }

    /// Something for the log.
    pub fn remark(&mut self, text: Arguments<'_>) {
        if self.has_readers {
            self.acts.push(Act::Remark(text.to_string()));
        }
    }

    /// Keeps the state of the mesh beyond a restart.
    pub fn keep(&mut self, state: &str) {
        self.acts.push(Act::Keep(state.into()));
    }

    /// What is to be done, in order.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// A text that is kept.
    pub fn words(&self, Text(text): Text) -> &[u8] {
        self.read(text)
    }

    /// The text of this number.
    pub fn read(&self, text: u32) -> &[u8] {
        let text = text as usize;
        let start = text.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[text]]
    }

    /// The work that was charged for.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// How many texts there are.
    pub fn text_count(&self) -> usize {
        self.ends.len()
    }

    /// Forgets everything; memory out of the ordinary is given back.
    pub fn clear(&mut self) {
        /// What a burst may leave behind.
        const BYTES_KEPT: usize = 1 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
        self.ends.clear();
        self.ends.shrink_to(BYTES_KEPT / size_of::<usize>());
        self.work = 0;
        self.acts.clear();
        self.acts.shrink_to(BYTES_KEPT / size_of::<Act>());
    }
}
