//! The mesh as its always-on member sees it.

use crate::config::Config;
use crate::dialect::{Arrival, Lent};
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::index::{Arena, ConnKey, HostKey};
use std::hash::RandomState;

/// The mesh as its always-on member sees it.
#[derive(Debug)]
pub struct Mesh {
    members: Arena<HostKey, ConnKey>,
}

impl Mesh {
    /// Nobody is there yet.
    pub fn new(_config: &Config, _hasher: RandomState, _now: Millis) -> Mesh {
        Mesh {
            members: Arena::new(),
        }
    }

    /// A connection comes in.
    pub fn join(&mut self, arrival: Arrival<'_>, _lent: Lent<'_>) -> Option<HostKey> {
        Some(self.members.insert(arrival.conn))
    }

    /// A member has sent a message.
    pub fn hear(
        &mut self,
        _member: HostKey,
        _text: &str,
        _lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        Ok(())
    }

    /// A member's connection is ending.
    pub fn depart(&mut self, member: HostKey, _lent: Lent<'_>) {
        self.members.remove(member);
    }

    /// Does what has become due.
    pub fn expire(&mut self, _lent: Lent<'_>) {}

    /// When `expire` has something to do next; never late, sometimes early.
    pub fn next_deadline(&self) -> Option<Millis> {
        None
    }

    /// How many connections are members.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {}
}
