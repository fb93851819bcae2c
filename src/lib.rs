//! peerhub: one server through which peers find each other and talk.
//!
//! Install one binary and start it; browser pages, Node programs and games that speak the protocol of ok-peerhub, PeerJS,
//! peer-relay, net-peer or peero find each other and talk through it, on one port. This crate is that hub as a library: see
//! [`Server`] for an example. The binary is `main.rs`.
//!
//! # Rooms
//! - [`config`] — every setting and bound, in one table
//! - [`access`] — tokens judged, and what they grant, pure
//! - [`index`] — containers that know nothing about peers; [`wheel`] — deadlines
//! - [`hub`] — the rules of ok-peerhub, pure: no socket, clock, randomness or JSON
//! - [`wire`] — bytes ↔ messages, pure
//! - [`dialect`] — messages ↔ commands and events, pure: a folder for each protocol, with the rules of those that are not
//!   the hub's own
//! - [`net`] — the only room with sockets, the clock and the random source
//! - [`web`] — what the port answers to plain HTTP, the browser client among it
//!
//! # The one way a message goes
//! 1. [`net`]'s driver waits in poll, then notes what each event says
//! 2. the switchboard reads one buffer full from each socket that is ready
//! 3. [`wire::Session::feed`] turns bytes into whole messages ([`wire::parse_head`] before the upgrade)
//! 4. [`dialect::ok::Reader::read`] turns one message into one [`Command`](hub::command::Command), or into a
//!    [`PeerFault`](hub::command::PeerFault)
//! 5. [`Hub::handle`](hub::Hub::handle) changes the state
//! 6. the hearers of a linkage or the members of a channel are the receivers
//! 7. the [`Outbox`](hub::event::Outbox) keeps each event once and, per receiver, eight bytes
//! 8. fan-out has [`dialect::ok::Writer`] write each event once, however many receive it, and puts a span of the tick's
//!    bytes into each receiver's queue; a tick that has very much to say is flushed in between
//! 9. `reap` removes what earlier steps condemned; its leave-events pass through 6 to 8 like any other
//! 10. `flush` writes every connection that has something once; what is left over waits for the writable edge
//!
//! A message in another dialect goes the same way: in steps 4 to 7 its *world* reads it, changes its state and leaves what
//! there is to say in the [`Mail`](dialect::Mail) ([`Worlds::hear`](dialect::Worlds::hear)), and in step 8 each text of the
//! mail is framed once.
//!
//! With TLS, `net`'s `tls` stands between the socket and everything else: it opens what step 2 has read, and seals what step 10
//! writes.
//!
//! Steps 4 to 8 finish for one message before the next one starts, so every receiver sees the order in which the hub
//! accepted. A tick is: wait → read → expire → reap → flush.
//!
//! # Words
//! - *peer*: somebody who speaks to the hub; it has an id and, once it has initiated, a linkage
//! - *conn*: one socket, whatever it speaks
//! - *linkage*, *hearer*: the peers with one linkage key, who see each other; one of them that wants to be told of the others
//! - *channel*, *membership*, *lane*, *seat*: what is published to; one peer in it; all its peers, densely; one place there
//! - *claim*, *holder*: a connection's wish for an id that is in use; the peer that has it
//! - *world*, *member*: everybody who speaks a dialect that is not the hub's own; one of them. What is said in one world is
//!   never heard in another
//! - *mail*: what a world has to say, until it is frames
//! - *event*, *delivery*, *outbox*: something to tell; one receiver of it; both, until they are frames
//! - *token*: in the hub, a piece of text that it compares and forwards but does not understand; in [`access`] and [`net`], what
//!   somebody shows to come in
//! - *grant*: what somebody may do, and until when
//! - *tick*: one round of the loop; *turn*: one connection's share of its reading; *loud*: who needs more than one turn for
//!   what was read
//! - *newcomer*, *untried*, *costly*: a connection that is nobody's yet; one that has had few turns; one whose last turn made
//!   more work than one may
//! - *sealed*, *plain*: bytes as they are inside TLS and without it; *greeting*: who is in the handshake of TLS
//! - *span*: a piece of the bytes that a tick has to say; *backlog*: what a socket did not take
//! - *fault*: a peer's mistake; *condemned*: over, and removed by the next reap

// Tests and fuzz targets share their false sockets, which name the crate as tests do.
#[cfg(feature = "fuzzing")]
extern crate self as peerhub;

pub mod access;
pub mod config;
pub mod dialect;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hub;
pub mod index;
pub mod net;
mod planted;
pub mod web;
pub mod wheel;
pub mod wire;

pub use config::Config;
pub use net::{Ended, Server, Service, StartError, Stopper};
