//! peerhub: one server through which peers find each other and talk.
//!
//! # Rooms
//! - [`config`] — every setting and bound
//! - [`index`] — containers that know nothing about peers; [`wheel`] — deadlines
//! - [`hub`] — the rules, pure: no socket, clock, randomness or JSON
//! - [`wire`] — bytes ↔ messages; [`dialect`] — messages ↔ commands and events
//! - [`net`] — the only room with sockets, the clock and the random source
//! - [`web`] — what the port answers to plain HTTP
pub mod config;
pub mod dialect;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod hub;
pub mod index;
pub mod net;
pub mod web;
pub mod wheel;
pub mod wire;

pub use config::Config;
pub use net::{Ended, Server, StartError, Stopper};
