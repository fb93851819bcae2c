//! One connection: its socket, what it speaks, what waits for it, and how its life ends (steps 2 and 9 of the message
//! path).
//!
//! Nobody frees a connection in the middle of a tick: steps change its `life`, `reap` and `flush` draw the consequences.

use super::Socket;
use super::dialling::Dialling;
use super::gate::Pass;
use super::out_queue::OutQueue;
use super::proxied::Proxied;
use super::tls::Tls;
use super::watch::Watch;
use crate::dialect::Member;
use crate::index::{Key, PeerKey, TimerKey};
use crate::wire::{Lines, Session};
use std::net::IpAddr;

/// One connection.
#[derive(Debug)]
pub(super) struct Conn<S> {
    pub(super) socket: S,
    /// What is between the socket and everything else, if it came with TLS.
    pub(super) tls: Option<Box<Tls>>,
    pub(super) out: OutQueue,
    pub(super) speech: Speech,
    pub(super) life: Life,
    /// It came when there was no place for it, however far its life has got.
    pub(super) refused: bool,
    /// The hub has opened it, and is the client on it.
    pub(super) dialled: bool,
    /// The peer's address as limits and other peers see it. That of a trusted proxy until its header or
    /// an upgrade says for whom it comes.
    pub(super) remote: IpAddr,
    /// What a trusted proxy says of it before anything else; none for all others, and if it says nothing.
    pub(super) proxied: Option<Box<Proxied>>,
    /// It is one of those that are counted for its address.
    pub(super) counted: bool,
    /// That address is another name for IPv6's own one of this machine, at which a peer may be reached when it is not at
    /// IPv4's.
    pub(super) is_v6_loopback: bool,
    /// The one deadline that a connection has at a time; what it means depends on speech and life.
    pub(super) timer: TimerKey,
    /// What is noted of it if it is not simply well.
    pub(super) watch: Option<Box<Watch>>,
    /// What the account of memory has down for it.
    pub(super) weighed_bytes: usize,
    /// What the token that it came with says of its end, if it came with one.
    pub(super) pass: Option<Box<Pass>>,
    /// Bytes that have been read and wait for the next turn, since they made too much work in the last one.
    pub(super) put_off: Option<Box<[u8]>>,
    /// The socket may have bytes to read.
    pub(super) readable: bool,
    /// The other side has ended its direction: only a read of nothing settles that.
    pub(super) read_closed: bool,
    /// The socket took no more bytes; its writable edge has not come since.
    pub(super) write_blocked: bool,
    /// It has much to be told and counts as blocked until it is its turn.
    pub(super) waits_to_write: bool,
    /// Its last turn made more work than one may.
    pub(super) is_costly: bool,
    /// Turns since then that did not, up to three.
    pub(super) modest_turns: u8,
    /// It is on the list of those to flush.
    pub(super) dirty: bool,
    /// A ping has gone out and no pong has come since.
    pub(super) awaits_pong: bool,
}

/// What a connection speaks.
#[derive(Debug)]
pub(super) enum Speech {
    /// HTTP, with what has come of an unfinished request.
    Http(Unfinished),
    /// Nothing yet: the hub opens it, and what it was dialled for is here until the answer has come or its end.
    Dialling(Option<Box<Dialling>>),
    /// WebSocket.
    WebSocket {
        /// Between its bytes and its messages.
        session: Session,
        /// Whom the messages are for.
        party: Party,
    },
    /// One message a line.
    Lines {
        /// Between its bytes and its lines.
        lines: Lines,
        /// Whom the messages are for.
        party: Party,
    },
}

/// The beginning of an HTTP request.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) bytes: Vec<u8>,
    /// Fewer bytes than these are not worth a look: with a known head the size of the whole request.
    pub(super) bytes_needed: usize,
    /// Nothing came on this connection before it.
    pub(super) is_first: bool,
}

/// At whose end of a WebSocket messages arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// This peer speaks to the hub.
    Peer(PeerKey),
    /// This one speaks to its world.
    Member(Member),
    /// Everything goes back where it came from.
    Echo,
    /// Nobody any more: the connection is closing.
    Nobody,
}

/// How far a connection's life has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is in use.
    Open,
    /// It answers no pings; its time is up in a moment.
    Terminating,
    /// It came when there was no place for it, and stays only for the answer that says so.
    Refused,
    /// A close frame has been queued, since the hub is being stopped. What the peer sends before its own is still heard.
    Leaving,
    /// A close frame has been queued; the peer's is awaited.
    Closing,
    /// When everything is written it is over.
    Parting,
    /// When everything is written, our direction ends; what still comes is thrown away, for a while: to stop reading at
    /// once would reset the connection and take the last answer with it.
    Lingering,
    /// It is over; the next reap removes it.
    Dead,
}

