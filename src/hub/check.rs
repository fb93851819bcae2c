//! The full sweep over what must always hold between the hub's records. Slow; for tests and simulations, after each step.

use super::{Hub, Stage};
use crate::index::{Key, PeerKey};

impl Hub {
    /// Panics if the hub's records contradict each other. O(everything).
    #[doc(hidden)]
    pub fn check(&self) {
        let mut with_id = 0;
        let mut joined = 0;
        for (key, peer) in self.peers.iter() {
            let indexed = matches!(peer.stage, Stage::Connected | Stage::Joined);
            with_id += usize::from(indexed);
            if indexed {
                assert_eq!(
                    self.find(&peer.card.id),
                    Some(key),
                    "an id leads to its peer"
                );
                assert!(peer.card.tags.count() <= self.rules.tags_max);
                assert!(peer.card.properties.bytes() <= self.rules.properties_bytes_max);
                assert!(peer.memberships.len() <= self.rules.channels_max);
                assert!(peer.asking.len() <= self.rules.pending_requests_max);
                assert_eq!(
                    peer.nudge.is_none(),
                    self.rules.nudge_interval_ms == 0,
                    "whoever is there is nudged, if anybody is"
                );
            } else {
                assert_eq!(
                    peer.memberships.len(),
                    0,
                    "who is gone subscribes to nothing"
                );
                assert_eq!(peer.asking.len() + peer.asked.len(), 0);
                assert_eq!(peer.claimants.len(), 0);
                assert!(peer.claim.is_none());
            }
            assert_eq!(
                peer.stage == Stage::Joined,
                !peer.linkage.is_none(),
                "who has joined, and nobody else, is in a linkage"
            );
            joined += usize::from(peer.stage == Stage::Joined);
            let claim = self.claims.get(peer.claim);
            let kept_bytes = peer.card.kept_bytes()
                + self.channels.kept_bytes_of(peer)
                + self.requests.kept_bytes_of(peer)
                + claim.map_or(0, |claim| claim.kept_bytes());
            assert_eq!(peer.kept_bytes, kept_bytes, "what is kept is counted");
            self.check_claims(key);
        }
        assert_eq!(with_id, self.ids.len(), "nobody else has an id");
        let kept = self.peers.iter().map(|(_, peer)| peer.kept_bytes);
        assert_eq!(self.kept_bytes(), kept.sum::<usize>());
        self.check_linkages(joined);
        self.channels.check(&self.peers);
        self.requests.check(&self.peers);
        let nudges = self.peers.iter().filter(|(_, peer)| !peer.nudge.is_none());
        self.wheel.check();
        let claims = self.claims.iter();
        let claims = claims.filter(|(_, claim)| !claim.deadline.is_none());
        assert_eq!(
            self.wheel.len(),
            nudges.count() + self.requests.deadline_count() + claims.count(),
            "every deadline belongs to something"
        );
    }

    fn check_linkages(&self, joined: usize) {
        let mut listed = 0;
        for (linkage, count) in self.linkages.iter() {
            assert!(count > 0, "an empty linkage is gone");
            assert_eq!(
                self.linkages.find(self.linkages.name(linkage)),
                Some(linkage)
            );
            let members = self.linkages.members(&self.peers, linkage);
            let members = members.inspect(|&one| assert_eq!(self.peers[one].linkage, linkage));
            let hearing = members.filter(|&one| self.peers[one].hears).count();
            let mut hearers = 0;
            for one in self.linkages.hearers(&self.peers, linkage) {
                assert!(self.peers[one].hears && self.peers[one].linkage == linkage);
                hearers += 1;
            }
            assert_eq!(hearers, hearing, "who wants to hear is listed");
            let members = self.linkages.members(&self.peers, linkage);
            assert_eq!(members.count(), count);
            listed += count;
        }
        assert_eq!(listed, joined, "who has joined is listed once");
    }

    fn check_claims(&self, key: PeerKey) {
        let peer = &self.peers[key];
        if let Some(claim) = self.claims.get(peer.claim) {
            assert_eq!(claim.claimant, key);
            assert_ne!(claim.holder, key, "nobody claims his own id");
        }
        for claim in peer.claimants.iter(&self.claims) {
            assert_eq!(self.claims[claim].holder, key);
            assert_eq!(
                self.claims[claim].id(),
                peer.card.id,
                "who is claimed from has the id"
            );
        }
    }
}
