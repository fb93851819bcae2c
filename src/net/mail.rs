//! What the worlds have to say, on its way out (step 8 of the message path): texts become frames or lines in queues.
//!
//! As with the hub's events, each text is encoded once, when its first receiver is met, and again after a flush in
//! between.

use super::Socket;
use super::conn::Speech;
use super::dialling::Wish;
use super::fanout::{BYTES_PER_COST, DELIVERY_COST};
use super::floor::Floor;
use super::out_queue::Span;
use crate::dialect::{Act, Mail};
use crate::index::ConnKey;
use crate::wire::frame;
use log::debug;

impl<S: Socket> Floor<S> {
    /// Does all that the mail asks for, in its order. O(acts), and the bytes of each text once.
    pub(super) fn post(&mut self, mail: &Mail) {
        self.spans.clear();
        self.spans.resize(mail.text_count(), None);
        self.cost += mail.acts().len() as u64 * DELIVERY_COST + mail.work();
        self.deliveries += mail.acts().len() as u64;
        for act in mail.acts() {
            match act {
                &Act::Send { to, is_relayed, .. } if is_relayed && self.drops_relayed(to) => {
                    self.census.dropped += 1;
                }
                &Act::Send { to, text, .. } => self.send(mail, to, text),
                &Act::Close { to, code, reason } => self.close(to, code, reason),
                Act::Remark(text) => debug!("{text}"),
                Act::Dial { member, url } => self.wishes.push_back(Wish::Fresh {
                    member: *member,
                    url: url.clone(),
                }),
                Act::Keep(state) => self.kept = Some(state.clone()),
            }
        }
    }

    /// Whether what is only passed on is not sent to this connection, since too much waits for it.
    fn drops_relayed(&self, to: ConnKey) -> bool {
        let backlog_bytes = self
            .conns
            .get(to.index())
            .map(|conn| conn.out.backlog_bytes());
        backlog_bytes.is_some_and(|bytes| self.drop_first.drops_relayed(bytes))
    }

    fn send(&mut self, mail: &Mail, to: ConnKey, text: u32) {
        // Very many texts, or copies of a large one, must not pile up.
        if self.frames.is_full() {
            self.flush();
            self.spans.fill(None);
        }
        // Asked after the flush, which may have lost the receiver.
        if !self.takes_messages(to) {
            self.undelivered = true;
            return;
        }
        if let Some(mask_key) = self.mask_key(to) {
            return self.send_masked(mail.read(text), to, mask_key);
        }
        let span = match self.spans[text as usize] {
            Some(span) => span,
            None => self.encode_text(mail, to, text),
        };
        self.cost += span.bytes() / BYTES_PER_COST;
        self.conns[to.index()].out.push(&mut self.frames, span);
        self.mark_dirty(to);
    }

    /// A client's frame is like nobody else's: each has a key of its own.
    fn send_masked(&mut self, text: &[u8], to: ConnKey, mask_key: [u8; 4]) {
        self.cost += text.len() as u64;
        self.say(to, |bytes| frame::write_masked_text(text, mask_key, bytes));
    }

    /// All other receivers of one text speak alike.
    fn encode_text(&mut self, mail: &Mail, to: ConnKey, number: u32) -> Span {
        let text = mail.read(number);
        self.cost += text.len() as u64;
        let is_lines = matches!(self.conns[to.index()].speech, Speech::Lines { .. });
        let span = self.frames.append(|bytes| match is_lines {
            false => frame::write_text(text, bytes),
            true => {
                bytes.extend_from_slice(text);
                bytes.push(b'\n');
            }
        });
        self.spans[number as usize] = Some(span);
        span
    }
}