impl<S: Socket> Conn<S> {
    pub(super) fn new(socket: S, remote: IpAddr) -> Conn<S> {
        Conn {
            socket,
            tls: None,
            out: OutQueue::new(),
            speech: Speech::Http(Unfinished {
                is_first: true,
                ..Unfinished::default()
            }),
            life: Life::Open,
            refused: false,
            dialled: false,
            remote,
            proxied: None,
            counted: false,
            is_v6_loopback: false,
            timer: TimerKey::NONE,
            watch: None,
            weighed_bytes: 0,
            pass: None,
            put_off: None,
            readable: true,
            read_closed: false,
            write_blocked: false,
            waits_to_write: false,
            is_costly: false,
            modest_turns: 0,
            dirty: false,
            awaits_pong: false,
        }
    }

    /// A connection that the hub opens itself. Nothing is read or written before its writable edge has come.
    pub(super) fn dialled(socket: S, remote: IpAddr, dialling: Dialling) -> Conn<S> {
        Conn {
            speech: Speech::Dialling(Some(Box::new(dialling))),
            dialled: true,
            readable: false,
            write_blocked: true,
            ..Conn::new(socket, remote)
        }
    }

    /// What the connection was dialled for, if it is not open yet; it is not asked again.
    pub(super) fn take_dialling(&mut self) -> Option<Box<Dialling>> {
        match &mut self.speech {
            Speech::Dialling(dialling) => dialling.take(),
            Speech::Http(_) | Speech::WebSocket { .. } | Speech::Lines { .. } => None,
        }
    }

    /// At whose end messages arrive.
    pub(super) fn party(&self) -> Party {
        match self.speech {
            Speech::Http(_) | Speech::Dialling(_) => Party::Nobody,
            Speech::WebSocket { party, .. } | Speech::Lines { party, .. } => party,
        }
    }

    /// Whether somebody is at this end who must be told to others as gone when it ends.
    pub(super) fn is_of_somebody(&self) -> bool {
        matches!(self.party(), Party::Peer(_) | Party::Member(_))
    }

    /// The peer at this end, if it has one.
    pub(super) fn peer(&self) -> Option<PeerKey> {
        match self.party() {
            Party::Peer(peer) => Some(peer),
            Party::Member(_) | Party::Echo | Party::Nobody => None,
        }
    }

    /// From now on messages are for nobody.
    pub(super) fn leave_party(&mut self) {
        match &mut self.speech {
            Speech::Http(_) | Speech::Dialling(_) => {}
            Speech::WebSocket { party, .. } | Speech::Lines { party, .. } => *party = Party::Nobody,
        }
    }

    /// Whether nothing has come on it yet, but for what TLS needs.
    pub(super) fn is_newcomer(&self) -> bool {
        matches!(&self.speech, Speech::Http(unfinished) if unfinished.is_first)
    }

    /// Whether the handshake of its TLS is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Bytes that earlier ticks could not write, sealed and not.
    pub(super) fn waiting_bytes(&self) -> usize {
        let sealed_bytes = self.tls.as_ref().map_or(0, |tls| tls.unsent_bytes());
        self.out.backlog_bytes() + sealed_bytes
    }

    /// Whether something waits for the socket.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.has_unsent())
    }

    /// Whether its end must come by itself if nothing happens any more, so that it has a deadline. For checks. A WebSocket
    /// that is open has one if the hub pings. What has begun and must end in time is watched apart.
    pub(super) fn needs_timer(&self, pings: bool) -> bool {
        match (self.life, &self.speech) {
            (Life::Dead, _) => false,
            (Life::Open, Speech::WebSocket { .. }) => pings,
            (Life::Open, Speech::Lines { .. }) => false,
            (Life::Open, Speech::Http(_) | Speech::Dialling(_))
            | (
                Life::Terminating
                | Life::Refused
                | Life::Leaving
                | Life::Closing
                | Life::Parting
                | Life::Lingering,
                _,
            ) => true,
        }
    }

    /// Whether messages go in and out.
    pub(super) fn takes_messages(&self) -> bool {
        matches!(self.life, Life::Open | Life::Terminating)
    }

    /// Whether messages go in.
    pub(super) fn gives_messages(&self) -> bool {
        self.takes_messages() || self.life == Life::Leaving
    }

    /// Whether what comes in is looked at.
    pub(super) fn listens(&self) -> bool {
        self.gives_messages() || matches!(self.life, Life::Refused | Life::Closing)
    }
}
