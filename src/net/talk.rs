//! WebSocket messages on their way in (steps 3 to 8 of the message path, for one connection at a time).
//!
//! Each message is worked off to the last receiver before the next one is looked at, so everybody sees the order in
//! which the hub accepted. A peer's mistakes end here: counted, logged within limits, and told to those who understand.

use super::Socket;
use super::conn::{Life, Party, Speech};
use super::floor::Floor;
use super::log_limit::limited;
use super::switchboard::Switchboard;
use crate::dialect::Member;
use crate::hub::command::{Command, PeerFault};
use crate::index::{ConnKey, PeerKey};
use crate::planted;
use crate::wire::{Incoming, SessionFault, frame};
use log::Level;
use std::borrow::Cow;
use std::ops::Range;

/// What the least message costs that has come, and a frame that is none, in about a nanosecond; each byte of a message costs
/// one.
const HEARD_COST: u64 = 200;
/// What each thing costs that a message names: a channel, a property, a peer.
const PART_COST: u64 = 150;
/// What it costs a peer to say something of itself, for each byte of its tags and properties, which are all written anew.
const CARD_BYTE_COST: u64 = 2;
/// More than this many are very many.
pub(super) const MANY: usize = 64;
/// What it costs to put into words what is wrong with one.
const FAULT_COST: u64 = 500;

impl<S: Socket> Switchboard<S> {
    /// Takes in what has been read from a WebSocket connection: this part of the read buffer.
    pub(super) fn take_in_websocket(&mut self, key: ConnKey, part: Range<usize>) {
        let Switchboard {
            floor,
            parser,
            client_parser,
            input,
            ..
        } = self;
        let parser = match floor.conns[key.index()].dialled {
            false => *parser,
            true => *client_parser,
        };
        let mut session = floor.lend_session(key);
        let mut replies = std::mem::take(&mut floor.replies);
        // What began in an earlier read may be longer than a read, and cannot be put off.
        let mut is_whole = !session.is_mid_message();
        let (mut end, mut has_ended) = (None, false);
        let mut postponed = Vec::new();
        let left = {
            let cost_max = floor.cost + floor.turn_cost_max;
            let mut feed = session.feed(parser, &mut input[part.clone()], &mut replies);
            loop {
                let Some(incoming) = feed.next() else {
                    break 0;
                };
                if is_whole
                    && floor.postpones
                    && let Some(text) = incoming.as_ref().ok().and_then(text_of)
                    && floor.is_for_many(key, text)
                {
                    // As it came, but for the mask.
                    frame::write_masked_text(text.as_bytes(), [0; 4], &mut postponed);
                    break feed.pause();
                }
                match incoming {
                    Ok(Incoming::Text(text)) => {
                        has_ended = true;
                        floor.metered(key, text.len(), |floor| floor.message(key, text));
                    }
                    Ok(Incoming::Binary(bytes)) => {
                        has_ended = true;
                        floor.metered(key, bytes.len(), |floor| floor.binary(key, bytes));
                    }
                    Ok(Incoming::Unheard) => {
                        floor.metered(key, 0, |floor| floor.cost += HEARD_COST);
                        floor.reply(key, feed.replies());
                    }
                    Ok(Incoming::Pong) => {
                        // A sign of life even of one who is not heard.
                        floor.pong(key);
                        floor.metered(key, 0, |_| {});
                    }
                    Ok(Incoming::Close) => {
                        end = Some(Ok(()));
                        floor.reply(key, feed.replies());
                    }
                    Err(fault) => end = Some(Err(fault)),
                }
                is_whole |= has_ended;
                if floor.frames.is_full() {
                    floor.flush();
                }
                // Who is over is heard no further, and so is who has made enough work for one turn, or has to rest.
                if !floor.conns[key.index()].listens()
                    || floor.cost > cost_max
                    || floor.rests_until(key).is_some()
                {
                    break feed.pause();
                }
            }
        };
        if left + postponed.len() > 0 && !planted::bug("put-off-dropped") {
            postponed.extend_from_slice(&input[part.end - left..part.end]);
            floor.conns[key.index()].put_off = Some(postponed.into());
        }
        let has_begun = session.is_mid_message();
        floor.return_session(key, session);
        if has_begun || floor.conns[key.index()].watch.is_some() {
            floor.watch_message(key, has_begun, has_ended);
        }
        replies.clear();
        floor.replies = replies;
        match end {
            None => {}
            Some(Ok(())) => floor.end_after_writing(key, Life::Parting),
            Some(Err(fault)) => floor.break_off(key, &fault),
        }
    }
}

