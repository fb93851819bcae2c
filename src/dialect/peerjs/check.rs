//! The full sweep over what must always hold among the clients of PeerJS. For tests.

use super::client::Standing;
use super::realm::{Realm, author_name};
use super::waiting::Cause;
use crate::index::{ClientKey, ConnKey, Key};

impl Realm {
    /// Panics if something contradicts itself or exceeds a bound. For tests; O(everything).
    pub fn check(&self) {
        self.waiting.check(self.now);
        let mut sent: Vec<(ClientKey, usize)> = self
            .waiting
            .letters()
            .map(|letter| (letter.sender, letter.text.len()))
            .filter(|(sender, _)| !sender.is_none())
            .collect();
        sent.sort_unstable();
        let (mut registered, mut connected, mut timers) = (0, 0, 0);
        for (key, client) in self.clients.iter() {
            let first = sent.partition_point(|(sender, _)| *sender < key);
            let last = sent.partition_point(|(sender, _)| *sender <= key);
            let bytes: usize = sent[first..last].iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(client.letters as usize, last - first);
            assert_eq!(client.letter_bytes as usize, bytes);
            assert!(client.letters <= self.rules.sender_letters_max);
            assert!(client.letter_bytes as usize <= self.rules.sender_bytes_max);
            let world = client.world as usize;
            let is_found = self.find(world, client.id()) == Some(key);
            assert_eq!(is_found, client.is_registered());
            registered += usize::from(client.is_registered());
            connected += usize::from(client.standing != Standing::Departed);
            timers += usize::from(!client.timer.is_none());
            let has_timer = self.rules.alive_timeout_ms > 0 && client.takes_part();
            assert_eq!(!client.timer.is_none(), has_timer);
            let refusals = client.refusals.as_ref();
            assert!(refusals.is_none_or(|refusals| refusals.are_few()));
            if client.is_registered() {
                assert!(!self.waiting.has(world, Cause::Destination, client.id()));
                let author = author_name(client.id(), client.token());
                assert!(!self.waiting.has(world, Cause::Author, &author));
            }
            if client.standing == Standing::Departed {
                assert!(
                    client.letters > 0,
                    "one who has departed is kept for nothing"
                );
                assert_eq!(client.conn, ConnKey::NONE);
            }
        }
        let letters: u32 = self.clients.iter().map(|(_, client)| client.letters).sum();
        assert_eq!(letters as usize, sent.len(), "a letter has no sender");
        assert_eq!(registered, self.registered);
        assert!(registered <= self.rules.clients_max);
        let named: usize = (0..self.worlds.len())
            .map(|world| self.worlds[world].len())
            .sum();
        assert_eq!(named, registered);
        assert_eq!(connected, self.connected);
        self.wheel.check();
        assert_eq!(timers, self.wheel.len());
        assert!(self.due.is_empty());
    }
}
