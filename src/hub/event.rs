//! What a peer can be told, and the outbox in which the hub leaves it (steps 6 and 7 of the message path).
//!
//! An event is kept once however many receive it; a receiver costs eight bytes. Events that speak of a peer name it by
//! key: they must be encoded before the hub is asked for anything else.
//! Source: `PROTOCOLS.md` section 1, "Life of a connection" and "Client messages".

use super::command::{DeboutKind, PeerFault, Routed};
use super::id::Secret;
use super::peer::Card;
use crate::index::PeerKey;
use compact_str::CompactString;
use std::borrow::Cow;

/// Something to tell.
#[derive(Debug)]
pub enum Event<'a> {
    /// To a new connection: welcome, this is your id.
    Accept,
    /// To a peer that has initiated: you are in.
    Confirm {
        /// The secret with which it gets its id back later, if it asked for one.
        resume: Option<Secret>,
        /// When its token expires, ms since 1970, if it has one.
        expires_ms: Option<u64>,
    },
    /// To a peer that has shown a fresh token: it counts from now on.
    Authenticated {
        /// The id of the message that it came in (token), if it had one.
        message_id: Option<Cow<'a, str>>,
        /// When it expires, ms since 1970.
        expires_ms: u64,
    },
    /// This peer is here.
    Presence(PeerKey),
    /// This peer says something else of itself now.
    Alter(PeerKey),
    /// This peer has left.
    Leave {
        /// The peer, which is in no linkage any more.
        peer: PeerKey,
        /// The key of the linkage that it was in.
        linkage_key: CompactString,
    },
    /// A peer has left under a name that it no longer has.
    LeaveAs(Box<FormerCard>),
    /// A peer tells something.
    Notify(Forwarded<'a>),
    /// A peer asks something.
    Request(Forwarded<'a>),
    /// A peer answers.
    Response(Forwarded<'a>),
    /// A peer has published something.
    Message {
        /// The publisher.
        from: PeerKey,
        /// The message's id (token); none asks for a fresh one.
        message_id: Option<Cow<'a, str>>,
        /// The content (token).
        content: &'a str,
    },
    /// The answer to `RetrievePeers`.
    Peers {
        /// Who asked.
        of: PeerKey,
        /// The id of the question (token); none asks for a fresh one.
        message_id: Option<Cow<'a, str>>,
    },
    /// A request has ended without an answer.
    RequestFailed(Box<FailedRequest>),
    /// A sign of life on the hub's own clock.
    Nudge,
    /// A message on the debug stream.
    Debout {
        /// Its kind.
        kind: DeboutKind,
        /// The client that it is about.
        about: PeerKey,
        /// What it shows.
        shown: Shown<'a>,
    },
    /// To one of the hub's own clients: you made a mistake.
    Fault {
        /// Which.
        fault: PeerFault,
        /// The id of the message that it was in (token), if it had one.
        message_id: Option<Cow<'a, str>>,
    },
    /// Ask the peer's transport for a sign of life.
    Ping,
    /// Close the peer's connection.
    Close {
        /// The WebSocket close code.
        code: u16,
        /// The reason, at most 123 bytes.
        reason: &'static str,
    },
}

/// A message from peer to peer.
#[derive(Debug)]
pub struct Forwarded<'a> {
    /// The sender.
    pub from: PeerKey,
    /// What it sent.
    pub message: Routed<'a>,
}

/// What others knew of a peer before it became somebody else.
#[derive(Debug)]
pub struct FormerCard {
    /// Its card.
    pub card: Card,
    /// Its linkage key.
    pub linkage_key: CompactString,
}

/// A request without an answer.
#[derive(Debug)]
pub struct FailedRequest {
    /// The request's id (token).
    pub message_id: CompactString,
    /// The request's name (token), if it had one.
    pub name: Option<CompactString>,
    /// The id of the peer that was asked.
    pub peer: CompactString,
    /// Why.
    pub why: Failure,
}

/// Why a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody has that id.
    PeerUnknown,
    /// The peer that was asked has gone.
    PeerLeft,
    /// No answer came in time.
    TimedOut,
    /// The asking peer has too many requests open.
    TooManyPending,
}

impl Failure {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Failure::PeerUnknown => "E_PEERUNKNOWN",
            Failure::PeerLeft => "E_PEERLEFT",
            Failure::TimedOut => "E_REQUESTTIMEOUT",
            Failure::TooManyPending => "E_TOOMANYREQUESTS",
        }
    }

    /// A sentence for a person.
    pub fn text(self) -> &'static str {
        match self {
            Failure::PeerUnknown => "no peer has this id",
            Failure::PeerLeft => "the peer left before it answered",
            Failure::TimedOut => "the peer did not answer in time",
            Failure::TooManyPending => "too many of your requests are waiting for an answer",
        }
    }
}

/// What a debug message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// A token.
    Token(&'a str),
    /// The event with this number, as it is sent to the client that the debug message is about.
    Event(u32),
    /// The empty text.
    Empty,
}

/// One event for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The receiver.
    pub to: PeerKey,
    /// The number of the event in its outbox.
    pub event: u32,
}

/// Events and who is to receive them, in order. The caller lends one to the hub and empties it afterwards.
#[derive(Debug, Default)]
pub struct Outbox<'a> {
    events: Vec<Event<'a>>,
    deliveries: Vec<Delivery>,
}

impl<'a> Outbox<'a> {
    /// Keeps an event; its number says who receives it.
    pub fn event(&mut self, event: Event<'a>) -> u32 {
        self.events.push(event);
        u32::try_from(self.events.len() - 1).expect("one command makes fewer than 2^32 events")
    }

    /// Says that `to` receives the event with this number.
    pub fn deliver(&mut self, to: PeerKey, event: u32) {
        self.deliveries.push(Delivery { to, event });
    }

    /// The events, by number.
    pub fn events(&self) -> &[Event<'a>] {
        &self.events
    }

    /// Who receives what, in the order in which it must go out.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Empties the outbox and frees it of the message that it borrowed from; its memory is kept.
    pub fn recycle<'b>(mut self) -> Outbox<'b> {
        self.events.clear();
        self.deliveries.clear();
        Outbox {
            // Collecting an emptied vector into one of the same layout keeps its allocation.
            events: self
                .events
                .into_iter()
                .map(|_| unreachable!("the events were cleared"))
                .collect(),
            deliveries: self.deliveries,
        }
    }
}