impl<S: Socket> Floor<S> {
    /// The session while its messages are worked off: they may touch every connection, this one too.
    fn lend_session(&mut self, key: ConnKey) -> crate::wire::Session {
        match &mut self.conns[key.index()].speech {
            Speech::WebSocket { session, .. } => std::mem::take(session),
            Speech::Http(_) | Speech::Dialling(_) | Speech::Lines { .. } => {
                unreachable!("only WebSocket input comes here")
            }
        }
    }

    fn return_session(&mut self, key: ConnKey, mut lent: crate::wire::Session) {
        let conn = &mut self.conns[key.index()];
        if matches!(conn.life, Life::Leaving | Life::Closing) {
            lent.stop_replies();
        }
        if let Speech::WebSocket { session, .. } = &mut conn.speech {
            *session = lent;
        }
    }

    /// Sends a pong or the answer to a close in its place, before what is said about what has come after it.
    fn reply(&mut self, key: ConnKey, replies: &mut Vec<u8>) {
        if self.conns[key.index()].takes_messages() && !replies.is_empty() {
            self.say(key, |bytes| bytes.extend_from_slice(replies));
        }
        replies.clear();
    }

    /// Whether a message, not yet heard, makes the hub tell very many something, or very much.
    fn is_for_many(&self, key: ConnKey, text: &str) -> bool {
        let Party::Peer(peer) = self.party(key) else {
            return false;
        };
        let inbound = self.reader.read(text);
        let command = inbound.and_then(|inbound| inbound.command);
        command.is_ok_and(|command| self.hub.audience(peer, &command) > MANY)
    }

    fn party(&self, key: ConnKey) -> Party {
        let conn = &self.conns[key.index()];
        match conn.party() {
            // Nothing follows a close frame.
            Party::Echo if !conn.takes_messages() => Party::Nobody,
            party if conn.gives_messages() => party,
            Party::Peer(_) | Party::Member(_) | Party::Echo | Party::Nobody => Party::Nobody,
        }
    }

    /// One message, for whomever it is.
    pub(super) fn message(&mut self, key: ConnKey, text: &str) {
        self.cost += HEARD_COST + text.len() as u64;
        match self.party(key) {
            Party::Peer(peer) => self.command(peer, text),
            Party::Member(member) => {
                self.undelivered = false;
                let heard = self.with_worlds(|worlds, lent| worlds.hear(member, text, lent));
                if self.undelivered {
                    self.with_worlds(|worlds, lent| worlds.undelivered(member, text, lent));
                }
                if let Err(fault) = heard {
                    self.complain_to_member(key, member, &fault);
                }
            }
            Party::Echo => self.say(key, |bytes| frame::write_text(text.as_bytes(), bytes)),
            Party::Nobody => {}
        }
    }

    /// Binary frames count as text.
    pub(super) fn binary(&mut self, key: ConnKey, bytes: &[u8]) {
        let party = self.party(key);
        if party == Party::Echo {
            return self.say(key, |out| frame::write_binary(bytes, out));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.message(key, text),
            Err(error) => {
                self.cost += HEARD_COST + bytes.len() as u64;
                let text = format!("a message must be UTF-8 text: {error}");
                self.complain_to(key, PeerFault::new("E_NOTUTF8", text));
            }
        }
    }

    /// Counts, logs and tells somebody's fault, if he has words for it.
    pub(super) fn complain_to(&mut self, key: ConnKey, fault: PeerFault) {
        match self.party(key) {
            Party::Peer(peer) => self.complain(peer, fault, None),
            Party::Member(member) => self.complain_to_member(key, member, &fault),
            Party::Echo | Party::Nobody => {}
        }
    }

