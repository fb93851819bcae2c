//! What must be true when everything has come to rest.

use super::client::{Client, NEVER};
use super::world::{Aim, DEBOUT, Said, World};
use peerhub::config::Scope;
use std::collections::BTreeMap;

impl World {
    /// Views, listings, deliveries and claims against what the clients are. `cut_off` readers were too slow,
    /// and `dropped` deliveries were not made for that.
    pub(crate) fn judge(&mut self, cut_off: u64, dropped: u64) {
        for (number, client) in self.clients.iter().enumerate() {
            if client.is_joined() && !client.mute {
                assert!(
                    client.pending.is_none(),
                    "client {number}: every initiation is answered"
                );
                assert!(
                    client.showing.is_none(),
                    "client {number}: what is shown is answered"
                );
                self.judge_view(number, client);
                self.judge_faults(number, client);
            }
        }
        for (number, client) in self.clients.iter().enumerate() {
            let pass = client.pass.as_ref().filter(|_| client.peer.is_upgraded());
            assert!(
                pass.is_none_or(|pass| !pass.must_have_ended(self.wall)),
                "client {number} has a token that has expired"
            );
        }
        let missed = self.said.iter();
        let missed = missed.map(|(serial, said)| self.judge_said(*serial, said));
        self.missed += missed.sum::<u64>();
        assert!(self.missed <= dropped, "what is missed has been dropped");
        // What has been taken in has arrived by now, wherever it had to.
        self.said.retain(|_, said| said.done == NEVER);
        for (claimant, holder, id, when) in &self.idle_claims {
            let holder_lives = self.clients[*holder].is_in()
                && self.clients[*holder].doubtful_from == NEVER
                && self.clients[*holder].had(id, *when, self.moment);
            if holder_lives {
                assert!(
                    !self.clients[*claimant].peer.is_open(),
                    "client {claimant} claims what client {holder} has"
                );
            }
        }
        let lost = self
            .clients
            .iter()
            .filter(|client| !client.peer.is_open() && client.doubtful_from == NEVER);
        assert!(
            lost.count() as u64 <= cut_off,
            "who does nothing wrong stays connected"
        );
    }

    /// Every request of those who are still there has ended as often as it has addressees.
    pub(crate) fn judge_requests(&self) {
        for (id, asked) in &self.requests {
            let client = &self.clients[asked.from];
            if client.peer.is_open() && !client.mute {
                assert_eq!(
                    asked.ends,
                    asked.to.len(),
                    "request {id} of client {} ends once",
                    asked.from
                );
            }
        }
    }

    /// The answers to the last `retrievePeers`.
    pub(crate) fn judge_listings(&self) {
        for (number, client) in self.clients.iter().enumerate() {
            if !client.is_joined() || client.mute {
                continue;
            }
            let retrieved = client
                .retrieved
                .as_ref()
                .expect("the last question is answered");
            let others: Vec<&Client> = self
                .others(number)
                .filter(|other| !self.debout || !other.channels.contains(DEBOUT))
                .collect();
            let mut expected: Vec<String> = others.iter().map(|other| other.card()).collect();
            let mut got = retrieved.clone();
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "client {number} is listed its linkage");
            let place = |client: &Client| retrieved.iter().position(|card| *card == client.card());
            for earlier in &others {
                for later in others
                    .iter()
                    .filter(|later| earlier.accepted < later.created)
                {
                    assert!(
                        place(earlier) < place(later),
                        "a listing is in the order of connection"
                    );
                }
            }
        }
    }

    /// Those whom a client shares its linkage with.
    fn others(&self, number: usize) -> impl Iterator<Item = &Client> {
        let linkage = &self.clients[number].linkage;
        self.clients
            .iter()
            .enumerate()
            .filter(move |(other, client)| {
                *other != number && client.is_joined() && client.linkage == *linkage
            })
            .map(|(_, client)| client)
    }

    fn judge_view(&self, number: usize, client: &Client) {
        if !client.hears {
            return;
        }
        let clear = |id: &str| !self.veiled.contains(id);
        let truth: BTreeMap<String, String> = self
            .others(number)
            .filter(|other| clear(other.id()))
            .map(|other| (other.id().to_owned(), other.card()))
            .collect();
        let view: BTreeMap<String, String> = client
            .view
            .iter()
            .filter(|(id, _)| clear(id))
            .map(|(id, card)| (id.clone(), card.clone()))
            .collect();
        assert_eq!(
            view,
            truth,
            "client {number} ({}) sees its linkage as it is",
            client.id()
        );
    }

    fn judge_faults(&self, number: usize, client: &Client) {
        for (code, count) in &client.faults_told {
            // Whether an answer comes too late is a matter of chance.
            if code != "E_NOREQUEST" {
                let expected = client.faults_expected.get(code.as_str()).copied();
                assert_eq!(Some(*count), expected, "client {number}: {code}");
            }
        }
        for (code, count) in &client.faults_expected {
            assert_eq!(
                client.faults_told.get(*code),
                Some(count),
                "client {number}: {code}"
            );
        }
    }

    /// How many times it was not heard though it should have been, if it may have been dropped.
    fn judge_said(&self, serial: u64, said: &Said) -> u64 {
        let sender = &self.clients[said.from];
        // What was read of one who is cut off for want of memory may not have been heard.
        let is_cut_off = !sender.peer.is_open() && sender.doubtful_from == NEVER;
        if said.done == NEVER || said.done >= sender.doubtful_from || is_cut_off {
            return 0;
        }
        let kind = match said.to {
            Aim::Channel(_) => "messages",
            Aim::Ids(_) => "notifies",
        };
        let may_be_dropped = self.drops.iter().any(|drops| drops == kind);
        let mut missed = 0;
        for (number, client) in self.clients.iter().enumerate() {
            if !client.is_in() || client.mute {
                continue;
            }
            if self.scope == Scope::Linkage {
                let linked =
                    client.joined < said.sent && said.linkage.as_ref() == Some(&client.linkage);
                if !linked {
                    continue;
                }
            }
            let expected = match &said.to {
                Aim::Channel(channel) => {
                    u32::from(client.subscribed(channel, said.sent, said.done) == Some(true))
                }
                Aim::Ids(ids) => ids
                    .iter()
                    .filter(|id| client.had(id, said.sent, said.done))
                    .count() as u32,
            };
            let times = client.received.get(&serial).copied().unwrap_or_default();
            assert!(
                times >= expected || may_be_dropped,
                "client {number} misses message {serial} of client {}",
                said.from
            );
            missed += u64::from(expected.saturating_sub(times));
        }
        missed
    }
}
