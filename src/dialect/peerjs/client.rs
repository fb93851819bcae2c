//! One client of PeerJS: its id and token, how far its life has got, and what it has been told.
//!
//! Must not: know other clients; who has which id is for the realm to say. Small, since there may be very many that are
//! idle: with its timer about a hundred bytes, and its names in one allocation.

use crate::hub::Millis;
use crate::index::{ConnKey, TimerKey};
use std::collections::VecDeque;

/// One connection of PeerJS, and beyond its end whose letters they are that still wait.
#[derive(Debug)]
pub(super) struct Client {
    /// Its id and, behind it, its token.
    pub(super) name: Box<str>,
    pub(super) id_bytes: u32,
    pub(super) conn: ConnKey,
    pub(super) heard_ms: Millis,
    /// When it registered among all others: a number that grows.
    pub(super) joined: u64,
    /// Fires when it may have been silent for too long.
    pub(super) timer: TimerKey,
    /// Letters of its that wait.
    pub(super) letters: u32,
    pub(super) letter_bytes: u32,
    pub(super) world: u32,
    pub(super) standing: Standing,
    pub(super) refusals: Option<Box<Refusals>>,
}

/// How far a client's life has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is found under its id.
    Registered,
    /// It has given its id up and may go on speaking.
    Unregistered,
    /// It has been closed; its connection is about to end.
    Over,
    /// Its connection has ended; its letters still wait.
    Departed,
}

/// The destinations of which a client was lately told that nothing can wait for them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Refusals(VecDeque<(Box<str>, Millis)>);

impl Client {
    pub(super) fn id(&self) -> &str {
        &self.name[..self.id_bytes as usize]
    }

    pub(super) fn token(&self) -> &str {
        &self.name[self.id_bytes as usize..]
    }

    /// Whether `token` is its own, in a time that does not tell where they differ.
    pub(super) fn has_token(&self, token: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.token().as_bytes(), token.as_bytes()).into()
    }

    pub(super) fn is_registered(&self) -> bool {
        self.standing == Standing::Registered
    }

    /// Whether its messages are heard.
    pub(super) fn takes_part(&self) -> bool {
        matches!(self.standing, Standing::Registered | Standing::Unregistered)
    }
}

impl Refusals {
    /// Of more destinations a client may be told twice.
    const MOST: usize = 16;

    /// Whether it was told so of this one.
    pub(super) fn has(&self, dst: &str, now: Millis) -> bool {
        let mut told = self.0.iter();
        told.any(|(other, until_ms)| &**other == dst && *until_ms > now)
    }

    /// It is told so of this one; that holds until then.
    pub(super) fn add(&mut self, dst: &str, until_ms: Millis) {
        self.0.retain(|(other, _)| &**other != dst);
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back((dst.into(), until_ms));
    }

    /// Whether there are no more than there may be.
    pub(super) fn are_few(&self) -> bool {
        self.0.len() <= Self::MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_clients_are_small() {
        // The names 16, two numbers of 8, the refusals 8, six keys and numbers of 4, the standing 1; in eights.
        assert_eq!(size_of::<Client>(), 72);
    }
}