    /// Counts and logs the fault of a member, and tells it if its dialect has words for that.
    fn complain_to_member(&mut self, key: ConnKey, member: Member, fault: &PeerFault) {
        self.cost += FAULT_COST;
        self.count_fault(key, fault);
        self.with_worlds(|worlds, lent| worlds.complain(member, fault, lent));
    }

    /// Counts and logs the fault of somebody who is no peer of the hub.
    pub(super) fn count_fault(&mut self, key: ConnKey, fault: &PeerFault) {
        self.census.faults += 1;
        limited!(
            self.fault_log,
            self.now.monotonic_ms,
            Level::Warn,
            "bad message from {key}, {}: {fault}",
            self.conns[key.index()].remote
        );
    }

    fn pong(&mut self, key: ConnKey) {
        self.cost += HEARD_COST;
        self.conns[key.index()].awaits_pong = false;
        if let Party::Peer(peer) = self.party(key)
            && self.hub.is_challenged(peer)
        {
            self.with_hub(|hub, out, _| hub.answered(peer, out));
        }
    }

    /// One message of a peer: decode, handle, deliver.
    fn command(&mut self, peer: PeerKey, text: &str) {
        let inbound = match self.reader.read(text) {
            Ok(inbound) => inbound,
            Err(fault) => return self.complain(peer, fault, None),
        };
        if self.hub.is_watched()
            && let Some(shown) = inbound.shown()
        {
            // Delivered before anything else: the stream shows the client as it was when it said this.
            self.with_hub(|hub, out, _| hub.observe(peer, &shown, out));
        }
        self.joins += u64::from(matches!(inbound.command, Ok(Command::Initiate(_))));
        if let Ok(command) = &inbound.command {
            self.cost += command.part_count() as u64 * PART_COST;
            if command.is_of_oneself() {
                let card_bytes = self.hub.peer(peer).card().kept_bytes();
                self.cost += card_bytes as u64 * CARD_BYTE_COST;
            }
        }
        if inbound.is_of_own_client() {
            self.hub.recognise(peer);
        }
        let now = self.now.monotonic_ms;
        let done = inbound.command.and_then(|command| match command {
            Command::Authenticate { token } if self.gate.is_on() => {
                self.renew(peer, &token, inbound.message_id.clone())
            }
            command => self.with_hub(|hub, out, ids| hub.handle(now, peer, command, ids, out)),
        });
        if let Err(fault) = done {
            self.complain(peer, fault, inbound.message_id);
        }
    }

    /// Counts and logs a peer's fault, and tells the peer if it understands.
    fn complain(&mut self, peer: PeerKey, fault: PeerFault, message_id: Option<Cow<'_, str>>) {
        self.census.faults += 1;
        self.cost += FAULT_COST;
        // The id is the peer's choice: escaped, it stays on its line.
        limited!(
            self.fault_log,
            self.now.monotonic_ms,
            Level::Warn,
            "bad message from {:?}: {fault}",
            self.hub.peer(peer).card().id
        );
        self.with_hub(|hub, out, _| hub.complain(peer, fault, message_id, out));
    }

    /// The peer has broken the WebSocket protocol: it is told, and nothing more is heard from it.
    fn break_off(&mut self, key: ConnKey, fault: &SessionFault) {
        self.census.faults += 1;
        limited!(
            self.fault_log,
            self.now.monotonic_ms,
            Level::Warn,
            "{key} from {} is closed with {}: {}",
            self.conns[key.index()].remote,
            fault.close_code,
            fault.reason
        );
        self.close(key, Some(fault.close_code), fault.reason);
        self.end_after_writing(key, Life::Lingering);
    }
}

/// The text of a message, as which a binary one counts too if it is one.
fn text_of<'a>(incoming: &Incoming<'a>) -> Option<&'a str> {
    match *incoming {
        Incoming::Text(text) => Some(text),
        Incoming::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        Incoming::Unheard | Incoming::Pong | Incoming::Close => None,
    }
}
