//! Everybody who speaks peero.

use crate::config::Config;
use crate::dialect::{Arrival, Lent};
use crate::hub::command::PeerFault;
use crate::index::{Arena, ConnKey, VisitorKey};
use std::hash::RandomState;

/// Everybody who speaks peero.
#[derive(Debug)]
pub struct Lobby {
    members: Arena<VisitorKey, ConnKey>,
}

impl Lobby {
    /// Nobody is there yet.
    pub fn new(_config: &Config, _hasher: RandomState) -> Lobby {
        Lobby {
            members: Arena::new(),
        }
    }

    /// A connection comes in.
    pub fn join(&mut self, arrival: Arrival<'_>, _lent: Lent<'_>) -> Option<VisitorKey> {
        Some(self.members.insert(arrival.conn))
    }

    /// A member has sent a message.
    pub fn hear(
        &mut self,
        _member: VisitorKey,
        _text: &str,
        _lent: Lent<'_>,
    ) -> Result<(), PeerFault> {
        Ok(())
    }

    /// A member's connection is ending.
    pub fn depart(&mut self, member: VisitorKey, _lent: Lent<'_>) {
        self.members.remove(member);
    }

    /// How many connections are members.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {}
}
