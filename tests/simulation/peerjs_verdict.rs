//! What must be true of PeerJS when everything has come to rest.

use super::client::NEVER;
use super::guests::Present;
use super::peerjs::{Callers, LATE_MS, Outcome, Said};
use std::collections::BTreeMap;

impl Callers {
    /// Every joining has the outcome that it must have, and an id has one holder.
    pub(crate) fn judge_callers(&mut self, present: &Present) {
        let mut holders: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (number, caller) in self.callers.iter().enumerate() {
            if caller.guest.is_in() {
                let before = holders.insert((caller.key, caller.id), number);
                assert_eq!(before, None, "an id has one holder, and not {number} too");
            }
            if caller.guest.is_in() && caller.guest.doubtful_from == NEVER {
                assert_eq!(caller.errors, caller.wrongs, "caller {number} is told");
            }
            let silent_ms = present.now_ms - caller.said_ms;
            if caller.silent && silent_ms > self.config.alive_timeout_ms + LATE_MS + 1_000 {
                assert!(
                    !caller.guest.peer.is_open(),
                    "the silent are dead: {number}"
                );
            }
            self.judge_joining(number);
        }
        assert!(holders.len() <= self.config.concurrent_limit);
    }

    fn judge_joining(&self, number: usize) {
        let caller = &self.callers[number];
        let (came, settled) = (caller.guest.came, caller.settled);
        let is_there = |other: &super::guests::Guest| other.maybe_in(came, settled);
        match caller.outcome {
            None => {
                let excused = caller.guest.doubtful_from <= settled;
                assert!(excused, "the joining of caller {number} is decided");
            }
            Some(Outcome::BadKey) => {
                assert!(!self.config.keys.iter().any(|key| key == caller.key));
            }
            Some(Outcome::Open) => {
                assert!(self.config.keys.iter().any(|key| key == caller.key));
                for (other, holder) in self.namesakes(number) {
                    let kept = holder.guest.surely_in(came, settled);
                    assert!(
                        !kept || holder.token == caller.token,
                        "caller {number} got the id that caller {other} has"
                    );
                    let both = kept && caller.guest.gone == NEVER && holder.guest.gone == NEVER;
                    assert!(!both, "caller {other} was taken over by caller {number}");
                }
            }
            Some(Outcome::Taken) => {
                let taken = self
                    .namesakes(number)
                    .any(|(_, other)| other.token != caller.token && is_there(&other.guest));
                assert!(taken, "the id of caller {number} is free");
            }
            Some(Outcome::Full) => {
                let others = self.callers.iter().enumerate();
                let count = others
                    .filter(|(other, caller)| *other != number && is_there(&caller.guest))
                    .count();
                assert!(
                    count >= self.config.concurrent_limit,
                    "there is room for caller {number}"
                );
            }
        }
    }

    /// Every message has arrived or its sender knows that it has not.
    pub(crate) fn judge_said(&mut self, present: &Present) {
        for (n, said) in &self.said {
            self.judge_one(n, said, present);
        }
        // Nothing waits for longer than the rest before a judgement.
        let old_ms = self.config.expire_timeout_ms + 2 * LATE_MS;
        self.said
            .retain(|_, said| said.sent_ms + old_ms >= present.now_ms);
    }

    fn judge_one(&self, n: &str, said: &Said, present: &Present) {
        let sender = &self.callers[said.from];
        if said.at.is_some() || !sender.guest.surely_in(said.sent, said.settled) {
            return;
        }
        let addressees = || {
            let key = sender.key;
            self.callers
                .iter()
                .filter(move |caller| caller.key == key && caller.id == said.dst)
        };
        let in_doubt = addressees().any(|caller| {
            caller.guest.maybe_in(said.sent, present.moment)
                && caller.guest.doubtful_from <= present.moment
        });
        if in_doubt {
            return;
        }
        for caller in addressees() {
            let was_there = caller.guest.surely_in(said.sent, said.settled);
            assert!(!was_there, "{n} misses its addressee, who is there");
        }
        // What finds no room is told once in an expire timeout.
        let told_ms = sender.expired_ms.get(&said.dst);
        let told_before = self.is_tight()
            && told_ms.is_some_and(|at| at + self.config.expire_timeout_ms >= said.sent_ms);
        let knows = said.failed.is_some() || told_before || said.kind == "LEAVE";
        let can_know = sender.guest.surely_in(said.sent, present.moment);
        assert!(
            knows || !can_know,
            "caller {} is not told what became of {n}",
            said.from
        );
    }
}
